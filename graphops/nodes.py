"""Nodes that come and go: rows and columns appended, deleted and copied.

Not to be confused with adding a row or column *to another* (:mod:`graphops.elementary`), which
leaves the number of nodes as it is. `W` has shape (n, n), or (n + 1, n) with the biases as one
further row, which stays the last; an ndarray may have kernel axes. Nothing is written to, a sparse
result is a canonical ``csc_array``, and the work on sparse input is O(nnz + n).

Positions matter, for index order is evaluation order: an edge to a later node acts at once, one to
an earlier node or to itself a tick later.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from graphops import _stored
from graphops.elementary import assign
from graphops.validation import (
    Matrix,
    check_fraction,
    check_index,
    check_integer,
    check_node_matrix,
    check_nodes,
)


def append_nodes(W: Matrix, count: int = 1) -> Matrix:
    """Append nodes without edges at the end of the order.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n, …) or (n + 1, n, …)
    count : int
        How many, at least 0.

    Returns
    -------
    ndarray or csc_array, shape (n + count, n + count, …) or (n + count + 1, n + count, …)

    Raises
    ------
    TypeError, ValueError
        If count is no such integer, or `W` no finite matrix of nodes.

    Notes
    -----
    det W becomes 0; det(I − W) stays, and the spectrum gains zeros.

    Examples
    --------
    >>> append_nodes(np.array([[0.0, 0.5], [0.0, 0.0]]))
    array([[0. , 0.5, 0. ],
           [0. , 0. , 0. ],
           [0. , 0. , 0. ]])
    """
    W = check_node_matrix(W)
    count = check_integer("count", count, at_least=0)
    n = W.shape[1]
    return _insert(W, np.arange(n, n + count))


def insert_nodes(W: Matrix, positions: ArrayLike) -> Matrix:
    """Insert nodes without edges anywhere in the order.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n, …) or (n + 1, n, …)
    positions : array_like of int, shape (k,)
        Where the new nodes stand in the result, in any order; the others fill the rest, in theirs.

    Returns
    -------
    ndarray or csc_array, shape (n + k, n + k, …) or (n + k + 1, n + k, …)

    Raises
    ------
    IndexError
        If a position is not from 0 to n + k − 1.
    TypeError, ValueError
        If one is named twice or is no integer, or `W` is no finite matrix of nodes.

    Notes
    -----
    det W becomes 0; det(I − W) stays, and the spectrum gains zeros.

    Examples
    --------
    >>> insert_nodes(np.array([[1.0, 2.0], [3.0, 4.0]]), [1])
    array([[1., 0., 2.],
           [0., 0., 0.],
           [3., 0., 4.]])
    """
    W = check_node_matrix(W)
    return _insert(W, check_nodes("positions", positions, W.shape[1] + np.size(positions)))


def remove_nodes(W: Matrix, nodes: ArrayLike) -> Matrix:
    """Delete nodes with all their edges; the others keep their order.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n, …) or (n + 1, n, …)
    nodes : array_like of int, shape (k,)

    Returns
    -------
    ndarray or csc_array, shape (n − k, n − k, …) or (n − k + 1, n − k, …)

    Raises
    ------
    IndexError
        If a node is not from 0 to n − 1.
    TypeError, ValueError
        If one is named twice or is no integer, or `W` is no finite matrix of nodes.

    Notes
    -----
    det(I − W) stays if the nodes lie on no cycle. In general there is no law.

    Examples
    --------
    >>> remove_nodes(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]), [1])
    array([[1., 3.],
           [7., 9.]])
    """
    W = check_node_matrix(W)
    n_rows, n = W.shape[:2]
    stays = np.ones(n_rows, dtype=np.bool_)
    stays[check_nodes("nodes", nodes, n)] = False
    rows, columns = np.flatnonzero(stays), np.flatnonzero(stays[:n])
    if not isinstance(W, sparse.csc_array):
        return W[np.ix_(rows, columns)]
    kept = W[:, columns]
    staying = stays[kept.indices]
    before = np.zeros(len(staying) + 1, dtype=np.int64)
    np.cumsum(staying, out=before[1:])
    place = np.cumsum(stays) - 1
    return _stored.assemble(
        before[kept.indptr],
        place[kept.indices[staying]],
        kept.data[staying],
        (len(rows), len(columns)),
    )


def split_edge(
    W: Matrix,
    source: int,
    target: int,
    position: int | None = None,
    *,
    weight_in: ArrayLike = 1.0,
    weight_out: ArrayLike | None = None,
) -> tuple[Matrix, int]:
    """Put a new node into an edge: source → new → target replaces source → target.

    K. O. Stanley and R. Miikkulainen, *Evolving neural networks through augmenting topologies*
    (2002), where the edge into the new node has weight 1 and the edge out of it the old weight.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n, …) or (n + 1, n, …)
    source, target : int
        An edge: a non-zero entry of an ndarray, a stored one of a sparse array.
    position : int, optional
        Where the new node stands in the result, from 0 to n. By default just before the target.
    weight_in, weight_out : float, or ndarray of the kernel's shape
        Of the two new edges; by default 1 and the weight of the old edge. If entries are kernels,
        `weight_in` has to be one.

    Returns
    -------
    matrix : ndarray or csc_array, shape (n + 1, n + 1, …) or (n + 2, n + 1, …)
    position : int
        Of the new node.

    Raises
    ------
    IndexError
        If a node or the position is out of range.
    TypeError, ValueError
        If there is no such edge, or a weight is not finite or of another shape.

    Notes
    -----
    The path takes as many ticks as the edge did if the new node stands anywhere after the source
    and up to the target's old position (an edge forwards), or before or at the target, or after the
    source (a delayed edge or self-loop, but not behind an input that is clamped). The default is
    always such a place. Then, and with a node whose activation is the identity, the network
    computes what it did.

    det(I − W) stays if the weights' product is the old weight, for the cycles keep their gains.

    Examples
    --------
    >>> matrix, position = split_edge(np.array([[0.0, 0.5], [0.0, 0.0]]), 0, 1)
    >>> position
    1
    >>> matrix
    array([[0. , 1. , 0. ],
           [0. , 0. , 0.5],
           [0. , 0. , 0. ]])
    """
    W = check_node_matrix(W)
    n = W.shape[1]
    source, target = check_index("source", source, n), check_index("target", target, n)
    new = target if position is None else check_index("position", position, n + 1)
    without, weight = _without_edge(W, source, target)
    out = weight if weight_out is None else weight_out
    weights = np.stack([_weight("weight_in", weight_in, W), _weight("weight_out", out, W)])
    place = np.delete(np.arange(n + 1), new)
    ends = [int(place[source]), new], [new, int(place[target])]
    return assign(_insert(without, np.array([new])), *ends, weights), new


def duplicate_node(W: Matrix, node: int, share: float = 0.5) -> Matrix:
    """Put a copy of a node just behind it, so that the two together do what the one did.

    Both listen to what the node listened to (its column is copied, bias included); what the node
    spoke with is split (its row is divided in the shares `share` and 1 − `share`). T. Chen,
    I. Goodfellow and J. Shlens, *Net2Net* (2016).

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n, …) or (n + 1, n, …)
    node : int
    share : float
        What the node itself keeps of each weight, from 0 to 1; the copy, at ``node + 1``, speaks
        with the rest.

    Returns
    -------
    ndarray or csc_array, shape (n + 1, n + 1, …) or (n + 2, n + 1, …)

    Raises
    ------
    IndexError
        If the node is not from 0 to n − 1.
    TypeError, ValueError
        If share is no number from 0 to 1, or `W` no finite matrix of nodes.

    Notes
    -----
    The network computes what it did, to rounding (exactly with a share of 1/2, but for the order of
    sums), over any number of ticks, if the copy has the node's activation. That needs two things.
    No node may stand between the two, or it would hear one of them at once and the other a tick
    later. And a self-loop is copied, not split: node and copy each hear themselves a tick later,
    whereas from node to copy an edge would act at once. A threshold is not seen here: a share may
    fall below it.

    With c the weight of the self-loop, the spectrum gains the eigenvalue c: det(I − W) is
    multiplied by 1 − c and det W by c. So without a self-loop det(I − W) stays.

    Examples
    --------
    >>> duplicate_node(np.array([[0.0, 3.0, 0.0], [0.0, 0.0, 8.0], [0.0, 0.0, 0.0]]), 1, 0.25)
    array([[0., 3., 3., 0.],
           [0., 0., 0., 2.],
           [0., 0., 0., 6.],
           [0., 0., 0., 0.]])
    """
    W = check_node_matrix(W)
    node = check_index("node", node, W.shape[1])
    kept_share = W.dtype.type(check_fraction("share", share))
    copy = node + 1
    wide = _insert(W, np.array([copy]))
    if not isinstance(wide, sparse.csc_array):
        loop = W[node, node]
        wide[:, copy] = wide[:, node]
        spoken = wide[node].copy()
        wide[node] = kept_share * spoken
        wide[copy] = spoken - wide[node]
        wide[node, node], wide[copy, copy] = loop, loop
        wide[node, copy], wide[copy, node] = 0, 0
        return wide
    listens = slice(*wide.indptr[node : node + 2])
    rows = wide.indices[listens].copy()
    rows[rows == node] = copy
    wide = _stored.splice_columns(wide, {copy: (rows, wide.data[listens])})
    speaks = np.flatnonzero(wide.indices == node)
    speaks = speaks[_stored.column_of(wide, speaks) != node]
    columns, spoken = _stored.column_of(wide, speaks), wide.data[speaks]
    kept = kept_share * spoken
    return _stored.write(
        wide,
        np.tile([node, copy], len(columns)),
        np.repeat(columns, 2),
        np.column_stack([kept, spoken - kept]).ravel(),
    )


def _insert(W: Matrix, positions: NDArray[np.intp]) -> Matrix:
    n_rows, n = W.shape[:2]
    size = n + len(positions)
    is_old = np.ones(size + n_rows - n, dtype=np.bool_)
    is_old[positions] = False
    rows, columns = np.flatnonzero(is_old), np.flatnonzero(is_old[:size])
    if not isinstance(W, sparse.csc_array):
        wide = np.zeros((len(is_old), size, *W.shape[2:]), dtype=W.dtype)
        wide[np.ix_(rows, columns)] = W
        return wide
    lengths = np.zeros(size, dtype=np.int64)
    lengths[columns] = np.diff(W.indptr)
    return _stored.assemble(
        _stored.pointers(lengths),
        rows.astype(W.indices.dtype)[W.indices],
        W.data.copy(),
        (len(is_old), size),
    )


def _without_edge(W: Matrix, source: int, target: int) -> tuple[Matrix, ArrayLike]:
    """Return the matrix without an edge, and the edge's weight; ValueError if there is none."""
    if isinstance(W, sparse.csc_array):
        places, stored = _stored.locate(W, np.array([source]), np.array([target]))
        if stored[0]:
            others = np.ones(len(W.data), dtype=np.bool_)
            others[places[0]] = False
            return _stored.keep(W, others), W.data[places[0]]
    elif W[source, target].any():
        without = W.copy()
        without[source, target] = 0
        return without, W[source, target]
    raise ValueError(f"source and target must be an edge; got ({source}, {target})")


def _weight(name: str, value: ArrayLike, W: Matrix) -> NDArray[np.generic]:
    weight = np.asarray(value)
    if weight.shape != W.shape[2:]:
        raise ValueError(f"{name} must have shape {W.shape[2:]}; got {weight.shape}")
    return weight
