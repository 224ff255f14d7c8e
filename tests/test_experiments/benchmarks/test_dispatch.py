"""The benchmark of dispatch measures what it says, and its simulated search is a search."""

import json

import pandas as pd
import pytest

from evo.errors import SettingsError
from evo.executors.scheduler import Ready
from experiments import load_results
from experiments.benchmarks.dispatch.bench import check_dispatch, line, shown
from experiments.benchmarks.dispatch.overhead import (
    busy_seconds,
    bytes_rows,
    founder,
    jobs_like,
    offspring,
    task_of,
)
from experiments.benchmarks.dispatch.simulated_workers import SimulatedWorkers
from experiments.benchmarks.dispatch.simulation import Size, simulate
from experiments.benchmarks.harness.settings import BenchOptions


@pytest.mark.parametrize("option", ["batches", "threads", "networks", "data_dir"])
def test_an_option_of_other_benchmarks_is_refused(option):
    with pytest.raises(SettingsError, match="must not be given to bench dispatch"):
        check_dispatch(BenchOptions(**{option: (1,)}))


def test_a_simulated_search_writes_the_tables_of_a_search(tmp_path):
    rows = simulate(Size(workers=3, population=4, generations=4), tmp_path)
    (folder,) = tmp_path.iterdir()
    individuals = load_results(folder).individuals
    assert rows[-1]["individuals"] == len(individuals)
    assert 4 + 3 * 8 < len(individuals) <= 4 + 3 * 8 + 4  # at last each individual trains on once
    assert set(individuals["status"]) == {"ok"}
    assert individuals["genome_hash"].notna().all()
    assert len(load_results(folder).generations) == 5
    assert rows[-1]["driver_seconds"] > 0
    # About thirty individuals of half a second on average, on three workers.
    assert 28 * 0.5 / 3 < rows[-1]["simulated_seconds"] < 12
    assert 0.4 < rows[-1]["busy_fraction"] < 1


def test_simulated_time_passes_only_while_somebody_waits():
    workers = SimulatedWorkers([1], lambda job: 1.0, lambda job: None, start_seconds=2.0)
    first, second = workers.start(), workers.start()
    assert workers.has_room() is False
    assert workers.wait(1.0) == []
    assert workers.now() == 1.0
    assert workers.wait(5.0) == [Ready(first)]
    assert workers.now() == 2.0
    workers.end(first)
    assert workers.wait(9.0) == [Ready(second)]
    assert workers.now() == 4.0
    with pytest.raises(RuntimeError, match="never happens"):
        workers.wait(float("inf"))


def test_large_parents_are_no_part_of_a_message():
    small, large = bytes_rows([2, 240])
    assert small["bytes_once_per_machine"] == 0
    assert large["parent_bytes"] > 100_000
    assert large["job_bytes"] < 1000 < large["job_bytes_whole"] / 100
    # Each parent is that of two individuals: itself, trained further, and its child.
    assert large["bytes_once_per_machine"] == pytest.approx(large["parent_bytes"] / 2, rel=0.01)
    # Whole individuals bring their jobs back, and the topology of those that are only trained.
    assert large["answer_bytes"] < 0.75 * large["answer_bytes_whole"]


def test_tiny_individuals_are_those_of_a_search():
    found = offspring(task_of(1), founder(2, 2))
    assert {one.job.origin for one in found} == {"continued", "child"}
    assert all(one.status in {"ok", "duplicate"} for one in found)
    assert busy_seconds(found) > 0
    jobs = jobs_like(found, 11)
    assert [job.individual for job in jobs] == list(range(11))
    assert len({id(job.genome) for job in jobs}) == 6  # two jobs have one parent


def test_the_line_has_the_nearest_peer_and_the_worst_of_the_simulation():
    tables = {
        "overhead": pd.DataFrame(
            {
                "side": ["ours", "ours, one by one", "bare actor calls", "multiprocessing"],
                "overhead_microseconds": [50.0, 400.0, 500.0, 100.0],
            }
        ),
        "efficiency": pd.DataFrame([{"efficiency": 0.95}]),
        "bytes": pd.DataFrame([{"edges": 8}]),
        "simulation": pd.DataFrame(
            {
                "search": ["a", "a", "a", "b", "b", "b"],
                "milliseconds_per_individual": [9.0, 1.0, 0.5, 9.0, 0.7, 0.6],
                "resident_mib": [1.0, 2.0, 4.0, 7.0, 8.0, 8.5],
            }
        ),
    }
    found = json.loads(json.dumps(line(tables)))
    assert (found["ours"], found["peer"], found["ratio"]) == (50.0, 100.0, 2.0)
    assert found["ratio_bare_actor_calls"] == 10.0
    assert (found["driver_milliseconds"], found["grown_mib"]) == (0.6, 2.0)
    assert len(shown(tables)) == 4


@pytest.mark.slow
def test_the_whole_benchmark_runs(quick_bench):
    printed, tables, described = quick_bench("dispatch")
    assert set(tables) == {"overhead", "efficiency", "bytes", "simulation"}
    assert (tables["overhead"]["seconds"] > tables["overhead"]["busy_seconds_each_worker"]).all()
    assert "bare actor calls" in printed
    assert described["result"]["unit"] == "µs overhead per individual"
