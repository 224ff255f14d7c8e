"""How the density of a network and the rewired fraction change over a run: functions of its progress from 0 to 1."""

import math
from collections.abc import Callable
from typing import Any

from evo.registry import Registry, check_signature

Schedule = Callable[[float], float]
"""Returns the factor at a progress; 1 at the beginning."""


def _converted(name: str, given: Any) -> Schedule:
    """Return an own schedule; raise TypeError if it is no function of the progress."""
    check_signature("schedule", name, given, "progress")
    schedule: Schedule = given
    return schedule


def constant(progress: float) -> float:
    """Stay as it is."""
    return 1.0


def cosine(progress: float) -> float:
    """Fall to 0 as half a cosine (RigL, Evci et al. 2020)."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def cubic(progress: float) -> float:
    """Fall to 0 as (1 − progress)³ (Zhu and Gupta 2017, equation 1)."""
    return (1 - progress) ** 3


STEEPNESS = 6.0
"""k of the sigmoid, as published."""


def sigmoid(progress: float) -> float:
    """Fall to 0 as a sigmoid (CHTss, Zhang et al. 2025, equation 4).

    As in their code the curve is stretched to begin at 1 and to end at 0 exactly; k is 6 per half of the run.
    """
    rise = math.tanh(STEEPNESS * (progress - 0.5)) / math.tanh(STEEPNESS / 2)
    return 0.5 * (1 - rise)


def two_steps(progress: float) -> float:
    """Stay until 60 % of the run, be half until its end, and then 0 (MEST, Yuan et al. 2021)."""
    if progress <= 0.6:
        return 1.0
    return 0.5 if progress < 1 else 0.0


SCHEDULES: Registry[Schedule] = Registry("schedule", convert=_converted)
"""The schedules by name."""

SCHEDULES.fill({one.__name__: one for one in (constant, cosine, cubic, sigmoid, two_steps)})


def density_after(
    now: float, final: float, schedule: Schedule, before: float, after: float
) -> float:
    """Return the density after a phase, on the way to a final density.

    What a density exceeds the final one by shrinks as the schedule does. So the density at the beginning need not be
    known, and a density at or below the final one stays.

    Parameters
    ----------
    now, final : float
        The density before the phase, and that at the end of the schedule.
    schedule : callable
    before, after : float
        Progress before and after the phase.

    Examples
    --------
    >>> density_after(0.5, 0.1, cubic, 0.0, 0.5)
    0.15000000000000002
    >>> density_after(0.15, 0.1, cubic, 0.5, 1.0)
    0.1
    """
    if now <= final:
        return now
    left = schedule(min(before, 1.0))
    share = schedule(min(after, 1.0)) / left if left > 0 else 0.0
    return final + (now - final) * share
