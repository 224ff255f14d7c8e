"""Evaluation of one individual after the other in this process: for debugging, small runs, and without Ray."""

from collections.abc import Iterator, Sequence
from typing import Self

from cnn.compile.compilation import single_threaded_blas
from evo.evolution.individual import Individual, evaluate_individual
from evo.evolution.job import Job, Task


class SerialExecutor:
    """Evaluates individuals in this process, in the order of the jobs."""

    n_workers = 0

    def evaluate_all(self, task: Task, jobs: Sequence[Job]) -> Iterator[Individual]:
        """Yield one individual per job."""
        with single_threaded_blas():
            for job in jobs:
                yield evaluate_individual(task, job)

    def __enter__(self) -> Self:
        """Nothing to start."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing to stop."""
