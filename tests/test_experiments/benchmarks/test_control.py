"""The benchmark of control counts what it says, and neat-python plays the same game as we."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cnn.compile.vector_kernels import ARITHMETIC, SHARED_ARITHMETIC
from evo import Genome
from evo.errors import SettingsError
from evo.gradient_free.control import double_pole, double_pole_without_velocities
from evo.gradient_free.control.pole_kernels import gruau_fitness
from experiments.benchmarks.control.bench import bench_control, check_control, line
from experiments.benchmarks.control.problems import OURS, PROBLEMS
from experiments.benchmarks.control.runs import mark_row, run_row
from experiments.benchmarks.harness.settings import BenchOptions
from experiments.benchmarks.peers import neat_poles
from experiments.benchmarks.peers.neat import neat_config, sharpneat

try:
    import neat
except ImportError:
    neat = None
needs_neat = pytest.mark.skipif(neat is None, reason='needs pip install -e ".[bench]"')


class Linear:
    """A network of neat-python's form: a sigmoid of a weighted sum."""

    def __init__(self, weights):
        self.weights = weights

    def activate(self, inputs):
        return [1 / (1 + math.exp(-2 * float(np.dot(self.weights, inputs))))]


@pytest.mark.parametrize("sees_velocities", [True, False])
def test_neat_python_plays_the_game_of_the_compiled_task(sees_velocities):
    task = double_pole() if sees_velocities else double_pole_without_velocities()
    rng, seen = np.random.default_rng(0), set()
    for _ in range(6):
        n = task.n_inputs
        matrix = np.zeros((n + 1, n + 1), np.float32)
        matrix[:-1, -1] = rng.uniform(0, 2, n)
        genome = Genome.from_matrix(matrix, n_inputs=n, n_outputs=1, output_activation="tanh")
        episode = task.draw_episodes(rng)[0]
        episode[0] = 150
        network = Linear(matrix[:-1, -1].astype(float))  # 2σ(2x) − 1 is tanh x
        steps, swings = neat_poles.balance(network, episode, sees_velocities=sees_velocities)
        fitness, expected = task.play(genome, [episode])[0]
        assert steps == expected
        if not sees_velocities:
            assert gruau_fitness(steps, 150.0, np.array(swings)) == pytest.approx(fitness, rel=1e-3)
        seen.add(steps)
    assert len(seen) > 3


@needs_neat
def test_the_settings_of_sharpneat_are_those_of_its_source():
    """NeatEvolutionAlgorithmSettings, NeatAsexualReproductionSettings, WeightMutationSchemeFactory; SharpNEAT 4."""
    weight_mutation, add_node, add_connection, delete_connection = 0.94, 0.01, 0.025, 0.025
    changes, resets = {1: 0.5985, 2: 0.2985, 3: 0.0985}, {1: 0.015, 2: 0.015, 3: 0.015}
    total = sum(changes.values()) + sum(resets.values())
    n_changed, n_drawn = (
        weight_mutation * sum(n * p for n, p in one.items()) / total for one in (changes, resets)
    )
    for n_inputs in (2, 6):
        config = neat_config(sharpneat(n_inputs))
        genome = config.genome_config
        assert config.pop_size == 150
        assert (genome.node_add_prob, genome.node_delete_prob) == (add_node, 0)
        assert (genome.conn_add_prob, genome.conn_delete_prob) == (
            add_connection,
            delete_connection,
        )
        assert genome.single_structural_mutation
        assert config.reproduction_config.survival_threshold == 0.2
        assert config.reproduction_config.elitism == 0.2 * 150 / 10
        rates = genome.weight_mutate_rate, genome.weight_replace_rate
        n = n_inputs + 1
        assert [n * one for one in rates] == pytest.approx([n_changed, n_drawn], rel=2e-3)
        assert (genome.weight_mutate_power, genome.weight_max_value) == (0.01, 5.0)
        drawn = [genome.connection_gene_type((-1, 0), 1) for _ in range(200)]
        for one in drawn:
            one.init_attributes(genome)
        weights = [one.weight for one in drawn]
        assert -5 <= min(weights) < -4.5 < 4.5 < max(weights) <= 5


def test_unsolved_runs_count_as_more_than_any_other():
    def rows(*needed):
        return [
            {
                "problem": "p", "arm": "a", "evaluations": n or 900, "solved": n > 0, "seconds": 2.0,
                "n_effective": n, "n_cyclic": n % 2,
            }
            for n in needed
        ]  # fmt: skip

    row = mark_row(rows(100, 0, 301, 200), None)
    assert (row["runs"], row["solved_share"], row["median_evaluations"]) == (4, 0.75, 250.5)
    assert (row["n_effective"], row["with_cycles"]) == (200, pytest.approx(1 / 3))
    assert row["evaluations_per_second"] == (200 + 301) / 2 / 2
    assert mark_row(rows(0, 0, 7), None)["median_evaluations"] == math.inf
    assert mark_row(rows(0), 5.0)["n_effective"] is None


def test_a_run_says_what_its_winner_consists_of():
    xor = PROBLEMS[0]
    row = run_row(xor, OURS, 1000)
    assert row["solved"]
    assert 150 <= row["evaluations"] < 45_000
    assert 5 <= row["n_effective"] <= 21
    assert (row["n_delayed"], row["n_cyclic"]) == (0, 0)
    assert row == {**run_row(xor, OURS, 1000), "seconds": row["seconds"]}
    other = run_row(xor, "N alone", 1000)
    assert (other["arm"], other["evaluations"] != row["evaluations"]) == ("N alone", True)


def test_other_options_than_repeats_are_refused():
    with pytest.raises(SettingsError, match="threads: must not be given to bench control"):
        check_control(BenchOptions(threads=(1,)))


@needs_neat
@pytest.mark.slow
def test_a_quick_benchmark_has_every_arm_of_every_problem():
    result = bench_control(BenchOptions(quick=True), lambda text: None)
    runs, marks = result.tables["runs"], result.tables["marks"]
    for problem in PROBLEMS:
        arms = {*problem.all_arms}
        assert set(runs.loc[runs["problem"] == problem.name, "arm"]) == arms
        assert set(marks.loc[marks["problem"] == problem.name, "arm"]) == arms
    assert (runs.groupby(["problem", "arm"]).size() == 2).all()
    assert (marks["evaluations_per_second"] > 0).all()
    assert json.loads(json.dumps(result.line)) == line(marks)


# -- the published tables ----------------------------------------------------------------------------------------------

ROOT = Path(__file__).parents[3]
PUBLISHED = ROOT / "results" / "reference" / "bench-control"
PAGE = ROOT / "docs" / "studies" / "control.md"


def lines_of(marks):
    """Yield a line of the page in Markdown for each arm."""
    for row in marks.to_dict("records"):
        solved = f"{row['solved_share']:.0%} of {row['runs']}"
        needed = (
            "–" if math.isinf(row["median_evaluations"]) else f"{row['median_evaluations']:,.0f}"
        )
        edges = "" if pd.isna(row["n_effective"]) else f"{row['n_effective']:.0f}"
        yield f"| {row['arm']} | {solved} | {needed} | {edges} | {row['evaluations_per_second']:,.0f} |"


def test_the_page_has_the_published_numbers():
    page = PAGE.read_text("utf-8")
    lines = lines_of(pd.read_csv(PUBLISHED / "marks.csv"))
    assert [line for line in lines if line not in page] == []


def test_the_published_marks_follow_from_the_published_runs():
    runs, marks = (pd.read_csv(PUBLISHED / f"{name}.csv") for name in ("runs", "marks"))
    again = []
    for problem in PROBLEMS:
        for arm in problem.all_arms:
            rows = runs[(runs["problem"] == problem.name) & (runs["arm"] == arm)]
            known = [row.dropna().to_dict() for _, row in rows.iterrows()]
            again.append(mark_row(known, problem.published if arm == OURS else None))
    pd.testing.assert_frame_equal(pd.DataFrame(again), marks, check_dtype=False, rtol=1e-9)


@pytest.mark.skipif(
    ARITHMETIC != SHARED_ARITHMETIC, reason=f"the tables are those of {SHARED_ARITHMETIC}"
)
@pytest.mark.parametrize(
    ("problem", "seeds"),
    [(PROBLEMS[0], 5), (PROBLEMS[1], 2), pytest.param(PROBLEMS[2], 5, marks=pytest.mark.slow)],
)
def test_seeds_give_the_published_rows(problem, seeds):
    runs = pd.read_csv(PUBLISHED / "runs.csv").query("problem == @problem.name and arm == @OURS")
    for seed in range(seeds):
        found, row = run_row(problem, OURS, seed), runs[runs["seed"] == seed].iloc[0]
        for name in found.keys() - {"seconds", "log_abs_identity_minus"}:
            assert found[name] == row[name]


@needs_neat
@pytest.mark.slow
@pytest.mark.skipif(
    ARITHMETIC != SHARED_ARITHMETIC, reason=f"the tables are those of {SHARED_ARITHMETIC}"
)
@pytest.mark.parametrize("peer", PROBLEMS[0].peers)
def test_neat_python_gives_its_published_row(peer):
    runs = pd.read_csv(PUBLISHED / "runs.csv").query("problem == 'XOR' and arm == @peer")
    found, row = run_row(PROBLEMS[0], peer, 3), runs[runs["seed"] == 3].iloc[0]
    assert (found["evaluations"], found["solved"]) == (row["evaluations"], row["solved"])
