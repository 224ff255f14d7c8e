"""Controls at equal cost: what each one changes, that its cost is that of the evolved arm, and what is refused."""

import pytest

from evo.errors import SettingsError
from experiments import CONTROLS, Experiment, load_experiment, load_study
from experiments.settings.budgets import planned_budgets
from experiments.settings.experiment import read_settings, with_values
from experiments.settings.study import differences, parse_study, study_of

LETTERS = "ABCDFHN"


def with_controls(*names, **values):
    """Return the study of the preset digits with controls."""
    return (
        study_of("digits", controls=list(names))
        if not values
        else study_of(Experiment(**values), controls=list(names))
    )


@pytest.fixture(scope="module")
def all_of_digits():
    return study_of("digits", controls=[one for one in CONTROLS.built_in if one != "one_recipe"])


def settings_of(study, arm):
    """Return what is different from the evolved arm, baselines and name aside."""
    of_arms = differences(study)
    return {
        key: value
        for key, value in of_arms[arm].items()
        if value != of_arms["evolved"].get(key) and key not in {"arm", "baseline.arms"}
    }


def test_every_control_of_digits_is_an_arm_and_letters_are_one_arm_each(all_of_digits):
    letters = [f"{kind}-{one}" for kind in ("only", "without") for one in LETTERS]
    first = ["random_search", "train_only", "modify_only", "baldwinian", "no_selection"]
    assert list(all_of_digits.arms) == ["evolved", *first, *letters]
    assert all_of_digits.arms["evolved"].baseline.arms == ("cnn", "static")
    assert {one.baseline.arms for arm, one in all_of_digits.arms.items() if arm != "evolved"} == {
        ()
    }


@pytest.mark.parametrize(
    ("arm", "changes"),
    [
        (
            "random_search",
            {
                "evolution.population": 27,
                "evolution.train_only_fraction": 1.0,
                "policy.name": "none",
                "policy.rewiring_probability": 0.7,  # the default, where it has no effect
            },
        ),
        (
            "train_only",
            {
                "evolution.generations": 26,
                "evolution.train_only_fraction": 1.0,
                "policy.name": "none",
                "policy.rewiring_probability": 0.7,  # the default, where it has no effect
            },
        ),
        (
            "modify_only",
            {
                "evolution.generations": 13,
                "evolution.steps_per_generation": 0,
                "evolution.train_only_fraction": 0.0,
            },
        ),
        ("baldwinian", {"evolution.inheritance": "baldwinian"}),
        (
            "no_selection",
            {"evolution.population": 27, "evolution.selection.name": "random_search"},
        ),
        ("without-B", {"policy.operator_weights.B": 0.0}),
        ("without-N", {"policy.operator_weights.N": 0.0, "policy.rewiring_probability": 0.0}),
    ],
)
def test_a_control_changes_one_thing_and_what_equal_cost_needs(all_of_digits, arm, changes):
    assert settings_of(all_of_digits, arm) == changes


def test_one_letter_alone_draws_no_other_and_does_not_prune_and_regrow(all_of_digits):
    policy = all_of_digits.arms["only-C"].policy
    assert policy.drawn_weights == {"C": 1.0}
    assert policy.rewiring_probability == 0


def test_total_steps_or_networks_are_those_of_the_evolved_arm(all_of_digits):
    evolved = all_of_digits.arms["evolved"].evolution
    for arm, experiment in all_of_digits.arms.items():
        evolution = experiment.evolution
        assert evolution.expected_individuals() == evolved.expected_individuals() == 432
        planned = planned_budgets(experiment)[arm]
        assert planned["total_networks"] == 432
        assert planned["total_steps"] == (0 if arm == "modify_only" else 432 * 120)


def test_random_search_is_the_preset_that_says_the_same_by_hand():
    control, preset = with_controls("random_search").arms["random_search"], "digits-random"
    by_hand = load_experiment(preset)
    for section in ("dataset", "founders", "training", "evolution", "seeds"):
        assert getattr(control, section) == getattr(by_hand, section)
    fashion = parse_study(with_values(read_settings("fashion"), {"controls": FASHION}), "fashion")
    evolution = fashion.arms["random_search"].evolution
    assert evolution.population == fashion.arms["train-only"].evolution.population == 7


@pytest.mark.parametrize("preset", ["double-pole", "cart-pole", "digits"])
def test_random_search_where_nothing_trains_judges_each_founder_once(preset):
    values = with_values(read_settings(preset), {"controls": ["random_search"]})
    if preset == "digits":
        values = with_values(values, {"evolution.steps_per_generation": 0, "baseline.arms": []})
    arms = parse_study(values, preset).arms
    found, evolved = arms["random_search"].evolution, arms["evolved"].evolution
    assert (found.generations, found.population) == (0, evolved.expected_individuals())
    of_evolved = planned_budgets(arms["evolved"])["evolved"]
    assert planned_budgets(arms["random_search"])["random_search"] == of_evolved


FASHION = {"evolved": ["random_search"]}


def test_a_file_says_the_same_as_a_script(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('controls = ["train_only"]\n[evolution]\npopulation = 4\n')
    made = load_study(path)
    assert made == with_controls("train_only", evolution={"population": 4})
    assert list(made.cells) == ["evolved", "train_only"]
    with pytest.raises(SettingsError, match="has controls; load_study loads it"):
        load_experiment(path)


def test_several_arms_that_evolve_have_a_table_and_a_prefix():
    arms = {"set": {"policy.name": "set"}, "rigl": {"policy.name": "rigl"}}
    made = study_of(
        Experiment(), arms=arms, controls={"set": ["train_only"], "rigl": ["train_only"]}
    )
    assert list(made.arms) == ["set", "rigl", "set-train_only", "rigl-train_only"]


def test_one_recipe_is_the_arm_without_its_genes():
    genes = {"ranges": {"learning_rate": [0.01, 1], "shift": [0, 2]}, "resample_probability": 0.2}
    made = with_controls("one_recipe", evolution={"population": 4, "recipe_genes": genes})
    control, evolved = made.arms["one_recipe"], made.arms["evolved"]
    assert control.evolution.recipe_genes.ranges == {}
    without = evolved.evolution.model_copy(update={"recipe_genes": {"ranges": {}}})
    assert control.evolution == without != evolved.evolution


def test_controls_follow_the_grid():
    made = study_of(
        Experiment(), controls=["random_search"], grid={"evolution.generations": [7, 15]}
    )
    found = {name: one.evolution.population for name, one in made.cells.items()}
    assert found["random_search-generations-7"] == 26
    assert found["random_search-generations-15"] == 27


@pytest.mark.parametrize(
    ("names", "values", "message"),
    [
        (["train-only"], {}, r"controls must be one of .*; got 'train-only' \(did you mean"),
        ("train_only", {}, "controls must be a list of names; got 'train_only'"),
        (
            {"evolved": []},
            {},
            r"controls.evolved must name one control or more, each once; got \[\]",
        ),
        (
            {"other": ["train_only"]},
            {},
            r"controls must be of arms that evolve \(evolved\); got 'other'",
        ),
        (
            ["only_letters"],
            {"policy": {"name": "set"}},
            "controls: only_letters needs another arm: policy.name must be one that draws letters",
        ),
        (
            ["without_letters"],
            {"policy": {"name": "weighted", "operator_weights": {"B": 1.0}}},
            "without_letters needs another arm: policy.operator_weights must have two letters or more",
        ),
        (
            ["only_letters"],
            {"policy": {"name": "layerwise"}, "founders": {"graph": "layered"}},
            'policy.name must be one that applies drawn letters alone; got "layerwise"',
        ),
        (
            ["no_selection"],
            {"evolution": {"selection": {"name": "random_search"}}},
            "no_selection needs another arm: evolution.selection.name must be one that selects",
        ),
        (
            ["one_recipe"],
            {},
            "one_recipe needs another arm: evolution.recipe_genes.ranges must have genes; got {}",
        ),
        (
            ["train_only"],
            {"policy": {"name": "none"}, "evolution": {"train_only_fraction": 1.0}},
            "controls: train_only would be the arm itself, for it changes nothing",
        ),
        (
            ["baldwinian"],
            {"evolution": {"dormant": "straight_through"}},
            'controls: baldwinian: evolution.dormant must be "frozen" where',
        ),
        (
            ["random_search"],
            {"founders": {"graph": "given", "files": ["a.npz"]}},
            'random_search needs another arm: founders.graph must be drawn; got "given"',
        ),
        (
            ["train_only"],
            {"evolve": False, "baseline": {"epochs": 1}},
            "controls must be a table .* those that evolve: none",
        ),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(names, values, message):
    with pytest.raises(SettingsError, match=message) as caught:
        study_of(Experiment(**values), controls=names)
    assert "\n" not in str(caught.value)


# -- declared budgets --------------------------------------------------------------------------------------------------


def test_an_equal_budget_that_settings_contradict_is_refused_before_the_run():
    evaluation = {"equal": ["total_steps", "parameters"]}
    with pytest.raises(SettingsError) as caught:
        study_of(
            Experiment(evaluation=evaluation, baseline={"arms": ["mlp"]}), controls=["train_only"]
        )
    assert str(caught.value) == (
        "evaluation.equal: total_steps must be the same for all arms that are compared, to a percent; got "
        "24,000 for evolved and 900 for mlp"
    )
    made = study_of(
        Experiment(evaluation=evaluation, baseline={"arms": []}), controls=["train_only"]
    )
    assert made.arms["train_only"].evaluation.equal == ("total_steps", "parameters")


def test_a_declared_comparison_needs_the_budget_of_its_two_arms_alone():
    evaluation = {"equal": ["total_steps"], "primary": "evolved - train_only"}
    study_of(Experiment(evaluation=evaluation), controls=["train_only", "modify_only"])
    with pytest.raises(SettingsError, match=r"got 24,000 for evolved and 0 for modify_only"):
        study_of(
            Experiment(evaluation=evaluation | {"primary": "evolved - modify_only"}),
            controls=["modify_only"],
        )


def test_an_unknown_budget_is_refused():
    with pytest.raises(SettingsError, match=r"evaluation\.equal"):
        Experiment(evaluation={"equal": ["flops"]})
    with pytest.raises(SettingsError, match="must name each budget at most once"):
        Experiment(evaluation={"equal": ["steps", "steps"]})
