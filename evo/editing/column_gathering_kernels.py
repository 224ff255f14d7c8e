"""Compiled loops that write a whole matrix in a new order: see :mod:`evo.editing.column_kernels`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import allocating_kernel, kernel
from evo.editing.column_kernels import Flags, Floats, Ints, origin_at

RUN = 16
"""Keys that are sorted by insertion, before sorted runs are merged."""


@allocating_kernel
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
    """Write the columns one after another, with rows renumbered and sorted.

    `origins` may be empty; `place_of_row` is empty if rows keep their numbers.
    """
    longest = 0
    for c in columns:
        longest = max(longest, length[c])
    work_rows = np.empty(longest, rows.dtype)
    work_values = np.empty(longest, values.dtype)
    work_origins = np.empty(longest if origins.shape[0] > 0 else 0, origins.dtype)
    for k in range(columns.shape[0]):
        c, begin, end = columns[k], indptr[k], indptr[k + 1]
        here, new_rows, new_values = start[c], rows[begin:end], values[begin:end]
        if edited[c]:
            ascends = _copy(pool_rows, pool_values, here, place_of_row, new_rows, new_values)
        else:
            ascends = _copy(base_rows, base_values, here, place_of_row, new_rows, new_values)
        new_origins = origins[begin:end]
        for i in range(new_origins.shape[0]):
            new_origins[i] = origin_at(base_origins, pool_origins, edited[c], here + i)
        if not ascends:
            _sort(new_rows, new_values, new_origins, work_rows, work_values, work_origins)


@kernel
def carry(moments: Floats, origins: Ints, out: Floats) -> None:
    """Copy the optimizer state of each origin, 0 where there is none; `moments` and `out` have one row per moment."""
    for slot in range(moments.shape[0]):
        for i in range(origins.shape[0]):
            out[slot, i] = moments[slot, origins[i]] if origins[i] >= 0 else 0


@kernel
def _copy(
    from_rows: Ints, from_values: Floats, begin: int, place: Ints, rows: Ints, values: Floats
) -> Any:
    """Copy a stretch with its rows renumbered; tell whether they still ascend."""
    size = rows.shape[0]
    old_rows, old_values = from_rows[begin : begin + size], from_values[begin : begin + size]
    for i in range(size):
        values[i] = old_values[i]
    if place.shape[0] == 0:
        for i in range(size):
            rows[i] = old_rows[i]
        return True
    ascends, last = True, -1
    for i in range(size):
        row = place[old_rows[i]]
        ascends &= row > last
        last = row
        rows[i] = row
    return ascends


@allocating_kernel
def _sort(
    rows: Ints,
    values: Floats,
    origins: Ints,
    work_rows: Ints,
    work_values: Floats,
    work_origins: Ints,
) -> None:
    """Sort a column by row: by insertion if it is short or nearly sorted, as after swaps; else by merging."""
    size, moves = rows.shape[0], 0
    track = origins.shape[0] > 0
    for i in range(1, size):
        row, value = rows[i], values[i]
        origin = origins[i] if track else 0
        j = i
        while j > 0 and rows[j - 1] > row:
            rows[j], values[j] = rows[j - 1], values[j - 1]
            if track:
                origins[j] = origins[j - 1]
            j -= 1
        rows[j], values[j] = row, value
        if track:
            origins[j] = origin
        moves += i - j
        if moves > 16 * size:
            break
    if moves > 16 * size:
        order = _sorted_order(rows)
        for i in range(size):
            work_rows[i], work_values[i] = rows[order[i]], values[order[i]]
            if track:
                work_origins[i] = origins[order[i]]
        for i in range(size):
            rows[i], values[i] = work_rows[i], work_values[i]
            if track:
                origins[i] = work_origins[i]


@allocating_kernel
def _sorted_order(rows: Ints) -> NDArray[np.int64]:
    """Return the indices that sort the rows, as a stable `numpy.argsort`, which Numba takes a second to compile.

    A key has a row in its upper half and the index in its lower half. Runs of keys are sorted by insertion, then merged
    two by two.
    """
    size = rows.shape[0]
    keys, merged = np.empty(size, np.int64), np.empty(size, np.int64)
    for i in range(size):
        key = (np.int64(rows[i]) << 32) | i
        j, first = i, i - i % RUN
        while j > first and keys[j - 1] > key:
            keys[j] = keys[j - 1]
            j -= 1
        keys[j] = key
    run = RUN
    while run < size:
        for begin in range(0, size, 2 * run):
            middle, end = min(begin + run, size), min(begin + 2 * run, size)
            i, j, n = begin, middle, begin
            while i < middle and j < end:  # without a branch on the keys, which is unpredictable
                left = keys[i] < keys[j]
                merged[n] = keys[i] if left else keys[j]
                i += left
                j += not left
                n += 1
            for k in range(i, middle):
                merged[n] = keys[k]
                n += 1
            for k in range(j, end):
                merged[n] = keys[k]
                n += 1
        keys, merged = merged, keys
        run *= 2
    for i in range(size):
        keys[i] &= 0xFFFFFFFF
    return keys
