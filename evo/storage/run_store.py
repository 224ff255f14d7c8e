"""Run folders: the tables, genomes and pictures of one run.

A run is a folder. A file appears under its name complete or not at all: it is written to a hidden temporary file in
the same folder, flushed to the disk and then renamed. Tables are Parquet data sets with one part per generation, so
they can be read at any moment. ``manifest.json`` lists the committed parts; replacing the manifest is the commit.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from evo.errors import ExistingRunError, ResultsError
from evo.files import write_arrays, write_atomically, write_text
from evo.genome.codec import genome_to_arrays
from evo.genome.genome import Genome
from evo.storage.setting_columns import append_settings, settings_of, with_settings
from evo.storage.tables import TABLES, Column, OwnColumns, Row, sort_by_key, to_arrow

MANIFEST = "manifest.json"


# -- run folders -------------------------------------------------------------------------------------------------------


class RunStore:
    """A run folder that is being written; :meth:`create` makes a new one. Only this class writes tables."""

    def __init__(
        self,
        path: Path,
        environment: Mapping[str, Any],
        settings: Mapping[str, pa.Scalar],
        own_columns: OwnColumns | None = None,
    ) -> None:
        self.path = path
        self.own_columns = own_columns or OwnColumns()
        self.name = path.name
        self._environment = environment
        self._settings = settings
        self._parts: list[str] = []

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        config: str,
        environment: Mapping[str, Any],
        settings: Mapping[str, pa.Scalar] = MappingProxyType({}),
        own_columns: OwnColumns | None = None,
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

        Raises
        ------
        ExistingRunError
            If the folder exists.
        ResultsError
            If the folder cannot be made.
        """
        path = Path(path)
        try:
            path.mkdir(parents=True)
            for table in TABLES:
                (path / table).mkdir()
            for folder in ("genomes", "networks", "figures"):
                (path / folder).mkdir()
        except FileExistsError as error:
            raise ExistingRunError(
                f"{error.filename} must not exist yet, and its parents must be folders"
            ) from error
        except OSError as error:
            raise ResultsError(
                f"{path}: results folder cannot be made ({error.strerror})"
            ) from error
        store = cls(path, environment, settings, own_columns)
        write_text(path / "config.json", config)
        store.note_environment()
        store.commit("schema", {table: [] for table in TABLES})
        return store

    def note_environment(self, **more: Any) -> None:
        """Write environment.json, with more values than it had before."""
        self._environment = {**self._environment, **more}
        write_text(self.path / "environment.json", json.dumps(self._environment, indent=2) + "\n")

    def discard(self) -> None:
        """Remove the folder of a run that could not begin."""
        shutil.rmtree(self.path)

    def commit(
        self, part: str, rows: Mapping[str, Sequence[Row] | pa.Table], *, complete: bool = False
    ) -> None:
        """Add a part to several tables, then record it in the manifest.

        Parameters
        ----------
        part : str
            Name of the part, the same in all tables.
        rows : mapping
            Rows by table; an Arrow table holds many of them in less memory.
        complete : bool
            Whether this was the last part of the run.
        """
        for table, new in rows.items():
            arrow = to_arrow(table, new, self.own_columns)
            if table == "runs":
                arrow = with_settings(arrow, self._settings)
            write_atomically(
                self.path / table / f"{part}.parquet",
                lambda file, arrow=arrow: pq.write_table(arrow, file),  # type: ignore[misc]
            )
            self._parts.append(f"{table}/{part}.parquet")
        manifest = {
            "format": 1,
            "status": "complete" if complete else "running",
            "parts": self._parts,
        }
        write_text(self.path / MANIFEST, json.dumps(manifest, indent=1) + "\n")

    def save_genomes(self, name: str, genomes: Mapping[int, Genome]) -> None:
        """Save genomes by the number of their individual in ``genomes/<name>.npz``."""
        arrays: dict[str, NDArray[Any]] = {}
        descriptions = {}
        for individual, genome in genomes.items():
            parts, descriptions[str(individual)] = genome_to_arrays(genome, f"{individual}/")
            arrays |= parts
        write_arrays(self.path / "genomes" / f"{name}.npz", arrays, descriptions)

    def save_figure(self, name: str, figure: Any) -> Path:
        """Save a matplotlib figure as ``figures/<name>.png`` and return its path."""
        path = self.path / "figures" / f"{name}.png"
        buffer = BytesIO()
        figure.savefig(buffer, format="png", dpi=150)
        write_atomically(path, lambda file: file.write(buffer.getvalue()))
        return path


_NULLABLE = {pa.int64(): pd.Int64Dtype(), pa.int8(): pd.Int8Dtype()}


def is_run(path: Path) -> bool:
    """Return whether a folder is a run folder."""
    return (path / MANIFEST).is_file()


def is_complete(path: Path) -> bool:
    """Return whether a folder is the folder of a finished run."""
    try:
        manifest = json.loads((path / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("status") == "complete"


def error_of(path: Path) -> str:
    """Return the error that ended the run in a folder; empty if there was none, or it is not known."""
    try:
        noted = json.loads((path / "environment.json").read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    return str(noted.get("error", "")) if isinstance(noted, dict) else ""


def load_tables(
    runs: Sequence[Path], tables: Iterable[str] = tuple(TABLES)
) -> dict[str, pd.DataFrame]:
    """Load tables of one or many run folders, by default all, with rows in the order of their keys.

    A column that a run has under its former name gets its present name. A table or column that a run does not have is
    empty there, with its declared type. A column that is not declared is left out. Labels of several types, of runs on
    different data, become text.

    Raises
    ------
    ResultsError
        If a table cannot be read.
    """
    return {table: sort_by_key(table, _to_pandas(_read_table(table, runs))) for table in tables}


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


def _read_table(table: str, runs: Sequence[Path]) -> pa.Table:
    names, frames, settings = run_names(runs), [], []
    for run in runs:
        try:
            part = pq.read_table(run / table) if _has(run, table) else pa.table({})
            cells = {
                name: array for one in TABLES[table] for name, array in _cells(part, one, table)
            }
        except (OSError, ValueError) as error:
            raise ResultsError(f"{run}: table {table} cannot be read ({error})") from error
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
                yield name, part[name].cast(column.type)
        return
    for name in (column.name, column.former_name):
        if name in part.column_names:
            yield column.name, part[name].cast(column.type or part[name].type)
            return
    yield column.name, pa.nulls(len(part), column.type or pa.null())


def _as_text(frame: pa.Table, name: str) -> pa.Table:
    return frame.set_column(frame.column_names.index(name), name, frame[name].cast(pa.string()))


def _has(run: Path, table: str) -> bool:
    """Return whether a run has a table: its folder exists, or its manifest lists it."""
    return (run / table).exists() or f'"{table}/' in (run / MANIFEST).read_text("utf-8")


def _to_pandas(table: Any) -> pd.DataFrame:
    """Convert with nullable integers, so that integer columns with empty cells keep integers."""
    frame: pd.DataFrame = table.to_pandas(types_mapper=_NULLABLE.get)
    return frame
