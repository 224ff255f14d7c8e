"""Recipe genes in whole runs: their columns, and that a run with genes repeats itself in every way it may be made."""

import dataclasses
import signal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from same_tables import assert_equal
from tests_of_kills import count_boundaries, in_child

from evo.errors import EvoMatrixError, ResultsError
from evo.storage.tables import TIMING_COLUMNS
from experiments import (
    Experiment,
    continue_run,
    load_results,
    replay_lineage,
    resume,
    run,
    verify,
)

RANGES = {"learning_rate": [0.01, 1.0], "label_smoothing": [0.0, 0.2], "shift": [0, 2]}
EVOLUTION = {
    "population": 3,
    "generations": 2,
    "steps_per_generation": 6,
    "train_only_fraction": 0,
    "recipe_genes": {"ranges": RANGES},
}
SETTINGS = {
    "name": "genes",
    "seeds": 1,
    "founders": {"hidden": 6},
    "evolution": EVOLUTION,
    "policy": {"name": "adaptive"},
    "training": {"schedule": "constant"},
    "baseline": {"arms": []},
}
QUIET = {"workers": 0, "figures": False}


def little(**changes):
    evolution = EVOLUTION | changes.pop("evolution", {})
    return Experiment.parse({**SETTINGS, "evolution": evolution, **changes}, "little")


def finished(folder, experiment=None, **options):
    return run(experiment or little(), results=folder, **({"run_name": "one"} | QUIET | options))


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("genes"))


def test_individuals_have_a_column_for_each_gene(one):
    individuals = one.individuals
    genes = [name for name in individuals if name.startswith("gene_")]
    assert genes == [f"gene_{name}" for name in RANGES]
    for name, (low, high) in RANGES.items():
        assert individuals[f"gene_{name}"].between(low, high).all()
        assert individuals[f"gene_{name}"].nunique() > 2
    trained = one.training[one.training["arm"] == "evolved"].merge(individuals, on="individual")
    assert len(trained) > 15
    assert (trained["learning_rate"] == trained["gene_learning_rate"]).all()


def test_each_individual_is_rebuilt_with_its_genes(one):
    for number in one.individuals["individual"].tail(3):
        *_, rebuilt = replay_lineage(one, int(number))
        row = one.individuals.set_index("individual").loc[number]
        assert rebuilt.job.genes == {name: row[f"gene_{name}"] for name in RANGES}


def test_a_gene_that_is_not_the_stored_one_is_named(one):
    altered = one.individuals.copy()
    altered.loc[altered.index[-1], "gene_shift"] += 1
    number = int(altered["individual"].iloc[-1])
    with pytest.raises(ResultsError, match=rf"individual {number}: gene_shift was .*, now"):
        replay_lineage(dataclasses.replace(one, individuals=altered), number)


def test_a_run_without_genes_has_no_such_column(one, tmp_path):
    without = finished(tmp_path, little(evolution={"recipe_genes": {}, "generations": 0}))
    assert not any("gene_" in name for name in pq.read_schema(_part(without)).names)
    assert set(pq.read_schema(_part(one)).names) - set(pq.read_schema(_part(without)).names) == {
        f"gene_{name}" for name in RANGES
    }


def _part(results):
    (part,) = (results.path / "individuals").glob("*.parquet")
    return part


@pytest.mark.slow
def test_a_continued_run_goes_on_with_the_genes_of_its_population(one, tmp_path):
    longer = finished(tmp_path, little(evolution={"generations": 3}))
    newer = continue_run(one.path, generations="+1", results=tmp_path, run_name="more", **QUIET)
    frames = [results.individuals.query("generation == 3") for results in (longer, newer)]
    frames = [frame.drop(columns=TIMING_COLUMNS | {"run"}, errors="ignore") for frame in frames]
    pd.testing.assert_frame_equal(
        *(frame.reset_index(drop=True) for frame in frames), check_exact=True
    )


def test_a_run_that_continues_another_one_may_have_other_ranges(one, tmp_path):
    settings = {"evolution.recipe_genes.ranges": {"shift": [1, 2], "l2": [1e-4, 1e-2]}}
    newer = continue_run(
        one.path, generations="+1", settings=settings, results=tmp_path, run_name="other", **QUIET
    )
    continued = newer.individuals.query("origin == 'continued'")
    assert continued["gene_shift"].between(1, 2).all()
    assert (continued["gene_l2"] == 1e-4).all()  # [training] has 0
    assert "gene_learning_rate" not in newer.individuals
    number = int(newer.individuals["individual"].iloc[-1])
    assert len(replay_lineage(newer, number)) == 4


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["generational", "asynchronous"])
def test_a_run_with_genes_is_the_same_after_kills_on_workers_and_when_it_is_computed_again(
    tmp_path, mode
):
    one_by_one = {"mode": mode, "in_flight": 1 if mode == "asynchronous" else None}
    experiment = little(evolution=one_by_one, baseline={"arms": ["static"]})
    finished(tmp_path / "warm", experiment)
    n_boundaries = count_boundaries(lambda: finished(tmp_path / "whole", experiment))
    whole = load_results(tmp_path / "whole" / "one")
    for fatal in np.linspace(n_boundaries // 2, n_boundaries - 20, 3).astype(int):
        folder = tmp_path / str(fatal)
        killed = in_child(lambda folder=folder: finished(folder, experiment), fatal=fatal)
        assert killed == -signal.SIGKILL
        assert_equal(whole, resume(folder / "one", **QUIET))
    assert_equal(whole, finished(tmp_path / "workers", experiment, workers=2))
    assert verify(whole.path, workers=0).difference is None


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        (
            {"evolution": {"recipe_genes": {"ranges": {"shift": [0, 8]}}}},
            r"evolution.recipe_genes: training.augmentation.shift must be below 8, .* got 8",
        ),
        (
            {
                "dataset": {"name": "diabetes"},
                "evolution": {"recipe_genes": {"ranges": {"label_smoothing": [0, 0.2]}}},
            },
            "evolution.recipe_genes: training.label_smoothing must be 0 for 'diabetes'",
        ),
        (
            {"evolution": {"recipe_genes": {"ranges": {"l2": [0.1, 0.2]}, "initial": "recipe"}}},
            r"evolution.recipe_genes.ranges.l2 must contain the value of \[training\] .* got .* and 0",
        ),
        ({"evolution": {"recipe_genes": {"ranges": {"l3": [0.1, 0.2]}}}}, "got 'l3'"),
    ],
)
def test_genes_that_suit_neither_recipe_nor_data_are_refused_before_any_work(
    tmp_path, settings, rule
):
    with pytest.raises(EvoMatrixError, match=rule) as caught:
        finished(tmp_path, little(**settings))
    assert "\n" not in str(caught.value)
    assert not [*tmp_path.iterdir()]
