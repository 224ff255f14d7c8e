"""Executors: individuals are evaluated in this process or on Ray.

All executors give the same results and differ in speed only. The Ray executor is imported where it is used.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol, Self

from evo.evolution.individual import Individual
from evo.evolution.job import Job, Task
from evo.executors.serial import SerialExecutor

__all__ = ["Executor", "SerialExecutor"]


class Executor(Protocol):
    """The contract of an executor.

    An executor is a context manager, which starts and stops its workers. `evaluate_all` yields exactly one individual
    per job, in any order. An error of one individual is a status of that individual and never an exception.
    """

    n_workers: int

    def evaluate_all(self, task: Task, jobs: Sequence[Job]) -> Iterator[Individual]:
        """Evaluate the individuals of some jobs."""

    def __enter__(self) -> Self:
        """Start."""

    def __exit__(self, *exception: object) -> None:
        """Stop."""
