"""Degree, cycle and path statistics of a graph: plain numbers, with names fit for table columns.

Each function returns a named tuple of its own, so that ``_asdict()`` gives columns, and each states
its cost. Edges are the stored entries, zeros too (of an ndarray the non-zero entries); values play
no part. What the ticks of a network make of its edges is the matter of :mod:`graphops.order`.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse import csgraph

from graphops import _stored
from graphops.order import evaluation_layers, immediate_mask, strongly_connected
from graphops.validation import FloatArray, Matrix, check_matrix, check_nodes

_CHUNK_DISTANCES = 1 << 22  # distances held at once while searching from many nodes


class DegreeStatistics(NamedTuple):
    """How many edges there are, and how they are spread over the nodes.

    Attributes
    ----------
    nodes, edges : int
    immediate_edges, delayed_edges, self_loops : int
        Edges to a later node; to an earlier node or to itself; to itself.
    mean_degree : float
        Edges per node: the mean of in-degrees and of out-degrees alike. 0 without nodes.
    max_in_degree, max_out_degree : int
    in_degree_deviation, out_degree_deviation : float
        Standard deviation over the nodes.
    sources, sinks, isolated_nodes : int
        Nodes that hear none; that speak to none; both.
    """

    nodes: int
    edges: int
    immediate_edges: int
    delayed_edges: int
    self_loops: int
    mean_degree: float
    max_in_degree: int
    in_degree_deviation: float
    max_out_degree: int
    out_degree_deviation: float
    sources: int
    sinks: int
    isolated_nodes: int


class CycleStatistics(NamedTuple):
    """What lies on cycles.

    Attributes
    ----------
    components : int
        Strongly connected components; as many as nodes if there is no cycle but self-loops.
    cyclic_components : int
        Of these, the ones that hold a cycle; a self-loop is one.
    largest_component : int
        Nodes in the largest component.
    cyclic_nodes : int
        Nodes on a cycle.
    """

    components: int
    cyclic_components: int
    largest_component: int
    cyclic_nodes: int


class PathStatistics(NamedTuple):
    """How far the outputs lie from the inputs.

    Attributes
    ----------
    depth : int
        The longest path over edges that act within the tick: the number of evaluation layers less
        one. 0 without nodes.
    reached_outputs : int
        Outputs to which a path leads from an input.
    hops_min, hops_max : int or None
    mean_hops : float or None
        Edges on the shortest path to an output from its nearest input, over the outputs reached;
        None where none is.
    connecting_nodes : int
        Nodes on a path from an input to an output, both ends included.
    """

    depth: int
    reached_outputs: int
    hops_min: int | None
    mean_hops: float | None
    hops_max: int | None
    connecting_nodes: int


def degree_statistics(W: Matrix) -> DegreeStatistics:
    """Count edges and degrees.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)

    Returns
    -------
    DegreeStatistics

    Raises
    ------
    ValueError
        If `W` is no finite square matrix.

    Notes
    -----
    O(nnz + n).

    Examples
    --------
    >>> found = degree_statistics(np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    >>> found.edges, found.immediate_edges, found.delayed_edges, found.sinks
    (3, 2, 1, 1)
    """
    edges = _edges(W)
    n = edges.shape[0]
    n_edges = len(edges.indices)
    n_immediate = int(np.count_nonzero(immediate_mask(edges)))
    heard = np.diff(edges.indptr)
    spoken_to = np.bincount(edges.indices, minlength=n)
    return DegreeStatistics(
        nodes=n,
        edges=n_edges,
        immediate_edges=n_immediate,
        delayed_edges=n_edges - n_immediate,
        self_loops=int(np.count_nonzero(edges.indices == _stored.column_of_entries(edges))),
        mean_degree=n_edges / n if n else 0.0,
        max_in_degree=int(heard.max(initial=0)),
        in_degree_deviation=float(heard.std()) if n else 0.0,
        max_out_degree=int(spoken_to.max(initial=0)),
        out_degree_deviation=float(spoken_to.std()) if n else 0.0,
        sources=int(np.count_nonzero(heard == 0)),
        sinks=int(np.count_nonzero(spoken_to == 0)),
        isolated_nodes=int(np.count_nonzero((heard == 0) & (spoken_to == 0))),
    )


def cycle_statistics(W: Matrix) -> CycleStatistics:
    """Count strongly connected components and the nodes on cycles.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)

    Returns
    -------
    CycleStatistics

    Raises
    ------
    ValueError
        If `W` is no finite square matrix.

    Notes
    -----
    O(nnz + n·log n), see :func:`graphops.strongly_connected`.

    Examples
    --------
    >>> cycle_statistics(np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    CycleStatistics(components=2, cyclic_components=2, largest_component=2, cyclic_nodes=3)
    """
    edges = _edges(W)
    labels = strongly_connected(edges)
    sizes = np.bincount(labels)
    cyclic = sizes > 1
    targets = _stored.column_of_entries(edges)
    cyclic[labels[targets[edges.indices == targets]]] = True
    return CycleStatistics(
        components=len(sizes),
        cyclic_components=int(np.count_nonzero(cyclic)),
        largest_component=int(sizes.max(initial=0)),
        cyclic_nodes=int(sizes[cyclic].sum()),
    )


def path_statistics(W: Matrix, inputs: ArrayLike, outputs: ArrayLike) -> PathStatistics:
    """Measure how far the outputs lie from their nearest inputs.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)
        Edges into inputs are left out. Give the useful edges alone (:func:`graphops.useful_edges`)
        to measure those that act within a number of ticks.
    inputs, outputs : array_like of int
        Positions of the nodes with these roles, in any order.

    Returns
    -------
    PathStatistics

    Raises
    ------
    IndexError, TypeError, ValueError
        If `W` is no finite square matrix, or a node is out of range or named twice.

    Notes
    -----
    Two searches over the whole graph, O((nnz + n)·log n) at most.

    Examples
    --------
    >>> W = np.array([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0], [0.0] * 4, [0.0] * 4])
    >>> found = path_statistics(W, inputs=[0], outputs=[2])
    >>> found.depth, found.hops_max, found.connecting_nodes
    (2, 2, 3)
    """
    edges = _edges(W)
    n = edges.shape[0]
    given, wanted = check_nodes("inputs", inputs, n), check_nodes("outputs", outputs, n)
    edges = _without_edges_into(edges, given)
    from_input = _hops_from_any(_forwards(edges), given)
    to_output = _hops_from_any(_backwards(edges), wanted)
    hops = from_input[wanted]
    hops = hops[np.isfinite(hops)]
    return PathStatistics(
        depth=int(evaluation_layers(edges, given).max(initial=0)),
        reached_outputs=len(hops),
        hops_min=int(hops.min()) if hops.size else None,
        mean_hops=float(hops.mean()) if hops.size else None,
        hops_max=int(hops.max()) if hops.size else None,
        connecting_nodes=int(np.count_nonzero(np.isfinite(from_input) & np.isfinite(to_output))),
    )


def hops(W: Matrix, inputs: ArrayLike, outputs: ArrayLike) -> FloatArray:
    """Return the number of edges on the shortest path from each input to each output.

    Parameters
    ----------
    W, inputs, outputs
        As for :func:`path_statistics`; rows and columns of the result are in their order.

    Returns
    -------
    ndarray of float64, shape (len(inputs), len(outputs))
        Infinity where no path leads from the input to the output.

    Raises
    ------
    IndexError, TypeError, ValueError
        As for :func:`path_statistics`.

    Notes
    -----
    A search from each input, or backwards from each output where these are fewer: that many times
    O((nnz + n)·log n). Memory is bounded: about 32 MiB beside the result.

    Examples
    --------
    >>> W = np.array([[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0], [0.0] * 4])
    >>> hops(W, inputs=[0, 1], outputs=[2, 3]).tolist()
    [[1.0, 2.0], [inf, 1.0]]
    """
    edges = _edges(W)
    n = edges.shape[0]
    given, wanted = check_nodes("inputs", inputs, n), check_nodes("outputs", outputs, n)
    edges = _without_edges_into(edges, given)
    if len(given) <= len(wanted):
        return _hops_from_each(_forwards(edges), given, wanted)
    return _hops_from_each(_backwards(edges), wanted, given).T


def _edges(W: Matrix) -> sparse.csc_array:
    W = check_matrix(W, square=True)
    return W if isinstance(W, sparse.csc_array) else sparse.csc_array(W)


def _without_edges_into(edges: sparse.csc_array, nodes: NDArray[np.intp]) -> sparse.csc_array:
    into = np.zeros(edges.shape[0], dtype=np.bool_)
    into[nodes] = True
    return _stored.keep(edges, ~into[_stored.column_of_entries(edges)])


def _backwards(edges: sparse.csc_array) -> Any:
    """Return the graph of the reversed edges, each of length 1."""
    ones = np.ones(len(edges.indices))
    return sparse.csr_array((ones, edges.indices, edges.indptr), shape=edges.shape)


def _forwards(edges: sparse.csc_array) -> Any:
    ones = np.ones(len(edges.indices))
    return sparse.csc_array((ones, edges.indices, edges.indptr), shape=edges.shape).tocsr()


def _hops_from_any(graph: Any, nodes: NDArray[np.intp]) -> FloatArray:
    """Return the distance of every node from the nearest of `nodes`, shape (n,)."""
    if not nodes.size:
        return np.full(graph.shape[0], np.inf)
    distances: FloatArray = csgraph.dijkstra(graph, indices=nodes, min_only=True)
    return distances


def _hops_from_each(
    graph: Any, nodes: NDArray[np.intp], others: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the distance from each of `nodes` to each of `others`, a chunk of nodes at a time."""
    found = np.empty((len(nodes), len(others)))
    n_together = max(1, _CHUNK_DISTANCES // max(graph.shape[0], 1))
    for first in range(0, len(nodes), n_together):
        chunk = slice(first, first + n_together)
        found[chunk] = csgraph.dijkstra(graph, indices=nodes[chunk])[:, others]
    return found
