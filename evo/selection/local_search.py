"""Local search: in each slot a parent and its child are trained for equally many steps, and the better one stays."""

from collections.abc import Mapping, Sequence

import numpy as np

from evo.selection.contract.requests import (
    C,
    Candidate,
    OffspringRequest,
    Vacancy,
    best_of_each_slot,
    ranked,
)
from evo.selection.contract.settings import Selection, SelectionSettings, SingleSelection


def _propose_local(
    population: Sequence[Candidate], settings: SelectionSettings, rng: np.random.Generator
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
    population: Sequence[C],
    offspring: Sequence[C],
    settings: SelectionSettings,
    generation: int,
) -> list[C]:
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
    slot: int, known: Mapping[int, C], settings: SelectionSettings, generation: int
) -> C:
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


LOCAL_SEARCH = Selection(
    _propose_local,
    _select_local,
    2,
    "keep the better of a child and its parent trained further",
    SingleSelection(_propose_local_offspring, own_slot=True, replace=_replace_local),
)
