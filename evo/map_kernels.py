"""What edges read of a map that is not the map as it is: the *views* of it, halved, enlarged or in a margin of zeros.

A map is side² rows of activations, pixel after pixel; see :mod:`evo.kernels`. A view is written once after its map,
however many kernels read it, and what they return to it goes back to the map once.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.compilation import kernel

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

VIEW_COLUMNS = 6
"""Of a view: the first row and the side of its map; its own first row, side and margin; how often the map is halved."""


@kernel
def write_views(
    views: Ints, first: int, last: int, state: Floats, base: int, length: int, mean: bool
) -> None:
    """Write some views; the margins are zero from the start and stay so."""
    for v in range(first, last):
        map_row, map_side, row, side, margin, halvings = views[v]
        pitch, block = side + 2 * margin, 1 << halvings
        share = state.dtype.type(1.0 / (block * block))
        for y in range(side):
            for x in range(side):
                place = (base + row + (y + margin) * pitch + x + margin) * length
                to = state[place : place + length]
                if halvings == 0:
                    pixel = (y * map_side // side) * map_side + x * map_side // side
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
                            to[b] = to[b] if seen[b] <= to[b] else seen[b]


@kernel
def return_views(
    views: Ints,
    first: int,
    last: int,
    state: Floats,
    residual: Floats,
    base: int,
    length: int,
    mean: bool,
) -> None:
    """Add the residuals of some views to those of their maps; those of the views are used up.

    The residual of a maximum goes to the first cell that holds it.
    """
    for v in range(first, last):
        map_row, map_side, row, side, margin, halvings = views[v]
        pitch, block = side + 2 * margin, 1 << halvings
        share = state.dtype.type(1.0 / (block * block))
        for y in range(side):
            for x in range(side):
                place = (base + row + (y + margin) * pitch + x + margin) * length
                shown, back = state[place : place + length], residual[place : place + length]
                if halvings == 0:
                    pixel = (y * map_side // side) * map_side + x * map_side // side
                    source = (base + map_row + pixel) * length
                    to = residual[source : source + length]
                    for b in range(length):
                        to[b] += back[b]
                    continue
                for cell in range(block * block):
                    i, j = y * block + cell // block, x * block + cell % block
                    source = (base + map_row + i * map_side + j) * length
                    seen, to = state[source : source + length], residual[source : source + length]
                    if mean:
                        for b in range(length):
                            to[b] += back[b] * share
                    else:
                        for b in range(length):
                            own = back[b] if seen[b] == shown[b] else back.dtype.type(0)
                            to[b] += own
                            back[b] -= own
