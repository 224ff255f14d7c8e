"""Populations of small networks as dense arrays, and their conversion to genomes and records."""

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
    LOG_ROW,
    OPERATOR_CODES,
    REORDER,
    THRESHOLD,
    Log,
    Networks,
)
from evo.gradient_free.dense_mutation_kernels import Rules
from evo.operators.operation import Parameters


def empty_networks(n_individuals: int, n_nodes: int) -> Networks:
    """Return arrays of zeros for some networks."""
    return Networks(
        np.zeros((n_individuals, n_nodes, n_nodes + 1), np.float32),
        np.zeros((n_individuals, n_nodes, n_nodes), np.bool_),
        np.zeros((n_individuals, n_nodes), np.int64),
        np.zeros((n_individuals, n_nodes), np.uint8),
        np.zeros(n_individuals, np.float32),
    )


def copy_individual(networks: Networks, p: int) -> Networks:
    """Return a copy of one network, as a population of one."""
    return Networks._make(part[p : p + 1].copy() for part in networks)


def empty_log(n_operations: int, n_nodes: int) -> Log:
    """Return a log with space for some operations on one network; with 0 operations nothing is logged."""
    n_rows = n_operations * n_nodes * (n_nodes + 1)
    return Log(np.zeros(n_rows, LOG_ROW), np.zeros(2, np.int64))


def genome_at(networks: Networks, p: int, rules: Rules) -> Genome:
    """Return one network as a genome that shares no memory with the population."""
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
        activations=networks.activations[p].copy(),
        threshold=float(networks.threshold[p]),
        ticks=rules.ticks,
    )


def networks_of(genome: Genome) -> Networks:
    """Return a genome as a population of one.

    Raises
    ------
    ValueError
        If its nodes are not neurons, inputs first and outputs last and both in the order of their ids, or if it has no
        single threshold on magnitudes.
    """
    n, ends = genome.n_nodes, (genome.inputs, genome.outputs)
    order = np.concatenate(
        [genome.inputs, np.flatnonzero(genome.roles == Role.HIDDEN), genome.outputs]
    )
    if genome.has_maps or genome.threshold_mode != "magnitude" or np.ndim(genome.threshold or 0.0):
        raise ValueError(
            "genome must have neurons only and one threshold on magnitudes; got maps, or other thresholds"
        )
    if not (order == np.arange(n)).all() or any(
        (np.diff(genome.ids[end]) < 0).any() for end in ends
    ):
        raise ValueError(
            "genome must have its inputs first and its outputs last, in the order of their ids; got another order"
        )
    networks = empty_networks(1, n)
    networks.columns[0, genome.targets, genome.indices] = genome.values
    networks.columns[0, :, n] = genome.bias
    networks.stored[0, genome.targets, genome.indices] = True
    networks.ids[0], networks.activations[0] = genome.ids, genome.activations
    networks.threshold[0] = genome.threshold or 0.0
    return networks


def record_from_log(log: Log) -> list[tuple[str, Parameters]]:
    """Return a log as a record for :func:`evo.replay`: a list of (operator, parameters)."""
    return list(_operations(log.rows[: log.counts[0]]))


def _operations(rows: NDArray[np.void]) -> Iterator[tuple[str, Parameters]]:
    """Yield the operations in some rows of a log."""
    for _, group in groupby(rows, key=lambda row: row["operation"]):
        parts = list(group)
        yield OPERATOR_CODES[parts[0]["operator"]], _parameters(parts)


def _parameters(rows: list[Any]) -> Parameters:
    """Return the parameters of one operation from its rows (:data:`evo.gradient_free.dense_kernels.LOG_ROW`)."""
    row = rows[0]
    a, b, x, y = int(row["a"]), int(row["b"]), float(row["x"]), float(row["y"])
    operator = row["operator"]
    if operator == THRESHOLD:
        return {"threshold": x, "drop": bool(a)}
    if operator in (ADD_COLUMN, ADD_ROW):
        return {"source": a, "target": b, "factor": x, "scale": y}
    if operator == REORDER:
        return {"node": a, "destination": b}
    if operator == ASSIGN:
        return {
            "sources": [int(part["a"]) for part in rows],
            "targets": [int(part["b"]) for part in rows],
            "values": [float(part["x"]) for part in rows],
        }
    return {"a": a, "b": b}
