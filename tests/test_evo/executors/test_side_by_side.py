"""Searches share workers: each has its own individuals, begins when there is room, and ends when it likes."""

from collections import Counter, deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo import Genome
from evo.evolution.individual import failed_individual
from evo.evolution.job import Job
from evo.executors.side_by_side import JOBS_PER_WORKER, in_order, run_side_by_side

GENOME = Genome.from_matrix(np.ones((2, 2)), n_inputs=1, n_outputs=1)


def job(number):
    return Job(number, 0, 0, "founder", (), 0, GENOME, None, "none", (), 0.0, 0, 0.0)


class Shuffling:
    """An executor that finishes one of the first jobs, drawn anew each time."""

    def __init__(self, n_workers, seed=0):
        self.n_workers, self.released, self.started = n_workers, [], []
        self._rng = np.random.default_rng(seed)

    def evaluate(self, work, *, one_by_one=False):
        while work:
            taken = work[self._rng.integers(min(len(work), max(1, self.n_workers)))]
            work.remove(taken)
            self.started.append(taken.task)
            yield taken.task, failed_individual(taken.job, "simulated")

    def release(self, task):
        self.released.append(task)


def generational(log, name, n_generations, size):
    """Evaluate generations with a barrier between them, as a search does."""
    for generation in range(n_generations):
        expected = {generation * size + k for k in range(size)}
        new = [job(number) for number in sorted(expected)]
        while expected:
            individual = yield new
            new = ()
            expected.remove(individual.job.individual)
        log.append((name, generation))


@given(st.integers(0, 5), st.integers(0, 4), st.integers(1, 5), st.integers(0, 10**6))
def test_each_search_gets_its_own_individuals(n_searches, n_workers, size, seed):
    log, executor = [], Shuffling(n_workers, seed)
    names = [f"seed {k}" for k in range(n_searches)]
    run_side_by_side(executor, ((name, generational(log, name, 3, size)) for name in names))
    assert sorted(log) == [(name, generation) for name in names for generation in range(3)]
    assert sorted(executor.released) == names


def test_without_workers_one_search_runs_after_the_other():
    log, executor = [], Shuffling(0)
    run_side_by_side(executor, [(name, generational(log, name, 2, 3)) for name in "abc"])
    assert log == [(name, generation) for name in "abc" for generation in range(2)]
    assert executor.started == ["a"] * 6 + ["b"] * 6 + ["c"] * 6
    assert executor.released == ["a", "b", "c"]


def test_another_search_begins_before_workers_have_nothing_to_do():
    log, executor, size = [], Shuffling(2), 2 * JOBS_PER_WORKER + 1
    run_side_by_side(executor, [(name, generational(log, name, 4, size)) for name in "abcd"])
    assert executor.started[:size] == ["a"] * size  # the others waited when the generation ended
    assert executor.started[size] == "b"
    assert log[0] == ("a", 0)
    assert Counter(executor.started) == dict.fromkeys("abcd", 4 * size)


@pytest.mark.parametrize("names", ["ab", "abc", "abcde"])
def test_no_search_is_left_to_be_the_last_one_alone(names):
    log, executor = [], Shuffling(2)
    run_side_by_side(executor, [(name, generational(log, name, 6, 30)) for name in names])
    ends = [log.index((name, 5)) for name in names[-2:]]
    assert abs(ends[0] - ends[1]) <= 2


def test_a_search_with_nothing_to_do_is_passed_over():
    def nothing():
        return
        yield

    log, executor = [], Shuffling(2)
    searches = [("a", nothing()), ("b", generational(log, "b", 1, 1)), ("c", nothing())]
    run_side_by_side(executor, searches)
    assert log == [("b", 0)]
    assert sorted(executor.released) == ["a", "b", "c"]
    run_side_by_side(Shuffling(2), [])


def test_a_search_may_end_before_its_last_jobs():
    def brief():
        yield [job(0), job(1), job(2)]

    log, executor = [], Shuffling(0)
    run_side_by_side(executor, [("a", brief()), ("b", generational(log, "b", 1, 2))])
    assert executor.started == ["a", "b", "b"]
    assert log == [("b", 0)]


def test_what_is_finished_after_the_end_of_its_search_is_dropped():
    def brief():
        yield [job(0), job(1)]

    class Late(Shuffling):
        def evaluate(self, work, *, one_by_one=False):
            first, second = work.popleft(), work.popleft()
            for one in (first, second):
                yield one.task, failed_individual(one.job, "simulated")

    executor = Late(2)
    run_side_by_side(executor, [("a", brief())])
    assert executor.released == ["a"]


def test_an_error_in_a_search_ends_all():
    def broken():
        yield [job(0)]
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run_side_by_side(Shuffling(2), [("a", broken()), ("b", generational([], "b", 1, 2))])


# -- a given order -----------------------------------------------------------------------------------------------------


def finish(search, choose):
    """Send a search its individuals, each time one of those that are being evaluated."""
    waiting = deque(next(search, ()))
    while waiting:
        one = waiting[choose(len(waiting))]
        waiting.remove(one)
        try:
            waiting.extend(search.send(failed_individual(one, "simulated")))
        except StopIteration:
            assert not waiting
            return


def steady(found, numbers, in_flight):
    """Keep some jobs in flight; when one has come, the next one is made."""
    made = iter(numbers)
    new, open_jobs = [job(next(made)) for _ in range(in_flight)], in_flight
    while open_jobs:
        individual = yield new
        found.append(individual.job.individual)
        new = [job(number) for _, number in zip(range(1), made, strict=False)]
        open_jobs += len(new) - 1


@given(st.permutations(range(12)), st.data())
def test_individuals_come_in_the_given_order_however_they_arrive(order, data):
    found = []
    search = in_order(steady(found, order, 4), order)
    finish(search, lambda n: data.draw(st.integers(0, n - 1)))
    assert found == list(order)


def test_an_order_that_does_not_fit_still_gives_every_individual():
    found = []
    finish(in_order(steady(found, [3, 1, 2], 3), [2, 7, 1]), lambda n: 0)
    assert found == [2, 1, 3]


def test_a_search_without_jobs_has_no_order():
    assert list(in_order((jobs for jobs in ()), [1, 2])) == []
