"""Determinants of adjacency matrices, by elimination and from the cycles of the graph (S17).

An unfed input is a zero column, and an acyclic network permutes to a strictly triangular matrix:
both have det W = 0, and the latter det(I − W) = 1. So det(I − W), Mason's, is the one that tells of
cycles. Results come as sign and logarithm, for a determinant itself soon leaves the range of
floating-point numbers.
"""

import math
from itertools import islice
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.linalg import lapack
from scipy.sparse import csgraph
from scipy.sparse.linalg import splu

from graphops import _stored
from graphops.validation import FloatArray, Matrix, check_matrix, check_order

MAX_NODES_BY_CYCLES = 16
MAX_CYCLES = 20_000
_LARGEST_DENSE_BLOCK = 64
_EPSILON = float(np.finfo(np.float64).eps)


class SignedLogDeterminant(NamedTuple):
    """A determinant, ``sign · exp(log_abs)``: sign is −1, 0 or 1; a singular matrix has sign 0 and log_abs −inf."""

    sign: float
    log_abs: float


SINGULAR = SignedLogDeterminant(0.0, -math.inf)


def slogdet(W: Matrix) -> SignedLogDeterminant:
    """Return sign and logarithm of the determinant, by LU decomposition in float64.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)

    Returns
    -------
    SignedLogDeterminant
        Sign 0 and −inf if the matrix is singular, or cannot be told from a singular one in float64
        (see *Notes*). Sign 1 and 0 for n = 0.

    Raises
    ------
    ValueError
        If `W` is no finite square matrix.

    Notes
    -----
    Elimination is backward stable: LU is exact for a matrix that differs from `W` by at most
    n·ε·|L|·|U|, entry by entry. Where a pivot is within this bound for its own place, the sign is
    an accident of rounding, and the matrix counts as singular. The rule does not depend on the
    scaling of rows or columns: diag(1, 1e-30) is regular.

    A sparse matrix is first permuted to block triangular form: a matching of rows and columns puts
    non-zeros on the diagonal (there is none if the matrix is structurally singular), and then the
    strongly connected components are the diagonal blocks, whose determinants multiply. So acyclic
    parts of a network cost O(nnz), and only cycles are eliminated: densely up to 64 nodes, beyond
    that by SuperLU, whose fill-in can come to n² for one large random block.

    Examples
    --------
    >>> slogdet(np.array([[0.0, 1.0], [1.0, 0.0]]))
    SignedLogDeterminant(sign=-1.0, log_abs=0.0)
    >>> slogdet(sparse.csc_array(np.array([[1.0, 2.0], [2.0, 4.0]])))
    SignedLogDeterminant(sign=0.0, log_abs=-inf)
    """
    W = check_matrix(W, square=True)
    if isinstance(W, sparse.csc_array):
        return _slogdet_by_blocks(W)
    return _slogdet_dense(W.astype(np.float64))


def identity_minus(W: Matrix) -> Matrix:
    """Return I − W; its determinant is Mason's: ``slogdet(identity_minus(W))``.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)

    Returns
    -------
    ndarray or csc_array, shape (n, n), dtype of `W`
        A sparse result stores the entries of `W` and the diagonal.

    Raises
    ------
    ValueError
        If `W` is no finite square matrix.

    Notes
    -----
    O(nnz + n) on sparse input.

    Examples
    --------
    >>> identity_minus(np.array([[0.5, 1.0], [0.0, 0.0]]))
    array([[ 0.5, -1. ],
           [ 0. ,  1. ]])
    """
    W = check_matrix(W, square=True)
    zero, one = W.dtype.type(0), W.dtype.type(1)
    if not isinstance(W, sparse.csc_array):
        return np.eye(len(W), dtype=W.dtype) - W
    nodes = np.arange(W.shape[0])
    places, stored = _stored.locate(W, nodes, nodes)
    diagonal = np.zeros(len(nodes), dtype=W.dtype)
    diagonal[stored] = W.data[places[stored]]
    negated = _stored.assemble(W.indptr.copy(), W.indices.copy(), zero - W.data, W.shape)
    return _stored.write(negated, nodes, nodes, one - diagonal)


def permutation_sign(order: ArrayLike) -> int:
    """Return the sign of a permutation: 1 if it is even, −1 if odd.

    Parameters
    ----------
    order : array_like of int, shape (n,)
        Every number from 0 to n − 1 once.

    Returns
    -------
    int

    Raises
    ------
    TypeError, ValueError, IndexError
        If `order` is no permutation.

    Notes
    -----
    O(n): (−1)^(n − number of cycles).

    Examples
    --------
    >>> permutation_sign([1, 0, 2]), permutation_sign([1, 2, 0])
    (-1, 1)
    """
    n = np.size(order)
    to = check_order("order", order, n)
    if n == 0:
        return 1
    steps = sparse.csr_array((np.ones(n), to, np.arange(n + 1)), shape=(n, n))
    n_cycles = csgraph.connected_components(steps, directed=False, return_labels=False)
    return -1 if (n - n_cycles) % 2 else 1


def determinant_by_cycles(W: Matrix) -> float:
    """Return det W from the cycles of the graph: the sum over all ways to cover every node by one cycle.

    A cover by c disjoint cycles contributes (−1)^(n − c) times the product of its weights. C. L.
    Coates, *Flow-graph solutions of linear algebraic equations* (1959). For small graphs;
    :func:`slogdet` is for all others.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)
        At most 16 nodes.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If `W` is no finite square matrix, n is above 16, or there are more than 20,000 cycles (8
        nodes can always be done: all connected to all and to themselves, they form 16,072).

    Notes
    -----
    O(2ⁿ · cycles) at most. Cycles are enumerated by ``networkx.simple_cycles``.

    Examples
    --------
    >>> determinant_by_cycles(np.array([[2.0, 3.0], [4.0, 5.0]]))
    -2.0
    """
    cycles = _cycles(W)
    signed = [(nodes, -weight if len(nodes) % 2 == 0 else weight) for nodes, weight in cycles]
    return _sum_over_covers(signed, np.shape(W)[0], uncovered=0.0)


def mason_determinant(W: Matrix) -> float:
    """Return det(I − W) from the cycles of the graph: Mason's 1 − ΣL + ΣLL′ − … over disjoint cycles.

    L is the product of the weights along a cycle. S. J. Mason, *Feedback theory: further properties
    of signal flow graphs* (1956). It is 1 for an acyclic network. For small graphs.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)
        At most 16 nodes.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        As for :func:`determinant_by_cycles`.

    Examples
    --------
    >>> mason_determinant(np.array([[0.0, 3.0], [0.5, 0.0]]))
    -0.5
    """
    signed = [(nodes, -weight) for nodes, weight in _cycles(W)]
    return _sum_over_covers(signed, np.shape(W)[0], uncovered=1.0)


def _slogdet_dense(W: FloatArray) -> SignedLogDeterminant:
    n = len(W)
    if n == 0:
        return SignedLogDeterminant(1.0, 0.0)
    lu, exchanges, info = lapack.dgetrf(W)
    if info > 0:
        return SINGULAR
    lower, upper = np.tril(np.abs(lu), -1), np.triu(np.abs(lu))
    np.fill_diagonal(lower, 1.0)
    bounds = np.einsum("ik,ki->i", lower, upper)
    odd = np.count_nonzero(exchanges != np.arange(n)) % 2
    return _from_pivots(np.diagonal(lu), bounds, -1 if odd else 1)


def _from_pivots(pivots: FloatArray, bounds: FloatArray, sign: int) -> SignedLogDeterminant:
    """Multiply the pivots; `bounds` is the diagonal of |L|·|U|."""
    sizes = np.abs(pivots)
    if (sizes <= len(pivots) * _EPSILON * bounds).any():
        return SINGULAR
    n_negative = np.count_nonzero(pivots < 0)
    return SignedLogDeterminant(
        float(-sign if n_negative % 2 else sign), float(np.log(sizes).sum())
    )


def _slogdet_by_blocks(W: sparse.csc_array) -> SignedLogDeterminant:
    n = W.shape[0]
    W = _stored.keep(W, W.data != 0)  # a zero is no structure here; W itself keeps its own
    if n == 0:
        return SignedLogDeterminant(1.0, 0.0)
    if np.diff(W.indptr).min() == 0:
        return SINGULAR
    rows = csgraph.maximum_bipartite_matching(W.tocsr(), perm_type="row")
    if rows.min() < 0:
        return SINGULAR
    sign = permutation_sign(rows)
    matched = _rows_taken(W, rows)
    n_blocks, blocks = csgraph.connected_components(matched.tocsr(), connection="strong")
    order = np.argsort(blocks, kind="stable")
    ordered = _stored.permute(matched, order)
    sizes = np.bincount(blocks, minlength=n_blocks)
    starts = np.cumsum(sizes) - sizes
    alone = ordered.diagonal().astype(np.float64)[starts[sizes == 1]]
    log_abs = float(np.log(np.abs(alone)).sum())
    sign = -sign if np.count_nonzero(alone < 0) % 2 else sign
    for start, size in zip(starts[sizes > 1], sizes[sizes > 1], strict=True):
        block = ordered[start : start + size, start : start + size].astype(np.float64)
        small = size <= _LARGEST_DENSE_BLOCK
        factor = _slogdet_dense(block.toarray()) if small else _slogdet_sparse(block)
        if factor.sign == 0:
            return SINGULAR
        sign, log_abs = int(sign * factor.sign), log_abs + factor.log_abs
    return SignedLogDeterminant(float(sign), log_abs)


def _rows_taken(W: sparse.csc_array, rows: NDArray[np.intp]) -> sparse.csc_array:
    """Return ``W[rows]``, where row p of the result is row rows[p]."""
    places = np.empty(len(rows), dtype=W.indices.dtype)
    places[rows] = np.arange(len(rows))
    matrix = sparse.csc_array((W.data, places[W.indices], W.indptr), shape=W.shape)
    matrix.has_sorted_indices = False
    matrix.sort_indices()
    return matrix


def _slogdet_sparse(block: sparse.csc_array) -> SignedLogDeterminant:
    try:
        lu = splu(block)
    except RuntimeError as error:
        if "singular" in str(error):
            return SINGULAR
        raise
    bounds = abs(lu.L).multiply(abs(lu.U).T).sum(axis=1)
    sign = permutation_sign(lu.perm_r) * permutation_sign(lu.perm_c)
    return _from_pivots(lu.U.diagonal(), np.asarray(bounds).ravel(), sign)


def _cycles(W: Any) -> list[tuple[frozenset[int], float]]:
    """Return the nodes of every simple cycle, and the product of the weights along it."""
    W = check_matrix(W, square=True)
    n = W.shape[0]
    if n > MAX_NODES_BY_CYCLES:
        raise ValueError(f"W must have at most {MAX_NODES_BY_CYCLES} nodes; received {n}")
    weights = W.toarray() if isinstance(W, sparse.csc_array) else W
    graph = nx.DiGraph(zip(*np.nonzero(weights), strict=True))
    found = list(islice(nx.simple_cycles(graph), MAX_CYCLES + 1))
    if len(found) > MAX_CYCLES:
        raise ValueError(f"W must have at most {MAX_CYCLES} cycles; received more, on {n} nodes")
    return [
        (
            frozenset(map(int, nodes)),
            math.prod(
                float(weights[i, j]) for i, j in zip(nodes, nodes[1:] + nodes[:1], strict=True)
            ),
        )
        for nodes in found
    ]


def _sum_over_covers(cycles: list[tuple[frozenset[int], float]], n: int, uncovered: float) -> float:
    """Add up the products over all sets of disjoint cycles, with a factor for every node in none.

    ``totals[mask]`` is the sum over the nodes in `mask`: its lowest node is in no cycle, or in
    exactly one.
    """
    through: list[list[tuple[int, float]]] = [[] for _ in range(n)]
    for nodes, weight in cycles:
        through[min(nodes)].append((sum(1 << node for node in nodes), weight))
    totals = [1.0] + [0.0] * ((1 << n) - 1)
    for mask in range(1, 1 << n):
        lowest = (mask & -mask).bit_length() - 1
        totals[mask] = uncovered * totals[mask & (mask - 1)] + sum(
            weight * totals[mask & ~covered]
            for covered, weight in through[lowest]
            if covered & mask == covered
        )
    return totals[-1]
