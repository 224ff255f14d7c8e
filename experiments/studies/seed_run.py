"""One seed of an experiment: the data and settings that its search, its baselines and the final test share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
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
from evo.evolution.tasks import EpisodeTask, SampleTask
from evo.phenotype.phenotype import Phenotype
from evo.preparation import Normalization, Preparation
from evo.rewards import EpisodeSource, EpisodeSplit
from evo.storage.rows import played_columns, prediction_rows
from evo.storage.run_store import RunStore
from evo.storage.tables import Row
from experiments.arms import Sized
from experiments.datasets import Dataset
from experiments.progress import Reporter
from experiments.progress.callbacks import Callbacks
from experiments.settings.experiment import Experiment
from experiments.studies.founders import GivenFounders
from experiments.studies.judgement import Source, Split, deciding_metric


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
    episodes, environment_steps : int or None
        Episodes that were played, in training and on the validation episodes, and environment steps in them; None where
        samples train and judge.
    """

    steps: int
    training_macs: int | None
    cpu_seconds: float | None
    seconds: float
    networks: int = 1
    episodes: int | None = None
    environment_steps: int | None = None


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
    dataset : Dataset or EpisodeSource
    task : Task
    n_test : int
        Number of samples in the test part, or of test episodes.
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
    dataset: Source
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
    def samples(self) -> SampleTask:
        """The task, where samples train and judge; TypeError where a reward does."""
        if not isinstance(self.task, SampleTask):
            raise TypeError(f"task must be one of samples; got {type(self.task).__name__}")
        return self.task

    @property
    def data(self) -> Dataset:
        """The data set; TypeError where a reward judges."""
        if not isinstance(self.dataset, Dataset):
            raise TypeError(f"dataset must be a Dataset; got {type(self.dataset).__name__}")
        return self.dataset

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
        inputs: dict[str, Any] = {
            "preparation": self.preparation,
            "classes": self.dataset.classes,
            "targets": self.target_scaling,
            "target_names": self.dataset.target_names,
        }
        if isinstance(self.dataset, EpisodeSource):
            inputs |= {"interface": self.dataset.interface, "acts": True}
        return inputs

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
                "n_train": self.task.sizes[0],
                "n_validation": self.task.sizes[1],
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
    seed_run: SeedRun, models: Sequence[TrainedModel], split: Split
) -> tuple[list[Row], list[pa.Table]]:
    """Evaluate trained networks on the test part, which only this function reads; nothing if there is none.

    Where a reward judges, the networks play the test episodes, and there are no predictions.

    Returns
    -------
    comparison : list of dict
        A row for each network.
    predictions : list of pyarrow.Table
        The predictions of each network.
    """
    rows: list[Row] = []
    predictions: list[pa.Table] = []
    if isinstance(split, EpisodeSplit):
        return _test_episodes(seed_run, models, split), predictions
    if split.test is None:
        return rows, predictions
    with single_threaded_blas():
        for model in models:
            on_test = evaluate(model.network, split.test)
            evaluated = _evaluated(seed_run, model, split.test, on_test)
            rows.append(_comparison_row(seed_run, model, evaluated))
            key = seed_run.key | {"arm": model.arm}
            classes, at = seed_run.data.classes, split.rows["test"]
            truth, output = truth_and_output(split.test, on_test)
            outputs = seed_run.store.own_columns.outputs
            steps = None
            if split.test.readings is not None and seed_run.dataset.has_targets_per_step:
                at, steps = split.rows["test"][split.test.readings[0]], split.steps_of("test")
            found = prediction_rows(at, truth, output, classes, outputs, key, steps)
            predictions.append(found)
    return rows, predictions


def _test_episodes(
    seed_run: SeedRun, models: Sequence[TrainedModel], split: EpisodeSplit
) -> list[Row]:
    """Let trained networks play the test episodes, and those of the last generation; nothing without test episodes."""
    task = seed_run.task
    rows: list[Row] = []
    if not split.n_test or not isinstance(task, EpisodeTask):
        return rows
    with single_threaded_blas():
        for model in models:
            network = model.network
            if not isinstance(network, Phenotype):
                raise TypeError(f"network must be a Phenotype; got {type(network).__name__}")
            last = task.evolution.generations
            played = {
                "test": task.try_to_play(partial(task.test, network)),
                "validation": task.try_to_play(partial(task.measures, network, last)),
            }
            metrics = {part: measures for part, (measures, _) in played.items()}
            told = [f"in a {part} episode: {error}" for part, (_, error) in played.items() if error]
            reason = "; ".join(told) or None
            if reason is not None:
                seed_run.reporter.warn(f"seed {seed_run.seed}, {model.arm} failed {reason}")
            evaluated = Evaluations(metrics=metrics, reason=reason)
            rows.append(_comparison_row(seed_run, model, evaluated))
    return rows


@dataclass(frozen=True, eq=False)
class Evaluations:
    """What a network makes of the test and of the validation part.

    Attributes
    ----------
    metrics : mapping
        The metrics by part and name.
    test, validation : Evaluation or None
        Loss and accuracy; None where a reward judges.
    reason : str or None
        Why a part has no metrics, because a reward raised an error; None if every part has them.
    """

    metrics: Mapping[str, Mapping[str, float | None]]
    test: Evaluation | None = None
    validation: Evaluation | None = None
    reason: str | None = None

    @property
    def columns(self) -> Row:
        """The columns of ``comparison``."""
        row: Row = {"reason": self.reason}
        for part, one in (("test", self.test), ("validation", self.validation)):
            row |= {f"{part}_loss": one and one.loss, f"{part}_accuracy": one and one.accuracy}
            row |= {f"{part}_{name}": value for name, value in self.metrics[part].items()}
        return row


def _evaluated(
    seed_run: SeedRun, model: TrainedModel, test: Samples, on_test: Evaluation
) -> Evaluations:
    """Evaluate a network on the validation part too."""
    task = seed_run.samples
    on_validation = evaluate(model.network, task.validation)
    metrics = {
        "test": measure(task.metrics, test, on_test),
        "validation": measure(task.metrics, task.validation, on_validation),
    }
    return Evaluations(metrics, on_test, on_validation)


def _comparison_row(seed_run: SeedRun, model: TrainedModel, evaluated: Evaluations) -> Row:
    deciding, larger_is_better = deciding_metric(seed_run.experiment, seed_run.dataset)
    per_step = seed_run.task.samples_per_step
    return seed_run.key | {
        "arm": model.arm,
        "metric": deciding,
        "larger_is_better": larger_is_better,
        **evaluated.columns,
        "parameters": model.network.parameter_count,
        "macs": model.network.macs,
        **_cost_columns(model.own, per_step, ""),
        **_cost_columns(model.total, per_step, "total_"),
        "total_networks": model.total.networks,
        **played_columns("total_played_", model.total.episodes, model.total.environment_steps),
        "train_seconds": model.own.seconds,
    }


def _cost_columns(cost: Cost, batch_size: int, prefix: str) -> Row:
    return {
        f"{prefix}steps": cost.steps,
        f"{prefix}samples": cost.steps * batch_size if batch_size else None,
        f"{prefix}training_macs": cost.training_macs,
        f"{prefix}cpu_seconds": cost.cpu_seconds,
    }
