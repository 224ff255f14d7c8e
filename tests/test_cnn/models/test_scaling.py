"""The document's arithmetic of size (S5), and the vanishing gradient."""

import numpy as np
import pytest

from cnn import (
    ConvolutionLayer,
    HiddenLayer,
    Network,
    PoolingLayer,
    Recipe,
    Samples,
    SoftmaxLayer,
    train,
)


def test_an_image_of_a_million_pixels_needs_a_billion_weights_into_a_thousand_nodes():
    layer = HiddenLayer(1_000)
    layer.configure((1_000 * 1_000,))
    assert layer.macs == 10**9  # a weight each
    assert layer.parameter_count == 10**9 + 1_000  # and a bias per node


def test_receptive_fields_and_shared_weights_take_the_billion_to_a_hundred():
    layer = ConvolutionLayer(1, 10)
    layer.configure((1, 1_000, 1_000))
    assert layer.output_shape == (1, 991, 991)
    assert layer.macs == 991 * 991 * 100  # connections: 10×10 for each place of the field
    assert layer.parameter_count == 100 + 1  # weights, once all places share them


def test_pooling_halves_991_to_496_where_the_border_is_kept():
    sizes = {}
    for border in ("pad", "drop"):
        layer = PoolingLayer("max", border)
        layer.configure((1, 991, 991))
        sizes[border] = layer.output_shape
    assert sizes == {"pad": (1, 496, 496), "drop": (1, 495, 495)}


def layer_norms(activation, depth=8):
    """Train a deep perceptron a little, and return its layers' gradient norms."""
    rng = np.random.default_rng(1)
    layers = [*(HiddenLayer(20, activation) for _ in range(depth)), SoftmaxLayer(3)]
    network = Network(layers, (10,), rng=rng)
    inputs = rng.normal(size=(96, 10)).astype(np.float32)
    samples = Samples(inputs, inputs[:, :3].argmax(axis=1))
    curve = train(
        network,
        samples,
        Recipe(optimizer="sgd"),
        first_step=0,
        steps=5,
        total_steps=5,
        order_seed=np.random.SeedSequence(1),
        record_every=1,
        record_layers=True,
    ).curve
    assert curve.layer_gradient_norms.shape == (5, depth + 1)
    return curve.layer_gradient_norms


def test_the_gradient_vanishes_on_its_way_back_through_sigmoid_layers():
    norms = layer_norms("sigmoid")
    assert (norms[:, 0] < 1e-4 * norms[:, -1]).all()
    assert (np.diff(norms[:, :-1], axis=1) > 0).all()  # from layer to layer


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_it_does_not_vanish_through_layers_whose_slope_is_near_one(activation):
    norms = layer_norms(activation)
    assert (norms[:, 0] > 0.1 * norms[:, -1]).all()
