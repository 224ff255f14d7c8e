"""Evaluation of one individual after the other in this process: for debugging, small runs, and without Ray."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from cnn.compile.compilation import single_threaded_blas
from evo.evolution.individual import Individual, evaluate_individual
from evo.evolution.job import Job, Task
from evo.executors.failure_log import FailureLog


class SerialExecutor:
    """Evaluates individuals in this process, in the order of the jobs."""

    n_workers = 0

    def __init__(self) -> None:
        self._failures = FailureLog()

    def evaluate_all(self, task: Task, jobs: Sequence[Job]) -> Iterator[Individual]:
        """Yield one individual per job."""
        return self.evaluate_stream(task, deque(jobs))

    def evaluate_stream(self, task: Task, jobs: deque[Job]) -> Iterator[Individual]:
        """Yield one individual per job; the caller may append jobs in between."""
        with single_threaded_blas():
            while jobs:
                individual = evaluate_individual(task, jobs.popleft())
                self._failures.note(individual)
                yield individual
        self._failures.tell_counts()

    def time_of_workers(self) -> Sequence[Mapping[str, float]]:
        """Return nothing: there are no workers."""
        return ()

    def __enter__(self) -> Self:
        """Nothing to start."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing to stop."""
