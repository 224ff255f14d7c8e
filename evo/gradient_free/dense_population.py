"""A population of small networks as padded dense arrays, and its way back to genomes and records."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.genome.genome import Genome, Role
from evo.gradient_free.dense_kernels import (
    ADD_COLUMN,
    ADD_ROW,
    ASSIGN,
    LETTERS,
    LOG_ROW,
    REORDER,
    THRESHOLD,
    Log,
    Networks,
)
from evo.gradient_free.dense_mutation_kernels import Rules
from evo.operators.operation import Parameters


def empty_networks(n_individuals: int, n_nodes: int) -> Networks:
    """Make arrays for some networks, all zeros."""
    return Networks(
        np.zeros((n_individuals, n_nodes, n_nodes + 1), np.float32),
        np.zeros((n_individuals, n_nodes, n_nodes), np.bool_),
        np.zeros((n_individuals, n_nodes), np.int64),
        np.zeros((n_individuals, n_nodes), np.uint8),
        np.zeros(n_individuals, np.float32),
    )


def copy_of(networks: Networks, p: int) -> Networks:
    """Return a population of one."""
    one = slice(p, p + 1)
    return Networks(
        networks.columns[one].copy(),
        networks.stored[one].copy(),
        networks.ids[one].copy(),
        networks.codes[one].copy(),
        networks.threshold[one].copy(),
    )


def empty_log(n_operations: int, n_nodes: int) -> Log:
    """Make a log with room for some operations on one network; with none, nothing is logged."""
    return Log(
        np.zeros(n_operations * n_nodes * (n_nodes + 1), LOG_ROW),
        np.zeros(2, np.int64),
    )


def genome_at(networks: Networks, p: int, rules: Rules) -> Genome:
    """Return one network as a genome; it shares no memory with the population."""
    stored = networks.stored[p]
    n = len(stored)
    targets, sources = np.nonzero(stored)
    roles = np.full(n, Role.HIDDEN, np.uint8)
    roles[: rules.n_inputs] = Role.INPUT
    roles[n - rules.n_outputs :] = Role.OUTPUT
    return Genome(
        indptr=np.append(0, np.cumsum(stored.sum(axis=1))).astype(np.int64),
        indices=sources.astype(np.int32),
        values=networks.columns[p][targets, sources],
        bias=networks.columns[p][:, n].copy(),
        ids=networks.ids[p].copy(),
        roles=roles,
        activations=networks.codes[p].copy(),
        threshold=float(networks.threshold[p]),
        ticks=rules.ticks,
    )


def record_of(log: Log) -> list[tuple[str, Parameters]]:
    """Return what a log holds as a record that :func:`evo.replay` takes: (letter, parameters) in order."""
    return list(_operations(log.rows[: log.counts[0]]))


def _operations(rows: NDArray[np.void]) -> Iterator[tuple[str, Parameters]]:
    """Yield the operations that some rows of a log tell of."""
    for _, group in groupby(rows, key=lambda row: row["operation"]):
        parts = list(group)
        yield LETTERS[parts[0]["letter"]], _parameters(parts)


def _parameters(rows: list[Any]) -> Parameters:
    """Return the parameters of one operation from its rows: see :data:`evo.gradient_free.dense_kernels.LOG_ROW`."""
    row = rows[0]
    a, b, x, y = int(row["a"]), int(row["b"]), float(row["x"]), float(row["y"])
    letter = row["letter"]
    if letter == THRESHOLD:
        return {"threshold": x, "drop": bool(a)}
    if letter in (ADD_COLUMN, ADD_ROW):
        return {"source": a, "target": b, "factor": x, "scale": y}
    if letter == REORDER:
        return {"node": a, "destination": b}
    if letter == ASSIGN:
        return {
            "sources": [int(part["a"]) for part in rows],
            "targets": [int(part["b"]) for part in rows],
            "values": [float(part["x"]) for part in rows],
        }
    return {"a": a, "b": b}
