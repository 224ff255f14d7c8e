import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn import functional
from cnn.pooling import PoolingLayer


@given(
    method=st.sampled_from(["max", "mean", "gaussian"]),
    border=st.sampled_from(["drop", "pad"]),
    rows=st.integers(2, 9),
    columns=st.integers(2, 9),
    seed=st.integers(0, 99),
)
@settings(deadline=None)
def test_pooling_equals_downsampling_map_by_map(method, border, rows, columns, seed):
    rng = np.random.default_rng(seed)
    layer = PoolingLayer(method, border).build((2, rows, columns), rng=rng, dtype=np.float64)
    x = rng.normal(size=(2, rows, columns, 3))
    output = layer.output(x)
    for k in range(2):
        for b in range(3):
            expected = functional.downsample(x[k, ..., b], method, border)
            np.testing.assert_allclose(output[k, ..., b], expected, atol=1e-14)


@pytest.mark.parametrize("border", ["drop", "pad"])
def test_the_documents_rule_for_max_copies_the_residual_to_all_points(border, rng):
    layer = PoolingLayer("max", border, "copy").build((2, 5, 4), rng=rng, dtype=np.float64)
    x = rng.normal(size=(2, 5, 4, 3))
    gradient = rng.normal(size=layer.output(x).shape)
    back = layer.backpropagate(gradient)
    for k in range(2):
        for b in range(3):
            expected = functional.upsample(gradient[k, ..., b], (5, 4), "copy")
            np.testing.assert_array_equal(back[k, ..., b], expected)


def test_the_true_gradient_of_max_goes_to_the_winner_alone(rng):
    layer = PoolingLayer("max").build((1, 2, 2), rng=rng)
    x = np.array([1, 4, 2, 3], np.float32).reshape(1, 2, 2, 1)
    assert layer.output(x).item() == 4
    back = layer.backpropagate(np.full((1, 1, 1, 1), 7, np.float32))
    np.testing.assert_array_equal(back.reshape(-1), [0, 7, 0, 0])


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
