"""Views: a map after its map transform, that is, downsampled, upsampled or put in a margin of zeros.

Edges read a view wherever they do not read the map itself. The forward pass writes a view once, after its map,
however many edges read it. The backward pass adds the residual of a view to the residual of its map once.

Array `views`, int64, shape (n_views, VIEW_COLUMNS), one line a view: first row of the map, size of the map, first row
of the view, size of the view without its margin, margin, number of downsamplings.
"""

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from cnn.compile.compilation import kernel
from cnn.compile.vector_kernels import Emitter
from evo.phenotype.kernels.edge_kernels import Floats, Ints
from evo.phenotype.kernels.row_kernels import Width, lanes_in

VIEW_COLUMNS = 6


@kernel
def forward_views(
    views: Ints, first: int, last: int, state: Floats, base: int, length: int, mean: bool
) -> None:
    """Write the views `first` to `last` (exclusive); margins are zero from the start and stay zero."""
    for v in range(first, last):
        map_row, old_size, row, map_size, margin, downsamplings = views[v]
        padded_size, block = map_size + 2 * margin, 1 << downsamplings
        share = state.dtype.type(1.0 / (block * block))
        for y in range(map_size):
            for x in range(map_size):
                offset = (base + row + (y + margin) * padded_size + x + margin) * length
                to = state[offset : offset + length]
                if downsamplings == 0:
                    pixel = (y * old_size // map_size) * old_size + x * old_size // map_size
                    source = (base + map_row + pixel) * length
                    seen = state[source : source + length]
                    for b in range(length):
                        to[b] = seen[b]
                    continue
                for cell in range(block * block):
                    i, j = y * block + cell // block, x * block + cell % block
                    source = (base + map_row + i * old_size + j) * length
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
    """Add the residuals of the views `first` to `last` (exclusive) to the residuals of their maps.

    The residual of a maximum goes to the first pixel that holds the maximum. Residuals of views are overwritten.
    """
    for v in range(first, last):
        map_row, old_size, row, map_size, margin, downsamplings = views[v]
        padded_size, block = map_size + 2 * margin, 1 << downsamplings
        share = state.dtype.type(1.0 / (block * block))
        for y in range(map_size):
            for x in range(map_size):
                offset = (base + row + (y + margin) * padded_size + x + margin) * length
                back = residual[offset : offset + length]
                if downsamplings == 0:
                    pixel = (y * old_size // map_size) * old_size + x * old_size // map_size
                    source = (base + map_row + pixel) * length
                    to = residual[source : source + length]
                    for b in range(length):
                        to[b] += back[b]
                    continue
                for cell in range(block * block):
                    i, j = y * block + cell // block, x * block + cell % block
                    source = (base + map_row + i * old_size + j) * length
                    if mean:
                        to = residual[source : source + length]
                        for b in range(length):
                            to[b] += back[b] * share
                    else:
                        route_maximum(state, residual, offset, source, length, width)


def _route_maximum(
    typing_context: Any,
    state: Any,
    residual: Any,
    view_offset: Any,
    pixel_offset: Any,
    length: Any,
    width: Any,
) -> Any:
    """Move the residual of a pixel of a view to a pixel of its map, for the samples in which both have the same value.

    Both rows begin at the given flat indices. Written as vectors, since a compiler cannot know that the four rows do
    not overlap.
    """
    lanes, index = lanes_in(width), types.intp
    signature = types.void(state, residual, index, index, index, width)

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        state_, residual_, view_offset_, pixel_offset_, length_, _ = arguments
        emit = Emitter(context, builder, state.dtype, lanes)
        numbers, residuals = emit.pointer(state, state_), emit.pointer(residual, residual_)
        zeros = emit.splat(emit.real(0.0))
        with emit.loop(emit.constant(0), length_, lanes) as i:
            at_view, at_pixel = emit.add(view_offset_, i), emit.add(pixel_offset_, i)
            shown, seen = emit.load_vector(numbers, at_view), emit.load_vector(numbers, at_pixel)
            back, to = emit.load_vector(residuals, at_view), emit.load_vector(residuals, at_pixel)
            holds = builder.fcmp_ordered("==", seen, shown)
            emit.store_vector(
                builder.fadd(to, builder.select(holds, back, zeros)), residuals, at_pixel
            )
            emit.store_vector(builder.select(holds, zeros, back), residuals, at_view)
        return context.get_dummy_value()

    return signature, generate


route_maximum: Any = intrinsic(prefer_literal=True)(_route_maximum)
