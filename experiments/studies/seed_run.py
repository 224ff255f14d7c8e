"""One seed of an experiment: the data and settings that its search, its baselines and the final test share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Protocol

from cnn.compile.compilation import single_threaded_blas
from cnn.training.descent import Trainable
from cnn.training.samples import Samples
from cnn.training.trainer import evaluate
from evo.evolution.job import Task
from evo.preparation import Preparation
from evo.storage.run_store import RunStore
from evo.storage.tables import Row
from experiments.datasets import Dataset
from experiments.settings.experiment import Experiment
from experiments.studies.progress import Reporter


class Sized(Trainable, Protocol):
    """A trainable network that knows its cost."""

    @property
    def parameter_count(self) -> int:
        """Trainable numbers."""

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample."""


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained network, for the evaluation on the test part.

    Attributes
    ----------
    arm : str
        Name of the arm in the table ``comparison``.
    network : Sized
    steps : int
        Gradient steps behind the network.
    seconds : float
        Training time behind the network.
    """

    arm: str
    network: Sized
    steps: int
    seconds: float


@dataclass(frozen=True, eq=False)
class SeedRun:
    """One seed of an experiment. It does not contain the test part of the data.

    Attributes
    ----------
    experiment : Experiment
    dataset : Dataset
    task : Task
    n_test : int
        Number of samples in the test part.
    preparation : Preparation
        Preparation of raw rows, fitted on the training part.
    store : RunStore
        The run folder.
    reporter : Reporter
        Reports progress.
    """

    experiment: Experiment
    dataset: Dataset
    task: Task
    n_test: int
    preparation: Preparation
    store: RunStore
    reporter: Reporter

    @property
    def seed(self) -> int:
        """The seed."""
        return self.task.seed

    @property
    def key(self) -> Row:
        """The first columns of every row."""
        return {"run": self.store.name, "seed": self.seed}

    def network_path(self, name: str) -> Path:
        """Return the path of the network ``seed-<seed><name>``."""
        return self.store.path / "networks" / f"seed-{self.seed}{name}.npz"

    @property
    def raw_inputs(self) -> dict[str, Any]:
        """The parameters of a predictor that describe raw rows and labels."""
        return {"preparation": self.preparation, "classes": self.dataset.classes}

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of a prepared sample."""
        return self.preparation.sample_shape

    def run_row(self, search: Mapping[str, Any]) -> Row:
        """Return the row of ``runs``; `search` has the columns about the search."""
        return (
            self.key
            | {
                "experiment": self.experiment.name,
                "arm": self.experiment.arm if self.experiment.evolve else None,
                "dataset": self.dataset.name,
                "data_hash": self.dataset.data_hash,
                "task": self.dataset.task,
                "n_train": len(self.task.train),
                "n_validation": len(self.task.validation),
                "n_test": self.n_test,
                "n_features": self.dataset.n_features,
                "n_inputs": prod(self.input_shape),
                "n_outputs": self.dataset.n_outputs,
            }
            | dict(search)
        )


def read_test(seed_run: SeedRun, models: Sequence[TrainedModel], test: Samples) -> list[Row]:
    """Evaluate trained networks on the test part and return rows of ``comparison``; only this function reads it."""
    with single_threaded_blas():
        return [_comparison_row(seed_run, model, test) for model in models]


def _comparison_row(seed_run: SeedRun, model: TrainedModel, test: Samples) -> Row:
    network = model.network
    on_test, on_validation = evaluate(network, test), evaluate(network, seed_run.task.validation)
    return seed_run.key | {
        "arm": model.arm,
        "test_loss": on_test.loss,
        "test_accuracy": on_test.accuracy,
        "validation_loss": on_validation.loss,
        "validation_accuracy": on_validation.accuracy,
        "parameters": network.parameter_count,
        "macs": network.macs,
        "steps": model.steps,
        "train_seconds": model.seconds,
    }
