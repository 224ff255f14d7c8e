"""Executors: individuals are evaluated in this process or on Ray.

All executors give the same results and differ in speed only. The Ray executor is imported where it is used.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, Self

from evo.evolution.individual import Individual
from evo.evolution.job import Job, Task, Work
from evo.executors.serial import SerialExecutor

__all__ = ["Executor", "SerialExecutor", "evaluate_all"]


class Executor(Protocol):
    """The contract of an executor.

    An executor is a context manager, which starts and stops its workers. Exactly one individual is returned per job, in
    any order. An individual depends on its task and job alone. An error of one individual is a status of that
    individual and never an exception. A worker or machine that is lost costs time and no result.
    """

    n_workers: int

    def evaluate(
        self, work: deque[Work], *, one_by_one: bool = False
    ) -> Iterator[tuple[Task, Individual]]:
        """Evaluate the individuals of jobs; return each with its task.

        Jobs are taken from the left of `work`, as soon as a worker is free. Whenever an individual is returned, the
        caller may append jobs before it asks for the next individual. The iterator ends when `work` is empty and no
        individual is being evaluated.

        Parameters
        ----------
        work : deque of Work
            Jobs of one task or more. All tasks have the same fitness.
        one_by_one : bool
            Whether each worker is sent one job at a time; otherwise a worker may be sent several at once.
        """

    def release(self, task: Task) -> None:
        """Forget a task that has no more jobs, so that its data no longer take memory."""

    def time_of_workers(self) -> Sequence[Mapping[str, float]]:
        """Return the seconds that each worker so far has spent on each activity; empty without workers."""

    def __enter__(self) -> Self:
        """Start."""

    def __exit__(self, *exception: object) -> None:
        """Stop."""


def evaluate_all(
    executor: Executor, task: Task, jobs: Sequence[Job], *, one_by_one: bool = False
) -> Iterator[Individual]:
    """Yield one individual per job of one task, in the order in which they finish."""
    work = deque(Work(task, job) for job in jobs)
    return (individual for _, individual in executor.evaluate(work, one_by_one=one_by_one))
