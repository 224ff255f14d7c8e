"""Nodes that come and go: shapes, what the network computes, and determinants."""

import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy import sparse

import graphops


def stored(dense, pattern):
    """Return a csc_array that stores exactly the places of `pattern`, zeros too."""
    rows, columns = np.nonzero(pattern)
    return sparse.csc_array(sparse.coo_array((dense[rows, columns], (rows, columns)), dense.shape))


def pattern_of(matrix):
    """Return where a csc_array stores something, as ones."""
    return sparse.csc_array(
        (np.ones(len(matrix.data)), matrix.indices, matrix.indptr), shape=matrix.shape
    ).toarray()


def outputs(W, inputs, ticks, linear=()):
    """Run the network of an (n + 1, n) matrix with biases, node by node; two inputs, last node read.

    Index order is evaluation order; nodes in `linear` have the identity as activation.
    """
    n = W.shape[1]
    state = np.zeros(n)
    state[: len(inputs)] = inputs
    for _ in range(ticks):
        before = state.copy()
        for node in range(len(inputs), n):
            heard = np.concatenate([state[:node], before[node:], [1.0]])
            total = W[:, node] @ heard
            state[node] = total if node in linear else np.tanh(total)
    return state[-1]


@st.composite
def matrices(draw, min_nodes=1, max_nodes=7, bias=None):
    """Draw (ndarray, pattern), of n nodes with or without a row of biases."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(min_nodes, max_nodes))
    bias = draw(st.booleans()) if bias is None else bias
    pattern = rng.random((n + bias, n)) < draw(st.sampled_from([0.0, 0.4, 1.0]))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return np.where(pattern, rng.standard_normal((n + bias, n)), 0).astype(dtype), pattern


def both_agree(function, dense, pattern):
    """Return the ndarray result, once the sparse one is seen to be the same and canonical."""
    result, of_sparse = function(dense), function(stored(dense, pattern))
    of_sparse.check_format(full_check=True)
    assert of_sparse.dtype == result.dtype == dense.dtype
    np.testing.assert_array_equal(of_sparse.toarray(), result)
    return result, pattern_of(of_sparse)


@st.composite
def places(draw, n):
    """Draw different numbers below n, in any order."""
    return draw(st.lists(st.integers(0, n - 1), unique=True, max_size=n))


# -- without edges ---------------------------------------------------------------------------------


@given(case=matrices(), count=st.integers(0, 3))
def test_appended_nodes_stand_at_the_end_without_edges(case, count):
    dense, pattern = case
    n_rows, n = dense.shape
    result, kept = both_agree(lambda W: graphops.append_nodes(W, count), dense, pattern)
    expected = np.zeros((n_rows + count, n + count))
    expected[:n, :n] = dense[:n]
    expected[n + count :, :n] = dense[n:]
    np.testing.assert_array_equal(result, expected)
    assert kept.sum() == pattern.sum()


@given(data=st.data(), case=matrices(), count=st.integers(0, 4))
def test_inserted_nodes_stand_where_they_are_put_and_removing_them_undoes_it(data, case, count):
    dense, pattern = case
    n_rows, n = dense.shape
    positions = data.draw(st.permutations(range(n + count)))[:count]
    result, kept = both_agree(lambda W: graphops.insert_nodes(W, positions), dense, pattern)
    assert result.shape == (n_rows + count, n + count)
    for matrix in (result, kept):
        assert not matrix[positions].any()
        assert not matrix[:, positions].any()
    back, kept = both_agree(
        lambda W: graphops.remove_nodes(graphops.insert_nodes(W, positions), positions),
        dense,
        pattern,
    )
    np.testing.assert_array_equal(back, dense)
    np.testing.assert_array_equal(kept, pattern)


@given(data=st.data(), case=matrices())
def test_removed_nodes_are_gone_and_the_others_keep_their_order(data, case):
    dense, pattern = case
    nodes = data.draw(places(dense.shape[1]))
    result, kept = both_agree(lambda W: graphops.remove_nodes(W, nodes), dense, pattern)
    for found, before in ((result, dense), (kept, pattern)):
        np.testing.assert_array_equal(found, np.delete(np.delete(before, nodes, 0), nodes, 1))


@given(data=st.data(), case=matrices(bias=False))
def test_nodes_without_edges_and_nodes_on_no_cycle_keep_det_of_i_minus_w(data, case):
    dense, _ = case
    n = len(dense)
    before = graphops.mason_determinant(dense)
    wide = graphops.insert_nodes(dense, [data.draw(st.integers(0, n))])
    assert graphops.mason_determinant(wide) == pytest.approx(before, rel=1e-5, abs=1e-5)
    assert graphops.slogdet(wide).sign == 0
    silent = data.draw(st.integers(0, n - 1))
    dense[silent] = 0
    before = graphops.mason_determinant(dense)
    after = graphops.mason_determinant(graphops.remove_nodes(dense, [silent]))
    assert after == pytest.approx(before, rel=1e-5, abs=1e-5)


# -- an edge is split ------------------------------------------------------------------------------


@given(data=st.data(), case=matrices(bias=False))
def test_a_split_edge_is_two_edges_with_the_weights_asked_for(data, case):
    dense, pattern = case
    n = len(dense)
    source, target = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, n - 1))
    dense[source, target], pattern[source, target] = 0.75, True
    position = data.draw(st.none() | st.integers(0, n))

    def split(W, **weights):
        matrix, new = graphops.split_edge(W, source, target, position, **weights)
        assert new == (target if position is None else position)
        return matrix

    new = target if position is None else position
    result, kept = both_agree(split, dense, pattern)
    source_then, target_then = source + (source >= new), target + (target >= new)
    rest = dense.copy()
    rest[source, target] = 0
    expected = np.insert(np.insert(rest, new, 0, axis=0), new, 0, axis=1)
    expected[source_then, new], expected[new, target_then] = 1, 0.75
    np.testing.assert_array_equal(result, expected)
    assert not kept[source_then, target_then]
    assert kept.sum() == pattern.sum() + 1
    result, _ = both_agree(lambda W: split(W, weight_in=-2, weight_out=0.5), dense, pattern)
    assert (result[source_then, new], result[new, target_then]) == (-2, 0.5)


@given(data=st.data(), case=matrices(min_nodes=3, bias=True), ticks=st.integers(1, 4))
def test_splitting_with_a_linear_node_at_the_default_place_changes_no_output(data, case, ticks):
    dense, pattern = case
    n = dense.shape[1]
    source, target = data.draw(st.integers(0, n - 1)), data.draw(st.integers(2, n - 1))
    dense[source, target], pattern[source, target] = 0.75, True
    matrix, new = graphops.split_edge(dense, source, target)
    inputs = np.array([0.3, -0.8])
    assert outputs(matrix, inputs, ticks, linear=[new]) == pytest.approx(
        outputs(dense, inputs, ticks), abs=1e-4
    )


@given(data=st.data(), case=matrices(min_nodes=4, bias=True), ticks=st.integers(1, 4))
def test_every_place_that_is_promised_to_keep_the_outputs_does(data, case, ticks):
    dense, _ = case
    n = dense.shape[1]
    source, target = data.draw(st.integers(2, n - 1)), data.draw(st.integers(2, n - 1))
    dense[source, target] = 0.75
    forward = source < target
    good = [
        p for p in range(2, n) if (source < p <= target if forward else p <= target or p > source)
    ]
    position = data.draw(st.sampled_from(good))
    matrix, new = graphops.split_edge(dense, source, target, position)
    inputs = np.array([0.3, -0.8])
    assert outputs(matrix, inputs, ticks, linear=[new]) == pytest.approx(
        outputs(dense, inputs, ticks), abs=1e-4
    )


@given(data=st.data(), case=matrices(bias=False))
def test_splitting_keeps_the_gain_of_every_cycle(data, case):
    dense, _ = case
    n = len(dense)
    source, target = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, n - 1))
    dense[source, target] = 0.75
    matrix, _ = graphops.split_edge(dense, source, target, data.draw(st.integers(0, n)))
    before = graphops.mason_determinant(dense)
    assert graphops.mason_determinant(matrix) == pytest.approx(before, rel=1e-4, abs=1e-4)


def test_an_edge_of_kernels_is_split_by_a_kernel():
    kernels = np.zeros((2, 2, 3, 3))
    kernels[0, 1] = np.arange(9).reshape(3, 3)
    through = np.zeros((3, 3))
    through[1, 1] = 1
    matrix, new = graphops.split_edge(kernels, 0, 1, weight_in=through)
    np.testing.assert_array_equal(matrix[0, new], through)
    np.testing.assert_array_equal(matrix[new, 2], kernels[0, 1])
    assert not matrix[0, 2].any()


def test_a_stored_zero_is_an_edge_that_can_be_split():
    matrix = sparse.csc_array((np.zeros(1), ([0], [1])), shape=(2, 2))
    split, new = graphops.split_edge(matrix, 0, 1)
    np.testing.assert_array_equal(pattern_of(split), [[0, 1, 0], [0, 0, 1], [0, 0, 0]])
    assert new == 1


# -- a node is duplicated --------------------------------------------------------------------------


@given(data=st.data(), case=matrices(min_nodes=4, bias=True), ticks=st.integers(1, 4))
def test_a_duplicated_node_changes_no_output(data, case, ticks):
    dense, pattern = case
    node = data.draw(st.integers(2, dense.shape[1] - 2))
    share = data.draw(st.sampled_from([0.0, 0.25, 0.5, 1.0]))
    result, _ = both_agree(lambda W: graphops.duplicate_node(W, node, share), dense, pattern)
    inputs = np.array([0.3, -0.8])
    assert outputs(result, inputs, ticks) == pytest.approx(outputs(dense, inputs, ticks), abs=1e-4)


@given(data=st.data(), case=matrices())
def test_a_copy_listens_to_the_same_and_the_rows_add_up(data, case):
    dense, pattern = case
    node = data.draw(st.integers(0, dense.shape[1] - 1))
    share = data.draw(st.floats(0, 1))
    result, kept = both_agree(lambda W: graphops.duplicate_node(W, node, share), dense, pattern)
    pair = [node, node + 1]
    for found, before in ((result, dense), (kept, pattern)):
        others = np.delete(np.delete(found, pair, 0), pair, 1)
        np.testing.assert_array_equal(others, np.delete(np.delete(before, node, 0), node, 1))
        for column in pair:
            np.testing.assert_array_equal(
                np.delete(found[:, column], pair), np.delete(before[:, node], node)
            )
        np.testing.assert_array_equal(found[np.ix_(pair, pair)], before[node, node] * np.eye(2))
    rows = np.delete(result[pair], pair, 1)
    row = np.delete(dense[node], node)
    np.testing.assert_array_equal(rows[0], result.dtype.type(share) * row)
    np.testing.assert_allclose(rows.sum(axis=0), row, rtol=4 * np.finfo(row.dtype).eps)


@given(data=st.data(), case=matrices(bias=False))
def test_a_duplicate_adds_the_weight_of_its_self_loop_to_the_spectrum(data, case):
    dense = case[0].astype(np.float64)
    node = data.draw(st.integers(0, len(dense) - 1))
    loop = dense[node, node]
    result = graphops.duplicate_node(dense, node, data.draw(st.floats(0, 1)))
    characteristic = np.convolve(np.poly(dense), [1.0, -loop])
    np.testing.assert_allclose(np.poly(result), characteristic, rtol=1e-5, atol=1e-5)
    assert graphops.mason_determinant(result) == pytest.approx(
        (1 - loop) * graphops.mason_determinant(dense), rel=1e-6, abs=1e-9
    )


@pytest.mark.parametrize(
    "function",
    [
        lambda W: graphops.append_nodes(W, 2),
        lambda W: graphops.insert_nodes(W, [0, 2]),
        lambda W: graphops.remove_nodes(W, [1]),
        lambda W: graphops.duplicate_node(W, 1, 0.25),
    ],
)
def test_kernels_change_tap_by_tap(function):
    kernels = np.random.default_rng(0).standard_normal((3, 3, 2, 3))
    result = function(kernels)
    for tap in np.ndindex(2, 3):
        np.testing.assert_array_equal(result[:, :, *tap], function(kernels[:, :, *tap]))


W = np.array([[0.0, 0.5], [0.0, 0.0]])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: graphops.append_nodes(W, -1),
            ValueError,
            "count must be at least 0; got -1",
        ),
        (
            lambda: graphops.append_nodes(np.zeros((2, 3))),
            ValueError,
            "W must be square, or have one row of biases more; got shape (2, 3)",
        ),
        (
            lambda: graphops.insert_nodes(W, [4, 0]),
            IndexError,
            "positions must be from 0 to 3; got 4",
        ),
        (
            lambda: graphops.insert_nodes(W, [1, 1]),
            ValueError,
            "positions must name a node once; got 1 repeatedly",
        ),
        (
            lambda: graphops.remove_nodes(np.zeros((3, 2)), [2]),
            IndexError,
            "nodes must be from 0 to 1; got 2",
        ),
        (
            lambda: graphops.split_edge(W, 1, 0),
            ValueError,
            "source and target must be an edge; got (1, 0)",
        ),
        (
            lambda: graphops.split_edge(sparse.csc_array(W), 1, 0),
            ValueError,
            "source and target must be an edge; got (1, 0)",
        ),
        (
            lambda: graphops.split_edge(np.ones((3, 2)), 2, 0),
            IndexError,
            "source must be from 0 to 1; got 2",
        ),
        (
            lambda: graphops.split_edge(W, 0, 1, 3),
            IndexError,
            "position must be from 0 to 2; got 3",
        ),
        (
            lambda: graphops.split_edge(W, 0, 1, weight_in=np.nan),
            ValueError,
            "values must be finite in float64; got nan",
        ),
        (
            lambda: graphops.split_edge(np.ones((2, 2, 3, 3)), 0, 1),
            ValueError,
            "weight_in must have shape (3, 3); got ()",
        ),
        (
            lambda: graphops.duplicate_node(W, 2),
            IndexError,
            "node must be from 0 to 1; got 2",
        ),
        (
            lambda: graphops.duplicate_node(W, 0, 1.5),
            ValueError,
            "share must be from 0 to 1; got 1.5",
        ),
    ],
)
def test_bad_arguments_are_named_with_rule_and_value(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()
