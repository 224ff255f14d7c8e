"""Successive halving inside the population: many children are grown, few are trained for long.

Source: Jamieson and Talwalkar 2016, Non-stochastic best arm identification and hyperparameter optimization. A bracket
begins with one individual and with children of it in all other slots. After every generation the better half goes on,
until one is left, which begins the next bracket. All that compete were trained for equally many steps. A bracket of 16
slots takes 16 + 8 + 4 + 2 = 30 train phases, where four generations of all would take 64.
"""

from collections.abc import Sequence

import numpy as np

from evo.selection.contract.requests import C, Candidate, OffspringRequest, continue_each, ranked
from evo.selection.contract.settings import Selection, SelectionSettings


def _propose(
    population: Sequence[Candidate], settings: SelectionSettings, rng: np.random.Generator
) -> list[OffspringRequest]:
    """Request the individuals that are left, trained further; of the last one, children for all other slots too."""
    left = continue_each(population)
    if len(left) > 1:
        return left
    return [OffspringRequest(0, slot, modified=slot > 0) for slot in range(len(population))]


def _select(
    population: Sequence[C],
    offspring: Sequence[C],
    settings: SelectionSettings,
    generation: int,
) -> list[C]:
    """Keep the better half, each in as many slots; if all failed, the present holders stay."""
    order = ranked(offspring)
    left = order[: (len(offspring) + 1) // 2]
    return [left[slot % len(left)] if left else holder for slot, holder in enumerate(population)]


def _expected(population: int, settings: SelectionSettings, generation: int) -> int:
    """Return the number of individuals of a generation: all founders in the first, half as many in the second."""
    bracket = [population]
    while bracket[-1] > 2:
        bracket.append((bracket[-1] + 1) // 2)
    return bracket[(generation - 1) % len(bracket)]


def _survivors(population: int, settings: SelectionSettings, generation: int) -> int:
    """Return the number of individuals that are left after a generation."""
    return (_expected(population, settings, generation) + 1) // 2


def _check(population: int, settings: SelectionSettings) -> None:
    if population < 2:
        raise ValueError(
            f'population must be at least 2 where selection.name = "successive_halving"; got {population}'
        )


SUCCESSIVE_HALVING = Selection(
    _propose,
    _select,
    name="grow many, keep the better half of those left, generation by generation",
    expected_offspring=_expected,
    expected_survivors=_survivors,
    check=_check,
)
