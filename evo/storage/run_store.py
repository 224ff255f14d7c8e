"""The writing side of a run folder: tables, genomes, networks and pictures of one run.

A run is a folder. Its journal says which files it consists of (:mod:`evo.storage.journal`). Tables are Parquet data
sets, so they can be read at any moment. The rows of some commits share a part: each commit replaces the last part by
one with its rows too, until the part is large enough. So a long run has few files, and what a commit writes does not
grow with the number of commits. A finished run has one part for each table.
"""

import errno
import itertools
import json
import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cnn.files import flush_folder
from evo.errors import ExistingRunError, ResultsError
from evo.files import free_name, write_arrays, write_atomically, write_staged, write_text
from evo.genome.codec import genome_to_arrays
from evo.genome.genome import Genome
from evo.interruption import shielded
from evo.storage.individuals import StoredIndividuals, save_individuals
from evo.storage.journal import (
    COMMIT,
    COMPACTED,
    COMPLETE,
    CREATED,
    FAILED,
    PENDING,
    RESUMED,
    SEPARATOR,
    STOPPED,
    CommittedFile,
    Journal,
    JournalWriter,
    digest_of_file,
    part_of,
    part_path,
    pending_folder,
    read_journal,
)
from evo.storage.run_lock import RunLock
from evo.storage.run_reader import CONFIG, committed_file, how_to_go_on, is_complete, is_run
from evo.storage.setting_columns import with_settings
from evo.storage.tables import KEYS, TABLES, OwnColumns, Row, to_arrow

COMMITS_PER_PART = 32
"""Commits whose rows share one part of a table."""

BYTES_PER_PART = 1 << 20
"""Size from which on a part gets no more rows."""

FLUSHERS = 8
"""Threads that flush files to the disk: it takes many at a time nearly as fast as one."""

FOLDERS = ("genomes", "networks", "states")
IN_FLIGHT = ".in-flight"


@dataclass
class _OpenPart:
    """The last part of each table, to which the next commit adds rows."""

    first: int
    n_commits: int = 0
    rows: dict[str, pa.Table] = field(default_factory=dict)
    n_bytes: int = 0

    @property
    def is_full(self) -> bool:
        return self.n_commits >= COMMITS_PER_PART or self.n_bytes >= BYTES_PER_PART


class RunStore:
    """A run folder that is being written; :meth:`create` makes a new one, :meth:`open` goes on with one.

    One process works on a run at a time: the store holds the lock of the folder until :meth:`close`.

    Attributes
    ----------
    path : Path
        The run folder.
    settings : mapping
        The settings as columns of ``runs``: typed values by dotted name.
    own_columns : OwnColumns
        The columns whose names differ from run to run.
    journal : Journal
        What had been committed when the store was opened; empty in a new run.
    """

    def __init__(
        self,
        path: Path,
        lock: RunLock,
        journal: Journal,
        settings: Mapping[str, pa.Scalar] = MappingProxyType({}),
        own_columns: OwnColumns | None = None,
    ) -> None:
        self.path = path
        self.settings = settings
        self.own_columns = own_columns or OwnColumns()
        self.journal = journal
        self._lock = lock
        self._writer = JournalWriter(path, journal if journal.entries else None)
        self._files = dict(journal.files)
        self._open = _OpenPart(self._writer.next)
        self._is_over = journal.is_over
        self._flushers = ThreadPoolExecutor(FLUSHERS, thread_name_prefix="flush")

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.name

    # -- begin and end -------------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        config: str,
        environment: Mapping[str, Any],
        settings: Mapping[str, pa.Scalar] = MappingProxyType({}),
        own_columns: OwnColumns | None = None,
        begun_with: Mapping[str, Any] = MappingProxyType({}),
        genomes: Mapping[str, Mapping[int, Genome]] = MappingProxyType({}),
        states: Mapping[str, StoredIndividuals] = MappingProxyType({}),
    ) -> Self:
        """Make a run folder with empty tables, which can be read from the first moment.

        Parameters
        ----------
        path : str or Path
            Must not exist; parent folders are made.
        config : str
            The settings as JSON.
        environment : mapping
            Versions, machine and command, as values that JSON can write.
        settings : mapping
            The settings as columns of ``runs``: typed values by dotted name.
        own_columns : OwnColumns, optional
            The columns whose names differ from run to run; by default none.
        begun_with : mapping
            What the first line of the journal keeps, as values that JSON can write.
        genomes : mapping
            The genomes that the run begins with, by name of their file; see :meth:`stage_genomes`.
        states : mapping
            The individuals that a newer run begins with, which goes on from an older one, by path of their file.

        Raises
        ------
        ExistingRunError
            If the folder exists.
        ResultsError
            If the folder cannot be made.
        """
        path = Path(path)
        if path.exists():
            raise _exists(path)
        # The folder appears with all of this in it, or not at all.
        new = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_native_id()}.tmp")
        try:
            for folder in (*TABLES, *FOLDERS, PENDING, IN_FLIGHT):
                (new / folder).mkdir(parents=True)
            write_text(new / "environment.json", json.dumps(environment, indent=2) + "\n")
            first = cls(new, RunLock(new), Journal(), settings, own_columns)
            write_text(first.stage(CONFIG), config)
            for name, of_slots in genomes.items():
                first.stage_genomes(name, of_slots)
            for name, (individuals, more) in states.items():
                save_individuals(first.stage(name), individuals.values(), more, staged=True)
            first._commit(CREATED, {table: [] for table in TABLES}, **begun_with)
            new.rename(path)
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST} and path.exists():
                raise _exists(path) from error
            raise ResultsError(
                f"{path}: results folder cannot be made ({error.strerror})"
            ) from error
        finally:
            shutil.rmtree(new, ignore_errors=True)
        store = cls._opened(path, first._open)
        store.settings, store.own_columns = first.settings, first.own_columns
        return store

    @classmethod
    def create_free(cls, results: str | Path, name: str, **parts: Any) -> Self:
        """Make a run folder called by a name and the time; the further parameters are those of :meth:`create`."""
        while True:
            try:
                return cls.create(Path(results) / free_name(Path(results), name), **parts)
            except ExistingRunError:
                if not Path(results).is_dir():
                    raise  # else another process took this name in the meantime

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Go on with a run: finish the commit in which it stopped, and remove what was never committed.

        Raises
        ------
        RunLockedError
            If another process works on the run.
        ResultsError
            If the journal or a file is not as it was committed.
        """
        return cls._opened(Path(path), None)

    @classmethod
    def _opened(cls, path: Path, created: _OpenPart | None) -> Self:
        """Go on with a run; of one that this process has just created, the empty tables are given."""
        lock = RunLock(path)
        lock.acquire()
        try:
            journal = read_journal(path)
            store = cls(path, lock, journal)
            with _as_results_error(path):
                store._finish_renaming()
            if created is not None and len(journal.entries) == 1:
                store._open = created
            else:
                store._check_files()
                store._reopen_part()
        except BaseException:
            lock.release()
            raise
        return store

    def take_columns(self, settings: Mapping[str, pa.Scalar], own_columns: OwnColumns) -> None:
        """Take the columns of :meth:`create`, which are not known when a run is opened.

        A run that another version began may lack columns, and may have others: each is empty in rows without it.

        Raises
        ------
        ResultsError
            If a column of the rows that are there has another name or type now.
        """
        self.settings, self.own_columns = settings, own_columns
        for table, parts in self._parts().items():
            declared = own_columns.of(table)
            new = self._to_arrow(table, []).schema
            for part in parts:
                stored = pq.read_schema(self.path / part)
                for column in declared:
                    if column.name not in stored.names and column.former_name in stored.names:
                        raise ResultsError(
                            f"{self.path}: cannot go on, for its table {table} has the column {column.former_name}, "
                            f"which is {column.name} in this version"
                        )
                try:
                    pa.unify_schemas([stored, new])
                except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                    told = str(error).splitlines()[0]
                    raise ResultsError(
                        f"{self.path}: cannot go on, for a column of its table {table} has another type in this "
                        f"version ({told})"
                    ) from error

    def _parts(self) -> dict[str, list[str]]:
        """Return the paths of the parts of each table, in the order of their commits."""
        files = sorted(self._files)
        return {
            table: [path for path in files if path.startswith(f"{table}/part-")] for table in TABLES
        }

    def _to_arrow(self, table: str, rows: Sequence[Row] | pa.Table) -> pa.Table:
        """Return rows as a table of this run."""
        arrow = to_arrow(table, rows, self.own_columns)
        return with_settings(arrow, self.settings) if table == "runs" else arrow

    def close(self) -> None:
        """Let other processes work on the run; a finished run has no hidden files left."""
        if self._is_over:
            for folder in (PENDING, IN_FLIGHT):
                shutil.rmtree(self.path / folder, ignore_errors=True)
        self._flushers.shutdown()
        self._lock.release(for_good=self._is_over)

    def discard(self) -> None:
        """Remove the folder of a run that could not begin."""
        self.close()
        shutil.rmtree(self.path)

    # -- commits -------------------------------------------------------------------------------------------------------

    def stage(self, path: str) -> Path:
        """Return where a file has to be written that the next commit adds to the run, or replaces.

        Parameters
        ----------
        path : str
            Path of the file in the run folder, such as ``networks/seed-0.npz``.
        """
        folder = pending_folder(self.path, self._writer.next)
        with _as_results_error(self.path):
            folder.mkdir(exist_ok=True)
        return folder / path.replace("/", SEPARATOR)

    def stage_genomes(self, name: str, genomes: Mapping[int, Genome]) -> None:
        """Stage genomes by the number of their individual as ``genomes/<name>.npz``."""
        arrays: dict[str, NDArray[Any]] = {}
        descriptions = {}
        for individual, genome in genomes.items():
            parts, descriptions[str(individual)] = genome_to_arrays(genome, f"{individual}/")
            arrays |= parts
        path = self.stage(f"genomes/{name}.npz")
        write_arrays(path, arrays, descriptions, packed=True, staged=True)

    def commit(self, rows: Mapping[str, Sequence[Row] | pa.Table]) -> None:
        """Add rows to several tables, together with the files that were staged: all of it or nothing.

        Parameters
        ----------
        rows : mapping
            Rows by table; an Arrow table holds many of them in less memory.
        """
        with shielded():
            self._commit(COMMIT, rows)

    def note_resumed(self, **values: Any) -> None:
        """Note in the journal that a process goes on with the run."""
        self._writer.append(RESUMED, **values)

    def complete(self) -> None:
        """Give each table one part, and note that the run is finished."""
        with shielded():
            self._end(COMPLETE)

    def stop(self, reason: str) -> None:
        """Give each table one part, and note that the run was stopped before its end, and why."""
        with shielded():
            self._end(STOPPED, reason=reason)

    def _end(self, kind: str, **values: Any) -> None:
        self._compact()
        self._writer.append(kind, **values)
        self._is_over = True

    def fail(self, error: str) -> None:
        """Note that the run ended with an error that it would meet again."""
        self._writer.append(FAILED, error=error)

    def _commit(
        self, kind: str, rows: Mapping[str, Sequence[Row] | pa.Table], **values: Any
    ) -> None:
        grown = replace(self._open, n_commits=self._open.n_commits + 1, rows=dict(self._open.rows))
        for table, new in rows.items():
            arrow = self._to_arrow(table, new)
            if len(arrow) or kind == CREATED:
                before = [grown.rows[table]] if table in grown.rows else []
                # One chunk a column: Parquet is written twice as fast as of a chunk for each commit.
                together = pa.concat_tables([*before, arrow], promote_options="default")
                grown.rows[table] = together.combine_chunks()
                staged = self.stage(part_path(table, grown.first))
                write_staged(staged, partial(pq.write_table, grown.rows[table]))
                grown.n_bytes = max(grown.n_bytes, staged.stat().st_size)
        self._append(kind, **values)
        self._open = _OpenPart(self._writer.next) if grown.is_full else grown

    def _append(self, kind: str, **values: Any) -> None:
        """Append the line that names all staged files, then give them their places."""
        number, is_whole = self._writer.next, kind == COMPACTED
        folder = pending_folder(self.path, number)
        files: dict[str, CommittedFile] = {}
        with _as_results_error(self.path):
            folder.mkdir(exist_ok=True)
            staged = sorted(folder.rglob("*"))
            flushed = self._flushers.map(_flush, [*staged, folder, self.path / PENDING])
            for one, found in zip([*staged, None, None], flushed, strict=True):
                if one is not None and found is not None:
                    path = one.relative_to(folder).as_posix().replace(SEPARATOR, "/")
                    files[path] = CommittedFile(path, *found, number, is_whole)
        self._writer.append(
            kind, files={one.path: [one.size, one.digest] for one in files.values()}, **values
        )
        for path in values.get("dropped", ()):
            del self._files[path]
        self._files |= files
        with _as_results_error(self.path):
            _give_places(self.path, files.values())
            shutil.rmtree(folder, ignore_errors=True)

    def _compact(self) -> None:
        """Replace the parts of each table by one part, in which the rows of each seed are together.

        Which seed commits when depends on the workers, and a finished table shall not.
        """
        dropped = []
        for table, parts in self._parts().items():
            seeds = self._seeds_in(table, parts)
            if len(parts) < 2 and seeds == sorted(set(seeds)):
                continue
            dropped += parts
            path = part_path(table, self._writer.next)
            hidden = CommittedFile(path, 0, "", self._writer.next, is_whole=True).hidden(self.path)
            with _as_results_error(self.path):
                hidden.parent.mkdir(parents=True)
            write_staged(hidden, partial(self._join, parts, seeds))
        if dropped:
            self._append(COMPACTED, dropped=dropped)

    def _seeds_in(self, table: str, parts: Sequence[str]) -> list[int]:
        """Return the seed of each stretch of rows with one seed, in the order of the rows."""
        if "seed" not in KEYS[table]:
            return []
        found: list[int] = []
        for part in parts:
            if part == part_path(table, self._open.first):  # its rows are in memory
                rows = self._open.rows[table]
            else:
                rows = pq.read_table(self.path / part, columns=["seed"])
            for seed, _ in itertools.groupby(rows["seed"].to_pylist()):
                if found[-1:] != [seed]:
                    found.append(seed)
        return found

    def _join(self, parts: Sequence[str], seeds: Sequence[int], file: Any) -> None:
        """Write parts one after the other into one Parquet file; of several seeds, one seed after the other."""
        is_mixed = seeds != sorted(set(seeds))
        of_each: Sequence[int | None] = sorted(set(seeds)) if is_mixed else [None]
        together = pa.unify_schemas([pq.read_schema(self.path / part) for part in parts])
        with pq.ParquetWriter(file, together) as writer:
            for seed in of_each:
                for part in parts:  # one at a time is in memory
                    rows = pq.read_table(self.path / part)
                    if seed is not None:
                        rows = rows.filter(pc.equal(rows["seed"], seed))
                    if len(rows):
                        whole = [together.empty_table(), rows]
                        writer.write_table(pa.concat_tables(whole, promote_options="default"))

    # -- going on ------------------------------------------------------------------------------------------------------

    def _finish_renaming(self) -> None:
        """Give committed files their places, and remove hidden files that were never committed."""
        hidden = [one for one in self._files.values() if one.hidden(self.path).exists()]
        _give_places(self.path, hidden)
        shutil.rmtree(self.path / PENDING, ignore_errors=True)
        for folder in (PENDING, IN_FLIGHT):
            (self.path / folder).mkdir(exist_ok=True)
        for pattern in (".*.tmp", "figures/.*.tmp"):  # of a file that was being written
            for one in self.path.glob(pattern):
                one.unlink(missing_ok=True)

    def _check_files(self) -> None:
        """Raise ResultsError for the first file of the run that is not as it was committed."""
        for path in sorted(self._files):
            committed_file(self.path, path, self._files)

    def _reopen_part(self) -> None:
        """Read the rows of the last part of each table, unless it is full."""
        first = max(first for _, first in filter(None, map(part_of, self._files)))
        commits = [one for one in self.journal.entries if one["kind"] in {CREATED, COMMIT}]
        part = _OpenPart(first, sum(one["n"] >= first for one in commits))
        for table in TABLES:
            path = part_path(table, first)
            if path in self._files:
                part.rows[table] = pq.read_table(self.path / path)
                part.n_bytes = max(part.n_bytes, self._files[path].size)
        self._open = _OpenPart(self._writer.next) if part.is_full else part

    # -- beside the journal --------------------------------------------------------------------------------------------

    def note_environment(self, **more: Any) -> None:
        """Write more values into environment.json."""
        path = self.path / "environment.json"
        try:
            before = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            before = {}
        write_text(path, json.dumps({**before, **more}, indent=2) + "\n")

    def save_figure(self, name: str, content: bytes) -> Path:
        """Save a picture as ``figures/<name>`` and return its path."""
        path = self.path / "figures" / name
        with _as_results_error(self.path):
            path.parent.mkdir(exist_ok=True)
        write_atomically(path, lambda file: file.write(content))
        return path


def _exists(path: Path) -> ExistingRunError:
    unfinished = is_run(path) and not is_complete(path)
    hint = f"; it holds an unfinished run: {how_to_go_on(path)}" if unfinished else ""
    return ExistingRunError(f"{path} must not exist yet{hint}")


@contextmanager
def _as_results_error(path: Path) -> Iterator[None]:
    """Turn an error of the file system into one line."""
    try:
        yield
    except OSError as error:
        raise ResultsError(
            f"{error.filename or path}: cannot be written ({error.strerror})"
        ) from error


def _give_places(folder: Path, files: Iterable[CommittedFile]) -> None:
    """Rename committed files to their places.

    Where a file is a whole table, its folder is renamed. Between the two renamings the table is missing, so that nobody
    reads its rows twice.
    """
    for one in files:
        hidden, place = one.hidden(folder), folder / one.path
        if not one.is_whole:
            hidden.replace(place)
            continue
        if place.parent.exists():
            place.parent.rename(hidden.parent.with_name(f"old-{place.parent.name}"))
        hidden.parent.rename(place.parent)


def _flush(path: Path) -> tuple[int, str] | None:
    """Flush a file to the disk and return its size and digest; of a folder flush the names, where the system can."""
    if not path.is_dir():
        with path.open("r+b") as file:
            os.fsync(file.fileno())
            return os.fstat(file.fileno()).st_size, digest_of_file(file)
    flush_folder(path)
    return None
