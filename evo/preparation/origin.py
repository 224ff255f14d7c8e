"""Where a value comes from, for messages: arrays count from 0, data rows of tables from 1."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cnn.checks import brief

Array = TypeVar("Array", bound=NDArray[Any])

FLOAT32_MAX = np.finfo(np.float32).max

MAX_EXACT_INTEGER = 2**53
"""Largest integer below which all integers are float64 numbers."""


ROWS_AT_ONCE = 1024
"""Rows worked on together, which bounds memory."""


@dataclass(frozen=True, eq=False)
class Origin:
    """The source of rows or targets, in messages.

    Attributes
    ----------
    source : str
        Name of the argument, data set or file.
    field : str
        Name of the array within the source; empty if the source is the array.
    rows : ndarray of int, optional
        Index of each row in the source, if these are some of its rows.
    only_column : str, optional
        Name of the column that the array is.

    Examples
    --------
    >>> Origin("X").element((3, 1)), Origin("iris", "inputs").element((3, 1))
    ('X[3, 1]', 'iris: inputs[3, 1]')
    >>> Origin("iris.csv").cell("width", 0)
    "iris.csv: column 'width', data row 1"
    >>> Origin("iris", "test inputs").cell("width", 0)
    "iris: test column 'width', data row 1"
    """

    source: str
    field: str = ""
    rows: NDArray[np.int64] | None = None
    only_column: str | None = None

    @property
    def whole(self) -> str:
        """The array as a whole."""
        if self.only_column is not None:
            return self.column(self.only_column)
        return f"{self.source}: {self.field}" if self.field else self.source

    def element(self, place: tuple[int, ...]) -> str:
        """Name one element of an array by its index."""
        row, *others = place
        if self.only_column is not None:
            return self.cell(self.only_column, row)
        return f"{self.whole}[{', '.join(map(str, (self._row(row), *others)))}]"

    def column(self, name: str) -> str:
        """Name a column of a table, which may be that of a part."""
        part = self.field.removesuffix("inputs") if self.field.endswith(" inputs") else ""
        return f"{self.source}: {part}column {brief(name)}"

    def cell(self, name: str, row: int) -> str:
        """Name a cell of a table by its column and the index of its row."""
        return f"{self.column(name)}, data row {self._row(row) + 1}"

    def _row(self, row: int) -> int:
        return row if self.rows is None else int(self.rows[row])


def first_place(mask: NDArray[np.bool_]) -> tuple[int, ...] | None:
    """Return the index of the first True in row-major order, or None."""
    if not mask.any():
        return None
    return tuple(int(i) for i in np.unravel_index(np.argmax(mask), mask.shape))


def read_only(array: Array) -> Array:
    """Make an array read-only and return it."""
    array.flags.writeable = False
    return array


def row_blocks(n: int) -> Iterator[slice]:
    """Return slices that together are n rows."""
    return (slice(start, start + ROWS_AT_ONCE) for start in range(0, n, ROWS_AT_ONCE))
