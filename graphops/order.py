"""Index order is evaluation order: delays of edges, useful edges and the depth of nodes.

A network of n nodes with matrix `W` and biases b is evaluated for T ticks. At tick t = 0 … T−1 node j computes

    x_t[j] = φ_j( Σ_{i<j} W[i, j]·x_t[i] + Σ_{i≥j} W[i, j]·x_{t−1}[i] + b_j ).

Inputs are clamped at all ticks, t = −1 included, and their in-edges are ignored. Every other node starts at 0 at
t = −1. Outputs are read at t = T−1. An edge to a later node is *immediate*. An edge to an earlier node or to the node
itself is *delayed* by one tick. Here inputs are constant, so the delay of an edge from an input has no effect;
in a sequence it has. Every square matrix is a valid network.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse import csgraph

from graphops import _stored
from graphops.validation import (
    BoolArray,
    FloatArray,
    Matrix,
    check_edges,
    check_integer,
    check_matrix,
    check_nodes,
)


def useful_edges(W: Matrix, inputs: ArrayLike, outputs: ArrayLike, ticks: int) -> BoolArray:
    """Return which edges can affect an output. Other stored entries need not be computed.

    An edge i → j carries a value at tick t if i is an input, or i < j (the value is x_t[i]), or t ≥ 1 (the value is
    x_{t−1}[i]). The edge is useful if j is not an input and x_t[j] is needed at one of these ticks. A state is needed
    if a path leads from it to an output at tick T−1 in the network unrolled over the ticks. The path need not begin at
    an input, because every node may have a bias.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)
        The edges are the stored entries, zeros too; of an ndarray the non-zero entries. Values have no effect.
    inputs, outputs : array_like of int
        Positions of the nodes with these roles, in any order.
    ticks : int
        T, at least 1.

    Returns
    -------
    ndarray of bool
        Over the stored entries in CSC order, shape (nnz,); for an ndarray of the shape of `W`.

    Raises
    ------
    IndexError
        If a node is not from 0 to n − 1.
    TypeError, ValueError
        If `W` is not a finite square matrix, a node is named twice, or `ticks` is not an integer of at least 1.

    Notes
    -----
    A path to an output may not pass through an input. Let d(j) be the smallest number of delayed edges on such a path
    from j. Then x_t[j] is needed at some tick if d(j) ≤ T−1, and at some tick t ≥ 1 if d(j) ≤ T−2. An edge i → j is
    useful if and only if d(j) plus its own delay (0 from an input) is at most T−1. One shortest-path search backwards
    from the outputs finds d for all T, in O((nnz + n)·log n) at most.

    Examples
    --------
    The delayed edge of a loop between nodes 1 and 2 is useful with two ticks:

    >>> W = sparse.csc_array(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]))
    >>> useful_edges(W, inputs=[0], outputs=[2], ticks=1).tolist()
    [True, False, True]
    >>> useful_edges(W, inputs=[0], outputs=[2], ticks=2).tolist()
    [True, True, True]
    """
    W = check_matrix(W, square=True)
    edges = W if isinstance(W, sparse.csc_array) else sparse.csc_array(W)
    targets = _stored.column_of_entries(edges)
    ticks = check_integer("ticks", ticks, at_least=1)
    delays = _delays(edges, targets, inputs, ticks)
    useful: BoolArray = _delays_to_output(edges, delays, outputs, ticks)[targets] + delays < ticks
    if edges is W:
        return useful
    places = np.zeros(W.shape, dtype=np.bool_)
    places[edges.indices, targets] = useful
    return places


def needed_nodes(W: Matrix, inputs: ArrayLike, outputs: ArrayLike, ticks: int) -> BoolArray:
    """Return which nodes are needed: outputs, and nodes that can affect an output.

    Parameters
    ----------
    W, inputs, outputs, ticks
        As for :func:`useful_edges`.

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    IndexError, TypeError, ValueError
        As for :func:`useful_edges`.

    Notes
    -----
    O((nnz + n)·log n) at most, for any T.

    Examples
    --------
    >>> W = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    >>> needed_nodes(W, inputs=[0], outputs=[1], ticks=1).tolist()
    [True, True, False]
    >>> needed_nodes(W, inputs=[0], outputs=[1], ticks=2).tolist()
    [True, True, True]
    """
    edges = check_edges(W)
    ticks = check_integer("ticks", ticks, at_least=1)
    delays = _delays(edges, _stored.column_of_entries(edges), inputs, ticks)
    needed: BoolArray = _delays_to_output(edges, delays, outputs, ticks) < ticks
    return needed


def evaluation_layers(W: Matrix, inputs: ArrayLike = ()) -> NDArray[np.intp]:
    """Return the depth of each node: the length of the longest path to it over edges without delay.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)
        The edges are the stored entries; of an ndarray the non-zero entries.
    inputs : array_like of int, optional
        Positions of the input nodes. Their depth is 0, and all their out-edges count as edges without delay.

    Returns
    -------
    ndarray of int, shape (n,)
        0 for inputs and nodes without undelayed in-edges, else 1 + the largest depth of a predecessor over these edges.

    Raises
    ------
    IndexError, TypeError, ValueError
        If `W` is not a finite square matrix, or `inputs` does not name nodes, each once.

    Notes
    -----
    O(nnz + n), in one pass over the nodes: index order is a topological order of these edges.

    Examples
    --------
    >>> evaluation_layers(np.array([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])).tolist()
    [0, 1, 2]
    """
    edges = check_edges(W)
    targets = _stored.column_of_entries(edges)
    undelayed = _stored.keep(edges, _delays(edges, targets, inputs, ticks=2) == 0)
    depth = np.zeros(edges.shape[0], dtype=np.intp)
    starts = undelayed.indptr.tolist()
    deepest = np.maximum.reduce  # faster than max()
    for node in np.flatnonzero(np.diff(undelayed.indptr)).tolist():
        depth[node] = 1 + deepest(depth[undelayed.indices[starts[node] : starts[node + 1]]])
    return depth


def strongly_connected(W: Matrix) -> NDArray[np.intp]:
    """Return the strongly connected components: sets of nodes with paths to each other.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)
        The edges are the stored entries; of an ndarray the non-zero entries.

    Returns
    -------
    ndarray of int, shape (n,)
        Number of each node's component, from 0. Components are numbered in the order of their first nodes.

    Raises
    ------
    ValueError
        If `W` is not a finite square matrix.

    Notes
    -----
    O(nnz + n·log n). D. J. Pearce (2005), by ``scipy.sparse.csgraph``.

    Examples
    --------
    >>> strongly_connected(np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])).tolist()
    [0, 0, 1]
    """
    edges = check_edges(W)
    labels = csgraph.connected_components(
        backwards(edges, np.ones(len(edges.data))), directed=True, connection="strong"
    )[1]
    _, first_nodes, numbers = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first_nodes))
    return rank[numbers]


def _delays(
    edges: sparse.csc_array, targets: NDArray[np.intp], inputs: ArrayLike, ticks: int
) -> FloatArray:
    """Return the delay of each stored edge: 0 or 1, or `ticks` for an edge into an input."""
    is_input = np.zeros(edges.shape[0], dtype=np.bool_)
    is_input[check_nodes("inputs", inputs, len(is_input))] = True
    delayed = (edges.indices >= targets) & ~is_input[edges.indices]
    return np.where(is_input[targets], float(ticks), delayed.astype(np.float64))


def _delays_to_output(
    edges: sparse.csc_array, delays: FloatArray, outputs: ArrayLike, ticks: int
) -> FloatArray:
    """Return each node's smallest delay on a path to an output; infinity if `ticks` or more."""
    nodes = check_nodes("outputs", outputs, edges.shape[0])
    if not nodes.size:
        return np.full(edges.shape[0], np.inf)
    distances: FloatArray = csgraph.dijkstra(
        backwards(edges, delays), indices=nodes, min_only=True, limit=ticks - 1
    )
    return distances


def backwards(edges: sparse.csc_array, lengths: FloatArray) -> Any:
    """Return the graph of the reversed edges for csgraph. A stored zero is an edge of length 0."""
    return sparse.csr_array((lengths, edges.indices, edges.indptr), shape=edges.shape)
