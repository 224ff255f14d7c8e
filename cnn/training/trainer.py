"""Minibatch gradient descent on any network with a flat vector of parameters.

Convolutional networks and evolved graphs share this trainer, so both get the same optimizer, schedule and sample order.
Batches and learning rates depend only on the step index: 100 steps in one phase, or 40 and then 60, give the same bits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from cnn.arrays import FloatArray, FloatVector, Targets, aligned_copy, aligned_zeros
from cnn.augmentation import check_images
from cnn.checks import at_least, brief, seed_sequence
from cnn.compile.compilation import single_threaded_blas
from cnn.dropout import sample_keys
from cnn.readings import chosen_readings
from cnn.training.budget import Bound, Clock, TrainingBudget
from cnn.training.curve import CurveRecord, LearningCurve, make_curve
from cnn.training.descent import (
    STEPS_PER_DRAW,
    Group,
    Trainable,
    TrainingSegment,
    batches_in_parts,
    descend,
    epochs_of_steps,
    missing_options,
    reads_sequences,
    samples_of_steps,
)
from cnn.training.optimizers import OPTIMIZERS, Optimizer
from cnn.training.recipe import Recipe, average_shares, learning_rates
from cnn.training.samples import Samples

LOSS_WINDOW = 50
"""A report's `train_loss` is the mean over this many last steps."""

AUGMENTED_NUMBERS = 1 << 20
"""Numbers of augmented images that are in memory at a time. The bound does not change results."""

EVALUATION_BATCH = 256
"""Samples that a network computes at a time in an evaluation. Predictions have the same bits if they take as many."""

CHUNK = 1 << 16
"""Parameters that are checked for finiteness at a time."""


@dataclass(frozen=True, eq=False)
class OptimizerState:
    """State of an optimizer between two steps.

    Attributes
    ----------
    moments
        Running averages of the gradients, shape (n_moments, n_parameters), in the dtype of the parameters.
    step
        Updates made so far.
    last_weights
        The parameters from which training goes on, where the network has their average; None without an average.
    """

    moments: FloatArray
    step: int
    last_weights: FloatVector | None = None

    @property
    def rows(self) -> FloatArray:
        """The moments and, if there are any, the last weights: one row each, one column for each parameter."""
        return (
            self.moments
            if self.last_weights is None
            else np.vstack([self.moments, self.last_weights])
        )


@dataclass(frozen=True, eq=False)
class TrainingReport:
    """Result of one train phase.

    Attributes
    ----------
    status
        ``"ok"``, or ``"diverged"`` if training stopped early. The parameters are then useless.
    reason
        Why training diverged, with the step and the loss; empty if it did not diverge.
    first_step
        Index of the phase's first step in the whole run.
    steps
        Updates made in this phase.
    samples
        Training samples seen in this phase. A sample counts each time it is seen.
    train_loss
        Mean minibatch loss over the last 50 updates, or over all updates if there were fewer; None without updates.
    curve
        Learning curve of the recorded steps.
    seconds
        Wall time of the phase.
    state
        State of the optimizer after the phase. Pass it to the next phase.
    ended_by
        The bound that ended the phase: ``"steps"`` or a bound of the budget. After ``"seconds"`` a repeated run may
        make another number of steps.
    """

    status: Literal["ok", "diverged"]
    reason: str
    first_step: int
    steps: int
    samples: int
    train_loss: float | None
    curve: LearningCurve
    seconds: float
    state: OptimizerState
    ended_by: Bound = "steps"


@dataclass(frozen=True)
class Evaluation:
    """Loss, accuracy and predictions of a network on some samples.

    Attributes
    ----------
    loss
        Mean loss over the samples; weighted, Σ w E / Σ w, if the samples have weights.
    accuracy
        Fraction of targets that are the class of the largest output, without weights; None if targets are values.
    output
        The predictions from which both were computed, shape (n_targets, n_outputs): probabilities or values. None
        where an evaluation stands for its loss and accuracy alone.
    """

    loss: float
    accuracy: float | None
    output: FloatArray | None = field(default=None, compare=False, repr=False)


def train(
    network: Trainable,
    samples: Samples,
    recipe: Recipe,
    *,
    first_step: int,
    steps: int,
    total_steps: int,
    order_seed: np.random.SeedSequence | int,
    state: OptimizerState | None = None,
    budget: TrainingBudget | None = None,
    record_every: int | None = None,
    record_layers: bool = False,
    record_parameters: bool = False,
    loss_limit: float | None = None,
) -> TrainingReport:
    """Train a network in place for some steps of a run.

    If the recipe has an `average`, the network has the average of its parameters before and after the call. The state
    keeps the parameters of the last step, so a run in several phases has the bits of a run in one.

    BLAS uses one thread during training, so results do not depend on the number of threads.

    Parameters
    ----------
    network
        A trainable network. Its `parameters` are changed in place.
    samples
        Training samples. A network with a method `check_samples` checks them first.
    recipe
        Training settings.
    first_step
        Index of the first step in the whole run. It determines batches and learning rates.
    steps
        Steps to make, at least 0.
    total_steps
        Length of the whole run in steps. The schedule spans the whole run.
    order_seed
        Seed of the sample order, the same in all phases of a run. An integer s means SeedSequence(s).
    state
        Optimizer state after the previous phase; None starts from zero moments. The state is copied, not changed.
    budget
        Bounds that may end the phase before `steps`.
    record_every
        Record the learning curve every `record_every` steps of the run, and at the last step of the phase. None
        records the last step only.
    record_layers
        Also record the gradient norm of each layer. The network must have `parameter_groups`: a pair (name, slice
        of the parameters) for each layer.
    record_parameters
        Also record the whole gradient, one row for each record.
    loss_limit
        A loss above it counts as diverged. With None it is 1e4 · |first loss of the phase| + 1e4; with infinity any
        finite loss is fine, such as that of a reward in a unit of its own.

    Returns
    -------
    TrainingReport
        Divergence is a status, not an exception. Training diverges if a loss is not finite or above `loss_limit`, or
        if the final parameters are not finite.

    Raises
    ------
    TypeError
        If a count is not an integer, `samples` is not a `Samples`, or `order_seed` is not a seed.
    ValueError
        If a count or `loss_limit` is out of range, the budget allows no step, the samples do not fit the network,
        `state` or the gradient does not fit the parameters, the recipe does not suit the samples or the network, or
        `record_layers` is set for a network without `parameter_groups`.
    """
    clock = Clock(None if budget is None else budget.seconds)
    at_least(0, steps=steps)
    if record_every is not None:
        at_least(1, record_every=record_every)
    if loss_limit is not None and not loss_limit > 0:
        raise ValueError(f"loss_limit must be above 0; got {brief(loss_limit)}")
    order_seed = seed_sequence("order_seed", order_seed)
    check_samples(network, samples, "samples")
    _check_options(network, samples, recipe)
    check_images(recipe.augmentation, samples.inputs.shape[1:], "recipe.augmentation")
    rates = learning_rates(recipe, first_step, steps, total_steps)
    state = _initial_state(OPTIMIZERS[recipe.optimizer], network.parameters, state)
    average = shares = None
    if recipe.average != "none":
        average = aligned_copy(network.parameters)
        shares = average_shares(recipe, first_step, steps, total_steps, state.step)
    groups = _parameter_groups(network) if record_layers else ()
    steps, ended_by = _steps_within(budget, network, recipe, steps)
    interval = total_steps + 1 if record_every is None else record_every
    losses: list[float] = []
    records: list[CurveRecord] = []
    limit = loss_limit
    reason = ""
    augments, longest = recipe.augmentation.is_on, STEPS_PER_DRAW
    if augments:
        longest = max(1, AUGMENTED_NUMBERS // (recipe.batch_size * samples.inputs[0].size))
    parts = batches_in_parts(
        len(samples), recipe.batch_size, first_step, steps, interval, order_seed, clock, longest
    )
    if average is not None and state.last_weights is not None:
        network.parameters[...] = state.last_weights
    # An overflow shows in the loss, so a warning is not needed.
    with single_threaded_blas(), np.errstate(all="ignore"):
        for order in parts:
            done, seen, own_order, dropout_keys = len(losses), samples, order, None
            if recipe.dropout:
                epochs = epochs_of_steps(len(samples), order, first_step + done)
                dropout_keys = sample_keys(order, epochs, order_seed)
            if augments:
                seen = samples_of_steps(samples, recipe, order, first_step + done, order_seed)
                own_order = np.arange(order.size).reshape(order.shape)
            segment = TrainingSegment(
                seen,
                recipe,
                own_order,
                rates=rates[done : done + len(order)],
                moments=state.moments,
                updates_before=state.step + done,
                loss_limit=limit,
                groups=[group for _, group in groups],
                keep_gradient=record_parameters,
                average=average,
                shares=None if shares is None else shares[done : done + len(order)],
                dropout_keys=dropout_keys,
            )
            made = descend(network, segment)
            losses += made.losses[: made.n_updates]
            if made.n_updates < len(order):
                reason = f"loss {made.losses[-1]:g} at step {first_step + len(losses)}"
                break
            limit, last = made.loss_limit, len(losses) - 1
            if records and (first_step + records[-1].step + 1) % interval:
                records.pop()  # the end of a part, not of an interval
            norms = made.gradient_norm, made.group_norms
            records.append(CurveRecord(last, float(rates[last]), *norms, made.gradient))
    if not reason and len(losses) < steps:
        ended_by = "seconds"
    if not reason and not _all_finite(network.parameters):
        last = first_step + len(losses) - 1
        reason = f"parameters not finite after step {last}, loss {losses[-1]:g}"
    last_weights = None
    if average is not None:
        last_weights = aligned_copy(network.parameters)
        network.parameters[...] = average
    return TrainingReport(
        status="diverged" if reason else "ok",
        reason=reason,
        first_step=first_step,
        steps=len(losses),
        samples=len(losses) * recipe.batch_size,
        train_loss=float(np.mean(losses[-LOSS_WINDOW:])) if losses else None,
        curve=make_curve(first_step, losses, records, tuple(name for name, _ in groups)),
        seconds=clock.elapsed,
        state=OptimizerState(state.moments, state.step + len(losses), last_weights),
        ended_by=ended_by,
    )


def evaluate(
    network: Trainable, samples: Samples, batch_size: int = EVALUATION_BATCH
) -> Evaluation:
    """Measure the loss and accuracy of a network on some samples, and keep its predictions.

    Parameters
    ----------
    network
        A trainable network; not changed.
    samples
        Samples to evaluate, in their order.
    batch_size
        Samples per batch, at least 1. It affects memory and the last bits of the loss only.

    Returns
    -------
    Evaluation
        The mean loss, the accuracy if targets are classes, and the predictions. If parameters are not finite, neither
        is the loss.

    Raises
    ------
    TypeError
        If `batch_size` is not an integer, or `samples` is not a `Samples`.
    ValueError
        If `batch_size` is below 1, or the samples do not fit the network.
    """
    at_least(1, batch_size=batch_size)
    check_samples(network, samples, "samples")
    batches = []
    with single_threaded_blas(), np.errstate(all="ignore"):
        for start in range(0, len(samples), batch_size):
            part = slice(start, start + batch_size)
            inputs = samples.inputs[part]
            targets, weights, readings = _part_of(samples, part)
            batches.append(_loss_and_output(network, inputs, targets, *weights, **readings))
        return evaluation_of(samples, batches, batch_size)


def evaluation_of(
    samples: Samples,
    batches: Iterable[tuple[float, FloatArray]],
    batch_size: int = EVALUATION_BATCH,
) -> Evaluation:
    """Return the evaluation of samples, given the loss and the predictions of each batch of them.

    Parameters
    ----------
    samples
        The samples of all batches.
    batches
        Of each batch of samples, in their order: the sum of the weighted losses of its samples, divided by the number
        of its samples, and the predictions, shape (n_targets, n_outputs).
    batch_size
        Samples of each batch but the last.
    """
    total, outputs = 0.0, []
    for start, (loss, output) in zip(range(0, len(samples), batch_size), batches, strict=True):
        total += loss * min(batch_size, len(samples) - start)
        outputs.append(output)
    predicted, accuracy = np.concatenate(outputs), None
    if samples.has_classes:
        hits = int(np.count_nonzero(predicted.argmax(axis=1) == samples.targets))
        accuracy = hits / len(samples.targets)
    return Evaluation(total / samples.total_weight, accuracy, predicted)


@runtime_checkable
class _HasLossAndOutput(Protocol):
    """A network that computes loss and predictions in one forward pass."""

    def loss_and_output(
        self, inputs: FloatArray, targets: Targets, weights: FloatVector | None = None
    ) -> tuple[float, FloatArray]:
        """Return the results of `Trainable.loss` and `Trainable.output`."""


def _part_of(
    samples: Samples, part: slice
) -> tuple[Targets, tuple[FloatVector, ...], dict[str, Any]]:
    """Return the targets of some samples, their weights, and their readings by the name of the parameter, if any."""
    positions: Any = part
    of_part: dict[str, Any] = {}
    if samples.readings is not None:
        chosen = np.arange(*part.indices(len(samples)))
        of_part["readings"], positions = chosen_readings(samples.readings, chosen)
    if samples.weights is None:
        return samples.targets[positions], (), of_part
    weights = samples.weights[positions if samples.weighs_readings else part]
    return samples.targets[positions], (weights,), of_part


def _loss_and_output(
    network: Trainable,
    inputs: FloatArray,
    targets: Targets,
    *weights: FloatVector,
    **readings: Any,
) -> tuple[float, FloatArray]:
    if isinstance(network, _HasLossAndOutput):
        return network.loss_and_output(inputs, targets, *weights, **readings)
    return network.loss(inputs, targets, *weights, **readings), network.output(inputs, **readings)


def check_samples(network: Trainable, samples: Samples, name: str) -> None:
    """Check the type of samples, and call the network's method `check_samples` if there is one.

    Parameters
    ----------
    network
        A trainable network.
    samples
        The samples to check.
    name
        Name of the samples in error messages.

    Raises
    ------
    TypeError
        If `samples` is not a `Samples`.
    ValueError
        If the samples do not fit the network.
    """
    if not isinstance(samples, Samples):
        raise TypeError(f"{name} must be cnn.Samples; got {brief(samples)}")
    if samples.readings is not None and not reads_sequences(network):
        raise ValueError(
            f"{name} must have no readings for a network whose loss_and_gradients has no parameter readings, such as "
            f"{type(network).__name__}; got {samples.readings.shape[1]} readings of {len(samples)} sequences"
        )
    check = getattr(network, "check_samples", None)
    if check is not None:
        check(samples, name)


def _check_options(network: Trainable, samples: Samples, recipe: Recipe) -> None:
    """Raise ValueError if labels are smoothed and samples have none, or the network lacks an option of the recipe."""
    if recipe.label_smoothing and not samples.has_classes:
        raise ValueError(
            f"recipe.label_smoothing must be 0 for targets that are values; got {recipe.label_smoothing}"
        )
    for name in missing_options(network, recipe):
        raise ValueError(
            f"recipe.{name} must be 0 for a network whose loss_and_gradients has no parameter "
            f"{name}, such as {type(network).__name__}; got {getattr(recipe, name)}"
        )


def _steps_within(
    budget: TrainingBudget | None, network: Trainable, recipe: Recipe, steps: int
) -> tuple[int, Bound]:
    """Return the number of steps within a budget, at most `steps`, and the bound that determines it."""
    if budget is not None:
        fitting, bound = budget.whole_steps(recipe.batch_size, getattr(network, "macs", None))
        if fitting is not None and fitting < steps:
            return fitting, bound
    return steps, "steps"


def _all_finite(vector: FloatVector) -> bool:
    """Return whether all numbers are finite, with a mask for one chunk at a time."""
    parts = (vector[k : k + CHUNK] for k in range(0, len(vector), CHUNK))
    return all(np.isfinite(part).all() for part in parts)


def _parameter_groups(network: Trainable) -> Sequence[tuple[str, Group]]:
    """Return the network's groups of parameters: (name, slice of the parameters) each."""
    groups: Sequence[tuple[str, Group]] | None = getattr(network, "parameter_groups", None)
    if groups is None:
        raise ValueError(
            "network must have parameter_groups for record_layers; got one of type "
            f"{type(network).__name__}"
        )
    return groups


def _initial_state(
    optimizer: Optimizer, parameters: FloatVector, state: OptimizerState | None
) -> OptimizerState:
    """Return zero moments, or a copy of the given state."""
    shape = (optimizer.n_moments, parameters.size)
    if state is None:
        return OptimizerState(aligned_zeros(shape, parameters.dtype), 0)
    if state.moments.shape != shape or state.moments.dtype != parameters.dtype:
        raise ValueError(
            f"state of optimizer {optimizer.name!r} must hold moments of shape {shape} and dtype "
            f"{parameters.dtype}; got {state.moments.shape} and {state.moments.dtype}"
        )
    if state.last_weights is not None and state.last_weights.shape != parameters.shape:
        raise ValueError(
            f"state must hold last weights of shape {parameters.shape}; got {state.last_weights.shape}"
        )
    return OptimizerState(aligned_copy(state.moments), state.step, state.last_weights)
