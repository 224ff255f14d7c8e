"""Which arm is better, how sure that is, and what was equal; and the tables behind it."""

import pandas as pd

from evo.budgets import BUDGETS, PLAYED, TIMED, TOLERANCE, are_equal
from experiments.analysis.comparison import measures_in, without_idle
from experiments.analysis.deciding import title_of
from experiments.analysis.results import Results
from experiments.analysis.showing import search_cost
from experiments.figures.style.facts import where
from experiments.report.blocks.html import escaped, paragraph, table
from experiments.report.blocks.meanings import COMPARED, OF_EPISODES, SUMMARY

MOST_LISTED = 4
"""Most arms of which each budget is listed."""


def verdict(results: Results) -> str:
    """Return the verdict of each comparison as a sentence, what was equal, failures, and the cost of the search."""
    if results.tested:
        lines = [*results.verdicts(), *results.divergences()]
        equal = equalities(results.summary())
    else:
        lines = ["No comparison: the run has no test part.", *results.failure_lines()]
        equal = []
    if results.unfinished:
        equal.append(f"Not finished, and left out: {', '.join(results.unfinished)}.")
    if results.evolved:
        equal.append(f"{search_cost(results.runs)}.")
    items = "".join(f"<li>{escaped(line)}</li>" for line in lines)
    return f'<ul class="verdicts">{items}</ul>{"".join(paragraph(one) for one in equal)}'


def equalities(summary: pd.DataFrame) -> list[str]:
    """Return sentences on what was equal for all arms of a summary, and what was not.

    A budget counts as equal if the means over seeds of all arms agree to a percent. CPU time is not named, for it
    differs from run to run.
    """
    equal = ["the split of the data, which each seed draws once for all arms"]
    if PLAYED & {*summary}:
        equal = ["the test episodes, which each seed draws once for all arms"]
    others = []
    summary = without_idle(summary)
    for name in BUDGETS:
        if name not in summary:
            continue
        values = summary[name].dropna()
        if len(values) < 2 or name in TIMED:
            continue
        if are_equal(values.min(), values.max()):
            equal.append(f"{name} ({_span(values)})")
        else:
            others.append(f"{name} ({_listed(values)})")
    sentences = [f"Equal to {TOLERANCE:.0%}: {'; '.join(equal)}."]
    return sentences + ([f"Not equal: {'; '.join(others)}."] if others else [])


def _listed(values: "pd.Series[float]") -> str:
    """Return the value of each arm; of more than four arms, the smallest and the largest value."""
    if len(values) <= MOST_LISTED:
        return ", ".join(f"{arm} {value:,.0f}" for arm, value in values.items())
    return f"from {values.min():,.0f} for {values.idxmin()} to {values.max():,.0f} for {values.idxmax()}"


def _span(values: "pd.Series[float]") -> str:
    low, high = f"{values.min():,.0f}", f"{values.max():,.0f}"
    return low if low == high else f"{low} to {high}"


def comparison(results: Results) -> str:
    """Return the means of all arms, and all comparisons of two arms with their statistics."""
    summary = without_idle(results.summary())
    metric, measures = str(summary.columns[1]), measures_in(summary)
    part = "in the test episodes" if PLAYED & {*summary} else "on the test part"
    meanings = {
        **SUMMARY,
        **OF_EPISODES,
        **{one: f"Mean over seeds of the {title_of(one)} {part}." for one in (metric, *measures)},
    }
    on_test = where(results, "test part")
    means = table(summary.rename_axis("arm").reset_index(), f"Arms: {on_test}", meanings)
    compared = without_idle(results.compare())
    if compared.empty:
        return means + paragraph("One arm only, so nothing is compared.", "remark")
    known = {name: text for name, text in {**COMPARED, **OF_EPISODES}.items() if name in compared}
    return means + table(compared[[*known]], f"Two arms, paired by seed: {on_test}", known)
