"""Types of arguments: one clear line for each that is wrong, before any work."""

from os import PathLike
from typing import Any

from cnn.checks import brief, is_whole
from evo.errors import SettingsError
from evo.executors.memory import can_limit_memory
from experiments.datasets import Dataset
from experiments.settings.experiment import Experiment

RULES: dict[str, tuple[Any, str]] = {
    "experiment": (
        Experiment,
        'settings, such as load_experiment("xor"), load_experiment("my.toml") or Experiment(seeds=1)',
    ),
    "dataset": (
        Dataset | None,
        "a Dataset, such as Dataset.from_frame(frame, target=…), Dataset.from_arrays(X, y) or "
        "Dataset.from_csv(path, target=…)",
    ),
    "results": (str | PathLike, "the path of a folder"),
    "path": (str | PathLike, "the path of a run's folder"),
    "run_name": (str | None, "a text"),
    "folder": (str | PathLike | None, "the path of a folder"),
    "address": (str | None, 'a text, such as "auto", "host:6379" or "existing"'),
}
"""The type of an argument of :func:`run`, and the type in words."""


def check_types(*, fitness: object = None, **arguments: object) -> None:
    """Raise TypeError for an argument of another type, with one line that says what is right."""
    for name, value in arguments.items():
        wanted, rule = RULES[name]
        if not isinstance(value, wanted):
            got = "the class " + value.__name__ if isinstance(value, type) else _in_brief(value)
            raise TypeError(f"{name} must be {rule}; got {got}")
    if isinstance(fitness, str):
        raise TypeError(
            "fitness must be a function of (network, validation) or (network, validation, evaluation); the name of a "
            f"fitness stands in the settings, as evolution.fitness; got {fitness!r}"
        )


def _in_brief(value: object) -> str:
    """Return text, numbers and paths as they are, in one line; of other values the type."""
    known = isinstance(value, str | int | float | PathLike) or value is None
    return " ".join(brief(value).split()) if known else f"a {type(value).__name__}"


def check_workers(workers: int | None, address: str | None) -> None:
    """Raise SettingsError unless workers is a whole number from 0, and for 0 workers with an address."""
    if workers is not None and not (is_whole(workers) and workers >= 0):
        raise SettingsError(
            f"workers must be a whole number of at least 0; got {_in_brief(workers)}"
        )
    check_types(address=address)
    if workers == 0 and address is not None:
        raise SettingsError("workers must not be 0 with an address, since 0 means no Ray")


def limits_of(experiment: Experiment) -> tuple[str, ...]:
    """Return the settings that limit what one individual may take; only a worker can keep to them."""
    limits = ("timeout", "memory") if experiment.evolve else ()
    return tuple(name for name in limits if getattr(experiment.evaluation, name) is not None)


def check_limits(experiment: Experiment, workers: int | None) -> None:
    """Raise SettingsError for a limit without a worker, or one that this system does not have."""
    limits = limits_of(experiment)
    if limits and workers == 0:
        raise SettingsError(
            f"workers must be at least 1 with evaluation.{limits[0]}, which needs a worker; got 0"
        )
    if "memory" in limits and not can_limit_memory():
        raise SettingsError(
            "evaluation.memory must not be given on this system, which cannot limit the memory of a process; "
            f"got {experiment.evaluation.memory}"
        )
