"""Settings that others leave without effect: refused where they are given, left out where they are inherited."""

import re

import pytest

from evo import POLICIES, SELECTIONS
from evo.errors import SettingsError
from experiments import Experiment
from experiments.settings.experiment import changed_experiment, with_values
from experiments.settings.study import parse_study

WITHOUT_EFFECT = [
    ("training.momentum", 0.5, {"training.optimizer": "sgd"}),
    ("training.average_decay", 0.9, {}),
    ("training.average_fraction", 0.5, {"training.average": "exponential"}),
    ("evolution.recipe_genes.ranges.momentum", [0.5, 0.9], {"training.optimizer": "sgd"}),
    ("evolution.recipe_genes.resample_probability", 0.5, {}),
    ("evolution.in_flight", 2, {}),
    ("evolution.active_edges", "kept", {}),
    ("evolution.recombination.mates", 2, {}),
    ("evolution.selection.objectives", ["macs"], {}),
    ("evolution.selection.descriptors", ["macs"], {"evolution.selection.name": "speciation"}),
    ("evolution.selection.novelty_weight", 0.5, {"evolution.selection.name": "speciation"}),
    ("evolution.selection.local_competition", True, {"evolution.selection.name": "speciation"}),
    ("evolution.selection.species", 3, {}),
    ("evolution.selection.replacement_interval", 2, {"evolution.selection.name": "ageing"}),
    ("evolution.selection.tournament_size", 2, {"evolution.selection.name": "nsga2"}),
    ("policy.rewiring_probability", 0.5, {"policy.name": "adaptive"}),
    ("policy.operator_weights", {"A": 1.0}, {"policy.name": "set"}),
    ("policy.max_moved_fraction", 0.5, {}),
    ("policy.removal", "magnitude", {}),
    ("policy.final_density", 0.5, {"policy.name": "rigl"}),
    ("policy.removal_exponents", [1.0, 2.0], {"policy.name": "set"}),
    ("policy.rewired_fraction", 0.5, {"policy.name": "gmp"}),
    ("policy.new_weight_scale", 0.5, {"policy.name": "mest"}),
    ("policy.new_weight_scale", 0.5, {"policy.name": "rigl"}),
    ("founders.rewiring_probability", 0.5, {}),
    ("founders.receptive_field_randomness", 0.5, {"founders.graph": "layered"}),
    ("baseline.maps", 4, {"baseline.arms": ["mlp"]}),
    ("baseline.hidden", 4, {"baseline.arms": ["lenet5"]}),
    ("baseline.learning_rate", 0.2, {"baseline.arms": ["static"]}),
    ("baseline.search.training", {"l2": [0.1]}, {}),
    ("baseline.search.training.momentum", [0.1], {"training.optimizer": "sgd"} | {
        "baseline.arms": ["cnn_search"]}),
    ("baseline.pbt.interval", 4, {}),
    ("baseline.epochs", 4, {}),
    ("baseline.patience", 4, {}),
    ("evaluation.timeout", 4.0, {"evolve": False, "baseline.epochs": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "others"), WITHOUT_EFFECT)
def test_a_setting_that_others_leave_without_effect_is_refused_but_not_if_inherited(
    key, value, others
):
    with pytest.raises(SettingsError, match=f"^{re.escape(key)} must not be given .*; got "):
        Experiment(**with_values({}, {key: value, **others}))
    # Who changes the others, on top of a file that has the setting, is not told to repeat it.
    _, idle = Experiment.parse_changed(with_values({}, {key: value, **others}), {}, "")
    assert [*idle] == [key]


def test_changes_on_top_of_a_file_leave_out_what_they_leave_without_effect():
    base = {"policy": {"rewiring_probability": 0.5}}
    changed = changed_experiment(base, {"policy.name": "set"}, "mine")
    assert changed.policy.rewiring_probability == 0.7
    told = "^mine: policy.rewiring_probability must not be given unless one of mixed, layerwise is"
    with pytest.raises(SettingsError, match=told):
        changed_experiment(
            base | {"policy": {"name": "set", **base["policy"]}}, {"seeds": 1}, "mine"
        )
    with pytest.raises(SettingsError, match=r"^policy\.max_moved_fraction must not be given"):
        changed_experiment(base, {"policy.max_moved_fraction": 0.5}, "")


def test_an_own_part_may_read_any_setting():
    POLICIES.register("still", lambda editor, context, settings: [])
    SELECTIONS.register("other", SELECTIONS["local_search"])
    try:
        made = Experiment(
            policy={"name": "still", "removal": "magnitude"},
            evolution={"selection": {"name": "other", "elites": 1}},
        )
        assert made.policy.removal == "magnitude"
    finally:
        POLICIES.install({})
        SELECTIONS.install({})


def test_objectives_are_different():
    chosen = {"name": "nsga2", "objectives": ["macs", "macs"]}
    with pytest.raises(SettingsError, match=r"^evolution\.selection\.objectives must name each "):
        Experiment(evolution={"selection": chosen})


@pytest.mark.parametrize(
    ("selection", "told"),
    [
        (
            {"name": "nsga2", "objectives": ["fitness", "macss"]},
            r"objectives must be one of fitness, .*\(did you mean 'macs'",
        ),
        (
            {"name": "nsga2", "objectives": ["-fitness"]},
            "objectives must be one of fitness, .*; got '-fitness'",
        ),
        (
            {"name": "novelty", "descriptors": ["dept"]},
            r"descriptors must be one of n_nodes, .*\(did you mean 'depth'",
        ),
        (
            {"name": "novelty", "descriptors": ["accuracy"]},
            "descriptors must be one of n_nodes, .*; got 'accuracy'",
        ),
    ],
)
def test_descriptors_and_objectives_that_nothing_has_are_refused(selection, told):
    with pytest.raises(SettingsError, match=rf"^evolution\.selection\.{told}"):
        Experiment(evolution={"selection": selection})


def test_metrics_of_the_tables_are_descriptors_and_objectives():
    metric = {"evaluation": {"metrics": ["log_loss"]}}
    for chosen in (
        {"name": "novelty", "descriptors": ["log_loss"]},
        {"name": "nsga2", "objectives": ["-log_loss", "n_cyclic"]},
    ):
        assert Experiment(evolution={"selection": chosen}, **metric)
        with pytest.raises(SettingsError, match="; got 'log_loss'"):
            Experiment(evolution={"selection": chosen})


def study_of(shared, arms, **others):
    return parse_study({**shared, "arms": arms, **others}, "mine")


def test_an_arm_inherits_no_setting_without_effect():
    shared = {"policy": {"rewiring_probability": 0.5}}
    cells = study_of(shared, {"mixed": {}, "set": {"policy": {"name": "set"}}}).cells
    found = {name: one.policy.rewiring_probability for name, one in cells.items()}
    assert found == {"mixed": 0.5, "set": 0.7}


def test_a_key_of_the_grid_makes_no_cells_of_an_arm_that_does_not_read_it():
    grid = {"policy": {"rewiring_probability": [0.2, 0.5]}}
    cells = study_of({}, {"mixed": {}, "set": {"policy": {"name": "set"}}}, grid=grid).cells
    assert [*cells] == ["mixed-rewiring_probability-0.2", "mixed-rewiring_probability-0.5", "set"]


@pytest.mark.parametrize(
    ("shared", "arms", "others", "told"),
    [
        (
            {"policy": {"final_density": 0.5}},
            {"a": {}, "b": {"founders": {"hidden": 3}}},
            {},
            r"mine: arms.a: policy.final_density must not be given unless one of set, .* is chosen; got 0.5",
        ),
        (
            {},
            {"a": {}, "b": {"policy": {"name": "set", "max_operations": 3}}},
            {},
            r"mine: arms.b: policy.max_operations must not be given unless one of mixed, .*; got 3",
        ),
        (
            {},
            {"a": {}, "b": {"policy": {"name": "set"}}},
            {"grid": {"policy": {"max_moved_fraction": [0.1, 0.2]}}},
            r"mine: grid.policy.max_moved_fraction must make a difference to an arm; got \[0.1, 0.2\]",
        ),
    ],
)
def test_what_has_no_effect_in_a_study_is_refused(shared, arms, others, told):
    with pytest.raises(SettingsError, match=f"^{told}"):
        study_of(shared, arms, **others)


def test_the_base_of_a_study_may_have_an_effect_by_itself_alone():
    shared = {"policy": {"rewiring_probability": 0.5}}
    arms = {name: {"policy": {"name": name}} for name in ("set", "rigl")}
    assert [*study_of(shared, arms).cells] == ["set", "rigl"]
