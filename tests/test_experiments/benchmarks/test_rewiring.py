"""The benchmark of rewiring sets what a policy costs beside the training that it serves."""

import json

import pandas as pd
import pytest

from evo.errors import SettingsError
from evo.policies.rewiring import METHODS
from experiments.benchmarks.harness.settings import BenchOptions
from experiments.benchmarks.rewiring import check_rewiring, line, shares, shown


def test_an_option_of_other_benchmarks_is_refused():
    with pytest.raises(SettingsError, match="must not be given to bench rewiring"):
        check_rewiring(BenchOptions(threads=(1,)))


def test_the_line_names_the_policy_that_costs_most():
    columns = ["policy", "round", "rewiring_seconds", "training_seconds"]
    epochs = [("set", 1, 0.1, 2.0), ("set", 2, 0.3, 2.0), ("set", 3, 0.1, 4.0)]
    epochs += [("chts", n, 0.4, 2.0) for n in (1, 2, 3)]
    scores = {"rule": ["ch2_l3n", "ch3_l3p"], "round": 1, "seconds": [0.02, 0.04]}
    images = {"images": ["as they are", "changed"], "round": 1, "seconds": [2.0, 2.5]}
    tables = {
        "policies": pd.DataFrame(epochs, columns=columns),
        "scores": pd.DataFrame(scores),
        "images": pd.DataFrame(images),
    }
    assert shares(tables)["share"].to_dict() == {"set": 0.05, "chts": 0.2}
    result = json.loads(json.dumps(line(tables)))
    assert (result["case"], result["ours"], result["peer"], result["ratio"]) == ("chts", 0.4, 2, 5)
    assert result["scores_ms"] == {"ch2_l3n": 20, "ch3_l3p": 40}
    assert result["share_of_images"] == 0.25
    assert len(shown(tables)) == 2


@pytest.mark.slow
def test_the_whole_benchmark_runs(quick_bench):
    printed, tables, described = quick_bench("rewiring")
    assert set(tables["policies"]["policy"]) == set(METHODS)
    assert (tables["policies"][["rewiring_seconds", "training_seconds"]] > 0).all(axis=None)
    assert tables["scores"]["rule"].unique().tolist() == ["ch2_l3n", "ch3_l3p"]
    assert "Rewiring beside an epoch of training" in printed
    assert described["result"]["case"] in METHODS
