"""Evaluation on Ray, on the cores of one machine or on a cluster, with the results of a serial run.

Long-lived actors receive chunks of jobs, because a Ray call costs about a millisecond and a tiny network costs little
more. If an actor is lost, other actors evaluate the individuals of its chunk one by one: a lost worker costs a retry,
never a result. An individual that takes its worker along again and again, because its fitness ends the process, say,
gets the status ``failed``. Only actors that have answered get jobs, so an actor that cannot start delays nothing and
accuses nobody. The fitness and own parts travel by value (:mod:`evo.executors.travel`). Only these two modules import
ray.
"""

import logging
import os
import socket
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Self

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray.exceptions import RayActorError

from cnn.checks import whole_number
from cnn.compile.compilation import single_threaded_blas
from evo.environment import usable_cores
from evo.errors import EvoMatrixError
from evo.evolution.fitness import Fitness, negative_loss
from evo.evolution.individual import Individual, evaluate_individual, failed_individual
from evo.evolution.job import Job, Task
from evo.executors.failure_log import FailureLog
from evo.executors.travel import TRAVELLING, pack, unpack

logger = logging.getLogger(__name__)

CHUNKS_PER_WORKER = 4
"""Chunks of one generation per worker: few calls, and yet no worker is idle for long at the end."""

MAX_LOSSES = 3
"""Workers that may be lost while they evaluate one individual alone; then it has failed."""

MAX_LOST_STARTS = 8
"""Number of actors lost in a row before they answered, after which a run ends with an error."""


class ClusterError(EvoMatrixError):
    """Ray cannot be started or reached, or it loses too many workers."""


class _Worker:
    """One process, which evaluates individuals of one task at a time."""

    def __init__(self) -> None:
        self._cargo = b""
        self._fitness: Fitness = negative_loss

    def evaluate_chunk(self, cargo: bytes, task: Task, jobs: list[Job]) -> list[Individual]:
        if cargo != self._cargo:
            self._fitness, self._cargo = unpack(cargo), cargo
        task = replace(task, fitness=self._fitness)
        with single_threaded_blas():
            return [evaluate_individual(task, job) for job in jobs]


_Actor: Any = ray.remote(num_cpus=1, max_restarts=0)(_Worker)


class RayExecutor:
    """Evaluates individuals on Ray actors.

    Parameters
    ----------
    n_workers : int, optional
        Number of actors, with one core each. By default the number of cores of the machine or cluster.
    address : str, optional
        Address of an existing cluster (``"auto"`` or ``"host:6379"``). By default Ray is started on this machine for
        this run only, and existing clusters are not used.
    """

    def __init__(self, n_workers: int | None = None, address: str | None = None) -> None:
        self.n_workers = 0 if n_workers is None else whole_number("n_workers", n_workers, 1)
        self.address = address
        self._starting: dict[Any, Any] = {}
        self._idle: deque[Any] = deque()
        self._task: Task | None = None
        self._own: list[list[Any]] = []
        self._references: tuple[Any, Any] = None, None
        self._lost_starts = 0
        self._failures = FailureLog()

    def __enter__(self) -> Self:
        """Start Ray, or connect to it, and start the actors.

        Raises
        ------
        ClusterError
            If Ray does not start, or the cluster at `address` cannot be reached.
        """
        options: dict[str, Any] = {
            "address": self.address or "local",
            "log_to_driver": False,
            "logging_level": logging.ERROR,
        }
        if self.address is None:
            options["include_dashboard"] = False
            options["num_cpus"] = max(self.n_workers, usable_cores())
        if ray.is_initialized():
            raise ClusterError(
                "Ray must not run in this process already; call ray.shutdown() first"
            )
        try:
            if self.address is not None:
                _check_reachable(self.address)
            ray.init(**options)
            if not self.n_workers:
                resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
                self.n_workers = max(1, int(resources.get("CPU", 1)))
        except (
            BaseException
        ) as error:  # Ray raises a plain Exception if its own start takes too long
            ray.shutdown()  # a start that failed halfway would forbid every later start
            if not isinstance(error, Exception):
                raise
            first_line = _first_line(error)
            problem = f"--address {self.address}: no Ray cluster there"
            if self.address is None:
                problem = "Ray did not start on this machine; --workers 0 works without it"
            raise ClusterError(f"{problem} ({first_line})") from error
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop the actors, and Ray if it was started here."""
        self._starting, self._idle = {}, deque()
        self._task, self._references = None, (None, None)
        ray.shutdown()

    def evaluate_all(self, task: Task, jobs: Sequence[Job]) -> Iterator[Individual]:
        """Yield one individual per job, in the order in which they finish.

        Raises
        ------
        ClusterError
            If more than `MAX_LOST_STARTS` actors in a row are lost before they answer.
        TravelError
            If an own part cannot be sent to the workers.
        """
        self._put(task)
        size = -(-len(jobs) // (self.n_workers * CHUNKS_PER_WORKER))
        waiting = deque(list(jobs[k : k + size]) for k in range(0, len(jobs), size))
        running: dict[Any, tuple[Any, list[Job]]] = {}
        losses: Counter[int] = Counter()
        while waiting or running:
            while len(self._starting) + len(self._idle) + len(running) < self.n_workers:
                self._start()
            while waiting and self._idle:
                actor, chunk = self._idle.popleft(), waiting.popleft()
                running[actor.evaluate_chunk.remote(*self._references, chunk)] = actor, chunk
            (finished,), _ = ray.wait([*running, *self._starting], num_returns=1)
            if finished in self._starting:
                self._note_start(finished)
                continue
            actor, chunk = running.pop(finished)
            try:
                individuals = ray.get(finished)
            except RayActorError as error:
                yield from _after_loss(chunk, losses, waiting, error)
                continue
            self._idle.append(actor)
            for individual in individuals:
                self._failures.note(individual)
                yield individual
        self._failures.tell_counts()

    def _put(self, task: Task) -> None:
        """Put the task and the own parts where workers find them, unless they are there already."""
        own = [list(registry.own.values()) for registry in TRAVELLING]
        if task is not self._task or own != self._own:
            cargo = ray.put(pack(task.fitness))
            self._references = cargo, ray.put(replace(task, fitness=negative_loss))
            self._task, self._own = task, own

    def _start(self) -> None:
        """Start an actor with an empty chunk; its answer says that it has unpacked the task."""
        actor = _Actor.remote()
        self._starting[actor.evaluate_chunk.remote(*self._references, [])] = actor

    def _note_start(self, answer: Any) -> None:
        """Give jobs to an actor that has answered; raise ClusterError if too many are lost before."""
        actor = self._starting.pop(answer)
        try:
            ray.get(answer)
        except RayActorError as error:
            self._lost_starts += 1
            if self._lost_starts > MAX_LOST_STARTS:
                raise ClusterError(
                    f"Ray lost {self._lost_starts} workers as they started; the last one: {_first_line(error)}"
                ) from error
            logger.warning("a worker was lost as it started; another one starts")
        else:
            self._lost_starts = 0
            self._idle.append(actor)


def _after_loss(
    chunk: list[Job], losses: Counter[int], waiting: deque[list[Job]], error: RayActorError
) -> Iterator[Individual]:
    """Let the individuals of a lost worker be evaluated one by one; yield an individual that was lost too often."""
    if len(chunk) == 1:
        (job,) = chunk
        losses[job.individual] += 1
        if losses[job.individual] == MAX_LOSSES:
            reason = f"worker was lost {MAX_LOSSES} times, each time in the evaluation of this individual alone"
            logger.warning(
                "individual %d failed: %s (%s)", job.individual, reason, _first_line(error)
            )
            yield failed_individual(job, reason)
            return
    logger.warning("a worker was lost; another worker evaluates its individuals again")
    waiting.extendleft([job] for job in reversed(chunk))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _check_reachable(address: str) -> None:
    """Raise OSError if nothing listens at host:port; Ray itself would try for minutes and then end the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
