"""Training on a sample or two at a time: the way back and the update in one pass over the edges.

With so short a batch a step is bound by memory. A gradient that is used where it arises, and never written down, spares
a third of the traffic and a fifth of what an edge takes: four bytes each for source, weight, velocity and, in the
genome, the weight as it was.
"""

from cnn.compilation import kernel
from cnn.optimizer_kernels import momentum_step
from evo.activation_kernels import multiply_by_slope
from evo.kernels import Buffers, Floats, Layout
from evo.narrow_row_kernels import descend_row
from evo.row_kernels import Width


@kernel
def descend_narrowly(
    plan: Layout,
    weights: Floats,
    bias: Floats,
    velocity: Floats,
    bias_gradient: Floats,
    buffers: Buffers,
    rate: float,
    step: int,
    momentum: float,
    weight_decay: float,
    width: Width,
) -> float:
    """Go back through a feed-forward network without dense runs and update it with momentum.

    On entry the residual is as for :func:`evo.backward_kernels.backward`. `velocity` is the optimiser's slot, shape (1,
    parameters). Returns the sum of the squared gradients.
    """
    state, nets, residual = buffers.state, buffers.nets, buffers.residual
    pitch, length = buffers.pitch, buffers.length
    indptr, sources, codes, net_rows = plan.indptr, plan.sources, plan.codes, plan.net_rows
    real, of_edges = weights.dtype.type, velocity[0, : weights.shape[0]]
    eta, mu, decay = real(rate), real(momentum), real(rate * weight_decay)
    squares = 0.0
    for p in range(codes.shape[0] - 1, -1, -1):
        place = (plan.first_row + p) * pitch
        delta = residual[place : place + length]
        net = delta
        if net_rows[p] >= 0:
            net = nets[net_rows[p] * length : (net_rows[p] + 1) * length]
        multiply_by_slope(codes[p], net, state[place : place + length], delta)
        total = delta.dtype.type(0)
        for b in range(length):
            total += delta[b]
        bias_gradient[p] = total
        squares += float(total) * float(total)
        squares += descend_row(
            residual, place, state, 0, pitch, sources, weights, of_edges, indptr[p], indptr[p + 1],
            eta, mu, decay, width,
        )  # fmt: skip
    momentum_step(
        bias, bias_gradient, velocity[:, weights.shape[0] :], rate, step, momentum, weight_decay
    )
    return squares
