"""One seed of an experiment: the data and settings that its search, its baselines and the final test share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from cnn.compile.compilation import single_threaded_blas
from cnn.training.samples import Samples
from cnn.training.trainer import Evaluation, evaluate
from evo.evolution.job import Task
from evo.evolution.metrics import measure, truth_and_output
from evo.preparation import Normalization, Preparation
from evo.storage.rows import prediction_rows
from evo.storage.run_store import RunStore
from evo.storage.tables import Row
from experiments.arms import Sized
from experiments.datasets import Dataset, DataSplit
from experiments.progress import Reporter
from experiments.progress.callbacks import Callbacks
from experiments.settings.experiment import Experiment
from experiments.studies.founders import GivenFounders
from experiments.studies.judgement import deciding_metric


@dataclass(frozen=True)
class Cost:
    """What the training of one network, or of several, has cost.

    Attributes
    ----------
    steps : int
        Gradient steps.
    training_macs : int or None
        Multiply-accumulates of the forward passes of training, dormant entries that learn included. This and the CPU
        time are None if an older version, which did not count them, trained a part.
    cpu_seconds : float or None
    seconds : float
        Wall time.
    networks : int
        Number of networks.
    """

    steps: int
    training_macs: int | None
    cpu_seconds: float | None
    seconds: float
    networks: int = 1


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained network, for the evaluation on the test part.

    Attributes
    ----------
    arm : str
        Name of the arm in the table ``comparison``.
    network : Sized
    own, total : Cost
        The training behind its weights, and that of all networks that were trained for its arm.
    """

    arm: str
    network: Sized
    own: Cost
    total: Cost


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
    target_scaling : Normalization or None
        Scaling of the values to regress on, fitted on the training part.
    store : RunStore
        The run folder.
    reporter : Reporter
        Reports progress.
    callbacks : Callbacks
        Hears what happens.
    given : GivenFounders or None
        The founders, unless they are drawn.
    earlier : mapping
        The rows of ``runs`` and ``baseline`` that an earlier process committed, by table.
    """

    experiment: Experiment
    dataset: Dataset
    task: Task
    n_test: int
    preparation: Preparation
    target_scaling: Normalization | None
    store: RunStore
    reporter: Reporter
    callbacks: Callbacks
    given: GivenFounders | None = None
    earlier: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """The seed."""
        return self.task.seed

    @property
    def metric(self) -> str:
        """The name of the metric of verdicts."""
        return deciding_metric(self.experiment, self.dataset)[0]

    @property
    def key(self) -> Row:
        """The first columns of every row."""
        return {"run": self.store.name, "seed": self.seed}

    def committed(self, table: str, **key: Any) -> Mapping[str, Any] | None:
        """Return a row of this seed that an earlier process committed; None if there is none."""
        rows = self.earlier.get(table)
        if rows is None:
            return None
        chosen = rows["seed"] == self.seed
        for column, value in key.items():
            chosen &= rows[column] == value
        found = rows[chosen]
        if found.empty:
            return None
        return {str(column): value for column, value in found.iloc[0].items()}

    def network_path(self, name: str) -> Path:
        """Return the path of the network ``seed-<seed><name>``."""
        return self.store.path / _network(self.seed, name)

    def stage_network(self, name: str) -> Path:
        """Return where the network ``seed-<seed><name>`` has to be written, for the next commit."""
        return self.store.stage(_network(self.seed, name))

    @property
    def raw_inputs(self) -> dict[str, Any]:
        """The parameters of a predictor that describe raw rows, and labels or values."""
        return {
            "preparation": self.preparation,
            "classes": self.dataset.classes,
            "targets": self.target_scaling,
            "target_names": self.dataset.target_names,
        }

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of a prepared sample."""
        return self.preparation.sample_shape

    def run_row(self, search: Mapping[str, Any]) -> Row:
        """Return the row of ``runs``; `search` has the columns about the search."""
        experiment, continues = self.experiment, self.experiment.continues
        return (
            self.key
            | {
                "experiment": experiment.name,
                "arm": experiment.label(experiment.arm) if experiment.evolve else None,
                "dataset": self.dataset.name,
                "data_hash": self.dataset.data_hash,
                "task": self.dataset.task,
                "n_train": len(self.task.train),
                "n_validation": len(self.task.validation),
                "n_test": self.n_test,
                "n_features": self.dataset.n_features,
                "n_inputs": prod(self.input_shape),
                "n_outputs": self.dataset.n_outputs,
                "continues": continues and continues.run,
                "first_generation": self.task.first_generation,
                "start_individual": continues and continues.individual,
                "stopped_rung": None,
                "stopped_reason": None,
                "saved_steps": None,
            }
            | dict(search)
        )


def _network(seed: int, name: str) -> str:
    return f"networks/seed-{seed}{name}.npz"


def read_test(
    seed_run: SeedRun, models: Sequence[TrainedModel], split: DataSplit
) -> tuple[list[Row], list[pa.Table]]:
    """Evaluate trained networks on the test part, which only this function reads; nothing if there is none.

    Returns
    -------
    comparison : list of dict
        A row for each network.
    predictions : list of pyarrow.Table
        The predictions of each network.
    """
    rows: list[Row] = []
    predictions: list[pa.Table] = []
    if split.test is None:
        return rows, predictions
    with single_threaded_blas():
        for model in models:
            on_test = evaluate(model.network, split.test)
            rows.append(_comparison_row(seed_run, model, split.test, on_test))
            key = seed_run.key | {"arm": model.arm}
            classes, at = seed_run.dataset.classes, split.rows["test"]
            truth, output = truth_and_output(split.test, on_test)
            outputs = seed_run.store.own_columns.outputs
            steps = None
            if split.test.readings is not None and seed_run.dataset.has_targets_per_step:
                at, steps = split.rows["test"][split.test.readings[0]], split.steps_of("test")
            found = prediction_rows(at, truth, output, classes, outputs, key, steps)
            predictions.append(found)
    return rows, predictions


def _comparison_row(
    seed_run: SeedRun, model: TrainedModel, test: Samples, on_test: Evaluation
) -> Row:
    network, task = model.network, seed_run.task
    on_validation = evaluate(network, task.validation)
    metrics = {
        "test": measure(task.metrics, test, on_test),
        "validation": measure(task.metrics, task.validation, on_validation),
    }
    deciding, larger_is_better = deciding_metric(seed_run.experiment, seed_run.dataset)
    return seed_run.key | {
        "arm": model.arm,
        "metric": deciding,
        "larger_is_better": larger_is_better,
        "test_loss": on_test.loss,
        "test_accuracy": on_test.accuracy,
        **{f"{part}_{name}": one for part, of in metrics.items() for name, one in of.items()},
        "validation_loss": on_validation.loss,
        "validation_accuracy": on_validation.accuracy,
        "parameters": network.parameter_count,
        "macs": network.macs,
        **_cost_columns(model.own, task.recipe.batch_size, ""),
        **_cost_columns(model.total, task.recipe.batch_size, "total_"),
        "total_networks": model.total.networks,
        "train_seconds": model.own.seconds,
    }


def _cost_columns(cost: Cost, batch_size: int, prefix: str) -> Row:
    return {
        f"{prefix}steps": cost.steps,
        f"{prefix}samples": cost.steps * batch_size,
        f"{prefix}training_macs": cost.training_macs,
        f"{prefix}cpu_seconds": cost.cpu_seconds,
    }
