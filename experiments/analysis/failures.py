"""Lines on individuals without a fitness, and on baselines that diverged, for people."""

import pandas as pd


def failure_lines(individuals: pd.DataFrame, *, several_runs: bool = False) -> list[str]:
    """Return one line on all individuals without a fitness, and one on each search in which every child is one.

    Parameters
    ----------
    individuals : DataFrame
        The table of that name.
    several_runs : bool
        Whether the lines name runs.

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
        if (children["status"] != "ok").all():
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
