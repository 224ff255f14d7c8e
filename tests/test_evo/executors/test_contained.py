"""An individual may do anything to its worker: it alone fails, and the others have the results of a serial run."""

import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import ray

from evo import Evolution, EvolutionSettings, EvolutionState, FounderSettings, create_founders
from evo.executors import SerialExecutor, evaluate_all
from evo.executors.ray import ClusterError, RayExecutor


def raises_keyboard_interrupt():
    raise KeyboardInterrupt("mine")


def takes_too_long():
    time.sleep(600)


def takes_too_much():
    np.ones(2**28)  # 2 GiB


def does_nothing():
    pass


def segfaults():
    ctypes.string_at(0)


def sends_sigterm():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(600)


def loops_without_end():
    while True:
        pass


@pytest.fixture
def jobs_that(task):
    """Return a function that makes a task, and one job for each thing that its individual does in its fitness."""

    def make(*deeds):
        founders = [
            create_founders(FounderSettings(hidden=4 + k), 4, 2, n_founders=1, seed=0)[0]
            for k in range(len(deeds))
        ]
        deed_of = dict(zip((one.n_nodes for one in founders), deeds, strict=True))

        def fitness(network, validation, evaluation):
            deed_of[network.to_genome().n_nodes]()
            return -evaluation.loss

        settings = EvolutionSettings(population=len(deeds), steps_per_generation=5)
        evolution = Evolution(replace(task(fitness=fitness), evolution=settings), founders)
        return evolution.task, evolution.ask(EvolutionState())

    return make


def evaluate(executor, task, jobs):
    """Return status, reason and fitness of each individual, in the order of the jobs."""
    found = sorted(evaluate_all(executor, task, jobs), key=lambda one: one.job.individual)
    return [(one.status, one.reason, one.fitness) for one in found]


def fitness_without_deeds(task, jobs):
    harmless = replace(task, fitness=lambda network, validation, evaluation: -evaluation.loss)
    with SerialExecutor() as executor:
        return evaluate(executor, harmless, jobs)


def test_no_jobs_need_no_worker(jobs_that):
    task, _ = jobs_that(does_nothing)
    assert list(evaluate_all(RayExecutor(2), task, [])) == []


@pytest.mark.slow
def test_individuals_that_take_too_much_are_rows_beside_the_others(jobs_that):
    task, jobs = jobs_that(takes_too_long, raises_keyboard_interrupt, takes_too_much, does_nothing)
    with RayExecutor(1, timeout=4, memory=1) as executor:
        *failed, survivor = evaluate(executor, task, jobs)
    assert survivor == fitness_without_deeds(task, jobs)[-1]
    assert failed == [
        ("failed", "took longer than evaluation.timeout = 4 s", None),
        ("failed", "KeyboardInterrupt: mine", None),
        ("failed", failed[2][1], None),
    ]
    assert "MemoryError: Unable to allocate 2.00 GiB" in failed[2][1]


@pytest.mark.slow
def test_individuals_that_end_their_worker_are_rows_beside_the_others(jobs_that, caplog):
    deeds = segfaults, does_nothing, loops_without_end, does_nothing, does_nothing, sends_sigterm
    task, jobs = jobs_that(*deeds)
    with (
        caplog.at_level(logging.WARNING, logger="evo.executors.scheduler"),
        RayExecutor(1, timeout=4) as executor,
    ):
        found = evaluate(executor, task, jobs)
    good = fitness_without_deeds(task, jobs)
    assert [found[k] for k in (1, 3, 4)] == [good[k] for k in (1, 3, 4)]
    assert [found[k][1] for k in (0, 2, 5)] == [
        "worker was lost 3 times, each time in the evaluation of this individual alone",
        "took longer than evaluation.timeout = 4 s",
        "SystemExit: 1",
    ]
    told = [one.getMessage() for one in caplog.records if "again" in one.getMessage()]
    # The first is sent alone, for nothing is known of its cost. Whether others are sent together is a matter of time.
    assert len([one for one in told if one.startswith("a worker was lost")]) == 2
    assert len([one for one in told if one.startswith("a worker was late")]) <= 1


@pytest.fixture
def running_ray():
    """Start Ray in this process, as a user does."""
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.slow
def test_ray_that_runs_already_is_used_only_if_the_user_says_so(jobs_that, running_ray):
    task, jobs = jobs_that(does_nothing, takes_too_long)
    with pytest.raises(
        ClusterError, match=r'^Ray runs in this process already; address="existing"'
    ):
        RayExecutor(1).__enter__()
    with RayExecutor(address="existing") as executor:
        assert executor.n_workers == 1
        first = next(iter(evaluate_all(executor, task, jobs)))  # the other one is running still
        assert (first.status, first.fitness) == fitness_without_deeds(task, jobs)[0][::2]
        ((status, _, fitness),) = evaluate(executor, task, jobs[:1])
        assert (status, fitness) == (first.status, first.fitness)
        next(iter(evaluate_all(executor, task, jobs)))
    assert ray.is_initialized()
    answer = ray.remote(num_cpus=1)(lambda: "free").remote()
    assert ray.get(answer, timeout=60) == "free"  # no worker of ours holds the only core


def test_an_existing_ray_must_run():
    with pytest.raises(ClusterError, match=r"call ray\.init\(\) first$"):
        RayExecutor(address="existing").__enter__()


@pytest.mark.slow
def test_others_cannot_reach_the_ray_of_a_run():
    with RayExecutor(1):
        address = ray.get_runtime_context().gcs_address
        (node,) = ray.nodes()
        for port in (
            int(address.rpartition(":")[2]),
            node["NodeManagerPort"],
            node["ObjectManagerPort"],
        ):
            socket.create_connection(("127.0.0.1", port), timeout=10).close()
            with pytest.raises(ConnectionRefusedError):  # a port of all interfaces is open here too
                socket.create_connection(("127.0.0.2", port), timeout=10)
        stranger = subprocess.run(
            [
                sys.executable,
                "-c",
                f"from ray._raylet import GcsClient; GcsClient(address={address!r}).get_all_node_info()",
            ],
            env={**os.environ, "RAY_AUTH_MODE": "disabled"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert stranger.returncode != 0
    assert "Authentication token is missing" in stranger.stderr
