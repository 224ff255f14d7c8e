"""Compiled hashing of 64-bit words for :mod:`evo.canonical.hashing`."""

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import exact_kernel

Words = NDArray[np.uint64]

ODD = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND, _THIRD = np.uint64(30), np.uint64(27), np.uint64(31)
_FACTOR, _OTHER_FACTOR = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@exact_kernel
def mix_word(word: np.uint64) -> np.uint64:
    """Mix the bits of a word by a bijection (the last step of SplitMix64: Steele, Lea and Flood 2014)."""
    word ^= word >> _FIRST
    word *= _FACTOR
    word ^= word >> _SECOND
    word *= _OTHER_FACTOR
    return word ^ (word >> _THIRD)


@exact_kernel
def mix_words(words: Words) -> None:
    """Mix the bits of words in place."""
    for i in range(words.shape[0]):
        words[i] = mix_word(words[i])


@exact_kernel
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
