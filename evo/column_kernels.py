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
def row_at(base: Ints, pool: Ints, edited: Any, place: int) -> Any:
    """Return an entry's row."""
    return pool[place] if edited else base[place]


@exact_kernel
def value_at(base: Floats, pool: Floats, edited: Any, place: int) -> Any:
    """Return an entry's value."""
    return pool[place] if edited else base[place]


@exact_kernel
def origin_at(base: Ints, pool: Ints, edited: Any, place: int) -> Any:
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
        if row_at(base_rows, pool_rows, edited[column], middle) < row:
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
        out[k] = (
            at < start[c] + length[c] and row_at(base_rows, pool_rows, edited[c], at) == rows[k]
        )


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
        out[k] = value_at(base_values, pool_values, edited[c], at)


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
def passes(value: Any, limit: Any, signed: bool) -> Any:
    """Tell whether a threshold lets a value through."""
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
                count += passes(pool_values[i], limit, signed)
        else:
            for i in range(start[c], start[c] + length[c]):
                count += passes(base_values[i], limit, signed)
        counts[k] = count
