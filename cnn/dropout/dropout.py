"""The dropout of a batch, and the keys of samples as a function of seed, epoch and sample."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cnn.arrays import FloatArray, IntArray, aligned_empty
from cnn.augmentation.augmentation import epoch_keys
from cnn.dropout.dropout_kernels import Words, write_factors, write_keys

NODE_STEP = 0x9E3779B9
"""The word of a node is its number times this odd number, modulo 2³²: all words differ."""

PURPOSE = 2
"""Ends the spawn key of the seed of an epoch; augmentation has another one."""


class Dropout(NamedTuple):
    """The dropout of one batch.

    Attributes
    ----------
    probability : float
        Probability with which an output is left out; above 0, below 1.
    keys : ndarray of uint32, shape (n,)
        The key of each sample of the batch.
    """

    probability: float
    keys: Words

    @property
    def threshold(self) -> np.uint32:
        """Mixed words below the threshold leave an output out."""
        return np.uint32(min(round(self.probability * 2**32), 2**32 - 1))

    @property
    def scale(self) -> float:
        """The factor of outputs that are kept: with it the expected output is that of the whole network."""
        return 1 / (1 - self.probability)

    def check(self, n_samples: int) -> None:
        """Raise ValueError unless there is a key for each sample; kernels do not check it."""
        if self.keys.shape != (n_samples,):
            raise ValueError(
                f"dropout must have {n_samples} keys, one for each sample; got shape {self.keys.shape}"
            )

    def factors(self, words: Words, dtype: npt.DTypeLike) -> FloatArray:
        """Return the factor of each output, by which its gradient is multiplied too: 0 or `scale`.

        Parameters
        ----------
        words
            The word of each node (:func:`node_words`), shape (nodes,).
        dtype
            float32 or float64.

        Returns
        -------
        FloatArray
            Shape (nodes, n).

        Examples
        --------
        >>> dropout = Dropout(0.5, np.arange(6, dtype=np.uint32))
        >>> dropout.factors(node_words(np.array([7, 8])), np.float32)
        array([[2., 2., 0., 2., 2., 0.],
               [0., 0., 2., 0., 2., 2.]], dtype=float32)
        """
        factors = aligned_empty((len(words), len(self.keys)), dtype)
        write_factors(words, self.keys, self.threshold, self.scale, factors.reshape(-1))
        return factors


def node_words(nodes: IntArray) -> Words:
    """Return the word of each node, given its number; the same numbers have the same masks in all networks."""
    return (nodes.astype(np.uint64) * np.uint64(NODE_STEP)).astype(np.uint32)


def sample_keys(chosen: IntArray, epochs: IntArray, order_seed: np.random.SeedSequence) -> Words:
    """Return the keys of some samples: a function of the seed, the epoch and the sample alone.

    Parameters
    ----------
    chosen
        Indices of the samples, any shape.
    epochs
        Epoch of each of them, from 0, in the same shape; not decreasing in C order.
    order_seed
        Seed of the sample order.

    Returns
    -------
    ndarray of uint32
        In the shape of `chosen`.
    """
    keys = np.empty(chosen.shape, np.uint32)
    of_epochs = epoch_keys(epochs.reshape(-1), order_seed, PURPOSE)
    write_keys(of_epochs, chosen.reshape(-1), keys.reshape(-1))
    return keys
