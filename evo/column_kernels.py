"""Compiled loops over the columns of a matrix under construction: see :mod:`evo.columns`.

A column is a stretch of one of two sets of arrays (rows, values, origins): the *base*, which is the parent's and is
only read, or the *pool*, to whose end rewritten columns go. `start`, `length` and `edited` say for each column where it
lies. Rows ascend within a column. Whatever is written is written beyond `used`; the caller takes it over afterwards.

Sums are rounded as NumPy rounds them, so the results equal those of :mod:`graphops` bit for bit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.compilation import exact_kernel

Ints = NDArray[np.integer[Any]]
Flags = NDArray[np.bool_]
Floats = NDArray[np.floating[Any]]

NOWHERE = -1
"""Origin of an entry that carries no trained state on; and what says that a number is not finite."""

BLOCK = 1024


@exact_kernel
def _row(base: Ints, pool: Ints, edited: Any, place: int) -> Any:
    return pool[place] if edited else base[place]


@exact_kernel
def _value(base: Floats, pool: Floats, edited: Any, place: int) -> Any:
    return pool[place] if edited else base[place]


@exact_kernel
def _origin(base: Ints, pool: Ints, edited: Any, place: int) -> Any:
    """Return an entry's origin; a base without origins is the parent's, whose entries are their own."""
    if edited:
        return pool[place]
    return base[place] if base.shape[0] > 0 else place


@exact_kernel
def find(
    base_rows: Ints,
    pool_rows: Ints,
    start: Ints,
    length: Ints,
    edited: Flags,
    column: int,
    row: int,
) -> Any:
    """Return where the first entry of a column lies whose row is not smaller: a binary search."""
    low = start[column]
    high = low + length[column]
    while low < high:
        middle = (low + high) // 2
        if _row(base_rows, pool_rows, edited[column], middle) < row:
            low = middle + 1
        else:
            high = middle
    return low


@exact_kernel
def holds(
    base_rows: Ints,
    pool_rows: Ints,
    start: Ints,
    length: Ints,
    edited: Flags,
    rows: Ints,
    columns: Ints,
    out: Flags,
) -> None:
    """Tell for each (row, column) whether it is stored."""
    for k in range(rows.shape[0]):
        c = columns[k]
        at = find(base_rows, pool_rows, start, length, edited, c, rows[k])
        out[k] = at < start[c] + length[c] and _row(base_rows, pool_rows, edited[c], at) == rows[k]


@exact_kernel
def read_row(
    base_rows: Ints,
    base_values: Floats,
    pool_rows: Ints,
    pool_values: Floats,
    start: Ints,
    length: Ints,
    edited: Flags,
    columns: Ints,
    row: int,
    out: Floats,
) -> None:
    """Write the entries of a row in columns that store one there."""
    for k in range(columns.shape[0]):
        c = columns[k]
        at = find(base_rows, pool_rows, start, length, edited, c, row)
        out[k] = _value(base_values, pool_values, edited[c], at)


@exact_kernel
def columns_holding(
    base_rows: Ints,
    base_columns: Ints,
    pool_rows: Ints,
    start: Ints,
    length: Ints,
    edited: Flags,
    edited_columns: Ints,
    first: int,
    second: int,
    out: Ints,
) -> int:
    """List the columns that store an entry in one of two rows; return how many, or NOWHERE if `out` is too short.

    The base is searched as a whole, block by block: that is one pass over contiguous memory. Columns may come twice,
    and in any order. `base_columns` holds where each base column begins, ascending, and the end.
    """
    n = 0
    total = base_rows.shape[0]
    for begin in range(0, total, BLOCK):
        end = min(begin + BLOCK, total)
        hits = 0
        for i in range(begin, end):
            hits += (base_rows[i] == first) | (base_rows[i] == second)
        if hits == 0:
            continue
        for i in range(begin, end):
            if base_rows[i] == first or base_rows[i] == second:
                column = np.searchsorted(base_columns, i, side="right") - 1
                if not edited[column]:
                    if n == out.shape[0]:
                        return NOWHERE
                    out[n] = column
                    n += 1
    for column in edited_columns:
        for row in (first, second):
            at = find(base_rows, pool_rows, start, length, edited, column, row)
            if at < start[column] + length[column] and pool_rows[at] == row:
                if n == out.shape[0]:
                    return NOWHERE
                out[n] = column
                n += 1
    return n


@exact_kernel
def merge(
    base_rows: Ints,
    base_values: Floats,
    pool_rows: Ints,
    pool_values: Floats,
    pool_origins: Ints,
    start: Ints,
    length: Ints,
    edited: Flags,
    source: int,
    target: int,
    factor: Any,
    scale: Any,
    used: int,
    row_sizes: Ints,
) -> int:
    """Write scale · (column target + factor · column source); return the end, or NOWHERE if an entry is not finite."""
    zero = base_values.dtype.type(0)
    i, i_end = start[source], start[source] + length[source]
    j, j_end = start[target], start[target] + length[target]
    n = used
    finite = True
    while i < i_end or j < j_end:
        row_i = _row(base_rows, pool_rows, edited[source], i) if i < i_end else -1
        row_j = _row(base_rows, pool_rows, edited[target], j) if j < j_end else -1
        from_i = row_j < 0 or (row_i >= 0 and row_i <= row_j)
        from_j = row_i < 0 or (row_j >= 0 and row_j <= row_i)
        added, old = zero, zero
        if from_i:
            added = _value(base_values, pool_values, edited[source], i)
            i += 1
        if from_j:
            old = _value(base_values, pool_values, edited[target], j)
            j += 1
        row = row_i if from_i else row_j
        value = (old + factor * added) * scale
        finite &= np.isfinite(value)
        pool_rows[n], pool_values[n], pool_origins[n] = row, value, NOWHERE
        if row_sizes.shape[0] > 0 and not from_j:
            row_sizes[row] += 1
        n += 1
    return n if finite else NOWHERE


@exact_kernel
def add_row(
    base_rows: Ints,
    base_values: Floats,
    base_origins: Ints,
    pool_rows: Ints,
    pool_values: Floats,
    pool_origins: Ints,
    start: Ints,
    length: Ints,
    edited: Flags,
    columns: Ints,
    source: int,
    target: int,
    factor: Any,
    scale: Any,
    used: int,
    ends: Ints,
) -> int:
    """Write the columns anew with row target = scale · (row target + factor · row source).

    `ends` receives where each of them ends; returned is the end of all, or NOWHERE if an entry is not finite.
    """
    n = used
    finite = True
    zero = base_values.dtype.type(0)
    for k in range(columns.shape[0]):
        c = columns[k]
        at = find(base_rows, pool_rows, start, length, edited, c, source)
        i, end = start[c], start[c] + length[c]
        has_source = at < end and _row(base_rows, pool_rows, edited[c], at) == source
        added = _value(base_values, pool_values, edited[c], at) if has_source else zero
        written = False
        while i < end or not written:
            row = _row(base_rows, pool_rows, edited[c], i) if i < end else -1
            if not written and (row < 0 or row >= target):
                old = zero
                if row == target:
                    old = _value(base_values, pool_values, edited[c], i)
                    i += 1
                value = (old + factor * added if has_source else old) * scale
                finite &= np.isfinite(value)
                pool_rows[n], pool_values[n], pool_origins[n] = target, value, NOWHERE
                written = True
            else:
                pool_rows[n] = row
                pool_values[n] = _value(base_values, pool_values, edited[c], i)
                pool_origins[n] = _origin(base_origins, pool_origins, edited[c], i)
                i += 1
            n += 1
        ends[k] = n
    return n if finite else NOWHERE


@exact_kernel
def assign(
    base_rows: Ints,
    base_values: Floats,
    base_origins: Ints,
    pool_rows: Ints,
    pool_values: Floats,
    pool_origins: Ints,
    start: Ints,
    length: Ints,
    edited: Flags,
    columns: Ints,
    bounds: Ints,
    rows: Ints,
    values: Floats,
    used: int,
    ends: Ints,
    row_sizes: Ints,
) -> int:
    """Write the columns anew with some entries overwritten or inserted.

    Those of columns[k] are rows[bounds[k] : bounds[k + 1]], ascending, and their values.
    """
    n = used
    for k in range(columns.shape[0]):
        c = columns[k]
        i, i_end = start[c], start[c] + length[c]
        j, j_end = bounds[k], bounds[k + 1]
        while i < i_end or j < j_end:
            row_i = _row(base_rows, pool_rows, edited[c], i) if i < i_end else -1
            if j < j_end and (row_i < 0 or rows[j] <= row_i):
                pool_rows[n], pool_values[n], pool_origins[n] = rows[j], values[j], NOWHERE
                if row_i == rows[j]:
                    i += 1
                elif row_sizes.shape[0] > 0:
                    row_sizes[rows[j]] += 1
                j += 1
            else:
                pool_rows[n] = row_i
                pool_values[n] = _value(base_values, pool_values, edited[c], i)
                pool_origins[n] = _origin(base_origins, pool_origins, edited[c], i)
                i += 1
            n += 1
        ends[k] = n
    return n


@exact_kernel
def without_row(
    base_rows: Ints,
    base_values: Floats,
    base_origins: Ints,
    pool_rows: Ints,
    pool_values: Floats,
    pool_origins: Ints,
    start: Ints,
    length: Ints,
    edited: Flags,
    columns: Ints,
    row: int,
    used: int,
    ends: Ints,
) -> int:
    """Write the columns anew without their entries in a row."""
    n = used
    for k in range(columns.shape[0]):
        c = columns[k]
        for i in range(start[c], start[c] + length[c]):
            here = _row(base_rows, pool_rows, edited[c], i)
            if here != row:
                pool_rows[n] = here
                pool_values[n] = _value(base_values, pool_values, edited[c], i)
                pool_origins[n] = _origin(base_origins, pool_origins, edited[c], i)
                n += 1
        ends[k] = n
    return n


@exact_kernel
def _passes(value: Any, limit: Any, signed: bool) -> Any:
    return value > limit if signed else abs(value) > limit


@exact_kernel
def count_live(
    base_values: Floats,
    pool_values: Floats,
    start: Ints,
    length: Ints,
    edited: Flags,
    columns: Ints,
    limits: Floats,
    signed: bool,
    counts: Ints,
) -> None:
    """Count in each of some columns what a threshold lets through; `limits` holds one for all, or one per column."""
    for k in range(columns.shape[0]):
        c = columns[k]
        limit = limits[c] if limits.shape[0] > 1 else limits[0]
        count = 0
        if edited[c]:
            for i in range(start[c], start[c] + length[c]):
                count += _passes(pool_values[i], limit, signed)
        else:
            for i in range(start[c], start[c] + length[c]):
                count += _passes(base_values[i], limit, signed)
        counts[k] = count


@exact_kernel
def keep_live(
    base_rows: Ints,
    base_values: Floats,
    base_origins: Ints,
    pool_rows: Ints,
    pool_values: Floats,
    pool_origins: Ints,
    start: Ints,
    length: Ints,
    edited: Flags,
    columns: Ints,
    limits: Floats,
    signed: bool,
    rows: Ints,
    values: Floats,
    origins: Ints,
) -> None:
    """Write what a threshold lets through of the columns, one after another; `origins` may be empty."""
    n = 0
    for c in columns:
        limit = limits[c] if limits.shape[0] > 1 else limits[0]
        for i in range(start[c], start[c] + length[c]):
            value = _value(base_values, pool_values, edited[c], i)
            if _passes(value, limit, signed):
                rows[n], values[n] = _row(base_rows, pool_rows, edited[c], i), value
                if origins.shape[0] > 0:
                    origins[n] = _origin(base_origins, pool_origins, edited[c], i)
                n += 1


@exact_kernel
def gather(
    base_rows: Ints,
    base_values: Floats,
    base_origins: Ints,
    pool_rows: Ints,
    pool_values: Floats,
    pool_origins: Ints,
    start: Ints,
    length: Ints,
    edited: Flags,
    columns: Ints,
    place_of_row: Ints,
    indptr: Ints,
    rows: Ints,
    values: Floats,
    origins: Ints,
) -> None:
    """Write the columns one after another, rows renamed and sorted anew; `origins` may be empty.

    Rows that are still nearly sorted, as swaps leave them, are sorted by insertion in about one pass.
    """
    longest = 0
    for c in columns:
        longest = max(longest, length[c])
    work_rows = np.empty(longest, rows.dtype)
    work_values = np.empty(longest, values.dtype)
    work_origins = np.empty(longest, origins.dtype)
    track = origins.shape[0] > 0
    for k in range(columns.shape[0]):
        c, begin = columns[k], indptr[k]
        size = length[c]
        moves = 0
        for i in range(size):
            place = start[c] + i
            row = place_of_row[_row(base_rows, pool_rows, edited[c], place)]
            value = _value(base_values, pool_values, edited[c], place)
            origin = _origin(base_origins, pool_origins, edited[c], place) if track else 0
            j = begin + i
            if moves < 8 * size + 64:
                while j > begin and rows[j - 1] > row:
                    rows[j], values[j] = rows[j - 1], values[j - 1]
                    if track:
                        origins[j] = origins[j - 1]
                    j -= 1
                    moves += 1
            rows[j], values[j] = row, value
            if track:
                origins[j] = origin
        if moves >= 8 * size + 64:  # far from sorted: begin again, by comparison in O(d log d)
            order = np.argsort(rows[begin : begin + size], kind="mergesort")
            for i in range(size):
                work_rows[i], work_values[i] = rows[begin + order[i]], values[begin + order[i]]
                if track:
                    work_origins[i] = origins[begin + order[i]]
            for i in range(size):
                rows[begin + i], values[begin + i] = work_rows[i], work_values[i]
                if track:
                    origins[begin + i] = work_origins[i]
