"""The one trainer: minibatch gradient descent on anything with a flat vector of parameters.

A convolutional network and an evolved graph go through the same optimiser, schedule and sample
order here, so that a comparison between them is fair by construction. Batch order and learning rate
depend on the step index alone:
100 steps in one phase, or 40 and then 60, give the same bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from cnn.arrays import FloatArray, FloatVector, Targets
from cnn.checks import at_least, brief, seed_sequence
from cnn.compile.compilation import single_threaded_blas
from cnn.training.budget import Bound, Clock, TrainingBudget
from cnn.training.curve import LearningCurve, Record, draw_curve
from cnn.training.descent import Group, Segment, descend, orders_in_parts
from cnn.training.optimizers import OPTIMIZERS, Optimizer
from cnn.training.recipe import Recipe, batch_indices, learning_rates
from cnn.training.samples import Samples

__all__ = [
    "Evaluation",
    "LearningCurve",
    "OptimizerState",
    "Recipe",
    "Samples",
    "Trainable",
    "TrainingReport",
    "batch_indices",
    "evaluate",
    "learning_rates",
    "train",
]

LOSS_WINDOW = 50
"""Steps whose losses are averaged to a report's `train_loss`."""

EXPLOSION_FACTOR = 1e4
EXPLOSION_OFFSET = 1e4
"""A loss above factor × (first loss) + offset counts as diverged."""

PART_LENGTH = 1 << 16
"""Parameters that are looked at together."""


class Trainable(Protocol):
    """What the trainer needs to know of a network.

    Batches come samples-first: inputs (n, *shape), targets (n,) classes or (n, k) values.
    """

    @property
    def parameters(self) -> FloatVector:
        """Every trained number in one contiguous vector, which the trainer updates in place."""

    def loss_and_gradients(self, inputs: FloatArray, targets: Targets) -> tuple[float, FloatVector]:
        """Return the mean loss over the batch and its gradient, valid until the next call."""

    def loss(self, inputs: FloatArray, targets: Targets) -> float:
        """Return the mean loss over the batch."""

    def output(self, inputs: FloatArray) -> FloatArray:
        """Return the predictions, shape (n, n_outputs): probabilities, or values."""


@dataclass(frozen=True, eq=False)
class OptimizerState:
    """What an optimiser remembers between steps.

    Attributes
    ----------
    moments
        Shape (n_moments, n_parameters), in the dtype of the parameters.
    step
        Updates made so far.
    """

    moments: FloatArray
    step: int


@dataclass(frozen=True, eq=False)
class TrainingReport:
    """What one training phase did.

    Attributes
    ----------
    status
        ``"ok"``, or ``"diverged"`` where training stopped early; the parameters are then of no use.
    reason
        Why it diverged, with the step and the loss; empty where it did not.
    first_step
        Index of the phase's first step in the whole run.
    steps
        Updates made in this phase.
    samples
        Samples seen in this phase, repeats counted.
    train_loss
        Mean minibatch loss over the last 50 updates made, or fewer where there were fewer; None
        where there was none.
    curve
        The recorded steps.
    seconds
        Wall time of the phase.
    state
        The optimiser's memory after the phase, to go on with.
    ended_by
        Which bound ended it: ``"steps"``, or one of the budget's. After ``"seconds"``, another run may have made
        another number of steps.
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
    """How good a network is on some samples.

    Attributes
    ----------
    loss
        Mean loss over the samples.
    accuracy
        Share of samples whose largest output is the target class; None where targets are not
        classes.
    """

    loss: float
    accuracy: float | None


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
) -> TrainingReport:
    """Train a network in place for some steps of a run.

    BLAS runs on one thread meanwhile, so the result does not depend on the machine's thread count.

    Parameters
    ----------
    network
        Anything trainable; its `parameters` are changed in place.
    samples
        What to learn from; left as they are. A network with `check_samples`, as `cnn.Network` has,
        says first whether they suit it.
    recipe
        How to learn.
    first_step
        Index of the first step in the whole run: it fixes batches and learning rates.
    steps
        Steps to make, at least 1.
    total_steps
        Length of the whole run, which the schedule spans.
    order_seed
        Seed of the sample order, the same in every phase of a run; an integer s stands for
        SeedSequence(s).
    state
        The optimiser's memory from the phase before; None starts afresh. It is copied, not changed.
    budget
        Bounds that may end the phase before `steps`.
    record_every
        Record the learning curve whenever that many steps of the run are complete, and at the
        phase's last step. None records the last step only.
    record_layers
        Record each layer's gradient norm too. The network must offer `parameter_groups`, a (name,
        slice of the parameters) for each layer, as `cnn.Network` does.
    record_parameters
        Record the gradient by each parameter too: a row of their number for each record.

    Returns
    -------
    TrainingReport
        What happened. Divergence - a loss that is not finite or above 1e4 × the phase's first loss
        + 1e4, or parameters that end not finite - is a status, not an exception.

    Raises
    ------
    TypeError
        Where a count is no integer, `samples` are no `Samples`, or `order_seed` is no seed.
    ValueError
        Where a count is out of range, the budget allows no step, the samples do not suit the network, `state` or the
        gradient does not fit the parameters, or layers are to be recorded of a network that names none.
    """
    clock = Clock(None if budget is None else budget.seconds)
    at_least(1, steps=steps)
    if record_every is not None:
        at_least(1, record_every=record_every)
    order_seed = seed_sequence("order_seed", order_seed)
    check_samples(network, samples, "samples")
    rates = learning_rates(recipe, first_step, steps, total_steps)
    optimizer = OPTIMIZERS[recipe.optimizer]
    parameters = network.parameters
    state = _own_state(optimizer, parameters, state)
    groups = _parameter_groups(network) if record_layers else ()

    ended_by: Bound = "steps"
    if budget is not None:
        fitting, bound = budget.whole_steps(recipe.batch_size, getattr(network, "macs", None))
        if fitting is not None and fitting < steps:
            steps, ended_by = fitting, bound

    interval = total_steps + 1 if record_every is None else record_every
    losses: list[float] = []
    records: list[Record] = []
    limit: float | None = None
    reason = ""
    parts = orders_in_parts(
        len(samples), recipe.batch_size, first_step, steps, interval, order_seed, clock
    )
    # An overflow is seen in the loss, so it needs no warning.
    with single_threaded_blas(), np.errstate(all="ignore"):
        for order in parts:
            done = len(losses)
            segment = Segment(
                samples=samples,
                order=order,
                rates=rates[done : done + len(order)],
                optimizer=recipe.optimizer,
                moments=state.moments,
                updates_before=state.step + done,
                momentum=recipe.momentum,
                weight_decay=recipe.weight_decay,
                clip=recipe.gradient_clip,
                limit=limit,
                explosion=(EXPLOSION_FACTOR, EXPLOSION_OFFSET),
                groups=[group for _, group in groups],
                keep_gradient=record_parameters,
            )
            made = descend(network, segment)
            losses += made.losses[: made.done]
            if made.done < len(order):
                reason = f"loss {made.losses[-1]:g} at step {first_step + len(losses)}"
                break
            limit, last = made.limit, len(losses) - 1
            if records and (first_step + records[-1].done + 1) % interval:
                records.pop()  # the end of a part, not of an interval
            records.append(
                Record(last, float(rates[last]), made.norm, made.group_norms, made.gradient)
            )
    if not reason and len(losses) < steps:
        ended_by = "seconds"
    if not reason and not _all_finite(parameters):
        last = first_step + len(losses) - 1
        reason = f"parameters not finite after step {last}, loss {losses[-1]:g}"
    return TrainingReport(
        status="diverged" if reason else "ok",
        reason=reason,
        first_step=first_step,
        steps=len(losses),
        samples=len(losses) * recipe.batch_size,
        train_loss=float(np.mean(losses[-LOSS_WINDOW:])) if losses else None,
        curve=draw_curve(first_step, losses, records, tuple(name for name, _ in groups)),
        seconds=clock.elapsed,
        state=OptimizerState(state.moments, state.step + len(losses)),
        ended_by=ended_by,
    )


def evaluate(network: Trainable, samples: Samples, batch_size: int = 256) -> Evaluation:
    """Measure a network on some samples, in chunks and in order.

    Parameters
    ----------
    network
        Anything trainable; left as it is.
    samples
        What to measure on.
    batch_size
        Samples per chunk, at least 1. It may change the last bits of the loss, and memory; nothing
        else.

    Returns
    -------
    Evaluation
        Mean loss, and accuracy where targets are classes. The loss is not finite where the
        parameters are not.

    Raises
    ------
    TypeError
        Where `batch_size` is no integer, or `samples` are no `Samples`.
    ValueError
        Where `batch_size` is below 1, or the samples do not suit the network.
    """
    at_least(1, batch_size=batch_size)
    check_samples(network, samples, "samples")
    total, hits = 0.0, 0
    with single_threaded_blas(), np.errstate(all="ignore"):
        for start in range(0, len(samples), batch_size):
            inputs = samples.inputs[start : start + batch_size]
            targets = samples.targets[start : start + batch_size]
            loss, output = _loss_and_output(network, inputs, targets)
            total += loss * len(inputs)
            if samples.has_classes:
                hits += int(np.count_nonzero(output.argmax(axis=1) == targets))
    return Evaluation(
        loss=total / len(samples), accuracy=hits / len(samples) if samples.has_classes else None
    )


@runtime_checkable
class _Measurable(Protocol):
    """A network that runs once for both, the loss and the predictions."""

    def loss_and_output(self, inputs: FloatArray, targets: Targets) -> tuple[float, FloatArray]:
        """Return what `Trainable.loss` and `Trainable.output` do."""


def _loss_and_output(
    network: Trainable, inputs: FloatArray, targets: Targets
) -> tuple[float, FloatArray]:
    if isinstance(network, _Measurable):
        return network.loss_and_output(inputs, targets)
    return network.loss(inputs, targets), network.output(inputs)


def check_samples(network: Trainable, samples: Samples, name: str) -> None:
    """Check that samples are such, and have the network check them where it can.

    Parameters
    ----------
    network
        Anything trainable. Its method `check_samples`, if it has one, is given samples and name.
    samples
        What to check.
    name
        For the message.

    Raises
    ------
    TypeError
        Where they are no `Samples`.
    ValueError
        Where they do not suit the network.
    """
    if not isinstance(samples, Samples):
        raise TypeError(f"{name} must be cnn.Samples, not {brief(samples)}")
    check = getattr(network, "check_samples", None)
    if check is not None:
        check(samples, name)


def _all_finite(vector: FloatVector) -> bool:
    """Tell whether all numbers are finite, without a mask of their number."""
    parts = (vector[k : k + PART_LENGTH] for k in range(0, len(vector), PART_LENGTH))
    return all(np.isfinite(part).all() for part in parts)


def _parameter_groups(network: Trainable) -> Sequence[tuple[str, Group]]:
    """Return the groups that a network offers, (name, slice of the parameters) each."""
    groups: Sequence[tuple[str, Group]] | None = getattr(network, "parameter_groups", None)
    if groups is None:
        raise ValueError(
            "record_layers needs a network with parameter_groups, not one of type "
            f"{type(network).__name__}"
        )
    return groups


def _own_state(
    optimizer: Optimizer, parameters: FloatVector, state: OptimizerState | None
) -> OptimizerState:
    """Return a state of this training's own: zeros, or a copy of the one given."""
    shape = (optimizer.n_moments, parameters.size)
    if state is None:
        return OptimizerState(np.zeros(shape, parameters.dtype), 0)
    if state.moments.shape != shape or state.moments.dtype != parameters.dtype:
        raise ValueError(
            f"state of optimizer {optimizer.name!r} must hold slots of shape {shape} and dtype "
            f"{parameters.dtype}, not {state.moments.shape} and {state.moments.dtype}"
        )
    return OptimizerState(np.array(state.moments, order="C"), state.step)
