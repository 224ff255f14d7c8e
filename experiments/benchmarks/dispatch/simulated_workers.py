"""Workers that are only simulated: a backend of the scheduler with a clock that jumps from event to event."""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from evo.evolution.individual import Individual
from evo.evolution.job import Job, Task
from evo.executors.scheduler import Answer, Event, Loss, Ready, Worker


@dataclass(eq=False)
class SimulatedMachine:
    """A machine with some cores, on each of which there may be one worker."""

    n_cores: int
    workers: set[int] = field(default_factory=set)
    is_lost: bool = False


class SimulatedWorkers:
    """A backend whose workers take simulated time (:class:`evo.executors.scheduler.Backend`).

    Parameters
    ----------
    cores : sequence of int
        Number of cores of each machine.
    seconds_of : callable
        ``seconds_of(job)`` is the time that the evaluation of a job takes; with an infinite time it never ends.
    evaluated : callable
        ``evaluated(job)`` is the individual; it is called when the answer arrives.
    start_seconds, message_seconds : float
        Time until a worker that has a core is ready, and time of a message and its answer together.
    """

    def __init__(
        self,
        cores: Sequence[int],
        seconds_of: Callable[[Job], float],
        evaluated: Callable[[Job], Individual],
        start_seconds: float = 1.0,
        message_seconds: float = 0.001,
    ) -> None:
        self.machines = [SimulatedMachine(n) for n in cores]
        self.seconds_of = seconds_of
        self.evaluated = evaluated
        self.start_seconds = start_seconds
        self.message_seconds = message_seconds
        self.time = 0.0
        self.busy_seconds = 0.0
        self._numbers = itertools.count()
        self._unplaced: deque[int] = deque()
        self._machine_of: dict[Worker, SimulatedMachine] = {}
        self._expected: dict[Worker, list[int]] = {}
        self._chunks: dict[Worker, deque[Sequence[Job]]] = {}
        self._busy_until: dict[Worker, float] = {}
        self._events: list[tuple[float, int, Event | Callable[[], None]]] = []

    # -- what the scheduler calls --------------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the simulated time."""
        return self.time

    def start(self) -> Worker:
        """Ask for a worker; it is placed when a core is free."""
        worker = next(self._numbers)
        self._unplaced.append(worker)
        self._place()
        return worker

    def renew(self, worker: Worker) -> None:
        """Let a worker take a task."""
        self._expect(self.message_seconds, Ready(worker))

    def evaluate(self, worker: Worker, task: Task, chunk: Sequence[Job]) -> None:
        """Let a worker evaluate a chunk after those that it has; the message travels meanwhile."""
        seconds = sum(self.seconds_of(job) for job in chunk)
        self.busy_seconds += seconds
        self._chunks.setdefault(worker, deque()).append(chunk)
        begin = max(self.time + self.message_seconds, self._busy_until.get(worker, 0.0))
        self._busy_until[worker] = begin + seconds
        self._expect(begin + seconds - self.time, Answer(worker, (), seconds))

    def wait(self, seconds: float) -> list[Event]:
        """Let time pass until something has happened, but not more than so many seconds."""
        until, found = self.time + seconds, list[Event]()
        while self._events and self._events[0][0] <= (self.time if found else until):
            time, number, event = heapq.heappop(self._events)
            self.time = max(self.time, time)
            if callable(event):
                event()
            elif number in self._expected.get(event.worker, ()):
                self._expected[event.worker].remove(number)
                found.append(self._with_individuals(event))
        if not found:
            if until == math.inf:
                raise RuntimeError("the scheduler waits for something that never happens")
            self.time = until
        return found

    def end(self, worker: Worker) -> None:
        """End a worker; its core is free for another."""
        for of_workers in (self._expected, self._chunks, self._busy_until):
            of_workers.pop(worker, None)
        machine = self._machine_of.pop(worker, None)
        if machine is None:
            self._unplaced.remove(worker)  # type: ignore[arg-type]
            return
        machine.workers.remove(worker)  # type: ignore[arg-type]
        self._place()

    def has_room(self) -> bool:
        """Return whether a core is free."""
        return self._free_machine() is not None

    # -- what happens to the machines ----------------------------------------------------------------------------------

    def at(self, time: float, happens: Callable[[], None]) -> None:
        """Let something happen at a time."""
        heapq.heappush(self._events, (time, next(self._numbers), happens))

    def add_machine(self, n_cores: int) -> None:
        """Add a machine; workers without a core are placed."""
        self.machines.append(SimulatedMachine(n_cores))
        self._place()

    def lose_machine(self, number: int) -> None:
        """Lose a machine and its workers. Of the workers that are idle nobody is told."""
        machine = self.machines[number]
        machine.is_lost = True
        for worker in machine.workers & {one for one, of in self._expected.items() if of}:
            self._expect(0.0, Ready(worker))

    def lose_worker(self, worker: int) -> None:
        """Lose the process of one worker, if it is still there."""
        if self._expected.get(worker) and worker in self._machine_of:
            self._expect_event(self.time, Loss(worker, "the process ended"))

    # ------------------------------------------------------------------------------------------------------------------

    def _expect(self, seconds: float, event: Event) -> None:
        """Let a worker answer after some seconds; if its machine is lost, let the loss be told instead."""
        if self._machine_of[event.worker].is_lost:
            event, seconds = Loss(event.worker, "the machine is lost", with_machine=True), 0.0
        self._expect_event(self.time + seconds, event)

    def _expect_event(self, time: float, event: Event) -> None:
        number = next(self._numbers)
        if not isinstance(event, Answer):  # a worker that is lost gives no answer
            self._expected[event.worker] = []
        self._expected.setdefault(event.worker, []).append(number)
        if time < math.inf:
            heapq.heappush(self._events, (time, number, event))

    def _with_individuals(self, event: Event) -> Event:
        if not isinstance(event, Answer):
            return event
        chunk = self._chunks[event.worker].popleft()
        return replace(event, individuals=[self.evaluated(job) for job in chunk])

    def _free_machine(self) -> SimulatedMachine | None:
        usable = (one for one in self.machines if not one.is_lost)
        return next((one for one in usable if len(one.workers) < one.n_cores), None)

    def _place(self) -> None:
        """Place workers that have no core on cores that are free."""
        while self._unplaced and (machine := self._free_machine()) is not None:
            worker = self._unplaced.popleft()
            machine.workers.add(worker)
            self._machine_of[worker] = machine
            self._expect(self.start_seconds, Ready(worker))
