"""The budgets by which arms are compared: what a network costs, what its training cost, what its whole search cost."""

from typing import Literal, get_args

Budget = Literal[
    "parameters",
    "macs",
    "steps",
    "samples",
    "training_macs",
    "cpu_seconds",
    "total_networks",
    "total_steps",
    "total_samples",
    "total_training_macs",
    "total_cpu_seconds",
    "total_played_episodes",
    "total_played_steps",
]
"""A budget: a column of the table ``comparison``."""

BUDGETS: tuple[Budget, ...] = get_args(Budget)
"""All budgets by name."""

PLAYED: frozenset[Budget] = frozenset({"total_played_episodes", "total_played_steps"})
"""The budgets of runs that a reward judges."""

TIMED: frozenset[Budget] = frozenset({"cpu_seconds", "total_cpu_seconds"})
"""The budgets that differ from run to run."""

TOLERANCE = 0.01
"""Relative difference up to which two budgets are equal."""


def are_equal(one: float, other: float) -> bool:
    """Return whether two budgets are equal to a percent of the larger one; False if one is not known (NaN).

    Examples
    --------
    >>> are_equal(1920, 1930), are_equal(1920, 3240), are_equal(0, 0)
    (True, False, True)
    """
    return abs(one - other) <= TOLERANCE * max(one, other)
