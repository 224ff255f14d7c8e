"""Executors: individuals are evaluated in this process or on Ray.

All executors give the same results and differ in speed only. The Ray executor is imported where it is used.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, Self

from evo.evolution.individual import Individual
from evo.evolution.job import Job, Task
from evo.executors.serial import SerialExecutor

__all__ = ["Executor", "SerialExecutor"]


class Executor(Protocol):
    """The contract of an executor.

    An executor is a context manager, which starts and stops its workers. Exactly one individual is returned per job, in
    any order. An individual depends on its task and job alone. An error of one individual is a status of that
    individual and never an exception. A worker or machine that is lost costs time and no result.
    """

    n_workers: int

    def evaluate_all(self, task: Task, jobs: Sequence[Job]) -> Iterator[Individual]:
        """Evaluate the individuals of some jobs; a worker may be sent several jobs at once."""

    def evaluate_stream(self, task: Task, jobs: deque[Job]) -> Iterator[Individual]:
        """Evaluate the individuals of jobs to which the caller adds, without a barrier.

        Jobs are taken from the left of `jobs`, each as soon as a worker is free, and each worker is sent one job at a
        time. Whenever an individual is returned, the caller may append jobs before it asks for the next individual. The
        stream ends when `jobs` is empty and no individual is being evaluated.
        """

    def time_of_workers(self) -> Sequence[Mapping[str, float]]:
        """Return the seconds that each worker so far has spent on each activity; empty without workers."""

    def __enter__(self) -> Self:
        """Start."""

    def __exit__(self, *exception: object) -> None:
        """Stop."""
