"""Evaluation of one individual after the other in this process: for debugging, small runs, and without Ray."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from cnn.compile.compilation import single_threaded_blas
from evo.evolution.individual import Individual, evaluate_individual
from evo.evolution.job import Task, Work
from evo.executors.failure_log import FailureLog


class SerialExecutor:
    """Evaluates individuals in this process, in the order of the jobs."""

    n_workers = 0

    def __init__(self) -> None:
        self._failures = FailureLog()

    def evaluate(
        self, work: deque[Work], *, one_by_one: bool = False
    ) -> Iterator[tuple[Task, Individual]]:
        """Yield one individual per job; the caller may append jobs in between. They are always evaluated one by one."""
        with single_threaded_blas():
            while work:
                task, job = work.popleft()
                individual = evaluate_individual(task, job)
                self._failures.note(individual)
                yield task, individual
        self._failures.tell_counts()

    def release(self, task: Task) -> None:
        """Do nothing: only the caller holds the task."""

    def time_of_workers(self) -> Sequence[Mapping[str, float]]:
        """Return nothing: there are no workers."""
        return ()

    def __enter__(self) -> Self:
        """Nothing to start."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing to stop."""
