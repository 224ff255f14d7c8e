"""The metric that decides a comparison: its column, its direction, and how people read it."""

import math

import pandas as pd

from evo.evolution.metrics import METRICS

OF_EPISODES = ("return", "success")
"""The measures of a reward of which larger values are better; success is a fraction of episodes."""

STEPS_OF_EPISODE = "steps"
"""The measure of every reward which has the name of a budget too: the gradient steps."""


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


def direction_of(metric: str) -> int:
    """Return 1 if larger values of a metric are better, else −1; a metric that nobody registered is taken for a loss.

    Examples
    --------
    >>> direction_of("accuracy"), direction_of("loss"), direction_of("return")
    (1, -1, 1)
    """
    if metric in OF_EPISODES:
        return 1
    return METRICS[metric].direction if metric in METRICS else -1


def title_of(column: str) -> str:
    """Return the name of a metric's column for people, such as "accuracy" of ``test_accuracy``.

    Examples
    --------
    >>> title_of("test_f1_macro"), title_of("test_loss"), title_of("test_steps")
    ('F1 (macro)', 'loss', 'steps per episode')
    """
    name = column.removeprefix("test_")
    if name == STEPS_OF_EPISODE:
        return "steps per episode"
    return METRICS[name].title if name in METRICS else name.replace("_", " ")


def is_fraction(column: str) -> bool:
    """Return whether a metric's column holds fractions, which are shown in percent."""
    name = column.removeprefix("test_")
    return name == "success" or (name in METRICS and METRICS[name].unit == "fraction")


def broken_rule(margin: float, metric: str) -> str:
    """Return the rule that a margin of equivalence breaks, with the margin; empty if it breaks none.

    Examples
    --------
    >>> broken_rule(3, "accuracy")
    'must be below 1 for accuracy, whose values are shares of 1: 0.005 is half a point; got 3'
    >>> broken_rule(0.005, "accuracy"), broken_rule(3, "loss")
    ('', '')
    """
    if not 0 < margin < math.inf:
        return f"must be a finite number above 0; got {margin!r}"
    if margin >= 1 and is_fraction(metric):
        return (
            f"must be below 1 for {metric}, whose values are shares of 1: 0.005 is half a point; "
            f"got {margin:g}"
        )
    return ""


def unit_of(column: str) -> str:
    """Return the unit of a difference in a metric's column, with a space before it; empty if there is none."""
    if is_fraction(column):
        return " points"
    name = column.removeprefix("test_")
    return " nat" if name in METRICS and METRICS[name].unit == "nat" else ""
