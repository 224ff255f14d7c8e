"""Elementary operations on an adjacency matrix: the seed's letters B, C, D, F, H and N (S20).

``W[i, j]`` is the weight of the edge from node i to node j: column j is what j listens to, row i is
whom i speaks to. Every function takes an ndarray or a sparse array and returns a new matrix of the
same kind and dtype; a sparse result is a canonical ``csc_array``. On sparse input stored zeros stay
stored, nothing is made dense, and the work is O(nnz + n). B, C, D and F also take rectangular
matrices: a bias goes along as one further row of `W`.

An ndarray may have further axes, (m, n, k, k): every entry is then a kernel, and each of its taps is
treated as that entry of a matrix of its own.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from graphops import _lines, _stored
from graphops.validation import (
    FloatArray,
    Matrix,
    check_indices,
    check_matrix,
    check_order,
    check_two_indices,
)


def swap_columns(W: Matrix, a: int, b: int) -> Matrix:
    """Exchange two columns: nodes a and b exchange what they listen to (S20 B).

    As algebra W·P with P the transposition of a and b. The determinant changes its sign. Undone by
    itself, exactly.

    Parameters
    ----------
    W : ndarray or sparse array, shape (m, n, …)
    a, b : int
        Two different columns.

    Returns
    -------
    ndarray or csc_array, shape (m, n, …)

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
    W = check_matrix(W, kernel_axes=True)
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
    W : ndarray or sparse array, shape (m, n, …)
    source, target : int
        Two different columns.
    factor : float
        Rounded to the dtype of `W`, in which the sum is computed.

    Returns
    -------
    ndarray or csc_array, shape (m, n, …)

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
    W = check_matrix(W, kernel_axes=True)
    source, target = check_two_indices(("source", "target"), source, target, W.shape[1])
    return _lines.add_columns(W, [(source, target, factor)])


def swap_rows(W: Matrix, a: int, b: int) -> Matrix:
    """Exchange two rows: nodes a and b exchange whom they speak to (S20 D).

    As algebra P·W with P the transposition of a and b. The determinant changes its sign. Undone by
    itself, exactly.

    Parameters
    ----------
    W : ndarray or sparse array, shape (m, n, …)
    a, b : int
        Two different rows.

    Returns
    -------
    ndarray or csc_array, shape (m, n, …)

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
    W = check_matrix(W, kernel_axes=True)
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
    W : ndarray or sparse array, shape (m, n, …)
    source, target : int
        Two different rows.
    factor : float
        Rounded to the dtype of `W`, in which the sum is computed.

    Returns
    -------
    ndarray or csc_array, shape (m, n, …)

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
    W = check_matrix(W, kernel_axes=True)
    source, target = check_two_indices(("source", "target"), source, target, W.shape[0])
    return _lines.add_rows(W, [(source, target, factor)])


def reorder(W: Matrix, order: ArrayLike) -> Matrix:
    """Permute rows and columns together: nodes change place and take their edges along (S20 H).

    As algebra P·W·Pᵀ with P[p, order[p]] = 1; for an ndarray, ``W[order][:, order]``. Determinant
    and spectrum do not change. Undone by the inverse order, ``numpy.argsort(order)``, exactly.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n, …)
    order : array_like of int, shape (n,)
        Position p of the result holds the node that was at ``order[p]``.

    Returns
    -------
    ndarray or csc_array, shape (n, n, …)

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
    W = check_matrix(W, square=True, kernel_axes=True)
    nodes = check_order("order", order, W.shape[0])
    if isinstance(W, sparse.csc_array):
        return _stored.permute(W, nodes)
    return W[np.ix_(nodes, nodes)]


def assign(W: Matrix, rows: ArrayLike, columns: ArrayLike, values: ArrayLike) -> Matrix:
    """Give entries a value, and store those that are not stored yet (S20 N).

    The determinant is to be computed anew.

    Parameters
    ----------
    W : ndarray or sparse array, shape (m, n, …)
    rows, columns : array_like of int, shape (k,)
        The entries, each at most once, in any order.
    values : array_like, shape (k, …) or ()
        One each, or one for all; rounded to the dtype of `W`. An assigned zero is stored. Where the
        entries of `W` are kernels, so are the values.

    Returns
    -------
    ndarray or csc_array, shape (m, n, …)

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
    W = check_matrix(W, kernel_axes=True)
    at_rows = check_indices("rows", rows, W.shape[0])
    at_columns = check_indices("columns", columns, W.shape[1])
    if len(at_rows) != len(at_columns):
        raise ValueError(
            f"rows and columns must have one length; received {len(at_rows)} and {len(at_columns)}"
        )
    weights = _values(values, (len(at_rows), *W.shape[2:]), W.dtype)
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


def _values(values: ArrayLike, shape: tuple[int, ...], dtype: np.dtype[Any]) -> FloatArray:
    """Round values, one per place or one for all, to the dtype; `shape` is theirs if one each."""
    given = np.asarray(values)
    if given.dtype.kind not in "iuf":
        raise TypeError(f"values must hold real numbers; received {given.dtype}")
    if given.ndim and given.shape != shape:
        size = shape[0] if len(shape) == 1 else f"of shape {shape}"
        raise ValueError(f"values must be one number or {size}; received shape {given.shape}")
    with np.errstate(over="ignore"):
        rounded = np.broadcast_to(given.astype(dtype), shape)
    if not np.isfinite(rounded).all():
        value = np.broadcast_to(given, shape)[~np.isfinite(rounded)][0]
        raise ValueError(f"values must be finite in {dtype}; received {value}")
    return rounded
