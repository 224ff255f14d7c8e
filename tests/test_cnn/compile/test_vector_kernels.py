"""Sums in a fixed order: right for every length, and the order is the written one."""

import math

import numba
import numpy as np
import pytest

from cnn.compile.vector_kernels import (
    SUMS,
    lanes_of,
    norm_of,
    sum_products,
    sum_row_products,
    sum_rows,
)

LENGTHS = [0, 1, 3, 15, 16, 17, 63, 64, 65, 128, 200, 1000]


def sum_in_order(terms, start):
    """Add up as `cnn.compile.vector_kernels` says: blocks of four vectors, single vectors, then one by one."""
    lanes = lanes_of(terms.itemsize)
    sums, rest, at = np.zeros((SUMS, lanes), terms.dtype), start, 0
    while at + SUMS * lanes <= len(terms):
        sums += terms[at : at + SUMS * lanes].reshape(SUMS, lanes)
        at += SUMS * lanes
    while at + lanes <= len(terms):
        sums[0] += terms[at : at + lanes]
        at += lanes
    for term in terms[at:]:
        rest = rest + term
    vector = (sums[0] + sums[1]) + (sums[2] + sums[3])
    while len(vector) > 1:
        half = len(vector) // 2
        vector = vector[:half] + vector[half:]
    return vector[0] + rest


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", LENGTHS)
def test_sums_of_rows_have_the_written_order(n, dtype, rng):
    x, sums = rng.standard_normal((3, n)).astype(dtype), np.empty(3, dtype)
    sum_rows(x, sums)
    np.testing.assert_array_equal(sums, [sum_in_order(row, dtype(0)) for row in x])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", LENGTHS)
def test_inner_products(n, dtype, rng):
    x, y = rng.standard_normal((2, 3, n)).astype(dtype)
    sums = np.empty(3, dtype)
    sum_row_products(x, y, sums)
    expected = [math.fsum((a.astype(float) * b).tolist()) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(sums, expected, rtol=0, atol=40 * np.finfo(dtype).eps * (1 + n))


@pytest.mark.parametrize("n", LENGTHS)
def test_the_norm_of_float32_does_not_overflow(n, rng):
    x = (1e30 * rng.standard_normal(n)).astype(np.float32)
    assert norm_of(x) == pytest.approx(np.linalg.norm(x.astype(float)), rel=1e-14)


def test_arrays_that_are_not_contiguous_are_refused():
    @numba.njit
    def total(x):
        return sum_products(x, 0, x, 0, x.shape[0])

    with pytest.raises(numba.core.errors.TypingError, match="must be contiguous"):
        total(np.ones(10, np.float32)[::2])
