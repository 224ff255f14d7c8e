"""Pooling against the document's rules, written out sample by sample (S9, S10)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import convolve2d

from cnn import functional
from cnn.layers.pooling import PoolingLayer

METHODS = [
    *(("max", rule) for rule in ("arg_max", "copy")),
    *((method, "arg_max") for method in ("mean", "gaussian", "trainable")),
]
BATCHES = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129]
TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}
"""Largest error, as a share of the array's largest entry, or of 1 where that is smaller."""

BLUR = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256


def blocks_of(x, shape):
    """Cut a map into 2×2 blocks, 0 beyond the border; shape (*shape, 4), cells row by row."""
    rows, columns = shape
    padded = np.zeros((2 * rows, 2 * columns))
    kept = x[: 2 * rows, : 2 * columns]
    padded[: kept.shape[0], : kept.shape[1]] = kept
    return padded.reshape(rows, 2, columns, 2).swapaxes(1, 2).reshape(rows, columns, 4)


def route(x, residual):
    """Send each residual to the cell that held its block's maximum, the first of equals."""
    back = np.zeros(np.array(x.shape) + 1)  # one more row and column: what was padded
    winners = blocks_of(x, residual.shape).argmax(axis=-1)
    for (i, j), cell in np.ndenumerate(winners):
        back[2 * i + cell // 2, 2 * j + cell % 2] = residual[i, j]
    return back[:-1, :-1]


def spread(x, residual):
    """Give each residual to all cells of its block."""
    back = np.zeros(x.shape)
    copied = residual.repeat(2, axis=0).repeat(2, axis=1)[: x.shape[0], : x.shape[1]]
    back[: copied.shape[0], : copied.shape[1]] = copied
    return back


def unblur(x, residual):
    """Gaussian pooling blurs and takes every second pixel: spread with zeros, and blur."""
    apart = np.zeros(x.shape)
    apart[::2, ::2][: residual.shape[0], : residual.shape[1]] = residual
    return convolve2d(apart, BLUR, "same")


def by_the_rules(layer, x, gradient):
    """Compute the output, ∂E/∂x and ∂E/∂(parameters), one map and one sample at a time."""
    x, gradient = x.astype(float), gradient.astype(float)
    output, by_x = np.zeros(gradient.shape), np.zeros(x.shape)
    by_gain, by_bias = np.zeros((2, len(x)))
    for k, b in np.ndindex(len(x), x.shape[-1]):
        at = (k, ..., b)
        plane, residual = x[at], gradient[at]
        blocks = blocks_of(plane, residual.shape)
        if layer.method == "max":
            output[at] = blocks.max(axis=-1)
            copied = layer.max_gradient == "copy"
            by_x[at] = spread(plane, residual) if copied else route(plane, residual)
        elif layer.method == "gaussian":
            blurred = convolve2d(plane, BLUR, "same")[::2, ::2]
            output[at] = blurred[: residual.shape[0], : residual.shape[1]]
            by_x[at] = unblur(plane, residual)
        elif layer.method == "mean":
            output[at] = blocks.mean(axis=-1)
            by_x[at] = spread(plane, residual / 4)
        else:  # gain · mean + bias
            gain, bias = layer.parameters[k], layer.parameters[len(x) + k]
            output[at] = gain * blocks.mean(axis=-1) + bias
            by_x[at] = spread(plane, gain * residual / 4)
            by_gain[k] += np.sum(residual * blocks.mean(axis=-1))
            by_bias[k] += np.sum(residual)
    trained = layer.method == "trainable"
    return output, by_x, np.concatenate([by_gain, by_bias]) if trained else np.zeros(0)


@pytest.fixture(scope="module")
def assert_equals_the_rules(assert_close):
    def check(layer, batch, rng, draw=None):
        """Run a random batch through a built layer and back, and compare."""
        dtype = layer.parameters.dtype.type
        layer.parameters[...] = rng.normal(size=layer.parameters.shape)
        draw = rng.normal if draw is None else draw
        x = draw(size=(*layer.input_shape, batch)).astype(dtype)
        gradient = rng.normal(size=(*layer.output_shape, batch)).astype(dtype)
        layer.gradient[...] = np.nan
        output = layer.output(x)
        by_x = layer.backpropagate(gradient)
        assert output.dtype == by_x.dtype == dtype
        expected_output, expected_by_x, expected_by_parameters = by_the_rules(layer, x, gradient)
        assert_close(output, expected_output, TOLERANCE[dtype], 1)
        assert_close(by_x, expected_by_x, TOLERANCE[dtype], 1)
        assert_close(layer.gradient, expected_by_parameters, TOLERANCE[dtype], 1)

    return check


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("border", ["drop", "pad"])
@pytest.mark.parametrize(("method", "rule"), METHODS)
def test_every_batch_size_obeys_the_rules(
    method, rule, border, dtype, rng, assert_equals_the_rules
):
    """One layer sees them all, in disorder: no buffer may remember a larger batch."""
    for shape in ((2, 5, 4), (1, 2, 7)):
        layer = PoolingLayer(method, border, rule).build(shape, rng=rng, dtype=dtype)
        for batch in rng.permutation(BATCHES):
            assert_equals_the_rules(layer, int(batch), rng)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("border", ["drop", "pad"])
@pytest.mark.parametrize(("method", "rule"), METHODS)
def test_every_shape_obeys_the_rules(method, rule, border, dtype, rng, assert_equals_the_rules):
    for maps in range(1, 10):
        for rows in range(1, 8):
            columns = int(rng.integers(1, 12))
            if border == "drop" and min(rows, columns) < 2:
                continue
            layer = PoolingLayer(method, border, rule)
            layer.build((maps, rows, columns), rng=rng, dtype=dtype)
            assert_equals_the_rules(layer, 1 + maps % 4, rng)


@pytest.mark.parametrize("batch", [1, 16, 33])
@pytest.mark.parametrize("border", ["drop", "pad"])
@pytest.mark.parametrize("rule", ["arg_max", "copy"])
def test_among_equals_the_first_wins(rule, border, batch, rng, assert_equals_the_rules):
    """Whole numbers are often equal, and where all are negative the padded 0 wins."""

    def draw(size):
        return rng.integers(-2, 2, size)

    for shape in ((2, 5, 5), (1, 4, 3), (3, 3, 6)):
        layer = PoolingLayer("max", border, rule).build(shape, rng=rng)
        assert_equals_the_rules(layer, batch, rng, draw)


@given(
    method_and_rule=st.sampled_from(METHODS),
    border=st.sampled_from(["drop", "pad"]),
    shape=st.tuples(st.integers(1, 9), st.integers(2, 12), st.integers(2, 12)),
    batch=st.integers(1, 70),
    dtype=st.sampled_from([np.float64, np.float32]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_layer_obeys_the_rules(
    *, method_and_rule, border, shape, batch, dtype, seed, assert_equals_the_rules
):
    method, rule = method_and_rule
    rng = np.random.default_rng(seed)
    layer = PoolingLayer(method, border, rule).build(shape, rng=rng, dtype=dtype)
    assert_equals_the_rules(layer, batch, rng)
    assert_equals_the_rules(layer, 1 + batch // 2, rng)


@pytest.mark.parametrize("border", ["drop", "pad"])
@pytest.mark.parametrize("method", ["max", "mean", "gaussian"])
def test_a_layer_gives_what_downsample_gives(method, border, rng):
    """`cnn.functional.downsample` is the reader's version of the same operation (S9)."""
    layer = PoolingLayer(method, border).build((2, 5, 7), rng=rng, dtype=np.float64)
    x = rng.normal(size=(2, 5, 7, 3))
    output = layer.output(x)
    for k, b in np.ndindex(2, 3):
        expected = functional.downsample(x[k, ..., b], method, border)
        np.testing.assert_allclose(output[k, ..., b], expected, atol=1e-14)


@pytest.mark.parametrize("border", ["drop", "pad"])
@pytest.mark.parametrize("batch", [1, 7, 33])
@pytest.mark.parametrize("method", ["max", "mean", "gaussian", "trainable"])
def test_the_gradient_is_the_slope(method, batch, border, rng, central_difference):
    layer = PoolingLayer(method, border).build((1, 3, 4), rng=rng, dtype=np.float64)
    layer.parameters[...] = rng.normal(size=layer.parameters.shape)
    x = rng.normal(size=(1, 3, 4, batch))
    direction = rng.normal(size=(*layer.output_shape, batch))

    def loss():
        return float(np.sum(layer.output(x) * direction))

    by_x, by_parameters = central_difference(loss, x), central_difference(loss, layer.parameters)
    loss()
    np.testing.assert_allclose(layer.backpropagate(direction), by_x, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(layer.gradient, by_parameters, rtol=1e-6, atol=1e-8)


def test_the_true_gradient_of_max_goes_to_the_winner_alone(rng):
    layer = PoolingLayer("max").build((1, 2, 2), rng=rng)
    x = np.array([1, 4, 2, 3], np.float32).reshape(1, 2, 2, 1)
    assert layer.output(x).item() == 4
    back = layer.backpropagate(np.full((1, 1, 1, 1), 7, np.float32))
    np.testing.assert_array_equal(back.reshape(-1), [0, 7, 0, 0])


def test_the_documents_rule_for_max_copies_the_residual_to_all_points(rng):
    layer = PoolingLayer("max", "pad", "copy").build((1, 2, 3), rng=rng)
    layer.output(np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1))
    back = layer.backpropagate(np.array([7, 8], np.float32).reshape(1, 1, 2, 1))
    np.testing.assert_array_equal(back[0, ..., 0], [[7, 7, 8], [7, 7, 8]])


def test_a_padded_zero_may_win_and_then_keeps_the_gradient(rng):
    layer = PoolingLayer("max", "pad").build((1, 1, 1), rng=rng)
    assert layer.output(np.full((1, 1, 1, 1), -2, np.float32)).item() == 0
    assert layer.backpropagate(np.ones((1, 1, 1, 1), np.float32)).item() == 0


def test_trainable_pooling_starts_as_the_mean(rng):
    x = rng.normal(size=(2, 4, 4, 3)).astype(np.float32)
    trainable = PoolingLayer("trainable").build((2, 4, 4), rng=rng)
    mean = PoolingLayer("mean").build((2, 4, 4), rng=rng)
    assert trainable.parameter_count == 4
    np.testing.assert_array_equal(trainable.output(x), mean.output(x))


@pytest.mark.parametrize(
    ("method", "macs"),
    [("max", 0), ("mean", 0), ("trainable", 2 * 3 * 4), ("gaussian", 2 * 5 * 3 * (8 + 4))],
)
def test_pooling_is_charged_for_its_multiplications(method, macs):
    layer = PoolingLayer(method)
    layer.configure((2, 6, 8))
    assert layer.macs == macs


@pytest.mark.parametrize("cell", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_maximum_does_not_lose_a_nan(cell, dtype, rng):
    layer = PoolingLayer("max").build((1, 4, 4), rng=rng, dtype=dtype)
    x = rng.standard_normal((1, 4, 4, 35)).astype(dtype)
    x[0, cell[0], 2 + cell[1], 20] = np.nan
    lost = np.isnan(layer.output(x))
    assert lost[0, 0, 1, 20]
    assert lost.sum() == 1
