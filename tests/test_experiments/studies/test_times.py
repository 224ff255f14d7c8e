"""Where the time of a run goes stands in its table ``times``."""

import time

import pandas as pd
import pytest

from evo import time_account
from evo.storage.in_flight import FinishedIndividuals
from evo.storage.predictor import Predictor
from experiments import load_results
from experiments.cli.terminal import time_lines
from experiments.settings.experiment import Experiment, read_settings
from experiments.studies.runner import resume_run, run

WITH_INDIVIDUALS = {"modify", "plan", "describe", "train", "evaluate"}
OF_MAIN = {"prepare", "compile", "cluster", "select", "store", "baselines", "test", "load", "other"}


def small():
    settings = read_settings("digits")
    settings["evolution"] |= {"population": 4, "generations": 3}
    return Experiment(**settings | {"seeds": 1})


def timed(**options):
    started = time.perf_counter()
    results = run(small(), **options)
    return results, time.perf_counter() - started


def of(results, process):
    rows = results.times[results.times["process"] == process]
    return rows.set_index("activity")["seconds"]


def test_the_time_of_a_serial_run_is_accounted_for(tmp_path):
    results, whole = timed(workers=0, results=tmp_path)
    assert set(results.times["process"]) == {"main"}
    spent = of(results, "main")
    assert set(spent.index) == WITH_INDIVIDUALS | OF_MAIN  # a run of seconds draws no pictures
    assert (spent >= 0).all()
    # What comes after the last commit is left: joining the parts of each table.
    assert 0.9 * whole < spent.sum() <= whole
    assert spent["train"] == pytest.approx(results.individuals["train_seconds"].sum(), rel=0.3)
    pd.testing.assert_frame_equal(results.times, load_results(results.path).times)
    (line,) = time_lines(results)
    assert line.startswith(f"Time: {spent.sum():.1f} s: ")


@pytest.mark.slow
def test_the_time_of_workers_is_accounted_for(tmp_path):
    results, whole = timed(workers=2, results=tmp_path, figures=False)
    main = of(results, "main")
    assert set(main.index) == OF_MAIN | {"plan", "wait", "messages"}
    assert 0.9 * whole < main.sum() <= whole
    assert set(results.times["process"]) == {"main", "worker 1", "worker 2"}
    for worker in ("worker 1", "worker 2"):
        spent = of(results, worker)
        assert WITH_INDIVIDUALS | {"messages", "idle"} <= set(spent.index)
        assert (spent >= 0).all()
        assert spent.sum() < whole
    busy = results.individuals["train_seconds"].sum()
    both = of(results, "worker 1")["train"] + of(results, "worker 2")["train"]
    assert both == pytest.approx(busy, rel=0.3)
    assert [line.partition(":")[0] for line in time_lines(results)] == [
        "Time",
        "Time of the workers",
    ]


@pytest.mark.parametrize(
    ("of", "name", "mode"),
    [(Predictor, "save", "generational"), (FinishedIndividuals, "add", "asynchronous")],
)
def test_the_time_to_write_winners_and_individuals_in_flight_counts_as_store(
    of, name, mode, tiny, tmp_path, monkeypatch
):
    write, activities = getattr(of, name), []

    def noted(*args):
        activities.append(time_account._account.open[-1])
        return write(*args)

    monkeypatch.setattr(of, name, noted)
    evolution = {"population": 3, "generations": 1, "steps_per_generation": 1, "mode": mode}
    experiment = tiny(seeds=1, evolution=evolution, baseline={"arms": []})
    run(experiment, workers=0, results=tmp_path, figures=False)
    assert set(activities) == {"store"}


@pytest.mark.slow
def test_a_finished_run_keeps_its_times(tmp_path):
    results, _ = timed(workers=0, results=tmp_path, figures=False)
    assert "draw" not in of(results, "main")
    before = results.times
    pd.testing.assert_frame_equal(resume_run(results.path, workers=0).times, before)
