"""Determinants of adjacency matrices, by elimination and from the cycles of the graph (S17).

A node without in-edges is a zero column, so det W = 0. An acyclic network permutes to a strictly triangular matrix, so
det W = 0 and det(I − W) = 1. Therefore Mason's determinant det(I − W) shows the cycles. Results are sign and logarithm,
because determinants soon leave the range of floats.
"""

import math
from functools import cache
from itertools import islice, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.linalg import lapack
from scipy.sparse import csgraph
from scipy.sparse.linalg import splu

from graphops import _stored
from graphops.validation import (
    BoolArray,
    FloatArray,
    IntArray,
    Matrix,
    check_edges,
    check_matrix,
    check_order,
)

MAX_NODES_BY_CYCLES = 16
MAX_CYCLES = 20_000
_LARGEST_DENSE_BLOCK = 256
_DENSE_FILL = 10
_UNIT_ROUNDOFF = 2.0**-53


class SignedLogDeterminant(NamedTuple):
    """A determinant, ``sign · exp(log_abs)``; a singular matrix has sign 0 and log_abs −inf."""

    sign: float
    log_abs: float


_SINGULAR = SignedLogDeterminant(0.0, -math.inf)


def slogdet(W: Matrix) -> SignedLogDeterminant:
    """Return sign and logarithm of the determinant, by LU decomposition in float64.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)

    Returns
    -------
    SignedLogDeterminant
        Sign 0 and −inf if the matrix is singular or not distinguishable from a singular one in float64 (see *Notes*).
        Sign 1 and 0 for n = 0.

    Raises
    ------
    ValueError
        If `W` is not a finite square matrix.

    Notes
    -----
    The matrix is first permuted to block triangular form. A matching of rows and columns puts non-zeros on the
    diagonal; without a matching the matrix is structurally singular. The strongly connected components are then the
    diagonal blocks, and their determinants multiply. Acyclic parts of a network cost O(nnz + n). Blocks of several
    nodes are factorized by LAPACK up to 256 nodes or if at least a tenth of the block is stored, else by SuperLU, whose
    fill-in may reach n² for one large random block.

    The factorization is backward stable: L·U is exact for a matrix that differs from the block by at most n·u·|L|·|U|,
    entry by entry, with u = 2⁻⁵³. If a singular matrix lies within this bound, the sign depends on rounding, and the
    block counts as singular. With LAPACK the criterion is n·u·trace(|(LU)⁻¹|·|L|·|U|) ≥ 1. With SuperLU, where an
    inverse is too expensive, it is a pivot within the bound of its own entry. Rows and columns are first scaled by
    powers of two, so their scale has no effect: diag(1, 1e-30) is regular.

    Examples
    --------
    >>> slogdet(np.array([[0.0, 1.0], [1.0, 0.0]]))
    SignedLogDeterminant(sign=-1.0, log_abs=0.0)
    >>> slogdet(sparse.csc_array(np.array([[1.0, 2.0], [2.0, 4.0]])))
    SignedLogDeterminant(sign=0.0, log_abs=-inf)
    """
    W = check_edges(W)
    stored = W.data != 0  # stored zeros are not part of the structure
    W = W if stored.all() else _stored.keep(W, stored)
    n = W.shape[0]
    if n == 0:
        return SignedLogDeterminant(1.0, 0.0)
    if np.diff(W.indptr).min() == 0:
        return _SINGULAR
    transposed = _stored.canonical(sparse.csr_array, W.indptr, W.indices, W.data, W.shape)
    rows = csgraph.maximum_bipartite_matching(transposed, perm_type="column")
    if rows.min() < 0:
        return _SINGULAR
    matched = _rows_taken(W, rows)
    n_blocks, blocks = csgraph.connected_components(matched, connection="strong")
    sizes = np.bincount(blocks, minlength=n_blocks)
    columns = _stored.column_of_entries(matched)
    in_block = blocks[matched.indices] == blocks[columns]
    entries = matched.indices[in_block], columns[in_block], matched.data[in_block]
    diagonal = np.empty(n)
    on = matched.indices == columns
    diagonal[columns[on]] = matched.data[on]
    single = np.flatnonzero(sizes[blocks] == 1)
    alone = diagonal[single[np.argsort(blocks[single], kind="stable")]]
    sign = float(_sign(rows) * (-1) ** np.count_nonzero(alone < 0))
    log_abs = float(np.log(np.abs(alone)).sum())
    for block in np.flatnonzero(sizes > 1):
        factor = _slogdet_block(*entries, blocks == block)
        if factor.sign == 0:
            return _SINGULAR
        sign, log_abs = sign * factor.sign, log_abs + factor.log_abs
    return SignedLogDeterminant(sign, log_abs)


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
        If `W` is not a finite square matrix.

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
    n, columns = W.shape[0], _stored.column_of_entries(W)
    nodes, on, above = np.arange(n), W.indices == columns, W.indices < columns
    diagonal = np.zeros(n, dtype=W.dtype)
    diagonal[columns[on]] = W.data[on]
    stored = np.zeros(n, np.bool_)
    stored[columns[on]] = True
    places = W.indptr[:-1] + np.bincount(columns[above], minlength=n)
    negated = _stored.assemble(W.indptr, W.indices, zero - W.data, W.shape)
    return _stored.put(negated, places, stored, nodes, nodes, one - diagonal)


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
        If `order` is not a permutation.

    Notes
    -----
    O(n·log n): (−1)^(n − number of cycles).

    Examples
    --------
    >>> permutation_sign([1, 0, 2]), permutation_sign([1, 2, 0])
    (-1, 1)
    """
    return _sign(check_order("order", order, np.size(order)))


def _sign(to: NDArray[np.intp]) -> int:
    """Return the sign of a checked permutation.

    A cycle has one node that is the least of its cycle. Each round looks twice as far along the cycles.
    """
    n = len(to)
    nodes = np.arange(n)
    least, ahead = nodes, to
    for _ in range(n.bit_length()):
        least, ahead = np.minimum(least, least[ahead]), ahead[ahead]
    n_cycles = int(np.count_nonzero(least == nodes))
    return -1 if (n - n_cycles) % 2 else 1


def determinant_by_cycles(W: Matrix) -> float:
    """Return det W from the cycles of the graph: the sum over all covers of the nodes by cycles.

    In a cover every node is in exactly one cycle. A cover by c cycles contributes (−1)^(n − c) times the product of its
    weights. C. L. Coates, *Flow-graph solutions of linear algebraic equations* (1959). For small graphs only; for
    others use :func:`slogdet`.

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
        If `W` is not a finite square matrix, n is above 16, or there are more than 20,000 cycles. (8 nodes form at most
        16,072 cycles.)

    Notes
    -----
    O(2ⁿ · cycles) at most, usually much less. Cycles are enumerated by ``networkx.simple_cycles``.

    Examples
    --------
    >>> determinant_by_cycles(np.array([[2.0, 3.0], [4.0, 5.0]]))
    -2.0
    """
    n, cycles = _cycles(W)
    signed = [(nodes, weight if len(nodes) % 2 else -weight) for nodes, weight in cycles]
    return _sum_over_covers(n, signed, uncovered=0.0)


def mason_determinant(W: Matrix) -> float:
    """Return det(I − W) from the cycles of the graph (Mason).

    It is 1 − ΣL + ΣLL′ − …, a sum over all sets of disjoint cycles; L is the product of the weights
    along a cycle. S. J. Mason, *Feedback theory: further properties of signal flow graphs* (1956).
    It is 1 for an acyclic network. For small graphs.

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
    n, cycles = _cycles(W)
    return _sum_over_covers(n, [(nodes, -weight) for nodes, weight in cycles], uncovered=1.0)


def _rows_taken(W: sparse.csc_array, rows: NDArray[np.intp]) -> sparse.csc_array:
    """Return ``W[rows]``: row p of the result is row rows[p]."""
    places = np.empty(len(rows), dtype=W.indices.dtype)
    places[rows] = np.arange(len(rows))
    matrix = sparse.csc_array((W.data.copy(), places[W.indices], W.indptr), shape=W.shape)
    matrix.has_sorted_indices = False
    matrix.sort_indices()
    return matrix


def _slogdet_block(
    rows: IntArray, columns: IntArray, values: FloatArray, nodes: BoolArray
) -> SignedLogDeterminant:
    """Return the determinant of the diagonal block of some nodes, given the entries of all diagonal blocks."""
    inside = nodes[columns]
    number, size = np.cumsum(nodes) - 1, int(np.count_nonzero(nodes))
    rows, columns = number[rows[inside]], number[columns[inside]]
    values = values[inside].astype(np.float64)
    scaled = 0
    for lines in (rows, columns):  # by powers of two, which is exact
        exponents = np.full(size, np.iinfo(np.int32).min)
        np.maximum.at(exponents, lines, np.frexp(values)[1])
        values = np.ldexp(values, -exponents[lines])
        scaled += int(exponents.sum())
    if size <= _LARGEST_DENSE_BLOCK or size * size <= _DENSE_FILL * len(values):
        block = np.zeros((size, size), order="F")
        block[rows, columns] = values
        sign, log_abs = _slogdet_dense(block)
    else:
        sign, log_abs = _slogdet_sparse(
            sparse.csc_array((values, (rows, columns)), shape=(size, size))
        )
    return SignedLogDeterminant(sign, log_abs + scaled * math.log(2))


def _slogdet_dense(block: FloatArray) -> SignedLogDeterminant:
    n = len(block)
    lu, exchanges, info = lapack.dgetrf(block)
    if info > 0:
        return _SINGULAR
    inverse, _ = lapack.dgetri(lu, np.arange(n))  # the inverse of L·U, without row exchanges
    lower, upper = np.tril(np.abs(lu), -1), np.triu(np.abs(lu))
    np.fill_diagonal(lower, 1.0)
    # For a nearly singular matrix this trace is the spectral radius of |(LU)⁻¹|·|L|·|U|.
    radius = np.einsum("ij,ji->", np.abs(inverse), lower @ upper)
    if not n * _UNIT_ROUNDOFF * radius < 1:
        return _SINGULAR
    odd = np.count_nonzero(exchanges != np.arange(n)) % 2
    return _from_pivots(np.diagonal(lu), -1 if odd else 1)


def _slogdet_sparse(block: sparse.csc_array) -> SignedLogDeterminant:
    try:
        lu = splu(block)
    except RuntimeError:  # "Factor is exactly singular"
        return _SINGULAR
    pivots = lu.U.diagonal()
    bounds = np.asarray(abs(lu.L).multiply(abs(lu.U).T).sum(axis=1)).ravel()
    if (np.abs(pivots) <= len(pivots) * _UNIT_ROUNDOFF * bounds).any():
        return _SINGULAR
    return _from_pivots(pivots, _sign(lu.perm_r) * _sign(lu.perm_c))


def _from_pivots(pivots: FloatArray, sign: int) -> SignedLogDeterminant:
    odd = np.count_nonzero(pivots < 0) % 2
    return SignedLogDeterminant(float(-sign if odd else sign), float(np.log(np.abs(pivots)).sum()))


def _cycles(W: Any) -> tuple[int, list[tuple[frozenset[int], float]]]:
    """Return n, the nodes of every simple cycle, and the product of the weights along it."""
    import networkx as nx  # noqa: PLC0415 - slow to import

    W = check_matrix(W, square=True)
    n = W.shape[0]
    if n > MAX_NODES_BY_CYCLES:
        raise ValueError(f"W must have at most {MAX_NODES_BY_CYCLES} nodes; got {n}")
    weights = W.toarray() if isinstance(W, sparse.csc_array) else W
    rows, columns = np.nonzero(weights)
    graph = nx.DiGraph(list(zip(rows.tolist(), columns.tolist(), strict=True)))
    found = list(islice(nx.simple_cycles(graph), MAX_CYCLES + 1))
    if len(found) > MAX_CYCLES:
        raise ValueError(f"W must have at most {MAX_CYCLES} cycles; got more, on {n} nodes")
    return n, [
        (frozenset(nodes), math.prod(float(weights[edge]) for edge in pairwise([*nodes, nodes[0]])))
        for nodes in found
    ]


def _sum_over_covers(n: int, cycles: list[tuple[frozenset[int], float]], uncovered: float) -> float:
    """Add up the products over all sets of disjoint cycles, with a factor for every node in none.

    The lowest of the nodes that are left is in no cycle, or in exactly one of those whose lowest node it is.
    """
    through: list[list[tuple[int, float]]] = [[] for _ in range(n)]
    for nodes, weight in cycles:
        through[min(nodes)].append((sum(1 << node for node in nodes), weight))

    @cache
    def total(left: int) -> float:
        if left == 0:
            return 1.0
        lowest = (left & -left).bit_length() - 1
        alone = uncovered * total(left & (left - 1)) if uncovered else 0.0
        return alone + sum(
            weight * total(left & ~covered)
            for covered, weight in through[lowest]
            if covered & left == covered
        )

    return total((1 << n) - 1)
