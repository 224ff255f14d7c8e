"""Compiled augmentation of images: shift, flip and erase in one pass over the pixels."""

from typing import Any

import numpy as np
import numpy.typing as npt

from cnn.arrays import FloatArray, IntArray
from cnn.compile.compilation import allocating_kernel, kernel

WORDS = 8
"""Random words of 64 bits that belong to one image in one epoch; five of them are used."""


@kernel
def draw_below(key: np.uint64, number: int, n: int) -> Any:
    """Return a random int64 in 0 … n − 1: a function of a key and of the number of the draw.

    The draw is word `number` of the generator SplitMix64 (Steele, Lea and Flood 2014) that starts from `key`.
    """
    word = key + np.uint64(number + 1) * np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    word = word ^ (word >> np.uint64(31))
    return np.int64(((word >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@allocating_kernel
def augment(
    images: FloatArray,
    chosen: IntArray,
    keys: npt.NDArray[np.uint64],
    shift: int,
    flip: bool,
    erase: int,
    out: FloatArray,
) -> None:
    """Write shifted, flipped and partly erased images to `out`.

    Parameters
    ----------
    images
        Shape (n, maps, rows, columns).
    chosen, keys
        Index of each image to change, and the key of its epoch; shape (k,).
    shift
        Largest shift in pixels. Pixels beyond the border are those at the border.
    flip
        Whether every second image, on average, is mirrored left to right.
    erase
        Side of the square whose pixels become 0, in pixels.
    out
        Shape (k, maps, rows, columns).
    """
    n_maps, n_rows, n_columns = images.shape[1], images.shape[2], images.shape[3]
    sources = np.empty(n_columns, np.int64)
    for k in range(chosen.shape[0]):
        i, key = chosen[k], keys[k]
        down = draw_below(key, WORDS * i, 2 * shift + 1) - shift
        right = draw_below(key, WORDS * i + 1, 2 * shift + 1) - shift
        mirrored = flip and draw_below(key, WORDS * i + 2, 2) == 1
        for c in range(n_columns):
            source = min(max(c - right, 0), n_columns - 1)
            sources[c] = n_columns - 1 - source if mirrored else source
        top = draw_below(key, WORDS * i + 3, n_rows) - erase // 2
        left = draw_below(key, WORDS * i + 4, n_columns) - erase // 2
        for m in range(n_maps):
            for r in range(n_rows):
                row = min(max(r - down, 0), n_rows - 1)
                for c in range(n_columns):
                    out[k, m, r, c] = images[i, m, row, sources[c]]
            for r in range(max(top, 0), min(top + erase, n_rows)):
                for c in range(max(left, 0), min(left + erase, n_columns)):
                    out[k, m, r, c] = 0
