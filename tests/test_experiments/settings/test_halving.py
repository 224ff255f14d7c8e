"""Settings of halving: when rungs are, which cells may be stopped, and what is refused before any work."""

import copy

import pytest

from evo.errors import SettingsError
from experiments import Experiment, load_experiment
from experiments.settings.halving import HalvingSettings, halved_cells
from experiments.settings.study import parse_study, study_of

VALUES = {
    "name": "small",
    "seeds": 1,
    "dataset": {"name": "xor"},
    "evolution": {"population": 1, "generations": 7},
    "arms": {"evolved": {}, "mlp": {"evolve": False, "baseline": {"arms": ["mlp"]}}},
    "grid": {"founders.hidden": [2, 4, 8]},
    "halving": {},
}


def parsed(**changes):
    return parse_study({**copy.deepcopy(VALUES), **changes}, "small")


@pytest.mark.parametrize(
    ("settings", "last", "generations"),
    [
        ({}, 15, (1, 3, 7)),
        ({"factor": 3, "rungs": 2}, 8, (0, 2)),
        ({"rungs": [0.7]}, 9, (6,)),
        ({"rungs": [0, 5]}, 9, (0, 5)),
    ],
)
def test_rungs_are_fractions_of_the_generations_or_generations(settings, last, generations):
    assert HalvingSettings(**settings).generations(last) == generations


def test_a_study_has_halving_and_its_cells_are_those_without_it():
    study = parsed()
    assert study.halving == HalvingSettings()
    assert study.cells == parse_study({k: v for k, v in VALUES.items() if k != "halving"}, "").cells


def test_fixed_arms_and_those_of_the_declared_comparison_may_not_be_stopped():
    assert [*halved_cells(parsed().cells)] == [f"evolved-hidden-{n}" for n in (2, 4, 8)]
    declared = {"primary": "evolved-hidden-4 - mlp"}
    assert [*halved_cells(parsed(evaluation=declared).cells)] == [
        "evolved-hidden-2",
        "evolved-hidden-8",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"halving": 3}, "small: halving must be a table; got 3"),
        ({"halving": {"factor": 1}}, "small: halving.factor must be greater than 1; got 1"),
        ({"halving": {"rung": 1}}, "small: halving.rung: unknown key"),
        ({"halving": {"rungs": 0}}, "small: halving.rungs must be at least 1; got 0"),
        ({"halving": {"rungs": []}}, "small: halving.rungs must be a number, or a list of generat"),
        ({"halving": {"rungs": [1, 0.5]}}, "small: halving.rungs must be a number, or a list of g"),
        ({"halving": {"rungs": [3, 1]}}, "small: halving.rungs must increase from rung to rung; g"),
        ({"halving": {"rungs": [7]}}, "small: halving.rungs must be after different generations, "),
        (
            {"halving": {"rungs": 4}},
            "small: halving.rungs must be after different generations, all",
        ),
        (
            {"halving": {"keep": 3}},
            "small: halving must have more than 3 cells that it may stop; go",
        ),
        (
            {"evolution": {"mode": "asynchronous", "generations": 7}},
            'small: evolution.mode must be "generational" with halving',
        ),
        (
            {"evolution": {"budget": {"seconds": 1.0}, "generations": 7}},
            "small: evolution.budget.seconds must not be given with halving",
        ),
        (
            {"grid": {"evolution.generations": [7, 9]}},
            "small: evolution.generations must be the same for all cells that halving may stop; got another one",
        ),
        (
            {"grid": {"evolution.fitness": ["accuracy", "negative_loss"]}},
            "small: evolution.fitness must be the same for all cells",
        ),
        (
            {"grid": {"dataset.name": ["xor", "spirals"]}},
            "small: dataset must be the same for all cells that halving may stop",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(changes, message):
    with pytest.raises(SettingsError) as caught:
        parsed(**changes)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_halving_without_cells_is_refused(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("controls = []\n[halving]\nrungs = 2\n", "utf-8")
    with pytest.raises(SettingsError) as caught:
        load_experiment(path)
    assert str(caught.value) == (
        f"{path}: halving must be given with arms, controls or a grid only, whose cells it compares; got {{'rungs': 2}}"
    )
    with pytest.raises(SettingsError, match=r"^halving must have more than 1 cells .* got 1, "):
        study_of(Experiment(), controls=[], halving={"rungs": 2})


def test_a_script_gives_halving_as_a_mapping():
    values = {name: one for name, one in VALUES.items() if name not in {"grid", "arms", "halving"}}
    made = study_of(
        Experiment(**values), grid={"founders.hidden": [2, 4]}, halving={"rungs": [0.5], "keep": 1}
    )
    assert made.halving == HalvingSettings(rungs=(0.5,))
    with pytest.raises(SettingsError, match="arms must not be given with halving"):
        parsed().chosen(["evolved"])
    with pytest.raises(SettingsError, match=r"got evolvd \(did you mean 'evolved'\?\)"):
        parsed().chosen(["evolvd"])
