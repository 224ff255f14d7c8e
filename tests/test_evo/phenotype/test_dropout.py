"""Dropout in evolved networks: the formula, the gradient at fixed masks, and the same training as a CNN's."""

import numba
import numpy as np
import pytest

from cnn import (
    HiddenLayer,
    Network,
    RasterizationLayer,
    Recipe,
    Samples,
    SoftmaxLayer,
    lenet5,
    mlp,
    train,
)
from cnn.dropout import Dropout, node_words
from evo import Genome, Phenotype, from_cnn
from evo.exchange.layered_networks import to_cnn
from evo.genome.activations import ACTIVATIONS
from evo.phenotype.kernels.dropout_kernels import (
    NodeDropout,
    draw_masks,
    drop_output,
    drop_residual,
)

SEED = np.random.SeedSequence(4)


def drawn_keys(n):
    return np.random.default_rng(n).integers(0, 2**32, n, np.uint32)


def draw(dtype=np.float64, ticks=1, activation="tanh", threshold=None, n=16):
    rng = np.random.default_rng(5)
    matrix = (rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.5) / 2).astype(dtype)
    options = {"ticks": ticks, "activation": activation, "threshold": threshold}
    return Genome.from_matrix(matrix, n_inputs=4, n_outputs=3, bias=rng.normal(size=n), **options)


def factors(dropout, nodes):
    """Return the factor of each output, shape (nodes, samples)."""
    return dropout.factors(node_words(np.asarray(nodes)), np.float64)


def test_hidden_neurons_are_dropped_by_their_ids():
    genome = from_cnn(lenet5(rng=np.random.default_rng(0)))
    network = Phenotype(genome)
    layout, buffers, _ = network._for_batch(5)
    dropout = network._with_dropout(layout, buffers, 0.25).dropout
    dropped = network.plan.nodes[dropout.rows >= 0]
    assert dropped.tolist() == list(range(23, 227))  # 120 and 84 neurons
    assert dropout.rows[dropout.rows >= 0].tolist() == list(range(204))
    assert np.array_equal(dropout.words, node_words(genome.ids[dropped]))
    assert (dropout.threshold, dropout.scale) == (2**30, 4 / 3)
    draw_masks(dropout, drawn_keys(5))
    masks = dropout.factors.reshape(204, buffers.length)[:, :5]
    expected = factors(Dropout(0.25, drawn_keys(5)), dropped)
    np.testing.assert_array_equal(masks, expected.astype(np.float32))


@numba.njit
def pass_through(dropout, p, output, residual):
    drop_output(dropout, p, output)
    dropped = output.copy()
    drop_residual(dropout, p, output, residual)
    return dropped


def test_a_row_is_dropped_forward_and_backward_and_then_as_before():
    scales = factors(Dropout(0.4, drawn_keys(11)), [4])[0]
    nothing = np.zeros(1, np.uint32)
    dropout = NodeDropout(np.array([-1, 0]), nothing, nothing, nothing[0], 1 / 0.6, scales)
    rng = np.random.default_rng(2)
    for some, p, scale in (((), 1, 1), (dropout, 0, 1), (dropout, 1, scales)):
        row, residual = rng.normal(size=(2, 11))
        output, given = row.copy(), residual.copy()
        np.testing.assert_array_equal(pass_through(some, p, output, residual), row * scale)
        np.testing.assert_array_equal(residual, given * scale)
        np.testing.assert_allclose(output, np.where(scale == 0, 0, row), rtol=1e-15)


@pytest.mark.slow
@pytest.mark.parametrize("ticks", [1, 3])
def test_all_ticks_of_a_sample_have_the_same_mask(ticks):
    genome, rng = draw(ticks=ticks), np.random.default_rng(0)
    inputs, targets, dropout = (
        rng.normal(size=(5, 4)),
        rng.normal(size=(5, 3)),
        Dropout(0.4, drawn_keys(5)),
    )
    scale = np.ones((16, 5))
    scale[4:13] = factors(dropout, genome.ids[4:13])
    weights, before = genome.to_dense(), np.zeros((16, 5))
    before[:4] = inputs.T
    for _ in range(ticks):
        now = np.zeros((16, 5))
        now[:4] = inputs.T
        for j in range(4, 16):
            net = weights[:j, j] @ now[:j] + weights[j:, j] @ before[j:] + genome.bias[j]
            now[j] = np.tanh(net) * scale[j] if j < 13 else net
        before = now
    expected = 0.5 * np.square(before[13:].T - targets).sum(axis=1).mean()
    network = Phenotype(genome, "squared_error")
    value, _ = network.loss_and_gradients(inputs, targets, dropout=dropout)
    assert value == pytest.approx(expected, rel=1e-9)
    assert value != pytest.approx(network.loss(inputs, targets), rel=0.01)


def seeded():
    return np.random.default_rng(0)


def of_maps(make, **options):
    """Return a genome in which maps and neurons read one another."""
    genome = make(np.random.default_rng(4), n=14, activations=np.full(14, 2, np.uint8), **options)
    return genome.with_values(0.3 * genome.values, 0.3 * genome.bias)


CASES = {
    "ticks": (lambda _: draw(ticks=3), 5),
    "straight-through": (lambda _: draw(threshold=0.4, ticks=2), 5),
    "one sample": (lambda _: draw(ticks=2), 1),
    "dense blocks": (lambda _: from_cnn(mlp(40, (24, 17), 3, rng=seeded(), dtype=float)), 130),
    "convolutions": (lambda _: from_cnn(lenet5((12, 12), 3, rng=seeded(), dtype=float)), 4),
    "maps": (of_maps, 4),
    "maps and ticks": (lambda make: of_maps(make, ticks=3), 4),
    **{
        name: (lambda _, name=name: draw(activation=name), 5)
        for name in ACTIVATIONS
        if name != "sign"
    },
}
"""For each case a function that makes a genome, given one that draws maps, and the batch size."""


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_gradient_is_the_slope_of_the_loss_with_the_same_mask(name, random_map_genome):
    build, n = CASES[name]
    genome, rng = build(random_map_genome), np.random.default_rng(6)
    dormant = "straight_through" if genome.threshold else "frozen"
    network = Phenotype(genome, dormant=dormant)
    inputs = rng.normal(size=(n, genome.n_features))
    targets = rng.integers(0, len(genome.outputs), n)
    dropout = Dropout(0.35, drawn_keys(n))
    gradient = network.loss_and_gradients(inputs, targets, dropout=dropout)[1].copy()
    trained = np.arange(network.parameter_count)
    if network.dormant_learn:  # the slope of a dormant entry is 0
        active = genome.active_mask()[network.plan.entries]
        trained = trained[np.append(active, np.ones(len(network.plan.nodes), bool))]
    kept = network.parameters.copy()
    for _ in range(5):
        direction = np.zeros_like(kept)
        direction[trained] = rng.normal(size=len(trained))
        values = []
        for sign in (1, -1):
            network.parameters[...] = kept + sign * 1e-6 * direction
            values.append(network.loss_and_gradients(inputs, targets, dropout=dropout)[0])
        slope = (values[0] - values[1]) / 2e-6
        assert direction @ gradient == pytest.approx(slope, rel=1e-5, abs=1e-7)
    network.parameters[...] = kept
    plain = network.loss_and_gradients(inputs, targets)[1]
    assert np.abs(plain - gradient).max() > 1e-3


# -- training ----------------------------------------------------------------------------------------------------------


class Stepwise:
    """A graph whose steps are made one after another from Python."""

    def __init__(self, network):
        self.parameters = network.parameters
        self.loss_and_gradients = network.loss_and_gradients
        self.loss, self.output = network.loss, network.output


def run(network, samples, steps=25, first_step=0, state=None, **recipe):
    recipe = Recipe(**({"batch_size": 7, "learning_rate": 0.05, "dropout": 0.3} | recipe))
    options = {"first_step": first_step, "steps": steps, "total_steps": 25, "state": state}
    return train(network, samples, recipe, order_seed=SEED, **options)


def data(shape=(4,), n=50):
    rng = np.random.default_rng(7)
    return Samples(rng.normal(size=(n, *shape)).astype(np.float32), rng.integers(0, 3, n))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("genome", "batch_size"),
    [({"ticks": 2}, 7), ({}, 2), ({"threshold": 0.4}, 33)],
)
def test_the_compiled_loop_makes_the_same_steps_however_it_is_cut(genome, batch_size):
    dormant = "straight_through" if "threshold" in genome else "frozen"
    whole, cut, stepwise, plain = (
        Phenotype(draw(np.float32, **genome), dormant=dormant) for _ in range(4)
    )
    run(whole, data(), batch_size=batch_size)
    first = run(cut, data(), 11, batch_size=batch_size)
    run(cut, data(), 14, 11, first.state, batch_size=batch_size)
    np.testing.assert_array_equal(whole.parameters, cut.parameters)
    run(Stepwise(stepwise), data(), batch_size=batch_size)
    np.testing.assert_allclose(whole.parameters, stepwise.parameters, rtol=1e-4, atol=1e-5)
    run(plain, data(), batch_size=batch_size, dropout=0.0)
    assert np.abs(whole.parameters - plain.parameters).max() > 1e-2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda rng: lenet5((28, 28), 3, rng=rng), (28, 28)),
        (lambda rng: mlp(40, (24, 17), 3, rng=rng), (40,)),
        (lambda rng: Network([RasterizationLayer(), HiddenLayer(9), SoftmaxLayer(3)], (4, 5), rng=rng), (4, 5)),
    ],
)  # fmt: skip
def test_a_cnn_and_its_genome_train_to_the_same_parameters(build, shape):
    network, plain = (build(np.random.default_rng(3)) for _ in range(2))
    evolved = Phenotype(from_cnn(network))
    for one in (network, evolved):
        run(one, data(shape), batch_size=32)
    again = to_cnn(evolved.to_genome())
    np.testing.assert_allclose(again.parameters, network.parameters, rtol=1e-4, atol=1e-5)
    run(plain, data(shape), batch_size=32, dropout=0.0)
    assert np.abs(plain.parameters - network.parameters).max() > 1e-3
