"""Compiled hashing of 64-bit words, and sorting of nodes and edges, for this package."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import allocating_kernel, kernel

Words = NDArray[np.uint64]
Ints = NDArray[np.integer[Any]]

ODD = np.uint64(0x9E3779B97F4A7C15)
COLUMN = np.uint64(0x3C6EF372)
_IN_EDGE, _OUT_EDGE = np.uint64(0x1B56C4E9), np.uint64(0x7F4A7C15)
_FIRST, _SECOND, _THIRD = np.uint64(30), np.uint64(27), np.uint64(31)
_FACTOR, _OTHER_FACTOR = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@kernel
def mix_word(word: np.uint64) -> np.uint64:
    """Mix the bits of a word by a bijection (the last step of SplitMix64: Steele, Lea and Flood 2014)."""
    word ^= word >> _FIRST
    word *= _FACTOR
    word ^= word >> _SECOND
    word *= _OTHER_FACTOR
    return word ^ (word >> _THIRD)


@kernel
def mix_words(words: Words) -> None:
    """Mix the bits of words in place."""
    for i in range(words.shape[0]):
        words[i] = mix_word(words[i])


@kernel
def hash_rows(table: Words, hashed: Words) -> None:
    """Write a hash of each row of a table."""
    for i in range(table.shape[0]):
        word = ODD
        for k in range(table.shape[1]):
            word = mix_word(word * ODD + mix_word(table[i, k] + COLUMN))
        hashed[i] = word


@kernel
def sort_by_node(nodes: Ints, pointers: Ints, order: Ints) -> None:
    """Sort edges by one of their ends, stably: write their order, and the index of each node's first edge.

    `pointers` has one element more than there are nodes. A counting sort, O(nodes + edges).
    """
    pointers[:] = 0
    for e in range(nodes.shape[0]):
        pointers[nodes[e] + 1] += 1
    for i in range(1, pointers.shape[0]):
        pointers[i] += pointers[i - 1]
    for e in range(nodes.shape[0]):
        order[pointers[nodes[e]]] = e
        pointers[nodes[e]] += 1
    for i in range(pointers.shape[0] - 1, 0, -1):
        pointers[i] = pointers[i - 1]
    pointers[0] = 0


@kernel
def refine(
    sources: Ints,
    targets: Ints,
    edge_colours: Words,
    in_pointers: Ints,
    out_order: Ints,
    out_pointers: Ints,
    colours: Words,
    refined: Words,
) -> None:
    """Write the next colour of each node: a hash of its colour and the colours of its predecessors and successors.

    The arrays are those of :class:`evo.canonical.labelled_graph.LabelledGraph`. Sums modulo 2⁶⁴ do not depend on the
    order of edges.
    """
    for v in range(colours.shape[0]):
        before, after = np.uint64(0), np.uint64(0)
        for e in range(in_pointers[v], in_pointers[v + 1]):
            before += mix_word(colours[sources[e]] * ODD + (edge_colours[e] ^ _IN_EDGE))
        for k in range(out_pointers[v], out_pointers[v + 1]):
            e = out_order[k]
            after += mix_word(colours[targets[e]] * ODD + (edge_colours[e] ^ _OUT_EDGE))
        refined[v] = mix_word(colours[v] * ODD + mix_word(before + ODD * after))


@allocating_kernel
def hash_states(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    active: NDArray[np.bool_],
    weights: Words,
    labels: Words,
    is_input: NDArray[np.bool_],
    ticks: int,
) -> Words:
    """Evaluate a network on hashes instead of numbers: equal formulas have equal hashes.

    Parameters
    ----------
    indptr, indices
        As in `evo.genome.genome.Genome`.
    active
        Whether each entry is active, shape (nnz,).
    weights
        The hash of each weight, shape (nnz,).
    labels
        The hash of each node's activation and bias, or of its index among the inputs, shape (n,).
    is_input
        Whether each node is an input, shape (n,).
    ticks
        T.

    Returns
    -------
    ndarray of uint64, shape (n,)
        The hash of each node's state after the last tick.
    """
    states = labels.copy()
    for t in range(ticks):
        for j in range(labels.shape[0]):
            if is_input[j]:
                continue
            # Like a sum of numbers, this sum modulo 2⁶⁴ does not depend on the order of its terms.
            total = np.uint64(0)
            for e in range(indptr[j], indptr[j + 1]):
                i = indices[e]
                delayed = i >= j and not is_input[i]  # states[i] is of the tick before
                if active[e] and not (delayed and t == 0):
                    total += mix_word(states[i] * ODD + weights[e])
            states[j] = mix_word(labels[j] * ODD + mix_word(total))
    return states
