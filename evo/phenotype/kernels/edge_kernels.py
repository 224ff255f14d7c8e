"""What is done with the edges of one node, all at once: add up forward, differentiate, and return a residual.

See :mod:`evo.phenotype.kernels.forward_kernels` for how rows are numbered and kept, and
:mod:`evo.phenotype.kernels.row_kernels` for the innermost loops.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import kernel
from evo.phenotype.kernels.narrow_row_kernels import backward_row
from evo.phenotype.kernels.row_kernels import DOTS, Width, dot_rows, gather_row, scatter_row

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


@kernel
def listen(
    state: Floats,
    base: int,
    pitch: int,
    length: int,
    sources: Ints,
    weights: Floats,
    first: int,
    last: int,
    place: int,
    width: Width,
) -> None:
    """Add the scaled rows of some edges to the row at `place`."""
    lanes = 1 << len(width)
    zero = state.dtype.type(0)
    b = 0
    while b + 8 * lanes <= length:
        gather_row(
            state, base, pitch, b, sources, weights, first, last, zero, 0, place + b, 8, width
        )
        b += 8 * lanes
    while b + 4 * lanes <= length:
        gather_row(
            state, base, pitch, b, sources, weights, first, last, zero, 0, place + b, 4, width
        )
        b += 4 * lanes
    while b + 2 * lanes <= length:
        gather_row(
            state, base, pitch, b, sources, weights, first, last, zero, 0, place + b, 2, width
        )
        b += 2 * lanes
    while b < length:
        gather_row(
            state, base, pitch, b, sources, weights, first, last, zero, 0, place + b, 1, width
        )
        b += lanes


@kernel
def _weight_gradient(
    residual: Floats,
    place: int,
    state: Floats,
    base: int,
    pitch: int,
    length: int,
    sources: Ints,
    first: int,
    last: int,
    gradient: Floats,
    adding: bool,
    width: Width,
) -> None:
    """Write, or add, ∂E/∂W[i, j] = Σ δ_j·o_i for some edges into one node."""
    e = last
    while e - DOTS >= first:
        e -= DOTS
        dot_rows(
            residual, place, state, base, pitch, length, sources, e, DOTS, gradient, adding, width
        )
    if e - 4 >= first:
        e -= 4
        dot_rows(
            residual, place, state, base, pitch, length, sources, e, 4, gradient, adding, width
        )
    if e - 2 >= first:
        e -= 2
        dot_rows(
            residual, place, state, base, pitch, length, sources, e, 2, gradient, adding, width
        )
    if e > first:
        dot_rows(
            residual, place, state, base, pitch, length, sources, first, 1, gradient, adding, width
        )


@kernel
def _return(
    residual: Floats,
    place: int,
    base: int,
    pitch: int,
    length: int,
    sources: Ints,
    weights: Floats,
    first: int,
    last: int,
    width: Width,
) -> None:
    """Add ∂E/∂o_i = Σ_j W[i, j]·δ_j of some edges into one node to the residuals of their sources."""
    lanes = 1 << len(width)
    b = 0
    while b + 8 * lanes <= length:
        scatter_row(residual, place + b, base, pitch, b, sources, weights, first, last, 8, width)
        b += 8 * lanes
    while b + 4 * lanes <= length:
        scatter_row(residual, place + b, base, pitch, b, sources, weights, first, last, 4, width)
        b += 4 * lanes
    while b + 2 * lanes <= length:
        scatter_row(residual, place + b, base, pitch, b, sources, weights, first, last, 2, width)
        b += 2 * lanes
    while b < length:
        scatter_row(residual, place + b, base, pitch, b, sources, weights, first, last, 1, width)
        b += lanes


@kernel
def backward_edges(
    residual: Floats,
    place: int,
    state: Floats,
    base: int,
    pitch: int,
    length: int,
    sources: Ints,
    weights: Floats,
    first: int,
    inner: int,
    last: int,
    gradient: Floats,
    adding: bool,
    width: Width,
) -> None:
    """Differentiate the edges [first, last) into one node, and return its residual through those from `inner` on."""
    inner = min(max(inner, first), last)
    if length == 1 << len(width):
        backward_row(
            residual,
            place,
            state,
            base,
            pitch,
            sources,
            weights,
            inner,
            last,
            gradient,
            adding,
            width,
        )
        _weight_gradient(
            residual,
            place,
            state,
            base,
            pitch,
            length,
            sources,
            first,
            inner,
            gradient,
            adding,
            width,
        )
    else:
        _weight_gradient(
            residual,
            place,
            state,
            base,
            pitch,
            length,
            sources,
            first,
            last,
            gradient,
            adding,
            width,
        )
        _return(residual, place, base, pitch, length, sources, weights, inner, last, width)
