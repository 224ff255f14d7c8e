"""What edges read of a map that is not the map as it is: the *views* of it, halved, enlarged or in a margin of zeros.

A view is written once after its map, however many kernels read it, and what they return to it goes back to the map
once. In a list of views each has six numbers: the first row and the side of its map; its own first row, side and
margin; how often the map is halved.
"""

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from cnn.compile.compilation import kernel
from cnn.compile.tile_kernels import Emitter
from evo.phenotype.kernels.edge_kernels import Floats, Ints
from evo.phenotype.kernels.row_kernels import Width, lanes_in

VIEW_COLUMNS = 6


@kernel
def forward_views(
    views: Ints, first: int, last: int, state: Floats, base: int, length: int, mean: bool
) -> None:
    """Write some views; the margins are zero from the start and stay so."""
    for v in range(first, last):
        map_row, map_side, row, map_size, margin, downsamplings = views[v]
        pitch, block = map_size + 2 * margin, 1 << downsamplings
        share = state.dtype.type(1.0 / (block * block))
        for y in range(map_size):
            for x in range(map_size):
                place = (base + row + (y + margin) * pitch + x + margin) * length
                to = state[place : place + length]
                if downsamplings == 0:
                    pixel = (y * map_side // map_size) * map_side + x * map_side // map_size
                    source = (base + map_row + pixel) * length
                    to[:] = state[source : source + length]
                    continue
                for cell in range(block * block):
                    i, j = y * block + cell // block, x * block + cell % block
                    source = (base + map_row + i * map_side + j) * length
                    seen = state[source : source + length]
                    if cell == 0:
                        for b in range(length):
                            to[b] = seen[b] * share if mean else seen[b]
                    elif mean:
                        for b in range(length):
                            to[b] += seen[b] * share
                    else:  # a NaN is larger than any number
                        for b in range(length):
                            to[b] = seen[b] if seen[b] > to[b] or np.isnan(seen[b]) else to[b]


@kernel
def backward_views(
    views: Ints,
    first: int,
    last: int,
    state: Floats,
    residual: Floats,
    base: int,
    length: int,
    mean: bool,
    width: Width,
) -> None:
    """Add the residuals of some views to those of their maps; those of the views are used up.

    The residual of a maximum goes to the first cell that holds it.
    """
    for v in range(first, last):
        map_row, map_side, row, map_size, margin, downsamplings = views[v]
        pitch, block = map_size + 2 * margin, 1 << downsamplings
        share = state.dtype.type(1.0 / (block * block))
        for y in range(map_size):
            for x in range(map_size):
                place = (base + row + (y + margin) * pitch + x + margin) * length
                back = residual[place : place + length]
                if downsamplings == 0:
                    pixel = (y * map_side // map_size) * map_side + x * map_side // map_size
                    source = (base + map_row + pixel) * length
                    to = residual[source : source + length]
                    for b in range(length):
                        to[b] += back[b]
                    continue
                for cell in range(block * block):
                    i, j = y * block + cell // block, x * block + cell % block
                    source = (base + map_row + i * map_side + j) * length
                    if mean:
                        to = residual[source : source + length]
                        for b in range(length):
                            to[b] += back[b] * share
                    else:
                        route_maximum(state, residual, place, source, length, width)


def _route_maximum(
    typing_context: Any,
    state: Any,
    residual: Any,
    place: Any,
    cell: Any,
    length: Any,
    width: Any,
) -> Any:
    """Where state[cell + i] is the maximum state[place + i], move residual[place + i] to residual[cell + i].

    Written as vectors: a compiler cannot know that the four rows do not overlap.
    """
    lanes, index = lanes_in(width), types.intp
    signature = types.void(state, residual, index, index, index, width)

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        state_, residual_, place_, cell_, length_, _ = arguments
        emit = Emitter(context, builder, state.dtype, lanes)
        numbers, residuals = emit.pointer(state, state_), emit.pointer(residual, residual_)
        zeros = emit.splat(emit.real(0.0))
        with emit.count(emit.number(0), length_, lanes) as i:
            at_view, at_cell = emit.add(place_, i), emit.add(cell_, i)
            shown, seen = emit.load_vector(numbers, at_view), emit.load_vector(numbers, at_cell)
            back, to = emit.load_vector(residuals, at_view), emit.load_vector(residuals, at_cell)
            holds = builder.fcmp_ordered("==", seen, shown)
            emit.store_vector(
                builder.fadd(to, builder.select(holds, back, zeros)), residuals, at_cell
            )
            emit.store_vector(builder.select(holds, zeros, back), residuals, at_view)
        return context.get_dummy_value()

    return signature, generate


route_maximum: Any = intrinsic(prefer_literal=True)(_route_maximum)
