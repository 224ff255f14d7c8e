"""A short summary of runs as Markdown, with the comparison as LaTeX too: for the appendix of a paper."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from evo.budgets import BUDGETS
from evo.errors import ResultsError
from evo.files import write_text
from experiments.analysis import latex_table
from experiments.analysis.comparison import costs_in, without_idle
from experiments.analysis.results import Results, load_results
from experiments.figures.style.facts import facts_of, where
from experiments.report.blocks.html import shown
from experiments.report.sections.origin import grouped_settings, noted_commands
from experiments.report.sections.verdict import equalities

COLUMNS = ["arm", "other", "difference", "low", "high", "p_holm", "effect_size", "seeds"]
"""The columns of a comparison that a paper shows."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&$])")


def write_summary(results: Results | str | Path | Sequence[str | Path], path: str | Path) -> Path:
    """Write a summary of one or many runs on one data set as Markdown.

    It has the verdicts in words, what was equal, the comparison as a table and as LaTeX, the settings that are not the
    defaults, and the commands that made the runs.

    Parameters
    ----------
    results : Results, path, or sequence of paths
        Results, or the folders of runs and studies.
    path : str or Path
        The file to write; an existing one is replaced.

    Raises
    ------
    ResultsError
        If there is no finished run, the runs have several data sets, or the file cannot be written.
    """
    if not isinstance(results, Results):
        listed = [results] if isinstance(results, str | Path) else [*results]
        results = load_results(*listed)
    write_text(path, "\n".join(_lines(results)) + "\n")
    return Path(path)


def _lines(results: Results) -> Iterator[str]:
    summary, compared = results.summary(), results.compare()
    yield f"# {in_markdown(', '.join(facts_of(results).experiments))}"
    yield f"\n{in_markdown(where(results, 'test part'))}\n"
    yield from (f"* {in_markdown(line)}" for line in results.verdicts())
    yield from (f"\n{in_markdown(line)}" for line in equalities(summary))
    summary = without_idle(summary)
    of_searches = {*BUDGETS} - {*costs_in(summary), "total_training_macs"}
    hidden = [name for name in summary if name in of_searches]
    arms = summary.drop(columns=hidden).rename_axis("arm").reset_index()
    yield f"\n## Arms\n\n{markdown_table(arms)}\n\n{fenced(latex_table(arms), 'latex')}"
    if len(compared):
        chosen = compared[COLUMNS]
        yield f"\n## Comparisons\n\n{markdown_table(chosen)}\n\n{fenced(latex_table(chosen), 'latex')}"
    changed = grouped_settings(results)
    if len(changed):
        yield f"\n## Settings that are not the defaults\n\n{markdown_table(changed)}"
    try:
        commands = noted_commands(results)
    except ResultsError as error:
        yield f"\n{in_markdown(error)}"
        return
    if commands:
        yield "\n## Commands\n\n" + fenced("\n".join(commands), "console")


def in_markdown(text: object) -> str:
    r"""Return a text that Markdown shows as it is.

    Examples
    --------
    >>> print(in_markdown("a|b"))
    a\|b
    """
    printable = "".join(one if one.isprintable() else " " for one in str(text))
    return _SPECIAL.sub(r"\\\1", printable)


def markdown_table(frame: pd.DataFrame) -> str:
    """Return a data frame as a table of Markdown; its index is left out."""
    lines = [[in_markdown(name) for name in frame.columns], ["---"] * len(frame.columns)]
    rows = frame.itertuples(index=False, name=None)
    lines += [[in_markdown(shown(value)) for value in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def fenced(text: str, language: str) -> str:
    """Return a block of code, between fences that are longer than any in the text."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"
