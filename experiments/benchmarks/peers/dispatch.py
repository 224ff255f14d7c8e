"""Peers of the dispatch benchmark: Ray's actors called by hand, and a pool of `multiprocessing`."""

import multiprocessing
from collections.abc import Sequence
from typing import Any

import ray

from cnn.compile.compilation import single_threaded_blas
from evo.evolution.individual import Individual, evaluate_individual
from evo.evolution.job import Job, Task


class _Evaluator:
    """An actor as one writes it first: it keeps the task, and a call evaluates one individual."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def evaluate(self, job: Job) -> Individual:
        return evaluate_individual(self._task, job)


class BareActors:
    """Actors on the Ray of this process; each call takes one job and returns the whole individual."""

    def __init__(self, n_workers: int, task: Task) -> None:
        actor: Any = ray.remote(num_cpus=0)(
            _Evaluator
        )  # our workers hold the cores, and wait meanwhile
        reference = ray.put(task)
        self._actors = [actor.remote(reference) for _ in range(n_workers)]

    def evaluate_all(self, jobs: Sequence[Job]) -> list[Individual]:
        """Call the actors in turn and wait for all answers."""
        actors, n = self._actors, len(self._actors)
        calls = [actors[k % n].evaluate.remote(job) for k, job in enumerate(jobs)]
        found: list[Individual] = ray.get(calls)
        return found

    def end(self) -> None:
        """Kill the actors."""
        for actor in self._actors:
            ray.kill(actor)


_task: list[Task] = []
"""The task of this process, if it is one of a pool."""


def _take(task: Task) -> None:
    _task[:] = [task]


def _evaluate(job: Job) -> Individual:
    with single_threaded_blas():
        return evaluate_individual(_task[0], job)


class Pool:
    """Processes of `multiprocessing`, which are handed so many jobs at a time."""

    def __init__(self, n_workers: int, task: Task, chunk: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._chunk = chunk
        self._pool = context.Pool(n_workers, _take, (task,))

    def evaluate_all(self, jobs: Sequence[Job]) -> list[Individual]:
        """Evaluate jobs in the processes of the pool."""
        return list(self._pool.imap_unordered(_evaluate, jobs, self._chunk))

    def end(self) -> None:
        """End the processes."""
        self._pool.terminate()
        self._pool.join()
