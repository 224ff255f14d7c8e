"""Swaps, additions, reordering and assignment against explicit elementary matrices."""

import re
import tracemalloc
from collections.abc import Callable
from typing import NamedTuple

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy import sparse

import graphops


def stored(dense, pattern):
    """Return a csc_array that stores exactly the places of `pattern`, zeros too."""
    rows, columns = np.nonzero(pattern)
    entries = (dense[rows, columns], (rows, columns))
    return sparse.csc_array(sparse.coo_array(entries, shape=dense.shape))


def pattern_of(matrix):
    """Return where a csc_array stores something."""
    pattern = np.zeros(matrix.shape, dtype=bool)
    columns = np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr))
    pattern[matrix.indices, columns] = True
    return pattern


def assert_canonical(matrix):
    assert isinstance(matrix, sparse.csc_array)
    matrix.check_format(full_check=True)
    again = sparse.csc_array((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)
    assert again.has_canonical_format  # computed from the indices, not the flag that was set


def assert_same_storage(first, second):
    np.testing.assert_array_equal(first.indptr, second.indptr)
    np.testing.assert_array_equal(first.indices, second.indices)
    np.testing.assert_array_equal(first.data, second.data)


@st.composite
def matrices(draw, square=False, exact=True):
    """Draw (ndarray, pattern of stored places); `exact` values are multiples of 1/4."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    m = draw(st.integers(2, 8))
    shape = (m, m if square else draw(st.integers(2, 8)))
    pattern = rng.random(shape) < draw(st.sampled_from([0.0, 0.2, 0.6, 1.0]))
    values = rng.integers(-8, 9, shape) / 4 if exact else rng.standard_normal(shape)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return np.where(pattern, values, 0).astype(dtype), pattern


@st.composite
def two_of(draw, size):
    a = draw(st.integers(0, size - 1))
    return a, draw(st.integers(0, size - 1).filter(lambda b: b != a))


def transposition(n, a, b):
    matrix = np.eye(n)
    matrix[[a, b]] = matrix[[b, a]]
    return matrix


def addition(n, row, column, factor):
    """I + k·e_row·e_columnᵀ."""
    matrix = np.eye(n)
    matrix[row, column] = factor
    return matrix


FACTOR = -0.5


class Case(NamedTuple):
    """An operation on two lines of a matrix, the axis these run along, and its algebra."""

    operation: Callable
    axis: int
    algebra: Callable


CASES = {
    "swap_columns": Case(
        graphops.swap_columns, 1, lambda W, a, b: W @ transposition(W.shape[1], a, b)
    ),
    "add_column": Case(
        lambda W, a, b: graphops.add_column(W, a, b, FACTOR),
        1,
        lambda W, a, b: W @ addition(W.shape[1], a, b, FACTOR),
    ),
    "swap_rows": Case(graphops.swap_rows, 0, lambda W, a, b: transposition(W.shape[0], a, b) @ W),
    "add_row": Case(
        lambda W, a, b: graphops.add_row(W, a, b, FACTOR),
        0,
        lambda W, a, b: addition(W.shape[0], b, a, FACTOR) @ W,
    ),
}
each_operation = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@each_operation
@given(data=st.data())
def test_each_operation_is_its_elementary_matrix(case, data):
    dense, pattern = data.draw(matrices())
    a, b = data.draw(two_of(dense.shape[case.axis]))
    expected = case.algebra(dense, a, b)
    np.testing.assert_array_equal(case.operation(dense, a, b), expected)
    np.testing.assert_array_equal(case.operation(stored(dense, pattern), a, b).toarray(), expected)


@each_operation
@given(data=st.data())
def test_dense_and_sparse_agree_to_the_last_bit(case, data):
    dense, pattern = data.draw(matrices(exact=False))
    a, b = data.draw(two_of(dense.shape[case.axis]))
    result = case.operation(stored(dense, pattern), a, b)
    np.testing.assert_array_equal(result.toarray(), case.operation(dense, a, b))


@each_operation
@given(data=st.data())
def test_stored_zeros_stay_stored_and_additions_store_the_union(case, data):
    dense, pattern = data.draw(matrices())
    a, b = data.draw(two_of(dense.shape[case.axis]))
    expected = pattern.copy() if case.axis else pattern.T.copy()  # columns either way
    if case.operation in (graphops.swap_columns, graphops.swap_rows):
        expected[:, [a, b]] = expected[:, [b, a]]
    else:
        expected[:, b] |= expected[:, a]
    all_zero = stored(np.zeros_like(dense), pattern)
    for matrix in (stored(dense, pattern), all_zero):
        found = pattern_of(case.operation(matrix, a, b))
        np.testing.assert_array_equal(found if case.axis else found.T, expected)


@each_operation
@given(data=st.data())
def test_results_are_canonical_own_their_arrays_and_keep_the_dtype(case, data):
    dense, pattern = data.draw(matrices())
    a, b = data.draw(two_of(dense.shape[case.axis]))
    matrix = stored(dense, pattern)
    result = case.operation(matrix, a, b)
    assert_canonical(result)
    assert result.dtype == case.operation(dense, a, b).dtype == dense.dtype
    for name in ("data", "indices", "indptr"):
        assert not np.shares_memory(getattr(result, name), getattr(matrix, name))
    assert not np.shares_memory(case.operation(dense, a, b), dense)


@each_operation
def test_read_only_arrays_with_mixed_index_types_are_accepted_and_left_alone(case):
    dense = np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 0.5], [0.0, -1.0, 4.0]])
    plain = sparse.csc_array(dense)
    matrix = sparse.csc_array(dense.shape)
    matrix.data, matrix.indices = plain.data, plain.indices.astype(np.int32)
    matrix.indptr = plain.indptr.astype(np.int64)
    for array in (matrix.data, matrix.indices, matrix.indptr, dense):
        array.flags.writeable = False
    np.testing.assert_array_equal(case.operation(matrix, 0, 2).toarray(), case.algebra(dense, 0, 2))
    np.testing.assert_array_equal(case.operation(dense, 0, 2), case.algebra(dense, 0, 2))
    assert_same_storage(matrix, plain)


@each_operation
@pytest.mark.parametrize("form", ["coo", "csr", "lil", "dok", "bsr", "dia"])
def test_other_sparse_formats_are_converted(case, form):
    dense = np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 0.5], [0.0, -1.0, 4.0]])
    result = case.operation(sparse.csc_array(dense).asformat(form), 0, 2)
    assert_canonical(result)
    np.testing.assert_array_equal(result.toarray(), case.algebra(dense, 0, 2))


def test_unsorted_and_duplicate_entries_are_put_in_form_without_touching_the_input():
    rows, indptr = np.array([2, 0, 2]), np.array([0, 3, 3, 3])
    matrix = sparse.csc_array((np.array([1.0, 2.0, 4.0]), rows, indptr), shape=(3, 3))
    result = graphops.swap_columns(matrix, 0, 1)
    assert_canonical(result)
    np.testing.assert_array_equal(result.toarray()[:, 1], [2.0, 0.0, 5.0])
    np.testing.assert_array_equal(matrix.indices, [2, 0, 2])


@pytest.mark.parametrize("swap", [graphops.swap_columns, graphops.swap_rows])
@given(data=st.data())
def test_swapping_twice_is_the_identity_exactly(swap, data):
    dense, pattern = data.draw(matrices(exact=False))
    a, b = data.draw(two_of(dense.shape[1 if swap is graphops.swap_columns else 0]))
    np.testing.assert_array_equal(swap(swap(dense, a, b), b, a), dense)
    matrix = stored(dense, pattern)
    assert_same_storage(swap(swap(matrix, a, b), b, a), matrix)


@pytest.mark.parametrize("add", [graphops.add_column, graphops.add_row])
@given(data=st.data())
def test_adding_and_subtracting_is_the_identity_to_rounding(add, data):
    dense, pattern = data.draw(matrices(exact=False))
    a, b = data.draw(two_of(dense.shape[1 if add is graphops.add_column else 0]))
    factor = data.draw(st.floats(-4, 4))
    there_and_back = add(add(stored(dense, pattern), a, b, factor), a, b, -factor)
    tolerance = 40 * np.finfo(dense.dtype).eps
    np.testing.assert_allclose(there_and_back.toarray(), dense, rtol=0, atol=tolerance)


@given(data=st.data())
def test_reordering_moves_rows_and_columns_together(data):
    dense, pattern = data.draw(matrices(square=True, exact=False))
    order = data.draw(st.permutations(range(len(dense))))
    result = graphops.reorder(stored(dense, pattern), order)
    assert_canonical(result)
    assert result.dtype == dense.dtype
    np.testing.assert_array_equal(result.toarray(), dense[order][:, order])
    np.testing.assert_array_equal(graphops.reorder(dense, order), dense[order][:, order])
    np.testing.assert_array_equal(pattern_of(result), pattern[order][:, order])


@given(data=st.data())
def test_reordering_back_is_the_identity_exactly(data):
    dense, pattern = data.draw(matrices(square=True, exact=False))
    order = np.array(data.draw(st.permutations(range(len(dense)))))
    matrix = stored(dense, pattern)
    back = graphops.reorder(graphops.reorder(matrix, order), np.argsort(order))
    assert_same_storage(back, matrix)


@given(seed=st.integers(0, 2**32), n=st.integers(2, 8))
def test_reordering_keeps_the_spectrum(seed, n):
    rng = np.random.default_rng(seed)
    symmetric = rng.standard_normal((n, n))
    symmetric += symmetric.T  # so that eigenvalues are well conditioned
    reordered = graphops.reorder(sparse.csc_array(symmetric), rng.permutation(n)).toarray()
    np.testing.assert_allclose(
        np.linalg.eigvalsh(reordered), np.linalg.eigvalsh(symmetric), rtol=0, atol=1e-12
    )


@given(data=st.data())
def test_swapping_columns_and_then_rows_is_reordering(data):
    dense, pattern = data.draw(matrices(square=True, exact=False))
    a, b = data.draw(two_of(len(dense)))
    matrix = stored(dense, pattern)
    order = np.arange(len(dense))
    order[[a, b]] = b, a
    swapped = graphops.swap_rows(graphops.swap_columns(matrix, a, b), a, b)
    assert_same_storage(swapped, graphops.reorder(matrix, order))


@given(data=st.data())
def test_assignment_overwrites_creates_and_leaves_the_rest(data):
    dense, pattern = data.draw(matrices())
    places = data.draw(st.lists(st.integers(0, dense.size - 1), unique=True))
    rows, columns = np.unravel_index(np.array(places, dtype=int), dense.shape)
    values = np.arange(len(places)) - 1.0  # a zero among them
    expected, expected_pattern = dense.copy(), pattern.copy()
    for row, column, value in zip(rows, columns, values, strict=True):
        expected[row, column], expected_pattern[row, column] = value, True
    result = graphops.assign(stored(dense, pattern), rows, columns, values)
    assert_canonical(result)
    assert result.dtype == dense.dtype
    np.testing.assert_array_equal(result.toarray(), expected)
    np.testing.assert_array_equal(pattern_of(result), expected_pattern)
    np.testing.assert_array_equal(graphops.assign(dense, rows, columns, values), expected)


ON_KERNELS = {name: case.operation for name, case in CASES.items()} | {
    "reorder": lambda W, a, b: graphops.reorder(W, np.roll(np.arange(len(W)), b - a)),
    "assign": lambda W, a, b: graphops.assign(W, [a, b], [b, b], 0.5),
    "threshold": lambda W, a, b: graphops.threshold(W, np.linspace(0, 1, len(W)) + a, "signed"),
}


@pytest.mark.parametrize("operation", ON_KERNELS.values(), ids=ON_KERNELS)
@given(data=st.data())
def test_kernels_change_as_each_of_their_taps_does(operation, data):
    n, shape = data.draw(st.integers(2, 5)), data.draw(st.sampled_from([(1, 1), (2, 3), (3,)]))
    a, b = data.draw(two_of(n))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    kernels = rng.standard_normal((n, n, *shape)).astype(np.float32)
    before = kernels.copy()
    result = operation(kernels, a, b)
    assert (result.shape, result.dtype) == (kernels.shape, kernels.dtype)
    for tap in np.ndindex(shape):
        place = (slice(None), slice(None), *tap)
        np.testing.assert_array_equal(result[place], operation(kernels[place], a, b))
    np.testing.assert_array_equal(kernels, before)


def test_kernels_are_assigned_one_each_or_one_number_to_every_tap():
    kernels = np.arange(8.0).reshape(2, 2, 2)
    result = graphops.assign(np.zeros((3, 3, 2, 2)), [2, 0], [0, 1], kernels)
    np.testing.assert_array_equal(result[2, 0], kernels[0])
    np.testing.assert_array_equal(result[0, 1], kernels[1])
    assert np.count_nonzero(result) == 7
    with pytest.raises(ValueError, match=r"must be one number or of shape \(2, 2, 2\)"):
        graphops.assign(np.zeros((3, 3, 2, 2)), [2, 0], [0, 1], [1.0, 2.0])


def test_one_value_is_assigned_to_all_entries_named():
    result = graphops.assign(graphops.empty(2), [0, 1], [1, 1], 0.5)
    np.testing.assert_array_equal(result.toarray(), [[0, 0.5], [0, 0.5]])


@pytest.mark.parametrize(
    "operation",
    [
        lambda W: graphops.swap_columns(W, 5, 99_000),
        lambda W: graphops.swap_rows(W, 5, 99_000),
        lambda W: graphops.add_column(W, 5, 99_000, 0.5),
        lambda W: graphops.add_row(W, 5, 99_000, 0.5),
        lambda W: graphops.reorder(W, np.arange(100_000)[::-1]),
        lambda W: graphops.assign(W, [0, 7], [9, 99_999], [1.0, 2.0]),
        lambda W: graphops.threshold(W, 0.5),
        lambda W: graphops.append_nodes(W, 3),
        lambda W: graphops.remove_nodes(W, [4, 99_000]),
        lambda W: graphops.split_edge(W, int(W.indices[0]), 0)[0],
        lambda W: graphops.duplicate_node(W, 5),
        graphops.Transform.add_column(100_000, 5, 9, 0.5).apply,
    ],
)
def test_a_sparse_matrix_never_becomes_dense(operation):
    rng = np.random.default_rng(0)
    n, degree = 100_000, 5  # 40 GB, were it dense
    rows = np.sort(rng.integers(0, n - degree, (n, degree)), axis=1) + np.arange(degree)
    parts = (rng.standard_normal(n * degree, np.float32), rows.ravel(), np.arange(n + 1) * degree)
    W = sparse.csc_array(parts, shape=(n, n))
    tracemalloc.start()
    try:
        result = operation(W)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(result, sparse.csc_array)
    assert peak < 25 * W.nnz * 8


def test_a_bias_goes_along_as_one_further_row():
    weights, bias = np.array([[0.0, 1.0], [2.0, 0.0]]), np.array([10.0, 20.0])
    both = sparse.csc_array(np.vstack([weights, bias[np.newaxis, :]]))
    swapped = graphops.swap_columns(both, 0, 1).toarray()
    np.testing.assert_array_equal(swapped, [[1.0, 0.0], [0.0, 2.0], [20.0, 10.0]])
    added = graphops.add_column(both, 0, 1, 0.5).toarray()
    np.testing.assert_array_equal(added[-1], [10.0, 25.0])


def test_integers_become_float64():
    assert graphops.swap_rows(np.eye(2, dtype=int), 0, 1).dtype == np.float64
    assert graphops.swap_rows(sparse.eye_array(2, dtype=np.int8), 0, 1).dtype == np.float64


W = np.eye(3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: graphops.swap_columns(W, 0, 3), IndexError, "b must be from 0 to 2; got 3"),
        (lambda: graphops.swap_rows(W, -1, 0), IndexError, "a must be from 0 to 2; got -1"),
        (
            lambda: graphops.swap_rows(W, 1, 1),
            ValueError,
            "a and b must differ; got 1 for both",
        ),
        (lambda: graphops.swap_rows(W, True, 1), TypeError, "a must be an integer; got True"),
        (
            lambda: graphops.add_column(W, 2, 2, 1.0),
            ValueError,
            "source and target must differ; got 2 for both",
        ),
        (
            lambda: graphops.add_column(W, 0, 1, np.inf),
            ValueError,
            "factor must be finite; got inf",
        ),
        (
            lambda: graphops.add_row(W, 0, 1, "2"),
            TypeError,
            "factor must be a real number; got '2'",
        ),
        (
            lambda: graphops.add_row(W.astype(np.float32), 0, 1, 1e39),
            ValueError,
            "factor must be finite in float32; got 1e+39",
        ),
        (
            lambda: graphops.add_row(W * 1e200, 0, 1, 1e200),
            ValueError,
            "factor must keep entries finite in float64; got 1e+200",
        ),
        (
            lambda: graphops.reorder(W, [0, 1]),
            ValueError,
            "order must name all 3 nodes; got 2",
        ),
        (
            lambda: graphops.reorder(W, [0, 1, 1]),
            ValueError,
            "order must name a node once; got 1 repeatedly",
        ),
        (
            lambda: graphops.reorder(W[:2], [0, 1]),
            ValueError,
            "W must be square; got shape (2, 3)",
        ),
        (
            lambda: graphops.assign(W, [0, 1, 0], [2, 1, 2], 1.0),
            ValueError,
            "rows and columns must name an entry once; got (0, 2) repeatedly",
        ),
        (
            lambda: graphops.assign(W, [0, 1], [2], 1.0),
            ValueError,
            "rows and columns must have one length; got 2 and 1",
        ),
        (
            lambda: graphops.assign(W, [0], [3], 1.0),
            IndexError,
            "columns must be from 0 to 2; got 3",
        ),
        (
            lambda: graphops.assign(W, [0, 1], [1, 2], [1.0, 2.0, 3.0]),
            ValueError,
            "values must be one number or 2; got shape (3,)",
        ),
        (
            lambda: graphops.assign(W, [0, 1], [1, 2], [1.0, np.nan]),
            ValueError,
            "values must be finite in float64; got nan",
        ),
        (
            lambda: graphops.assign(W, [0], [1], ["x"]),
            TypeError,
            "values must hold real numbers; got <U1",
        ),
    ],
)
def test_bad_arguments_are_named_with_rule_and_value(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()
