"""How results show themselves: what they hold, what they cost, and in a notebook the summary of one finished run."""

import pandas as pd

from evo.budgets import BUDGETS
from experiments.analysis.comparison import costs_in, summarize


def facts_of(
    runs: pd.DataFrame, individuals: pd.DataFrame, comparison: pd.DataFrame
) -> dict[str, object]:
    """Return the runs, data sets, seeds and arms in the tables of these names, and how many individuals."""
    names = runs["run"].unique()
    return {
        "run" if len(names) == 1 else "runs": names[0] if len(names) == 1 else len(names),
        "dataset": ", ".join(sorted(map(str, runs["dataset"].unique()))),
        "seeds": len(runs["seed"].unique()),
        "individuals": len(individuals),
        "failures": int((individuals["status"] != "ok").sum()),
        "arms": ", ".join(map(str, comparison["arm"].unique())),
    }


def summary_as_html(comparison: pd.DataFrame) -> str:
    """Return the summary of one run, with names escaped; an empty text if there are several or none."""
    if len(comparison["run"].unique()) != 1:
        return ""
    summary = summarize(comparison)
    hidden = {*BUDGETS, "train_seconds"} - {*costs_in(summary)}
    shown = summary.drop(columns=[one for one in summary if one in hidden])
    return shown.to_html(float_format="{:.4g}".format, escape=True)


def filled_lines(table: pd.DataFrame, runs: pd.DataFrame) -> list[str]:
    """Return one line per arm on how much of the grid of MAP-Elites was filled in the end, mean over seeds.

    Parameters
    ----------
    table : DataFrame
        As :func:`experiments.analysis.frames.quality_diversity` returns it.
    runs : DataFrame
        The table of that name.
    """
    last = table.groupby(["run", "seed"]).tail(1)
    lines = []
    for arm, rows in last.merge(runs[["run", "seed", "arm"]]).groupby("arm"):
        means = rows[["n_elites", "n_cells", "coverage", "qd_score", "offset"]].mean()
        over = "" if len(rows) == 1 else f", mean of {len(rows)} seeds"
        n_elites, n_cells = f"{round(means['n_elites'], 1):,.10g}", f"{means['n_cells']:,.0f}"
        lines.append(
            f"Elites of {arm!s}: {n_elites} of {n_cells} cells are filled (coverage "
            f"{means['coverage']:.0%}), QD score {means['qd_score']:.4g} above {means['offset']:.4g}{over}"
        )
    return lines


def search_cost(runs: pd.DataFrame) -> str:
    """Return one line on the cost of all searches, given the table ``runs``."""
    searches = int((runs["n_individuals"] > 0).sum())
    of_one = len(runs["run"].unique()) == 1
    over = f"{searches} {'seed' if of_one else 'search'}"
    if searches != 1:
        over += "s" if of_one else "es"
    if {"search_played_episodes", "search_played_steps"} <= {*runs}:
        episodes, steps = (int(runs[f"search_played_{one}"].sum()) for one in ("episodes", "steps"))
        over = f"{episodes:,} episodes, {steps:,} environment steps, over {over}"
        return f"The whole search: {int(runs['n_individuals'].sum()):,} networks, {over}"
    return (
        f"The whole search: {int(runs['n_individuals'].sum()):,} networks, "
        f"{int(runs['search_steps'].sum()):,} gradient steps, "
        f"{float(runs['search_macs'].sum()):.2g} multiply-accumulates forward, "
        f"over {over}"
    )
