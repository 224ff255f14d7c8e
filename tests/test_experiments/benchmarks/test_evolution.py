"""The bench of evolution alone, and the script that solves XOR by it."""

import math

import pytest

from experiments import xor_evolution
from experiments.benchmarks.graph.evolution import evolution_rows, xor_settings
from experiments.benchmarks.peers.neat import evolve_xor, neat_config

try:
    import neat
except ImportError:
    neat = None
needs_neat = pytest.mark.skipif(neat is None, reason='needs pip install -e ".[bench]"')


def test_our_target_is_the_fitness_threshold_of_the_peers_example():
    settings = xor_settings()
    assert settings.population == 150
    # An error of e at each of four corners: 4 − 4e² against −½e².
    e = math.sqrt((4 - 3.9) / 4)
    assert settings.target_fitness == pytest.approx(-(e**2) / 2)


@needs_neat
def test_the_peer_solves_xor_by_its_example():
    evaluations, solved, n_edges = evolve_xor(neat_config(), seed=1, generations=300)
    assert solved
    assert n_edges >= 5
    assert 1_000 < evaluations < 300 * 160


@needs_neat
def test_changes_to_the_peers_settings_arrive():
    changed = neat_config({"DefaultGenome": {"num_hidden": 3, "weight_mutate_rate": 0.25}})
    assert changed.genome_config.num_hidden == 3
    assert changed.genome_config.weight_mutate_rate == 0.25
    assert (changed.pop_size, changed.fitness_threshold) == (150, 3.9)


@needs_neat
def test_the_row_compares_whole_runs_that_solve_the_problem():
    (row,) = evolution_rows(2, quick=True)
    assert (row["what"], row["peer"], row["unit"]) == (
        "evolution alone, XOR, population 150",
        "neat-python",
        "evaluations/s",
    )
    assert row["ratio"] == row["ours"] / row["peer_value"] > 1
    assert row["ours_low"] <= row["ours"] <= row["ours_high"]
    assert row["peer_low"] <= row["peer_value"] <= row["peer_high"]
    assert (row["ours_runs"], row["peer_runs"]) == (40, 2)
    assert row["ours_solved_share"] == 1.0
    assert 150 < row["ours_evaluations_a_run"] < 300 * 150
    assert row["peer_evaluations_a_run"] == pytest.approx(5 * 150, rel=0.1)


@pytest.mark.slow
def test_the_script_shows_ten_solved_runs_and_a_replayed_ancestry(capsys):
    xor_evolution.main()
    printed = capsys.readouterr().out
    assert printed.count("True") == 11
    assert "replay bit for bit: True" in printed
