"""The grid of a study: values of settings, its points, and the cells that an arm has at these points."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cnn.checks import brief
from cnn.files import one_line
from evo.errors import SettingsError
from experiments.settings.experiment import Experiment, with_values

SHARED = ("name", "arm", "cell", "seed", "seeds", "dataset", "evaluation")
"""The settings that all arms share. Of these a grid may have values for the data set only."""

SHARED_OF_TASK = ("name", "id", "options", "test_episodes")
"""The settings of a task that all arms share at a point of the grid, for their test episodes are compared."""

DATA_SETS = ("dataset", "dataset.name")
"""The keys of a grid whose values are data sets. They name folders, but no arms: an arm has one name on all of them."""

LARGEST = 10_000
"""Most points of a grid: each is an experiment, of which an arm has a run for each seed."""

OTHER = re.compile(r"[^A-Za-z0-9_.]+")
LONGEST = 24
"""What a name may not have, and the most characters of a value in the name of a cell."""


Grid = Mapping[str, Sequence[Any]]
"""The values of each dotted key."""

Point = tuple[int, ...]
"""One point of a grid: of each key, the number of its value."""


def parse_grid(given: Any) -> Grid:
    """Check a grid; its keys may be dotted, or tables in tables as TOML reads dotted keys without quotes."""
    if not isinstance(given, Mapping):
        raise SettingsError(f"grid must be a table of keys with lists; got {brief(given)}")
    grid = dict(flat(given, ""))
    for key, values in grid.items():
        where = f"grid.{one_line(key)}"
        if not isinstance(values, list) or not values:
            raise SettingsError(f"{where} must be a list of one value or more; got {brief(values)}")
        section = key.partition(".")[0]
        if section in SHARED and section != "dataset":
            raise SettingsError(f"{where} must not be given: {section} is the same for all cells")
        if len({json.dumps(one, default=str) for one in values}) < len(values):
            raise SettingsError(f"{where} must have each value once; got {brief(values)}")
    n_points = math.prod(map(len, grid.values()))
    if n_points > LARGEST:
        raise SettingsError(f"grid must have at most {LARGEST:,} points; got {n_points:,}")
    if set(DATA_SETS) <= grid.keys():
        raise SettingsError("grid.dataset must not be given beside grid.dataset.name")
    return grid


def flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield the settings of nested tables by their dotted names, after a prefix."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def at_point(shared: Mapping[str, Any], grid: Grid, point: Point) -> dict[str, Any]:
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
    texts = [OTHER.sub("-", one.replace("e+", "e")).strip("-.") for one in written]
    fine = len(set(texts)) == len(texts) and all(0 < len(one) <= LONGEST for one in texts)
    return texts if fine else [str(number) for number in range(1, len(values) + 1)]


def _relevant(written: Mapping[Point, str], k: int) -> bool:
    """Return whether a key of the grid makes a difference to an arm at one point or more."""
    others: dict[Point, str] = {}
    return any(
        others.setdefault(point[:k] + point[k + 1 :], text) != text
        for point, text in written.items()
    )


def check_relevant(grid: Grid, arms: Iterable[Mapping[Point, Experiment]]) -> None:
    """Raise SettingsError if the values of a key of the grid make no difference to any arm."""
    written = [{point: one.model_dump_json() for point, one in arm.items()} for arm in arms]
    for k, (key, values) in enumerate(grid.items()):
        if len(values) > 1 and not any(_relevant(arm, k) for arm in written):
            raise SettingsError(
                f"grid.{one_line(key)} must make a difference to an arm; got {brief(values)}"
            )


def cells_of_arm(
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


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings in which the values of `above` replace those of `below`, table by table."""
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = overlaid(result[key], value) if both else value
    return result
