"""Weights of samples in evolved networks: every path computes the same weighted loss and gradient."""

from dataclasses import replace

import numpy as np
import pytest
from effort import first_now, trials

from cnn.training.losses import LOSSES
from cnn.training.optimizers import OPTIMIZERS
from cnn.training.recipe import Recipe
from cnn.training.samples import Samples
from cnn.training.trainer import train
from evo import (
    Evolution,
    EvolutionSettings,
    EvolutionState,
    FounderSettings,
    Genome,
    NeuroevolutionSettings,
    Phenotype,
    PolicySettings,
    create_founders,
    neuroevolve,
)
from evo.evolution.individual import evaluate_individual
from evo.phenotype.kernels import training_kernels

DTYPE, CLOSE = trials((np.float32, 1e-4), (np.float64, 1e-9))
"""The compiled loop of a commit is that of float32, which other tests run too; to compile it takes long."""


class Stepwise:
    """A graph whose steps are made one after another from Python."""

    def __init__(self, network):
        self.parameters, self.loss_and_gradients = network.parameters, network.loss_and_gradients
        self.loss, self.output = network.loss, network.output


@pytest.fixture
def slope_of():
    """Return the gradient of a function by an array in float64, by central differences."""

    def slope_of(function, array, step=1e-6):
        slope = np.empty_like(array)
        for k in range(len(array)):
            kept = array[k]
            array[k] = kept + step
            above = function()
            array[k] = kept - step
            slope[k] = (above - function()) / (2 * step)
            array[k] = kept
        return slope

    return slope_of


def draw(dtype=np.float64):
    rng = np.random.default_rng(5)
    matrix = (rng.normal(size=(14, 14)) * (rng.random((14, 14)) < 0.5) / 2).astype(dtype)
    return Genome.from_matrix(matrix, n_inputs=4, n_outputs=3, ticks=2, bias=rng.normal(size=14))


def data(loss, dtype=np.float64, n=30, shape=(4,)):
    rng = np.random.default_rng(6)
    inputs = rng.normal(size=(n, *shape)).astype(dtype)
    on_classes = LOSSES[loss].target_kind == "classes"
    targets = rng.integers(0, 3, n) if on_classes else rng.normal(size=(n, 3)).astype(dtype)
    weights = rng.uniform(0, 3, n)
    return Samples(inputs, targets, weights / weights.mean())


def fit(network, samples, recipe):
    return train(
        network, samples, recipe, first_step=0, steps=20, total_steps=20, order_seed=3
    ).curve


@pytest.mark.parametrize("clip", [None, 0.05])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("loss", first_now(LOSSES))
def test_the_compiled_loop_makes_the_steps_of_the_general_trainer(loss, optimizer, clip):
    recipe = Recipe(optimizer=optimizer, learning_rate=0.02, batch_size=7, gradient_clip=clip)
    compiled, stepwise = (Phenotype(draw(DTYPE), loss) for _ in range(2))
    samples = data(loss, DTYPE)
    curves = fit(compiled, samples, recipe), fit(Stepwise(stepwise), samples, recipe)
    close = {"rtol": CLOSE, "atol": CLOSE / 10}
    np.testing.assert_allclose(compiled.parameters, stepwise.parameters, **close)
    np.testing.assert_allclose(curves[0].loss, curves[1].loss, **close)
    plain = Phenotype(draw(DTYPE), loss)
    fit(plain, Samples(samples.inputs, samples.targets), recipe)
    assert not np.allclose(plain.parameters, compiled.parameters)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_is_the_slope_of_the_weighted_loss(loss, slope_of):
    network, samples = Phenotype(draw(), loss), data(loss)
    given = samples.inputs, samples.targets, samples.weights
    gradient = network.loss_and_gradients(*given)[1].copy()
    expected = slope_of(lambda: network.loss(*given), network.parameters)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-9)


def test_the_gradient_of_maps_is_the_slope_of_the_weighted_loss(random_map_genome, slope_of):
    genome = random_map_genome(np.random.default_rng(3), n_outputs=3, map_sizes=(4, 3, 1))
    samples = data("cross_entropy", n=6, shape=(genome.n_features,))
    network = Phenotype(genome)
    given = samples.inputs, samples.targets, samples.weights
    gradient = network.loss_and_gradients(*given)[1].copy()
    expected = slope_of(lambda: network.loss(*given), network.parameters)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-8)
    places = np.repeat(np.arange(genome.n_nodes), np.diff(genome.indptr))
    at = network.gradients_at(
        genome.indices, places, *given[:2], genome.taps, weights=samples.weights
    )
    np.testing.assert_allclose(at, network.spread(gradient[None])[0][: genome.n_stored], atol=1e-12)


def test_the_gradient_at_places_is_that_of_the_weighted_loss():
    genome, samples = draw(), data("cross_entropy")
    given = samples.inputs, samples.targets, samples.weights
    network = Phenotype(genome)
    gradient = network.loss_and_gradients(*given)[1].copy()
    at = network.gradients_at(genome.indices, genome.targets, *given[:2], weights=samples.weights)
    np.testing.assert_allclose(at, network.spread(gradient[None])[0][: genome.n_stored], atol=1e-12)


def test_a_search_with_regrowth_by_gradient_sees_nothing_of_samples_of_weight_0(task):
    """Training, and the gradient by which RigL grows edges."""
    policy = PolicySettings(name="rigl")
    given = task(policy=policy)
    weights = np.ones(len(given.train), np.float32)
    weights[::3] = 0
    other = given.train.inputs.copy()
    other[::3] = -50

    def fingerprint(inputs, weights):
        samples = Samples(inputs, given.train.targets, weights)
        settings = EvolutionSettings(population=2, generations=2, steps_per_generation=5)
        one = replace(given, train=samples, evolution=settings)
        founders = create_founders(
            FounderSettings(hidden=6, density=0.5), 4, 2, n_founders=2, seed=0
        )
        evolution, state, grown = Evolution(one, founders), EvolutionState(), []
        while not evolution.done(state):
            offspring = [evaluate_individual(one, job) for job in evolution.ask(state)]
            grown += [one for child in offspring for one in child.operations]
            state, generation = evolution.tell(state, offspring)
        assert grown
        return [child.genome.fingerprint() for child in generation.population]

    first = fingerprint(given.train.inputs, weights)
    assert fingerprint(other, weights) == first
    assert fingerprint(other, None) != first


def test_code_without_weights_is_compiled_apart():
    samples = data("cross_entropy", np.float32)
    plain = Samples(samples.inputs, samples.targets)
    for some in (plain, samples):
        fit(Phenotype(draw(np.float32)), some, Recipe(batch_size=8))
    kinds = {str(one[6]) for one in training_kernels.descend.signatures}
    assert "none" in kinds
    assert "array(float32, 1d, C)" in " ".join(kinds)


def test_neuroevolution_refuses_weights():
    with pytest.raises(ValueError, match="samples must have no weights in neuroevolution"):
        neuroevolve(data("cross_entropy"), NeuroevolutionSettings(), seed=0)
