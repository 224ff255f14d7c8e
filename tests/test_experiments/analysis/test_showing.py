"""Everything shows itself in one line, and in a notebook as a small table in which names are text."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from evo import Genome
from evo.storage.predictor import Predictor
from experiments import Dataset, Experiment, load_dataset
from experiments.analysis.showing import filled_lines

HOSTILE = "<script>alert(1)</script>&\n\"'"


class Reader(HTMLParser):
    """Collects tags, checks that they are closed, and collects the text of each cell."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.cells = [], set(), []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)
        if tag in {"td", "th", "caption"}:
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in {"td", "th", "caption"}:
            self.cells[-1] += data


@pytest.fixture(scope="module")
def shown(finished):
    """Return one object of each kind with what its line must say."""
    genome = finished.best().genome
    maps = np.array([[0, 0.5], [0, 0]], np.float32)
    many = Genome.from_matrix(maps, n_inputs=1, n_outputs=1, threshold=np.array([0, 0.2]))
    rows = np.zeros((4, 2, 3)), np.arange(4.0)
    return {
        "genome": (genome, "nodes=86, inputs=64, outputs=10, stored="),
        "thresholds": (many, "nodes=2, inputs=1, outputs=1, stored=1, active=1, threshold='one"),
        "predictor": (finished.best(), "task='classification', features=64, classes=10, parameters="),
        "own predictor": (Predictor(genome, loss="squared_error"), "task='regression', features=64, outputs=10"),
        "baseline": (finished.network("cnn"), "classes=10, parameters=2746, macs=5216)"),
        "results": (finished, "run='tiny', dataset='digits', seeds=2, individuals="),
        "dataset": (
            load_dataset("digits"),
            "name='digits', samples=1797, sample_shape='8 × 8', classes=10)",
        ),
        "values": (
            Dataset.from_arrays(*rows, channels=None, test=rows),
            "samples=4, test_samples=4, sample_shape='2 × 3', values=1)",
        ),
        "experiment": (
            Experiment(name="a", seeds=2, evolution={"population": 5}),
            "name='a', dataset='digits', seeds=2, population=5, generations=8, ",
        ),
        "only baselines": (
            Experiment(evolve=False, baseline={"arms": ["mlp"], "epochs": 1}),
            "dataset='digits', seeds=3, arms='mlp')",
        ),
    }  # fmt: skip


KINDS = (
    "genome",
    "thresholds",
    "predictor",
    "own predictor",
    "baseline",
    "results",
    "dataset",
    "values",
)
KINDS += ("experiment", "only baselines")


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_has_the_class_and_the_facts_and_no_array(shown, kind):
    one, expected = shown[kind]
    line = repr(one)
    assert line == str(one)
    assert re.fullmatch(rf"{type(one).__name__}\(.*\)", line)
    assert expected in line
    assert len(line) < 300
    assert "array(" not in line


@pytest.mark.parametrize("kind", KINDS)
def test_a_notebook_shows_a_small_table(shown, kind):
    one, _ = shown[kind]
    read = Reader(one._repr_html_())
    assert read.cells[0] == type(one).__name__
    assert read.tags <= {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert len(read.cells) < 100


def test_the_table_of_an_experiment_has_the_settings_that_are_no_defaults():
    experiment = Experiment(name="a", evolution={"selection": {"name": "tournament"}})
    cells = Reader(experiment._repr_html_()).cells
    assert cells == ["Experiment", "name", "a", "evolution.selection.name", "tournament"]


def test_the_table_of_a_finished_run_has_its_summary(finished):
    cells = Reader(finished._repr_html_()).cells
    assert "test_accuracy" in cells
    assert f"{finished.summary().loc['cnn', 'test_accuracy']:.4g}" in cells


def test_names_are_text_in_a_table_and_do_not_break_a_line(finished):
    dataset = Dataset.from_arrays([[0.0], [1.0]], [HOSTILE, "b"], name=HOSTILE)
    runs = finished.runs.assign(dataset=HOSTILE)
    comparison = finished.comparison.assign(arm=HOSTILE)
    for one in (dataset, replace(finished, runs=runs, comparison=comparison)):
        read = Reader(one._repr_html_())
        assert "script" not in read.tags
        assert HOSTILE in read.cells
        assert "\n" not in repr(one)
    long = replace(dataset, name="x" * 1000)
    assert len(repr(long)) < 300
    assert len(long._repr_html_()) < 600


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ([7], "7 of 10,000 cells are filled (coverage 20%), "),
        ([1500], "1,500 of 10,000 cells are filled (coverage 20%), "),
        ([1234567], "1,234,567 of 10,000 cells are filled (coverage 20%), "),
        ([1500, 1501], "1,500.5 of 10,000 cells are filled (coverage 20%), "),
        ([7, 7, 8], "7.3 of 10,000 cells are filled (coverage 20%), "),
    ],
)
def test_elites_are_counted_in_full(counts, told):
    seeds = [{"run": "r", "seed": seed} for seed in range(len(counts))]
    other = {"n_cells": 10_000, "coverage": 0.2, "qd_score": 1.0, "offset": 0.0}
    last = pd.DataFrame(
        [one | other | {"n_elites": n} for one, n in zip(seeds, counts, strict=True)]
    )
    (line,) = filled_lines(last, pd.DataFrame(seeds).assign(arm="evolved"))
    assert line.startswith(f"Elites of evolved: {told}")
