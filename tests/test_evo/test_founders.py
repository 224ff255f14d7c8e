"""The first generation: sizes, densities and streams are as the settings say."""

import numpy as np
import pytest
from pydantic import ValidationError

from evo import FounderSettings, Phenotype, found


def one(**settings):
    return found(FounderSettings(**settings), 5, 3, n_founders=1, seed=3)[0]


ACYCLIC = ["feedforward", "layered", "small_world", "direct"]


@pytest.mark.parametrize("graph", ACYCLIC)
def test_a_founder_is_feed_forward_in_float32_without_threshold(graph):
    genome = one(graph=graph, hidden=7, density=0.5)
    assert genome.values.dtype == np.float32
    assert genome.limit is None
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
    genome = one(graph="small_world", hidden=30, density=density, rewiring=0.5)
    heard = np.diff(genome.indptr)[5:]
    available = np.arange(5, 38)
    degree = heard.max()
    assert heard.tolist() == np.minimum(degree, available).tolist()
    miss = [abs(np.minimum(d, available).sum() - density * available.sum()) for d in range(1, 38)]
    assert degree == 1 + int(np.argmin(miss))


def test_rewiring_is_the_share_of_edges_that_come_from_far_away():
    lattice, random = (one(graph="small_world", hidden=30, rewiring=p) for p in (0.0, 1.0))
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


def test_without_hidden_nodes_inputs_speak_to_outputs_and_outputs_to_later_ones():
    for graph in ("feedforward", "layered"):
        genome = one(graph=graph, hidden=0, density=1.0)
        assert genome.n_nodes == 8
        assert genome.n_stored == 5 * 3 + 3


def test_activation_and_ticks_go_to_the_genome_and_outputs_stay_linear():
    genome = one(hidden=4, activation="leaky_relu", ticks=3)
    assert genome.ticks == 3
    assert genome.activations.tolist() == [0] * 5 + [4] * 4 + [0] * 3


def test_founders_differ_and_another_seed_gives_others():
    settings = FounderSettings(hidden=7)
    prints = {
        genome.fingerprint()
        for seed in (0, 1)
        for genome in found(settings, 5, 3, n_founders=4, seed=seed)
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
        {"rewiring": 1.5},
        {"density": 0.0},
        {"density": 1.5},
        {"hidden": -1},
        {"ticks": 0},
        {"activation": "softplus"},
    ],
    ids=str,
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValidationError):
        FounderSettings(**settings)
