"""Who descends from whom: the individuals of runs as a graph."""

from typing import Any

import networkx as nx
import pandas as pd

from evo.storage.tables import KEYS
from experiments.analysis.results import Results


def lineage(results: Results) -> nx.DiGraph:
    """Return the individuals of one or many runs as a graph from parents to children.

    Parameters
    ----------
    results : Results

    Returns
    -------
    networkx.DiGraph
        A node for each individual, ``(run, seed, individual)``, so that several runs and seeds can stand in one graph.
        Its attributes are all columns of ``individuals``, with the values that stand in the table. An edge from each
        parent to its child has the attribute ``operations``: a list of the rows of ``operations`` that made the child
        out of the parent, in their order, as dicts.

    Examples
    --------
    The ancestors of the winner of a run, which is the only one in ``results``::

        graph = lineage(results)
        winner = results.winner()
        ancestors = nx.ancestors(graph, (winner["run"], winner["seed"], winner["individual"]))
    """
    graph = nx.DiGraph()
    rows = _records(results.individuals)
    graph.add_nodes_from((_node(row), row) for row in rows)
    applied: dict[Any, list[dict[str, Any]]] = {}
    for operation in _records(results.operations):
        applied.setdefault(_node(operation), []).append(operation)
    for row in rows:
        child = _node(row)
        for parent in row["parents"]:
            graph.add_edge((*child[:2], int(parent)), child, operations=applied.get(child, []))
    return graph


def _node(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEYS["individuals"])


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
