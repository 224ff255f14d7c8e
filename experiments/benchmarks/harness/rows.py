"""Rows of the tables `speed` (ours beside a peer) and `figures` (numbers without a peer)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.benchmarks.harness.timing import Spread

Row = dict[str, Any]
TableRow = tuple[str, Row]
"""Name of a table and a row of it; the table "note" reports progress and is not stored."""

PUBLISHED = "as published"
"""Form of a peer that was not run: its numbers are published ones."""

OURS = "ours"
"""Form of a peer that is a part of EvoMatrix too."""


@dataclass(frozen=True)
class Turns:
    """Number and length of turns.

    Attributes
    ----------
    rounds
        Number of turns of each side.
    seconds
        Approximate length of a turn.
    trials
        Number of short turns that choose the fastest form of a peer.
    """

    rounds: int
    seconds: float
    trials: int

    @classmethod
    def of(cls, rounds: int | None, *, quick: bool) -> "Turns":
        """Return the usual turns; `rounds`, if given, is their number."""
        return cls(rounds or (2 if quick else 5), 0.02 if quick else 0.3, 1 if quick else 3)


def speed_row(
    unit: str,
    peer: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    form: str = "",
    target: float | None = None,
) -> Row:
    """Summarise the turns of ours and of a peer.

    Parameters
    ----------
    unit
        Unit of the numbers: a speed if it ends in "/s", else a time.
    peer, form
        Name of the peer and of its form.
    ours, theirs
        One number for each turn.
    target
        Factor by which ours must be faster, if there is a target.

    Returns
    -------
    dict
        Medians, quartiles, and the factor by which our median is faster.

    Examples
    --------
    >>> row = speed_row("s", "other", [2.0], [5.0])
    >>> row["ours"], row["peer_value"], row["ratio"]
    (2.0, 5.0, 2.5)
    >>> speed_row("steps/s", "other", [2.0], [5.0])["ratio"]
    0.4
    """
    mine, other = Spread.of(ours), Spread.of(theirs)
    faster = mine.median / other.median if unit.endswith("/s") else other.median / mine.median
    return {
        "peer": peer,
        "form": form,
        "unit": unit,
        "ours": mine.median,
        "ours_low": mine.low,
        "ours_high": mine.high,
        "peer_value": other.median,
        "peer_low": other.low,
        "peer_high": other.high,
        "ratio": faster,
        "target": math.nan if target is None else target,
    }


def figure_row(
    what: str, unit: str, values: Sequence[float], *, at_most: float | None = None
) -> Row:
    """Summarise numbers without a peer; `at_most` is their target, if there is one."""
    found = Spread.of(values)
    return {
        "what": what,
        "unit": unit,
        "value": found.median,
        "low": found.low,
        "high": found.high,
        "at_most": math.nan if at_most is None else at_most,
    }
