"""Compiled dropout: whether an output is kept follows from two words of 32 bits, one of the sample, one of the node."""

from typing import Any

import numpy as np
import numpy.typing as npt

from cnn.arrays import FloatArray, FloatVector, IntArray
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
def drop_row(
    row: FloatVector, word: np.uint32, keys: Words, threshold: np.uint32, scale: float
) -> None:
    """Multiply each number of a row by 0 or by `scale`, in place.

    Parameters
    ----------
    row
        The outputs of one node, or their gradient, one number for each sample.
    word
        The word of the node.
    keys
        The key of each sample, shape as `row`.
    threshold
        A number is multiplied by 0 if the mixed bits of key + word are below the threshold.
    scale
        1 / (1 − probability).
    """
    kept, zero = row.dtype.type(scale), row.dtype.type(0)
    for b in range(row.shape[0]):
        row[b] *= kept if _mixed(np.uint32(keys[b] + word)) >= threshold else zero


@kernel
def drop_rows(
    rows: FloatArray, words: Words, keys: Words, threshold: np.uint32, scale: float
) -> None:
    """Do the same to the rows of several nodes, shape (nodes, batch)."""
    for k in range(rows.shape[0]):
        drop_row(rows[k], words[k], keys, threshold, scale)
