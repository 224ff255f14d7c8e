"""What a network asks of its layers, and a layer of those who use it alone."""

import copy

import numpy as np
import pytest

from cnn import (
    ConvolutionLayer,
    HiddenLayer,
    Network,
    PoolingLayer,
    RasterizationLayer,
    SoftmaxLayer,
    lenet5,
    load_model,
    mlp,
    save_model,
    small_cnn,
)
from cnn.layers.layer import Layer


def layers():
    return [HiddenLayer(3), SoftmaxLayer(2)]


def test_a_layer_of_one_network_is_refused_by_another(rng):
    given = layers()
    first = Network(given, (4,), rng=rng)
    kept = first.parameters.copy()
    message = (
        r"layer 1 \(HiddenLayer\) must belong to this network only; got .* in a network already"
    )
    with pytest.raises(ValueError, match=message):
        Network([given[0], SoftmaxLayer(2)], (4,), rng=rng)
    np.testing.assert_array_equal(first.parameters, kept)


def test_a_layer_that_is_there_twice_is_refused(rng):
    hidden = HiddenLayer(4)
    with pytest.raises(ValueError, match=r"layer 3 \(HiddenLayer\) must belong .* is there twice"):
        Network([hidden, HiddenLayer(4), hidden, SoftmaxLayer(2)], (4,), rng=rng)


def test_layers_of_a_network_that_failed_are_free(rng):
    given = layers()
    with pytest.raises(ValueError, match="must be vectors"):
        Network(given, (4, 4), rng=rng)
    assert Network(given, (4,), rng=rng).parameter_count == 23


def test_twins_copies_loaded_models_and_layers_built_again_are_no_breach(rng, tmp_path):
    alone = HiddenLayer(3).build((5,), rng=rng).build((4,), rng=rng)
    network = Network([alone, SoftmaxLayer(2)], (4,), rng=rng)
    inputs = rng.random((3, 4), np.float32)
    expected = network.output(inputs)
    save_model(network, tmp_path / "net.npz")
    for other in (network.twin(), copy.deepcopy(network), load_model(tmp_path / "net.npz")):
        np.testing.assert_array_equal(other.output(inputs), expected)
    assert alone.build((6,), rng=rng).parameter_count == 21


@pytest.mark.parametrize("given", [HiddenLayer, "hidden"])
def test_what_is_no_layer_is_refused(given, rng):
    with pytest.raises(TypeError, match="layer 1 must be an object of a Layer class; got"):
        Network([given, SoftmaxLayer(2)], (4,), rng=rng)


class Custom(Layer):
    """A layer that passes on what it gets, but for what a test changes."""

    def __init__(self, **instead):
        self.instead = instead

    def configure(self, input_shape):
        if "announced" not in self.instead:
            self.output_shape = input_shape
        elif self.instead["announced"] is not None:
            self.output_shape = self.instead["announced"]

    def output(self, x):
        return self.instead.get("output", lambda x: x)(x)

    def input_gradient(self, delta):
        return self.instead.get("back", lambda delta: delta)(delta)


def custom_network(**instead):
    given = [HiddenLayer(3), Custom(**instead), SoftmaxLayer(2)]
    return Network(given, (4,), rng=np.random.default_rng(0))


@pytest.mark.parametrize("announced", [None, 3, (), (0,), (3.0,), [3]])
def test_a_layer_must_announce_its_output_shape(announced):
    with pytest.raises(ValueError, match=r"layer 2 \(Custom\): configure must set output_shape"):
        custom_network(announced=announced)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda x: x[:2], r"must give float32 of shape \(3, 5\); got float32 of shape \(2, 5\)"),
        (lambda x: x.astype(float), r"must give float32 of .*; got float64 of shape \(3, 5\)"),
        (lambda x: None, "must give an array; got None"),
    ],
)
def test_a_layer_that_gives_something_else_is_named(output, message):
    x, targets = np.zeros((5, 4), np.float32), np.zeros(5, int)
    forward, back = custom_network(output=output), custom_network(back=output)
    assert back.loss(x, targets) > 0
    for _ in range(2):  # a refused pass counts for nothing
        with pytest.raises(ValueError, match=r"layer 2 \(Custom\): output " + message):
            forward.output(x)
        with pytest.raises(ValueError, match=r"layer 2 \(Custom\): input_gradient " + message):
            back.loss_and_gradients(x, targets)


def test_every_size_of_batch_is_looked_at_once():
    network = custom_network(output=lambda x: x if x.shape[1] < 7 else x[:, :6])
    for n in (1, 6, 1):
        assert network.output(np.zeros((n, 4), np.float32)).shape == (n, 2)
    with pytest.raises(ValueError, match=r"layer 2 \(Custom\): output must give"):
        network.output(np.zeros((7, 4), np.float32))


def test_a_checked_pass_gives_the_bits_of_every_other(rng):
    network = small_cnn((6, 6), 3, rng=rng, maps=2, hidden=4)
    inputs, targets = rng.random((5, 6, 6), np.float32), rng.integers(3, size=5)
    first = network.output(inputs), *network.loss_and_gradients(inputs, targets)
    kept = first[2].copy()
    again = network.output(inputs), *network.loss_and_gradients(inputs, targets)
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1]
    np.testing.assert_array_equal(kept, again[2])
    assert kept.any()


@pytest.mark.parametrize("wrong", [2.0, True, np.float64(2), "2", None])
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("n_maps", lambda wrong: ConvolutionLayer(wrong, 2)),
        ("kernel_size", lambda wrong: ConvolutionLayer(2, wrong)),
        ("kernel_size", lambda wrong: ConvolutionLayer(2, (wrong, 2))),
        ("stride", lambda wrong: ConvolutionLayer(2, 2, stride=wrong)),
        ("padding", lambda wrong: ConvolutionLayer(2, 2, padding=(1, wrong))),
    ],
)
def test_counts_of_a_convolution_must_be_integers(name, make, wrong, rng):
    with pytest.raises(TypeError, match=rf"^{name} must be .*integer.*; got"):
        make(wrong).build((1, 5, 5), rng=rng)


@pytest.mark.parametrize("wrong", [2.0, True, "2"])
@pytest.mark.parametrize("kind", [HiddenLayer, SoftmaxLayer])
def test_nodes_must_be_an_integer(kind, wrong, rng):
    with pytest.raises(TypeError, match="n_nodes must be an integer; got"):
        kind(wrong).build((4,), rng=rng)


def test_integers_of_numpy_are_integers(rng):
    layer = ConvolutionLayer(
        np.int8(100), np.int16(2), stride=(np.int64(1), 1), padding=np.uint8(1)
    )
    layer.build((np.int64(1), 5, 5), rng=rng)
    assert layer.parameter_count == 500  # beyond int8
    assert layer.output_shape == (100, 6, 6)
    assert ConvolutionLayer(2, np.array([2, 3])).build((1, 5, 5), rng=rng).weights.shape == (
        2,
        2,
        3,
    )
    assert HiddenLayer(np.int8(3)).build((100,), rng=rng).parameter_count == 303


@pytest.mark.parametrize("shape", [32, 4.0, "44", (4.0,), (True, 4), None])
def test_an_input_shape_is_a_tuple_of_integers(shape, rng):
    message = "must be a tuple of integers, such as"
    with pytest.raises(TypeError, match=f"input_shape {message}"):
        Network(layers(), shape, rng=rng)
    with pytest.raises(TypeError, match=f"input_shape {message}"):
        HiddenLayer(2).build(shape, rng=rng)
    with pytest.raises(TypeError, match=f"image_shape {message}"):
        lenet5(shape, rng=rng)


@pytest.mark.parametrize("shape", [(), (0,), (4, -4)])
def test_a_sample_has_at_least_one_number(shape, rng):
    with pytest.raises(ValueError, match="input_shape must hold integers of at least 1; got"):
        Network(layers(), shape, rng=rng)


@pytest.mark.parametrize("wrong", [0, None, np.random.SeedSequence(0)])
def test_a_source_of_weights_is_a_generator(wrong):
    for build in (
        lambda: Network(layers(), (4,), rng=wrong),
        lambda: HiddenLayer(2).build((4,), rng=wrong),
        lambda: mlp(2, 3, 2, rng=wrong),
    ):
        with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator, such as"):
            build()


@pytest.mark.parametrize("dtype", [int, np.float16, complex])
def test_a_layer_alone_has_a_networks_dtypes(dtype, rng):
    with pytest.raises(ValueError, match="dtype must be float32 or float64; got"):
        HiddenLayer(2).build((4,), rng=rng, dtype=dtype)


ALONE = [
    (lambda: ConvolutionLayer(2, 2), (1, 4, 4)),
    (PoolingLayer, (1, 4, 4)),
    (lambda: PoolingLayer("trainable"), (1, 4, 4)),
    (RasterizationLayer, (1, 4, 4)),
    (lambda: HiddenLayer(3), (4,)),
    (lambda: SoftmaxLayer(3), (4,)),
]


@pytest.mark.parametrize(("make", "shape"), ALONE)
def test_a_layer_alone_is_used_in_order_and_in_its_dtype(make, shape, rng):
    layer, x = make(), np.zeros((*shape, 2), np.float32)
    with pytest.raises(ValueError, match=f"{type(layer).__name__} must be built before `output`"):
        layer.output(x)
    layer.build(shape, rng=rng)
    gradient = np.zeros((*layer.output_shape, 2), np.float32)
    with pytest.raises(ValueError, match="must run `output` before `backpropagate`"):
        layer.backpropagate(gradient)
    with pytest.raises(ValueError, match="x must be of the parameters' dtype float32; got float64"):
        layer.output(x.astype(float))
    layer.output(x)
    with pytest.raises(ValueError, match="gradient must be of the parameters' dtype float32; got"):
        layer.backpropagate(gradient.astype(float))
    assert layer.backpropagate(gradient).shape == x.shape
    layer.build(shape, rng=rng)
    with pytest.raises(ValueError, match="must run `output` before `backpropagate`"):
        layer.backpropagate(gradient)


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: SoftmaxLayer(1).build((4,), rng=rng),
        lambda rng: lenet5(n_outputs=1, rng=rng),
        lambda rng: mlp(2, 3, 1, rng=rng),
    ],
)
def test_one_class_leaves_nothing_to_decide(make, rng):
    with pytest.raises(ValueError, match="at least 2 unless implied_other is True"):
        make(rng)


def test_one_node_or_one_value_is_enough_where_there_is_something_to_find(rng):
    assert SoftmaxLayer(1, implied_other=True).build((4,), rng=rng).output_shape == (2,)
    assert mlp(2, 3, 1, rng=rng, loss="squared_error").output_shape == (1,)
