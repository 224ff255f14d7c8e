"""The file ``study.json`` of a study: the settings of its runs, halving and its decisions."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from filelock import FileLock

from cnn.files import one_line
from evo.errors import ResultsError, SettingsError
from evo.files import write_text
from evo.storage.run_lock import RunLock, RunLockedError, owner_of
from evo.storage.run_reader import STUDY
from experiments.settings.experiment import Experiment, read_settings
from experiments.settings.grid import Grid
from experiments.settings.halving import HalvingSettings, halved_cells
from experiments.studies.planned.decisions import Decision


@dataclass(frozen=True)
class StudyPlan:
    """What ``study.json`` says.

    Attributes
    ----------
    runs : mapping
        The experiment of each run, with one seed.
    halving : HalvingSettings or None
    grid : mapping
        The values of each key of the grid, by its dotted name; those of all studies that were begun in the folder.
    decisions : sequence of Decision
        Those that were made, rung by rung.
    """

    runs: Mapping[str, Experiment]
    halving: HalvingSettings | None = None
    grid: Grid = field(default_factory=dict)
    decisions: Sequence[Decision] = ()

    @property
    def rungs(self) -> tuple[int, ...]:
        """The generation after which cells are compared, for each rung; empty without halving."""
        if self.halving is None:
            return ()
        first = next(iter(halved_cells(self.runs).values()))
        return self.halving.generations(first.evolution.generations)

    @property
    def is_decided(self) -> bool:
        """Whether every rung has decided, so that all runs that are left go to their ends."""
        return len(self.decisions) == len(self.rungs)

    @property
    def stopped_cells(self) -> frozenset[str]:
        """The cells that a rung stopped."""
        return frozenset(cell for one in self.decisions for cell in one.stopped)

    def going_on(self) -> dict[str, Experiment]:
        """Return the runs that no rung stopped."""
        return {
            name: one
            for name, one in self.runs.items()
            if cell_of(name, one) not in self.stopped_cells
        }

    def compared(self) -> dict[str, Experiment]:
        """Return the runs that the next rung compares."""
        return halved_cells(self.going_on())

    def runs_of(self, cells: Mapping[str, Any]) -> dict[str, Experiment]:
        """Return the runs of these cells."""
        return {name: one for name, one in self.runs.items() if cell_of(name, one) in cells}

    def with_decision(self, decision: Decision, folder: Path) -> "StudyPlan":
        """Return the plan with one more decision, which is in the file before anybody acts on it."""
        after = replace(self, decisions=(*self.decisions, decision))
        _write_plan(folder, after)
        return after


def cell_of(run: str, experiment: Experiment) -> str:
    """Return the cell of a run.

    Examples
    --------
    >>> cell_of("wide-hidden-8-seed-3", Experiment(seed=3))
    'wide-hidden-8'
    """
    return run.removesuffix(f"-seed-{experiment.seed}")


def read_plan(folder: Path) -> StudyPlan:
    """Return what is planned in the folder of a study.

    Raises
    ------
    SettingsError
        If the file is missing or breaks a rule.
    """
    path = folder / STUDY
    values = read_settings(path)
    runs, halving = values.get("runs"), values.get("halving")
    if not isinstance(runs, dict) or not runs:
        raise SettingsError(f"{path}: runs must be a table of settings; got {runs!r}")
    planned = {
        name: Experiment.parse_changed(one, {}, f"{path}: runs.{name}")[0]
        for name, one in runs.items()
    }
    grid = values.get("grid", {})
    if halving is None:
        return StudyPlan(planned, grid=grid)
    try:
        decisions = [Decision(**one) for one in values["decisions"]]
        return StudyPlan(planned, HalvingSettings(**halving), grid, decisions)
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{path}: halving and decisions must be as they were written; {one_line(error)}"
        ) from error


def with_planned(
    folder: Path,
    runs: Mapping[str, Experiment],
    halving: HalvingSettings | None,
    grid: Grid = MappingProxyType({}),
) -> StudyPlan:
    """Add runs, and values of a grid, to those that are planned in a folder, and return the plan.

    Other processes may add runs too.

    Raises
    ------
    SettingsError
        If halving, or with halving the runs, are not those of the plan that is there.
    """
    with FileLock(folder / ".study.lock"):
        is_begun = (folder / STUDY).exists()
        before = read_plan(folder) if is_begun else StudyPlan({}, halving)
        if before.halving != halving:
            raise SettingsError(
                f"folder: {folder} was begun with halving = {_in_words(before.halving)}; got {_in_words(halving)}; "
                "take another folder, or delete it"
            )
        names = sorted({*before.runs, *runs}) if halving is not None and is_begun else ()
        other = next((one for one in names if before.runs.get(one) != runs.get(one)), None)
        if other is not None:
            raise SettingsError(
                f"folder: {folder} must have the runs of this study with the same settings, because halving compares "
                f"all cells; {other} is another one; take another folder, or delete it"
            )
        after = replace(before, runs={**before.runs, **runs}, grid=_with(before.grid, grid))
        if not is_begun or after != before:
            _write_plan(folder, after)
    return after


def _with(grid: Grid, more: Grid) -> Grid:
    """Return a grid with the values of another one behind its own."""
    both = {key: [*grid.get(key, ()), *more.get(key, ())] for key in {**grid, **more}}
    return {
        key: [one for k, one in enumerate(values) if one not in values[:k]]
        for key, values in both.items()
    }


def _in_words(halving: HalvingSettings | None) -> str:
    return "none" if halving is None else json.dumps(halving.model_dump(mode="json"))


def _write_plan(folder: Path, plan: StudyPlan) -> None:
    values: dict[str, Any] = {
        "runs": {
            name: one.model_dump(mode="json", exclude={"used"}) for name, one in plan.runs.items()
        }
    }
    if plan.grid:
        values["grid"] = plan.grid
    if plan.halving is not None:
        values["halving"] = plan.halving.model_dump(mode="json")
        values["decisions"] = [one.model_dump(mode="json") for one in plan.decisions]
    write_text(folder / STUDY, json.dumps(values, indent=1, default=str) + "\n")


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Own the folder of a study with halving: one process makes all decisions.

    Raises
    ------
    ResultsError
        If another process owns it: one line that says which.
    """
    lock = RunLock(folder)
    try:
        lock.acquire()
    except RunLockedError as error:
        raise ResultsError(
            f"{folder}: must have one process, because halving compares all cells; another one works on this study "
            f"({owner_of(folder)})"
        ) from error
    try:
        yield
    finally:
        lock.release()
