"""What a selection returns, and what all selections share: requests for offspring, ranking, the best of each slot."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from evo.genome.genome import Genome
from evo.selection.contract.settings import SelectionSettings


class Place(Protocol):
    """Where an individual stands in a run."""

    @property
    def individual(self) -> int:
        """Number of the individual in the run."""
        ...

    @property
    def generation(self) -> int:
        """Its generation."""
        ...

    @property
    def slot(self) -> int:
        """Its slot in the population."""
        ...

    @property
    def origin(self) -> str:
        """Whether it is a founder, a child, or continued: its parent trained further."""
        ...


class Size(Protocol):
    """The size of a network."""

    @property
    def parameters(self) -> int:
        """Number of trainable numbers."""
        ...

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one sample."""
        ...


class Candidate(Protocol):
    """What a selection reads of an individual (:class:`evo.evolution.individual.Individual`)."""

    @property
    def job(self) -> Place:
        """Where it stands."""
        ...

    @property
    def fitness(self) -> float | None:
        """Its fitness; None if it failed."""
        ...

    @property
    def validation_loss(self) -> float | None:
        """Its loss on the validation part; None if it failed."""
        ...

    @property
    def statistics(self) -> Size | None:
        """The size of its network; None if it failed."""
        ...

    @property
    def genome(self) -> Genome:
        """Its trained genome."""
        ...

    @property
    def metrics(self) -> Mapping[str, float | None]:
        """The metrics of the tables, or the measures of the reward, by name; empty if it failed."""
        ...


C = TypeVar("C", bound=Candidate)
T = TypeVar("T")


@dataclass(frozen=True)
class OffspringRequest:
    """A request for one offspring.

    Attributes
    ----------
    parent : int
        Index of the parent in the population.
    slot : int
        Slot for which the offspring competes.
    modified : bool
        Whether the offspring is modified before it is trained.
    mates : tuple of int, optional
        Indices in the population of those who may be its mates, where `evolution.recombination` makes it of relatives.
        By default everyone.
    """

    parent: int
    slot: int
    modified: bool
    mates: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Vacancy:
    """One offspring that a selection has to request, in the asynchronous mode.

    Attributes
    ----------
    slot : int
        Slot for which the offspring will compete.
    index : int
        0 for the first offspring of the slot in the generation, 1 for the second one.
    n_slots : int
    known : mapping
        The individuals of the generation before that hold a slot already, by slot.
    continued : collection of int
        The numbers of those among them that are trained further in this generation already.
    """

    slot: int
    index: int
    n_slots: int
    known: Mapping[int, Candidate]
    continued: Collection[int]


def ranked(individuals: Sequence[C]) -> list[C]:
    """Return the individuals with a fitness, best first; ties are ordered by number."""
    scored = [individual for individual in individuals if individual.fitness is not None]
    return sorted(scored, key=lambda one: (-(one.fitness or 0.0), one.job.individual))


def continue_all(population: Sequence[Candidate]) -> list[OffspringRequest]:
    """Request that every individual is trained further, in its slot."""
    return [OffspringRequest(slot, slot, modified=False) for slot in range(len(population))]


def best_of_each_slot(population: Sequence[C], offspring: Sequence[C]) -> list[C]:
    """Fill each slot with its best offspring; if all its offspring failed, the present holder stays."""
    return [
        next(iter(ranked([one for one in offspring if one.job.slot == slot])), holder)
        for slot, holder in enumerate(population)
    ]


def tournament_winner(order: Sequence[T], size: int, rng: np.random.Generator) -> T:
    """Return the best of `size` individuals that are drawn, with replacement, from an order with the best first."""
    return order[int(rng.integers(len(order), size=size).min())]


def continue_each(population: Sequence[Candidate]) -> list[OffspringRequest]:
    """Request that every individual is trained further once, in its first slot; it may hold several slots."""
    first: dict[int, int] = {}
    for slot, holder in enumerate(population):
        first.setdefault(holder.job.individual, slot)
    return [OffspringRequest(slot, slot, modified=False) for slot in first.values()]


def fill_slots(chosen: Sequence[C], population: Sequence[C]) -> list[C]:
    """Fill the slots with the chosen individuals, in order; the slots that are left keep their present holders."""
    return [*chosen, *population[len(chosen) :]][: len(population)]


def select_offspring(
    population: Sequence[C],
    offspring: Sequence[C],
    settings: SelectionSettings,
    generation: int,
) -> list[C]:
    """Fill each slot with its best offspring; if all its offspring failed, the present holder stays."""
    return best_of_each_slot(population, offspring)
