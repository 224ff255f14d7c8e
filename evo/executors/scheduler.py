"""The scheduler: which worker evaluates which individuals, and what happens if a worker is late or lost.

The scheduler knows no Ray, and no clock but that of its backend. A :class:`Backend` starts, feeds, watches and ends
workers; :mod:`evo.executors.ray` has the one of Ray. Jobs go only to workers that have answered. Each worker is sent a
*chunk* of jobs, because a message costs about a millisecond and a tiny network costs little more. Chunks become smaller
towards the end of the jobs, so that no worker is idle for long (guided self-scheduling: Polychronopoulos and Kuck
1987), and no chunk takes longer than about `CHUNK_SECONDS`, so that little is lost with a worker. While a worker
evaluates a chunk, the next one is sent ahead: it then has something to do while the driver commits a generation.

The work per individual does not depend on the number of workers or jobs.
"""

import heapq
import itertools
import logging
import math
from collections import Counter, deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from evo.errors import EvoMatrixError
from evo.evolution.individual import Individual, failed_individual
from evo.evolution.job import Job, Task, Work

logger = logging.getLogger(__name__)

CHUNK_SECONDS = 0.1
"""Seconds that a chunk may take, by the mean cost of the individuals so far; nobody knows costs in advance."""

MAX_LOSSES = 3
"""Workers that may be lost while they evaluate one individual alone; then it has failed."""

MAX_LOSSES_OF_MACHINES = 10
"""The same for workers that are lost with their machine, which is hardly the fault of the individual."""

MAX_LOST_STARTS = 8
"""How often in a row workers may be lost before one answers; then a run ends with an error."""

PATIENCE = 20.0
"""Seconds after which a worker that has not answered is mentioned."""

Worker = Hashable
"""What a backend calls a worker."""


class ClusterError(EvoMatrixError):
    """Ray cannot be started or reached, or it loses too many workers."""


@dataclass(frozen=True)
class Ready:
    """A worker has the user's own parts and can evaluate."""

    worker: Worker


@dataclass(frozen=True)
class Answer:
    """A worker has evaluated its chunk in so many seconds. The individuals may be unpacked when they are asked for."""

    worker: Worker
    individuals: Iterable[Individual]
    seconds: float


@dataclass(frozen=True)
class Loss:
    """A worker is lost; `with_machine` tells whether its whole machine is."""

    worker: Worker
    reason: str
    with_machine: bool = False


Event = Ready | Answer | Loss


class Backend(Protocol):
    """What the scheduler needs of the system that runs the workers. No function but `wait` waits."""

    def now(self) -> float:
        """Return the time in seconds, from any start."""

    def start(self) -> Worker:
        """Ask for a worker. It may never come, or come late: an event tells when it is ready or lost."""

    def renew(self, worker: Worker) -> None:
        """Let a worker take the user's own parts and tell that it is ready."""

    def evaluate(self, worker: Worker, task: Task, chunk: Sequence[Job]) -> None:
        """Send a chunk of jobs of one task to a worker that is ready; an event brings the answer.

        A worker evaluates its chunks in the order in which they are sent, and so come the answers.
        """

    def wait(self, seconds: float) -> Sequence[Event]:
        """Return all that has happened; wait for the first event, up to so many seconds (may be infinite)."""

    def end(self, worker: Worker) -> None:
        """End a worker at once, lost ones too; there is no event of it any more."""

    def has_room(self) -> bool:
        """Return whether a core is free for a worker that has not answered yet."""


@dataclass(frozen=True, eq=False)
class _Evaluation:
    """A chunk that a worker evaluates. All evaluations are numbered."""

    number: int
    task: Task
    chunk: Sequence[Job]


class Scheduler:
    """Lets the workers of a backend evaluate jobs.

    Parameters
    ----------
    backend : Backend
    n_workers : int
        Number of workers to ask for, which may be changed. The run goes on with those that answer.
    timeout : float, optional
        Seconds that one individual may take. A worker may take so many times as many as it has individuals.
    """

    def __init__(self, backend: Backend, n_workers: int, timeout: float | None = None) -> None:
        self._backend = backend
        self.n_workers = n_workers
        self._timeout = timeout
        self._starting: dict[Worker, int] = {}  # and the number of lost starts before
        self._idle: deque[Worker] = deque()
        self._running: dict[Worker, _Evaluation] = {}
        self._ahead: dict[Worker, _Evaluation] = {}  # what comes after the running one
        self._deadlines: list[
            tuple[float, int, Worker]
        ] = []  # a heap, with some that no longer count
        self._numbers = itertools.count()
        self._events: deque[Event] = deque()
        self._alone: deque[Work] = deque()
        self._losses: Counter[tuple[Job, bool]] = Counter()
        self._seconds_each: float | None = None
        self._lost_starts = 0
        self._n_lost_starting = 0
        self._mention_at = math.inf
        self._mentioned = False

    @property
    def workers(self) -> list[Worker]:
        """All workers: those that start, wait and evaluate."""
        return [*self._starting, *self._idle, *self._running]

    def renew(self) -> None:
        """Let all workers take the user's own parts of the backend before they get jobs."""
        self._end_running()
        while self._idle:
            self._renew(self._idle.popleft())

    def evaluate(
        self, work: deque[Work], largest_chunk: float = math.inf
    ) -> Iterator[tuple[Task, Individual]]:
        """Yield one individual per job with its task, in the order in which they finish.

        Parameters
        ----------
        work : deque of Work
            Jobs are taken from the left. The caller may append jobs between two individuals.
        largest_chunk : int
            Largest number of jobs that a worker is sent at once; by default there is no bound.

        Raises
        ------
        ClusterError
            If workers are lost more than `MAX_LOST_STARTS` times in a row before one answers.
        """
        self._end_running()  # of an earlier call that was left before its end
        self._alone.clear()
        self._losses.clear()
        while work or self._alone or self._running:
            self._start_missing()
            self._dispatch(work, largest_chunk)
            before = self._backend.now()
            self._events.extend(self._backend.wait(self._seconds_to_wait()))
            while self._events:
                task, finished = self._take(self._events.popleft())
                self._dispatch(work, largest_chunk)  # before the driver is busy with the answer
                for individual in finished:
                    assert task is not None
                    yield task, individual
                    self._dispatch(work, largest_chunk)
            yield from self._end_late(before)  # who has answered since is in time
            self._mention_missing()

    # -- workers that start --------------------------------------------------------------------------------------------

    def _start_missing(self) -> None:
        """Ask for workers in place of those that are lost."""
        present = len(self._starting) + len(self._idle) + len(self._running)
        for _ in range(self.n_workers - present):
            self._wait_for(self._backend.start())

    def _renew(self, worker: Worker) -> None:
        self._backend.renew(worker)
        self._wait_for(worker)

    def _wait_for(self, worker: Worker) -> None:
        """Give no jobs to a worker until it is ready."""
        if not self._starting and not self._mentioned:
            self._mention_at = self._backend.now() + PATIENCE
        self._starting[worker] = self._lost_starts

    def _mention_missing(self) -> None:
        """Say once that some workers do not answer and no core is free for another; say when all have answered."""
        if self._mentioned and not self._starting:
            self._mentioned = False
            logger.warning("all %d workers have answered", self.n_workers)
        if not self._starting or self._backend.now() < self._mention_at:
            return
        if self._backend.has_room():  # they start slowly
            self._mention_at = self._backend.now() + PATIENCE
            return
        self._mention_at, self._mentioned = math.inf, True
        logger.warning(
            "%d of %d workers wait for a CPU or are still starting; the run goes on with those that answer",
            len(self._starting),
            self.n_workers,
        )

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def _dispatch(self, work: deque[Work], largest_chunk: float) -> None:
        """Give jobs to the workers that are idle, then send jobs ahead."""
        while self._idle and (self._alone or work):
            worker, (task, chunk) = self._idle.popleft(), self._next_chunk(work, largest_chunk)
            self._begin(worker, _Evaluation(next(self._numbers), task, chunk))
            self._backend.evaluate(worker, task, chunk)
        if self._alone or self._seconds_each is None or self._seconds_each > CHUNK_SECONDS:
            return  # a job behind a long one would wait for it, while another worker may be idle
        for worker in [one for one in self._running if one not in self._ahead]:
            if len(work) <= len(self._running):  # the last ones are for those who are idle first
                return
            task, chunk = self._next_chunk(work, largest_chunk)
            self._ahead[worker] = _Evaluation(next(self._numbers), task, chunk)
            self._backend.evaluate(worker, task, chunk)

    def _begin(self, worker: Worker, evaluation: _Evaluation) -> None:
        """Note that a worker evaluates a chunk from now on."""
        self._running[worker] = evaluation
        if self._timeout is not None:
            deadline = self._backend.now() + len(evaluation.chunk) * self._timeout
            heapq.heappush(self._deadlines, (deadline, evaluation.number, worker))

    def _next_chunk(self, work: deque[Work], largest: float) -> tuple[Task, list[Job]]:
        """Take jobs of one task: half of a fair share of those left, if they take no longer than a chunk may."""
        if self._alone:
            task, job = self._alone.popleft()
            return task, [job]
        n_answering = len(self._idle) + len(self._running) + 1
        size = min(largest, -(-len(work) // (2 * n_answering)))
        if self._seconds_each is None:  # nothing is known of the costs
            size = 1
        elif self._seconds_each > 0:
            size = min(size, math.ceil(CHUNK_SECONDS / self._seconds_each))
        task, chunk = work[0].task, list[Job]()
        while work and work[0].task is task and len(chunk) < size:
            chunk.append(work.popleft().job)
        return task, chunk

    def _seconds_to_wait(self) -> float:
        """Return the seconds to the next time at which something is to do without an event."""
        while self._deadlines and not self._is_running(*self._deadlines[0][1:]):
            heapq.heappop(self._deadlines)
        deadline = self._deadlines[0][0] if self._deadlines else math.inf
        if self._starting:
            deadline = min(deadline, self._mention_at)
        return math.inf if deadline == math.inf else max(0.0, deadline - self._backend.now())

    def _is_running(self, number: int, worker: Worker) -> bool:
        """Return whether a worker still evaluates the chunk of a deadline."""
        evaluation = self._running.get(worker)
        return evaluation is not None and evaluation.number == number

    # -- events --------------------------------------------------------------------------------------------------------

    def _take(self, event: Event) -> tuple[Task | None, Iterable[Individual]]:
        """Take note of an event; return the individuals that it finishes, and their task."""
        worker = event.worker
        if worker not in self._starting and worker not in self._running:
            return None, ()  # it was ended after the event
        if isinstance(event, Loss):
            return self._take_loss(event)
        if isinstance(event, Ready):
            del self._starting[worker]
            self._lost_starts = self._n_lost_starting = 0
            self._idle.append(worker)
            return None, ()
        evaluation = self._running.pop(worker)
        seconds_each = event.seconds / len(evaluation.chunk)
        known = seconds_each if self._seconds_each is None else self._seconds_each
        self._seconds_each = (known + seconds_each) / 2
        if worker in self._ahead:
            self._begin(worker, self._ahead.pop(worker))
        else:
            self._idle.append(worker)
        return evaluation.task, event.individuals

    def _take_loss(self, loss: Loss) -> tuple[Task | None, Sequence[Individual]]:
        """Let others evaluate what a lost worker had; return an individual that was lost too often."""
        self._backend.end(loss.worker)
        if loss.worker in self._starting:
            self._take_lost_start(loss)
            return None, ()
        while self._idle:  # its machine may be lost, and more workers with it
            self._renew(self._idle.popleft())
        evaluation = self._running.pop(loss.worker)
        if loss.worker not in self._ahead and len(evaluation.chunk) == 1:
            (job,) = evaluation.chunk
            limit = MAX_LOSSES_OF_MACHINES if loss.with_machine else MAX_LOSSES
            self._losses[job, loss.with_machine] += 1
            if self._losses[job, loss.with_machine] == limit:
                what = "machine" if loss.with_machine else "worker"
                reason = f"{what} was lost {limit} times, each time in the evaluation of this individual alone"
                logger.warning("individual %d failed: %s (%s)", job.individual, reason, loss.reason)
                return evaluation.task, [failed_individual(job, reason)]
        what = "worker was lost with its machine" if loss.with_machine else "worker was lost"
        logger.warning("a %s; another worker evaluates its individuals again", what)
        self._evaluate_alone(loss.worker, evaluation)
        return None, ()

    def _take_lost_start(self, loss: Loss) -> None:
        """Raise ClusterError if too many workers are lost before one answers."""
        losses_before = self._starting.pop(loss.worker)
        self._n_lost_starting += 1
        if losses_before == self._lost_starts:  # workers that started together count once
            self._lost_starts += 1
        if self._lost_starts > MAX_LOST_STARTS:
            raise ClusterError(
                f"Ray lost {self._n_lost_starting} workers as they started; the last one: {loss.reason}"
            )
        logger.warning("a worker was lost before it had jobs; another one starts")

    def _end_late(self, now: float) -> Iterator[tuple[Task, Individual]]:
        """End the workers that are late; yield an individual that was alone, let others be evaluated one by one."""
        while self._deadlines and self._deadlines[0][0] <= now:
            _, number, worker = heapq.heappop(self._deadlines)
            if not self._is_running(number, worker):
                continue
            evaluation = self._running.pop(worker)
            self._backend.end(worker)
            if len(evaluation.chunk) > 1:
                logger.warning(
                    "a worker was late; other workers evaluate its individuals again, one by one"
                )
                self._evaluate_alone(worker, evaluation)
                continue
            (job,) = evaluation.chunk
            self._evaluate_alone(worker)
            reason = f"took longer than evaluation.timeout = {self._timeout:g} s"
            logger.warning("individual %d failed: %s", job.individual, reason)
            yield evaluation.task, failed_individual(job, reason)

    def _evaluate_alone(self, worker: Worker, *running: _Evaluation) -> None:
        """Let jobs that a lost or ended worker had be evaluated next, each alone: running ones, and those ahead."""
        ahead = [self._ahead.pop(worker)] if worker in self._ahead else []
        for evaluation in (*ahead, *running):
            self._alone.extendleft(Work(evaluation.task, job) for job in reversed(evaluation.chunk))

    def _end_running(self) -> None:
        """End the workers that evaluate something."""
        for worker in self._running:
            self._backend.end(worker)
        self._running.clear()
        self._ahead.clear()
        self._deadlines.clear()
