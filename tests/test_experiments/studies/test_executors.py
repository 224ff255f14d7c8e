"""Individuals are the same wherever they are evaluated, and whatever happens to a worker."""

import logging
import os
import pickle
import signal
import sys
from dataclasses import replace

import pandas as pd
import pytest
import ray
from same_tables import assert_equal

from evo import OperatorCredit, PolicySettings, operator_probabilities
from evo.evolution.fitness import negative_loss
from evo.executors.ray import ClusterError, RayExecutor
from evo.storage.tables import TIMING_COLUMNS
from experiments import run
from experiments.cli.app import main
from experiments.progress import Reporter
from experiments.studies.execution import task_of
from experiments.studies.runner import begun_run


def test_a_serial_run_repeats_itself(tiny, finished, tmp_path):
    assert_equal(finished, run(tiny(), workers=0, results=tmp_path, run_name="tiny", figures=False))


def test_another_seed_gives_another_run(tiny, finished, tmp_path):
    other = run(tiny(seed=90, seeds=1), workers=0, results=tmp_path, run_name="tiny", figures=False)
    assert not set(other.individuals["genome_hash"]) & set(finished.individuals["genome_hash"])


@pytest.mark.slow  # own parts on Ray are compared with a serial run in test_own_parts
@pytest.mark.parametrize("workers", [1, 2])
def test_ray_gives_the_results_of_a_serial_run(tiny, finished, tmp_path, workers):
    parallel = run(tiny(), workers=workers, results=tmp_path, run_name="tiny", figures=False)
    assert_equal(finished, parallel)


class Noting(Reporter):
    """Notes in which order generations of several seeds are complete."""

    def __init__(self):
        self.seeds = []

    def generation(self, event, expected):
        self.seeds.append(event.seed)


@pytest.mark.slow
def test_seeds_share_the_workers_and_a_finished_run_does_not_show_it(tiny, tmp_path):
    settings = tiny(seeds=3, baseline={"arms": []})
    serial, parallel = Noting(), Noting()
    options = {"results": tmp_path, "figures": False}
    one = run(settings, workers=0, reporter=serial, run_name="serial", **options)
    other = run(settings, workers=2, reporter=parallel, run_name="parallel", **options)
    assert serial.seeds == sorted(serial.seeds)
    assert sorted(parallel.seeds) == serial.seeds
    assert parallel.seeds != serial.seeds
    for table in ("individuals", "generations", "population", "operations", "training", "runs"):
        frames = [pd.read_parquet(results.path / table) for results in (one, other)]
        left_out = ["run", *TIMING_COLUMNS]
        pd.testing.assert_frame_equal(
            *(frame.drop(columns=left_out, errors="ignore") for frame in frames), obj=table
        )


def test_a_worker_need_not_import_this_package_for_its_task(finished):
    plan = begun_run(finished.path, None, None).plan
    task = task_of(plan, plan.splits[0], plan.experiment.seed)
    assert b"experiments" not in pickle.dumps(replace(task, fitness=negative_loss))
    assert task.recipe.model_dump().items() <= plan.experiment.training.model_dump().items()


class StoppedError(Exception):
    """The run was about to begin."""


class Asking(Reporter):
    """Notes the number of workers, and stops the run before it begins."""

    def starting(self, name, workers, expected):
        self.workers = workers
        raise StoppedError


def asked(settings, tmp_path, **options):
    reporter = Asking()
    with pytest.raises(StoppedError):
        run(settings, results=tmp_path, reporter=reporter, **options)
    return reporter.workers


def own_fitness(network, validation):
    return 1.0


def test_a_brief_search_has_no_workers_unless_it_is_told_to(tiny, tmp_path):
    assert asked(tiny(), tmp_path) == 0
    assert asked(tiny(), tmp_path, workers=3) == 3
    assert asked(tiny(), tmp_path, address="existing") is None
    assert asked(tiny(), tmp_path, fitness=own_fitness) is None
    assert asked(tiny(evaluation={"timeout": 60.0}), tmp_path) is None


@pytest.mark.parametrize(
    "more",
    [
        {"seeds": 20, "evolution": {"population": 40, "generations": 9, "steps_per_generation": 9}},
        {"evolution": {"population": 4, "generations": 900, "steps_per_generation": 1}},
        {"evolution": {"population": 4, "generations": 2, "steps_per_generation": 400_000}},
        pytest.param({"founders": {"hidden": 3_000, "density": 1.0}}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_search_that_takes_long_has_workers(tiny, tmp_path, more):
    assert asked(tiny(**more), tmp_path) is None


@pytest.mark.slow
def test_ray_reuses_the_results_that_a_serial_run_reuses(tiny, tmp_path):
    settings = tiny(
        seeds=1,
        dataset={"name": "xor"},
        founders={"hidden": 4},
        policy={"name": "weighted", "operator_weights": {"H": 1.0}, "max_operations": 1},
        baseline={"arms": ["mlp", "static"]},
    )
    serial, parallel = (
        run(
            settings,
            workers=workers,
            results=tmp_path,
            run_name=f"workers-{workers}",
            figures=False,
        )
        for workers in (0, 2)
    )
    columns = ["individual", "reused_from", "steps", "ancestry_steps", "fitness", "genome_hash"]
    pd.testing.assert_frame_equal(
        serial.individuals[columns], parallel.individuals[columns], check_exact=True
    )
    reused = serial.individuals["reused_from"].notna()
    assert reused.any()
    assert (serial.individuals["steps"] == 0).tolist() == reused.tolist()
    assert serial.runs["search_steps"].item() == serial.individuals["steps"].sum()


@pytest.mark.slow
def test_letters_that_learn_learn_the_same_on_ray(tiny, tmp_path):
    policy = {"name": "adaptive", "max_operations": 3}
    settings = {"population": 4, "generations": 5, "steps_per_generation": 10}
    serial, parallel = (
        run(
            tiny(seeds=1, policy=policy, evolution=settings, baseline={"arms": []}),
            workers=workers,
            results=tmp_path / where,
            run_name="tiny",
            figures=False,
        )
        for workers, where in ((0, "serial"), (2, "ray"))
    )
    tables = [
        results.credits.merge(results.operations, on=["run", "seed", "generation", "operator"])
        for results in (serial, parallel)
    ]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    shares = serial.credits.pivot_table(
        index="generation", columns="operator", values="probability"
    )
    assert (shares.std() > 0).all()
    # Nothing is hidden: the table as read from disk gives the shares of the generation that follows.
    learnt = PolicySettings(**policy)
    for number in shares.index:
        before = serial.credits[serial.credits["generation"] < number]
        history = [
            [
                OperatorCredit(row.operator, row.probability, int(row.n_uses), row.credit)
                for row in rows.itertuples()
            ]
            for _, rows in before.groupby("generation")
        ]
        assert operator_probabilities(learnt, history) == shares.loc[number].to_dict()


def fitness_that_kills_its_worker(calls, at):
    """Return a fitness that notes its calls in a file and kills its own process at one of them."""

    # Ray sends a local function by value, so the worker needs no access to this file.
    def fitness(network, validation, evaluation):
        with calls.open("ab") as file:
            file.write(b".")
        if calls.stat().st_size == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return -evaluation.loss

    return fitness


@pytest.mark.slow
def test_a_killed_worker_costs_a_retry_and_no_result(tiny, finished, tmp_path, caplog):
    calls = tmp_path / "calls"
    fitness = fitness_that_kills_its_worker(calls, at=6)
    with caplog.at_level(logging.WARNING, logger="evo.executors.scheduler"):
        survived = run(
            tiny(), workers=1, fitness=fitness, results=tmp_path, run_name="tiny", figures=False
        )
    # It is another function with the same values.
    survived.runs["evolution.fitness"] = finished.runs["evolution.fitness"]
    assert_equal(finished, survived)
    assert [
        record.message for record in caplog.records if record.name == "evo.executors.scheduler"
    ] == ["a worker was lost; another worker evaluates its individuals again"]
    # Once more for the individual, and perhaps for one that was sent with it: its result was lost too.
    assert calls.stat().st_size - len(survived.individuals) in {1, 2}


def fitness_that_ends_on(n_parameters, end):
    """Return a fitness that calls a function for networks with this number of parameters."""

    def fitness(network, validation, evaluation):
        if network.parameter_count == n_parameters:
            end(1)
        return -evaluation.loss

    return fitness


@pytest.mark.slow
def test_an_individual_that_always_kills_its_worker_fails_alone(tiny, finished, tmp_path):
    one_generation = {"population": 4, "generations": 1, "steps_per_generation": 10}
    settings = tiny(seeds=1, evolution=one_generation, baseline={"arms": ["mlp"]})
    third = finished.individuals.query("seed == 3 and individual == 2")["parameters"].item()
    runs = [
        run(
            settings,
            workers=workers,
            fitness=fitness_that_ends_on(third, end),
            results=tmp_path / str(workers),
            run_name="r",
            figures=False,
        )
        for workers, end in ((0, sys.exit), (2, os._exit))
    ]
    serial, parallel = (results.individuals for results in runs)
    failed = parallel[parallel["status"] == "failed"]
    assert failed["individual"].tolist()[0] == 2
    assert set(failed["reason"]) == {
        "worker was lost 3 times, each time in the evaluation of this individual alone"
    }
    columns = ["individual", "status", "fitness", "genome_hash"]
    pd.testing.assert_frame_equal(serial[columns], parallel[columns], check_exact=True)
    compared = [
        results.comparison.drop(columns=TIMING_COLUMNS, errors="ignore") for results in runs
    ]
    pd.testing.assert_frame_equal(*compared, check_exact=True)
    assert set(serial[serial["status"] == "failed"]["reason"]) == {"SystemExit: 1"}


class EndsItsProcess:
    """A fitness that ends the process in which it is unpacked."""

    def __reduce__(self):
        return os._exit, (1,)

    def __call__(self, network, validation):
        return 0.0


@pytest.mark.slow
def test_workers_that_are_lost_as_they_start_end_the_run(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("evo.executors.scheduler.MAX_LOST_STARTS", 1)
    with pytest.raises(ClusterError, match="lost 2 workers as they started") as caught:
        run(tiny(seeds=1), workers=1, fitness=EndsItsProcess(), results=tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_worker_that_no_machine_has_room_for_is_not_waited_for(
    tiny, finished, tmp_path, monkeypatch
):
    start = ray.init
    monkeypatch.setattr("ray.init", lambda **options: start(**{**options, "num_cpus": 1}))
    assert_equal(finished, run(tiny(), workers=2, results=tmp_path, run_name="tiny", figures=False))


@pytest.mark.slow
def test_an_individual_that_fails_is_a_row_with_its_reason(tiny, tmp_path, caplog):
    def fitness(network, validation, evaluation):
        if network.macs % 2:
            raise ValueError("odd")
        return -evaluation.loss

    serial, parallel = (
        run(
            tiny(seeds=1),
            workers=workers,
            fitness=fitness,
            results=tmp_path / where,
            run_name="r",
            figures=False,
        )
        for workers, where in ((0, "serial"), (2, "ray"))
    )
    assert_equal(serial, parallel)
    failed = serial.individuals[serial.individuals["status"] == "failed"]
    assert 0 < len(failed) < len(serial.individuals)
    assert set(failed["reason"]) == {"ValueError: odd"}
    assert failed["fitness"].isna().all()
    line = fitness.__code__.co_firstlineno + 2
    assert set(failed["error_at"]) == {f"{__file__}:{line} in fitness"}
    # Both executors log the traceback once, and how many others failed in the same way in each generation.
    records = [one.getMessage() for one in caplog.records if "fail" in one.getMessage()]
    tracebacks = [one for one in records if "Traceback" in one]
    assert len(tracebacks) == caplog.text.count('raise ValueError("odd")') == 2
    counted = [
        int(one.split(" more failed like individual ")[0])
        for one in records[1:]
        if one[0].isdigit()
    ]
    assert sum(counted) == 2 * (len(failed) - 1)
    assert len(records) <= 2 * (1 + len(serial.generations))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "somewhere"])
def test_an_address_without_a_cluster_is_one_line(tmp_path, capsys, address):
    with pytest.raises(SystemExit) as caught:
        main(["run", "xor", "--address", address, "--results", str(tmp_path), "--quiet"])
    printed = capsys.readouterr()
    assert caught.value.code == 2
    assert printed.err.startswith(f"evomatrix: --address {address}: no Ray cluster there (")
    assert printed.err.count("\n") == 1
    assert printed.out == ""


@pytest.mark.slow
def test_an_error_after_the_start_of_ray_does_not_spoil_later_runs(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("ray.cluster_resources", lambda: {"CPU": "many"})
        with pytest.raises(ClusterError, match="Ray did not start on this machine"), RayExecutor():
            pass
    assert not ray.is_initialized()
    with RayExecutor(1):
        with pytest.raises(ClusterError, match=r"^Ray runs in this process already"):
            RayExecutor(1).__enter__()
        assert ray.is_initialized()  # it belongs to somebody else
    assert not ray.is_initialized()


@pytest.mark.parametrize("workers", [1.5, 2.0, "2", True])
def test_workers_must_be_a_whole_number(workers):
    with pytest.raises(TypeError, match=r"^n_workers must be an integer; got "):
        RayExecutor(workers)


def test_workers_must_be_positive():
    with pytest.raises(ValueError, match="at least 1; got 0"):
        RayExecutor(0)


@pytest.mark.parametrize(
    ("error", "told"),
    [(Exception("timed out.\nSee the logs."), "timed out."), (RuntimeError(), "RuntimeError")],
)
def test_a_ray_that_does_not_start_is_one_line(monkeypatch, error, told):
    def never(**options):
        raise error

    monkeypatch.setattr("ray.init", never)
    with pytest.raises(ClusterError) as caught, RayExecutor(1):
        pass
    assert str(caught.value) == (
        f"Ray did not start on this machine; --workers 0 works without it ({told})"
    )
