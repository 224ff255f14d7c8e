"""What a run lost: individuals, baselines and tests that diverged or failed, and runs without a result."""

import pandas as pd

from experiments.analysis.frames.joins import with_parent

COLUMNS = (
    *("run", "seed", "arm", "generation", "individual", "parent", "origin", "operators"),
    *("status", "reason", "error_at"),
)
"""The columns of :func:`lost_networks`, which have the meanings of ``individuals`` and ``baseline``."""


def lost_networks(
    individuals: pd.DataFrame,
    baseline: pd.DataFrame,
    runs: pd.DataFrame | None = None,
    comparison: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return one row for each individual, baseline and test without a result, and for each lost seed of a run.

    Parameters
    ----------
    individuals, baseline : DataFrame
        The tables of these names.
    runs : DataFrame, optional
        The seeds of runs that have no result, as :func:`experiments.analysis.failures.lost_runs` returns them.
    comparison : DataFrame, optional
        The table of that name: an arm with which a reward raised an error in the episodes of the test has failed.

    Returns
    -------
    DataFrame
        Columns `run`, `seed`, `arm`, `generation`, `individual`, `parent`, `origin`, `operators`, `status`, `reason`
        and `error_at`, as in the tables. `arm` is empty for individuals; what individuals alone have is empty for
        baselines, tests and runs.
    """
    evolved = with_parent(individuals[individuals["status"] != "ok"])
    fixed = baseline[baseline["status"] != "ok"]
    kinds = {**individuals.dtypes, **baseline.dtypes, "parent": pd.Int64Dtype()}
    lost = [one for one in (evolved, fixed, runs) if one is not None]
    if comparison is not None:
        lost.append(comparison[comparison["reason"].notna()].assign(status="failed"))
    found = pd.concat([one.reindex(columns=[*COLUMNS]).astype(object) for one in lost])
    typed = found.astype({name: kinds[name] for name in COLUMNS})
    return typed.sort_values(["run", "seed"], kind="stable", ignore_index=True)
