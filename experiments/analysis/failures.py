"""What has no result, for people: individuals, baselines that diverged, and runs that were stopped, failed or go on."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from evo.storage.run_reader import error_of, how_to_go_on, is_over, run_names


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


def lost_runs(
    paths: Sequence[Path], runs: pd.DataFrame, configs: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """Return one row for each seed of each run that has no result because the run was stopped, failed or goes on.

    Parameters
    ----------
    paths : sequence of Path
        The folders of runs.
    runs : DataFrame
        The table of that name.
    configs : mapping
        The settings of each run, by its name.

    Returns
    -------
    DataFrame
        Columns `run`, `seed`, `arm` (None where the settings cannot be read), `status`, which is stopped, failed or
        unfinished, and `reason`.
    """
    rows: list[dict[str, Any]] = []
    for path, run in run_names(paths).items():
        error, stopped = error_of(path), runs[(runs["run"] == run) & runs["stopped_rung"].notna()]
        if len(stopped):
            rows += [
                {"run": run, "seed": row["seed"], "arm": row["arm"], "status": "stopped"}
                | {"reason": f"stopped {row['stopped_reason']}"}
                for _, row in stopped.iterrows()
            ]
        elif error or not is_over(path):
            config = configs.get(run, {})
            known = {"run": run, "arm": arm_of_settings(config)}
            known |= {"status": "failed" if error else "unfinished"}
            known |= {"reason": error or how_to_go_on(path)}
            first = config.get("seed", 0)
            rows += [known | {"seed": first + k} for k in range(config.get("seeds", 0))]
    return pd.DataFrame(rows, columns=["run", "seed", "arm", "status", "reason"])


def arm_of_settings(config: Mapping[str, Any]) -> str | None:
    """Return the name of the arm that evolves in a run, given its settings; None if none does."""
    arm, cell = config.get("arm"), config.get("cell")
    if arm is None or not config.get("evolve", True):
        return None
    return f"{arm}-{cell}" if cell else str(arm)


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
