"""Thresholds by rank: above the lowest fraction of the stored entries, or below the highest few."""

import numpy as np

from evo.editing import column_kernels
from evo.editing.column_kernels import Ints
from evo.editing.columns import Columns
from graphops.validation import check_fraction, check_integer

FEW = 100_000
"""Number of stored entries below which a selection copies them all."""


def quantile_score(
    columns: Columns, quantile: float, *, signed: bool, some: Ints | None = None
) -> float:
    """Return the threshold that makes the lowest fraction dormant: :func:`graphops.quantile_threshold`."""
    stored = _stored(columns, some)
    left = round(check_fraction("quantile", quantile) * stored)
    return _threshold_above(columns, stored, left, signed=signed, some=some)


def keeping_score(columns: Columns, count: int, *, signed: bool, some: Ints | None = None) -> float:
    """Return the threshold that keeps the highest `count` entries active, all if there are no more."""
    stored = _stored(columns, some)
    left = stored - check_integer("keep", count, at_least=0)
    return _threshold_above(columns, stored, max(left, 0), signed=signed, some=some)


def _stored(columns: Columns, some: Ints | None) -> int:
    return columns.n_stored if some is None else int(columns.sizes[some].sum())


def _threshold_above(
    columns: Columns, stored: int, left: int, *, signed: bool, some: Ints | None
) -> float:
    """Return the highest of the `left` lowest scores, or a number below all scores if `left` is 0."""
    if stored == 0:
        return 0.0
    score = score_at(columns, max(left - 1, 0), signed=signed, some=some)
    return score if left else float(np.nextafter(columns.dtype.type(score), -np.inf))


def score_at(columns: Columns, rank: int, *, signed: bool, some: Ints | None = None) -> float:
    """Return the rank-th smallest, from 0, of the stored values or, unless `signed`, of their magnitudes.

    Many values are ranked by radix selection, 16 bits of the number in each pass over the values.

    Parameters
    ----------
    columns : Columns
    rank : int
    signed : bool
    some : ndarray of int, optional
        Columns to which the ranking is restricted.

    Returns
    -------
    float
    """
    n_values = columns.n_stored if some is None else columns.sizes[some].sum()
    if n_values < FEW:
        values = columns.gather(some, None, origins=False)[2]
        return float(np.partition(values if signed else np.abs(values), rank)[rank])
    dtype = columns.dtype
    unsigned = np.dtype(f"u{dtype.itemsize}").type
    n_bits = 8 * dtype.itemsize
    sign = np.array([1 << (n_bits - 1)], unsigned)
    known = np.empty(0, unsigned)
    score = 0
    for low in range(n_bits - 16, -1, -16):
        counts = np.zeros(1 << 16, np.int64)
        shift = np.array([low, 16, 0xFFFF], unsigned)
        for _, values, starts, lengths, step in columns.stretches(some):
            column_kernels.count_scores(
                values.view(unsigned), starts, lengths, sign, signed, shift, known, step, counts
            )
        below = np.cumsum(counts)
        digits = int(np.searchsorted(below, rank, side="right"))
        rank -= int(below[digits - 1]) if digits else 0
        score = score << 16 | digits
        known = np.array([score], unsigned)
    if signed:  # back from the order of scores to the bits of the float
        score = score ^ int(sign[0]) if score & int(sign[0]) else ~score & (2 * int(sign[0]) - 1)
    return float(np.array([score], unsigned).view(dtype)[0])
