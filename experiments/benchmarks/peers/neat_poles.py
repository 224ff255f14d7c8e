"""neat-python as a peer on two poles: its networks and its evolution in Python, our physics in compiled code."""

from typing import Any

import numpy as np

from evo.gradient_free.control import pole_kernels as poles
from experiments.benchmarks.peers.neat import Sections, evolve, neat_config

OF_NEAT: Sections = {
    "NEAT": {"pop_size": 150},
    "DefaultGenome": {
        "compatibility_disjoint_coefficient": 1.0,
        "compatibility_weight_coefficient": 0.4,
        "conn_add_prob": 0.05,
        "conn_delete_prob": 0.0,
        "node_add_prob": 0.03,
        "node_delete_prob": 0.0,
        "weight_init_stdev": 1.0,
        "weight_mutate_rate": 0.8,
        "weight_mutate_power": 0.5,
        "weight_replace_rate": 0.1,
        "num_outputs": 1,
    },
    "DefaultSpeciesSet": {"compatibility_threshold": 3.0},
    "DefaultStagnation": {"max_stagnation": 15},
}
"""The parameters of Stanley and Miikkulainen (2002) for two poles, where neat-python has them."""


def poles_config(n_inputs: int, *, recurrent: bool, threshold: float, settings: Sections) -> Any:
    """Return a configuration for two poles.

    Parameters
    ----------
    n_inputs : int
        6 with velocities, 3 without.
    recurrent : bool
        Whether networks have memory.
    threshold : float
        The fitness that ends a run.
    settings : mapping
        Those of its evolution.
    """
    genome = {**settings["DefaultGenome"], "num_inputs": n_inputs, "feed_forward": not recurrent}
    neat = {**settings["NEAT"], "fitness_threshold": threshold}
    return neat_config({**settings, "NEAT": neat, "DefaultGenome": genome})


def balance(network: Any, episode: Any, *, sees_velocities: bool) -> tuple[int, list[float]]:
    """Play an episode with a network of neat-python.

    Returns
    -------
    int
        Steps without a fall.
    list of float
        |x| + |ẋ| + |θ₁| + |θ̇₁| after each of the last 100 steps.
    """
    state, workspace = np.array(episode[1:]), np.empty((5, len(episode) - 1))
    stride, swings = (1 if sees_velocities else 2), list[float]()
    scales = poles.SCALES[::stride]
    for step in range(int(episode[0])):
        inputs = [x / scale for x, scale in zip(state[::stride].tolist(), scales, strict=True)]
        force = 20.0 * (network.activate(inputs)[0] - 0.5)
        for _ in range(poles.INTEGRATION_STEPS):
            poles.integrate(poles.DOUBLE, state, force, workspace)
        if not poles.balances(state, poles.DOUBLE_ANGLE):
            return step, swings
        swings = [*swings[1 - poles.WINDOW :], float(np.abs(state[:4]).sum())]
    return int(episode[0]), swings


def evolve_poles(
    config: Any, episode: Any, *, seed: int, max_evaluations: int, sees_velocities: bool
) -> tuple[int, bool, int]:
    """Run neat-python on two poles; return what :func:`experiments.benchmarks.peers.neat.evolve` returns.

    The fitness is the number of steps with velocities, and that of Gruau without.
    """

    def fitness(network: Any) -> float:
        steps, swings = balance(network, episode, sees_velocities=sees_velocities)
        if sees_velocities:
            return float(steps)
        return float(poles.gruau_fitness(steps, float(episode[0]), np.array(swings)))

    kind = "FeedForwardNetwork" if sees_velocities else "RecurrentNetwork"
    generations = max(1, max_evaluations // config.pop_size)
    return evolve(config, fitness, kind=kind, seed=seed, generations=generations)
