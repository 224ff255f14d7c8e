"""Individuals that are nothing but numbers, and settings with which every selection works."""

from types import SimpleNamespace

import numpy as np

from evo import Genome
from evo.selection import SELECTIONS, SelectionSettings

NEEDED = {
    "map_elites": {"descriptors": ["parameters"], "bounds": {"parameters": [0, 100]}},
    "novelty": {"descriptors": ["parameters"]},
}
"""What selections need beside their name."""

GENOME = Genome.from_matrix(np.triu(np.ones((4, 4)), 1), n_inputs=2, n_outputs=1)


def scheme(name, **settings):
    """Return the values of a section for a selection."""
    return {"name": name, **NEEDED.get(name, {}), **settings}


def individual(
    number, fitness, slot=0, generation=0, *, origin="child", genome=GENOME, metrics=None, **sizes
):
    """Return an individual with a fitness; its sizes are 0 unless given."""
    return SimpleNamespace(
        job=SimpleNamespace(individual=number, slot=slot, generation=generation, origin=origin),
        fitness=fitness,
        genome=genome,
        metrics=metrics or {},
        statistics=SimpleNamespace(**{"parameters": 0, "macs": 0} | sizes),
    )


def population(*fitnesses):
    """Return founders with these fitnesses, one for each slot."""
    return [individual(k, fitness, k) for k, fitness in enumerate(fitnesses)]


def numbers(individuals):
    """Return the numbers of individuals."""
    return [one.job.individual for one in individuals]


def propose(name, members, seed=0, **settings):
    """Return what a selection requests."""
    chosen = SelectionSettings(**scheme(name, **settings))
    return SELECTIONS[name].propose(members, chosen, np.random.default_rng(seed))


def select(name, members, offspring, generation=1, **settings):
    """Return whom a selection keeps."""
    chosen = SelectionSettings(**scheme(name, **settings))
    return SELECTIONS[name].select(members, offspring, chosen, generation)
