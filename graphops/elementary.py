"""Elementary operations on an adjacency matrix: the seed's letters B, C, D, F, H and N (S20).

``W[i, j]`` is the weight of the edge from node i to node j: column j holds the in-edges of node j, row i the out-edges
of node i. Every function takes an ndarray or a sparse array and returns a new matrix of the same kind and dtype. A
sparse result is a canonical ``csc_array``, stored zeros stay stored, and the work on sparse input is O(nnz + n). B, C,
D and F also accept rectangular matrices, such as a matrix with one further row of biases.

An ndarray may have further axes, (m, n, k, k). Each entry is then a kernel, and the operation applies to each tap.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from graphops import _stored
from graphops.linemap import add_columns, add_rows, transposition
from graphops.validation import (
    FloatArray,
    Matrix,
    check_indices,
    check_matrix,
    check_order,
    check_two_indices,
)


def swap_columns(W: Matrix, a: int, b: int) -> Matrix:
    """Exchange two columns: nodes a and b exchange their in-edges (S20 B).

    As algebra W·P with P the transposition of a and b. The determinant changes its sign. The operation is its own
    inverse, exactly.

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
        If a = b, or `W` is not a finite matrix.

    Examples
    --------
    >>> swap_columns(np.array([[1.0, 2.0], [3.0, 4.0]]), 0, 1)
    array([[2., 1.],
           [4., 3.]])
    """
    W = check_matrix(W, kernel_axes=True)
    order = transposition(W.shape[1], a, b)
    return _stored.take(W, order, None) if isinstance(W, sparse.csc_array) else np.take(W, order, 1)


def add_column(W: Matrix, source: int, target: int, factor: float) -> Matrix:
    """Add a multiple of one column to another: the target gains in-edges from the source's predecessors (S20 C).

    As algebra W·(I + k·e_a·e_bᵀ) with a = source, b = target, k = factor. The determinant does not change. The inverse
    is the addition of −k, up to rounding. A sparse result stores the union of both columns' entries.

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
        If source = target, or factor or a resulting entry is not finite.

    Examples
    --------
    >>> add_column(np.array([[1.0, 2.0], [3.0, 4.0]]), 0, 1, 10.0)
    array([[ 1., 12.],
           [ 3., 34.]])
    """
    W = check_matrix(W, kernel_axes=True)
    source, target = check_two_indices(("source", "target"), source, target, W.shape[1])
    return add_columns(W, [(source, target, factor)])


def swap_rows(W: Matrix, a: int, b: int) -> Matrix:
    """Exchange two rows: nodes a and b exchange their out-edges (S20 D).

    As algebra P·W with P the transposition of a and b. The determinant changes its sign. The operation is its own
    inverse, exactly. Parameters and errors are those of :func:`swap_columns`, for rows.

    Examples
    --------
    >>> swap_rows(np.array([[1.0, 2.0], [3.0, 4.0]]), 0, 1)
    array([[3., 4.],
           [1., 2.]])
    """
    W = check_matrix(W, kernel_axes=True)
    order = transposition(W.shape[0], a, b)  # its own inverse
    return _stored.take(W, None, order) if isinstance(W, sparse.csc_array) else np.take(W, order, 0)


def add_row(W: Matrix, source: int, target: int, factor: float) -> Matrix:
    """Add a multiple of one row to another: the target gains out-edges to the source's successors (S20 F).

    As algebra (I + k·e_b·e_aᵀ)·W with a = source, b = target, k = factor. The determinant does not change. The inverse
    is the addition of −k, up to rounding. Parameters and errors are those of :func:`add_column`, for rows.

    Examples
    --------
    >>> add_row(np.array([[1.0, 2.0], [3.0, 4.0]]), 0, 1, 10.0)
    array([[ 1.,  2.],
           [13., 24.]])
    """
    W = check_matrix(W, kernel_axes=True)
    source, target = check_two_indices(("source", "target"), source, target, W.shape[0])
    return add_rows(W, [(source, target, factor)])


def reorder(W: Matrix, order: ArrayLike) -> Matrix:
    """Permute rows and columns together: nodes change their position and keep their edges (S20 H).

    As algebra P·W·Pᵀ with P[p, order[p]] = 1; for an ndarray, ``W[order][:, order]``. Determinant and spectrum do not
    change. The inverse is the order ``numpy.argsort(order)``, exactly.

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
        If `W` is not square, or `order` does not name every node once.

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
    """Set entries to given values, and store those that are not stored yet (S20 N).

    The determinant follows no law.

    Parameters
    ----------
    W : ndarray or sparse array, shape (m, n, …)
    rows, columns : array_like of int, shape (k,)
        The entries, each at most once, in any order.
    values : array_like, shape (k, …) or ()
        One value each, or one for all; rounded to the dtype of `W`. An assigned zero is stored. If the entries of `W`
        are kernels, the values are kernels too.

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
            f"rows and columns must have one length; got {len(at_rows)} and {len(at_columns)}"
        )
    weights = _values(values, (len(at_rows), *W.shape[2:]), W.dtype)
    order = np.lexsort((at_rows, at_columns))
    at_rows, at_columns, weights = at_rows[order], at_columns[order], weights[order]
    twice = (np.diff(at_rows) == 0) & (np.diff(at_columns) == 0)
    if twice.any():
        first = int(np.argmax(twice))
        raise ValueError(
            "rows and columns must name an entry once; "
            f"got ({at_rows[first]}, {at_columns[first]}) repeatedly"
        )
    if isinstance(W, sparse.csc_array):
        return _stored.write(W, at_rows, at_columns, weights)
    changed = W.copy()
    changed[at_rows, at_columns] = weights
    return changed


def _values(values: ArrayLike, shape: tuple[int, ...], dtype: np.dtype[Any]) -> FloatArray:
    """Round values to the dtype and broadcast one value to the shape."""
    given = np.asarray(values)
    if given.dtype.kind not in "iuf":
        raise TypeError(f"values must hold real numbers; got {given.dtype}")
    if given.ndim and given.shape != shape:
        size = shape[0] if len(shape) == 1 else f"of shape {shape}"
        raise ValueError(f"values must be one number or {size}; got shape {given.shape}")
    with np.errstate(over="ignore"):
        rounded = np.broadcast_to(given.astype(dtype), shape)
    if not np.isfinite(rounded).all():
        value = np.broadcast_to(given, shape)[~np.isfinite(rounded)][0]
        raise ValueError(f"values must be finite in {dtype}; got {value}")
    return rounded
