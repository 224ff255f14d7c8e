"""``evomatrix show``: every run for itself, and none that is not finished."""

import shutil

import pandas as pd
import pyarrow.parquet as pq
import pytest
from effort import trials
from older_runs import make_older

from evo import ResultsError
from evo.storage.run_store import RunStore
from evo.storage.tables import KEYS, TABLES, schema
from experiments import Experiment, load_results, study
from experiments.cli.app import main


def show(path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["show", str(path)])
    printed = capsys.readouterr()
    return caught.value.code, printed.out, printed.err


def test_each_run_of_a_folder_is_shown_for_itself(finished, tmp_path, capsys):
    for name in ("first", "second"):
        shutil.copytree(finished.path, tmp_path / name)
    RunStore.create(tmp_path / "third", config="{}", environment={})
    code, out, err = show(tmp_path, capsys)
    assert (code, err) == (0, "")
    assert out.count("The whole search:") == 2
    assert f"{tmp_path / 'third'}: is not finished, so there is no comparison yet" in out


def test_a_study_is_shown_with_its_arms_and_verdicts(tmp_path, capsys):
    base = Experiment(
        name="little",
        dataset={"name": "xor"},
        founders={"hidden": 4},
        evolution={"population": 2, "generations": 1, "steps_per_generation": 5},
        baseline={"arms": ["static"]},
    )
    arms = {"evolved": {"baseline.arms": ["static"]}, "other": {"founders.hidden": 5}}
    study(base, arms, seeds=2, folder=tmp_path / "s", workers=0, quiet=True, figures=False)
    code, out, err = show(tmp_path / "s", capsys)
    assert (code, err) == (0, "")
    assert out.count("The whole search:") == 4
    of_arms = out.rpartition("The whole search:")[2]
    assert "− evolved" in of_arms  # no CNN is there, and static is made of the winner
    assert "other - evolved = " in of_arms
    assert "static - evolved = " in of_arms
    assert out.endswith(f"Results: {tmp_path / 's'}\n")


def test_a_path_is_shown_as_it_is_whatever_is_in_it(finished, tmp_path, capsys):
    folder = tmp_path / "[bold]mine :smile:"
    for name in ("[red]", "second"):
        shutil.copytree(finished.path, folder / name)
    RunStore.create(folder / "[none]", config="{}", environment={})
    _, out, _ = show(folder, capsys)
    assert f"Results: {folder / '[red]'}\n" in out
    assert f"{folder / '[none]'}: is not finished" in out


def test_an_unfinished_run_alone_is_one_line(tmp_path, capsys):
    path = RunStore.create(tmp_path / "run", config="{}", environment={}).path
    code, out, err = show(path, capsys)
    assert (code, out) == (2, "")
    assert err.startswith(f"evomatrix: {path}: is not finished, so there is no comparison yet; ")
    assert err.count("\n") == 1
    with pytest.raises(ResultsError, match="holds no finished search"):
        load_results(path).best()


def age(run, tables=(), columns=()):
    """Make a copy of a run one of before some tables and columns, given by (table, column), were there."""
    for table in tables:
        shutil.rmtree(run / table)
    make_older(run)
    for table, column in columns:
        for part in (run / table).iterdir():
            pq.write_table(pq.read_table(part).drop_columns([column]), part)


YOUNG = {
    "individuals": [
        "reused_from",
        "network_hash",
        "spectral_radius",
        "n_components",
        "parents",
        "survived",
    ],
    "baseline": ["kept_steps"],
    "operations": ["n_active_after"],
}


def test_a_run_from_before_a_table_or_column_is_shown_all_the_same(finished, tmp_path, capsys):
    new, old = tmp_path / "tiny", tmp_path / "old" / "tiny"
    for copy in (new, old):
        shutil.copytree(finished.path, copy)
    age(old, ["credits", "training"], [(t, c) for t, columns in YOUNG.items() for c in columns])
    code, out, err = show(old, capsys)
    assert (code, err) == (0, "")
    assert out.replace(str(old), str(new)) == show(new, capsys)[1]
    assert load_results(old).best().genome.equals(finished.best().genome)


def test_what_a_run_is_too_old_for_is_empty_and_typed(finished, tmp_path):
    old, new = tmp_path / "old", tmp_path / "tiny"
    for copy in (new, old):
        shutil.copytree(finished.path, copy)
    age(old, ["credits"], [(t, c) for t, columns in YOUNG.items() for c in columns])
    tables, before = load_results(old), load_results(new)
    assert tables.credits.empty
    assert list(tables.credits.columns) == schema("credits").names
    for name in TABLES:
        table, whole = getattr(tables, name), getattr(before, name)
        assert list(table.columns) == list(whole.columns)
        assert (table.dtypes == whole.dtypes).all() or name in YOUNG
        for column in table.columns.drop("run"):  # the names of the folders
            if column in YOUNG.get(name, []) or name == "credits":
                assert table[column].isna().all()
            else:
                pd.testing.assert_series_equal(table[column], whole[column])
    integers = tables.individuals[["reused_from", "n_components"]]
    assert (integers.dtypes == "Int64").all()
    both = load_results(tmp_path)
    assert len(both.credits) == len(before.credits)
    assert both.individuals["network_hash"].notna().sum() == len(before.individuals)


NEEDED = {"runs": {"n_individuals"}, "comparison": {"test_loss", "test_accuracy"}}
"""What a comparison is made of, beside keys."""


NOT_NEEDED = [
    (table, column.name)
    for table in ("runs", "baseline", "comparison")
    for column in TABLES[table]
    if not column.prefix and column.name not in {*KEYS[table], *NEEDED.get(table, ())}
]
TOGETHER = trials(30, 1)
"""How many columns are taken away at a time."""


@pytest.mark.parametrize(
    "columns",
    [NOT_NEEDED[first : first + TOGETHER] for first in range(0, len(NOT_NEEDED), TOGETHER)],
    ids=lambda columns: "-".join(columns[0]),
)
def test_no_column_but_what_is_compared_is_needed_to_show_a_run(
    finished, tmp_path, capsys, columns
):
    old = tmp_path / "tiny"
    shutil.copytree(finished.path, old)
    age(old, columns=columns)
    code, out, err = show(old, capsys)
    assert (code, err) == (0, "")
    assert "Test accuracy, mean of 2 seeds" in out


def test_a_table_that_was_lost_is_not_taken_for_one_that_never_was(finished, tmp_path):
    shutil.copytree(finished.path, tmp_path / "tiny")
    shutil.rmtree(tmp_path / "tiny" / "operations")
    with pytest.raises(ResultsError, match=r"tiny: operations/part-00000000.parquet is missing"):
        load_results(tmp_path / "tiny")
