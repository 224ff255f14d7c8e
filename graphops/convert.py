"""Conversion of matrices to and from networkx graphs, and to tables of edges, without loss.

Edges are the stored entries, zeros too (of an ndarray the non-zero entries). Weights become Python floats, which hold
float32 and float64 exactly. ndarrays and ``scipy.sparse`` arrays of any format need no conversion. A table of edges is
read by ``scipy.sparse.csc_array((weights, (sources, targets)))``.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike
from scipy import sparse

from graphops import _stored
from graphops.validation import (
    FloatArray,
    Matrix,
    check_edges,
    check_number,
)

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

EDGE_COLUMNS = ("source", "target", "weight")


def to_networkx(W: Matrix, *, weight: str = "weight") -> "nx.DiGraph":
    """Return a matrix as a directed graph.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)
    weight : str
        The edge attribute for the weights.

    Returns
    -------
    networkx.DiGraph
        Nodes 0 … n − 1, edges by target, then source; weights are Python floats.

    Raises
    ------
    TypeError, ValueError
        If `W` is not a finite square matrix.

    Examples
    --------
    >>> graph = to_networkx(np.array([[0.0, 0.5], [0.0, -2.0]]))
    >>> list(graph.edges(data="weight"))
    [(0, 1, 0.5), (1, 1, -2.0)]
    """
    import networkx as nx  # noqa: PLC0415 - slow to import

    edges = check_edges(W)
    sources, targets = edges.indices.tolist(), _stored.column_of_entries(edges).tolist()
    graph = nx.DiGraph()
    graph.add_nodes_from(range(edges.shape[0]))
    graph.add_weighted_edges_from(zip(sources, targets, edges.data.tolist(), strict=True), weight)
    return graph


def from_networkx(
    graph: "nx.DiGraph", *, weight: str = "weight", dtype: DTypeLike = np.float64
) -> sparse.csc_array:
    """Return the matrix of a directed graph, with nodes numbered in the order of the graph.

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
        If `graph` is not a networkx graph, a weight is not a real number, or `dtype` is not allowed.
    ValueError
        If the graph is undirected or a multigraph, or a weight is not finite or too large.

    Notes
    -----
    O(nnz·log nnz + n), with a Python loop over the edges.

    Examples
    --------
    >>> import networkx as nx
    >>> graph = nx.DiGraph()
    >>> graph.add_weighted_edges_from([("a", "b", 0.5), ("b", "a", 2.0)])
    >>> from_networkx(graph).toarray()
    array([[0. , 0.5],
           [2. , 0. ]])
    """
    import networkx as nx  # noqa: PLC0415 - slow to import

    if not isinstance(graph, nx.Graph):
        raise TypeError(f"graph must be a networkx.DiGraph; got {type(graph).__name__}")
    if not graph.is_directed() or graph.is_multigraph():
        raise ValueError(
            "graph must be directed, with at most one edge from a node to another; "
            f"got a {type(graph).__name__}"
        )
    number = {node: position for position, node in enumerate(graph)}
    n, n_edges = len(number), graph.number_of_edges()
    places = np.empty((2, n_edges), dtype=np.intp)
    weights = np.empty(n_edges)
    for k, (source, target, value) in enumerate(graph.edges(data=weight, default=1.0)):
        places[:, k] = number[source], number[target]
        weights[k] = check_number(f"{weight} of edge ({source!r}, {target!r})", value)
    wanted = np.dtype(dtype)
    if wanted not in (np.float32, np.float64):
        raise TypeError(f"dtype must be float32 or float64; got {wanted}")
    with np.errstate(over="ignore"):
        values: FloatArray = weights.astype(wanted)
    order = np.lexsort(places)
    (rows, columns), values = places[:, order], values[order]
    if not np.isfinite(values).all():
        k = int(np.argmin(np.isfinite(values)))
        raise ValueError(
            f"weight must fit into {wanted}; got {weights[order[k]]} at ({rows[k]}, {columns[k]})"
        )
    lengths = np.bincount(columns, minlength=n)
    return _stored.assemble(_stored.pointers(lengths), rows, values, (n, n))


def to_edge_list(W: Matrix) -> "pd.DataFrame":
    """Return a matrix as a table with one row per edge.

    Parameters
    ----------
    W : ndarray or sparse array, shape (n, n)

    Returns
    -------
    pandas.DataFrame
        Columns ``source``, ``target`` (int64) and ``weight`` (the dtype of `W`), by target, then
        source. The table does not contain the number of nodes.

    Raises
    ------
    TypeError, ValueError
        If `W` is not a finite square matrix.

    Examples
    --------
    >>> print(to_edge_list(np.array([[0.0, 0.5], [0.0, -2.0]])))
       source  target  weight
    0       0       1     0.5
    1       1       1    -2.0
    """
    import pandas as pd  # noqa: PLC0415 - slow to import

    edges = check_edges(W)
    columns = (
        edges.indices.astype(np.int64),
        _stored.column_of_entries(edges).astype(np.int64),
        edges.data.copy(),
    )
    return pd.DataFrame(dict(zip(EDGE_COLUMNS, columns, strict=True)))
