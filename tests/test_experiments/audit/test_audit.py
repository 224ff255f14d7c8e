"""A lineage is rebuilt and a run is computed again: they are the same, or the first difference is named."""

import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest

from cnn.files import read_arrays, write_arrays
from evo import OPERATORS
from evo.errors import ResultsError, SettingsError
from evo.storage.journal import JOURNAL, JournalWriter, digest_of, read_journal
from evo.storage.tables import KEYS, TIMING_COLUMNS, TIMING_TABLES
from experiments import Dataset, Experiment, load_results, replay_lineage, run, verify
from experiments.cli.app import main
from experiments.progress import Reporter
from experiments.studies import provenance

WEIGHTS = dict.fromkeys("ABCDFNIRSU", 1.0) | dict.fromkeys("EHO", 3.0) | dict.fromkeys("VY", 1.0)
GRAPHS = {
    "name": "graphs",
    "seeds": 1,
    "dataset": {"name": "digits"},
    "founders": {"hidden": 8, "density": 0.02},
    "training": {"optimizer": "momentum", "momentum": 0.9},
    "evolution": {
        "population": 6,
        "generations": 8,
        "steps_per_generation": 3,
        "selection": {"name": "tournament", "elites": 3},
        "recombination": {"probability": 0.9, "mode": "policy", "relatives": "population"},
    },
    "policy": {"name": "weighted", "max_operations": 3, "operator_weights": WEIGHTS},
    "baseline": {"arms": []},
}
MAPS = {
    **GRAPHS,
    "name": "maps",
    "founders": {"graph": "maps", "layers": [[6, 4], [1, 8]], "kernel": 3, "stored_per_edge": 2},
    "evolution": {
        "population": 6,
        "generations": 6,
        "steps_per_generation": 2,
        "dormant": "straight_through",
        "selection": {"name": "random_search"},
    },
    "policy": {
        "name": "weighted",
        "max_operations": 3,
        "operator_weights": dict.fromkeys("ACHMNULWTJGKP", 1.0),
    },
}
LITTLE = {
    "name": "little",
    "seeds": 2,
    "dataset": {"name": "digits"},
    "founders": {"hidden": 6},
    "evolution": {"population": 3, "generations": 3, "steps_per_generation": 6},
    "policy": {"name": "adaptive"},
    "baseline": {"arms": ["mlp", "static"]},
}


def begin(folder, settings, **options):
    options = {"workers": 0, "run_name": settings["name"], "figures": False} | options
    return run(Experiment.parse(settings, "test"), results=folder, **options)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    return begin(tmp_path_factory.mktemp("graphs"), GRAPHS)


@pytest.fixture(scope="module")
def little(tmp_path_factory):
    return begin(tmp_path_factory.mktemp("little"), LITTLE)


# -- lineages ----------------------------------------------------------------------------------------------------------


def replay_survivors(results):
    """Replay every survivor, the youngest first: it takes its ancestors along. Return the rebuilt ones by number."""
    rebuilt = {}
    survivors = results.individuals.query("survived")["individual"]
    for number in sorted(survivors, reverse=True):
        if number not in rebuilt:
            rebuilt |= {one.job.individual: one for one in replay_lineage(results, number)}
    assert set(survivors) <= rebuilt.keys()
    return rebuilt


@pytest.mark.slow
def test_every_survivor_is_rebuilt_whatever_operators_made_it(graphs, tmp_path):
    letters = set()
    for results in (graphs, begin(tmp_path, MAPS)):
        rows = results.individuals.set_index("individual")
        for number, one in replay_survivors(results).items():
            assert one.genome.fingerprint() == rows.loc[number, "genome_hash"]
            assert one.fitness == rows.loc[number, "fitness"]
            assert one.ancestry_steps == rows.loc[number, "ancestry_steps"]
            letters |= set(rows.loc[number, "operators"])
    assert letters == set(OPERATORS.built_in)


def test_the_survivors_have_reused_results_and_dropped_entries(graphs):
    """Otherwise the test above says nothing of them."""
    survivors = graphs.individuals.query("survived")
    assert survivors["reused_from"].notna().any()
    frozen = graphs.operations.query("modification == 'drop_dormant'")
    assert frozen["individual"].isin(survivors["individual"]).any()


def test_the_last_of_a_lineage_is_the_network_of_the_winner(graphs):
    row = graphs.winner()
    winner = replay_lineage(graphs, row["individual"], seed=row["seed"])[-1]
    assert winner.genome.equals(graphs.best().genome)


def modified(results):
    """Return a survivor that operators made."""
    rows = results.individuals.query("survived and operators != ''")
    return int(rows["individual"].iloc[-1])


def altered(results, table, number, column, value):
    """Return results with another value for an individual: in its row, or in its first operation."""
    frame = getattr(results, table).copy()
    row = frame.index[frame["individual"] == number][0]
    frame.loc[row, column] = value
    return dataclasses.replace(results, **{table: frame})


def refusal(results, number, **options):
    with pytest.raises((ResultsError, SettingsError)) as caught:
        replay_lineage(results, number, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_altered_hash_is_named(graphs):
    number = modified(graphs)
    true = graphs.individuals.set_index("individual").loc[number, "genome_hash"]
    wrong = altered(graphs, "individuals", number, "genome_hash", "0" * 32)
    assert refusal(wrong, number) == (
        f"{graphs.path}: individuals, seed 0, individual {number}: genome_hash {'0' * 32}, now {true}"
    )


def test_an_altered_ancestor_is_named_rather_than_its_descendant(graphs):
    lineage = [one.job.individual for one in replay_lineage(graphs, modified(graphs))]
    assert len(lineage) > 2
    wrong = altered(graphs, "individuals", lineage[1], "genome_hash", "0" * 32)
    assert f"individual {lineage[1]}: genome_hash" in refusal(wrong, lineage[-1])


def test_an_altered_operation_is_named(graphs):
    number = modified(graphs)
    operations = graphs.operations.set_index("individual").loc[[number]]
    first = operations.iloc[0]
    wrong = altered(graphs, "operations", number, "n_stored_after", first["n_stored_after"] + 1)
    assert f"individual {number}: operation 0 was Operation(" in refusal(wrong, number)
    wrong = altered(graphs, "operations", number, "parameters", '{"node": 100000}')
    assert f"individual {number}: status was ok, now failed (" in refusal(wrong, number)
    fewer = graphs.operations[graphs.operations["individual"] != number]
    wrong = dataclasses.replace(graphs, operations=fewer)
    assert f"individual {number}: genome_hash" in refusal(wrong, number)


def test_changed_code_is_told_beside_the_difference(graphs, monkeypatch):
    monkeypatch.setattr(provenance, "code_hash", lambda: "other")
    assert replay_lineage(graphs, 0)
    wrong = altered(graphs, "individuals", 0, "genome_hash", "0" * 32)
    assert refusal(wrong, 0).endswith("; the code of EvoMatrix has changed since that run began")


def test_what_cannot_be_replayed_is_refused_in_one_line(graphs, little):
    timed = altered(graphs, "individuals", 0, "ended_by", "seconds")
    assert "individual 0: its training was ended by a budget in seconds" in refusal(timed, 0)
    assert refusal(little, 0).endswith("seed must be one of [0, 1]; got None")
    assert refusal(little, 0, seed=2).endswith("seed must be one of [0, 1]; got 2")
    assert refusal(graphs, 10**6).endswith("seed 0: there is no individual 1000000")
    mine = Dataset.from_arrays(np.zeros((60, 64)), np.arange(60) % 10, name="mine")
    assert "cannot be replayed: that run used the data 'digits'" in refusal(graphs, 0, dataset=mine)
    assert len(replay_lineage(little, 0, seed=1)) == 1
    with pytest.raises(ValueError, match="needs one run"):
        replay_lineage(load_results(graphs.path, little.path), 0)


def test_an_individual_without_a_fitness_has_the_genome_of_its_parent(tmp_path):
    def sometimes(network, validation):
        loss = network.loss(validation.inputs, validation.targets)
        return float("nan") if int(loss * 1e6) % 3 == 0 else -loss

    results = begin(tmp_path, {**LITTLE, "seeds": 1}, fitness=sometimes)
    children = results.individuals.query("status == 'failed' and generation > 0")
    number = int(children["individual"].iloc[0])
    *_, parent, child = replay_lineage(results, number, fitness=sometimes)
    assert child.status == "failed"
    assert child.genome.equals(parent.genome)


# -- whole runs --------------------------------------------------------------------------------------------------------


def assert_same(outcome, n_rows, n_tables):
    assert (outcome.difference, outcome.changes) == (None, ())
    assert (outcome.n_rows, outcome.n_tables) == (n_rows, n_tables)


def n_rows(results, **wanted):
    """Return the number of rows of all tables with a seed, or with generations."""
    n = 0
    for table in KEYS.keys() - TIMING_TABLES:
        rows = getattr(results, table)
        for column, values in wanted.items():
            rows = rows[rows[column].isin(values)] if column in rows else rows[:0]
        n += len(rows)
    return n


def test_a_run_is_the_same_again(little):
    before = sorted(path for path in little.path.rglob("*"))
    assert_same(verify(little.path, workers=0), n_rows(little), 10)
    assert sorted(path for path in little.path.rglob("*")) == before


@pytest.mark.slow
def test_one_seed_or_some_generations_are_the_same_again(little):
    assert_same(verify(little.path, seed=1, workers=0), n_rows(little, seed=[1]), 10)
    seed = little.runs["seed"].iloc[0]
    outcome = verify(little.path, seed=seed, generations=(1, 2), workers=0)
    assert_same(outcome, n_rows(little, seed=[0], generation=[1, 2]), 6)
    assert outcome.n_files == 2


def first_difference(table, one, other):
    """Return what verify has to name: a slow and simple program for it."""
    names = [*KEYS[table], *(name for name in one if name not in KEYS[table])]
    for row in range(len(one)):
        for name in names:
            cells = [frame[name].iloc[row] for frame in (one, other)]
            if name not in TIMING_COLUMNS and str(cells[0]) != str(cells[1]):
                return row, name, *cells
    raise AssertionError


@pytest.fixture(scope="module")
def forged(little, tmp_path_factory):
    """A run in which other operators were drawn, with the settings of the run `little` and a journal that agrees."""
    changes = {"policy": {"name": "adaptive", "operator_weights": {"B": 1.0, "S": 1.0}}}
    results = begin(tmp_path_factory.mktemp("forged"), LITTLE | changes)
    shutil.copy(little.path / "config.json", results.path / "config.json")
    entries = read_journal(results.path).entries
    (results.path / JOURNAL).unlink()
    writer = JournalWriter(results.path)
    for entry in entries:
        values = {name: entry[name] for name in entry.keys() - {"n", "kind", "sum"}}
        if "config.json" in values.get("files", {}):
            contents = (results.path / "config.json").read_bytes()
            values["files"]["config.json"] = [len(contents), digest_of(contents)]
        writer.append(entry["kind"], **values)
    return results


def test_the_first_difference_is_named(little, forged):
    row, column, before, now = first_difference(
        "individuals", forged.individuals, little.individuals
    )
    number = forged.individuals["individual"].iloc[row]
    assert number >= LITTLE["evolution"]["population"]  # the founders are the same
    outcome = verify(forged.path, workers=0)
    assert str(outcome) == (
        f"individuals, seed 0, individual {number}, column {column}: {before}, now {now}"
    )
    assert verify(forged.path, generations=(0, 0), workers=0).difference is None


def test_an_altered_genome_is_named(little, tmp_path):
    path = shutil.copytree(little.path, tmp_path / "little")
    name = "genomes/seed-1-generation-0002.npz"
    arrays, description = read_arrays(path / name)
    key = next(key for key in sorted(arrays) if key.endswith("/bias"))
    before = arrays[key][-1]
    arrays[key][-1] += 1
    write_arrays(path / name, arrays, description)
    at = len(arrays[key]) - 1
    outcome = verify(path, seed=1, workers=0)
    assert str(outcome) == f"{name}, array {key}, number {at}: {arrays[key][-1]}, now {before}"


def test_a_run_is_computed_with_other_code_and_says_so(little, monkeypatch):
    monkeypatch.setattr(provenance, "code_hash", lambda: "other")
    outcome = verify(little.path, seed=0, generations=(0, 0), workers=0)
    assert outcome.difference is None
    assert outcome.changes == ("the code of EvoMatrix has changed since that run began",)


@pytest.mark.slow
def test_own_data_fitness_and_founders_are_verified(tmp_path):
    founder = np.zeros((67, 67))
    founder[:60, -3:] = np.random.default_rng(0).normal(size=(60, 3)) / 8
    rng = np.random.default_rng(1)
    mine = Dataset.from_arrays(rng.normal(size=(80, 64)), rng.integers(3, size=80), name="mine")

    def small_loss(network, validation):
        return -network.loss(validation.inputs, validation.targets)

    own = {"dataset": mine, "fitness": small_loss}
    settings = {name: LITTLE[name] for name in LITTLE if name not in ("dataset", "founders")}
    results = begin(tmp_path, settings, founders=[founder], **own)
    assert_same(verify(results.path, workers=0, **own), n_rows(results), 10)
    with pytest.raises(SettingsError, match="must be passed again, in a script, with fitness="):
        verify(results.path, workers=0, dataset=mine)


@pytest.mark.slow
def test_a_run_that_is_not_finished_has_generations(tmp_path):
    class Stopping(Reporter):
        def generation(self, event, expected):
            if event.generation.number == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin(tmp_path, LITTLE | {"seeds": 1}, reporter=Stopping())
    path = tmp_path / "little"
    assert verify(path, generations=(0, 1), workers=0).difference is None
    with pytest.raises(SettingsError, match=r"generations must be within 0\.\.1; got 0\.\.2"):
        verify(path, generations=(0, 2), workers=0)
    with pytest.raises(ResultsError, match="is not finished, so only its generations"):
        verify(path, workers=0)


@pytest.mark.slow
def test_fixed_networks_are_verified(tmp_path):
    settings = {
        "name": "fixed",
        "seeds": 1,
        "evolve": False,
        "baseline": {"arms": ["mlp"], "epochs": 1},
    }
    results = begin(tmp_path, settings)
    assert_same(verify(results.path), n_rows(results), 10)
    with pytest.raises(SettingsError, match="generations must be left out, for there is none"):
        verify(results.path, generations=(0, 0))


# -- the command -------------------------------------------------------------------------------------------------------


def command(capsys, *arguments):
    """Return exit code, output and errors of the command."""
    with pytest.raises(SystemExit) as caught:
        main(["verify", *map(str, arguments), "--workers", "0", "--quiet"])
    printed = capsys.readouterr()
    return caught.value.code, printed.out, printed.err


def test_the_command_says_what_it_found_and_ends_with_its_code(little, forged, capsys):
    same = command(capsys, little.path, "--seed", 0, "--generations", "0..3")
    rows = n_rows(little, seed=[0], generation=range(4))
    said = f"the same: {rows:,} rows in 6 tables, and 4 files of genomes and networks\n"
    assert same == (0, said, "")
    code, out, err = command(capsys, forged.path, "--seed", 1, "--generations", "1..2")
    assert (code, err) == (1, "")
    assert out.startswith("individuals, seed 1, individual ")
    assert ", now " in out


def test_each_run_of_a_folder_has_a_line_and_a_place_in_the_sum(little, forged, tmp_path, capsys):
    for name, one in (("a", little), ("b", forged), ("c", little)):
        shutil.copytree(one.path, tmp_path / name)
    (tmp_path / "c" / "config.json").write_text("{}", "utf-8")
    arguments = (tmp_path, "--seed", 0, "--generations", "0..1")
    code, out, err = command(capsys, *arguments)
    assert (code, err) == (1, "")
    first, second, third, told = out.splitlines()
    assert first.startswith("a: the same: ")
    assert second.startswith("b: individuals, seed 0, individual ")
    assert third.startswith("c: ")
    assert "config.json" in third
    assert told == "1 of 3 runs are the same, 1 different, 1 cannot be computed again"
    shutil.rmtree(tmp_path / "b")
    code, out, _ = command(capsys, *arguments)
    assert code == 2
    assert out.splitlines()[-1] == "1 of 2 runs are the same, 1 cannot be computed again"
    shutil.rmtree(tmp_path / "c")
    code, out, _ = command(capsys, *arguments)
    assert code == 0
    assert out.splitlines()[-1] == "1 of 1 runs are the same"


def test_a_seed_chooses_the_runs_that_have_it(little, tmp_path, capsys):
    for seed in (1, 5):
        begin(tmp_path, LITTLE | {"name": f"only-{seed}", "seeds": 1, "seed": seed})
    shutil.copytree(little.path, tmp_path / "little")
    code, out, err = command(capsys, tmp_path, "--seed", 1, "--generations", "0..1")
    assert (code, err) == (0, "")
    assert [line.partition(": the same: ")[0] for line in out.splitlines()] == [
        *("little", "only-1", "2 of 2 runs are the same"),
    ]
    code, out, err = command(capsys, tmp_path, "--seed", 7)
    assert (code, out) == (2, "")
    assert err == f"evomatrix: {tmp_path}: seed must be one of 0, 1, 5; got 7\n"


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["--generations", "3"], "generations must be A..B, such as 0..5; got '3'"),
        (["--generations", "2..1"], "generations must be within 0..3; got 2..1"),
        (["--generations", "0..4"], "generations must be within 0..3; got 0..4"),
        (["--seed", "7"], "seed must be from 0 to 1; got 7"),
    ],
)
def test_a_wrong_input_is_one_line_and_exit_code_2(little, capsys, arguments, rule):
    code, out, err = command(capsys, little.path, *arguments)
    assert (code, out) == (2, "")
    assert err.endswith(f"{rule}\n")
    assert err.count("\n") == 1


def test_what_has_no_second_time_is_refused(tmp_path, capsys):
    code, _, err = command(capsys, tmp_path)
    assert (code, err) == (
        2,
        f"evomatrix: {tmp_path}: neither a run's folder nor a folder of runs\n",
    )
    evolution = LITTLE["evolution"] | {"budget": {"seconds": 60.0}}
    results = begin(tmp_path, LITTLE | {"seeds": 1, "evolution": evolution})
    code, _, err = command(capsys, results.path)
    assert code == 2
    assert "with a budget in seconds no two runs are alike; got 60.0" in err
    last = int(results.individuals["individual"].max())
    assert replay_lineage(results, last)[-1].ended_by == "steps"  # no second has ended it


def test_a_table_with_other_rows_or_columns_is_different():
    from experiments.audit.difference import table_difference

    frame = pd.DataFrame({"run": "r", "seed": 0, "arm": ["a", "b"], "steps": [1, 2]})
    assert table_difference("baseline", frame, frame.assign(run="s")) is None
    assert str(table_difference("baseline", frame, frame[:1])) == (
        "baseline, number of rows: 2, now 1"
    )
    assert str(table_difference("baseline", frame, frame.drop(columns="steps"))) == (
        "baseline, column steps: is there, now is not"
    )
    gap = frame.assign(steps=pd.array([1, None], "Int64"))
    assert table_difference("baseline", gap, gap.copy()) is None
    assert str(table_difference("baseline", frame, gap)) == (
        "baseline, seed 0, arm b, column steps: 2, now None"
    )
