"""Compiled dropout: whether an output is kept follows from two words of 32 bits, one of the sample, one of the node."""

from typing import Any

import numpy as np
import numpy.typing as npt

from cnn.arrays import FloatVector, IntArray
from cnn.augmentation.augmentation_kernels import draw_below
from cnn.compile.compilation import kernel

Words = npt.NDArray[np.uint32]


@kernel
def write_keys(of_epochs: npt.NDArray[np.uint64], chosen: IntArray, keys: Words) -> None:
    """Write the key of each sample `chosen`, given the random bits of its epoch: the upper half of a draw."""
    for k in range(chosen.shape[0]):
        keys[k] = draw_below(of_epochs[k], chosen[k], 1 << 32)


@kernel
def _mixed(word: np.uint32) -> Any:
    """Return the bits of a word, mixed; different words give different words (lowbias32, Wellons 2018)."""
    word = np.uint32((word ^ (word >> np.uint32(16))) * np.uint32(0x7FEB352D))
    word = np.uint32((word ^ (word >> np.uint32(15))) * np.uint32(0x846CA68B))
    return np.uint32(word ^ (word >> np.uint32(16)))


@kernel
def write_factors(
    words: Words, keys: Words, threshold: np.uint32, scale: float, factors: FloatVector
) -> None:
    """Write the factor of each output: 0 where it is left out, `scale` where it is kept.

    Parameters
    ----------
    words
        The word of each node.
    keys
        The key of each sample.
    threshold
        An output is left out if the mixed bits of key + word are below the threshold.
    scale
        1 / (1 − probability).
    factors
        One number for each sample of each node; flat.
    """
    kept, zero, n_samples = factors.dtype.type(scale), factors.dtype.type(0), keys.shape[0]
    for k in range(words.shape[0]):
        # Indexed, because with views of the rows this loop would take half as long again.
        for b in range(n_samples):
            is_kept = _mixed(np.uint32(keys[b] + words[k])) >= threshold
            factors[k * n_samples + b] = kept if is_kept else zero
