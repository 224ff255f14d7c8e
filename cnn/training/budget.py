"""What a train phase may cost: a bound on steps, samples, multiply-accumulates or seconds, whichever comes first."""

import time
from typing import Literal, get_args

import pydantic

Bound = Literal["steps", "samples", "macs", "seconds"]
"""What ended a phase."""


class TrainingBudget(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Bounds of one train phase; None leaves one open.

    All but `seconds` come to a whole number of steps before training, so a phase stays within them exactly and is
    reproducible. A clock is not: the steps made within `seconds` are reported, and repeating the phase means making
    as many.
    """

    steps: int | None = pydantic.Field(None, ge=1, description="gradient steps")
    samples: int | None = pydantic.Field(
        None, ge=1, description="training samples seen, repeats counted"
    )
    macs: int | None = pydantic.Field(
        None, ge=1, description="forward multiply-accumulates, of all samples seen"
    )
    seconds: float | None = pydantic.Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="wall time: no step begins later; not reproducible",
    )

    def whole_steps(self, batch_size: int, macs: int | None) -> tuple[int | None, Bound]:
        """Return how many steps fit into all bounds but that in seconds, and which one is the tightest.

        Parameters
        ----------
        batch_size
            Samples of a step.
        macs
            The network's multiply-accumulates per sample; None where it tells none.

        Returns
        -------
        steps : int or None
            None where nothing but seconds is bounded.
        bound : str
            The tightest; ``"steps"`` where none is given.

        Raises
        ------
        ValueError
            If a bound leaves no single step, or `macs` is bounded and the network tells none.

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
                raise ValueError("budget.macs needs a network that tells its macs")
            steps = bound // max(costs[name], 1)
            if steps == 0:
                raise ValueError(
                    f"budget.{name} must allow one step at least, which costs {costs[name]}; got {bound}"
                )
            fitting.append((steps, name))
        return min(fitting, key=lambda one: one[0]) if fitting else (None, "steps")


class Clock:
    """Tells how many steps to make before looking at the time again.

    Parameters
    ----------
    seconds
        How long the phase may take from now on; None for ever.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._started = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._started

    def steps_until_look(self, made: int, left: int) -> int:
        """Return at most `left` steps, which take about half of the time that is left; 0 when it is up.

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
