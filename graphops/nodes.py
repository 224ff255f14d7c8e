"""Operations that change the number of nodes: append, insert, remove and duplicate nodes, and split an edge.

Adding one row or column *to another* (:mod:`graphops.elementary`) does not change the number of nodes. `W` has shape
(n, n), or (n + 1, n) with the biases as last row; an ndarray may have kernel axes. Results are new matrices, a sparse
result is a canonical ``csc_array``, and the work on sparse input is O(nnz + n).

Positions matter, because index order is evaluation order: an edge to a later node acts at once, an edge to an earlier
node or to the node itself acts one tick later.
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
        Number of nodes to append, at least 0.

    Returns
    -------
    ndarray or csc_array, shape (n + count, n + count, …) or (n + count + 1, n + count, …)

    Raises
    ------
    TypeError, ValueError
        If `count` is not such an integer, or `W` is not a finite matrix of nodes.

    Notes
    -----
    det W becomes 0, det(I − W) does not change, and the spectrum gains zeros.

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
        Positions of the new nodes in the result, in any order. The other nodes keep their order.

    Returns
    -------
    ndarray or csc_array, shape (n + k, n + k, …) or (n + k + 1, n + k, …)

    Raises
    ------
    IndexError
        If a position is not from 0 to n + k − 1.
    TypeError, ValueError
        If a position is not an integer or is named twice, or `W` is not a finite matrix of nodes.

    Notes
    -----
    det W becomes 0, det(I − W) does not change, and the spectrum gains zeros.

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
    """Delete nodes with all their edges. The other nodes keep their order.

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
        If a node is not an integer or is named twice, or `W` is not a finite matrix of nodes.

    Notes
    -----
    det(I − W) does not change if the nodes are not on a cycle. In general there is no law.

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
        Position of the new node in the result, from 0 to n; by default just before the target.
    weight_in, weight_out : float, or ndarray of the kernel's shape
        Weights of the edges into and out of the new node; by default 1 and the weight of the old edge. If entries are
        kernels, `weight_in` must be given as a kernel.

    Returns
    -------
    matrix : ndarray or csc_array, shape (n + 1, n + 1, …) or (n + 2, n + 1, …)
    position : int
        Position of the new node.

    Raises
    ------
    IndexError
        If a node or the position is out of range.
    TypeError, ValueError
        If the edge does not exist, or a weight is not finite or has another shape.

    Notes
    -----
    The default position gives the path the delay of the old edge. In general the path has this delay

    * for an immediate edge, if the new node is after the source and at most at the old position of the target;
    * for a delayed edge or self-loop, if the new node is at or before the target, or after the source; the latter does
      not hold if the source is a clamped input.

    With the same delay and the identity as activation of the new node, the network computes the same function.

    det(I − W) does not change if the product of the weights is the old weight, because cycles keep their gains.

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
    """Insert a copy of a node directly after it, without a change of the network's function.

    The column of in-edges is copied, bias included. The row of out-edges is divided into the shares `share` and
    1 − `share`. T. Chen, I. Goodfellow and J. Shlens, *Net2Net* (2016).

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n, …) or (n + 1, n, …)
    node : int
    share : float
        Fraction of each out-edge's weight that the node keeps, from 0 to 1. The copy, at ``node + 1``, gets the rest.

    Returns
    -------
    ndarray or csc_array, shape (n + 1, n + 1, …) or (n + 2, n + 1, …)

    Raises
    ------
    IndexError
        If the node is not from 0 to n − 1.
    TypeError, ValueError
        If `share` is not a number from 0 to 1, or `W` is not a finite matrix of nodes.

    Notes
    -----
    If the copy has the activation of the node, the network computes the same function up to rounding, for any number
    of ticks (exactly for a share of 1/2, up to the order of sums). Two properties are needed. No node lies between the
    two, because its edges to them would have different delays. A self-loop is copied and not divided, because it is
    delayed, while an edge from node to copy would be immediate. Thresholds are not considered: a divided weight may
    fall below a threshold.

    With c the weight of the self-loop, the spectrum gains the eigenvalue c: det(I − W) is multiplied by 1 − c and det W
    by c. Without a self-loop det(I − W) does not change.

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
        outgoing = wide[node].copy()
        wide[node] = kept_share * outgoing
        wide[copy] = outgoing - wide[node]
        wide[node, node], wide[copy, copy] = loop, loop
        wide[node, copy], wide[copy, node] = 0, 0
        return wide
    in_edges = slice(*wide.indptr[node : node + 2])
    rows = wide.indices[in_edges].copy()
    rows[rows == node] = copy
    wide = _stored.splice_columns(wide, {copy: (rows, wide.data[in_edges])})
    out_edges = np.flatnonzero(wide.indices == node)
    out_edges = out_edges[_stored.column_of(wide, out_edges) != node]
    columns, outgoing = _stored.column_of(wide, out_edges), wide.data[out_edges]
    kept = kept_share * outgoing
    return _stored.write(
        wide,
        np.tile([node, copy], len(columns)),
        np.repeat(columns, 2),
        np.column_stack([kept, outgoing - kept]).ravel(),
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
    """Return the matrix without an edge, and its weight; raise ValueError if there is no such edge."""
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
