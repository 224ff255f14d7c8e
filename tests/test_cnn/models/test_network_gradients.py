"""Gradients of whole networks: slopes of the loss, and the same from any batch in any order."""

import numpy as np
import pytest
from effort import first_now

from cnn import (
    ACTIVATIONS,
    LOSSES,
    ConvolutionLayer,
    DataParallel,
    HiddenLayer,
    Network,
    PoolingLayer,
    RasterizationLayer,
    SoftmaxLayer,
)

N_OUTPUTS = 3
BATCHES = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 129]
TABLE = [[0], [1, 0], [1]]

NETWORKS = {
    "perceptron": ((5,), lambda phi: []),
    "two hidden layers": ((4,), lambda phi: [HiddenLayer(4, phi), HiddenLayer(3, phi)]),
    "LeNet-5 in small": (
        (7, 8),
        lambda phi: [
            ConvolutionLayer(2, 3, phi, padding=1),
            PoolingLayer("trainable"),
            ConvolutionLayer(3, (3, 2), phi, connections=TABLE),
            PoolingLayer("trainable"),
            RasterizationLayer(),
            HiddenLayer(4, phi),
        ],
    ),
    "the document's": (
        (2, 7, 6),
        lambda phi: [
            ConvolutionLayer(2, 2, phi, kernels="shared"),
            PoolingLayer("mean", "pad"),
            ConvolutionLayer(3, 2, phi, kernels="shared", connections=TABLE),
            PoolingLayer("max", "pad"),
            RasterizationLayer(),
            HiddenLayer(3, phi),
        ],
    ),
    "RGB, strided": (
        (3, 6, 9),
        lambda phi: [
            ConvolutionLayer(2, (2, 3), phi, stride=(1, 2), padding=(1, 0)),
            ConvolutionLayer(3, 3, phi, stride=2, padding=(2, 1)),
            RasterizationLayer(),
        ],
    ),
    "kernels of one pixel": (
        (3, 3, 2),
        lambda phi: [ConvolutionLayer(2, 1, phi), ConvolutionLayer(3, (3, 2), phi), *flat()],
    ),
    "pooling first": ((2, 5, 4), lambda phi: [PoolingLayer("max"), *flat(), HiddenLayer(3, phi)]),
    **{
        f"{method} pooling, border {border}": (
            (5, 7),
            lambda phi, method=method, border=border: [
                ConvolutionLayer(2, (3, 2), phi, padding=(1, 0)),
                PoolingLayer(method, border),
                ConvolutionLayer(2, 2, phi, padding=1),
                PoolingLayer(method, border),
                *flat(),
            ],
        )
        for method in ("max", "mean", "gaussian", "trainable")
        for border in ("drop", "pad")
    },
}
"""Input shape, and the layers before the last for a given activation."""


def flat():
    return [RasterizationLayer()]


def make_network(name, loss, activation="tanh", dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    shape, layers = NETWORKS[name]
    on_classes = LOSSES[loss].target_kind == "classes"
    last = SoftmaxLayer(N_OUTPUTS) if on_classes else HiddenLayer(N_OUTPUTS, "identity")
    network = Network([*layers(activation), last], shape, loss, rng=rng, dtype=dtype)
    network.parameters[...] += rng.normal(0, 0.1, network.parameters.shape)  # biases as well
    return network


def make_batch(network, n, rng):
    inputs = rng.normal(size=(n, *network.input_shape)).astype(network.dtype)
    if network.loss_function.target_kind == "classes":
        return inputs, rng.integers(N_OUTPUTS, size=n)
    return inputs, rng.normal(size=(n, N_OUTPUTS)).astype(network.dtype)


def measured(network, batch):
    value, gradient = network.loss_and_gradients(*batch)
    return value, gradient.copy()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_gradient_is_the_slope_of_the_loss(
    name, loss, activation, rng, central_difference, assert_close
):
    network = make_network(name, loss, activation)
    batch = make_batch(network, 3, rng)
    value, gradient = measured(network, batch)
    assert value == network.loss(*batch)
    slopes = central_difference(lambda: network.loss(*batch), network.parameters)
    assert_close(gradient, slopes, 1e-6)
    assert np.abs(slopes).max() > 1e-4


@pytest.mark.parametrize("n", [1, 7, 16, 33])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_gradient_of_any_batch_is_the_slope_of_its_loss(name, n, rng, assert_close):
    network = make_network(name, "cross_entropy")
    batch, kept = make_batch(network, n, rng), network.parameters.copy()
    _, gradient = measured(network, batch)
    directions = rng.normal(size=(8, kept.size))
    slopes = np.zeros(8)
    for sign in (1, -1):
        for i, direction in enumerate(directions):
            network.parameters[...] = kept + sign * 1e-6 * direction
            slopes[i] += sign * network.loss(*batch) / 2e-6
    assert_close(directions @ gradient, slopes, 1e-6)


@pytest.mark.parametrize("dtype", first_now([np.float32, np.float64]))
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_batch_has_the_mean_of_its_samples(name, loss, dtype, rng, assert_close):
    """Samples taken alone are the oracle: vector kernels treat most of a batch otherwise."""
    network = make_network(name, loss, dtype=dtype)
    inputs, targets = make_batch(network, max(BATCHES), rng)
    alone = [measured(network, (inputs[[i]], targets[[i]])) for i in range(len(inputs))]
    outputs = np.concatenate([network.output(inputs[[i]]) for i in range(len(inputs))])
    share = 1e-12 if dtype == np.float64 else 1e-5
    for n in BATCHES:
        value, gradient = measured(network, (inputs[:n], targets[:n]))
        assert value == pytest.approx(np.mean([v for v, _ in alone[:n]]), rel=share)
        assert gradient.dtype == dtype
        expected = np.mean([g for _, g in alone[:n]], axis=0, dtype=float)
        assert_close(gradient, expected, share)
        assert_close(network.output(inputs[:n]), outputs[:n], share)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_batch_gives_the_same_bits_whatever_came_between(name, dtype, rng):
    network = make_network(name, "cross_entropy", dtype=dtype)
    other = make_network(name, "cross_entropy", dtype=dtype, seed=1)
    batch = make_batch(network, 16, rng)
    first_value, first = measured(network, batch)
    for n in (1, 33, 16, 7):
        measured(network, make_batch(network, n, rng))
        network.output(make_batch(network, n + 1, rng)[0])
        measured(other, make_batch(other, 16, rng))
    network.parameters[...] *= 2
    measured(network, batch)
    network.parameters[...] /= 2
    value, gradient = measured(network, batch)
    assert value == first_value
    np.testing.assert_array_equal(gradient, first)
    fresh_value, fresh = measured(make_network(name, "cross_entropy", dtype=dtype), batch)
    assert fresh_value == first_value
    np.testing.assert_array_equal(fresh, first)


@pytest.mark.parametrize("name", ["LeNet-5 in small", "the document's", "RGB, strided"])
def test_threads_give_the_same_gradient(name, rng, assert_close):
    whole = make_network(name, "cross_entropy")
    with DataParallel(make_network(name, "cross_entropy"), 3) as parallel:
        for n in (1, 2, 33, 16, 7):
            inputs, targets = make_batch(whole, n, rng)
            value, gradient = measured(whole, (inputs, targets))
            shared_value, shared = parallel.loss_and_gradients(inputs, targets)
            assert shared_value == pytest.approx(value, rel=1e-12)
            assert_close(shared, gradient, 1e-12)
            assert_close(parallel.output(inputs), whole.output(inputs), 1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", NETWORKS)
def test_float32_agrees_with_float64(name, loss, rng, assert_close):
    wide = make_network(name, loss)
    narrow = make_network(name, loss, dtype=np.float32)
    wide.parameters[...] = narrow.parameters
    inputs, targets = make_batch(narrow, 33, rng)
    value, gradient = measured(narrow, (inputs, targets))
    exact_value, exact = measured(wide, (inputs.astype(float), targets))
    assert value == pytest.approx(exact_value, rel=1e-5)
    assert_close(gradient, exact, 1e-5)


def test_the_layers_taken_one_by_one_give_the_networks_gradient(rng):
    """`Layer.build`, `output` and `backpropagate` are all there is to a network."""
    network = make_network("LeNet-5 in small", "cross_entropy")
    inputs, targets = make_batch(network, 7, rng)
    value, gradient = measured(network, (inputs, targets))

    alone = make_network("LeNet-5 in small", "cross_entropy").layers
    x, start = np.ascontiguousarray(np.moveaxis(inputs[:, np.newaxis], 0, -1)), 0
    for layer in alone:
        layer.build(x.shape[:-1], rng=rng, dtype=np.float64)
        end = start + layer.parameter_count
        layer.parameters[...] = network.parameters[start:end]
        x, start = layer.scores(x), end
    delta = np.empty_like(x)
    assert LOSSES["cross_entropy"].value_and_delta(x, targets, delta) == value
    for layer in reversed(alone):
        delta = layer.backpropagate(delta)
    np.testing.assert_array_equal(np.concatenate([layer.gradient for layer in alone]), gradient)


def test_the_documents_rule_for_max_pooling_differs_from_the_slope_before_it_alone(rng):
    """Layers behind the pooling have their true gradient; the convolution before it has not."""

    def network(rule):
        layers = [
            ConvolutionLayer(2, 2),
            PoolingLayer("max", "pad", rule),
            *flat(),
            SoftmaxLayer(3),
        ]
        return Network(layers, (5, 5), rng=np.random.default_rng(0), dtype=np.float64)

    true, document = network("arg_max"), network("copy")
    inputs, targets = rng.normal(size=(4, 5, 5)), rng.integers(3, size=4)
    (_, slopes), (_, copied) = (measured(n, (inputs, targets)) for n in (true, document))
    before = true.layers[0].parameter_count
    np.testing.assert_array_equal(copied[before:], slopes[before:])
    assert np.abs(copied[:before] - slopes[:before]).max() > 0.01
