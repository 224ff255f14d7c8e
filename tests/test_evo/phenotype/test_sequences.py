"""Sequences: one step of the input a tick, against the formula written out."""

import math
from dataclasses import replace

import numpy as np
import pytest

from cnn.training.recipe import Recipe
from cnn.training.samples import Samples
from cnn.training.trainer import evaluate, train
from evo import Genome, Phenotype, Role
from evo.genome.activations import activation_name

PHI = {"identity": float, "tanh": math.tanh}


def literal_output(genome, sequence):
    """x_t[j] = φ_j( Σ_{i<j} W[i,j]·x_t[i] + Σ_{i≥j} W[i,j]·x_{t−1}[i] + b_j ); the first step also stands at t = −1."""
    weights, n = genome.to_dense(), genome.n_nodes
    before = np.zeros(n)
    before[genome.inputs] = sequence[0]
    for step in sequence:
        now = np.zeros(n)
        now[genome.inputs] = step
        for j in np.flatnonzero(genome.roles != Role.INPUT):
            states = np.where(np.arange(n) < j, now, before)
            now[j] = PHI[activation_name(genome.activations[j])](
                states @ weights[:, j] + genome.bias[j]
            )
        before = now
    return before[genome.outputs]


def draw(rng, ticks, n=9):
    matrix = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.5)
    genome = Genome.from_matrix(
        matrix, n_inputs=3, n_outputs=2, ticks=ticks, bias=rng.normal(size=n)
    )
    return replace(genome, roles=rng.permutation(genome.roles), ids=rng.permutation(n))


@pytest.mark.parametrize("ticks", [2, 3, 5])
def test_a_sequence_enters_step_by_step(ticks):
    rng = np.random.default_rng(ticks)
    for _ in range(20):
        genome = draw(rng, ticks)
        X = rng.normal(size=(4, ticks, 3))
        expected = [literal_output(genome, sequence) for sequence in X]
        np.testing.assert_allclose(
            Phenotype(genome, "squared_error").output(X), expected, rtol=1e-11, atol=1e-12
        )


def test_a_constant_sequence_is_a_constant_input():
    rng = np.random.default_rng(0)
    network = Phenotype(draw(rng, 4), "squared_error")
    X = rng.normal(size=(5, 3))
    repeated = np.repeat(X[:, None, :], 4, axis=1)
    np.testing.assert_array_equal(network.output(repeated), network.output(X))


def test_gradients_of_sequences_equal_central_differences():
    rng = np.random.default_rng(1)
    for _ in range(10):
        network = Phenotype(draw(rng, 3), "squared_error")
        X, Y = rng.normal(size=(4, 3, 3)), rng.normal(size=(4, 2))
        loss, gradient = network.loss_and_gradients(X, Y)
        gradient, noise = gradient.copy(), 1e-9 * loss  # of a difference of losses, divided by 2e-6
        for k, value in enumerate(network.parameters.copy()):
            network.parameters[k] = value + 1e-6
            above = network.loss(X, Y)
            network.parameters[k] = value - 1e-6
            numeric = (above - network.loss(X, Y)) / 2e-6
            network.parameters[k] = value
            assert gradient[k] == pytest.approx(numeric, rel=2e-6, abs=2e-7 + noise)


def test_a_recurrent_network_learns_what_the_last_step_alone_does_not_tell():
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2, size=(400, 3, 1))
    first_and_last = (bits[:, 0, 0] ^ bits[:, 2, 0]).astype(np.int64)
    samples = Samples((2.0 * bits - 1).astype(np.float32), first_and_last)
    n = 1 + 12 + 2
    matrix = rng.normal(size=(n, n)).astype(np.float32) / 4
    network = Phenotype(Genome.from_matrix(matrix, n_inputs=1, n_outputs=2, ticks=3))
    train(
        network,
        samples,
        Recipe(optimizer="adam", learning_rate=0.02, batch_size=40),
        first_step=0,
        steps=400,
        total_steps=400,
        order_seed=0,
    )
    assert evaluate(network, samples).accuracy == 1.0


def test_other_lengths_are_refused():
    genome = Genome.from_matrix([[0, 1.0], [0, 0]], n_inputs=1, n_outputs=1, ticks=3)
    rule = "inputs must have 1 or, as a sequence, 3 features a sample; got 2"
    with pytest.raises(ValueError, match=rule):
        Phenotype(genome).output(np.zeros((4, 2)))
