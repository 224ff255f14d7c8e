"""Statistics of a comparison: paired over seeds, with intervals and a verdict, which may be "no difference shown"."""

import math
from dataclasses import dataclass

import pandas as pd
from scipy import stats

from evo.errors import ResultsError
from evo.evolution.metrics import METRICS

LEVEL = 0.95
"""Confidence level of every interval."""

SAME_BUDGET = 0.01
"""Relative difference of mean gradient steps above which two arms have different budgets."""

TRAIN_ONLY = "train-only"
"""Name of a winner in `comparison` if every child failed: it is a founder that was trained and did not evolve."""

COSTS = ("parameters", "macs", "steps", "train_seconds")
"""Columns of `comparison` with the cost of an arm."""


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its confidence interval (Student's t).

    Attributes
    ----------
    mean, low, high : float
        `low` and `high` are −∞ and ∞ with one seed.
    n : int
        Number of seeds.
    deviation : float
        Standard deviation over the seeds (dividing by n − 1); not a number with one seed.
    """

    mean: float
    low: float
    high: float
    n: int
    deviation: float

    @property
    def half_width(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2


def interval(values: pd.Series) -> Interval:
    """Return mean and interval of independent values, one per seed.

    Examples
    --------
    >>> interval(pd.Series([1.0, 2.0, 3.0])).mean
    2.0
    """
    numbers = values.dropna().astype(float)
    n, mean = len(numbers), float(numbers.mean())
    if n < 2:
        return Interval(mean, -math.inf, math.inf, n, math.nan)
    deviation = float(numbers.std(ddof=1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * deviation / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n, deviation)


def metric_of(comparison: pd.DataFrame) -> tuple[str, int]:
    """Return the deciding column and its direction: 1 if larger is better, else −1.

    The column is that of the metric that the runs name. Where they name none, or differ, it is the accuracy, or in
    regression the loss.
    """
    named = list(comparison["metric"].dropna().unique()) if "metric" in comparison else []
    if len(named) == 1 and f"test_{named[0]}" in comparison:
        larger_is_better = comparison["larger_is_better"].dropna()
        if len(larger_is_better):
            return f"test_{named[0]}", 1 if larger_is_better.all() else -1
    if comparison["test_accuracy"].notna().any():
        return "test_accuracy", 1
    return "test_loss", -1


def title_of(column: str) -> str:
    """Return the name of a metric's column for people, such as "accuracy" of ``test_accuracy``.

    Examples
    --------
    >>> title_of("test_f1_macro"), title_of("test_loss")
    ('F1 (macro)', 'loss')
    """
    name = column.removeprefix("test_")
    return METRICS[name].title if name in METRICS else name.replace("_", " ")


def is_fraction(column: str) -> bool:
    """Return whether a metric's column holds fractions, which are shown in percent."""
    name = column.removeprefix("test_")
    return name in METRICS and METRICS[name].unit == "fraction"


def unit_of(column: str) -> str:
    """Return the unit of a difference in a metric's column, with a space before it; empty if there is none."""
    if is_fraction(column):
        return " points"
    name = column.removeprefix("test_")
    return " nat" if name in METRICS and METRICS[name].unit == "nat" else ""


def paired_difference(comparison: pd.DataFrame, arm: str, other: str, metric: str) -> Interval:
    """Return the interval of arm − other, paired by run and seed.

    Parameters
    ----------
    comparison : DataFrame
        The table of that name.
    arm, other : str
        Arms in it.
    metric : str
        A numeric column.
    """
    wide = comparison.pivot_table(index=["run", "seed"], columns="arm", values=metric)
    # Values count as equal if they are equal to rounding.
    return interval((wide[arm] - wide[other]).round(12))


def different_budgets(comparison: pd.DataFrame, arm: str, other: str) -> str:
    """Return a text with the mean gradient steps of two arms over their common seeds; empty if the means agree."""
    if comparison["steps"].isna().all():
        return ""
    wide = comparison.pivot_table(index=["run", "seed"], columns="arm", values="steps")
    own, others = (float(steps) for steps in wide[[arm, other]].dropna().mean())
    if not abs(own - others) > SAME_BUDGET * max(own, others):
        return ""
    return f"budgets differ: {arm} had {own:,.0f} steps, {other} {others:,.0f}"


def verdict(comparison: pd.DataFrame, arm: str, other: str) -> str:
    """Return one line: the better of two arms, or that no difference is shown.

    If their mean steps differ by more than 1 %, the line gives both means and names no winner.
    """
    budgets = different_budgets(comparison, arm, other)
    if budgets:
        budgets = f"; {budgets}"
    metric, direction = metric_of(comparison)
    unit, scale = unit_of(metric), 100.0 if is_fraction(metric) else 1.0
    difference = paired_difference(comparison, arm, other, metric)
    if difference.n == 0:
        return f"no comparison: {arm} and {other} have no seed in common with a test {title_of(metric)}"
    what = f"{arm} - {other} = {scale * difference.mean:+.3g}{unit} of test {title_of(metric)}"
    if difference.n < 2:
        return f"no difference shown, for one seed has no interval: {what}{budgets}"
    what += (
        f", {LEVEL:.0%} interval {scale * difference.low:+.3g} to {scale * difference.high:+.3g}, "
        f"{difference.n} paired seeds"
    )
    if difference.low <= 0 <= difference.high:
        return f"no difference shown: {what}{budgets}"
    if budgets:
        return f"no fair comparison: {what}{budgets}"
    winner = arm if difference.mean * direction > 0 else other
    return f"{winner} wins: {what}"


def summarize(comparison: pd.DataFrame) -> pd.DataFrame:
    """Return one row per arm: means over seeds, with interval and deviation of the deciding metric.

    Returns
    -------
    DataFrame
        Indexed by arm: evolved and train-only first, then the others by name.
    """
    metric, _ = metric_of(comparison)
    rows = {}
    for arm, group in comparison.groupby("arm"):
        of_metric = interval(group[metric])
        numbers = group[[*COSTS]].astype(float).mean()
        rows[arm] = {
            "seeds": of_metric.n,
            metric: of_metric.mean,
            "low": of_metric.low,
            "high": of_metric.high,
            "deviation": of_metric.deviation,
            **numbers.to_dict(),
        }
    order = sorted(rows, key=lambda arm: (arm not in {"evolved", TRAIN_ONLY}, arm))
    return pd.DataFrame.from_dict(rows, orient="index").loc[order]


def pooled(comparison: pd.DataFrame, runs: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    """Return one table of the arms of several runs, as if they were arms of one run.

    Parameters
    ----------
    comparison, runs, baseline : DataFrame
        The tables of these names, over all runs.

    Returns
    -------
    DataFrame
        `comparison` with a column ``total_steps``: the gradient steps of the whole search behind an arm, or of the arm
        itself if it is a baseline.

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
    key = ["run", "seed", "arm"]
    table = comparison.merge(runs[["run", "seed", "search_steps"]], on=["run", "seed"], how="left")
    table = table.merge(baseline[key].assign(fixed=True), on=key, how="left")
    fixed = table["fixed"].notna()
    total = table["search_steps"].mask(fixed, table["steps"])
    return table.drop(columns=["search_steps", "fixed"]).assign(run="", total_steps=total)


def differences(comparison: pd.DataFrame, against: str) -> dict[str, Interval]:
    """Return the interval of arm − `against` in the deciding metric for every other arm, paired by seed.

    Raises
    ------
    ResultsError
        If there is no such arm.
    """
    arms = sorted(comparison["arm"].unique())
    if against not in arms:
        raise ResultsError(f"against must be an arm: {', '.join(arms)}; got {against!r}")
    metric, _ = metric_of(comparison)
    return {
        arm: paired_difference(comparison, arm, against, metric) for arm in arms if arm != against
    }
