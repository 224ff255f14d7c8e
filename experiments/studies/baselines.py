"""One seed's baselines: networks that do not evolve, trained by the same trainer, recipe and batches."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnn import Network
from cnn.training.curve import LearningCurve, join_curves
from cnn.training.fitting import EpochRecord, FitState, fit
from cnn.training.recipe import Recipe
from cnn.training.trainer import LOSS_WINDOW, Evaluation, evaluate, train
from evo.evolution.job import Task
from evo.evolution.metrics import measure
from evo.genome.genome import Genome
from evo.phenotype.phenotype import Phenotype
from evo.storage.in_flight import UnfinishedTraining
from evo.storage.predictor import BaselinePredictor, Predictor, load_network
from evo.storage.rows import training_rows
from evo.storage.tables import Row
from evo.storage.training_state import TrainingState
from experiments.arms import BaselineSettings, Sized, build_arm
from experiments.studies.seed_run import SeedRun, TrainedModel

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
    validation : Evaluation
        Loss and accuracy of the kept parameters on the validation part.
    curve : LearningCurve
    measured : mapping
        Loss and accuracy on the validation part after some steps of the curve.
    seconds : float
    """

    arm: str
    network: Sized
    status: str
    reason: str
    steps: int
    kept_steps: int
    train_loss: float | None
    validation: Evaluation
    curve: LearningCurve
    measured: Mapping[int, Evaluation]
    seconds: float


class Baselines:
    """One seed's baselines.

    Parameters
    ----------
    seed_run : SeedRun
    epochs_before : int
        Expected number of epochs of the baselines before these.

    Attributes
    ----------
    models : list of TrainedModel
        The arms that did not diverge, for the evaluation on the test part.
    reasons : list of str
        Why the others diverged.
    """

    def __init__(self, seed_run: SeedRun, epochs_before: int) -> None:
        self.seed_run = seed_run
        self.n_epochs = epochs_before
        self.models: list[TrainedModel] = []
        self.reasons: list[str] = []

    def train(self, founder: Genome | None = None, steps: int = 0) -> None:
        """Train every arm, then commit its network and its rows. An arm that is committed already is loaded.

        Parameters
        ----------
        founder : Genome, optional
            The founder of the winner, if there is a winner.
        steps : int
            Gradient steps of each arm; not used if the settings give epochs.
        """
        seed_run, settings = self.seed_run, self.seed_run.experiment.baseline
        for kind in settings.arms:
            arm = seed_run.experiment.label(kind)
            self.n_epochs += settings.epochs or 0
            committed = seed_run.committed("baseline", arm=arm)
            if committed is not None:
                self._load(arm, committed)
                continue
            network = build_arm(kind, seed_run.dataset, settings, founder, seed_run.task)
            recipe = _recipe(kind, settings, seed_run.task)
            unfinished = UnfinishedTraining(seed_run.store.path, f"seed-{seed_run.seed}-{arm}")
            if settings.epochs is None:
                trained = _train_steps(arm, network, recipe, seed_run.task, steps, unfinished)
            else:
                trained = _train_epochs(arm, network, recipe, seed_run, settings.epochs, unfinished)
            if not seed_run.experiment.evolve:
                seed_run.reporter.trained(
                    seed_run.seed, arm, trained.validation, trained.reason, self.n_epochs
                )
            self._save(trained)
            seed_run.store.commit(self._rows(trained))
            unfinished.remove()
            model = TrainedModel(arm, trained.network, trained.steps, trained.seconds)
            self._keep(trained.status, trained.reason, model)

    def _load(self, arm: str, row: Mapping[str, Any]) -> None:
        """Keep an arm that an earlier process trained."""
        model = None
        if row["status"] == "ok":
            loaded = load_network(self.seed_run.network_path(f"-{arm}"))
            model = TrainedModel(
                arm, _computed(loaded), int(row["steps"]), float(row["train_seconds"])
            )
        self._keep(row["status"], row["reason"], model)

    def _keep(self, status: str, reason: str, model: TrainedModel | None) -> None:
        """Keep an arm for the evaluation on the test part, or the reason why it diverged."""
        if status == "ok" and model is not None:
            self.models.append(model)
        else:
            self.reasons.append(reason)

    def _save(self, trained: TrainedArm) -> None:
        """Save an arm that did not diverge as a predictor."""
        network, seed_run = trained.network, self.seed_run
        if trained.status != "ok":
            return
        path = seed_run.stage_network(f"-{trained.arm}")
        if isinstance(network, Phenotype):
            Predictor(network.to_genome(), loss=seed_run.task.loss, **seed_run.raw_inputs).save(
                path
            )
        elif isinstance(network, Network):
            BaselinePredictor(network, **seed_run.raw_inputs).save(path)

    def _rows(self, trained: TrainedArm) -> dict[str, list[Row]]:
        key = self.seed_run.key | {"arm": trained.arm}
        task = self.seed_run.task
        metrics = measure(task.metrics, task.validation, trained.validation)
        measured = {step: (one.loss, one.accuracy) for step, one in trained.measured.items()}
        row = key | {
            "status": trained.status,
            "reason": trained.reason,
            "parameters": trained.network.parameter_count,
            "macs": trained.network.macs,
            "steps": trained.steps,
            "kept_steps": trained.kept_steps,
            "train_loss": trained.train_loss,
            "validation_loss": trained.validation.loss,
            "validation_accuracy": trained.validation.accuracy,
            **{f"validation_{name}": value for name, value in metrics.items()},
            "train_seconds": trained.seconds,
        }
        who = key | {"generation": None, "individual": None}
        return {"baseline": [row], "training": training_rows(trained.curve, measured, who)}


def _computed(loaded: Predictor | BaselinePredictor) -> Sized:
    """Return the network of a predictor."""
    if isinstance(loaded, BaselinePredictor):
        return loaded.network
    return Phenotype(loaded.genome, loaded.loss)


def _recipe(arm: str, settings: BaselineSettings, task: Task) -> Recipe:
    """Return the recipe of the run, with the learning rate of the baselines if it is given."""
    if settings.learning_rate is None or arm == "static":
        return task.recipe
    return task.recipe.model_copy(update={"learning_rate": settings.learning_rate})


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


def _begin(network: Sized, unfinished: UnfinishedTraining) -> TrainingState | None:
    """Give a network the parameters with which an earlier process stopped; return the state, None if there is none."""
    state = unfinished.load()
    if state is not None:
        network.parameters[...] = state.parameters
    return state


def _train_steps(
    arm: str,
    network: Sized,
    recipe: Recipe,
    task: Task,
    steps: int,
    unfinished: UnfinishedTraining,
) -> TrainedArm:
    """Train for `steps` gradient steps: one whole schedule, in phases after which it can be taken up again."""
    every = task.evolution.record_every
    ends = phase_ends(steps, every)
    before = _begin(network, unfinished)
    done, optimizer, seconds = 0, None, 0.0
    curves: list[LearningCurve] = []
    if before is not None:
        done, optimizer, seconds = before.fit.epoch, before.fit.optimizer, before.seconds
        curves.append(before.curve)
    for phase in range(done, len(ends)):
        first = ends[phase - 1] if phase else 0
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
        optimizer, seconds = report.state, seconds + report.seconds
        curves.append(report.curve)
        if report.status != "ok" or phase == len(ends) - 1:
            break
        made = FitState(phase + 1, optimizer, None, math.inf, None)
        unfinished.keep(TrainingState(network.parameters, made, join_curves(curves), (), seconds))
    if isinstance(network, Phenotype):
        network = network.without_dormant()
    validation, n_steps = evaluate(network, task.validation), first + report.steps
    return TrainedArm(
        arm=arm,
        network=network,
        status=report.status,
        reason=report.reason,
        steps=n_steps,
        kept_steps=n_steps,
        train_loss=report.train_loss,
        validation=validation,
        curve=join_curves(curves),
        measured={n_steps: validation} if report.status == "ok" else {},
        seconds=seconds,
    )


def _train_epochs(
    arm: str,
    network: Sized,
    recipe: Recipe,
    seed_run: SeedRun,
    epochs: int,
    unfinished: UnfinishedTraining,
) -> TrainedArm:
    """Train for `epochs` epochs, or until patience ends training before the end of the schedule."""
    task = seed_run.task
    steps_per_epoch = math.ceil(len(task.train) / recipe.batch_size)
    before = _begin(network, unfinished)
    state, seconds = None, 0.0
    curves: list[LearningCurve] = []
    records: list[EpochRecord] = []
    if before is not None:
        state, seconds = before.fit, before.seconds
        curves.append(before.curve)
        records += before.epochs
    while True:
        report = fit(
            network,
            task.train,
            task.validation,
            recipe,
            epochs=epochs,
            order_seed=task.order_seed,
            patience=seed_run.experiment.baseline.patience,
            record_every=max(1, steps_per_epoch // POINTS_PER_EPOCH),
            until=1 if state is None else state.epoch + 1,
            state=state,
        )
        state, seconds = report.state, seconds + report.seconds
        curves.append(report.curve)
        records += report.epochs
        for epoch in report.epochs:
            rate = steps_per_epoch * recipe.batch_size / report.seconds
            seed_run.reporter.epoch(seed_run.seed, arm, epoch, epochs, rate)
        if report.status != "ok" or report.stopped_early or state.epoch == epochs:
            break
        unfinished.keep(
            TrainingState(network.parameters, state, join_curves(curves), records, seconds)
        )
    last = len(records)
    kept = report.best_epoch or last if report.restored else last
    steps = state.optimizer.step
    return TrainedArm(
        arm=arm,
        network=network,
        status=report.status,
        reason=report.reason,
        steps=steps,
        kept_steps=kept * steps_per_epoch if report.restored else steps,
        train_loss=records[kept - 1].train_loss if kept else None,
        validation=evaluate(network, task.validation),
        curve=join_curves(curves),
        measured={
            one.step: Evaluation(one.validation_loss, one.validation_accuracy) for one in records
        },
        seconds=seconds,
    )
