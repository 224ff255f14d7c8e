"""One seed's part of an experiment: what its search, its baselines and the final test share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cnn.compile.compilation import single_threaded_blas
from cnn.training.descent import Trainable
from cnn.training.samples import Samples
from cnn.training.trainer import evaluate
from evo.evolution.job import Task
from evo.storage.run_store import RunStore
from evo.storage.tables import Row
from experiments.datasets import Dataset, Normalization
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
    """A trained network that the test part shall judge.

    Attributes
    ----------
    arm : str
        What the settings call the winner, or the baseline's name.
    network : Sized
    steps : int
        Gradient steps that it had.
    seconds : float
        Training time that it had.
    """

    arm: str
    network: Sized
    steps: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Part:
    """One seed's part of an experiment. The test part of the data is not in it.

    Attributes
    ----------
    experiment : Experiment
    dataset : Dataset
    task : Task
    n_test : int
        Samples of the test part.
    normalization : Normalization
        How the inputs were scaled, fitted on the training part.
    store : RunStore
        Where results go.
    reporter : Reporter
        Who tells people.
    """

    experiment: Experiment
    dataset: Dataset
    task: Task
    n_test: int
    normalization: Normalization
    store: RunStore
    reporter: Reporter

    @property
    def seed(self) -> int:
        """The seed of this part."""
        return self.task.seed

    @property
    def key(self) -> Row:
        """What every row of this part begins with."""
        return {"run": self.store.name, "seed": self.seed}

    def network_path(self, name: str) -> Path:
        """Return where the network called ``seed-<seed><name>`` is kept."""
        return self.store.path / "networks" / f"seed-{self.seed}{name}.npz"

    @property
    def raw_inputs(self) -> dict[str, Any]:
        """What a network needs beside its weights to predict from raw data, as a predictor takes it."""
        return {
            "offset": self.normalization.offset,
            "scale": self.normalization.scale,
            "classes": self.dataset.classes,
        }

    def run_row(self, search: Mapping[str, Any]) -> Row:
        """Return the row of ``runs``; `search` says what was searched and at what cost."""
        return (
            self.key
            | {
                "experiment": self.experiment.name,
                "arm": self.experiment.arm if self.experiment.evolve else None,
                "dataset": self.dataset.name,
                "data_hash": self.dataset.data_hash,
                "task": self.dataset.task,
                "train_samples": len(self.task.train),
                "validation_samples": len(self.task.validation),
                "test_samples": self.n_test,
                "features": self.dataset.n_features,
                "outputs": self.dataset.n_outputs,
            }
            | dict(search)
        )


def read_test(part: Part, contenders: Sequence[TrainedModel], test: Samples) -> list[Row]:
    """Evaluate trained networks on the test part, as rows of ``comparison``: the one place where it is read."""
    with single_threaded_blas():
        return [_comparison_row(part, contender, test) for contender in contenders]


def _comparison_row(part: Part, contender: TrainedModel, test: Samples) -> Row:
    network = contender.network
    on_test, on_validation = evaluate(network, test), evaluate(network, part.task.validation)
    return part.key | {
        "arm": contender.arm,
        "test_loss": on_test.loss,
        "test_accuracy": on_test.accuracy,
        "validation_loss": on_validation.loss,
        "validation_accuracy": on_validation.accuracy,
        "parameters": network.parameter_count,
        "macs": network.macs,
        "steps": contender.steps,
        "train_seconds": contender.seconds,
    }
