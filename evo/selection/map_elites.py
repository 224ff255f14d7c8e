"""MAP-Elites: the best individual of each cell of a grid survives, so that good networks of every kind are found.

Source: Mouret and Clune 2015, Illuminating search spaces by mapping elites. The grid lies over the space of the
descriptors, and the slots of the population hold its elites. There an elite keeps its fitness. Here it is trained
further beside the children, so that all that compete were trained for equally many steps.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evo.selection.contract.descriptors import part_described, points_of
from evo.selection.contract.requests import C, Candidate, OffspringRequest, ranked
from evo.selection.contract.settings import Selection, SelectionSettings
from evo.selection.mu_plus_lambda import n_children


def bins_of(settings: SelectionSettings, n_slots: int) -> tuple[int, ...]:
    """Return the number of bins of each descriptor; by default equally many, as far as there is a slot for each cell.

    Examples
    --------
    >>> bins_of(SelectionSettings(name="map_elites", descriptors=("depth", "macs")), 17)
    (4, 4)
    """
    n_descriptors = len(settings.descriptors)
    if settings.bins:
        return settings.bins
    n_bins = 1
    while (n_bins + 1) ** n_descriptors <= n_slots:
        n_bins += 1
    return (n_bins,) * n_descriptors


def grid_indices(
    points: NDArray[np.float64], settings: SelectionSettings, n_slots: int
) -> NDArray[np.intp]:
    """Return the bin of each descriptor of each point, shape (n_points, n_descriptors).

    A value outside the bounds belongs to the nearest bin.
    """
    bins = np.array(bins_of(settings, n_slots))
    low, high = np.array([settings.bounds[name] for name in settings.descriptors]).T
    place = np.clip((points - low) / (high - low), 0.0, 1.0) * bins
    indices: NDArray[np.intp] = np.minimum(place.astype(np.intp), bins - 1)
    return indices


def cells_of(
    individuals: Sequence[Candidate], settings: SelectionSettings, n_slots: int
) -> NDArray[np.intp]:
    """Return the number of the cell of each individual, row by row in the grid; the last descriptor changes fastest."""
    indices = grid_indices(points_of(individuals, settings.descriptors), settings, n_slots)
    cells: NDArray[np.intp] = np.ravel_multi_index(tuple(indices.T), bins_of(settings, n_slots))
    return cells


def elites_of(individuals: Sequence[C], settings: SelectionSettings, n_slots: int) -> list[C]:
    """Return the best individual of each cell, ordered by cell.

    Those without a fitness, or without a finite number for a descriptor, are in no cell.
    """
    order, _ = part_described(ranked(individuals), settings.descriptors)
    best: dict[int, C] = {}
    for one, cell in zip(order, cells_of(order, settings, n_slots).tolist(), strict=True):
        best.setdefault(cell, one)
    return [best[cell] for cell in sorted(best)]


def _propose(
    population: Sequence[Candidate], settings: SelectionSettings, rng: np.random.Generator
) -> list[OffspringRequest]:
    """Request the elites trained further, and children of elites that are drawn evenly.

    The generation has as many individuals as if every slot had an elite of its own: there is one child more for each
    slot that has none.
    """
    n_slots = len(population)
    elites = elites_of(population, settings, n_slots) or list(population)
    slot_of = {one.job.individual: slot for slot, one in enumerate(population)}
    slots = [slot_of[one.job.individual] for one in elites]
    n_more = n_slots - len(slots) + n_children(n_slots, settings)
    parents = rng.integers(len(slots), size=n_more)
    return [
        *(OffspringRequest(slot, slot, modified=False) for slot in slots),
        *(
            OffspringRequest(slots[one], k % n_slots, modified=True)
            for k, one in enumerate(parents)
        ),
    ]


def _select(
    population: Sequence[C],
    offspring: Sequence[C],
    settings: SelectionSettings,
    generation: int,
) -> list[C]:
    """Let the elites hold the slots, in turn if there are fewer; if none is in a cell, the present holders stay."""
    n_slots = len(population)
    elites = elites_of(offspring, settings, n_slots)
    return [elites[slot % len(elites)] for slot in range(n_slots)] if elites else list(population)


def _expected(population: int, settings: SelectionSettings, generation: int) -> int:
    return population + n_children(population, settings)


def _survivors(population: int, settings: SelectionSettings, generation: int) -> int:
    """Return the number of cells: as many elites survive at most."""
    return math.prod(bins_of(settings, population))


def _check(population: int, settings: SelectionSettings) -> None:
    names, bins = settings.descriptors, settings.bins
    rule = 'where selection.name = "map_elites"'
    if not names:
        raise ValueError(f"selection.descriptors must name at least one descriptor {rule}; got []")
    for name in names:
        if name not in settings.bounds:
            raise ValueError(
                f"selection.bounds must have each descriptor {rule}; got none for {name!r}"
            )
    if bins and len(bins) != len(names):
        raise ValueError(
            f"selection.bins must have a number for each descriptor ({', '.join(names)}); got {list(bins)}"
        )
    if math.prod(bins) > population:
        raise ValueError(
            f"selection.bins must make at most as many cells as there are slots (population = {population}); "
            f"got {list(bins)}, which make {math.prod(bins)}"
        )


MAP_ELITES = Selection(
    _propose,
    _select,
    name="keep the best of each cell of a grid over the descriptors",
    expected_offspring=_expected,
    expected_survivors=_survivors,
    check=_check,
)
