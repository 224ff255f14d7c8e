"""Elementary operations on an adjacency matrix: the seed's letters B, C, D, F, H and N (S20).

``W[i, j]`` is the weight of the edge from node i to node j: column j is what j listens to, row i is
whom i speaks to. Every function takes an ndarray or a sparse array and returns a new matrix of the
same kind and dtype; a sparse result is a canonical ``csc_array``. On sparse input stored zeros stay
stored, nothing is made dense, and the work is O(nnz + n). B, C, D and F also take rectangular
matrices: a bias goes along as one further row of `W`.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from graphops import _stored
from graphops.validation import (
    FloatArray,
    Matrix,
    check_indices,
    check_matrix,
    check_number,
    check_order,
    check_two_indices,
)


def swap_columns(W: Matrix, a: int, b: int) -> Matrix:
    """Exchange two columns: nodes a and b exchange what they listen to (S20 B).

    As algebra W·P with P the transposition of a and b. The determinant changes its sign. Undone by
    itself, exactly.

    Parameters
    ----------
    W : ndarray or sparse array, shape (m, n)
    a, b : int
        Two different columns.

    Returns
    -------
    ndarray or csc_array, shape (m, n)

    Raises
    ------
    IndexError
        If a or b is not from 0 to n − 1.
    ValueError
        If a = b, or `W` is no finite matrix.

    Examples
    --------
    >>> swap_columns(np.array([[1.0, 2.0], [3.0, 4.0]]), 0, 1)
    array([[2., 1.],
           [4., 3.]])
    """
    W = check_matrix(W)
    a, b = check_two_indices(("a", "b"), a, b, W.shape[1])
    if isinstance(W, sparse.csc_array):
        return _stored.exchange_columns(W, a, b)
    swapped = W.copy()
    swapped[:, [a, b]] = W[:, [b, a]]
    return swapped


def add_column(W: Matrix, source: int, target: int, factor: float) -> Matrix:
    """Add a multiple of one column to another: target also listens to source's sources (S20 C).

    As algebra W·(I + k·e_a·e_bᵀ) with a = source, b = target, k = factor. The determinant does not
    change. Undone by −k, to rounding. A sparse result stores the union of both columns' entries,
    whatever the values are.

    Parameters
    ----------
    W : ndarray or sparse array, shape (m, n)
    source, target : int
        Two different columns.
    factor : float
        Rounded to the dtype of `W`, in which the sum is computed.

    Returns
    -------
    ndarray or csc_array, shape (m, n)

    Raises
    ------
    IndexError
        If source or target is not from 0 to n − 1.
    ValueError
        If they are the same, factor is not finite, or an entry would not be.

    Examples
    --------
    >>> add_column(np.array([[1.0, 2.0], [3.0, 4.0]]), 0, 1, 10.0)
    array([[ 1., 12.],
           [ 3., 34.]])
    """
    W = check_matrix(W)
    source, target = check_two_indices(("source", "target"), source, target, W.shape[1])
    k = _factor(factor, W.dtype)
    if not isinstance(W, sparse.csc_array):
        changed = W.copy()
        changed[:, target] = _combine(W[:, target], W[:, source], k)
        return changed
    ours = slice(*W.indptr[source : source + 2])
    theirs = slice(*W.indptr[target : target + 2])
    rows = _stored.distinct(np.concatenate([W.indices[theirs], W.indices[ours]]))
    old, added = np.zeros((2, len(rows)), dtype=W.dtype)
    old[np.searchsorted(rows, W.indices[theirs])] = W.data[theirs]
    added[np.searchsorted(rows, W.indices[ours])] = W.data[ours]
    return _stored.splice_column(W, target, rows, _combine(old, added, k))


def swap_rows(W: Matrix, a: int, b: int) -> Matrix:
    """Exchange two rows: nodes a and b exchange whom they speak to (S20 D).

    As algebra P·W with P the transposition of a and b. The determinant changes its sign. Undone by
    itself, exactly.

    Parameters
    ----------
    W : ndarray or sparse array, shape (m, n)
    a, b : int
        Two different rows.

    Returns
    -------
    ndarray or csc_array, shape (m, n)

    Raises
    ------
    IndexError
        If a or b is not from 0 to m − 1.
    ValueError
        If a = b, or `W` is no finite matrix.

    Examples
    --------
    >>> swap_rows(np.array([[1.0, 2.0], [3.0, 4.0]]), 0, 1)
    array([[3., 4.],
           [1., 2.]])
    """
    W = check_matrix(W)
    a, b = check_two_indices(("a", "b"), a, b, W.shape[0])
    if isinstance(W, sparse.csc_array):
        return _stored.exchange_rows(W, a, b)
    swapped = W.copy()
    swapped[[a, b]] = W[[b, a]]
    return swapped


def add_row(W: Matrix, source: int, target: int, factor: float) -> Matrix:
    """Add a multiple of one row to another: target also speaks to source's targets (S20 F).

    As algebra (I + k·e_b·e_aᵀ)·W with a = source, b = target, k = factor. The determinant does not
    change. Undone by −k, to rounding. A sparse result stores the union of both rows' entries,
    whatever the values are.

    Parameters
    ----------
    W : ndarray or sparse array, shape (m, n)
    source, target : int
        Two different rows.
    factor : float
        Rounded to the dtype of `W`, in which the sum is computed.

    Returns
    -------
    ndarray or csc_array, shape (m, n)

    Raises
    ------
    IndexError
        If source or target is not from 0 to m − 1.
    ValueError
        If they are the same, factor is not finite, or an entry would not be.

    Examples
    --------
    >>> add_row(np.array([[1.0, 2.0], [3.0, 4.0]]), 0, 1, 10.0)
    array([[ 1.,  2.],
           [13., 24.]])
    """
    W = check_matrix(W)
    source, target = check_two_indices(("source", "target"), source, target, W.shape[0])
    k = _factor(factor, W.dtype)
    if not isinstance(W, sparse.csc_array):
        changed = W.copy()
        changed[target] = _combine(W[target], W[source], k)
        return changed
    at_source = np.flatnonzero(W.indices == source)
    columns = _stored.column_of(W, at_source)
    rows = np.full(len(columns), target)
    places, stored = _stored.locate(W, rows, columns)
    old = np.zeros(len(columns), dtype=W.dtype)
    old[stored] = W.data[places[stored]]
    return _stored.write(W, rows, columns, _combine(old, W.data[at_source], k))


def reorder(W: Matrix, order: ArrayLike) -> Matrix:
    """Permute rows and columns together: nodes change place and take their edges along (S20 H).

    As algebra P·W·Pᵀ with P[p, order[p]] = 1; for an ndarray, ``W[order][:, order]``. Determinant
    and spectrum do not change. Undone by the inverse order, ``numpy.argsort(order)``, exactly.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)
    order : array_like of int, shape (n,)
        Position p of the result holds the node that was at ``order[p]``.

    Returns
    -------
    ndarray or csc_array, shape (n, n)

    Raises
    ------
    IndexError
        If an element of order is not from 0 to n − 1.
    ValueError
        If `W` is not square, or order does not name every node once.

    Notes
    -----
    O(nnz·log d + n) on sparse input, d the largest number of entries in a column.

    Examples
    --------
    >>> reorder(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]), [2, 0, 1])
    array([[9., 7., 8.],
           [3., 1., 2.],
           [6., 4., 5.]])
    """
    W = check_matrix(W, square=True)
    nodes = check_order("order", order, W.shape[0])
    if isinstance(W, sparse.csc_array):
        return _stored.permute(W, nodes)
    return W[np.ix_(nodes, nodes)]


def assign(W: Matrix, rows: ArrayLike, columns: ArrayLike, values: ArrayLike) -> Matrix:
    """Give entries a value, and store those that are not stored yet (S20 N).

    The determinant is to be computed anew.

    Parameters
    ----------
    W : ndarray or sparse array, shape (m, n)
    rows, columns : array_like of int, shape (k,)
        The entries, each at most once, in any order.
    values : array_like, shape (k,) or ()
        One each, or one for all; rounded to the dtype of `W`. An assigned zero is stored.

    Returns
    -------
    ndarray or csc_array, shape (m, n)

    Raises
    ------
    IndexError
        If a row or column is out of range.
    ValueError
        If the lengths differ, an entry is named twice, or a value is not finite.

    Notes
    -----
    O(nnz + n + k·log k) on sparse input.

    Examples
    --------
    >>> assign(np.zeros((2, 2)), [1, 0], [0, 1], [0.5, -2.0])
    array([[ 0. , -2. ],
           [ 0.5,  0. ]])
    """
    W = check_matrix(W)
    at_rows = check_indices("rows", rows, W.shape[0])
    at_columns = check_indices("columns", columns, W.shape[1])
    if len(at_rows) != len(at_columns):
        raise ValueError(
            f"rows and columns must have one length; received {len(at_rows)} and {len(at_columns)}"
        )
    weights = _values(values, len(at_rows), W.dtype)
    order = np.lexsort((at_rows, at_columns))
    at_rows, at_columns, weights = at_rows[order], at_columns[order], weights[order]
    twice = (np.diff(at_rows) == 0) & (np.diff(at_columns) == 0)
    if twice.any():
        first = int(np.argmax(twice))
        raise ValueError(
            "rows and columns must name an entry once; "
            f"received ({at_rows[first]}, {at_columns[first]}) repeatedly"
        )
    if isinstance(W, sparse.csc_array):
        return _stored.write(W, at_rows, at_columns, weights)
    changed = W.copy()
    changed[at_rows, at_columns] = weights
    return changed


def _factor(value: Any, dtype: np.dtype[Any]) -> np.floating[Any]:
    with np.errstate(over="ignore"):
        factor: np.floating[Any] = dtype.type(check_number("factor", value))
    if not np.isfinite(factor):
        raise ValueError(f"factor must be finite in {dtype}; received {value}")
    return factor


def _combine(target: FloatArray, source: FloatArray, factor: np.floating[Any]) -> FloatArray:
    """Return target + factor · source in the arrays' dtype, rounded after each of the two steps."""
    with np.errstate(over="ignore"):
        combined = target + factor * source
    if not np.isfinite(combined).all():
        raise ValueError(f"factor must keep entries finite in {target.dtype}; received {factor}")
    return combined


def _values(values: ArrayLike, length: int, dtype: np.dtype[Any]) -> FloatArray:
    given = np.asarray(values)
    if given.dtype.kind not in "iuf":
        raise TypeError(f"values must hold real numbers; received {given.dtype}")
    if given.ndim and given.shape != (length,):
        raise ValueError(f"values must be one number or {length}; received shape {given.shape}")
    with np.errstate(over="ignore"):
        rounded = np.broadcast_to(given.astype(dtype), (length,))
    if not np.isfinite(rounded).all():
        value = np.broadcast_to(given, (length,))[~np.isfinite(rounded)][0]
        raise ValueError(f"values must be finite in {dtype}; received {value}")
    return rounded
