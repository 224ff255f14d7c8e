"""Random search: every individual is replaced by its child, whatever its fitness."""

from collections.abc import Sequence

import numpy as np

from evo.selection.contract.requests import Candidate, OffspringRequest, Vacancy, select_offspring
from evo.selection.contract.settings import Selection, SelectionSettings, SingleSelection


def _propose_random(
    population: Sequence[Candidate], settings: SelectionSettings, rng: np.random.Generator
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


RANDOM_SEARCH = Selection(
    _propose_random,
    select_offspring,
    1,
    "replace every individual by its child",
    SingleSelection(_propose_random_offspring, own_slot=True),
)
