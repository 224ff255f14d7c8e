r"""Data frames as LaTeX, for papers."""

import math
import re
from typing import Any

import numpy as np
import pandas as pd

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_SPECIAL = re.compile("|".join(map(re.escape, _ESCAPES)))

EMPTY = "--"
"""What stands in an empty cell."""


def latex_table(frame: pd.DataFrame, *, digits: int = 3) -> str:
    r"""Return a data frame as a ``tabular`` of LaTeX, which needs no package.

    Parameters
    ----------
    frame : DataFrame
        Its columns are those of the table; the index comes first if it has a name or is no numbering.
    digits : int
        Significant digits of numbers that are not whole, at least 1; no digit before the decimal point is left out.

    Returns
    -------
    str
        Numbers stand at the right, all else at the left. Characters with a meaning in LaTeX are escaped; line breaks
        and other control characters are spaces. An empty cell is a dash.

    Raises
    ------
    ValueError
        If `digits` is below 1, or there is no column.

    Examples
    --------
    >>> print(latex_table(pd.DataFrame({"arm": ["a_b"], "difference": [-0.01234]})))
    \begin{tabular}{lr}
    \hline
    arm & difference \\
    \hline
    a\_b & $-$0.0123 \\
    \hline
    \end{tabular}
    """
    if digits < 1:
        raise ValueError(f"digits must be at least 1; got {digits}")
    if frame.columns.empty:
        raise ValueError("frame must have a column; got none")
    is_numbering = isinstance(frame.index, pd.RangeIndex) and frame.index.name is None
    names = ["" if name is None else name for name in frame.index.names]
    table = frame if is_numbering else frame.reset_index(names=names, allow_duplicates=True)
    numbers = [
        pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)
        for kind in table.dtypes
    ]
    lines = [
        rf"\begin{{tabular}}{{{''.join('r' if one else 'l' for one in numbers)}}}",
        r"\hline",
        _line([_escaped(str(name)) for name in table.columns]),
        r"\hline",
        *(
            _line([_cell(value, digits) for value in row])
            for row in table.itertuples(index=False, name=None)
        ),
        r"\hline",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    # An empty group: LaTeX would take a bracket after the line before for an argument of it.
    first = f"{{}}{cells[0]}" if cells[0].startswith(("[", "*")) else cells[0]
    return " & ".join([first, *cells[1:]]) + r" \\"


def _cell(value: Any, digits: int) -> str:
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return EMPTY
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return _signed(str(value))
    if not isinstance(value, float | np.floating):
        return _escaped(str(value))
    number = float(value)
    if math.isinf(number):
        return r"$\infty$" if number > 0 else r"$-\infty$"
    many_digits = 10**digits <= abs(number) < 1e15
    return _signed(f"{number:.0f}" if many_digits else f"{number:.{digits}g}")


def _signed(text: str) -> str:
    """Return a number as Python writes it in the way of LaTeX."""
    number, _, power = text.partition("e")
    sign, number = ("$-$", number[1:]) if number[0] == "-" else ("", number)
    return f"{sign}{number}" + (rf"$\cdot 10^{{{int(power)}}}$" if power else "")


def _escaped(text: str) -> str:
    printable = "".join(one if one.isprintable() else " " for one in text)
    return _SPECIAL.sub(lambda found: _ESCAPES[found.group()], printable)
