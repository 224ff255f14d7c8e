"""One seed's baselines: networks that do not evolve, trained by the same trainer, recipe and batches."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

from cnn import Network
from cnn.training.curve import LearningCurve
from cnn.training.fitting import EpochRecord, fit
from cnn.training.recipe import Recipe
from cnn.training.trainer import Evaluation, evaluate, train
from evo.evolution.job import Task
from evo.evolution.metrics import measure
from evo.genome.genome import Genome
from evo.phenotype.phenotype import Phenotype
from evo.storage.predictor import BaselinePredictor, Predictor
from evo.storage.rows import training_rows
from evo.storage.tables import Row
from experiments.arms import BaselineSettings, Sized, build_arm
from experiments.studies.seed_run import SeedRun, TrainedModel

POINTS_PER_EPOCH = 10
"""Points of the learning curve that each epoch records."""


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
    """

    def __init__(self, seed_run: SeedRun, epochs_before: int) -> None:
        self.seed_run = seed_run
        self.n_epochs = epochs_before
        self.trained: list[TrainedArm] = []

    def train(self, founder: Genome | None = None, steps: int = 0) -> None:
        """Train every arm, then save its network and commit its rows.

        Parameters
        ----------
        founder : Genome, optional
            The founder of the winner, if there is a winner.
        steps : int
            Gradient steps of each arm; not used if the settings give epochs.
        """
        seed_run, settings = self.seed_run, self.seed_run.experiment.baseline
        for arm in settings.arms:
            network = build_arm(arm, seed_run.dataset, settings, founder, seed_run.task)
            recipe = _recipe(arm, settings, seed_run.task)
            if settings.epochs is None:
                trained = _train_steps(arm, network, recipe, seed_run.task, steps)
            else:
                trained = _train_epochs(arm, network, recipe, seed_run, settings.epochs)
                self.n_epochs += settings.epochs
            if not seed_run.experiment.evolve:
                seed_run.reporter.trained(
                    seed_run.seed, arm, trained.validation, trained.reason, self.n_epochs
                )
            self.trained.append(trained)
            self._save(trained)
            seed_run.store.commit(f"seed-{seed_run.seed}-{arm}", self._rows(trained))

    def trained_models(self) -> list[TrainedModel]:
        """Return the arms that did not diverge, for the evaluation on the test part."""
        return [
            TrainedModel(one.arm, one.network, one.steps, one.seconds)
            for one in self.trained
            if one.status == "ok"
        ]

    def _save(self, trained: TrainedArm) -> None:
        """Save an arm that did not diverge as a predictor."""
        network, seed_run = trained.network, self.seed_run
        if trained.status != "ok":
            return
        path = seed_run.network_path(f"-{trained.arm}")
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


def _recipe(arm: str, settings: BaselineSettings, task: Task) -> Recipe:
    """Return the recipe of the run, with the learning rate of the baselines if it is given."""
    if settings.learning_rate is None or arm == "static":
        return task.recipe
    return task.recipe.model_copy(update={"learning_rate": settings.learning_rate})


def _train_steps(arm: str, network: Sized, recipe: Recipe, task: Task, steps: int) -> TrainedArm:
    """Train for `steps` gradient steps: one whole schedule."""
    report = train(
        network,
        task.train,
        recipe,
        first_step=0,
        steps=steps,
        total_steps=steps,
        order_seed=task.order_seed,
        record_every=task.evolution.record_every,
    )
    if isinstance(network, Phenotype):
        network = network.without_dormant()
    validation = evaluate(network, task.validation)
    return TrainedArm(
        arm=arm,
        network=network,
        status=report.status,
        reason=report.reason,
        steps=report.steps,
        kept_steps=report.steps,
        train_loss=report.train_loss,
        validation=validation,
        curve=report.curve,
        measured={report.steps: validation} if report.status == "ok" else {},
        seconds=report.seconds,
    )


def _train_epochs(
    arm: str, network: Sized, recipe: Recipe, seed_run: SeedRun, epochs: int
) -> TrainedArm:
    """Train for `epochs` epochs, or until patience ends training before the end of the schedule."""
    task = seed_run.task
    steps_per_epoch = math.ceil(len(task.train) / recipe.batch_size)
    before = time.perf_counter()

    def tell(epoch: EpochRecord) -> None:
        nonlocal before
        now = time.perf_counter()
        rate = steps_per_epoch * recipe.batch_size / (now - before)
        before = now
        seed_run.reporter.epoch(seed_run.seed, arm, epoch, epochs, rate)

    report = fit(
        network,
        task.train,
        task.validation,
        recipe,
        epochs=epochs,
        order_seed=task.order_seed,
        patience=seed_run.experiment.baseline.patience,
        record_every=max(1, steps_per_epoch // POINTS_PER_EPOCH),
        on_epoch=tell,
    )
    steps = report.state.optimizer.step
    last = len(report.epochs)
    kept = report.best_epoch or last if report.restored else last
    return TrainedArm(
        arm=arm,
        network=network,
        status=report.status,
        reason=report.reason,
        steps=steps,
        kept_steps=kept * steps_per_epoch if report.restored else steps,
        train_loss=report.epochs[kept - 1].train_loss if kept else None,
        validation=evaluate(network, task.validation),
        curve=report.curve,
        measured={
            one.step: Evaluation(one.validation_loss, one.validation_accuracy)
            for one in report.epochs
        },
        seconds=report.seconds,
    )
