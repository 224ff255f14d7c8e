"""Settings as columns of the table ``runs``: one column for each setting of a section, by its dotted name."""

import json
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel

from experiments.settings.experiment import OF_EVOLUTION, Experiment
from experiments.settings.used import Used

_DATA_OPTIONS = "dataset.options."

_TYPES = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


def setting_columns(
    experiment: Experiment, used: Used, *, own_data: bool, own_fitness: bool
) -> dict[str, pa.Scalar]:
    """Return the settings as columns; data and fitness that were passed to a run replace those of the settings."""
    columns = setting_values(experiment)
    if experiment.task is not None:
        columns["evolution.fitness"] = pa.scalar("return")
    if own_data:
        columns = {name: one for name, one in columns.items() if not name.startswith(_DATA_OPTIONS)}
        columns["dataset.name"] = pa.scalar(used.data.name)
    if own_fitness and used.fitness is not None:
        columns["evolution.fitness"] = pa.scalar(used.fitness.name)
    return columns


def setting_values(experiment: Experiment) -> dict[str, pa.Scalar]:
    """Return every setting that stands in a section, typed, by its dotted name.

    Whole numbers, numbers, texts and truth values keep their type. A list is text, as JSON writes it. A table, such as
    ``policy.operator_weights``, gives a value for each of its keys. The sections of evolution are left out if nothing
    evolves.

    Examples
    --------
    >>> values = setting_values(Experiment(baseline={"arms": ["mlp"]}))
    >>> values["training.batch_size"].type, values["baseline.arms"].as_py()
    (DataType(int64), '["mlp"]')
    """
    sections = {
        name: section
        for name, section in experiment
        if isinstance(section, BaseModel) and name not in {"used", "continues"}
    }
    if experiment.task is not None:
        del sections["dataset"]
    if not experiment.evolve:
        sections = {name: one for name, one in sections.items() if name not in OF_EVOLUTION}
    return {
        name: scalar
        for section, model in sections.items()
        for name, scalar in _scalars_of(model, f"{section}.")
    }


def default_settings() -> dict[str, Any]:
    """Return the default of each setting that stands in a section, by its dotted name; None where there is none."""
    return {name: one.as_py() for name, one in setting_values(Experiment()).items()}


def _scalars_of(model: BaseModel, prefix: str) -> Iterator[tuple[str, pa.Scalar]]:
    for name, value in model:
        declared = type(model).model_fields[name].annotation
        if isinstance(value, BaseModel):
            yield from _scalars_of(value, f"{prefix}{name}.")
        elif isinstance(value, dict):
            yield from ((f"{prefix}{name}.{key}", _scalar(one, Any)) for key, one in value.items())
        else:
            yield prefix + name, _scalar(value, declared)


def _scalar(value: Any, declared: Any) -> pa.Scalar:
    """Return a value with the type that its setting declares; a value of a union or of any type has its own type."""
    kinds = {_kind(one) for one in _alternatives(declared)}
    known = kinds.pop() if len(kinds) == 1 else Any
    of_type = _TYPES.get(known if known in _TYPES else type(value), pa.string())
    if value is None or type(value) in _TYPES:
        return pa.scalar(value, of_type)
    return pa.scalar(json.dumps(value, ensure_ascii=False, default=str), pa.string())


def _alternatives(declared: Any) -> list[Any]:
    """Return the types that a setting may have beside none."""
    if hasattr(declared, "__metadata__"):
        return _alternatives(get_args(declared)[0])
    if get_origin(declared) in {Union, UnionType}:
        return [kind for one in get_args(declared) for kind in _alternatives(one)]
    return [] if declared is NoneType else [declared]


def _kind(declared: Any) -> Any:
    """Return int, float, bool or str; another type as it is."""
    if get_origin(declared) is Literal:
        (kind,) = {type(value) for value in get_args(declared)}
        return kind
    return declared
