"""Gradient descent on an evolved network as one compiled loop: no Python between two steps.

A step of a tiny network takes a microsecond, a call from Python several. So one compiled loop reads the batch, runs
both passes, computes the loss and updates the parameters. Losses and optimizers are the kernels of :mod:`cnn.training`.

Each loss has a loop of its own, since a loss that is not used would take half a second to compile. All optimizers share
a loop: they take half a second too, but another loop takes several seconds for each optimizer that is used.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from cnn.compile.compilation import OVERLOAD_OPTIONS, allocating_kernel, kernel
from cnn.compile.vector_kernels import norm_of
from cnn.training.loss_kernels import (
    cross_entropy,
    cross_entropy_of_samples,
    smoothed_cross_entropy,
    smoothed_cross_entropy_of_samples,
    softmax_squared_error,
    softmax_squared_error_of_samples,
    squared_error,
    squared_error_of_samples,
    weigh,
)
from cnn.training.optimizer_kernels import (
    adam_step,
    add_to_average,
    momentum_step,
    nesterov_step,
    penalized,
    sgd_step,
)
from evo.phenotype.kernels.backward_kernels import backward_nodes
from evo.phenotype.kernels.dropout_kernels import draw_masks
from evo.phenotype.kernels.edge_kernels import Floats, Ints
from evo.phenotype.kernels.forward_kernels import (
    Buffers,
    Layout,
    forward_nodes,
    write_block_weights,
)
from evo.phenotype.kernels.map_kernels import forward_input_maps
from evo.phenotype.kernels.row_kernels import Width

LOSS_MARKS: Mapping[str, tuple[int, ...]] = {
    "cross_entropy": (),
    "softmax_squared_error": (0,),
    "squared_error": (0, 0),
}
"""The mark of each loss. The *type* of a mark, a tuple of that length, decides which loss is compiled.

The mark of the cross-entropy with smoothed labels is a tuple with the smoothing, a float.
"""

OPTIMIZER_CODES = {"sgd": 0, "momentum": 1, "nesterov": 2, "adam": 3}


class InputOutputRows(NamedTuple):
    """The rows that receive the features of a sample, and the rows that hold the scores.

    Attributes
    ----------
    features, rows : ndarray of int64, shape (n_read,)
        Feature ``features[k]`` is written to row ``rows[k]`` of a tick.
    outputs : ndarray of int64, shape (n_outputs,)
        Rows of the scores.
    n_features : int
        Features of a sample in one tick.
    """

    features: Ints
    rows: Ints
    outputs: Ints
    n_features: int


class StepSettings(NamedTuple):
    """The settings of the gradient steps of one call.

    Attributes
    ----------
    loss : tuple of int, or of a float
        The :func:`loss_mark`.
    optimizer : int
        A value of :data:`OPTIMIZER_CODES`.
    momentum, weight_decay : float
        As in :class:`cnn.Recipe`.
    clip : float
        Largest norm of a gradient; infinite without clipping.
    first_update : int
        Updates made before this call.
    divergence_factor, divergence_offset : float
        Training has diverged when the loss exceeds factor · |first loss| + offset.
    """

    loss: tuple[float, ...]
    optimizer: int
    momentum: float
    weight_decay: float
    clip: float
    first_update: int
    divergence_factor: float
    divergence_offset: float


def loss_mark(loss: str, smoothing: float) -> tuple[float, ...]:
    """Return the mark of a loss with smoothed labels, or without smoothing if it is 0."""
    return (float(smoothing),) if smoothing else LOSS_MARKS[loss]


class Threshold(NamedTuple):
    """The threshold A that is applied at every step while dormant entries learn (straight-through).

    Attributes
    ----------
    values : ndarray, shape (n_computed,), (1,) or (0,)
        A for each computed node, or one A for all nodes; empty where no dormant entry learns.
    signed : bool
        Whether w is compared with A; |w| is otherwise.
    """

    values: Floats
    signed: bool


@kernel
def apply_threshold(
    layout: Layout, threshold: Threshold, weights: Floats, masked_weights: Floats
) -> None:
    """Write the weight of each active entry, and 0 for each dormant entry, to `masked_weights`."""
    thresholds = threshold.values
    for p in range(layout.indptr.shape[0] - 1):
        bound = thresholds[p] if thresholds.shape[0] > 1 else thresholds[0]
        for e in range(layout.indptr[p], layout.indptr[p + 1]):
            size = weights[e] if threshold.signed else abs(weights[e])
            masked_weights[e] = weights[e] if size > bound else weights.dtype.type(0)


@allocating_kernel
def read_inputs(
    layout: Layout, io_rows: InputOutputRows, samples: Floats, order: Ints, buffers: Buffers
) -> None:
    """Write a batch of samples to the input rows of every tick, and of the tick before the first.

    `samples` has one row a sample: the features, or the features of each tick one after another. The tick before the
    first repeats the features of the first tick. The padding of a row repeats the last sample, so it is finite.
    """
    n_batch = order.shape[0]
    sequence = samples.shape[1] > io_rows.n_features
    state, stride, length = buffers.state, buffers.stride, buffers.length
    features, rows = io_rows.features, io_rows.rows
    begins = np.empty(length, np.int64)
    for b in range(length):
        begins[b] = order[min(b, n_batch - 1)] * samples.shape[1]
    numbers = samples.reshape(samples.size)
    for tick in range(-1 if layout.ticks > 1 else 0, layout.ticks):
        base = layout.first_base + tick * layout.rows_per_tick
        shift = max(tick, 0) * io_rows.n_features if sequence else 0
        for k in range(features.shape[0]):
            offset, feature = (base + rows[k]) * stride, features[k] + shift
            for b in range(length):
                state[offset + b] = numbers[begins[b] + feature]
        forward_input_maps(layout.maps, buffers, base)


@kernel
def read_scores(layout: Layout, io_rows: InputOutputRows, buffers: Buffers, scores: Floats) -> None:
    """Copy the outputs after the last tick to `scores`, shape (n_outputs, batch)."""
    base = layout.first_base + (layout.ticks - 1) * layout.rows_per_tick
    for k in range(scores.shape[0]):
        offset = (base + io_rows.outputs[k]) * buffers.stride
        for b in range(scores.shape[1]):
            scores[k, b] = buffers.state[offset + b]


@kernel
def write_output_residuals(
    layout: Layout, io_rows: InputOutputRows, deltas: Floats, buffers: Buffers
) -> None:
    """Set the residual to ∂E/∂o = `deltas` at the outputs of the last tick, and to 0 elsewhere."""
    residual, stride, length = buffers.residual, buffers.stride, buffers.length
    n_rows = layout.rows_per_tick
    for begin in range(0, layout.first_base + layout.ticks * n_rows, n_rows):
        first, last = begin + layout.n_input_rows, begin + n_rows  # input rows are not read
        if stride == length:
            residual[first * stride : last * stride] = 0
        else:
            for row in range(first, last):
                residual[row * stride : row * stride + length] = 0
    base = layout.first_base + (layout.ticks - 1) * n_rows
    for k in range(deltas.shape[0]):
        offset = (base + io_rows.outputs[k]) * stride
        for b in range(deltas.shape[1]):
            residual[offset + b] = deltas[k, b]


@allocating_kernel
def batch_targets(targets: Any, order: Ints) -> Any:
    """Return the targets of a batch in the shape of the losses: (batch,) classes or (n_outputs, batch) values."""
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


_LOSSES: tuple[tuple[Any, Any], ...] = (
    (cross_entropy, cross_entropy_of_samples),
    (softmax_squared_error, softmax_squared_error_of_samples),
    (squared_error, squared_error_of_samples),
)
"""The kernels of each loss, by the length of its mark: the mean loss with its gradient, and the loss of each sample."""


def _is_smoothed(mark: Any) -> bool:
    """Return whether a mark of this type is that of smoothed labels."""
    return len(mark) == 1 and isinstance(mark[0], types.Float)


def loss_and_gradient(
    mark: tuple[float, ...], scores: Floats, targets: Any, deltas: Floats
) -> float:
    """Return the mean loss; write its gradient with respect to the scores to `deltas`."""
    raise NotImplementedError


@overload(loss_and_gradient, jit_options=OVERLOAD_OPTIONS)
def _loss_and_gradient(mark: Any, scores: Any, targets: Any, deltas: Any) -> Any:
    if _is_smoothed(mark):

        def compute_smoothed(mark: Any, scores: Any, targets: Any, deltas: Any) -> Any:
            return smoothed_cross_entropy(scores, targets, mark[0], deltas)

        return compute_smoothed
    loss = _LOSSES[len(mark)][0]

    def compute(mark: Any, scores: Any, targets: Any, deltas: Any) -> Any:
        return loss(scores, targets, deltas)

    return compute


def losses_of_samples(
    mark: tuple[float, ...], scores: Floats, targets: Any, losses: Floats
) -> None:
    """Write the loss of each sample to `losses`."""
    raise NotImplementedError


@overload(losses_of_samples, jit_options=OVERLOAD_OPTIONS)
def _losses_of_samples(mark: Any, scores: Any, targets: Any, losses: Any) -> Any:
    if _is_smoothed(mark):

        def compute_smoothed(mark: Any, scores: Any, targets: Any, losses: Any) -> Any:
            smoothed_cross_entropy_of_samples(scores, targets, mark[0], losses)

        return compute_smoothed
    of_samples = _LOSSES[len(mark)][1]

    def compute(mark: Any, scores: Any, targets: Any, losses: Any) -> Any:
        of_samples(scores, targets, losses)

    return compute


@allocating_kernel
def weighted_loss_and_gradient(
    mark: tuple[float, ...],
    scores: Floats,
    targets: Any,
    weights: Floats,
    order: Ints,
    deltas: Floats,
) -> float:
    """Return the weighted loss Σ w E / batch of the samples `order`; write its gradient to `deltas`.

    `targets` and `weights` are those of all samples.
    """
    wanted, losses = batch_targets(targets, order), np.empty(order.shape[0], np.float64)
    loss_and_gradient(mark, scores, wanted, deltas)
    losses_of_samples(mark, scores, wanted, losses)
    return weigh(losses, weights[order], deltas)


@kernel
def _update(
    settings: StepSettings,
    parameters: Floats,
    gradient: Floats,
    moments: Floats,
    rate: float,
    step: int,
) -> None:
    """Update the parameters once."""
    momentum, decay = settings.momentum, settings.weight_decay
    if settings.optimizer == 0:
        sgd_step(parameters, gradient, moments, rate, step, momentum, decay)
    elif settings.optimizer == 1:
        momentum_step(parameters, gradient, moments, rate, step, momentum, decay)
    elif settings.optimizer == 2:
        nesterov_step(parameters, gradient, moments, rate, step, momentum, decay)
    else:
        adam_step(parameters, gradient, moments, rate, step, momentum, decay)


@allocating_kernel
def descend(
    layout: Layout,
    io_rows: InputOutputRows,
    threshold: Threshold,
    settings: StepSettings,
    samples: Floats,
    targets: Any,
    weights: Any,
    order: Ints,
    rates: NDArray[np.float64],
    parameters: Floats,
    gradient: Floats,
    masked_weights: Floats,
    moments: Floats,
    l2: Any,
    average: Any,
    shares: Any,
    mask_keys: Any,
    buffers: Buffers,
    loss_limit: float,
    losses: NDArray[np.float64],
    width: Width,
) -> tuple[int, float, float]:
    """Make a step for each row of `order`, shape (steps, batch).

    `weights` has a weight for each sample, or is None. `l2` is the weight of the L2 penalty, or None. `average` is the
    average of the parameters, and `shares` has the share of the parameters in it after each step; or both are None.
    `mask_keys` has the key of each sample of `order` for its dropout, or is None where the layout has no dropout. With
    and without each of these is compiled apart: with None, Numba removes the branch, and the code is that of a loop
    that knows no weights, no penalty, no average and no dropout.

    Returns
    -------
    done : int
        Updates made. Training stops early where a loss, ``losses[done]``, is not finite or above `loss_limit`.
    loss_limit : float
        The limit as given; where that is negative, the limit computed from the first loss.
    norm : float
        Norm of the last gradient before clipping; −1 where the norm was not computed.
    """
    n_edges, n_nodes = layout.sources.shape[0], layout.codes.shape[0]
    edges, bias = parameters[:n_edges], parameters[n_edges:]
    scores, deltas = buffers.scores, buffers.deltas
    norm = -1.0
    for step in range(order.shape[0]):
        if threshold.values.shape[0] > 0:
            apply_threshold(layout, threshold, edges, masked_weights)
        else:
            masked_weights = edges
        read_inputs(layout, io_rows, samples, order[step], buffers)
        if mask_keys is not None:
            draw_masks(layout.dropout, mask_keys[step])
        # The loops of `forward` and `backward`: a call would have their code optimized once more.
        write_block_weights(layout, masked_weights, buffers.block_weights)
        for tick in range(layout.ticks):
            forward_nodes(layout, masked_weights, bias, buffers, tick, 0, n_nodes, width)
        read_scores(layout, io_rows, buffers, scores)
        if weights is None:
            value = loss_and_gradient(
                settings.loss, scores, batch_targets(targets, order[step]), deltas
            )
        else:
            value = weighted_loss_and_gradient(
                settings.loss, scores, targets, weights, order[step], deltas
            )
        losses[step] = value
        if not (math.isfinite(value) and (loss_limit < 0 or value <= loss_limit)):
            return step, loss_limit, norm
        if loss_limit < 0:
            loss_limit = settings.divergence_factor * abs(value) + settings.divergence_offset
        write_output_residuals(layout, io_rows, deltas, buffers)
        for tick in range(layout.ticks - 1, -1, -1):
            backward_nodes(
                layout, masked_weights, buffers, gradient[:n_edges], gradient[n_edges:], tick, 0,
                n_nodes, width,
            )  # fmt: skip
        if settings.clip < math.inf or step == order.shape[0] - 1:
            norm = norm_of(gradient)
            if norm > settings.clip:
                shrink = gradient.dtype.type(settings.clip / norm)
                for k in range(gradient.shape[0]):
                    gradient[k] *= shrink
        slope = gradient if l2 is None else penalized(gradient, parameters, l2)
        _update(settings, parameters, slope, moments, rates[step], settings.first_update + step)
        if average is not None:
            add_to_average(average, parameters, shares[step])
    return order.shape[0], loss_limit, norm
