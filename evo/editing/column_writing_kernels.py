"""Compiled loops that write changed columns to the end of the pool: see :mod:`evo.editing.column_kernels`."""

from typing import Any

import numpy as np

from cnn.compile.compilation import kernel
from evo.editing.column_kernels import (
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


@kernel
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


@kernel
def _copy_entries(
    base_rows: Ints,
    base_values: Floats,
    base_origins: Ints,
    pool_rows: Ints,
    pool_values: Floats,
    pool_origins: Ints,
    edited: Any,
    begin: int,
    end: int,
    used: int,
) -> Any:
    """Copy entries as they are to the pool's end; return the new end.

    By loops, since Numba takes a second to compile assignments of one slice to another.
    """
    size = end - begin
    rows, values = pool_rows[used : used + size], pool_values[used : used + size]
    if edited:
        old_rows, old_values = pool_rows[begin:end], pool_values[begin:end]
        for i in range(size):
            rows[i] = old_rows[i]
        for i in range(size):
            values[i] = old_values[i]
    else:
        fixed_rows, fixed_values = base_rows[begin:end], base_values[begin:end]
        for i in range(size):
            rows[i] = fixed_rows[i]
        for i in range(size):
            values[i] = fixed_values[i]
    for i in range(size):
        pool_origins[used + i] = origin_at(base_origins, pool_origins, edited, begin + i)
    return used + size


@kernel
def add_rows(
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
    size: int,
    factor: Any,
    scale: Any,
    used: int,
    ends: Ints,
    row_sizes: Ints,
) -> int:
    """Write columns with row target = scale · (row target + factor · row source), for `size` rows from each on.

    `ends` receives the end of each column; the end of all is returned, or NOWHERE if an entry is not finite.
    """
    n = used
    finite = True
    zero = base_values.dtype.type(0)
    for k in range(columns.shape[0]):
        c = columns[k]
        begin, end = start[c], start[c] + length[c]
        i = find(base_rows, pool_rows, start, length, edited, c, source)
        j = find(base_rows, pool_rows, start, length, edited, c, target)
        n = _copy_entries(
            base_rows, base_values, base_origins, pool_rows, pool_values, pool_origins,
            edited[c], begin, j, n,
        )  # fmt: skip
        while True:
            at_i = row_at(base_rows, pool_rows, edited[c], i) - source if i < end else size
            at_j = row_at(base_rows, pool_rows, edited[c], j) - target if j < end else size
            at = min(at_i, at_j)
            if at >= size:
                break
            has_source, has_target = at_i == at, at_j == at
            added = value_at(base_values, pool_values, edited[c], i) if has_source else zero
            old = value_at(base_values, pool_values, edited[c], j) if has_target else zero
            value = (old + factor * added if has_source else old) * scale
            finite &= np.isfinite(value)
            pool_rows[n], pool_values[n], pool_origins[n] = target + at, value, NOWHERE
            if row_sizes.shape[0] > 0 and not has_target:
                row_sizes[target + at] += 1
            i += has_source
            j += has_target
            n += 1
        n = _copy_entries(
            base_rows, base_values, base_origins, pool_rows, pool_values, pool_origins,
            edited[c], j, end, n,
        )  # fmt: skip
        ends[k] = n
    return n if finite else NOWHERE


@kernel
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
    """Write columns with some entries overwritten or inserted.

    The entries of columns[k] are rows[bounds[k] : bounds[k + 1]], ascending, and their values.
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


@kernel
def insert(
    base_indptr: Ints,
    base_rows: Ints,
    base_values: Floats,
    base_origins: Ints,
    bounds: Ints,
    rows: Ints,
    values: Floats,
    to_rows: Ints,
    to_values: Floats,
    to_origins: Ints,
) -> None:
    """Write all columns with entries inserted that are not stored.

    The entries of column c are rows[bounds[c] : bounds[c + 1]], ascending, and their values. The merge has no branch on
    which entry comes first, because that is unpredictable.
    """
    everywhere = base_origins.shape[0] == 0
    for c in range(base_indptr.shape[0] - 1):
        i, i_end = base_indptr[c], base_indptr[c + 1]
        j, j_end = bounds[c], bounds[c + 1]
        n = i + j
        while i < i_end and j < j_end:
            new = rows[j] < base_rows[i]
            to_rows[n] = rows[j] if new else base_rows[i]
            to_values[n] = values[j] if new else base_values[i]
            old_origin = i if everywhere else base_origins[i]
            to_origins[n] = NOWHERE if new else old_origin
            i += not new
            j += new
            n += 1
        for k in range(i, i_end):
            to_rows[n], to_values[n] = base_rows[k], base_values[k]
            to_origins[n] = k if everywhere else base_origins[k]
            n += 1
        for k in range(j, j_end):
            to_rows[n], to_values[n], to_origins[n] = rows[k], values[k], NOWHERE
            n += 1


@kernel
def without(
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
    used: int,
    ends: Ints,
    row_sizes: Ints,
) -> int:
    """Write columns without some entries, named as for :func:`assign`."""
    n = used
    for k in range(columns.shape[0]):
        c = columns[k]
        j, j_end = bounds[k], bounds[k + 1]
        for i in range(start[c], start[c] + length[c]):
            here = row_at(base_rows, pool_rows, edited[c], i)
            while j < j_end and rows[j] < here:
                j += 1
            if j < j_end and rows[j] == here:
                if row_sizes.shape[0] > 0:
                    row_sizes[here] -= 1
            else:
                pool_rows[n] = here
                pool_values[n] = value_at(base_values, pool_values, edited[c], i)
                pool_origins[n] = origin_at(base_origins, pool_origins, edited[c], i)
                n += 1
        ends[k] = n
    return n


@kernel
def _count_passing(values: Floats, threshold: Any, signed: bool) -> Any:
    count = 0
    for value in values:
        count += passes(value, threshold, signed)
    return count


@kernel
def _keep_passing(
    from_rows: Ints,
    from_values: Floats,
    threshold: Any,
    signed: bool,
    rows: Ints,
    values: Floats,
    kept: Ints,
) -> None:
    """Copy the active entries until the arrays are full, and their indices unless `kept` is empty.

    Each entry is written, and a dormant one is overwritten by the next: this avoids a branch.
    """
    n, i = 0, 0
    while n < rows.shape[0]:
        rows[n], values[n] = from_rows[i], from_values[i]
        if kept.shape[0] > 0:
            kept[n] = i
        n += passes(from_values[i], threshold, signed)
        i += 1


@kernel
def active_sizes(
    base_values: Floats,
    pool_values: Floats,
    start: Ints,
    length: Ints,
    edited: Flags,
    thresholds: Floats,
    signed: bool,
    sizes: Ints,
) -> None:
    """Count the active entries of each column; `thresholds` has one number for all, or one per column."""
    for c in range(sizes.shape[0]):
        threshold = thresholds[c] if thresholds.shape[0] > 1 else thresholds[0]
        begin, end = start[c], start[c] + length[c]
        if edited[c]:
            sizes[c] = _count_passing(pool_values[begin:end], threshold, signed)
        else:
            sizes[c] = _count_passing(base_values[begin:end], threshold, signed)


@kernel
def keep_active(
    base_rows: Ints,
    base_values: Floats,
    base_origins: Ints,
    pool_rows: Ints,
    pool_values: Floats,
    pool_origins: Ints,
    start: Ints,
    length: Ints,
    edited: Flags,
    thresholds: Floats,
    signed: bool,
    indptr: Ints,
    rows: Ints,
    values: Floats,
    origins: Ints,
) -> None:
    """Write the active entries of all columns to the places that `indptr` gives; `origins` may be empty."""
    for c in range(start.shape[0]):
        threshold = thresholds[c] if thresholds.shape[0] > 1 else thresholds[0]
        begin, end = start[c], start[c] + length[c]
        to = slice(indptr[c], indptr[c + 1])
        if edited[c]:
            old_rows, old_values = pool_rows[begin:end], pool_values[begin:end]
            _keep_passing(
                old_rows, old_values, threshold, signed, rows[to], values[to], origins[to]
            )
        else:
            fixed_rows, fixed_values = base_rows[begin:end], base_values[begin:end]
            _keep_passing(
                fixed_rows, fixed_values, threshold, signed, rows[to], values[to], origins[to]
            )
        for i in range(origins[to].shape[0]):
            place = indptr[c] + i
            origins[place] = origin_at(
                base_origins, pool_origins, edited[c], begin + origins[place]
            )
