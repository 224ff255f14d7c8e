"""The threshold: what it lets through, and which limit lets how much through."""

import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy import sparse

import graphops

MODES = ["magnitude", "signed"]
LIMITS = st.sampled_from([-1.0, -0.25, 0.0, 0.25, 0.5, 10.0, np.inf, -np.inf])


def score(values, mode):
    return np.abs(values) if mode == "magnitude" else values


@st.composite
def matrices(draw):
    """Draw a csc_array of few different values, so that ties and stored zeros are common."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    places = np.flatnonzero(rng.random(shape) < draw(st.sampled_from([0.0, 0.3, 1.0])))
    values = rng.integers(-3, 4, len(places)) / 4
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    entries = (values.astype(dtype), np.unravel_index(places, shape))
    return sparse.csc_array(sparse.coo_array(entries, shape=shape))


@pytest.mark.parametrize("mode", MODES)
@given(matrix=matrices(), limit=LIMITS)
def test_an_entry_passes_if_its_score_is_above_the_limit(mode, matrix, limit):
    mask = graphops.threshold_mask(matrix, limit, mode)
    np.testing.assert_array_equal(mask, score(matrix.data, mode) > limit)
    dense = matrix.toarray()
    np.testing.assert_array_equal(
        graphops.threshold_mask(dense, limit, mode), score(dense, mode) > limit
    )


@pytest.mark.parametrize("mode", MODES)
@given(matrix=matrices(), data=st.data())
def test_only_what_passes_is_stored_and_dense_agrees(mode, matrix, data):
    n = matrix.shape[1]
    limit = data.draw(LIMITS | st.lists(LIMITS, min_size=n, max_size=n))
    result = graphops.threshold(matrix, limit, mode)
    result.check_format(full_check=True)
    mask = graphops.threshold_mask(matrix, limit, mode)
    np.testing.assert_array_equal(result.data, matrix.data[mask])
    assert result.dtype == matrix.dtype
    np.testing.assert_array_equal(
        result.toarray(), graphops.threshold(matrix.toarray(), limit, mode)
    )


def test_a_limit_per_column_acts_on_its_own_column():
    dense = np.array([[0.2, 0.2], [0.5, 0.5]])
    expected = [[False, True], [False, True]]
    np.testing.assert_array_equal(graphops.threshold_mask(dense, [0.5, 0.1]), expected)
    mask = graphops.threshold_mask(sparse.csc_array(dense), [0.5, 0.1])
    np.testing.assert_array_equal(mask, [False, False, True, True])


def test_a_stored_zero_passes_only_a_negative_limit():
    matrix = sparse.csc_array((np.zeros(1), ([0], [1])), shape=(2, 2))
    assert graphops.threshold(matrix, 0.0).nnz == 0
    assert graphops.threshold(matrix, -1.0).nnz == 1


def test_the_limit_is_rounded_to_the_dtype_of_the_matrix():
    single = np.array([[0.1]], dtype=np.float32)  # above 0.1 as a double
    assert not graphops.threshold_mask(single, 0.1).any()
    assert not graphops.threshold_mask(single, [0.1]).any()


@pytest.mark.parametrize("mode", MODES)
@given(matrix=matrices(), data=st.data())
def test_as_many_pass_as_asked_unless_the_border_ties(mode, matrix, data):
    n_keep = data.draw(st.integers(0, matrix.nnz))
    limit = graphops.count_threshold(matrix, n_keep, mode)
    falling = np.sort(score(matrix.data, mode))[::-1]
    n_passing = graphops.threshold_mask(matrix, limit, mode).sum()
    if n_keep == matrix.nnz:
        assert n_passing == matrix.nnz
    else:
        assert n_passing == np.sum(falling > falling[n_keep]) <= n_keep
        assert n_keep in {0, n_passing} or falling[n_keep - 1] == falling[n_keep]


@pytest.mark.parametrize("mode", MODES)
@given(matrix=matrices(), quantile=st.floats(0, 1))
def test_a_quantile_leaves_its_share_behind(mode, matrix, quantile):
    n_keep = matrix.nnz - round(quantile * matrix.nnz)
    limit = graphops.quantile_threshold(matrix, quantile, mode)
    assert limit == graphops.count_threshold(matrix, n_keep, mode)


def test_the_lowest_fifth_of_different_weights_stays_behind():
    weights = np.random.default_rng(0).standard_normal((10, 10)).astype(np.float32)
    limit = graphops.quantile_threshold(weights, 0.2)
    assert graphops.threshold_mask(weights, limit).sum() == 80
    assert np.quantile(np.abs(weights), 0.19) < limit < np.quantile(np.abs(weights), 0.21)


@pytest.mark.parametrize("mode", MODES)
@given(matrix=matrices(), share=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_of_an_ndarray_the_non_zero_entries_are_stored(mode, matrix, share):
    dense = matrix.toarray()
    without_zeros = sparse.csc_array(dense)
    expected = graphops.quantile_threshold(without_zeros, share, mode)
    assert graphops.quantile_threshold(dense, share, mode) == expected


W = np.eye(3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: graphops.threshold(W, 0.1, "absolute"),
            ValueError,
            "mode must be one of magnitude, signed; got 'absolute'",
        ),
        (
            lambda: graphops.threshold(W, [0.1, 0.2]),
            ValueError,
            "threshold must be one number or one per column (3); got shape (2,)",
        ),
        (
            lambda: graphops.threshold_mask(W, None),
            TypeError,
            "threshold must be a real number or one per column; got None",
        ),
        (lambda: graphops.threshold(W, np.nan), ValueError, "threshold must be a number; got nan"),
        (
            lambda: graphops.count_threshold(W, 4),
            ValueError,
            "n_keep must be at most the number of stored entries, 3; got 4",
        ),
        (
            lambda: graphops.count_threshold(W, -1),
            ValueError,
            "n_keep must be at least 0; got -1",
        ),
        (
            lambda: graphops.count_threshold(W, 1.0),
            TypeError,
            "n_keep must be an integer; got 1.0",
        ),
        (
            lambda: graphops.quantile_threshold(W, 1.5),
            ValueError,
            "quantile must be from 0 to 1; got 1.5",
        ),
    ],
)
def test_bad_arguments_are_named_with_rule_and_value(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()
