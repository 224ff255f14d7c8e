"""Descriptors: numbers by which a selection tells individuals apart, beside their fitness.

A descriptor is a function of an individual and an entry of :data:`DESCRIPTORS`. Those of the package read a statistic
of the network, and have the name of its column in the table ``individuals``. A measure of a reward, or a metric of the
tables, is a descriptor too, by its own name.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.checks import brief
from evo.errors import SettingsError
from evo.registry import Registry, check_signature, must_be_one_of
from evo.selection.contract.requests import C, Candidate
from evo.selection.contract.settings import OBJECTIVES, SelectionSettings


@dataclass(frozen=True)
class Descriptor:
    """One number of an individual.

    Attributes
    ----------
    function : callable
        ``function(individual)`` returns the number.
    title : str
        In words.
    of_graph : bool
        Whether it is read from the statistics that ``evolution.statistics = "sizes"`` leaves empty.
    """

    function: Callable[[Any], Any]
    title: str = ""
    of_graph: bool = False


def _converted(name: str, given: Any) -> Descriptor:
    """Return an own descriptor for a function of an individual, or for a Descriptor."""
    made = given if isinstance(given, Descriptor) else Descriptor(given)
    check_signature("descriptor", name, made.function, "individual")
    return made


DESCRIPTORS: Registry[Descriptor] = Registry("descriptor", convert=_converted)
"""The descriptors by name."""


def _statistic(column: str, individual: Candidate) -> Any:
    return getattr(individual.statistics, column)


SIZES = {
    "n_nodes": "number of nodes",
    "n_hidden": "number of hidden nodes",
    "n_computed": "number of computed nodes",
    "n_active": "number of active entries",
    "n_effective": "number of active entries that can change an output",
    "density": "active entries divided by all places of the matrix",
    "parameters": "number of trainable numbers",
    "macs": "multiply-accumulates for one sample",
}
"""The statistics that every network has."""

OF_GRAPH = {
    "depth": "length of the longest path within one tick",
    "mean_degree": "mean number of effective edges of a node",
    "max_in_degree": "largest number of in-edges of a node",
    "max_out_degree": "largest number of out-edges of a node",
    "n_delayed": "number of effective edges that act one tick later",
    "n_components": "number of strongly connected components",
    "n_cyclic": "number of nodes on a cycle",
}
"""The statistics of the graph of effective edges."""

DESCRIPTORS.fill(
    {
        name: Descriptor(partial(_statistic, name), title, of_graph=name in OF_GRAPH)
        for name, title in {**SIZES, **OF_GRAPH}.items()
    }
)


def named_descriptors(settings: SelectionSettings) -> Iterator[tuple[str, str]]:
    """Yield the descriptors and measures that settings name, each after the key of the setting."""
    yield from (("descriptors", name) for name in settings.descriptors)
    for name in settings.objectives:
        bare = name.removeprefix("-")
        if name not in OBJECTIVES:
            yield "objectives", name if bare in OBJECTIVES else bare


def check_names(settings: SelectionSettings, measures: Collection[str]) -> None:
    """Raise ValueError unless each name in the settings is that of a descriptor, or of a measure.

    Parameters
    ----------
    settings : SelectionSettings
    measures : collection of str
        The measures of the reward, or the metrics in the tables.
    """
    for key, name in named_descriptors(settings):
        known = (*(OBJECTIVES if key == "objectives" else ()), *DESCRIPTORS, *measures)
        if name not in known:
            raise ValueError(f"selection.{key} {must_be_one_of(known, name)}")
        if name in DESCRIPTORS and name in measures:
            raise ValueError(
                f"selection.{key} must name one thing; got {name!r}, which is a descriptor and a measure"
            )


def points_of(individuals: Sequence[Candidate], names: Sequence[str]) -> NDArray[np.float64]:
    """Return the descriptors of individuals, shape (individuals, names); NaN where an individual has no value.

    Raises
    ------
    SettingsError
        If one of them is something else than a number.
    """
    points = [[_value(name, one) for name in names] for one in individuals]
    return np.array(points, np.float64).reshape(len(individuals), len(names))


def _value(name: str, individual: Candidate) -> float:
    known = name in DESCRIPTORS
    value: Any = DESCRIPTORS[name].function(individual) if known else individual.metrics.get(name)
    if value is None:
        return np.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        raise SettingsError(
            f"evolution.selection: {name} must be a number for each individual; got {brief(value)} for individual "
            f"{individual.job.individual}"
        ) from None


def part_described(individuals: Sequence[C], names: Sequence[str]) -> tuple[list[C], list[C]]:
    """Return those individuals whose descriptors are all finite, and the others, both in their order."""
    described: list[C] = []
    others: list[C] = []
    for one, point in zip(individuals, points_of(individuals, names), strict=True):
        (described if np.isfinite(point).all() else others).append(one)
    return described, others
