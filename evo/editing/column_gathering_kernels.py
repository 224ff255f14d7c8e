"""Compiled loops that write a whole matrix in a new order: see :mod:`evo.editing.column_kernels`."""

from typing import Any

import numpy as np

from cnn.compile.compilation import exact_kernel
from evo.editing.column_kernels import Flags, Floats, Ints, origin_at


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


@exact_kernel
def carry(moments: Floats, origins: Ints, out: Floats) -> None:
    """Copy the optimizer state of each origin, 0 where there is none; `moments` and `out` have one row per moment."""
    for slot in range(moments.shape[0]):
        for i in range(origins.shape[0]):
            out[slot, i] = moments[slot, origins[i]] if origins[i] >= 0 else 0


@exact_kernel
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


@exact_kernel
def _sort(
    rows: Ints,
    values: Floats,
    origins: Ints,
    work_rows: Ints,
    work_values: Floats,
    work_origins: Ints,
) -> None:
    """Sort a column by row: by insertion if it is short or nearly sorted, as after swaps."""
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
        order = np.argsort(rows, kind="mergesort")
        for i in range(size):
            work_rows[i], work_values[i] = rows[order[i]], values[order[i]]
            if track:
                work_origins[i] = origins[order[i]]
        for i in range(size):
            rows[i], values[i] = work_rows[i], work_values[i]
            if track:
                origins[i] = work_origins[i]
