"""Kernels that are computed as convolutions, by the tiles of :mod:`cnn`: which, and how.

Maps in a row, of one side, may hear nearly all taps of a range of other maps. Computed tap by tap they would read each
line once per tap and map; as a convolution a tile of them reads it together.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn.layers.convolution import block_heights
from cnn.layers.kernels import convolution_kernels as kernels
from cnn.layers.kernels.stencil import Reads, Stencil, plan_stencil
from evo.genome.genome import FloatArray

Ints = NDArray[np.int64]

DENSE_TAPS = 0.4
"""The cost table: from this share of taps on, maps are computed as a convolution; measured once (AVX-512, one core)."""

FEWEST, MOST = 2, 64
"""A convolution has so many maps."""


class Range(NamedTuple):
    """Maps that lie one after another: first row, number, pitch, margin; side and margins make the pitch."""

    row: int
    n_maps: int
    pitch: int
    margin: int

    @property
    def map_size(self) -> int:
        """Side of the maps, without margins."""
        return self.pitch - 2 * self.margin


@dataclass(frozen=True, eq=False)
class Taps:
    """The edges of a plan as taps.

    Attributes
    ----------
    targets : ndarray, shape (n_edges,)
        Computed nodes, ascending.
    row, pitch, margin : ndarray, shape (n_edges,)
        First row of the map, or view, that is read, negative where it is that of the tick before; its pitch and margin.
    offset : ndarray, shape (n_edges,)
        From there to the row that is read for the target's first pixel.
    """

    targets: Ints
    row: Ints
    pitch: Ints
    margin: Ints
    offset: Ints


@cache
def _forward_stencil(target: int, window: int, n_maps: int) -> Stencil:
    """Plan what a convolution reads of maps in their margins; taps are numbered by the pixel they read."""
    pitch = target + window - 1
    reads: Reads = [[(tap, place + tap) for tap in range(window)] for place in range(target)]
    return plan_stencil(reads, reads, (n_maps, pitch, pitch), (window, window))


@cache
def _back_stencil(target: int, window: int, margin: int, n_nodes: int) -> Stencil:
    """Plan which residuals reach each pixel of a map that is heard; its margin is left out."""
    map_size = target + window - 1 - 2 * margin
    reads: list[list[tuple[int, int]]] = [[] for _ in range(map_size)]
    for place in range(target):
        for tap in range(window):
            if 0 <= place + tap - margin < map_size:
                reads[place + tap - margin].append((tap, place))
    return plan_stencil(reads, reads, (n_nodes, target, target), (window, window))


class Convolution:
    """Some maps in a row, and the range of maps that they hear, as a layer of :mod:`cnn` computes it.

    Parameters
    ----------
    taps : Taps
    edges : ndarray
        Which of them.
    heard : Range
    first, last : int
        The computed nodes, `last` exclusively.
    row, map_size : int
        First row and side of the first of them.
    returns : bool
        Whether what is heard wants a residual.
    """

    def __init__(
        self,
        taps: Taps,
        edges: NDArray[np.intp],
        heard: Range,
        nodes: tuple[int, int],
        row: int,
        map_size: int,
        *,
        returns: bool,
    ) -> None:
        self.first, self.last = nodes
        self._heard, self._row, self._side, self._returns = heard, row, map_size, returns
        window, n_nodes = heard.pitch - map_size + 1, self.last - self.first
        # Which edge is tap t of the kernel from map c to node k, or −1: [k, c, t].
        index = np.full((n_nodes, heard.n_maps, window**2), -1, np.int64)
        of_map = (taps.row[edges] - heard.row) // heard.pitch**2
        line, column = np.divmod(taps.offset[edges], heard.pitch)
        index[taps.targets[edges] - self.first, of_map, line * window + column] = edges
        self._index = index.reshape(n_nodes, -1)
        self._back_index = np.ascontiguousarray(index.swapaxes(0, 1)).reshape(heard.n_maps, -1)
        self._used = np.flatnonzero(self._index >= 0)
        self._edges = self._index.reshape(-1)[self._used]
        self._heights, self._back_heights = block_heights(n_nodes), block_heights(heard.n_maps)
        self._forward = _forward_stencil(map_size, window, heard.n_maps)
        self._places = np.ascontiguousarray(self._forward.runs[:, 2])
        self._back = _back_stencil(map_size, window, heard.margin, n_nodes)

    def listen(
        self, weights: FloatArray, bias: FloatArray, state: FloatArray, base: int, length: int
    ) -> None:
        """Write the net inputs of the maps; flat arrays, as the forward kernels have them."""
        packed = np.empty(self._index.size, state.dtype)
        kernels.pack(weights, self._index, self._heights, packed)
        stencil = self._forward
        kernels.gather(
            self._of_heard(state, base, length),
            length,
            stencil.runs,
            stencil.rows,
            stencil.offsets,
            packed,
            self._heights,
            bias[self.first : self.last],
            self._own(state, base, length),
            self._side**2,
        )

    def differentiate(
        self,
        gradient: FloatArray,
        state: FloatArray,
        residual: FloatArray,
        base: int,
        length: int,
        *,
        adding: bool,
    ) -> None:
        """Write, or add, the gradient by the taps."""
        of_taps = np.empty(self._index.shape, state.dtype)
        stencil = self._forward
        kernels.correlate(
            self._own(residual, base, length),
            self._of_heard(state, base, length),
            length,
            stencil.runs,
            self._places,
            stencil.rows,
            stencil.offsets,
            self._heights,
            of_taps,
        )
        found = of_taps.reshape(-1)[self._used]
        gradient[self._edges] = gradient[self._edges] + found if adding else found

    def give_back(self, weights: FloatArray, residual: FloatArray, base: int, length: int) -> None:
        """Add to the residuals of what the maps hear: the convolution the other way round."""
        if not self._returns:
            return
        heard, stencil = self._heard, self._back
        n, map_size, margin = heard.n_maps, heard.map_size, heard.margin
        packed = np.empty(self._index.size, residual.dtype)
        kernels.pack(weights, self._back_index, self._back_heights, packed)
        returned = np.empty(n * map_size**2 * length, residual.dtype)
        kernels.gather(
            self._own(residual, base, length),
            length,
            stencil.runs,
            stencil.rows,
            stencil.offsets,
            packed,
            self._back_heights,
            np.zeros(n, residual.dtype),
            returned,
            map_size**2,
        )
        maps = self._of_heard(residual, base, length).reshape(n, heard.pitch, heard.pitch, length)
        inside = slice(margin, margin + map_size)
        maps[:, inside, inside] += returned.reshape(n, map_size, map_size, length)

    def _own(self, rows: FloatArray, base: int, length: int) -> FloatArray:
        """Return the part of flat rows that belongs to the maps."""
        begin, size = base + self._row, (self.last - self.first) * self._side**2
        return rows[begin * length : (begin + size) * length]

    def _of_heard(self, rows: FloatArray, base: int, length: int) -> FloatArray:
        """Return the part of flat rows that belongs to what they hear."""
        begin, size = base + self._heard.row, self._heard.n_maps * self._heard.pitch**2
        return rows[begin * length : (begin + size) * length]


# -- finding -----------------------------------------------------------------------------------------------------------


def find_convolutions(
    taps: Taps, indptr: NDArray[np.integer[Any]], rows: Ints, map_sizes: Ints, first_row: int
) -> tuple[tuple[Convolution, ...], NDArray[np.bool_]]:
    """Find the convolutions of a plan.

    Parameters
    ----------
    taps : Taps
    indptr : ndarray, shape (n_computed + 1,)
        The edges of each computed node.
    rows, map_sizes : ndarray, shape (n_computed,)
        First row and side of each computed node.
    first_row : int
        Rows of inputs.

    Returns
    -------
    convolutions : tuple of Convolution
        In order of their nodes.
    held : ndarray of bool, shape (n_edges,)
        Which edges are part of one.
    """
    held = np.zeros(len(taps.targets), np.bool_)
    found = []
    p = 0
    while p < len(rows):
        map_size, row = int(map_sizes[p]), int(rows[p])
        heard = _densest_range(taps, slice(indptr[p], indptr[p + 1]), map_size, row, first_row)
        last = p
        while heard and last < len(rows) and last - p < MOST:
            follows = map_sizes[last] == map_size and rows[last] == row + (last - p) * map_size**2
            edges = slice(indptr[last], indptr[last + 1])
            if not follows or not _is_dense(taps, edges, heard, map_size):
                break
            last += 1
        if heard and last - p >= FEWEST:
            chosen = np.arange(indptr[p], indptr[last])
            chosen = chosen[_inside(taps, chosen, heard)]
            held[chosen] = True
            returns = heard.row >= first_row
            found.append(
                Convolution(taps, chosen, heard, (p, last), row, map_size, returns=returns)
            )
        p = max(last, p + 1)
    return tuple(found), held


def _densest_range(
    taps: Taps, edges: slice, target: int, own_row: int, first_row: int
) -> Range | None:
    """Return the maps, all of one kind and complete before the node, of which it hears most taps.

    They are inputs or computed, not both, for inputs get no residual back.
    """
    best: Range | None = None
    if target == 1 or edges.stop == edges.start:
        return best
    rows = taps.row[edges]
    kinds = np.stack([taps.pitch[edges], taps.margin[edges]], axis=1)
    most = 0
    for pitch, margin in np.unique(kinds, axis=0).tolist():
        known = (kinds == (pitch, margin)).all(axis=1) & (rows >= 0) & (rows < own_row)
        found, counts = np.unique(rows[known], return_counts=True)
        # Maps lie in groups, one after another.
        apart = np.diff(found, prepend=found[:1]) % pitch**2 != 0
        apart |= np.diff(found >= first_row, prepend=False)
        groups = np.cumsum(apart)
        for group in np.unique(groups):
            own = groups == group
            if counts[own].sum() > most:
                most = int(counts[own].sum())
                first, last = int(found[own][0]), int(found[own][-1])
                best = Range(first, (last - first) // pitch**2 + 1, pitch, margin)
    return best


def _inside(taps: Taps, edges: NDArray[np.intp] | slice, heard: Range) -> NDArray[np.bool_]:
    row, end = taps.row[edges], heard.row + heard.n_maps * heard.pitch**2
    same = (taps.pitch[edges] == heard.pitch) & (taps.margin[edges] == heard.margin)
    same &= (row >= heard.row) & (row < end)
    inside: NDArray[np.bool_] = same & ((row - heard.row) % heard.pitch**2 == 0)
    return inside


def _is_dense(taps: Taps, edges: slice, heard: Range, target: int) -> bool:
    window = heard.pitch - target + 1
    return bool(_inside(taps, edges, heard).sum() >= DENSE_TAPS * heard.n_maps * window**2)
