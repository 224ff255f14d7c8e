"""The arms of a comparison: means over seeds, paired differences, and which arm wins, if one does."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cnn.checks import brief, did_you_mean
from evo.budgets import BUDGETS, PLAYED, Budget, are_equal
from evo.errors import ResultsError
from experiments.analysis.deciding import broken_rule, metric_of
from experiments.statistics import (
    bca_interval,
    effect_size,
    equivalence_p,
    holm,
    interval,
    seeds_needed,
    sign_flip_p,
    smallest_p,
    superiority,
)
from experiments.statistics.paired import ALPHA

KEY = ["run", "seed", "arm"]
"""The key of the table ``comparison``."""

TRAIN_ONLY = "train-only"
"""Name of a winner in `comparison` if every child failed: it is a founder that was trained and did not evolve."""

COSTS = ("parameters", "macs", "steps", "train_seconds")
"""The columns of `comparison` with costs that people are shown first; :func:`summarize` has all budgets."""

COSTS_OF_REWARDS = (*COSTS, "total_played_episodes", "total_played_steps")
"""The same where a reward judges; :func:`without_idle` leaves out what is 0 without a strategy."""

MUST_BE_EQUAL: tuple[Budget, ...] = ("steps",)
"""The budgets that arms must have in common for one to win, if none are declared."""

OF_REWARDS: tuple[Budget, ...] = ("total_played_episodes",)
"""The same where a reward judges: what learning uses there are episodes, whether they train or select."""

PRIMARY = " - "
"""What stands between the two arms of a declared comparison, as in ``evolved - cnn``."""

DIGITS = 12
"""Significant digits of a metric up to which two values, or two differences, count as equal."""

SPENT: Mapping[Budget, str] = {
    "total_networks": "n_individuals",
    "total_steps": "search_steps",
    "total_samples": "search_samples",
    "total_training_macs": "search_training_macs",
    "total_cpu_seconds": "search_cpu_seconds",
    "total_played_episodes": "search_played_episodes",
    "total_played_steps": "search_played_steps",
}
"""The columns of `runs` with what a search spent, by the budgets of `comparison`."""

SEED = 0
"""Seed of the resamples of a bootstrap: the same table gives the same intervals."""


def compare(
    comparison: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    *,
    declared: str | None = None,
    margin: float | None = None,
    equal: Sequence[Budget] = (),
) -> pd.DataFrame:
    """Return one row per comparison of two arms, paired by run and seed, in the deciding metric.

    Parameters
    ----------
    comparison : DataFrame
        The table of that name; a seed with which an arm diverged has a row without a metric.
    pairs : sequence of (str, str)
        Arms to compare. Holm's correction is over all of them but the declared one.
    declared : str, optional
        The comparison that was declared before the run, such as ``"evolved - cnn"``. It needs no correction.
    margin : float, optional
        Difference of the metric, in its unit, below which two arms count as equivalent.
    equal : sequence of str
        The budgets, by name, that arms must have in common for one to win; by default the gradient steps.

    Returns
    -------
    DataFrame
        Rows in the order of `pairs`, with the columns of ``docs/statistics.md#two-arms``.

    Raises
    ------
    ResultsError
        If there is no arm of a name, or no difference of the metric can be as large as the margin.
    """
    metric, direction = metric_of(comparison)
    broken = "" if margin is None else broken_rule(margin, metric.removeprefix("test_"))
    if broken:
        raise ResultsError(f"margin {broken}")
    arms = {str(arm): rows for arm, rows in comparison.groupby("arm")}
    unknown = [arm for pair in pairs for arm in pair if arm not in arms]
    if unknown:
        raise ResultsError(
            f"pairs must be of the arms {', '.join(arms)}; got {', '.join(unknown)}"
            f"{did_you_mean(unknown[0], arms)}"
        )
    rows = []
    for arm, other in pairs:
        named: dict[str, Any] = {
            "arm": arm,
            "other": other,
            "metric": metric.removeprefix("test_"),
            "larger_is_better": direction > 0,
            "declared": declared in {f"{arm}{PRIMARY}{other}", f"{other}{PRIMARY}{arm}"},
        }
        named["must_be_equal"] = ", ".join(equal or MUST_BE_EQUAL)
        rows.append(named | _statistics(arms[arm], arms[other], metric, direction, margin))
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    table["p_holm"], table["n_comparisons"] = _corrected(table["p"], table["declared"])
    table["winner"] = [_winner(row) for _, row in table.iterrows()]
    table = table.sort_values("declared", ascending=False, kind="stable", ignore_index=True)
    return table.astype({"seeds_needed": "Int64", "winner": "string"})


def pairs_of(
    arms: Sequence[str], summary: pd.DataFrame, declared: str | None
) -> list[tuple[str, str]]:
    """Return the pairs to compare: two given arms; or all others with one given arm; or the first with all others.

    Parameters
    ----------
    arms : sequence of str
        At most two.
    summary : DataFrame
        As :func:`summarize` returns it. Arms that halving stopped with every seed come after the others.
    declared : str, optional
        The declared comparison, which is added unless two arms are given.

    Raises
    ------
    ResultsError
        If there is no arm of a name, an arm is given twice, or more than two are.
    """
    untested = (summary["seeds"] == 0) & (summary["stopped"] > 0)
    known = [str(arm) for arm in (*summary.index[~untested], *summary.index[untested])]
    if len(arms) > 2 or len({*arms}) < len(arms):
        raise ResultsError(f"arms must be one arm or two different ones; got {brief(list(arms))}")
    for arm in arms:
        if arm not in known:
            raise ResultsError(
                f"arms must be among {', '.join(known)}; got {arm!r}{did_you_mean(arm, known)}"
            )
    if len(arms) == 2:
        return [(arms[0], arms[1])]
    first = arms[0] if arms else known[0]
    others = [arm for arm in known if arm != first]
    pairs = [(arm, first) for arm in others] if arms else [(first, arm) for arm in others]
    if declared is not None:
        arm, other = declared.split(PRIMARY)
        if {arm, other} <= set(known) and not {(arm, other), (other, arm)} & set(pairs):
            pairs.insert(0, (arm, other))
    return pairs


def _statistics(
    one: pd.DataFrame, two: pd.DataFrame, metric: str, direction: int, margin: float | None
) -> dict[str, Any]:
    """Return the columns about the seeds that two arms have in common; a seed that was stopped has no metric."""
    n_stopped = [int(is_stopped(table).sum()) for table in (one, two)]
    one, two = (table[~is_stopped(table)] for table in (one, two))
    paired = one.merge(two, on=["run", "seed"], suffixes=("", "_other"))
    own, others = _numbers(paired[metric]), _numbers(paired[f"{metric}_other"])
    fine, others_fine = np.isfinite(own), np.isfinite(others)
    both = fine & others_fine
    differences = paired_differences(own[both], others[both])
    of_t = interval(differences)
    of_bca = bca_interval(differences, rng=np.random.default_rng(SEED))
    better, worse = differences * direction > 0, differences * direction < 0
    return {
        "seeds": of_t.n,
        "diverged": int((~fine).sum()),
        "other_diverged": int((~others_fine).sum()),
        "stopped": n_stopped[0],
        "other_stopped": n_stopped[1],
        "difference": of_t.mean,
        "deviation": of_t.deviation,
        "low": of_t.low,
        "high": of_t.high,
        "bca_low": of_bca[0],
        "bca_high": of_bca[1],
        "p": sign_flip_p(differences, rng=np.random.default_rng(SEED)),
        "smallest_p": smallest_p(of_t.n),
        "effect_size": effect_size(differences),
        "superiority": superiority(
            better=int(better.sum() + (fine & ~others_fine).sum()),
            worse=int(worse.sum() + (others_fine & ~fine).sum()),
            equal=int((differences == 0).sum() + (~fine & ~others_fine).sum()),
        ),
        "margin": np.nan if margin is None else margin,
        "p_equivalence": np.nan if margin is None else equivalence_p(differences, margin),
        "seeds_needed": None if margin is None else seeds_needed(of_t.deviation, margin),
        **_mean_budgets(paired[both]),
    }


def _mean_budgets(paired: pd.DataFrame) -> dict[str, float]:
    """Return the mean of each budget of both arms; NaN where a table of an older version does not have it."""
    found = {}
    for budget in _budgets_in(paired):
        for name, column in ((budget, budget), (f"other_{budget}", f"{budget}_other")):
            known = column in paired and len(paired)
            found[name] = float(_numbers(paired[column]).mean()) if known else np.nan
    return found


def _budgets_in(comparison: pd.DataFrame) -> list[Budget]:
    """Return the budgets of a comparison: those about episodes only if it has their columns."""
    return [one for one in BUDGETS if one in comparison or one not in PLAYED]


def paired_differences(
    own: NDArray[np.floating[Any]], others: NDArray[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    """Return own − others, rounded to `DIGITS` digits of the largest value, whatever the unit of the metric is."""
    largest = float(max(np.abs(own).max(initial=0.0), np.abs(others).max(initial=0.0)))
    step = 2.0 ** math.frexp(largest)[1] * 10.0**-DIGITS
    return np.round((own - others) / step) * step if largest else own - others


def _numbers(column: pd.Series) -> NDArray[np.floating[Any]]:
    return column.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)


def _corrected(p: pd.Series, declared: pd.Series) -> tuple["pd.Series[float]", "pd.Series[int]"]:
    """Return Holm's p over the comparisons that were not declared, and over how many each p is corrected."""
    corrected, count = p.astype(float), pd.Series(1, index=p.index)
    family = ~declared & p.notna()
    corrected[family], count[family] = holm(p[family]), family.sum()
    return corrected, count


def budgets_of(row: Mapping[str, Any] | pd.Series) -> tuple[list[Budget], list[Budget]]:
    """Return the budgets that the arms of a comparison have in common to a percent, and those that differ.

    A budget that is not known for both is in neither list; nor is one that no arm has spent, where a reward judges.
    """
    plays = any(one in row for one in PLAYED)
    known = [
        one
        for one in BUDGETS
        if not np.isnan(row.get(one, np.nan)) and not np.isnan(row.get(f"other_{one}", np.nan))
        if not plays or row[one] or row[f"other_{one}"]
    ]
    equal = [one for one in known if are_equal(row[one], row[f"other_{one}"])]
    return equal, [one for one in known if one not in equal]


def missed_budgets(row: Mapping[str, Any] | pd.Series) -> list[Budget]:
    """Return the budgets that differ between the arms of a comparison and that they must have in common.

    How many episodes are played depends on what networks do, and on how many children are like their parents. So an arm
    that is better with fewer of them misses nothing.
    """
    required, better = row["must_be_equal"].split(", "), leader(row)
    missed = [one for one in budgets_of(row)[1] if one in required]
    if better is None:
        return missed
    of_leader, of_other = ("", "other_") if better == row["arm"] else ("other_", "")
    return [
        one
        for one in missed
        if one not in PLAYED or row[f"{of_leader}{one}"] > row[f"{of_other}{one}"]
    ]


def leader(row: Mapping[str, Any] | pd.Series) -> str | None:
    """Return the arm that is better on average if the interval of the difference leaves out 0; else None."""
    if not (row["low"] > 0 or row["high"] < 0):
        return None
    return str(row["arm"] if (row["difference"] > 0) == row["larger_is_better"] else row["other"])


def leader_diverged(row: Mapping[str, Any] | pd.Series) -> int:
    """Return with how many seeds the better arm diverged: its mean leaves out its worst seeds."""
    return int(row["diverged" if leader(row) == row["arm"] else "other_diverged"])


def _winner(row: pd.Series) -> str | None:
    """Return the arm that wins a comparison; None if none does."""
    wins = row["p_holm"] <= ALPHA and not missed_budgets(row) and not leader_diverged(row)
    return leader(row) if wins else None


def with_diverged(
    comparison: pd.DataFrame, runs: pd.DataFrame, baseline: pd.DataFrame
) -> pd.DataFrame:
    """Return the table ``comparison`` with a row for each arm and seed of which all training diverged or failed.

    So has each search that halving stopped, with its rung in a column ``stopped_rung``. Such an arm has no metric on
    the test part, but what its search spent, or the episodes that a baseline played. Without these rows its seeds would
    count as not run.
    """
    failed = runs.loc[runs["best_individual"].isna() & (runs["n_individuals"] > 0)]
    known = {one: column for one, column in SPENT.items() if one not in PLAYED or column in failed}
    spent = failed.reindex(columns=[*KEY, *known.values()])
    spent.columns = pd.Index([*KEY, *known])
    if failed["stopped_rung"].notna().any():
        spent["stopped_rung"] = failed["stopped_rung"]
    played = {one: f"total_{one}" for one in ("played_episodes", "played_steps") if one in baseline}
    diverged = baseline.loc[baseline["status"] != "ok", [*KEY, *played]].rename(columns=played)
    missing = pd.concat([spent, diverged])
    if missing.empty:
        return comparison
    merged = comparison.merge(missing, on=KEY, how="outer", suffixes=("", "_of_search"))
    for name in SPENT:
        if f"{name}_of_search" in merged:
            merged[name] = merged[name].fillna(merged.pop(f"{name}_of_search"))
    return merged


def is_stopped(comparison: pd.DataFrame) -> "pd.Series[bool]":
    """Return for each row of the table ``comparison`` whether it is that of a search which halving stopped."""
    if "stopped_rung" not in comparison:
        return pd.Series(data=False, index=comparison.index)
    return comparison["stopped_rung"].notna()


def summarize(comparison: pd.DataFrame) -> pd.DataFrame:
    """Return one row per arm: means over seeds, with interval and deviation of the deciding metric.

    Where a reward judges, its other measures are there too.

    Returns
    -------
    DataFrame
        Indexed by arm: evolved and train-only first, then the others by name.
    """
    metric, _ = metric_of(comparison)
    rows = {}
    for arm, group in comparison.groupby("arm"):
        of_metric = interval(_numbers(group[metric]))
        columns = [*measures_in(comparison), *_budgets_in(comparison), "train_seconds"]
        numbers = group.reindex(columns=columns).astype(float).mean()
        rows[arm] = {
            "seeds": of_metric.n,
            metric: of_metric.mean,
            "low": of_metric.low,
            "high": of_metric.high,
            "deviation": of_metric.deviation,
            **numbers.to_dict(),
            "diverged": len(group) - of_metric.n - int(is_stopped(group).sum()),
            "stopped": int(is_stopped(group).sum()),
        }
    order = sorted(rows, key=lambda arm: (arm not in {"evolved", TRAIN_ONLY}, arm))
    return pd.DataFrame.from_dict(rows, orient="index").loc[order]


def costs_in(summary: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns of a summary with costs that people are shown first."""
    known = without_idle(summary)
    return tuple(one for one in COSTS_OF_REWARDS if one in known)


def measures_in(table: pd.DataFrame) -> list[str]:
    """Return the columns of a comparison or summary with test measures of a reward, other than the one that decides."""
    if not {*PLAYED} <= {*table}:
        return []
    deciding = metric_of(table)[0] if "metric" in table else table.columns[1]
    known = {deciding, "test_loss", "test_accuracy"}
    return [str(one) for one in table if str(one).startswith("test_") and one not in known]


def without_idle(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of arms; where a reward judges, without the columns of what nobody spent, such as samples."""
    if not {*PLAYED} <= {*table}:
        return table
    spent = [*BUDGETS, "train_seconds"]
    known = [one for name in spent for one in (name, f"other_{name}") if one in table]
    return table.drop(columns=[one for one in known if not table[one].fillna(0.0).any()])


def pooled(comparison: pd.DataFrame, runs: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    """Return one table of the arms of several runs, as if they were arms of one run.

    Parameters
    ----------
    comparison, runs, baseline : DataFrame
        The tables of these names, over all runs.

    Returns
    -------
    DataFrame
        `comparison`; in a run of an older version ``total_steps`` are the gradient steps of the whole search behind an
        arm, or of the arm itself if it is a baseline.

    Raises
    ------
    ResultsError
        If the runs have different data sets, or an arm has two results with one seed.
    """
    if len(runs["data_hash"].unique()) > 1:
        names = ", ".join(sorted(runs["dataset"].unique()))
        raise ResultsError(f"runs must be of one data set to be compared; these are of {names}")
    twice = comparison[comparison.duplicated(["seed", "arm"])]
    if len(twice):
        arm, seed = twice.iloc[0][["arm", "seed"]]
        both = comparison.loc[(comparison["arm"] == arm) & (comparison["seed"] == seed), "run"]
        raise ResultsError(
            f"runs must each have an arm and seed of their own; {' and '.join(both)} have {arm} with seed {seed}"
        )
    table = comparison.merge(runs[["run", "seed", "search_steps"]], on=["run", "seed"], how="left")
    table = table.merge(baseline[KEY].assign(fixed=True), on=KEY, how="left")
    fixed = table["fixed"].notna()
    total = table["search_steps"].mask(fixed, table["steps"])
    if "total_steps" in table:
        total = table["total_steps"].fillna(total)
    return table.drop(columns=["search_steps", "fixed"]).assign(run="", total_steps=total)
