"""The settings of successive halving: a study stops its worst cells early, and the others go on.

The names are those of the literature: a rung is a point at which cells are compared, and the factor says which share of
them goes on (Jamieson and Talwalkar 2016; Li et al. 2018, Hyperband). All searches of all cells reach a rung before
anything is decided, so the decisions do not depend on workers or on speed.
"""

import math
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Literal

from pydantic import Field, field_validator

from cnn.checks import brief
from evo.errors import SettingsError
from evo.settings import Settings
from experiments.settings.experiment import Experiment

SAME = (
    "dataset",
    "task",
    "training.class_weight",
    *(
        f"evolution.{name}"
        for name in ("mode", "generations", "steps_per_generation", "budget", "fitness")
    ),
)
"""The settings that cells must share, so that their fitnesses at a rung can be compared."""


class HalvingSettings(Settings, frozen=True, extra="forbid"):
    """Successive halving: at each rung the cells with the best validation fitness go on, the others are stopped."""

    factor: float = Field(
        2.0,
        gt=1,
        allow_inf_nan=False,
        description="At each rung the best 1/factor of the cells go on, rounded down.",
    )
    rungs: int | tuple[float, ...] = Field(
        3,
        description="When cells are compared. A number n means n rungs, after 1/factor, 1/factor², … of the "
        "generations. A list of whole numbers gives the generations themselves, and a list of fractions gives parts "
        "of all generations; the founders are generation 0.",
    )
    statistic: Literal["mean", "median"] = Field(
        "mean",
        description="What of the seeds of a cell is compared: the mean or the median over seeds of the best "
        "validation fitness so far.",
    )
    keep: int = Field(1, ge=1, description="Least number of cells that go on at each rung.")

    @field_validator("rungs")
    @classmethod
    def _rungs_are_usable(cls, rungs: int | tuple[float, ...]) -> int | tuple[float, ...]:
        if isinstance(rungs, int):
            if rungs < 1:
                raise ValueError(f"must be at least 1; got {rungs}")
            return rungs
        are_whole = all(one.is_integer() and one >= 0 for one in rungs)
        if not rungs or not (are_whole or all(0 < one < 1 for one in rungs)):
            raise ValueError(
                f"must be a number, or a list of generations or of fractions between 0 and 1; got {brief(list(rungs))}"
            )
        if list(rungs) != sorted(set(rungs)):
            raise ValueError(f"must increase from rung to rung; got {brief(list(rungs))}")
        return rungs

    def generations(self, last: int) -> tuple[int, ...]:
        """Return the generation after which cells are compared, for each rung.

        Parameters
        ----------
        last : int
            Number of the last generation of a search.

        Raises
        ------
        SettingsError
            If two rungs are after the same generation, or one is not before the last generation.

        Examples
        --------
        >>> HalvingSettings(rungs=3).generations(15), HalvingSettings(rungs=[0.25]).generations(7)
        ((1, 3, 7), (1,))
        """
        if isinstance(self.rungs, int):
            parts = [self.factor ** (k - self.rungs) for k in range(self.rungs)]
        else:
            parts = list(self.rungs)
        found = tuple(
            int(one) if one.is_integer() else math.ceil(round(one * (last + 1), 9)) - 1
            for one in parts
        )
        if len({*found}) < len(found) or found[-1] >= last:
            given = self.rungs if isinstance(self.rungs, int) else list(self.rungs)
            raise SettingsError(
                f"halving.rungs must be after different generations, all before the last one, {last}; got {given}, "
                f"which is after {', '.join(map(str, found))}"
            )
        return found


def halved_cells(cells: Mapping[str, Experiment]) -> dict[str, Experiment]:
    """Return the cells that halving may stop: networks evolve in them, and no declared comparison is of their arms.

    Parameters
    ----------
    cells : mapping
        The experiment of each cell of a study.
    """
    return {
        name: one
        for name, one in cells.items()
        if one.evolve and not set((one.evaluation.primary or "").split(" - ")) & set(one.arm_names)
    }


def parse_halving(given: Any, cells: Mapping[str, Experiment]) -> HalvingSettings | None:
    """Check the settings of halving, as read from a file, and whether the cells of a study can be compared.

    Raises
    ------
    SettingsError
        At the first setting that breaks a rule.
    """
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise SettingsError(f"halving must be a table; got {brief(given)}")
    try:
        halving = HalvingSettings(**given)
    except SettingsError as error:
        raise SettingsError(f"halving.{error}") from None
    _check_cells(halving, cells)
    return halving


def _check_cells(halving: HalvingSettings, cells: Mapping[str, Experiment]) -> None:
    """Raise SettingsError if the cells of a study cannot be compared at the rungs."""
    halved = halved_cells(cells)
    if len(halved) <= halving.keep:
        raise SettingsError(
            f"halving must have more than {halving.keep} cells that it may stop; got {len(halved)}, without those that "
            "do not evolve and those of evaluation.primary"
        )
    first_name, first = next(iter(halved.items()))
    if first.evolution.mode != "generational":
        raise SettingsError(
            'evolution.mode must be "generational" with halving, for otherwise results depend on the order of arrival; '
            f"got {first.evolution.mode!r}"
        )
    for name, one in halved.items():
        for key in SAME:
            values = [attrgetter(key)(each) for each in (first, one)]
            if values[0] != values[1]:
                raise SettingsError(
                    f"{key} must be the same for all cells that halving may stop; got another one for {name} than for "
                    f"{first_name}"
                )
    if first.evolution.budget.seconds is not None:
        raise SettingsError(
            "evolution.budget.seconds must not be given with halving, for two such searches are never alike; got "
            f"{first.evolution.budget.seconds}"
        )
    halving.generations(first.evolution.generations)
