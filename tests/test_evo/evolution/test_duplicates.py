"""A child whose training would duplicate its parent's reuses the result: never wrongly, and reproducibly."""

from dataclasses import replace

import numpy as np
import pytest
from effort import trials

from evo import (
    Evolution,
    EvolutionSettings,
    EvolutionState,
    FounderSettings,
    Genome,
    Phenotype,
    PolicySettings,
    create_founders,
    same_network,
)
from evo.canonical.canonical import TooSymmetricError
from evo.evolution.duplicates import duplicates_training, same_parameters
from evo.evolution.fitness import FITNESSES
from evo.evolution.individual import evaluate_individual, reuse_result
from evo.operators.preserving import reorder_freely
from graphops import reorder


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def evolve(task, *, order=None, **changes):
    """Run a small evolution and return every individual that came to be, and the last population."""
    settings = EvolutionSettings(population=8, generations=4, steps_per_generation=10, **changes)
    task = replace(task, evolution=settings)
    founders = FounderSettings(hidden=3, density=0.5)
    evolution = Evolution(task, create_founders(founders, 4, 2, n_founders=8, seed=task.seed))
    everyone, state = [], EvolutionState()
    while not evolution.done(state):
        offspring = [evaluate_individual(task, job) for job in evolution.ask(state)]
        if order is not None:
            offspring = [offspring[k] for k in order.permutation(len(offspring))]
        state, generation = evolution.tell(state, offspring)
        everyone += generation.offspring
    return everyone, state.population


LETTERS = PolicySettings(name="weighted", operator_weights={"H": 1.0, "O": 1.0, "N": 1.0})


def test_where_nothing_is_modified_nothing_is_trained_twice(task):
    everyone, _ = evolve(task(policy=PolicySettings(name="none")))
    children = [one for one in everyone if one.job.origin == "child"]
    assert len(children) >= 24
    for child in children:
        parent = child.reused_from
        assert parent.job.parents == child.job.parents
        assert (parent.job.origin, parent.job.generation) == ("continued", child.job.generation)
        assert child.genome.equals(parent.genome)
        assert np.array_equal(child.optimizer_state.moments, parent.optimizer_state.moments)
        assert child.optimizer_state.step == parent.optimizer_state.step
        assert (child.fitness, child.status, child.reason) == (parent.fitness, "ok", "")
    assert sum(one.steps for one in everyone) == 10 * (len(everyone) - len(children))


def test_a_reused_result_is_what_training_would_have_given(task):
    renamed = 0
    for seed in range(trials(4, 10)):
        some = task(policy=LETTERS, seed=seed)  # with the steps and generations of `evolve`
        everyone, _ = evolve(some)
        for child in [one for one in everyone if one.reused_from is not None]:
            trained = evaluate_individual(some, replace(child.job, continued_parent=None))
            assert trained.status == child.status == "ok"
            assert trained.operations == child.operations
            assert trained.statistics == child.statistics
            assert (child.steps, child.train_seconds, child.curve) == (0, 0.0, None)
            assert child.ancestry_steps == trained.ancestry_steps
            assert child.ancestry_seconds == child.reused_from.ancestry_seconds
            assert (
                child.fitness
                == child.reused_from.fitness
                == pytest.approx(trained.fitness, rel=1e-4)
            )
            for name in ("indptr", "indices", "ids", "roles", "activations"):
                assert np.array_equal(getattr(child.genome, name), getattr(trained.genome, name))
            np.testing.assert_allclose(child.genome.values, trained.genome.values, atol=1e-5)
            np.testing.assert_allclose(child.genome.bias, trained.genome.bias, atol=1e-5)
            np.testing.assert_allclose(
                child.optimizer_state.moments, trained.optimizer_state.moments, atol=1e-4
            )
            assert same_network(child.genome, child.reused_from.genome)
            renamed += not child.genome.equals(child.reused_from.genome)
    assert renamed > trials(1, 5)


@pytest.mark.parametrize("selection", ["local_search", "tournament"])
def test_the_order_of_finishing_changes_nothing(task, selection):
    def trace(run):
        everyone, population = run
        return [
            (
                one.job.individual,
                one.reused_from and one.reused_from.job.individual,
                one.fitness,
                one.genome.fingerprint(),
            )
            for one in [*everyone, *population]
        ]

    elites = {"elites": 4} if selection == "tournament" else {}
    changes = {"selection": {"name": selection, **elites}}
    straight = trace(evolve(task(policy=LETTERS), **changes))
    shuffled = trace(evolve(task(policy=LETTERS), order=np.random.default_rng(0), **changes))
    assert straight == shuffled
    assert any(reused_from is not None for _, reused_from, _, _ in straight)


def fails_for_some(network, validation, evaluation):
    if network.parameters[0] > 0:
        raise RuntimeError("too large")
    return -evaluation.loss


def test_a_fitness_of_the_users_own_sees_every_network_trained(task):
    some = task(policy=PolicySettings(name="none"), fitness=lambda network, _: 0.0)
    assert all(one.reused_from is None for one in evolve(some)[0])


def test_a_failure_is_reused_as_well(task, monkeypatch):
    monkeypatch.setattr(FITNESSES, "is_built_in", lambda fitness: fitness is fails_for_some)
    some = task(policy=PolicySettings(name="none"), fitness=fails_for_some)
    everyone, _ = evolve(some)
    failed = [one for one in everyone if one.reused_from is not None and one.status == "failed"]
    assert failed
    for child in failed:
        assert child.reason == child.reused_from.reason == "RuntimeError: too large"
        assert child.fitness is None
        assert child.genome is child.job.genome
        assert child.ancestry_steps == child.job.first_step


# -- the comparison ----------------------------------------------------------------------------------------------------


def trained_pair(random_genome, rng, **changes):
    """Return a genome with an optimizer state, and both under other names and in another order."""
    genome = random_genome(rng, n=14, ticks=2, **changes)
    moments = rng.normal(size=(2, genome.n_stored + genome.n_nodes))
    other = reorder_freely(genome, rng)
    here, there = same_parameters(genome, other)
    moved = np.zeros_like(moments)
    moved[:, there] = moments[:, here]
    return genome, moments, other, moved


def test_parameters_are_paired_with_their_equals(random_genome, trainable_places, rng):
    genome, _, other, _ = trained_pair(random_genome, rng)
    here, there = same_parameters(genome, other)
    assert np.array_equal(np.sort(here), trainable_places(genome))
    assert np.array_equal(np.sort(there), trainable_places(other))
    assert not np.array_equal(here, there)
    numbers = [np.concatenate([one.values, one.bias]) for one in (genome, other)]
    assert np.array_equal(numbers[0][here], numbers[1][there])


def test_the_same_under_other_names_is_a_duplicate(random_genome, rng):
    for threshold in (None, 0.3, rng.uniform(0, 0.4, 14)):
        genome, moments, other, moved = trained_pair(random_genome, rng, threshold=threshold)
        assert duplicates_training(Phenotype(other), moved, genome, moments)
        assert duplicates_training(Phenotype(other), None, genome, None)


def test_any_difference_that_training_would_see_makes_it_none(random_genome, rng):
    genome, moments, other, moved = trained_pair(random_genome, rng)
    place = same_parameters(genome, other)[1]
    values, bias = other.values.copy(), other.bias.copy()
    values[place[0]] += 1e-9
    bias[place[-1] - other.n_stored] += 1e-9
    other_state = moved.copy()
    other_state[1, place[3]] += 1e-9
    others = [
        (other.with_values(values, other.bias), moved),
        (other.with_values(other.values, bias), moved),
        (replace(other, threshold=0.3001), moved),
        (replace(other, threshold=None), moved),
        (replace(other, threshold=np.full(14, 0.3)), other_state),
        (replace(other, ticks=3), moved),
        (other, other_state),
        (other, None),
    ]
    for changed, changed_state in others:
        assert not duplicates_training(Phenotype(changed), changed_state, genome, moments)
    assert duplicates_training(
        Phenotype(replace(other, threshold=np.full(14, 0.3))), moved, genome, moments
    )


def test_a_threshold_read_in_another_way_makes_it_none():
    # The same network as long as its weights are positive, which training may end.
    genome = Genome.from_matrix(np.triu(np.ones((4, 4)), 1), n_inputs=1, n_outputs=1, threshold=0.5)
    signed = replace(genome, threshold_mode="signed")
    assert same_network(genome, signed)
    assert not duplicates_training(Phenotype(signed), None, genome, None)


def test_the_same_weights_on_another_topology_are_none():
    matrix = np.array([[0, 1.0, 2.0, 0], [0, 0, 0, 1.0], [0, 0, 0, 1.0], [0, 0, 0, 0]])
    genome = Genome.from_matrix(matrix, n_inputs=2, n_outputs=1, ticks=2)
    other = Genome.from_matrix(
        np.asarray(reorder(matrix, [1, 0, 2, 3])), n_inputs=2, n_outputs=1, ticks=2
    )
    assert not duplicates_training(Phenotype(genome), None, other, None)


def test_networks_too_symmetric_to_match_are_trained():
    # Sixteen rings of three pairs of nodes; or fourteen, and one of six pairs.
    def rings(sizes):
        n = sum(sizes)
        matrix = np.zeros((2 * n + 2, 2 * n + 2))
        matrix[0, 1 : n + 1] = matrix[n + 1 : -1, -1] = 1
        start = 0
        for size in sizes:
            for k in range(size):
                matrix[1 + start + k, 1 + n + start + k] = 1
                matrix[1 + start + k, 1 + n + start + (k + 1) % size] = 1
            start += size
        return Genome.from_matrix(matrix, n_inputs=1, n_outputs=1)

    pair = rings([3] * 16), rings([3] * 14 + [6])
    with pytest.raises(TooSymmetricError):
        same_parameters(*pair)
    assert not duplicates_training(Phenotype(pair[0]), None, pair[1], None)


def test_only_the_result_of_a_duplicate_is_reused(task):
    everyone, _ = evolve(task(policy=LETTERS))
    child = next(one for one in everyone if one.job.origin == "child" and one.reused_from is None)
    other = next(one for one in everyone if one.job.origin == "continued")
    with pytest.raises(ValueError, match="trained must be the individual that individual"):
        reuse_result(child, other)
