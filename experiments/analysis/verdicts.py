"""Verdicts: one line for each comparison of two arms."""

import itertools
from collections.abc import Mapping
from typing import Any

import pandas as pd

from evo.budgets import TIMED, Budget
from experiments.analysis.comparison import budgets_of, leader, leader_diverged, missed_budgets
from experiments.analysis.deciding import is_fraction, title_of, unit_of
from experiments.statistics.intervals import LEVEL
from experiments.statistics.paired import ALPHA, smallest_p


def verdict(row: Mapping[str, Any] | pd.Series) -> str:
    """Return one line about a row of :func:`~experiments.analysis.comparison.compare`: who wins, and by how much.

    An arm wins if the interval of the difference leaves out 0, and Holm's p is at most 0.05. It does not win if it
    has no result with a seed, or if the arms must have a budget in common and it differs by more than 1 %. The line
    ends with the budgets that were equal, and those that were not.
    """
    arm, other, n = row["arm"], row["other"], int(row["seeds"])
    title, column = title_of(row["metric"]), f"test_{row['metric']}"
    unit, scale = unit_of(column), 100.0 if is_fraction(column) else 1.0
    end = "".join(f"; {one}" for one in (_without_result(row), _budgets(row)) if one)
    if n == 0:
        return f"no comparison: {arm} and {other} have no seed in common with a test {title}{_stopped(row)}{end}"
    what = f"{arm} - {other} = {scale * row['difference']:+.3g}{unit} of test {title}"
    declared = f"{'' if row['declared'] else 'not '}declared before the run"
    if n == 1:
        return f"no difference shown, for one seed has no interval: {what}, {declared}{end}"
    what += (
        f", {LEVEL:.0%} interval {scale * row['low']:+.3g} to {scale * row['high']:+.3g}, {n} paired seeds, "
        f"p {row['p_holm']:.2g}{_correction(row)}, {declared}{end}"
    )
    if leader(row) is None:
        if is_equivalent(row):
            beyond = f"{scale * row['margin']:.3g}{unit}"
            return f"no difference beyond {beyond} (TOST, p {row['p_equivalence']:.2g}): {what}"
        return f"no difference shown: {what}"
    if missed_budgets(row):
        return f"no fair comparison: {what}"
    if leader_diverged(row):
        return f"no winner, for {leader(row)} has no result with some seeds: {what}"
    if pd.isna(row["winner"]):
        reason = f"p is above {ALPHA}"
        if row["smallest_p"] > ALPHA:
            reason = f"{n} seeds cannot show a p below {row['smallest_p']:.2g}"
        return f"{leader(row)} is ahead, but {reason}: {what}"
    return f"{row['winner']} wins: {what}"


def too_few_seeds(primary: str | None, n: int) -> str:
    """Return a warning if n seeds cannot decide the declared comparison; empty if they can, or none is declared.

    Examples
    --------
    >>> too_few_seeds("evolved - cnn", 5)
    'evaluation.primary: 5 seeds can show no p below 0.062, so neither arm of evolved - cnn can win; 6 seeds can'
    >>> too_few_seeds("evolved - cnn", 6)
    ''
    """
    if primary is None or smallest_p(n) <= ALPHA:
        return ""
    enough = next(more for more in itertools.count(n) if smallest_p(more) <= ALPHA)
    seeds = f"{n} seed{'s'[: n != 1]}"
    return (
        f"evaluation.primary: {seeds} can show no p below {smallest_p(n):.2g}, so neither arm of {primary} can win; "
        f"{enough} seeds can"
    )


def is_equivalent(row: Mapping[str, Any] | pd.Series) -> bool:
    """Return whether the difference of two arms is shown to be within the margin."""
    return bool(row["p_equivalence"] <= ALPHA)


def _correction(row: Mapping[str, Any] | pd.Series) -> str:
    """Return over how many comparisons Holm's p is corrected; empty if over this one alone."""
    n = int(row["n_comparisons"])
    return f" (Holm, {n} comparisons)" if n > 1 else ""


def _without_result(row: Mapping[str, Any] | pd.Series) -> str:
    """Return with how many seeds which arm diverged or failed; empty if none did."""
    counts = ((row["arm"], row["diverged"]), (row["other"], row["other_diverged"]))
    told = [f"{arm} has no result with {n} seed{'s' if n > 1 else ''}" for arm, n in counts if n]
    return ", ".join(told)


def _stopped(row: Mapping[str, Any] | pd.Series) -> str:
    """Return which arm halving stopped; empty if it stopped none."""
    names = [row[arm] for arm, n in (("arm", "stopped"), ("other", "other_stopped")) if row[n]]
    return f", for halving stopped {' and '.join(names)}" if names else ""


def _budgets(row: Mapping[str, Any] | pd.Series) -> str:
    """Return which budgets two arms have in common, and which not; empty if none is known.

    CPU time differs from run to run, so it is named only if it had to be equal.
    """
    equal, different = budgets_of(row)
    missed, required = missed_budgets(row), row["must_be_equal"].split(", ")

    def named(budgets: list[Budget]) -> list[Budget]:
        return [one for one in budgets if one not in TIMED or one in required]

    parts = []
    if missed:
        told = ", ".join(
            f"{row['arm']} had {_amount(row[one])} {one}, {row['other']} {_amount(row[f'other_{one}'])}"
            for one in missed
        )
        parts.append(f"budgets differ: {told}")
    if equal:
        parts.append(f"equal budgets: {', '.join(named(equal)) or 'none'}")
    others = [one for one in named(different) if one not in missed]
    if others:
        parts.append(f"unequal: {', '.join(others)}")
    return "; ".join(parts)


def _amount(number: float) -> str:
    """Return a mean budget as text."""
    return f"{number:,.0f}" if 100 <= number < 1e7 or number == 0 else f"{number:.3g}"
