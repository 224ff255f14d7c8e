"""What fails is told: in the tables, in the verdicts, on the terminal; and a founder is not called evolved."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evo.evolution.evolution import EvolutionError
from experiments import Dataset, Experiment, load_results, run
from experiments.cli.app import main
from experiments.progress import Reporter
from experiments.studies.runner import idle_operators, plan_run


@pytest.fixture
def signs():
    X = np.random.default_rng(0).normal(size=(150, 3))
    return Dataset.from_arrays(X, np.where(X[:, 0] > 0, "plus", "minus"))


def settings(**changes):
    values = {
        "name": "small",
        "seeds": 1,
        "founders": {"hidden": 4, "density": 0.5},
        "evolution": {"population": 3, "generations": 2, "steps_per_generation": 5},
        "baseline": {"arms": ["mlp"], "hidden": 3},
    }
    return Experiment(**(values | changes))


class Failing:
    """A fitness that raises an error for some of its calls."""

    def __init__(self, fails):
        self.fails, self.n_calls = fails, 0

    def __call__(self, network, validation):
        self.n_calls += 1
        if self.fails(self.n_calls - 1):
            raise RuntimeError("no\nway")
        return -network.loss(validation.inputs, validation.targets)


def shown(path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["show", str(path)])
    return ended.value.code, *capsys.readouterr()


def test_a_failure_is_in_the_verdicts_with_its_count_reason_and_line(signs, tmp_path, capsys):
    fitness = Failing(lambda call: call == 4)
    results = run(
        settings(), dataset=signs, fitness=fitness, workers=0, results=tmp_path, figures=False
    )
    total = len(results.individuals)
    (line,) = results.failure_lines()
    assert line.startswith(
        f"1 of {total} individuals have no fitness (1 failed); the first, individual 4 with seed 0: "
        f"RuntimeError: no way ({__file__}:"
    )
    assert line.endswith(" in __call__)")
    assert results.verdicts()[-1] == line
    assert results.comparison["arm"].tolist() == ["evolved", "mlp"]
    code, out, _ = shown(results.path, capsys)
    assert code == 0
    assert line in out


def test_a_run_without_failures_says_nothing_of_them(finished):
    assert finished.failure_lines() == []
    assert len(finished.verdicts()) == 3


NOTHING = {"name": "weighted", "operator_weights": {"K": 1.0, "V": 1.0}}


def test_operators_that_can_change_nothing_are_named_before_the_run_and_copies_after_it(
    signs, tmp_path
):
    warnings = []

    class Told(Reporter):
        def warn(self, line):
            warnings.append(line)

    results = run(
        settings(policy=NOTHING, baseline={"arms": []}),
        **{"dataset": signs, "workers": 0, "results": tmp_path, "figures": False},
        reporter=Told(),
    )
    assert warnings == [
        "policy.operator_weights: these operators can change nothing: K without feature maps; V without "
        'evolution.recombination.mode = "policy". No other operator is drawn, so every child is a copy of its parent'
    ]
    (line,) = results.failure_lines()
    assert line == (
        "seed 0: all children are copies of their parents in 2 of 2 generations with children (1, 2), because no "
        "operation could be applied"
    )


@pytest.mark.parametrize(
    ("policy", "recombination", "told"),
    [
        ({"operator_weights": {"K": 1.0, "N": 1.0}}, {}, "K without feature maps"),
        (NOTHING, {"probability": 0.5, "mode": "policy"}, "K without feature maps"),
        ({"operator_weights": {"V": 1.0}}, {"probability": 0.5, "mode": "policy"}, ""),
        ({}, {}, ""),
        ({"name": "none"}, {}, ""),
    ],
)
def test_only_operators_that_can_change_nothing_are_named(signs, policy, recombination, told):
    evolution = {"population": 1, "generations": 2, "recombination": recombination}
    plan, _ = plan_run(settings(policy=policy, evolution=evolution), signs, None, None)
    line = idle_operators(plan)
    assert line.endswith(f"can change nothing: {told}" if told else "")
    assert bool(line) == bool(told)


def test_file_and_line_of_an_error_stay_in_the_table(signs, tmp_path):
    fitness = Failing(lambda call: call == 4)
    results = run(
        settings(), dataset=signs, fitness=fitness, workers=0, results=tmp_path, figures=False
    )
    rows = results.individuals.set_index("individual")
    place, _, function = rows.loc[4, "error_at"].partition(" in ")
    path, _, number = place.rpartition(":")
    lines = Path(path).read_text("utf-8").splitlines()
    assert 'raise RuntimeError("no\\nway")' in lines[int(number) - 1]
    assert function == "__call__"
    assert (rows.drop(4)["error_at"] == "").all()


def test_the_line_is_that_of_the_users_code_if_the_error_comes_from_a_library(signs, tmp_path):
    def fitness(network, validation):
        return float(np.linalg.inv(np.zeros((2, 2)))[0, 0]) if network.parameter_count else 0.0

    with pytest.raises(EvolutionError, match="individual 0 failed: LinAlgError"):
        run(settings(), dataset=signs, fitness=fitness, workers=0, results=tmp_path, run_name="r")
    at = load_results(tmp_path / "r").individuals["error_at"].unique()
    assert len(at) == 1
    assert at[0].startswith(f"{__file__}:")
    assert at[0].endswith(" in fitness")


# -- no child succeeds -------------------------------------------------------------------------------------------------


def test_a_search_without_a_successful_child_has_no_evolved_arm(signs, tmp_path, capsys):
    fitness = Failing(lambda call: call >= 3)
    results = run(
        settings(), dataset=signs, fitness=fitness, workers=0, results=tmp_path, figures=False
    )
    assert results.comparison["arm"].tolist() == ["mlp", "train-only"]
    assert results.runs["arm"].tolist() == ["train-only"]
    assert results.summary().index.tolist() == ["train-only", "mlp"]
    first, _, none = results.verdicts()
    assert "train-only - mlp" in first
    children = (results.individuals["origin"] == "child").sum()
    assert none.startswith(
        f"seed 0: no child succeeded ({children} of {children} have no fitness), so the winner is a founder that was "
        "only trained; the first, "
    )
    assert results.winner()["origin"] == "founder"
    assert set(results.best().predict(signs.inputs)) <= {"plus", "minus"}
    assert none in shown(results.path, capsys)[1]


def test_one_successful_child_is_enough_to_have_evolved(signs, tmp_path):
    fitness = Failing(lambda call: call >= 5)
    results = run(
        settings(), dataset=signs, fitness=fitness, workers=0, results=tmp_path, figures=False
    )
    assert results.individuals.query("origin == 'child' and status == 'ok'").shape[0] > 0
    assert "evolved" in set(results.comparison["arm"])
    assert not any("no child succeeded" in line for line in results.verdicts())


def test_an_arm_with_a_name_keeps_it_beside_what_it_was(signs, tmp_path):
    fitness = Failing(lambda call: call >= 3)
    results = run(
        settings(arm="wide"),
        dataset=signs,
        fitness=fitness,
        workers=0,
        results=tmp_path,
        figures=False,
    )
    assert "wide-train-only" in set(results.comparison["arm"])


# -- no founder succeeds -----------------------------------------------------------------------------------------------


def test_founders_that_all_fail_are_in_the_tables(signs, tmp_path, capsys):
    with pytest.raises(EvolutionError, match="individual 0 failed: RuntimeError: no way"):
        run(
            settings(),
            dataset=signs,
            fitness=Failing(lambda call: True),
            workers=0,
            results=tmp_path,
            run_name="lost",
        )
    results = load_results(tmp_path / "lost")
    assert results.individuals["status"].tolist() == ["failed"] * 3
    assert results.individuals["reason"].tolist() == ["RuntimeError: no way"] * 3
    assert not results.individuals["survived"].any()
    assert results.generations[["n_individuals", "n_failures"]].to_numpy().tolist() == [[3, 3]]
    assert results.runs[["n_individuals", "n_failures"]].to_numpy().tolist() == [[3, 3]]
    assert results.runs["best_individual"].isna().all()
    assert results.population.empty
    noted = json.loads((tmp_path / "lost" / "environment.json").read_text("utf-8"))
    assert noted["error"].startswith("EvolutionError: generation 0: no individual has a fitness")
    code, out, err = shown(tmp_path / "lost", capsys)
    assert (code, out) == (2, "")
    assert err.startswith(
        f"evomatrix: {tmp_path / 'lost'}: has no comparison, for the run ended with EvolutionError:"
    )
    assert err.count("\n") == 1


# -- choosing and freezing, slots --------------------------------------------------------------------------------------


def test_operations_tell_choosing_from_freezing(tmp_path):
    experiment = settings(
        dataset={"name": "xor"},
        evolution={
            "population": 4,
            "generations": 4,
            "steps_per_generation": 5,
            "train_only_fraction": 0.5,
        },
        policy={"name": "weighted", "operator_weights": {"A": 1.0}, "max_operations": 1},
        baseline={"arms": []},
    )
    results = run(experiment, workers=0, results=tmp_path, figures=False)
    rows = results.operations.merge(
        results.individuals[["individual", "origin"]], on="individual", how="left"
    )
    kinds = rows.groupby("modification")
    assert set(kinds.groups) == {"policy", "drop_dormant"}
    assert set(kinds.get_group("policy")["origin"]) == {"child"}
    assert set(kinds.get_group("drop_dormant")["origin"]) == {"continued"}
    assert set(rows["operator"]) == {"A"}
    assert (
        kinds.get_group("drop_dormant")["generation"].min()
        > kinds.get_group("policy")["generation"].max()
    )


def test_the_population_says_who_holds_each_slot(finished):
    population, individuals = finished.population, finished.individuals
    for key, rows in population.groupby(["seed", "generation"]):
        seed, generation = map(int, key)
        assert rows["slot"].tolist() == list(range(len(rows)))
        evaluated = individuals.query(f"seed == {seed} and generation == {generation}")
        new = set(rows["individual"]) & set(evaluated["individual"])
        assert new == set(evaluated.loc[evaluated["survived"], "individual"])
        best = (
            individuals.query(f"seed == {seed}")
            .set_index("individual")
            .loc[rows["individual"], "fitness"]
        )
        (found,) = finished.generations.query(f"seed == {seed} and generation == {generation}")[
            "best_fitness"
        ]
        assert best.max() == found
    sizes = population.groupby(["seed", "generation"]).size()
    assert sizes[:, 0].tolist() == [4, 4]
    assert (
        pd.read_parquet(finished.path / "population")["individual"].tolist()
        == population["individual"].tolist()
    )
