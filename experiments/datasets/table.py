"""Reading a CSV file whose columns are numeric features and one target.

The file is data from outside: only local files are opened, nothing is decompressed, and every cell is read as text
first. An error names file, column and data row.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evo.errors import DataError
from experiments.datasets.arrays import (
    Labels,
    Task,
    column_numbers,
    encode_labels,
    table_to_inputs,
)


def read_table(
    path: str | Path, target: str, task: Task | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64] | NDArray[np.float32], Labels | None]:
    """Read features and target from a CSV file with a header line.

    Without `task`, whole numbers and text in the target column are class labels; numbers with a decimal point or
    exponent are values.

    Parameters
    ----------
    path : str or Path
        Comma-separated file in UTF-8; the first line names the columns.
    target : str
        Name of the target column; all other columns are features.
    task : {"classification", "regression"}, optional
        Task to take instead of the one that the column suggests.

    Returns
    -------
    inputs : ndarray of float32, shape (n, columns − 1)
    targets : ndarray of int64, shape (n,), or of float32, shape (n, 1)
    classes : tuple of str or int, or None
        As for :func:`experiments.datasets.arrays.to_targets`.

    Raises
    ------
    DataError
        If the file is no such table; one line names file, column, data row (from 1, without blank lines) and rule.
    """
    source = str(path)
    cells = _read_cells(Path(path))
    names = _column_names(cells.iloc[0].tolist(), source)
    table = cells.iloc[1:].set_axis(names, axis="columns")
    if target not in names:
        raise DataError(
            f"{source}: target must be one of the columns {_listed(names)}; got {target!r}"
        )
    if len(names) < 2:
        raise DataError(f"{source}: columns must include a feature; got only the target {target!r}")
    if table.empty:
        raise DataError(f"{source}: the file must have data rows; got a header only")
    inputs = table_to_inputs(table.drop(columns=target), source)
    targets, classes = _read_target(table[target], source, task)
    return inputs, targets, classes


def _read_cells(path: Path) -> pd.DataFrame:
    """Read every cell as text, the header included; empty cells are missing values."""
    try:
        with path.open("rb") as stream:
            return pd.read_csv(stream, header=None, dtype=str, skipinitialspace=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(
            f"{path}: the file must begin with a header line; got an empty file"
        ) from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise DataError(f"{path}: the file must be text in UTF-8; got byte 0x{byte:02x}") from error
    except pd.errors.ParserError as error:
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise DataError(
            f"{path}: the file must be a comma-separated table; got: {reason}"
        ) from error


def _column_names(header: Sequence[Any], source: str) -> list[str]:
    names: list[str] = []
    for number, cell in enumerate(header, start=1):
        if pd.isna(cell):
            raise DataError(f"{source}: column {number} must have a name; got an empty cell")
        name = str(cell).rstrip()
        if name in names:
            raise DataError(f"{source}: names of columns must differ; got {name!r} twice")
        names.append(name)
    return names


def _read_target(
    column: "pd.Series[Any]", source: str, task: Task | None
) -> tuple[NDArray[np.int64] | NDArray[np.float32], Labels | None]:
    def where(i: int) -> str:
        return f"{source}: column {column.name!r}, data row {i + 1}"

    missing = column.isna().to_numpy()
    if missing.any():
        raise DataError(f"{where(int(np.argmax(missing)))} must be a target; got a missing value")
    numbers = pd.to_numeric(column, errors="coerce").to_numpy()
    is_text = bool(np.isnan(numbers).any())
    if task is None:
        task = "classification" if is_text or numbers.dtype.kind in "iu" else "regression"
    if task == "regression":
        return column_numbers(column, source).astype(np.float32)[:, np.newaxis], None  # (n, 1)
    labels = column.str.rstrip().to_numpy(dtype=np.str_) if is_text else numbers
    return encode_labels(labels, where)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
