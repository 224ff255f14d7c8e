"""The first generation: sizes, densities and streams are as the settings say."""

import numpy as np
import pytest
from pydantic import ValidationError

from evo import FounderSettings, Phenotype, found


def one(**settings):
    return found(FounderSettings(**settings), 5, 3, n_founders=1, seed=3)[0]


@pytest.mark.parametrize("graph", ["feedforward", "layered"])
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


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "leaky_relu"])
def test_scores_of_a_founder_are_neither_dead_nor_huge(activation):
    X = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    network = Phenotype(one(hidden=40, density=0.5, activation=activation), "squared_error")
    assert 0.1 < network.output(X).std() < 10


@pytest.mark.parametrize(
    "settings",
    [{"density": 0.0}, {"density": 1.5}, {"hidden": -1}, {"ticks": 0}, {"activation": "softplus"}],
    ids=str,
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValidationError):
        FounderSettings(**settings)
