"""The forward and the backward pass through a network.

A pass through a network without convolutions is one compiled call. With convolutions it alternates between compiled
calls: the nodes before a convolution, the convolution (:mod:`cnn.layers`), the next nodes. A step of such a network
takes milliseconds, so the additional calls from Python cost little.
"""

from typing import Any

import numpy as np

from cnn.arrays import aligned_empty, aligned_zeros
from evo.genome.genome import FloatArray, Genome
from evo.phenotype.kernels import backward_kernels, forward_kernels
from evo.phenotype.kernels.forward_kernels import Buffers, Layout
from evo.phenotype.kernels.row_kernels import NARROW, Width, padded, width_of
from evo.phenotype.kernels.training_kernels import Threshold
from evo.phenotype.plan import Plan, layout_for

Runtime = tuple[Layout, Buffers, Width]
"""Layout, buffers and vector width for one batch size."""


def runtime_for(plan: Plan, n_batch: int, dtype: np.dtype[Any]) -> Runtime:
    """Return layout, buffers and vector width to run a plan with batches of one size."""
    layout = layout_for(plan.layout, n_batch)
    width = width_of(n_batch, dtype.itemsize)
    length = padded(n_batch, width)
    # A line of a map is one long row, so outputs and residuals of a pixel cannot lie side by side.
    stride = 2 * length if n_batch <= NARROW and layout.maps == () else length
    n_rows = (1 if layout.ticks == 1 else layout.ticks + 1) * layout.rows_per_tick
    if stride > length:
        state = aligned_zeros(2 * n_rows * length, dtype)
        residual = state[length:]
    else:
        state, residual = (aligned_zeros(n_rows * length, dtype) for _ in range(2))
    nodes, rows = (layout.dense_blocks[:, k + 1] - layout.dense_blocks[:, k] for k in (0, 2))
    partial = layout.dense_blocks[:, 5] < forward_kernels.FULL
    ends = (layout.dense_blocks[:, 4] + nodes * rows)[partial]
    buffers = Buffers(
        state=state,
        residual=residual,
        net_inputs=aligned_empty(layout.ticks * layout.n_net_input_rows * length, dtype),
        block_weights=aligned_empty(max(ends, default=0), dtype),
        block_gradient=aligned_empty(max(nodes * rows, default=0), dtype),
        block_input_gradient=aligned_empty(max(rows, default=0) * length, dtype),
        scores=aligned_empty((len(plan.output_rows), n_batch), dtype),
        deltas=aligned_empty((len(plan.output_rows), n_batch), dtype),
        stride=stride,
        length=length,
    )
    return layout, buffers, width


def learning_threshold(genome: Genome, plan: Plan, *, learning: bool) -> Threshold:
    """Return the threshold of the computed nodes, rounded as in :func:`graphops.threshold_mask`.

    Empty unless `learning`, that is, unless dormant entries learn.
    """
    if not learning:
        return Threshold(np.empty(0, genome.values.dtype), False)
    threshold = np.asarray(genome.threshold)
    thresholds = threshold[plan.nodes] if threshold.ndim else threshold.reshape(1)
    return Threshold(thresholds.astype(genome.values.dtype), genome.threshold_mode == "signed")


def forward(
    plan: Plan,
    layout: Layout,
    weights: FloatArray,
    bias: FloatArray,
    buffers: Buffers,
    width: Width,
) -> None:
    """Run every tick; `layout`, `buffers` and `width` are those of :func:`runtime_for`."""
    if not plan.convolutions:
        forward_kernels.forward(layout, weights, bias, buffers, width)
        return
    forward_kernels.write_block_weights(layout, weights, buffers.block_weights)
    for tick in range(layout.ticks):
        forward_tick(plan, (layout, buffers, width), weights, bias, tick)


def forward_tick(
    plan: Plan, runtime: Runtime, weights: FloatArray, bias: FloatArray, tick: int
) -> None:
    """Run one tick of a network that may have convolutions; the weights of its dense blocks are written."""
    layout, buffers, width = runtime
    base, done = layout.first_base + tick * layout.rows_per_tick, 0
    for convolution in plan.convolutions:
        forward_kernels.forward_nodes(
            layout, weights, bias, buffers, tick, done, convolution.first, width
        )
        convolution.forward(weights, bias, buffers.state, base, buffers.length)
        done = convolution.first
    n_nodes = len(layout.codes)
    forward_kernels.forward_nodes(layout, weights, bias, buffers, tick, done, n_nodes, width)


def backward(
    plan: Plan,
    layout: Layout,
    weights: FloatArray,
    buffers: Buffers,
    weight_gradient: FloatArray,
    bias_gradient: FloatArray,
    width: Width,
) -> None:
    """Run every tick in reverse, as :func:`evo.phenotype.kernels.backward_kernels.backward` does."""
    gradients = (weight_gradient, bias_gradient)
    if not plan.convolutions:
        backward_kernels.backward(layout, weights, buffers, *gradients, width)
        return
    for tick in range(layout.ticks - 1, -1, -1):
        backward_tick(plan, (layout, buffers, width), weights, gradients, tick)


def backward_tick(
    plan: Plan,
    runtime: Runtime,
    weights: FloatArray,
    gradients: tuple[FloatArray, FloatArray],
    tick: int,
) -> None:
    """Run one tick in reverse; gradients are overwritten at the last tick of the network, and added to at others."""
    layout, buffers, width = runtime
    state, residual, length = buffers.state, buffers.residual, buffers.length
    base, end = layout.first_base + tick * layout.rows_per_tick, len(layout.codes)
    accumulate = tick < layout.ticks - 1
    for convolution in reversed(plan.convolutions):
        backward_kernels.backward_nodes(
            layout, weights, buffers, *gradients, tick, convolution.first, end, width
        )
        convolution.weight_gradient(
            gradients[0], state, residual, base, length, accumulate=accumulate
        )
        convolution.input_gradient(weights, residual, base, length)
        end = convolution.first
    backward_kernels.backward_nodes(layout, weights, buffers, *gradients, tick, 0, end, width)
