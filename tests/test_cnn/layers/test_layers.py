import math

import numpy as np
import pytest
import scipy.special

from cnn.layers.activations import ACTIVATIONS
from cnn.layers.convolution import ConvolutionLayer
from cnn.layers.hidden import HiddenLayer
from cnn.layers.initial import initial_weights
from cnn.layers.output import SoftmaxLayer
from cnn.layers.pooling import PoolingLayer
from cnn.layers.rasterization import RasterizationLayer
from cnn.layers.registry import LAYERS

BATCH = 3
IMAGE, VECTOR = (2, 5, 6), (7,)

CASES = {
    **{
        f"convolution {activation}": (lambda a=activation: ConvolutionLayer(3, (3, 2), a), IMAGE)
        for activation in ACTIVATIONS
    },
    "convolution, kernel as large as the image": (lambda: ConvolutionLayer(2, (5, 6)), IMAGE),
    "convolution, one row": (lambda: ConvolutionLayer(2, (1, 4), "sigmoid"), IMAGE),
    "convolution, one column": (lambda: ConvolutionLayer(2, (3, 1), "relu"), IMAGE),
    "convolution, RGB": (lambda: ConvolutionLayer(2, 4), (3, 6, 5)),
    "convolution, 1×1": (lambda: ConvolutionLayer(2, 1), IMAGE),
    "convolution, shared": (lambda: ConvolutionLayer(3, 3, kernels="shared"), IMAGE),
    "convolution, table": (
        lambda: ConvolutionLayer(3, (2, 3), connections=[[0], [2, 0], [3]]),
        (4, 4, 5),
    ),
    "convolution, shared table": (
        lambda: ConvolutionLayer(2, 2, kernels="shared", connections=[[1, 2], [0]]),
        (3, 4, 4),
    ),
    **{
        f"convolution {kernels}, stride {stride}, padding {padding}": (
            lambda k=kernels, s=stride, p=padding: ConvolutionLayer(
                2, (3, 2), "tanh", k, [[0, 2], [1]], s, p
            ),
            (3, 5, 6),
        )
        for kernels in ("per_map", "shared")
        for stride in (1, 2, 3, (1, 2))
        for padding in (0, 1, (2, 0))
        if (stride, padding) != (1, 0)
    },
    **{
        f"pooling {method} {border} {shape}": (
            lambda m=method, b=border: PoolingLayer(m, b),
            shape,
        )
        for method in ("max", "mean", "gaussian", "trainable")
        for border in ("drop", "pad")
        for shape in ((2, 4, 6), (2, 5, 7))
    },
    "pooling of single pixels": (PoolingLayer, (2, 1, 1)),
    "rasterization": (RasterizationLayer, IMAGE),
    **{
        f"hidden {activation}": (lambda a=activation: HiddenLayer(4, a), VECTOR)
        for activation in ACTIVATIONS
    },
    "softmax": (lambda: SoftmaxLayer(4), VECTOR),
    "softmax, implied other": (lambda: SoftmaxLayer(3, implied_other=True), VECTOR),
}


@pytest.fixture(params=CASES)
def case(request, rng):
    """Return a float64 layer with random parameters, and an input."""
    make, shape = CASES[request.param]
    layer = make().build(shape, rng=rng, dtype=np.float64)
    layer.parameters[...] = rng.normal(0, 0.5, layer.parameters.shape)
    return layer, rng.normal(size=(*shape, BATCH))


def test_every_layer_class_is_tried():
    assert {type(make()) for make, _ in CASES.values()} == set(LAYERS.values())


def test_backpropagation_gives_the_slopes_by_input_and_parameters(case, rng, central_difference):
    layer, x = case
    direction = rng.normal(size=(*layer.output_shape, BATCH))

    def loss():
        return float(np.sum(layer.scores(x) * direction))

    by_input = central_difference(loss, x)
    by_parameters = central_difference(loss, layer.parameters)
    loss()
    np.testing.assert_allclose(layer.backpropagate(direction), by_input, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(layer.gradient, by_parameters, rtol=1e-6, atol=1e-8)


def test_the_shapes_are_those_announced(case):
    layer, x = case
    output = layer.output(x)
    assert output.shape == layer.scores(x).shape == (*layer.output_shape, BATCH)
    assert layer.backpropagate(np.ones_like(output)).shape == x.shape
    assert layer.parameters.shape == layer.gradient.shape == (layer.parameter_count,)


def test_a_second_pass_repeats_the_first_whatever_came_between(case, rng):
    layer, x = case
    direction = rng.normal(size=(*layer.output_shape, BATCH))

    def both():
        return layer.scores(x).copy(), layer.backpropagate(direction).copy(), layer.gradient.copy()

    first = both()
    for batch in (1, 5, BATCH):
        layer.output(rng.normal(size=(*layer.input_shape, batch)))
        layer.backpropagate(rng.normal(size=(*layer.output_shape, batch)))
    for before, after in zip(first, both(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_neither_input_nor_gradient_is_written_to(case, rng):
    layer, x = case
    direction = rng.normal(size=(*layer.output_shape, BATCH))
    copies = x.copy(), direction.copy()
    layer.scores(x)
    layer.backpropagate(direction)
    np.testing.assert_array_equal(x, copies[0])
    np.testing.assert_array_equal(direction, copies[1])


def test_inputs_and_gradients_of_another_shape_are_refused(case, rng):
    layer, x = case
    with pytest.raises(ValueError, match=r"must have the shape|mismatch"):
        layer.output(rng.normal(size=(layer.input_shape[0] + 1, *x.shape[1:])))
    layer.output(x)
    with pytest.raises(ValueError, match=r"must have the shape|mismatch|cannot reshape"):
        layer.backpropagate(
            rng.normal(size=(layer.output_shape[0] + 1, *layer.output_shape[1:], BATCH))
        )


def test_samples_do_not_see_one_another(case):
    layer, x = case
    together = layer.output(x).copy()
    for b in range(BATCH):
        alone = layer.output(np.ascontiguousarray(x[..., [b]]))
        np.testing.assert_allclose(alone[..., 0], together[..., b], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_float32_agrees_with_float64(name, rng):
    make, shape = CASES[name]
    wide = make().build(shape, rng=np.random.default_rng(1), dtype=np.float64)
    narrow = make().build(shape, rng=np.random.default_rng(1))
    x = rng.normal(size=(*shape, BATCH)).astype(np.float32)
    direction = rng.normal(size=(*wide.output_shape, BATCH)).astype(np.float32)
    np.testing.assert_allclose(narrow.parameters, wide.parameters, rtol=1e-6)
    output = narrow.scores(x)
    assert output.dtype == np.float32
    np.testing.assert_allclose(output, wide.scores(x.astype(float)), atol=1e-5)
    by_input = narrow.backpropagate(direction)
    assert by_input.dtype == np.float32
    np.testing.assert_allclose(by_input, wide.backpropagate(direction.astype(float)), atol=1e-5)
    np.testing.assert_allclose(narrow.gradient, wide.gradient, atol=3e-5)


def test_rasterization_goes_pixel_by_pixel_and_map_after_map(rng):
    x = np.arange(2 * 3 * 4 * 2.0).reshape(2, 3, 4, 2)
    layer = RasterizationLayer().build((2, 3, 4), rng=rng, dtype=np.float64)
    vector = layer.output(x)
    for b in range(2):
        in_order = [x[m, r, c, b] for m in range(2) for r in range(3) for c in range(4)]
        np.testing.assert_array_equal(vector[:, b], in_order)
    np.testing.assert_array_equal(layer.backpropagate(vector), x)


def test_a_hidden_layer_is_the_documents_formula(rng):
    """δ = ∂E/∂o ∘ φ'(n), ∂E/∂Θ = δ xᵀ, ∂E/∂b = δ, ∂E/∂x = Θᵀ δ (S3)."""
    layer = HiddenLayer(4, "sigmoid").build((3,), rng=rng, dtype=np.float64)
    x, gradient = rng.normal(size=(3, 1)), rng.normal(size=(4, 1))
    output = layer.output(x)
    np.testing.assert_allclose(output, scipy.special.expit(layer.weights @ x + layer.bias[:, None]))
    delta = gradient * output * (1 - output)
    np.testing.assert_allclose(layer.backpropagate(gradient), layer.weights.T @ delta)
    np.testing.assert_allclose(layer.gradient, np.concatenate([(delta @ x.T).ravel(), delta[:, 0]]))


def test_a_softmax_layer_gives_probabilities_and_scores(rng):
    layer = SoftmaxLayer(5).build((3,), rng=rng, dtype=np.float64)
    x = rng.normal(size=(3, 4))
    scores = layer.scores(x).copy()
    np.testing.assert_allclose(scores, layer.weights @ x + layer.bias[:, None])
    np.testing.assert_allclose(layer.output(x), scipy.special.softmax(scores, axis=0))


def test_the_documents_arithmetic_on_a_large_image_holds():
    """S5: a million pixels to a thousand nodes, against 10×10 receptive fields with sharing."""
    hidden = HiddenLayer(1000)
    hidden.configure((1_000_000,))
    assert hidden.macs == 10**9
    assert hidden.parameter_count == 10**9 + 1000

    convolution = ConvolutionLayer(1, 10)
    convolution.configure((1, 1000, 1000))
    assert convolution.output_shape == (1, 991, 991)
    assert convolution.macs == 991 * 991 * 100
    assert convolution.parameter_count == 100 + 1

    pooling = PoolingLayer("max", "pad")
    pooling.configure(convolution.output_shape)
    assert pooling.output_shape == (1, 496, 496)


def test_an_unknown_starting_scheme_is_named(rng):
    with pytest.raises(ValueError, match="scheme must be 'glorot' or 'he'; got 'lecun'"):
        initial_weights((2, 2), 2, 2, "lecun", rng=rng)


@pytest.mark.parametrize("scheme", ["tanh", "relu"])
def test_starting_weights_keep_the_size_of_signals(scheme, rng):
    layer = HiddenLayer(400, scheme).build((400,), rng=rng, dtype=np.float64)
    limit = math.sqrt(6 / (800 if scheme == "tanh" else 400))
    assert np.abs(layer.weights).max() == pytest.approx(limit, rel=1e-3)
    assert layer.weights.mean() == pytest.approx(0, abs=0.01 * limit)
    assert not layer.bias.any()


def test_the_same_seed_gives_the_same_layer():
    def build(seed):
        return ConvolutionLayer(2, 3).build((1, 5, 5), rng=np.random.default_rng(seed)).parameters

    np.testing.assert_array_equal(build(4), build(4))
    assert (build(4) != build(5)).any()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (
            ConvolutionLayer(2, 4),
            (1, 3, 9),
            "kernel_size must fit into maps of 3×9 pixels; got 4×4",
        ),
        (ConvolutionLayer(2, 0), (1, 3, 9), "kernel_size must be one or two numbers of at least 1"),
        (ConvolutionLayer(0, 2), (1, 3, 9), "n_maps must be at least 1; got 0"),
        (ConvolutionLayer(2, 2), (9,), "must be images"),
        (ConvolutionLayer(2, 2, "step"), (1, 3, 9), "activation must be one of"),
        (ConvolutionLayer(2, 2, kernels="own"), (1, 3, 9), "kernels must be one of"),
        (ConvolutionLayer(2, 2, connections=[[0]]), (1, 3, 9), "connections must name"),
        (ConvolutionLayer(1, 2, connections=[[]]), (1, 3, 9), "connections must name"),
        (ConvolutionLayer(1, 2, connections=[[1]]), (1, 3, 9), "input maps 0 … 0"),
        (PoolingLayer("min"), (1, 4, 4), "method must be one of"),
        (PoolingLayer("max", "wrap"), (1, 4, 4), "border must be"),
        (PoolingLayer("max", "pad", "spread"), (1, 4, 4), "max_gradient must be one of"),
        (PoolingLayer("max", "drop"), (1, 1, 4), "a pixel after pooling"),
        (PoolingLayer(), (4,), "must be images"),
        (RasterizationLayer(), (4, 4), "must be images"),
        (HiddenLayer(3), (1, 4, 4), "a RasterizationLayer makes of images"),
        (HiddenLayer(0), (4,), "n_nodes must be at least 1; got 0"),
        (HiddenLayer(3, "step"), (4,), "activation must be one of"),
        (SoftmaxLayer(3), (4, 4), "must be vectors"),
    ],
)
def test_what_does_not_fit_is_named(layer, shape, message, rng):
    with pytest.raises(ValueError, match=message):
        layer.build(shape, rng=rng)
