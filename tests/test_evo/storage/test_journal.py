"""What is committed is there, whole, and nothing else; whatever stops the process, whoever changes a file."""

import json
import multiprocessing
import os
import shutil
import warnings

import pandas as pd
import pytest
from tests_of_kills import count_boundaries, in_child

from evo.errors import ExistingRunError, ResultsError
from evo.storage import RepairWarning, RunStore, load_tables
from evo.storage.journal import JOURNAL, PENDING, JournalWriter, part_of, read_journal
from evo.storage.run_lock import RunLockedError, is_owned, owner_of
from evo.storage.run_reader import is_complete
from evo.storage.run_store import COMMITS_PER_PART
from evo.storage.tables import schema

ROWS = 3
"""Rows of each table in one commit of `commit_to`."""

TABLES = ("generations", "individuals")


def rows_of(number, table="generations"):
    empty = dict.fromkeys(schema(table).names)
    of_row = {"generations": "generation", "individuals": "individual"}[table]
    first = number * ROWS
    return [empty | {"run": "r", "seed": 0, of_row: k} for k in range(first, first + ROWS)]


def commit_to(store, number):
    store.stage(f"genomes/generation-{number}.npz").write_bytes(b"genomes %d" % number)
    store.stage("states/seed-0.npz").write_bytes(b"state %d" % number)
    store.commit({table: rows_of(number, table) for table in TABLES})


def create(path):
    return RunStore.create(path, config="{}\n", environment={})


def work(path, n_commits=3):
    """Begin a run, or go on with it, to its end."""
    store = RunStore.open(path) if (path / JOURNAL).exists() else create(path)
    if not store.journal.is_complete:
        done = sum(1 for _ in store.journal.of_kind("commit"))
        for number in range(done, n_commits):
            commit_to(store, number)
        store.complete()
    store.close()


def numbers(path, table="generations"):
    name = {"generations": "generation", "individuals": "individual"}[table]
    return load_tables([path], [table])[table][name].tolist()


@pytest.fixture
def run(tmp_path):
    store = create(tmp_path / "run")
    for number in range(3):
        commit_to(store, number)
    store.close()
    return store.path


@pytest.mark.skipif(os.name != "posix", reason="names are flushed where the system can do that")
def test_all_that_a_line_names_is_on_the_disk_before_the_line(tmp_path, monkeypatch):
    store = create(tmp_path / "run")
    flushed, before_line, fsync = set(), [], os.fsync
    journal = (store.path / JOURNAL).stat().st_ino

    def noted(descriptor):
        number = os.fstat(descriptor).st_ino
        if number == journal:
            pending = store.path / PENDING
            before_line.append({one.stat().st_ino for one in (pending, *pending.rglob("*"))})
            assert before_line[-1] <= flushed
        flushed.add(number)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    commit_to(store, 0)
    (line,) = before_line
    assert len(line) == 2 + 2 + len(TABLES)  # two folders, what is staged, and the tables
    store.complete()  # one part for each table already
    store.close()


@pytest.fixture
def long_run(tmp_path):
    """A run with two parts in each table."""
    store = create(tmp_path / "long")
    for number in range(COMMITS_PER_PART + 3):
        commit_to(store, number)
    store.close()
    return store.path


# -- kills -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [19, pytest.param(1, marks=pytest.mark.slow)])
def test_a_kill_at_any_boundary_costs_at_most_the_commit_in_hand(tmp_path, step):
    n_boundaries = count_boundaries(lambda: work(tmp_path / "whole"))
    whole = {table: numbers(tmp_path / "whole", table) for table in TABLES}
    assert whole["generations"] == list(range(3 * ROWS))
    assert n_boundaries > 100
    wrong = []
    for fatal in range(0, n_boundaries, step):
        path = tmp_path / f"killed-{fatal}"
        assert in_child(lambda path=path: work(path), fatal=fatal) == -9
        if path.exists():  # a run folder appears with its journal
            seen = [numbers(path, table) for table in TABLES]
            raw = [
                len(pd.read_parquet(path / table)) for table in TABLES if (path / table).exists()
            ]
            if seen[0] != seen[1] or len(seen[0]) % ROWS or any(n % ROWS for n in raw):
                wrong.append((fatal, seen, raw))
        work(path)
        if {table: numbers(path, table) for table in TABLES} != whole or not is_complete(path):
            wrong.append((fatal, "after going on"))
        left = [one.name for one in path.glob(".*")]
        names = {one.name for one in (path / "genomes").iterdir()}
        if left or names != {f"generation-{k}.npz" for k in range(3)}:
            wrong.append((fatal, left, names))
        shutil.rmtree(path)
    assert wrong == []


@pytest.mark.slow
def test_what_is_seen_is_committed_at_any_moment(tmp_path):
    """Another process reads the tables as they lie there, while this one commits to them and joins their parts."""
    context = multiprocessing.get_context("fork")
    store = create(tmp_path / "run")
    reader = context.Process(target=_read_all_the_time, args=(store.path, tmp_path / "seen"))
    reader.start()
    for number in range(2 * COMMITS_PER_PART + 5):
        commit_to(store, number)
    store.complete()
    reader.join(60)
    seen = json.loads((tmp_path / "seen").read_text())
    assert seen["wrong"] == []
    assert seen["reads"] > 20
    assert seen["last"] == (2 * COMMITS_PER_PART + 5) * ROWS


def _read_all_the_time(path, told):
    wrong, reads, last = [], 0, -1
    while not is_complete(path):
        try:
            raw = pd.read_parquet(path / "generations")["generation"].tolist()
        except FileNotFoundError:  # between two renamings at the end: an error, never a wrong table
            raw = []
        for seen in (sorted(raw), numbers(path)):
            if seen != list(range(len(seen))) or len(seen) % ROWS:
                wrong.append(seen)
        reads += 1
    last = len(pd.read_parquet(path / "generations"))
    told.write_text(json.dumps({"wrong": wrong, "reads": reads, "last": last}))


# -- what a commit costs -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_a_commit_writes_does_not_grow_with_the_number_of_commits(tmp_path):
    store = create(tmp_path / "run")
    written = []
    for number in range(3 * COMMITS_PER_PART):
        before = (store.path / JOURNAL).stat().st_size
        commit_to(store, number)
        entry = read_journal(store.path).entries[-1]
        line = (store.path / JOURNAL).stat().st_size - before
        written.append(line + sum(size for size, _ in entry["files"].values()))
    rounds = [written[k : k + COMMITS_PER_PART] for k in range(0, len(written), COMMITS_PER_PART)]
    assert max(rounds[2]) < 1.1 * max(rounds[1])
    files = [one for one in store.path.rglob("*") if one.is_file()]
    assert len(files) < 2 * len(written)


def test_a_finished_run_has_one_part_for_each_table(long_run):
    before = {table: numbers(long_run, table) for table in TABLES}
    assert {len(list((long_run / table).iterdir())) for table in TABLES} == {2}
    store = RunStore.open(long_run)
    store.complete()
    assert is_complete(long_run)
    assert {len(list((long_run / table).iterdir())) for table in TABLES} == {1}
    assert {table: numbers(long_run, table) for table in TABLES} == before
    assert before["generations"] == list(range((COMMITS_PER_PART + 3) * ROWS))


# -- damage ------------------------------------------------------------------------------------------------------------


def damage(run, how):
    part = sorted((run / "individuals").iterdir())[0]
    contents = part.read_bytes()
    if how == "missing":
        part.unlink()
    elif how == "altered":
        part.write_bytes(contents[:900] + bytes([contents[900] ^ 1]) + contents[901:])
    elif how == "truncated":
        part.write_bytes(contents[:-1])
    elif how == "doubled":
        shutil.copy(part, part.with_name("part-00000099.parquet"))
    else:
        (run / "individuals" / "mine.parquet").write_bytes(contents)


@pytest.mark.parametrize(
    ("how", "rule"),
    [
        ("missing", "individuals/part-00000000.parquet is missing"),
        ("altered", "individuals/part-00000000.parquet is not as it was committed"),
        ("truncated", "individuals/part-00000000.parquet is not as it was committed"),
        ("doubled", "individuals/part-00000099.parquet was never committed"),
        ("foreign", "individuals/mine.parquet was never committed"),
    ],
)
def test_a_damaged_table_is_one_line_and_can_be_left_out_in_all_tables_alike(long_run, how, rule):
    damage(long_run, how)
    with pytest.raises(ResultsError) as caught:
        load_tables([long_run], TABLES)
    assert (
        str(caught.value)
        == f"{long_run}: {rule}; load_results(..., repair=True) leaves out what is damaged"
    )
    with pytest.warns(RepairWarning, match="left out individuals/"):
        left = load_tables([long_run], TABLES, repair=True)
    whole = list(range((COMMITS_PER_PART + 3) * ROWS))
    lost = 0 if how in {"doubled", "foreign"} else (COMMITS_PER_PART - 1) * ROWS
    assert left["generations"]["generation"].tolist() == whole[lost:]
    assert left["individuals"]["individual"].tolist() == whole[lost:]


def test_a_whole_run_is_read_without_a_warning(long_run):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load_tables([long_run], TABLES, repair=True)["generations"]) > 0


@pytest.mark.parametrize("how", ["altered", "missing", "doubled", "swapped", "foreign"])
def test_a_journal_that_was_changed_is_one_line(run, how):
    path = run / JOURNAL
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    if how == "altered":
        lines[1] = lines[1].replace(b'"commit"', b'"Commit"')
    elif how == "missing":
        del lines[1]
    elif how == "doubled":
        lines.insert(1, lines[1])
    elif how == "swapped":
        lines[1], lines[2] = lines[2], lines[1]
    else:
        lines.insert(1, b'{"n":1,"kind":"commit","files":{"../x":[1,"0"]},"sum":"00000000"}\n')
    path.write_bytes(b"".join(lines))
    line = 3 if how == "doubled" else 2
    with pytest.raises(ResultsError, match=f"journal.jsonl: line {line} must be as it was written"):
        load_tables([run], TABLES)


@pytest.mark.parametrize("n_bytes", [1, 2, 30])
def test_a_line_that_was_not_wholly_written_does_not_count(run, n_bytes):
    path = run / JOURNAL
    whole = path.read_bytes()
    path.write_bytes(whole[:-n_bytes])
    journal = read_journal(run)
    assert len(journal.entries) == 3
    JournalWriter(run, journal)
    assert path.read_bytes() == b"".join(whole.splitlines(keepends=True)[:-1])
    with pytest.raises(ResultsError, match="is not as it was committed"):
        RunStore.open(
            run
        )  # the tables have rows of a line that is lost, though it had been written


def test_an_empty_or_missing_journal_is_one_line(run):
    (run / JOURNAL).write_bytes(b"")
    with pytest.raises(ResultsError, match="must have one whole line at least"):
        read_journal(run)
    (run / JOURNAL).unlink()
    with pytest.raises(ResultsError, match="cannot be read"):
        read_journal(run)


def test_names_of_parts():
    assert part_of("runs/part-00000007.parquet") == ("runs", 7)
    assert part_of("runs/other.parquet") is None
    assert part_of("../part-00000007.parquet") is None


# -- owners ------------------------------------------------------------------------------------------------------------


def test_a_second_process_is_told_who_works_on_a_run(run):
    store = RunStore.open(run)
    with pytest.raises(RunLockedError) as caught:
        RunStore.open(run)
    assert f"process {os.getpid()} on " in str(caught.value)
    assert is_owned(run)
    store.close()
    assert not is_owned(run)
    RunStore.open(run).close()


def test_a_dead_owner_is_recognised(run):
    def die():
        RunStore.open(run)
        os.kill(os.getpid(), 9)

    assert in_child(die) == -9
    assert str(os.getpid()) not in owner_of(run)
    assert not is_owned(run)
    RunStore.open(run).close()


@pytest.mark.slow
def test_several_runs_may_start_in_the_same_second(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_start_three, args=(tmp_path,)) for _ in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join(60)
    assert [one.exitcode for one in workers] == [0] * 4
    folders = list(tmp_path.iterdir())
    assert len(folders) == 12
    assert all(read_journal(one).entries for one in folders)


def _start_three(results):
    for _ in range(3):
        RunStore.create_free(results, "same", config="{}", environment={}).close()


def test_a_run_is_never_begun_over_another(run):
    with pytest.raises(
        ExistingRunError, match=r"unfinished run: to go on: evomatrix resume .*run$"
    ):
        create(run)
    store = RunStore.open(run)
    store.complete()
    store.close()
    with pytest.raises(ExistingRunError, match=r"must not exist yet$"):
        create(run)
