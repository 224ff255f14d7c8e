"""What is finished inside a commit that is not: the individuals of a generation, and epochs of a baseline.

These files are beside the journal. They hold nothing that cannot be computed again; they only save time after a stop.
So they are written at intervals, and a file that cannot be read is not used.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from evo.errors import ResultsError
from evo.evolution.individual import Individual
from evo.evolution.job import Job
from evo.storage.individuals import load_individuals, save_individuals
from evo.storage.run_store import IN_FLIGHT
from evo.storage.training_state import (
    PopulationState,
    TrainingState,
    load_population,
    load_training,
    save_population,
    save_training,
)

State = TypeVar("State")

SECONDS_BETWEEN_FILES = 1.0
"""Least time between two files of finished individuals, so that fast individuals share one."""

SECONDS_BETWEEN_STATES = 5.0
"""Least time between two states of a baseline in training."""


class FinishedIndividuals:
    """The finished individuals of a generation that is not complete.

    Parameters
    ----------
    run : Path
        The run folder.
    name : str
        Names the generation within the run.
    """

    def __init__(self, run: Path, name: str) -> None:
        self._folder, self._name = run / IN_FLIGHT, name
        self._new: list[Individual] = []
        self._written = time.monotonic()

    def load(self, jobs: Sequence[Job]) -> list[Individual]:
        """Return the individuals of some jobs that an earlier process finished."""
        of_number = {job.individual: job for job in jobs}
        found: dict[int, Individual] = {}
        for path in self._files():
            try:
                found |= load_individuals(path, of_number)[0]
            except ResultsError:  # then they are evaluated again
                continue
        return [one for number, one in sorted(found.items()) if number in of_number]

    def load_arrivals(self, first: int) -> list[Individual]:
        """Return the individuals that arrived one after the other from a place in the order of arrival on.

        What does not belong to them is removed: it arrived after one that is lost, or before the last commit.
        """
        found: dict[int | None, Individual] = {}
        for path in self._files():
            try:
                individuals, _ = load_individuals(path)
            except ResultsError:  # then they are evaluated again
                continue
            found |= {one.arrival: one for one in individuals.values()}
        arrived: list[Individual] = []
        while first + len(arrived) in found:
            arrived.append(found[first + len(arrived)])
        if len(arrived) < len(found):
            self.remove()
            self._new = list(arrived)
        return arrived

    def add(self, individual: Individual) -> None:
        """Keep a finished individual; now and then write those that are new to a file."""
        self._new.append(individual)
        if time.monotonic() - self._written >= SECONDS_BETWEEN_FILES:
            last = self._new[-1].job.individual
            save_individuals(self._folder / f"{self._name}-{last:08d}.npz", self._new)
            self._new, self._written = [], time.monotonic()

    def remove(self) -> None:
        """Remove the files, for the generation is committed."""
        self._new = []
        for path in self._files():
            path.unlink(missing_ok=True)

    def _files(self) -> Iterable[Path]:
        return sorted(self._folder.glob(f"{self._name}-*.npz"))


class _Unfinished(Generic[State]):
    """A training in the middle, which is kept in a file.

    Parameters
    ----------
    run : Path
        The run folder.
    name : str
        Names the baseline within the run.
    """

    _save: Callable[[Path, State], None]
    _load: Callable[[Path], State]

    def __init__(self, run: Path, name: str) -> None:
        self._path = run / IN_FLIGHT / f"{name}.npz"
        self._written = time.monotonic()

    def load(self) -> State | None:
        """Return where an earlier process stopped; None if nothing is known."""
        try:
            return type(self)._load(self._path)
        except ResultsError:  # then the training begins again
            return None

    def keep(self, state: State) -> None:
        """Keep a state; write it to a file unless the last one was written a short time ago."""
        if time.monotonic() - self._written >= SECONDS_BETWEEN_STATES:
            type(self)._save(self._path, state)
            self._written = time.monotonic()

    def remove(self) -> None:
        """Remove the file, for the baseline is committed."""
        self._path.unlink(missing_ok=True)


class UnfinishedTraining(_Unfinished[TrainingState]):
    """A baseline in the middle of its training."""

    _save, _load = staticmethod(save_training), staticmethod(load_training)


class UnfinishedPopulation(_Unfinished[PopulationState]):
    """A population of baselines between two rungs of its training."""

    _save, _load = staticmethod(save_population), staticmethod(load_population)
