"""The scheduler, with simulated workers and a clock that jumps: who evaluates what, whatever happens to whom."""

import logging
import math
from collections import Counter, deque
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo import Genome
from evo.evolution.individual import failed_individual
from evo.evolution.job import Job, Work
from evo.executors import scheduler
from evo.executors.scheduler import ClusterError, Scheduler
from experiments.benchmarks.dispatch.simulated_workers import SimulatedWorkers

GENOME = Genome.from_matrix(np.ones((2, 2)), n_inputs=1, n_outputs=1)


FOUNDER = Job(0, 0, 0, "founder", (), 0, GENOME, None, "none", (), 0.0, 0, 0.0)
TASK, OTHER = object(), object()
"""The scheduler only tells tasks apart."""


def jobs_of(n, task=TASK):
    """Return jobs with the numbers 0, 1, …; only their numbers matter here."""
    return [Work(task, replace(FOUNDER, individual=k)) for k in range(n)]


def evaluated(job):
    return failed_individual(job, "simulated")


class Cluster(SimulatedWorkers):
    """Simulated workers that keep the chunks they are sent."""

    def __init__(self, cores, seconds_of=lambda job: 0.5, **options):
        super().__init__(cores, seconds_of, evaluated, **options)
        self.chunks = []

    def evaluate(self, worker, task, chunk):
        self.chunks.append([job.individual for job in chunk])
        super().evaluate(worker, task, chunk)


def numbers(found):
    return [one.job.individual for one in found]


def all_of(jobs, n_workers, cluster, timeout=None):
    """Return the individuals of jobs as they come."""
    return individuals(Scheduler(cluster, n_workers, timeout).evaluate(deque(jobs)))


def individuals(found):
    """Return the individuals of a stream; all are of one task."""
    pairs = list(found)
    assert {task for task, _ in pairs} <= {TASK}
    return [one for _, one in pairs]


def reasons(found):
    """Return the reasons of the individuals that the scheduler itself gave up, by number."""
    return {one.job.individual: one.reason for one in found if one.reason != "simulated"}


def test_each_job_is_evaluated_once():
    found = all_of(jobs_of(100), 3, Cluster([3]))
    assert sorted(numbers(found)) == list(range(100))


def test_individuals_that_take_long_are_sent_one_by_one():
    cluster = Cluster([4])
    all_of(jobs_of(50), 4, cluster)
    assert {len(chunk) for chunk in cluster.chunks} == {1}
    ideal = 50 * 0.5 / 4
    assert cluster.time - cluster.start_seconds < ideal + 0.6  # the last round is not full


def test_tiny_individuals_share_a_message_and_no_worker_is_idle_for_long_at_the_end():
    cluster = Cluster([2], lambda job: 1e-4)
    all_of(jobs_of(4000), 2, cluster)
    largest = max(map(len, cluster.chunks))
    assert (
        500 < largest < 1500
    )  # a message of a millisecond makes an individual seem dearer, if it is alone
    assert len(cluster.chunks) < 45
    assert cluster.time - cluster.start_seconds < 1.2 * 4000 * 1e-4 / 2


def test_a_stream_has_no_barrier_and_takes_what_the_caller_adds():
    jobs = jobs_of(200)
    cluster = Cluster([2], lambda job: 10.0 if job.individual == 0 else 0.1)
    waiting, rest = deque(jobs[:2]), iter(jobs[2:60])
    found = []
    for _, individual in Scheduler(cluster, 2).evaluate(waiting, 1):
        found.append(individual)
        waiting.extend(islice(rest, 1))
    assert numbers(found) == [*range(1, 60), 0]  # the others did not wait for the slow one
    assert {len(chunk) for chunk in cluster.chunks} == {1}
    assert cluster.time == pytest.approx(cluster.start_seconds + 10.0, abs=0.01)


def test_what_is_added_while_several_are_returned_is_sent_at_once():
    jobs = jobs_of(4)
    cluster = Cluster([2])
    waiting = deque(jobs[:2])
    stream = Scheduler(cluster, 2).evaluate(waiting, 1)
    next(stream)  # both have answered at the same time
    waiting.append(jobs[2])
    next(stream)
    assert len(cluster.chunks) == 3


def test_workers_have_something_to_do_while_the_caller_is_busy():
    """The caller takes as long as a chunk after each tenth individual, as if it committed them."""
    cluster = Cluster([2], lambda job: 0.01)
    for number, _ in enumerate(Scheduler(cluster, 2).evaluate(deque(jobs_of(2000)))):
        if number % 10 == 0:
            cluster.time += scheduler.CHUNK_SECONDS / 2
    ideal = 2000 * 0.01 / 2
    assert cluster.time - cluster.start_seconds < 1.05 * ideal


def test_nothing_is_sent_ahead_of_long_individuals_nor_at_the_end():
    class Counting(Cluster):
        def evaluate(self, worker, task, chunk):
            ahead.append(len(self._expected.get(worker, ())))
            super().evaluate(worker, task, chunk)

    ahead = []
    all_of(jobs_of(50), 2, Counting([2], lambda job: 2 * scheduler.CHUNK_SECONDS))
    assert set(ahead) == {0}
    ahead.clear()
    all_of(jobs_of(50), 2, Counting([2], lambda job: 0.02))
    assert set(ahead) == {0, 1}
    assert ahead[-2:] == [0, 0]


def test_a_worker_that_is_lost_or_late_leaves_what_was_sent_ahead_to_others():
    def lost(worker, chunk):
        if any(job.individual == 20 for job in chunk):
            cluster.lose_worker(worker)

    class Loses(Cluster):
        def evaluate(self, worker, task, chunk):
            super().evaluate(worker, task, chunk)
            self.at(self.time + 0.001, lambda: lost(worker, chunk))

    told = "worker was lost 3 times, each time in the evaluation of this individual alone"
    for cluster, reason in (
        (Loses([2], lambda job: 0.01), told),
        (
            Cluster([2], lambda job: math.inf if job.individual == 20 else 0.01),
            "took longer than evaluation.timeout = 2 s",
        ),
    ):
        found = all_of(jobs_of(60), 2, cluster, timeout=2.0)
        assert sorted(numbers(found)) == list(range(60))
        assert reasons(found) == {20: reason}


def test_the_time_of_a_chunk_that_was_sent_ahead_begins_when_the_one_before_is_over():
    cluster = Cluster([1], lambda job: 0.05)
    found = all_of(jobs_of(40), 1, cluster, timeout=0.06)  # two chunks take longer than a timeout
    assert reasons(found) == {}


def test_workers_without_a_core_are_mentioned_once_and_used_when_a_machine_is_added(caplog):
    cluster = Cluster([2])
    cluster.at(50.0, lambda: cluster.add_machine(2))
    with caplog.at_level(logging.WARNING, logger="evo.executors.scheduler"):
        found = all_of(jobs_of(400), 4, cluster)
    assert len(found) == 400
    assert [one.getMessage() for one in caplog.records] == [
        "2 of 4 workers wait for a CPU or are still starting; the run goes on with those that answer",
        "all 4 workers have answered",
    ]
    assert cluster.time == pytest.approx(51 + (400 - 4 * 49) * 0.5 / 4, rel=0.05)


def test_workers_that_start_slowly_are_not_mentioned(caplog):
    cluster = Cluster([4], start_seconds=0.0)
    cluster.has_room = lambda: True
    all_of(jobs_of(100), 5, cluster)
    assert caplog.records == []


def test_a_lost_machine_costs_time_only(caplog):
    cluster = Cluster([2, 2])
    cluster.at(5.2, lambda: cluster.lose_machine(1))
    found = all_of(jobs_of(200), 4, cluster)
    assert sorted(numbers(found)) == list(range(200))
    assert reasons(found) == {}
    told = [one.getMessage() for one in caplog.records]
    lost = "a worker was lost with its machine; another worker evaluates its individuals again"
    assert Counter(told)[lost] == 2
    assert told[-1].startswith("2 of 4 workers wait for a CPU")


def test_idle_workers_of_a_lost_machine_get_no_jobs_that_would_be_blamed_for_it():
    """Three jobs for eight workers: five are idle when the machine of six of them is lost."""
    jobs = jobs_of(3)
    cluster = Cluster([2, 6], lambda job: 30.0)
    cluster.at(5.0, lambda: cluster.lose_machine(1))
    sent = Counter()
    send = cluster.evaluate
    cluster.evaluate = lambda worker, task, chunk: (
        sent.update(job.individual for job in chunk),
        send(worker, task, chunk),
    )
    found = individuals(Scheduler(cluster, 8).evaluate(deque(jobs), 1))
    assert sorted(numbers(found)) == [0, 1, 2]
    assert reasons(found) == {}
    assert max(sent.values()) <= 2


def test_an_individual_that_takes_every_worker_along_fails_alone():
    class Deadly(Cluster):
        def evaluate(self, worker, task, chunk):
            super().evaluate(worker, task, chunk)
            if any(job.individual == 7 for job in chunk):
                self.lose_worker(worker)

    cluster = Deadly([2], lambda job: 1e-3)
    found = all_of(jobs_of(40), 2, cluster)
    assert sorted(numbers(found)) == list(range(40))
    told = "worker was lost 3 times, each time in the evaluation of this individual alone"
    assert reasons(found) == {7: told}
    assert cluster.chunks.count([7]) == 3


def test_an_individual_that_loses_machine_after_machine_fails_too():
    class Doomed(Cluster):
        def evaluate(self, worker, task, chunk):
            super().evaluate(worker, task, chunk)
            if chunk[0].individual == 0:
                self.lose_machine(self.machines.index(self._machine_of[worker]))
                self.add_machine(1)

    cluster = Doomed([1])
    found = all_of(jobs_of(3), 1, cluster)
    assert sorted(numbers(found)) == [0, 1, 2]
    told = "machine was lost 10 times, each time in the evaluation of this individual alone"
    assert reasons(found) == {0: told}


def test_late_workers_are_ended_and_only_the_guilty_individual_fails():
    cluster = Cluster([2], lambda job: math.inf if job.individual == 20 else 1e-3)
    found = all_of(jobs_of(60), 2, cluster, timeout=2.0)
    assert sorted(numbers(found)) == list(range(60))
    assert reasons(found) == {20: "took longer than evaluation.timeout = 2 s"}
    assert [20] in cluster.chunks
    assert any(20 in chunk and len(chunk) > 1 for chunk in cluster.chunks)


def test_a_worker_that_has_answered_is_not_late_because_the_caller_took_long():
    cluster = Cluster([2], lambda job: 1.0)
    found = []
    for _, individual in Scheduler(cluster, 2, timeout=1.5).evaluate(deque(jobs_of(8)), 1):
        found.append(individual)
        cluster.time += 5.0  # the caller is busy; meanwhile the other worker answers
    assert sorted(numbers(found)) == list(range(8))
    assert reasons(found) == {}


class NeverReady(Cluster):
    """Workers that are lost as they start."""

    def start(self):
        worker = super().start()
        self.lose_worker(worker)
        return worker


@pytest.mark.parametrize("n_workers", [1, 50])
def test_workers_that_are_lost_as_they_start_end_the_run(n_workers, monkeypatch):
    monkeypatch.setattr(scheduler, "MAX_LOST_STARTS", 2)
    told = r"^Ray lost \d+ workers as they started; the last one: the process ended$"
    with pytest.raises(ClusterError, match=told):
        all_of(jobs_of(3), n_workers, NeverReady([n_workers]))


def test_workers_that_are_lost_together_as_they_start_count_once():
    class LosesAll(Cluster):
        def start(self):
            worker = super().start()
            if worker < 60:
                self.lose_worker(worker)
            return worker

    assert len(all_of(jobs_of(3), 20, LosesAll([20]))) == 3


def test_a_call_that_was_left_disturbs_no_later_call():
    cluster = Cluster([2], lambda job: 100.0 if job.individual == 1 else 0.5)
    some = Scheduler(cluster, 3)
    next(some.evaluate(deque(jobs_of(2)), 1))
    (alone,) = individuals(some.evaluate(deque(jobs_of(1)), 1))
    assert alone.job.individual == 0
    assert cluster.time < 10


def test_a_new_task_is_taken_by_all_workers_before_they_get_jobs():
    cluster = Cluster([2])
    some, renewed = Scheduler(cluster, 2), []
    list(some.evaluate(deque(jobs_of(4)), 1))
    renew = cluster.renew
    cluster.renew = lambda worker: (renewed.append((worker, len(cluster.chunks))), renew(worker))
    some.renew()
    assert len(list(some.evaluate(deque(jobs_of(4)), 1))) == 4
    assert [chunks for _, chunks in renewed] == [4, 4]


def test_jobs_of_several_tasks_share_the_workers_and_no_chunk():
    cluster, sent = Cluster([2], lambda job: 1e-4), []
    send = cluster.evaluate
    cluster.evaluate = lambda worker, task, chunk: (
        sent.append((task, len(chunk))),
        send(worker, task, chunk),
    )
    work = deque([*jobs_of(300), *jobs_of(300, OTHER)])
    pairs = list(Scheduler(cluster, 2).evaluate(work))
    for task in (TASK, OTHER):
        found = [one.job.individual for of, one in pairs if of is task]
        assert sorted(found) == list(range(300))
        assert sum(n for of, n in sent if of is task) == 300
    assert max(n for _, n in sent) > 50
    assert cluster.time - cluster.start_seconds < 1.5 * 600 * 1e-4 / 2


def test_individuals_of_a_lost_worker_keep_their_task():
    class Loses(Cluster):
        def evaluate(self, worker, task, chunk):
            super().evaluate(worker, task, chunk)
            if task is OTHER and len(self.chunks) < 8:
                self.lose_worker(worker)

    work = deque([*jobs_of(5), *jobs_of(5, OTHER)])
    pairs = list(Scheduler(Loses([2]), 2).evaluate(work, 1))
    found = {(task, one.job.individual) for task, one in pairs}
    assert found == {(task, k) for task in (TASK, OTHER) for k in range(5)}
    assert len(pairs) == 10


happenings = st.lists(
    st.tuples(
        st.floats(0, 30),
        st.sampled_from(["lose_worker", "lose_machine", "add_machine"]),
        st.integers(0, 12),
    ),
    max_size=8,
)


@given(happenings, st.integers(1, 60), st.integers(1, 6), st.integers(1, 60), st.floats(1e-4, 2))
def test_whatever_is_lost_each_job_has_one_individual(
    happenings, n_jobs, n_workers, largest, seconds
):
    cluster = Cluster([2, 1, 1], lambda job: seconds * (1 + job.individual % 3))
    for time, what, number in happenings:
        if what == "add_machine":
            cluster.at(time, lambda number=number: cluster.add_machine(1 + number % 3))
        elif what == "lose_machine":  # the first machine stays, else nothing would ever happen
            cluster.at(time, lambda number=number: cluster.lose_machine(1 + number % 2))
        else:
            cluster.at(time, lambda number=number: cluster.lose_worker(number))
    stream = Scheduler(cluster, n_workers, 100.0).evaluate(deque(jobs_of(n_jobs)), largest)
    found = individuals(stream)
    assert sorted(numbers(found)) == list(range(n_jobs))
    assert all(reason.startswith("worker was lost 3 times") for reason in reasons(found).values())
    placed = sum(len(one.workers) for one in cluster.machines)
    assert placed + len(cluster._unplaced) == n_workers
