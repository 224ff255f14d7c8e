"""The settings of a study: arms, controls, and a grid over any settings; together they make cells: experiments.

A file with ``controls`` or a table ``[arms]`` or ``[grid]`` begins with the settings that all cells share, like any
experiment. Each arm has its own settings: ``[arms.wide]`` and ``founders.hidden = 64``. The grid has a list of values
for each of its keys: ``[grid]`` and ``training.learning_rate = [0.01, 0.1]``. A cell is one arm at one point of the
grid. An arm with ``evolve = false`` trains fixed networks, for as many gradient steps as the evolved networks get; a
key of the grid that changes nothing for it makes no further cells. Controls are further arms, made of an arm that
evolves (:mod:`experiments.settings.controls`).
"""

import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cnn.checks import brief, did_you_mean
from cnn.files import one_line
from evo.errors import SettingsError
from evo.evolution.settings import EvolutionSettings
from experiments.settings.budgets import check_equal_budgets
from experiments.settings.controls import changes_of, check_controls
from experiments.settings.experiment import (
    OF_EVOLUTION,
    OF_STUDIES,
    Experiment,
    check_base,
    read_settings,
    with_values,
    without_empty,
)
from experiments.settings.grid import (
    SHARED,
    SHARED_OF_TASK,
    Grid,
    Point,
    at_point,
    cells_of_arm,
    check_relevant,
    flat,
    overlaid,
    parse_grid,
)
from experiments.settings.halving import HalvingSettings, parse_halving


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
    grid : mapping
        The values of each key of the grid, by its dotted name.
    """

    name: str
    cells: Mapping[str, Experiment]
    arm_of: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    halving: HalvingSettings | None = None
    grid: Grid = field(default_factory=lambda: MappingProxyType({}))

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


def shown_cell(study: Study) -> Experiment:
    """Return the cell whose settings people read in full: the first that evolves, for the others lack settings."""
    cells = study.cells.values()
    return next((one for one in cells if one.evolve), next(iter(cells)))


def differences(study: Study) -> dict[str, dict[str, Any]]:
    """Return, for each cell, the settings by dotted names that are not the same for all cells that have them.

    Settings that :func:`shown_cell` lacks, such as a range of recipe genes, count as different too.
    """
    of_cells = {
        cell: dict(flat(one.model_dump(mode="json", exclude={"cell"}), ""))
        for cell, one in study.cells.items()
    }
    keys = dict.fromkeys(key for values in of_cells.values() for key in values)
    shown = dict(flat(shown_cell(study).model_dump(mode="json", exclude={"cell"}), ""))
    different = [
        key
        for key in keys
        if key not in shown
        or len({json.dumps(values[key]) for values in of_cells.values() if key in values}) > 1
    ]
    return {
        cell: {key: values[key] for key in different if key in values}
        for cell, values in of_cells.items()
    }


def is_study(values: Mapping[str, Any]) -> bool:
    """Return whether settings are those of a study."""
    return any(name in without_empty(values) for name in OF_STUDIES)


def load_study(preset: str | Path) -> Study:
    """Load a preset with arms by name, or a TOML file with arms, controls or a grid by path.

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
        Where they come from, with which messages begin; empty if they are those of a script.

    Raises
    ------
    SettingsError
        At the first setting that breaks a rule.
    """
    with _naming(source):
        if not is_study(values):
            raise SettingsError("arms must be one table or more, [arms.<name>]")
        return _parsed(without_empty(values))


@contextmanager
def _naming(source: str) -> Iterator[None]:
    """Let an error of settings begin with where they come from."""
    try:
        yield
    except SettingsError as error:
        raise SettingsError(f"{source}: {error}" if source else str(error)) from None


def _parsed(values: Mapping[str, Any]) -> Study:
    """Check the settings of a study, as :func:`parse_study`, with messages that begin with the setting.

    Without arms, controls and a grid, the experiment itself is the only cell.
    """
    shared = {
        name: value
        for name, value in values.items()
        if name not in OF_STUDIES and name != "halving"
    }
    grid = parse_grid(values.get("grid", {}))
    cells: dict[str, Experiment] = {}
    arm_of: dict[str, str] = {}
    of_folder: dict[str, str] = {}
    arms = _arms(values, shared, grid)
    check_relevant(grid, arms.values())
    for arm, of_point in arms.items():
        for cell, experiment in cells_of_arm(arm, of_point, grid):
            if cell in cells:
                raise SettingsError(f"arms must give each cell a name of its own; got {cell} twice")
            other = of_folder.setdefault(cell.casefold(), cell)
            if other != cell:
                raise SettingsError(
                    "arms must give each cell a name of its own where capitals do not count, as for folders of macOS "
                    f"and Windows; got {other} and {cell}"
                )
            cells[cell], arm_of[cell] = experiment, arm
    _check_labels(cells)
    halving = parse_halving(values.get("halving"), cells)
    return Study(next(iter(cells.values())).name, cells, arm_of, halving, grid)


def study_of(
    base: str | Path | Experiment,
    *,
    arms: Mapping[str, Mapping[str, Any]] | None = None,
    grid: Mapping[str, Iterable[Any]] | None = None,
    controls: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    seeds: int | Iterable[int] | None = None,
    datasets: Sequence[str | Mapping[str, Any]] = (),
    halving: Mapping[str, Any] | None = None,
) -> Study:
    """Return the study of variants of an experiment; the parameters are those of :func:`experiments.study`.

    If none is left, because empty arms, controls or an empty grid are given, the experiment itself is the only cell.

    Raises
    ------
    SettingsError
        At the first setting that breaks a rule.
    TypeError
        If an argument has another type.
    """
    if isinstance(base, Experiment):
        values, source = base.model_dump(mode="json", exclude_unset=True), ""
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
        values = at_point(values, {"dataset": datasets}, (0,))
    elif datasets:
        points = {"dataset": [*datasets], **points}
    if points:
        values = values | {"grid": dict(flat(values.get("grid", {}), "")) | points}
    if controls is not None:
        values = values | {"controls": controls}
    if arms is grid is controls is None and not is_study(values):
        raise SettingsError("arms, grid or controls must be given, for the base has none of them")
    if halving is not None:
        values = values | {"halving": halving}
    with _naming(source):
        return _parsed(without_empty(values | _seeds(seeds)))


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
    if isinstance(seeds, str) or not isinstance(seeds, Iterable):
        raise TypeError(f"seeds must be a number, or numbers such as range(8); got {brief(seeds)}")
    given = [*seeds]
    if not all(isinstance(one, Integral) for one in given):
        raise TypeError(f"seeds must be whole numbers; got {brief(given)}")
    if not given or given != [*range(given[0], given[0] + len(given))]:
        raise SettingsError(f"seeds must follow each other, such as range(8); got {brief(given)}")
    return {"seed": int(given[0]), "seeds": len(given)}


def check_primary(experiment: Experiment, arms: Collection[str]) -> None:
    """Raise SettingsError if the declared comparison is of other arms than these."""
    primary = experiment.evaluation.primary
    unknown = [arm for arm in (primary or "").split(" - ") if primary and arm not in arms]
    if unknown:
        raise SettingsError(
            f"evaluation.primary must be of two of the arms {', '.join(arms)}; got {primary!r}"
            f"{did_you_mean(unknown[0], arms)}"
        )


# -- arms --------------------------------------------------------------------------------------------------------------


def _arms(
    values: Mapping[str, Any], shared: Mapping[str, Any], grid: Grid
) -> dict[str, dict[Point, Experiment]]:
    """Return the experiment of each arm at each point of the grid."""
    points = list(itertools.product(*(range(len(one)) for one in grid.values())))
    arms = values.get("arms")
    of_arms: dict[str, dict[Point, dict[str, Any]]] = {}
    if arms is None:
        # The experiment itself; it keeps its baselines, for there is no other arm to compare with.
        arm = str(shared.get("arm", "evolved" if shared.get("evolve", True) else "fixed"))
        where = {arm: "grid" if grid else ""}
        of_arms[arm] = {point: at_point(shared, grid, point) for point in points}
    else:
        if not isinstance(arms, Mapping):
            raise SettingsError("arms must be one table or more, [arms.<name>]")
        where = {name: f"arms.{one_line(name)}" for name in arms}
        for name, own in arms.items():
            _check_own(own, grid, where[name])
            of_arms[name] = {
                point: _settings_of(name, at_point(shared, grid, point), own) for point in points
            }
    found: dict[str, dict[Point, Experiment]] = {}
    idle: list[dict[str, str]] = []
    for name, settings in of_arms.items():
        found[name] = {}
        for point, one in settings.items():
            own = {} if arms is None else arms[name]
            found[name][point], of_arm = Experiment.parse_changed(one, own, where[name])
            idle.append(of_arm)
    _check_idle(idle, shared)
    _check_tasks(found, where)
    if "controls" not in values:
        return found
    return found | _controls(values["controls"], found, of_arms)


def _check_idle(idle: Sequence[Mapping[str, str]], shared: Mapping[str, Any]) -> None:
    """Raise SettingsError for a shared setting that has no effect in any arm.

    It may have none if each arm changes what would read it, for the base of the study, such as a preset, has an effect
    by itself.
    """
    everywhere = {
        name: message for name, message in idle[0].items() if all(name in one for one in idle)
    }
    check_base(shared, everywhere)


def _check_tasks(arms: Mapping[str, Mapping[Point, Experiment]], where: Mapping[str, str]) -> None:
    """Raise SettingsError if two arms have different tasks at a point of the grid, or only one has a task."""
    first = next(iter(arms))
    for (name, at), setting in itertools.product(arms.items(), SHARED_OF_TASK):
        for point, one in at.items():
            tasks = [arms[first][point].task, one.task]
            key = "task" if None in tasks else f"task.{setting}"
            values = [getattr(task, setting, None) for task in tasks]
            if values[0] != values[1]:
                told = " and ".join("none" if value is None else brief(value) for value in values)
                raise SettingsError(
                    f"{where[name]}.{key} must be the same for all arms; got {told}"
                )


def _controls(
    given: Any,
    arms: Mapping[str, Mapping[Point, Experiment]],
    of_arms: Mapping[str, Mapping[Point, Mapping[str, Any]]],
) -> dict[str, dict[Point, Experiment]]:
    """Return the experiments of the controls of arms at each point of the grid; `of_arms` has the arms' settings."""
    evolving = [arm for arm, at in arms.items() if all(one.evolve for one in at.values())]
    found: dict[str, dict[Point, Experiment]] = {}
    of_each = check_controls(given, evolving)
    for arm, names in of_each.items():
        where = "controls" + (f".{arm}" if len(of_each) > 1 else "")
        for control, (point, experiment) in itertools.product(names, arms[arm].items()):
            for name, changes in changes_of(control, experiment, where).items():
                own = f"{arm}-{name}" if len(of_each) > 1 else name
                if own in arms:
                    raise SettingsError(
                        f"{where}: {own} must not be the name of an arm of the file"
                    )
                settings = with_values(
                    dict(of_arms[arm][point]), {**changes, "arm": own, "baseline.arms": []}
                )
                parsed, _ = Experiment.parse_changed(settings, {}, f"{where}: {own}")
                found.setdefault(own, {})[point] = parsed
    return found


def _check_own(own: Any, grid: Grid, where: str) -> None:
    """Raise SettingsError if the settings of an arm are no table, or others set them."""
    if not isinstance(own, Mapping):
        raise SettingsError(f"{where} must be a table; got {brief(own)}")
    for setting in SHARED:
        if setting in own:
            raise SettingsError(f"{where}.{setting} must be the same for all arms")
    for name, _ in flat(own, ""):
        for key in grid:
            if f"{name}.".startswith(f"{key}.") or f"{key}.".startswith(f"{name}."):
                raise SettingsError(
                    f"{where}.{one_line(name)} must not be given: the grid has values for {key}"
                )


def _check_labels(cells: Mapping[str, Experiment]) -> None:
    """Raise SettingsError if two arms have the same name in the table, where a fixed network has its own name.

    The same if the declared comparison, which all arms share, names another arm.
    """
    known: dict[tuple[str, str], str] = {}
    for name, experiment in cells.items():
        for label in experiment.arm_names:
            key = experiment.dataset.model_dump_json(include={"name", "options"}), label
            if key in known:
                raise SettingsError(
                    f"arms.{one_line(name)} must have a name of its own in the table; "
                    f"got {brief(label)}, which is also that of arms.{one_line(known[key])}"
                )
            known[key] = name
    check_primary(next(iter(cells.values())), dict.fromkeys(label for _, label in known))
    for of_data in _by_data_set(cells):
        check_equal_budgets(of_data)


def _by_data_set(cells: Mapping[str, Experiment]) -> Iterable[list[Experiment]]:
    """Return the experiments on each data set, at each point of a grid."""
    groups: dict[tuple[str, str | None], list[Experiment]] = {}
    for one in cells.values():
        key = one.dataset.model_dump_json(include={"name", "options"}), one.cell
        groups.setdefault(key, []).append(one)
    return groups.values()


def _settings_of(name: str, shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of one arm: the shared settings, overlaid by its own."""
    if own.get("evolve", shared.get("evolve", True)):
        # A fixed network is an arm of its own, so an evolving arm has no baselines by default.
        given = shared.get("baseline", {})
        none = {"baseline": {**(given if isinstance(given, Mapping) else {}), "arms": []}}
        return overlaid({**shared, **none}, {"arm": name, **own})
    base = {section: value for section, value in shared.items() if section not in OF_EVOLUTION}
    settings = overlaid(base, own)
    baseline = settings.get("baseline", {})
    if isinstance(baseline, dict) and not {"epochs", "total_steps"} & set(baseline):
        steps = _total_steps(shared.get("evolution", {}))
        settings["baseline"] = baseline | ({} if steps is None else {"total_steps": steps})
    return settings


def _total_steps(evolution: Any) -> int | None:
    """Return the gradient steps of an evolved network; None if it makes none, or the settings are wrong."""
    try:
        return EvolutionSettings.model_validate(evolution).total_steps or None
    except ValueError:
        return None
