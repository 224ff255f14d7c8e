"""The matrix of an editor, stored by columns.

The parent's arrays, the *base*, are only read. A column that changes is written into a second set of arrays, the
*pool*, so an operation costs what it touches and not the whole matrix. Rows and columns keep their numbers here when
nodes move; :mod:`evo.editing.node_order` maps numbers to node indices. Node number i has the K rows K·i to K·i + K − 1,
one for each tap that a kernel may have.

Each entry has an *origin*: the index of the parent's entry whose optimizer state it inherits, or NOWHERE.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from evo.editing import column_gathering_kernels, column_kernels, column_writing_kernels
from evo.editing.column_kernels import NOWHERE, Flags, Floats, Ints
from evo.genome import validity_kernels
from evo.genome.genome import read_only

MIN_POOL = 1024

Stretch = tuple[Ints, Floats, Ints, Ints, int]
"""Rows, values, starts and lengths of some columns in them, and 1, or −1 for columns that were replaced."""

Written = tuple[Any, Any, Floats, Ints]
"""A matrix: indptr (int64), rows (int32), values; and the origins of its entries."""


class Columns:
    """The columns of a K·n × n matrix that is being edited.

    Parameters
    ----------
    indptr, rows, values : ndarray
        The parent's matrix by columns, rows ascending; only read.
    rows_per_node : int
        K.

    Attributes
    ----------
    n : int
        Number of columns, those of removed nodes included.
    n_stored : int
        Number of stored entries.
    """

    _start: Ints
    _length: Ints
    _edited: Flags
    _row_sizes: Ints

    def __init__(self, indptr: Ints, rows: Ints, values: Floats, rows_per_node: int = 1) -> None:
        self._rows_per_node = rows_per_node
        kind = np.int32 if len(values) <= np.iinfo(np.int32).max else np.int64
        self._take_base(indptr, rows, values, np.empty(0, kind))

    def copy(self) -> "Columns":
        """Return a copy; the two share the base, which is only read."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        for name in ("_start", "_length", "_edited", "_row_sizes"):
            setattr(twin, name, getattr(self, name).copy())
        twin._base_columns_of = self._base_columns_of.copy()
        for name in ("_pool_rows", "_pool_values", "_pool_origins"):
            pool = getattr(self, name)
            setattr(twin, name, _longer(pool, self._used, len(pool)))
        return twin

    # -- looking ---------------------------------------------------------------------------------------------------

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""
        return self._base_values.dtype

    @property
    def unedited(self) -> bool:
        """Whether no column has changed since the base was set."""
        return not self._edited.any()

    @property
    def sizes(self) -> Ints:
        """Entries of each column, by number."""
        return self._length

    @property
    def row_sizes(self) -> Ints:
        """Entries of each row, by number."""
        n_rows = self.n * self._rows_per_node
        if len(self._row_sizes) < n_rows:
            self._row_sizes = np.zeros(n_rows, np.int64)
            for rows, _, starts, lengths, step in self.stretches():
                column_kernels.count_rows(rows, starts, lengths, step, self._row_sizes)
        return self._row_sizes

    def column(self, number: int) -> tuple[Ints, Floats]:
        """Return rows and values of a column: views, valid until the next change."""
        begin = self._start[number]
        stretch = slice(begin, begin + self._length[number])
        if self._edited[number]:
            return self._pool_rows[stretch], self._pool_values[stretch]
        return self._base_rows[stretch], self._base_values[stretch]

    def holds(self, rows: Ints, columns: Ints) -> Flags:
        """Tell for each (row, column) whether it is stored."""
        out = np.empty(len(rows), np.bool_)
        column_kernels.holds(*self._places(), rows, columns, out)
        return out

    def row(self, node: int) -> tuple[Ints, Ints, Floats]:
        """Return the entries in the rows of a node: columns, ascending, rows and values; one pass over all entries."""
        columns = self.columns_holding(node)
        counts = self._count_block(node, columns)
        bounds = np.append(0, np.cumsum(counts))
        rows = np.empty(bounds[-1], self._base_rows.dtype)
        values = np.empty(bounds[-1], self.dtype)
        arrays = self._base_rows, self._base_values, self._pool_rows, self._pool_values
        where = self._start, self._length, self._edited
        first = node * self._rows_per_node
        column_kernels.read_rows(*arrays, *where, columns, first, bounds, rows, values)
        return np.repeat(columns, counts), rows, values

    def columns_holding(self, *nodes: int) -> Ints:
        """Return the columns that store an entry in any row of one or two nodes, ascending.

        One pass over the base finds both; its result is kept.
        """
        self._look_up(nodes[0], nodes[-1])
        found = self._base_columns_of[nodes[0]]
        if len(nodes) > 1 or self._rows_per_node > 1:
            found = np.unique(np.concatenate([self._base_columns_of[node] for node in nodes]))
        edited = np.flatnonzero(self._edited)
        if len(edited) == 0:
            return found
        found = found[~self._edited[found]]
        for node in nodes:
            found = np.concatenate([found, edited[self._count_block(node, edited) > 0]])
        return np.unique(found)

    def _count_block(self, node: int, columns: Ints) -> Ints:
        """Count the entries of some columns in the rows of a node."""
        per_node, counts = self._rows_per_node, np.empty(len(columns), np.int64)
        column_kernels.count_block(*self._places(), columns, per_node * node, per_node, counts)
        return counts

    def _look_up(self, first: int, second: int) -> None:
        """Find the base's columns that hold the rows of two nodes, unless they are known."""
        if first in self._base_columns_of and second in self._base_columns_of:
            return
        places = column_kernels.places_of(self._base_rows, first, second, self._rows_per_node)
        for node, at in zip((first, second), places, strict=True):
            columns = np.searchsorted(self._base_indptr, at, side="right") - 1
            self._base_columns_of[node] = columns

    def stretches(self, columns: Ints | None = None) -> Iterator[Stretch]:
        """Yield the entries of some columns or all, for sums over entries.

        For all columns: the whole base in one piece, then with step −1 the columns of the base that were replaced, then
        the columns of the pool.
        """
        base, at = (self._base_rows, self._base_values), self._base_indptr
        if columns is None:
            edited = np.flatnonzero(self._edited)
            of_base = edited[edited < len(at) - 1]
            yield *base, np.array([0]), np.array([len(base[0])]), 1
            yield *base, at[of_base], np.diff(at)[of_base], -1
        else:
            edited, fixed = (columns[self._edited[columns] == flag] for flag in (True, False))
            yield *base, self._start[fixed], self._length[fixed], 1
        yield self._pool_rows, self._pool_values, self._start[edited], self._length[edited], 1

    def count_active(self, columns: Ints, thresholds: Floats, signed: bool) -> int:
        """Count the active entries of some columns; `thresholds` has one number, or one per column."""
        edited = self._edited[columns]
        count = 0
        for values, chosen in ((self._base_values, ~edited), (self._pool_values, edited)):
            some = columns[chosen]
            of_some = thresholds[some] if len(thresholds) > 1 else thresholds
            count += column_kernels.count_active(
                values, self._start[some], self._length[some], of_some, signed
            )
        return count

    def active_sizes(self, thresholds: Floats, signed: bool) -> Ints:
        """Count the active entries of each column; `thresholds` has one number, or one per column."""
        counts = np.empty(self.n, np.int64)
        where = self._start, self._length, self._edited
        column_writing_kernels.active_sizes(
            self._base_values, self._pool_values, *where, thresholds, signed, counts
        )
        return counts

    def count_all_active(self, threshold: Floats, signed: bool) -> int:
        """Count the active entries, given one threshold for all."""
        count = 0
        for _, values, starts, lengths, step in self.stretches():
            count += step * column_kernels.count_active(values, starts, lengths, threshold, signed)
        return count

    # -- changing --------------------------------------------------------------------------------------------------

    def append(self) -> int:
        """Add a node's empty rows and column; return its number."""
        self._start = np.append(self._start, 0)
        self._length = np.append(self._length, 0)
        self._edited = np.append(self._edited, np.True_)
        if len(self._row_sizes):
            self._row_sizes = np.append(self._row_sizes, np.zeros(self._rows_per_node, np.int64))
        self.n += 1
        return self.n - 1

    def merge(self, source: int, target: int, factor: Any, scale: Any) -> None:
        """Set column target to scale · (target + factor · source).

        Raises
        ------
        ValueError
            If an entry would not be finite; then nothing changes.
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
        """Set the rows of target to scale · (target + factor · source); `columns` are those that hold either.

        As for :meth:`merge`.
        """
        per_node = self._rows_per_node
        self._reserve(int(self._length[columns].sum()) + per_node * len(columns))
        ends = np.empty(len(columns), np.int64)
        end = column_writing_kernels.add_rows(
            *self._base(),
            *self._pools(),
            columns,
            source * per_node,
            target * per_node,
            per_node,
            factor,
            scale,
            self._used,
            ends,
            self._row_sizes,
        )
        if end == NOWHERE:
            self._refuse(factor)
        self._take(columns, ends)

    def assign(self, rows: Ints, columns: Ints, values: Floats) -> None:
        """Overwrite or insert entries, each named once, ascending by column and then by row."""
        touched, bounds, ends = self._stretches_of(columns, len(rows))
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

    def remove(self, rows: Ints, columns: Ints) -> None:
        """Remove entries, stored or not, named as for :meth:`assign`."""
        touched, bounds, ends = self._stretches_of(columns, 0)
        column_writing_kernels.without(
            *self._base(),
            *self._pools(),
            touched,
            bounds,
            rows,
            self._used,
            ends,
            self._row_sizes,
        )
        self._take(touched, ends)

    def clear_column(self, column: int) -> None:
        """Remove all entries of a column."""
        if len(self._row_sizes):
            self._row_sizes[self.column(column)[0]] -= 1
        self.n_stored -= int(self._length[column])
        self._length[column] = 0
        self._edited[column] = True

    def keep_active(self, thresholds: Floats, signed: bool, *, origins: bool) -> None:
        """Remove the dormant entries; `thresholds` has one number, or one per column.

        With ``origins=False`` the others lose their origin.
        """
        indptr = np.append(0, np.cumsum(self.active_sizes(thresholds, signed)))
        rows = np.empty(indptr[-1], self._base_rows.dtype)
        values = np.empty(indptr[-1], self.dtype)
        kept = np.empty(indptr[-1] if origins else 0, self._base_origins.dtype)
        column_writing_kernels.keep_active(
            *self._base(), *self._pools(), thresholds, signed, indptr, rows, values, kept
        )
        self._take_base(indptr, rows, values, kept)

    def insert(self, counts: Ints, rows: Ints, values: Floats) -> None:
        """Insert entries that are not stored, `counts` of them in each column, rows ascending.

        For many entries, while nothing is edited: one pass writes all columns.
        """
        bounds = np.append(0, np.cumsum(counts))
        total = self.n_stored + len(rows)
        written = (
            np.empty(total, self._base_rows.dtype),
            np.empty(total, self.dtype),
            np.empty(total, self._base_origins.dtype),
        )
        column_writing_kernels.insert(
            self._base_indptr, *self._base(), bounds, rows, values, *written
        )
        indptr, n_rows = self._base_indptr + bounds, self.n * self._rows_per_node
        merged = read_only(indptr), read_only(written[0])
        if validity_kernels.first_fault(*merged, total, self.n, n_rows):
            raise ValueError(
                "rows to insert must ascend within each column, and none may be stored; got others"
            )
        self._take_base(indptr, *written)

    def gather(self, columns: Ints | None, place_of_row: Ints | None, *, origins: bool) -> Written:
        """Write the columns in an order, with rows renumbered: indptr, rows, values, and origins or nothing.

        Columns or rows that are None stay. If nothing changed the base itself is returned; so all arrays are for
        reading only.
        """
        every = np.arange(self.n) if columns is None else columns
        unmoved = place_of_row is None or _is_range(place_of_row, len(place_of_row))
        if unmoved and self.unedited and (columns is None or _is_range(columns, self.n)):
            kept = self._base_origins if origins else np.empty(0, np.int64)
            if origins and not len(kept):
                kept = np.arange(self.n_stored, dtype=kept.dtype)
            return self._base_indptr, self._base_rows, self._base_values, kept
        indptr = np.zeros(len(every) + 1, np.int64)
        np.cumsum(self._length[every], out=indptr[1:])
        rows = np.empty(indptr[-1], np.int32)
        values = np.empty(indptr[-1], self.dtype)
        found = np.empty(indptr[-1] if origins else 0, self._base_origins.dtype)
        places = np.empty(0, np.int32)
        if place_of_row is not None and not unmoved:
            places = place_of_row.astype(np.int32)
        column_gathering_kernels.gather(
            *self._base(), *self._pools(), every, places, indptr, rows, values, found
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

    def _take_base(self, indptr: Ints, rows: Ints, values: Floats, origins: Ints) -> None:
        """Make these arrays the base, with an empty pool."""
        for array in (rows, values, origins):
            array.flags.writeable = False  # one type for the compiled loops, whoever made them
        self.n, self.n_stored = len(indptr) - 1, len(values)
        self._start = np.array(indptr[:-1], np.int64)
        self._length = np.diff(indptr).astype(np.int64)
        self._edited = np.zeros(self.n, np.bool_)
        self._row_sizes = np.empty(0, np.int64)  # counted when first asked for, then kept
        self._base_indptr, self._base_rows, self._base_values = indptr, rows, values
        self._base_origins = origins
        self._base_columns_of: dict[int, Ints] = {}  # of rows looked up so far
        self._used = 0
        self._pool_rows = np.empty(MIN_POOL, rows.dtype)
        self._pool_values = np.empty(MIN_POOL, values.dtype)
        self._pool_origins = np.empty(MIN_POOL, origins.dtype)

    def _reserve(self, room: int) -> None:
        """Make room at the end of the pool."""
        if self._used + room > len(self._pool_rows):
            capacity = max(2 * len(self._pool_rows), self._used + room)
            self._pool_rows = _longer(self._pool_rows, self._used, capacity)
            self._pool_values = _longer(self._pool_values, self._used, capacity)
            self._pool_origins = _longer(self._pool_origins, self._used, capacity)

    def _stretches_of(self, columns: Ints, n_new: int) -> tuple[Ints, Ints, Ints]:
        """Reserve room to rewrite ascending columns; return each once, where it begins, and an array for ends."""
        first = np.ones(len(columns) + 1, np.bool_)
        np.not_equal(columns[1:], columns[:-1], out=first[1:-1])
        bounds = np.flatnonzero(first)
        touched = columns[bounds[:-1]]
        self._reserve(int(self._length[touched].sum()) + n_new)
        return touched, bounds, np.empty(len(touched), np.int64)

    def _take(self, columns: Ints, ends: Ints) -> None:
        """Use from now on the columns that were written to the pool one after another, up to `ends`."""
        if len(columns) == 0:
            return
        begins = np.append(self._used, ends[:-1])
        self.n_stored += int((ends - begins - self._length[columns]).sum())
        self._start[columns], self._length[columns] = begins, ends - begins
        self._edited[columns] = True
        self._used = int(ends[-1])

    def _refuse(self, factor: Any) -> None:
        """Raise ValueError for a factor that makes an entry infinite."""
        self._row_sizes = np.empty(0, np.int64)
        raise ValueError(f"factor must keep entries finite in {self.dtype}; got {factor}")


def _is_range(numbers: Ints, end: int) -> bool:
    """Tell whether numbers are 0, 1, 2, … up to `end`, exclusive."""
    return np.array_equal(numbers, np.arange(end))


def _longer(array: Any, used: int, capacity: int) -> Any:
    """Copy the used part of an array to a longer one."""
    longer = np.empty(capacity, array.dtype)
    longer[:used] = array[:used]
    return longer
