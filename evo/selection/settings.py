"""What a selection consists of, the registry of the selections, and the settings of a selection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from evo.registry import Registry, check_signature, functions_in
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
    """

    propose: Callable[..., Any]
    select: Callable[..., Any]
    offspring_per_slot: int = 1
    name: str = ""
    single: SingleSelection | None = None
    expected_offspring: Callable[[int, "SelectionSettings", int], int] | None = None
    expected_survivors: Callable[[int, "SelectionSettings", int], int] | None = None


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


Objective = Literal["fitness", "validation_loss", "parameters", "macs"]
"""What the selection nsga2 compares."""

SELECTIONS: Registry[Selection] = Registry("selection", convert=_converted)
"""The selections by name; :mod:`evo.selection` has those of the package."""


READERS = {
    "replacement_interval": ("local_search",),
    "tournament_size": ("tournament", "ageing"),
    "elites": ("tournament",),
    "children": ("mu_plus_lambda", "ageing"),
    "objectives": ("nsga2",),
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
        "trained on, until one is left.",
    )
    replacement_interval: int = Field(
        3,
        ge=1,
        description="Generations between two replacements of the worse half of the slots by the better half "
        "(local_search).",
    )
    tournament_size: int = Field(
        3, ge=1, description="Individuals in one tournament (tournament, ageing)."
    )
    elites: int = Field(
        2,
        ge=0,
        description="Best individuals; they are trained on without being modified (tournament).",
    )
    children: int | None = Field(
        None,
        ge=1,
        description="Children in each generation (mu_plus_lambda, ageing). By default as many as the population "
        "(mu_plus_lambda), or a quarter of it (ageing).",
    )
    objectives: tuple[Objective, ...] = Field(
        ("fitness", "parameters", "macs"),
        min_length=1,
        description="What is compared (nsga2). fitness: that of the evolution, as large as possible. validation_loss, "
        "parameters, macs: as small as possible.",
    )

    @field_validator("objectives")
    @classmethod
    def _objectives_differ(cls, objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
        if len(set(objectives)) < len(objectives):
            raise ValueError(f"must name each objective at most once; got {[*objectives]}")
        return objectives

    @model_validator(mode="after")
    def _settings_are_read(self) -> Self:
        if self.name not in SELECTIONS.own:
            self._refuse_unread([self.name], READERS)
        return self
