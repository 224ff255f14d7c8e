"""Fitness: what the registry holds, and that an evaluation at hand is not made once more."""

import numpy as np
import pytest

from cnn.training.samples import Samples
from cnn.training.trainer import evaluate
from evo import FITNESSES, FounderSettings, Phenotype, create_founders
from evo.evolution.fitness import measure


@pytest.fixture
def network():
    return Phenotype(create_founders(FounderSettings(hidden=5), 4, 3, n_founders=1, seed=0)[0])


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    return Samples(rng.normal(size=(40, 4)).astype(np.float32), rng.integers(0, 3, 40))


@pytest.mark.parametrize("name", sorted(FITNESSES))
def test_an_evaluation_tells_each_fitness_of_the_registry(name, network, samples, monkeypatch):
    expected = FITNESSES[name](network, samples)
    evaluation = evaluate(network, samples)
    monkeypatch.setattr(network, "loss", None)
    monkeypatch.setattr(network, "output", None)
    assert measure(FITNESSES[name], network, samples, evaluation) == expected


def test_a_fitness_of_ones_own_is_asked(network, samples):
    evaluation = evaluate(network, samples)
    assert measure(lambda one, some: one.n_edges + len(some), network, samples, evaluation) == (
        network.n_edges + 40
    )


def test_accuracy_needs_classes(samples):
    genome = create_founders(FounderSettings(hidden=5), 4, 2, n_founders=1, seed=0)[0]
    values = Samples(samples.inputs, np.zeros((40, 2), np.float32))
    network = Phenotype(genome, "squared_error")
    with pytest.raises(ValueError, match="fitness 'accuracy' needs classes"):
        measure(FITNESSES["accuracy"], network, values, evaluate(network, values))
