"""A network that acts observation after observation, compared with a slow program for the same formula."""

import math

import numpy as np
import pytest

from evo import Actor, Genome, Phenotype
from evo.genome.activations import activation_name
from evo.genome.genome import Role

PHI = {"identity": lambda n: n, "tanh": math.tanh, "relu": lambda n: max(n, 0.0)}


def drawn(seed, ticks, n_inputs=3, n_hidden=6, n_outputs=2):
    """Return a network with edges from any node to any node, in float64."""
    rng = np.random.default_rng(seed)
    n = n_inputs + n_hidden + n_outputs
    matrix = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.4)
    names = [str(name) for name in rng.choice(list(PHI), n)]
    return Genome.from_matrix(
        matrix,
        n_inputs=n_inputs,
        n_outputs=n_outputs,
        activation=names,
        bias=rng.normal(size=n),
        ticks=ticks,
    )


def outputs_of_episode(genome, observations):
    """Follow the formula tick by tick: all ticks for each observation, from the state that the last one left."""
    n, weights = genome.n_nodes, genome.to_dense()
    inputs, outputs = genome.inputs.tolist(), genome.outputs.tolist()
    before, found = [0.0] * n, []
    for observation in observations:
        clamped = dict(zip(inputs, map(float, observation), strict=True))
        before = [clamped.get(i, before[i]) for i in range(n)]
        for _ in range(genome.ticks):
            now = [clamped.get(i, 0.0) for i in range(n)]
            for j in range(n):
                if genome.roles[j] == Role.INPUT:
                    continue
                net = float(genome.bias[j])
                for i in range(n):
                    net += weights[i, j] * (now[i] if i < j else before[i])
                now[j] = PHI[activation_name(genome.activations[j])](net)
            before = now
        found.append([before[i] for i in outputs])
    return found


@pytest.mark.parametrize("ticks", [2, 3])
def test_a_state_lasts_from_one_observation_to_the_next(ticks):
    """Every entry counts here, so only networks are compared in which each of them is effective."""
    compared = 0
    for seed in range(40):
        genome = drawn(seed, ticks)
        if not genome.effective_mask().all():
            genome = genome_of_effective_edges(genome)
        observations = np.random.default_rng((seed, 1)).normal(size=(5, 3))
        actor = Actor(Phenotype(genome, "squared_error"))
        acted = [actor.act(one) for one in observations]
        np.testing.assert_allclose(acted, outputs_of_episode(genome, observations), rtol=1e-9)
        compared += not np.allclose(
            acted, Phenotype(genome, "squared_error").output(observations), rtol=1e-3
        )
    assert compared > 20  # the state has a say


def genome_of_effective_edges(genome):
    """Return the network without the edges that no output depends on within the ticks of one observation."""
    values = np.where(genome.effective_mask(), genome.values, 0.0)
    return genome.with_values(values, genome.bias)


@pytest.mark.parametrize("ticks", [1, 2, 4])
def test_the_first_action_is_the_output_for_one_sample_bit_for_bit(ticks):
    for seed in range(20):
        network = Phenotype(drawn(seed, ticks), "squared_error")
        observation = np.random.default_rng(seed).normal(size=3)
        actor = Actor(network)
        first = actor.act(observation)
        np.testing.assert_array_equal(first, network.output(observation[None])[0])
        actor.act(-observation)
        actor.reset()
        np.testing.assert_array_equal(first, actor.act(observation))
        assert actor.steps == 3


def test_feature_maps_act_too(map_genome):
    network = Phenotype(map_genome, "squared_error")
    image = np.random.default_rng(0).normal(size=(6, 6))
    acted = Actor(network).act(image)
    np.testing.assert_allclose(acted, network.output(image[None])[0], rtol=1e-6)


@pytest.fixture
def map_genome():
    from evo import FounderSettings, create_founders

    settings = FounderSettings(graph="maps", layers=[[6, 3], [3, 4], [1, 5]], kernel=3)
    return create_founders(settings, 1, 2, n_founders=1, seed=0, map_size=6)[0]


def test_an_actor_sees_weights_that_change():
    network = Phenotype(drawn(1, 1), "squared_error")
    actor = Actor(network)
    before = actor.act([1.0, 2.0, 3.0])
    network.parameters[...] *= 2.0
    assert not np.array_equal(before, actor.act([1.0, 2.0, 3.0]))


def test_an_observation_of_another_size_is_refused():
    actor = Actor(Phenotype(drawn(1, 1), "squared_error"))
    with pytest.raises(ValueError, match=r"observation must have 3 numbers; got shape \(2,\)"):
        actor.act([1.0, 2.0])
    for other in ({"x": 1.0}, [[1.0, 2.0], [3.0]], "left"):
        with pytest.raises(
            ValueError, match=r"observation must have 3 numbers; got (.*x|.*2|'left)"
        ):
            actor.act(other)
    with pytest.raises(
        ValueError, match=r"observation must have finite numbers; got \[1.0, nan, 2.0\]"
    ):
        actor.act([1.0, np.nan, 2.0])
