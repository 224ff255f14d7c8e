"""Starting matrices: how many edges, where, and how strong."""

import collections
import math
import re
from itertools import pairwise

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
from effort import first_now
from hypothesis import given
from scipy import sparse

import graphops


def assert_canonical(matrix):
    matrix.check_format(full_check=True)
    again = sparse.csc_array((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)
    assert again.has_canonical_format  # sorted, and no edge twice
    assert matrix.dtype == np.float32
    assert (matrix.data != 0).all()


sizes = st.lists(st.integers(1, 12), min_size=2, max_size=5)
seeds = st.integers(0, 2**32)


@given(sizes=sizes, density=st.floats(0, 1), seed=seeds)
def test_layers_connect_to_the_next_layer_only_with_exactly_so_many_edges(sizes, density, seed):
    matrix = graphops.layered(sizes, density, rng=np.random.default_rng(seed))
    assert_canonical(matrix)
    layer = np.repeat(np.arange(len(sizes)), sizes)
    targets = np.repeat(np.arange(len(layer)), np.diff(matrix.indptr))
    assert (layer[targets] == layer[matrix.indices] + 1).all()
    pairs = pairwise(sizes)
    expected = [max(round(density * n_in * n_out), n_out) for n_in, n_out in pairs]
    assert np.bincount(layer[targets], minlength=len(sizes)).tolist() == [0, *expected]
    fan_ins = np.diff(matrix.indptr)
    assert (fan_ins[sizes[0] :] >= 1).all()
    assert (fan_ins[: sizes[0]] == 0).all()


def test_each_pair_of_layers_can_have_its_own_density():
    matrix = graphops.layered([10, 10, 10], [1.0, 0.2], rng=np.random.default_rng(0))
    assert np.diff(matrix.indptr)[10:20].tolist() == [10] * 10
    assert np.diff(matrix.indptr)[20:].sum() == 20


@given(
    n_inputs=st.integers(1, 6),
    n_hidden=st.integers(0, 12),
    n_outputs=st.integers(1, 6),
    density=st.floats(0, 1),
    seed=seeds,
)
def test_a_feedforward_network_is_acyclic_in_index_order(
    n_inputs, n_hidden, n_outputs, density, seed
):
    rng = np.random.default_rng(seed)
    matrix = graphops.feedforward(n_inputs, n_hidden, n_outputs, density, rng=rng)
    assert_canonical(matrix)
    assert graphops.degree_statistics(matrix).delayed_edges == 0
    n = n_inputs + n_hidden + n_outputs
    assert matrix.shape == (n, n)
    n_places = n * (n - 1) // 2 - n_inputs * (n_inputs - 1) // 2
    assert matrix.nnz == max(round(density * n_places), n_hidden + n_outputs)
    fan_ins = np.diff(matrix.indptr)
    assert (fan_ins[:n_inputs] == 0).all()
    assert (fan_ins[n_inputs:] >= 1).all()


def test_a_full_feedforward_network_holds_every_place():
    matrix = graphops.feedforward(2, 3, 2, 1.0, rng=np.random.default_rng(0))
    expected = np.triu(np.ones((7, 7)), 1)
    expected[:, :2] = 0
    np.testing.assert_array_equal(matrix.toarray() != 0, expected != 0)


@pytest.mark.parametrize("density", first_now([0.4, 0.8]))
def test_every_place_between_two_layers_is_equally_likely(density):
    rng = np.random.default_rng(7)
    n_draws = 2000
    counts = sum(
        graphops.layered([5, 3], density, rng=rng).toarray()[:5, 5:] != 0 for _ in range(n_draws)
    )
    deviation = math.sqrt(n_draws * density * (1 - density))
    assert np.abs(counts - n_draws * density).max() < 4 * deviation


@pytest.mark.parametrize(("n", "count"), [(6, 0), (6, 2), (6, 5), (6, 6), (10**15, 1000)])
def test_numbers_drawn_are_distinct_ascend_and_are_as_many_as_wanted(n, count):
    numbers = graphops.draw_distinct(n, count, rng=np.random.default_rng(0))
    assert len(numbers) == count
    assert (np.diff(numbers) > 0).all()
    assert not count or (numbers[0] >= 0 and numbers[-1] < n)


@pytest.mark.parametrize("count", [2, 4])
def test_every_set_of_distinct_numbers_is_equally_likely(count):
    rng, n_draws = np.random.default_rng(1), 6000
    seen = collections.Counter(
        tuple(graphops.draw_distinct(6, count, rng=rng).tolist()) for _ in range(n_draws)
    )
    assert len(seen) == 15
    deviation = math.sqrt(n_draws / 15 * (1 - 1 / 15))
    assert max(abs(times - n_draws / 15) for times in seen.values()) < 4 * deviation


def test_a_hundred_thousand_nodes_take_memory_for_their_edges_only():
    matrix = graphops.feedforward(1000, 99_000, 10, 4e-5, rng=np.random.default_rng(0))
    n = 100_010
    assert matrix.nnz == round(4e-5 * (n * (n - 1) // 2 - 1000 * 999 // 2))


@pytest.mark.parametrize(("scale", "gain"), [("he", 2.0), ("glorot", 1.0)])
def test_weights_scale_with_the_in_degree_of_their_target(scale, gain):
    sizes = [400, 1000, 20]
    matrix = graphops.layered(sizes, [0.05, 0.5], rng=np.random.default_rng(3), scale=scale)
    fan_ins = np.diff(matrix.indptr)
    standard = matrix.data * np.sqrt(np.repeat(fan_ins, fan_ins) / gain)
    n = len(standard)
    assert abs(standard.mean()) < 4 / math.sqrt(n)
    assert abs(standard.std() - 1) < 4 / math.sqrt(2 * n)


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: graphops.layered([5, 4, 3], 0.5, rng=rng),
        lambda rng: graphops.feedforward(3, 5, 2, 0.5, rng=rng),
    ],
)
def test_the_generator_decides_everything(make):
    first, again, other = (make(np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.toarray(), again.toarray())
    assert (first.toarray() != other.toarray()).any()


def test_set_density_gives_about_epsilon_edges_per_node():
    density = graphops.erdos_renyi_density(784, 1000, 20)
    assert density * 784 * 1000 == pytest.approx(20 * (784 + 1000))
    assert graphops.erdos_renyi_density(2, 2, 20) == 1.0


def test_an_empty_network_stores_nothing():
    assert graphops.empty(4).shape == (4, 4)
    assert graphops.empty(4).nnz == 0
    assert graphops.empty(4).dtype == np.float32


@pytest.mark.parametrize("a", [2.0, -0.25])
def test_the_growth_parameter_is_the_seeds_loop_counted_in_steps(a):
    product, b = a, 0.5
    for n in range(600):
        found = graphops.growth_parameter(a, n)
        assert found.sign == math.copysign(1, a)
        assert found.log_abs == pytest.approx(math.log(abs(product)), rel=1e-13, abs=1e-13)
        product, b = product * (1 + b), b / 2 + 1


def test_the_seeds_condition_ends_only_by_rounding():
    b, n_steps = 0.5, 0
    while b < 2:
        b, n_steps = b / 2 + 1, n_steps + 1
    assert n_steps == 54
    assert b / 2 + 1 == b == 2  # and stays there: no bound above 2 is ever reached


def test_growth_without_bounds_stays_a_number():
    growth = graphops.growth_parameter(1.0, 10**15)
    assert growth.log_abs == pytest.approx(10**15 * math.log(3))
    assert graphops.growth_parameter(0.0, 10) == (0.0, -math.inf)


@pytest.mark.parametrize(("scale", "squares"), [("glorot", 1.0), ("he", 2.0)])
def test_growth_weights_have_the_sizes_of_the_growth_parameter_and_the_squares_of_a_normal_draw(
    scale, squares
):
    degrees = np.random.default_rng(1).integers(1, 40, 50)
    found = graphops.growth_weights(
        degrees, rng=np.random.default_rng(2), scale=scale, dtype=np.float64
    )
    for weights in np.split(found, np.cumsum(degrees)[:-1]):
        sizes = np.exp([graphops.growth_parameter(1, n).log_abs for n in range(len(weights))])
        expected = sizes * np.sqrt(squares / np.sum(sizes**2))
        np.testing.assert_allclose(np.abs(weights), expected, rtol=1e-12)
    assert 0.4 < np.mean(found > 0) < 0.6


def test_growth_weights_of_a_node_with_a_million_in_edges_are_finite():
    weights = graphops.growth_weights([3, 10**6], rng=np.random.default_rng(0))[3:]
    assert weights.dtype == np.float32
    assert np.sum(weights.astype(float) ** 2) == pytest.approx(1)
    assert np.abs(weights[-1]) == pytest.approx(math.sqrt(8 / 9), rel=1e-6)
    assert set(weights[: 10**6 - 100]) == {0.0}


@pytest.mark.parametrize(("scale", "variance"), [("glorot", 1.0), ("he", 2.0)])
def test_random_weights_have_a_variance_by_in_degree(scale, variance):
    weights = graphops.random_weights(
        [20_000, 0, 50_000], rng=np.random.default_rng(3), scale=scale
    )
    few, many = np.split(weights, [20_000])
    assert few.std() == pytest.approx(math.sqrt(variance / 20_000), rel=0.03)
    assert many.std() == pytest.approx(math.sqrt(variance / 50_000), rel=0.03)


def test_with_growth_weights_a_signal_neither_grows_nor_dies():
    rng = np.random.default_rng(2)
    sizes = [50] * 30
    chain = graphops.layered(sizes, 0.3, rng=rng)
    chain.data[:] = graphops.growth_weights(np.diff(chain.indptr), rng=rng)
    weights = chain.toarray()
    signal = rng.standard_normal((50, 4000))
    for k in range(len(sizes) - 1):
        block = weights[50 * k : 50 * k + 50, 50 * k + 50 : 50 * k + 100]
        signal = block.T @ signal
    assert 0.5 < signal.std() < 2


def test_the_example_is_the_seeds_and_holds_a_cycle():
    rows = ["".join(str(int(w)) for w in row) for row in graphops.EXAMPLE_MATRIX]
    assert rows == ["01001", "10100", "00010", "00000", "00010"]
    assert not graphops.EXAMPLE_MATRIX.flags.writeable
    graph = nx.from_numpy_array(graphops.EXAMPLE_MATRIX, create_using=nx.DiGraph)
    assert list(nx.simple_cycles(graph)) == [[0, 1]]


RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: graphops.layered([3], 0.5, rng=RNG),
            ValueError,
            "sizes must name at least two layers; got [3]",
        ),
        (
            lambda: graphops.layered([3, 0], 0.5, rng=RNG),
            ValueError,
            "sizes must be at least 1; got 0",
        ),
        (
            lambda: graphops.layered([3, 2, 1], [0.5], rng=RNG),
            ValueError,
            "density must be one number or 2; got 1",
        ),
        (
            lambda: graphops.layered([3, 2], -0.1, rng=RNG),
            ValueError,
            "density must be from 0 to 1; got -0.1",
        ),
        (
            lambda: graphops.layered([3, 2], 0.5, rng=RNG, scale="lecun"),
            ValueError,
            "scale must be one of he, glorot; got 'lecun'",
        ),
        (
            lambda: graphops.feedforward(0, 1, 1, 0.5, rng=RNG),
            ValueError,
            "n_inputs must be at least 1; got 0",
        ),
        (
            lambda: graphops.feedforward(1, 1, 1, 0.5, rng=42),
            TypeError,
            "rng must be a numpy.random.Generator; got 42",
        ),
        (
            lambda: graphops.draw_distinct(3, 4, rng=RNG),
            ValueError,
            "count must be at most n (3); got 4",
        ),
        (lambda: graphops.empty(-1), ValueError, "n must be at least 0; got -1"),
        (
            lambda: graphops.erdos_renyi_density(1, 1, -1),
            ValueError,
            "epsilon must be at least 0; got -1.0",
        ),
        (
            lambda: graphops.growth_weights([3, -1], rng=RNG),
            ValueError,
            "in_degrees must be at least 0; got -1",
        ),
        (
            lambda: graphops.random_weights([0.5], rng=RNG),
            TypeError,
            "in_degrees must be a vector of integers; got [0.5]",
        ),
        (
            lambda: graphops.random_weights([1], rng=RNG, dtype=int),
            TypeError,
            "dtype must be float32 or float64; got int64",
        ),
        (
            lambda: graphops.growth_weights([2], rng=RNG, scale="seed"),
            ValueError,
            "scale must be one of he, glorot; got 'seed'",
        ),
        (
            lambda: graphops.growth_parameter(math.nan, 1),
            ValueError,
            "a must be finite; got nan",
        ),
    ],
)
def test_bad_arguments_are_named_with_rule_and_value(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()
