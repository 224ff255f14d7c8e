"""The compiled inner loops of an evolved network: forward, backward, gradients at given places.

Activations are stored one node a row, the batch innermost and contiguous, so that the only hot operation is "add up
scaled rows". A row number is ``base + source``: `base` is where the current tick's rows begin, and a delayed edge
has its source one block of rows earlier, that is, in the tick before.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.compilation import kernel
from cnn.kernels import fast_sigmoid, fast_tanh
from evo.activations import ACTIVATIONS, LEAK

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

SIGMOID = ACTIVATIONS.index("sigmoid")
TANH = ACTIVATIONS.index("tanh")
RELU = ACTIVATIONS.index("relu")
LEAKY_RELU = ACTIVATIONS.index("leaky_relu")


@kernel
def activate(code: int, row: Floats) -> None:
    """Replace net inputs by outputs, o = φ(n), in place."""
    if code == TANH:
        for b in range(row.shape[0]):
            row[b] = fast_tanh(row[b])
    elif code == RELU:
        for b in range(row.shape[0]):
            row[b] = max(row[b], row.dtype.type(0))
    elif code == SIGMOID:
        for b in range(row.shape[0]):
            row[b] = fast_sigmoid(row[b])
    elif code == LEAKY_RELU:
        leak = row.dtype.type(LEAK)
        for b in range(row.shape[0]):
            row[b] = max(row[b], leak * row[b])


@kernel
def multiply_by_slope(code: int, output: Floats, residual: Floats) -> None:
    """Turn ∂E/∂o into δ = ∂E/∂n = ∂E/∂o ∘ φ′(n), in place, with φ′ written in the output o (S4)."""
    one = output.dtype.type(1)
    zero = output.dtype.type(0)
    if code == TANH:  # 1 − o²
        for b in range(output.shape[0]):
            residual[b] *= one - output[b] * output[b]
    elif code == RELU:
        for b in range(output.shape[0]):
            residual[b] *= one if output[b] > zero else zero
    elif code == SIGMOID:  # o(1 − o)
        for b in range(output.shape[0]):
            residual[b] *= output[b] * (one - output[b])
    elif code == LEAKY_RELU:
        leak = output.dtype.type(LEAK)
        for b in range(output.shape[0]):
            residual[b] *= one if output[b] > zero else leak


@kernel
def forward(
    nodes: Ints,
    indptr: Ints,
    sources: Ints,
    weights: Floats,
    bias: Floats,
    codes: Ints,
    state: Floats,
    block: int,
    first_base: int,
    ticks: int,
) -> None:
    """Run every tick: o_j = φ_j(Σ_e w_e·o_source(e) + b_j), four edges a pass.

    `nodes` are the computed nodes' rows within a block of `block` rows, in evaluation order; `indptr` and `sources`
    list their edges; `state` holds one block a tick and is written in place.
    """
    n_batch = state.shape[1]
    for tick in range(ticks):
        base = first_base + tick * block
        for p in range(nodes.shape[0]):
            row = state[base + nodes[p]]
            b_j = bias[p]
            for b in range(n_batch):
                row[b] = b_j
            e, end = indptr[p], indptr[p + 1]
            while e + 4 <= end:
                x0 = state[base + sources[e]]
                x1 = state[base + sources[e + 1]]
                x2 = state[base + sources[e + 2]]
                x3 = state[base + sources[e + 3]]
                w0, w1, w2, w3 = weights[e], weights[e + 1], weights[e + 2], weights[e + 3]
                for b in range(n_batch):
                    row[b] += (w0 * x0[b] + w1 * x1[b]) + (w2 * x2[b] + w3 * x3[b])
                e += 4
            while e < end:
                x0 = state[base + sources[e]]
                w0 = weights[e]
                for b in range(n_batch):
                    row[b] += w0 * x0[b]
                e += 1
            activate(codes[p], row)


@kernel
def backward(
    nodes: Ints,
    indptr: Ints,
    sources: Ints,
    from_input: NDArray[np.bool_],
    weights: Floats,
    codes: Ints,
    state: Floats,
    residual: Floats,
    weight_gradient: Floats,
    bias_gradient: Floats,
    block: int,
    first_base: int,
    ticks: int,
) -> None:
    """Run every tick in reverse (backpropagation through time).

    On entry `residual` holds ∂E/∂o at the outputs' rows of the last tick and 0 elsewhere; on return it holds δ at
    every computed row. Gradients are added to `weight_gradient` and `bias_gradient`.
    """
    n_batch = state.shape[1]
    for tick in range(ticks - 1, -1, -1):
        base = first_base + tick * block
        for p in range(nodes.shape[0] - 1, -1, -1):
            delta = residual[base + nodes[p]]
            multiply_by_slope(codes[p], state[base + nodes[p]], delta)
            total = delta.dtype.type(0)
            for b in range(n_batch):
                total += delta[b]
            bias_gradient[p] += total  # ∂E/∂b_j = Σ δ_j
            for e in range(indptr[p], indptr[p + 1]):
                x = state[base + sources[e]]
                total = delta.dtype.type(0)
                for b in range(n_batch):
                    total += delta[b] * x[b]
                weight_gradient[e] += total  # ∂E/∂W[i, j] = Σ δ_j·o_i
                if not from_input[e]:
                    back = residual[base + sources[e]]
                    w = weights[e]
                    for b in range(n_batch):
                        back[b] += w * delta[b]  # ∂E/∂o_i = Σ_j W[i, j]·δ_j


@kernel
def gradients_at(
    source_rows: Ints,
    target_rows: Ints,
    state: Floats,
    residual: Floats,
    block: int,
    first_base: int,
    ticks: int,
    gradients: Floats,
) -> None:
    """Write ∂E/∂W[i, j] = Σ_t Σ_batch δ_j·o_i at given places, whether or not an edge is there.

    Rows are numbered within a block, those of delayed sources minus `block`; before the first row there is nothing.
    """
    n_batch = state.shape[1]
    for k in range(source_rows.shape[0]):
        total = state.dtype.type(0)
        for tick in range(ticks):
            base = first_base + tick * block
            if base + source_rows[k] >= 0:
                x = state[base + source_rows[k]]
                delta = residual[base + target_rows[k]]
                for b in range(n_batch):
                    total += delta[b] * x[b]
        gradients[k] = total
