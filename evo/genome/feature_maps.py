"""Feature maps: how an edge leads from a map of one side to a map of another.

A node is a square map of side² numbers, a neuron one of side 1. An entry of the matrix is a kernel: a few *taps*, each
of which adds a shifted copy of the source's map to the target's. One rule says what an edge from side s to side t does,
for every pair of sides and a network whose kernels have side k:

1. *Way down*, s ≥ t. The source is downsampled (halved, an odd last row and column dropped) as long as the half is no
   smaller than t and a valid convolution to t would need a window wider than k. Let r be the side that is left.

   * r > t: a *valid* convolution, with the window r − t + 1. To a neuron that is a kernel as wide as the map.
   * r = t: a convolution of *equal size*, with the window k, in a margin of zeros.

2. *Way up*, s < t. The source is upsampled to r = t (pixel y of t shows pixel ⌊y·s/t⌋), and then there is a convolution
   of equal size.

The window of a convolution of equal size is at most 2·min(s, t) − 1: no tap may lie where it can never meet two pixels
of one map. So a neuron speaks to a map, and to another neuron, by one tap, and the scalar network is the case where all
sides are 1.

LeNet-5's way is 28 → 28 (equal size, 5×5), 28 → 10 (halved to 14, valid, 5×5), 10 → 1 (halved to 5, as wide as the
map), 1 → 1 → 1.

Taps are numbered by the pixel they read, row by row: tap ``i·window + j`` reads, for pixel (y, x) of the target, pixel
(y + i, x + j) of the resampled map in its margin. (A convolution turns its kernel: Θ[p, q] is the tap with
i = window − 1 − p, j = window − 1 − q.)
"""

from functools import cache
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

Downsampling = Literal["max", "mean"]
"""What becomes of four pixels when a map is halved."""

DOWNSAMPLINGS = get_args(Downsampling)


MAX_WINDOW = 255
"""Side of the widest window: its taps are numbered in 16 bits."""


class MapTransform(NamedTuple):
    """What an edge does with the map of its source.

    Attributes
    ----------
    downsamplings : int
        How often the map is halved.
    map_size : int
        Of the map that the taps read, without its margin.
    margin : int
        Rows of zeros around it.
    window : int
        Side of the kernel: the edge may have window² taps.
    """

    downsamplings: int
    map_size: int
    margin: int
    window: int

    @property
    def pitch(self) -> int:
        """Pixels from one row that the taps read to the next."""
        return self.map_size + 2 * self.margin


@cache
def map_transform(source: int, target: int, kernel: int) -> MapTransform:
    """Return what an edge from a map of side `source` to one of side `target` does.

    Parameters
    ----------
    source, target : int
        Sides, at least 1.
    kernel : int
        Side of the network's kernels, odd.

    Raises
    ------
    ValueError
        If the window is wider than :data:`MAX_WINDOW`.

    Examples
    --------
    LeNet-5's second convolution, and a neuron that speaks to a map:

    >>> map_transform(28, 10, 5)
    MapTransform(downsamplings=1, map_size=14, margin=0, window=5)
    >>> map_transform(1, 28, 5)
    MapTransform(downsamplings=0, map_size=28, margin=0, window=1)
    """
    downsamplings, map_size = 0, source
    while map_size // 2 >= target and map_size - target + 1 > kernel:
        downsamplings, map_size = downsamplings + 1, map_size // 2
    window = (
        map_size - target + 1 if map_size > target else min(kernel, 2 * min(source, target) - 1)
    )
    if window > MAX_WINDOW:
        raise ValueError(
            f"kernels must be at most {MAX_WINDOW} pixels wide; from side {source} to side {target} takes {window}"
        )
    if map_size > target:
        return MapTransform(downsamplings, map_size, 0, window)
    return MapTransform(downsamplings, target, window // 2, window)


def map_transforms(
    sources: NDArray[np.integer[Any]], targets: NDArray[np.integer[Any]], kernel: int
) -> tuple[list[MapTransform], NDArray[np.intp]]:
    """Return the passages that occur, and which of them each edge takes, given the sides at both ends.

    Examples
    --------
    >>> map_transforms(np.array([28, 28, 10]), np.array([10, 10, 1]), 5)[1]
    array([1, 1, 0])
    """
    if not len(sources):
        return [], np.empty(0, np.intp)
    most = int(max(sources.max(), targets.max())) + 1
    pairs = sources.astype(np.int64) * most + targets
    if most**2 <= 8 * len(pairs):  # then counting is quicker than sorting
        occurs = np.bincount(pairs) > 0
        found, which = np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[pairs]
    else:
        found, which = np.unique(pairs, return_inverse=True)
    return [map_transform(pair // most, pair % most, kernel) for pair in found.tolist()], which


def windows(
    sources: NDArray[np.integer[Any]], targets: NDArray[np.integer[Any]], kernel: int
) -> NDArray[np.int64]:
    """Return the window of each edge, given the sides at both ends."""
    found, which = map_transforms(sources, targets, kernel)
    return np.array([way.window for way in found], np.int64)[which]


def tap_offsets(
    sources: NDArray[np.integer[Any]],
    targets: NDArray[np.integer[Any]],
    taps: NDArray[np.integer[Any]],
    kernel: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return what taps read, apart from how wide their kernel is: downsamplings, rows and columns.

    For pixel (y, x) of the target a tap reads pixel (y + row, x + column) of the source's map when that has been
    resampled; a row or column below 0 begins in the margin.

    Examples
    --------
    >>> tap_offsets(np.array([28, 28]), np.array([28, 10]), np.array([0, 24]), 5)
    (array([0, 1]), array([-2,  4]), array([-2,  4]))
    """
    found, which = map_transforms(sources, targets, kernel)
    downsamplings, _, margins, window = np.array(found, np.int64).reshape(-1, 4).T[:, which]
    rows, columns = np.divmod(taps.astype(np.int64), window)
    return downsamplings, rows - margins, columns - margins


def largest_window(map_sizes: NDArray[np.integer[Any]], kernel: int) -> int:
    """Return a window that no edge between maps of these sides, or smaller ones, exceeds.

    A window is wider than the kernel only where the half would be too small: then it spans at most half the map.

    Examples
    --------
    >>> largest_window(np.array([28, 10, 1]), 5), largest_window(np.array([1, 1]), 5)
    (15, 1)
    """
    map_size = int(map_sizes.max(initial=1))
    return 1 if map_size == 1 else max(kernel, map_size // 2 + 1)
