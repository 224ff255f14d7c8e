"""Sizes, fonts and files of pictures: the same for all of them.

A picture is drawn as wide as it is printed, so that 8 points in a file are 8 points on paper.
"""

import math
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from evo.errors import SettingsError

WIDTHS = MappingProxyType({"column": 3.35, "page": 6.9})
"""Widths of pictures in inches, by name: one column of a journal, and a whole page."""

NARROWEST, WIDEST = 2.5, 40.0
"""Bounds of a width in inches."""

FONT_SIZE = 8.0
"""Size of all letters in points."""

FORMATS = ("png", "pdf", "svg")

DOTS_PER_INCH = 200
"""Resolution of PNG files."""

PAPER: dict[Any, Any] = {
    "font.size": FONT_SIZE,
    **{f"{part}.titlesize": FONT_SIZE for part in ("axes", "figure")},
    **{f"{axis}tick.labelsize": FONT_SIZE for axis in "xy"},
    "axes.labelsize": FONT_SIZE,
    "legend.fontsize": FONT_SIZE,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
    "pdf.fonttype": 42,  # TrueType, as journals ask for
    "ps.fonttype": 42,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "evomatrix",
    "savefig.bbox": None,
    "text.usetex": False,
    "axes.formatter.min_exponent": 4,  # numbers below 10,000 in full at logarithmic axes
}
"""Settings of matplotlib for every picture."""

OF_THE_USER = ("font.family", "font.sans-serif", "font.serif")
"""Settings of matplotlib that stay those of the user."""

LINE = 1.25 * FONT_SIZE / 72
"""Height of a line of text in inches."""

_LETTER = 0.57
"""Mean width of a letter over the size of the font, rather too large."""


@contextmanager
def on_paper() -> Iterator[None]:
    """Let matplotlib draw with the sizes of pictures for papers; only the family of the font is the user's own."""
    family: dict[Any, Any] = {
        name: value for name, value in mpl.rcParams.items() if name in OF_THE_USER
    }
    with mpl.rc_context():
        mpl.rcParams.update(mpl.rcParamsDefault)
        mpl.rcParams.update({**family, **PAPER})
        yield


def inches(width: str | float) -> float:
    """Return a width in inches.

    Raises
    ------
    SettingsError
        If it is neither a name of :data:`WIDTHS` nor a number of inches between 2.5 and 40.

    Examples
    --------
    >>> inches("column"), inches("5"), inches(4.5)
    (3.35, 5.0, 4.5)
    """
    if isinstance(width, str) and width in WIDTHS:
        return WIDTHS[width]
    try:
        number = math.nan if isinstance(width, bool) else float(width)
    except (TypeError, ValueError):
        number = math.nan
    if not NARROWEST <= number <= WIDEST:
        raise SettingsError(
            f"width must be {', '.join(WIDTHS)}, or a number of inches from {NARROWEST:g} to {WIDEST:g}; got {width!r}"
        )
    return number


def is_wide(width: float) -> bool:
    """Return whether a picture of a width in inches has room for parts side by side, and not one below the other."""
    return width > 5


def letters_in(width: float) -> int:
    """Return how many letters fit into a line of a width in inches."""
    return int(width * 72 / (_LETTER * FONT_SIZE))


def points_of(text: str) -> float:
    """Return about how wide a line of text is, in points."""
    return len(text) * _LETTER * FONT_SIZE


def wrapped(text: str, width: float) -> str:
    """Return a text in lines that fit into a width in inches; line breaks in it stay."""
    lines = text.splitlines()
    return "\n".join(part for line in lines for part in textwrap.wrap(line, letters_in(width)))


def new_figure(width: float, height: float, title: str) -> Figure:
    """Return an empty figure with its title, whose lines are added to the height.

    Parameters
    ----------
    width, height : float
        Inches; the height is that of the figure without its title.
    title : str
        It may be empty. A dollar sign in it is no formula.
    """
    text = wrapped(title, width).replace("$", r"\$")
    lines = len(text.splitlines())
    figure = Figure(figsize=(width, height + lines * LINE), layout="constrained")
    if text:
        figure.suptitle(text, x=0.01, ha="left", linespacing=1.15)
    return figure


def legend_below(figure: Figure, axes: Any, width: float) -> None:
    """Write the legend below the axes, with as many columns as there is room for."""
    handles, labels = axes.get_legend_handles_labels()
    longest = max(map(len, labels), default=1) + 5
    n_columns = max(1, min(len(labels), int(width * 72 / 4.6 / longest)))
    figure.legend(handles, labels, loc="outside lower left", ncols=n_columns)
    n_rows = -(-len(labels) // n_columns)
    figure.set_figheight(figure.get_figheight() + 0.16 * n_rows)


def rendered(figure: Figure, form: str) -> bytes:
    """Return a figure as the bytes of a file: the same figure gives the same bytes.

    Parameters
    ----------
    figure : Figure
    form : {"png", "pdf", "svg"}
    """
    dated: dict[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
    buffer = BytesIO()
    with on_paper():
        figure.canvas.print_figure(
            buffer, format=form, dpi=DOTS_PER_INCH, metadata=dated.get(form, {}), facecolor="white"
        )
    return buffer.getvalue()
