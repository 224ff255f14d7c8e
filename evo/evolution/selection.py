"""Selection: which individuals get children, and which individuals survive.

A selection is two functions. `propose` requests offspring of the population, each for one slot. `select` fills the
slots from the evaluated offspring. All schemes train every survivor for equally many steps, so no individual wins
because it was trained longer.

In the asynchronous mode (:mod:`evo.evolution.asynchronous`) a selection requests one offspring at a time, of the
individuals that are known by then.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evo.evolution.individual import Individual
from evo.evolution.settings import SELECTIONS, Selection, SelectionSettings, SingleSelection


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


@dataclass(frozen=True)
class Vacancy:
    """One offspring that a selection has to request, in the asynchronous mode.

    Attributes
    ----------
    slot : int
        Slot for which the offspring will compete.
    index : int
        0 for the first offspring of the slot in the generation, 1 for the second one.
    n_slots : int
    known : mapping
        The individuals of the generation before that hold a slot already, by slot.
    continued : collection of int
        The numbers of those among them that are trained further in this generation already.
    """

    slot: int
    index: int
    n_slots: int
    known: Mapping[int, Individual]
    continued: Collection[int]


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


def _propose_local_offspring(
    vacancy: Vacancy, settings: SelectionSettings, rng: np.random.Generator
) -> OffspringRequest:
    """Request the holder of the slot trained further, and then a child of it; two children of one in two slots."""
    is_twin = vacancy.known[vacancy.slot].job.individual in vacancy.continued
    return OffspringRequest(vacancy.slot, vacancy.slot, modified=vacancy.index > 0 or is_twin)


def _replace_local(
    slot: int, known: Mapping[int, Individual], settings: SelectionSettings, generation: int
) -> Individual:
    """At intervals, replace a holder that is in the worse half of those known so far by one of the better half.

    The best one replaces the first of the worse half, and so on.
    """
    holder = known[slot]
    if generation % settings.replacement_interval:
        return holder
    order = ranked(list({one.job.individual: one for one in known.values()}.values()))
    n_kept = (len(order) + 1) // 2
    numbers = [one.job.individual for one in order]
    number = holder.job.individual
    rank = numbers.index(number) if number in numbers else len(order)
    return order[rank - n_kept] if order and rank >= n_kept else holder


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


def _propose_tournament_offspring(
    vacancy: Vacancy, settings: SelectionSettings, rng: np.random.Generator
) -> OffspringRequest:
    """Request the child of a tournament winner; for the last slots, when most is known, the elites trained further."""
    slot_of = {one.job.individual: slot for slot, one in vacancy.known.items()}
    order = [one.job.individual for one in ranked(list(vacancy.known.values()))]
    if vacancy.slot >= vacancy.n_slots - settings.elites:
        for number in order:
            if number not in vacancy.continued:
                return OffspringRequest(slot_of[number], vacancy.slot, modified=False)
    winner = order[int(rng.integers(len(order), size=settings.tournament_size).min())]
    return OffspringRequest(slot_of[winner], vacancy.slot, modified=True)


def _propose_random(
    population: Sequence[Individual], settings: SelectionSettings, rng: np.random.Generator
) -> list[OffspringRequest]:
    """Request one child of every individual, whatever its fitness.

    With the policy ``random`` this is random search, with new topologies in every generation. With ``set`` or ``rigl``
    each slot is one network, rewired as published. With other policies it is a random walk. Fitness chooses only the
    best individual of the last population.
    """
    return [OffspringRequest(slot, slot, modified=True) for slot in range(len(population))]


def _propose_random_offspring(
    vacancy: Vacancy, settings: SelectionSettings, rng: np.random.Generator
) -> OffspringRequest:
    """Request a child of the holder of the slot."""
    return OffspringRequest(vacancy.slot, vacancy.slot, modified=True)


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
            SingleSelection(_propose_local_offspring, own_slot=True, replace=_replace_local),
        ),
        "tournament": Selection(
            _propose_tournament,
            _select_offspring,
            1,
            "train the elites on, breed from tournament winners",
            SingleSelection(_propose_tournament_offspring, own_slot=False),
        ),
        "random_search": Selection(
            _propose_random,
            _select_offspring,
            1,
            "replace every individual by its child",
            SingleSelection(_propose_random_offspring, own_slot=True),
        ),
    }
)
