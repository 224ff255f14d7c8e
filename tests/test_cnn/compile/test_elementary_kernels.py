"""Elementary functions in float32: their errors, their limits, and that loops over them vectorise."""

import re

import numba
import numpy as np
import pytest

from cnn import functional
from cnn.compile import elementary_kernels


def compiled_map(function):
    """Compile a loop that applies a function to each entry, as kernels elsewhere do."""

    def apply(x, out):
        for i in range(x.shape[0]):
            out[i] = function(x[i])

    return numba.njit(error_model="numpy")(apply)


@pytest.fixture(scope="module")
def tanh_block():
    return compiled_map(elementary_kernels.fast_tanh)


@pytest.fixture(scope="module")
def sigmoid_block():
    return compiled_map(elementary_kernels.fast_sigmoid)


def applied(block, x):
    out = np.empty_like(x)
    block(x, out)
    return out


@pytest.fixture(scope="module")
def exp_block():
    return compiled_map(elementary_kernels.fast_exp)


@pytest.fixture(scope="module")
def log_block():
    return compiled_map(elementary_kernels.fast_log)


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


def test_fast_exp_in_float32_is_within_2e_7_of_its_size(exp_block):
    x = np.linspace(-87.3, 88.3, 1_000_003).astype(np.float32)
    true = np.exp(x.astype(np.float64))
    assert np.abs(applied(exp_block, x) / true - 1).max() < 2e-7


def test_fast_exp_is_zero_where_the_true_value_is_no_normal_number(exp_block):
    x = np.array([-87.4, -100, -1e30, -np.inf, 0], np.float32)
    np.testing.assert_array_equal(applied(exp_block, x), np.float32([0, 0, 0, 0, 1]))


def test_fast_log_in_float32_is_within_2e_7(log_block):
    x = np.concatenate([np.geomspace(1e-37, 1e38, 1_000_003), np.linspace(0.5, 2, 1_000_003)])
    x = x.astype(np.float32)
    true = np.log(x.astype(np.float64))
    error = np.abs(applied(log_block, x) - true)
    assert (error / np.maximum(np.abs(true), 1)).max() < 2e-7
    assert applied(log_block, np.ones(1, np.float32))[0] == 0
    assert applied(log_block, np.array([np.inf], np.float32))[0] == np.inf


def test_fast_exp_and_log_in_float64_are_exact(exp_block, log_block):
    x = np.linspace(-30, 30, 1001)
    np.testing.assert_allclose(applied(exp_block, x), np.exp(x), rtol=3e-16)
    np.testing.assert_allclose(applied(log_block, np.exp(x)), x, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("block", ["tanh_block", "sigmoid_block", "exp_block", "log_block"])
def test_nan_passes_through(block, request):
    block = request.getfixturevalue(block)
    assert np.isnan(applied(block, np.array([np.nan] * 9, np.float32))).all()


@pytest.mark.parametrize("block", ["tanh_block", "sigmoid_block", "exp_block", "log_block"])
def test_in_float32_they_vectorise(block, request):
    block = request.getfixturevalue(block)
    applied(block, np.zeros(3, np.float32))
    code = next(
        code
        for signature, code in block.inspect_llvm().items()
        if signature[0].dtype == numba.float32
    )
    assert re.search(r"fmul.*<\d+ x float>", code)
