"""Graphs of networks that a reward judged, run by onnxruntime for whole episodes, against what `act` returns."""

from dataclasses import replace

import numpy as np
import pytest

from evo import Genome, Interface, Predictor
from evo.rewards import Actions, Observations

pytest.importorskip("onnx", reason="needs ONNX: pip install onnx")
runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install onnxruntime")

N_INPUTS, N_OUTPUTS = 5, 4

NUMBERS = Observations("numbers", (0.0, 1.0, -0.3, 0.0, 50.0), (1.0, 2.0, 0.9, 0.07, 50.0))
CHOICES = Observations("one_hot", counts=(2, 3), start=(4, -1))

ACTIONS = {
    "discrete": Actions("discrete", counts=(4,), start=-1),
    "multi_discrete": Actions("multi_discrete", counts=(2, 2), shape=(2, 1), start=(1, 4)),
    "multi_binary": Actions("multi_binary", shape=(2, 2)),
    "numbers": Actions("numbers", (-2.0, 0.0) + (-np.inf,) * 2, (2.0, 10.0) + (np.inf,) * 2, (4,)),
    "one bound": Actions("numbers", (0.0,) * 2 + (-np.inf,) * 2, (np.inf,) * 2 + (0.1,) * 2, (4,)),
    "whole": Actions("numbers", (0.0,) * 4, (255.0,) * 4, (2, 2), dtype="uint8"),
    "wide": Actions("numbers", (-np.inf,) * 4, (np.inf,) * 4, (4,), dtype="int64"),
}


def network(rng, ticks):
    """Return a network with edges from any node to any node."""
    n = N_INPUTS + 6 + N_OUTPUTS
    matrix = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.4)
    matrix = (0.5 * matrix).astype(np.float32)  # rounding errors must not grow along an episode
    return Genome.from_matrix(
        matrix, n_inputs=N_INPUTS, n_outputs=N_OUTPUTS, activation="tanh", ticks=ticks
    )


class Played:
    """A graph that acts, and the state of the episode."""

    def __init__(self, predictor):
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = runtime.InferenceSession(
            predictor.to_onnx().SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        shapes = {one.name: one.shape for one in self.session.get_inputs()}
        self.state = np.zeros((1, shapes["state"][1]), np.float32) if "state" in shapes else None

    def act(self, observation):
        """Return the values of the outputs and the action."""
        inputs = {"observation": np.ravel(observation)[None]}
        if self.state is None:
            return [one[0] for one in self.session.run(["values", "action"], inputs)]
        inputs["state"] = self.state
        values, action, self.state = self.session.run(["values", "action", "next_state"], inputs)
        return values[0], action[0]


def observed(rng, observations):
    if observations.kind == "one_hot":
        return rng.integers(0, observations.counts) + observations.start
    return rng.normal(observations.offset, observations.scale).astype(np.float32).astype(float)


@pytest.mark.parametrize("kind", ACTIONS)
@pytest.mark.parametrize("observations", [NUMBERS, CHOICES], ids=["numbers", "choices"])
@pytest.mark.parametrize("ticks", [1, 3])
def test_an_episode_of_the_graph_is_that_of_the_network(kind, observations, ticks):
    rng = np.random.default_rng(ticks)
    interface = Interface(observations, ACTIONS[kind])
    predictor = Predictor(network(rng, ticks), loss="squared_error", interface=interface)
    played, actions = Played(predictor), []
    assert (played.state is not None) == (ticks > 1)
    for _ in range(20):
        observation = observed(rng, observations)
        expected = predictor.act(observation)
        _, action = played.act(observation)
        assert action.dtype == np.asarray(expected).dtype
        assert action.shape == np.shape(expected)
        np.testing.assert_allclose(action, expected, rtol=1e-5, atol=1e-5)
        actions.append(action)
    assert len(np.unique(actions, axis=0)) > 1


def test_without_an_interface_numbers_go_in_and_out(any_network):
    n_with_memory = 0
    for seed in range(12):
        genome, rng, _ = any_network(seed)
        values, bias = 0.4 * genome.values, genome.bias
        genome = replace(genome, values=values.astype(np.float32), bias=bias.astype(np.float32))
        predictor = Predictor(genome, loss="squared_error", acts=True)
        played = Played(predictor)
        for _ in range(4):
            observation = rng.normal(size=genome.n_features)
            expected = predictor.act(observation)
            for found in played.act(observation):
                np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        without_state = predictor.network.output(observation[None])[0]
        n_with_memory += not np.allclose(without_state, expected, rtol=1e-3, atol=1e-3)
    assert n_with_memory > 3


def test_several_episodes_go_side_by_side():
    rng = np.random.default_rng(0)
    interface = Interface(NUMBERS, ACTIONS["discrete"])
    predictor = Predictor(network(rng, 2), loss="squared_error", interface=interface)
    together = Played(predictor)
    n_values = together.state.shape[1]
    state = rng.normal(size=(3, n_values)).astype(np.float32)
    observations = np.array([observed(rng, NUMBERS) for _ in range(3)])
    inputs = {"observation": observations, "state": state}
    _, actions, next_state = together.session.run(["values", "action", "next_state"], inputs)
    assert actions.shape == (3,)
    assert next_state.shape == (3, n_values)
    for k in range(3):
        together.state = state[k : k + 1]
        assert together.act(observations[k])[1] == actions[k]
        np.testing.assert_allclose(together.state[0], next_state[k], rtol=1e-5, atol=1e-6)
