"""Hashes of arrays of numbers, 64 bits each: the words that networks are compared by."""

import numpy as np
from numpy.typing import NDArray

from evo.canonical.hashing_kernels import ODD, hash_states, mix_words
from evo.genome.feature_maps import DOWNSAMPLINGS, tap_offsets
from evo.genome.genome import FloatArray, Genome, Role

__all__ = ["ODD", "Words", "bits", "hash_rows", "mix", "node_labels", "output_hashes"]

Words = NDArray[np.uint64]

_SINGLED = np.uint64(0x3C6EF372)


def bits(numbers: FloatArray) -> Words:
    """Return the bits of numbers, the same for equal numbers."""
    words = np.uint32 if numbers.dtype == np.float32 else np.uint64
    return (numbers + numbers.dtype.type(0)).view(words).astype(np.uint64)  # −0.0 + 0.0 is 0.0


def mix(words: Words) -> Words:
    """Scramble words in place, one to one, and return them."""
    mix_words(words)
    return words


def hash_rows(table: Words) -> Words:
    """Return a word for each row."""
    hashed = np.full(len(table), ODD)
    for column in table.T:
        hashed = mix(hashed * ODD + mix(column + _SINGLED))
    return hashed


def node_labels(genome: Genome) -> Words:
    """Return what a node is apart from its edges: role, which input or output, activation, bits of the bias.

    What has no meaning is 0: activation and bias of an input, the number of a hidden node.

    Returns
    -------
    ndarray of uint64, shape (n, 4)
    """
    is_input = genome.roles == Role.INPUT
    labels = np.zeros((genome.n_nodes, 4), dtype=np.uint64)
    labels[:, 0] = genome.roles
    for nodes in (genome.inputs, genome.outputs):
        labels[nodes, 1] = np.arange(len(nodes))
    labels[:, 2] = np.where(is_input, 0, genome.activations)
    labels[:, 3] = np.where(is_input, 0, bits(genome.bias))
    return labels


def output_hashes(genome: Genome) -> Words:
    """Return a word for what each output computes, written out as a term in the inputs.

    The term of a node's state at a tick is its activation of the sum of its bias and of its weights times the terms
    heard, those of the tick before where an edge is delayed. So genomes have equal words if they compute the same
    with the same weights at the same places of the formula, whatever else differs: names, the order of nodes and of
    terms, what acts on no output, an edge that is delayed without effect since what it carries no longer changes. With
    other terms they compute something else, unless the numbers happen to make up for it.

    Parameters
    ----------
    genome : Genome

    Returns
    -------
    ndarray of uint64, shape (number of outputs,)

    Notes
    -----
    O(ticks · (nodes + stored entries)).

    Examples
    --------
    A node that speaks to nobody changes no term; a threshold above a weight does:

    >>> from dataclasses import replace
    >>> genome = Genome.from_matrix([[0, 2, 1], [0, 0, 0], [0, 0, 0]], n_inputs=1, n_outputs=1)
    >>> without = Genome.from_matrix([[0, 1], [0, 0]], n_inputs=1, n_outputs=1)
    >>> bool(output_hashes(genome) == output_hashes(without))
    True
    >>> bool(output_hashes(genome) == output_hashes(replace(genome, threshold=1.5)))
    False
    """
    # A label says what a node does with its sum, or which input it is; whose state is read plays no part.
    labels = mix(bits(genome.bias) * ODD + mix(genome.activations + _SINGLED))
    inputs = genome.inputs
    labels[inputs] = mix(np.arange(len(inputs), dtype=np.uint64))
    weights = mix(bits(genome.values))
    if genome.taps is not None:
        _add_maps(genome, genome.taps, labels, weights)
    states = hash_states(
        genome.indptr,
        genome.indices,
        genome.active_mask(),
        weights,
        labels,
        genome.roles == Role.INPUT,
        genome.ticks,
    )
    found: Words = states[genome.outputs]
    return found


def _add_maps(genome: Genome, taps: NDArray[np.uint16], labels: Words, weights: Words) -> None:
    """Make sides part of the labels of maps, and what taps read, whatever their numbers, part of the weights' words.

    Neurons and what is between them keep their words: beside maps without effect a network is what it is without them.
    """
    map_sizes, inputs, maps = (
        genome.map_sizes.astype(np.uint64),
        genome.inputs,
        genome.map_sizes > 1,
    )
    if maps[inputs].any():  # which features an input reads, the sides of those before it say
        labels[inputs] += mix(np.cumsum(map_sizes[inputs] ** 2))
    labels[maps] = mix(labels[maps] * ODD + mix(map_sizes[maps]))
    of_maps = np.flatnonzero(maps[genome.indices] | maps[genome.targets])
    ends = genome.map_sizes[genome.indices[of_maps]], genome.map_sizes[genome.targets[of_maps]]
    downsamplings, rows, columns = tap_offsets(*ends, taps[of_maps], genome.kernel)
    halved = 2 * downsamplings + (downsamplings > 0) * DOWNSAMPLINGS.index(genome.downsampling)
    read = hash_rows(np.stack([halved, rows, columns], axis=1).astype(np.uint64))
    weights[of_maps] = mix(weights[of_maps] * ODD + read)
