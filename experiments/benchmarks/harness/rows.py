"""Rows of the graph bench: `speed`, ours beside a peer; `figures`, what stands by itself."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.benchmarks.harness.timing import Spread

Row = dict[str, Any]
TableRow = tuple[str, Row]
"""Name of a table and a row of it; the table "note" is for people who wait."""

PUBLISHED = "as published"
"""The form of a peer that was not run here."""

OURS = "ours"
"""The form where what ours is measured against is ours, too."""


@dataclass(frozen=True)
class Turns:
    """How long sides are measured.

    Attributes
    ----------
    rounds
        Turns of each.
    seconds
        About how long a turn lasts.
    trials
        Short turns by which the fastest form of a peer is chosen.
    """

    rounds: int
    seconds: float
    trials: int

    @classmethod
    def of(cls, rounds: int | None, *, quick: bool) -> "Turns":
        """Return the usual turns, or so many rounds of them."""
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
        What the numbers are. One that ends in "/s" is a speed, any other a time.
    peer, form
        Its name, and which of its forms it is.
    ours, theirs
        Of each turn.
    target
        By which factor ours is to be faster, if that was laid down.

    Returns
    -------
    dict
        Medians and quartiles, and the ratio of the medians: by which factor ours is faster.

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
    """Summarise what stands by itself, and what it is to be at most, if that was laid down."""
    found = Spread.of(values)
    return {
        "what": what,
        "unit": unit,
        "value": found.median,
        "low": found.low,
        "high": found.high,
        "at_most": math.nan if at_most is None else at_most,
    }
