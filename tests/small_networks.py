"""Populations of small networks for tests of evolution without gradients."""

import numpy as np

from evo.gradient_free.dense_population import empty_log, empty_networks
from evo.gradient_free.selection import Parentage


def bred_population(problem, generations=4):
    networks, others = (empty_networks(problem.size, problem.n_nodes) for _ in range(2))
    problem.create_founders(networks, 0, problem.size)
    everyone = Parentage(np.arange(problem.size, dtype=np.int32), None, 0)
    nothing = empty_log(0, problem.n_nodes)
    for generation in range(1, generations):
        problem.breed(networks, everyone, generation, 0, problem.size, others, nothing)
        networks, others = others, networks
    return networks
