"""Determinants: by elimination and from cycles, and what the operations do to them."""

import math
import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy import sparse

import graphops

SINGULAR = (0.0, -math.inf)


def regular_matrix(seed, n):
    """Return a random matrix far from singular: its singular values are from 1 to 4."""
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    return left @ np.diag(rng.uniform(1, 4, n)) @ right


def sparse_matrix(seed, n, density):
    """Return a random sparse matrix with a regular diagonal, its nodes shuffled."""
    rng = np.random.default_rng(seed)
    matrix = np.where(rng.random((n, n)) < density, rng.standard_normal((n, n)), 0)
    matrix[np.arange(n), rng.permutation(n)] = rng.uniform(2, 4, n) * rng.choice([-1, 1], n)
    return matrix


def assert_same_determinant(found, expected):
    assert found.sign == expected[0]
    np.testing.assert_allclose(found.log_abs, expected[1], rtol=0, atol=1e-9)


regular = {"seed": st.integers(0, 2**32), "n": st.integers(2, 9)}


@given(**regular, density=st.sampled_from([0.0, 0.1, 0.3, 1.0]))
def test_it_is_what_numpy_computes_dense_or_sparse(seed, n, density):
    for matrix in (regular_matrix(seed, n), sparse_matrix(seed, n, density)):
        if np.linalg.cond(matrix) > 1e8:
            continue
        found = graphops.slogdet(matrix)
        assert_same_determinant(found, np.linalg.slogdet(matrix))
        assert graphops.slogdet(sparse.csc_array(matrix)) == found


@pytest.mark.parametrize(("n", "density"), [(150, 0.01), (300, 0.02), (600, 0.01), (300, 0.5)])
def test_large_matrices_are_taken_apart_and_eliminated(n, density):
    matrix = sparse_matrix(1, n, density)
    expected = np.linalg.slogdet(matrix)
    assert_same_determinant(graphops.slogdet(sparse.csc_array(matrix)), expected)


def test_a_shuffled_triangle_is_recognised_and_needs_no_elimination():
    rng = np.random.default_rng(4)
    triangle = np.tril(rng.standard_normal((300, 300)), -1) * (rng.random((300, 300)) < 0.1)
    np.fill_diagonal(triangle, 1.0)
    rows, columns = rng.permutation(300), rng.permutation(300)
    shuffled = sparse.csc_array(triangle[rows][:, columns])
    sign = graphops.permutation_sign(rows) * graphops.permutation_sign(columns)
    assert graphops.slogdet(shuffled) == (sign, 0.0)  # exactly: elimination would round


def test_single_precision_is_computed_in_double():
    matrix = regular_matrix(5, 8).astype(np.float32)
    expected = np.linalg.slogdet(matrix.astype(np.float64))
    assert_same_determinant(graphops.slogdet(matrix), expected)


@pytest.mark.parametrize("form", [np.asarray, sparse.csc_array])
@given(**regular, factor=st.floats(-2, 2), data=st.data())
def test_swaps_flip_the_sign_and_additions_and_reordering_change_nothing(
    form, seed, n, factor, data
):
    matrix = form(regular_matrix(seed, n))
    before = graphops.slogdet(matrix)
    a, b, *_ = order = data.draw(st.permutations(range(n)))
    flipped = graphops.SignedLogDeterminant(-before.sign, before.log_abs)
    assert_same_determinant(graphops.slogdet(graphops.swap_columns(matrix, a, b)), flipped)
    assert_same_determinant(graphops.slogdet(graphops.swap_rows(matrix, a, b)), flipped)
    assert_same_determinant(graphops.slogdet(graphops.add_column(matrix, a, b, factor)), before)
    assert_same_determinant(graphops.slogdet(graphops.add_row(matrix, a, b, factor)), before)
    assert_same_determinant(graphops.slogdet(graphops.reorder(matrix, order)), before)


SINGULAR_MATRICES = {
    "nothing stored": np.zeros((3, 3)),
    "a zero row": np.array([[1.0, 2.0], [0.0, 0.0]]),
    "a zero column": np.array([[0.0, 2.0], [0.0, 3.0]]),
    "no matching": np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]),
    "strictly triangular": np.triu(np.ones((5, 5)), 1),
    "equal columns": np.array([[1.0, 1.0], [2.0, 2.0]]),
    "rank one": np.outer([0.1, 0.7, 0.3], [1.1, 0.9, 0.2]),
    "counting": np.arange(16.0).reshape(4, 4),
}


@pytest.mark.parametrize("matrix", SINGULAR_MATRICES.values(), ids=SINGULAR_MATRICES)
def test_a_singular_matrix_has_sign_zero_and_no_logarithm(matrix):
    assert graphops.slogdet(matrix) == SINGULAR
    assert graphops.slogdet(sparse.csc_array(matrix)) == SINGULAR


@given(seed=st.integers(0, 2**32), n=st.integers(2, 25))
def test_a_column_that_depends_on_the_others_is_found(seed, n):
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-4, 5, (n, n)).astype(np.float64)
    matrix[:, 0] = matrix[:, 1:] @ rng.integers(-2, 3, n - 1)  # exact: small integers
    assert graphops.slogdet(matrix) == SINGULAR


def test_a_large_sparse_block_with_equal_columns_is_singular():
    matrix = sparse_matrix(2, 400, 0.02)
    matrix[:, 7] = matrix[:, 311]
    assert graphops.slogdet(sparse.csc_array(matrix)) == SINGULAR


def test_a_large_ring_of_even_length_is_exactly_singular():
    matrix = np.eye(400) + np.roll(np.eye(400), 1, axis=1)
    assert graphops.slogdet(sparse.csc_array(matrix)) == SINGULAR
    odd = matrix[:399, :399].copy()
    odd[398, 0] = 1
    assert_same_determinant(graphops.slogdet(sparse.csc_array(odd)), (1.0, math.log(2)))


def test_a_stored_zero_is_no_pivot():
    matrix = sparse.csc_array(np.array([[0.0, 3.0], [5.0, 7.0]]))
    matrix = graphops.assign(matrix, [0], [0], 0.0)
    assert_same_determinant(graphops.slogdet(matrix), (-1.0, math.log(15)))
    only_zeros = graphops.assign(graphops.empty(2), [0, 1], [0, 1], 0.0)
    assert graphops.slogdet(only_zeros) == SINGULAR


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e30, 1e300])
def test_size_alone_makes_nothing_singular(size):
    matrix = np.array([[2.0, 3.0, 0.0], [5.0, 7.0, 1.0], [1.0, 0.0, 1.0]])
    expected = np.linalg.slogdet(matrix)
    for axis in ((0, slice(None)), (slice(None), 1)):
        scaled = matrix.copy()
        scaled[axis] *= size
        found = graphops.slogdet(scaled)
        assert_same_determinant(found, (expected.sign, expected.logabsdet + math.log(size)))
    found = graphops.slogdet(matrix * size)
    assert_same_determinant(found, (expected.sign, expected.logabsdet + 3 * math.log(size)))


def test_the_determinant_of_nothing_is_one():
    assert graphops.slogdet(graphops.empty(0)) == (1.0, 0.0)
    assert graphops.determinant_by_cycles(np.zeros((0, 0))) == 1.0


@given(seed=st.integers(0, 2**32), n=st.integers(1, 8))
def test_identity_minus_stores_the_diagonal_and_all_that_was_stored(seed, n):
    rng = np.random.default_rng(seed)
    values = rng.integers(-4, 5, (n, n)) / 4
    rows, columns = np.nonzero(rng.random((n, n)) < 0.4)
    entries = (values[rows, columns].astype(np.float32), (rows, columns))
    matrix = sparse.csc_array(sparse.coo_array(entries, shape=(n, n)))
    result = graphops.identity_minus(matrix)
    result.check_format(full_check=True)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result.toarray(), np.eye(n) - matrix.toarray())
    np.testing.assert_array_equal(
        result.toarray(), graphops.identity_minus(matrix.toarray()), strict=True
    )
    assert result.nnz == len(set(zip(rows, columns, strict=True)) | {(k, k) for k in range(n)})


def test_without_a_cycle_the_determinant_is_zero_and_masons_is_one():
    network = graphops.feedforward(3, 20, 2, 0.3, rng=np.random.default_rng(0))
    shuffled = graphops.reorder(network, np.random.default_rng(1).permutation(25))
    assert graphops.slogdet(shuffled) == SINGULAR
    assert graphops.slogdet(graphops.identity_minus(shuffled)) == (1.0, 0.0)


@given(n=st.integers(0, 9), data=st.data())
def test_the_sign_of_a_permutation_is_the_determinant_of_its_matrix(n, data):
    order = data.draw(st.permutations(range(n)))
    assert graphops.permutation_sign(order) == round(np.linalg.det(np.eye(n)[order]))


@given(seed=st.integers(0, 2**32), n=st.integers(1, 6), density=st.sampled_from([0.2, 0.5, 1.0]))
def test_cycles_give_the_determinant_that_elimination_gives(seed, n, density):
    rng = np.random.default_rng(seed)
    matrix = np.where(rng.random((n, n)) < density, rng.uniform(-2, 2, (n, n)), 0)
    for form in (matrix, sparse.csc_array(matrix)):
        by_cycles = graphops.determinant_by_cycles(form)
        np.testing.assert_allclose(by_cycles, np.linalg.det(matrix), rtol=0, atol=1e-9)
        mason = graphops.mason_determinant(form)
        np.testing.assert_allclose(mason, np.linalg.det(np.eye(n) - matrix), rtol=0, atol=1e-9)


def test_a_long_cycle_among_sixteen_nodes_is_within_reach():
    ring = np.roll(np.eye(16), 1, axis=1) * 0.5
    assert graphops.determinant_by_cycles(ring) == -(0.5**16)
    assert graphops.mason_determinant(ring) == 1 - 0.5**16


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: graphops.determinant_by_cycles(np.eye(17)),
            "W must have at most 16 nodes; got 17",
        ),
        (
            lambda: graphops.mason_determinant(np.ones((12, 12))),
            "W must have at most 20000 cycles; got more, on 12 nodes",
        ),
        (
            lambda: graphops.slogdet(np.ones((2, 3))),
            "W must be square; got shape (2, 3)",
        ),
        (
            lambda: graphops.identity_minus(np.full((2, 2), np.nan)),
            "W must be finite; got nan at (0, 0)",
        ),
        (
            lambda: graphops.permutation_sign([0, 0]),
            "order must name a node once; got 0 repeatedly",
        ),
    ],
)
def test_bad_arguments_are_named_with_rule_and_value(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()
