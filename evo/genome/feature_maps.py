"""Feature maps: how an edge transforms a map of one size into a map of another size.

A node is a square map of side² numbers, and this side is its *map size*. A neuron is a map of side 1. An edge is a
kernel of *taps*. Each tap adds a shifted copy of the source's map, times the tap's weight, to the target's map. One
rule gives the transform from side s to side t, for every pair of sides, if kernels into maps of side t have the side k:

1. *Downward*, s ≥ t. A valid convolution to t needs a window of s − t + 1 taps. While this window is wider than k and
   the half of s is at least t, the source is halved (an odd last row and column are dropped). Let r be the side left.

   * r > t: a *valid* convolution with the window r − t + 1. If the target is a neuron, the kernel covers the map.
   * r = t: a convolution of *equal size* with the window k, in a margin of zeros.

2. *Upward*, s < t. The source is upsampled to r = t (pixel y of t shows pixel ⌊y·s/t⌋). A convolution of equal size
   follows.

The window of a convolution of equal size is at most 2·min(s, t) − 1, since a wider window has taps that never connect
two pixels. So an edge from a neuron has one tap, and a network of neurons is the case in which all sides are 1.

LeNet-5 is 28 → 28 (equal size, 5×5), 28 → 10 (halved to 14, valid, 5×5), 10 → 1 (halved to 5, as wide as the map),
1 → 1 → 1.

Taps are numbered by the pixel that they read, row by row: for pixel (y, x) of the target, tap ``i·window + j`` reads
pixel (y + i, x + j) of the resampled map in its margin. (A convolution turns its kernel: Θ[p, q] is the tap with
i = window − 1 − p, j = window − 1 − q.)
"""

from functools import cache
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

Downsampling = Literal["max", "mean"]
"""The function of four pixels that halves a map."""

DOWNSAMPLINGS = get_args(Downsampling)


Kernel = int | tuple[tuple[int, int], ...]
"""Side of the kernels of a network, odd: one number, or pairs of a map size and the side of kernels into such maps."""

MAX_WINDOW = 255
"""Side of the widest window: tap numbers are stored in 16 bits."""


class MapTransform(NamedTuple):
    """How an edge transforms the map of its source.

    Attributes
    ----------
    downsamplings : int
        How often the map is halved.
    map_size : int
        Side of the map that the taps read, without its margin.
    margin : int
        Rows of zeros on each side of this map.
    window : int
        Side of the kernel; a kernel has at most window² taps.
    """

    downsamplings: int
    map_size: int
    margin: int
    window: int

    @property
    def pitch(self) -> int:
        """Pixels from one row of the map with margins to the next."""
        return self.map_size + 2 * self.margin


def kernel_side(kernel: Kernel, target: int) -> int:
    """Return the side of kernels into maps of one size: that of the next larger map size given, or of the largest.

    Examples
    --------
    >>> kernel_side(5, 28), kernel_side(((1, 13), (26, 3)), 26), kernel_side(((1, 13), (26, 3)), 9)
    (5, 3, 3)
    """
    if isinstance(kernel, tuple):
        return next((side for map_size, side in kernel if map_size >= target), kernel[-1][1])
    return kernel


@cache
def map_transform(source: int, target: int, kernel: Kernel) -> MapTransform:
    """Return the transform of an edge from a map of side `source` to a map of side `target`.

    Parameters
    ----------
    source, target : int
        Sides, at least 1.
    kernel : int or tuple of pairs
        Side of the network's kernels, odd, or one side for each map size; see :func:`kernel_side`.

    Raises
    ------
    ValueError
        If the window is wider than :data:`MAX_WINDOW`.

    Examples
    --------
    LeNet-5's second convolution, and an edge from a neuron to a map:

    >>> map_transform(28, 10, 5)
    MapTransform(downsamplings=1, map_size=14, margin=0, window=5)
    >>> map_transform(1, 28, 5)
    MapTransform(downsamplings=0, map_size=28, margin=0, window=1)
    """
    side = kernel_side(kernel, target)
    downsamplings, map_size = 0, source
    while map_size // 2 >= target and map_size - target + 1 > side:
        downsamplings, map_size = downsamplings + 1, map_size // 2
    window = map_size - target + 1 if map_size > target else min(side, 2 * min(source, target) - 1)
    if window > MAX_WINDOW:
        raise ValueError(
            f"kernels must be at most {MAX_WINDOW} pixels wide; got {window} from map size {source} to {target}"
        )
    if map_size > target:
        return MapTransform(downsamplings, map_size, 0, window)
    return MapTransform(downsamplings, target, window // 2, window)


def map_transforms(
    sources: NDArray[np.integer[Any]], targets: NDArray[np.integer[Any]], kernel: Kernel
) -> tuple[list[MapTransform], NDArray[np.intp]]:
    """Return the different transforms of some edges, given the map sizes at both ends, and each edge's index in them.

    Examples
    --------
    >>> map_transforms(np.array([28, 28, 10]), np.array([10, 10, 1]), 5)[1]
    array([1, 1, 0])
    """
    if not len(sources):
        return [], np.empty(0, np.intp)
    stride = int(max(sources.max(), targets.max())) + 1
    pairs = sources.astype(np.int64) * stride + targets
    if stride**2 <= 8 * len(pairs):  # then counting is faster than sorting
        occurs = np.bincount(pairs) > 0
        distinct, which = np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[pairs]
    else:
        distinct, which = np.unique(pairs, return_inverse=True)
    return [map_transform(*divmod(pair, stride), kernel) for pair in distinct.tolist()], which


def windows(
    sources: NDArray[np.integer[Any]], targets: NDArray[np.integer[Any]], kernel: Kernel
) -> NDArray[np.int64]:
    """Return the window of each edge, given the map sizes at both ends."""
    transforms, which = map_transforms(sources, targets, kernel)
    return np.array([transform.window for transform in transforms], np.int64)[which]


def tap_offsets(
    sources: NDArray[np.integer[Any]],
    targets: NDArray[np.integer[Any]],
    taps: NDArray[np.integer[Any]],
    kernel: Kernel,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the downsamplings, row and column of each tap; they do not depend on the window of its kernel.

    For pixel (y, x) of the target a tap reads pixel (y + row, x + column) of the source's resampled map. Negative rows
    and columns are in the margin.

    Examples
    --------
    >>> tap_offsets(np.array([28, 28]), np.array([28, 10]), np.array([0, 24]), 5)
    (array([0, 1]), array([-2,  4]), array([-2,  4]))
    """
    transforms, which = map_transforms(sources, targets, kernel)
    downsamplings, _, margins, window = np.array(transforms, np.int64).reshape(-1, 4).T[:, which]
    rows, columns = np.divmod(taps.astype(np.int64), window)
    return downsamplings, rows - margins, columns - margins


def first_taps(
    sources: NDArray[np.integer[Any]], targets: NDArray[np.integer[Any]]
) -> NDArray[np.intp]:
    """Return the index of the first tap of each edge, given the ends of taps in their stored order."""
    first = np.ones(len(sources), np.bool_)
    first[1:] = (sources[1:] != sources[:-1]) | (targets[1:] != targets[:-1])
    return np.flatnonzero(first)


def largest_window(map_sizes: NDArray[np.integer[Any]], kernel: Kernel) -> int:
    """Return an upper bound on the windows of edges between maps of these sides or smaller ones.

    A window is wider than the kernel only if the map cannot be halved again. It then spans at most half the map.

    Examples
    --------
    >>> largest_window(np.array([28, 10, 1]), 5), largest_window(np.array([1, 1]), 5)
    (15, 1)
    """
    map_size = int(map_sizes.max(initial=1))
    widest = max(side for _, side in kernel) if isinstance(kernel, tuple) else kernel
    return 1 if map_size == 1 else max(widest, map_size // 2 + 1)
