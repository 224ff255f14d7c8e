"""Studies: which cells arms and a grid make, what they are called, and what is refused."""

import copy

import numpy as np
import pytest

from evo.errors import SettingsError
from experiments import Experiment, load_experiment, load_study
from experiments.settings.study import differences, parse_study, shown_cell, study_of

VALUES = {
    "name": "small",
    "evolution": {"population": 1, "generations": 3, "steps_per_generation": 5},
    "arms": {
        "mlp": {"evolve": False, "baseline": {"arms": ["mlp"]}},
        "set": {"policy": {"name": "set"}},
    },
    "grid": {"training.learning_rate": [0.1, 0.5], "evolution.population": [1, 2]},
}


def study(**values):
    return parse_study({**copy.deepcopy(VALUES), **values}, "small")


def test_a_cell_is_an_arm_at_a_point_and_a_key_without_effect_on_an_arm_makes_no_cells_of_it():
    made = study()
    assert list(made.cells) == [
        "mlp-learning_rate-0.1",
        "mlp-learning_rate-0.5",
        "set-learning_rate-0.1-population-1",
        "set-learning_rate-0.1-population-2",
        "set-learning_rate-0.5-population-1",
        "set-learning_rate-0.5-population-2",
    ]
    last = made.cells["set-learning_rate-0.5-population-2"]
    assert (last.training.learning_rate, last.evolution.population) == (0.5, 2)
    assert (last.policy.name, last.arm, last.cell) == (
        "set",
        "set",
        "learning_rate-0.5-population-2",
    )
    assert last.title == "small, set, learning_rate-0.5-population-2"
    assert [one.arm_names for one in made.cells.values()] == [(name,) for name in made.cells]
    assert list(made.arms) == ["mlp", "set"]
    assert list(made.chosen(["mlp"])) == list(made.cells)[:2]


def test_the_steps_of_a_fixed_arm_follow_the_grid():
    made = study(grid={"evolution.generations": [3, 7]})
    steps = {name: one.baseline.total_steps for name, one in made.cells.items() if not one.evolve}
    assert steps == {"mlp-generations-3": 20, "mlp-generations-7": 40}


def test_without_arms_the_experiment_is_the_arm_and_keeps_its_baselines(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "mine"\n[grid]\ntraining.learning_rate = [0.1]\nfounders.hidden = [4, 8]\n'
    )
    made = load_study(path)
    assert list(made.cells) == ["evolved-hidden-4", "evolved-hidden-8"]
    assert made.cells["evolved-hidden-8"].arm_names == ("evolved-hidden-8", "cnn-hidden-8")
    with pytest.raises(SettingsError, match="has a grid; load_study loads it"):
        load_experiment(path)


def test_a_script_says_the_same_as_a_file():
    base = Experiment(name="small", evolution=VALUES["evolution"])
    arms = {
        "mlp": {"evolve": False, "baseline.arms": ["mlp"]},
        "set": {"policy.name": "set"},
    }
    grid = {"training.learning_rate": (0.1, 0.5), "evolution.population": np.arange(1, 3)}
    assert study_of(base, arms=arms, grid=grid, seeds=range(2, 6)) == study(seed=2, seeds=4)
    assert study_of(base, arms=arms, seeds=2).cells.keys() == {"mlp", "set"}


@pytest.mark.parametrize("seeds", ["4", [0, 1.0], 2.5])
def test_seeds_are_whole_numbers(seeds):
    with pytest.raises(TypeError, match=r"^seeds must be "):
        study_of(Experiment(), arms={"a": {}}, seeds=seeds)


def test_an_evolving_arm_has_the_networks_that_all_arms_share_but_none_unless_it_names_some():
    shared = {"arms": ["mlp"], "hidden": 4}
    arms = {"plain": {}, "again": {"baseline.arms": ["retrained", "mlp"]}}
    cells = study_of(Experiment(baseline=shared), arms=arms).cells
    assert {name: one.baseline.arms for name, one in cells.items()} == {
        "plain": (),
        "again": ("retrained", "mlp"),
    }
    assert cells["again"].baseline.hidden == 4


def test_large_and_small_numbers_have_names_of_their_own():
    cells = study_of(Experiment(), grid={"training.learning_rate": [1e30, 1e-30]}).cells
    assert [*cells] == ["evolved-learning_rate-1e30", "evolved-learning_rate-1e-30"]


def test_arms_and_points_are_added_to_those_of_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[arms.a]\n[grid]\n"founders.hidden" = [4, 8]\n')
    made = study_of(path, arms={"b": {"policy.name": "set"}}, grid={"founders.hidden": [5, 6]})
    assert list(made.cells) == [f"{arm}-hidden-{n}" for arm in "ab" for n in (5, 6)]


def test_values_that_do_not_suit_a_name_are_numbered_and_equal_last_parts_are_told_apart():
    made = study_of(
        Experiment(founders={"graph": "layered"}),
        grid={
            "founders.hidden": [[4], [4, 5]],
            "baseline.hidden": [4, 5],
            "policy.operator_weights": [{"A": 1.0}, dict.fromkeys("ABCDFHN", 0.25)],
        },
    )
    first = "evolved-founders.hidden-4-baseline.hidden-4-operator_weights-1"
    assert next(iter(made.cells)) == first
    assert made.cells[first].policy.operator_weights == {"A": 1.0}


def test_an_arm_has_one_name_on_all_data_sets():
    made = study_of(
        Experiment(dataset={"options": {"n_samples": 20}, "test": 0.3}),
        arms={"a": {}, "b": {}},
        datasets=["digits", {"name": "xor", "options": {"n_samples": 40}}],
    )
    assert list(made.cells) == ["a-digits", "a-xor", "b-digits", "b-xor"]
    assert [one.arm_names for one in made.cells.values()] == [("a",), ("a",), ("b",), ("b",)]
    data = [made.cells[name].dataset for name in ("a-digits", "a-xor")]
    assert [one.options for one in data] == [{}, {"n_samples": 40}]
    assert {one.test for one in data} == {0.3}
    assert next(iter(study(grid={"dataset.name": ["xor", "spirals"]}).cells)) == "mlp-xor"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"grid": 3}, "small: grid must be a table of keys with lists; got 3"),
        (
            {"grid": {"training.learning_rate": 0.1}},
            "small: grid.training.learning_rate must be a list of one value or more; got 0.1",
        ),
        ({"grid": {"founders": {"hidden": []}}}, "small: grid.founders.hidden must be a list of"),
        ({"grid": {"seed": [1, 2]}}, "small: grid.seed must not be given: seed is the same"),
        (
            {"grid": {"founders.hidden": [4, 4]}},
            "small: grid.founders.hidden must have each value once; got [4, 4]",
        ),
        (
            {"grid": {"policy.name": ["set", "rigl"]}},
            "small: arms.set.policy.name must not be given: the grid has values for policy.name",
        ),
        (
            {"grid": {"training.learning_rat": [1, 2]}},
            "small: arms.mlp: training.learning_rat: unknown key (did you mean 'learning_rate'?)",
        ),
        (
            {"grid": {key: [1, 2, 3, 4, 5, 6, 7] for key in ["a", "b", "c", "d", "e"]}},
            "small: grid must have at most 10,000 points; got 16,807",
        ),
        (
            {"grid": {"dataset": ["xor"], "dataset.name": ["digits"]}},
            "small: grid.dataset must not be given beside grid.dataset.name",
        ),
        (
            {"arms": {"a": {}, "a-hidden-4": {}}, "grid": {"founders.hidden": [4]}, "seed": -1},
            "small: arms.a: seed must be greater than or equal to 0; got -1",
        ),
        (
            {"evaluation": {"primary": "set - mlp"}},
            "small: evaluation.primary must be of two of the arms mlp-learning_rate-0.1, ",
        ),
    ],
)
def test_an_error_is_one_line_that_names_the_key(values, message):
    with pytest.raises(SettingsError) as caught:
        study(**values)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"arms": {"wide": {"training.learning_rate": -1}}},
            "arms.wide: training.learning_rate must be greater than 0; got -1",
        ),
        (
            {"arms": {"wide": {"founders.hiden": 1}}},
            "arms.wide: founders.hiden: unknown key (did you mean 'hidden'?)",
        ),
        (
            {"grid": {"training.learning_rate": [0.1, -1]}},
            "grid: training.learning_rate must be greater than 0; got -1",
        ),
        ({"grid": {"training.learning_rate": []}}, "grid.training.learning_rate must be a list "),
        ({"grid": {"seed": [1]}}, "grid.seed must not be given: "),
        ({"controls": ["trainonly"]}, "controls must be one of "),
        ({"arms": {"a": {}}, "halving": {"factor": 0}}, "halving.factor must be greater than 1"),
    ],
)
def test_an_error_of_a_script_names_arm_and_setting_as_that_of_a_file(changes, message):
    with pytest.raises(SettingsError) as caught:
        study_of(Experiment(name="small"), **changes)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("empty", ["controls = []", "controls = {}", "[arms]", "[grid]"])
def test_an_empty_section_of_a_file_is_none(empty, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(f"seeds = 1\n{empty}\n", "utf-8")
    assert load_experiment(path) == Experiment(seeds=1)
    with pytest.raises(SettingsError, match=r"mine\.toml: arms must be one table or more"):
        load_study(path)


@pytest.mark.parametrize("empty", [{"controls": []}, {"arms": {}}, {"grid": {}, "controls": {}}])
def test_a_script_that_gives_no_variants_has_one_cell(empty):
    base = Experiment(name="small", seeds=2)
    made = study_of(base, **empty)
    assert made.cells == {"evolved": base}
    assert (made.arm_of, made.grid, made.halving) == ({"evolved": "evolved"}, {}, None)


def test_a_script_takes_the_controls_of_a_preset_away(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('controls = ["train_only"]\n[evolution]\npopulation = 4\n')
    assert [*study_of(path).cells] == ["evolved", "train_only"]
    assert [*study_of(path, controls=[]).cells] == ["evolved"]
    message = "cart-pole: evaluation.primary must be of two of the arms evolved; got "
    with pytest.raises(SettingsError, match=message):
        study_of("cart-pole", controls=[])


def test_cells_differ_in_settings_that_they_have():
    arms = {"evolved": {}, "mlp": {"evolve": False, "baseline": {"arms": ["mlp"]}}}
    found = differences(study(arms=arms, grid={"training.learning_rate": [0.1, 0.5]}))
    assert found["evolved-learning_rate-0.5"]["training.learning_rate"] == 0.5
    assert not any(key.startswith("founders.") for of_cell in found.values() for key in of_cell)
    backwards = study(arms=dict(reversed(arms.items())), grid={})
    assert shown_cell(backwards).evolve
    assert not any(key.startswith("founders.") for key in differences(backwards)["evolved"])


def test_an_arm_without_its_cell_is_guessed():
    with pytest.raises(SettingsError, match=r"\(did you mean 'set-learning_rate-0.1-popul"):
        study(evaluation={"primary": "set - mlp-learning_rate-0.1"})


def test_two_cells_of_one_name_are_refused():
    arms = {"a": {}, "a-hidden-4": {}}
    with pytest.raises(
        SettingsError, match="must give each cell a name of its own; got a-hidden-4-"
    ):
        study(
            arms={"a-hidden-4": {}, "a": {}, "a-hidden": {}} | arms,
            grid={"dataset.name": ["hidden-4-xor", "xor"]},
        )


def test_two_arms_whose_folders_are_one_on_other_systems_are_refused():
    with pytest.raises(
        SettingsError, match=r"where capitals do not count, .* got Wide-.* and wide-"
    ):
        study(arms={"Wide": {}, "wide": {"founders": {"density": 0.9}}})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"base": 3},
            TypeError,
            "base must be a preset's name, a path or an Experiment; got a int",
        ),
        ({"grid": [1]}, TypeError, "grid must be a mapping"),
        ({"grid": {"seed": 1}}, TypeError, "grid must have a list for seed; got 1"),
        ({}, SettingsError, "arms, grid or controls must be given, for the base has none"),
        ({"seeds": [1, 3]}, SettingsError, r"seeds must follow each other, such as range\(8\)"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        study_of(
            **{"base": Experiment(), **({"arms": {"a": {}}} if "seeds" in arguments else {})}
            | arguments
        )


def test_a_grid_varies_the_recipe_down_to_its_augmentation():
    made = study(
        arms={"lenet1": {"evolve": False, "baseline": {"arms": ["lenet1"], "epochs": 1}}},
        grid={"training": {"label_smoothing": [0, 0.1], "augmentation": {"shift": [0, 2]}}},
    )
    recipes = [one.training for one in made.cells.values()]
    assert [(one.label_smoothing, one.augmentation.shift) for one in recipes] == [
        (0, 0),
        (0, 2),
        (0.1, 0),
        (0.1, 2),
    ]
