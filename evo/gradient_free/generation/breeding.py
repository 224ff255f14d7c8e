"""Children of given genomes by mutation in compiled code, with the operations that :func:`evo.replay` repeats."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evo.genome.genome import Genome
from evo.gradient_free.dense_kernels import LOG_ROW, OPERATOR_CODES, Log, Networks
from evo.gradient_free.dense_mutation_kernels import Rules
from evo.gradient_free.dense_population import operations_in, rows_per_operation, stacked
from evo.gradient_free.generation import generation_kernels as kernels
from evo.gradient_free.philox_kernels import Words
from evo.gradient_free.settings import WeightSettings
from evo.operators.operation import Operation, OperatorSettings

LARGEST_NETWORK = 64
"""Largest number of nodes of a network for compiled mutation in the loop.

Larger ones do not suit dense arrays: all of n² entries are read at each step, whatever is stored.
"""

MAX_LOG_ROWS = 2**20
"""Rows of the log of one compiled call, 24 bytes each; more networks take several calls."""

WORDS_PER_KEY = 2


class Child(NamedTuple):
    """A mutated network.

    Attributes
    ----------
    genome : Genome
        The parent itself if no operation was applied.
    operations : tuple of Operation
        In order; ``evo.replay(operations, parent)`` gives the genome.
    """

    genome: Genome
    operations: tuple[Operation, ...]


def rules_of(
    genome: Genome, operators: OperatorSettings, weights: WeightSettings, max_operations: int
) -> Rules:
    """Return the rules by which a genome, and others of its size, mutates."""
    return Rules(
        n_inputs=len(genome.inputs),
        n_outputs=len(genome.outputs),
        ticks=genome.ticks,
        memory=False,
        max_factor=operators.max_factor,
        max_quantile=operators.max_quantile,
        max_new_fraction=operators.max_new_fraction,
        max_density=operators.max_density,
        max_operations=max_operations,
        growth_fraction=1.0 - operators.mutation_probability,
        **weights.model_dump(),
    )


def draw_key(rng: np.random.Generator) -> Words:
    """Draw the key of the random stream of one child."""
    return rng.integers(2**32, size=WORDS_PER_KEY, dtype=np.uint64)


def breed(
    parents: Sequence[Genome],
    rules: Rules,
    operator_weights: Mapping[str, float],
    keys: Sequence[Words],
) -> tuple[list[Child], Networks]:
    """Return a mutated copy of each parent, and the children as dense networks.

    Parameters
    ----------
    parents : sequence of Genome
        Of one size, in the form of :func:`evo.gradient_free.dense_population.check_dense_form`.
    rules : Rules
    operator_weights : mapping
        Relative frequencies of the operators A B C D F H N.
    keys : sequence of Words
        The random stream of each child. A child depends on its parent and key alone.
    """
    networks = stacked(parents)
    cumulative = np.cumsum([operator_weights.get(code, 0.0) for code in OPERATOR_CODES])
    most = rules.max_operations * rows_per_operation(parents[0].n_nodes)
    n_together = max(1, MAX_LOG_ROWS // most)
    children: list[Child] = []
    for begin in range(0, len(parents), n_together):
        part = slice(begin, begin + n_together)
        some, own = Networks._make(array[part] for array in networks), parents[part]
        n = len(own)
        log = Log(np.empty(n * most, LOG_ROW), np.zeros(2, np.int64), np.empty((1, 2), np.int64))
        sizes = np.zeros((n, rules.max_operations + 1, 2), np.int64)
        ends = np.zeros((n, 2), np.int64)
        kernels.mutate_all(some, rules, cumulative, np.array(keys[part]), log, sizes, ends)
        children += _children(own, some, log, sizes, ends)
    return children, networks


def _children(
    parents: Sequence[Genome],
    networks: Networks,
    log: Log,
    sizes: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> Iterator[Child]:
    """Yield the children that some mutated networks are."""
    at, targets, sources = np.nonzero(networks.stored)
    values, indices = networks.columns[at, targets, sources], sources.astype(np.int32)
    n = networks.ids.shape[1]
    indptr = np.zeros((len(parents), n + 1), np.int64)
    np.cumsum(networks.stored.sum(axis=2), axis=1, out=indptr[:, 1:])
    first = np.cumsum(indptr[:, -1]) - indptr[:, -1]
    begin = 0
    for p, (parent, (end, n_operations)) in enumerate(zip(parents, ends.tolist(), strict=True)):
        record, begin = [*operations_in(log.rows[begin:end])], end
        if not n_operations:
            yield Child(parent, ())
            continue
        counts = sizes[p].tolist()
        operations = tuple(
            Operation(code, parameters, before[0], after[0], before[1], after[1])
            for (code, parameters), before, after in zip(
                record, counts[:n_operations], counts[1 : n_operations + 1], strict=True
            )
        )
        part = slice(first[p], first[p] + indptr[p, -1])
        codes = {code for code, _ in record}
        genome = Genome.of_valid_parts(
            indptr=indptr[p].copy(),
            indices=indices[part].copy(),
            values=values[part].copy(),
            bias=networks.columns[p, :, n].copy(),
            ids=networks.ids[p].copy() if "H" in codes else parent.ids,
            roles=parent.roles,
            activations=networks.activations[p].copy() if "H" in codes else parent.activations,
            threshold=float(networks.threshold[p]) if "A" in codes else parent.threshold,
            threshold_mode=parent.threshold_mode,
            ticks=parent.ticks,
            map_sizes=parent.map_sizes,
            taps=None,
            kernel=parent.kernel,
            downsampling=parent.downsampling,
        )
        genome.remember_nodes_of(parent)
        yield Child(genome, operations)
