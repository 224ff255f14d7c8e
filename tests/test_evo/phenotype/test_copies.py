"""Copies of networks: what is copied deeply, or through a file of Python, is a network of its own."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

from cnn import HiddenLayer, Network, SoftmaxLayer
from evo import FounderSettings, Phenotype, create_founders

COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda one: pickle.loads(pickle.dumps(one))}
X = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
Y = np.array([0, 1, 0, 1, 1])


@pytest.fixture
def genome():
    return create_founders(FounderSettings(hidden=5, density=0.5), 3, 2, n_founders=1, seed=0)[0]


def layered():
    return Network([HiddenLayer(4), SoftmaxLayer(2)], (3,), rng=np.random.default_rng(0))


def check_independent(network, made):
    before = network.output(X).copy()
    assert np.array_equal(made.output(X), before)
    made.parameters[...] *= 3
    assert not np.array_equal(made.output(X), before)
    assert np.array_equal(network.output(X), before)
    made.parameters[...] = network.parameters
    assert made.loss_and_gradients(X, Y)[0] == network.loss_and_gradients(X, Y)[0]


@pytest.mark.parametrize("how", COPIES)
def test_the_parameters_of_a_copy_are_those_that_it_computes_with(genome, how):
    check_independent(layered(), COPIES[how](layered()))
    thresholded = replace(genome, threshold=0.3)
    for one in (Phenotype(genome), Phenotype(thresholded, dormant="straight_through")):
        check_independent(one, COPIES[how](one))


def test_a_shallow_copy_shares_the_parameters():
    network = layered()
    made = copy.copy(network)
    made.parameters[...] *= 2
    assert np.array_equal(network.output(X), made.output(X))
    assert network.gradient is not made.gradient


@pytest.mark.parametrize("how", COPIES)
def test_the_arrays_of_a_copied_genome_are_read_only(genome, how):
    made = COPIES[how](genome)
    assert made.equals(genome)
    with pytest.raises(ValueError, match="read-only"):
        made.values[0] = 1.0
