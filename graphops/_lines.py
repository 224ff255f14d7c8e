"""Adding multiples of lines to lines, a line being a row or a column: the arithmetic of C and F.

One code for one addition and for thousands of them. On a sparse matrix each addition merges two
lines and looks at nothing else; the matrix is read and written once, however many there are.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from graphops import _stored
from graphops.validation import FloatArray, IntArray, Matrix, check_number

Line: TypeAlias = tuple[IntArray, FloatArray]
"""Where a line stores something, ascending, and what."""

Addition: TypeAlias = tuple[int, int, float]
"""Source, target and factor: target becomes target + factor · source."""


def add_columns(W: Matrix, additions: Sequence[Addition]) -> Matrix:
    """Return `W` after additions of columns, one after the other: O(nnz + n + touched)."""
    factors = _rounded(additions, W.dtype)
    if not isinstance(W, sparse.csc_array):
        changed = W.copy()
        _add_in_place(changed.swapaxes(0, 1), additions, factors)
        return changed
    columns = _sums(lambda column: _column(W, column), additions, factors)
    return _stored.splice_columns(W, columns)


def add_rows(W: Matrix, additions: Sequence[Addition]) -> Matrix:
    """Return `W` after additions of rows, one after the other: O(nnz + n + touched·log touched)."""
    factors = _rounded(additions, W.dtype)
    if not isinstance(W, sparse.csc_array):
        changed = W.copy()
        _add_in_place(changed, additions, factors)
        return changed
    sources, targets, _ = zip(*additions, strict=True)
    before = _rows(W, sources + targets)
    after = _sums(before.__getitem__, additions, factors)
    rows = np.repeat(list(after), [len(columns) for columns, _ in after.values()])
    columns = np.concatenate([columns for columns, _ in after.values()])
    values = np.concatenate([values for _, values in after.values()])
    order = np.lexsort((rows, columns))
    return _stored.write(W, rows[order], columns[order], values[order])


def _rounded(additions: Iterable[Addition], dtype: np.dtype[Any]) -> list[np.floating[Any]]:
    return [_factor(factor, dtype) for _, _, factor in additions]


def _factor(value: Any, dtype: np.dtype[Any]) -> np.floating[Any]:
    with np.errstate(over="ignore"):
        factor: np.floating[Any] = dtype.type(check_number("factor", value))
    if not np.isfinite(factor):
        raise ValueError(f"factor must be finite in {dtype}; received {value}")
    return factor


def _add_in_place(
    lines: FloatArray, additions: Iterable[Addition], factors: Iterable[np.floating[Any]]
) -> None:
    for (source, target, _), factor in zip(additions, factors, strict=True):
        lines[target] = _combine(lines[target], lines[source], factor)


def _sums(
    line: Callable[[int], Line],
    additions: Iterable[Addition],
    factors: Iterable[np.floating[Any]],
) -> dict[int, Line]:
    """Return the lines that additions change, as they are after the last one."""
    changed: dict[int, Line] = {}
    for (source, target, _), factor in zip(additions, factors, strict=True):
        to = changed[target] if target in changed else line(target)
        what = changed[source] if source in changed else line(source)
        changed[target] = _merge(to, what, factor)
    return changed


def _merge(target: Line, source: Line, factor: np.floating[Any]) -> Line:
    """Add two stored lines; the sum stores the union of their places, whatever the values are."""
    places = _stored.distinct(np.concatenate([target[0], source[0]]))
    old, added = np.zeros((2, len(places)), dtype=target[1].dtype)
    old[np.searchsorted(places, target[0])] = target[1]
    added[np.searchsorted(places, source[0])] = source[1]
    return places, _combine(old, added, factor)


def _combine(target: FloatArray, source: FloatArray, factor: np.floating[Any]) -> FloatArray:
    """Return target + factor · source in the arrays' dtype, rounded after each of the two steps."""
    with np.errstate(over="ignore"):
        combined = target + factor * source
    if not np.isfinite(combined).all():
        raise ValueError(f"factor must keep entries finite in {target.dtype}; received {factor}")
    return combined


def _column(W: sparse.csc_array, column: int) -> Line:
    entries = slice(*W.indptr[column : column + 2])
    return W.indices[entries], W.data[entries]


def _rows(W: sparse.csc_array, wanted: Iterable[int]) -> dict[int, Line]:
    """Collect some rows in one pass over the stored entries."""
    is_wanted = np.zeros(W.shape[0], dtype=np.bool_)
    is_wanted[list(wanted)] = True
    entries = np.flatnonzero(is_wanted[W.indices])
    entries = entries[np.argsort(W.indices[entries], kind="stable")]
    columns, values = _stored.column_of(W, entries), W.data[entries]
    rows = np.flatnonzero(is_wanted)
    ends = np.searchsorted(W.indices[entries], rows, side="right")
    starts = np.concatenate([[0], ends[:-1]])
    return {
        int(row): (columns[start:end], values[start:end])
        for row, start, end in zip(rows, starts, ends, strict=True)
    }
