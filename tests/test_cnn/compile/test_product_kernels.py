"""Matrix products and transposes: right for every shape, and the same bits however a matrix is cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn.compile.product_kernels import (
    DEPTH,
    write_product,
    write_products,
    write_transpose,
)

SIDES = st.integers(1, 40)
DTYPES = st.sampled_from([np.float32, np.float64])


def flat(x):
    return np.ascontiguousarray(x).reshape(-1)


def product(a, b, *, transposed=False):
    """Return a · b, or aᵀ · b, by the kernel."""
    depth, n_columns = b.shape
    n_rows = a.size // depth
    out = np.full((n_rows, n_columns), np.nan, a.dtype)
    strides = (1, n_rows) if transposed else (depth, 1)
    write_product(flat(a), *strides, flat(b), out.reshape(-1), n_rows, depth, n_columns)
    return out


def terms_in_order(a, b):
    """Return a · b with each sum added up term by term, in float64; exact for small integers."""
    return np.einsum("ik,kj->ij", a.astype(np.float64), b.astype(np.float64))


def draw(seed, dtype, *shape):
    """Draw small integers, whose products and sums are exact in any order."""
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(dtype)


@given(SIDES, SIDES, SIDES, DTYPES)
def test_products_of_every_shape(n_rows, depth, n_columns, dtype):
    a, b = draw(0, dtype, n_rows, depth), draw(1, dtype, depth, n_columns)
    expected = terms_in_order(a, b)
    np.testing.assert_array_equal(product(a, b), expected)
    np.testing.assert_array_equal(product(flat(a.T), b, transposed=True), expected)


@given(SIDES, SIDES, DTYPES)
def test_transposes_of_every_shape(n, m, dtype):
    x = np.arange(n * m, dtype=dtype).reshape(n, m)
    out = np.empty((m, n), dtype)
    write_transpose(flat(x), out.reshape(-1), n, m)
    np.testing.assert_array_equal(out, x.T)


@pytest.mark.parametrize("depth", [DEPTH - 1, DEPTH, DEPTH + 1, 3 * DEPTH + 5])
def test_long_sums_go_on_where_a_block_ended(depth, rng):
    a, b = draw(0, np.float32, 9, depth), draw(1, np.float32, depth, 37)
    np.testing.assert_array_equal(product(a, b), terms_in_order(a, b))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_cut_of_a_matrix_changes_no_bit(dtype, rng):
    """Each number is one sum in the order of its terms, in tiles of whatever shape."""
    depth = DEPTH + 40
    a = rng.standard_normal((23, depth)).astype(dtype)
    b = rng.standard_normal((depth, 75)).astype(dtype)
    whole = product(a, b)
    for rows in (slice(0, 1), slice(3, 9), slice(7, 22)):
        for columns in (slice(0, 1), slice(2, 9), slice(1, 17), slice(10, 70)):
            np.testing.assert_array_equal(product(a[rows], b[:, columns]), whole[rows, columns])


@pytest.mark.parametrize("transposed", [False, True])
def test_several_right_sides(transposed, rng):
    a, b = rng.standard_normal((3, 5)).astype("f4"), rng.standard_normal((4, 5, 18)).astype("f4")
    out = np.empty((4, 3, 18), np.float32)
    given_a = flat(a.T) if transposed else flat(a)
    write_products(given_a, transposed, flat(b), out.reshape(-1), 4, 3, 5, 18)
    for one, expected in zip(out, b, strict=True):
        np.testing.assert_array_equal(one, product(a, expected))


def test_nan_reaches_its_rows_and_columns_only(rng):
    a, b = rng.standard_normal((8, 6)).astype("f4"), rng.standard_normal((6, 40)).astype("f4")
    a[2, 1], b[4, 33] = np.nan, np.inf
    finite = np.isfinite(product(a, b))
    expected = np.ones((8, 40), np.bool_)
    expected[2], expected[:, 33] = False, False
    np.testing.assert_array_equal(finite, expected)
