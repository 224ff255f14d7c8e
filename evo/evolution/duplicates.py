"""When a child's training would repeat that of its parent: it then takes the result over.

A modify phase may change nothing that matters: no operator found anything to do, a node moved within the freedom of
the evaluation order, an addition went to a dead end. If the parent is trained on unmodified in the same generation,
then training the child as well would buy the same network twice. The comparison is exact and looks at the child and
its parent alone, so it comes out the same on every worker and in any order.
"""

import numpy as np
from numpy.typing import NDArray

from evo.canonical.canonical import TooSymmetricError, match_nodes
from evo.genome.genome import FloatArray, Genome
from evo.phenotype.phenotype import Phenotype, compile_plan

MAX_REFINEMENTS = 16
"""Refinements that a comparison may take: beyond that, training costs less."""


def duplicates_training(
    network: Phenotype,
    moments: FloatArray | None,
    parent: Genome,
    parent_moments: FloatArray | None,
) -> bool:
    """Tell whether training a network would repeat, up to naming, training its parent.

    That is so if the two are the same network, the optimiser remembers the same of every parameter, and the threshold
    of every computed node is the same - for it decides what falls asleep when training is over.

    Parameters
    ----------
    network : Phenotype
        Compiled and not trained yet.
    moments : ndarray, shape (k, stored entries + nodes), or None
        What the optimiser remembers of its genome's entries and biases.
    parent : Genome
    parent_moments : ndarray, shape (k, parent's stored entries + nodes), or None

    Returns
    -------
    bool
        Never True of two trainings that differ. False, too, of networks so symmetric that they can not be matched by
        :data:`MAX_REFINEMENTS` refinements.

    Notes
    -----
    O(stored entries·log); a network with a weight that the parent does not have is seen without matching nodes.
    """
    genome = network.genome
    if not np.isin(network.parameters, np.concatenate([parent.values, parent.bias])).all():
        return False
    try:
        places = same_parameters(genome, parent)
    except TooSymmetricError:
        return False
    if places is None or not _same_thresholds(genome, parent, *places):
        return False
    if moments is None or parent_moments is None:
        return moments is parent_moments
    here, there = places
    return np.array_equal(moments[:, here], parent_moments[:, there])


def same_parameters(a: Genome, b: Genome) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Pair the trainable numbers of two genomes that are the same network.

    Parameters
    ----------
    a, b : Genome

    Returns
    -------
    (ndarray, ndarray) of int, or None
        The places of all trainable numbers in each genome's entries followed by its biases, in the same order; None
        if the two are not the same network.

    Raises
    ------
    TooSymmetricError
        As :func:`evo.canonical.canonical.match_nodes`, within :data:`MAX_REFINEMENTS`.
    """
    matched = match_nodes(a, b, max_refinements=MAX_REFINEMENTS)
    if matched is None:
        return None
    plan, other = compile_plan(a), compile_plan(b)
    targets = matched[np.repeat(plan.nodes, np.diff(plan.indptr))]
    sources = matched[a.indices[plan.entries]]
    # By target, then by source, and as they are between the same two: so all effective entries of b are stored.
    order = np.argsort(targets * b.n_nodes + sources, kind="stable")
    entries = np.empty_like(other.entries)
    entries[order] = other.entries
    here = np.concatenate([plan.entries, a.n_stored + plan.nodes])
    there = np.concatenate([entries, b.n_stored + matched[plan.nodes]])
    return here, there


def _same_thresholds(a: Genome, b: Genome, here: NDArray[np.intp], there: NDArray[np.intp]) -> bool:
    if a.threshold is None or b.threshold is None:
        return a.threshold is b.threshold
    nodes, others = here[here >= a.n_stored] - a.n_stored, there[there >= b.n_stored] - b.n_stored
    thresholds = np.broadcast_to(a.threshold, a.n_nodes), np.broadcast_to(b.threshold, b.n_nodes)
    same = np.array_equal(thresholds[0][nodes], thresholds[1][others])
    return same and a.threshold_mode == b.threshold_mode
