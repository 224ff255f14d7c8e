"""The networks that a run lost: individuals and baselines that diverged or failed."""

import pandas as pd

from experiments.analysis.frames.joins import with_parent

COLUMNS = (
    *("run", "seed", "arm", "generation", "individual", "parent", "origin", "operators"),
    *("status", "reason", "error_at"),
)
"""The columns of :func:`lost_networks`, which have the meanings of ``individuals`` and ``baseline``."""


def lost_networks(individuals: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each individual without a fitness, and one for each baseline that diverged.

    Parameters
    ----------
    individuals, baseline : DataFrame
        The tables of these names.

    Returns
    -------
    DataFrame
        Columns `run`, `seed`, `arm`, `generation`, `individual`, `parent`, `origin`, `operators`, `status`, `reason`
        and `error_at`, as in the tables. `arm` is empty for individuals; what individuals alone have is empty for
        baselines.
    """
    evolved = with_parent(individuals[individuals["status"] != "ok"])
    fixed = baseline[baseline["status"] != "ok"]
    kinds = {**individuals.dtypes, **baseline.dtypes, "parent": pd.Int64Dtype()}
    found = pd.concat([one.reindex(columns=[*COLUMNS]).astype(object) for one in (evolved, fixed)])
    typed = found.astype({name: kinds[name] for name in COLUMNS})
    return typed.sort_values(["run", "seed"], kind="stable", ignore_index=True)
