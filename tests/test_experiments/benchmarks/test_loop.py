"""The benchmark of whole runs says where their time goes."""

import json

import pandas as pd
import pytest

from evo.errors import SettingsError
from experiments.benchmarks.harness.settings import BenchOptions
from experiments.benchmarks.loop import check_loop, line, medians, shown


def test_an_option_of_other_benchmarks_is_refused():
    with pytest.raises(SettingsError, match="must not be given to bench loop"):
        check_loop(BenchOptions(threads=(1,)))


def test_shares_are_those_of_median_seconds_within_a_process():
    main, worker = ("this process", "main"), ("two workers", "worker")
    times = [(*main, "train", 2.0), (*main, "draw", 6.0), (*worker, "train", 9.0)]
    again = [(*main, "train", 4.0), (*main, "draw", 6.0), (*worker, "idle", 1.0)]
    columns = ["side", "process", "activity", "seconds"]
    turns = {
        "side": ["this process", "two workers"],
        "seconds": [9.0, 12.0],
        "search_seconds": [6.0, 4.0],
    }
    tables = {"turns": pd.DataFrame(turns), "times": pd.DataFrame(times + again, columns=columns)}
    found = medians(tables).set_index(["process", "activity"])
    assert found["seconds"].to_dict() == {
        ("main", "train"): 3.0,
        ("main", "draw"): 6.0,
        ("worker", "train"): 9.0,
        ("worker", "idle"): 1.0,
    }
    assert found.loc["main", "share"].tolist() == [1 / 3, 2 / 3]
    result = json.loads(json.dumps(line(tables)))
    assert (result["ratio"], result["ratio_of_whole_runs"]) == (1.5, 0.75)
    assert (result["training_share"], result["training_share_of_workers"]) == (0.333, 0.9)
    assert len(shown(tables)) == 2


@pytest.mark.slow
def test_the_whole_benchmark_runs(quick_bench):
    printed, tables, described = quick_bench("loop")
    assert set(tables) == {"turns", "times"}
    assert set(tables["turns"]["side"]) == {"this process", "two workers"}
    assert {"train", "describe", "idle", "wait"} <= set(tables["times"]["activity"])
    assert "Where the time of a run goes" in printed
    assert 0 < described["result"]["training_share"] < 1
