"""Populations of small networks as dense arrays, and their conversion to genomes and records."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.genome.genome import Genome, Role
from evo.gradient_free.dense_kernels import (
    ADD_COLUMN,
    ADD_ROW,
    ASSIGN,
    LOG_ROW,
    NO_THRESHOLD,
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
    n_rows = n_operations * rows_per_operation(n_nodes)
    sizes = np.zeros((n_operations + 1, 2), np.int64)
    return Log(np.zeros(n_rows, LOG_ROW), np.zeros(2, np.int64), sizes)


def rows_per_operation(n_nodes: int) -> int:
    """Return the largest number of rows of a log for one operation on a network: one for each weight and bias."""
    return n_nodes * (n_nodes + 1)


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
        If :func:`check_dense_form` does.
    """
    check_dense_form(genome)
    return stacked([genome])


def check_dense_form(genome: Genome) -> None:
    """Raise ValueError unless a genome can be one of a population.

    Its nodes must be neurons, inputs first and outputs last and both in the order of their ids, its weights of float32,
    and it must have no threshold, or a single one on magnitudes that is not negative.
    """
    n, ends = genome.n_nodes, (genome.inputs, genome.outputs)
    order = np.concatenate(
        [genome.inputs, np.flatnonzero(genome.roles == Role.HIDDEN), genome.outputs]
    )
    if genome.has_maps or genome.threshold_mode != "magnitude" or np.ndim(genome.threshold or 0.0):
        raise ValueError(
            "genome must have neurons only and one threshold on magnitudes; got maps, or other thresholds"
        )
    if genome.threshold is not None and not genome.threshold >= 0:
        raise ValueError(f"genome must have a threshold of at least 0; got {genome.threshold}")
    if not (order == np.arange(n)).all() or any(
        (np.diff(genome.ids[end]) < 0).any() for end in ends
    ):
        raise ValueError(
            "genome must have its inputs first and its outputs last, in the order of their ids; got another order"
        )
    if genome.values.dtype != np.float32:
        raise ValueError(f"genome must have weights of float32; got {genome.values.dtype}")


def stacked(genomes: Sequence[Genome]) -> Networks:
    """Return genomes that :func:`check_dense_form` accepts, all of as many nodes, as a population."""
    n = genomes[0].n_nodes
    networks = empty_networks(len(genomes), n)
    targets = np.concatenate([genome.targets for genome in genomes])
    sources = np.concatenate([genome.indices for genome in genomes])
    at = np.repeat(np.arange(len(genomes)), [genome.n_stored for genome in genomes])
    networks.columns[at, targets, sources] = np.concatenate([genome.values for genome in genomes])
    networks.columns[:, :, n] = [genome.bias for genome in genomes]
    networks.stored[at, targets, sources] = True
    networks.ids[:] = [genome.ids for genome in genomes]
    networks.activations[:] = [genome.activations for genome in genomes]
    networks.threshold[:] = [
        NO_THRESHOLD if genome.threshold is None else genome.threshold for genome in genomes
    ]
    return networks


def record_from_log(log: Log) -> list[tuple[str, Parameters]]:
    """Return a log as a record for :func:`evo.replay`: a list of (operator, parameters)."""
    return list(operations_in(log.rows[: log.counts[0]]))


def operations_in(rows: NDArray[np.void]) -> Iterator[tuple[str, Parameters]]:
    """Yield the operations on one network in some rows of a log."""
    for _, group in groupby(rows.tolist(), key=itemgetter(0)):
        parts = list(group)
        yield OPERATOR_CODES[parts[0][1]], _parameters(parts)


def _parameters(rows: list[tuple[Any, ...]]) -> Parameters:
    """Return the parameters of one operation from its rows (:data:`evo.gradient_free.dense_kernels.LOG_ROW`)."""
    _, operator, a, b, x, y = rows[0]
    if operator == THRESHOLD:
        return {"threshold": x, "drop": bool(a)}
    if operator in (ADD_COLUMN, ADD_ROW):
        return {"source": a, "target": b, "factor": x, "scale": y}
    if operator == REORDER:
        return {"node": a, "destination": b}
    if operator == ASSIGN:
        _, _, sources, targets, values, _ = zip(*rows, strict=True)
        return {"sources": [*sources], "targets": [*targets], "values": [*values]}
    return {"a": a, "b": b}
