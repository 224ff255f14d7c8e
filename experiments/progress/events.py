"""The events of a run: frozen records of what has just happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnn.training.fitting import EpochRecord
from evo.evolution.evolution import Generation
from evo.evolution.individual import Individual
from experiments.analysis.results import Results
from experiments.settings.experiment import Experiment


@dataclass(frozen=True, eq=False)
class RunBegun:
    """A run begins, or a process goes on with it.

    Attributes
    ----------
    run : str
        Name of the run, which is the name of its folder.
    path : Path
        The folder.
    experiment : Experiment
        The settings.
    settings : mapping
        The settings by dotted name, such as ``training.learning_rate``, as in the columns of the table ``runs``.
    """

    run: str
    path: Path
    experiment: Experiment
    settings: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class GenerationDone:
    """A generation is complete and committed.

    Attributes
    ----------
    run : str
        Name of the run.
    seed : int
    generation : Generation
        Its number, its offspring, and the population after selection.
    last : int
        Number of the last generation of the search.
    fitness : str
        What the fitness is called.
    metric : str
        Name of the metric of verdicts, such as ``accuracy``.
    """

    run: str
    seed: int
    generation: Generation
    last: int
    fitness: str
    metric: str

    @property
    def best(self) -> Individual:
        """The individual with the best fitness of the population."""
        return self.generation.best

    @property
    def best_fitness(self) -> float:
        """The best fitness of the population."""
        fitness = self.best.fitness
        assert fitness is not None, "a search in which nobody has a fitness ends before"
        return fitness

    @property
    def median_fitness(self) -> float:
        """The median fitness of the population, of those that have one."""
        fitness = [one.fitness for one in self.generation.population]
        return float(np.median([one for one in fitness if one is not None]))

    @property
    def n_failed(self) -> int:
        """Number of offspring of the generation that have no result: they failed or diverged."""
        return sum(one.status != "ok" for one in self.generation.offspring)


@dataclass(frozen=True, eq=False)
class EpochDone:
    """An epoch of a baseline is over; only baselines that train for epochs have them.

    Attributes
    ----------
    run : str
        Name of the run.
    seed : int
    arm : str
    record : EpochRecord
        Number of the epoch, losses, accuracy and learning rate.
    epochs : int
        Number of epochs of the baseline.
    samples_per_second : float
    """

    run: str
    seed: int
    arm: str
    record: EpochRecord
    epochs: int
    samples_per_second: float


@dataclass(frozen=True, eq=False)
class BaselineTrained:
    """A baseline is trained and committed, or there is none for a reason.

    Attributes
    ----------
    run : str
        Name of the run.
    seed : int
    arm : str
    status : {"ok", "diverged", "failed"}
        Anything but ``"ok"`` comes with a `reason`, and there is no network.
    reason : str
    steps : int or None
        Gradient steps made; None if no network could be built.
    validation_loss, validation_accuracy : float or None
        None where there is no network.
    metrics : mapping
        The other metrics of the run on the validation part, by name.
    metric : str
        Name of the metric of verdicts.
    """

    run: str
    seed: int
    arm: str
    status: str
    reason: str
    steps: int | None
    validation_loss: float | None
    validation_accuracy: float | None
    metrics: Mapping[str, float | None]
    metric: str


@dataclass(frozen=True, eq=False)
class RunFinished:
    """A run is complete: its networks are compared on the test part, and its tables are final.

    Attributes
    ----------
    run : str
        Name of the run.
    path : Path
        The folder.
    results : Results
    """

    run: str
    path: Path
    results: Results


@dataclass(frozen=True, eq=False)
class RunStopped:
    """A run ends before it is complete; what is committed is kept.

    Attributes
    ----------
    run : str
        Name of the run.
    path : Path
        The folder.
    reason : str
        Who or what ended it.
    """

    run: str
    path: Path
    reason: str
