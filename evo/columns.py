"""A matrix under construction, stored by columns: what an edit session rewrites, it rewrites column by column.

The parent's arrays are read, never written. A column that changes is written anew into a *pool* beside them, so an
operation costs what it touches and not the matrix. Rows and columns keep their numbers here however nodes move:
:mod:`evo.draft` maps numbers to positions.

With every entry goes its *origin*, the number of the parent's entry whose trained state it carries on, or NOWHERE.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo import column_kernels, column_writing_kernels
from evo.column_kernels import NOWHERE, Flags, Floats, Ints

MIN_POOL = 1024


class Columns:
    """The columns of an n × n matrix that is being edited.

    Parameters
    ----------
    indptr, rows, values : ndarray
        The parent's matrix by columns, rows ascending; only read.

    Attributes
    ----------
    n : int
        Rows and columns, those of removed nodes included.
    n_stored : int
        Stored entries.
    """

    def __init__(self, indptr: Ints, rows: Ints, values: Floats) -> None:
        self.n = len(indptr) - 1
        self.n_stored = len(values)
        self._start = np.array(indptr[:-1], np.int64)
        self._length = np.diff(indptr).astype(np.int64)
        self._edited = np.zeros(self.n, np.bool_)
        self._take_base(indptr, rows, values, np.empty(0, np.int64))
        self._row_sizes: Ints = np.empty(0, np.int64)  # counted when first asked for, then kept

    # -- looking ---------------------------------------------------------------------------------------------------

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""
        return self._base_values.dtype

    @property
    def sizes(self) -> Ints:
        """Entries of each column, by number."""
        return self._length

    @property
    def row_sizes(self) -> Ints:
        """Entries of each row, by number."""
        if len(self._row_sizes) < self.n:
            self._row_sizes = np.zeros(self.n, np.int64)
            for rows in self._stretches(self._base_rows, self._pool_rows):
                self._row_sizes += np.bincount(rows, minlength=self.n)
        return self._row_sizes

    def column(self, number: int) -> tuple[Ints, Floats]:
        """Return rows and values of a column; views, to be read at once."""
        begin = self._start[number]
        stretch = slice(begin, begin + self._length[number])
        if self._edited[number]:
            return self._pool_rows[stretch], self._pool_values[stretch]
        return self._base_rows[stretch], self._base_values[stretch]

    def values(self) -> Floats:
        """Return all stored values, in no particular order."""
        if not self._edited.any() and self.n_stored == len(self._base_values):
            return self._base_values
        return np.concatenate(list(self._stretches(self._base_values, self._pool_values)))

    def holds(self, rows: Ints, columns: Ints) -> Flags:
        """Tell for each (row, column) whether it is stored."""
        out = np.empty(len(rows), np.bool_)
        column_kernels.holds(*self._places(), rows, columns, out)
        return out

    def row(self, number: int) -> tuple[Ints, Floats]:
        """Return the columns that store an entry in a row, ascending, and the values; a pass over all rows."""
        columns = self.columns_holding(number)
        values = np.empty(len(columns), self.dtype)
        column_kernels.read_row(
            self._base_rows,
            self._base_values,
            self._pool_rows,
            self._pool_values,
            self._start,
            self._length,
            self._edited,
            columns,
            number,
            values,
        )
        return columns, values

    def columns_holding(self, *rows: int) -> Ints:
        """Return the columns that store an entry in any of one or two rows, ascending."""
        room = 64
        while True:
            out = np.empty(room, np.int64)
            found = column_kernels.columns_holding(
                self._base_rows,
                self._base_indptr,
                self._pool_rows,
                self._start,
                self._length,
                self._edited,
                np.flatnonzero(self._edited),
                rows[0],
                rows[-1],
                out,
            )
            if found != NOWHERE:
                return np.unique(out[:found])
            room *= 8

    def count_live(self, columns: Ints, limits: Floats, signed: bool) -> int:
        """Count in some columns what a threshold lets through; `limits` has one number, or one per column."""
        counts = np.empty(len(columns), np.int64)
        column_kernels.count_live(
            self._base_values,
            self._pool_values,
            self._start,
            self._length,
            self._edited,
            columns,
            limits,
            signed,
            counts,
        )
        return int(counts.sum())

    # -- changing --------------------------------------------------------------------------------------------------

    def append(self) -> int:
        """Add an empty row and an empty column; return their number."""
        self._start = np.append(self._start, 0)
        self._length = np.append(self._length, 0)
        self._edited = np.append(self._edited, np.True_)
        if len(self._row_sizes):
            self._row_sizes = np.append(self._row_sizes, 0)
        self.n += 1
        return self.n - 1

    def merge(self, source: int, target: int, factor: Any, scale: Any) -> None:
        """Make column target scale · (target + factor · source).

        Raises
        ------
        ValueError
            If an entry would not be finite; nothing is changed then.
        """
        self._reserve(int(self._length[source] + self._length[target]))
        end = column_writing_kernels.merge(
            self._base_rows,
            self._base_values,
            *self._pools(),
            source,
            target,
            factor,
            scale,
            self._used,
            self._row_sizes,
        )
        if end == NOWHERE:
            self._refuse(factor)
        self._take(np.array([target]), np.array([end]))

    def add_row(self, columns: Ints, source: int, target: int, factor: Any, scale: Any) -> None:
        """Make row target scale · (target + factor · source); `columns` are those that hold either.

        Raises
        ------
        ValueError
            If an entry would not be finite; nothing is changed then.
        """
        self._reserve(int(self._length[columns].sum()) + len(columns))
        ends = np.empty(len(columns), np.int64)
        end = column_writing_kernels.add_row(
            *self._base(),
            *self._pools(),
            columns,
            source,
            target,
            factor,
            scale,
            self._used,
            ends,
        )
        if end == NOWHERE:
            self._refuse(factor)
        before = self.n_stored
        self._take(columns, ends)
        if len(self._row_sizes):
            self._row_sizes[target] += self.n_stored - before

    def assign(self, rows: Ints, columns: Ints, values: Floats) -> None:
        """Overwrite or insert entries, each named once, ascending by column and then by row."""
        touched, starts = np.unique(columns, return_index=True)
        bounds = np.append(starts, len(columns))
        self._reserve(int(self._length[touched].sum()) + len(rows))
        ends = np.empty(len(touched), np.int64)
        column_writing_kernels.assign(
            *self._base(),
            *self._pools(),
            touched,
            bounds,
            rows,
            values,
            self._used,
            ends,
            self._row_sizes,
        )
        self._take(touched, ends)

    def clear_row(self, row: int, columns: Ints) -> None:
        """Forget the entries of a row in some columns."""
        self._reserve(int(self._length[columns].sum()))
        ends = np.empty(len(columns), np.int64)
        column_writing_kernels.without_row(
            *self._base(), *self._pools(), columns, row, self._used, ends
        )
        before = self.n_stored
        self._take(columns, ends)
        if len(self._row_sizes):
            self._row_sizes[row] += self.n_stored - before

    def clear_column(self, column: int) -> None:
        """Forget all entries of a column."""
        if len(self._row_sizes):
            self._row_sizes[self.column(column)[0]] -= 1
        self.n_stored -= int(self._length[column])
        self._length[column] = 0
        self._edited[column] = True

    def keep_live(self, limits: Floats, signed: bool, *, origins: bool) -> None:
        """Forget what a threshold does not let through; `limits` has one number, or one per column.

        With ``origins=False`` what is kept loses its origin.
        """
        columns = np.arange(self.n)
        counts = np.empty(self.n, np.int64)
        column_kernels.count_live(
            self._base_values,
            self._pool_values,
            self._start,
            self._length,
            self._edited,
            columns,
            limits,
            signed,
            counts,
        )
        indptr = np.append(0, np.cumsum(counts))
        rows = np.empty(indptr[-1], self._base_rows.dtype)
        values = np.empty(indptr[-1], self.dtype)
        kept = np.empty(indptr[-1] if origins else 0, np.int64)
        column_writing_kernels.keep_live(
            *self._base(), *self._pools(), columns, limits, signed, rows, values, kept
        )
        self._start, self._length = indptr[:-1].copy(), counts
        self._edited = np.zeros(self.n, np.bool_)
        self.n_stored = int(indptr[-1])
        self._take_base(indptr, rows, values, kept)
        self._row_sizes = np.empty(0, np.int64)

    def gather(
        self, columns: Ints, place_of_row: Ints, *, origins: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.int32], Floats, NDArray[np.int64]]:
        """Write the columns out in an order, with rows renamed: indptr, rows, values, and origins or nothing."""
        indptr = np.zeros(len(columns) + 1, np.int64)
        np.cumsum(self._length[columns], out=indptr[1:])
        rows = np.empty(indptr[-1], np.int32)
        values = np.empty(indptr[-1], self.dtype)
        found = np.empty(indptr[-1] if origins else 0, np.int64)
        column_writing_kernels.gather(
            *self._base(), *self._pools(), columns, place_of_row, indptr, rows, values, found
        )
        return indptr, rows, values, found

    # -- inside ----------------------------------------------------------------------------------------------------

    def _base(self) -> tuple[Any, Any, Any]:
        return self._base_rows, self._base_values, self._base_origins

    def _pools(self) -> tuple[Any, Any, Any, Any, Any, Any]:
        pool = (self._pool_rows, self._pool_values, self._pool_origins)
        return *pool, self._start, self._length, self._edited

    def _places(self) -> tuple[Ints, Ints, Ints, Ints, Flags]:
        return self._base_rows, self._pool_rows, self._start, self._length, self._edited

    def _stretches(self, base: Any, pool: Any) -> Iterator[Any]:
        """Yield what is stored, of one kind: what the base still holds, then each edited column."""
        edited = np.flatnonzero(self._edited)
        if len(edited):
            kept = np.ones(len(base), np.bool_)
            for number in edited[edited < len(self._base_indptr) - 1]:
                kept[self._base_indptr[number] : self._base_indptr[number + 1]] = False
            base = base[kept]
        yield base
        for number in edited:
            yield pool[self._start[number] : self._start[number] + self._length[number]]

    def _take_base(self, indptr: Ints, rows: Ints, values: Floats, origins: Ints) -> None:
        """Read these arrays from now on, with an empty pool."""
        for array in (rows, values, origins):
            array.flags.writeable = False  # one type for the compiled loops, whoever made them
        self._base_indptr, self._base_rows, self._base_values = indptr, rows, values
        self._base_origins = origins
        self._used = 0
        self._pool_rows = np.empty(MIN_POOL, rows.dtype)
        self._pool_values = np.empty(MIN_POOL, values.dtype)
        self._pool_origins = np.empty(MIN_POOL, np.int64)

    def _reserve(self, room: int) -> None:
        """Make room behind what the pool holds."""
        if self._used + room > len(self._pool_rows):
            capacity = max(2 * len(self._pool_rows), self._used + room)
            self._pool_rows = _longer(self._pool_rows, self._used, capacity)
            self._pool_values = _longer(self._pool_values, self._used, capacity)
            self._pool_origins = _longer(self._pool_origins, self._used, capacity)

    def _take(self, columns: Ints, ends: Ints) -> None:
        """Take over columns that were written to the pool one after another, up to `ends`."""
        if len(columns) == 0:
            return
        begins = np.append(self._used, ends[:-1])
        self.n_stored += int((ends - begins - self._length[columns]).sum())
        self._start[columns], self._length[columns] = begins, ends - begins
        self._edited[columns] = True
        self._used = int(ends[-1])

    def _refuse(self, factor: Any) -> None:
        """Raise ValueError of a factor that leads beyond what is finite."""
        self._row_sizes = np.empty(0, np.int64)
        raise ValueError(f"factor must keep entries finite in {self.dtype}; received {factor}")


def _longer(array: Any, used: int, capacity: int) -> Any:
    """Copy the used part of an array to a longer one."""
    longer = np.empty(capacity, array.dtype)
    longer[:used] = array[:used]
    return longer
