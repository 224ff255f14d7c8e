"""Speciation: networks with similar topologies share their fitness, so that a new topology has time to become good.

Source: Stanley and Miikkulainen 2002, Evolving neural networks through augmenting topologies (Evolutionary Computation
10). An individual belongs to the first species whose best individual is as near as a threshold of the compatibility
distance, or begins a species. NEAT keeps representatives and adapts the threshold from generation to generation. Here
both are found anew in each generation: the threshold is the smallest one with as many species as the settings ask for,
or fewer. NEAT aligns genes by historical numbers; here entries are aligned by the ids of their nodes, which tell
disjoint from excess genes no more. Species that stagnate are not removed. The best individual of a species is trained
further, so that all that compete were trained for equally many steps.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evo.genome.genome import Genome
from evo.recombination.alignment import NONE, align
from evo.selection.contract.requests import Candidate, OffspringRequest, ranked, select_offspring
from evo.selection.contract.settings import Selection, SelectionSettings


def compatibility_distance(genome: Genome, other: Genome, structure: float, weight: float) -> float:
    """Return the distance between two genomes.

    structure · (entries that one of them has) / (entries of the larger one) + weight · (mean |difference| of the
    entries and biases that both have), after equation 1 of NEAT.

    Parameters
    ----------
    genome, other : Genome
    structure, weight : float
        The coefficients.
    """
    found = align(genome, other)
    common, theirs = len(found.mine), np.flatnonzero(found.nodes != NONE)
    alone = genome.n_stored + other.n_stored - 2 * common
    difference = np.abs(genome.values[found.mine] - other.values[found.theirs]).sum()
    difference += np.abs(genome.bias[found.nodes[theirs]] - other.bias[theirs]).sum()
    n_both = max(common + len(theirs), 1)
    larger = max(genome.n_stored, other.n_stored, 1)
    return float(structure * alone / larger + weight * difference / n_both)


def n_species_wanted(population: int, settings: SelectionSettings) -> int:
    """Return the largest number of species: by default a quarter of the population."""
    return max(1, population // 4) if settings.species is None else settings.species


def divide(distances: NDArray[np.float64], n_wanted: int) -> list[list[int]]:
    """Divide individuals into species, by the smallest threshold with at most so many species.

    Parameters
    ----------
    distances : ndarray of float, shape (n, n)
        Between individuals, the best first.
    n_wanted : int

    Returns
    -------
    list of list of int
        The indices of each species; species and individuals are in the order of the individuals.

    Examples
    --------
    >>> divide(np.abs(np.subtract.outer([0.0, 5.0, 1.0, 6.0], [0.0, 5.0, 1.0, 6.0])), 2)
    [[0, 2], [1, 3]]
    """
    thresholds = np.unique(distances)
    low, high = 0, len(thresholds) - 1  # the largest threshold makes one species
    while low < high:
        middle = (low + high) // 2
        if len(_species(distances, thresholds[middle])) <= n_wanted:
            high = middle
        else:
            low = middle + 1
    return _species(distances, thresholds[low])


def _species(distances: NDArray[np.float64], threshold: float) -> list[list[int]]:
    """Put each individual into the first species whose first one is as near as the threshold."""
    species: list[list[int]] = []
    for k in range(len(distances)):
        near = next((one for one in species if distances[k, one[0]] <= threshold), None)
        if near is None:
            species.append([k])
        else:
            near.append(k)
    return species


def share(fitness: NDArray[np.float64], species: Sequence[Sequence[int]], n: int) -> list[int]:
    """Share out n slots by the mean fitness of each species, above the worst fitness of all.

    An individual of a species of k shares its fitness: it counts as a k-th, so the sum over the species is its mean.
    The species of the best individual has a slot at least.

    Examples
    --------
    >>> share(np.array([9.0, 5.0, 5.0, 1.0]), [[0, 3], [1, 2]], 6)
    [3, 3]
    """
    means = np.array([fitness[members].mean() for members in map(list, species)]) - fitness.min()
    shares = means if means.sum() > 0 else np.ones(len(species))
    exact = shares / shares.sum() * n
    quotas = np.floor(exact).astype(np.int64)
    rest = np.argsort(quotas - exact, kind="stable")[: n - quotas.sum()]
    quotas[rest] += 1
    if quotas[0] == 0:
        quotas[quotas.argmax()] -= 1
        quotas[0] = 1
    slots: list[int] = quotas.tolist()
    return slots


def species_of(
    individuals: Sequence[Candidate], settings: SelectionSettings, n_slots: int
) -> list[list[int]]:
    """Return the indices of each species of some individuals, the best first: O(n² entries · log)."""
    n, distances = len(individuals), np.zeros((len(individuals), len(individuals)))
    coefficients = settings.structure_coefficient, settings.weight_coefficient
    for i in range(n):
        for k in range(i):
            pair = individuals[k].genome, individuals[i].genome
            distances[i, k] = distances[k, i] = compatibility_distance(*pair, *coefficients)
    return divide(distances, n_species_wanted(n_slots, settings))


def _propose(
    population: Sequence[Candidate], settings: SelectionSettings, rng: np.random.Generator
) -> list[OffspringRequest]:
    """Request the best of each species trained further, and children of the better ones of the species.

    Mates of a child are of its species.
    """
    n_slots = len(population)
    slot_of = {one.job.individual: slot for slot, one in enumerate(population)}
    order = ranked([population[slot] for slot in slot_of.values()])
    if not order:
        parents = rng.integers(n_slots, size=n_slots).tolist()
        return [OffspringRequest(one, slot, modified=True) for slot, one in enumerate(parents)]
    fitness = np.array([one.fitness for one in order], np.float64)
    species = species_of(order, settings, n_slots)
    requests: list[OffspringRequest] = []
    for members, quota in zip(species, share(fitness, species, n_slots), strict=True):
        slots = [slot_of[order[k].job.individual] for k in members]
        breeding = slots[: math.ceil(settings.parent_fraction * len(slots))]
        for k in range(quota):
            parent = slots[0] if k == 0 else breeding[int(rng.integers(len(breeding)))]
            mates = tuple(slots) if k else None
            requests.append(OffspringRequest(parent, len(requests), modified=k > 0, mates=mates))
    return requests


def _check(population: int, settings: SelectionSettings) -> None:
    rule = 'where selection.name = "speciation"'
    if population < 2:
        raise ValueError(f"population must be at least 2 {rule}; got {population}")
    if n_species_wanted(population, settings) >= population:
        raise ValueError(
            f"selection.species must be less than the population ({population}), so that there are children; "
            f"got {settings.species}"
        )


SPECIATION = Selection(
    _propose,
    select_offspring,
    name="share fitness among similar topologies, breed within species",
    check=_check,
)
