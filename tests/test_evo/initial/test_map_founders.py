"""Founders of feature maps: layers, tap counts within two limits, weights and thresholds."""

import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from cnn import lenet5
from evo import FounderSettings, Phenotype, Role, SettingsError, create_founders
from evo.exchange.layered_networks import from_cnn
from evo.initial.map_founders import LayerShape, connections_between, tap_counts_for_budget

LENET = [[28, 6], [10, 16], [1, 120], [1, 84]]
PARAMETERS, MACS = 61_706, 416_520
SMALL = {"graph": "maps", "layers": [[8, 5], [6, 7], [1, 9]], "kernel": 3}


def one(n_inputs=1, n_outputs=3, map_size=8, seed=3, **changes):
    founders = FounderSettings(**{**SMALL, **changes})
    return create_founders(
        founders, n_inputs, n_outputs, n_founders=1, seed=seed, map_size=map_size
    )[0]


def of_lenet(times=1, **changes):
    layers = [[map_size, times * count] for map_size, count in LENET]
    return one(n_outputs=10, map_size=28, layers=layers, kernel=5, **changes)


def layers_of(genome, counts):
    """Return the entries of the nodes of each layer but the inputs."""
    bounds = np.cumsum([0, *counts])
    return [
        slice(genome.indptr[a], genome.indptr[b]) for a, b in itertools.pairwise(bounds.tolist())
    ][1:]


def test_with_all_taps_and_lenets_widths_it_is_lenet5_in_size_and_in_its_weights_bounds():
    genome, lenet = of_lenet(), from_cnn(lenet5(rng=np.random.default_rng(0)))
    network = Phenotype(genome)
    assert (network.parameter_count, network.macs) == (PARAMETERS, MACS)
    for name in ("indptr", "indices", "taps", "map_sizes", "roles", "activations", "ids"):
        assert np.array_equal(getattr(genome, name), getattr(lenet, name)), name
    for part in layers_of(genome, [1, 6, 16, 120, 84, 10]):
        ours, theirs = np.abs(genome.values[part]), np.abs(lenet.values[part])
        assert ours.max() == pytest.approx(theirs.max(), rel=0.06)
        assert ours.mean() == pytest.approx(theirs.mean(), rel=0.2)


@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("stored_per_edge", [1, 2, 100])
def test_more_maps_have_lenets_size_and_each_layer_has_about_lenets_taps(times, stored_per_edge):
    genome = of_lenet(
        times, max_parameters=PARAMETERS, max_macs=MACS, stored_per_edge=stored_per_edge
    )
    network = Phenotype(genome)
    assert 0.99 * PARAMETERS < network.parameter_count <= PARAMETERS
    assert 0.98 * MACS < network.macs <= MACS
    active = genome.active_mask()
    counts = [1, *(times * count for _, count in LENET), 10]
    dense = [25 * times, 2400, 48_000, 10_080, 840]
    places = [150 * times, 2400 * times**2, 48_000 * times**2, 10_080 * times**2, 840 * times]
    for part, lenets, most in zip(
        layers_of(genome, counts), [150, *dense[1:]], places, strict=True
    ):
        n_active = active[part].sum()
        assert n_active == pytest.approx(lenets, rel=0.02)
        n_stored = part.stop - part.start
        assert n_stored == min(round(stored_per_edge * n_active), most)
    assert (genome.threshold is None) == (stored_per_edge == 1)


@pytest.mark.parametrize("stored_per_edge", [1, 3])
def test_the_variance_of_edges_is_that_of_the_fans_that_they_make(stored_per_edge):
    genome = of_lenet(2, max_parameters=PARAMETERS, max_macs=MACS, stored_per_edge=stored_per_edge)
    active = genome.active_mask()
    counts = [1, 12, 32, 240, 168, 10]
    for k, part in enumerate(layers_of(genome, counts)):
        edges = genome.values[part][active[part]]
        to_neurons = 25 if k == 2 else 1
        fans = len(edges) / counts[k + 1] + len(edges) / (counts[k] * to_neurons)
        assert np.mean(edges.astype(float) ** 2) == pytest.approx(2 / fans, rel=0.15)


def test_rectifiers_start_by_he_and_outputs_by_glorot():
    tanh, relu = one(), one(activation="relu")
    ratio = [
        np.abs(relu.values[part]).max() / np.abs(tanh.values[part]).max()
        for part in layers_of(tanh, [1, 5, 7, 9, 3])
    ]
    fans = [(9, 45), (45, 63), (63, 9)]
    expected = [np.sqrt((a + b) / a) for a, b in fans]
    assert ratio[:3] == pytest.approx(expected)
    assert ratio[3] == pytest.approx(1)


def test_every_node_has_a_tap_and_edges_lead_from_each_layer_to_the_next():
    genome = one(densities=[0.3, 0.05, 0.02, 0.2], seed=1)
    layer = np.repeat(np.arange(5), [1, 5, 7, 9, 3])
    assert (layer[genome.targets] == layer[genome.indices] + 1).all()
    assert (np.diff(genome.indptr)[genome.roles != Role.INPUT] > 0).all()
    counts = [part.stop - part.start for part in layers_of(genome, [1, 5, 7, 9, 3])]
    assert counts == [round(0.3 * 45), round(0.05 * 315), round(0.02 * 567), 5]
    assert genome.n_stored < one().n_stored == 45 + 315 + 567 + 27


def test_taps_of_a_window_are_drawn_evenly():
    genome = of_lenet(3, densities=[0.3] * 5)
    part = layers_of(genome, [1, 18, 48, 360, 252, 10])[1]
    of_tap = np.bincount(genome.taps[part], minlength=25)
    expected = of_tap.sum() / 25
    assert np.abs(of_tap - expected).max() < 5 * np.sqrt(expected)


def test_inputs_follow_the_shape_of_the_samples():
    founders = FounderSettings(**SMALL)
    assert founders.input_layer((28, 28)) == (28, 1)
    assert founders.input_layer((3, 32, 32)) == (32, 3)
    assert founders.layer_sizes(3, 10) == (3, 5, 7, 9, 10)
    genome = one(n_inputs=3)
    assert genome.n_features == 3 * 64
    assert Phenotype(genome).output(np.zeros((2, 3, 8, 8))).shape == (2, 3)
    for shape in ((64,), (8, 9), (2, 3, 8, 8)):
        with pytest.raises(SettingsError, match=r"founders.graph: samples must be square images"):
            founders.input_layer(shape)


def test_founders_differ_and_each_follows_from_its_seed():
    founders = FounderSettings(**SMALL, densities=[0.5] * 4)
    twice = [create_founders(founders, 1, 3, n_founders=3, seed=1, map_size=8) for _ in range(2)]
    assert len({genome.fingerprint() for genome in twice[0]}) == 3
    assert all(a.equals(b) for a, b in zip(*twice, strict=True))
    assert create_founders(founders, 1, 3, n_founders=1, seed=1, map_size=8)[0].equals(twice[0][0])


map_layers = st.tuples(st.sampled_from([12, 8, 6, 3]), st.integers(1, 20))
neurons = st.integers(1, 30).map(lambda count: (1, count))


@given(st.lists(map_layers, max_size=2), st.lists(neurons, min_size=1, max_size=2), st.data())
def test_any_budget_that_allows_a_tap_into_each_node_is_kept(maps, rest, data):
    layers = [LayerShape(*pair) for pair in [(12, 2), *maps, *rest, (1, 4)]]
    connections = connections_between(layers, 3)
    n_nodes = sum(connection.n_targets for connection in connections)
    least = sum(connection.n_targets * connection.map_size**2 for connection in connections)
    whole = (
        sum(connection.n_possible_taps for connection in connections),
        sum(connection.n_possible_taps * connection.map_size**2 for connection in connections),
    )
    most_parameters = data.draw(st.integers(2 * n_nodes, 2 * n_nodes + whole[0]))
    most_macs = data.draw(st.integers(least, 2 * whole[1]))
    taps = tap_counts_for_budget(connections, most_parameters, most_macs)
    assert all(
        connection.n_targets <= count <= connection.n_possible_taps
        for connection, count in zip(connections, taps, strict=True)
    )
    macs = sum(
        count * connection.map_size**2 for count, connection in zip(taps, connections, strict=True)
    )
    assert sum(taps) + n_nodes <= most_parameters
    assert macs <= most_macs


def test_a_budget_without_a_tap_for_each_node_is_refused():
    for bound, least in (("max_parameters", 48), ("max_macs", 5 * 64 + 7 * 36 + 9 + 3)):
        with pytest.raises(
            SettingsError, match=rf"founders.{bound}: must be at least {least}, one tap per"
        ):
            one(**{bound: least - 1})
        one(**{bound: least})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": []}, "layers must be one or more pairs"),
        ({"layers": [[8, 0]]}, "layers must be one or more pairs"),
        ({"kernel": 4}, "kernel must be odd"),
        ({"densities": [0.5]}, "densities must be 4 fractions"),
        ({"densities": [0.5, 0.5, 0, 0.5]}, "densities must be 4 fractions"),
        ({"densities": [0.5] * 4, "max_macs": 9000}, "must not be given together with"),
        ({"hidden": 9}, 'hidden must not be given if graph = "maps"'),
        ({"density": 0.3, "max_macs": 9000}, "max_macs must not be given together with density"),
        ({"active_fraction": 0.5}, 'active_fraction must not be given if graph = "maps"'),
        ({"graph": "layered"}, 'layers must not be given unless graph = "maps"'),
        ({"stored_per_edge": 0.5}, "greater than or equal to 1"),
    ],
)
def test_settings_that_do_not_fit_maps_are_refused(changes, message):
    with pytest.raises(SettingsError, match=message):
        FounderSettings(**{**SMALL, **changes})


def test_settings_come_back_from_what_a_run_writes_down():
    for founders in (FounderSettings(**SMALL), FounderSettings()):
        assert FounderSettings.model_validate_json(founders.model_dump_json()) == founders


def test_maps_need_the_side_of_their_inputs():
    settings = FounderSettings(graph="maps", layers=[[6, 4]], kernel=3)
    with pytest.raises(ValueError, match="map_size must be given if"):
        create_founders(settings, 1, 3, n_founders=1, seed=0)
