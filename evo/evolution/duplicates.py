"""Duplicate training: a child whose training would duplicate its parent's training reuses the parent's result.

A modify phase may leave the computed network as it was: no operator found a change, a node moved within the freedom of
the evaluation order, an addition changed a dead end. If the parent is trained further in the same generation, training
the child would compute the same network twice. The comparison is exact and depends on the child and its parent alone,
so every worker decides alike.
"""

import numpy as np
from numpy.typing import NDArray

from evo.canonical.canonical import TooSymmetricError, match_nodes
from evo.genome.genome import FloatArray, Genome
from evo.phenotype.phenotype import Phenotype, compile_plan

MAX_REFINEMENTS = 16
"""Largest number of refinements in a comparison; with more refinements, training costs less."""


def duplicates_training(
    network: Phenotype,
    moments: FloatArray | None,
    parent: Genome,
    parent_moments: FloatArray | None,
) -> bool:
    """Return whether training a network would duplicate, up to naming, training its parent.

    Both must be the same network, with the same optimizer state of every parameter and the same threshold at every
    computed node: the threshold decides which entries are dormant after training.

    Parameters
    ----------
    network : Phenotype
        Compiled and not trained yet.
    moments : ndarray, shape (k, stored entries + nodes), or None
        Optimizer state of the entries and biases of its genome.
    parent : Genome
    parent_moments : ndarray, shape (k, parent's stored entries + nodes), or None

    Returns
    -------
    bool
        Never True for trainings that differ. Also False for networks too symmetric to be matched within
        :data:`MAX_REFINEMENTS` refinements.

    Notes
    -----
    O(stored entries·log). A network with a weight that the parent does not have is rejected without matching nodes.
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
        For each genome, the indices of its trainable numbers among its entries followed by its biases, in the same
        order; None if the two are not the same network.

    Raises
    ------
    TooSymmetricError
        As for :func:`evo.canonical.canonical.match_nodes`, with :data:`MAX_REFINEMENTS`.
    """
    matched = match_nodes(a, b, max_refinements=MAX_REFINEMENTS)
    if matched is None:
        return None
    plan, other = compile_plan(a), compile_plan(b)
    targets = matched[np.repeat(plan.nodes, np.diff(plan.indptr))]
    sources = matched[a.indices[plan.entries]]
    # Ordered by target, then source, then as stored: the order of the effective entries of b.
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
