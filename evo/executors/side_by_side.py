"""Several searches on the same workers, so that no worker waits for the end of a generation of one of them.

A search is a coroutine: it yields the jobs that are new, and is sent each individual when it is finished. A search
depends on its own individuals alone, so its results do not depend on the searches beside it.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import islice

from evo.evolution.individual import Individual
from evo.evolution.job import Job, Task, Work
from evo.executors import Executor

Steps = Generator[Sequence[Job], Individual, None]
"""A search as a coroutine."""

JOBS_PER_WORKER = 4
"""Jobs that each worker has, has ahead or can get; if there are fewer, another search begins."""


AHEAD = 2
"""Searches that are taken before they begin; without workers none is."""


def run_side_by_side(
    executor: Executor, searches: Iterable[tuple[Task, Steps]], *, one_by_one: bool = False
) -> None:
    """Run searches to their ends, in their order: each begins when the workers would have too little to do.

    The last search begins together with the one before it: alone it would let workers wait at the end of each
    generation. Without workers this is one search after the other.

    Parameters
    ----------
    executor : Executor
    searches : iterable of (Task, Steps)
        Coroutines that have not begun, with distinct tasks of the same fitness. At most :data:`AHEAD` of them are taken
        before they begin, so an iterator may make them when they are needed.
    one_by_one : bool
        As for :meth:`evo.executors.Executor.evaluate`.
    """
    work = deque[Work]()
    unfinished: dict[Task, int] = {}  # and the number of jobs, of each search that runs
    running: dict[Task, Steps] = {}

    def advance(task: Task, individual: Individual | None) -> None:
        """Begin a search, or send it an individual; take its new jobs."""
        search = running[task]
        try:
            jobs = next(search) if individual is None else search.send(individual)
        except StopIteration:
            del running[task], unfinished[task]
            for one in [one for one in work if one.task is task]:  # it ended before its last job
                work.remove(one)
            executor.release(task)
            return
        work.extend(Work(task, job) for job in jobs)
        unfinished[task] += len(jobs)

    def begin_more() -> None:
        """Begin searches until the workers have enough to do."""
        enough = max(1, JOBS_PER_WORKER * executor.n_workers)
        while sum(unfinished.values()) < enough:
            waiting.extend(islice(more, n_taken - len(waiting)))
            n_new = 2 if executor.n_workers and len(waiting) == 2 else 1
            if not waiting:
                return
            for task, search in [waiting.popleft() for _ in range(n_new)]:
                running[task], unfinished[task] = search, 0
                advance(task, None)

    more, waiting = iter(searches), deque[tuple[Task, Steps]]()
    n_taken = 1 + (AHEAD if executor.n_workers else 0)
    try:
        begin_more()
        for task, individual in executor.evaluate(work, one_by_one=one_by_one):
            if task in running:
                unfinished[task] -= 1
                advance(task, individual)
                begin_more()
    finally:
        for search in running.values():  # after an error: each can still say that it ends
            search.close()


def in_order(search: Steps, order: Iterable[int]) -> Steps:
    """Return a search that takes its individuals in a given order, however they are finished.

    Parameters
    ----------
    search : Steps
        A coroutine that has not begun.
    order : iterable of int
        Numbers of individuals. Where it names one that is not being evaluated, the evaluated one with the smallest
        number comes next: the search is then another one.
    """
    held: dict[int, Individual] = {}
    expected: Iterator[int] = iter(order)
    following = next(expected, None)
    jobs = list(next(search, ()))
    n_unfinished = len(jobs)
    while n_unfinished or held:
        if n_unfinished:
            finished = yield jobs
            n_unfinished -= 1
            held[finished.job.individual] = finished
        jobs = []
        while following in held or (held and not n_unfinished):
            number = following if following in held else min(held)
            if number == following:
                following = next(expected, None)
            try:
                new = search.send(held.pop(number))
            except StopIteration:
                return
            jobs += new
            n_unfinished += len(new)
