"""Limits of what one individual may take, and Ray where it is missing or runs already."""

import sys
import time

import pytest

from evo.errors import SettingsError
from evo.executors.ray import ClusterError
from experiments import run
from experiments.studies.study import parse_study, run_study


@pytest.mark.parametrize("limit", ["timeout", "memory"])
def test_a_limit_without_a_worker_is_refused_before_any_work(tiny, tmp_path, limit):
    told = rf"^workers must be at least 1 with evaluation\.{limit}, which needs a worker; got 0$"
    with pytest.raises(SettingsError, match=told):
        run(tiny(evaluation={limit: 2}), workers=0, results=tmp_path)
    arms = {"dataset": {"name": "xor"}, "evaluation": {limit: 2}, "arms": {"one": {}}}
    with pytest.raises(SettingsError, match=told):
        run_study(parse_study(arms, "study"), workers=0, results=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", ["timeout", "memory"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_a_limit_is_a_positive_number(tiny, limit, value):
    with pytest.raises(SettingsError, match=rf"^tiny: evaluation\.{limit} must be .*; got "):
        tiny(evaluation={limit: value})


def test_a_limit_that_the_system_does_not_have_is_refused(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.studies.arguments.can_limit_memory", lambda: False)
    with pytest.raises(SettingsError, match=r"^evaluation\.memory must not be given on this sys"):
        run(tiny(evaluation={"memory": 2}), workers=1, results=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", [None, 2])
def test_a_missing_ray_is_one_line_before_a_folder_exists(tiny, tmp_path, monkeypatch, workers):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "evo.executors.travel")
    told = rf"^workers must be 0 where Ray is not installed \(pip install ray\); got {workers}$"
    evolution = {"population": 4, "generations": 2, "steps_per_generation": 400_000}  # not brief
    with pytest.raises(SettingsError, match=told):
        run(tiny(evolution=evolution), workers=workers, results=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_brief_run_does_not_miss_ray(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "evo.executors.travel")
    assert len(run(tiny(seeds=1), results=tmp_path, figures=False).runs) == 1


def test_an_existing_ray_that_does_not_run_leaves_no_folder(tiny, tmp_path):
    with pytest.raises(ClusterError, match=r"call ray\.init\(\) first$"):
        run(tiny(), address="existing", results=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_individual_that_takes_too_long_is_a_row_with_its_reason(tiny, finished, tmp_path):
    parameters = finished.individuals.query("seed == 3 and generation == 0")["parameters"].tolist()
    slow = parameters[1]

    def fitness(network, validation, evaluation):
        if network.parameter_count == slow:
            time.sleep(600)
        return -evaluation.loss

    settings = tiny(
        seeds=1,
        evolution={"population": 4, "generations": 0, "steps_per_generation": 10},
        evaluation={"timeout": 5, "memory": 2},
        baseline={"arms": ["mlp"]},
    )
    results = run(settings, workers=1, fitness=fitness, results=tmp_path, figures=False)
    late = "took longer than evaluation.timeout = 5 s"
    expected = [late if count == slow else "" for count in parameters]
    assert results.individuals["reason"].tolist() == expected
    assert "" in expected
    assert results.runs["evaluation.timeout"].item() == 5
    assert results.runs["evaluation.memory"].item() == 2


@pytest.mark.slow
def test_an_arm_with_one_network_has_a_worker_if_its_time_is_limited(tmp_path):
    values = {
        "seeds": 1,
        "dataset": {"name": "xor"},
        "evolution": {"population": 1, "generations": 0, "steps_per_generation": 10},
        "evaluation": {"timeout": 60},
        "baseline": {"arms": ["mlp"]},
        "arms": {"one": {}},
    }
    results = run_study(parse_study(values, "study"), workers=1, results=tmp_path, figures=False)
    assert results.individuals["status"].tolist() == ["ok"]
