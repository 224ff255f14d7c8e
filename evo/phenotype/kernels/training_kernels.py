"""Gradient descent on an evolved network as one compiled loop: no Python between two steps.

A tiny network takes a microsecond a step, a call from Python several; so reading a batch, both passes, loss and update
stand together here. The kernels of loss and optimiser are those of :mod:`cnn`, chosen by their place in its registries.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import kernel
from cnn.training.loss_kernels import cross_entropy, softmax_squared_error, squared_error
from cnn.training.optimizer_kernels import adam_step, momentum_step, nesterov_step, sgd_step
from evo.phenotype.kernels.backward_kernels import backward
from evo.phenotype.kernels.edge_kernels import Floats, Ints
from evo.phenotype.kernels.forward_kernels import Buffers, Layout, forward
from evo.phenotype.kernels.map_kernels import forward_input_maps
from evo.phenotype.kernels.row_kernels import Width

LOSS_CODES = {"cross_entropy": 0, "softmax_squared_error": 1, "squared_error": 2}
OPTIMIZER_CODES = {"sgd": 0, "momentum": 1, "nesterov": 2, "adam": 3}


class Ports(NamedTuple):
    """How samples enter a network and scores leave it.

    Attributes
    ----------
    features, rows : ndarray of int64
        Which feature goes to which row of a tick's block.
    outputs : ndarray of int64, shape (n_outputs,)
        Rows of the scores.
    n_features : int
        Input nodes.
    """

    features: Ints
    rows: Ints
    outputs: Ints
    n_features: int


class Descent(NamedTuple):
    """How to descend.

    Attributes
    ----------
    loss, optimizer : int
        Codes.
    momentum, weight_decay : float
    clip : float
        Largest norm of a gradient; infinite for none.
    first_update : int
        Updates made before.
    factor, offset : float
        A loss above ``factor · |first loss| + offset`` counts as diverged.
    """

    loss: int
    optimizer: int
    momentum: float
    weight_decay: float
    clip: float
    first_update: int
    factor: float
    offset: float


class Threshold(NamedTuple):
    """What the threshold lets through while dormant entries learn (straight-through).

    Attributes
    ----------
    limits : ndarray
        A, of every computed node or one for all; empty where all entries are edges.
    signed : bool
        Compare w itself with A, not its magnitude.
    """

    limits: Floats
    signed: bool


@kernel
def let_through(plan: Layout, threshold: Threshold, weights: Floats, used: Floats) -> None:
    """Write the weights of edges to `used`, and 0 for entries that sleep."""
    limits = threshold.limits
    for p in range(plan.indptr.shape[0] - 1):
        limit = limits[p] if limits.shape[0] > 1 else limits[0]
        for e in range(plan.indptr[p], plan.indptr[p + 1]):
            size = weights[e] if threshold.signed else abs(weights[e])
            used[e] = weights[e] if size > limit else weights.dtype.type(0)


@kernel
def read_inputs(plan: Layout, ports: Ports, samples: Floats, order: Ints, buffers: Buffers) -> None:
    """Clamp the inputs of every tick, also of that before the first, to a batch of samples.

    `samples` has a row each: the features, or those of each tick one after another, of which the first also stand
    before the first tick. The padding repeats the last sample, so that it is finite where the samples are.
    """
    n_batch = order.shape[0]
    sequence = samples.shape[1] > ports.n_features
    state, pitch, length = buffers.state, buffers.pitch, buffers.length
    features, rows = ports.features, ports.rows
    begins = np.empty(length, np.int64)
    for b in range(length):
        begins[b] = order[min(b, n_batch - 1)] * samples.shape[1]
    numbers = samples.reshape(samples.size)
    for tick in range(-1 if plan.ticks > 1 else 0, plan.ticks):
        base = plan.first_base + tick * plan.block
        shift = max(tick, 0) * ports.n_features if sequence else 0
        for k in range(features.shape[0]):
            place, feature = (base + rows[k]) * pitch, features[k] + shift
            for b in range(length):
                state[place + b] = numbers[begins[b] + feature]
        forward_input_maps(plan.maps, buffers, base)


@kernel
def read_scores(plan: Layout, ports: Ports, buffers: Buffers, scores: Floats) -> None:
    """Copy the outputs after the last tick to `scores`, shape (n_outputs, batch)."""
    base = plan.first_base + (plan.ticks - 1) * plan.block
    for k in range(scores.shape[0]):
        place = (base + ports.outputs[k]) * buffers.pitch
        for b in range(scores.shape[1]):
            scores[k, b] = buffers.state[place + b]


@kernel
def write_deltas(plan: Layout, ports: Ports, deltas: Floats, buffers: Buffers) -> None:
    """Set the residual to ∂E/∂o at the outputs of the last tick, and to 0 elsewhere."""
    residual, pitch, length = buffers.residual, buffers.pitch, buffers.length
    for begin in range(0, plan.first_base + plan.ticks * plan.block, plan.block):
        first, last = begin + plan.first_row, begin + plan.block  # rows of inputs are not read
        if pitch == length:
            residual[first * pitch : last * pitch] = 0
        else:
            for row in range(first, last):
                residual[row * pitch : row * pitch + length] = 0
    base = plan.first_base + (plan.ticks - 1) * plan.block
    for k in range(deltas.shape[0]):
        place = (base + ports.outputs[k]) * pitch
        for b in range(deltas.shape[1]):
            residual[place + b] = deltas[k, b]


@kernel
def batch_of(targets: Any, order: Ints) -> Any:
    """Return the targets of some samples as the losses want them: (batch,) classes or (n_outputs, batch) values."""
    if targets.ndim == 1:
        classes = np.empty(order.shape[0], np.int64)
        for b in range(order.shape[0]):
            classes[b] = targets[order[b]]
        return classes
    values = np.empty((targets.shape[1], order.shape[0]), targets.dtype)
    for k in range(values.shape[0]):
        for b in range(order.shape[0]):
            values[k, b] = targets[order[b], k]
    return values


@kernel
def judge(code: int, scores: Floats, targets: Any, deltas: Floats) -> float:
    """Return the mean loss and write its gradient by the scores to `deltas`."""
    if targets.ndim == 1:
        if code == 0:
            return cross_entropy(scores, targets, deltas)
        return softmax_squared_error(scores, targets, deltas)
    return squared_error(scores, targets, deltas)


@kernel
def _update(
    descent: Descent, parameters: Floats, gradient: Floats, moments: Floats, rate: float, step: int
) -> None:
    """Make one update."""
    momentum, decay = descent.momentum, descent.weight_decay
    if descent.optimizer == 0:
        sgd_step(parameters, gradient, moments, rate, step, momentum, decay)
    elif descent.optimizer == 1:
        momentum_step(parameters, gradient, moments, rate, step, momentum, decay)
    elif descent.optimizer == 2:
        nesterov_step(parameters, gradient, moments, rate, step, momentum, decay)
    else:
        adam_step(parameters, gradient, moments, rate, step, momentum, decay)


@kernel
def norm_of(vector: Floats) -> float:
    """Return the Euclidean norm; summed in float64, so that no square overflows."""
    total = 0.0
    for k in range(vector.shape[0]):
        total += float(vector[k]) * float(vector[k])
    return math.sqrt(total)


@kernel
def descend(
    plan: Layout,
    ports: Ports,
    threshold: Threshold,
    descent: Descent,
    samples: Floats,
    targets: Any,
    order: Ints,
    rates: NDArray[np.float64],
    parameters: Floats,
    gradient: Floats,
    used: Floats,
    moments: Floats,
    buffers: Buffers,
    limit: float,
    losses: NDArray[np.float64],
    width: Width,
) -> tuple[int, float, float]:
    """Make a step for each row of `order`, shape (steps, batch).

    Returns
    -------
    done : int
        Updates made; fewer than the steps where the loss was not finite or above `limit`, and then ``losses[done]`` is
        that loss. A `limit` below 0 is set by the first loss.
    limit : float
        As it was or was set.
    norm : float
        Of the last gradient, before it was clipped; −1 where nobody asks and there is no clipping.
    """
    n_edges = plan.sources.shape[0]
    weights, bias = parameters[:n_edges], parameters[n_edges:]
    scores = np.empty((ports.outputs.shape[0], order.shape[1]), parameters.dtype)
    deltas = np.empty_like(scores)
    norm = -1.0
    for step in range(order.shape[0]):
        if threshold.limits.shape[0] > 0:
            let_through(plan, threshold, weights, used)
        else:
            used = weights
        read_inputs(plan, ports, samples, order[step], buffers)
        forward(plan, used, bias, buffers, width)
        read_scores(plan, ports, buffers, scores)
        value = judge(descent.loss, scores, batch_of(targets, order[step]), deltas)
        losses[step] = value
        if not (math.isfinite(value) and (limit < 0 or value <= limit)):
            return step, limit, norm
        if limit < 0:
            limit = descent.factor * abs(value) + descent.offset
        write_deltas(plan, ports, deltas, buffers)
        backward(plan, used, buffers, gradient[:n_edges], gradient[n_edges:], width)
        if descent.clip < math.inf or step == order.shape[0] - 1:
            norm = norm_of(gradient)
            if norm > descent.clip:
                shrink = gradient.dtype.type(descent.clip / norm)
                for k in range(gradient.shape[0]):
                    gradient[k] *= shrink
        _update(descent, parameters, gradient, moments, rates[step], descent.first_update + step)
    return order.shape[0], limit, norm
