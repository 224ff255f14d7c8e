"""What the passes do with maps; where all nodes are neurons (``maps`` is the empty tuple) each of these does nothing.

A map has a row of activations for each pixel, line after line, see :mod:`evo.kernels`; so whole lines are the rows that
taps add up, and the loops over edges are those of neurons.

Which of the two is compiled follows from the *type* of ``maps``: the passes of a network of neurons hold no code of
maps.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from cnn.compilation import FAST_MATH, kernel
from evo.edge_kernels import Floats, Ints, backward_edges, listen
from evo.row_kernels import Width
from evo.view_kernels import return_views, write_views

_OPTIONS: Any = {"fastmath": set(FAST_MATH), "error_model": "numpy", "forceinline": True}


class Maps(NamedTuple):
    """What the passes read of the maps in a plan; all arrays are read-only.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_computed,)
        The first row of each computed node.
    sides : ndarray of int64, shape (n_computed,)
    stretch_indptr : ndarray of int64, shape (n_computed + 1,)
    stretches : ndarray of int64, shape (n_stretches, 3)
        The taps of each map that are added up one by one, in pieces: first edge, last (exclusively), and how many rows
        further on they read for each line.
    view_indptr : ndarray of int64, shape (n_computed + 1,)
    views : ndarray of int64, shape (n_views, 6)
        What is read of maps but as they are, see :mod:`evo.view_kernels`: those of inputs, then those of each node.
    mean : bool
        Whether maps are halved by means, not by maxima.
    convolved : ndarray of bool, shape (n_computed,)
        Which nodes have their bias, and what nearly all their taps give, before these passes come to them: see
        :mod:`evo.convolutions`.
    """

    rows: NDArray[np.int64]
    sides: NDArray[np.int64]
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
        return maps.sides[p] * maps.sides[p]

    return one if _are_none(maps) else pixels_of_map


# -- views -------------------------------------------------------------------------------------------------------------


def show(maps: Any, p: int, buffers: Any, base: int) -> None:
    """Write the views of a computed node."""
    raise NotImplementedError


@overload(show, jit_options=_OPTIONS)
def _show(maps: Any, p: Any, buffers: Any, base: Any) -> Any:
    def show_map(maps: Any, p: Any, buffers: Any, base: Any) -> Any:
        first, last = maps.view_indptr[p], maps.view_indptr[p + 1]
        write_views(maps.views, first, last, buffers.state, base, buffers.length, maps.mean)

    def nothing(maps: Any, p: Any, buffers: Any, base: Any) -> Any:
        pass

    return nothing if _are_none(maps) else show_map


def show_inputs(maps: Any, buffers: Any, base: int) -> None:
    """Write the views of all inputs."""
    raise NotImplementedError


@overload(show_inputs, jit_options=_OPTIONS)
def _show_inputs(maps: Any, buffers: Any, base: Any) -> Any:
    def show_maps(maps: Any, buffers: Any, base: Any) -> Any:
        last = maps.view_indptr[0]
        write_views(maps.views, 0, last, buffers.state, base, buffers.length, maps.mean)

    def nothing(maps: Any, buffers: Any, base: Any) -> Any:
        pass

    return nothing if _are_none(maps) else show_maps


def take_back(maps: Any, p: int, buffers: Any, base: int, width: Width) -> None:
    """Add the residuals of a computed node's views to its own."""
    raise NotImplementedError


@overload(take_back, jit_options=_OPTIONS)
def _take_back(maps: Any, p: Any, buffers: Any, base: Any, width: Any) -> Any:
    def take_back_views(maps: Any, p: Any, buffers: Any, base: Any, width: Any) -> Any:
        first, last = maps.view_indptr[p], maps.view_indptr[p + 1]
        state, residual, length = buffers.state, buffers.residual, buffers.length
        return_views(maps.views, first, last, state, residual, base, length, maps.mean, width)

    def nothing(maps: Any, p: Any, buffers: Any, base: Any, width: Any) -> Any:
        pass

    return nothing if _are_none(maps) else take_back_views


# -- kernels -----------------------------------------------------------------------------------------------------------


@kernel
def _add_up(
    maps: Maps,
    p: int,
    sources: Ints,
    weights: Floats,
    state: Floats,
    base: int,
    length: int,
    width: Width,
) -> None:
    """Add to a map what it hears: line by line, each tap adds a scaled line of what it reads."""
    line = maps.sides[p] * length
    place = (base + maps.rows[p]) * length
    for y in range(maps.sides[p]):
        for s in range(maps.stretch_indptr[p], maps.stretch_indptr[p + 1]):
            first, last, further = maps.stretches[s]
            listen(
                state, base + y * further, length, line, sources, weights, first, last,
                place + y * line, width,
            )  # fmt: skip


@kernel
def _give_back(
    maps: Maps,
    p: int,
    sources: Ints,
    inner: int,
    weights: Floats,
    state: Floats,
    residual: Floats,
    gradient: Floats,
    base: int,
    length: int,
    adding: bool,
    width: Width,
) -> None:
    """Differentiate the taps into a map, and return its residual to what they read: line by line."""
    line = maps.sides[p] * length
    place = (base + maps.rows[p]) * length
    for y in range(maps.sides[p]):
        for s in range(maps.stretch_indptr[p], maps.stretch_indptr[p + 1]):
            first, last, further = maps.stretches[s]
            backward_edges(
                residual, place + y * line, state, base + y * further, length, line, sources,
                weights, first, inner, last, gradient, adding or y > 0, width,
            )  # fmt: skip


def convolve(
    maps: Any,
    p: int,
    sources: Ints,
    weights: Floats,
    bias: Floats,
    buffers: Any,
    base: int,
    width: Width,
) -> bool:
    """Write the net input of a computed node if it is a map; tell whether it is."""
    raise NotImplementedError


@overload(convolve, jit_options=_OPTIONS)
def _convolve(
    maps: Any, p: Any, sources: Any, weights: Any, bias: Any, buffers: Any, base: Any, width: Any
) -> Any:
    def convolve_map(
        maps: Any,
        p: Any,
        sources: Any,
        weights: Any,
        bias: Any,
        buffers: Any,
        base: Any,
        width: Any,
    ) -> Any:
        if maps.sides[p] == 1:
            return False
        state, length = buffers.state, buffers.length
        if not maps.convolved[p]:
            place = (base + maps.rows[p]) * length
            state[place : place + maps.sides[p] * maps.sides[p] * length] = bias[p]
        _add_up(maps, p, sources, weights, state, base, length, width)
        return True

    def no_map(
        maps: Any,
        p: Any,
        sources: Any,
        weights: Any,
        bias: Any,
        buffers: Any,
        base: Any,
        width: Any,
    ) -> Any:
        return False

    return no_map if _are_none(maps) else convolve_map


def convolve_back(
    maps: Any,
    p: int,
    sources: Ints,
    inner: int,
    weights: Floats,
    buffers: Any,
    gradient: Floats,
    base: int,
    adding: bool,
    width: Width,
) -> bool:
    """Differentiate what a computed node hears, and return its residual, if it is a map; tell whether it is."""
    raise NotImplementedError


@overload(convolve_back, jit_options=_OPTIONS)
def _convolve_back(
    maps: Any,
    p: Any,
    sources: Any,
    inner: Any,
    weights: Any,
    buffers: Any,
    gradient: Any,
    base: Any,
    adding: Any,
    width: Any,
) -> Any:
    def convolve_map_back(
        maps: Any,
        p: Any,
        sources: Any,
        inner: Any,
        weights: Any,
        buffers: Any,
        gradient: Any,
        base: Any,
        adding: Any,
        width: Any,
    ) -> Any:
        if maps.sides[p] == 1:
            return False
        _give_back(
            maps, p, sources, inner, weights, buffers.state, buffers.residual, gradient, base,
            buffers.length, adding, width,
        )  # fmt: skip
        return True

    def no_map(
        maps: Any, p: Any, sources: Any, inner: Any, weights: Any, buffers: Any, gradient: Any,
        base: Any, adding: Any, width: Any,
    ) -> Any:  # fmt: skip
        return False

    return no_map if _are_none(maps) else convolve_map_back
