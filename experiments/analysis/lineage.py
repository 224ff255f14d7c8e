"""Who descends from whom: the individuals of runs as a graph."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import networkx as nx
import pandas as pd

from evo.storage.run_reader import load_tables, run_names
from evo.storage.tables import KEYS
from experiments.analysis.beginnings import (
    LineageWarning,
    first_individuals,
    older_run,
    without_ancestors,
)
from experiments.analysis.results import Results

Node = tuple[Any, ...]
Row = dict[str, Any]


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

        Where a run continues another one, edges lead from the individuals of the older run to those of the newer run.
        If the older run is not among the results, the ancestors in it stand in the graph too.

    Warns
    -----
    LineageWarning
        If the folder of an older run is not found. The lineage then begins with the individuals with which the newer
        run began.

    Examples
    --------
    The ancestors of the winner of a run, which is the only one in ``results``::

        graph = lineage(results)
        winner = results.winner()
        ancestors = nx.ancestors(graph, (winner["run"], winner["seed"], winner["individual"]))
    """
    names = run_names(results.paths)
    known = _Known()
    known.add(results.individuals, results.operations)
    graph = nx.DiGraph()
    graph.add_nodes_from(known.rows.items())
    known.add_older_runs({path.resolve(): name for path, name in names.items()})
    left = list(graph)
    while left:
        child = left.pop()
        for parent in known.parents(child):
            if parent not in graph:
                graph.add_node(parent, **known.rows.get(parent, {}))
                left.append(parent)
            graph.add_edge(parent, child, operations=known.operations.get(child, []))
    return graph


@dataclass(eq=False)
class _Known:
    """The individuals of runs, and of the runs that these continue.

    Attributes
    ----------
    rows : dict
        The row of ``individuals`` of each node.
    operations : dict
        The rows of ``operations`` of each node.
    older : dict
        The name of the older run, by the name of the run that continues it.
    first : set of tuple
        The individuals of older runs whose folder is not found.
    """

    rows: dict[Node, Row] = field(default_factory=dict)
    operations: dict[Node, list[Row]] = field(default_factory=dict)
    older: dict[str, str] = field(default_factory=dict)
    first: set[Node] = field(default_factory=set)

    def add(self, individuals: pd.DataFrame, operations: pd.DataFrame) -> None:
        """Add individuals and what made them."""
        self.rows |= {_node(row): row for row in _records(individuals)}
        for operation in _records(operations):
            self.operations.setdefault(_node(operation), []).append(operation)

    def add_older_runs(self, names: dict[Path, str]) -> None:
        """Add the runs that some runs continue, and those that these continue; `names` has a name for each folder."""
        left, gone = list(names), dict[Path, str]()
        while left:
            run = left.pop()
            older = older_run(run)
            if older is None:
                continue
            if older.found is None:
                warnings.warn(LineageWarning(without_ancestors(run, older)), stacklevel=3)
                free = older.name not in {*names.values(), *gone.values()}
                name = gone.setdefault(older.path, older.name if free else str(older.path))
                first = {_node(row): row for row in first_individuals(run, name)}
                self.rows |= first
                self.first |= first.keys()
                self.older[names[run]] = name
                continue
            place = older.found.resolve()
            if place not in names:
                names[place] = run_names([*names, place])[place]
                tables = load_tables([place], ["individuals", "operations"])
                self.add(*(frame.assign(run=names[place]) for frame in tables.values()))
                left.append(place)
            self.older[names[run]] = names[place]

    def parents(self, child: Node) -> Iterator[Node]:
        """Yield the parents of an individual, in its own run or in one that this run continues."""
        for number in self.rows[child]["parents"] if child in self.rows else ():
            run, seed, _ = child
            while (run, seed, int(number)) not in self.rows and run in self.older:
                run = self.older[run]
            parent = (run, seed, int(number))
            if parent in self.rows or child not in self.first:
                yield parent


def _node(row: Row) -> Node:
    return tuple(row[name] for name in KEYS["individuals"])


def _records(frame: pd.DataFrame) -> list[Row]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
