"""Data frames as LaTeX: what a name says stays text, and numbers stay numbers."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.analysis import latex_table

COMMANDS = {
    r"\textbackslash{}": "\\",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"\textbar{}": "|",
    r"\char34{}": '"',
    **{f"\\{one}": one for one in "&%$#_{}"},
}
TOKEN = re.compile("|".join(map(re.escape, COMMANDS)) + r"|[^\\]")


def typeset(cell):
    """Return the characters that LaTeX would print for a cell without formulas."""
    assert "".join(TOKEN.findall(cell)) == cell, "an unknown command"
    tokens = TOKEN.findall(cell.removeprefix("{}"))
    assert not [one for one in tokens if one in '&%$#_{}~^<>|"'], "a character with a meaning"
    return "".join(COMMANDS.get(one, one) for one in tokens)


def cells(table):
    return [line.removesuffix(r" \\") for line in table.splitlines() if line.endswith(r" \\")]


NAMES = st.text(st.sampled_from('aé1 -[]*\\{}&%$#_~^<>|"\n\t'), min_size=1)


@given(NAMES)
def test_any_name_is_printed_as_it_is(name):
    head, body = cells(latex_table(pd.DataFrame({name: [name]})))
    printable = "".join(one if one.isprintable() else " " for one in name)
    assert typeset(head) == typeset(body) == printable


def test_every_row_has_every_cell_and_the_index_comes_first_if_it_is_no_numbering():
    frame = pd.DataFrame({"a & b": [1, 2], "n": [0.5, 0.25]}, index=["x", "y"])
    table = latex_table(frame)
    assert table.splitlines()[0] == r"\begin{tabular}{lrr}"
    assert cells(table) == [r" & a \& b & n", "x & 1 & 0.5", "y & 2 & 0.25"]
    assert cells(latex_table(frame.reset_index(drop=True)))[1] == "1 & 0.5"
    named = frame.rename_axis("arm").set_index("n", append=True)
    assert cells(latex_table(named))[:2] == [r"arm & n & a \& b", "x & 0.5 & 1"]


def test_numbers_are_rounded_and_empty_cells_are_dashes():
    values = [-0.012345, 2746.4, np.nan, np.inf, -np.inf, 1.5e-7, 2e20]
    expected = [
        *("$-$0.0123", "2746", "--", r"$\infty$", r"$-\infty$"),
        *(r"1.5$\cdot 10^{-7}$", r"2$\cdot 10^{20}$"),
    ]
    assert cells(latex_table(pd.DataFrame({"x": values})))[1:] == expected
    assert cells(latex_table(pd.DataFrame({"x": [0.98765]}), digits=2))[1] == "0.99"
    mixed = pd.DataFrame({"n": pd.array([-1, None], "Int64"), "b": [True, False], "s": ["-", None]})
    assert cells(latex_table(mixed))[1:] == ["$-$1 & yes & -", "-- & no & --"]


def test_a_comparison_of_arms_becomes_a_table(finished):
    compared = finished.compare()
    lines = cells(latex_table(compared[["arm", "other", "difference", "p_holm", "winner"]]))
    assert lines[0] == r"arm & other & difference & p\_holm & winner"
    assert [line.split(" & ")[1] for line in lines[1:]] == compared["other"].tolist()


@pytest.mark.parametrize(
    ("frame", "digits", "message"),
    [
        (pd.DataFrame({"a": [1]}), 0, "digits must be at least 1; got 0"),
        (pd.DataFrame(), 3, "frame must have a column; got none"),
    ],
)
def test_what_makes_no_table_is_refused(frame, digits, message):
    with pytest.raises(ValueError, match=message):
        latex_table(frame, digits=digits)
