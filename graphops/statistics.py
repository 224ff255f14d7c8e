"""Degree, cycle and path statistics of a graph, as named tuples whose fields are table columns.

Edges are the stored entries, zeros too (of an ndarray the non-zero entries). Values have no effect. Evaluation over
ticks is the topic of :mod:`graphops.order`.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse import csgraph

from graphops import _stored
from graphops.order import backwards, evaluation_layers, strongly_connected
from graphops.validation import FloatArray, Matrix, check_edges, check_nodes


class DegreeStatistics(NamedTuple):
    """Numbers of nodes, edges and degrees.

    Attributes
    ----------
    nodes, edges : int
    immediate_edges, delayed_edges, self_loops : int
        Edges to a later node; edges to an earlier node or to the node itself; edges to the node itself.
    mean_degree : float
        Edges per node: the mean in-degree and also the mean out-degree. 0 without nodes.
    max_in_degree, max_out_degree : int
    in_degree_deviation, out_degree_deviation : float
        Standard deviation over the nodes.
    sources, sinks, isolated_nodes : int
        Nodes without in-edges; nodes without out-edges; nodes without edges.
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
    """Numbers of strongly connected components and of nodes on cycles.

    Attributes
    ----------
    components : int
        Strongly connected components; equal to the number of nodes if self-loops are the only cycles.
    cyclic_components : int
        Components with a cycle. A self-loop is a cycle.
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
    """Lengths of the paths from inputs to outputs.

    Attributes
    ----------
    depth : int
        Length of the longest path over edges without delay: the number of evaluation layers minus 1. 0 without nodes.
    reached_outputs : int
        Outputs with a path from an input.
    hops_min, hops_max : int or None
    mean_hops : float or None
        Edges on the shortest path from an input, over the reached outputs; None without reached outputs.
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
        If `W` is not a finite square matrix.

    Notes
    -----
    O(nnz + n).

    Examples
    --------
    >>> found = degree_statistics(np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    >>> found.edges, found.immediate_edges, found.delayed_edges, found.sinks
    (3, 2, 1, 1)
    """
    edges = check_edges(W)
    n = edges.shape[0]
    n_edges = len(edges.indices)
    targets = _stored.column_of_entries(edges)
    n_immediate = int(np.count_nonzero(edges.indices < targets))
    in_degrees = np.diff(edges.indptr)
    out_degrees = np.bincount(edges.indices, minlength=n)
    return DegreeStatistics(
        nodes=n,
        edges=n_edges,
        immediate_edges=n_immediate,
        delayed_edges=n_edges - n_immediate,
        self_loops=int(np.count_nonzero(edges.indices == targets)),
        mean_degree=n_edges / n if n else 0.0,
        max_in_degree=int(in_degrees.max(initial=0)),
        in_degree_deviation=float(in_degrees.std()) if n else 0.0,
        max_out_degree=int(out_degrees.max(initial=0)),
        out_degree_deviation=float(out_degrees.std()) if n else 0.0,
        sources=int(np.count_nonzero(in_degrees == 0)),
        sinks=int(np.count_nonzero(out_degrees == 0)),
        isolated_nodes=int(np.count_nonzero((in_degrees == 0) & (out_degrees == 0))),
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
        If `W` is not a finite square matrix.

    Notes
    -----
    O(nnz + n·log n), see :func:`graphops.strongly_connected`.

    Examples
    --------
    >>> cycle_statistics(np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    CycleStatistics(components=2, cyclic_components=2, largest_component=2, cyclic_nodes=3)
    """
    edges = check_edges(W)
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
    """Measure the shortest paths from inputs to each output, and the depth.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)
        Edges into inputs are ignored. Pass only the useful edges (:func:`graphops.useful_edges`) for the paths within
        a number of ticks.
    inputs, outputs : array_like of int
        Positions of the nodes with these roles, in any order.

    Returns
    -------
    PathStatistics

    Raises
    ------
    IndexError, TypeError, ValueError
        If `W` is not a finite square matrix, or a node is out of range or named twice.

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
    edges = check_edges(W)
    n = edges.shape[0]
    given, wanted = check_nodes("inputs", inputs, n), check_nodes("outputs", outputs, n)
    edges = _without_edges_into(edges, given)
    from_input = _hops_from_any(_forwards(edges), given)
    to_output = _hops_from_any(backwards(edges, np.ones(len(edges.indices))), wanted)
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


def _without_edges_into(edges: sparse.csc_array, nodes: NDArray[np.intp]) -> sparse.csc_array:
    into = np.zeros(edges.shape[0], dtype=np.bool_)
    into[nodes] = True
    return _stored.keep(edges, ~into[_stored.column_of_entries(edges)])


def _forwards(edges: sparse.csc_array) -> Any:
    ones = np.ones(len(edges.indices))
    return sparse.csc_array((ones, edges.indices, edges.indptr), shape=edges.shape).tocsr()


def _hops_from_any(graph: Any, nodes: NDArray[np.intp]) -> FloatArray:
    """Return the distance of every node from the nearest of `nodes`, shape (n,)."""
    if not nodes.size:
        return np.full(graph.shape[0], np.inf)
    distances: FloatArray = csgraph.dijkstra(graph, indices=nodes, min_only=True)
    return distances
