"""Index order is evaluation order: what the places of the nodes mean for the network.

A network of n nodes with matrix `W` and biases b is evaluated for T ticks. At tick t = 0 … T−1 node
j computes

    x_t[j] = φ_j( Σ_{i<j} W[i, j]·x_t[i] + Σ_{i≥j} W[i, j]·x_{t−1}[i] + b_j ).

Inputs are clamped at all ticks, t = −1 included, and what they listen to is ignored; every other
node starts at 0 at t = −1; outputs are read at t = T−1. So an edge to a later node is *immediate*,
an edge to an earlier node or to itself is *delayed* by one tick - but an edge from an input is as
good as immediate wherever it leads, for the input never changes. Every square matrix is a valid
network.
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
    check_integer,
    check_matrix,
    check_nodes,
)


def useful_edges(W: Matrix, inputs: ArrayLike, outputs: ArrayLike, ticks: int) -> BoolArray:
    """Tell which edges can act on an output: what else is stored may be left uncomputed.

    An edge i → j carries something at tick t if i is an input, or i < j (it carries x_t[i]), or t ≥
    1 (it carries x_{t−1}[i]; at t = 0 that is the zero start). It is useful if j is no input, and
    at some such t the state x_t[j] is needed: a path leads from it to an output at tick T−1 in the
    network unrolled over the ticks. A node without inputs counts as a source, for it may have a
    bias.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)
        The edges are the stored entries, zeros too; of an ndarray the non-zero entries. Values play
        no part.
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
        If `W` is no finite square matrix, a node is named twice, or `ticks` is no integer of at
        least 1.

    Notes
    -----
    Let d(j) be the smallest number of delayed edges on a path from j to an output that does not
    pass through an input. Then x_t[j] is needed at some tick if d(j) ≤ T−1, and at some tick other
    than 0 if d(j) ≤ T−2. So the edge i → j is useful exactly if d(j) plus its own delay is at most
    T−1: one shortest-path search from the outputs backwards, which visits every needed node once,
    whatever T. O((nnz + n)·log n) at most.

    Examples
    --------
    A loop between nodes 1 and 2 lives from two ticks on:

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
    """Tell which nodes' states are needed at some tick: outputs, and whatever can act on one.

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
    O((nnz + n)·log n) at most, whatever T.

    Examples
    --------
    >>> W = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    >>> needed_nodes(W, inputs=[0], outputs=[1], ticks=1).tolist()
    [True, True, False]
    >>> needed_nodes(W, inputs=[0], outputs=[1], ticks=2).tolist()
    [True, True, True]
    """
    W = check_matrix(W, square=True)
    edges = W if isinstance(W, sparse.csc_array) else sparse.csc_array(W)
    ticks = check_integer("ticks", ticks, at_least=1)
    delays = _delays(edges, _stored.column_of_entries(edges), inputs, ticks)
    needed: BoolArray = _delays_to_output(edges, delays, outputs, ticks) < ticks
    return needed


def evaluation_layers(W: Matrix, inputs: ArrayLike = ()) -> NDArray[np.intp]:
    """Return how deep each node lies: the longest path to it over edges that act within the tick.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)
        The edges are the stored entries; of an ndarray the non-zero entries.
    inputs : array_like of int, optional
        Positions of the input nodes. They lie at depth 0, whatever they listen to, and all their
        edges act within the tick.

    Returns
    -------
    ndarray of int, shape (n,)
        0 for inputs and for nodes that hear nothing within the tick, else 1 + the largest depth
        among those heard.

    Raises
    ------
    IndexError, TypeError, ValueError
        If `W` is no finite square matrix, or `inputs` does not name nodes, each once.

    Notes
    -----
    O(nnz + n), in one pass over the nodes: index order is a topological order of these edges.

    Examples
    --------
    >>> evaluation_layers(np.array([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])).tolist()
    [0, 1, 2]
    """
    W = check_matrix(W, square=True)
    edges = W if isinstance(W, sparse.csc_array) else sparse.csc_array(W)
    targets = _stored.column_of_entries(edges)
    acting = _delays(edges, targets, inputs, ticks=2) == 0
    heard = _stored.keep(edges, acting)
    depth = np.zeros(W.shape[0], dtype=np.intp)
    starts = heard.indptr.tolist()
    deepest = np.maximum.reduce  # what max() calls, by a longer way
    for node in np.flatnonzero(np.diff(heard.indptr)).tolist():
        depth[node] = 1 + deepest(depth[heard.indices[starts[node] : starts[node + 1]]])
    return depth


def strongly_connected(W: Matrix) -> NDArray[np.intp]:
    """Return the strongly connected components: nodes that reach each other along edges.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)
        The edges are the stored entries; of an ndarray the non-zero entries.

    Returns
    -------
    ndarray of int, shape (n,)
        Each node's component. Components are numbered by their first node, from 0.

    Raises
    ------
    ValueError
        If `W` is no finite square matrix.

    Notes
    -----
    O(nnz + n), but for sorting n labels. D. J. Pearce (2005), through ``scipy.sparse.csgraph``.

    Examples
    --------
    >>> strongly_connected(np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])).tolist()
    [0, 0, 1]
    """
    W = check_matrix(W, square=True)
    edges = W if isinstance(W, sparse.csc_array) else sparse.csc_array(W)
    labels = csgraph.connected_components(
        _backwards(edges, np.ones(len(edges.data))), directed=True, connection="strong"
    )[1]
    _, first_nodes, numbers = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first_nodes))
    return rank[numbers]


def _delays(
    edges: sparse.csc_array, targets: NDArray[np.intp], inputs: ArrayLike, ticks: int
) -> FloatArray:
    """Return the delay of each stored edge: 0 or 1, or `ticks` (too late) if into an input."""
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
        _backwards(edges, delays), indices=nodes, min_only=True, limit=ticks - 1
    )
    return distances


def _backwards(edges: sparse.csc_array, lengths: FloatArray) -> Any:
    """Return the graph of the reversed edges for csgraph; a stored zero is an edge of length 0."""
    return sparse.csr_array((lengths, edges.indices, edges.indptr), shape=edges.shape)
