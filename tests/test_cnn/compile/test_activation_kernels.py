import re

import numba
import numpy as np
import pytest

from cnn import functional
from cnn.compile.compilation import FAST_MATH
from cnn.layers.activations import ACTIVATIONS, find_activation
from cnn.layers.kernels import activation_kernels


def compiled_map(function):
    """Compile a loop that applies a function to each entry, as kernels elsewhere do."""

    def apply(x, out):
        for i in range(x.shape[0]):
            out[i] = function(x[i])

    return numba.njit(fastmath=set(FAST_MATH), error_model="numpy")(apply)


@pytest.fixture(scope="module")
def tanh_block():
    return compiled_map(activation_kernels.fast_tanh)


@pytest.fixture(scope="module")
def sigmoid_block():
    return compiled_map(activation_kernels.fast_sigmoid)


def applied(block, x):
    out = np.empty_like(x)
    block(x, out)
    return out


@pytest.fixture(scope="module")
def grid():
    fine = np.linspace(-10, 10, 400_001)
    tiny = np.geomspace(1e-30, 1e-3, 1000)
    return np.concatenate([fine, tiny, -tiny, [1e4, -1e4, 1e30, -1e30]])


def test_fast_tanh_in_float32_is_within_3e_7_of_tanh(tanh_block, grid):
    x = grid.astype(np.float32)
    error = applied(tanh_block, x) - np.tanh(x.astype(np.float64))
    assert np.abs(error).max() < 3e-7


def test_fast_tanh_in_float32_is_odd_and_never_beyond_one(tanh_block, grid):
    x = grid.astype(np.float32)
    values = applied(tanh_block, x)
    assert np.abs(values).max() <= 1
    np.testing.assert_array_equal(applied(tanh_block, -x), -values)


def test_fast_tanh_in_float64_is_exact(tanh_block, grid):
    np.testing.assert_allclose(applied(tanh_block, grid), np.tanh(grid), rtol=1e-15, atol=1e-300)


def test_fast_sigmoid_in_float32_is_within_3e_7_of_the_sigmoid(sigmoid_block, grid):
    x = grid.astype(np.float32)
    error = applied(sigmoid_block, x) - functional.sigmoid(x.astype(np.float64))
    assert np.abs(error).max() < 3e-7


def test_fast_sigmoid_in_float64_is_exact(sigmoid_block, grid):
    np.testing.assert_allclose(
        applied(sigmoid_block, grid), functional.sigmoid(grid), rtol=0, atol=3e-16
    )


@pytest.mark.parametrize("block", ["tanh_block", "sigmoid_block"])
def test_nan_passes_through(block, request):
    block = request.getfixturevalue(block)
    assert np.isnan(applied(block, np.array([np.nan] * 9, np.float32))).all()


@pytest.mark.parametrize("block", ["tanh_block", "sigmoid_block"])
def test_float32_activations_vectorise(block, request):
    block = request.getfixturevalue(block)
    applied(block, np.zeros(3, np.float32))
    code = next(
        code
        for signature, code in block.inspect_llvm().items()
        if signature[0].dtype == numba.float32
    )
    assert re.search(r"fdiv.*<\d+ x float>", code)


def test_called_from_python_they_are_the_exact_functions():
    x = np.linspace(-3, 3, 7)
    np.testing.assert_array_equal(activation_kernels.fast_tanh(x), np.tanh(x))
    np.testing.assert_allclose(
        activation_kernels.fast_sigmoid(x), functional.sigmoid(x), rtol=1e-15
    )


NUMPY_TWINS = {
    "identity": (lambda n: n, np.ones_like),
    "sigmoid": (functional.sigmoid, functional.dsigmoid),
    "tanh": (functional.tanh, functional.dtanh),
    "relu": (functional.relu, functional.drelu),
}


def test_every_activation_has_a_twin():
    assert set(NUMPY_TWINS) == set(ACTIVATIONS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations_and_their_chain_rule_equal_the_functional_ones(name, dtype, rng):
    function, derivative = NUMPY_TWINS[name]
    n, gradient = rng.normal(0, 3, (2, 101)).astype(dtype)
    tolerance = 10 * np.finfo(dtype).eps
    o = n.copy()
    ACTIVATIONS[name].apply(o)
    np.testing.assert_allclose(o, function(n), rtol=tolerance, atol=tolerance)
    out = np.empty_like(o)
    ACTIVATIONS[name].chain(gradient, o, out)
    np.testing.assert_allclose(out, gradient * derivative(o), rtol=tolerance, atol=tolerance)
    assert out.dtype == dtype
    ACTIVATIONS[name].chain(gradient, o, gradient)
    np.testing.assert_array_equal(gradient, out)


def test_an_unknown_activation_is_named():
    with pytest.raises(ValueError, match=r"one of identity, .*; got 'step'"):
        find_activation("step")
