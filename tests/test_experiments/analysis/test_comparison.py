"""Intervals, verdicts and summaries over seeds."""

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evo.errors import ResultsError
from experiments import statistics
from experiments.analysis.comparison import compare, paired_differences, summarize, with_diverged
from experiments.analysis.deciding import metric_of
from experiments.analysis.verdicts import verdict
from experiments.statistics import interval


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


def line_of(frame, *pair, **options):
    ((_, row),) = compare(frame, [pair], **options).iterrows()
    return verdict(row)


def row_of(frame, *pair, **options):
    return compare(frame, [pair], **options).iloc[0]


EIGHT = [0.91, 0.92, 0.93, 0.92, 0.94, 0.91, 0.93, 0.92]
"""Accuracies with eight seeds, which can show a difference."""


EQUAL = "; equal budgets: parameters, macs, steps"
"""The end of a verdict of arms that have these in common; the tables here have no other budgets."""


def below(by, accuracies=EIGHT):
    """Return accuracies that are lower by about as much."""
    return [value - by - 0.001 * (k % 3) for k, value in enumerate(accuracies)]


def test_differences_are_paired_by_seed():
    frame = comparison(evolved=[0.5, 0.7, 0.9], cnn=[0.4, 0.6, 0.8])
    row = row_of(frame.sample(frac=1, random_state=1), "evolved", "cnn")
    assert row["difference"] == pytest.approx(0.1)
    assert (row["low"], row["high"]) == pytest.approx((0.1, 0.1))


def test_a_seed_without_one_of_the_arms_is_left_out_of_the_difference():
    frame = comparison(evolved=[0.5, 0.7, 0.9], cnn=[0.4, 0.6])
    assert row_of(frame, "evolved", "cnn")["seeds"] == 2


def test_seeds_of_different_runs_are_not_mixed_up():
    one, two = comparison(evolved=[0.9], cnn=[0.8]), comparison(evolved=[0.5], cnn=[0.4])
    row = row_of(pd.concat([one, two.assign(run="other")]), "evolved", "cnn")
    assert (row["difference"], row["seeds"]) == (pytest.approx(0.1), 2)


def test_every_column_is_what_its_function_makes_of_the_differences():
    rng = np.random.default_rng(5)
    own, others = rng.normal(0.9, 0.01, 8), rng.normal(0.89, 0.01, 8)
    row = row_of(comparison(evolved=own, cnn=others), "evolved", "cnn", margin=0.02)
    d = paired_differences(own, others)
    low, high = stats.t.interval(0.95, 7, loc=d.mean(), scale=stats.sem(d))
    assert (row["low"], row["high"]) == pytest.approx((low, high))
    found = (row["bca_low"], row["bca_high"])
    assert found == statistics.bca_interval(d, rng=np.random.default_rng(0))
    assert row["p"] == statistics.sign_flip_p(d, rng=np.random.default_rng(0)) == row["p_holm"]
    assert row["smallest_p"] == 2 / 256
    assert row["deviation"] == pytest.approx(d.std(ddof=1))
    assert row["effect_size"] == statistics.effect_size(d)
    assert row["superiority"] == (d > 0).mean()
    assert row["p_equivalence"] == statistics.equivalence_p(d, 0.02)
    assert row["seeds_needed"] == statistics.seeds_needed(d.std(ddof=1), 0.02)
    assert (row["steps"], row["other_steps"]) == (40, 40)


def test_the_page_on_statistics_has_every_column():
    page = (Path(__file__).parents[3] / "docs/statistics.md").read_text("utf-8")
    section = page.partition("## Two arms")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?`) \| [A-Z]", section, flags=re.MULTILINE)
    described = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    frame = comparison(evolved=EIGHT, cnn=below(0.1))
    assert set(described) == set(compare(frame, [("evolved", "cnn")]).columns)


def test_the_same_table_gives_the_same_numbers():
    frame = comparison(evolved=EIGHT, cnn=below(0.003))
    first, second = (compare(frame, [("evolved", "cnn")], margin=0.01) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_the_arm_whose_interval_is_off_zero_and_whose_p_is_small_wins():
    line = line_of(comparison(evolved=EIGHT, cnn=below(0.1)), "evolved", "cnn")
    assert line.startswith(
        "evolved wins: evolved - cnn = +10.1 points of test accuracy, 95% interval"
    )
    assert line.endswith(f"8 paired seeds, p 0.0078, not declared before the run{EQUAL}")
    line = line_of(comparison(evolved=below(0.1), cnn=EIGHT), "evolved", "cnn")
    assert line.startswith("cnn wins: evolved - cnn = -10.1 points of test accuracy")


def test_what_few_seeds_cannot_show_does_not_win():
    frame = comparison(evolved=[0.91, 0.92, 0.93], cnn=[0.81, 0.83, 0.82])
    line = line_of(frame, "evolved", "cnn")
    assert line.startswith(
        "evolved is ahead, but 3 seeds cannot show a p below 0.25: evolved - cnn = +10 points"
    )
    assert "p 0.25" in line
    assert pd.isna(row_of(frame, "evolved", "cnn")["winner"])


def test_a_comparison_among_many_is_corrected_unless_it_was_declared():
    others = {f"arm{k}": below(0.1) for k in range(8)}
    frame = comparison(evolved=EIGHT, **others)
    pairs = [("evolved", other) for other in others]
    table = compare(frame, pairs)
    assert table["p_holm"].tolist() == pytest.approx([8 * 2 / 256] * 8)
    assert table["winner"].isna().all()
    line = verdict(table.iloc[0])
    assert line.startswith("evolved is ahead, but p is above 0.05: ")
    assert line.endswith(f"p 0.062 (Holm, 8 comparisons), not declared before the run{EQUAL}")
    for declared in ("evolved - arm3", "arm3 - evolved"):
        table = compare(frame, pairs, declared=declared)
        assert table["declared"].tolist() == [True] + [False] * 7  # it stands first
        assert table["winner"].dropna().to_dict() == {0: "evolved"}
        assert verdict(table.iloc[1]).startswith("evolved is ahead, but p is above 0.05: ")
        assert verdict(table.iloc[0]).startswith("evolved wins: ")
        assert verdict(table.iloc[0]).endswith(
            f"8 paired seeds, p 0.0078, declared before the run{EQUAL}"
        )
        assert table["p_holm"].tolist() == pytest.approx([2 / 256] + [7 * 2 / 256] * 7)


def test_no_difference_is_shown_where_the_interval_holds_zero():
    frame = comparison(evolved=[0.9, 0.8, 0.95], cnn=[0.85, 0.9, 0.8])
    line = line_of(frame, "evolved", "cnn")
    assert line.startswith("no difference shown: evolved - cnn = +3.33 points")
    row = row_of(frame, "evolved", "cnn")
    assert row["low"] < 0 < row["high"]
    assert f"{100 * row['low']:+.3g} to {100 * row['high']:+.3g}" in line


def test_no_difference_beyond_a_margin_is_told_where_it_is_shown():
    frame = comparison(evolved=EIGHT, cnn=[x + (-1) ** k * 0.001 for k, x in enumerate(EIGHT)])
    line = line_of(frame, "evolved", "cnn", margin=0.005)
    assert re.match(r"no difference beyond 0\.5 points \(TOST, p \S+\): evolved - cnn = ", line)
    assert line_of(frame, "evolved", "cnn", margin=0.0005).startswith("no difference shown: ")
    with pytest.raises(ResultsError, match="margin must be a finite number above 0; got 0"):
        compare(frame, [("evolved", "cnn")], margin=0)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_a_comparison_does_not_depend_on_the_unit_of_the_metric(unit):
    better = [0.1 * value for value in EIGHT]
    frame = table(
        "test_loss", {"one": [unit**2 * v for v in better], "two": [unit**2 * v for v in EIGHT]}
    )
    row = row_of(frame, "one", "two")
    assert row["winner"] == "one"
    assert row["p"] == 2 / 256
    nearly = [value * (1 + 1e-15) for value in EIGHT]
    frame = table(
        "test_loss", {"one": [unit**2 * v for v in nearly], "two": [unit**2 * v for v in EIGHT]}
    )
    assert row_of(frame, "one", "two")["difference"] == 0


def test_equal_arms_show_no_difference():
    frame = comparison(evolved=[0.9, 0.8], cnn=[0.9, 0.8])
    assert line_of(frame, "evolved", "cnn").startswith("no difference shown")
    assert row_of(frame, "evolved", "cnn")["superiority"] == 0.5


def test_one_seed_shows_no_difference_however_large():
    line = line_of(comparison(evolved=[1.0], cnn=[0.0]), "evolved", "cnn")
    assert line.startswith("no difference shown")
    assert "one seed has no interval" in line
    assert "inf" not in line
    assert "nan" not in line


# -- diverged ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", [math.nan, math.inf, -math.inf])
def test_an_arm_that_diverged_does_not_win_and_its_seeds_are_counted(gone):
    frame = comparison(evolved=[*EIGHT, gone], cnn=[*below(0.1), 0.8])
    row = row_of(frame, "evolved", "cnn")
    assert (row["seeds"], row["diverged"], row["other_diverged"]) == (8, 1, 0)
    assert row["superiority"] == pytest.approx(8 / 9)
    assert pd.isna(row["winner"])
    assert verdict(row).startswith(
        "no winner, for evolved has no result with some seeds: evolved - cnn = +10.1 points"
    )
    assert verdict(row).endswith(f"; evolved has no result with 1 seed{EQUAL}")
    assert np.isfinite(row[["difference", "low", "high", "p"]].astype(float)).all()


def test_an_arm_wins_against_one_that_diverged_with_some_seeds():
    frame = comparison(evolved=[*EIGHT, 0.9, 0.9], cnn=[*below(0.1), math.nan, math.nan])
    line = line_of(frame, "evolved", "cnn")
    assert line.startswith("evolved wins: ")
    assert line.endswith(f"; cnn has no result with 2 seeds{EQUAL}")


def test_arms_that_always_diverge_are_not_compared():
    frame = comparison(evolved=EIGHT, cnn=[math.nan] * 8)
    line = line_of(frame, "evolved", "cnn")
    assert line == (
        "no comparison: evolved and cnn have no seed in common with a test accuracy; "
        "cnn has no result with 8 seeds"
    )
    assert row_of(frame, "evolved", "cnn")["superiority"] == 1
    assert summarize(frame).loc["cnn", ["seeds", "diverged"]].tolist() == [0, 8]


def test_what_diverged_is_read_from_the_tables():
    frame = comparison(evolved=[0.9, 0.8], cnn=[0.7])
    runs = pd.DataFrame(
        {
            "run": ["r", "r", "lost", "stopped"],
            "seed": [0, 1, 2, 3],
            "arm": ["evolved", "evolved", "other", "hopeless"],
            "best_individual": pd.array([4, 5, None, None], dtype="Int64"),
            "n_individuals": pd.array([9, 9, 3, 3], dtype="Int64"),
            "search_macs": 7,
            "search_training_macs": pd.array([90, 90, 30, 31], dtype="Int64"),
            "stopped_rung": pd.array([None, None, None, 2], dtype="Int64"),
        }
    )
    baseline = pd.DataFrame(
        {"run": ["r", "r"], "seed": [0, 1], "arm": "cnn", "status": ["ok", "diverged"]}
    )
    found = with_diverged(frame, runs, baseline)
    lost = found[found["test_accuracy"].isna()]
    assert sorted(zip(lost["run"], lost["seed"], lost["arm"], strict=True)) == [
        ("lost", 2, "other"),
        ("r", 1, "cnn"),
        ("stopped", 3, "hopeless"),
    ]
    counts = summarize(found)[["seeds", "diverged", "stopped"]]
    assert counts.loc["other"].tolist() == [0, 1, 0]
    assert counts.loc["hopeless"].tolist() == [0, 0, 1]
    assert row_of(found, "evolved", "cnn")["other_diverged"] == 1
    assert found.set_index("arm").loc[["other", "hopeless"], "total_training_macs"].tolist() == [
        30,
        31,
    ]
    assert len(with_diverged(frame, runs[:2], baseline[:1])) == len(frame)


# -- budgets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("evolved", "cnn", "beginning"),
    [
        (EIGHT, below(0.1), "no fair comparison: evolved - cnn = +10.1 points"),
        (below(0.1), EIGHT, "no fair comparison: evolved - cnn = -10.1 points"),
        ([0.9, 0.8, 0.95], [0.85, 0.9, 0.8], "no difference shown: evolved - cnn"),
        ([1.0], [0.0], "no difference shown, for one seed has no interval: evolved - cnn"),
    ],
)
def test_nothing_wins_with_another_budget_and_the_line_says_both(evolved, cnn, beginning):
    frame = comparison(evolved=evolved, cnn=cnn)
    frame.loc[frame["arm"] == "evolved", "steps"] = 1920
    line = line_of(frame, "evolved", "cnn")
    assert line.startswith(beginning)
    assert line.endswith(
        "; budgets differ: evolved had 1,920 steps, cnn 40; equal budgets: parameters, macs"
    )
    assert "wins" not in line
    assert pd.isna(row_of(frame, "evolved", "cnn")["winner"])


@pytest.mark.parametrize(("steps", "differ"), [(1000, False), (1010, False), (1011, True)])
def test_budgets_differ_from_one_percent_on(steps, differ):
    frame = comparison(evolved=[0.91, 0.92], cnn=[0.81, 0.82]).assign(steps=1000)
    frame.loc[frame["arm"] == "cnn", "steps"] = steps
    for pair in (("evolved", "cnn"), ("cnn", "evolved")):
        assert ("budgets differ" in line_of(frame, *pair)) == differ


def test_declared_budgets_decide_instead_of_steps_and_others_are_named():
    frame = comparison(evolved=EIGHT, cnn=below(0.1)).assign(total_steps=5000, cpu_seconds=1.0)
    frame.loc[frame["arm"] == "evolved", ["steps", "macs", "cpu_seconds"]] = [1920, 30, 3.0]
    declared = {"equal": ["total_steps", "parameters"]}
    row = row_of(frame, "evolved", "cnn", **declared)
    assert row["must_be_equal"] == "total_steps, parameters"
    assert row["winner"] == "evolved"
    assert verdict(row).endswith("; equal budgets: parameters, total_steps; unequal: macs, steps")
    line = line_of(frame, "evolved", "cnn", equal=["total_steps", "cpu_seconds"])
    assert line.startswith("no fair comparison: ")
    assert "; budgets differ: evolved had 3 cpu_seconds, cnn 1; equal budgets: " in line


def test_budgets_are_compared_on_the_seeds_that_both_arms_have():
    frame = comparison(evolved=[*EIGHT, 0.93], cnn=below(0.1))
    frame.loc[frame["seed"] == 8, "steps"] = 4000
    assert line_of(frame, "evolved", "cnn").startswith("evolved wins")


# -- metrics and summaries ---------------------------------------------------------------------------------------------


def test_in_regression_the_smaller_loss_wins():
    losses = [1.0, 1.1, 1.2, 1.3, 1.0, 1.1]
    frame = table("test_loss", {"evolved": losses, "mlp": [1 + x + (x > 1) / 10 for x in losses]})
    assert metric_of(frame) == ("test_loss", -1)
    assert line_of(frame, "evolved", "mlp").startswith("evolved wins: evolved - mlp = -1.07 of")
    assert line_of(frame, "mlp", "evolved").startswith("evolved wins: mlp - evolved = +1.07 of")
    assert row_of(frame, "mlp", "evolved")["superiority"] == 0


def test_accuracy_decides_where_there_is_one():
    assert metric_of(comparison(evolved=[0.9])) == ("test_accuracy", 1)


def test_a_summary_has_a_row_per_arm_with_the_evolved_first():
    frame = comparison(static=[0.2, 0.4], cnn=[0.7, 0.9], evolved=[0.8, 0.9])
    summary = summarize(frame)
    assert list(summary.index) == ["evolved", "cnn", "static"]
    cnn = summary.loc["cnn"]
    found = interval([0.7, 0.9])
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
