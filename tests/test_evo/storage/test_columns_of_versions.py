"""A run that one version began and another goes on with: its tables have the columns of both."""

from contextlib import closing
from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pytest

from evo.errors import ResultsError
from evo.storage import RunStore, load_tables
from evo.storage.run_store import COMMITS_PER_PART
from evo.storage.tables import TABLES, OwnColumns, schema


def create(path, settings=None, own_columns=None):
    return RunStore.create(
        path, config="{}\n", environment={}, settings=settings or {}, own_columns=own_columns
    )


def of_version(settings, metrics):
    """Return the columns of the settings and metrics that a version has."""
    return {name: pa.scalar(value) for name, value in settings.items()}, OwnColumns(metrics=metrics)


def commit_runs(store, first, *, n):
    """Commit a row of `runs` and one of `individuals`, `n` times."""
    for number in range(first, first + n):
        rows = {
            table: [dict.fromkeys(schema(table, store.own_columns).names) | {"seed": number}]
            for table in ("runs", "individuals")
        }
        store.commit(rows)


OLDER = {"training.momentum": 0.9, "training.gone": 1}, ("f1",)
NEWER = {"training.momentum": 0.5, "training.new": "x"}, ("f1", "recall")


@pytest.mark.parametrize("n_older", [3, COMMITS_PER_PART + 3])
def test_a_run_of_another_version_goes_on_with_the_columns_of_both(n_older, tmp_path):
    path = tmp_path / "run"
    settings, own = of_version(*OLDER)
    with closing(create(path, settings, own)) as store:
        commit_runs(store, 0, n=n_older)
    with closing(RunStore.open(path)) as store:
        store.take_columns(*of_version(*NEWER))
        commit_runs(store, n_older, n=COMMITS_PER_PART)
        unfinished = load_tables([path])
        store.complete()
    finished = load_tables([path])
    for table in ("runs", "individuals"):
        pd.testing.assert_frame_equal(finished[table], unfinished[table])
    runs = finished["runs"]
    n_newer = COMMITS_PER_PART
    assert runs["seed"].tolist() == list(range(n_older + n_newer))
    assert runs["training.momentum"].tolist() == [0.9] * n_older + [0.5] * n_newer
    assert runs["training.gone"].notna().tolist() == [True] * n_older + [False] * n_newer
    assert runs["training.new"].notna().tolist() == [False] * n_older + [True] * n_newer
    assert {"validation_f1", "validation_recall"} <= {*finished["individuals"]}


def test_a_column_of_another_type_is_refused_before_any_work(tmp_path):
    path = tmp_path / "run"
    settings, own = of_version({"training.seed": 1}, ())
    with closing(create(path, settings, own)) as store:
        commit_runs(store, 0, n=1)
    with closing(RunStore.open(path)) as store:
        with pytest.raises(ResultsError) as caught:
            store.take_columns(*of_version({"training.seed": "one"}, ()))
        assert str(caught.value).startswith(
            f"{path}: cannot go on, for a column of its table runs has another type in this version ("
        )
        assert "training.seed" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_column_under_its_former_name_is_refused_before_any_work(tmp_path, monkeypatch):
    path = tmp_path / "run"
    create(path).close()
    renamed = [
        replace(one, name="n_units", former_name=one.name) if one.name == "n_nodes" else one
        for one in TABLES["individuals"]
    ]
    monkeypatch.setitem(TABLES, "individuals", tuple(renamed))
    with closing(RunStore.open(path)) as store:
        message = r"individuals has the column n_nodes, which is n_units in this version$"
        with pytest.raises(ResultsError, match=message):
            store.take_columns({}, OwnColumns())
