"""64-bit hashes of nodes, weights and networks."""

import numpy as np
from numpy.typing import NDArray

from evo.canonical import hashing_kernels
from evo.canonical.hashing_kernels import COLUMN, ODD, hash_states, mix_words
from evo.genome.feature_maps import DOWNSAMPLINGS, tap_offsets
from evo.genome.genome import FloatArray, Genome, Role

__all__ = ["ODD", "Words", "bits", "hash_rows", "mix", "node_labels", "output_hashes"]

Words = NDArray[np.uint64]


def bits(numbers: FloatArray) -> Words:
    """Return the bits of numbers as 64-bit words; equal numbers have equal bits."""
    words = np.uint32 if numbers.dtype == np.float32 else np.uint64
    return (numbers + numbers.dtype.type(0)).view(words).astype(np.uint64)  # −0.0 + 0.0 is 0.0


def mix(words: Words) -> Words:
    """Mix the bits of words in place, by a bijection, and return the words."""
    mix_words(words)
    return words


def hash_rows(table: Words) -> Words:
    """Return a hash of each row."""
    hashed = np.empty(len(table), np.uint64)
    hashing_kernels.hash_rows(table, hashed)
    return hashed


def node_labels(genome: Genome) -> Words:
    """Return the label of each node: role, index among inputs or outputs, activation, bits of the bias.

    Labels without meaning are 0: activation and bias of an input, index of a hidden node.

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
    """Return a hash of the formula that each output computes from the inputs.

    The formula of a node at a tick is its activation of the sum of its bias and its weights times the formulas of its
    predecessors; a delayed edge takes the formula of the tick before. Inputs are constant over the ticks. Genomes with
    the same formulas have equal hashes.
    Names, the order of nodes and of terms, and nodes without a path to an output do not matter, nor does a delay whose
    source has reached a constant state. Genomes with different formulas compute different functions, apart from
    coincidences of the numbers.

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
    A node without out-edges changes no formula. A threshold above a weight does:

    >>> from dataclasses import replace
    >>> genome = Genome.from_matrix([[0, 2, 1], [0, 0, 0], [0, 0, 0]], n_inputs=1, n_outputs=1)
    >>> without = Genome.from_matrix([[0, 1], [0, 0]], n_inputs=1, n_outputs=1)
    >>> bool(output_hashes(genome) == output_hashes(without))
    True
    >>> bool(output_hashes(genome) == output_hashes(replace(genome, threshold=1.5)))
    False
    """
    # A label has the activation and the bias of a node, or the index of an input, but no name.
    labels = mix(bits(genome.bias) * ODD + mix(genome.activations + COLUMN))
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
    outputs: Words = states[genome.outputs]
    return outputs


def _add_maps(genome: Genome, taps: NDArray[np.uint16], labels: Words, weights: Words) -> None:
    """Add map sizes to the labels of maps, and the pixels that taps read to the hashes of weights.

    The hashes of neurons and of edges between neurons stay, so feature maps without effect do not matter.
    """
    map_sizes, maps = genome.map_sizes.astype(np.uint64), genome.map_sizes > 1
    inputs = genome.inputs
    if maps[
        inputs
    ].any():  # the features of an input follow from the map sizes of the inputs before it
        labels[inputs] += mix(np.cumsum(map_sizes[inputs] ** 2))
    labels[maps] = mix(labels[maps] * ODD + mix(map_sizes[maps]))
    entries = np.flatnonzero(maps[genome.indices] | maps[genome.targets])
    ends = genome.map_sizes[genome.indices[entries]], genome.map_sizes[genome.targets[entries]]
    downsamplings, rows, columns = tap_offsets(*ends, taps[entries], genome.kernel)
    halving = 2 * downsamplings + (downsamplings > 0) * DOWNSAMPLINGS.index(genome.downsampling)
    read = hash_rows(np.stack([halving, rows, columns], axis=1).astype(np.uint64))
    weights[entries] = mix(weights[entries] * ODD + read)
