"""The places of a matrix: for every pair of nodes one, or between maps one for each tap that a kernel may have."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.genome.feature_maps import map_transform

Places = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]
"""Sources, taps and targets."""


class PossibleTaps:
    """All places between nodes of some sides, to be counted and drawn from but never listed.

    Parameters
    ----------
    map_sizes : ndarray of int, shape (n,)
    kernel : int
        Side of the network's kernels.

    Attributes
    ----------
    count : int

    Examples
    --------
    A map of side 3 and a neuron: 3 × 3 taps to itself, as many to the neuron, 1 on the way back, 1 from it to itself.

    >>> PossibleTaps(np.array([3, 1]), kernel=3).count
    20
    """

    def __init__(self, map_sizes: NDArray[np.integer[Any]], kernel: int) -> None:
        found, which, self._sizes = np.unique(map_sizes, return_inverse=True, return_counts=True)
        self._nodes = np.argsort(which, kind="stable")  # side after side
        self._first = np.cumsum(self._sizes) - self._sizes
        self._windows = np.array(
            [[map_transform(int(s), int(t), kernel).window ** 2 for t in found] for s in found],
            np.int64,
        )
        self._ends = np.cumsum(self._windows * np.multiply.outer(self._sizes, self._sizes))
        self.count = int(self._ends[-1])

    def draw(self, count: int, rng: np.random.Generator) -> Places:
        """Draw places evenly, with repetition."""
        numbers = rng.integers(self.count, size=count)
        pairs = np.searchsorted(self._ends, numbers, side="right")
        numbers -= np.append(0, self._ends)[pairs]
        of_source, of_target = np.divmod(pairs, len(self._sizes))
        numbers, taps = np.divmod(numbers, self._windows[of_source, of_target])
        numbers, targets = np.divmod(numbers, self._sizes[of_target])
        sources = self._nodes[self._first[of_source] + numbers]
        return sources, taps, self._nodes[self._first[of_target] + targets]
