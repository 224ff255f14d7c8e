"""Bounds on the cost of a train phase: steps, samples, multiply-accumulates and seconds."""

import time
from typing import Literal, get_args

import pydantic

from cnn.settings import Settings

Bound = Literal["steps", "samples", "macs", "seconds"]
"""The bound that ended a train phase."""


class TrainingBudget(Settings, frozen=True, extra="forbid"):
    """Bounds of one train phase. None means no bound. The phase ends at the first bound reached.

    Steps, samples and MACs are converted to a number of steps before training, so these bounds are exact and
    reproducible. The bound in seconds is not reproducible. To repeat such a training, bound it by the number of steps
    that the first training reports.
    """

    steps: int | None = pydantic.Field(None, ge=1, description="Largest number of gradient steps.")
    samples: int | None = pydantic.Field(
        None,
        ge=1,
        description="Largest number of training samples; a sample counts each time it is seen.",
    )
    macs: int | None = pydantic.Field(
        None,
        ge=1,
        description="Largest number of forward multiply-accumulates, summed over all samples seen.",
    )
    seconds: float | None = pydantic.Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Largest wall time in seconds. No step begins later. Not reproducible.",
    )

    def whole_steps(self, batch_size: int, macs: int | None) -> tuple[int | None, Bound]:
        """Convert the bounds on steps, samples and MACs to a number of steps.

        Parameters
        ----------
        batch_size
            Samples per step.
        macs
            Multiply-accumulates of the network per sample; None if unknown.

        Returns
        -------
        steps : int or None
            Largest number of steps within these bounds; None without such a bound.
        bound : str
            The tightest bound; ``"steps"`` without a bound.

        Raises
        ------
        ValueError
            If a bound allows no step, or `macs` is bounded and the MACs of the network are unknown.

        Examples
        --------
        >>> TrainingBudget(samples=1000, macs=10**9).whole_steps(batch_size=64, macs=400_000)
        (15, 'samples')
        """
        costs = {"steps": 1, "samples": batch_size, "macs": batch_size * (macs or 0)}
        fitting: list[tuple[int, Bound]] = []
        for name in get_args(Bound)[:3]:
            bound = getattr(self, name)
            if bound is None:
                continue
            if name == "macs" and macs is None:
                raise ValueError(
                    f"budget.macs must be None for a network without macs; got {bound}"
                )
            steps = bound // max(costs[name], 1)
            if steps == 0:
                raise ValueError(
                    f"budget.{name} must allow one step at least, which costs {costs[name]}; got {bound}"
                )
            fitting.append((steps, name))
        return min(fitting, key=lambda one: one[0]) if fitting else (None, "steps")


class Clock:
    """Decides how many steps to make before the next check of the time.

    Parameters
    ----------
    seconds
        Time limit, counted from now; None for no limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._started = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._started

    def steps_before_check(self, made: int, left: int) -> int:
        """Return the number of steps to make before the next check of the time.

        These steps will take about half of the remaining time. The number is at most `left`, and 0 when time is up.
        The first step is always made.
        """
        if self._seconds is None:
            return left
        if made == 0:
            return min(left, 1)
        elapsed = self.elapsed
        if elapsed >= self._seconds:
            return 0
        half = 0.5 * (self._seconds - elapsed) / elapsed * made
        return min(left, max(1, int(half)))
