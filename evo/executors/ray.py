"""Evaluation on Ray, on the cores of one machine or on a cluster, with the results of a serial run.

Long-lived actors receive chunks of jobs, because a Ray call costs about a millisecond and a tiny network costs little
more. If an actor is lost, other actors evaluate the individuals of its chunk one by one: a lost worker costs a retry,
never a result. An individual that takes its worker along again and again, because its fitness ends the process, say,
gets the status ``failed``. An actor that is late is ended, and its individuals are evaluated one by one too. Only
actors that have answered get jobs, so an actor that cannot start delays nothing and accuses nobody. The fitness and own
parts travel by value (:mod:`evo.executors.travel`). Only these two modules import ray.
"""

import logging
import math
import os
import signal
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray._private import ray_constants
from ray.exceptions import NodeDiedError, ObjectLostError, OutOfMemoryError, RayActorError

from cnn.checks import whole_number
from cnn.compile.compilation import single_threaded_blas
from evo.environment import usable_cores
from evo.errors import EvoMatrixError
from evo.evolution.fitness import Fitness, negative_loss
from evo.evolution.individual import Individual, evaluate_individual, failed_individual
from evo.evolution.job import Job, Task
from evo.executors.failure_log import FailureLog
from evo.executors.memory import limit_memory
from evo.executors.travel import TRAVELLING, pack, unpack

logger = logging.getLogger(__name__)

CHUNKS_PER_WORKER = 4
"""Chunks of one generation per worker: few calls, and yet no worker is idle for long at the end."""

MAX_LOSSES = 3
"""Workers that may be lost while they evaluate one individual alone; then it has failed."""

MAX_LOST_STARTS = 8
"""Number of actors lost in a row before they answered, after which a run ends with an error."""


EXISTING = "existing"
"""The address of the Ray that runs in this process already."""

LOST = (RayActorError, OutOfMemoryError, NodeDiedError, ObjectLostError)
"""What Ray raises if a worker is lost, or its machine and the result with it."""


class ClusterError(EvoMatrixError):
    """Ray cannot be started or reached, or it loses too many workers."""


class _Worker:
    """One process, which evaluates individuals of one task at a time."""

    def __init__(self, memory: float | None) -> None:
        # Ctrl-C is for the driver. A KeyboardInterrupt in this process is an error of the code that raises it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._memory = memory
        self._cargo = b""
        self._fitness: Fitness = negative_loss

    def start(self, cargo: bytes, task: Task, warm_up: Job | None) -> None:
        """Unpack the user's code and load the kernels, for which no individual shall have to answer."""
        self._unpack(cargo)
        if warm_up is not None:
            brief = task.evolution.model_copy(update={"steps_per_generation": 1})
            evaluate_individual(replace(task, evolution=brief, metrics=()), warm_up)
        if self._memory is not None:
            limit_memory(self._memory)

    def evaluate_chunk(self, cargo: bytes, task: Task, jobs: list[Job]) -> list[Individual]:
        self._unpack(cargo)
        task = replace(task, fitness=self._fitness)
        with single_threaded_blas():
            return [evaluate_individual(task, job) for job in jobs]

    def _unpack(self, cargo: bytes) -> None:
        if cargo != self._cargo:
            self._fitness, self._cargo = unpack(cargo), cargo


_Actor: Any = ray.remote(num_cpus=1, max_restarts=0)(_Worker)


@dataclass(frozen=True)
class _Evaluation:
    """A chunk, the actor that evaluates it, and the time by which the actor has to answer."""

    actor: Any
    chunk: list[Job]
    deadline: float


class RayExecutor:
    """Evaluates individuals on Ray actors.

    Parameters
    ----------
    n_workers : int, optional
        Number of actors, with one core each. By default the number of cores of the machine or cluster.
    address : str, optional
        Address of an existing cluster (``"auto"`` or ``"host:6379"``), or ``"existing"`` for the Ray that runs in this
        process; it goes on afterwards. By default Ray is started on this machine for this run only, and existing
        clusters are not used.
    timeout : float, optional
        Seconds that one individual may take. An actor may take so many times as many as it has individuals.
    memory : float, optional
        GiB that an actor may have beyond what it has when it starts; Linux only.
    """

    def __init__(
        self,
        n_workers: int | None = None,
        address: str | None = None,
        *,
        timeout: float | None = None,
        memory: float | None = None,
    ) -> None:
        self.n_workers = 0 if n_workers is None else whole_number("n_workers", n_workers, 1)
        self.address = address
        self.timeout = timeout
        self.memory = memory
        self._starting: dict[Any, Any] = {}
        self._idle: deque[Any] = deque()
        self._running: dict[Any, _Evaluation] = {}
        self._task: Task | None = None
        self._own: list[list[Any]] = []
        self._references: tuple[Any, Any] = None, None
        self._lost_starts = 0
        self._failures = FailureLog()

    def __enter__(self) -> Self:
        """Start Ray, or connect to it.

        Raises
        ------
        ClusterError
            If Ray does not start, or the cluster at `address` cannot be reached.
        """
        if self.address == EXISTING:
            if not ray.is_initialized():
                raise ClusterError(
                    'address="existing" needs a Ray that runs in this process; call ray.init() first'
                )
            self._count_workers()
            return self
        if ray.is_initialized():
            raise ClusterError(
                'Ray runs in this process already; address="existing" uses it, ray.shutdown() ends it'
            )
        try:
            self._connect()
            self._count_workers()
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

    def _connect(self) -> None:
        """Connect to the cluster at the address; without one start Ray on this machine, for this machine only."""
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self.address is not None:
            _check_reachable(self.address)
            ray.init(address=self.address, **options)
            return
        options["include_dashboard"] = False
        options["num_cpus"] = max(self.n_workers, usable_cores())
        with _on_loopback():
            ray.init(address="local", **options)

    def _count_workers(self) -> None:
        if not self.n_workers:
            resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
            self.n_workers = max(1, int(resources.get("CPU", 1)))

    def __exit__(self, *exception: object) -> None:
        """Stop the actors, and Ray if it was started here."""
        actors = [*self._starting.values(), *self._idle]
        actors += [one.actor for one in self._running.values()]
        self._starting, self._idle, self._running = {}, deque(), {}
        self._task, self._references = None, (None, None)
        if self.address != EXISTING:
            ray.shutdown()
            return
        for actor in actors:
            ray.kill(actor)

    def evaluate_all(self, task: Task, jobs: Sequence[Job]) -> Iterator[Individual]:
        """Yield one individual per job, in the order in which they finish.

        Raises
        ------
        ClusterError
            If more than `MAX_LOST_STARTS` actors in a row are lost before they answer.
        TravelError
            If an own part cannot be sent to the workers.
        """
        if not jobs:  # of a generation that was finished when its process stopped
            return
        for unfinished in self._running.values():  # of an earlier call that was left before its end
            ray.kill(unfinished.actor)
        self._running = {}
        self._put(task)
        size = -(-len(jobs) // (self.n_workers * CHUNKS_PER_WORKER))
        waiting = deque(list(jobs[k : k + size]) for k in range(0, len(jobs), size))
        losses: Counter[int] = Counter()
        while waiting or self._running:
            while len(self._starting) + len(self._idle) + len(self._running) < self.n_workers:
                self._start(jobs[0])
            while waiting and self._idle:
                self._evaluate(self._idle.popleft(), waiting.popleft())
            answer = self._next_answer()
            if answer is None:
                yield from self._end_late_workers(waiting)
                continue
            if answer in self._starting:
                self._note_start(answer)
                continue
            evaluation = self._running.pop(answer)
            try:
                individuals = ray.get(answer)
            except LOST as error:
                yield from _after_loss(evaluation.chunk, losses, waiting, error)
                continue
            self._idle.append(evaluation.actor)
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

    def _start(self, job: Job) -> None:
        """Start an actor, which answers when it is ready; if its time is measured, it is warmed up by a job."""
        warm_up = None
        if self.timeout is not None:
            warm_up = replace(job, modification="none", optimizer_state=None, first_step=0)
        actor = _Actor.remote(self.memory)
        self._starting[actor.start.remote(*self._references, warm_up)] = actor

    def _evaluate(self, actor: Any, chunk: list[Job]) -> None:
        """Give a chunk to an actor."""
        seconds = math.inf if self.timeout is None else len(chunk) * self.timeout
        answer = actor.evaluate_chunk.remote(*self._references, chunk)
        self._running[answer] = _Evaluation(actor, chunk, time.monotonic() + seconds)

    def _next_answer(self) -> Any:
        """Wait for an actor; return its answer, or None if an actor is late before one answers."""
        deadline = min((one.deadline for one in self._running.values()), default=math.inf)
        seconds = None if deadline == math.inf else max(0.0, deadline - time.monotonic())
        answers, _ = ray.wait([*self._running, *self._starting], num_returns=1, timeout=seconds)
        return answers[0] if answers else None

    def _end_late_workers(self, waiting: deque[list[Job]]) -> Iterator[Individual]:
        """End the actors that are late; yield an individual that was alone, let others be evaluated one by one."""
        now = time.monotonic()
        late = [answer for answer, one in self._running.items() if one.deadline <= now]
        for answer in late:
            evaluation = self._running.pop(answer)
            ray.kill(evaluation.actor)
            if len(evaluation.chunk) > 1:
                logger.warning(
                    "a worker was late; other workers evaluate its individuals again, one by one"
                )
                _put_first(waiting, evaluation.chunk)
                continue
            (job,) = evaluation.chunk
            reason = f"took longer than evaluation.timeout = {self.timeout:g} s"
            logger.warning("individual %d failed: %s", job.individual, reason)
            yield failed_individual(job, reason)

    def _note_start(self, answer: Any) -> None:
        """Give jobs to an actor that has answered; raise ClusterError if too many are lost before."""
        actor = self._starting.pop(answer)
        try:
            ray.get(answer)
        except LOST as error:
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
    chunk: list[Job], losses: Counter[int], waiting: deque[list[Job]], error: Exception
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
    _put_first(waiting, chunk)


def _put_first(waiting: deque[list[Job]], jobs: Sequence[Job]) -> None:
    """Let jobs be evaluated next, each alone."""
    waiting.extendleft([job] for job in reversed(jobs))


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Let Ray take the loopback interface for the address of this machine, as it does on macOS and Windows.

    Its ports are then bound to this interface only. An option of `ray.init` for it does not exist: Ray replaces
    127.0.0.1 by an address that others can reach.
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _check_reachable(address: str) -> None:
    """Raise OSError if nothing listens at host:port; Ray itself would try for minutes and then end the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
