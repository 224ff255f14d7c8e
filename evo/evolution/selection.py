"""Selection: which individuals get children, and which individuals survive.

A selection is two functions. `propose` requests offspring of the population, each for one slot. `select` fills the
slots from the evaluated offspring. All schemes train every survivor for equally many steps, so no individual wins
because it was trained longer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evo.evolution.individual import Individual
from evo.evolution.settings import SELECTIONS, Selection, SelectionSettings


@dataclass(frozen=True)
class OffspringRequest:
    """A request for one offspring.

    Attributes
    ----------
    parent : int
        Index of the parent in the population.
    slot : int
        Slot for which the offspring competes.
    modified : bool
        Whether the offspring is modified before it is trained.
    """

    parent: int
    slot: int
    modified: bool


def ranked(individuals: Sequence[Individual]) -> list[Individual]:
    """Return the individuals with a fitness, best first; ties are ordered by number."""
    scored = [individual for individual in individuals if individual.fitness is not None]
    return sorted(scored, key=lambda one: (-(one.fitness or 0.0), one.job.individual))


def continue_all(population: Sequence[Individual]) -> list[OffspringRequest]:
    """Request that every individual is trained further, in its slot."""
    return [OffspringRequest(slot, slot, modified=False) for slot in range(len(population))]


def best_of_each_slot(
    population: Sequence[Individual], offspring: Sequence[Individual]
) -> list[Individual]:
    """Fill each slot with its best offspring; if all its offspring failed, the present holder stays."""
    return [
        next(iter(ranked([one for one in offspring if one.job.slot == slot])), holder)
        for slot, holder in enumerate(population)
    ]


# -- local search per lineage ------------------------------------------------------------------------------------------


def _propose_local(
    population: Sequence[Individual], settings: SelectionSettings, rng: np.random.Generator
) -> list[OffspringRequest]:
    """Request one child of every individual, and the individual itself trained further.

    If replacement has put an individual into two slots, the second slot gets two children: training the individual
    further twice would give twins.
    """
    requests, seen = [], set()
    for slot, holder in enumerate(population):
        requests.append(OffspringRequest(slot, slot, modified=holder.job.individual in seen))
        requests.append(OffspringRequest(slot, slot, modified=True))
        seen.add(holder.job.individual)
    return requests


def _select_local(
    population: Sequence[Individual],
    offspring: Sequence[Individual],
    settings: SelectionSettings,
    generation: int,
) -> list[Individual]:
    """Keep the better of parent and child; at intervals, replace the worse half of the slots by the better half."""
    survivors = best_of_each_slot(population, offspring)
    if generation % settings.replacement_interval == 0 and len(survivors) > 1:
        order = ranked(survivors)
        best = iter(order[: len(survivors) // 2])
        kept = {one.job.individual for one in order[: (len(survivors) + 1) // 2]}
        survivors = [one if one.job.individual in kept else next(best, one) for one in survivors]
    return survivors


# -- tournament and random search --------------------------------------------------------------------------------------


def _propose_tournament(
    population: Sequence[Individual], settings: SelectionSettings, rng: np.random.Generator
) -> list[OffspringRequest]:
    """Request the elites trained further, and children of tournament winners in all other slots."""
    position = {id(one): k for k, one in enumerate(population)}
    order = ranked(population) or list(population)
    n_elites = min(settings.elites, len(order), len(population))
    requests = [
        OffspringRequest(position[id(one)], slot, modified=False)
        for slot, one in enumerate(order[:n_elites])
    ]
    for slot in range(n_elites, len(population)):
        # `order` is sorted, so the winner is the contestant with the lowest rank.
        winner = order[int(rng.integers(len(order), size=settings.tournament_size).min())]
        requests.append(OffspringRequest(position[id(winner)], slot, modified=True))
    return requests


def _propose_random(
    population: Sequence[Individual], settings: SelectionSettings, rng: np.random.Generator
) -> list[OffspringRequest]:
    """Request one child of every individual, whatever its fitness.

    With the policy ``random`` this is random search, with new topologies in every generation. With ``set`` or ``rigl``
    each slot is one network, rewired as published. With other policies it is a random walk. Fitness chooses only the
    best individual of the last population.
    """
    return [OffspringRequest(slot, slot, modified=True) for slot in range(len(population))]


def _select_offspring(
    population: Sequence[Individual],
    offspring: Sequence[Individual],
    settings: SelectionSettings,
    generation: int,
) -> list[Individual]:
    """Fill each slot with its offspring; if the offspring failed, the present holder stays."""
    return best_of_each_slot(population, offspring)


SELECTIONS.fill(
    {
        "local_search": Selection(
            _propose_local,
            _select_local,
            2,
            "keep the better of a child and its parent trained further",
        ),
        "tournament": Selection(
            _propose_tournament,
            _select_offspring,
            1,
            "train the elites on, breed from tournament winners",
        ),
        "random_search": Selection(
            _propose_random, _select_offspring, 1, "replace every individual by its child"
        ),
    }
)
