"""The first difference between two runs: table, row and column; or file and array."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evo.files import read_arrays
from evo.storage.tables import KEYS, TIMING_COLUMNS

ORDER = (
    "individuals",
    "operations",
    "training",
    "population",
    "credits",
    "generations",
    "baseline",
    "comparison",
    "predictions",
    "runs",
)
"""The tables from causes to consequences, so that the first difference is where a run leaves the other one."""


@dataclass(frozen=True)
class Difference:
    """The first difference between a run and the run that was computed again.

    Attributes
    ----------
    place : str
        The table, the key of the row and the column; or the file and the array.
    before, now : object
        What is there in the run and in the new run.

    Examples
    --------
    >>> print(Difference("individuals, seed 0, individual 17, column fitness", -0.31, -0.29))
    individuals, seed 0, individual 17, column fitness: -0.31, now -0.29
    """

    place: str
    before: Any
    now: Any

    def __str__(self) -> str:
        """Return the difference as one line."""
        return f"{self.place}: {self.before}, now {self.now}"


def table_difference(table: str, before: pd.DataFrame, now: pd.DataFrame) -> Difference | None:
    """Return the first difference between two tables, row by row; None if they are the same.

    Columns of time are not compared, nor are the name of the run and the settings, which are columns of ``runs``.

    Parameters
    ----------
    table : str
        Name of the table.
    before, now : DataFrame
        With rows in the order of the table's key, numbered from 0.
    """
    key = [name for name in KEYS[table] if name != "run"]
    left_out = {"run", *key, *TIMING_COLUMNS}
    if table == "runs":
        left_out |= {name for name in map(str, before) if "." in name}
    names = [*key, *(name for name in map(str, before) if name not in left_out)]
    for name in names:
        if name not in now:
            return Difference(f"{table}, column {name}", "is there", "is not")
    rows = (
        list(zip(*(_cells(frame[name]) for name in names), strict=True)) for frame in (before, now)
    )
    for one, other in zip(*rows):  # noqa: B905 - the shorter table ends it
        if one != other:
            of_key = [
                f"{name} {cell}" for name, cell in zip(key, one, strict=False) if cell is not None
            ]
            column = next(k for k in range(len(names)) if one[k] != other[k])
            place = ", ".join([table, *of_key, f"column {names[column]}"])
            return Difference(place, one[column], other[column])
    if len(before) != len(now):
        return Difference(f"{table}, number of rows", len(before), len(now))
    return None


def _cells(column: "pd.Series[Any]") -> list[Any]:
    """Return the cells as values of Python; an empty cell is None, so that two of them are equal."""
    return [
        None if empty else list(one) if isinstance(one, np.ndarray) else one
        for one, empty in zip(column.tolist(), column.isna(), strict=True)
    ]


def file_difference(name: str, before: Path, now: Path) -> Difference | None:
    """Return the first difference between two files of arrays, ``name`` in two run folders; None if there is none.

    Raises
    ------
    ResultsError
        If one of them is missing, or is no such file.
    """
    (arrays, described), (others, told) = (read_arrays(folder / name) for folder in (before, now))
    for key in sorted(arrays.keys() | others.keys()):
        if key not in arrays or key not in others:
            there = ["is there" if key in one else "is not" for one in (arrays, others)]
            return Difference(f"{name}, array {key}", *there)
        one, other = arrays[key], others[key]
        kinds = [f"{array.dtype} of shape {array.shape}" for array in (one, other)]
        if kinds[0] != kinds[1]:
            return Difference(f"{name}, array {key}", *kinds)
        if one.tobytes() != other.tobytes():
            unequal = np.flatnonzero(one.ravel() != other.ravel())
            at = int(unequal[0]) if len(unequal) else 0
            return Difference(f"{name}, array {key}, number {at}", one.flat[at], other.flat[at])
    if described != told:
        return Difference(f"{name}, description", described, told)
    return None
