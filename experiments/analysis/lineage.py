"""Who descends from whom: the individuals of runs as a graph, and the training of an individual and its ancestors."""

import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import networkx as nx
import pandas as pd

from evo.errors import ResultsError
from evo.storage.run_reader import load_tables, run_names
from evo.storage.tables import KEYS
from experiments.analysis.beginnings import (
    LineageWarning,
    first_individuals,
    older_run,
    without_ancestors,
)

Node = tuple[Any, ...]
Row = dict[str, Any]

_OF_INDIVIDUAL = (
    *("run", "seed", "individual", "parent", "generation", "origin", "operators", "reused_from"),
)
"""The columns of :func:`learning_curve` about the individual."""


COSTS_OF_MATES = ("training_macs", "cpu_seconds", "train_seconds")
"""The costs of training of an individual in ``individuals``."""


class RunTables(Protocol):
    """What is read of :class:`experiments.Results` here."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The run folders."""

    @property
    def individuals(self) -> pd.DataFrame:
        """The table of that name."""

    @property
    def operations(self) -> pd.DataFrame:
        """The table of that name."""

    @property
    def training(self) -> pd.DataFrame:
        """The table of that name."""


def lineage(results: RunTables) -> nx.DiGraph:
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
    known = _Known()
    known.add(results.individuals, results.operations)
    graph = nx.DiGraph()
    graph.add_nodes_from(known.rows.items())
    known.add_older_runs(_names(results))
    left = list(graph)
    while left:
        child = left.pop()
        for parent in known.parents(child):
            if parent not in graph:
                graph.add_node(parent, **known.rows.get(parent, {}))
                left.append(parent)
            graph.add_edge(parent, child, operations=known.operations.get(child, []))
    return graph


def learning_curve(results: RunTables, individual: Mapping[str, Any] | pd.Series) -> pd.DataFrame:
    """Return the training of an individual and of all its ancestors, from the founder on.

    Parameters
    ----------
    results : Results
    individual : mapping
        With `run`, `seed` and `individual`, such as :meth:`experiments.Results.winner` or a row of ``individuals``.

    Returns
    -------
    DataFrame
        One row per point of ``training``. Columns `run`, `seed`, `individual`, `parent`, `generation`, `origin` and
        `operators` say whose training it was and how this individual came about; `reused_from`, whose training result
        it took over instead, if it did; `step`, `loss`, `learning_rate`, `gradient_norm`, `validation_loss` and
        `validation_accuracy` are as in ``training``. `step` counts from the founder's first step and ascends.

        Where a run continues another one, ancestors in the older run are included.

    Raises
    ------
    ResultsError
        If the individual is not in the results.

    Warns
    -----
    LineageWarning
        If the folder of an older run is not found. The curve then begins with the newer run.
    """
    known = _Known()
    known.add(results.individuals, results.operations.iloc[:0])
    folders = known.add_older_runs(_names(results))
    node: Node | None = known.in_its_run(tuple(individual[name] for name in KEYS["individuals"]))
    if node not in known.rows:
        raise ResultsError(f"individual must be in the results; got run, seed, individual {node}")
    tables = {str(name): of_run for name, of_run in results.training.groupby("run")}
    curves: list[pd.DataFrame] = []
    while node in known.rows:
        row, parent = known.rows[node], next(known.parents(node), None)
        run = node[0]
        if run not in tables and run in folders:
            tables[run] = load_tables([folders[run]], ["training"])["training"]
        if run in tables:
            row = row | {"parent": None if parent is None else parent[2]}
            curves.append(_own_points(row, tables[run]))
        node = parent
    points = pd.concat(curves[::-1], ignore_index=True) if curves else results.training.iloc[:0]
    known_already = {*_OF_INDIVIDUAL, "arm"}
    measured = [name for name in results.training if name not in known_already]
    table = points.reindex(columns=[*_OF_INDIVIDUAL, *measured])
    return table.astype({"parent": "Int64", "reused_from": "Int64"})


def _own_points(row: Row, training: pd.DataFrame) -> pd.DataFrame:
    """Return the points of the training that gave an individual its weights, with columns about the individual."""
    reused, seed = row["reused_from"], row["seed"]
    trained = row["individual"] if reused is None or pd.isna(reused) else reused
    points: pd.DataFrame = training[
        (training["seed"] == seed) & (training["individual"] == trained)
    ]
    return points.assign(**{name: row[name] for name in _OF_INDIVIDUAL})


def _names(results: RunTables) -> dict[Path, str]:
    return {path.resolve(): name for path, name in run_names(results.paths).items()}


def cost_of_mates(path: Path, seed: int, individual: int) -> dict[str, Any]:
    """Return the cost of training of the ancestors of an individual that are not in its line of first parents.

    Each ancestor is counted once: the mates that operations used, and the ancestors of these. Ancestors in an older run
    count too, if its folder is found.

    Parameters
    ----------
    path : Path
        The run folder.
    seed, individual : int

    Returns
    -------
    dict
        The sum of each cost in :data:`COSTS_OF_MATES`.
    """
    tables = load_tables([path], ["individuals", "operations"])
    name = run_names([path])[path]
    known = _Known()
    known.add(*(table.assign(run=name) for table in tables.values()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LineageWarning)
        known.add_older_runs({path.resolve(): name})
    node = known.in_its_run((name, seed, individual))
    beside = known.trained(node) - known.trained(node, with_mates=False)
    rows = [known.rows[one] for one in beside if known.rows[one]["status"] == "ok"]
    return {cost: sum(row[cost] for row in rows) for cost in COSTS_OF_MATES}


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

    def add_older_runs(self, names: dict[Path, str]) -> dict[str, Path]:
        """Add the runs that some runs continue, and those that these continue; return the folder of each run.

        `names` has a name for each folder, and gets those of the older runs.
        """
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
        return {name: folder for folder, name in names.items()}

    def in_its_run(self, node: Node) -> Node:
        """Return an individual of a run, or of one that the run continues, as a node of the run that has it."""
        run, *of_run = node
        while (run, *of_run) not in self.rows and run in self.older:
            run = self.older[run]
        return (run, *of_run)

    def parents(self, child: Node) -> Iterator[Node]:
        """Yield the parents of an individual, in its own run or in one that this run continues."""
        for number in self.rows[child]["parents"] if child in self.rows else ():
            parent = self.in_its_run((*child[:2], int(number)))
            if parent in self.rows or child not in self.first:
                yield parent

    def trained(self, individual: Node, *, with_mates: bool = True) -> set[Node]:
        """Return an individual, its ancestors, and those whose training results these reused."""
        left, found = [individual], set[Node]()
        while left:
            node = left.pop()
            if node in found or node not in self.rows:
                continue
            found.add(node)
            parents = [*self.parents(node)]
            left += parents[:1]
            if with_mates:
                used = {
                    mate
                    for operation in self.operations.get(node, ())
                    for mate in json.loads(operation["parameters"]).get("mates", ())
                }
                left += [one for one in parents[1:] if one[2] in used]
            reused = self.rows[node]["reused_from"]
            if not pd.isna(reused):
                left.append((*node[:2], int(reused)))
        return found


def _node(row: Row) -> Node:
    return tuple(row[name] for name in KEYS["individuals"])


def _records(frame: pd.DataFrame) -> list[Row]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
