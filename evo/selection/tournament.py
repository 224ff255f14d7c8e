"""Tournament selection: the elites are trained on, and tournament winners are the parents of all other individuals."""

from collections.abc import Sequence

import numpy as np

from evo.selection.contract.requests import (
    Candidate,
    OffspringRequest,
    Vacancy,
    ranked,
    select_offspring,
    tournament_winner,
)
from evo.selection.contract.settings import Selection, SelectionSettings, SingleSelection


def _propose_tournament(
    population: Sequence[Candidate], settings: SelectionSettings, rng: np.random.Generator
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
        winner = tournament_winner(order, settings.tournament_size, rng)
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
    winner = tournament_winner(order, settings.tournament_size, rng)
    return OffspringRequest(slot_of[winner], vacancy.slot, modified=True)


TOURNAMENT = Selection(
    _propose_tournament,
    select_offspring,
    1,
    "train the elites on, breed from tournament winners",
    SingleSelection(_propose_tournament_offspring, own_slot=False),
)
