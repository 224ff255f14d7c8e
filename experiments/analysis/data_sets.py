"""Arms on several data sets: interquartile means over all seeds, and ranks."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from cnn.checks import did_you_mean
from evo.errors import ResultsError
from evo.storage.run_reader import run_names
from experiments.analysis.comparison import SEED, is_stopped, pooled, with_diverged
from experiments.analysis.deciding import metric_of
from experiments.analysis.results import Results, load_results
from experiments.statistics.data_sets import ranks, stratified_interval
from experiments.statistics.intervals import finite


def by_data_set(results: Results) -> list[tuple[str, Results]]:
    """Return the name of each data set and the results on it; one pair, too, if no search is finished."""
    of_data = [*results.runs.groupby(["dataset", "data_hash"])["run"]]
    if len(of_data) < 2:
        return [(str(next(iter(results.runs["dataset"]), "")), results)]
    names = run_names(results.paths)
    return [
        (
            str(results.runs.loc[runs.index[0], "dataset"]),
            load_results(*(path for path in results.paths if names[path] in set(runs))),
        )
        for _, runs in of_data
    ]


def over_data_sets(results: Results, arms: Sequence[str] | None = None) -> pd.DataFrame:
    """Return one row per arm: the interquartile mean of the deciding metric over seeds and data sets, and mean ranks.

    Parameters
    ----------
    results : Results
        Runs on two data sets or more, with one deciding metric. Its values on different data sets are averaged, so it
        should be a fraction, such as the accuracy.
    arms : sequence of str, optional
        By default those that have a result on every data set.

    Returns
    -------
    DataFrame
        The best arm by mean rank first; columns as in ``docs/statistics.md#several-data-sets``.

    Raises
    ------
    ResultsError
        If there are fewer than two data sets or arms, an arm has no result on one of them, metrics differ, two data
        sets have one name, or :meth:`Results.pooled` refuses the runs on a data set.
    """
    compared = with_diverged(results.comparison, results.runs, results.baseline)
    compared = compared[~is_stopped(compared)]
    _check(results)
    metric, direction = metric_of(compared)
    tables = {}
    for name, runs in results.runs.groupby("dataset"):
        of_runs = [one[one["run"].isin(runs["run"])] for one in (compared, results.baseline)]
        tables[str(name)] = pooled(of_runs[0], runs, of_runs[1])
    everywhere = set.intersection(*(set(table["arm"]) for table in tables.values()))
    chosen = sorted(everywhere) if arms is None else list(arms)
    missing = [arm for arm in chosen if arm not in everywhere]
    if missing or len(chosen) < 2:
        raise ResultsError(
            f"arms must be two or more of those with a result on every data set, {', '.join(sorted(everywhere))}; "
            f"got {', '.join(chosen)}{did_you_mean(next(iter(missing), None), sorted(everywhere))}"
        )
    scores = {
        arm: [
            table.loc[table["arm"] == arm, metric]
            .astype("Float64")
            .to_numpy(float, na_value=np.nan)
            for table in tables.values()
        ]
        for arm in chosen
    }
    worst = -direction * math.inf  # of an arm that diverged with a seed
    means = [
        [float(one.mean()) if np.isfinite(one).all() else worst for one in scores[arm]]
        for arm in chosen
    ]
    ranked = ranks(np.transpose(means), larger_is_better=direction > 0)
    rows = []
    for arm, rank in zip(chosen, ranked.means, strict=True):
        mean, low, high = stratified_interval(scores[arm], rng=np.random.default_rng(SEED))
        seeds = sum(len(finite(one)) for one in scores[arm])
        rows.append(
            {
                "arm": arm,
                "metric": metric.removeprefix("test_"),
                "data_sets": len(tables),
                "seeds": seeds,
                "diverged": sum(map(len, scores[arm])) - seeds,
                "interquartile_mean": mean,
                "low": low,
                "high": high,
                "mean_rank": float(rank),
                "p_friedman": ranked.p,
                "critical_difference": ranked.critical_difference,
            }
        )
    return pd.DataFrame(rows).sort_values("mean_rank", kind="stable", ignore_index=True)


def _check(results: Results) -> None:
    """Raise ResultsError unless there are several data sets, each with a name of its own, and one metric."""
    if results.comparison.empty:
        raise ResultsError(f"{results.paths[0].parent}: holds no finished run with a test part")
    known = results.runs[["dataset", "data_hash"]].drop_duplicates()
    names = ", ".join(sorted(known["dataset"]))
    if len(known) < 2 or known["dataset"].duplicated().any():
        raise ResultsError(
            f"runs must be on two data sets or more, each with its own name; got {names}"
        )
    metrics = sorted(results.comparison["metric"].dropna().unique())
    if len(metrics) > 1:
        raise ResultsError(f"runs must have one metric of verdicts; got {', '.join(metrics)}")
