"""Patterns of edges between two layers: how many edges, which degrees, and how likely each place is."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy import sparse

import graphops
from graphops.bipartite import BLOCK

PATTERNS = {
    "random": graphops.random_pattern,
    "receptive_field": lambda m, n, density, *, rng: graphops.receptive_field_pattern(
        m, n, density, 0.3, rng=rng
    ),
    "nearest": lambda m, n, density, *, rng: graphops.receptive_field_pattern(
        m, n, density, 0.0, rng=rng
    ),
    "small_world": lambda m, n, density, *, rng: graphops.small_world_pattern(
        m, n, density, 0.3, rng=rng
    ),
    "scale_free": graphops.scale_free_pattern,
}


def rng_of(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", PATTERNS)
@given(
    n_sources=st.integers(1, 12),
    n_targets=st.integers(1, 12),
    density=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=15)
def test_every_pattern_has_the_number_of_edges_of_its_density(
    name, n_sources, n_targets, density, seed
):
    pattern = PATTERNS[name](n_sources, n_targets, density, rng=rng_of(seed))
    pattern.check_format(full_check=True)
    again = sparse.csc_array((pattern.data, pattern.indices, pattern.indptr), shape=pattern.shape)
    assert again.has_canonical_format
    assert pattern.dtype == np.bool_
    assert pattern.shape == (n_sources, n_targets)
    assert pattern.nnz == max(round(density * n_sources * n_targets), n_targets)
    assert pattern.data.all()
    if name in {"random", "receptive_field", "nearest"}:
        assert np.diff(pattern.indptr).min() >= 1
    same = PATTERNS[name](n_sources, n_targets, density, rng=rng_of(seed))
    assert (pattern != same).nnz == 0


@pytest.mark.parametrize("name", ["receptive_field", "nearest"])
def test_receptive_fields_give_all_targets_as_many_sources(name):
    pattern = PATTERNS[name](50, 40, 0.11, rng=rng_of())
    degrees = np.diff(pattern.indptr)
    assert set(degrees.tolist()) == {5, 6}


def ring_distance(n_sources, n_targets):
    distances = np.empty((n_sources, n_targets), int)
    for i in range(n_sources):
        for j in range(n_targets):
            steps = abs(i - j * n_sources // n_targets)
            distances[i, j] = min(steps, n_sources - steps)
    return distances


@pytest.mark.parametrize(("n_sources", "n_targets"), [(12, 12), (12, 7), (7, 12)])
def test_without_randomness_sources_are_the_nearest(n_sources, n_targets):
    pattern = graphops.receptive_field_pattern(n_sources, n_targets, 0.3, 0.0, rng=rng_of())
    distances = ring_distance(n_sources, n_targets)
    for column, distance in zip(pattern.toarray().T, distances.T, strict=True):
        assert distance[column].max() <= np.sort(distance)[column.sum() - 1]
    lattice = graphops.small_world_pattern(n_sources, n_targets, 0.3, 0.0, rng=rng_of())
    np.testing.assert_array_equal(lattice.toarray(), pattern.toarray())


@pytest.mark.parametrize("randomness", [0.25, 0.5, 1.0])
def test_a_source_is_as_likely_as_its_distance_says(randomness):
    n, n_targets = 10, 8000
    pattern = graphops.receptive_field_pattern(n, n_targets, 1 / n, randomness, rng=rng_of())
    assert n * n_targets < BLOCK
    distances = ring_distance(n, n_targets)[pattern.indices, np.arange(n_targets)]
    weights = (1.0 + np.arange(n // 2 + 1)) ** (-(1 - randomness) / randomness)
    at_distance = (
        np.array([1, 2, 2, 2, 2, 1]) * weights
    )  # two sources at each but the first and last
    found = np.bincount(distances, minlength=6) / n_targets
    np.testing.assert_allclose(found, at_distance / at_distance.sum(), atol=0.03)


def test_blocks_of_targets_follow_each_other(monkeypatch):
    monkeypatch.setattr(graphops.bipartite, "BLOCK", 30)
    pattern = graphops.receptive_field_pattern(10, 31, 0.2, 0.2, rng=rng_of())
    near = ring_distance(10, 31)[pattern.indices, np.repeat(np.arange(31), 2)]
    assert pattern.nnz == 62
    assert near.mean() < 1.5


def test_rewiring_leaves_the_expected_part_of_a_lattice():
    lattice = graphops.small_world_pattern(100, 80, 0.1, 0.0, rng=rng_of()).toarray()
    for rewiring in (0.2, 1.0):
        pattern = graphops.small_world_pattern(100, 80, 0.1, rewiring, rng=rng_of(1)).toarray()
        shared = (pattern & lattice).sum() / lattice.sum()
        assert shared == pytest.approx(1 - rewiring + rewiring * 0.1, abs=0.05)


def test_degrees_of_a_scale_free_pattern_have_a_heavy_tail():
    n = 200
    free = graphops.scale_free_pattern(n, n, 0.04, rng=rng_of())
    plain = graphops.random_pattern(n, n, 0.04, rng=rng_of())
    for axis in (0, 1):
        degrees, others = free.sum(axis=axis), plain.sum(axis=axis)
        assert degrees.max() > 2 * others.max()
        assert degrees.var() > 4 * others.var()
        assert degrees.mean() == others.mean() == 8


def test_targets_are_connected_with_the_features_that_correlate_with_theirs():
    rng = rng_of()
    hidden = rng.normal(size=(5000, 4))
    samples = np.column_stack([hidden, hidden + 0.5 * rng.normal(size=(5000, 4)), np.ones(5000)])
    pattern = graphops.correlation_pattern(samples, 18, 16 / (9 * 18))
    expected = np.zeros((9, 18), bool)
    for k in range(4):
        for j in (0, 9):
            expected[k + 4, k + j] = expected[k, k + 4 + j] = True
    np.testing.assert_array_equal(pattern.toarray(), expected)
    images = samples.reshape(5000, 3, 3)
    assert (graphops.correlation_pattern(images, 18, 16 / 162) != pattern).nnz == 0


def test_correlations_are_those_of_numpy(monkeypatch):
    monkeypatch.setattr(graphops.bipartite, "SAMPLES", 7)
    samples = rng_of().normal(size=(50, 6)) @ rng_of(1).normal(size=(6, 6))
    expected = np.abs(np.corrcoef(samples.T))
    np.fill_diagonal(expected, 0)
    pattern = graphops.correlation_pattern(samples.astype(np.float32), 6, 0.4).toarray()
    assert expected[pattern].min() >= expected[~pattern].max() - 1e-6
    assert pattern.sum() == 14


@pytest.mark.parametrize("samples", [np.ones(4), np.ones((1, 4))])
def test_samples_without_a_correlation_are_refused(samples):
    with pytest.raises(ValueError, match="samples must be two or more rows of features; got shape"):
        graphops.correlation_pattern(samples, 3, 0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 3, 0.5), "n_sources must be at least 1; got 0"),
        ((3, 0, 0.5), "n_targets must be at least 1; got 0"),
        ((3, 3, 1.5), "density must be .* got 1.5"),
    ],
)
@pytest.mark.parametrize("name", PATTERNS)
def test_arguments_out_of_range_are_refused(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        PATTERNS[name](*arguments, rng=rng_of())


# -- layers ------------------------------------------------------------------------------------------------------------


def test_connected_random_patterns_are_a_layered_network():
    sizes, densities = (5, 7, 3), (0.4, 0.6)
    rng = rng_of(3)
    patterns = [
        graphops.random_pattern(m, n, density, rng=rng)
        for m, n, density in zip(sizes, sizes[1:], densities, strict=False)
    ]
    connected = graphops.connect_layers(patterns, rng=rng, scale="glorot")
    layered = graphops.layered(sizes, densities, rng=rng_of(3), scale="glorot")
    np.testing.assert_array_equal(connected.toarray(), layered.toarray())
    assert connected.dtype == np.float32


def test_patterns_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"pattern 0 has 2 targets.*; got 3"):
        graphops.connect_layers([np.ones((4, 2)), np.ones((3, 2))], rng=rng_of())
    with pytest.raises(ValueError, match="patterns must be at least one"):
        graphops.connect_layers([], rng=rng_of())


@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    density=st.floats(0.01, 1),
    data=st.data(),
)
@settings(max_examples=30)
def test_erdos_renyi_densities_have_the_wanted_number_of_edges(sizes, density, data):
    dense = data.draw(st.sets(st.integers(0, len(sizes) - 2), max_size=len(sizes) - 2))
    found = np.array(graphops.erdos_renyi_densities(sizes, density, dense=sorted(dense)))
    m, n = np.array(sizes[:-1]), np.array(sizes[1:])
    counted = np.array([k not in dense for k in range(len(m))])
    assert (found[~counted] == 1).all()
    assert ((found >= 0) & (found <= 1)).all()
    edges = (found * m * n)[counted].sum()
    assert edges == pytest.approx(density * (m * n)[counted].sum())
    below = counted & (found < 1 - 1e-9)
    share = found[below] / ((m + n) / (m * n))[below]
    assert share == pytest.approx(share[:1].repeat(len(share)))
