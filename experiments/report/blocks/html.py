"""Text, tables and data as HTML. Everything that comes from settings, data or files is escaped here."""

import html
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis.results import Results

MOST_ROWS = 200
"""Largest number of rows of a table in a report."""

LONG = 60
"""Number of characters from which a text of a table has several lines."""

_FOR_SCRIPTS = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def escaped(value: object) -> str:
    """Return a value as text in HTML, in an element or in quotes; control characters become spaces.

    Examples
    --------
    >>> escaped('<b class="x">')
    '&lt;b class=&quot;x&quot;&gt;'
    """
    text = "".join(one if one.isprintable() else " " for one in str(value))
    return html.escape(text, quote=True)


def paragraph(text: object, kind: str = "") -> str:
    """Return a paragraph of plain text; `kind` is its class."""
    of_class = f' class="{escaped(kind)}"' if kind else ""
    return f"<p{of_class}>{escaped(text)}</p>"


def as_json(value: object) -> str:
    r"""Return a value as JSON that may stand in a ``<script>`` element, whatever texts it holds.

    Raises
    ------
    ValueError
        If a number is not finite.

    Examples
    --------
    >>> as_json(["</script>", 1])
    '["\\u003c/script\\u003e",1]'
    """
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_FOR_SCRIPTS)


def figure(title: str, specification: Mapping[str, Any], remark: str = "", kind: str = "") -> str:
    """Return a figure that ``report.js`` draws in the page.

    Parameters
    ----------
    title : str
        The caption above the figure: what is shown, of which data set, part and seeds.
    specification : mapping
        What is drawn: values that JSON can write (:mod:`experiments.report.blocks.plots`).
    remark : str
        A sentence below the figure.
    kind : str
        Class of the place that is drawn into: empty, ``square`` or ``pair``.
    """
    below = paragraph(remark, "remark") if remark else ""
    return (
        f"<figure><figcaption>{escaped(title)}</figcaption>"
        f'<div class="plot {escaped(kind)}" role="group" aria-label="{escaped(title)}">'
        f'<script type="application/json">{as_json(specification)}</script></div>{below}</figure>'
    )


def table(
    frame: pd.DataFrame,
    title: str,
    meanings: Mapping[str, str],
    *,
    most_rows: int = MOST_ROWS,
    more: str = "",
) -> str:
    """Return a data frame as a table that can be sorted by each column, with a dictionary of its columns below.

    Parameters
    ----------
    frame : DataFrame
        Its index is left out.
    title : str
        The caption.
    meanings : mapping
        What each column means. The header shows it when the pointer is on it.
    most_rows : int
        Largest number of rows shown; if there are more, a sentence says so.
    more : str
        Python that returns the whole table, for that sentence.
    """
    names = [str(name) for name in frame.columns]
    unknown = [name for name in names if name not in meanings]
    if unknown:
        raise ValueError(f"meanings must have every column; got none of {', '.join(unknown)}")
    heads = "".join(
        f'<th scope="col" title="{escaped(meanings[name])}"><button type="button">'
        f"{escaped(name)}</button></th>"
        for name in names
    )
    shown = frame.head(most_rows)
    rows = "".join(
        f"<tr>{''.join(_cell(value, first=not number) for number, value in enumerate(row))}</tr>"
        for row in shown.itertuples(index=False, name=None)
    )
    left_out = ""
    if len(shown) < len(frame):
        text = f"The first {len(shown):,} of {len(frame):,} rows."
        left_out = paragraph(f"{text} All of them: {more}" if more else text, "remark")
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escaped(title)}"><table class="sortable">'
        f"<caption><span>{escaped(title)}</span></caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        f"{left_out}{definitions('What the columns mean', [(name, meanings[name]) for name in names])}"
    )


def definitions(title: str, terms: Sequence[tuple[str, str]]) -> str:
    """Return names and their meanings as a list that opens."""
    items = "".join(f"<dt>{escaped(name)}</dt><dd>{escaped(about)}</dd>" for name, about in terms)
    return f"<details><summary>{escaped(title)}</summary><dl>{items}</dl></details>"


def shown(value: Any) -> str:
    """Return a cell of a table as plain text: an empty one is empty, a number has four digits or its thousands.

    Examples
    --------
    >>> shown(0.97222), shown(2746), shown(None), shown(12345.6), shown(True)
    ('0.9722', '2,746', '', '12,346', 'yes')
    """
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if not isinstance(value, float | np.floating):
        return str(value)
    number = float(value)
    if math.isinf(number):
        return "∞" if number > 0 else "−∞"
    text = f"{number:,.0f}" if 1000 <= abs(number) < 1e15 else f"{number:.4g}"
    return text.replace("-", "−")


def _cell(value: Any, *, first: bool) -> str:
    text = shown(value)
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    key = ' class="wide"' if len(text) > LONG else ""
    if is_number and text:
        number = str(float(value)).replace("inf", "Infinity")  # as JavaScript reads it
        key = f' data-key="{number}" class="number"'
    tag = "th" if first else "td"
    scope = ' scope="row"' if first else ""
    return f"<{tag}{scope}{key}>{escaped(text)}</{tag}>"


def without_run(results: Results, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame without its column `run` if the results are those of one run, whose name is in the heading."""
    return frame.drop(columns="run") if len(results.paths) == 1 else frame
