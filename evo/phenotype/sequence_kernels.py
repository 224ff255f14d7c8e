"""Passes through batches of sequences of unequal length.

Outputs are read, and their gradients enter, at readings: pairs of a sample and a tick. Ticks after the last reading of
the batch are not computed. After its own last reading the outputs of a sample are set to 0, so they cannot overflow
while longer sequences go on; their residuals are 0 in any case, and 0 · ∞ would be no number.

These kernels call the passes of :mod:`evo.phenotype.kernels`, which do not know of them: networks that read no such
sequences run, and compile, what they did without them.
"""

from cnn.compile.compilation import allocating_kernel, kernel
from evo.phenotype.kernels.backward_kernels import backward_nodes
from evo.phenotype.kernels.edge_kernels import Floats, Ints
from evo.phenotype.kernels.forward_kernels import (
    Buffers,
    Layout,
    forward_nodes,
    write_block_weights,
)
from evo.phenotype.kernels.row_kernels import Width


@allocating_kernel
def forward_sequences(
    layout: Layout, weights: Floats, bias: Floats, buffers: Buffers, last_ticks: Ints, width: Width
) -> None:
    """Run the ticks up to the last reading; `last_ticks` has the last reading of each sample, padded as rows are."""
    write_block_weights(layout, weights, buffers.block_weights)
    for tick in range(last_ticks.max() + 1):
        forward_nodes(layout, weights, bias, buffers, tick, 0, layout.codes.shape[0], width)
        if tick > last_ticks.min():
            silence(layout, buffers, last_ticks, tick)


@kernel
def silence(layout: Layout, buffers: Buffers, last_ticks: Ints, tick: int) -> None:
    """Set the outputs of the samples to 0 whose last reading is before a tick."""
    base = layout.first_base + tick * layout.rows_per_tick
    for row in range(base + layout.n_input_rows, base + layout.rows_per_tick):
        for b in range(buffers.length):
            if tick > last_ticks[b]:
                buffers.state[row * buffers.stride + b] = 0


@kernel
def backward_sequences(
    layout: Layout,
    weights: Floats,
    buffers: Buffers,
    weight_gradient: Floats,
    bias_gradient: Floats,
    n_ticks: int,
    width: Width,
) -> None:
    """Run `n_ticks` ticks in reverse; otherwise as :func:`evo.phenotype.kernels.backward_kernels.backward`."""
    weight_gradient[:] = 0  # the last tick of a network overwrites them, the others add to them
    bias_gradient[:] = 0
    for tick in range(n_ticks - 1, -1, -1):
        backward_nodes(
            layout, weights, buffers, weight_gradient, bias_gradient, tick, 0, layout.codes.shape[0],
            width,
        )  # fmt: skip


@kernel
def read_scores_at(
    layout: Layout, output_rows: Ints, readings: Ints, buffers: Buffers, scores: Floats
) -> None:
    """Copy the outputs at readings, shape (2, n_readings), to `scores`, shape (n_outputs, n_readings)."""
    for k in range(scores.shape[0]):
        for r in range(scores.shape[1]):
            base = layout.first_base + readings[1, r] * layout.rows_per_tick
            scores[k, r] = buffers.state[(base + output_rows[k]) * buffers.stride + readings[0, r]]


@kernel
def write_residuals_at(
    layout: Layout, output_rows: Ints, readings: Ints, deltas: Floats, buffers: Buffers
) -> None:
    """Set the residual to ∂E/∂o = `deltas` at readings of outputs, and to 0 elsewhere."""
    residual, stride, length = buffers.residual, buffers.stride, buffers.length
    for row in range(layout.first_base + layout.ticks * layout.rows_per_tick):
        residual[row * stride : row * stride + length] = 0
    for k in range(deltas.shape[0]):
        for r in range(deltas.shape[1]):
            base = layout.first_base + readings[1, r] * layout.rows_per_tick
            residual[(base + output_rows[k]) * stride + readings[0, r]] = deltas[k, r]
