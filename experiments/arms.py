"""The arms that do not evolve: fixed networks, trained by the same trainer for as many steps as the winner.

An arm is a function that builds a network and a registry entry.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cnn import HiddenLayer, Network, RasterizationLayer, SoftmaxLayer, small_cnn
from cnn.layer import Layer
from cnn.training import Evaluation, Trainable, TrainingReport, evaluate, train
from evo.errors import SettingsError
from evo.genome import Genome
from evo.individual import Task
from evo.phenotype import Phenotype
from evo.seeding import Purpose, generator
from experiments.config import BaselineSettings
from experiments.datasets import Dataset


class Sized(Trainable, Protocol):
    """A trainable network that knows its cost."""

    @property
    def parameter_count(self) -> int:
        """Trainable numbers."""

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample."""


@dataclass(frozen=True, eq=False)
class Blueprint:
    """What an arm may build from."""

    dataset: Dataset
    loss: str
    settings: BaselineSettings
    founder: Genome
    rng: np.random.Generator


@dataclass(frozen=True, eq=False)
class TrainedArm:
    """A baseline after training."""

    arm: str
    network: Sized
    report: TrainingReport
    validation: Evaluation


def _cnn(plan: Blueprint) -> Sized:
    """Build convolution - pooling - rasterisation - hidden - softmax."""
    settings = plan.settings
    return small_cnn(
        plan.dataset.input_shape,
        plan.dataset.n_outputs,
        rng=plan.rng,
        maps=settings.maps,
        kernel=settings.kernel,
        hidden=settings.hidden,
        activation=settings.activation,
        loss=plan.loss,
    )


def _mlp(plan: Blueprint) -> Sized:
    """Build one hidden layer and an output layer."""
    n_outputs = plan.dataset.n_outputs
    on_values = plan.dataset.task == "regression"
    last: Layer = HiddenLayer(n_outputs, "identity") if on_values else SoftmaxLayer(n_outputs)
    first: list[Layer] = [RasterizationLayer()] if len(plan.dataset.input_shape) > 1 else []
    layers = [*first, HiddenLayer(plan.settings.hidden, plan.settings.activation), last]
    return Network(layers, plan.dataset.input_shape, plan.loss, rng=plan.rng)


def _static(plan: Blueprint) -> Sized:
    """Compile the winner's founder as it was drawn."""
    return Phenotype(plan.founder, plan.loss)


ARMS: Mapping[str, Callable[[Blueprint], Sized]] = {"cnn": _cnn, "mlp": _mlp, "static": _static}


def check_arms(settings: BaselineSettings, dataset: Dataset) -> None:
    """Raise SettingsError if an arm cannot work on the data, before any work is done."""
    shape = dataset.input_shape
    if "cnn" not in settings.arms:
        return
    if len(shape) not in {2, 3}:
        raise SettingsError(
            f"baseline.arms: cnn needs images, and a sample of {dataset.name!r} has shape {shape}; "
            "use mlp"
        )
    if min(shape[-2:]) < settings.kernel:
        raise SettingsError(
            f"baseline.kernel: must be at most {min(shape[-2:])}, the images' shorter side; "
            f"got {settings.kernel}"
        )


def build_arm(
    arm: str, dataset: Dataset, settings: BaselineSettings, founder: Genome, task: Task
) -> Sized:
    """Build an arm's network, with starting weights from the run's seed."""
    rng = generator(task.seed, Purpose.BASELINE)
    return ARMS[arm](Blueprint(dataset, task.loss, settings, founder, rng))


def train_arm(
    arm: str, network: Sized, settings: BaselineSettings, task: Task, *, steps: int
) -> TrainedArm:
    """Train a baseline for `steps` steps: same trainer, recipe and batches as the evolved, one whole schedule."""
    recipe = task.recipe
    if settings.learning_rate is not None and arm != "static":
        recipe = recipe.model_copy(update={"learning_rate": settings.learning_rate})
    report = train(
        network,
        task.train,
        recipe,
        first_step=0,
        steps=steps,
        total_steps=steps,
        order_seed=task.order_seed,
        record_every=task.record_every,
    )
    return TrainedArm(arm, network, report, evaluate(network, task.validation))
