import math

import numpy as np
import pytest

from cnn import LECUN_C3, LECUN_H3, ConvolutionLayer, lenet1, lenet5, small_cnn

PRESETS = {
    "small_cnn": lambda shape, rng, **options: small_cnn(shape, 10, rng=rng, **options),
    "lenet1": lambda shape, rng, **options: lenet1(shape, rng=rng, **options),
    "lenet5": lambda shape, rng, **options: lenet5(shape, rng=rng, **options),
}


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 28), (32, 32), (28, 32)])
def test_lenet_5_has_its_known_size(shape, rng):
    network = lenet5(shape, rng=rng)
    assert network.parameter_count == network.parameters.size == 61_706
    assert network.macs == 416_520
    assert network.layers[0].output_shape == (6, 28, 28)
    assert network.summary().splitlines()[-2].split() == ["total", "61,706", "416,520"]


def test_lenet_5_sees_a_small_image_in_a_margin_of_two_zeros(rng):
    small = lenet5(rng=np.random.default_rng(0))
    large = lenet5((32, 32), rng=np.random.default_rng(0))
    image = rng.random((3, 28, 28), np.float32)
    framed = np.pad(image, ((0, 0), (2, 2), (2, 2)))
    np.testing.assert_allclose(small.output(image), large.output(framed), rtol=1e-6)


def test_lecuns_table_for_c3_is_that_of_1998():
    """Rows are maps of S2, columns maps of C3, as printed."""
    printed = [
        "X...XXX..XXXX.XX",
        "XX...XXX..XXXX.X",
        "XXX...XXX..X.XXX",
        ".XXX..XXXX..X.XX",
        "..XXX..XXXX.XX.X",
        "...XXX..XXXX.XXX",
    ]
    columns = zip(*printed, strict=True)
    seen = tuple(tuple(s2 for s2, mark in enumerate(one) if mark == "X") for one in columns)
    assert seen == LECUN_C3


def test_lecuns_table_for_c3_leaves_1516_parameters():
    layer = ConvolutionLayer(16, 5, connections=LECUN_C3)
    layer.configure((6, 14, 14))
    assert sum(map(len, LECUN_C3)) == 60
    assert layer.parameter_count == 1_516
    assert layer.macs == 150_000


def test_lenet_5_as_published_has_60000_parameters_before_its_output(rng):
    network = lenet5(rng=rng, connections=LECUN_C3, pooling="trainable")
    counts = [layer.parameter_count for layer in network.layers]
    assert counts == [156, 12, 1_516, 32, 0, 48_120, 10_164, 850]
    assert sum(counts[:-1]) == 60_000


def test_lenet_1_has_its_published_size(rng):
    network = lenet1(rng=rng)
    assert network.parameter_count == 2_578
    assert [layer.output_shape for layer in network.layers[:4]] == [
        (4, 24, 24),
        (4, 12, 12),
        (12, 8, 8),
        (12, 4, 4),
    ]
    # The paper counts a connection for each of a place's weights and its bias, and four for a mean.
    connections = 98_442
    places = sum(math.prod(layer.output_shape) for layer in network.layers[:4])
    assert network.macs + places + 10 + 3 * (4 * 144 + 12 * 16) == connections


def test_the_second_level_of_lenet_1_is_two_modules_that_share_nothing(rng):
    assert sum(map(len, LECUN_H3)) == 20
    assert {c for seen in LECUN_H3[:6] for c in seen} == {0, 1}
    assert {c for seen in LECUN_H3[6:] for c in seen} == {2, 3}
    assert lenet1(rng=rng, connections=None).parameter_count == 2_578 + 28 * 25


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_take_colour_images(preset, rng):
    network = PRESETS[preset]((3, 32, 30), rng)
    grey = PRESETS[preset]((32, 30), rng)
    first, second = network.layers[0], grey.layers[0]
    assert first.n_kernels == 3 * second.n_kernels
    assert network.output(rng.random((2, 3, 32, 30), np.float32)).shape == (2, 10)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_pass_their_settings_on(preset, rng):
    network = PRESETS[preset](
        (28, 28), rng, loss="squared_error", activation="relu", pooling="mean", dtype=np.float64
    )
    assert network.dtype == np.float64
    assert network.loss_function.name == "squared_error"
    assert network.layers[0].activation == "relu"
    assert network.layers[1].method == "mean"
    assert network.layers[-1].activation == "identity"


def test_a_lenet_with_lecuns_table_has_the_right_gradient(rng, central_difference):
    network = lenet5((9, 9), 3, rng=rng, connections=LECUN_C3, dtype=np.float64)
    inputs, targets = rng.normal(size=(2, 9, 9)), np.array([0, 2])
    _, gradient = network.loss_and_gradients(inputs, targets)
    convolutions = slice(0, 156 + 1_516)
    slopes = central_difference(
        lambda: network.loss(inputs, targets), network.parameters[convolutions]
    )
    np.testing.assert_allclose(gradient[convolutions], slopes, rtol=1e-5, atol=1e-9)
    assert np.abs(slopes[156:]).max() > 1e-3


@pytest.mark.parametrize(
    ("preset", "shape", "message"),
    [
        (lenet5, (8, 9), r"at least 9 rows and columns; got shape \(8, 9\)"),
        (lenet5, (784,), r"images must have the shape .* got \(784,\)"),
        (lenet1, (3, 12, 13), "at least 13 rows and columns"),
        (lenet1, (1, 1, 28, 28), "images must have the shape"),
    ],
)
def test_presets_name_the_images_they_need(preset, shape, message, rng):
    with pytest.raises(ValueError, match=message):
        preset(shape, rng=rng)


@pytest.mark.parametrize(("preset", "side"), [("lenet5", 9), ("lenet1", 13)])
def test_the_least_images_work(preset, side, rng):
    network = PRESETS[preset]((side, side), rng)
    assert network.output(rng.random((1, side, side), np.float32)).shape == (1, 10)


def test_an_unknown_loss_is_refused(rng):
    with pytest.raises(ValueError, match="loss must be one of"):
        lenet5(rng=rng, loss="hinge")
