"""The reading side of run folders: tables as their journals say, of one or many runs.

A run folder of an older version has no journal but a list of its parts, ``manifest.json``. It is read as it lies there.
"""

import json
import os
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from evo.errors import ResultsError
from evo.storage.journal import (
    JOURNAL,
    CommittedFile,
    Journal,
    is_journal,
    part_of,
    read_journal,
)
from evo.storage.run_lock import is_owned, owner_of
from evo.storage.setting_columns import append_settings, cast, settings_of
from evo.storage.tables import TABLES, Column, sort_by_key

CONFIG = "config.json"
"""The settings of a run."""

STUDY = "study.json"
"""The settings of all runs that are planned in the folder of a study."""

MANIFEST = "manifest.json"
"""The list of parts that older versions wrote."""

ATTEMPTS = 20
PAUSE = 0.01
"""How often, and after how many seconds, the files of a run are read again while another process commits to it."""

_NULLABLE = {pa.int64(): pd.Int64Dtype(), pa.int8(): pd.Int8Dtype()}


class RepairWarning(UserWarning):
    """What was left out of damaged results that were read with ``repair=True``."""


# -- what a run says of itself -----------------------------------------------------------------------------------------


def is_run(path: Path) -> bool:
    """Return whether a folder is a run folder."""
    return is_journal(path) or (path / MANIFEST).is_file()


def planned_study(folder: Path) -> dict[str, Any]:
    """Return what the file of a study says: its planned runs, and its grid and halving if it has them.

    The dictionary is empty if the folder is not that of a study.

    Raises
    ------
    ResultsError
        If the file cannot be read.
    """
    path = folder / STUDY
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
        return {**found, "runs": dict(found["runs"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{path}: runs must be a table of settings ({error})") from error


def runs_at(path: Path) -> tuple[Path, ...]:
    """Return the folders of runs that a path means: its own, or all those in it, by name.

    Raises
    ------
    ResultsError
        If there is no run.
    """
    if is_run(path):
        return (path,)
    if path.is_file():
        raise ResultsError(
            f"{path}: must be the folder of a run, or a folder of runs; got a file, which is in {path.parent}"
        )
    if not path.is_dir():
        raise ResultsError(f"{path}: no such folder")
    runs = tuple(
        sorted(folder for folder in path.iterdir() if is_run(folder) and folder.name[0] != ".")
    )
    if not runs:
        if (path / CONFIG).is_file():
            raise ResultsError(
                f"{path}: must have the file {JOURNAL}, which every run has; it is missing"
            )
        raise ResultsError(f"{path}: neither a run's folder nor a folder of runs")
    return runs


def is_complete(path: Path) -> bool:
    """Return whether a folder is the folder of a finished run."""
    try:
        if is_journal(path):
            return read_journal(path).is_complete
        manifest = json.loads((path / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError, ResultsError):
        return False
    return isinstance(manifest, dict) and manifest.get("status") == "complete"


def stopped_reason(path: Path) -> str:
    """Return why the study of a run stopped it before its end; empty if it did not."""
    return read_journal(path).stopped if is_journal(path) else ""


def is_over(path: Path) -> bool:
    """Return whether nothing is left to do of the run in a folder: it is finished, or was stopped by its study."""
    try:
        return read_journal(path).is_over if is_journal(path) else is_complete(path)
    except ResultsError:
        return False


def error_of(path: Path) -> str:
    """Return the error that ended the run in a folder for good; empty if there was none, or it is not known."""
    if is_journal(path):
        return read_journal(path).error
    try:
        noted = json.loads((path / "environment.json").read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    return str(noted.get("error", "")) if isinstance(noted, dict) else ""


def how_to_go_on(path: Path) -> str:
    """Return what can be done about an unfinished run, in words: wait for its owner, or resume it."""
    if not is_run(path):
        return f"it holds no run, so delete {path}"
    if not is_journal(path):
        return (
            f"a run of an older version cannot be resumed; if no process works on it, delete {path}"
        )
    stopped = stopped_reason(path) if is_over(path) else ""
    if stopped:
        return f"it was stopped {stopped}; to go on in a new run: evomatrix continue {path}"
    if is_owned(path):
        return f"{owner_of(path)} works on it"
    return how_to_resume(path)


def how_to_resume(path: Path) -> str:
    """Return the command that resumes a run, in words; of a run of a study, the command that resumes the study.

    Halving may stop such a run, so it goes on with the others only.
    """
    study = path.parent if path.name else path.resolve().parent
    return f"to go on: evomatrix resume {path if study_folder(path) is None else study}"


def study_folder(path: Path) -> Path | None:
    """Return the folder of the study that plans a run; None if the run belongs to no study.

    Raises
    ------
    ResultsError
        If the file of the study cannot be read.
    """
    folder = path.resolve()
    planned = planned_study(folder.parent).get("runs", ())
    return folder.parent if folder.name in planned else None


def committed_file(
    run: Path, name: str, files: Mapping[str, CommittedFile] | None = None
) -> Path | None:
    """Return where a file of a run is that was committed under a name; None if none was.

    Another process may commit to the run, and a process that stopped may have left the file under its hidden name.

    Parameters
    ----------
    run : Path
        The run folder.
    name : str
        Path of the file in it, with ``/`` between its parts.
    files : mapping, optional
        The files of the run, if nobody commits to it; by default they are read from the journal.

    Raises
    ------
    ResultsError
        If the journal cannot be read, or the file is missing or is not as it was committed.
    """
    reason = "is missing"
    for _ in range(ATTEMPTS if files is None else 1):
        found = (read_journal(run).files if files is None else files).get(name)
        if found is None:
            return None
        for path in (run / name, found.hidden(run)):
            try:
                if found.has(path.read_bytes()):
                    return path
                reason = "is not as it was committed"
            except OSError:
                continue
        if files is None:
            time.sleep(PAUSE)  # another process may be about to give the file its place
    raise ResultsError(f"{run}: {name} {reason}")


def file_of_run(run: Path, name: str) -> Path:
    """Return where a file of a run is: as it was committed, or in its place if the run is of an older version.

    Raises
    ------
    ResultsError
        As for :func:`committed_file`.
    """
    committed = committed_file(run, name) if is_journal(run) else None
    return committed or run / name


def run_names(runs: Sequence[Path]) -> dict[Path, str]:
    """Return the name of each run: that of its folder, with as many folders above it as tell the runs apart.

    Examples
    --------
    >>> list(run_names([Path("a/run"), Path("b/run"), Path("b/other")]).values())
    ['a/run', 'b/run', 'other']
    """
    parts = {run: run.resolve().parts for run in runs}
    names, n_folders = {run: run.resolve().name for run in runs}, 1
    while True:
        shared = {name for name, count in Counter(names.values()).items() if count > 1}
        unclear = [run for run in runs if names[run] in shared and n_folders < len(parts[run])]
        if not unclear:
            return names
        n_folders += 1
        names |= {run: "/".join(parts[run][-n_folders:]) for run in unclear}


# -- tables ------------------------------------------------------------------------------------------------------------


def load_tables(
    runs: Sequence[Path], tables: Iterable[str] = tuple(TABLES), *, repair: bool = False
) -> dict[str, pd.DataFrame]:
    """Load tables of one or many run folders, by default all, with rows in the order of their keys.

    Of a run that is still going on, all tables are read as of the same commit. A column that a run has under its former
    name gets its present name. A table or column that a run does not have is empty there, with its declared type. A
    column that is not declared is left out. Labels of several types, of runs on different data, become text.

    Parameters
    ----------
    runs : sequence of Path
    tables : iterable of str
    repair : bool, default False
        Leave out what is damaged, in all tables alike, and say so in a :class:`RepairWarning`.

    Raises
    ------
    ResultsError
        If a table cannot be read, or a part of one is missing, altered, or was never committed.
    """
    tables = tuple(tables)
    read = {run: _read_run(run, tables, repair=repair) for run in runs}
    return {
        table: _to_pandas(
            sort_by_key(table, _joined(table, {run: read[run][table] for run in runs}))
        )
        for table in tables
    }


def _read_run(run: Path, tables: Sequence[str], *, repair: bool) -> dict[str, pa.Table]:
    """Return the tables of one run as they were written."""
    if not is_journal(run):
        return {table: _read_folder(run, table) for table in tables}
    for attempt in range(ATTEMPTS):
        journal = read_journal(run)
        parts = {
            path: _read_part(run, one)
            for path, one in sorted(journal.files.items())
            if path.partition("/")[0] in tables
        }
        damages = {path: one for path, one in parts.items() if isinstance(one, str)}
        damages |= _missing(run, journal)
        foreign = _foreign(run, tables, journal)
        settled = attempt > 1 and read_journal(run).n_bytes == journal.n_bytes
        if settled or not damages | foreign:
            break
        time.sleep(PAUSE)  # another process may be about to give files their places
    if damages or foreign:
        _tell_damages(run, damages | foreign, repair=repair)
    # Of a run that is over each table is one part.
    lost = set() if journal.is_over else {_first_commit(path) for path in damages}
    found = {}
    for table in tables:
        whole = [
            one
            for path, one in parts.items()
            if isinstance(one, pa.Table)
            and path.startswith(f"{table}/")
            and _first_commit(path) not in lost
        ]
        found[table] = pa.concat_tables(whole or [pa.table({})], promote_options="default")
    return found


def _first_commit(path: str) -> int | None:
    """Return the number of the commit with whose rows a part begins; the parts of all tables are cut alike."""
    part = part_of(path)
    return None if part is None else part[1]


def _tell_damages(run: Path, damages: Mapping[str, str], *, repair: bool) -> None:
    """Raise ResultsError for the first damage; or warn of each, if it is left out."""
    for path, reason in damages.items():
        if not repair:
            raise ResultsError(
                f"{run}: {path} {reason}; load_results(..., repair=True) leaves out what is damaged"
            )
        warnings.warn(RepairWarning(f"{run}: left out {path}, which {reason}"), stacklevel=5)


def _read_part(run: Path, committed: CommittedFile) -> pa.Table | str:
    """Return the rows of a part; or what is wrong with it."""
    reason = "is missing"
    for path in (run / committed.path, committed.hidden(run)):
        try:
            contents = path.read_bytes()
        except OSError:
            continue
        if not committed.has(contents):
            reason = "is not as it was committed"
            continue
        try:
            return pq.ParquetFile(pa.BufferReader(contents)).read()
        except (pa.ArrowException, OSError, ValueError) as error:
            return f"is no table ({_one_line(error)})"
    return reason


def _missing(run: Path, journal: Journal) -> dict[str, str]:
    """Return the files of a run, other than tables, that are neither in their place nor hidden."""
    others = [one for path, one in journal.files.items() if part_of(path) is None]
    folders = {one.path.rpartition("/")[0] for one in others}
    present = {
        f"{folder}/{name}".lstrip("/")
        for folder in folders
        if (run / folder).is_dir()
        for name in os.listdir(run / folder)  # noqa: PTH208 - a run may have ten thousand files
    }
    return {
        one.path: "is missing"
        for one in others
        if one.path not in present and not one.hidden(run).exists()
    }


def _foreign(run: Path, tables: Iterable[str], journal: Journal) -> dict[str, str]:
    """Return the visible files in the folders of tables that the journal does not name."""
    found = {}
    for table in tables:
        folder = run / table
        names = (one.name for one in folder.iterdir()) if folder.is_dir() else ()
        for name in sorted(names):
            if not name.startswith(".") and f"{table}/{name}" not in journal.files:
                found[f"{table}/{name}"] = "was never committed"
    return found


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _read_folder(run: Path, table: str) -> pa.Table:
    """Return a table of a run of an older version, which has no journal."""
    present = (run / table).exists() or f'"{table}/' in (run / MANIFEST).read_text("utf-8")
    try:
        return pq.read_table(run / table) if present else pa.table({})
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ResultsError(f"{run}: table {table} cannot be read ({_one_line(error)})") from error


def _joined(table: str, of_runs: Mapping[Path, pa.Table]) -> pa.Table:
    """Return the rows of several runs as one table, with the declared columns."""
    names, frames, settings = run_names([*of_runs]), [], []
    for run, part in of_runs.items():
        try:
            cells = {
                name: array for one in TABLES[table] for name, array in _cells(part, one, table)
            }
        except (OSError, ValueError) as error:
            raise ResultsError(
                f"{run}: table {table} cannot be read ({_one_line(error)})"
            ) from error
        cells["run"] = pa.repeat(names[run], len(part))
        frames.append(pa.table(cells))
        if table == "runs":
            settings.append(settings_of(part))
    for name in (column.name for column in TABLES[table] if column.type is None):
        if len({frame[name].type for frame in frames} - {pa.null()}) > 1:
            frames = [_as_text(frame, name) for frame in frames]
    found = pa.concat_tables(frames, promote_options="default")
    return append_settings(found, settings) if settings else found


def _cells(part: pa.Table, column: Column, table: str) -> Iterator[tuple[str, Any]]:
    """Yield names and cells of a column: under its present or its former name, or empty; or of several columns."""
    if column.prefix:
        others = {name for one in TABLES[table] for name in (one.name, one.former_name)}
        for name in part.column_names:
            if name.startswith(column.prefix) and name not in others:
                yield name, cast(part[name], column.type)
        return
    for name in (column.name, column.former_name):
        if name in part.column_names:
            yield column.name, cast(part[name], column.type or part[name].type)
            return
    yield column.name, pa.nulls(len(part), column.type or pa.null())


def _as_text(frame: pa.Table, name: str) -> pa.Table:
    return frame.set_column(frame.column_names.index(name), name, frame[name].cast(pa.string()))


def _to_pandas(table: Any) -> pd.DataFrame:
    """Convert with nullable integers, so that integer columns with empty cells keep integers."""
    frame: pd.DataFrame = table.to_pandas(types_mapper=_NULLABLE.get)
    return frame
