"""Gradient descent between two records of the learning curve: batch, loss and gradient, update.

A network with a method `descend` makes these steps itself, such as in one compiled call. Any other network makes
them here, one call from Python after another. Batches, learning rates and optimizer are the same in both cases.
"""

import inspect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from cnn.arrays import FloatArray, FloatVector, Targets, aligned_empty
from cnn.augmentation import augmented
from cnn.compile.vector_kernels import norm_of
from cnn.dropout import Dropout
from cnn.readings import chosen_readings
from cnn.training.budget import Clock
from cnn.training.optimizer_kernels import add_to_average, penalized
from cnn.training.optimizers import OPTIMIZERS
from cnn.training.recipe import Recipe, batch_indices
from cnn.training.samples import Samples

Group = slice | npt.NDArray[np.integer[Any]]
"""The parameters of one layer."""

STEPS_PER_DRAW = 4096
"""Steps whose batches are drawn at a time. It bounds memory and does not change results."""

DIVERGENCE_FACTOR = 1e4
DIVERGENCE_OFFSET = 1e4
"""A loss above factor · |first loss| + offset counts as diverged."""


class Trainable(Protocol):
    """A network that the trainer can train.

    Batches are samples-first: inputs (n, *shape), targets (n,) classes or (n, k) values.

    `loss_and_gradients` may have further parameters, which the recipes with these settings need; `loss` has none of
    them. With `label_smoothing` the loss and the gradient are those of `cnn.training.losses.Loss.smoothed`. With
    `dropout`, a `cnn.dropout.Dropout`, outputs of hidden neurons are dropped.

    All methods of a network that reads sequences of unequal length have a parameter `readings`, which has the
    `Samples.readings` of the batch.
    """

    @property
    def parameters(self) -> FloatVector:
        """All trained numbers in one contiguous vector. The trainer updates the vector in place."""

    def loss_and_gradients(
        self, inputs: FloatArray, targets: Targets, weights: FloatVector | None = None
    ) -> tuple[float, FloatVector]:
        """Return the loss of the batch and its gradient, valid until the next call.

        The loss is the mean over the batch, or with weights Σ w E / batch size. Only samples with weights need the
        parameter.
        """

    def loss(
        self, inputs: FloatArray, targets: Targets, weights: FloatVector | None = None
    ) -> float:
        """Return the loss of the batch, as `loss_and_gradients` does."""

    def output(self, inputs: FloatArray) -> FloatArray:
        """Return the predictions, shape (n, n_outputs): probabilities or values."""


OPTIONS = ("label_smoothing", "dropout")
"""Settings of the recipe that are parameters of `Trainable.loss_and_gradients`, where they are not 0."""


def missing_options(network: Trainable, recipe: Recipe) -> list[str]:
    """Return the `OPTIONS` of a recipe for which `loss_and_gradients` of a network has no parameter."""
    known = inspect.signature(network.loss_and_gradients).parameters
    return [name for name in OPTIONS if getattr(recipe, name) and name not in known]


def reads_sequences(network: Trainable) -> bool:
    """Return whether a network has the parameter `readings`, with which sequences of unequal length train."""
    return "readings" in inspect.signature(network.loss_and_gradients).parameters


@dataclass(frozen=True, eq=False)
class TrainingSegment:
    """Consecutive training steps between two records.

    Attributes
    ----------
    samples
        The training samples.
    recipe
        The training settings. `rates` holds the learning rates of its schedule.
    order
        Indices of the samples in each step's batch; intp, shape (steps, batch).
    rates
        Learning rate of each step; float64, shape (steps,).
    moments
        Moments of the optimizer, shape (n_moments, n_parameters); changed in place.
    updates_before
        Updates made with these moments before the segment.
    loss_limit
        A loss above this limit counts as diverged. With None the first loss sets the limit.
    groups
        Layers whose gradient norms are recorded at the last step.
    keep_gradient
        Whether the gradient of the last step is recorded.
    average
        The average of the parameters, shape (n_parameters,), changed in place; None if the recipe has none.
    shares
        Share of the parameters in the average after each step (:func:`cnn.training.recipe.average_shares`); float64,
        shape (steps,); None if the recipe has no average.
    dropout_keys
        Key of each sample of `order` (:func:`cnn.dropout.sample_keys`); uint32, shape as `order`. None if the recipe
        has no dropout.
    """

    samples: Samples
    recipe: Recipe
    order: npt.NDArray[np.intp]
    rates: npt.NDArray[np.float64]
    moments: FloatArray
    updates_before: int
    loss_limit: float | None
    groups: Sequence[Group]
    keep_gradient: bool = False
    average: FloatVector | None = None
    shares: npt.NDArray[np.float64] | None = None
    dropout_keys: npt.NDArray[np.uint32] | None = None


@dataclass(frozen=True, eq=False)
class DescentResult:
    """Losses and gradient norms of a segment of training steps.

    Attributes
    ----------
    losses
        Loss of each step. If training diverged, the last loss is the diverged one.
    n_updates
        Updates made. If training diverged, this is one less than the number of losses.
    loss_limit
        The limit above which a loss counts as diverged.
    gradient_norm
        Euclidean norm of the last gradient before clipping.
    group_norms
        Euclidean norm of each group's part of the last gradient before clipping.
    gradient
        A copy of the last gradient before clipping; None unless `keep_gradient` is set.
    """

    losses: list[float]
    n_updates: int
    loss_limit: float
    gradient_norm: float
    group_norms: list[float]
    gradient: FloatVector | None = None


@runtime_checkable
class HasDescend(Protocol):
    """A network that makes the steps of a segment itself."""

    def descend(self, segment: TrainingSegment) -> DescentResult:
        """Make the steps of a segment, with the result of :func:`descend_stepwise`."""


def descend(network: Trainable, segment: TrainingSegment) -> DescentResult:
    """Make the steps of a segment, by the network's own `descend` if there is one."""
    if isinstance(network, HasDescend):
        return network.descend(segment)
    return descend_stepwise(network, segment)


def descend_stepwise(network: Trainable, segment: TrainingSegment) -> DescentResult:
    """Make the steps of a segment: batch, loss and gradient, update.

    Raises
    ------
    ValueError
        If the gradient has not the shape and dtype of the parameters.
    """
    # The loop is short, so attributes are looked up before it.
    recipe, clip = segment.recipe, segment.recipe.gradient_clip
    update, loss_and_gradients = OPTIMIZERS[recipe.optimizer].update, network.loss_and_gradients
    options: dict[str, Any] = {}
    if recipe.label_smoothing:
        options["label_smoothing"] = recipe.label_smoothing
    mask_keys = segment.dropout_keys
    parameters, moments, before = network.parameters, segment.moments, segment.updates_before
    momentum, weight_decay = recipe.momentum, recipe.weight_decay
    all_inputs, all_targets = segment.samples.inputs, segment.samples.targets
    all_weights, all_readings = segment.samples.weights, segment.samples.readings
    batch_size = segment.order.shape[1]
    inputs = aligned_empty((batch_size, *all_inputs.shape[1:]), all_inputs.dtype)
    targets = aligned_empty((batch_size, *all_targets.shape[1:]), all_targets.dtype)
    rates = segment.rates.tolist()
    limit = math.inf if segment.loss_limit is None else segment.loss_limit
    losses: list[float] = []
    norm, group_norms = math.nan, [math.nan] * len(segment.groups)
    kept: FloatVector | None = None
    for done, chosen in enumerate(segment.order):
        # mode="clip" spares np.take a copy; the indices are in range by construction.
        all_inputs.take(chosen, axis=0, out=inputs, mode="clip")
        of_targets = chosen
        if all_readings is None:
            all_targets.take(chosen, axis=0, out=targets, mode="clip")
        else:
            options["readings"], of_targets = chosen_readings(all_readings, chosen)
            targets = all_targets[of_targets]
        if mask_keys is not None:
            options["dropout"] = Dropout(recipe.dropout, mask_keys[done])
        if all_weights is None:
            value, gradient = loss_and_gradients(inputs, targets, **options)
        else:
            weighed = of_targets if segment.samples.weighs_readings else chosen
            value, gradient = loss_and_gradients(inputs, targets, all_weights[weighed], **options)
        losses.append(value)
        if not (math.isfinite(value) and value <= limit):
            return DescentResult(losses, done, limit, norm, group_norms)
        if done == 0:
            _check_gradient(gradient, parameters)
            if segment.loss_limit is None:
                limit = DIVERGENCE_FACTOR * abs(value) + DIVERGENCE_OFFSET
        last = done + 1 == len(rates)
        if last or clip is not None:
            norm = norm_of(gradient)
            if last:
                group_norms = [norm_of(gradient[group]) for group in segment.groups]
                kept = gradient.copy() if segment.keep_gradient else None
            if clip is not None and norm > clip:
                gradient *= clip / norm
        if recipe.l2:
            gradient = penalized(gradient, parameters, recipe.l2)
        update(parameters, gradient, moments, rates[done], before + done, momentum, weight_decay)
        if segment.average is not None and segment.shares is not None:
            add_to_average(segment.average, parameters, segment.shares[done])
    return DescentResult(losses, len(rates), limit, norm, group_norms, kept)


def samples_of_steps(
    samples: Samples,
    recipe: Recipe,
    order: npt.NDArray[np.intp],
    first_step: int,
    order_seed: np.random.SeedSequence,
) -> Samples:
    """Return the samples of some steps as training sees them, batch after batch.

    Parameters
    ----------
    samples
        All training samples.
    recipe
        With the augmentation.
    order
        Indices of the samples in each step's batch, shape (steps, batch).
    first_step
        Index of the first of these steps in the whole run.
    order_seed
        Seed of the sample order.
    """
    chosen, augmentation = order.ravel(), recipe.augmentation
    if not augmentation.is_on:
        return samples.subset(chosen)
    epochs = epochs_of_steps(len(samples), order, first_step).ravel()
    images = augmented(samples.inputs, augmentation, chosen, epochs, order_seed)
    return samples.subset(chosen, images)


def epochs_of_steps(
    n_samples: int, order: npt.NDArray[np.intp], first_step: int
) -> npt.NDArray[np.intp]:
    """Return the epoch, from 0, of each sample in the batches of some steps, shape (steps, batch)."""
    positions = np.arange(order.size, dtype=np.intp).reshape(order.shape)
    epochs: npt.NDArray[np.intp] = (first_step * order.shape[1] + positions) // n_samples
    return epochs


def batches_in_parts(
    n_samples: int,
    batch_size: int,
    first_step: int,
    steps: int,
    interval: int,
    order_seed: np.random.SeedSequence,
    clock: Clock,
    longest: int,
) -> Iterator[npt.NDArray[np.intp]]:
    """Yield the batches of some steps, shape (≥ 1, batch), until all steps are made or time is up.

    A part ends whenever the number of steps made in the run is a multiple of `interval`, and after `longest` steps.
    """
    for start in range(0, steps, STEPS_PER_DRAW):
        n_steps = min(STEPS_PER_DRAW, steps - start)
        plan = batch_indices(n_samples, batch_size, first_step + start, n_steps, order_seed)
        begin = 0
        while begin < n_steps:
            left = min(n_steps - begin, interval - (first_step + start + begin) % interval, longest)
            length = clock.steps_before_check(start + begin, left)
            if length == 0:
                return
            yield plan[begin : begin + length]
            begin += length


def _check_gradient(gradient: FloatVector, parameters: FloatVector) -> None:
    """Raise ValueError unless gradient and parameters agree: optimizer kernels do not check this."""
    if gradient.shape != parameters.shape or gradient.dtype != parameters.dtype:
        raise ValueError(
            f"gradient must have the parameters' shape {parameters.shape} and dtype "
            f"{parameters.dtype}; got {gradient.shape} and {gradient.dtype}"
        )
