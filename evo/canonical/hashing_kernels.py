"""Compiled hashing of 64-bit words: see :mod:`evo.canonical.hashing`."""

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import exact_kernel

Words = NDArray[np.uint64]

ODD = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND, _THIRD = np.uint64(30), np.uint64(27), np.uint64(31)
_FACTOR, _OTHER_FACTOR = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@exact_kernel
def mix_word(word: np.uint64) -> np.uint64:
    """Scramble a word, one to one (the last step of SplitMix64: Steele, Lea and Flood 2014)."""
    word ^= word >> _FIRST
    word *= _FACTOR
    word ^= word >> _SECOND
    word *= _OTHER_FACTOR
    return word ^ (word >> _THIRD)


@exact_kernel
def mix_words(words: Words) -> None:
    """Scramble words in place."""
    for i in range(words.shape[0]):
        words[i] = mix_word(words[i])


@exact_kernel
def hash_states(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    live: NDArray[np.bool_],
    weights: Words,
    labels: Words,
    is_input: NDArray[np.bool_],
    ticks: int,
) -> Words:
    """Evaluate a network on hashes instead of numbers: what is the same term has the same hash.

    Parameters
    ----------
    indptr, indices
        As in `evo.genome.genome.Genome`.
    live
        Which entries are edges, shape (nnz,).
    weights
        A word for each weight, shape (nnz,).
    labels
        A word for what a node does with its sum, and for which input it is, shape (n,).
    is_input
        Shape (n,).
    ticks
        T.

    Returns
    -------
    ndarray of uint64, shape (n,)
        A hash of each node's state after the last tick.
    """
    states = labels.copy()
    for t in range(ticks):
        for j in range(labels.shape[0]):
            if is_input[j]:
                continue
            # A sum does not know the order of its terms; nor does this one, modulo 2⁶⁴.
            total = np.uint64(0)
            for e in range(indptr[j], indptr[j + 1]):
                i = indices[e]
                late = i >= j and not is_input[i]  # its state is still that of the tick before
                if live[e] and not (late and t == 0):
                    total += mix_word(states[i] * ODD + weights[e])
            states[j] = mix_word(labels[j] * ODD + mix_word(total))
    return states
