"""The passes through a network, forward and back: compiled as a whole, but for convolutions, which stand between.

A network of neurons is one compiled call. One with maps takes milliseconds a step, so that a few calls from Python cost
nothing; they find the convolutions of :mod:`cnn` as :mod:`cnn` compiled them.
"""

from typing import Any

import numpy as np

from evo.genome.genome import FloatArray, Genome
from evo.phenotype.kernels import backward_kernels, forward_kernels
from evo.phenotype.kernels.forward_kernels import Buffers, Layout
from evo.phenotype.kernels.row_kernels import NARROW, Width, padded, width_of
from evo.phenotype.kernels.training_kernels import Threshold
from evo.phenotype.plan import Plan, dense_for

Runtime = tuple[Layout, Buffers, Width]
"""What a batch of one size is run with."""


def runtime_for(plan: Plan, n_batch: int, dtype: np.dtype[Any]) -> Runtime:
    """Make what it takes to run a plan with a batch."""
    layout = dense_for(plan.layout, n_batch)
    width = width_of(n_batch, dtype.itemsize)
    length = padded(n_batch, width)
    # A line of a map is one row: states and residuals of its pixels cannot lie side by side.
    pitch = 2 * length if n_batch <= NARROW and layout.maps == () else length
    n_rows = (1 if layout.ticks == 1 else layout.ticks + 1) * layout.block
    both = np.zeros(2 * n_rows * length, dtype)
    state, residual = (both, both[length:]) if pitch > length else np.split(both, 2)
    nodes, rows = (layout.runs[:, k + 1] - layout.runs[:, k] for k in (0, 2))
    partial = layout.runs[:, 5] < forward_kernels.FULL
    ends = (layout.runs[:, 4] + nodes * rows)[partial]
    buffers = Buffers(
        state=state,
        residual=residual,
        nets=np.empty(layout.ticks * layout.n_nets * length, dtype),
        cells=np.empty(max(ends, default=0), dtype),
        cell_gradient=np.empty(max(nodes * rows, default=0), dtype),
        back=np.empty(max(rows, default=0) * length, dtype),
        pitch=pitch,
        length=length,
    )
    return layout, buffers, width


def learning_threshold(genome: Genome, plan: Plan, *, learning: bool) -> Threshold:
    """Return the threshold of the computed nodes, rounded as :func:`graphops.threshold_mask` compares.

    None if nothing below it learns.
    """
    if not learning:
        return Threshold(np.empty(0, genome.values.dtype), False)
    threshold = np.asarray(genome.threshold)
    thresholds = threshold[plan.positions] if threshold.ndim else threshold.reshape(1)
    return Threshold(thresholds.astype(genome.values.dtype), genome.threshold_mode == "signed")


def forward(
    plan: Plan,
    layout: Layout,
    weights: FloatArray,
    bias: FloatArray,
    buffers: Buffers,
    width: Width,
) -> None:
    """Run every tick; `layout` is that of the plan for the batch."""
    if not plan.convolutions:
        forward_kernels.forward(layout, weights, bias, buffers, width)
        return
    forward_kernels.fill_runs(layout, weights, buffers.cells)
    for tick in range(layout.ticks):
        base, done = layout.first_base + tick * layout.block, 0
        for one in plan.convolutions:
            forward_kernels.forward_nodes(
                layout, weights, bias, buffers, tick, done, one.first, width
            )
            one.listen(weights, bias, buffers.state, base, buffers.length)
            done = one.first
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
    """Run every tick in reverse: see :func:`evo.phenotype.kernels.backward_kernels.backward`."""
    gradients = (weight_gradient, bias_gradient)
    if not plan.convolutions:
        backward_kernels.backward(layout, weights, buffers, *gradients, width)
        return
    state, residual, length = buffers.state, buffers.residual, buffers.length
    for tick in range(layout.ticks - 1, -1, -1):
        base, end = layout.first_base + tick * layout.block, len(layout.codes)
        adding = tick < layout.ticks - 1
        for one in reversed(plan.convolutions):
            backward_kernels.backward_nodes(
                layout, weights, buffers, *gradients, tick, one.first, end, width
            )
            one.differentiate(weight_gradient, state, residual, base, length, adding=adding)
            one.give_back(weights, residual, base, length)
            end = one.first
        backward_kernels.backward_nodes(layout, weights, buffers, *gradients, tick, 0, end, width)
