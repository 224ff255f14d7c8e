"""Fitness: the functions of the registry, and a user's own function."""

import numpy as np
import pytest

from cnn.training.samples import Samples
from cnn.training.trainer import Evaluation, evaluate
from evo import FITNESSES, FounderSettings, Phenotype, adapt_fitness, create_founders


@pytest.fixture
def network():
    return Phenotype(create_founders(FounderSettings(hidden=5), 4, 3, n_founders=1, seed=0)[0])


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    return Samples(rng.normal(size=(40, 4)).astype(np.float32), rng.integers(0, 3, 40))


def test_the_registry_reads_the_evaluation_and_runs_no_network(network, samples):
    evaluation = evaluate(network, samples)
    for name, expected in {
        "negative_loss": -evaluation.loss,
        "accuracy": evaluation.accuracy,
    }.items():
        assert adapt_fitness(FITNESSES[name]) is FITNESSES[name]
        assert FITNESSES[name](None, None, evaluation=evaluation) == expected


def test_accuracy_needs_classes():
    with pytest.raises(ValueError, match="fitness 'accuracy' needs classes"):
        FITNESSES["accuracy"](None, None, evaluation=Evaluation(0.5, None))


class Weighted:
    def __call__(self, network, validation, evaluation):
        return 2 * evaluation.loss


def keyword_only(network, validation, *, evaluation):
    return 2 * evaluation.loss


def with_default(network, validation, weight=2, evaluation=None):
    return weight * evaluation.loss


@pytest.mark.parametrize("function", [Weighted(), keyword_only, with_default])
def test_a_function_with_a_parameter_evaluation_gets_the_evaluation(function):
    fitness = adapt_fitness(function)
    assert fitness is function
    assert fitness(None, None, evaluation=Evaluation(0.5, None)) == 1.0


def test_a_function_of_network_and_validation_gets_just_these(network, samples):
    fitness = adapt_fitness(lambda one, some: one.n_edges + len(some))
    assert fitness(network, samples, evaluation=None) == network.n_edges + 40
    assert adapt_fitness(fitness) is fitness
    assert adapt_fitness(max)(2, 3, evaluation=None) == 3  # written in C, without a signature


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda network: 0.0, r"\(network\)"),
        (lambda network, validation, other: 0.0, r"\(network, validation, other\)"),
        (lambda network, evaluation: 0.0, r"\(network, evaluation\)"),
        ("accuracy", "'accuracy'"),
    ],
)
def test_another_signature_is_refused(function, got):
    rule = r"fitness must be a function of \(network, validation\) or \(network, validation, evaluation\); got "
    with pytest.raises(TypeError, match=rule + got):
        adapt_fitness(function)
