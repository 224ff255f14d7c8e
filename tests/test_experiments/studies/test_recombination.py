"""Runs whose children are made of relatives: stored, rebuilt, killed and resumed, without a barrier, and continued."""

import json
import signal
from collections import deque
from functools import partial

import pytest
from same_tables import assert_equal
from tests_of_kills import count_boundaries, in_child

from evo.executors import SerialExecutor
from experiments import (
    Experiment,
    continue_run,
    lineage,
    load_results,
    replay_lineage,
    resume,
    run,
    verify,
)
from experiments.analysis.lineage import cost_of_mates
from experiments.studies import execution

SETTINGS = {
    "name": "relatives",
    "seeds": 1,
    "dataset": {"name": "digits"},
    "founders": {"hidden": 6},
    "evolution": {
        "population": 4,
        "generations": 3,
        "steps_per_generation": 6,
        "statistics": "sizes",
        "selection": {"name": "tournament", "elites": 1},
        "recombination": {
            "probability": 0.8,
            "mode": "policy",
            "mates": 2,
            "relatives": "population",
        },
    },
    "policy": {"name": "adaptive", "operator_weights": {"V": 2.0, "Y": 4.0, "N": 1.0, "U": 1.0}},
    "training": {"schedule": "constant"},
    "baseline": {"arms": ["mlp"]},
}


def settings(**evolution):
    changed = {**SETTINGS, "evolution": {**SETTINGS["evolution"], **evolution}}
    return Experiment.parse(changed, "test")


def begin(folder, experiment=None, **options):
    options = {"workers": 0, "run_name": "one", "figures": False} | options
    return run(experiment or settings(), results=folder, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return begin(tmp_path_factory.mktemp("whole"))


class NewestFirst(SerialExecutor):
    """Evaluates in this process, always the job that was made last."""

    def evaluate(self, work, *, one_by_one=False):
        while work:
            yield from super().evaluate(deque([work.pop()]))


def mates_of(results):
    """Return the numbers of the mates that operations name, by the number of the child."""
    found = {}
    for row in results.operations.itertuples():
        if row.operator in "VY":
            found.setdefault(row.individual, set()).update(json.loads(row.parameters)["mates"])
    return found


def test_the_tables_name_the_mates_and_the_graph_of_a_lineage_has_them(whole):
    parents = whole.individuals.set_index("individual")["parents"]
    found = mates_of(whole)
    assert set(whole.operations["operator"]) >= set("VY")
    graph = lineage(whole)
    for child, mates in found.items():
        assert mates <= set(parents[child][1:])
        assert {number for *_, number in graph.predecessors(("one", 0, child))} >= mates
    uses = whole.credits.set_index(["generation", "operator"])["n_uses"]
    assert uses.loc[1, "V"] + uses.loc[1, "Y"] > 0


def test_the_costs_behind_the_weights_count_every_ancestor_once_mates_too(whole):
    rows, found = whole.individuals.set_index("individual"), mates_of(whole)

    def macs_behind(individual, mates):
        left, behind = [individual], set()
        while left:
            one = left.pop()
            if one not in behind:
                behind.add(one)
                left += [*rows.loc[one, "parents"][:1], *mates.get(one, ())]
                left += rows.loc[[one], "reused_from"].dropna().astype(int).tolist()
        return rows.loc[[*behind], "training_macs"].sum()

    last = max(found)
    beside = cost_of_mates(whole.path, 0, last)["training_macs"]
    assert beside == macs_behind(last, found) - macs_behind(last, {}) > 0
    winner = whole.winner()["individual"]
    (told,) = whole.comparison.loc[whole.comparison["arm"] == "evolved", "training_macs"]
    assert told == macs_behind(winner, found)


def test_whoever_has_mates_among_its_ancestors_is_rebuilt(whole):
    rows, found = whole.individuals.set_index("individual"), mates_of(whole)
    last = max(found)
    rebuilt = replay_lineage(whole, last)
    assert rebuilt[-1].job.individual == last
    assert [one.job.generation for one in rebuilt] == list(range(rows.loc[last, "generation"] + 1))
    for one in rebuilt:
        assert one.genome.fingerprint() == rows.loc[one.job.individual, "genome_hash"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["average", "soup", "crossover"])
def test_every_way_of_recombination_is_rebuilt_and_verified(mode, tmp_path):
    recombination = {"probability": 0.8, "mode": mode, "mates": 3, "relatives": "population"}
    results = begin(tmp_path, settings(recombination=recombination))
    found = mates_of(results)
    assert found
    for child in found:
        replay_lineage(results, child)
    assert verify(results.path, workers=0).difference is None


@pytest.mark.slow
def test_a_run_that_is_killed_and_resumed_is_the_run_that_was_not(whole, tmp_path):
    n_boundaries = count_boundaries(lambda: begin(tmp_path / "counted"))
    for part in (2, 3):
        folder = tmp_path / str(part)
        assert in_child(partial(begin, folder), fatal=n_boundaries // part) == -signal.SIGKILL
        resume(folder / "one", workers=0, figures=False)
        assert_equal(whole, load_results(folder / "one"))


@pytest.mark.slow
def test_workers_give_the_results_of_this_process(whole, tmp_path):
    assert_equal(whole, begin(tmp_path, workers=2))


@pytest.mark.slow
def test_a_run_that_is_continued_is_the_run_that_was_longer(tmp_path):
    crossing = {"probability": 1.0, "mode": "crossover", "relatives": "population"}
    begun = partial(settings, train_only_fraction=0.0, recombination=crossing)
    longer = begin(tmp_path, begun(), run_name="long")
    begin(tmp_path, begun(generations=2))
    newer = continue_run(
        tmp_path / "one",
        results=tmp_path,
        run_name="more",
        generations="+1",
        workers=0,
        figures=False,
    )
    expected = longer.individuals.query("generation == 3").set_index("individual")
    found = newer.individuals.set_index("individual")
    assert found["genome_hash"].equals(expected["genome_hash"])
    child = max(mates_of(newer))
    assert replay_lineage(newer, child)[-1].job.individual == child


@pytest.mark.slow
def test_without_a_barrier_a_run_is_computed_again_and_resumed_with_its_mates(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(execution, "SerialExecutor", NewestFirst)
    experiment = settings(mode="asynchronous")
    results = begin(tmp_path / "whole", experiment)
    found = mates_of(results)
    assert found
    for child in found:
        replay_lineage(results, child)
    assert verify(results.path, workers=0).difference is None
    n_boundaries = count_boundaries(lambda: begin(tmp_path / "counted", experiment))
    folder = tmp_path / "killed"
    work = partial(begin, folder, experiment)
    assert in_child(work, fatal=n_boundaries // 2) == -signal.SIGKILL
    resume(folder / "one", workers=0, figures=False)
    assert_equal(results, load_results(folder / "one"))
