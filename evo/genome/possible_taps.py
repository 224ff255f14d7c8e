"""The entries that a matrix may have: one for each pair of nodes or, between maps, one for each tap of each pair."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.genome.feature_maps import Kernel, map_transform

TapIndices = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]
"""Source, tap number and target of each tap."""


class PossibleTaps:
    """All taps that are possible between some nodes. They are counted and drawn, never listed.

    Parameters
    ----------
    map_sizes : ndarray of int, shape (n,)
    kernel : int or tuple of pairs
        Side of the network's kernels, or one for each map size.

    Attributes
    ----------
    count : int

    Examples
    --------
    A 3 × 3 map has 9 taps to itself and 9 taps to a neuron. The neuron has 1 tap to the map and 1 to itself.

    >>> PossibleTaps(np.array([3, 1]), kernel=3).count
    20
    """

    def __init__(self, map_sizes: NDArray[np.integer[Any]], kernel: Kernel) -> None:
        sizes, which, self._n_nodes = np.unique(map_sizes, return_inverse=True, return_counts=True)
        self._nodes = np.argsort(which, kind="stable")  # nodes of one map size after another
        self._first = np.cumsum(self._n_nodes) - self._n_nodes
        self._taps = np.array(
            [[map_transform(int(s), int(t), kernel).window ** 2 for t in sizes] for s in sizes],
            np.int64,
        )
        self._ends = np.cumsum(self._taps * np.multiply.outer(self._n_nodes, self._n_nodes))
        self.count = int(self._ends[-1])

    def draw(self, count: int, rng: np.random.Generator) -> TapIndices:
        """Draw taps uniformly, with replacement."""
        numbers = rng.integers(self.count, size=count)
        pairs = np.searchsorted(self._ends, numbers, side="right")
        numbers -= np.append(0, self._ends)[pairs]
        source_size, target_size = np.divmod(pairs, len(self._n_nodes))
        numbers, taps = np.divmod(numbers, self._taps[source_size, target_size])
        numbers, targets = np.divmod(numbers, self._n_nodes[target_size])
        sources = self._nodes[self._first[source_size] + numbers]
        return sources, taps, self._nodes[self._first[target_size] + targets]
