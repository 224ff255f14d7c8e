"""What has no result, for people: individuals, baselines that diverged, and runs that were stopped, failed or go on."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from evo.storage.run_reader import (
    error_of,
    how_to_go_on,
    how_to_resume,
    is_over,
    is_run,
    run_names,
)

NAMED = 8
"""Most cells, and most generations, that a line names."""


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


def copy_lines(
    individuals: pd.DataFrame, *, several_runs: bool = False, still: Collection[str] = ()
) -> list[str]:
    """Return one line on each search in which no operation changed any child of some generations.

    Parameters
    ----------
    individuals : DataFrame
        The table of that name.
    several_runs : bool
        Whether the lines name runs.
    still : collection of str
        Names of runs whose policy changes nothing on purpose.

    Returns
    -------
    list of str
        Empty if every generation with children has a child that an operation changed.
    """
    children = individuals[(individuals["origin"] == "child") & (individuals["status"] == "ok")]
    children = children[~children["run"].isin(still)]
    is_copy = children["operators"].fillna("") == ""
    all_copies = is_copy.groupby([children[key] for key in ("run", "seed", "generation")]).all()
    lines = []
    for (run, seed), of_search in all_copies.groupby(["run", "seed"]):
        generations = of_search[of_search].index.get_level_values("generation")
        if len(generations):
            where = f"{run}, seed {seed}" if several_runs else f"seed {seed}"
            which = ", ".join(map(str, generations[:NAMED])) + ", …" * (len(generations) > NAMED)
            lines.append(
                f"{where}: all children are copies of their parents in {len(generations)} of {len(of_search)} "
                f"generations with children ({which}), because no operation could be applied"
            )
    return lines


def divergence_lines(baseline: pd.DataFrame, comparison: pd.DataFrame) -> list[str]:
    """Return one line per baseline that diverged or failed, and one per arm that failed in the episodes of the test.

    A line has the seeds, and the reason with the first seed.

    Parameters
    ----------
    baseline, comparison : DataFrame
        The tables of these names.
    """
    lines = []
    for (arm, status), rows in baseline[baseline["status"] != "ok"].groupby(["arm", "status"]):
        lines.append(f"{arm} {status} with {_seeds(rows)}: {rows['reason'].iloc[0]}")
    for arm, rows in comparison[comparison["reason"].notna()].groupby("arm"):
        lines.append(f"{arm!s} failed with {_seeds(rows)}, {rows['reason'].iloc[0]}")
    return lines


def _seeds(rows: pd.DataFrame) -> str:
    """Return the seeds of rows in words."""
    seeds = rows["seed"].unique()
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def lost_runs(
    paths: Sequence[Path],
    runs: pd.DataFrame,
    configs: Mapping[str, Mapping[str, Any]],
    studies: Mapping[str, Mapping[str, Any]],
) -> pd.DataFrame:
    """Return one row for each seed of each run that has no result: it was stopped, failed, goes on or has not begun.

    Parameters
    ----------
    paths : sequence of Path
        The folders of runs.
    runs : DataFrame
        The table of that name.
    configs : mapping
        The settings of each run, by its name.
    studies : mapping
        What the file of its study says, by the run's name.

    Returns
    -------
    DataFrame
        Columns `run`, `seed`, `arm` (None where the settings cannot be read), `status`, which is stopped, failed,
        unfinished or not begun, and `reason`. A run that has not begun is one that the study of the others plans.
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
            status = "failed" if error else "unfinished"
            rows += _seeds_of(run, configs.get(run, {}), status, error or how_to_go_on(path))
    for folder, planned in _not_begun(paths, studies).items():
        for run, config in planned.items():
            rows += _seeds_of(run, config, "not begun", how_to_resume(folder / run))
    return pd.DataFrame(rows, columns=["run", "seed", "arm", "status", "reason"])


def _seeds_of(
    run: str, config: Mapping[str, Any], status: str, reason: str
) -> list[dict[str, Any]]:
    """Return one row for each seed of a run, given its settings."""
    fixed = config.get("baseline", {}).get("arms", ())
    arm = arm_of_settings(config) or ", ".join(_label(one, config) for one in fixed) or None
    known = {"run": run, "arm": arm, "status": status, "reason": reason}
    first, n_seeds = config.get("seed", 0), config.get("seeds", 0)
    return [known | {"seed": seed} for seed in range(first, first + n_seeds)]


def _not_begun(
    paths: Sequence[Path], studies: Mapping[str, Mapping[str, Any]]
) -> dict[Path, dict[str, Mapping[str, Any]]]:
    """Return the settings of the runs that have not begun, by folder, of studies all of whose other runs are given."""
    given = {path.resolve() for path in paths}
    found = {}
    for path, run in run_names(paths).items():
        folder = path.resolve().parent
        if run in studies and folder not in found:
            planned = studies[run]["runs"]
            left = {name: one for name, one in planned.items() if folder / name not in given}
            found[folder] = {} if any(is_run(folder / name) for name in left) else left
    return found


def arm_of_settings(config: Mapping[str, Any]) -> str | None:
    """Return the name of the arm that evolves in a run, given its settings; None if none does."""
    arm = config.get("arm")
    return None if arm is None or not config.get("evolve", True) else _label(arm, config)


def _label(arm: str, config: Mapping[str, Any]) -> str:
    """Return the name of an arm in the tables: in a study with a grid, with the cell."""
    return f"{arm}-{config['cell']}" if config.get("cell") else arm


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
