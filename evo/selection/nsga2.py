"""NSGA-II: small and good networks survive together; selection is by Pareto rank, and then by distance to neighbours.

Source: Deb, Pratap, Agarwal and Meyarivan 2002, A fast and elitist multiobjective genetic algorithm: NSGA-II (IEEE
Transactions on Evolutionary Computation 6). The ranks are computed by moocore. There a parent keeps its objectives.
Here it is trained further beside its children, so that all that compete were trained for equally many steps.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evo.selection.contract.descriptors import part_described, points_of
from evo.selection.contract.requests import (
    C,
    Candidate,
    OffspringRequest,
    continue_each,
    fill_slots,
    ranked,
    tournament_winner,
)
from evo.selection.contract.settings import OBJECTIVES, Selection, SelectionSettings


def objective_values(individuals: Sequence[Candidate], name: str) -> NDArray[np.float64]:
    """Return what is minimised, of each individual; infinity where it has no loss: nothing is worse.

    The fitness is maximised, so its negative is minimised. A minus in front of another name asks for large values too.
    """
    if name == "fitness":
        return np.array([-_number(one.fitness) for one in individuals])
    if name == "validation_loss":
        return np.array([_number(one.validation_loss) for one in individuals])
    values: NDArray[np.float64] = points_of(individuals, [name.removeprefix("-")])[:, 0]
    return -values if name.startswith("-") else values


def _number(value: float | None) -> float:
    return np.inf if value is None else float(value)


def crowding_distances(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the crowding distance of each point of one front.

    Parameters
    ----------
    points : ndarray of float, shape (n_points, n_objectives)

    Returns
    -------
    ndarray of float, shape (n_points,)
        For every objective the distance between the two neighbours of a point, in parts of the range of the objective,
        summed over the objectives. It is infinite for the smallest and the largest point of an objective.

    Examples
    --------
    >>> crowding_distances(np.array([[0.0, 4.0], [1.0, 2.0], [4.0, 0.0]]))
    array([inf,  2., inf])
    """
    distances = np.zeros(len(points))
    for values in points.T:
        order = np.argsort(values, kind="stable")
        sorted_values = values[order]
        spread = sorted_values[-1] - sorted_values[0]
        distances[order[[0, -1]]] = np.inf
        if spread > 0:
            distances[order[1:-1]] += (sorted_values[2:] - sorted_values[:-2]) / spread
    return distances


def crowded_ranking(points: NDArray[np.float64], numbers: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the indices of points by Pareto rank, within a rank the most isolated first, equals by number.

    Parameters
    ----------
    points : ndarray of float, shape (n_points, n_objectives)
        What is minimised; at least one point.
    numbers : ndarray of int, shape (n_points,)

    Returns
    -------
    ndarray of int, shape (n_points,)
    """
    import moocore  # noqa: PLC0415 - few need it

    ranks: NDArray[np.int64] = moocore.pareto_rank(points)
    distances = np.empty(len(points))
    for rank in np.unique(ranks):
        distances[ranks == rank] = crowding_distances(points[ranks == rank])
    return np.lexsort((numbers, -distances, ranks))


def crowded_order(individuals: Sequence[C], objectives: Sequence[str]) -> list[C]:
    """Return the individuals with a fitness: by rank, within a rank the most isolated first, equals by number.

    Those without a finite number for a descriptor come last, by fitness.
    """
    names = [one.removeprefix("-") for one in objectives if one not in OBJECTIVES]
    scored, others = part_described(ranked(individuals), names)
    if not scored:
        return others
    points = np.column_stack([objective_values(scored, name) for name in objectives])
    numbers = np.array([one.job.individual for one in scored])
    return [*(scored[k] for k in crowded_ranking(points, numbers)), *others]


def _propose(
    population: Sequence[Candidate], settings: SelectionSettings, rng: np.random.Generator
) -> list[OffspringRequest]:
    """Request every individual trained further, and a child for each slot; its parent wins a tournament of two."""
    order = crowded_order(population, settings.objectives) or list(population)
    slot_of = {one.job.individual: slot for slot, one in enumerate(population)}
    requests = continue_each(population)
    for slot in range(len(population)):
        winner = tournament_winner(order, 2, rng)
        requests.append(OffspringRequest(slot_of[winner.job.individual], slot, modified=True))
    return requests


def _select(
    population: Sequence[C],
    offspring: Sequence[C],
    settings: SelectionSettings,
    generation: int,
) -> list[C]:
    """Keep the first of the crowded order; if too few have a fitness, the present holders of the last slots stay."""
    order = crowded_order(offspring, settings.objectives)
    return fill_slots(order[: len(population)], population)


NSGA2 = Selection(
    _propose,
    _select,
    2,
    "keep the front of all parents trained further and all children",
)
