"""Files: the only module that writes any.

A run is a folder. Whatever is written appears under its name complete or not at all: it goes to a hidden temporary
file in the same folder, is flushed to the disk and then renamed. Tables are Parquet data sets, one part per
generation and table, so that they can be read at any moment; ``manifest.json`` lists what has been committed, and its
replacement is the commit.
"""

import json
import os
import shutil
import tokenize
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from evo.errors import ExistingRunError, ResultsError
from evo.genome import OF_MAPS, Genome
from evo.tables import TABLES, Row, schema, sort_by_key, to_arrow

MANIFEST = "manifest.json"


def write_atomically(path: str | Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write a file so that it is there complete or not at all, whenever the process or machine stops.

    Parameters
    ----------
    path : str or Path
        Replaced if it exists.
    write : callable
        Writes the contents to the open binary file that it is given.

    Raises
    ------
    ResultsError
        If the folder or file cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ResultsError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8, atomically."""
    write_atomically(path, lambda file: file.write(text.encode()))


def write_arrays(
    path: str | Path, arrays: Mapping[str, NDArray[Any]], description: Mapping[str, Any]
) -> None:
    """Write named arrays and a JSON description into one ``.npz`` file, atomically and uncompressed."""
    text = np.frombuffer(json.dumps(description).encode(), dtype=np.uint8)
    write_atomically(path, lambda file: np.savez(file, description=text, **arrays))  # type: ignore[arg-type]


_UNREADABLE = (
    EOFError,
    KeyError,
    MemoryError,
    OSError,
    RuntimeError,  # encrypted, or nested beyond the limit of recursion
    ValueError,
    tokenize.TokenError,  # an array's header that is no Python literal
    zipfile.BadZipFile,
)
"""What reading a file from outside may raise."""


def read_arrays(path: str | Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what :func:`write_arrays` wrote.

    Files from outside are data: nothing in them is executed, and since members must be stored uncompressed, none can
    claim more memory than the file itself has bytes.

    Raises
    ------
    ResultsError
        If the file is missing or is not such a file; one line naming the file and the rule.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if (
                    member.compress_type != zipfile.ZIP_STORED
                    or member.file_size != member.compress_size
                ):
                    raise ResultsError(
                        f"{path}: member {member.filename} must be stored uncompressed"
                    )
        with np.load(path, allow_pickle=False) as loaded:
            arrays = {name: loaded[name] for name in loaded.files}
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray):
                raise ResultsError(f"{path}: member {name} must be an array")
        description = json.loads(arrays.pop("description").tobytes())
    except FileNotFoundError:
        raise ResultsError(f"{path}: no such file") from None
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise ResultsError(f"{path}: not a network or genome file ({reason})") from error
    if not isinstance(description, dict):
        raise ResultsError(f"{path}: description must be a JSON object")
    return arrays, description


def write_tables(
    folder: str | Path, tables: Mapping[str, pd.DataFrame], description: Mapping[str, Any]
) -> None:
    """Write tables into a new folder that appears complete or not at all.

    Parameters
    ----------
    folder : str or Path
        Must not exist; parents are made.
    tables : mapping
        Each becomes ``<name>.parquet``, and ``<name>.csv`` for people.
    description : mapping
        JSON-able; becomes ``environment.json``.

    Raises
    ------
    ResultsError
        If the folder exists or cannot be written.
    """
    folder = Path(folder)
    if folder.exists():
        raise ResultsError(f"{folder}: must not exist yet")
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        for name, table in tables.items():
            arrow = pa.Table.from_pandas(table, preserve_index=False)
            write_atomically(
                temporary / f"{name}.parquet",
                lambda file, arrow=arrow: pq.write_table(arrow, file),  # type: ignore[misc]
            )
            write_text(temporary / f"{name}.csv", table.to_csv(index=False))
        write_text(temporary / "environment.json", json.dumps(description, indent=2) + "\n")
        temporary.rename(folder)
    except OSError as error:
        raise ResultsError(f"{folder}: cannot be written ({error.strerror})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


# -- genomes -----------------------------------------------------------------------------------------------------------

_DESCRIBED = ("threshold_mode", "ticks", "kernel", "downsampling")
"""The parts of a genome that are no arrays."""


def genome_to_arrays(
    genome: Genome, prefix: str = ""
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Split a genome into arrays and a JSON-able description; what says something of maps only where there are any."""
    left_out = frozenset() if genome.has_maps else OF_MAPS
    names = [part.name for part in fields(genome) if part.name not in left_out]
    arrays = {
        prefix + name: np.asarray(getattr(genome, name))
        for name in names
        if name not in _DESCRIBED and getattr(genome, name) is not None
    }
    return arrays, {name: getattr(genome, name) for name in names if name in _DESCRIBED}


def genome_from_arrays(
    arrays: Mapping[str, NDArray[Any]], description: Mapping[str, Any], prefix: str = ""
) -> Genome:
    """Join what :func:`genome_to_arrays` split; a ValueError or KeyError if it does not make a genome."""
    of_maps = any(prefix + name in arrays for name in OF_MAPS)
    left_out = frozenset() if of_maps else OF_MAPS
    names = [part.name for part in fields(Genome) if part.name not in left_out]
    parts: dict[str, Any] = {
        name: description[name] if name in _DESCRIBED else arrays[prefix + name]
        for name in names
        if name != "limit"
    }
    limit = arrays.get(prefix + "limit")
    parts["limit"] = limit.item() if limit is not None and limit.ndim == 0 else limit
    return Genome(**parts)


# -- run folders -------------------------------------------------------------------------------------------------------


class RunStore:
    """The writing side of one run folder.

    Use :meth:`create` for a new one. Only this class writes tables.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self._parts: list[str] = []

    @classmethod
    def create(cls, path: str | Path, *, config: str, environment: Mapping[str, Any]) -> Self:
        """Make a run folder with empty tables, so that everything can be read from the first moment on.

        Parameters
        ----------
        path : str or Path
            Must not exist; parents are made.
        config : str
            The settings as JSON.
        environment : mapping
            Versions and machine, JSON-able.

        Raises
        ------
        ExistingRunError
            If it exists.
        ResultsError
            If it cannot be made.
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
                f"{error.filename}: must not exist yet, or not be a file"
            ) from error
        except OSError as error:
            raise ResultsError(
                f"{path}: results folder cannot be made ({error.strerror})"
            ) from error
        store = cls(path)
        write_text(path / "config.json", config)
        write_text(path / "environment.json", json.dumps(environment, indent=2) + "\n")
        store.commit("schema", {table: [] for table in TABLES})
        return store

    def discard(self) -> None:
        """Remove the folder again, of a run that could not begin."""
        shutil.rmtree(self.path)

    def commit(
        self, part: str, rows: Mapping[str, Sequence[Row]], *, complete: bool = False
    ) -> None:
        """Add a part to several tables, then record it in the manifest.

        Parameters
        ----------
        part : str
            Name of the part, the same in all tables.
        rows : mapping
            Rows by table.
        complete : bool
            Whether this was the last part of the run.
        """
        for table, new in rows.items():
            arrow = to_arrow(table, new)
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
        """Store the genomes of a generation's survivors, by individual, in ``genomes/<name>.npz``."""
        arrays: dict[str, NDArray[Any]] = {}
        descriptions = {}
        for individual, genome in genomes.items():
            parts, descriptions[str(individual)] = genome_to_arrays(genome, f"{individual}/")
            arrays |= parts
        write_arrays(self.path / "genomes" / f"{name}.npz", arrays, descriptions)

    def save_figure(self, name: str, figure: Any) -> Path:
        """Store a matplotlib figure as ``figures/<name>.png`` and return its path."""
        path = self.path / "figures" / f"{name}.png"
        buffer = BytesIO()
        figure.savefig(buffer, format="png", dpi=150)
        write_atomically(path, lambda file: file.write(buffer.getvalue()))
        return path


def load_genomes(path: str | Path) -> dict[int, Genome]:
    """Load the genomes of one generation, by individual.

    Raises
    ------
    ResultsError
        If the file is missing or not such a file.
    """
    arrays, descriptions = read_arrays(path)
    try:
        return {
            int(individual): genome_from_arrays(arrays, description, f"{individual}/")
            for individual, description in descriptions.items()
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{path}: not a genome file ({error})") from error


_NULLABLE = {pa.int64(): pd.Int64Dtype(), pa.int8(): pd.Int8Dtype()}


def is_run(path: Path) -> bool:
    """Tell whether a folder is a run's."""
    return (path / MANIFEST).is_file()


def is_complete(path: Path) -> bool:
    """Tell whether a folder is that of a run that has come to its end."""
    try:
        manifest = json.loads((path / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("status") == "complete"


def load_tables(runs: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """Load every table over one or many run folders, rows in the order of their keys.

    A table or column that is younger than a run is empty there, of the type declared for it. What is not declared is
    left out.

    Raises
    ------
    ResultsError
        If a table cannot be read.
    """
    return {table: sort_by_key(table, _to_pandas(_read_table(table, runs))) for table in TABLES}


def _read_table(table: str, runs: Sequence[Path]) -> pa.Table:
    columns = schema(table)
    frames = []
    for run in runs:
        try:
            part = pq.read_table(run / table) if _has(run, table) else columns.empty_table()
            cells = [
                part[field.name].cast(field.type)
                if field.name in part.column_names
                else pa.nulls(len(part), field.type)
                for field in columns
            ]
        except (OSError, ValueError) as error:
            raise ResultsError(f"{run}: table {table} cannot be read ({error})") from error
        frames.append(pa.table(cells, schema=columns))
    return pa.concat_tables(frames)


def _has(run: Path, table: str) -> bool:
    """Tell whether a run has a table: it is there, or should be, for its manifest says so."""
    return (run / table).exists() or f'"{table}/' in (run / MANIFEST).read_text("utf-8")


def _to_pandas(table: Any) -> pd.DataFrame:
    """Convert with nullable integers, so that an integer column with empty cells stays one of integers."""
    frame: pd.DataFrame = table.to_pandas(types_mapper=_NULLABLE.get)
    return frame
