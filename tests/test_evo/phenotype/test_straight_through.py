"""The straight-through threshold: dormant entries learn as if they were edges, and may become active in training."""

from dataclasses import replace

import numpy as np
import pytest

from cnn.training.recipe import Recipe
from cnn.training.samples import Samples
from cnn.training.trainer import train
from evo import (
    Evolution,
    EvolutionSettings,
    EvolutionState,
    FounderSettings,
    Genome,
    Phenotype,
    PolicySettings,
    create_founders,
)
from evo.evolution.individual import evaluate_individual


def draw(rng, *, ticks=1, threshold=0.6, mode="magnitude", n=9, dtype=np.float64):
    matrix = (rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.6)).astype(dtype)
    return Genome.from_matrix(
        matrix, n_inputs=3, n_outputs=2, ticks=ticks, bias=rng.normal(size=n), threshold=threshold,
        threshold_mode=mode,
    )  # fmt: skip


def cut(genome):
    """Return the genome without threshold in which dormant entries are zeros."""
    return replace(genome, values=np.where(genome.active_mask(), genome.values, 0), threshold=None)


@pytest.mark.parametrize("mode", ["magnitude", "signed"])
@pytest.mark.parametrize("ticks", [1, 3])
@pytest.mark.parametrize("threshold", [0.6, "each"])
def test_gradients_are_those_of_the_network_whose_dormant_entries_are_zeros(ticks, mode, threshold):
    rng = np.random.default_rng(ticks)
    for _ in range(10):
        thresholds = rng.uniform(0, 1, 9) if threshold == "each" else threshold
        genome = draw(rng, ticks=ticks, mode=mode, threshold=thresholds)
        X, Y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
        learning = Phenotype(genome, "squared_error", dormant="straight_through")
        zeros = Phenotype(cut(genome), "squared_error")
        assert learning.plan.entries.tolist() == zeros.plan.entries.tolist()
        np.testing.assert_allclose(learning.output(X), zeros.output(X), rtol=1e-14)
        value, gradient = learning.loss_and_gradients(X, Y)
        expected_value, expected = zeros.loss_and_gradients(X, Y)
        assert value == expected_value
        np.testing.assert_array_equal(gradient, expected)
        dormant = ~genome.active_mask()[learning.plan.entries]
        assert np.abs(gradient[: len(dormant)][dormant]).max() > 0


def test_what_sleeps_weighs_nothing_but_is_kept():
    rng = np.random.default_rng(0)
    genome = draw(rng)
    frozen = Phenotype(genome, "squared_error")
    learning = Phenotype(genome, "squared_error", dormant="straight_through")
    X = rng.normal(size=(4, 3))
    np.testing.assert_allclose(learning.output(X), frozen.output(X), rtol=1e-13)
    assert learning.n_edges > frozen.n_edges
    assert learning.to_genome().equals(genome)


def test_edges_wake_up_and_fall_asleep_within_a_train_phase():
    rng = np.random.default_rng(2)
    n_inputs, n = 12, 12 + 10 + 2
    matrix = np.zeros((n, n), np.float32)
    matrix[:12, 12:22] = rng.normal(size=(12, 10)) / 3
    matrix[12:22, 22:] = rng.normal(size=(10, 2)) / 3
    genome = Genome.from_matrix(matrix, n_inputs=n_inputs, n_outputs=2, threshold=0.3)
    X = rng.normal(size=(256, 12)).astype(np.float32)
    samples = Samples(X, (X[:, 0] * X[:, 1] > 0).astype(np.int64))

    def trained(dormant):
        network = Phenotype(genome, dormant=dormant)
        train(
            network,
            samples,
            Recipe(learning_rate=0.1),
            first_step=0,
            steps=300,
            total_steps=300,
            order_seed=1,
        )
        return network, network.to_genome()

    network, learnt = trained("straight_through")
    before, after = genome.active_mask(), learnt.active_mask()
    assert (after & ~before).sum() >= 5
    assert (before & ~after).sum() >= 5
    # The evaluated network is that of the genome after training.
    np.testing.assert_allclose(network.output(X), Phenotype(learnt).output(X), rtol=1e-4, atol=1e-6)
    _, waited = trained("frozen")
    assert np.array_equal(waited.values[~before], genome.values[~before])
    assert Phenotype(learnt).loss(X, samples.targets) < Phenotype(waited).loss(X, samples.targets)


def test_without_threshold_both_are_the_same():
    genome = draw(np.random.default_rng(4), threshold=None)
    X, Y = np.ones((2, 3)), np.zeros((2, 2))
    one = Phenotype(genome, "squared_error").loss_and_gradients(X, Y)[1]
    two = Phenotype(genome, "squared_error", dormant="straight_through").loss_and_gradients(X, Y)[1]
    np.testing.assert_array_equal(one, two)


def test_another_word_is_refused():
    with pytest.raises(
        ValueError, match="dormant must be one of frozen, straight_through; got 'nap'"
    ):
        Phenotype(draw(np.random.default_rng(5)), dormant="nap")


@pytest.mark.parametrize("active_edges", ["free", "kept"])
def test_a_child_that_nothing_changes_takes_over_what_its_parents_dormant_entries_learnt(
    task, active_edges
):
    settings = EvolutionSettings(
        population=2,
        generations=4,
        steps_per_generation=10,
        dormant="straight_through",
        active_edges=active_edges,
    )
    given = replace(task(policy=PolicySettings(name="none")), evolution=settings)
    founders = create_founders(
        FounderSettings(hidden=9, active_fraction=0.5), 4, 2, n_founders=2, seed=1
    )
    evolution, state = Evolution(given, founders), EvolutionState()
    for _ in range(2):
        offspring = [evaluate_individual(given, job) for job in evolution.ask(state)]
        state, generation = evolution.tell(state, offspring)
    for child in generation.offspring:
        if child.job.origin == "child":
            assert (child.reused_from.job.origin, child.steps) == ("continued", 0)
            assert child.genome.equals(child.reused_from.genome)
            assert np.array_equal(
                child.optimizer_state.moments, child.reused_from.optimizer_state.moments
            )
            assert not np.array_equal(child.genome.values, child.job.genome.values)


def test_kept_edges_are_as_many_when_a_train_phase_ends_and_free_ones_are_not(task):
    (founder,) = create_founders(
        FounderSettings(hidden=20, active_fraction=0.5), 4, 2, n_founders=1, seed=1
    )
    counts = {}
    for active_edges in ("free", "kept"):
        lone = EvolutionSettings(
            population=1,
            generations=4,
            steps_per_generation=100,
            dormant="straight_through",
            active_edges=active_edges,
        )
        given = task(policy=PolicySettings(name="none"), weight_decay=0.5)
        given = replace(given, evolution=lone)
        (job,) = Evolution(given, [founder]).ask(EvolutionState())
        counts[active_edges] = int(evaluate_individual(given, job).genome.active_mask().sum())
    assert counts["kept"] == founder.active_mask().sum()
    assert counts["free"] < 0.9 * counts["kept"]  # decay takes weights below a threshold that stays
