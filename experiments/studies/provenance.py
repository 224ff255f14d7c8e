"""Which data, which fitness and which own parts a run uses, and the refusal to repeat a run with others."""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from evo.errors import SettingsError
from evo.evolution.fitness import FITNESSES
from evo.genome.activations import ACTIVATIONS
from evo.operators.registry import OPERATORS
from evo.origin import origin_of
from evo.registry import Registry
from experiments.datasets import Dataset
from experiments.settings.experiment import OF_EVOLUTION, Experiment
from experiments.settings.used import Used, UsedData, first_difference
from experiments.studies.own_parts import REGISTRIES

UNNAMED = (OPERATORS, ACTIVATIONS)
"""Registries whose parts policies, graphs and given founders use without being told to by a setting."""


def used_by(
    experiment: Experiment, dataset: Dataset, fitness: Callable[..., float] | None = None
) -> Used:
    """Return what an experiment uses.

    Parameters
    ----------
    experiment : Experiment
    dataset : Dataset
    fitness : callable, optional
        The user's own function, as it was given to :func:`experiments.run`.
    """
    data = UsedData(
        name=dataset.name, shape=(len(dataset), *dataset.input_shape), hash=dataset.data_hash
    )
    parts = {
        f"{kind}.{name}": registry.origin(name)
        for kind, registry, names in _named(experiment)
        for name in names
        if name in registry.own and not (registry is FITNESSES and fitness is not None)
    }
    if not experiment.evolve:
        return Used(data=data, parts=parts)
    if fitness is None:
        judged_by = FITNESSES.origin(experiment.evolution.fitness)
    else:
        judged_by = origin_of(fitness, built_in=FITNESSES.is_built_in(fitness))
    return Used(data=data, fitness=judged_by, parts=parts)


def _named(experiment: Experiment) -> Iterator[tuple[str, Registry[Any], Iterable[str]]]:
    """Yield the kind, the registry and the names of the parts that an experiment may use."""
    for public_name, (registry, settings) in REGISTRIES.items():
        kind = public_name.rpartition(".")[2].lower()
        if registry in UNNAMED:
            yield kind, registry, registry.own if experiment.evolve else ()
            continue
        for setting in settings.split(", "):
            section, *keys = setting.split(".")
            if experiment.evolve or section not in OF_EVOLUTION:
                value = functools.reduce(getattr, keys, getattr(experiment, section))
                yield kind, registry, (value,) if isinstance(value, str) else value or ()


def with_used(experiment: Experiment, used: Used) -> Experiment:
    """Return the experiment as config.json has it: with what it uses.

    Raises
    ------
    SettingsError
        If the settings are those of an earlier run that used something else.
    """
    _check_repeats(experiment, used)
    return experiment.model_copy(update={"used": used})


def _check_repeats(experiment: Experiment, used: Used) -> None:
    """Raise SettingsError if the settings are those of an earlier run that used something else."""
    if experiment.used is None:
        return
    other = first_difference(
        experiment.used.model_dump(mode="json"), used.model_dump(mode="json"), "used"
    )
    if other is not None:
        raise SettingsError(
            f"{other}; these settings repeat a run, and `used` must be as it was; without it they are a new run"
        )
