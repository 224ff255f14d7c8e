"""The reference of settings: every key of the models, and the page in docs is what the function gives."""

import tomllib
from pathlib import Path

import pytest

from experiments.settings.experiment import Experiment, load_experiment
from experiments.settings.halving import HalvingSettings
from experiments.settings.reference import UNITS, described, setting_keys, settings_reference

PAGE = Path(__file__).resolve().parents[3] / "docs" / "settings.md"


def test_the_page_is_what_the_models_say():
    assert PAGE.read_text("utf-8") == settings_reference()


def test_every_key_has_a_type_a_default_and_a_sentence():
    rows = [line for line in settings_reference().splitlines() if line.startswith("| `")]
    keys = {line.split("`")[1] for line in rows}
    assert {key.rsplit(".", 1)[-1] for key in setting_keys()} - keys <= {
        *("dataset", "founders", "evolution", "policy", "training", "baseline"),
        *("evaluation", "budget", "selection", "operators", "search", "augmentation"),
        *("recipe_genes", "pbt", "recombination", "task", "strategy"),
    }
    for row in rows:
        cells = [cell.strip() for cell in row.replace("\\|", "").strip("|").split("|")]
        if len(cells) == 5:
            assert all((cells[1], cells[2], len(cells[4]) > 1)), row


def test_units_are_those_of_settings_that_exist():
    of_halving = {f"halving.{name}" for name in HalvingSettings.model_fields}
    assert set(UNITS) <= setting_keys() | of_halving


@pytest.mark.parametrize("name", ["digits", "set-digits", "lenet-mnist", "diabetes"])
def test_described_settings_are_a_file_with_the_same_settings(name):
    experiment = load_experiment(name)
    text = described(experiment)
    assert Experiment.parse(tomllib.loads(text), "described") == experiment
    marked = [line.split()[0] for line in text.splitlines() if "# default." in line]
    assert "stratify" in marked
    assert "name" in marked or experiment.dataset.name != "digits"
    assert ("[evolution.selection]" in text) == experiment.evolve
