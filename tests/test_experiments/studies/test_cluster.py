"""A run on a cluster whose nodes come and go has the tables of a serial run. All nodes are on this machine."""

import logging
import os
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from same_tables import assert_equal

from evo.executors import scheduler
from experiments import run
from experiments.progress import Reporter

QUICK_TO_NOTICE = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 300,
    "health_check_failure_threshold": 3,
}


@pytest.fixture
def cluster():
    """Start the head of a cluster, with one core."""
    options = {"num_cpus": 1, "_system_config": QUICK_TO_NOTICE}
    some = Cluster(initialize_head=True, head_node_args=options)
    yield some
    ray.shutdown()
    some.shutdown()


class AfterThree(Reporter):
    """Lets something happen when three individuals are finished, and others are being evaluated."""

    def __init__(self, happens):
        self.happens = happens
        self.count = 0

    def evaluated(self, individual):
        self.count += 1
        if self.count == 3:
            self.happens()


@pytest.fixture(scope="module")
def settings(tiny):
    """Return settings of an experiment of seconds."""
    return tiny(seeds=1, baseline={"arms": ["mlp"]})


@pytest.fixture(scope="module")
def serial(settings, tmp_path_factory):
    """Return the results of the experiment in this process."""
    folder = tmp_path_factory.mktemp("serial")
    return run(settings, workers=0, results=folder, run_name="tiny", figures=False)


@pytest.fixture
def run_there(cluster, settings, serial, tmp_path, caplog, monkeypatch):
    """Return a function that runs the experiment, lets something happen meanwhile, and returns what was logged."""
    monkeypatch.setattr(scheduler, "PATIENCE", 1.0)
    processes = tmp_path / "processes"
    processes.mkdir()

    def fitness_that_takes(seconds):
        def fitness(network, validation, evaluation):
            if not lies_in_shared_memory(validation.inputs):
                raise MemoryError("a copy of the data")
            (processes / str(os.getpid())).touch()
            time.sleep(seconds)
            return -evaluation.loss

        return fitness

    def lies_in_shared_memory(array):  # Ray sends local functions by value
        for line in Path("/proc/self/maps").read_text("utf-8").splitlines():
            first, last = (int(end, 16) for end in line.partition(" ")[0].split("-"))
            if first <= array.ctypes.data < last:
                return "/dev/shm" in line or "plasma" in line
        return False

    def there(workers, happens=lambda: None, address=None, n_used=None):
        seconds = 0.1 if n_used is None else 0.6  # so that a worker can start before the end
        reporter = AfterThree(happens)
        with caplog.at_level(logging.WARNING, logger="evo.executors.scheduler"):
            results = run(
                settings,
                workers=workers,
                address=address or cluster.address,
                fitness=fitness_that_takes(seconds),
                results=tmp_path,
                run_name="tiny",
                reporter=reporter,
                figures=False,
            )
        results.runs["evolution.fitness"] = serial.runs["evolution.fitness"]
        assert_equal(serial, results)
        assert reporter.count == len(results.individuals) > 3
        assert n_used is None or len(list(processes.iterdir())) == n_used
        return [one.getMessage() for one in caplog.records if "scheduler" in one.name]

    return there


@pytest.mark.slow
def test_too_few_cores_a_busy_head_a_lost_node_and_a_new_node_change_no_table(run_there, cluster):
    doomed = cluster.add_node(num_cpus=1)

    def happens():
        cluster.remove_node(doomed, allow_graceful=False)
        cluster.add_node(num_cpus=1)

    with busy_head(cluster):
        told = run_there(2, happens, "existing")
    assert "2 workers wait for a CPU or are still starting" in told[0]
    assert any(one.startswith("a worker was lost") for one in told)


@contextmanager
def busy_head(cluster):
    """Connect to the cluster and let an actor of another program hold the only core of the head."""

    class SomebodyElse:  # Ray sends a local class by value
        def is_there(self):
            return True

    ray.init(address=cluster.address, log_to_driver=False)
    head = NodeAffinitySchedulingStrategy(cluster.head_node.node_id, soft=False)
    other = ray.remote(num_cpus=1)(SomebodyElse).options(scheduling_strategy=head).remote()
    assert ray.get(other.is_there.remote(), timeout=60)
    yield


@pytest.mark.slow
def test_three_nodes_give_the_tables_of_a_serial_run(run_there, cluster):
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    assert [one for one in run_there(3) if "lost" in one] == []


@pytest.mark.slow
def test_a_node_that_is_removed_without_grace_costs_retries(run_there, cluster):
    doomed = [cluster.add_node(num_cpus=1) for _ in range(2)]
    told = run_there(3, lambda: cluster.remove_node(doomed[0], allow_graceful=False))
    lost = "a worker was lost with its machine; another worker evaluates its individuals again"
    assert [one for one in told if "lost" in one] == [lost]


@pytest.mark.slow
def test_more_workers_than_cores_are_told_once(run_there, cluster):
    cluster.add_node(num_cpus=1)
    told = run_there(6)
    assert len(told) == 1
    assert "of 6 workers wait for a CPU or are still starting" in told[0]


@pytest.mark.slow
def test_a_node_that_is_added_in_mid_run_is_used(run_there, cluster):
    told = run_there(2, lambda: cluster.add_node(num_cpus=1), n_used=2)
    assert "of 2 workers wait for a CPU or are still starting" in told[0]
    assert told[1:] == ["all 2 workers have answered"]


@pytest.mark.slow
def test_without_a_number_of_workers_the_cores_of_a_new_node_are_counted(run_there, cluster):
    run_there(None, lambda: cluster.add_node(num_cpus=1), n_used=2)


@pytest.mark.slow
def test_a_busy_head_leaves_the_work_to_the_other_nodes(run_there, cluster):
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    with busy_head(cluster):
        told = run_there(3, address="existing")
    assert len(told) == 1  # one of three waits until the end
