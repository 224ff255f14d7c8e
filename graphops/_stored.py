"""Index arithmetic on the stored entries of sparse matrices.

All functions work on the three arrays of a canonical ``csc_array``. A stored zero is an entry like any other. All
functions are O(touched) or O(nnz + n), without a Python loop over entries.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from graphops.validation import BoolArray, FloatArray, IntArray

_Integer = TypeVar("_Integer", bound=np.integer[Any])

INT32_MAX = int(np.iinfo(np.int32).max)


def assemble(
    indptr: IntArray, indices: IntArray, data: FloatArray, shape: tuple[int, int]
) -> sparse.csc_array:
    """Return a canonical csc_array of sorted entries, with int32 indices if the sizes permit."""
    dtype = index_type(max(*shape, len(data)))
    indices, indptr = indices.astype(dtype, copy=False), indptr.astype(dtype, copy=False)
    matrix: sparse.csc_array = canonical(sparse.csc_array, indptr, indices, data, shape)
    return matrix


def canonical(
    kind: Any, indptr: IntArray, indices: IntArray, data: FloatArray, shape: tuple[int, int]
) -> Any:
    """Return a compressed array of sorted entries without duplicates; SciPy does not check the arrays again."""
    matrix = kind(shape, dtype=data.dtype)
    matrix.indptr, matrix.indices, matrix.data = indptr, indices, data
    matrix.has_canonical_format = True
    return matrix


def index_type(largest: int) -> type[np.int32 | np.int64]:
    """Return the smaller integer type that holds a number."""
    return np.int32 if largest <= INT32_MAX else np.int64


def pointers(lengths: IntArray) -> NDArray[np.int64]:
    """Return `indptr` from the number of entries of each column."""
    indptr = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return indptr


def column_of_entries(W: sparse.csc_array) -> NDArray[np.intp]:
    """Return the column of every stored entry, in CSC order."""
    return np.repeat(np.arange(W.shape[1]), np.diff(W.indptr))


def column_of(W: sparse.csc_array, positions: IntArray) -> NDArray[np.intp]:
    """Return the columns of the stored entries at some positions."""
    columns: NDArray[np.intp] = np.searchsorted(W.indptr, positions, side="right") - 1
    return columns


def ranges(starts: IntArray, lengths: IntArray) -> NDArray[np.intp]:
    """Concatenate ``arange(start, start + length)`` over pairs of `starts` and `lengths`."""
    ends = np.cumsum(lengths, dtype=np.intp)
    total = int(ends[-1]) if ends.size else 0
    numbers: NDArray[np.intp] = np.arange(total) + np.repeat(starts - (ends - lengths), lengths)
    return numbers


def distinct(numbers: NDArray[_Integer]) -> NDArray[_Integer]:
    """Return the distinct numbers in ascending order; faster than ``numpy.unique`` on presorted input."""
    ascending = np.sort(numbers, kind="stable")  # merges ascending runs
    first = np.ones(len(ascending), dtype=np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=first[1:])
    return ascending[first]


def locate(
    W: sparse.csc_array, rows: IntArray, columns: IntArray
) -> tuple[NDArray[np.intp], BoolArray]:
    """Find the positions of k entries (rows, columns): where they are stored, or would be inserted.

    Returns the position of the first entry of the column whose row is not smaller, and whether it is the entry itself.
    The binary search runs in all columns together: O(k log(longest column)).
    """
    low = W.indptr[columns].astype(np.intp)
    end = W.indptr[np.asarray(columns) + 1].astype(np.intp)
    high = end.copy()
    last = len(W.indices) - 1
    while (low < high).any():
        middle = (low + high) // 2
        before = (low < high) & (W.indices[np.minimum(middle, last)] < rows)
        low = np.where(before, middle + 1, low)
        high = np.where(before, high, middle)
    found = low < end
    found[found] = W.indices[low[found]] == np.broadcast_to(rows, found.shape)[found]
    return low, found


def write(
    W: sparse.csc_array, rows: IntArray, columns: IntArray, values: FloatArray
) -> sparse.csc_array:
    """Overwrite entries given in CSC order, and insert those that are not stored: O(nnz + n)."""
    return put(W, *locate(W, rows, columns), rows, columns, values)


def put(
    W: sparse.csc_array,
    places: NDArray[np.integer[Any]],
    stored: BoolArray,
    rows: IntArray,
    columns: IntArray,
    values: FloatArray,
) -> sparse.csc_array:
    """Write entries as :func:`write`, where :func:`locate` found them."""
    new = ~stored
    places = places + (np.cumsum(new) - new)  # shifted by the insertions before
    total = len(W.data) + int(np.count_nonzero(new))
    old = np.ones(total, dtype=np.bool_)
    old[places[new]] = False
    indices = np.empty(total, dtype=W.indices.dtype)
    data = np.empty(total, dtype=W.data.dtype)
    indices[old], data[old] = W.indices, W.data
    indices[places], data[places] = rows, values
    lengths = np.diff(W.indptr) + np.bincount(columns[new], minlength=W.shape[1])
    return assemble(pointers(lengths), indices, data, W.shape)


def keep(W: sparse.csc_array, mask: BoolArray) -> sparse.csc_array:
    """Return the matrix of the stored entries marked by `mask`, in CSC order: O(nnz + n)."""
    before = np.zeros(len(mask) + 1, dtype=np.int64)
    np.cumsum(mask, out=before[1:])
    return assemble(before[W.indptr], W.indices[mask], W.data[mask], W.shape)


def splice_columns(
    W: sparse.csc_array, columns: Mapping[int, tuple[IntArray, FloatArray]]
) -> sparse.csc_array:
    """Replace the entries of some columns by others (rows, values): O(nnz + n)."""
    lengths = np.diff(W.indptr)
    indices, data, end = [], [], 0
    for column in sorted(columns):
        rows, values = columns[column]
        lengths[column] = len(rows)
        before = slice(end, W.indptr[column])
        indices += [W.indices[before], rows]
        data += [W.data[before], values]
        end = W.indptr[column + 1]
    return assemble(
        pointers(lengths),
        np.concatenate([*indices, W.indices[end:]]),
        np.concatenate([*data, W.data[end:]]),
        W.shape,
    )


def transpose(W: sparse.csc_array) -> sparse.csc_array:
    """Return the transpose with the same stored entries, zeros too: O(nnz + n)."""
    turned = W.T.tocsc()
    return assemble(turned.indptr, turned.indices, turned.data, turned.shape)


def permute(W: sparse.csc_array, order: NDArray[np.intp]) -> sparse.csc_array:
    """Reorder rows and columns alike: O(nnz log(longest column) + n)."""
    place = np.empty(len(order), dtype=W.indices.dtype)
    place[order] = np.arange(len(order))
    return take(W, order, place)


def take(
    W: sparse.csc_array, columns: NDArray[np.intp] | None, place: IntArray | None
) -> sparse.csc_array:
    """Take columns of `W` in another order, and move row i to ``place[i]``.

    With None columns or rows do not move. O(nnz + n), plus O(log(column)) for each entry of the columns whose rows are
    not ascending in the result.
    """
    picked = W.copy() if columns is None else W[:, columns]
    if place is not None:
        picked.indices = place.astype(picked.indices.dtype, copy=False)[picked.indices]
        _sort_columns(picked)
    return assemble(picked.indptr, picked.indices, picked.data, W.shape)


def _sort_columns(W: sparse.csc_array) -> None:
    """Sort in place the columns whose rows are not ascending."""
    falls = W.indices[1:] < W.indices[:-1]
    ends = W.indptr[1:-1]
    falls[ends[(ends > 0) & (ends < len(W.indices))] - 1] = False
    columns = distinct(column_of(W, np.flatnonzero(falls)))
    W.has_sorted_indices = not columns.size
    if 2 * columns.size > W.shape[1]:
        W.sort_indices()
        return
    lengths = np.diff(W.indptr)[columns]
    entries = ranges(W.indptr[columns], lengths)
    parts: tuple[Any, ...] = (W.data[entries], W.indices[entries], pointers(lengths))
    unsorted = sparse.csc_array(parts, shape=(W.shape[0], len(columns)))
    unsorted.has_sorted_indices = False
    unsorted.sort_indices()
    W.indices[entries], W.data[entries] = unsorted.indices, unsorted.data
