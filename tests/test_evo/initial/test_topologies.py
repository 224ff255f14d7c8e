"""Layered founders: topologies of layers, densities by rule, dense layers, and what is refused."""

import numpy as np
import pytest

import graphops
from evo import TOPOLOGIES, FounderSettings, SettingsError, create_founders

SIZES = (12, 20, 16, 4)


def founder(seed=0, samples=None, **settings):
    of_layers = FounderSettings(graph="layered", hidden=[20, 16], **settings)
    return create_founders(of_layers, 12, 4, n_founders=1, seed=seed, samples=samples)[0]


def layers_of(genome):
    stored = np.zeros((genome.n_nodes, genome.n_nodes), bool)
    stored[genome.indices, genome.targets] = True
    bounds = np.cumsum((0, *SIZES))
    parts = [stored[a:b, b:c] for a, b, c in zip(bounds, bounds[1:], bounds[2:], strict=False)]
    assert sum(part.sum() for part in parts) == genome.n_stored
    return parts


def samples():
    hidden = np.random.default_rng(0).normal(size=(200, 6))
    return np.concatenate([hidden, hidden + 0.1], axis=1)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_topology_gives_each_layer_its_density(name):
    genome = founder(topology=name, density=0.3, samples=samples())
    for part in layers_of(genome):
        assert part.sum() == round(0.3 * part.size)
    assert founder(topology=name, density=0.3, samples=samples()).equals(genome)
    assert not founder(1, topology=name, density=0.3, samples=samples()).equals(genome)


def test_topologies_are_those_of_graphops_and_may_differ_by_layer():
    genome = founder(
        topology=["correlated", "receptive_field", "random"],
        receptive_field_randomness=0.0,
        density=0.1,
        samples=samples(),
    )
    first, second, _ = layers_of(genome)
    expected = graphops.correlation_pattern(samples(), 20, 0.1).toarray()
    np.testing.assert_array_equal(first, expected)
    ring = graphops.receptive_field_pattern(20, 16, 0.1, 0.0, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(second.sum(axis=0), np.diff(ring.indptr))
    near = [abs(i - j * 20 // 16) % 19 for i, j in np.argwhere(second)]
    assert max(near) <= 2


def test_small_worlds_are_rewired_with_the_probability_of_the_settings():
    lattice, rewired = (
        founder(topology="small_world", rewiring_probability=beta, density=0.2)
        for beta in (0.0, 1.0)
    )
    assert all(set(part.sum(axis=0).tolist()) <= {2, 3, 4} for part in layers_of(lattice)[:2])
    assert not all(set(part.sum(axis=0).tolist()) <= {2, 3, 4} for part in layers_of(rewired)[:2])


def test_densities_of_layers_can_be_given_ruled_or_dense():
    def densities(**settings):
        return [part.mean() for part in layers_of(founder(**settings))]

    assert densities(densities=[0.5, 0.1, 1.0]) == pytest.approx([0.5, 0.1, 1.0], abs=0.01)
    assert densities(density=0.2, dense_layers=[-1, 1]) == pytest.approx([1, 0.2, 1], abs=0.01)
    assert densities(epsilon=2, dense_layers=[3])[2] == 1
    ruled = graphops.erdos_renyi_densities(SIZES, 0.3, dense=[2])
    found = densities(density=0.3, density_rule="erdos_renyi", dense_layers=[-1])
    assert found == pytest.approx(ruled, abs=0.01)
    assert ruled[0] != ruled[1]


def test_maps_take_a_density_and_the_rule_for_kernels():
    layers = {"graph": "maps", "layers": [[6, 5], [1, 9]], "kernel": 3}

    def taps(**settings):
        founders = FounderSettings(**layers, **settings)
        (genome,) = create_founders(founders, 2, 3, n_founders=1, seed=0, map_size=8)
        ends = genome.indptr[np.cumsum([2, 5, 9, 3])]
        return np.diff(ends).tolist()

    places, windows = [2 * 5 * 9, 5 * 9 * 9, 9 * 3], [3, 3, 1]
    assert taps(density=0.5) == [round(0.5 * one) for one in places]
    assert taps(density=0.5, dense_layers=[-1])[2] == 27
    ruled = taps(density=0.1, density_rule="erdos_renyi")
    expected = graphops.erdos_renyi_densities((2, 5, 9, 3), 0.1, windows=windows)
    assert ruled == [round(share * one) for share, one in zip(expected, places, strict=True)]
    # Taps in proportion to m + n + 2k, and between neurons to m + n.
    assert np.array(ruled) / [2 + 5 + 6, 5 + 9 + 6, 9 + 3] == pytest.approx([1.15] * 3, abs=0.1)


def test_an_own_topology_is_drawn_and_checked(own_topologies):
    own_topologies.register("own", lambda spec: np.eye(spec.n_sources, spec.n_targets))
    own_topologies.register("wrong", lambda spec: np.eye(3))
    np.testing.assert_array_equal(layers_of(founder(topology="own"))[0], np.eye(12, 20) > 0)
    with pytest.raises(
        ValueError, match=r"topology 'wrong' must draw a matrix of shape \(12, 20\)"
    ):
        founder(topology="wrong")


@pytest.fixture
def own_topologies():
    before = TOPOLOGIES.own
    yield TOPOLOGIES
    TOPOLOGIES.install(before)


def test_correlations_need_samples():
    with pytest.raises(ValueError, match="samples must be given"):
        founder(topology="correlated")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"topology": "ring"}, "topology must be one of random"),
        ({"topology": ["random"]}, "topology must be a name, or 3 names"),
        ({"topology": ["random"] * 2 + ["correlated"]}, "must be that of the first layer; got"),
        ({"topology": 3}, "topology must be a name, or a list of names"),
        ({"dense_layers": [4]}, "dense_layers must be from 1 to 3"),
        ({"dense_layers": [0]}, "dense_layers must be from 1 to 3"),
        ({"densities": [0.5, 0.5]}, "densities must be 3 fractions"),
        ({"densities": [0.5] * 3, "density": 0.1}, "densities must not be given together with"),
        ({"densities": [0.5] * 3, "epsilon": 3}, "densities must not be given together with"),
        ({"epsilon": 3, "density_rule": "erdos_renyi"}, "density_rule must not be given together"),
        (
            {"graph": "feedforward", "hidden": 9, "topology": "random", "dense_layers": [1]},
            "unless",
        ),
        ({"graph": "feedforward", "hidden": 9, "topology": "scale_free"}, "topology must not"),
        ({"hidden": 0, "topology": "scale_free"}, "topology must not be given if hidden = 0"),
        (
            {"topology": "correlated", "sequence": True, "ticks": 3},
            'topology must not be "correlated"',
        ),
        (
            {"graph": "maps", "layers": [[6, 5]], "hidden": 32, "density_rule": "erdos_renyi"},
            "density_rule must not be given unless density is given",
        ),
        (
            {"graph": "maps", "layers": [[6, 5]], "hidden": 32, "density": 0.5, "max_macs": 9},
            "max_macs must not be given together with density",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        FounderSettings(**{"graph": "layered", "hidden": [20, 16]} | settings)
