"""Novelty search: who does something new survives, whatever its fitness, so that a deceptive fitness misleads nobody.

Source: Lehman and Stanley 2011, Abandoning objectives: evolution through the search for novelty alone. The novelty of
an individual is its mean distance, in the space of the descriptors, to its nearest neighbours among the offspring and
an archive of earlier individuals. The last slots of the population are the archive: its individuals are no parents, and
are not trained further while topologies change. The fitness enters the novelty by a weight, if one is given
(Cuccu and Gomez 2011, When novelty is not enough), and the winner of a run is the best individual by fitness.

With local competition (Lehman and Stanley 2011, Evolving a diversity of virtual creatures through novelty search and
local competition) individuals have a second objective beside their novelty: how many of the nearest neighbours are less
fit. Then a fit individual of each kind survives. The order is that of NSGA-II, by both objectives.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evo.selection.contract.descriptors import part_described, points_of
from evo.selection.contract.requests import (
    C,
    Candidate,
    OffspringRequest,
    ranked,
    tournament_winner,
)
from evo.selection.contract.settings import Selection, SelectionSettings
from evo.selection.mu_plus_lambda import n_children
from evo.selection.nsga2 import crowded_ranking


def archive_size(population: int, settings: SelectionSettings) -> int:
    """Return the number of slots of the archive: by default a quarter of all."""
    return population // 4 if settings.archive is None else settings.archive


def nearest_others(
    points: NDArray[np.float64], neighbors: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the nearest other points of each point, and their distances, the nearest first.

    Parameters
    ----------
    points : ndarray of float, shape (n_points, n_descriptors)
    neighbors : int
        How many others; all, if there are fewer.

    Returns
    -------
    indices : ndarray of int, shape (n_points, n_nearest)
    distances : ndarray of float, shape (n_points, n_nearest)

    Examples
    --------
    >>> nearest_others(np.array([[0.0], [1.0], [3.0]]), 1)[0].tolist()
    [[1], [0], [1]]
    """
    n_nearest = min(neighbors, len(points) - 1)
    distances = np.sqrt(((points[:, None, :] - points[None, :, :]) ** 2).sum(axis=2))
    np.fill_diagonal(distances, np.inf)
    indices = np.argsort(distances, axis=1, kind="stable")[:, : max(n_nearest, 0)]
    return indices, np.take_along_axis(distances, indices, axis=1)


def mean_distances(points: NDArray[np.float64], neighbors: int) -> NDArray[np.float64]:
    """Return the mean distance of each point to its nearest other points; 0 for a point without others.

    Examples
    --------
    >>> mean_distances(np.array([[0.0], [1.0], [3.0]]), 2)
    array([2. , 1.5, 2.5])
    """
    if len(points) < 2:
        return np.zeros(len(points))
    mean: NDArray[np.float64] = nearest_others(points, neighbors)[1].mean(axis=1)
    return mean


def _beside(
    individuals: Sequence[Candidate], archive: Sequence[Candidate], settings: SelectionSettings
) -> tuple[list[Candidate], NDArray[np.float64]]:
    """Return individuals and then the others of an archive, and the points of all.

    A descriptor with bounds counts in parts of the distance between them, others count as they are. The individuals
    have finite descriptors; those of the archive that do not are left out.
    """
    names, numbers = settings.descriptors, {one.job.individual for one in individuals}
    described, _ = part_described(ranked(archive), names)
    others = [one for one in described if one.job.individual not in numbers]
    spans = [settings.bounds.get(name, (0.0, 1.0)) for name in names]
    everybody = [*individuals, *others]
    return everybody, points_of(everybody, names) / [high - low for low, high in spans]


def novelty_of(
    individuals: Sequence[Candidate], archive: Sequence[Candidate], settings: SelectionSettings
) -> NDArray[np.float64]:
    """Return the novelty of individuals among themselves and an archive; all have finite descriptors."""
    _, points = _beside(individuals, archive, settings)
    return mean_distances(points, settings.neighbors)[: len(individuals)]


def n_less_fit(
    individuals: Sequence[Candidate], archive: Sequence[Candidate], settings: SelectionSettings
) -> NDArray[np.float64]:
    """Return how many of the neighbours that make the novelty of an individual have less fitness than it."""
    everybody, points = _beside(individuals, archive, settings)
    fitness = np.array([one.fitness for one in everybody], np.float64)
    nearest, _ = nearest_others(points, settings.neighbors)
    less: NDArray[np.float64] = (fitness[nearest] < fitness[:, None]).sum(axis=1, dtype=np.float64)
    return less[: len(individuals)]


def _in_parts(values: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = np.ptp(values) if len(values) else 0.0
    return (values - values.min()) / spread if spread > 0 else np.zeros(len(values))


def _order(individuals: Sequence[C], scores: NDArray[np.float64]) -> list[C]:
    """Return individuals by their scores, the best first; equals in their order."""
    return [individuals[k] for k in np.argsort(-scores, kind="stable")]


def _ordered(
    individuals: Sequence[C],
    novelty: NDArray[np.float64],
    archive: Sequence[Candidate],
    settings: SelectionSettings,
) -> list[C]:
    """Return individuals as they compete, the best first, given their novelty.

    By the novelty; or by the novelty mixed with the fitness, both in parts of their range among the individuals; or by
    the novelty and the local competition as two objectives.
    """
    if settings.local_competition and individuals:
        objectives = novelty, n_less_fit(individuals, archive, settings)
        numbers = np.array([one.job.individual for one in individuals])
        return [individuals[k] for k in crowded_ranking(-np.column_stack(objectives), numbers)]
    weight = settings.novelty_weight
    if weight == 1:
        return _order(individuals, novelty)
    fitness = np.array([one.fitness for one in individuals], np.float64)
    return _order(individuals, weight * _in_parts(novelty) + (1 - weight) * _in_parts(fitness))


def _propose(
    population: Sequence[Candidate], settings: SelectionSettings, rng: np.random.Generator
) -> list[OffspringRequest]:
    """Request every individual outside the archive trained further, and children of winners of tournaments by novelty.

    The generation has as many individuals as if every slot outside the archive had an individual of its own: there is
    one child more for each slot that has none.
    """
    n_slots = len(population)
    n_parents = n_slots - archive_size(n_slots, settings)
    slot_of: dict[int, int] = {}
    for slot, one in enumerate(population[:n_parents]):
        slot_of.setdefault(one.job.individual, slot)
    parents = [population[slot] for slot in slot_of.values()]
    scored, others = part_described(ranked(parents), settings.descriptors)
    archive = population[n_parents:]
    novelty = novelty_of(scored, archive, settings)
    order = [*_ordered(scored, novelty, archive, settings), *others] or parents
    requests = [OffspringRequest(slot, slot, modified=False) for slot in slot_of.values()]
    for k in range(n_parents - len(parents) + n_children(n_slots, settings)):
        winner = tournament_winner(order, settings.tournament_size, rng)
        slot = slot_of[winner.job.individual]
        mates = tuple(range(n_parents))
        requests.append(OffspringRequest(slot, k % n_slots, modified=True, mates=mates))
    return requests


def _select(
    population: Sequence[C],
    offspring: Sequence[C],
    settings: SelectionSettings,
    generation: int,
) -> list[C]:
    """Keep the fittest and then the most novel, and put the most novel children into the archive, for the oldest.

    Those without a finite number for a descriptor come after all others, by fitness, and not into the archive. If too
    few have a fitness, the present holders of the slots that are left stay.
    """
    n_parents = len(population) - archive_size(len(population), settings)
    holders, archive = population[:n_parents], population[n_parents:]
    order = ranked(offspring)
    scored, others = part_described(order, settings.descriptors)
    novelty = novelty_of(scored, archive, settings)
    fittest = order[: settings.elites]
    elites = {one.job.individual for one in fittest}
    by_score = [*_ordered(scored, novelty, archive, settings), *others]
    chosen = [*fittest, *(one for one in by_score if one.job.individual not in elites)][:n_parents]
    by_novelty = _order(scored, novelty)
    n_new = min(settings.archived, len(archive))
    new = [one for one in by_novelty if one.job.origin == "child"][:n_new]
    return [*chosen, *holders[len(chosen) :], *[*archive, *new][len(new) :]]


def _expected(population: int, settings: SelectionSettings, generation: int) -> int:
    return population - archive_size(population, settings) + n_children(population, settings)


def _check(population: int, settings: SelectionSettings) -> None:
    if not settings.descriptors:
        raise ValueError(
            'selection.descriptors must name at least one descriptor where selection.name = "novelty"; got []'
        )
    if archive_size(population, settings) >= population:
        raise ValueError(
            f"selection.archive must be less than the population ({population}); got {settings.archive}"
        )
    if settings.local_competition and settings.novelty_weight != 1:
        raise ValueError(
            "selection.novelty_weight must be 1 beside selection.local_competition, which has the fitness as an "
            f"objective of its own; got {settings.novelty_weight}"
        )


NOVELTY = Selection(
    _propose,
    _select,
    name="keep who does what neither others nor the archive do",
    expected_offspring=_expected,
    check=_check,
)
