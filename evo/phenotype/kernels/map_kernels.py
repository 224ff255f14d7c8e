"""What the passes do with maps; where all nodes are neurons (``maps`` is the empty tuple) each of these does nothing.

A map has a row of activations for each pixel, line after line, see :mod:`evo.phenotype.kernels.forward_kernels`; so
whole lines are the rows that taps add up, and the loops over edges are those of neurons.

Which of the two is compiled follows from the *type* of ``maps``: the passes of a network of neurons hold no code of
maps.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from cnn.compile.compilation import FAST_MATH
from evo.phenotype.kernels.row_kernels import Width
from evo.phenotype.kernels.view_kernels import backward_views, forward_views

_OPTIONS: Any = {"fastmath": set(FAST_MATH), "error_model": "numpy", "forceinline": True}


class Maps(NamedTuple):
    """What the passes read of the maps in a plan; all arrays are read-only.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_computed,)
        The first row of each computed node.
    map_sizes : ndarray of int64, shape (n_computed,)
    stretch_indptr : ndarray of int64, shape (n_computed + 1,)
    stretches : ndarray of int64, shape (n_stretches, 3)
        The taps of each map that are added up one by one, in pieces: first edge, last (exclusively), and how many rows
        further on they read for each line.
    view_indptr : ndarray of int64, shape (n_computed + 1,)
    views : ndarray of int64, shape (n_views, 6)
        What is read of maps but as they are, see :mod:`evo.phenotype.kernels.view_kernels`: those of inputs, then those
        of each node.
    mean : bool
        Whether maps are halved by means, not by maxima.
    convolved : ndarray of bool, shape (n_computed,)
        Which nodes have their bias, and what nearly all their taps give, before these passes come to them: see
        :mod:`evo.phenotype.convolutions`.
    """

    rows: NDArray[np.int64]
    map_sizes: NDArray[np.int64]
    stretch_indptr: NDArray[np.int64]
    stretches: NDArray[np.int64]
    view_indptr: NDArray[np.int64]
    views: NDArray[np.int64]
    mean: bool
    convolved: NDArray[np.bool_]


def _are_none(maps: Any) -> bool:
    """Tell by its type whether a layout has no maps."""
    return isinstance(maps, types.BaseTuple) and len(maps) == 0


# -- where maps lie ----------------------------------------------------------------------------------------------------


def row_of(maps: Any, first_row: int, p: int) -> int:
    """Return the first row of a computed node."""
    raise NotImplementedError


@overload(row_of, jit_options=_OPTIONS)
def _row_of(maps: Any, first_row: Any, p: Any) -> Any:
    def row_of_neuron(maps: Any, first_row: Any, p: Any) -> Any:
        return first_row + p

    def row_of_map(maps: Any, first_row: Any, p: Any) -> Any:
        return maps.rows[p]

    return row_of_neuron if _are_none(maps) else row_of_map


def pixels_of(maps: Any, p: int) -> int:
    """Return how many rows a computed node has."""
    raise NotImplementedError


@overload(pixels_of, jit_options=_OPTIONS)
def _pixels_of(maps: Any, p: Any) -> Any:
    def one(maps: Any, p: Any) -> Any:
        return 1

    def pixels_of_map(maps: Any, p: Any) -> Any:
        return maps.map_sizes[p] * maps.map_sizes[p]

    return one if _are_none(maps) else pixels_of_map


# -- views -------------------------------------------------------------------------------------------------------------


def show(maps: Any, p: int, buffers: Any, base: int) -> None:
    """Write the views of a computed node."""
    raise NotImplementedError


@overload(show, jit_options=_OPTIONS)
def _show(maps: Any, p: Any, buffers: Any, base: Any) -> Any:
    def show_map(maps: Any, p: Any, buffers: Any, base: Any) -> Any:
        first, last = maps.view_indptr[p], maps.view_indptr[p + 1]
        forward_views(maps.views, first, last, buffers.state, base, buffers.length, maps.mean)

    def nothing(maps: Any, p: Any, buffers: Any, base: Any) -> Any:
        pass

    return nothing if _are_none(maps) else show_map


def forward_input_maps(maps: Any, buffers: Any, base: int) -> None:
    """Write the views of all inputs."""
    raise NotImplementedError


@overload(forward_input_maps, jit_options=_OPTIONS)
def _forward_input_maps(maps: Any, buffers: Any, base: Any) -> Any:
    def show_maps(maps: Any, buffers: Any, base: Any) -> Any:
        last = maps.view_indptr[0]
        forward_views(maps.views, 0, last, buffers.state, base, buffers.length, maps.mean)

    def nothing(maps: Any, buffers: Any, base: Any) -> Any:
        pass

    return nothing if _are_none(maps) else show_maps


def backward_maps(maps: Any, p: int, buffers: Any, base: int, width: Width) -> None:
    """Add the residuals of a computed node's views to its own."""
    raise NotImplementedError


@overload(backward_maps, jit_options=_OPTIONS)
def _backward_maps(maps: Any, p: Any, buffers: Any, base: Any, width: Any) -> Any:
    def take_back_views(maps: Any, p: Any, buffers: Any, base: Any, width: Any) -> Any:
        first, last = maps.view_indptr[p], maps.view_indptr[p + 1]
        state, residual, length = buffers.state, buffers.residual, buffers.length
        backward_views(maps.views, first, last, state, residual, base, length, maps.mean, width)

    def nothing(maps: Any, p: Any, buffers: Any, base: Any, width: Any) -> Any:
        pass

    return nothing if _are_none(maps) else take_back_views


# -- kernels -----------------------------------------------------------------------------------------------------------


def lines_of(maps: Any, p: int) -> int:
    """Return how many lines a computed node has."""
    raise NotImplementedError


@overload(lines_of, jit_options=_OPTIONS)
def _lines_of(maps: Any, p: Any) -> Any:
    def one(maps: Any, p: Any) -> Any:
        return 1

    def lines_of_map(maps: Any, p: Any) -> Any:
        return maps.map_sizes[p]

    return one if _are_none(maps) else lines_of_map


def has_bias(maps: Any, p: int) -> bool:
    """Tell whether a computed node has its bias, and part of its net input, before the passes come to it."""
    raise NotImplementedError


@overload(has_bias, jit_options=_OPTIONS)
def _has_bias(maps: Any, p: Any) -> Any:
    def no(maps: Any, p: Any) -> Any:
        return False

    def is_convolved(maps: Any, p: Any) -> Any:
        return maps.convolved[p]

    return no if _are_none(maps) else is_convolved


def stretches_of(maps: Any, p: int) -> tuple[int, int]:
    """Return which stretches of edges belong to a computed node: first and last (exclusively)."""
    raise NotImplementedError


@overload(stretches_of, jit_options=_OPTIONS)
def _stretches_of(maps: Any, p: Any) -> Any:
    def both(maps: Any, p: Any) -> Any:
        return 0, 2

    def stretches_of_map(maps: Any, p: Any) -> Any:
        if maps.map_sizes[p] == 1:
            return 0, 2
        return maps.stretch_indptr[p], maps.stretch_indptr[p + 1]

    return both if _are_none(maps) else stretches_of_map


def stretch(
    maps: Any, p: int, number: int, first: int, inside: int, behind: int, last: int
) -> tuple[int, int, int]:
    """Return a stretch of edges: first, last (exclusively), and how many rows further they read for each line.

    Of a neuron stretch 0 are the edges before those that a dense run holds, stretch 1 those behind.
    """
    raise NotImplementedError


@overload(stretch, jit_options=_OPTIONS)
def _stretch(
    maps: Any, p: Any, number: Any, first: Any, inside: Any, behind: Any, last: Any
) -> Any:
    def of_neuron(
        maps: Any, p: Any, number: Any, first: Any, inside: Any, behind: Any, last: Any
    ) -> Any:
        return (first, inside, 0) if number == 0 else (behind, last, 0)

    def of_map(
        maps: Any, p: Any, number: Any, first: Any, inside: Any, behind: Any, last: Any
    ) -> Any:
        if maps.map_sizes[p] == 1:
            return (first, inside, 0) if number == 0 else (behind, last, 0)
        return maps.stretches[number, 0], maps.stretches[number, 1], maps.stretches[number, 2]

    return of_neuron if _are_none(maps) else of_map
