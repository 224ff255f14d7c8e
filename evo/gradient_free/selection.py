"""Who the parents of a generation are: by rank, or by species.

A selection is made anew for each run, since it may remember earlier generations. It is one entry of
:data:`PARENT_SELECTIONS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evo.gradient_free import neuroevolution_kernels as kernels
from evo.gradient_free.dense_kernels import Networks
from evo.gradient_free.dense_population import empty_networks
from evo.gradient_free.philox_kernels import Words
from evo.gradient_free.settings import NeuroevolutionSettings
from evo.gradient_free.species_kernels import NO_MATE, assign_species
from evo.seeding import Purpose, generator, seed_sequence

Indices = NDArray[np.int32]
Ranking = NDArray[np.int64]

ADAPTATION = 1.1
"""Factor by which the threshold of compatibility grows or shrinks where there are too many species, or too few."""

SMALLEST_WITH_ELITES = 5
"""Individuals of the smallest species that keeps its best ones, as in NEAT."""


@dataclass(frozen=True, eq=False)
class Parentage:
    """The parents of a generation, as indices in the generation before.

    Attributes
    ----------
    parent_of : ndarray of int32, shape (population,)
        The fitter parent, whose wiring a child has.
    mate_of : ndarray of int32, shape (population,), or None
        The other parent, or `NO_MATE`; None where no child of the run has one.
    n_elites : int
        The first individuals are unchanged copies of their parents.
    """

    parent_of: Indices
    mate_of: Indices | None
    n_elites: int


@dataclass(frozen=True, eq=False)
class Ranked:
    """An evaluated generation.

    Attributes
    ----------
    networks : Networks
    fitness : ndarray of float64, shape (population,)
        NaN where a network diverged.
    ranking : ndarray of int64, shape (population,)
        The individuals from best to worst.
    """

    networks: Networks
    fitness: NDArray[np.float64]
    ranking: Ranking


class Selection(Protocol):
    """A way to choose the parents of one generation after the other."""

    def choose(self, last: Ranked, generation: int) -> Parentage:
        """Return the parents of a generation.

        Parameters
        ----------
        last
            The generation before.
        generation
            The number of the generation to come, from 1.
        """


def key_of(seed: int, purpose: Purpose) -> Words:
    """Return the key of the random streams of one purpose."""
    return seed_sequence(seed, purpose).generate_state(2, np.uint32).astype(np.uint64)


def fitter_first(
    parent_of: Indices, mate_of: Indices, ranking: Ranking, has_mate: NDArray[np.bool_]
) -> tuple[Indices, Indices]:
    """Return parents and mates, each pair with the fitter one as the parent; no mate where both are the same."""
    rank = np.empty(len(ranking), np.int64)
    rank[ranking] = np.arange(len(ranking))
    swapped = has_mate & (rank[mate_of] < rank[parent_of])
    parents = np.where(swapped, mate_of, parent_of)
    mates = np.where(swapped, parent_of, mate_of)
    return parents, np.where(has_mate & (mates != parents), mates, np.int32(NO_MATE))


# -- by rank -----------------------------------------------------------------------------------------------------------

ChooseByRank = Callable[[Ranking, int, Words, int, int, int, Indices], None]


@dataclass(frozen=True, eq=False)
class RankSelection:
    """Parents are drawn by their rank, each by itself; the best individuals of all stay."""

    settings: NeuroevolutionSettings
    seed: int
    kernel: ChooseByRank
    size: int

    def choose(self, last: Ranked, generation: int) -> Parentage:
        """Return the parents of a generation; see :class:`Selection`."""
        ranking = last.ranking
        n, probability = len(ranking), self.settings.crossover_probability
        n_elites = min(self.settings.elites, n - 1)
        parent_of = self._draw(Purpose.SELECTION, ranking, generation, n_elites)
        if probability == 0:
            return Parentage(parent_of, None, n_elites)
        mate_of = self._draw(Purpose.MATES, ranking, generation, n_elites)
        has_mate = generator(self.seed, Purpose.MATES, generation).random(n) < probability
        has_mate[:n_elites] = False
        return Parentage(*fitter_first(parent_of, mate_of, ranking, has_mate), n_elites)

    def _draw(self, purpose: Purpose, ranking: Ranking, generation: int, n_elites: int) -> Indices:
        """Draw a parent for each child; elites are their own parents."""
        drawn = np.empty(len(ranking), np.int32)
        drawn[:n_elites] = ranking[:n_elites]
        key = key_of(self.seed, purpose)
        self.kernel(ranking, self.size, key, generation, n_elites, len(ranking), drawn)
        return drawn


def tournament(settings: NeuroevolutionSettings, seed: int) -> Selection:
    """Return the selection of the best of a few individuals, drawn with replacement (Goldberg and Deb 1991)."""
    return RankSelection(settings, seed, kernels.select_by_tournament, settings.tournament_size)


def truncation(settings: NeuroevolutionSettings, seed: int) -> Selection:
    """Return the selection of any of the best individuals (Mühlenbein and Schlierkamp-Voosen 1993)."""
    return RankSelection(
        settings, seed, kernels.select_by_truncation, n_survivors(settings, settings.population)
    )


def n_survivors(settings: NeuroevolutionSettings, n: int) -> int:
    """Return how many of some individuals may be parents."""
    return max(1, round(settings.parent_fraction * n))


# -- by species --------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class SpeciesSelection:
    """Similar networks share their fitness (Stanley and Miikkulainen 2002).

    An individual belongs to the first species whose representative, the best network of the species in the generation
    before, is nearer than a threshold. The threshold adapts, so that the number of species stays near the one that is
    set. A species gets children in proportion to its mean fitness above the worst fitness of all; it gets none if its
    best fitness has not risen for some generations, unless it has the best individual. Parents and their mates are
    drawn from the best individuals of the species.
    """

    settings: NeuroevolutionSettings
    seed: int
    threshold: float = field(init=False)
    n_species: int = field(init=False, default=0)
    _best: NDArray[np.float64] = field(init=False)
    _risen: NDArray[np.int64] = field(init=False)
    _representatives: Networks = field(init=False)

    def __post_init__(self) -> None:
        """Begin without species."""
        self.threshold = self.settings.compatibility_threshold
        self._best, self._risen = np.empty(0), np.empty(0, np.int64)

    def choose(self, last: Ranked, generation: int) -> Parentage:
        """Return the parents of a generation; see :class:`Selection`."""
        members = self._divide(last, generation)
        quotas = self._share(members, last, generation)
        return self._draw(members, quotas, last.ranking, generation)

    def _divide(self, last: Ranked, generation: int) -> list[Ranking]:
        """Return the members of each species, from best to worst; the first ones are the new representatives."""
        given, population, ranking = self.settings, last.networks, last.ranking
        if self.n_species == 0:
            capacity = min(len(ranking), 4 * given.species)
            self._representatives = empty_networks(capacity, population.ids.shape[1])
        species_of = np.empty(len(ranking), np.int64)
        n_found = assign_species(
            population, ranking, self._representatives, self.n_species,
            given.structure_coefficient, given.weight_coefficient, self.threshold, species_of,
        )  # fmt: skip
        order = ranking[np.argsort(species_of[ranking], kind="stable")]
        ends = np.cumsum(np.bincount(species_of, minlength=n_found))
        everyone = np.split(order, ends[:-1])
        alive = [s for s, members in enumerate(everyone) if len(members)]
        members = [everyone[s] for s in alive]
        n_new = n_found - self.n_species
        before = np.append(self._best, np.full(n_new, -np.inf))[alive]
        risen = np.append(self._risen, np.full(n_new, generation))[alive]
        best = np.nan_to_num(last.fitness[[group[0] for group in members]], nan=-np.inf)
        self._risen = np.where(best > before, generation, risen)
        self._best = np.maximum(best, before)
        self.n_species = len(members)
        for s, group in enumerate(members):
            kernels.copy_network(population, group[0], self._representatives, s)
        if self.n_species > given.species:
            self.threshold *= ADAPTATION
        elif self.n_species < given.species:
            self.threshold /= ADAPTATION
        return members

    def _share(self, members: list[Ranking], last: Ranked, generation: int) -> NDArray[np.int64]:
        """Return how many of the next generation each species gets."""
        fitness, ranking = last.fitness, last.ranking
        above = (
            np.nan_to_num(fitness - np.nanmin(fitness)) if np.isfinite(fitness).any() else fitness
        )
        shares = np.array([above[group].mean() for group in members])
        stays = generation - self._risen <= self.settings.stagnation
        stays |= np.array([group[0] == ranking[0] for group in members])
        shares = np.where(stays, shares, 0.0)
        if not shares.sum() > 0:
            shares = stays.astype(np.float64)
        exact = shares / shares.sum() * len(ranking)
        quotas: NDArray[np.int64] = np.floor(exact).astype(np.int64)
        rest = np.argsort(quotas - exact, kind="stable")[: len(ranking) - quotas.sum()]
        quotas[rest] += 1
        return quotas

    def _draw(
        self,
        members: list[Ranking],
        quotas: NDArray[np.int64],
        ranking: Ranking,
        generation: int,
    ) -> Parentage:
        """Draw the parents of each species' children; the best ones of large species stay."""
        rng = generator(self.seed, Purpose.SELECTION, generation)
        rng_of_mates = generator(self.seed, Purpose.MATES, generation)
        n, elites, parents, mates = len(ranking), [], [], []
        for group, quota in zip(members, quotas.tolist(), strict=True):
            most = self.settings.elites if len(group) >= SMALLEST_WITH_ELITES else 0
            elites.append(group[: min(most, quota)])
            n_children = quota - len(elites[-1])
            survivors = group[: n_survivors(self.settings, len(group))]
            parents.append(survivors[rng.integers(len(survivors), size=n_children)])
            mates.append(survivors[rng_of_mates.integers(len(survivors), size=n_children)])
        n_elites = sum(map(len, elites))
        if n_elites == n:  # at least one child is bred
            n_elites -= 1
        parent_of = np.concatenate([*elites, *parents]).astype(np.int32)
        probability = self.settings.crossover_probability
        if probability == 0:
            return Parentage(parent_of, None, n_elites)
        mate_of = np.concatenate([*elites, *mates]).astype(np.int32)
        has_mate = rng_of_mates.random(n) < probability
        has_mate[:n_elites] = False
        return Parentage(*fitter_first(parent_of, mate_of, ranking, has_mate), n_elites)


PARENT_SELECTIONS: Mapping[str, Callable[[NeuroevolutionSettings, int], Selection]] = {
    "tournament": tournament,
    "truncation": truncation,
    "speciation": SpeciesSelection,
}
"""Functions from settings and seed to a selection, by name."""
