"""A small dense network that acts: it gets inputs step by step, answers each of them, and may keep its state."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import allocating_kernel, kernel
from evo.gradient_free.dense_kernels import Floats, Network, Networks
from evo.gradient_free.neuroevolution_kernels import network_at, run


class Interface(NamedTuple):
    """How tasks deal with all networks of a population.

    Attributes
    ----------
    n_inputs, n_outputs : int
    ticks : int
        Ticks of the network at each step of an episode.
    memory : bool
        Whether a network keeps its state from step to step. Without memory every node but the inputs starts at 0.
    steps : ndarray of int64, shape (n_networks,)
        The steps that each network has acted, which :func:`act` counts.
    """

    n_inputs: int
    n_outputs: int
    ticks: int
    memory: bool
    steps: NDArray[np.int64]


def interface_to(
    n_networks: int, n_inputs: int, n_outputs: int, ticks: int, *, memory: bool
) -> Interface:
    """Return how tasks deal with some networks that have not acted yet."""
    return Interface(n_inputs, n_outputs, ticks, memory, np.zeros(n_networks, np.int64))


class Agent(NamedTuple):
    """A network in one episode.

    Attributes
    ----------
    inputs : ndarray of float32, shape (n_inputs,)
        Written by the task before each :func:`act`.
    outputs : ndarray of float32, shape (n_outputs,)
        Written by :func:`act`.
    network, interface, state, net_input, steps
        For :func:`act`. The state has shape (n_nodes, 1), the steps shape (1,).
    """

    inputs: Floats
    outputs: Floats
    network: Network
    interface: Interface
    state: Floats
    net_input: Floats
    steps: NDArray[np.int64]


@allocating_kernel
def create_agent(networks: Networks, p: int, interface: Interface) -> Any:
    """Return a network at the beginning of an episode: all its nodes are at 0."""
    n = networks.ids.shape[1]
    state = np.zeros((n, 1), np.float32)
    return Agent(
        state[: interface.n_inputs, 0],
        state[n - interface.n_outputs :, 0],
        network_at(networks, p),
        interface,
        state,
        np.empty(1, np.float32),
        interface.steps[p : p + 1],
    )


@kernel
def act(agent: Agent) -> None:
    """Run the network on its inputs for one step of an episode, which is some ticks; the outputs are written."""
    interface = agent.interface
    if not interface.memory:
        agent.state[interface.n_inputs :] = 0
    delayed = interface.ticks > 1 or interface.memory
    run(agent.network, interface.n_inputs, interface.ticks, delayed, agent.state, agent.net_input)
    agent.steps[0] += 1
