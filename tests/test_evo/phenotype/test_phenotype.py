"""The compiled network against the formula, written out in plain Python, and against finite differences."""

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from cnn import HiddenLayer, Network, SoftmaxLayer
from cnn.training.recipe import Recipe
from cnn.training.samples import Samples
from cnn.training.trainer import train
from evo import OPERATORS, Genome, GenomeEditor, Phenotype, Role
from evo.genome.activations import ACTIVATIONS, activation_code, activation_name
from evo.operators.operation import OperatorSettings, ProposalContext
from evo.operators.registry import apply_operation
from graphops import EXAMPLE_MATRIX

PHI = {
    "identity": lambda x: x,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "relu": lambda x: max(x, 0.0),
    "leaky_relu": lambda x: max(x, 0.01 * x),
    "gelu": lambda x: x * NormalDist().cdf(x),
    "sine": math.sin,
    "gaussian": lambda x: math.exp(-x * x),
    "sign": lambda x: 1 if x >= 0 else -1,
}
DIFFERENTIABLE = [name for name in ACTIVATIONS if name != "sign"]


def literal_output(genome, x):
    """x_t[j] = φ_j( Σ_{i<j} W[i,j]·x_t[i] + Σ_{i≥j} W[i,j]·x_{t−1}[i] + b_j ), letter by letter."""
    weights = genome.to_dense()
    if genome.threshold is not None:
        measured = np.abs(weights) if genome.threshold_mode == "magnitude" else weights
        weights = np.where(measured > genome.threshold, weights, 0)
    n = genome.n_nodes
    before = np.zeros(n)
    before[genome.inputs] = x
    for _ in range(genome.ticks):
        now = np.zeros(n)
        now[genome.inputs] = x
        for j in range(n):
            if genome.roles[j] != Role.INPUT:
                net = sum(weights[i, j] * (now[i] if i < j else before[i]) for i in range(n))
                now[j] = PHI[activation_name(genome.activations[j])](net + genome.bias[j])
        before = now
    return now[genome.outputs]


def central_differences(network, X, Y, h=1e-6):
    numeric = np.empty_like(network.parameters)
    for k, value in enumerate(network.parameters.copy()):
        network.parameters[k] = value + h
        above = network.loss(X, Y)
        network.parameters[k] = value - h
        numeric[k] = (above - network.loss(X, Y)) / (2 * h)
        network.parameters[k] = value
    return numeric


@pytest.mark.parametrize("ticks", [1, 2, 3, 4])
@pytest.mark.parametrize("threshold", [None, 0.3])
@pytest.mark.parametrize("mode", ["magnitude", "signed"])
def test_any_matrix_computes_what_the_formula_says(random_genome, ticks, threshold, mode):
    rng = np.random.default_rng(ticks)
    for _ in range(25):
        genome = random_genome(rng, ticks=ticks, threshold=threshold, mode=mode)
        X = rng.normal(size=(3, 3))
        expected = [literal_output(genome, x) for x in X]
        actual = Phenotype(genome, "squared_error").output(X)
        np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("ticks", [1, 2, 3])
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error", "softmax_squared_error"])
def test_gradients_equal_central_differences(random_genome, ticks, loss):
    rng = np.random.default_rng(ticks)
    for _ in range(10):
        network = Phenotype(random_genome(rng, ticks=ticks), loss)
        X = rng.normal(size=(4, 3))
        Y = rng.normal(size=(4, 2)) if loss == "squared_error" else rng.integers(0, 2, 4)
        value, gradient = network.loss_and_gradients(X, Y)
        assert value == pytest.approx(network.loss(X, Y), rel=1e-12)
        gradient = gradient.copy()
        np.testing.assert_allclose(
            gradient, central_differences(network, X, Y), rtol=2e-6, atol=2e-7
        )


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_every_activation_has_its_derivative(name):
    rng = np.random.default_rng(3)
    matrix = np.triu(rng.normal(size=(7, 7)), 1)
    network = Phenotype(
        Genome.from_matrix(matrix, n_inputs=2, n_outputs=1, activation=name), "squared_error"
    )
    X, Y = rng.normal(size=(5, 2)), rng.normal(size=(5, 1))
    gradient = network.loss_and_gradients(X, Y)[1].copy()
    np.testing.assert_allclose(gradient, central_differences(network, X, Y), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("ticks", [1, 3])
def test_gradients_at_free_places_are_those_of_edges_of_weight_zero(random_genome, ticks):
    rng = np.random.default_rng(11)
    genome = replace(random_genome(rng, n=8, ticks=ticks, threshold=None))
    genome = replace(genome, activations=np.full(8, activation_code("tanh"), np.uint8))
    X, Y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    dense = genome.to_dense()
    computed = set(Phenotype(genome, "squared_error").plan.nodes.tolist())
    places = [
        (i, j)
        for i, j in np.argwhere(dense == 0)
        if j in computed and (i in computed or genome.roles[i] == Role.INPUT)
    ]
    sources, targets = (np.array(part) for part in zip(*places, strict=True))
    found = Phenotype(genome, "squared_error").gradients_at(sources, targets, X, Y)
    editor = GenomeEditor(genome)
    editor.assign(sources, targets, np.zeros(len(sources)))
    wired = Phenotype(editor.freeze(), "squared_error")
    gradient = wired.loss_and_gradients(X, Y)[1]
    child = wired.genome
    column = np.repeat(np.arange(8), np.diff(child.indptr))
    by_place = {
        (int(child.indices[e]), int(column[e])): gradient[k]
        for k, e in enumerate(wired.plan.entries)
    }
    expected = [by_place.get((int(i), int(j)), 0.0) for i, j in places]
    assert np.count_nonzero(expected) > 3
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_a_layered_matrix_equals_the_multilayer_perceptron():
    rng = np.random.default_rng(5)
    mlp = Network([HiddenLayer(4, "tanh"), SoftmaxLayer(3)], (5,), rng=rng, dtype=np.float64)
    mlp.parameters[:] = rng.normal(size=mlp.parameter_count)
    hidden, output = mlp.layers
    matrix = np.zeros((12, 12))
    matrix[:5, 5:9] = hidden.weights.T
    matrix[5:9, 9:] = output.weights.T
    bias = np.concatenate([np.zeros(5), hidden.bias.ravel(), output.bias.ravel()])
    graph = Phenotype(Genome.from_matrix(matrix, n_inputs=5, n_outputs=3, bias=bias))
    X, y = rng.normal(size=(6, 5)), rng.integers(0, 3, 6)
    np.testing.assert_allclose(graph.output(X), mlp.output(X), rtol=1e-12)
    assert graph.loss(X, y) == pytest.approx(mlp.loss(X, y), rel=1e-12)
    assert (graph.parameter_count, graph.macs) == (mlp.parameter_count, mlp.macs)
    ours, theirs = graph.loss_and_gradients(X, y)[1], mlp.loss_and_gradients(X, y)[1]
    np.testing.assert_allclose(np.sort(ours), np.sort(theirs), rtol=1e-10, atol=1e-12)


def seed_document_network():
    """The document's 5×5 matrix, with its cycle 0 ↔ 1, after two inputs with edges to its first two nodes."""
    matrix = np.zeros((7, 7))
    matrix[2:, 2:] = EXAMPLE_MATRIX
    matrix[0, 2] = matrix[1, 3] = matrix[0, 3] = 1.0
    return Genome.from_matrix(matrix, n_inputs=2, n_outputs=1, ticks=3)


def test_the_documents_matrix_runs_trains_and_mutates(task):
    genome = seed_document_network()
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    Y = np.array([[0.0], [1.0], [1.0], [0.0]])
    network = Phenotype(genome, "squared_error")
    before = network.loss(X, Y)
    for _ in range(500):
        network.parameters -= 0.1 * network.loss_and_gradients(X, Y)[1]
    assert network.loss(X, Y) < 0.8 * before
    for code, operator in OPERATORS.items():
        editor = GenomeEditor(network.to_genome())
        context = ProposalContext(np.random.default_rng(0), OperatorSettings())
        parameters = operator.propose(editor, context)
        if parameters is None:
            assert operator.preserves or code in "MPKVY", code  # which need maps or mates
            continue
        apply_operation(editor, code, parameters)
        assert np.isfinite(Phenotype(editor.freeze(), "squared_error").loss(X, Y))


def test_the_cycle_of_the_documents_matrix_is_alive_with_more_than_one_tick():
    genome = seed_document_network()
    assert Phenotype(genome).n_edges > Phenotype(replace(genome, ticks=1)).n_edges
    assert Phenotype(genome).macs == 3 * Phenotype(genome).n_edges


def test_trained_parameters_return_into_the_genome(task, random_genome):
    rng = np.random.default_rng(2)
    genome = random_genome(rng, n_inputs=4)
    network = Phenotype(genome)
    some = task()
    train(
        network,
        some.train,
        some.recipe,
        first_step=0,
        steps=5,
        total_steps=5,
        order_seed=some.order_seed,
    )
    trained = network.to_genome()
    untouched = np.setdiff1d(np.arange(genome.n_stored), network.plan.entries)
    assert np.array_equal(trained.values[untouched], genome.values[untouched])
    assert not np.array_equal(trained.values, genome.values)
    learnt = trained.values[network.plan.entries], trained.bias[network.plan.nodes]
    assert np.array_equal(np.concatenate(learnt), network.parameters)


def test_inputs_of_another_width_are_refused():
    network = Phenotype(Genome.from_matrix([[0, 1.0], [0, 0]], n_inputs=1, n_outputs=1))
    with pytest.raises(ValueError, match="inputs must have 1 features a sample; got 2"):
        network.output(np.zeros((3, 2)))


def test_samples_may_lie_anyhow_in_memory(random_genome):
    rng = np.random.default_rng(4)
    network = Phenotype(random_genome(rng), "squared_error")
    X, Y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    wide = np.zeros((6, 7))
    wide[:, 1:4] = X
    expected = network.output(X)
    for same in (wide[:, 1:4], np.asfortranarray(X), X[::-1][::-1]):
        assert np.array_equal(network.output(same), expected)
    loss = network.loss(np.asfortranarray(X), np.asfortranarray(Y))
    assert loss == pytest.approx(network.loss(X, Y), rel=1e-14)


def test_repeats_are_the_same_bits(random_genome):
    rng = np.random.default_rng(8)
    genome, X, y = random_genome(rng, ticks=2), rng.normal(size=(9, 3)), rng.integers(0, 2, 9)
    first, second = (
        Phenotype(genome).loss_and_gradients(X, y),
        Phenotype(genome).loss_and_gradients(X, y),
    )
    assert first[0] == second[0]
    assert np.array_equal(first[1], second[1])


@pytest.mark.parametrize(
    ("loss", "inputs", "targets", "message"),
    [
        (
            "cross_entropy",
            np.ones((4, 5)),
            np.zeros(4, int),
            "inputs must have 3 features a sample",
        ),
        ("cross_entropy", np.ones((4, 3)), np.array([0, 1, 5, 0]), r"targets\[2\] = 5"),
        ("cross_entropy", np.ones((4, 3)), np.ones((4, 2)), "targets must be integer classes"),
        (
            "squared_error",
            np.ones((4, 3)),
            np.zeros(4, int),
            r"targets must be values of shape \(4, 2\)",
        ),
        (
            "squared_error",
            np.ones((4, 3)),
            np.ones((4, 3)),
            r"targets must be values of shape \(4, 2\)",
        ),
        (
            "softmax_squared_error",
            np.ones((4, 3)),
            np.ones((4, 2)),
            "targets must be integer classes",
        ),
    ],
)
def test_samples_that_do_not_suit_are_refused_before_training(
    random_genome, loss, inputs, targets, message
):
    network = Phenotype(random_genome(np.random.default_rng(0)), loss)
    before = network.parameters.copy()
    options = {"first_step": 0, "steps": 2, "total_steps": 2, "order_seed": 0}
    with pytest.raises(ValueError, match=f"samples: .*{message}"):
        train(network, Samples(inputs, targets), Recipe(batch_size=2), **options)
    assert np.array_equal(network.parameters, before)
    if "= 5" not in message:
        with pytest.raises(ValueError, match=message):
            network.loss_and_gradients(inputs, targets)


def test_there_must_be_samples_and_as_many_targets(random_genome):
    network = Phenotype(random_genome(np.random.default_rng(0)))
    with pytest.raises(ValueError, match="inputs must hold at least one sample; got shape"):
        network.output(np.ones((0, 3)))
    with pytest.raises(ValueError, match="the 4 inputs; got 2 targets"):
        network.loss(np.ones((4, 3)), np.zeros(2, int))


def test_what_is_no_float_is_taken_as_numbers_or_refused_in_one_line(random_genome):
    network = Phenotype(random_genome(np.random.default_rng(0)))
    expected = network.output(np.ones((4, 3)))
    for same in (np.ones((4, 3), int), np.ones((4, 3), bool), np.ones((4, 3), np.float16)):
        assert np.array_equal(network.output(same), expected)
    for wrong in (np.ones((4, 3), complex), np.full((4, 3), "a"), np.float32(1)):
        with pytest.raises(ValueError, match="inputs must") as caught:
            network.output(wrong)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="targets must be integer classes"):
        network.loss(np.ones((4, 3)), np.ones(4))
