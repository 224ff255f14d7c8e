"""The parts of the passes that differ between feature maps and neurons.

A map has one row of activations for each pixel, line after line (:mod:`evo.phenotype.kernels.forward_kernels`). A tap
adds a whole line of one map to a whole line of another, so maps and neurons share the loops over edges.

In a network of neurons alone, ``maps`` is the empty tuple. The *type* of ``maps`` decides at compile time which of two
variants is compiled, so the passes of a network of neurons contain no code for maps.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from cnn.compile.compilation import OVERLOAD_OPTIONS
from evo.phenotype.kernels.row_kernels import Width
from evo.phenotype.kernels.view_kernels import backward_views, forward_views


class Maps(NamedTuple):
    """The description of the maps of a plan that the passes read; all arrays are read-only.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_computed,)
        The first row of each computed node.
    map_sizes : ndarray of int64, shape (n_computed,)
        The map size of each computed node.
    edge_range_indptr : ndarray of int64, shape (n_computed + 1,)
        The edge ranges of each computed node.
    edge_ranges : ndarray of int64, shape (n_ranges, 3)
        Consecutive edges of one map that no convolution computes: first edge, last edge (exclusive), and the number of
        rows from one line that these edges read to the next.
    view_indptr : ndarray of int64, shape (n_computed + 1,)
        The views of each computed node; the views before ``view_indptr[0]`` are those of inputs.
    views : ndarray of int64, shape (n_views, VIEW_COLUMNS)
        See :mod:`evo.phenotype.kernels.view_kernels`.
    mean : bool
        Whether downsampling takes means; it takes maxima otherwise.
    convolved : ndarray of bool, shape (n_computed,)
        Nodes whose bias, and the sum over nearly all of whose taps, a convolution has written before
        (:mod:`evo.phenotype.convolutions`).
    """

    rows: NDArray[np.int64]
    map_sizes: NDArray[np.int64]
    edge_range_indptr: NDArray[np.int64]
    edge_ranges: NDArray[np.int64]
    view_indptr: NDArray[np.int64]
    views: NDArray[np.int64]
    mean: bool
    convolved: NDArray[np.bool_]


def is_empty(part: Any) -> bool:
    """Tell by its type whether a part of a layout, such as its maps, is the empty tuple: the layout has none."""
    return isinstance(part, types.BaseTuple) and len(part) == 0


# -- rows --------------------------------------------------------------------------------------------------------------


def first_row_of(maps: Any, n_input_rows: int, p: int) -> int:
    """Return the first row of a computed node."""
    raise NotImplementedError


@overload(first_row_of, jit_options=OVERLOAD_OPTIONS)
def _first_row_of(maps: Any, n_input_rows: Any, p: Any) -> Any:
    def first_row_of_neuron(maps: Any, n_input_rows: Any, p: Any) -> Any:
        return n_input_rows + p

    def first_row_of_map(maps: Any, n_input_rows: Any, p: Any) -> Any:
        return maps.rows[p]

    return first_row_of_neuron if is_empty(maps) else first_row_of_map


def n_pixels_of(maps: Any, p: int) -> int:
    """Return the number of rows of a computed node: one a pixel."""
    raise NotImplementedError


@overload(n_pixels_of, jit_options=OVERLOAD_OPTIONS)
def _n_pixels_of(maps: Any, p: Any) -> Any:
    def one(maps: Any, p: Any) -> Any:
        return 1

    def n_pixels_of_map(maps: Any, p: Any) -> Any:
        return maps.map_sizes[p] * maps.map_sizes[p]

    return one if is_empty(maps) else n_pixels_of_map


# -- views -------------------------------------------------------------------------------------------------------------


def forward_maps(maps: Any, p: int, buffers: Any, base: int) -> None:
    """Write the views of a computed node."""
    raise NotImplementedError


@overload(forward_maps, jit_options=OVERLOAD_OPTIONS)
def _forward_maps(maps: Any, p: Any, buffers: Any, base: Any) -> Any:
    def write_views(maps: Any, p: Any, buffers: Any, base: Any) -> Any:
        first, last = maps.view_indptr[p], maps.view_indptr[p + 1]
        forward_views(maps.views, first, last, buffers.state, base, buffers.length, maps.mean)

    def nothing(maps: Any, p: Any, buffers: Any, base: Any) -> Any:
        pass

    return nothing if is_empty(maps) else write_views


def forward_input_maps(maps: Any, buffers: Any, base: int) -> None:
    """Write the views of all inputs."""
    raise NotImplementedError


@overload(forward_input_maps, jit_options=OVERLOAD_OPTIONS)
def _forward_input_maps(maps: Any, buffers: Any, base: Any) -> Any:
    def write_views(maps: Any, buffers: Any, base: Any) -> Any:
        first: Any = np.int64(0)  # not 0: Numba would compile the callee for the number 0 as well
        last = maps.view_indptr[0]
        forward_views(maps.views, first, last, buffers.state, base, buffers.length, maps.mean)

    def nothing(maps: Any, buffers: Any, base: Any) -> Any:
        pass

    return nothing if is_empty(maps) else write_views


def backward_maps(maps: Any, p: int, buffers: Any, base: int, width: Width) -> None:
    """Add the residuals of a computed node's views to its own."""
    raise NotImplementedError


@overload(backward_maps, jit_options=OVERLOAD_OPTIONS)
def _backward_maps(maps: Any, p: Any, buffers: Any, base: Any, width: Any) -> Any:
    def add_view_residuals(maps: Any, p: Any, buffers: Any, base: Any, width: Any) -> Any:
        first, last = maps.view_indptr[p], maps.view_indptr[p + 1]
        state, residual, length = buffers.state, buffers.residual, buffers.length
        backward_views(maps.views, first, last, state, residual, base, length, maps.mean, width)

    def nothing(maps: Any, p: Any, buffers: Any, base: Any, width: Any) -> Any:
        pass

    return nothing if is_empty(maps) else add_view_residuals


# -- taps --------------------------------------------------------------------------------------------------------------


def n_lines_of(maps: Any, p: int) -> int:
    """Return the number of lines of pixels of a computed node."""
    raise NotImplementedError


@overload(n_lines_of, jit_options=OVERLOAD_OPTIONS)
def _n_lines_of(maps: Any, p: Any) -> Any:
    def one(maps: Any, p: Any) -> Any:
        return 1

    def n_lines_of_map(maps: Any, p: Any) -> Any:
        return maps.map_sizes[p]

    return one if is_empty(maps) else n_lines_of_map


def is_convolved(maps: Any, p: int) -> bool:
    """Tell whether a convolution has written the bias and part of the net input of a computed node."""
    raise NotImplementedError


@overload(is_convolved, jit_options=OVERLOAD_OPTIONS)
def _is_convolved(maps: Any, p: Any) -> Any:
    def no(maps: Any, p: Any) -> Any:
        return False

    def is_convolved_map(maps: Any, p: Any) -> Any:
        return maps.convolved[p]

    return no if is_empty(maps) else is_convolved_map


def edge_ranges_of(maps: Any, p: int) -> tuple[int, int]:
    """Return the edge ranges of a computed node: the first number and the last (exclusive)."""
    raise NotImplementedError


@overload(edge_ranges_of, jit_options=OVERLOAD_OPTIONS)
def _edge_ranges_of(maps: Any, p: Any) -> Any:
    def both(maps: Any, p: Any) -> Any:
        return 0, 2

    def edge_ranges_of_map(maps: Any, p: Any) -> Any:
        if maps.map_sizes[p] == 1:
            return 0, 2
        return maps.edge_range_indptr[p], maps.edge_range_indptr[p + 1]

    return both if is_empty(maps) else edge_ranges_of_map


def edge_range(
    maps: Any, p: int, number: int, first: int, block_first: int, block_last: int, last: int
) -> tuple[int, int, int]:
    """Return an edge range: first edge, last edge (exclusive), and rows from one line that it reads to the next.

    A neuron has two ranges: the edges before `block_first`, and the edges from `block_last` on. A dense block computes
    the edges between.
    """
    raise NotImplementedError


@overload(edge_range, jit_options=OVERLOAD_OPTIONS)
def _edge_range(
    maps: Any, p: Any, number: Any, first: Any, block_first: Any, block_last: Any, last: Any
) -> Any:
    def of_neuron(
        maps: Any, p: Any, number: Any, first: Any, block_first: Any, block_last: Any, last: Any
    ) -> Any:
        return (first, block_first, 0) if number == 0 else (block_last, last, 0)

    def of_map(
        maps: Any, p: Any, number: Any, first: Any, block_first: Any, block_last: Any, last: Any
    ) -> Any:
        if maps.map_sizes[p] == 1:
            return (first, block_first, 0) if number == 0 else (block_last, last, 0)
        return maps.edge_ranges[number, 0], maps.edge_ranges[number, 1], maps.edge_ranges[number, 2]

    return of_neuron if is_empty(maps) else of_map
