"""Interleaved timing: ours, peer, ours, peer, …, so that a drift of the machine affects both alike."""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Side:
    """One of the programs compared: ours or a peer.

    Attributes
    ----------
    name
        Name in tables.
    prepare
        Function called before each turn, untimed: it restores the starting state and warms up.
    run
        The timed work, the same amount at each turn.
    """

    name: str
    prepare: Callable[[], object]
    run: Callable[[], object]


@dataclass(frozen=True)
class Spread:
    """Median and quartiles.

    Attributes
    ----------
    median, low, high
        Second, first and third quartile, linearly interpolated.
    """

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise some values, at least one.

        Examples
        --------
        >>> Spread.of([4.0, 1.0, 2.0, 3.0, 5.0])
        Spread(median=3.0, low=2.0, high=4.0)
        """
        low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
        return cls(float(median), float(low), float(high))


def seconds_of(run: Callable[[], object]) -> float:
    """Time one call with the garbage collector switched off.

    Returns
    -------
    float
        Wall time in seconds.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        started = time.perf_counter()
        run()
        return time.perf_counter() - started
    finally:
        if collecting:
            gc.enable()


def interleave(sides: Sequence[Side], rounds: int) -> dict[str, list[float]]:
    """Let all sides take turns.

    Parameters
    ----------
    sides
        Sides with different names.
    rounds
        Number of turns of each side, at least 1.

    Returns
    -------
    dict
        Seconds of each turn, by name of the side.

    Raises
    ------
    ValueError
        If `rounds` is below 1, or two sides have one name.
    """
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1; got {rounds}")
    seconds: dict[str, list[float]] = {side.name: [] for side in sides}
    if len(seconds) < len(sides):
        raise ValueError(f"names of sides must differ; got {[side.name for side in sides]}")
    for _ in range(rounds):
        for side in sides:
            side.prepare()
            seconds[side.name].append(seconds_of(side.run))
    return seconds


def repeats_for(seconds_each: float, target: float, *, least: int = 3, most: int = 2000) -> int:
    """Return the number of repeats that fill a turn.

    Parameters
    ----------
    seconds_each
        Seconds of one repeat, above 0.
    target
        Seconds of a turn.
    least, most
        Bounds of the number.

    Examples
    --------
    >>> repeats_for(0.01, 0.2), repeats_for(1.0, 0.2), repeats_for(1e-9, 0.2)
    (20, 3, 2000)
    """
    return max(least, min(most, round(target / seconds_each)))
