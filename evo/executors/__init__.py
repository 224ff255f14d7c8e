"""Executors: where individuals are raised. All give the same results; they differ in speed only."""

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self

from evo.evolution.individual import Individual
from evo.evolution.job import Job, Task
from evo.executors.serial import SerialExecutor

__all__ = ["Executor", "SerialExecutor"]


class Executor(Protocol):
    """The contract.

    Used as a context manager, which starts and stops whatever it needs. `evaluate_all` yields exactly one individual
    per job, in any order; an error of a single individual is a status of that individual and never an exception.
    """

    n_workers: int

    def evaluate_all(self, task: Task, jobs: Sequence[Job]) -> Iterator[Individual]:
        """Raise the individuals of some jobs."""

    def __enter__(self) -> Self:
        """Start."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
