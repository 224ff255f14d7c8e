"""Selection: which individuals go on, who gets children, who survives.

A selection is two functions. `propose` asks for offspring of the present population, each for one slot of the next;
`select` fills the slots from what became of them. All schemes train everyone who stays for equally many steps, so
that no one wins by having been trained longer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, Field

from evo.evolution.individual import Individual


class SelectionSettings(BaseModel, frozen=True, extra="forbid"):
    """How individuals compete."""

    name: Literal["local_search", "tournament", "random_search"] = Field(
        "local_search",
        description="local_search: parent and child train on, the better keeps the slot; tournament: elites stay, "
        "the rest are children of tournament winners; random_search: one child of everyone, whatever its fitness",
    )
    replacement_interval: int = Field(
        3,
        ge=1,
        description="local_search: every so many generations the better half replaces the worse",
    )
    tournament_size: int = Field(3, ge=1, description="tournament: contestants per parent")
    elites: int = Field(2, ge=0, description="tournament: the best that are trained on unchanged")


@dataclass(frozen=True)
class Request:
    """A wish for one offspring: of which member of the population, for which slot, modified or only trained on."""

    parent: int
    slot: int
    modified: bool


@dataclass(frozen=True)
class Selection:
    """A registry entry: the two functions."""

    propose: Callable[[Sequence[Individual], SelectionSettings, np.random.Generator], list[Request]]
    select: Callable[
        [Sequence[Individual], Sequence[Individual], SelectionSettings, int], list[Individual]
    ]


def ranked(individuals: Sequence[Individual]) -> list[Individual]:
    """Return those with a fitness, best first; equals in the order of their numbers."""
    scored = [individual for individual in individuals if individual.fitness is not None]
    return sorted(scored, key=lambda one: (-(one.fitness or 0.0), one.job.individual))


def continue_all(population: Sequence[Individual]) -> list[Request]:
    """Ask that everyone is trained on, each in its slot."""
    return [Request(slot, slot, modified=False) for slot in range(len(population))]


def best_of_each_slot(
    population: Sequence[Individual], offspring: Sequence[Individual]
) -> list[Individual]:
    """Fill each slot with its best offspring; if all of them failed, its present holder stays."""
    return [
        next(iter(ranked([one for one in offspring if one.job.slot == slot])), holder)
        for slot, holder in enumerate(population)
    ]


# -- local search per lineage ------------------------------------------------------------------------------------------


def _propose_local(
    population: Sequence[Individual], settings: SelectionSettings, rng: np.random.Generator
) -> list[Request]:
    """Ask for everyone trained on and for one child each.

    Where replacement put the same individual into two slots, training it on twice would give twins: the second slot
    gets two children instead.
    """
    requests, seen = [], set()
    for slot, holder in enumerate(population):
        requests.append(Request(slot, slot, modified=holder.job.individual in seen))
        requests.append(Request(slot, slot, modified=True))
        seen.add(holder.job.individual)
    return requests


def _select_local(
    population: Sequence[Individual],
    offspring: Sequence[Individual],
    settings: SelectionSettings,
    generation: int,
) -> list[Individual]:
    """Keep the better of parent and child; now and then let the better half of the slots replace the worse."""
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
) -> list[Request]:
    """Ask for the elites trained on, and for children of tournament winners in all other slots."""
    position = {id(one): k for k, one in enumerate(population)}
    order = ranked(population) or list(population)
    n_elites = min(settings.elites, len(order), len(population))
    requests = [
        Request(position[id(one)], slot, modified=False)
        for slot, one in enumerate(order[:n_elites])
    ]
    for slot in range(n_elites, len(population)):
        # `order` is sorted, so the winner is the contestant with the lowest rank.
        winner = order[int(rng.integers(len(order), size=settings.tournament_size).min())]
        requests.append(Request(position[id(winner)], slot, modified=True))
    return requests


def _propose_random(
    population: Sequence[Individual], settings: SelectionSettings, rng: np.random.Generator
) -> list[Request]:
    """Ask for one child of everyone, whatever its fitness.

    With the policy ``random`` that is random search, new topologies in every generation; with ``set`` or ``rigl``
    each slot is one network rewired as published; with the others a random walk. Only the last population's best is
    chosen by fitness.
    """
    return [Request(slot, slot, modified=True) for slot in range(len(population))]


def _select_offspring(
    population: Sequence[Individual],
    offspring: Sequence[Individual],
    settings: SelectionSettings,
    generation: int,
) -> list[Individual]:
    """Let the offspring take over; a failed one leaves its slot to the present holder."""
    return best_of_each_slot(population, offspring)


SELECTIONS: Mapping[str, Selection] = {
    "local_search": Selection(_propose_local, _select_local),
    "tournament": Selection(_propose_tournament, _select_offspring),
    "random_search": Selection(_propose_random, _select_offspring),
}
