import numpy as np
import pytest
import scipy.signal
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cnn import PoolingLayer, functional

SIDES = st.integers(1, 7)
NUMBERS = st.floats(-10, 10, width=32)


@st.composite
def maps(draw, min_side=1):
    shape = draw(st.tuples(st.integers(min_side, 9), st.integers(min_side, 9)))
    return draw(hnp.arrays(np.float64, shape, elements=NUMBERS))


@given(x=maps(), kernel=maps(), mode=st.sampled_from(["valid", "full"]))
def test_conv2d_is_the_convolution_of_scipy(x, kernel, mode):
    if mode == "valid" and (np.array(kernel.shape) > x.shape).any():
        with pytest.raises(ValueError, match="must fit into"):
            functional.conv2d(x, kernel, mode)
        return
    expected = scipy.signal.convolve2d(x, kernel, mode)
    np.testing.assert_allclose(functional.conv2d(x, kernel, mode), expected, atol=1e-9)


def test_conv2d_has_the_sizes_of_the_document():
    x, kernel = np.zeros((10, 8)), np.zeros((3, 4))
    assert functional.conv2d(x, kernel, "valid").shape == (8, 5)  # m − p + 1
    assert functional.conv2d(x, kernel, "full").shape == (12, 11)  # m + p − 1


@pytest.mark.parametrize(
    ("x", "kernel", "mode", "message"),
    [
        (np.zeros(3), np.zeros((1, 1)), "valid", "two axes"),
        (np.zeros((3, 3)), np.zeros((1, 1)), "same", "mode must be"),
    ],
)
def test_conv2d_names_the_broken_rule(x, kernel, mode, message):
    with pytest.raises(ValueError, match=message):
        functional.conv2d(x, kernel, mode)


@given(x=maps())
def test_rot180_turns_twice_to_the_same_map(x):
    turned = functional.rot180(x)
    assert turned[0, 0] == x[-1, -1]
    np.testing.assert_array_equal(functional.rot180(turned), x)


@given(x=maps(min_side=2), border=st.sampled_from(["drop", "pad"]))
def test_downsample_takes_one_number_for_each_block(x, border):
    largest = functional.downsample(x, "max", border)
    mean = functional.downsample(x, "mean", border)
    rows, columns = (
        -(-size // 2) if border == "pad" else size // 2 for size in x.shape
    )  # rounded up, or down
    assert largest.shape == mean.shape == (rows, columns)
    padded = np.zeros((2 * rows + 1, 2 * columns + 1))
    padded[: x.shape[0], : x.shape[1]] = x[: 2 * rows + 1, : 2 * columns + 1]
    for i in range(rows):
        for j in range(columns):
            block = padded[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            assert largest[i, j] == block.max()
            assert mean[i, j] == pytest.approx(block.mean())


@given(x=maps(min_side=2), border=st.sampled_from(["drop", "pad"]))
def test_gaussian_downsampling_blurs_by_scipy_and_takes_every_second_pixel(x, border):
    taps = np.array([1, 4, 6, 4, 1]) / 16
    blurred = scipy.signal.convolve2d(x, np.outer(taps, taps), "same")
    rows, columns = functional.downsample(x, "mean", border).shape
    expected = blurred[::2, ::2][:rows, :columns]
    np.testing.assert_allclose(functional.downsample(x, "gaussian", border), expected, atol=1e-9)


@pytest.mark.parametrize("method", ["max", "mean", "gaussian", "trainable"])
@given(x=maps(min_side=2), border=st.sampled_from(["drop", "pad"]), data=st.data())
def test_upsampling_is_the_gradient_of_downsampling(method, x, border, data):
    """⟨residual, pooled⟩ has the gradient upsample(residual): each method is linear at most points."""
    gain = {"gain": 0.7} if method == "trainable" else {}
    pooled = functional.downsample(x, method, border, **gain)
    residual = data.draw(hnp.arrays(np.float64, pooled.shape, elements=NUMBERS))
    there = np.sum(pooled * residual)
    back = np.sum(x * functional.upsample(residual, x.shape, method, source=x, **gain))
    assert there == pytest.approx(back, abs=1e-9)


@pytest.mark.parametrize("border", ["drop", "pad"])
@pytest.mark.parametrize("method", ["max", "mean", "gaussian", "trainable"])
def test_sampling_does_to_a_map_what_the_pooling_layer_does(method, border, rng):
    layer = PoolingLayer(method, border).build((1, 5, 6), rng=rng, dtype=np.float64)
    layer.parameters[:] = [1.3, -0.2][: layer.parameter_count]
    x = rng.standard_normal((5, 6))
    pooled = functional.downsample(x, method, border, gain=1.3, bias=-0.2)
    np.testing.assert_allclose(pooled, layer.output(x[None, ..., None])[0, ..., 0])
    residual = rng.standard_normal(pooled.shape)
    np.testing.assert_allclose(
        functional.upsample(residual, (5, 6), method, source=x, gain=1.3),
        layer.backpropagate(residual[None, ..., None])[0, ..., 0],
    )


def test_upsampling_by_copy_gives_all_four_points_the_residual():
    np.testing.assert_array_equal(
        functional.upsample(np.array([[1.0, 2.0]]), (3, 3), "copy"),
        [[1, 1, 2], [1, 1, 2], [0, 0, 0]],
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: functional.downsample(x, "min"), "method must be"),
        (lambda x: functional.downsample(x, "max", "wrap"), "border must be"),
        (lambda x: functional.downsample(x[0]), "two axes"),
        (lambda x: functional.upsample(x, (4, 8), "min"), "method must be"),
        (lambda x: functional.upsample(x, (4, 8), "max"), "source must be a map"),
        (lambda x: functional.upsample(x, (4, 12)), "must be a halved map"),
    ],
)
def test_sampling_names_the_broken_rule(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.zeros((2, 4)))


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu"])
def test_derivatives_from_the_output_are_the_slopes(name):
    function, derivative = getattr(functional, name), getattr(functional, f"d{name}")
    x = np.linspace(-4, 4, 82)  # never 0, where relu has no slope
    slopes = (function(x + 1e-6) - function(x - 1e-6)) / 2e-6
    np.testing.assert_allclose(derivative(function(x)), slopes, atol=1e-8)


def test_sigmoid_is_scipys_and_does_not_overflow():
    x = np.array([-1e4, -30, -1, 0, 1, 30, 1e4])
    np.testing.assert_allclose(functional.sigmoid(x), scipy.special.expit(x), atol=1e-15)


def test_softmax_is_scipys_and_does_not_overflow(rng):
    x = rng.normal(0, 500, (5, 7))
    np.testing.assert_allclose(functional.softmax(x), scipy.special.softmax(x, axis=0), atol=1e-15)


INTEGERS = [np.int64, np.int8, np.uint8, bool]


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("mode", ["valid", "full"])
def test_integers_are_convolved_as_floats(mode, dtype, rng):
    x, kernel = rng.integers(256, size=(5, 6)).astype(dtype), rng.integers(2, size=(2, 3))
    expected = scipy.signal.convolve2d(x.astype(float), kernel.astype(float), mode)
    for one in (kernel.astype(dtype), kernel.astype(float), kernel.tolist()):
        result = functional.conv2d(x, one, mode)
        assert result.dtype == np.float64
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("method", ["max", "mean", "gaussian", "trainable"])
def test_integers_are_sampled_as_floats(method, dtype, rng):
    source = rng.integers(256, size=(5, 6)).astype(dtype)
    gain = {"gain": 0.5} if method == "trainable" else {}
    pooled = functional.downsample(source, method, **gain)
    expected = functional.downsample(source.astype(float), method, **gain)
    assert pooled.dtype == expected.dtype == np.float64
    np.testing.assert_array_equal(pooled, expected)
    residual = rng.integers(100, size=pooled.shape).astype(dtype)
    wide = functional.upsample(residual, (5, 6), method, source=source, **gain)
    expected = functional.upsample(
        residual.astype(float), (5, 6), method, source=source.astype(float), **gain
    )
    assert wide.dtype == np.float64
    np.testing.assert_array_equal(wide, expected)
    assert wide.any()


def test_single_precision_stays_single():
    x = np.ones((4, 4), np.float32)
    assert functional.conv2d(x, x).dtype == np.float32
    assert functional.downsample(x, "mean").dtype == np.float32
    assert functional.upsample(x, (8, 8), "mean").dtype == np.float32


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("mode", ["valid", "full"])
def test_an_empty_kernel_or_map_is_refused(mode, shape):
    for pair in ((np.ones((4, 4)), np.ones(shape)), (np.ones(shape), np.ones((1, 1)))):
        with pytest.raises(ValueError, match="at least one number each; got shapes"):
            functional.conv2d(*pair, mode)


def test_maps_of_what_is_no_real_number_are_refused():
    with pytest.raises(ValueError, match="kernel must be real numbers; got dtype complex128"):
        functional.conv2d(np.ones((4, 4)), np.ones((1, 1), complex))
    with pytest.raises(ValueError, match="x must be real numbers"):
        functional.downsample(np.ones((4, 4), complex))
