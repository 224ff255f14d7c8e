"""Compiled loops over the columns of an editor's matrix: see :mod:`evo.editing.columns`.

A column is a stretch of one of two sets of arrays (rows, values, origins): the *base*, which is only read, or the
*pool*, which holds rewritten columns. `start`, `length` and `edited` give for each column where it lies. Rows ascend
within a column. Loops write to the pool from `used` on; the caller then updates `start`, `length` and `edited`.

Sums are rounded as NumPy rounds them, so the results equal those of :mod:`graphops` bit for bit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import kernel
from evo.genome.graph_kernels import first_at_least

Ints = NDArray[np.integer[Any]]
Flags = NDArray[np.bool_]
Floats = NDArray[np.floating[Any]]

NOWHERE = -1
"""Origin of an entry that inherits no optimizer state; also returned where an entry is not finite."""

BLOCK = 1024


@kernel
def row_at(base: Ints, pool: Ints, edited: Any, place: int) -> Any:
    """Return an entry's row."""
    return pool[place] if edited else base[place]


@kernel
def value_at(base: Floats, pool: Floats, edited: Any, place: int) -> Any:
    """Return an entry's value."""
    return pool[place] if edited else base[place]


@kernel
def origin_at(base: Ints, pool: Ints, edited: Any, place: int) -> Any:
    """Return an entry's origin; in a base without origins each entry is its own origin."""
    if edited:
        return pool[place]
    return base[place] if base.shape[0] > 0 else place


@kernel
def find(
    base_rows: Ints,
    pool_rows: Ints,
    start: Ints,
    length: Ints,
    edited: Flags,
    column: int,
    row: int,
) -> Any:
    """Return the index of a column's first entry whose row is not smaller."""
    low = start[column]
    high = low + length[column]
    if edited[column]:
        return first_at_least(pool_rows, low, high, row)
    return first_at_least(base_rows, low, high, row)


@kernel
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


@kernel
def count_block(
    base_rows: Ints,
    pool_rows: Ints,
    start: Ints,
    length: Ints,
    edited: Flags,
    columns: Ints,
    first: int,
    size: int,
    counts: Ints,
) -> None:
    """Count the entries of some columns in `size` rows from `first` on."""
    for k in range(columns.shape[0]):
        c = columns[k]
        at = find(base_rows, pool_rows, start, length, edited, c, first)
        end, counts[k] = start[c] + length[c], 0
        while at < end and row_at(base_rows, pool_rows, edited[c], at) < first + size:
            at, counts[k] = at + 1, counts[k] + 1


@kernel
def read_rows(
    base_rows: Ints,
    base_values: Floats,
    pool_rows: Ints,
    pool_values: Floats,
    start: Ints,
    length: Ints,
    edited: Flags,
    columns: Ints,
    first: int,
    bounds: Ints,
    rows: Ints,
    values: Floats,
) -> None:
    """Copy ``bounds[k + 1] - bounds[k]`` entries of each column, from row `first` on, to ``bounds[k]``."""
    for k in range(columns.shape[0]):
        c = columns[k]
        at = find(base_rows, pool_rows, start, length, edited, c, first)
        for n in range(bounds[k], bounds[k + 1]):
            rows[n] = row_at(base_rows, pool_rows, edited[c], at)
            values[n] = value_at(base_values, pool_values, edited[c], at)
            at += 1


@kernel
def scan(rows: Ints, first: int, second: int, at_first: Ints, at_second: Ints) -> Any:
    """List the indices at which two rows occur; return how often each occurs, even if the arrays are too short.

    One pass over contiguous memory, block by block; most blocks hold neither row.
    """
    n_first, n_second = 0, 0
    one, other = rows.dtype.type(first), rows.dtype.type(second)
    for begin in range(0, rows.shape[0], BLOCK):
        end = min(begin + BLOCK, rows.shape[0])
        block = rows[begin:end]
        hits = 0
        for i in range(block.shape[0]):
            hits |= (block[i] == one) | (block[i] == other)
        if hits:
            for i in range(begin, end):
                if rows[i] == one:
                    if n_first < at_first.shape[0]:
                        at_first[n_first] = i
                    n_first += 1
                if rows[i] == other:
                    if n_second < at_second.shape[0]:
                        at_second[n_second] = i
                    n_second += 1
    return n_first, n_second


def places_of(rows: Ints, first: int, second: int, per_node: int = 1) -> list[Ints]:
    """Return the indices at which the rows of each of two nodes occur."""
    if per_node > 1:
        nodes = rows // per_node
        return [np.flatnonzero(nodes == node) for node in (first, second)]
    room = 256
    while True:
        at_first, at_second = np.empty((2, room), np.int64)
        counts = scan(rows, first, second, at_first, at_second)
        if max(counts) <= room:
            return [at_first[: counts[0]], at_second[: counts[1]]]
        room = max(counts)


@kernel
def passes(value: Any, threshold: Any, signed: bool) -> Any:
    """Tell whether a value is active under a threshold."""
    return value > threshold if signed else abs(value) > threshold


@kernel
def count_active(
    values: Floats, starts: Ints, lengths: Ints, thresholds: Floats, signed: bool
) -> Any:
    """Count the active values in some stretches.

    `thresholds` has one number for all, or one for each stretch.
    """
    count = 0
    for k in range(starts.shape[0]):
        threshold = thresholds[k] if thresholds.shape[0] > 1 else thresholds[0]
        stretch = values[starts[k] : starts[k] + lengths[k]]
        if signed:
            for i in range(stretch.shape[0]):
                count += stretch[i] > threshold
        else:
            for i in range(stretch.shape[0]):
                count += abs(stretch[i]) > threshold
    return count


@kernel
def count_scores(
    bits: Any,
    starts: Ints,
    lengths: Ints,
    sign: Any,
    signed: bool,
    shift: Any,
    known: Any,
    step: int,
    counts: Ints,
) -> None:
    """Count values in some stretches by 16 bits of their score, among those whose higher bits are `known`.

    One step of a radix selection. Values are given as unsigned integers with the bits of the floats; `sign` has only
    the sign bit. A score orders like the number if `signed`, else like its magnitude. The 16 bits begin at `shift[0]`;
    `shift[1]` is 16, `shift[2]` the mask of 16 bits. Each value adds `step`.
    """
    everything = known.shape[0] == 0
    for k in range(starts.shape[0]):
        for score in bits[starts[k] : starts[k] + lengths[k]]:
            if not signed:
                digits = score & ~sign[0]
            elif score & sign[0]:
                digits = ~score
            else:
                digits = score | sign[0]
            digits = digits >> shift[0]
            if everything or (digits >> shift[1]) == known[0]:
                counts[digits & shift[2]] += step


@kernel
def count_rows(rows: Ints, starts: Ints, lengths: Ints, step: int, counts: Ints) -> None:
    """Count the entries of each row in some stretches; each adds `step`."""
    for k in range(starts.shape[0]):
        for row in rows[starts[k] : starts[k] + lengths[k]]:
            counts[row] += step
