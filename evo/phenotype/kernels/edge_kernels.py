"""The in-edges of one node: weighted sum (forward), weight gradient and input gradient (backward).

:mod:`evo.phenotype.kernels.forward_kernels` describes the arrays; :mod:`evo.phenotype.kernels.row_kernels` holds the
innermost loops. All kernels here work on the edges `first` to `last` (exclusive) into one node, whose row begins at
the flat index `offset`; `base` is the first row of the tick, and rows are `stride` numbers apart.
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
def forward_edges(
    state: Floats,
    base: int,
    stride: int,
    length: int,
    sources: Ints,
    weights: Floats,
    first: int,
    last: int,
    offset: int,
    width: Width,
) -> None:
    """Add Σ_e weights[e] · o_source(e) to the row at `offset`."""
    lanes = 1 << len(width)
    zero = state.dtype.type(0)
    b = 0
    while b + 8 * lanes <= length:
        gather_row(
            state, base, stride, b, sources, weights, first, last, zero, 0, offset + b, 8, width,
        )  # fmt: skip
        b += 8 * lanes
    while b + 4 * lanes <= length:
        gather_row(
            state, base, stride, b, sources, weights, first, last, zero, 0, offset + b, 4, width,
        )  # fmt: skip
        b += 4 * lanes
    while b + 2 * lanes <= length:
        gather_row(
            state, base, stride, b, sources, weights, first, last, zero, 0, offset + b, 2, width,
        )  # fmt: skip
        b += 2 * lanes
    while b < length:
        gather_row(
            state, base, stride, b, sources, weights, first, last, zero, 0, offset + b, 1, width,
        )  # fmt: skip
        b += lanes


@kernel
def _weight_gradient(
    residual: Floats,
    offset: int,
    state: Floats,
    base: int,
    stride: int,
    length: int,
    sources: Ints,
    first: int,
    last: int,
    gradient: Floats,
    accumulate: bool,
    width: Width,
) -> None:
    """Write ∂E/∂W[i, j] = Σ_batch δ_j·o_i to `gradient`; add it where `accumulate`."""
    e = last
    while e - DOTS >= first:
        e -= DOTS
        dot_rows(
            residual, offset, state, base, stride, length, sources, e, DOTS, gradient, accumulate,
            width,
        )  # fmt: skip
    if e - 4 >= first:
        e -= 4
        dot_rows(
            residual, offset, state, base, stride, length, sources, e, 4, gradient, accumulate,
            width,
        )  # fmt: skip
    if e - 2 >= first:
        e -= 2
        dot_rows(
            residual, offset, state, base, stride, length, sources, e, 2, gradient, accumulate,
            width,
        )  # fmt: skip
    if e > first:
        dot_rows(
            residual, offset, state, base, stride, length, sources, first, 1, gradient, accumulate,
            width,
        )  # fmt: skip


@kernel
def _input_gradient(
    residual: Floats,
    offset: int,
    base: int,
    stride: int,
    length: int,
    sources: Ints,
    weights: Floats,
    first: int,
    last: int,
    width: Width,
) -> None:
    """Add W[i, j]·δ_j to the residual ∂E/∂o_i of the source of each edge."""
    lanes = 1 << len(width)
    b = 0
    while b + 8 * lanes <= length:
        scatter_row(residual, offset + b, base, stride, b, sources, weights, first, last, 8, width)
        b += 8 * lanes
    while b + 4 * lanes <= length:
        scatter_row(residual, offset + b, base, stride, b, sources, weights, first, last, 4, width)
        b += 4 * lanes
    while b + 2 * lanes <= length:
        scatter_row(residual, offset + b, base, stride, b, sources, weights, first, last, 2, width)
        b += 2 * lanes
    while b < length:
        scatter_row(residual, offset + b, base, stride, b, sources, weights, first, last, 1, width)
        b += lanes


@kernel
def backward_edges(
    residual: Floats,
    offset: int,
    state: Floats,
    base: int,
    stride: int,
    length: int,
    sources: Ints,
    weights: Floats,
    first: int,
    backward_from: int,
    last: int,
    gradient: Floats,
    accumulate: bool,
    width: Width,
) -> None:
    """Compute the weight gradient of all edges, and the input gradient of the edges from `backward_from` on."""
    backward_from = min(max(backward_from, first), last)
    if length == 1 << len(width):
        backward_row(
            residual, offset, state, base, stride, sources, weights, backward_from, last, gradient,
            accumulate, width,
        )  # fmt: skip
        _weight_gradient(
            residual, offset, state, base, stride, length, sources, first, backward_from, gradient,
            accumulate, width,
        )  # fmt: skip
    else:
        _weight_gradient(
            residual, offset, state, base, stride, length, sources, first, last, gradient,
            accumulate, width,
        )  # fmt: skip
        _input_gradient(
            residual, offset, base, stride, length, sources, weights, backward_from, last, width
        )
