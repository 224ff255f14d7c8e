"""Random networks without layers: which places hold edges, how many, and how likely each is."""

import math
import re

import hypothesis.strategies as st
import numpy as np
import pytest
from effort import first_now
from hypothesis import given
from scipy import sparse

import graphops

ROLES = {
    "n_inputs": st.integers(1, 6),
    "n_hidden": st.integers(0, 12),
    "n_outputs": st.integers(1, 6),
}
MAKERS = {
    "dense": lambda *sizes, rng, **given: graphops.dense(*sizes, rng=rng, **given),
    "recurrent": lambda *sizes, rng, **given: graphops.recurrent(*sizes, 0.4, rng=rng, **given),
    "small_world": lambda *sizes, rng, **given: graphops.small_world(
        *sizes, 4, 0.3, rng=rng, **given
    ),
    "direct": lambda *sizes, rng, **given: graphops.direct(*sizes, 0.5, rng=rng, **given),
}


def rng_of(seed):
    return np.random.default_rng(seed)


def assert_canonical(matrix):
    matrix.check_format(full_check=True)
    again = sparse.csc_array((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)
    assert again.has_canonical_format  # sorted, and no edge twice
    assert matrix.dtype == np.float32
    assert (matrix.data != 0).all()


@given(**ROLES, seed=st.integers(0, 2**32))
def test_dense_holds_every_place_that_the_order_allows(n_inputs, n_hidden, n_outputs, seed):
    matrix = graphops.dense(n_inputs, n_hidden, n_outputs, rng=rng_of(seed))
    assert_canonical(matrix)
    n = n_inputs + n_hidden + n_outputs
    expected = np.triu(np.ones((n, n), dtype=bool), k=1)
    expected[:, :n_inputs] = False
    np.testing.assert_array_equal(matrix.toarray() != 0, expected)


@given(**ROLES, density=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_a_recurrent_network_leaves_only_inputs_alone(n_inputs, n_hidden, n_outputs, density, seed):
    matrix = graphops.recurrent(n_inputs, n_hidden, n_outputs, density, rng=rng_of(seed))
    assert_canonical(matrix)
    n = n_inputs + n_hidden + n_outputs
    assert matrix.shape == (n, n)
    assert matrix.nnz == max(round(density * n * (n - n_inputs)), n_hidden + n_outputs)
    fan_ins = np.diff(matrix.indptr)
    assert (fan_ins[:n_inputs] == 0).all()
    assert (fan_ins[n_inputs:] >= 1).all()


def test_a_recurrent_network_of_density_one_is_all_to_all():
    matrix = graphops.recurrent(2, 3, 1, 1.0, rng=rng_of(0)).toarray()
    assert (matrix[:, 2:] != 0).all()
    assert not matrix[:, :2].any()


@given(**ROLES, degree=st.integers(1, 25), rewiring=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_a_small_world_is_acyclic_with_the_in_degrees_of_its_lattice(
    n_inputs, n_hidden, n_outputs, degree, rewiring, seed
):
    matrix = graphops.small_world(n_inputs, n_hidden, n_outputs, degree, rewiring, rng=rng_of(seed))
    assert_canonical(matrix)
    n = n_inputs + n_hidden + n_outputs
    assert matrix.shape == (n, n)
    assert graphops.degree_statistics(matrix).delayed_edges == 0
    expected = [0] * n_inputs + [min(degree, j) for j in range(n_inputs, n)]
    assert np.diff(matrix.indptr).tolist() == expected


def test_without_rewiring_a_small_world_is_a_lattice():
    matrix = graphops.small_world(3, 20, 2, 4, 0.0, rng=rng_of(0)).toarray()
    sources, targets = np.nonzero(matrix)
    assert (targets - sources <= 4).all()


def test_the_share_of_rewired_edges_is_that_asked_for():
    n, degree, rewiring = 4000, 10, 0.2
    matrix = graphops.small_world(20, n - 30, 10, degree, rewiring, rng=rng_of(1))
    distances = np.repeat(np.arange(n), np.diff(matrix.indptr)) - matrix.indices
    far = np.count_nonzero(distances > degree)
    # Of the rewired ones very few fall back among the nodes just before their target.
    expected = rewiring * matrix.nnz
    assert far == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("degree", first_now([2, 5]))
def test_a_fully_rewired_small_world_hears_every_earlier_node_equally_likely(degree):
    rng, n_draws = rng_of(7), 3000
    counts = sum(
        graphops.small_world(6, 1, 1, degree, 1.0, rng=rng).toarray() != 0 for _ in range(n_draws)
    )
    for target in (6, 7):
        share = degree / target
        deviation = math.sqrt(n_draws * share * (1 - share))
        assert np.abs(counts[:target, target] - n_draws * share).max() < 4 * deviation


def test_a_little_rewiring_shortens_paths_a_lot():
    n_inputs, n = 4, 600
    lattice, rewired = (
        graphops.small_world(n_inputs, n - 14, 10, 6, p, rng=rng_of(0)) for p in (0.0, 0.1)
    )
    far = [
        graphops.path_statistics(matrix, range(n_inputs), range(n - 10, n)).mean_hops
        for matrix in (lattice, rewired)
    ]
    assert far[1] < far[0] / 5


@given(**ROLES, density=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_direct_edges_lead_from_inputs_to_outputs_only(
    n_inputs, n_hidden, n_outputs, density, seed
):
    matrix = graphops.direct(n_inputs, n_hidden, n_outputs, density, rng=rng_of(seed))
    assert_canonical(matrix)
    assert matrix.nnz == max(round(density * n_inputs * n_outputs), n_outputs)
    fan_ins = np.diff(matrix.indptr)
    assert (fan_ins[: n_inputs + n_hidden] == 0).all()
    assert (fan_ins[n_inputs + n_hidden :] >= 1).all()
    assert matrix.indices.max() < n_inputs


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(("scale", "gain"), [("he", 2.0), ("glorot", 1.0)])
def test_weights_scale_with_the_in_degree_of_their_target(name, scale, gain):
    matrix = MAKERS[name](60, 120, 60, rng=rng_of(3), scale=scale)
    fan_ins = np.diff(matrix.indptr)
    standard = matrix.data * np.sqrt(np.repeat(fan_ins, fan_ins) / gain)
    n = len(standard)
    assert abs(standard.mean()) < 4 / math.sqrt(n)
    assert abs(standard.std() - 1) < 4 / math.sqrt(2 * n)


@pytest.mark.parametrize("name", MAKERS)
def test_the_generator_decides_everything(name):
    first, again, other = (MAKERS[name](5, 20, 5, rng=rng_of(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.toarray(), again.toarray())
    assert (first.toarray() != other.toarray()).any()


def test_a_hundred_thousand_nodes_take_memory_for_their_edges_only():
    matrix = graphops.small_world(1000, 98_990, 10, 8, 0.1, rng=rng_of(0))
    assert matrix.nnz == 8 * 99_000
    assert graphops.degree_statistics(matrix).delayed_edges == 0
    assert graphops.recurrent(1000, 98_990, 10, 1e-5, rng=rng_of(0)).nnz == 99_000


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    ("sizes", "given", "error", "message"),
    [
        ((0, 1, 1), {}, ValueError, "n_inputs must be at least 1; got 0"),
        ((1, -1, 1), {}, ValueError, "n_hidden must be at least 0; got -1"),
        ((1, 1, 1.0), {}, TypeError, "n_outputs must be an integer; got 1.0"),
        (
            (1, 1, 1),
            {"scale": "lecun"},
            ValueError,
            "scale must be one of he, glorot; got 'lecun'",
        ),
        ((1, 1, 1), {"rng": 42}, TypeError, "rng must be a numpy.random.Generator; got 42"),
    ],
)
def test_bad_sizes_are_named_with_rule_and_value(name, sizes, given, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        MAKERS[name](*sizes, **({"rng": rng_of(0)} | given))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: graphops.recurrent(1, 1, 1, 1.5, rng=rng_of(0)),
            "density must be from 0 to 1; got 1.5",
        ),
        (
            lambda: graphops.direct(1, 1, 1, -0.5, rng=rng_of(0)),
            "density must be from 0 to 1; got -0.5",
        ),
        (
            lambda: graphops.small_world(1, 1, 1, 0, 0.5, rng=rng_of(0)),
            "degree must be at least 1; got 0",
        ),
        (
            lambda: graphops.small_world(1, 1, 1, 1, 2.0, rng=rng_of(0)),
            "rewiring must be from 0 to 1; got 2.0",
        ),
    ],
)
def test_bad_arguments_are_named_with_rule_and_value(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()
