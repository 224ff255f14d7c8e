"""Intervals, verdicts and summaries over seeds."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.analysis.comparison import (
    LEVEL,
    interval,
    metric_of,
    paired_difference,
    summarize,
    verdict,
)


def comparison(**metric_by_arm):
    """Return a comparison table with the given test accuracies, one per seed."""
    return table("test_accuracy", metric_by_arm)


def table(metric, metric_by_arm):
    rows = [
        {
            "run": "r",
            "seed": seed,
            "arm": arm,
            "test_accuracy": math.nan,
            "test_loss": 0.5,
            "parameters": 100 * (seed + 1),
            "macs": 90,
            "steps": 40,
            "train_seconds": 0.25,
        }
        | {metric: value}
        for arm, values in metric_by_arm.items()
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("n", [2, 3, 10, 50])
def test_an_interval_is_that_of_students_t(n):
    values = pd.Series(np.random.default_rng(n).normal(3, 2, n))
    found = interval(values)
    low, high = stats.t.interval(LEVEL, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert (found.mean, found.n) == (pytest.approx(values.mean()), n)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.half_width == pytest.approx((high - low) / 2)


def test_an_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    found = [interval(pd.Series(rng.normal(1, 2, 4))) for _ in range(1500)]
    covered = np.mean([one.low <= 1 <= one.high for one in found])
    assert covered == pytest.approx(LEVEL, abs=0.02)


def test_one_seed_has_no_interval():
    found = interval(pd.Series([0.9]))
    assert (found.mean, found.low, found.high, found.n) == (0.9, -math.inf, math.inf, 1)


def test_empty_cells_are_left_out():
    assert interval(pd.Series([1.0, None, 3.0], dtype="Float64")) == interval(pd.Series([1.0, 3.0]))


def test_differences_are_paired_by_seed():
    frame = comparison(evolved=[0.5, 0.7, 0.9], cnn=[0.4, 0.6, 0.8])
    shuffled = frame.sample(frac=1, random_state=1)
    difference = paired_difference(shuffled, "evolved", "cnn", "test_accuracy")
    assert difference.mean == pytest.approx(0.1)
    assert difference.half_width == pytest.approx(0, abs=1e-12)


def test_a_seed_without_one_of_the_arms_is_left_out_of_the_difference():
    frame = comparison(evolved=[0.5, 0.7, 0.9], cnn=[0.4, 0.6])
    assert paired_difference(frame, "evolved", "cnn", "test_accuracy").n == 2


def test_seeds_of_different_runs_are_not_mixed_up():
    one, two = comparison(evolved=[0.9], cnn=[0.8]), comparison(evolved=[0.5], cnn=[0.4])
    frame = pd.concat([one, two.assign(run="other")])
    difference = paired_difference(frame, "evolved", "cnn", "test_accuracy")
    assert (difference.mean, difference.n) == (pytest.approx(0.1), 2)


def test_the_arm_whose_interval_is_off_zero_wins():
    evolved, cnn = [0.91, 0.92, 0.93], [0.81, 0.83, 0.82]
    line = verdict(comparison(evolved=evolved, cnn=cnn), "evolved", "cnn")
    assert line.startswith(
        "evolved wins: evolved - cnn = +10 points of test accuracy, 95% interval"
    )
    assert line.endswith("3 paired seeds")
    line = verdict(comparison(evolved=cnn, cnn=evolved), "evolved", "cnn")
    assert line.startswith("cnn wins: evolved - cnn = -10 points of test accuracy")


def test_no_difference_is_shown_where_the_interval_holds_zero():
    frame = comparison(evolved=[0.9, 0.8, 0.95], cnn=[0.85, 0.9, 0.8])
    line = verdict(frame, "evolved", "cnn")
    assert line.startswith("no difference shown: evolved - cnn = +3.33 points")
    difference = paired_difference(frame, "evolved", "cnn", "test_accuracy")
    assert difference.low < 0 < difference.high
    assert f"{100 * difference.low:+.3g} to {100 * difference.high:+.3g}" in line


def test_equal_arms_show_no_difference():
    line = verdict(comparison(evolved=[0.9, 0.8], cnn=[0.9, 0.8]), "evolved", "cnn")
    assert line.startswith("no difference shown")


def test_one_seed_shows_no_difference_however_large():
    line = verdict(comparison(evolved=[1.0], cnn=[0.0]), "evolved", "cnn")
    assert line.startswith("no difference shown")
    assert "one seed has no interval" in line
    assert "inf" not in line


@pytest.mark.parametrize(
    ("evolved", "cnn", "beginning"),
    [
        ([0.91, 0.92, 0.93], [0.81, 0.83, 0.82], "no fair comparison: evolved - cnn = +10 points"),
        ([0.81, 0.83, 0.82], [0.91, 0.92, 0.93], "no fair comparison: evolved - cnn = -10 points"),
        ([0.9, 0.8, 0.95], [0.85, 0.9, 0.8], "no difference shown: evolved - cnn"),
        ([1.0], [0.0], "no difference shown, for one seed has no interval: evolved - cnn"),
    ],
)
def test_nothing_wins_with_another_budget_and_the_line_says_both(evolved, cnn, beginning):
    frame = comparison(evolved=evolved, cnn=cnn)
    frame.loc[frame["arm"] == "evolved", "steps"] = 1920
    line = verdict(frame, "evolved", "cnn")
    assert line.startswith(beginning)
    assert line.endswith("; budgets differ: evolved had 1,920 steps, cnn 40")
    assert "wins" not in line


@pytest.mark.parametrize(("steps", "differ"), [(1000, False), (1010, False), (1011, True)])
def test_budgets_differ_from_one_percent_on(steps, differ):
    frame = comparison(evolved=[0.91, 0.92], cnn=[0.81, 0.82]).assign(steps=1000)
    frame.loc[frame["arm"] == "cnn", "steps"] = steps
    for pair in (("evolved", "cnn"), ("cnn", "evolved")):
        assert ("budgets differ" in verdict(frame, *pair)) == differ


def test_budgets_are_compared_on_the_seeds_that_both_arms_have():
    frame = comparison(evolved=[0.91, 0.92, 0.93], cnn=[0.81, 0.82])
    frame.loc[frame["seed"] == 2, "steps"] = 4000
    assert verdict(frame, "evolved", "cnn").startswith("evolved wins")


def test_in_regression_the_smaller_loss_wins():
    frame = table("test_loss", {"evolved": [1.0, 1.1, 1.2], "mlp": [2.0, 2.1, 2.3]})
    assert metric_of(frame) == ("test_loss", -1)
    assert verdict(frame, "evolved", "mlp").startswith("evolved wins: evolved - mlp = -1.03 of")
    assert verdict(frame, "mlp", "evolved").startswith("evolved wins: mlp - evolved = +1.03 of")


def test_accuracy_decides_where_there_is_one():
    assert metric_of(comparison(evolved=[0.9])) == ("test_accuracy", 1)


def test_a_summary_has_a_row_per_arm_with_the_evolved_first():
    frame = comparison(static=[0.2, 0.4], cnn=[0.7, 0.9], evolved=[0.8, 0.9])
    summary = summarize(frame)
    assert list(summary.index) == ["evolved", "cnn", "static"]
    cnn = summary.loc["cnn"]
    found = interval(pd.Series([0.7, 0.9]))
    assert (cnn["low"], cnn["high"]) == (found.low, found.high)
    assert cnn["test_accuracy"] == pytest.approx(0.8)
    assert cnn[["seeds", "parameters", "macs", "steps", "train_seconds"]].tolist() == [
        2,
        150,
        90,
        40,
        0.25,
    ]


def test_a_summary_of_regression_shows_the_loss():
    summary = summarize(table("test_loss", {"evolved": [1.0, 3.0]}))
    assert summary.loc["evolved", "test_loss"] == 2
    assert "test_accuracy" not in summary
