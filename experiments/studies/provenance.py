"""Which data, which fitness and which own parts a run uses, and the refusal to repeat a run with others."""

import functools
import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from evo.errors import SettingsError
from evo.evolution.fitness import FITNESSES
from evo.evolution.settings import SELECTIONS
from evo.operators.registry import OPERATORS
from evo.policies.policies import POLICIES
from experiments.arms import ARMS
from experiments.datasets import DATASETS, Dataset
from experiments.settings.experiment import Experiment
from experiments.settings.used import Origin, Used, UsedData, first_difference

OURS = frozenset({"cnn", "evo", "experiments", "graphops"})
"""The packages whose parts are no parts of the user's own."""


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
    own = {name: origin_of(part) for name, part in _named_parts(experiment)}
    parts = {name: origin for name, origin in own.items() if origin.source_hash is not None}
    if not experiment.evolve:
        return Used(data=data, parts=parts)
    return Used(
        data=data,
        fitness=origin_of(fitness or FITNESSES[experiment.evolution.fitness]),
        parts=parts,
    )


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


def _named_parts(experiment: Experiment) -> Iterator[tuple[str, Any]]:
    """Yield the parts that an experiment may use, by kind and name."""
    registries: list[tuple[str, Mapping[str, Any], tuple[str, ...]]] = [
        ("datasets", DATASETS, (experiment.dataset.name,)),
        ("arms", ARMS, experiment.baseline.arms),
    ]
    if experiment.evolve:
        registries += [
            ("operators", OPERATORS, tuple(OPERATORS)),  # policies draw them without being told to
            ("policies", POLICIES, (experiment.policy.name,)),
            ("selections", SELECTIONS, (experiment.evolution.selection.name,)),
        ]
    for kind, registry, names in registries:
        yield from ((f"{kind}.{name}", registry[name]) for name in names if name in registry)


def origin_of(part: Any) -> Origin:
    """Return the origin of a part: a function, a class, or an object made of functions, such as an operator."""
    code = _code_of(part)
    module, name = getattr(code, "__module__", None) or "", code.__qualname__
    if module.split(".")[0] in OURS:
        return Origin(module=module, name=name)
    digest = hashlib.sha256("\0".join(_words(part)).encode("utf-8", "backslashreplace"))
    return Origin(module=module, name=name, source_hash=digest.hexdigest())


def _code_of(part: Any) -> Any:
    """Return the function or class that names a part."""
    if isinstance(part, functools.partial):
        return _code_of(part.func)
    if isinstance(part, FunctionType | MethodType | type):
        return part
    if is_dataclass(part):
        functions = [getattr(part, one.name) for one in fields(part)]
        return next((_code_of(one) for one in functions if callable(one)), type(part))
    return part if hasattr(part, "__qualname__") else type(part)


def _words(part: Any, seen: frozenset[int] = frozenset()) -> Iterator[str]:
    """Yield the texts that a part consists of: sources, the numbers and texts that it holds, names of the rest."""
    if id(part) in seen:  # a function that refers to itself
        return
    inside: Iterable[Any] = ()
    if part is None or isinstance(part, bool | int | float | str | bytes):
        yield repr(part)
    elif isinstance(part, functools.partial):
        inside = (part.func, *part.args, *sorted(part.keywords.items()))
    elif isinstance(part, MethodType):
        inside = (part.__func__, part.__self__)
    elif isinstance(part, FunctionType):
        yield _source(part)
        inside = (*(part.__defaults__ or ()), *_enclosed(part))
    elif isinstance(part, np.ndarray):
        yield f"{part.dtype} {part.shape} {hashlib.sha256(part.tobytes()).hexdigest()}"
    elif isinstance(part, list | tuple):
        inside = part
    elif isinstance(part, dict):
        inside = part.items()
    elif is_dataclass(part) and not isinstance(part, type):
        yield type(part).__qualname__
        inside = (getattr(part, one.name) for one in fields(part))
    else:
        yield _source(part if isinstance(part, type) else type(part))
    for one in inside:
        yield from _words(one, seen | {id(part)})


def _enclosed(function: FunctionType) -> Iterator[Any]:
    """Yield the values of the variables that a function takes from the functions around it."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # it has no value yet
            continue


def _source(code: FunctionType | type) -> str:
    """Return the source of a function or class; of a function without a source file its byte code."""
    try:
        return inspect.getsource(code)
    except (OSError, TypeError):
        return _byte_code(code.__code__) if isinstance(code, FunctionType) else code.__qualname__


def _byte_code(code: CodeType) -> str:
    held = [_byte_code(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return " ".join([code.co_code.hex(), *code.co_names, *held])
