"""(μ + λ) selection: parents and children compete in one ranking, and the best μ survive.

Source: Beyer and Schwefel 2002, Evolution strategies. There a parent keeps its fitness. Here it is trained further
beside its children, so that all that compete were trained for equally many steps.
"""

from collections.abc import Sequence

import numpy as np

from evo.selection.contract.requests import (
    C,
    Candidate,
    OffspringRequest,
    continue_each,
    fill_slots,
    ranked,
)
from evo.selection.contract.settings import Selection, SelectionSettings


def n_children(population: int, settings: SelectionSettings) -> int:
    """Return λ, the number of children in a generation."""
    return population if settings.children is None else settings.children


def _propose(
    population: Sequence[Candidate], settings: SelectionSettings, rng: np.random.Generator
) -> list[OffspringRequest]:
    """Request every individual trained further, and λ children of parents that are drawn at random."""
    n_slots = len(population)
    parents = rng.integers(n_slots, size=n_children(n_slots, settings))
    return [
        *continue_each(population),
        *(OffspringRequest(int(one), k % n_slots, modified=True) for k, one in enumerate(parents)),
    ]


def _select(
    population: Sequence[C],
    offspring: Sequence[C],
    settings: SelectionSettings,
    generation: int,
) -> list[C]:
    """Keep the μ best; if fewer have a fitness, the present holders of the last slots stay."""
    return fill_slots(ranked(offspring)[: len(population)], population)


def _expected(population: int, settings: SelectionSettings, generation: int) -> int:
    return population + n_children(population, settings)


MU_PLUS_LAMBDA = Selection(
    _propose,
    _select,
    name="keep the best of all parents trained further and all children",
    expected_offspring=_expected,
)
