"""Evaluation on Ray, on the cores of one machine or on a cluster, with the results of a serial run.

The workers are long-lived actors with one core each. The scheduler (:mod:`evo.executors.scheduler`) decides who
evaluates what; here is what it needs of Ray. A task is put into Ray's object store once and is read by all workers of a
machine from its shared memory. So is the parent of several individuals, if it is large. The fitness and own parts
travel by value (:mod:`evo.executors.travel`). Only these two modules import ray.
"""

import itertools
import logging
import math
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from typing import Any, Self
from weakref import WeakKeyDictionary

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray._private import ray_constants
from ray.exceptions import (
    ActorUnavailableError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
)

from cnn.checks import whole_number
from cnn.compile.compilation import single_threaded_blas
from cnn.training.trainer import OptimizerState
from evo.environment import usable_cores
from evo.evolution.fitness import negative_loss
from evo.evolution.individual import Individual, evaluate_individual
from evo.evolution.job import Job, Judge, Task, Work
from evo.executors.failure_log import FailureLog
from evo.executors.memory import limit_memory
from evo.executors.parcels import (
    Parent,
    parents_of,
    with_job,
    with_parents,
    without_job,
    without_parents,
)
from evo.executors.scheduler import Answer, ClusterError, Event, Loss, Ready, Scheduler
from evo.executors.travel import TRAVELLING, cloudpickle, pack, unpack
from evo.genome.genome import Genome
from evo.interruption import kept_handlers
from evo.time_account import counting_time, spending, time_spent

__all__ = ["EXISTING", "ClusterError", "RayExecutor"]

EXISTING = "existing"
"""The address of the Ray that runs in this process already."""

LARGE = 100_000
"""Bytes from which a parent is put into the object store. Ray sends smaller objects with a message."""

SECONDS_BETWEEN_COUNTS = 5.0
"""Least time between two counts of the cores of a cluster: machines come and go."""

LOST = (RayActorError, OutOfMemoryError, NodeDiedError, ObjectLostError)
"""What Ray raises if a worker is lost, or its machine and the result with it."""


def pack_chunk(chunk: Sequence[Job]) -> tuple[bytes, list[Parent]]:
    """Return the message that brings jobs to a worker, and the large parents, which are no part of it."""
    with spending("messages"):
        parents = parents_of(chunk)
        small = [one for one in parents if one.nbytes < LARGE]
        large = [one for one in parents if one.nbytes >= LARGE]
        return _packed((without_parents(chunk, [*small, *large]), small)), large


def pack_answers(individuals: Sequence[Individual]) -> bytes:
    """Return the message that brings individuals to the driver."""
    with spending("messages"):
        return _packed([without_job(one) for one in individuals])


def unpack_answers(message: bytes, chunk: Sequence[Job]) -> Iterator[Individual]:
    """Yield the individuals of a chunk."""
    with spending("messages"):
        found = [
            with_job(values, job)
            for values, job in zip(cloudpickle.loads(message), chunk, strict=True)
        ]
    yield from found


def _packed(found: object) -> bytes:
    """Return an object as bytes.

    Ray itself would pass each array as a buffer of its own. For small arrays this takes ten times as long, and one
    array that is kept keeps the arrays of the whole chunk in memory.
    """
    packed: bytes = cloudpickle.dumps(found)
    return packed


class _Worker:
    """One process, which evaluates individuals."""

    def __init__(self, memory: float | None) -> None:
        # Ctrl-C is for the driver. A KeyboardInterrupt in this process is an error of the code that raises it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._memory = memory
        self._cargo = b""
        self._fitness: Judge = negative_loss
        self._tasks: dict[int, Task] = {}

    def take(self, cargo: bytes, warm_up: Work | None) -> str:
        """Unpack the user's code, and load the kernels, for which no individual shall have to answer.

        Returns the name of the machine.
        """
        if cargo != self._cargo:
            self._fitness, self._cargo = unpack(cargo), cargo
            self._tasks.clear()
        if warm_up is not None:
            task, job = warm_up
            brief = task.evolution.model_copy(update={"steps_per_generation": 1})
            evaluate_individual(replace(task, evolution=brief, metrics=()), job)
        if self._memory is not None:
            limit_memory(self._memory)
            self._memory = None
        return str(ray.get_runtime_context().get_node_id())

    def evaluate(
        self, number: int, kept: Sequence[int], place: Sequence[Any], message: bytes, *large: Parent
    ) -> tuple[bytes, dict[str, float]]:
        """Evaluate a chunk; return the answer and the seconds that each activity took.

        Parameters
        ----------
        number : int
            The number of the task.
        kept : sequence of int
            The numbers of the tasks that may have more jobs; others are forgotten.
        place : sequence
            The reference of the task, if this worker does not have it.
        message : bytes
            Jobs and small parents.
        *large
            Large parents. The number of a parent counts the small ones first.
        """
        with counting_time(), single_threaded_blas():
            with spending("messages"):
                self._tasks = {one: self._tasks[one] for one in kept if one in self._tasks}
                for reference in place:
                    task: Task = ray.get(reference)
                    self._tasks[number] = replace(task, fitness=self._fitness)
                values, small = cloudpickle.loads(message)
                jobs = with_parents(values, [*small, *large])
            answer = pack_answers([evaluate_individual(self._tasks[number], job) for job in jobs])
            return answer, time_spent()


_Actor: Any = ray.remote(num_cpus=1, max_restarts=0)(_Worker)


@dataclass
class _WorkerAccount:
    """The time of a worker since it was ready: the seconds of each activity in its chunks."""

    ready: float
    seconds: dict[str, float] = field(default_factory=dict)
    ended: float | None = None

    def add(self, spent: Mapping[str, float]) -> None:
        """Add the seconds of a chunk."""
        for activity, seconds in spent.items():
            self.seconds[activity] = self.seconds.get(activity, 0.0) + seconds

    def until(self, now: float) -> dict[str, float]:
        """Return the seconds of each activity, and those in which the worker had nothing to do."""
        idle = (now if self.ended is None else self.ended) - self.ready - sum(self.seconds.values())
        return {**self.seconds, "idle": max(0.0, idle)}


@dataclass
class _Expected:
    """An answer that an actor shall give, about a chunk; without jobs the actor tells that it is ready."""

    chunk: Sequence[Job]
    got: Future[Any] | None = None


class RayBackend:
    """Workers on Ray, as the scheduler needs them (:class:`evo.executors.scheduler.Backend`).

    Parameters
    ----------
    memory : float or None
        GiB that a worker may have beyond what it has when it starts.
    warm : bool
        Whether a worker evaluates a job for trial before it is ready.
    """

    def __init__(self, memory: float | None, *, warm: bool) -> None:
        self._memory = memory
        self._warm = warm
        self._fitness: Judge | None = None
        self._own: list[list[Any]] = []
        self._tasks: dict[Task, tuple[int, Any]] = {}
        self._numbers = itertools.count()
        self._known: dict[Any, set[int]] = {}
        self._given: tuple[Any, ...] = ()
        self._large: WeakKeyDictionary[Genome, tuple[OptimizerState | None, Any]] = (
            WeakKeyDictionary()
        )
        self._expected: dict[Any, deque[_Expected]] = {}  # of each actor, in the order of its work
        self._answers: SimpleQueue[tuple[Any, _Expected, Future[Any]]] = SimpleQueue()
        self._machine_of: dict[Any, str] = {}
        self._account_of: dict[Any, _WorkerAccount] = {}

    def put(self, work: Work) -> bool:
        """Put the fitness and own parts where workers find them; return False if they are there already.

        With `work` workers are warmed up, if they are to be.
        """
        own = [list(registry.own.values()) for registry in TRAVELLING]
        task, job = work
        if task.fitness is self._fitness and own == self._own:
            return False
        warm_up = None
        if self._warm:
            brief = replace(job, modification="none", optimizer_state=None, first_step=0)
            warm_up = Work(task.without_own_code(), brief)
        self._given = ray.put(pack(task.fitness)), ray.put(warm_up)
        self._fitness, self._own = task.fitness, own
        self._known.clear()
        return True

    def release(self, task: Task) -> None:
        """Forget a task; Ray frees its memory when no worker has it."""
        self._tasks.pop(task, None)

    def now(self) -> float:
        """Return the time."""
        return time.monotonic()

    def start(self) -> Any:
        """Ask Ray for an actor; Ray places it as soon as a core is free."""
        actor = _Actor.remote(self._memory)
        self.renew(actor)
        return actor

    def renew(self, worker: Any) -> None:
        """Let an actor take the fitness and own parts."""
        self._expect(worker, worker.take.remote(*self._given), ())

    def evaluate(self, worker: Any, task: Task, chunk: Sequence[Job]) -> None:
        """Send a chunk to an actor, and the reference of its task, if the actor does not have it."""
        if task.fitness is not self._fitness:
            raise ValueError("tasks that share workers must have the same fitness")
        if task not in self._tasks:
            reference = ray.put(task.without_own_code())
            self._tasks[task] = next(self._numbers), reference
        number, reference = self._tasks[task]
        kept = {one for one, _ in self._tasks.values()}
        known = self._known.get(worker, set())
        place = [] if number in known else [reference]
        self._known[worker] = (known & kept) | {number}
        message, large = pack_chunk(chunk)
        answer = worker.evaluate.remote(
            number, [*kept], place, message, *map(self._reference, large)
        )
        self._expect(worker, answer, chunk)

    def _reference(self, parent: Parent) -> Any:
        """Return the reference of a large parent, which is in the object store for as long as its genome lives."""
        state, reference = self._large.get(parent.genome, (None, None))
        if reference is None or state is not parent.optimizer_state:
            reference = ray.put(parent)
            self._large[parent.genome] = parent.optimizer_state, reference
        return reference

    def _expect(self, worker: Any, answer: Any, chunk: Sequence[Job]) -> None:
        expected = _Expected(chunk)
        self._expected.setdefault(worker, deque()).append(expected)
        answer.future().add_done_callback(lambda got: self._answers.put((worker, expected, got)))

    def wait(self, seconds: float) -> list[Event]:
        """Return the answers of actors, and which actors are lost.

        Ray calls back for each answer. ``ray.wait`` would look at the references of all actors each time.
        """
        try:
            with spending("wait"):
                answers = [self._answers.get(timeout=None if seconds == math.inf else seconds)]
        except Empty:
            return []
        while not self._answers.empty():
            answers.append(self._answers.get())
        for _, expected, got in answers:
            expected.got = got
        return [
            event
            for worker in dict.fromkeys(worker for worker, *_ in answers)
            for event in self._events_of(worker)
        ]

    def _events_of(self, worker: Any) -> Iterator[Event]:
        """Yield what an actor tells, up to the first answer that is missing: the one after it may have come before."""
        expected = self._expected.get(worker, deque())
        while expected and (got := expected[0].got) is not None:
            yield self._event(worker, expected.popleft().chunk, got)

    def _event(self, worker: Any, chunk: Sequence[Job], got: Future[Any]) -> Event:
        try:
            answer = got.result()
        except LOST as error:
            with_machine = bool(chunk) and self._machine_is_lost(worker, error)
            return Loss(worker, _first_line(error), with_machine=with_machine)
        if not chunk:
            self._machine_of[worker] = answer
            self._account_of.setdefault(worker, _WorkerAccount(self.now()))
            return Ready(worker)
        message, spent = answer
        self._account_of[worker].add(spent)
        return Answer(worker, unpack_answers(message, chunk), sum(spent.values()))

    def _machine_is_lost(self, worker: Any, error: Exception) -> bool:
        """Return whether the machine of an actor is lost, or cannot be reached."""
        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        alive = {node["NodeID"] for node in nodes if node["Alive"]}
        unreachable = isinstance(error, ActorUnavailableError | NodeDiedError)
        return unreachable or self._machine_of.get(worker) not in alive

    def end(self, worker: Any) -> None:
        """Kill an actor."""
        ray.kill(worker)
        self._expected.pop(worker, None)
        self._machine_of.pop(worker, None)
        self._known.pop(worker, None)
        if worker in self._account_of:
            self._account_of[worker].ended = self.now()

    def time_of_workers(self) -> list[dict[str, float]]:
        """Return the seconds that each worker has spent on each activity, in the order in which they were ready."""
        return [account.until(self.now()) for account in self._account_of.values()]

    def has_room(self) -> bool:
        """Return whether the cluster has a free core."""
        free: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]
        return free.get("CPU", 0) >= 1


class RayExecutor:
    """Evaluates individuals on Ray actors.

    Parameters
    ----------
    n_workers : int, optional
        Number of actors, with one core each. By default the number of cores of the machine or cluster, which is counted
        again at each call. The run goes on with fewer where there are fewer cores, and uses those that are added.
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
        self._counts_cores = n_workers is None
        self.address = address
        self.timeout = timeout
        self.memory = memory
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
            self._schedule()
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
        self._schedule()
        return self

    def _connect(self) -> None:
        """Connect to the cluster at the address; without one start Ray on this machine, for this machine only."""
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self.address is not None:
            _check_reachable(self.address)
            with kept_handlers():
                ray.init(address=self.address, **options)
            return
        options["include_dashboard"] = False
        options["num_cpus"] = max(self.n_workers, usable_cores())
        with _on_loopback(), kept_handlers():
            ray.init(address="local", **options)

    def _count_workers(self) -> None:
        if self._counts_cores:
            resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
            self.n_workers = max(1, int(resources.get("CPU", 1)))

    def _recount(self) -> None:
        """Ask for as many workers as there are cores now."""
        self._count_workers()
        self._scheduler.n_workers = self.n_workers

    def _schedule(self) -> None:
        self._backend = RayBackend(self.memory, warm=self.timeout is not None)
        self._scheduler = Scheduler(self._backend, self.n_workers, self.timeout)

    def __exit__(self, *exception: object) -> None:
        """Stop the actors, and Ray if it was started here."""
        if self.address != EXISTING:
            ray.shutdown()
            return
        for worker in self._scheduler.workers:
            self._backend.end(worker)

    def time_of_workers(self) -> list[dict[str, float]]:
        """Return the seconds that each worker so far has spent on each activity, in the order of their start.

        A worker that was lost, or was ended, is one of them; what it did in its last chunk counts as idle.
        """
        return self._backend.time_of_workers()

    def evaluate(
        self, work: deque[Work], *, one_by_one: bool = False
    ) -> Iterator[tuple[Task, Individual]]:
        """Yield one individual per job with its task, in the order in which they finish.

        Raises
        ------
        ClusterError
            If workers are lost too often in a row before they answer.
        TravelError
            If an own part cannot be sent to the workers.
        ValueError
            If two tasks differ in their fitness.
        """
        if not work:  # of a generation that was finished when its process stopped
            return
        if self._backend.put(work[0]):
            self._scheduler.renew()
        self._recount()
        counted = time.monotonic()
        for task, individual in self._scheduler.evaluate(work, 1 if one_by_one else math.inf):
            self._failures.note(individual)
            yield task, individual
            if time.monotonic() - counted > SECONDS_BETWEEN_COUNTS:
                self._recount()
                counted = time.monotonic()
        self._failures.tell_counts()

    def release(self, task: Task) -> None:
        """Forget a task that has no more jobs."""
        self._backend.release(task)


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
