"""Matrices as graphs of networkx and as tables of edges, there and back without loss.

The edges are the stored entries, zeros too (of an ndarray the non-zero entries). Weights become
Python floats, which hold float32 and float64 exactly. ``scipy.sparse`` arrays of any format, and
ndarrays, need no conversion: every function of this package takes them.
"""

from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import DTypeLike, NDArray
from scipy import sparse

from graphops import _stored
from graphops.validation import (
    FloatArray,
    IntArray,
    Matrix,
    check_indices,
    check_integer,
    check_matrix,
    check_number,
)

LARGEST_IMPLIED_SIZE = 10_000_000
"""Nodes up to which a table of edges may imply the size of its matrix by its largest number."""

EDGE_COLUMNS = ("source", "target", "weight")


def to_networkx(W: Matrix, *, weight: str = "weight") -> nx.DiGraph:
    """Return a matrix as a directed graph.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)
    weight : str
        The edge attribute that is to hold the weights.

    Returns
    -------
    networkx.DiGraph
        Nodes 0 … n − 1, edges by target, then source; weights are Python floats.

    Raises
    ------
    TypeError, ValueError
        If `W` is no finite square matrix.

    Examples
    --------
    >>> graph = to_networkx(np.array([[0.0, 0.5], [0.0, -2.0]]))
    >>> list(graph.edges(data="weight"))
    [(0, 1, 0.5), (1, 1, -2.0)]
    """
    edges = _edges(check_matrix(W, square=True))
    sources, targets = edges.indices.tolist(), _stored.column_of_entries(edges).tolist()
    graph = nx.DiGraph()
    graph.add_nodes_from(range(edges.shape[0]))
    graph.add_weighted_edges_from(zip(sources, targets, edges.data.tolist(), strict=True), weight)
    return graph


def from_networkx(
    graph: nx.DiGraph, *, weight: str = "weight", dtype: DTypeLike = np.float64
) -> sparse.csc_array:
    """Return the matrix of a directed graph; nodes are numbered in the order that it lists them.

    Parameters
    ----------
    graph : networkx.DiGraph
        Its nodes may have any names.
    weight : str
        The edge attribute that holds the weights; an edge without it has weight 1, as in networkx.
    dtype : {float32, float64}
        Weights are rounded to it.

    Returns
    -------
    csc_array of `dtype`, shape (n, n)
        Weights of 0 are stored.

    Raises
    ------
    TypeError
        If `graph` is no graph of networkx, a weight is no real number, or `dtype` is another one.
    ValueError
        If the graph is undirected or a multigraph, or a weight is not finite or too large.

    Notes
    -----
    O(nnz·log nnz + n), with a Python loop over edges.

    Examples
    --------
    >>> graph = nx.DiGraph()
    >>> graph.add_weighted_edges_from([("a", "b", 0.5), ("b", "a", 2.0)])
    >>> from_networkx(graph).toarray()
    array([[0. , 0.5],
           [2. , 0. ]])
    """
    if not isinstance(graph, nx.Graph):
        raise TypeError(f"graph must be a networkx.DiGraph; received {type(graph).__name__}")
    if not graph.is_directed() or graph.is_multigraph():
        raise ValueError(
            "graph must be directed, with at most one edge from a node to another; "
            f"received a {type(graph).__name__}"
        )
    number = {node: position for position, node in enumerate(graph)}
    n_edges = graph.number_of_edges()
    places = np.empty((2, n_edges), dtype=np.intp)
    weights = np.empty(n_edges)
    for k, (source, target, value) in enumerate(graph.edges(data=weight, default=1.0)):
        places[:, k] = number[source], number[target]
        weights[k] = check_number(f"{weight} of edge ({source!r}, {target!r})", value)
    return _from_edges(places[0], places[1], weights, len(number), dtype)


def to_edge_list(W: Matrix) -> pd.DataFrame:
    """Return a matrix as a table with one row per edge.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)

    Returns
    -------
    pandas.DataFrame
        Columns ``source``, ``target`` (int64) and ``weight`` (the dtype of `W`), by target, then
        source. The number of nodes is not in it.

    Raises
    ------
    TypeError, ValueError
        If `W` is no finite square matrix.

    Examples
    --------
    >>> print(to_edge_list(np.array([[0.0, 0.5], [0.0, -2.0]])))
       source  target  weight
    0       0       1     0.5
    1       1       1    -2.0
    """
    edges = _edges(check_matrix(W, square=True))
    columns = (
        edges.indices.astype(np.int64),
        _stored.column_of_entries(edges).astype(np.int64),
        edges.data.copy(),
    )
    return pd.DataFrame(dict(zip(EDGE_COLUMNS, columns, strict=True)))


def from_edge_list(
    edges: pd.DataFrame, n: int | None = None, *, dtype: DTypeLike | None = None
) -> sparse.csc_array:
    """Return the matrix of a table of edges.

    Parameters
    ----------
    edges : pandas.DataFrame
        Columns ``source``, ``target`` (integers from 0) and ``weight``, in any order; others are
        ignored.
    n : int, optional
        Number of nodes; otherwise 1 + the largest number in the table, which then may be at most
        :data:`LARGEST_IMPLIED_SIZE` - for one wrong cell should not fill the memory.
    dtype : {float32, float64}, optional
        Otherwise float32 where the column is, else float64.

    Returns
    -------
    csc_array, shape (n, n)
        Weights of 0 are stored.

    Raises
    ------
    TypeError
        If `edges` is no data frame, a number of a node is no integer, a weight is no real number,
        or `dtype` is another one.
    IndexError
        If a node is out of range.
    ValueError
        If a column is missing, an edge stands there twice, or a weight is not finite or too large.

    Examples
    --------
    >>> table = pd.DataFrame({"source": [0, 1], "target": [1, 1], "weight": [0.5, -2.0]})
    >>> from_edge_list(table).toarray()
    array([[ 0. ,  0.5],
           [ 0. , -2. ]])
    """
    if not isinstance(edges, pd.DataFrame):
        raise TypeError(f"edges must be a pandas.DataFrame; received {type(edges).__name__}")
    for name in EDGE_COLUMNS:
        if name not in edges.columns:
            raise ValueError(
                f"edges must have the columns {', '.join(EDGE_COLUMNS)}; {name} is missing"
            )
    columns = [edges[name].to_numpy() for name in EDGE_COLUMNS]
    if n is None:
        n = _implied_size(columns[:2])
    n = check_integer("n", n, at_least=0)
    sources = check_indices("source", columns[0], n)
    targets = check_indices("target", columns[1], n)
    weights = columns[2]
    if len(weights) and weights.dtype.kind not in "iuf":
        raise TypeError(f"weight must hold real numbers; received {weights.dtype}")
    if dtype is None:
        dtype = np.float32 if weights.dtype == np.float32 else np.float64
    wrong = np.flatnonzero(~np.isfinite(weights.astype(np.float64)))
    if wrong.size:
        raise ValueError(f"weight must be finite; received {weights[wrong[0]]} in row {wrong[0]}")
    return _from_edges(sources, targets, weights, n, dtype)


def _implied_size(columns: list[NDArray[Any]]) -> int:
    """Return 1 + the largest number, checked; what is no number is refused later."""
    numbers = [column for column in columns if len(column) and column.dtype.kind in "iu"]
    n = 1 + max((int(column.max()) for column in numbers), default=-1)
    if n > LARGEST_IMPLIED_SIZE:
        raise ValueError(
            f"n must be given where it is above {LARGEST_IMPLIED_SIZE}; the largest number is {n - 1}"
        )
    return max(n, 0)


def _from_edges(
    sources: IntArray, targets: IntArray, weights: NDArray[Any], n: int, dtype: DTypeLike
) -> sparse.csc_array:
    """Assemble a matrix of edges in any order; ValueError if one is named twice."""
    wanted = np.dtype(dtype)
    if wanted not in (np.float32, np.float64):
        raise TypeError(f"dtype must be float32 or float64; received {wanted}")
    with np.errstate(over="ignore"):
        values: FloatArray = weights.astype(wanted)
    order = np.lexsort((sources, targets))
    rows, columns, values = sources[order], targets[order], values[order]
    again = np.flatnonzero((np.diff(rows) == 0) & (np.diff(columns) == 0))
    if again.size:
        raise ValueError(
            f"edges must be named once; received ({rows[again[0]]}, {columns[again[0]]}) repeatedly"
        )
    if not np.isfinite(values).all():
        k = int(np.argmin(np.isfinite(values)))
        raise ValueError(
            f"weight must fit into {wanted}; received {weights[order[k]]} "
            f"at ({rows[k]}, {columns[k]})"
        )
    lengths = np.bincount(columns, minlength=n)
    return _stored.assemble(_stored.pointers(lengths), rows, values, (n, n))


def _edges(W: Matrix) -> sparse.csc_array:
    return W if isinstance(W, sparse.csc_array) else sparse.csc_array(W)
