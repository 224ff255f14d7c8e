"""The settings of a study: arms, and a grid over any settings; together they make cells, which are experiments.

A file with a table ``[arms]`` or ``[grid]`` begins with the settings that all cells share, like any experiment. Each
arm has its own settings: ``[arms.wide]`` and ``founders.hidden = 64``. The grid has a list of values for each of its
keys: ``[grid]`` and ``training.learning_rate = [0.01, 0.1]``. A cell is one arm at one point of the grid. An arm with
``evolve = false`` trains fixed networks, for as many gradient steps as the evolved networks get; a key of the grid that
changes nothing for it makes no further cells.
"""

import itertools
import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cnn.checks import brief, did_you_mean
from cnn.files import one_line
from evo.errors import SettingsError
from evo.evolution.settings import EvolutionSettings
from experiments.settings.experiment import OF_EVOLUTION, Experiment, read_settings, with_values
from experiments.settings.halving import HalvingSettings, parse_halving

SHARED = ("name", "arm", "cell", "seed", "seeds", "dataset", "evaluation")
"""The settings that all arms share. Of these a grid may have values for the data set only."""

OF_STUDY = ("arms", "grid", "halving")
"""The tables of a study that are no settings of an experiment."""

DATA_SETS = ("dataset", "dataset.name")
"""The keys of a grid whose values are data sets. They name folders, but no arms: an arm has one name on all of them."""

LARGEST = 10_000
"""Most points of a grid: each is an experiment, of which an arm has a run for each seed."""

OTHER = re.compile(r"[^A-Za-z0-9_.]+")
LONGEST = 24
"""What a name may not have, and the most characters of a value in the name of a cell."""


@dataclass(frozen=True)
class Study:
    """Experiments that are compared.

    Attributes
    ----------
    name : str
    cells : mapping
        The experiment of each cell, for all seeds. Without a grid every arm is one cell, with the name of the arm.
    arm_of : mapping
        The arm of each cell; without a grid it may be left out.
    halving : HalvingSettings or None
        How the worst cells are stopped early; by default none is.
    """

    name: str
    cells: Mapping[str, Experiment]
    arm_of: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    halving: HalvingSettings | None = None

    @property
    def arms(self) -> dict[str, Experiment]:
        """The experiment of each arm; with a grid, that of its first cell."""
        arms: dict[str, Experiment] = {}
        for cell, experiment in self.cells.items():
            arms.setdefault(self.arm_of.get(cell, cell), experiment)
        return arms

    def chosen(self, arms: Collection[str] | None) -> dict[str, Experiment]:
        """Return the cells of the named arms, by default all cells, in their order.

        Raises
        ------
        SettingsError
            If there is no arm of that name.
        """
        unknown = [name for name in arms or () if name not in self.arms]
        if unknown:
            raise SettingsError(
                f"arms must be among {', '.join(self.arms)}; got {', '.join(unknown)}"
                f"{did_you_mean(unknown[0], self.arms)}"
            )
        if self.halving is not None and {*(arms or self.arms)} != {*self.arms}:
            raise SettingsError(
                f"arms must not be given with halving, which compares all cells; got {', '.join(arms or ())}"
            )
        return {
            cell: one
            for cell, one in self.cells.items()
            if arms is None or self.arm_of.get(cell, cell) in arms
        }


def differences(study: Study) -> dict[str, dict[str, Any]]:
    """Return, for each cell, the settings by dotted names that are not the same for all cells."""
    of_cells = {
        cell: dict(_flat(one.model_dump(mode="json", exclude={"cell"}), ""))
        for cell, one in study.cells.items()
    }
    keys = dict.fromkeys(key for values in of_cells.values() for key in values)
    different = [
        key
        for key in keys
        if len({json.dumps(values.get(key)) for values in of_cells.values()}) > 1
    ]
    return {
        cell: {key: values[key] for key in different if key in values}
        for cell, values in of_cells.items()
    }


def is_study(values: Mapping[str, Any]) -> bool:
    """Return whether settings are those of a study."""
    return "arms" in values or "grid" in values


def load_study(preset: str | Path) -> Study:
    """Load a preset with arms by name, or a TOML file with arms or a grid by path.

    Raises
    ------
    SettingsError
        If there is no such preset or file, or at the first setting that breaks a rule.
    """
    return parse_study(read_settings(preset), str(preset))


def parse_study(values: Mapping[str, Any], source: str) -> Study:
    """Check the settings of a study.

    Parameters
    ----------
    values : mapping
        As read from a TOML file.
    source : str
        Where they come from, for messages.

    Raises
    ------
    SettingsError
        At the first setting that breaks a rule.
    """
    shared = {name: value for name, value in values.items() if name not in OF_STUDY}
    grid = _parse_grid(values.get("grid", {}), source)
    cells: dict[str, Experiment] = {}
    arm_of: dict[str, str] = {}
    for arm, of_point in _arms(values, shared, grid, source).items():
        for cell, experiment in _cells(arm, of_point, grid):
            if cell in cells:
                raise SettingsError(
                    f"{source}: arms must give each cell a name of its own; got {cell} twice"
                )
            cells[cell], arm_of[cell] = experiment, arm
    _check_labels(cells, source)
    try:
        halving = parse_halving(values.get("halving"), cells)
    except SettingsError as error:
        raise SettingsError(f"{source}: {error}") from None
    return Study(next(iter(cells.values())).name, cells, arm_of, halving)


def study_of(
    base: str | Path | Experiment,
    *,
    arms: Mapping[str, Mapping[str, Any]] | None = None,
    grid: Mapping[str, Iterable[Any]] | None = None,
    seeds: int | Iterable[int] | None = None,
    datasets: Sequence[str | Mapping[str, Any]] = (),
    halving: Mapping[str, Any] | None = None,
) -> Study:
    """Return the study of variants of an experiment; the parameters are those of :func:`experiments.study`.

    Raises
    ------
    SettingsError
        At the first setting that breaks a rule.
    TypeError
        If an argument has another type.
    """
    if isinstance(base, Experiment):
        values, source = base.model_dump(mode="json", exclude_unset=True), "base"
        values.pop("used", None)
    elif isinstance(base, str | Path):
        values, source = read_settings(base), str(base)
    else:
        raise TypeError(
            f"base must be a preset's name, a path or an Experiment; got a {type(base).__name__}"
        )
    of_study: dict[str, dict[str, Any]] = {}
    for name, given in (("arms", arms), ("grid", grid)):
        if given is not None and not isinstance(given, Mapping):
            raise TypeError(f"{name} must be a mapping; got {brief(given)}")
        of_study[name] = dict(given or {})
    for name, own in of_study["arms"].items():
        values = overlaid(values, {"arms": {name: _nested(own)}})
    points = {key: _as_values(key, one) for key, one in of_study["grid"].items()}
    if len(datasets) == 1:
        values = _at(values, {"dataset": datasets}, (0,))
    elif datasets:
        points = {"dataset": [*datasets], **points}
    if points:
        values = values | {"grid": dict(_flat(values.get("grid", {}), "")) | points}
    if not is_study(values):
        raise SettingsError("arms or grid must be given, for the base has neither")
    if halving is not None:
        values = values | {"halving": halving}
    return parse_study(values | _seeds(seeds), source)


def _nested(settings: Any) -> Any:
    """Return settings with sections as tables, where keys may be dotted."""
    if not isinstance(settings, Mapping):
        return settings
    result: dict[str, Any] = {}
    for key, value in settings.items():
        result = overlaid(result, with_values({}, {key: value}))
    return result


def _as_values(key: str, given: Iterable[Any]) -> list[Any]:
    """Return the values of a key of the grid, those of NumPy as Python's."""
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise TypeError(f"grid must have a list for {key}; got {brief(given)}")
    return [getattr(one, "tolist", lambda one=one: one)() for one in given]


def _seeds(seeds: int | Iterable[int] | None) -> dict[str, int]:
    """Return the settings of seeds that follow each other."""
    if seeds is None:
        return {}
    if isinstance(seeds, int):
        return {"seeds": seeds}
    given = [*seeds]
    if not given or given != [*range(given[0], given[0] + len(given))]:
        raise SettingsError(f"seeds must follow each other, such as range(8); got {brief(given)}")
    return {"seed": int(given[0]), "seeds": len(given)}


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings in which the values of `above` replace those of `below`, table by table."""
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = overlaid(result[key], value) if both else value
    return result


def check_primary(experiment: Experiment, arms: Collection[str]) -> None:
    """Raise SettingsError if the declared comparison is of other arms than these."""
    primary = experiment.evaluation.primary
    if primary is not None and not set(primary.split(" - ")) <= set(arms):
        raise SettingsError(
            f"evaluation.primary must be of two of the arms {', '.join(arms)}; got {primary!r}"
        )


# -- the grid ----------------------------------------------------------------------------------------------------------

Grid = Mapping[str, Sequence[Any]]
"""The values of each dotted key."""

Point = tuple[int, ...]
"""One point of a grid: of each key, the number of its value."""


def _parse_grid(given: Any, source: str) -> Grid:
    """Check a grid; its keys may be dotted, or tables in tables as TOML reads dotted keys without quotes."""
    if not isinstance(given, Mapping):
        raise SettingsError(
            f"{source}: grid must be a table of keys with lists; got {brief(given)}"
        )
    grid = dict(_flat(given, ""))
    for key, values in grid.items():
        where = f"{source}: grid.{one_line(key)}"
        if not isinstance(values, list) or not values:
            raise SettingsError(f"{where} must be a list of one value or more; got {brief(values)}")
        section = key.partition(".")[0]
        if section in SHARED and section != "dataset":
            raise SettingsError(f"{where} must not be given: {section} is the same for all cells")
        if len({json.dumps(one, default=str) for one in values}) < len(values):
            raise SettingsError(f"{where} must have each value once; got {brief(values)}")
    n_points = math.prod(map(len, grid.values()))
    if n_points > LARGEST:
        raise SettingsError(
            f"{source}: grid must have at most {LARGEST:,} points; got {n_points:,}"
        )
    if set(DATA_SETS) <= grid.keys():
        raise SettingsError(f"{source}: grid.dataset must not be given beside grid.dataset.name")
    return grid


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _at(shared: Mapping[str, Any], grid: Grid, point: Point) -> dict[str, Any]:
    """Return settings with the values of one point."""
    result = dict(shared)
    for (key, values), number in zip(grid.items(), point, strict=True):
        value = values[number]
        if key == "dataset":
            value = {"name": value} if isinstance(value, str) else value
            before = result.get("dataset", {})
            if isinstance(before, Mapping):
                result["dataset"] = {k: one for k, one in before.items() if k != "options"}
        result = overlaid(result, with_values({}, {key: value}))
    return result


def _texts(key: str, values: Sequence[Any]) -> list[str]:
    """Return what stands for each value in the name of a cell: the value, or its number if it does not suit a name."""
    if key == "dataset":
        values = [one.get("name") if isinstance(one, Mapping) else one for one in values]
    written = [one if isinstance(one, str) else json.dumps(one, default=str) for one in values]
    texts = [OTHER.sub("-", one).strip("-.") for one in written]
    fine = len(set(texts)) == len(texts) and all(0 < len(one) <= LONGEST for one in texts)
    return texts if fine else [str(number) for number in range(1, len(values) + 1)]


def _relevant(written: Mapping[Point, str], k: int) -> bool:
    """Return whether a key of the grid makes a difference to an arm at one point or more."""
    others: dict[Point, str] = {}
    return any(
        others.setdefault(point[:k] + point[k + 1 :], text) != text
        for point, text in written.items()
    )


def _cells(
    arm: str, of_point: Mapping[Point, Experiment], grid: Grid
) -> Iterator[tuple[str, Experiment]]:
    """Yield the name and the experiment of each cell of an arm. Points that make no difference to it are one cell."""
    written = {point: one.model_dump_json() for point, one in of_point.items()}
    last = [key.rpartition(".")[2] for key in grid]
    in_values: list[tuple[int, str, list[str]]] = []
    in_data: list[tuple[int, str, list[str]]] = []
    for k, (key, values) in enumerate(grid.items()):
        short = last[k] if last.count(last[k]) == 1 else key
        if _relevant(written, k):
            (in_data if key in DATA_SETS else in_values).append((k, short, _texts(key, values)))
    done = set()
    for point, experiment in of_point.items():
        if written[point] in done:
            continue
        done.add(written[point])
        cell = "-".join(f"{short}-{texts[point[k]]}" for k, short, texts in in_values)
        named = experiment.model_copy(update={"cell": cell}) if cell else experiment
        data = [texts[point[k]] for k, _, texts in in_data]
        yield "-".join([arm, *([cell] if cell else []), *data]), named


# -- arms --------------------------------------------------------------------------------------------------------------


def _arms(
    values: Mapping[str, Any], shared: Mapping[str, Any], grid: Grid, source: str
) -> dict[str, dict[Point, Experiment]]:
    """Return the experiment of each arm at each point of the grid."""
    points = list(itertools.product(*(range(len(one)) for one in grid.values())))
    arms = values.get("arms")
    if arms is None and grid:
        # The experiment itself; it keeps its baselines, for there is no other arm to compare with.
        arm = str(shared.get("arm", "evolved" if shared.get("evolve", True) else "fixed"))
        where = f"{source}: grid"
        return {arm: {one: Experiment.parse(_at(shared, grid, one), where) for one in points}}
    if not isinstance(arms, Mapping) or not arms:
        raise SettingsError(f"{source}: arms must be one table or more, [arms.<name>]")
    found = {}
    for name, own in arms.items():
        where = f"{source}: arms.{one_line(name)}"
        _check_own(own, grid, where)
        found[name] = {
            point: Experiment.parse(_settings_of(name, _at(shared, grid, point), own), where)
            for point in points
        }
    return found


def _check_own(own: Any, grid: Grid, where: str) -> None:
    """Raise SettingsError if the settings of an arm are no table, or others set them."""
    if not isinstance(own, Mapping):
        raise SettingsError(f"{where} must be a table; got {brief(own)}")
    for setting in SHARED:
        if setting in own:
            raise SettingsError(f"{where}.{setting} must be the same for all arms")
    for name, _ in _flat(own, ""):
        for key in grid:
            if f"{name}.".startswith(f"{key}.") or f"{key}.".startswith(f"{name}."):
                raise SettingsError(
                    f"{where}.{one_line(name)} must not be given: the grid has values for {key}"
                )


def _check_labels(cells: Mapping[str, Experiment], source: str) -> None:
    """Raise SettingsError if two arms have the same name in the table, where a fixed network has its own name.

    The same if the declared comparison, which all arms share, names another arm.
    """
    known: dict[tuple[str, str], str] = {}
    for name, experiment in cells.items():
        for label in experiment.arm_names:
            key = experiment.dataset.model_dump_json(include={"name", "options"}), label
            if key in known:
                raise SettingsError(
                    f"{source}: arms.{one_line(name)} must have a name of its own in the table; "
                    f"got {brief(label)}, which is also that of arms.{one_line(known[key])}"
                )
            known[key] = name
    try:
        check_primary(next(iter(cells.values())), dict.fromkeys(label for _, label in known))
    except SettingsError as error:
        raise SettingsError(f"{source}: {error}") from None


def _settings_of(name: str, shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of one arm: the shared settings, overlaid by its own."""
    if own.get("evolve", shared.get("evolve", True)):
        # A fixed network is an arm of its own, so an evolving arm has no baselines by default.
        return overlaid({**shared, "baseline": {"arms": []}}, {"arm": name, **own})
    base = {section: value for section, value in shared.items() if section not in OF_EVOLUTION}
    settings = overlaid(base, own)
    baseline = settings.get("baseline", {})
    if isinstance(baseline, dict) and not {"epochs", "total_steps"} & set(baseline):
        steps = _total_steps(shared.get("evolution", {}))
        settings["baseline"] = baseline | ({} if steps is None else {"total_steps": steps})
    return settings


def _total_steps(evolution: Any) -> int | None:
    """Return the gradient steps of an evolved network; None if the settings are wrong, which its arms report."""
    try:
        return EvolutionSettings.model_validate(evolution).total_steps
    except ValueError:
        return None
