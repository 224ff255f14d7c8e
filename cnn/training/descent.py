"""What the trainer asks of a network between two records: some steps of gradient descent, one after another.

Any network makes them here, one call from Python after another. One with a method `descend` makes them in its own
way, such as in a single compiled call, with the same batches, rates and optimiser.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from cnn.arrays import FloatArray, FloatVector, Targets
from cnn.training.budget import Clock
from cnn.training.optimizers import OPTIMIZERS
from cnn.training.recipe import batch_indices
from cnn.training.samples import Samples

Group = slice | npt.NDArray[np.integer[Any]]
"""Which parameters belong to a layer."""


PLAN_LENGTH = 4096
"""Steps whose batches are drawn up at a time: bounds memory, changes no result."""


@dataclass(frozen=True, eq=False)
class Segment:
    """Steps to make.

    Attributes
    ----------
    samples
        What to learn from.
    order
        The samples of each step's batch; intp, shape (steps, batch).
    rates
        The learning rate of each step; float64, shape (steps,).
    optimizer
        A key of `OPTIMIZERS`.
    moments
        Its memory, changed in place.
    updates_before
        Updates made with these slots.
    momentum, weight_decay, clip
        As in `Recipe`; clip is its `gradient_clip`.
    limit
        A loss above counts as diverged; None: set by the first loss.
    explosion
        (factor, offset) by which the first loss sets it: factor · |loss| + offset.
    groups
        Layers whose part of the last gradient is wanted.
    keep_gradient
        Whether the last gradient itself is wanted.
    """

    samples: Samples
    order: npt.NDArray[np.intp]
    rates: npt.NDArray[np.float64]
    optimizer: str
    moments: FloatArray
    updates_before: int
    momentum: float
    weight_decay: float
    clip: float | None
    limit: float | None
    explosion: tuple[float, float]
    groups: Sequence[Group]
    keep_gradient: bool = False


@dataclass(frozen=True, eq=False)
class Descended:
    """What came of it.

    Attributes
    ----------
    losses
        Of each step, that of a diverged one last.
    done
        Updates made; fewer than losses where the last loss was not finite or above the limit.
    limit
        The limit as it is or was set.
    norm
        Euclidean norm of the last gradient, before clipping.
    group_norms
        Of each group's part of it.
    gradient
        The last gradient, before clipping, where it is wanted: a copy.
    """

    losses: list[float]
    done: int
    limit: float
    norm: float
    group_norms: list[float]
    gradient: FloatVector | None = None


class Learner(Protocol):
    """What is needed for descending step by step: a part of `cnn.training.trainer.Trainable`."""

    @property
    def parameters(self) -> FloatVector:
        """Every trained number, updated in place."""

    def loss_and_gradients(self, inputs: FloatArray, targets: Targets) -> tuple[float, FloatVector]:
        """Return the mean loss over the batch and its gradient, valid until the next call."""


@runtime_checkable
class Descending(Protocol):
    """A network that makes a whole segment of steps by itself."""

    def descend(self, segment: Segment) -> Descended:
        """Make the steps of a segment, as :func:`descend_stepwise` would."""


def descend(network: Learner, segment: Segment) -> Descended:
    """Make the steps of a segment, in the network's own way if it has one."""
    if isinstance(network, Descending):
        return network.descend(segment)
    return descend_stepwise(network, segment)


def descend_stepwise(network: Learner, segment: Segment) -> Descended:
    """Make the steps of a segment: batch, loss and gradient, update.

    Raises
    ------
    ValueError
        Where the gradient does not fit the parameters.
    """
    # The loop is short: everything that can be looked up is looked up here.
    update, loss_and_gradients = OPTIMIZERS[segment.optimizer].update, network.loss_and_gradients
    parameters, moments, before = network.parameters, segment.moments, segment.updates_before
    momentum, weight_decay, clip = segment.momentum, segment.weight_decay, segment.clip
    all_inputs, all_targets = segment.samples.inputs, segment.samples.targets
    batch_size = segment.order.shape[1]
    inputs = np.empty((batch_size, *all_inputs.shape[1:]), all_inputs.dtype)
    targets = np.empty((batch_size, *all_targets.shape[1:]), all_targets.dtype)
    rates = segment.rates.tolist()
    limit = math.inf if segment.limit is None else segment.limit
    losses: list[float] = []
    norm, group_norms = math.nan, [math.nan] * len(segment.groups)
    kept: FloatVector | None = None
    for done, chosen in enumerate(segment.order):
        # mode="clip" spares np.take a copy; the indices are in range by construction.
        all_inputs.take(chosen, axis=0, out=inputs, mode="clip")
        all_targets.take(chosen, axis=0, out=targets, mode="clip")
        value, gradient = loss_and_gradients(inputs, targets)
        losses.append(value)
        if not (math.isfinite(value) and value <= limit):
            return Descended(losses, done, limit, norm, group_norms)
        if done == 0:
            _check_gradient(gradient, parameters)
            if segment.limit is None:
                factor, offset = segment.explosion
                limit = factor * abs(value) + offset
        last = done + 1 == len(rates)
        if last or clip is not None:
            norm = norm_of(gradient)
            if last:
                group_norms = [norm_of(gradient[group]) for group in segment.groups]
                kept = gradient.copy() if segment.keep_gradient else None
            if clip is not None and norm > clip:
                gradient *= clip / norm
        update(parameters, gradient, moments, rates[done], before + done, momentum, weight_decay)
    return Descended(losses, len(rates), limit, norm, group_norms, kept)


def orders_in_parts(
    n_samples: int,
    batch_size: int,
    first_step: int,
    steps: int,
    interval: int,
    order_seed: np.random.SeedSequence,
    clock: Clock,
) -> Iterator[npt.NDArray[np.intp]]:
    """Yield the batches of some steps, shape (≥ 1, batch), until all are made or time is up.

    A part ends wherever `interval` steps of the run are done.
    """
    for start in range(0, steps, PLAN_LENGTH):
        n_steps = min(PLAN_LENGTH, steps - start)
        plan = batch_indices(n_samples, batch_size, first_step + start, n_steps, order_seed)
        begin = 0
        while begin < n_steps:
            left = min(n_steps - begin, interval - (first_step + start + begin) % interval)
            length = clock.steps_until_look(start + begin, left)
            if length == 0:
                return
            yield plan[begin : begin + length]
            begin += length


def norm_of(vector: FloatVector) -> float:
    """Return the Euclidean norm, also where its square is beyond float32."""
    square = float(np.dot(vector, vector))
    return math.sqrt(square) if square < math.inf else float(np.linalg.norm(vector.astype(float)))


def _check_gradient(gradient: FloatVector, parameters: FloatVector) -> None:
    """Raise ValueError unless the gradient lies beside the parameters: kernels do not look."""
    if gradient.shape != parameters.shape or gradient.dtype != parameters.dtype:
        raise ValueError(
            f"the gradient must have the parameters' shape {parameters.shape} and dtype "
            f"{parameters.dtype}, not {gradient.shape} and {gradient.dtype}"
        )
