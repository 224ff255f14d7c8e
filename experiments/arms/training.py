"""Training of the arms that do not evolve, in phases after which it can be taken up again."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cnn.training.curve import LearningCurve, join_curves
from cnn.training.fitting import EpochRecord, FitReport, FitState, fit
from cnn.training.recipe import Recipe
from cnn.training.trainer import LOSS_WINDOW, Evaluation, TrainingReport, evaluate, train
from evo.evolution.metrics import measure
from evo.evolution.tasks import SampleTask
from evo.phenotype.phenotype import Phenotype
from evo.storage.in_flight import UnfinishedTraining
from evo.storage.training_state import TrainingState
from experiments.arms.arms import Sized
from experiments.arms.reservoir import Readout

POINTS_PER_EPOCH = 10
"""Points of the learning curve that each epoch records."""

STEPS_PER_PHASE = 250
"""Gradient steps, about, after which a training that has no epochs can be taken up again."""


@dataclass(frozen=True, eq=False)
class TrainedArm:
    """A baseline after training.

    Attributes
    ----------
    arm : str
    network : Sized
    status : {"ok", "diverged"}
        Anything but ``"ok"`` comes with a `reason`.
    reason : str
    steps, kept_steps : int
        Gradient steps made, and gradient steps behind the kept parameters.
    train_loss : float or None
    validation : Evaluation or None
        Loss and accuracy of the kept parameters on the validation part; None where a reward judges.
    metrics : mapping
        The metrics of the task there, by name.
    curve : LearningCurve
    measured : mapping
        Loss and accuracy on the validation part after some steps of the curve.
    seconds, cpu_seconds : float
        Wall time and CPU time of training.
    training_macs : int
        Multiply-accumulates of the forward passes of training, dormant entries that learn included.
    """

    arm: str
    network: Sized
    status: str
    reason: str
    steps: int
    kept_steps: int
    train_loss: float | None
    validation: Evaluation | None
    metrics: Mapping[str, float | None]
    curve: LearningCurve
    measured: Mapping[int, Evaluation]
    seconds: float
    cpu_seconds: float
    training_macs: int


def phase_ends(steps: int, record_every: int) -> list[int]:
    """Return the steps at which the phases of a training end.

    A phase ends where the learning curve has a point, so phases do not show in it. The last phase is long enough for
    the mean loss of its last steps.

    Examples
    --------
    >>> phase_ends(1000, 100), phase_ends(250, 100)
    ([300, 600, 1000], [250])
    """
    length = record_every * math.ceil(STEPS_PER_PHASE / record_every)
    return [*range(length, steps - max(length, LOSS_WINDOW) + 1, length), steps]


@dataclass
class _Spent:
    """What a training has cost so far, and its curve."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    curves: list[LearningCurve] = field(default_factory=list)

    @classmethod
    def before(cls, state: TrainingState | None) -> "_Spent":
        """Return what an earlier process has spent, if one has."""
        return cls() if state is None else cls(state.seconds, state.cpu_seconds, [state.curve])

    def add(self, seconds: float, cpu_seconds: float, curve: LearningCurve) -> None:
        """Add a phase."""
        self.seconds += seconds
        self.cpu_seconds += cpu_seconds
        self.curves.append(curve)

    def trained(
        self, arm: str, network: Sized, ended: TrainingReport | FitReport, **more: Any
    ) -> TrainedArm:
        """Return the arm after the last phase, which says how training ended; `more` has the other attributes."""
        return TrainedArm(
            arm=arm,
            network=network,
            status=ended.status,
            reason=ended.reason,
            curve=join_curves(self.curves),
            seconds=self.seconds,
            cpu_seconds=self.cpu_seconds,
            **more,
        )

    def state(
        self, network: Sized, made: FitState, epochs: Sequence[EpochRecord] = ()
    ) -> TrainingState:
        """Return the state after the phases so far."""
        curve = join_curves(self.curves)
        return TrainingState(
            network.parameters, made, curve, epochs, self.seconds, self.cpu_seconds
        )


def _begin(network: Sized, unfinished: UnfinishedTraining) -> TrainingState | None:
    """Give a network the parameters with which an earlier process stopped; return the state, None if there is none."""
    state = unfinished.load()
    if state is not None:
        network.parameters[...] = state.parameters
    return state


def _finished(network: Sized) -> Sized:
    """Return the network that is kept after training: of a readout the whole, and without dormant entries."""
    if isinstance(network, Readout):
        network = network.whole()
    return network.without_dormant() if isinstance(network, Phenotype) else network


def train_steps(
    arm: str,
    network: Sized,
    recipe: Recipe,
    task: SampleTask,
    steps: int,
    unfinished: UnfinishedTraining,
) -> TrainedArm:
    """Train for `steps` gradient steps: one whole schedule, in phases after which it can be taken up again.

    Parameters
    ----------
    arm : str
        Name of the arm.
    network : Sized
        Trained in place.
    recipe : Recipe
    task : SampleTask
        With the samples, and the seed of their order.
    steps : int
    unfinished : UnfinishedTraining
        Keeps the state between two phases.
    """
    every = task.evolution.record_every
    ends = phase_ends(steps, every)
    before = _begin(network, unfinished)
    spent, macs = _Spent.before(before), network.macs
    done, optimizer = (before.fit.epoch, before.fit.optimizer) if before else (0, None)
    for phase in range(done, len(ends)):
        first, started = ends[phase - 1] if phase else 0, time.thread_time()
        report = train(
            network,
            task.train,
            recipe,
            first_step=first,
            steps=ends[phase] - first,
            total_steps=steps,
            order_seed=task.order_seed,
            state=optimizer,
            record_every=every,
        )
        optimizer = report.state
        spent.add(report.seconds, time.thread_time() - started, report.curve)
        if report.status != "ok" or phase == len(ends) - 1:
            break
        made = FitState(phase + 1, optimizer, None, math.inf, None)
        unfinished.keep(spent.state(network, made))
    network = _finished(network)
    validation, n_steps = evaluate(network, task.validation), first + report.steps
    return spent.trained(
        *(arm, network, report),
        steps=n_steps,
        kept_steps=n_steps,
        train_loss=report.train_loss,
        validation=validation,
        metrics=measure(task.metrics, task.validation, validation),
        measured={n_steps: validation} if report.status == "ok" else {},
        training_macs=n_steps * recipe.batch_size * macs,
    )


def train_epochs(
    arm: str,
    network: Sized,
    recipe: Recipe,
    task: SampleTask,
    epochs: int,
    unfinished: UnfinishedTraining,
    *,
    patience: int | None,
    reached: Callable[[EpochRecord, float], None],
) -> TrainedArm:
    """Train for `epochs` epochs, or until patience ends training before the end of the schedule.

    Parameters
    ----------
    arm, network, recipe, task, unfinished
        As for :func:`train_steps`.
    epochs : int
    patience : int or None
        Epochs without a lower validation loss after which training ends.
    reached : callable
        Is called after each epoch with its record and the samples trained per second.
    """
    steps_per_epoch = math.ceil(len(task.train) / recipe.batch_size)
    before = _begin(network, unfinished)
    spent = _Spent.before(before)
    state = before.fit if before else None
    records = list(before.epochs) if before else []
    while True:
        started = time.thread_time()
        report = fit(
            network,
            task.train,
            task.validation,
            recipe,
            epochs=epochs,
            order_seed=task.order_seed,
            patience=patience,
            record_every=max(1, steps_per_epoch // POINTS_PER_EPOCH),
            until=1 if state is None else state.epoch + 1,
            state=state,
        )
        state = report.state
        spent.add(report.seconds, time.thread_time() - started, report.curve)
        records += report.epochs
        for epoch in report.epochs:
            reached(epoch, steps_per_epoch * recipe.batch_size / report.seconds)
        if report.status != "ok" or report.stopped_early or state.epoch == epochs:
            break
        unfinished.keep(spent.state(network, state, records))
    network, last = _finished(network), len(records)
    kept = report.best_epoch or last if report.restored else last
    steps, validation = state.optimizer.step, evaluate(network, task.validation)
    return spent.trained(
        *(arm, network, report),
        steps=steps,
        kept_steps=kept * steps_per_epoch if report.restored else steps,
        train_loss=records[kept - 1].train_loss if kept else None,
        validation=validation,
        metrics=measure(task.metrics, task.validation, validation),
        measured={
            one.step: Evaluation(one.validation_loss, one.validation_accuracy) for one in records
        },
        training_macs=steps * recipe.batch_size * network.macs,
    )
