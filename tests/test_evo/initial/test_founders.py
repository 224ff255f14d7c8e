"""The first generation: sizes, densities and streams are as the settings say."""

import itertools

import numpy as np
import pytest

from evo import FounderSettings, Phenotype, SettingsError, create_founders
from evo.genome.activations import ACTIVATIONS, activation_code


def one(**settings):
    return create_founders(FounderSettings(**settings), 5, 3, n_founders=1, seed=3)[0]


ACYCLIC = ["feedforward", "layered", "small_world", "direct"]


@pytest.mark.parametrize("graph", ACYCLIC)
def test_a_founder_is_feed_forward_in_float32_without_threshold(graph):
    genome = one(graph=graph, hidden=7, density=0.5)
    assert genome.values.dtype == np.float32
    assert genome.threshold is None
    assert genome.inputs.tolist() == [0, 1, 2, 3, 4]
    assert genome.outputs.tolist() == [12, 13, 14]
    assert not np.tril(genome.to_dense()).any()
    assert not genome.to_dense()[:, :5].any()


@pytest.mark.parametrize("density", [0.1, 0.5, 1.0])
def test_the_density_is_a_share_of_the_places_that_can_hold_an_edge(density):
    genome = one(hidden=30, density=density)
    # To every later node, outputs too, but none from one input to another.
    places = 38 * 37 / 2 - 5 * 4 / 2
    assert genome.n_stored == pytest.approx(density * places, rel=0.1)


@pytest.mark.parametrize("density", [0.05, 0.3, 1.0])
def test_a_small_world_comes_as_near_to_its_density_as_equal_in_degrees_allow(density):
    genome = one(graph="small_world", hidden=30, density=density, rewiring_probability=0.5)
    in_degrees = np.diff(genome.indptr)[5:]
    available = np.arange(5, 38)
    degree = in_degrees.max()
    assert in_degrees.tolist() == np.minimum(degree, available).tolist()
    miss = [abs(np.minimum(d, available).sum() - density * available.sum()) for d in range(1, 38)]
    assert degree == 1 + int(np.argmin(miss))


def test_rewiring_is_the_fraction_of_edges_from_distant_nodes():
    lattice, random = (
        one(graph="small_world", hidden=30, rewiring_probability=p) for p in (0.0, 1.0)
    )
    assert lattice.n_stored == random.n_stored
    distance = [
        np.repeat(np.arange(38), np.diff(genome.indptr)) - genome.indices
        for genome in (lattice, random)
    ]
    assert distance[0].max() == np.diff(lattice.indptr).max()
    assert distance[1].mean() > 2 * distance[0].mean()


def test_a_recurrent_founder_has_edges_of_both_kinds_and_uses_them_from_two_ticks_on():
    genome = one(graph="recurrent", hidden=20, density=0.3, ticks=2)
    assert np.tril(genome.to_dense()).any()
    assert np.triu(genome.to_dense(), 1).any()
    assert not genome.to_dense()[:, :5].any()
    assert genome.n_stored == round(0.3 * 28 * 23)
    alone = one(graph="recurrent", hidden=20, density=0.3, ticks=1)
    assert alone.effective_mask().sum() < genome.effective_mask().sum()


def test_a_direct_founder_has_hidden_nodes_in_waiting():
    genome = one(graph="direct", hidden=4, density=1.0)
    assert genome.n_nodes == 12
    expected = np.zeros((12, 12), dtype=bool)
    expected[:5, 9:] = True
    np.testing.assert_array_equal(genome.to_dense() != 0, expected)


def test_without_hidden_nodes_edges_lead_from_inputs_to_outputs_and_to_later_outputs():
    for graph in ("feedforward", "layered"):
        genome = one(graph=graph, hidden=0, density=1.0)
        assert genome.n_nodes == 8
        assert genome.n_stored == 5 * 3 + 3


def blocks(genome, sizes):
    """Return the number of edges between every two layers, shape (layers, layers)."""
    layer = np.repeat(np.arange(len(sizes)), sizes)
    counts = np.zeros((len(sizes), len(sizes)), dtype=int)
    target = np.repeat(np.arange(genome.n_nodes), np.diff(genome.indptr))
    np.add.at(counts, (layer[genome.indices], layer[target]), 1)
    return counts


def test_edges_lead_from_each_layer_to_the_next():
    settings = FounderSettings(graph="layered", hidden=[9, 4, 6], density=0.5)
    sizes = settings.layer_sizes(5, 3)
    assert sizes == (5, 9, 4, 6, 3)
    genome = create_founders(settings, 5, 3, n_founders=1, seed=0)[0]
    expected = np.diag([round(0.5 * m * n) for m, n in itertools.pairwise(sizes)], 1)
    np.testing.assert_array_equal(blocks(genome, sizes), expected)


def test_one_number_of_hidden_nodes_and_a_list_of_one_are_the_same():
    number, listed = (one(graph="layered", hidden=hidden, density=0.5) for hidden in (7, [7]))
    assert number.equals(listed)


def test_epsilon_gives_each_pair_of_layers_the_edges_of_set_and_no_more_than_there_are():
    settings = FounderSettings(graph="layered", hidden=[200, 100], epsilon=2)
    sizes = settings.layer_sizes(50, 3)
    genome = create_founders(settings, 50, 3, n_founders=1, seed=0)[0]
    expected = np.diag([2 * (50 + 200), 2 * (200 + 100), 2 * (100 + 3)], 1)
    np.testing.assert_array_equal(blocks(genome, sizes), expected)
    full = create_founders(
        settings.model_copy(update={"epsilon": 500}), 50, 3, n_founders=1, seed=0
    )[0]
    assert np.diagonal(blocks(full, sizes), 1).tolist() == [50 * 200, 200 * 100, 100 * 3]


def test_density_one_is_the_dense_perceptron_as_a_graph():
    genome = one(graph="layered", hidden=[6, 4], density=1)
    network = Phenotype(genome, "squared_error")
    W, X = genome.to_dense(), np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    first = np.tanh(X @ W[:5, 5:11])
    second = np.tanh(first @ W[5:11, 11:15])
    np.testing.assert_allclose(network.output(X), second @ W[11:15, 15:], rtol=1e-4, atol=1e-5)


def test_only_layered_founders_have_layers():
    for graph in ("feedforward", "recurrent", "small_world", "direct"):
        assert FounderSettings(graph=graph).layer_sizes(5, 3) == ()
    assert FounderSettings(graph="layered", hidden=0).layer_sizes(5, 3) == ()


@pytest.mark.parametrize("settings", [{}, {"graph": "layered", "hidden": [4, 3], "epsilon": 2}])
def test_what_is_stored_of_settings_is_complete_and_is_read_back(settings):
    founders = FounderSettings(**settings)
    assert founders.density == (None if settings else 0.2)
    assert FounderSettings.model_validate_json(founders.model_dump_json()) == founders


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"hidden": [4, 3]}, 'hidden must be one number unless graph = "layered"; got .4, 3.'),
        (
            {"graph": "layered", "hidden": []},
            r"hidden must be an integer of at least 0, or a list .*; got \[\]",
        ),
        ({"graph": "layered", "hidden": [4, 0]}, "integers of at least 1"),
        ({"graph": "layered", "hidden": 2.5}, "integer of at least 0"),
        ({"hidden": True}, "hidden must be a number"),
        ({"epsilon": 20}, 'epsilon must not be given unless graph = "layered"; got 20'),
        (
            {"graph": "layered", "hidden": 0, "epsilon": 20},
            "hidden must be at least 1 if epsilon is given; got 0",
        ),
        (
            {"graph": "layered", "epsilon": 20, "density": 0.5},
            "must not be given together with density",
        ),
        ({"graph": "layered", "epsilon": 0}, "greater than 0"),
    ],
    ids=str,
)
def test_settings_that_contradict_each_other_are_refused_by_name(settings, rule):
    with pytest.raises(SettingsError, match=rule) as caught:
        FounderSettings(**settings)
    assert "\n" not in str(caught.value)


def test_activation_and_ticks_go_to_the_genome_and_outputs_stay_linear():
    genome = one(hidden=4, activation="leaky_relu", ticks=3)
    assert genome.ticks == 3
    assert genome.activations.tolist() == [0] * 5 + [4] * 4 + [0] * 3


def test_founders_differ_and_another_seed_gives_others():
    settings = FounderSettings(hidden=7)
    prints = {
        genome.fingerprint()
        for seed in (0, 1)
        for genome in create_founders(settings, 5, 3, n_founders=4, seed=seed)
    }
    assert len(prints) == 8


@pytest.mark.parametrize("graph", [*ACYCLIC, "recurrent"])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "leaky_relu"])
def test_scores_of_a_founder_are_neither_dead_nor_huge(activation, graph):
    X = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    genome = one(graph=graph, hidden=40, density=0.5, activation=activation)
    network = Phenotype(genome, "squared_error")
    assert 0.1 < network.output(X).std() < 10


@pytest.mark.parametrize(
    "settings",
    [
        {"graph": "lattice"},
        {"rewiring_probability": 1.5},
        {"density": 0.0},
        {"density": 1.5},
        {"hidden": -1},
        {"ticks": 0},
        {"activation": "softplus"},
    ],
    ids=str,
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(SettingsError):
        FounderSettings(**settings)


@pytest.mark.parametrize("graph", ["feedforward", "layered", "recurrent"])
def test_the_largest_entries_are_active_and_the_rest_can_become_active(graph):
    settings = {"graph": graph, "hidden": 12, "density": 0.9, "ticks": 2}
    everything, some = one(**settings), one(**settings, active_fraction=0.3)
    assert np.array_equal(everything.values, some.values)
    active = some.active_mask()
    assert active.sum() == round(0.3 * some.n_stored)
    assert np.abs(some.values[active]).min() > np.abs(some.values[~active]).max()
    learning = Phenotype(some, dormant="straight_through")
    assert learning.n_edges > 2 * Phenotype(some).n_edges


def test_a_sequence_has_a_part_of_its_features_at_each_tick():
    settings = FounderSettings(graph="recurrent", ticks=4, sequence=True)
    assert settings.input_layer((12,)) == (1, 3)
    assert FounderSettings().input_layer((3, 4)) == (1, 12)
    rule = r"founders\.ticks: must divide the 10 features if sequence = true; got 4"
    with pytest.raises(SettingsError, match=rule):
        settings.input_layer((10,))
    with pytest.raises(SettingsError, match="ticks must be at least 2 if sequence = true; got 1"):
        FounderSettings(sequence=True)


def test_settings_know_every_activation():
    for name in ACTIVATIONS:
        assert FounderSettings(activation=name).activation == name
    genome = one(activation="gelu")
    assert set(genome.activations[5:-3]) == {activation_code("gelu")}
