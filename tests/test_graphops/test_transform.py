"""Transforms against the functions they are composed of, against matrices, and against their laws."""

import json
from dataclasses import FrozenInstanceError

import hypothesis.strategies as st
import numpy as np
import pytest
from effort import first_now, trials
from hypothesis import given
from scipy import sparse

import graphops
from graphops import Transform


def random_operation(n, rng, letters="BCDFH"):
    """Return one operation as (name, arguments); factors are multiples of 1/2."""
    a, b = (int(node) for node in rng.choice(n, size=2, replace=False))
    factor = float(rng.choice([-1.0, -0.5, 0.5, 2.0]))
    return {
        "B": ("swap_columns", (a, b)),
        "C": ("add_column", (a, b, factor)),
        "D": ("swap_rows", (a, b)),
        "F": ("add_row", (a, b, factor)),
        "H": ("reorder", (rng.permutation(n).tolist(),)),
    }[letters[rng.integers(len(letters))]]


def transform_of(n, operations):
    """Compose operations, each by its own constructor."""
    transform = Transform.identity(n)
    for name, arguments in operations:
        sizes = () if name == "reorder" else (n,)
        transform = transform.then(getattr(Transform, name)(*sizes, *arguments))
    return transform


def one_by_one(W, operations):
    """Apply operations in turn; a row of biases follows columns only."""
    n = W.shape[1]
    for name, arguments in operations:
        if name == "reorder" and W.shape[0] > n:
            W = sparse.csc_array(W[[*arguments[0], n]][:, list(arguments[0])])
            W.sort_indices()
        else:
            W = getattr(graphops, name)(W, *arguments)
    return W


def stored(dense, pattern):
    """Return a csc_array that stores exactly the places of `pattern`, zeros too."""
    rows, columns = np.nonzero(pattern)
    return sparse.csc_array(sparse.coo_array((dense[rows, columns], (rows, columns)), dense.shape))


def assert_same_storage(first, second):
    np.testing.assert_array_equal(first.indptr, second.indptr)
    np.testing.assert_array_equal(first.indices, second.indices)
    np.testing.assert_array_equal(first.data, second.data)


@st.composite
def cases(draw, letters="BCDFH", n_operations=8, bias=False, exact=True):
    """Draw (operations, ndarray, pattern); `exact` sums are exact in float32, whatever the order."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(2, 7))
    operations = [
        random_operation(n, rng, letters) for _ in range(draw(st.integers(0, n_operations)))
    ]
    shape = (n + bias, n)
    pattern = rng.random(shape) < draw(st.sampled_from([0.0, 0.3, 1.0]))
    values = rng.integers(-4, 5, shape) if exact else rng.standard_normal(shape)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return operations, np.where(pattern, values, 0).astype(dtype), pattern


@st.composite
def transforms(draw, n, letters="BCDFH"):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return transform_of(
        n, [random_operation(n, rng, letters) for _ in range(draw(st.integers(0, 5)))]
    )


# -- what it does ----------------------------------------------------------------------------------


@given(cases())
def test_it_does_what_its_operations_do_one_by_one(case):
    operations, dense, pattern = case
    transform = transform_of(len(dense), operations)
    expected = one_by_one(dense, operations)
    result = transform.apply(dense)
    assert result.dtype == dense.dtype
    np.testing.assert_array_equal(result, expected)
    matrix = stored(dense, pattern)
    result = transform.apply(matrix)
    assert result.dtype == dense.dtype
    result.check_format(full_check=True)
    assert_same_storage(result, one_by_one(matrix, operations))  # stored zeros too
    np.testing.assert_array_equal(result.toarray(), expected)


@given(cases(bias=True))
def test_a_bias_goes_with_its_node_and_column_and_is_no_row(case):
    operations, dense, pattern = case
    transform = transform_of(dense.shape[1], operations)
    expected = one_by_one(stored(dense, pattern), operations)
    assert_same_storage(transform.apply(stored(dense, pattern)), expected)
    np.testing.assert_array_equal(transform.apply(dense), expected.toarray())


@given(cases(exact=False))
def test_dense_and_sparse_agree_to_the_last_bit(case):
    operations, dense, pattern = case
    transform = transform_of(len(dense), operations)
    np.testing.assert_array_equal(
        transform.apply(stored(dense, pattern)).toarray(), transform.apply(dense)
    )


@given(cases(n_operations=1, exact=False))
def test_one_operation_is_the_function_of_its_name_to_the_last_bit(case):
    operations, dense, pattern = case
    result = transform_of(len(dense), operations).apply(stored(dense, pattern))
    assert_same_storage(result, one_by_one(stored(dense, pattern), operations))


@given(cases(exact=False))
def test_it_is_the_product_with_its_matrices(case):
    operations, dense, _ = case
    transform = transform_of(len(dense), operations)
    left, right = transform.matrices()
    scale = np.abs(left) @ np.abs(dense) @ np.abs(right)
    error = np.abs(transform.apply(dense) - left @ dense @ right)
    assert (error <= 16 * np.finfo(dense.dtype).eps * scale).all()


@given(cases())
def test_kernels_change_tap_by_tap(case):
    operations, dense, _ = case
    transform = transform_of(len(dense), operations)
    kernels = np.stack([dense, 2 * dense, dense.T], axis=2)[:, :, :, np.newaxis]
    result = transform.apply(kernels)
    for tap in range(3):
        np.testing.assert_array_equal(result[:, :, tap, 0], transform.apply(kernels[:, :, tap, 0]))


@given(cases())
def test_the_node_table_moves_with_the_order_alone(case):
    operations, dense, _ = case
    ids = np.arange(len(dense))
    for name, arguments in operations:
        if name == "reorder":
            ids = ids[arguments[0]]
    np.testing.assert_array_equal(transform_of(len(dense), operations).order, ids)


def test_swapping_columns_then_rows_is_not_reordering_though_the_matrix_is_the_same():
    swapped = Transform.swap_columns(4, 1, 3).then(Transform.swap_rows(4, 1, 3))
    reordered = Transform.reorder([0, 3, 2, 1])
    W = np.arange(16.0).reshape(4, 4)
    np.testing.assert_array_equal(swapped.apply(W), reordered.apply(W))
    assert swapped != reordered
    assert swapped.order.tolist() == [0, 1, 2, 3]


# -- undoing ---------------------------------------------------------------------------------------


@given(cases(letters="BDH", exact=False))
def test_swaps_and_orders_are_undone_to_the_last_bit(case):
    operations, dense, pattern = case
    transform = transform_of(len(dense), operations)
    matrix = stored(dense, pattern)
    assert_same_storage(transform.inverse().apply(transform.apply(matrix)), matrix)
    np.testing.assert_array_equal(transform.inverse().apply(transform.apply(dense)), dense)
    assert_same_storage(transform.then(transform.inverse()).apply(matrix), matrix)


@given(cases(exact=False))
def test_additions_are_undone_to_rounding(case):
    operations, dense, pattern = case
    transform = transform_of(len(dense), operations)
    left, right = (np.abs(factor) for factor in transform.matrices())
    back_left, back_right = (np.abs(factor) for factor in transform.inverse().matrices())
    bound = 64 * np.finfo(dense.dtype).eps * (back_left @ left @ np.abs(dense) @ right @ back_right)
    for W in (dense, stored(dense, pattern)):
        back = transform.inverse().apply(transform.apply(W))
        back = back.toarray() if sparse.issparse(back) else back
        assert (np.abs(back - dense) <= bound).all()


# -- algebra ---------------------------------------------------------------------------------------


@given(data=st.data(), n=st.integers(2, 6))
def test_composition_is_associative_exactly(data, n):
    first, second, third = (data.draw(transforms(n)) for _ in range(3))
    assert first.then(second).then(third) == first.then(second.then(third))
    assert hash(first.then(second).then(third)) == hash(first.then(second.then(third)))


@given(data=st.data(), n=st.integers(2, 6))
def test_the_identity_changes_no_transform_and_inverting_twice_neither(data, n):
    transform, other = data.draw(transforms(n)), data.draw(transforms(n))
    identity = Transform.identity(n)
    assert transform.then(identity) == identity.then(transform) == transform
    assert transform.inverse().inverse() == transform
    assert transform.then(other).inverse() == other.inverse().then(transform.inverse())


@given(data=st.data(), n=st.integers(2, 6))
def test_matrices_compose_as_transforms_do(data, n):
    first, second = data.draw(transforms(n)), data.draw(transforms(n))
    (left, right), (then_left, then_right) = first.matrices(), second.matrices()
    both_left, both_right = first.then(second).matrices()
    np.testing.assert_array_equal(both_left, then_left @ left)
    np.testing.assert_array_equal(both_right, right @ then_right)


@given(data=st.data(), n=st.integers(2, 6))
def test_a_record_gives_an_equal_transform_through_json(data, n):
    transform = data.draw(transforms(n)).then(Transform.add_column(n, 0, 1, 0.1))
    assert Transform.from_record(json.loads(json.dumps(transform.to_record()))) == transform


# -- laws ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("letters", first_now(["BCDFH", "B", "C", "D", "F", "H"]))
def test_the_determinant_changes_as_predicted_on_thousands_of_matrices(letters):
    rng = np.random.default_rng(len(letters))
    n, count = 5, trials(150, 1000)
    matrices = rng.standard_normal((count, n, n))
    operations = [[random_operation(n, rng, letters) for _ in range(4)] for _ in matrices]
    chosen = [transform_of(n, each) for each in operations]
    changed = np.stack([t.apply(W) for t, W in zip(chosen, matrices, strict=True)])
    sign_before, log_before = np.linalg.slogdet(matrices)
    sign, log_abs = np.linalg.slogdet(changed)
    factors = np.array([t.determinant_factor for t in chosen])
    n_swaps = [sum(name.startswith("swap") for name, _ in each) for each in operations]
    np.testing.assert_array_equal(factors, (-1) ** np.array(n_swaps))
    condition = np.linalg.cond(changed) + np.linalg.cond(matrices)
    tells = condition < 1e10
    assert tells.mean() > 0.99
    np.testing.assert_array_equal(sign[tells], (factors * sign_before)[tells])
    error = np.abs(log_abs - log_before)
    assert (error <= 100 * n * np.finfo(float).eps * condition)[tells].all()


def test_the_determinant_of_sparse_matrices_changes_as_predicted():
    rng = np.random.default_rng(0)
    for _ in range(trials(100, 300)):
        n = int(rng.integers(3, 20))
        W = sparse.random_array((n, n), density=0.2, rng=rng, format="csc")
        W = sparse.csc_array(W + sparse.diags_array(rng.choice([-1.0, 1.0], n) * n))
        transform = transform_of(n, [random_operation(n, rng) for _ in range(6)])
        predicted = transform.predict(graphops.slogdet(W))
        found = graphops.slogdet(transform.apply(W))
        assert found.sign == predicted.sign != 0
        assert found.log_abs == pytest.approx(predicted.log_abs, abs=1e-9)


def test_a_singular_matrix_stays_singular():
    before = graphops.slogdet(np.zeros((3, 3)))
    assert Transform.swap_rows(3, 0, 1).predict(before) == before


# -- value -----------------------------------------------------------------------------------------


def test_it_is_a_value():
    transform = Transform.add_row(3, 0, 1, 0.5)
    with pytest.raises(FrozenInstanceError):
        transform.order = np.arange(3)
    left = transform.left
    for array in (transform.order, left.order, left.sources, left.targets, left.factors):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 2
    assert transform != Transform.add_row(3, 0, 1, 0.25)
    assert transform != Transform.add_row(4, 0, 1, 0.5)
    assert transform != Transform.add_column(3, 0, 1, 0.5)
    assert transform != transform.to_record()
    assert Transform.add_row(3, 0, 1, -0.0) == Transform.add_row(3, 0, 1, 0)
    assert hash(Transform.add_row(3, 0, 1, -0.0)) == hash(Transform.add_row(3, 0, 1, 0))
    assert repr(transform.then(Transform.swap_columns(3, 0, 2))) == (
        "<Transform of 3: 0 nodes move, 0 rows move, 1 row additions, "
        "2 columns move, 0 column additions>"
    )


def test_the_result_shares_no_memory_even_where_nothing_changes():
    dense = np.eye(3)
    matrix = sparse.csc_array(dense)
    for transform in (Transform.identity(3), Transform.swap_columns(3, 0, 1)):
        assert not np.shares_memory(transform.apply(dense), dense)
        result = transform.apply(matrix)
        for name in ("data", "indices", "indptr"):
            assert not np.shares_memory(getattr(result, name), getattr(matrix, name))


def test_thousands_of_additions_in_a_row_are_applied():
    n, rng = 300, np.random.default_rng(1)
    operations = [random_operation(n, rng, "BCDF") for _ in range(400)]
    dense = np.where(rng.random((n, n)) < 0.02, rng.integers(-2, 3, (n, n)), 0).astype(float)
    transform = transform_of(n, operations)
    expected = one_by_one(dense, operations)
    np.testing.assert_array_equal(transform.apply(dense), expected)
    np.testing.assert_array_equal(transform.apply(sparse.csr_array(dense)).toarray(), expected)
