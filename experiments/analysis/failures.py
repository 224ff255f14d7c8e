"""Lines on individuals without a fitness, on baselines that diverged, and on runs that halving stopped, for people."""

from collections.abc import Collection

import pandas as pd


def failure_lines(
    individuals: pd.DataFrame, *, several_runs: bool = False, stopped: Collection[str] = ()
) -> list[str]:
    """Return one line on all individuals without a fitness, and one on each search in which every child is one.

    Parameters
    ----------
    individuals : DataFrame
        The table of that name.
    several_runs : bool
        Whether the lines name runs.
    stopped : collection of str
        Names of runs that halving stopped: they have no winner, so no line says which one it is.

    Returns
    -------
    list of str
        Empty if all individuals have a fitness.
    """
    lost = individuals[individuals["status"] != "ok"]
    if lost.empty:
        return []
    counts = lost["status"].value_counts().sort_index()
    kinds = ", ".join(f"{count} {status}" for status, count in counts.items())
    lines = [
        f"{len(lost)} of {len(individuals)} individuals have no fitness ({kinds}); {_first(lost, several_runs)}"
    ]
    for (run, seed), children in individuals[individuals["origin"] == "child"].groupby(
        ["run", "seed"]
    ):
        if (children["status"] != "ok").all() and run not in stopped:
            where = f"{run}, seed {seed}" if several_runs else f"seed {seed}"
            lines.append(
                f"{where}: no child succeeded ({len(children)} of {len(children)} have no fitness), so the winner is a "
                f"founder that was only trained; {_first(children, several_runs)}"
            )
    return lines


def divergence_lines(baseline: pd.DataFrame) -> list[str]:
    """Return one line per baseline that diverged: its seeds, and the reason with the first seed.

    Parameters
    ----------
    baseline : DataFrame
        The table of that name.
    """
    lines = []
    for arm, rows in baseline[baseline["status"] != "ok"].groupby("arm"):
        seeds = rows["seed"].unique()
        which = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
        lines.append(f"{arm} diverged with {which}: {rows['reason'].iloc[0]}")
    return lines


NAMED = 8
"""Most cells that a line names."""


def stopped_lines(runs: pd.DataFrame) -> list[str]:
    """Return a line for each rung with the cells that it stopped, and one on the gradient steps that this saved.

    Parameters
    ----------
    runs : DataFrame
        The table of that name.
    """
    stopped = runs[runs["stopped_rung"].notna()]
    lines = []
    for rung, rows in stopped.groupby("stopped_rung"):
        cells = rows["arm"].unique()
        names = ", ".join([*cells[:NAMED], *(["…"] if len(cells) > NAMED else [])])
        which = f"{len(cells)} cell{'s' if len(cells) > 1 else ''}"
        lines.append(
            f"halving stopped {which} at rung {rung}, without reading the test part: {names}"
        )
    if lines:
        spent, saved = int(runs["search_steps"].sum()), int(stopped["saved_steps"].sum())
        lines.append(
            f"the searches made {spent:,} gradient steps of about {spent + saved:,} without halving "
            f"({spent / (spent + saved):.0%})"
        )
    return lines


def _first(lost: pd.DataFrame, several_runs: bool) -> str:
    """Return which individual was the first and why it has no fitness."""
    row = lost.iloc[0]
    who = f"individual {row['individual']} with seed {row['seed']}"
    if several_runs:
        who += f" of {row['run']}"
    known = (
        isinstance(row["error_at"], str) and row["error_at"]
    )  # a run of an older version has no such column
    at = f" ({row['error_at']})" if known else ""
    reason = " ".join(str(row["reason"]).split())
    return f"the first, {who}: {reason}{at}"
