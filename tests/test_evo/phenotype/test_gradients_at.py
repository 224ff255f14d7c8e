"""The loss gradient at every place of the matrix, edge or not, against differences of the formula written out."""

import numpy as np
import pytest
from effort import first_now
from scipy import special

from evo import Genome, Phenotype, Role
from evo.genome.activations import activation_name
from evo.phenotype.phenotype import compile_plan, compile_whole_plan

PHI = {
    "identity": lambda x: x,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.maximum(x, 0.01 * x),
    "gelu": lambda x: x * special.ndtr(x),
    "sine": np.sin,
    "gaussian": lambda x: np.exp(-x * x),
}


def states(genome, weights, X):
    """Return x_{T−1} of all nodes for edges `weights`, as the genome's docstring defines them."""
    before = np.zeros((len(X), genome.n_nodes))
    before[:, genome.inputs] = X
    for _ in range(genome.ticks):
        now = np.zeros_like(before)
        now[:, genome.inputs] = X
        for j in np.flatnonzero(genome.roles != Role.INPUT):
            states = np.where(np.arange(genome.n_nodes) < j, now, before)
            states[:, genome.inputs] = X
            now[:, j] = PHI[activation_name(genome.activations[j])](
                states @ weights[:, j] + genome.bias[j]
            )
        before = now
    return before


def squared_error(genome, weights, X, Y):
    return 0.5 * np.sum((states(genome, weights, X)[:, genome.outputs] - Y) ** 2) / len(X)


def differences(genome, X, Y, h=1e-5):
    """Return the central differences of the loss at all places, where a dormant entry is an edge of weight 0."""
    live = np.zeros((genome.n_nodes, genome.n_nodes))
    column = np.repeat(np.arange(genome.n_nodes), np.diff(genome.indptr))
    mask = genome.active_mask()
    live[genome.indices[mask], column[mask]] = genome.values[mask]
    numeric = np.zeros_like(live)
    for place in np.ndindex(live.shape):
        above, below = live.copy(), live.copy()
        above[place] += h
        below[place] -= h
        numeric[place] = (
            squared_error(genome, above, X, Y) - squared_error(genome, below, X, Y)
        ) / (2 * h)
    return numeric


def everywhere(genome, X, Y):
    n = genome.n_nodes
    sources, targets = (part.ravel() for part in np.indices((n, n)))
    return Phenotype(genome, "squared_error").gradients_at(sources, targets, X, Y).reshape(n, n)


@pytest.mark.parametrize("ticks", first_now([2, 1, 3]))
def test_the_gradient_is_exact_at_every_place(random_genome, ticks):
    rng = np.random.default_rng(ticks)
    revived = {Role.INPUT: 0, Role.HIDDEN: 0}
    for _ in range(25):
        # Most entries are dormant, so that many nodes have no out-edges, no in-edges or neither.
        genome = random_genome(rng, n=8, ticks=ticks, threshold=1.0)
        X, Y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
        found, numeric = everywhere(genome, X, Y), differences(genome, X, Y)
        np.testing.assert_allclose(found, numeric, rtol=1e-5, atol=1e-7)
        uncomputed = compile_plan(genome).rows < 0
        for role in revived:
            revived[role] += np.count_nonzero(found[uncomputed & (genome.roles == role)])
    assert min(revived.values()) > 20


def test_an_input_that_nobody_hears_can_be_revived():
    # Input 1 has no edge; the target is what it says.
    genome = Genome.from_matrix(np.zeros((3, 3)), n_inputs=2, n_outputs=1)
    X = np.array([[0.3, 1.0], [-0.2, -1.0]])
    gradient = Phenotype(genome, "squared_error").gradients_at(
        np.array([1]), np.array([2]), X, X[:, 1:]
    )
    np.testing.assert_allclose(gradient, [-1.0])


def test_at_an_edge_it_is_what_training_sees_with_the_present_parameters(random_genome):
    rng = np.random.default_rng(5)
    genome = random_genome(rng, ticks=2)
    X, Y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    network = Phenotype(genome, "squared_error")
    network.parameters += 0.1 * rng.normal(size=network.parameter_count)
    column = np.repeat(np.arange(9), np.diff(genome.indptr))[network.plan.entries]
    edges = genome.indices[network.plan.entries]
    np.testing.assert_allclose(
        network.gradients_at(edges, column, X, Y),
        network.loss_and_gradients(X, Y)[1][: network.n_edges],
        rtol=1e-12,
        atol=1e-14,
    )


@pytest.mark.parametrize("ticks", [1, 2])
def test_the_whole_network_has_the_outputs_of_its_effective_part(random_genome, ticks):
    rng = np.random.default_rng(ticks)
    for _ in range(20):
        genome = random_genome(rng, ticks=ticks, threshold=0.8)
        X = rng.normal(size=(4, 3))
        whole = Phenotype(genome, plan=compile_whole_plan(genome))
        assert len(whole.plan.rows) == whole.plan.rows_per_tick
        np.testing.assert_allclose(whole.output(X), Phenotype(genome).output(X), rtol=1e-12)
