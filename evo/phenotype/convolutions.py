"""Maps that are computed as a convolution, by the kernels of :mod:`cnn.layers`.

Consecutive maps of one size may have nearly all possible taps from a range of other maps. Tap by tap, each line of the
source maps would be read once for each tap and target map. A convolution reads each line once for a tile of maps.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn.arrays import aligned_empty
from cnn.compile.vector_kernels import lanes_of
from cnn.layers.convolution import block_heights
from cnn.layers.kernels import convolution_kernels as kernels
from cnn.layers.kernels.stencil import Reads, Stencil, plan_stencil
from evo.genome.genome import FloatArray
from evo.phenotype.few_taps import FewTaps, Target

Ints = NDArray[np.int64]

DENSE_TAPS = 0.4
"""Least fraction of taps present for which maps are computed as a convolution; measured once (AVX-512, one core)."""

FEW_TAPS = 0.4
"""Fraction of taps below which the taps of weight 0 are left out of sums; measured once (AVX2, one core)."""

MIN_MAPS, MAX_MAPS = 2, 64
"""Least and largest number of maps of a convolution."""


class MapRange(NamedTuple):
    """Maps in consecutive rows: first row, number, size with the margin of zeros, width of the margin."""

    row: int
    n_maps: int
    padded_size: int
    margin: int

    @property
    def map_size(self) -> int:
        """Size of the maps without the margin."""
        return self.padded_size - 2 * self.margin


@dataclass(frozen=True, eq=False)
class Taps:
    """The edges of a plan as taps.

    Attributes
    ----------
    targets : ndarray of int64, shape (n_edges,)
        Number of the target among the computed nodes, ascending.
    row : ndarray of int64, shape (n_edges,)
        First row of the map or view that the tap reads; negative for a delayed edge.
    padded_size, margin : ndarray of int64, shape (n_edges,)
        Size of this map or view with its margin of zeros, and the width of the margin.
    offset : ndarray of int64, shape (n_edges,)
        Rows from `row` to the row that the tap reads for the target's first pixel.
    """

    targets: Ints
    row: Ints
    padded_size: Ints
    margin: Ints
    offset: Ints


@cache
def _forward_stencil(target: int, window: int, n_maps: int) -> Stencil:
    """Return the stencil of the forward pass; taps are numbered by the pixel that they read."""
    padded_size = target + window - 1
    reads: Reads = [[(tap, pixel + tap) for tap in range(window)] for pixel in range(target)]
    return plan_stencil(reads, reads, (n_maps, padded_size, padded_size), (window, window))


@cache
def _backward_stencil(target: int, window: int, margin: int, n_nodes: int) -> Stencil:
    """Return the stencil of the input gradient, for the pixels of a source map without its margin."""
    map_size = target + window - 1 - 2 * margin
    reads: list[list[tuple[int, int]]] = [[] for _ in range(map_size)]
    for pixel in range(target):
        for tap in range(window):
            if 0 <= pixel + tap - margin < map_size:
                reads[pixel + tap - margin].append((tap, pixel))
    return plan_stencil(reads, reads, (n_nodes, target, target), (window, window))


class Convolution:
    """A convolution from a range of source maps to consecutive computed maps.

    Its methods take the arrays of :class:`evo.phenotype.kernels.forward_kernels.Buffers` and the first row of a tick.

    Parameters
    ----------
    taps : Taps
        All edges of the plan.
    edges : ndarray of int, shape (n_own_edges,)
        The edges of this convolution.
    sources : MapRange
        The maps that it reads.
    nodes : tuple of int
        First computed node, last computed node (exclusive).
    row, map_size : int
        First row and size of the first computed map.
    needs_gradient : bool
        Whether the source maps need an input gradient; inputs do not.
    """

    def __init__(
        self,
        taps: Taps,
        edges: NDArray[np.intp],
        sources: MapRange,
        nodes: tuple[int, int],
        row: int,
        map_size: int,
        *,
        needs_gradient: bool,
    ) -> None:
        self.first, self.last = nodes
        self._sources, self._needs_gradient = sources, needs_gradient
        self._row, self._map_size = row, map_size
        self._window = window = sources.padded_size - map_size + 1
        n_nodes = self.last - self.first
        # index[k, c, t]: the edge that is tap t of the kernel from map c to node k, or −1.
        index = np.full((n_nodes, sources.n_maps, window**2), -1, np.int64)
        of_map = (taps.row[edges] - sources.row) // sources.padded_size**2
        line, column = np.divmod(taps.offset[edges], sources.padded_size)
        index[taps.targets[edges] - self.first, of_map, line * window + column] = edges
        self._index = index.reshape(n_nodes, -1)
        transposed = np.ascontiguousarray(index.swapaxes(0, 1))
        self._backward_index = transposed.reshape(sources.n_maps, -1)
        self._used = np.flatnonzero(self._index >= 0)
        self._edges = self._index.reshape(-1)[self._used]
        self._heights = block_heights(n_nodes)
        self._backward_heights = block_heights(sources.n_maps)
        self._forward = _forward_stencil(map_size, window, sources.n_maps)
        self._source_pixels = np.ascontiguousarray(self._forward.runs[:, 2])
        self._backward = _backward_stencil(map_size, window, sources.margin, n_nodes)

    def forward(
        self, weights: FloatArray, bias: FloatArray, state: FloatArray, base: int, length: int
    ) -> None:
        """Write the net inputs of the computed maps to `state`."""
        sources, own = self._source_rows(state, base, length), self._own_rows(state, base, length)
        own_bias = bias[self.first : self.last]
        if self._has_few_taps(weights, length):
            self._few_taps.write(weights, own_bias, sources, own, length, accumulate=False)
            return
        packed = aligned_empty(self._index.size, state.dtype)
        kernels.pack(weights, self._index, self._heights, packed)
        stencil = self._forward
        kernels.gather(
            sources,
            length,
            stencil.runs,
            stencil.rows,
            stencil.offsets,
            packed,
            self._heights,
            own_bias,
            own,
            self._map_size**2,
        )

    def weight_gradient(
        self,
        gradient: FloatArray,
        state: FloatArray,
        residual: FloatArray,
        base: int,
        length: int,
        *,
        accumulate: bool,
    ) -> None:
        """Write ∂E/∂w of the edges to `gradient`; add it where `accumulate`."""
        of_taps = aligned_empty(self._index.shape, state.dtype)
        stencil = self._forward
        kernels.correlate(
            self._own_rows(residual, base, length),
            self._source_rows(state, base, length),
            length,
            stencil.runs,
            self._source_pixels,
            stencil.rows,
            stencil.offsets,
            self._heights,
            of_taps,
            aligned_empty(kernels.n_sums(self._index.shape[1], state.itemsize), state.dtype),
        )
        found = of_taps.reshape(-1)[self._used]
        gradient[self._edges] = gradient[self._edges] + found if accumulate else found

    def input_gradient(
        self, weights: FloatArray, residual: FloatArray, base: int, length: int
    ) -> None:
        """Add ∂E/∂o of the source maps to `residual`, by the transposed convolution."""
        if not self._needs_gradient:
            return
        sources, stencil = self._sources, self._backward
        n, map_size, margin = sources.n_maps, sources.map_size, sources.margin
        nothing = np.zeros(n, residual.dtype)
        own = self._own_rows(residual, base, length)
        of_sources = self._source_rows(residual, base, length)
        if self._has_few_taps(weights, length):
            back = self._few_taps_back
            back.write(weights, nothing, own, of_sources, length, accumulate=True)
            return
        packed = aligned_empty(self._index.size, residual.dtype)
        kernels.pack(weights, self._backward_index, self._backward_heights, packed)
        gradient = aligned_empty(n * map_size**2 * length, residual.dtype)
        kernels.gather(
            own,
            length,
            stencil.runs,
            stencil.rows,
            stencil.offsets,
            packed,
            self._backward_heights,
            nothing,
            gradient,
            map_size**2,
        )
        padded = sources.padded_size
        maps = of_sources.reshape(n, padded, padded, length)
        inside = slice(margin, margin + map_size)
        maps[:, inside, inside] += gradient.reshape(n, map_size, map_size, length)

    def _has_few_taps(self, weights: FloatArray, length: int) -> bool:
        """Tell whether to add up only the taps whose weight is not 0."""
        present = weights[self._edges]
        few = np.count_nonzero(present) < FEW_TAPS * self._index.size
        whole = length % lanes_of(weights.itemsize) == 0
        return bool(few and whole and np.isfinite(present).all())

    @cached_property
    def _few_taps(self) -> FewTaps:
        """The taps of the forward pass, in the order of :func:`_forward_stencil`."""
        sources, size = self._sources, self._map_size
        return FewTaps(
            self._index.reshape(-1, sources.n_maps, self._window, self._window),
            (sources.padded_size, sources.padded_size),
            np.arange(size),
            0,
            Target(0, size**2, size, size),
        )

    @cached_property
    def _few_taps_back(self) -> FewTaps:
        """The taps of the input gradient, in the order of :func:`_backward_stencil`: from the last tap to the first."""
        sources, window, size = self._sources, self._window, self._map_size
        shape = sources.n_maps, -1, window, window
        padded, margin = sources.padded_size, sources.margin
        return FewTaps(
            self._backward_index.reshape(shape)[:, :, ::-1, ::-1],
            (size, size),
            np.arange(sources.map_size) + margin - (window - 1),
            window - 1 - margin,
            Target(margin * padded + margin, padded**2, padded, sources.map_size),
        )

    def _own_rows(self, rows: FloatArray, base: int, length: int) -> FloatArray:
        """Return the rows of the computed maps, flat."""
        begin, size = base + self._row, (self.last - self.first) * self._map_size**2
        return rows[begin * length : (begin + size) * length]

    def _source_rows(self, rows: FloatArray, base: int, length: int) -> FloatArray:
        """Return the rows of the source maps, flat."""
        sources = self._sources
        begin, size = base + sources.row, sources.n_maps * sources.padded_size**2
        return rows[begin * length : (begin + size) * length]


# -- finding -----------------------------------------------------------------------------------------------------------


def find_convolutions(
    taps: Taps, indptr: NDArray[np.integer[Any]], rows: Ints, map_sizes: Ints, n_input_rows: int
) -> tuple[tuple[Convolution, ...], NDArray[np.bool_]]:
    """Find the convolutions of a plan.

    Parameters
    ----------
    taps : Taps
        All edges of the plan.
    indptr : ndarray of int, shape (n_computed + 1,)
        The in-edges of computed node p are the edges ``indptr[p]`` to ``indptr[p + 1]`` (exclusive).
    rows, map_sizes : ndarray of int64, shape (n_computed,)
        First row and map size of each computed node.
    n_input_rows : int
        Rows of inputs.

    Returns
    -------
    convolutions : tuple of Convolution
        In the order of their nodes.
    covered : ndarray of bool, shape (n_edges,)
        Mask of the edges that a convolution computes.
    """
    covered = np.zeros(len(taps.targets), np.bool_)
    found = []
    p = 0
    while p < len(rows):
        map_size, row = int(map_sizes[p]), int(rows[p])
        sources = _densest_range(taps, slice(indptr[p], indptr[p + 1]), map_size, row, n_input_rows)
        last = p
        while sources and last < len(rows) and last - p < MAX_MAPS:
            follows = map_sizes[last] == map_size and rows[last] == row + (last - p) * map_size**2
            edges = slice(indptr[last], indptr[last + 1])
            if not follows or not _is_dense(taps, edges, sources, map_size):
                break
            last += 1
        if sources and last - p >= MIN_MAPS:
            chosen = np.arange(indptr[p], indptr[last])
            chosen = chosen[_inside(taps, chosen, sources)]
            covered[chosen] = True
            computed = sources.row >= n_input_rows
            convolution = Convolution(
                taps, chosen, sources, (p, last), row, map_size, needs_gradient=computed
            )
            found.append(convolution)
        p = max(last, p + 1)
    return tuple(found), covered


def _densest_range(
    taps: Taps, edges: slice, target: int, own_row: int, n_input_rows: int
) -> MapRange | None:
    """Return the range of maps, all of one size and before the node, from which it has most taps.

    The range holds either inputs or computed maps, since inputs need no gradient.
    """
    best: MapRange | None = None
    if target == 1 or edges.stop == edges.start:
        return best
    rows = taps.row[edges]
    kinds = np.stack([taps.padded_size[edges], taps.margin[edges]], axis=1)
    most = 0
    for padded_size, margin in np.unique(kinds, axis=0).tolist():
        known = (kinds == (padded_size, margin)).all(axis=1) & (rows >= 0) & (rows < own_row)
        found, counts = np.unique(rows[known], return_counts=True)
        # Split into groups of maps in consecutive rows.
        apart = np.diff(found, prepend=found[:1]) % padded_size**2 != 0
        apart |= np.diff(found >= n_input_rows, prepend=False)
        groups = np.cumsum(apart)
        for group in np.unique(groups):
            own = groups == group
            if counts[own].sum() > most:
                most = int(counts[own].sum())
                first, last = int(found[own][0]), int(found[own][-1])
                best = MapRange(first, (last - first) // padded_size**2 + 1, padded_size, margin)
    return best


def _inside(taps: Taps, edges: NDArray[np.intp] | slice, sources: MapRange) -> NDArray[np.bool_]:
    """Return the mask of the edges that read one of the source maps."""
    row, end = taps.row[edges], sources.row + sources.n_maps * sources.padded_size**2
    same = (taps.padded_size[edges] == sources.padded_size) & (taps.margin[edges] == sources.margin)
    same &= (row >= sources.row) & (row < end)
    inside: NDArray[np.bool_] = same & ((row - sources.row) % sources.padded_size**2 == 0)
    return inside


def _is_dense(taps: Taps, edges: slice, sources: MapRange, target: int) -> bool:
    """Tell whether enough taps from the source maps are present for a convolution."""
    window = sources.padded_size - target + 1
    return bool(_inside(taps, edges, sources).sum() >= DENSE_TAPS * sources.n_maps * window**2)
