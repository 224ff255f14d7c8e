"""Sums over the few taps of a convolution whose weight is not 0, such as where dormant entries learn.

Straight-through learning stores many taps, of which few are active at a time. The forward pass and the input gradient
add up the active ones, by :mod:`evo.phenotype.kernels.tap_kernels`, with the same bits as the sum over all taps.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn.arrays import aligned_zeros
from cnn.compile.vector_kernels import lanes_of, register_lanes
from evo.genome.genome import FloatArray
from evo.phenotype.kernels import tap_kernels
from evo.phenotype.kernels.tap_kernels import WIDTHS, LinePlan, TapLists

Ints = NDArray[np.int64]

BLOCK_BYTES = 24_000
"""Bytes of the source lines that a line of a target map reads before the next target map; they fit the first-level
cache."""


@dataclass(frozen=True)
class Target:
    """Where sums go: the first row, rows from one map and from one line to the next, and the pixels of a line."""

    row: int
    rows_per_map: int
    rows_per_line: int
    n_pixels: int


class FewTaps:
    """The taps of a convolution, for sums over those whose weight is not 0.

    Parameters
    ----------
    index : ndarray of int64, shape (n_targets, n_sources, window, window)
        The edge of each tap, −1 where there is none, in the order of the sums.
    source_shape : tuple of int
        Lines of a source map, and pixels of a line.
    first_lines : ndarray of int64, shape (n_lines,)
        The line of a source map that the first row of a kernel reads, for each line of a target map.
    margin : int
        Pixels of zeros on either side of a source line.
    target : Target
        Where the sums go.
    """

    def __init__(
        self,
        index: Ints,
        source_shape: tuple[int, int],
        first_lines: Ints,
        margin: int,
        target: Target,
    ) -> None:
        n_targets, n_sources, window, _ = index.shape
        source_lines, source_pixels = source_shape
        self._pitch = source_pixels + 2 * margin
        chosen = np.flatnonzero(index >= 0)
        _, source, line, column = np.unravel_index(chosen, index.shape)
        self._pixels = (source * source_lines + line) * self._pitch + column
        of_rows = np.searchsorted(chosen, np.arange(0, index.size + 1, window))
        self._plan = LinePlan(
            index.reshape(-1)[chosen], of_rows, np.empty(0, np.int32), first_lines, n_targets, n_sources, window,
            source_lines, source_pixels, self._pitch, margin, _cuts(target.n_pixels),
        )  # fmt: skip
        whole = (first_lines >= 0) & (first_lines + window <= source_lines)
        self._room = len(chosen) * (1 + int((~whole).sum()))
        self._target = target

    def write(
        self,
        weights: FloatArray,
        bias: FloatArray,
        rows: FloatArray,
        out: FloatArray,
        length: int,
        *,
        accumulate: bool,
    ) -> None:
        """Write the sums over the taps, from `bias` on; add them where `accumulate`."""
        dtype, plan = weights.dtype, self._plan
        lanes = register_lanes(dtype.itemsize)
        line_bytes = plan.n_kernel_rows * self._pitch * lanes * dtype.itemsize
        n_blocks = -(-plan.n_sources * line_bytes // BLOCK_BYTES)
        shape = len(plan.first_lines), n_blocks, plan.n_targets
        lists = TapLists(
            np.empty(self._room, np.int32),
            np.empty(self._room, dtype),
            np.empty(len(plan.indptr), np.int64),
            np.empty(shape, np.int64),
            np.empty(shape, np.int64),
        )
        size = plan.n_sources * plan.source_lines * self._pitch * lanes_of(dtype.itemsize)
        target = self._target
        tap_kernels.gather_listed(
            plan._replace(offsets=(self._pixels * lanes).astype(np.int32)),
            lists,
            weights,
            rows,
            length,
            bias,
            aligned_zeros(size, dtype),
            out,
            target.row,
            target.rows_per_map,
            target.rows_per_line,
            accumulate,
        )


def _cuts(n_pixels: int) -> Ints:
    """Return the pixels at which a line is cut into parts, the widest that fits first; and its length."""
    cuts = [0]
    while cuts[-1] < n_pixels:
        cuts.append(cuts[-1] + max(width for width in WIDTHS if width <= n_pixels - cuts[-1]))
    return np.array(cuts, np.int64)
