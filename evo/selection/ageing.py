"""Ageing: in turn, the oldest individuals are replaced by children of tournament winners, whatever their fitness.

Source: Real, Aggarwal, Huang and Le 2019, Regularized evolution for image classifier architecture search (AAAI). A good
fitness by chance does not survive there, because nobody survives: a topology lasts only if its descendants are good
too. There one child is made at a time, and each network is trained once, from scratch. Here the others are trained
further in the same generation, so that all were trained for equally many steps.
"""

from collections.abc import Sequence

import numpy as np

from evo.selection.contract.requests import (
    Candidate,
    OffspringRequest,
    ranked,
    select_offspring,
    tournament_winner,
)
from evo.selection.contract.settings import Selection, SelectionSettings


def _propose(
    population: Sequence[Candidate], settings: SelectionSettings, rng: np.random.Generator
) -> list[OffspringRequest]:
    """Request a child for each of the oldest slots, and all other individuals trained further.

    Every generation gives children to the next slots in turn, so the slots whose turn it is hold the oldest topologies.
    A holder whose child failed stays until its next turn.
    """
    n_slots = len(population)
    n_children = min(settings.children or (n_slots + 3) // 4, n_slots)
    generation = 1 + max(one.job.generation for one in population)
    oldest = {((generation - 1) * n_children + k) % n_slots for k in range(n_children)}
    order = ranked(population) or list(population)
    slot_of = {one.job.individual: slot for slot, one in enumerate(population)}
    requests = []
    for slot in range(n_slots):
        if slot in oldest:
            winner = tournament_winner(order, settings.tournament_size, rng)
            requests.append(OffspringRequest(slot_of[winner.job.individual], slot, modified=True))
        else:
            requests.append(OffspringRequest(slot, slot, modified=False))
    return requests


AGEING = Selection(
    _propose,
    select_offspring,
    name="replace the oldest by children of tournament winners",
)
