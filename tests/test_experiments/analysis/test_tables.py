"""The data dictionary says what the tables of a run are."""

import json
import re
import shutil
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from older_runs import make_older

from evo import canonical_hash, load_genomes, replay
from evo.errors import ResultsError
from evo.evolution.statistics import GenomeStatistics
from evo.storage.tables import (
    KEYS,
    LABEL_TYPES,
    STATISTICS,
    TABLES,
    TIMING_COLUMNS,
    data_dictionary,
    schema,
    to_arrow,
)
from experiments import Experiment, load_results, run

DICTIONARY = Path(__file__).resolve().parents[3] / "docs" / "tables.md"


def documented():
    """Return the columns and types that the document gives, by table."""
    tables = {}
    for section in re.split(r"^## ", DICTIONARY.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        rows = re.findall(r"^\| `([\w<>]+)` \| ([^|]*) \|", section, flags=re.MULTILINE)
        tables[section.split("\n", 1)[0]] = rows
    return tables


def of_ten_digits(columns):
    """Yield the columns of a run on ten digits without further metrics."""
    for name, kind in columns:
        if name == "probability_<class>":
            yield from ((f"probability_{digit}", kind.strip()) for digit in range(10))
        elif "<" not in name:
            yield name, "int64" if kind == LABEL_TYPES else kind.strip()


def test_the_document_is_what_the_program_prints():
    assert DICTIONARY.read_text("utf-8") == data_dictionary()


def test_the_document_has_every_table():
    assert set(documented()) == set(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_a_real_table_has_exactly_the_documented_columns_and_types(finished, table):
    for part in sorted((finished.path / table).iterdir()):
        real = pq.read_schema(part)
        # Parquet calls a list's values "element" where Arrow says "item".
        # Columns with a dot in their name are settings, which the page describes by a rule.
        columns = [
            (field.name, str(field.type).replace("<element:", "<item:"))
            for field in real
            if "." not in field.name
        ]
        assert columns == list(of_ten_digits(documented()[table])), part.name


@pytest.mark.parametrize("table", TABLES)
def test_every_column_has_a_meaning_and_the_key_is_among_them(table):
    assert all(column.description for column in TABLES[table])
    names = [column.name for column in TABLES[table]]
    assert len(set(names)) == len(names)
    assert set(KEYS[table]) <= set(names)
    assert not TIMING_COLUMNS & set(KEYS[table])


def test_every_column_of_time_is_in_seconds_and_every_column_in_seconds_is_one_of_time():
    timed = {column.name for columns in TABLES.values() for column in columns if column.unit == "s"}
    assert timed == TIMING_COLUMNS


def test_network_is_the_hash_of_what_the_record_replays(finished):
    individuals, operations = finished.individuals, finished.operations
    n_replayed = 0
    for row in individuals.itertuples():
        start = "founders" if row.origin == "founder" else f"generation-{row.generation - 1:04d}"
        genomes = load_genomes(finished.path / "genomes" / f"seed-{row.seed}-{start}.npz")
        genome = genomes[row.founder if row.origin == "founder" else row.parents[0]]
        done = operations.query(f"seed == {row.seed} and individual == {row.individual}")
        record = [
            (one.operator, json.loads(one.parameters))
            for one in done.sort_values("position").itertuples()
        ]
        assert canonical_hash(replay(record, genome)) == row.network_hash
        n_replayed += len(record)
    assert n_replayed > 5
    assert individuals["network_hash"].nunique() > 5
    reused = individuals.dropna(subset="reused_from")
    trained = individuals.set_index(["seed", "individual"])["network_hash"]
    assert all(
        trained[row.seed, row.reused_from] == row.network_hash for row in reused.itertuples()
    )


@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_a_row_with_other_columns_is_refused(change):
    row = dict.fromkeys(schema("baseline").names)
    if change == "missing":
        del row["macs"]
    else:
        row["colour"] = "red"
    with pytest.raises(ValueError, match="macs" if change == "missing" else "colour"):
        to_arrow("baseline", [row])


def test_tables_under_former_names_load_under_present_names(finished, tmp_path):
    old = tmp_path / finished.path.name
    shutil.copytree(finished.path, old)
    make_older(old)
    for table, columns in TABLES.items():
        former = {column.name: column.former_name or column.name for column in columns}
        for part in (old / table).iterdir():
            rows = pq.read_table(part)
            names = [former.get(name, name) for name in rows.column_names]
            pq.write_table(rows.rename_columns(names), part)
    assert "edges" in pq.read_table(old / "individuals").column_names
    loaded = load_results(old)
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(loaded, table), getattr(finished, table))
    assert loaded.summary().equals(finished.summary())


def test_no_former_name_is_a_present_name_of_the_same_table():
    for columns in TABLES.values():
        former = [column.former_name for column in columns if column.former_name]
        assert len(set(former)) == len(former)
        assert not set(former) & {column.name for column in columns}


def test_every_statistic_is_a_column_declared_by_its_field():
    assert [column.name for column in STATISTICS] == [
        field.name for field in fields(GenomeStatistics)
    ]
    assert all(column.description.endswith(".") for column in STATISTICS)


@pytest.mark.slow
def test_no_network_is_the_best_of_runs_that_were_chosen_by_different_things(tmp_path):
    def small(name, **changes):
        settings, fitness = changes.pop("settings", {}), changes.pop("fitness", None)
        experiment = Experiment(
            name=name,
            seeds=1,
            dataset={"name": "xor"},
            founders={"hidden": 4},
            evolution={"population": 2, "generations": 1, "steps_per_generation": 5},
            baseline={"arms": ["mlp"]},
        ).model_copy(update=settings)
        return run(
            experiment, fitness=fitness, workers=0, results=tmp_path, run_name=name, figures=False
        ).path

    def own(weight):
        return lambda network, validation, evaluation: -weight * evaluation.loss

    first = small("first")
    other_seed = small("other-seed", settings={"seed": 7})
    other_data = small("other-data", settings={"dataset": {"options": {"noise": 0.3}}})
    other_fitness = small("other-fitness", settings={"evolution": {"fitness": "accuracy"}})
    once, twice = small("once", fitness=own(1.0)), small("twice", fitness=own(2.0))

    together = load_results(first, other_seed)
    assert together.winner()["fitness"] == together.individuals["fitness"].max()
    assert together.best(7).genome.n_nodes > 0
    assert together.network("mlp").network.parameter_count > 0
    for pair, what in (
        ((first, other_data), "data"),
        ((first, other_fitness), "fitness"),
        ((once, twice), "fitness"),
    ):
        several = load_results(*pair)
        told = f"^{re.escape(str(tmp_path))}: holds 2 runs of different {what}; "
        for choose in (several.best, several.winner, lambda of=several: of.network("evolved")):
            with pytest.raises(ResultsError, match=told) as caught:
                choose()
            assert "\n" not in str(caught.value)
    with pytest.raises(ResultsError, match="holds 2 runs of different data; "):
        load_results(first, other_data).network("mlp")
    assert load_results(first, other_fitness).network("mlp").network.parameter_count > 0
