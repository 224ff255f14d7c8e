"""A study with a grid: cells are runs that are compared as arms are; it resumes with the user's own data."""

import json
import shutil
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from reaching import Reach, assert_same, trained
from same_tables import assert_equal_tables

from evo import REWARDS
from evo.errors import ResultsError, SettingsError
from evo.storage.tables import TIMING_COLUMNS
from experiments import Dataset, Experiment, load_results, resume, run_study, study
from experiments.analysis.data_sets import over_data_sets
from experiments.cli.app import main
from experiments.progress import Reporter
from experiments.settings.study import parse_study

BASE = Experiment(
    name="small",
    dataset={"name": "xor", "options": {"n_samples": 80}},
    founders={"hidden": 4},
    evolution={"population": 1, "generations": 2, "steps_per_generation": 3},
    baseline={"arms": ["mlp"], "hidden": 3},
)
GRID = {"training.learning_rate": [0.01, 0.1], "evolution.population": [1, 2]}
QUIET = {"workers": 0, "figures": False}


def own_data(name, seed):
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(80, 3))
    return Dataset.from_arrays(inputs, (inputs.sum(axis=1) > 0).astype(int), name=name)


def sure(network, validation):
    return float(len(validation))


class Keeping(Reporter):
    """Keeps what is told."""

    told: ClassVar[list[str]] = []

    def starting(self, name, workers, expected):
        self.told.append(f"{name}, {workers} workers, {expected}")

    def note(self, text):
        self.told.append(text)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the folder of a finished study with two arms, and its results."""
    folder = tmp_path_factory.mktemp("grid") / "runs"
    arms = {"none": {}, "mlp": {"evolve": False, "baseline.arms": ["mlp"]}}
    return folder, study(BASE, arms, GRID, seeds=range(1, 2), folder=folder, **QUIET)


def test_every_cell_and_seed_is_a_run_with_its_settings_in_the_tables(finished):
    folder, results = finished
    assert len(results.paths) == 4 + 2
    assert {path.name for path in folder.iterdir() if path.is_dir()} == set(results.runs["run"])
    of_none = results.runs[results.runs["arm"].notna()]
    points = of_none[
        ["training.learning_rate", "evolution.population", "dataset.options.n_samples"]
    ]
    assert {*points.itertuples(index=False, name=None)} == {
        (rate, size, 80) for rate in (0.01, 0.1) for size in (1, 2)
    }
    assert "baseline.mlp" not in set(results.comparison["arm"])
    assert results.network("mlp-learning_rate-0.1", seed=1).predict([[0.0, 1.0]]).shape == (1,)


def test_cells_are_compared_as_arms(finished):
    _, results = finished
    cells = {f"none-learning_rate-{r}-population-{n}" for r in (0.01, 0.1) for n in (1, 2)}
    fixed = {f"mlp-learning_rate-{r}" for r in (0.01, 0.1)}
    assert set(results.summary().index) == set(results.pooled()["arm"]) == cells | fixed
    assert (results.summary()["seeds"] == 1).all()
    compared = results.compare("mlp-learning_rate-0.1")
    assert (compared["seeds"] == 1).all()
    assert len(compared) == 5


@pytest.mark.slow
def test_finished_cells_are_not_done_again_and_new_points_are_added(
    finished, tmp_path, monkeypatch
):
    folder, results = finished
    some = tmp_path / "runs"
    shutil.copytree(folder, some)
    before = {path: path.stat().st_mtime_ns for path in some.rglob("*.parquet")}
    arms = {"none": {}}
    again = study(BASE, arms, GRID, seeds=range(1, 2), folder=some, **QUIET)
    assert {path: path.stat().st_mtime_ns for path in some.rglob("*.parquet")} == before
    pd.testing.assert_frame_equal(again.comparison, results.comparison)
    wider = {"evolution.population": [1], "training.learning_rate": [0.1, 0.3]}
    monkeypatch.setattr(Keeping, "told", [])
    more = study(BASE, arms, wider, seeds=1, folder=some, figures=False, reporter=Keeping)
    assert len(more.paths) == 6 + 2
    # All of it takes some seconds, so it does not wait for Ray.
    assert [one.split(", ")[-2] for one in Keeping.told if "workers" in one] == ["0 workers"] * 2


@pytest.mark.slow
def test_a_study_of_own_data_sets_and_fitness_resumes_with_them(tmp_path, capsys):
    data = [own_data("one", 1), own_data("two", 2)]
    arms = {"a": {}, "b": {"founders.hidden": 6}}
    options = {"dataset": data, "fitness": sure}
    whole = study(BASE, arms, seeds=1, folder=tmp_path / "runs", **options, **QUIET)
    assert set(whole.runs["dataset"]) == set(whole.runs["dataset.name"]) == {"one", "two"}
    assert set(whole.runs["evolution.fitness"]) == {"sure"}
    ranked = over_data_sets(whole)
    assert set(ranked["arm"]) == {"a", "b"}
    assert set(ranked["data_sets"]) == {2}
    csv = tmp_path / "compared.csv"
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(tmp_path / "runs"), "--against", "b", "--csv", str(csv)])
    shown = capsys.readouterr().out
    assert not ended.value.code
    assert [line for line in shown.splitlines() if "Data set" in line] == [
        "Data set one:",
        "Data set two:",
    ]
    assert shown.count("no difference shown, for one seed has no interval: a - b") == 2
    assert "Test accuracy over 2 data sets, interquartile mean" in shown

    table = pd.read_csv(csv)
    assert table[["dataset", "arm", "other"]].to_numpy().tolist() == [
        ["one", "a", "b"],
        ["two", "a", "b"],
    ]

    shutil.rmtree(tmp_path / "runs" / "b-two-seed-0")
    with pytest.raises(ResultsError, match="data set 'one' was passed by a script, and must be"):
        resume(tmp_path / "runs", fitness=sure, **QUIET)
    with pytest.raises(ResultsError, match="data set 'two' was passed by a script"):
        resume(tmp_path / "runs", dataset=data[0], fitness=sure, **QUIET)
    resumed = resume(tmp_path / "runs", **options, **QUIET)
    timed = TIMING_COLUMNS & {*whole.comparison}
    both = [one.comparison.drop(columns=timed) for one in (whole, resumed)]
    pd.testing.assert_frame_equal(*both)
    changed = [own_data("one", 3), data[1]]
    with pytest.raises(SettingsError, match="the data 'one' have changed since that run"):
        study(BASE, arms, seeds=1, folder=tmp_path / "runs", dataset=changed, fitness=sure, **QUIET)
    with pytest.raises(SettingsError, match="must have a name of its own each; got one, one"):
        resume(tmp_path / "runs", dataset=[data[0], data[0]], fitness=sure, **QUIET)


def test_a_file_with_a_grid_runs_from_the_command_line(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "mine"\nseeds = 1\nevolve = false\ndataset = { name = "xor", options = { n_samples = 80 } }\n'
        'baseline = { arms = ["mlp"], epochs = 1 }\n[grid]\nbaseline.hidden = [2, 3]\n'
    )
    folder = tmp_path / "runs"
    with pytest.raises(SystemExit) as ended:
        main(["run", str(path), "--folder", str(folder), "--no-figures", "--quiet"])
    assert not ended.value.code
    assert capsys.readouterr().out.strip() == str(folder)
    names = ["fixed-hidden-2-seed-0", "fixed-hidden-3-seed-0"]
    assert sorted(one.name for one in folder.iterdir() if one.is_dir()) == names


# -- side by side ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_cells_share_workers_and_have_the_tables_of_one_run_after_the_other(
    finished, tmp_path, ray_of_tests, monkeypatch
):
    _, results = finished
    monkeypatch.setattr(Keeping, "told", [])
    arms = {"none": {}, "mlp": {"evolve": False, "baseline.arms": ["mlp"]}}
    options = {"seeds": range(1, 2), "figures": False, "reporter": Keeping, "address": ray_of_tests}
    parallel = study(BASE, arms, GRID, folder=tmp_path / "runs", **options)
    assert_equal_tables(parallel, results)
    starts = [one for one in Keeping.told if "workers" in one and "networks" not in one]
    assert starts == ["small: 4 searches, None workers, 30"]
    assert sum("best validation" in one for one in Keeping.told) == 4

    for name in ("none-learning_rate-0.1-population-2-seed-1", "mlp-learning_rate-0.1-seed-1"):
        shutil.rmtree(tmp_path / "runs" / name)
    resumed = resume(tmp_path / "runs", address=ray_of_tests, figures=False)
    assert_equal_tables(resumed, results)


@pytest.mark.slow
def test_a_search_that_fails_or_is_another_processs_costs_no_other_cell(tmp_path, ray_of_tests):
    rates = {"training.learning_rate": [0.1, 1e30, 0.2]}
    (tmp_path / "runs" / "none-learning_rate-0.2-seed-0").mkdir(parents=True)
    results = study(
        BASE,
        {"none": {}},
        rates,
        seeds=2,
        folder=tmp_path / "runs",
        address=ray_of_tests,
        figures=False,
    )
    assert sorted(results.comparison["run"]) == [
        "none-learning_rate-0.1-seed-0",
        "none-learning_rate-0.1-seed-1",
        "none-learning_rate-0.2-seed-1",
    ]
    assert [one.rpartition("-seed")[0] for one in results.unfinished] == [
        "none-learning_rate-1e30"
    ] * 2


@pytest.fixture
def reach():
    own = REWARDS.own
    REWARDS.register("reach", Reach)
    yield
    REWARDS.install(own)


def test_cells_that_different_rewards_judge_are_the_same_on_workers(tmp_path, ray_of_tests, reach):
    values = json.loads(trained(seeds=1, baseline={"arms": []}).model_dump_json())
    cells = parse_study({**values, "grid": {"task.strategy.name": ["none", "cma_es"]}}, "study")
    for name in ("serial", "parallel"):
        workers = {"workers": 0} if name == "serial" else {"address": ray_of_tests}
        run_study(cells, folder=tmp_path / name, quiet=True, figures=False, **workers)
    assert_same(*(load_results(tmp_path / name) for name in ("serial", "parallel")))
