"""What Plotly draws: traces, axes and colours as values that JSON can write.

A specification has ``data`` and ``layout`` of Plotly, or ``choices``: several of them, each with a ``label``, of which
the reader chooses one. ``report.js`` adds the colours of the page.
"""

import base64
import html
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.figures.style.colours import PALETTE, numbered

Trace = dict[str, Any]

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star")

MOST_POINTS = 20_000
"""Largest number of points of all lines of a figure."""

DIGITS = 6
"""Significant digits of numbers in figures."""


def plot_text(name: object) -> str:
    """Return a text for Plotly, which reads some HTML: a name is shown as it is."""
    one_line = "".join(one if one.isprintable() else " " for one in str(name))
    return html.escape(one_line, quote=False)


def numbers(values: Iterable[Any]) -> list[float | None]:
    """Return numbers with so many digits as a figure shows; None where there is none, or it is not finite."""
    array = pd.to_numeric(pd.Series(values)).astype("Float64").to_numpy(np.float64, na_value=np.nan)
    return [float(f"{one:.{DIGITS}g}") if np.isfinite(one) else None for one in array]


def packed(numbers: NDArray[Any]) -> str:
    """Return numbers as base64 of zlib-compressed bytes, little-endian."""
    little = numbers.astype(numbers.dtype.newbyteorder("<"), copy=False)
    return base64.b64encode(zlib.compress(little.tobytes(), 9)).decode("ascii")


def thinned(frame: pd.DataFrame, n_lines: int) -> pd.DataFrame:
    """Return the rows of one of several lines that a figure has room for: at equal distances, both ends among them."""
    most = max(2, MOST_POINTS // n_lines)
    if len(frame) <= most:
        return frame
    return frame.iloc[np.unique(np.linspace(0, len(frame) - 1, most).round().astype(int))]


def style_of(arms: Mapping[str, str]) -> Mapping[str, dict[str, str]]:
    """Return a colour, a dash and a symbol for each name, as :func:`experiments.figures.style.colours.style_of`."""
    return {
        name: {
            "color": PALETTE[colour % len(PALETTE)],
            "dash": DASHES[(line // len(PALETTE) + line) % len(DASHES)],
            "symbol": SYMBOLS[line % len(SYMBOLS)],
        }
        for name, colour, line in numbered(arms)
    }


def log_axis(values: Iterable[float | None]) -> dict[str, Any]:
    """Return an axis for positive values: logarithmic if they span a factor of 3, with numbers in full at its ticks.

    Examples
    --------
    >>> log_axis([0.5, 0.6]), log_axis([0.3, 0.9])
    ({}, {'type': 'log', 'tickformat': '~g', 'dtick': 'D1'})
    """
    known = [one for one in values if one is not None and one > 0]
    span = max(known, default=1.0) / min(known, default=1.0)
    if span < 3:
        return {}
    return {"type": "log", "tickformat": "~g", "dtick": "D1" if span < 10 else "D2"}


def axis(title: str, **more: Any) -> dict[str, Any]:
    """Return an axis of Plotly."""
    return {"title": {"text": plot_text(title)}, **more}


def plot(data: Sequence[Trace], x: str, y: str, **layout: Any) -> dict[str, Any]:
    """Return the specification of a figure with two axes, given their titles."""
    axes = {
        "xaxis": axis(x) | layout.pop("xaxis", {}),
        "yaxis": axis(y) | layout.pop("yaxis", {}),
    }
    return {"data": [*data], "layout": {**axes, "hovermode": "closest", **layout}}
