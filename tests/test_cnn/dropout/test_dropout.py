"""Dropout: what is left out, that nothing but seed, epoch, sample and node decides it, and its gradient."""

import numpy as np
import pytest

from cnn import (
    ConvolutionLayer,
    DataParallel,
    HiddenLayer,
    Network,
    PoolingLayer,
    RasterizationLayer,
    Recipe,
    Samples,
    SoftmaxLayer,
    evaluate,
    mlp,
    train,
)
from cnn.augmentation.augmentation_kernels import draw_below
from cnn.dropout import Dropout, node_words, sample_keys
from cnn.training.recipe import batch_indices, learning_rates

SEED = np.random.SeedSequence(4, spawn_key=(2,))


def drawn_keys(n, seed=0):
    return np.random.default_rng(seed).integers(0, 2**32, n, np.uint32)


def written_out(dropout, nodes):
    """Return the factors of outputs, shape (nodes, samples), in Python's integers."""
    factors = np.zeros((len(nodes), len(dropout.keys)))
    for i, node in enumerate(nodes):
        for b, key in enumerate(dropout.keys.tolist()):
            word = (key + int(node) * 0x9E3779B9) % 2**32
            for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
                word = (word ^ (word >> shift)) * factor % 2**32
            kept = word >= round(dropout.probability * 2**32)
            factors[i, b] = 1 / (1 - dropout.probability) if kept else 0
    return factors


@pytest.mark.parametrize("probability", [0.5, 0.1, 1e-30, 1 - 1e-12])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_factors_are_those_written_out(probability, dtype):
    nodes, dropout = np.array([0, 1, 7, 2**40 + 3]), Dropout(probability, drawn_keys(19))
    factors = dropout.factors(node_words(nodes), dtype)
    assert factors.dtype == dtype
    np.testing.assert_array_equal(factors, written_out(dropout, nodes).astype(dtype))


def test_masks_are_as_frequent_as_they_should_and_independent():
    chosen, words = np.arange(400), node_words(np.arange(300))
    keys = [sample_keys(chosen, np.full(400, epoch), SEED) for epoch in range(2)]
    outputs = [Dropout(0.3, of_epoch).factors(words, np.float64) for of_epoch in keys]
    first, second = (of_epoch > 0 for of_epoch in outputs)
    assert first.mean() == pytest.approx(0.7, abs=0.005)
    for axis in (0, 1):
        assert first.mean(axis=axis).std() == pytest.approx(
            (0.21 / first.shape[axis]) ** 0.5, rel=0.2
        )
    pairs = ((first, second), (first[1:], first[:-1]), (first[:, 1:], first[:, :-1]))
    assert all(abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.01 for a, b in pairs)
    assert outputs[0].mean() == pytest.approx(1, abs=0.01)


def test_the_key_of_a_sample_follows_from_seed_epoch_and_sample():
    chosen, epochs = np.array([[5, 0], [9, 5]]), np.array([[1, 1], [1, 2]])
    keys = sample_keys(chosen, epochs, SEED)
    for index in np.ndindex(2, 2):
        seed = np.random.SeedSequence(4, spawn_key=(2, int(epochs[index]), 2))
        key = seed.generate_state(1, np.uint64)[0]
        assert keys[index] == draw_below(key, int(chosen[index]), 2**32)
    assert len(np.unique(keys)) == 4


# -- networks ----------------------------------------------------------------------------------------------------------


def convolutional(dtype=np.float64):
    """Return a network whose hidden neurons are made by a convolution, trainable pooling and a hidden layer."""
    layers = [
        ConvolutionLayer(2, 3),
        ConvolutionLayer(3, 3, "sigmoid"),
        PoolingLayer("trainable"),
        ConvolutionLayer(4, 2),
        RasterizationLayer(),
        HiddenLayer(5, "relu"),
        SoftmaxLayer(3),
    ]
    return Network(layers, (8, 8), rng=np.random.default_rng(2), dtype=dtype)


def test_hidden_neurons_are_dropped_and_nothing_else():
    network, dropout = (
        mlp(4, (6, 5), 3, rng=np.random.default_rng(0), dtype=np.float64),
        Dropout(0.4, drawn_keys(7)),
    )
    inputs = np.random.default_rng(1).normal(size=(7, 4))
    factors = written_out(dropout, np.arange(4, 15))
    layers, x = network.layers, inputs.T
    for layer, of_layer in zip(layers[:2], (factors[:6], factors[6:]), strict=True):
        x = np.tanh(layer.weights @ x + layer.bias[:, None]) * of_layer
    scores = layers[2].weights @ x + layers[2].bias[:, None]
    of_classes = scores - np.log(np.exp(scores).sum(axis=0))
    value, _ = network.loss_and_gradients(inputs, np.zeros(7, int), dropout=dropout)
    assert value == pytest.approx(-of_classes[0].mean(), rel=1e-9)
    assert value != pytest.approx(network.loss(inputs, np.zeros(7, int)), rel=0.01)


def test_the_gradient_is_the_slope_of_the_loss_with_the_same_mask(central_difference, assert_close):
    network, rng = convolutional(), np.random.default_rng(3)
    network.parameters[...] += rng.normal(0, 0.1, network.parameters.shape)
    inputs, targets, dropout = (
        rng.normal(size=(6, 8, 8)),
        rng.integers(3, size=6),
        Dropout(0.3, drawn_keys(6)),
    )

    def loss():
        return network.loss_and_gradients(inputs, targets, dropout=dropout)[0]

    gradient = network.loss_and_gradients(inputs, targets, dropout=dropout)[1].copy()
    assert_close(gradient, central_difference(loss, network.parameters), 1e-6)
    plain = network.loss_and_gradients(inputs, targets)[1]
    assert np.abs(plain - gradient).max() > 1e-3
    with DataParallel(convolutional(), threads=3) as parallel:
        parallel.parameters[...] = network.parameters
        assert parallel.loss_and_gradients(inputs, targets, dropout=dropout)[0] == pytest.approx(
            loss()
        )
        np.testing.assert_allclose(parallel.gradient, gradient, rtol=1e-9, atol=1e-14)


RECIPE = Recipe(batch_size=8, learning_rate=0.1, optimizer="sgd", dropout=0.4)


def samples():
    rng = np.random.default_rng(5)
    return Samples(rng.normal(size=(20, 4)).astype(np.float32), rng.integers(3, size=20))


def small():
    return mlp(4, 9, 3, rng=np.random.default_rng(0))


def run(network, steps, first_step=0, recipe=RECIPE, state=None):
    options = {"total_steps": 12, "order_seed": SEED, "state": state, "record_every": 5}
    return train(network, samples(), recipe, first_step=first_step, steps=steps, **options)


def test_training_drops_by_epoch_and_sample_however_it_is_cut():
    whole, cut, by_hand, plain = small(), small(), small(), small()
    run(whole, 12)
    state = run(cut, 7).state
    run(cut, 5, 7, state=state)
    np.testing.assert_array_equal(whole.parameters, cut.parameters)
    some, rates = samples(), learning_rates(RECIPE, 0, 12, 12)
    for step, chosen in enumerate(batch_indices(20, 8, 0, 12, SEED)):
        keys = sample_keys(chosen, (8 * step + np.arange(8)) // 20, SEED)
        batch = some.subset(chosen)
        _, gradient = by_hand.loss_and_gradients(
            batch.inputs, batch.targets, dropout=Dropout(0.4, keys)
        )
        by_hand.parameters -= np.float32(rates[step]) * gradient
    np.testing.assert_allclose(whole.parameters, by_hand.parameters, rtol=1e-5, atol=1e-6)
    run(plain, 12, recipe=RECIPE.model_copy(update={"dropout": 0.0}))
    assert np.abs(plain.parameters - whole.parameters).max() > 1e-2


def test_nothing_is_dropped_in_evaluation():
    network = small()
    run(network, 3)
    again = small()
    again.parameters[...] = network.parameters
    inputs = samples().inputs
    np.testing.assert_array_equal(network.output(inputs), again.output(inputs))
    assert evaluate(network, samples()).loss == evaluate(again, samples()).loss


@pytest.mark.parametrize("probability", [-0.1, 1, np.nan])
def test_only_probabilities_below_1_are_accepted(probability):
    with pytest.raises(ValueError, match="dropout"):
        Recipe(dropout=probability)


def test_each_sample_needs_a_key():
    network, some = small(), samples()
    with pytest.raises(ValueError, match=r"20 keys, one for each sample; got shape \(3,\)"):
        network.loss_and_gradients(some.inputs, some.targets, dropout=Dropout(0.5, drawn_keys(3)))


def test_an_error_names_the_number_of_a_layer_in_the_network():
    class Wrong(HiddenLayer):
        def output(self, x):
            return super().output(x)[1:]

    network = Network(
        [HiddenLayer(3), Wrong(4), SoftmaxLayer(3)], (4,), rng=np.random.default_rng(0)
    )
    with pytest.raises(ValueError, match=r"layer 2 \(Wrong\): output must give"):
        run(network, 1)
