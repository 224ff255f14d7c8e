"""The formula in plain Python against compiled networks of every threshold, role order and size; every activation with
every loss; the exact place of every gradient.
"""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from cnn.layers.hidden import HiddenLayer
from cnn.layers.output import SoftmaxLayer
from cnn.models.network import Network
from cnn.training.losses import LOSSES
from evo.genome.activations import ACTIVATIONS, activation_name
from evo.genome.genome import Genome, Role
from evo.phenotype.phenotype import Phenotype

PHI = {
    "identity": lambda x: x,
    "sigmoid": lambda x: 0.5 * (1 + math.tanh(0.5 * x)),
    "tanh": math.tanh,
    "relu": lambda x: max(x, 0.0),
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    "gelu": lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2))),
    "sine": math.sin,
    "gaussian": lambda x: math.exp(-(x**2)),
    "sign": lambda x: 1.0 if x >= 0 else -1.0,
}
DIFFERENTIABLE = [name for name in ACTIVATIONS if name != "sign"]
THRESHOLDS = ("none", "magnitude", "signed", "per target")


@pytest.fixture
def rng():
    return np.random.default_rng(20_261)


def draw_genome(
    rng,
    *,
    n_inputs=3,
    n_hidden=5,
    n_outputs=2,
    density=0.5,
    ticks=1,
    threshold="none",
    activation=None,
    dtype=np.float64,
):
    """Draw a genome with cycles, self-loops and roles and ids in any order."""
    n = n_inputs + n_hidden + n_outputs
    matrix = rng.normal(size=(n, n)) * (rng.random((n, n)) < density)
    names = rng.choice(ACTIVATIONS, size=n).tolist()
    thresholds = {
        "none": None,
        "magnitude": 0.4,
        "signed": -0.3,
        "per target": rng.uniform(0, 0.8, size=n),
    }
    genome = Genome.from_matrix(
        matrix.astype(dtype),
        n_inputs=n_inputs,
        n_outputs=n_outputs,
        activation=names if activation is None else [activation] * n,
        bias=rng.normal(size=n),
        threshold=thresholds[threshold],
        threshold_mode="signed" if threshold == "signed" else "magnitude",
        ticks=ticks,
    )
    return replace(genome, roles=rng.permutation(genome.roles), ids=rng.permutation(n) * 3 + 7)


def let_through(genome, w, j):
    """Tell whether weight w of an edge to j passes the threshold."""
    if genome.threshold is None:
        return True
    threshold = (
        genome.threshold[j] if isinstance(genome.threshold, np.ndarray) else genome.threshold
    )
    return (abs(w) if genome.threshold_mode == "magnitude" else w) > threshold


def reference(genome, sample):
    """Follow the formula of the module's docstring, node by node, for one sample; return the scores."""
    n = genome.n_nodes
    inputs = sorted((genome.ids[i], i) for i in range(n) if genome.roles[i] == Role.INPUT)
    outputs = sorted((genome.ids[i], i) for i in range(n) if genome.roles[i] == Role.OUTPUT)
    clamped = {i: float(value) for (_, i), value in zip(inputs, sample, strict=True)}
    into = [[] for _ in range(n)]
    for j in range(n):
        for e in range(genome.indptr[j], genome.indptr[j + 1]):
            if let_through(genome, genome.values[e], j):
                into[j].append((int(genome.indices[e]), float(genome.values[e])))
    before = [clamped.get(i, 0.0) for i in range(n)]
    for _ in range(genome.ticks):
        now = [clamped.get(i, 0.0) for i in range(n)]
        for j in range(n):
            if j in clamped:
                continue
            net = math.fsum(w * (now[i] if i < j else before[i]) for i, w in into[j])
            now[j] = PHI[activation_name(genome.activations[j])](net + float(genome.bias[j]))
        before = now
    return [before[i] for _, i in outputs]


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("ticks", [1, 2, 3, 4])
def test_any_matrix_computes_what_the_formula_says(ticks, threshold):
    for seed in range(25):
        rng = np.random.default_rng((seed, ticks, THRESHOLDS.index(threshold)))
        n_inputs, n_hidden, n_outputs = rng.integers([0, 0, 1], [5, 12, 4])
        genome = draw_genome(
            rng,
            n_inputs=int(n_inputs),
            n_hidden=int(n_hidden),
            n_outputs=int(n_outputs),
            density=float(rng.choice([0.1, 0.4, 1.0])),
            ticks=ticks,
            threshold=threshold,
        )
        samples = rng.normal(size=(3, n_inputs))
        expected = np.array([reference(genome, sample) for sample in samples])
        output = Phenotype(genome, "squared_error").output(samples)
        np.testing.assert_allclose(output, expected, rtol=1e-12, atol=1e-12)


def test_the_random_networks_have_self_loops_cycles_and_roles_in_any_order():
    genomes = [draw_genome(np.random.default_rng(seed), ticks=3) for seed in range(20)]
    assert any(np.diag(genome.to_dense()).any() for genome in genomes)
    assert any(
        (np.tril(genome.to_dense(), -1) != 0)[np.ix_(genome.roles == 1, genome.roles == 1)].any()
        for genome in genomes
    )
    assert any((np.diff(genome.roles.astype(int)) < 0).any() for genome in genomes)
    assert any((np.diff(genome.inputs) < 0).any() for genome in genomes)


def test_float32_follows_the_formula_to_its_own_precision(rng):
    genome = draw_genome(rng, ticks=3, dtype=np.float32)
    samples = rng.normal(size=(4, 3)).astype(np.float32)
    output = Phenotype(genome, "squared_error").output(samples)
    assert output.dtype == np.float32
    expected = np.array([reference(genome, sample) for sample in samples])
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)


def test_batch_sizes_may_change_from_call_to_call(rng):
    genome = draw_genome(rng, ticks=3)
    network = Phenotype(genome, "squared_error")
    samples = rng.normal(size=(9, 3))
    whole = network.output(samples)
    parts = [network.output(samples[a:b]) for a, b in pairwise([0, 1, 5, 9])]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-14)


def test_samples_with_more_axes_are_read_in_c_order(rng):
    network = Phenotype(draw_genome(rng, n_inputs=6))
    images = rng.normal(size=(4, 2, 3))
    np.testing.assert_array_equal(network.output(images), network.output(images.reshape(4, 6)))


# -- gradients ---------------------------------------------------------------------------------------------------------


def targets_for(loss, n_samples, n_outputs, rng):
    if LOSSES[loss].target_kind == "classes":
        return rng.integers(n_outputs, size=n_samples)
    return rng.normal(size=(n_samples, n_outputs))


def central_difference(network, inputs, targets, step=1e-6):
    gradient = np.empty_like(network.parameters)
    for k in range(len(network.parameters)):
        kept = network.parameters[k]
        network.parameters[k] = kept + step
        above = network.loss(inputs, targets)
        network.parameters[k] = kept - step
        below = network.loss(inputs, targets)
        network.parameters[k] = kept
        gradient[k] = (above - below) / (2 * step)
    return gradient


@pytest.mark.parametrize("ticks", [1, 2, 4])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", DIFFERENTIABLE)
def test_gradients_are_those_of_central_differences(activation, loss, ticks):
    largest = 0.0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        genome = draw_genome(rng, n_outputs=3, ticks=ticks, activation=activation)
        genome = genome.with_values(0.5 * genome.values, np.abs(genome.bias))
        network = Phenotype(genome, loss)
        inputs = rng.normal(size=(5, 3))
        targets = targets_for(loss, 5, 3, rng)
        value, gradient = network.loss_and_gradients(inputs, targets)
        assert value == network.loss(inputs, targets)
        expected = central_difference(network, inputs, targets)
        largest = max(largest, np.abs(expected).max())
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)
    assert largest > 1e-2


def test_the_gradient_of_the_batch_is_the_mean_of_those_of_its_samples(rng):
    network = Phenotype(draw_genome(rng, ticks=3))
    inputs, targets = rng.normal(size=(4, 3)), np.array([0, 1, 1, 0])
    whole = network.loss_and_gradients(inputs, targets)[1].copy()
    each = [
        network.loss_and_gradients(inputs[k : k + 1], targets[k : k + 1])[1].copy()
        for k in range(4)
    ]
    np.testing.assert_allclose(whole, np.mean(each, axis=0), rtol=1e-11, atol=1e-14)


# -- against the layers ------------------------------------------------------------------------------------------------


def test_a_layered_genome_is_the_multilayer_perceptron_of_cnn(rng):
    layers = HiddenLayer(5, "tanh"), SoftmaxLayer(3)
    perceptron = Network(layers, (4,), rng=rng, dtype=np.float64)
    perceptron.parameters[:] = rng.normal(size=perceptron.parameter_count)
    matrix = np.zeros((12, 12))
    matrix[:4, 4:9] = layers[0].weights.T
    matrix[4:9, 9:] = layers[1].weights.T
    bias = np.concatenate([np.zeros(4), layers[0].bias, layers[1].bias])
    graph = Phenotype(Genome.from_matrix(matrix, n_inputs=4, n_outputs=3, bias=bias))
    inputs, labels = rng.normal(size=(7, 4)), rng.integers(3, size=7)

    np.testing.assert_allclose(graph.output(inputs), perceptron.output(inputs), rtol=1e-12)
    assert graph.loss(inputs, labels) == pytest.approx(perceptron.loss(inputs, labels), rel=1e-12)
    assert graph.parameter_count == perceptron.parameter_count
    assert graph.macs == perceptron.macs
    # Theirs lie as Θ1 b1 Θ2 b2, ours as Θ1 Θ2 b1 b2: by target, sources ascending, is Θ row by row.
    theirs = perceptron.loss_and_gradients(inputs, labels)[1]
    weights1, bias1, weights2, bias2 = np.split(theirs, np.cumsum([20, 5, 15]))
    ours = graph.loss_and_gradients(inputs, labels)[1]
    np.testing.assert_allclose(
        ours, np.concatenate([weights1, weights2, bias1, bias2]), rtol=1e-10, atol=1e-15
    )


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_an_untrained_network_gives_its_genome_back(rng, threshold):
    genome = draw_genome(rng, ticks=2, threshold=threshold)
    assert Phenotype(genome).to_genome().equals(genome)


def test_only_effective_edges_and_biases_of_computed_nodes_are_charged():
    matrix = np.zeros((5, 5))
    matrix[0, 1] = matrix[1, 4] = 1.0  # the way through
    matrix[0, 2] = 1.0  # a dead end
    matrix[0, 4] = 0.1  # dormant
    matrix[1, 1] = 1.0  # acts from the second tick on
    once = Genome.from_matrix(matrix, n_inputs=1, n_outputs=1, threshold=0.5)
    network = Phenotype(once)
    assert (network.n_edges, network.parameter_count, network.macs) == (2, 4, 2)
    thrice = Phenotype(replace(once, ticks=3))
    assert (thrice.n_edges, thrice.parameter_count, thrice.macs) == (3, 5, 9)
