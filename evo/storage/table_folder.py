"""Tables that belong to no run: one as a CSV file, or a folder of them, such as those of a benchmark."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from evo.errors import ResultsError
from evo.files import write_atomically, write_text


def write_csv(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table as a CSV file, without its index; the file is replaced if it exists.

    Raises
    ------
    ResultsError
        If the file cannot be written.
    """
    write_text(path, table.to_csv(index=False))


def write_tables(
    folder: str | Path, tables: Mapping[str, pd.DataFrame], description: Mapping[str, Any]
) -> None:
    """Write tables into a new folder that appears complete or not at all.

    Parameters
    ----------
    folder : str or Path
        Must not exist; parent folders are made.
    tables : mapping
        Tables by name; each is written as ``<name>.parquet``, and as ``<name>.csv`` for people.
    description : mapping
        Versions and machine, written to ``environment.json``.

    Raises
    ------
    ResultsError
        If the folder exists or cannot be written.
    """
    folder = Path(folder)
    if folder.exists():
        raise ResultsError(f"{folder} must not exist yet")
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        for name, table in tables.items():
            arrow = pa.Table.from_pandas(table, preserve_index=False)
            write_atomically(
                temporary / f"{name}.parquet",
                lambda file, arrow=arrow: pq.write_table(arrow, file),  # type: ignore[misc]
            )
            write_csv(temporary / f"{name}.csv", table)
        write_text(temporary / "environment.json", json.dumps(description, indent=2) + "\n")
        temporary.rename(folder)
    except OSError as error:
        raise ResultsError(f"{folder}: cannot be written ({error.strerror})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
