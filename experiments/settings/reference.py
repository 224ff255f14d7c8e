"""The reference of all settings, written from the models themselves: :func:`settings_reference` is docs/settings.md."""

import inspect
import json
import re
import types
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from evo import NeuroevolutionSettings
from evo.registry import Registry
from evo.settings import Settings
from experiments.datasets import DATASETS
from experiments.settings.controls import CONTROLS
from experiments.settings.experiment import OF_EVOLUTION, Experiment
from experiments.settings.halving import HalvingSettings

UNITS = {
    "seeds": "seeds",
    "dataset.validation": "fraction of the samples",
    "dataset.test": "fraction of the samples",
    "founders.hidden": "nodes",
    "founders.density": "fraction of the possible edges",
    "founders.rewiring_probability": "probability",
    "founders.receptive_field_randomness": "fraction",
    "founders.active_fraction": "fraction of the entries",
    "founders.ticks": "ticks",
    "founders.layers": "pixels, nodes",
    "founders.kernel": "pixels",
    "founders.densities": "fraction of the taps",
    "founders.max_parameters": "parameters",
    "founders.max_macs": "MACs per sample",
    "founders.stored_per_edge": "taps per active tap",
    "evolution.population": "individuals",
    "evolution.generations": "generations",
    "evolution.steps_per_generation": "steps",
    "evolution.train_only_fraction": "fraction of the generations",
    "evolution.budget.steps": "steps",
    "evolution.budget.samples": "samples",
    "evolution.budget.macs": "MACs",
    "evolution.budget.seconds": "s",
    "evolution.selection.replacement_interval": "generations",
    "evolution.selection.tournament_size": "individuals",
    "evolution.selection.elites": "individuals",
    "evolution.selection.children": "individuals",
    "evolution.selection.neighbors": "individuals",
    "evolution.selection.archive": "individuals",
    "evolution.selection.archived": "individuals",
    "evolution.selection.species": "species",
    "evolution.selection.parent_fraction": "fraction of a species",
    "evolution.recombination.probability": "probability",
    "evolution.recombination.mates": "individuals",
    "policy.operator_weights": "relative frequency",
    "policy.max_operations": "operations",
    "policy.min_probability": "probability",
    "policy.credit_decay": "per generation",
    "policy.rewiring_probability": "probability",
    "policy.rewired_fraction": "fraction of the entries",
    "policy.new_weight_scale": "1/√in-degree",
    "policy.final_density": "fraction of the places",
    "policy.density_end": "fraction of the generations",
    "policy.gradient_fraction": "probability",
    "policy.max_moved_fraction": "fraction of the edges",
    "policy.operators.mutation_probability": "probability",
    "policy.operators.mutation_std": "1/√in-degree",
    "task.episodes": "episodes",
    "task.test_episodes": "episodes",
    "task.strategy.population": "networks",
    "task.strategy.episodes": "episodes",
    "policy.operators.max_quantile": "fraction of the entries",
    "policy.operators.max_new_fraction": "fraction of the entries",
    "policy.operators.max_density": "fraction of the places",
    "policy.operators.max_parameters": "parameters",
    "policy.operators.max_macs": "MACs per sample and tick",
    "evaluation.equivalence_margin": "that of the metric",
    "evaluation.timeout": "s",
    "evaluation.memory": "GiB",
    "training.learning_rate": "per step",
    "training.class_weight": "relative weight",
    "training.batch_size": "samples",
    "training.warm_up": "fraction of the steps",
    "training.augmentation.shift": "pixels",
    "training.augmentation.erase": "pixels",
    "training.gradient_clip": "Euclidean norm",
    "baseline.epochs": "epochs",
    "baseline.total_steps": "steps",
    "baseline.patience": "epochs",
    "baseline.maps": "maps",
    "baseline.kernel": "pixels",
    "baseline.hidden": "nodes",
    "baseline.learning_rate": "per step",
    "halving.keep": "cells",
    "baseline.search.learning_rates": "per step",
    "baseline.pbt.interval": "steps",
    "baseline.pbt.truncation": "fraction of the networks",
}
"""The unit of each setting that has one, by its dotted key."""

INTRODUCTION = """\
# Settings

An experiment is a TOML file with these keys, or `Experiment(...)` in a script with the same names: a section
`[evolution]` is the argument `evolution={...}`. Every key has a default, so a file holds only what differs.
`evomatrix presets digits` prints a complete example. If a key is unknown or a value breaks a rule, the program ends
before any work is done, with one line that names file, key, rule and value. A key that others leave without effect
breaks a rule too, such as `policy.max_moved_fraction` with another policy than `layerwise`, unless its value is the
default.

*This page is the output of `evomatrix settings`; a test compares it with the settings in the code.*
"""

ARMS = """\
## `[arms.<name>]`

A file with arms is a study: several experiments that share data and seeds, and in a fair comparison recipe and budget.
`[arms.wide]` followed by `founders.hidden = 64` is an arm named `wide`. Its keys replace those of the rest of the file.
An arm may not have its own `name`, `arm`, `seed`, `seeds`, `dataset` or `evaluation`. An arm with `evolve = false`
trains baselines only. Without `epochs` and `total_steps` it makes as many steps as `[evolution]` of the file gives an
evolved network.

## `controls`

`controls = ["train_only", "random_search"]`, above all sections, adds arms to the arm that evolves. Each is that arm
with one thing switched off, at the same cost. `[controls]` followed by `evolved = ["train_only"]` adds arms to one of
several arms that evolve. The names are $CONTROLS; [controls.md](controls.md) says what each is.

## `[grid]`

A file with a grid is a study too. Each key is a setting, and its value is a list: `training.learning_rate = [0.01,
0.1]`. Each combination of values is a point, and each arm at each point is a cell. A key of the grid may not be one of
the arms' own, nor `name`, `arm`, `seed`, `seeds` or one of `evaluation`.
"""

NEUROEVOLUTION = """\
## `NeuroevolutionSettings`

For `evo.neuroevolve(samples, settings, seed=0)`: evolution without training, in scripts only. Its `operators` has the
keys of `[policy.operators]`.
"""

_BOUNDS = (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
_NAMES: dict[Any, str] = {
    int: "integer",
    float: "number",
    str: "text",
    bool: "true or false",
    Any: "any value",
}


def settings_reference() -> str:
    """Return the page that lists every setting with type, default, unit and meaning, as Markdown.

    Examples
    --------
    >>> "| `seeds` | integer ≥ 1 | `3` |" in settings_reference()
    True
    """
    halving = _sections(HalvingSettings, "halving.")
    arms = ARMS.replace("$CONTROLS", ", ".join(f"`{name}`" for name in CONTROLS.built_in))
    parts = [
        INTRODUCTION,
        *_sections(Experiment, ""),
        arms,
        *halving,
        _data_sets(),
        NEUROEVOLUTION,
    ]
    return "\n".join([*parts, _table(_rows(NeuroevolutionSettings, "", units={}))])


def described(settings: Settings, section: str = "") -> str:
    """Return all settings of an experiment that have a say as a TOML file, with their meanings as comments.

    A setting with its default is marked, and one without a value is a comment as a whole.

    Parameters
    ----------
    settings : Settings
        An :class:`Experiment`, or the settings of a section.
    section : str
        The name of the section; empty for an experiment.

    Examples
    --------
    >>> print(described(Experiment(seeds=8)).splitlines()[4])
    seeds = 8                          # Number of seeds: seed, seed + 1, …. Unit: seeds.
    """
    evolves = getattr(settings, "evolve", True)
    unused = {"used", "continues", *(() if evolves else OF_EVOLUTION)}
    if getattr(settings, "task", None) is not None:
        unused.add("dataset")
    heading = [f"[{section}]"] if section else []
    return "\n".join([*heading, *_described(settings, section, unused)]) + "\n"


def _described(model: BaseModel, section: str, unused: Collection[str] = ()) -> Iterator[str]:
    """Yield the lines of one section, then those of the sections in it."""
    inner = {}
    for name, field in type(model).model_fields.items():
        value, path = getattr(model, name), f"{section}.{name}".lstrip(".")
        if path in unused:
            continue
        if isinstance(value, BaseModel):
            inner[path] = value
            continue
        default = field.get_default(call_default_factory=True, validated_data={})
        mark, unit = "default. " if value == default else "", UNITS.get(path)
        set_to = f"{'# ' if value is None else ''}{name} = {_toml(value)}"
        yield f"{set_to:<34} # {mark}{_sentence(field)}{f' Unit: {unit}.' if unit else ''}"
    for path, one in inner.items():
        yield f"\n[{path}]"
        yield from _described(one, path)


def setting_keys() -> frozenset[str]:
    """Return the dotted names of all settings of an experiment, sections included.

    Examples
    --------
    >>> sorted(key for key in setting_keys() if key.startswith("evolution.budget"))[:2]
    ['evolution.budget', 'evolution.budget.macs']
    """
    return frozenset(_keys(Experiment, ""))


def _keys(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        inner = _model_of(field)
        if inner is not None:
            yield from _keys(inner, f"{prefix}{name}.")


def _sections(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Yield the section of a model, then those of the models inside it."""
    title = f"`[{prefix[:-1]}]`" if prefix else "Top level"
    about = (inspect.getdoc(model) or "").splitlines()[0]
    yield f"## {title}\n\n{about}\n"
    yield _table(_rows(model, prefix, UNITS))
    for name, field in model.model_fields.items():
        inner = _model_of(field)
        if inner is not None:
            yield from _sections(inner, f"{prefix}{name}.")


def _rows(model: type[BaseModel], prefix: str, units: dict[str, str]) -> Iterator[Sequence[str]]:
    for name, field in model.model_fields.items():
        if _model_of(field) is None:
            kind, default = _type(field), f"`{_default(field)}`"
            yield f"`{name}`", kind, default, units.get(prefix + name, ""), _sentence(field)


def _table(rows: Iterator[Sequence[str]]) -> str:
    lines = ["| key | type | default | unit | meaning |", "|---|---|---|---|---|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _data_sets() -> str:
    lines = [
        "## `[dataset.options]`\n",
        "Each data set of `dataset.name` has options of its own.\n",
        "| `dataset.name` | options |",
        "|---|---|",
    ]
    for name, loader in DATASETS.items():
        options = [
            f"`{option}`" + ("" if one.default is one.empty else f" = `{_toml(one.default)}`")
            for option, one in inspect.signature(loader).parameters.items()
        ]
        lines.append(f"| `{name}` | {', '.join(options) or 'none'} |")
    return "\n".join(lines) + "\n"


def _sentence(field: FieldInfo) -> str:
    """Return the description of a setting as a sentence; a value or key that opens it keeps its case."""
    about = " ".join((field.description or "").split()).rstrip(".")
    if re.match(r"[a-z]+ ", about):
        about = about[0].upper() + about[1:]
    return f"{about}."


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a section, which may be left out; None for a key, or what only a run writes."""
    annotation: Any = field.annotation
    if isinstance(annotation, types.UnionType):
        found = [one for one in get_args(annotation) if isinstance(one, type)]
        return next((one for one in found if issubclass(one, Settings)), None)
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation if is_model else None


def _type(field: FieldInfo) -> str:
    """Return the type and bounds of a setting in words."""
    bounds = ", ".join(
        f"{sign} {getattr(rule, name):,}"
        for name, sign in _BOUNDS
        for rule in field.metadata
        if getattr(rule, name, None) is not None
    )
    choices = next((rule for rule in field.metadata if isinstance(rule, Registry)), None)
    kind = _in_words(field.annotation) if choices is None else _choices(choices)
    none = " or none"
    if bounds and kind.endswith(none):
        return f"{kind.removesuffix(none)} {bounds}{none}"
    return f"{kind} {bounds}".rstrip()


def _in_words(annotation: Any) -> str:
    """Return a type annotation in words.

    Examples
    --------
    >>> _in_words(tuple[float, ...] | None), _in_words(Literal["sgd", "adam"])
    ('list of numbers or none', '`"sgd"`, `"adam"`')
    """
    if annotation in _NAMES:
        return _NAMES[annotation]
    origin, parts = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        one = next((rule for rule in annotation.__metadata__ if isinstance(rule, Registry)), None)
        return _in_words(annotation.__origin__) if one is None else _choices(one)
    if origin is Literal:
        return ", ".join(f"`{json.dumps(value)}`" for value in parts)
    if origin in {Union, types.UnionType}:
        known = [_in_words(part) for part in parts if part is not type(None)]
        return " or ".join([*known, *(["none"] if type(None) in parts else [])])
    if origin is tuple:
        kinds = [_in_words(part) for part in parts if part is not Ellipsis]
        if Ellipsis not in parts:
            return f"pair of {kinds[0]}s" if len(kinds) == 2 else f"{len(kinds)} {kinds[0]}s"
        plural = kinds[0] if kinds[0].startswith("`") else kinds[0].replace("pair", "pairs")
        plural = plural if plural.endswith(("s", "`", "text")) else f"{plural}s"
        return f"list of {plural}"
    if origin is dict or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return "table"
    return str(getattr(annotation, "__name__", annotation))


def _choices(registry: Registry[Any]) -> str:
    """Return the names of the parts of the package."""
    return ", ".join(f"`{json.dumps(name)}`" for name in registry.built_in)


def _default(field: FieldInfo) -> str:
    return _toml(field.get_default(call_default_factory=True, validated_data={}))


def _toml(value: Any) -> str:
    """Return a value as TOML writes it; there is no key where the default is none.

    Examples
    --------
    >>> _toml((1, 2.5)), _toml({"A": 1.0}), _toml(None)
    ('[1, 2.5]', '{ A = 1.0 }', 'none')
    """
    if value is None:
        return "none"
    if isinstance(value, dict):
        inside = ", ".join(f"{key} = {_toml(one)}" for key, one in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
