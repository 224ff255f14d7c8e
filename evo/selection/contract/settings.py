"""What a selection consists of, the registry of the selections, and the settings of a selection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from evo.registry import Registry, check_signature, functions_in, must_be_one_of
from evo.settings import Settings


@dataclass(frozen=True)
class SingleSelection:
    """The form of a selection that works with one offspring at a time, for ``evolution.mode = "asynchronous"``.

    Attributes
    ----------
    propose : callable
        ``propose(vacancy, settings, rng)`` returns the :class:`evo.selection.OffspringRequest` for a
        :class:`evo.selection.Vacancy`.
    own_slot : bool
        Whether the parent is the holder of the same slot, so that the offspring waits for this holder. Otherwise the
        parent is chosen among the holders that are known so far.
    replace : callable, optional
        ``replace(slot, known, settings, generation)`` returns the individual that takes a slot instead of the best of
        its offspring; `known` has the holders that are known so far, by slot, this one included.
    """

    propose: Callable[..., Any]
    own_slot: bool
    replace: Callable[..., Any] | None = None


@dataclass(frozen=True)
class Selection:
    """A selection scheme: two functions.

    Attributes
    ----------
    propose : callable
        ``propose(population, settings, rng)`` returns one :class:`evo.selection.OffspringRequest` for every
        offspring to evaluate.
    select : callable
        ``select(population, offspring, settings, generation)`` returns the individual of each slot.
    offspring_per_slot : int
        Expected number of offspring for every slot.
    name : str
        In words.
    single : SingleSelection, optional
        Its form for ``evolution.mode = "asynchronous"``, in which every slot gets `offspring_per_slot` offspring
        exactly. Without it this mode refuses the selection.
    expected_offspring : callable, optional
        ``expected_offspring(population, settings, generation)`` returns the expected number of offspring in a
        generation that modifies, of a population of that size. By default the population times `offspring_per_slot`.
        Progress is reported by it, and controls get as many networks.
    expected_survivors : callable, optional
        ``expected_survivors(population, settings, generation)`` returns how many different individuals are expected to
        hold the slots after a generation that modifies. By default each slot has its own. So many networks are trained
        on in the generations that only train.
    check : callable, optional
        ``check(population, settings)`` raises ValueError, with the rule and the value, if the settings do not suit a
        population of that size. The message names settings as ``[evolution]`` does, such as ``selection.bins``.
    """

    propose: Callable[..., Any]
    select: Callable[..., Any]
    offspring_per_slot: int = 1
    name: str = ""
    single: SingleSelection | None = None
    expected_offspring: Callable[[int, "SelectionSettings", int], int] | None = None
    expected_survivors: Callable[[int, "SelectionSettings", int], int] | None = None
    check: Callable[[int, "SelectionSettings"], None] | None = None


EXPECTATIONS = ("expected_offspring", "expected_survivors")
"""The fields of a selection that foretell the numbers of networks."""


def _converted(name: str, given: Any) -> Selection:
    """Return an own selection for a class with `propose` and `select`, or for a Selection."""
    if isinstance(given, type):
        propose, select = functions_in("selection", name, given, ("propose", "select"))
        given = Selection(
            propose,
            select,
            getattr(given, "offspring_per_slot", 1),
            single=getattr(given, "single", None),
            expected_offspring=getattr(given, "expected_offspring", None),
            expected_survivors=getattr(given, "expected_survivors", None),
            check=getattr(given, "check", None),
        )
    if not isinstance(given, Selection):
        raise TypeError(
            f"selection {name!r} must be a class with the functions propose and select, or a Selection; got {given!r}"
        )
    propose, select = given.propose, given.select
    check_signature("propose of selection", name, propose, "population", "settings", "rng")
    arguments = ("population", "offspring", "settings", "generation")
    check_signature("select of selection", name, select, *arguments)
    for expectation in EXPECTATIONS:
        expected, role = getattr(given, expectation), f"{expectation} of selection"
        if expected is not None:
            check_signature(role, name, expected, "population", "settings", "generation")
    if given.check is not None:
        check_signature("check of selection", name, given.check, "population", "settings")
    single = given.single
    if single is not None:
        if not isinstance(single, SingleSelection):
            raise TypeError(
                f"single of selection {name!r} must be a SingleSelection; got {single!r}"
            )
        check_signature(
            "single.propose of selection", name, single.propose, "vacancy", "settings", "rng"
        )
        if single.replace is not None:
            arguments = ("slot", "known", "settings", "generation")
            check_signature("single.replace of selection", name, single.replace, *arguments)
    return given


OBJECTIVES = ("fitness", "validation_loss")
"""What the selection nsga2 compares beside descriptors and measures."""

SELECTIONS: Registry[Selection] = Registry("selection", convert=_converted)
"""The selections by name; :mod:`evo.selection` has those of the package."""


READERS = {
    "replacement_interval": ("local_search",),
    "tournament_size": ("tournament", "ageing", "novelty"),
    "elites": ("tournament", "novelty"),
    "children": ("mu_plus_lambda", "ageing", "map_elites", "novelty"),
    "objectives": ("nsga2",),
    "descriptors": ("map_elites", "novelty"),
    "bounds": ("map_elites", "novelty"),
    "bins": ("map_elites",),
    "neighbors": ("novelty",),
    "archive": ("novelty",),
    "archived": ("novelty",),
    "novelty_weight": ("novelty",),
    "local_competition": ("novelty",),
    "species": ("speciation",),
    "structure_coefficient": ("speciation",),
    "weight_coefficient": ("speciation",),
    "parent_fraction": ("speciation",),
}
"""The selections of the package that read a setting; an own selection may read all."""


class SelectionSettings(Settings, frozen=True, extra="forbid"):
    """How individuals compete."""

    name: Annotated[str, SELECTIONS] = Field(
        "local_search",
        description="Selection scheme. local_search: each slot's parent and child are trained for equally many steps, "
        "and the better one keeps the slot. tournament: the elites are trained on, and tournament winners are the "
        "parents of all other individuals. random_search: every individual gets one child, whatever its fitness. "
        "mu_plus_lambda: the best of all parents and children survive. ageing: the oldest individuals are replaced by "
        "children of tournament winners. nsga2: the Pareto front of several objectives survives. successive_halving: "
        "one individual gets children in all other slots; after every generation the better half of those left is "
        "trained on, until one is left. map_elites: the best individual of each cell of a grid over the descriptors "
        "survives. novelty: the individuals survive whose descriptors are farthest from those of others and of an "
        "archive. speciation: similar topologies share their fitness, and breed among themselves.",
    )
    replacement_interval: int = Field(
        3,
        ge=1,
        description="Generations between two replacements of the worse half of the slots by the better half "
        "(local_search).",
    )
    tournament_size: int = Field(
        3, ge=1, description="Individuals in one tournament (tournament, ageing, novelty)."
    )
    elites: int = Field(
        2,
        ge=0,
        description="Best individuals; they are trained on without being modified (tournament), or survive whatever "
        "their novelty (novelty).",
    )
    children: int | None = Field(
        None,
        ge=1,
        description="Children in each generation (mu_plus_lambda, ageing, map_elites, novelty). By default as many as "
        "the population, or a quarter of it (ageing). With map_elites and novelty there is one more for each slot "
        "whose holder has another slot too.",
    )
    objectives: tuple[str, ...] = Field(
        ("fitness", "parameters", "macs"),
        min_length=1,
        description="What is compared (nsga2). fitness: that of the evolution, as large as possible. validation_loss "
        "and what descriptors may name, such as parameters, macs, or a measure of the reward: as small as possible; "
        "with a minus in front as large as possible, such as -success.",
    )
    descriptors: tuple[str, ...] = Field(
        (),
        description="What tells individuals apart beside their fitness (map_elites, novelty): keys of evo.DESCRIPTORS, "
        "such as depth, density or parameters; measures of the reward; or metrics of evaluation.metrics.",
    )
    bounds: dict[str, tuple[float, float]] = Field(
        default_factory=dict,
        description="Lowest and highest value of each descriptor. map_elites: the grid lies between them, and a value "
        "outside belongs to the nearest bin. novelty: distances along the descriptor are divided by the difference; "
        "without bounds they count as they are.",
    )
    bins: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (),
        description="Number of bins of each descriptor, in their order (map_elites). By default equally many, and "
        "as many as there are slots for. There may not be more cells than slots.",
    )
    neighbors: int = Field(
        5,
        ge=1,
        description="Nearest others to which the mean distance is the novelty of an individual (novelty).",
    )
    archive: int | None = Field(
        None,
        ge=0,
        description="Slots at the end of the population that are an archive of novel individuals (novelty). By default "
        "a quarter of the population.",
    )
    archived: int = Field(
        1,
        ge=1,
        description="Most novel children that enter the archive in each generation, in the place of the oldest "
        "(novelty).",
    )
    novelty_weight: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Weight of the novelty beside the fitness, both in parts of their range (novelty). 1: novelty "
        "alone.",
    )
    local_competition: bool = Field(
        False,
        description="Whether individuals compete by two objectives: their novelty, and how many of their neighbors are "
        "less fit (novelty). Otherwise by their novelty, mixed with the fitness by novelty_weight.",
    )
    species: int | None = Field(
        None,
        ge=1,
        description="Largest number of species (speciation). By default a quarter of the population.",
    )
    structure_coefficient: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="Weight, in the distance of two networks, of the entries that one of them has alone, in parts of "
        "the entries of the larger one (speciation).",
    )
    weight_coefficient: float = Field(
        0.5,
        ge=0,
        allow_inf_nan=False,
        description="Weight, in the distance of two networks, of the mean difference of the entries and biases that "
        "both have (speciation).",
    )
    parent_fraction: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Fraction of a species, the fittest, whose children are made (speciation).",
    )

    @field_validator("objectives")
    @classmethod
    def _objectives_differ(cls, objectives: tuple[str, ...]) -> tuple[str, ...]:
        if len({name.removeprefix("-") for name in objectives}) < len(objectives):
            raise ValueError(f"must name each objective at most once; got {[*objectives]}")
        return objectives

    @field_validator("descriptors")
    @classmethod
    def _descriptors_differ(cls, descriptors: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(descriptors)) < len(descriptors):
            raise ValueError(f"must name each descriptor at most once; got {[*descriptors]}")
        return descriptors

    @field_validator("bounds")
    @classmethod
    def _bounds_rise(cls, bounds: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        for name, (low, high) in bounds.items():
            if not -np.inf < low < high < np.inf:
                raise ValueError(
                    f"must have a finite value and a larger one for each descriptor; got {[low, high]} for {name!r}"
                )
        return bounds

    @model_validator(mode="after")
    def _settings_are_read(self) -> Self:
        if self.name not in SELECTIONS.own:
            self._refuse_unread([self.name], READERS)
        for name in self.bounds:
            if name not in self.descriptors:
                raise ValueError(
                    f"bounds {must_be_one_of(self.descriptors, name)}; descriptors does not have it"
                    if self.descriptors
                    else f"bounds must be empty without descriptors; got {[*self.bounds]}"
                )
        return self
