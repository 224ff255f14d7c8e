"""The passes through a network, forward and back: compiled as a whole, but for convolutions, which stand between.

A network of neurons is one compiled call. One with maps takes milliseconds a step, so that a few calls from Python cost
nothing; they find the convolutions of :mod:`cnn` as :mod:`cnn` compiled them.
"""

from evo import backward_kernels, kernels
from evo.genome import FloatArray
from evo.kernels import Buffers, Layout
from evo.plan import Plan
from evo.row_kernels import Width


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
        kernels.forward(layout, weights, bias, buffers, width)
        return
    kernels.fill_runs(layout, weights, buffers.cells)
    for tick in range(layout.ticks):
        base, done = layout.first_base + tick * layout.block, 0
        for one in plan.convolutions:
            kernels.forward_nodes(layout, weights, bias, buffers, tick, done, one.first, width)
            one.listen(weights, bias, buffers.state, base, buffers.length)
            done = one.first
        n_nodes = len(layout.codes)
        kernels.forward_nodes(layout, weights, bias, buffers, tick, done, n_nodes, width)


def backward(
    plan: Plan,
    layout: Layout,
    weights: FloatArray,
    buffers: Buffers,
    weight_gradient: FloatArray,
    bias_gradient: FloatArray,
    width: Width,
) -> None:
    """Run every tick in reverse: see :func:`evo.backward_kernels.backward`."""
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
