"""How results show themselves: what they hold, and in a notebook the summary of one finished run."""

from typing import Protocol

import pandas as pd

from evo.display import table_of
from experiments.analysis.comparison import summarize


class ShownTables(Protocol):
    """What is read of :class:`experiments.Results` here."""

    @property
    def runs(self) -> pd.DataFrame:
        """The table of that name."""

    @property
    def individuals(self) -> pd.DataFrame:
        """The table of that name."""

    @property
    def baseline(self) -> pd.DataFrame:
        """The table of that name."""

    @property
    def comparison(self) -> pd.DataFrame:
        """The table of that name."""


def facts_of(results: ShownTables) -> dict[str, object]:
    """Return the runs, data sets, seeds and arms of results, and how many networks they have."""
    runs = results.runs
    names = runs["run"].unique()
    return {
        "run" if len(names) == 1 else "runs": names[0] if len(names) == 1 else len(names),
        "dataset": ", ".join(sorted(map(str, runs["dataset"].unique()))),
        "seeds": int(runs["seed"].nunique()),
        "individuals": len(results.individuals),
        "failures": int((results.individuals["status"] != "ok").sum()),
        "arms": ", ".join(map(str, results.comparison["arm"].unique())),
    }


def html_of(results: ShownTables) -> str:
    """Return the facts and, of one run that was tested, the summary, as HTML; all names are escaped."""
    table = table_of(results, facts_of(results))
    if len(results.runs["run"].unique()) != 1 or results.comparison.empty:
        return table
    return table + summarize(results.comparison).to_html(float_format="{:.4g}".format, escape=True)
