"""Successive halving: decisions follow from validation values alone, whatever stops the study in between."""

import json
import math
import os
import shutil
import signal

import numpy as np
import pandas as pd
import pytest
from same_tables import assert_equal_tables
from tests_of_kills import count_boundaries, in_child

from evo.budgets import PLAYED
from evo.errors import ChangedError, ResultsError, SettingsError
from evo.storage.run_reader import STUDY, how_to_go_on, is_over
from evo.storage.tables import TABLES, TIMING_COLUMNS, TIMING_TABLES
from experiments import Experiment, load_results, resume, study
from experiments.analysis.comparison import SPENT
from experiments.cli.app import main
from experiments.progress import Reporter
from experiments.settings.halving import HalvingSettings
from experiments.studies import cells, execution, provenance
from experiments.studies.planned import decide, owned

BASE = Experiment(
    name="small",
    seeds=2,
    dataset={"name": "xor", "options": {"n_samples": 80}},
    founders={"hidden": 4},
    evolution={"population": 1, "generations": 2, "steps_per_generation": 4},
)
ARMS = {"e": {}, "mlp": {"evolve": False, "baseline.arms": ["mlp"]}}
GRID = {"founders.hidden": [1, 2, 4, 8]}
HALVING = {"rungs": [0, 1]}
RUNGS = (0, 1)
CELLS = [f"e-hidden-{n}" for n in GRID["founders.hidden"]]


def begin(folder, **changes):
    options = {"arms": ARMS, "grid": GRID, "halving": HALVING} | changes
    return study(BASE, folder=folder, **({"workers": 0, "figures": False} | options))


def planned(folder):
    return json.loads((folder / STUDY).read_text())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The results of the study without halving."""
    return begin(tmp_path_factory.mktemp("whole") / "runs", halving=None)


@pytest.fixture(scope="module")
def halved(whole, tmp_path_factory):
    """The folder of the study with halving, its results, and the number of boundaries of its processes."""
    folder = tmp_path_factory.mktemp("halved") / "runs"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(execution, "read_test", reading_test)
        n_boundaries = count_boundaries(lambda: begin(folder))
    return folder, load_results(folder), n_boundaries


READ_TEST = execution.read_test
READERS = []


def reading_test(seed_run, *rest):
    """Note which run reads the test part."""
    READERS.append(seed_run.store.name)
    return READ_TEST(seed_run, *rest)


def expected_decisions(whole):
    """Return the cells that each rung stops, worst last, from the tables of the study without halving."""
    rows = whole.individuals.merge(whole.runs[["run", "arm"]], on="run")
    left, stopped = list(CELLS), []
    for generation in RUNGS:
        reached = rows[(rows["generation"] <= generation) & rows["arm"].isin(left)]
        best = reached.groupby(["arm", "seed"])["fitness"].max().groupby("arm").mean()
        order = best.sort_values(ascending=False).index.tolist()
        left = order[: len(order) // 2]
        stopped.append(order[len(left) :])
    return left, stopped


# -- decisions ---------------------------------------------------------------------------------------------------------


def test_a_rung_keeps_the_best_cells_by_their_validation_values(whole, halved):
    folder, results, _ = halved
    left, stopped = expected_decisions(whole)
    decisions = planned(folder)["decisions"]
    assert [list(one["stopped"]) for one in decisions] == stopped
    assert [(one["rung"], one["generation"]) for one in decisions] == [(1, 0), (2, 1)]
    assert set(results.comparison["arm"]) == {*left, "mlp"}


def test_what_goes_on_has_the_tables_that_it_has_without_halving(whole, halved):
    _, results, _ = halved
    over = set(results.runs.loc[results.runs["stopped_rung"].isna(), "run"])
    assert len(over) == 2 + 2
    for table in sorted(TABLES.keys() - TIMING_TABLES):
        frames = [
            frame[frame["run"].isin(over)]
            .drop(columns=TIMING_COLUMNS & set(frame))
            .dropna(axis="columns", how="all")
            .reset_index(drop=True)
            for frame in (getattr(one, table) for one in (whole, results))
        ]
        assert len(frames[0]) > 0 or table == "candidates", table
        pd.testing.assert_frame_equal(*frames, check_exact=True, obj=table)


def test_the_test_part_is_read_for_runs_that_go_on_only(halved):
    _, results, _ = halved
    stopped = set(results.runs.loc[results.runs["stopped_rung"].notna(), "run"])
    assert len(stopped) == 6
    assert sorted(READERS) == sorted({path.name for path in results.paths} - stopped)


def fitness_of(**values):
    return {cell: dict(enumerate(of_seeds)) for cell, of_seeds in values.items()}


def test_cells_are_ranked_over_seeds_and_equal_ones_in_their_order():
    fitness = fitness_of(a=[0.0, 0.9, 0.1], b=[0.2, 0.3, 0.2], c=[0.2, 0.2, 0.3])
    assert list(decide(HalvingSettings(), 1, 4, fitness).stopped) == ["b", "c"]
    median = HalvingSettings(statistic="median", keep=2)
    found = decide(median, 1, 4, fitness)
    assert list(found.stopped) == ["a"]
    assert found.stopped["a"] == (
        "at rung 1, after generation 4: the median of the best validation fitness over seeds, 0.1, has rank 3 of 3, "
        "of which 2 went on"
    )
    assert decide(HalvingSettings(factor=3, keep=3), 1, 4, fitness).stopped == {}


def test_a_failed_seed_makes_a_cell_the_worst():
    found = decide(HalvingSettings(), 1, 0, fitness_of(a=[0.9, -math.inf], b=[0.1, 0.1]))
    assert list(found.stopped) == ["a"]
    assert found.fitness["a"] == {0: 0.9, 1: None}


# -- what a stopped run is ---------------------------------------------------------------------------------------------


def test_a_stopped_run_is_over_says_why_and_has_no_test_values(whole, halved):
    folder, results, _ = halved
    assert results.unfinished == []
    runs = results.runs.set_index("run")
    stopped = runs[runs["stopped_rung"].notna()]
    assert len(stopped) == 6
    assert stopped["best_individual"].isna().all()
    assert stopped["stopped_rung"].value_counts().to_dict() == {1: 4, 2: 2}
    for run, row in stopped.iterrows():
        assert is_over(folder / run)
        own = load_results(folder / run)
        assert own.generations["generation"].max() == RUNGS[row["stopped_rung"] - 1]
        assert len(own.comparison) == len(own.baseline) == len(own.predictions) == 0
        assert [*(folder / run / "networks").iterdir()] == []
        assert row["stopped_reason"].startswith(f"at rung {row['stopped_rung']}, after generation")
        full = whole.runs.set_index("run").loc[run, "search_steps"]
        assert row["search_steps"] + row["saved_steps"] == full


def test_summaries_comparisons_and_verdicts_know_stopped_cells(whole, halved):
    _, results, _ = halved
    summary = results.summary()
    counts = {cell: int(n) for cell, n in summary["stopped"].items() if cell in CELLS}
    (kept,) = [cell for cell, n in counts.items() if not n]
    assert sorted(counts.values()) == [0, 2, 2, 2]
    assert summary["diverged"].sum() == 0
    lost = next(cell for cell in CELLS if cell != kept)
    row = results.compare(lost, "mlp").iloc[0]
    assert row[["seeds", "diverged", "stopped", "other_stopped"]].tolist() == [0, 0, 2, 0]
    assert math.isnan(row["superiority"])
    assert pd.isna(row["winner"])
    compared = results.compare().set_index("other")
    assert set(compared["arm"]) == {kept}
    assert set(compared.index) == {"mlp", *CELLS} - {kept}
    assert compared["seeds"].to_dict() == {one: 2 if one == "mlp" else 0 for one in compared.index}
    (line,) = results.verdicts("mlp", lost)[:1]
    assert line == (
        f"no comparison: mlp and {lost} have no seed in common with a test accuracy, for halving "
        f"stopped {lost}"
    )
    lines = results.verdicts()
    assert len(lines) == 1 + 2 + 1
    assert [one.partition(", without")[0] for one in lines[1:3]] == [
        "halving stopped 2 cells at rung 1",
        "halving stopped 1 cell at rung 2",
    ]
    spent, full = (one.runs["search_steps"].sum() for one in (results, whole))
    assert lines[3] == (
        f"the searches made {spent} gradient steps of about {full} without halving ({spent / full:.0%})"
    )
    assert results.winner()["run"].startswith(kept)
    runs = results.runs[results.runs["arm"] == lost]
    for budget in SPENT.keys() - PLAYED:
        assert summary.loc[lost, budget] == pytest.approx(runs[SPENT[budget]].mean()), budget


def test_the_reason_for_each_missing_seed_is_among_the_failures(halved):
    _, results, _ = halved
    found = results.failures()
    stopped = results.runs[results.runs["stopped_rung"].notna()]
    assert found["run"].tolist() == stopped["run"].tolist()
    assert set(found["status"]) == {"stopped"}
    assert found["reason"].tolist() == [f"stopped {one}" for one in stopped["stopped_reason"]]


def test_settings_have_the_grid_and_halving_of_the_study(halved):
    _, results, _ = halved
    found = results.settings().drop_duplicates(["setting", "value"]).set_index("setting")["value"]
    assert json.loads(found["grid.founders.hidden"]) == GRID["founders.hidden"]
    assert found["halving.rungs"] == "[0, 1]"
    assert found["halving.statistic"] == "mean"


def test_a_stopped_run_cannot_go_on_and_says_so(halved, capsys):
    folder, results, _ = halved
    run = folder / results.runs.loc[results.runs["stopped_rung"] == 1, "run"].iloc[0]
    with pytest.raises(
        ResultsError, match=r"cannot go on, for it was stopped at rung 1, .*continue"
    ):
        resume(run, workers=0)
    with pytest.raises(ResultsError, match="has no comparison; it was stopped at rung 1"):
        load_results(run).summary()
    with pytest.raises(SystemExit) as ended:
        main(["show", str(run)])
    assert not ended.value.code
    assert "No comparison: the run was stopped at rung 1, after gen" in capsys.readouterr().out


# -- stops of the study ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_kill_between_decision_and_action_changes_nothing(halved, tmp_path, monkeypatch):
    folder, _, _ = halved
    runs = tmp_path / "runs"
    with monkeypatch.context() as patched:
        patched.setattr(cells.Runs, "_stop", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
        assert in_child(lambda: begin(runs)) == -signal.SIGKILL
    assert planned(runs)["decisions"] == planned(folder)["decisions"][:1]
    assert not any(is_over(one) for one in runs.iterdir() if one.is_dir())
    with pytest.raises(ResultsError, match="must be resumed with its study, whose halving may st"):
        resume(runs / f"{CELLS[0]}-seed-0", workers=0)
    assert how_to_go_on(runs / f"{CELLS[0]}-seed-0") == f"to go on: evomatrix resume {runs}"
    lost = load_results(runs).failures()
    assert set(lost["reason"]) == {f"to go on: evomatrix resume {runs.resolve()}"}
    assert lost.groupby("status")["run"].agg(set).to_dict() == {
        "unfinished": {f"{cell}-seed-{seed}" for cell in CELLS for seed in (0, 1)},
        "not begun": {"mlp-seed-0", "mlp-seed-1"},
    }
    assert set(lost.loc[lost["status"] == "not begun", "arm"]) == {"mlp"}
    assert len(load_results(runs / f"{CELLS[0]}-seed-0").failures()) == 1
    assert_same_study(halved, runs)


def assert_same_study(halved, folder):
    """Assert that a study that stopped makes the decisions and tables of the one that did not."""
    resumed = resume(folder, workers=0, figures=False)
    assert (folder / STUDY).read_text() == (halved[0] / STUDY).read_text()
    assert_equal_tables(resumed, halved[1])


def begin_or_go_on(folder):
    if (folder / STUDY).exists():
        resume(folder, workers=0, figures=False)
    else:
        begin(folder)


def kill_and_compare(halved, folder, boundaries):
    for fatal in boundaries:
        assert in_child(lambda: begin_or_go_on(folder), fatal=fatal) == -signal.SIGKILL
    if not (folder / STUDY).exists():
        begin(folder)
    assert_same_study(halved, folder)


@pytest.mark.slow
def test_a_study_may_be_killed_many_times(halved, tmp_path):
    n_boundaries = halved[2]
    kill_and_compare(halved, tmp_path / "runs", [n_boundaries // k for k in (3, 4, 7, 5)])


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(24))
def test_no_moment_of_a_kill_matters(halved, tmp_path, trial):
    rng = np.random.default_rng(trial)
    n_boundaries = halved[2]
    kill_and_compare(halved, tmp_path / "runs", [rng.integers(n_boundaries * (trial + 1) // 24)])


def test_the_same_study_again_goes_on_or_is_as_it_is(halved, tmp_path):
    folder, results, _ = halved
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    assert_equal_tables(begin(folder), results)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")} == before


# -- one owner ---------------------------------------------------------------------------------------------------------


def test_a_second_process_is_refused(halved):
    folder, _, _ = halved
    for work in (lambda: begin(folder), lambda: resume(folder, workers=0)):
        with (
            owned(folder),
            pytest.raises(ResultsError, match="must have one process, because halving compares al"),
        ):
            work()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 3}, r"e-hidden-1-seed-2 is another one"),
        (
            {"halving": None},
            r"was begun with halving = {\"factor\".*; got none; take another folde",
        ),
        ({"halving": {"rungs": [1]}}, r"was begun with halving = .*; got .*\[1.0\]"),
    ],
)
def test_a_folder_with_another_study_is_refused(halved, changes, message):
    folder, _, _ = halved
    before = (folder / STUDY).read_text()
    with pytest.raises(SettingsError, match=message):
        begin(folder, **changes)
    assert (folder / STUDY).read_text() == before


def test_cells_are_not_compared_if_other_code_would_run_some_of_them(halved, tmp_path, monkeypatch):
    folder = shutil.copytree(halved[0], tmp_path / "runs")
    shutil.rmtree(folder / "mlp-seed-1")
    monkeypatch.setattr(provenance, "code_hash", lambda: "other")
    for work in (lambda: begin(folder), lambda: resume(folder, workers=0)):
        with pytest.raises(ChangedError, match="the code of EvoMatrix has changed"):
            work()
    assert not (folder / "mlp-seed-1").exists()


def test_a_file_of_decisions_that_was_damaged_is_one_line(halved, tmp_path):
    values = planned(halved[0])
    del values["decisions"][0]["rung"]
    (tmp_path / STUDY).write_text(json.dumps(values))
    with pytest.raises(SettingsError) as caught:
        resume(tmp_path, workers=0)
    message = f"{tmp_path / STUDY}: halving and decisions must be as they were written; 1 validatio"
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


# -- special cells -----------------------------------------------------------------------------------------------------


def test_a_cell_that_fails_is_stopped_and_a_declared_one_goes_on(tmp_path):
    told = []

    class Keeping(Reporter):
        def note(self, text):
            told.append(text)

    arms = {
        "plain": {"training.learning_rate": 1e-6},
        "wild": {"training.learning_rate": 1e30},
        "fine": {"training.learning_rate": 0.1},
        "mlp": {"evolve": False, "baseline.arms": ["mlp"]},
    }
    results = study(
        BASE.model_copy(update={"evaluation": {"primary": "plain - mlp"}}),
        arms,
        seeds=1,
        folder=tmp_path / "runs",
        halving={"rungs": [0]},
        workers=0,
        figures=False,
        reporter=Keeping,
    )
    assert [*planned(tmp_path / "runs")["decisions"][0]["stopped"]] == ["wild"]
    assert "rung 1, after generation 0: 1 of 2 cells are stopped" in told
    assert set(results.comparison["arm"]) == {"plain", "fine", "mlp"}
    assert results.unfinished == ["wild-seed-0"]  # it has failed, and says so
    assert results.verdicts()[0].startswith("no difference shown, for one seed")


@pytest.mark.slow
def test_workers_change_no_decision_and_no_table(halved, tmp_path, ray_of_tests):
    folder, results, _ = halved
    parallel = begin(tmp_path / "runs", workers=None, address=ray_of_tests)
    assert_equal_tables(parallel, results)
    assert (tmp_path / "runs" / STUDY).read_text() == (folder / STUDY).read_text()


# -- the command line --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_command_line_describes_halving_and_writes_comparisons(halved, tmp_path, capsys):
    folder, results, _ = halved
    path, csv, latex = (tmp_path / name for name in ("mine.toml", "c.csv", "c.tex"))
    path.write_text('name = "mine"\nbaseline.arms = []\n[grid]\nfounders.hidden = [4, 8]\n')
    files = ["--csv", str(csv), "--latex", str(latex)]
    for command in (
        ["describe", str(path), "--set", "halving.rungs=[0]"],
        ["compare", str(folder), *files],
    ):
        with pytest.raises(SystemExit) as ended:
            main(command)
        assert not ended.value.code
    shown = capsys.readouterr().out
    assert "[halving]\nfactor = 2.0" in shown
    assert "halving stopped 2 cells at rung 1, without reading the test part: e-hidden" in shown
    table, expected = pd.read_csv(csv), results.compare("mlp")
    assert table[["arm", "other"]].to_numpy().tolist() == [[arm, "mlp"] for arm in expected["arm"]]
    np.testing.assert_allclose(table["difference"], expected["difference"], rtol=1e-12)
    assert sorted(table["stopped"]) == [0, 2, 2, 2]
    lines = latex.read_text().splitlines()
    assert lines[2].startswith("arm & other & seeds & difference & low & high & p\\_holm & winner")
    assert len(lines) == len(table) + 6
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(folder), "--csv", str(tmp_path)])
    assert ended.value.code == 2
