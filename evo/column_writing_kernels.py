"""Compiled loops that write columns anew, behind what the pool holds: see :mod:`evo.column_kernels`."""

from typing import Any

import numpy as np

from cnn.compilation import exact_kernel
from evo.column_kernels import (
    NOWHERE,
    Flags,
    Floats,
    Ints,
    find,
    origin_at,
    passes,
    row_at,
    value_at,
)


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
        row_i = row_at(base_rows, pool_rows, edited[source], i) if i < i_end else -1
        row_j = row_at(base_rows, pool_rows, edited[target], j) if j < j_end else -1
        from_i = row_j < 0 or (row_i >= 0 and row_i <= row_j)
        from_j = row_i < 0 or (row_j >= 0 and row_j <= row_i)
        added, old = zero, zero
        if from_i:
            added = value_at(base_values, pool_values, edited[source], i)
            i += 1
        if from_j:
            old = value_at(base_values, pool_values, edited[target], j)
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
        has_source = at < end and row_at(base_rows, pool_rows, edited[c], at) == source
        added = value_at(base_values, pool_values, edited[c], at) if has_source else zero
        written = False
        while i < end or not written:
            row = row_at(base_rows, pool_rows, edited[c], i) if i < end else -1
            if not written and (row < 0 or row >= target):
                old = zero
                if row == target:
                    old = value_at(base_values, pool_values, edited[c], i)
                    i += 1
                value = (old + factor * added if has_source else old) * scale
                finite &= np.isfinite(value)
                pool_rows[n], pool_values[n], pool_origins[n] = target, value, NOWHERE
                written = True
            else:
                pool_rows[n] = row
                pool_values[n] = value_at(base_values, pool_values, edited[c], i)
                pool_origins[n] = origin_at(base_origins, pool_origins, edited[c], i)
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
            row_i = row_at(base_rows, pool_rows, edited[c], i) if i < i_end else -1
            if j < j_end and (row_i < 0 or rows[j] <= row_i):
                pool_rows[n], pool_values[n], pool_origins[n] = rows[j], values[j], NOWHERE
                if row_i == rows[j]:
                    i += 1
                elif row_sizes.shape[0] > 0:
                    row_sizes[rows[j]] += 1
                j += 1
            else:
                pool_rows[n] = row_i
                pool_values[n] = value_at(base_values, pool_values, edited[c], i)
                pool_origins[n] = origin_at(base_origins, pool_origins, edited[c], i)
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
            here = row_at(base_rows, pool_rows, edited[c], i)
            if here != row:
                pool_rows[n] = here
                pool_values[n] = value_at(base_values, pool_values, edited[c], i)
                pool_origins[n] = origin_at(base_origins, pool_origins, edited[c], i)
                n += 1
        ends[k] = n
    return n


@exact_kernel
def live_sizes(
    base_values: Floats,
    pool_values: Floats,
    start: Ints,
    length: Ints,
    edited: Flags,
    limits: Floats,
    signed: bool,
    sizes: Ints,
) -> None:
    """Count in each column what a threshold lets through; `limits` has one number for all, or one per column."""
    for c in range(sizes.shape[0]):
        limit = limits[c] if limits.shape[0] > 1 else limits[0]
        size = 0
        for i in range(start[c], start[c] + length[c]):
            size += passes(value_at(base_values, pool_values, edited[c], i), limit, signed)
        sizes[c] = size


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
            value = value_at(base_values, pool_values, edited[c], i)
            if passes(value, limit, signed):
                rows[n], values[n] = row_at(base_rows, pool_rows, edited[c], i), value
                if origins.shape[0] > 0:
                    origins[n] = origin_at(base_origins, pool_origins, edited[c], i)
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
    """Write the columns one after another, rows renamed and sorted anew.

    `origins` may be empty, and so may `place_of_row` where rows keep their numbers.
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
def _copy(
    from_rows: Ints, from_values: Floats, begin: int, place: Ints, rows: Ints, values: Floats
) -> Any:
    """Copy a stretch with its rows renamed; tell whether they still ascend."""
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
    """Sort a column by row: by insertion where it is nearly sorted, as swaps leave it, or short."""
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
