"""The topology of a genome with weights drawn anew."""

from dataclasses import replace

import numpy as np

import graphops
from evo.genome.activations import activation_names
from evo.genome.genome import Genome, Role


def with_fresh_weights(genome: Genome, *, rng: np.random.Generator) -> Genome:
    """Return the active edges of a genome with weights drawn anew, and biases of 0.

    Dormant entries are nothing but weights, so they are left out, and the threshold with them. Weights are normal with
    variance 1/in-degree, or 2/in-degree if hidden nodes are rectifiers, as ``founders.weights = "random"`` draws them.

    Parameters
    ----------
    genome : Genome
    rng : numpy.random.Generator

    Returns
    -------
    Genome
        With the nodes, activations and ticks of `genome`, and its dtype.

    Examples
    --------
    >>> genome = Genome.from_matrix([[0, 0.5], [0, 0]], n_inputs=1, n_outputs=1)
    >>> fresh = with_fresh_weights(genome, rng=np.random.default_rng(0))
    >>> fresh.n_stored, bool(fresh.values[0] == genome.values[0])
    (1, False)
    """
    active = active_edges(genome)
    names = activation_names(np.unique(genome.activations[genome.roles == Role.HIDDEN]))
    scale: graphops.Scale = "he" if any("relu" in name for name in names) else "glorot"
    dtype = genome.values.dtype
    values = graphops.random_weights(np.diff(active.indptr), rng=rng, scale=scale, dtype=dtype)
    return active.with_values(values, np.zeros_like(genome.bias))


def active_edges(genome: Genome) -> Genome:
    """Return a genome without its dormant entries, and without a threshold."""
    if genome.threshold is None:
        return genome
    mask = genome.active_mask()
    return replace(
        genome,
        indptr=np.concatenate([[0], np.cumsum(mask, dtype=np.int64)])[genome.indptr],
        indices=genome.indices[mask],
        values=genome.values[mask],
        taps=None if genome.taps is None else genome.taps[mask],
        threshold=None,
    )
