"""Two arms on single test samples, from the table of predictions."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evo.errors import ResultsError
from experiments.analysis import mcnemar_of_seeds, over_samples


def test_the_difference_over_samples_is_that_of_the_accuracies(finished):
    found = over_samples(finished.predictions, "evolved", "cnn")
    wide = finished.comparison.pivot_table(index="seed", columns="arm", values="test_accuracy")
    assert found["difference"] == pytest.approx((wide["evolved"] - wide["cnn"]).mean())
    assert found["low"] < found["difference"] < found["high"]
    assert (found["score"], found["seeds"]) == ("accuracy", 2)
    assert found["samples"] == finished.predictions["row"].nunique()
    low, high = stats.t.interval(
        0.95, 1, loc=found["difference"], scale=stats.sem(wide["evolved"] - wide["cnn"])
    )
    assert (found["seeds_low"], found["seeds_high"]) == pytest.approx((low, high))


def test_mcnemar_counts_what_each_network_predicts_right(finished):
    found = mcnemar_of_seeds(finished.predictions, "evolved", "cnn")
    accuracy = finished.comparison.set_index(["seed", "arm"])["test_accuracy"]
    for _, row in found.iterrows():
        n = row[["both", "only_arm", "only_other", "neither"]].sum()
        assert (row["both"] + row["only_arm"]) / n == pytest.approx(
            accuracy[row["seed"], "evolved"]
        )
        assert (row["both"] + row["only_other"]) / n == pytest.approx(accuracy[row["seed"], "cnn"])
        differ = int(row["only_arm"] + row["only_other"])
        assert row["p"] == pytest.approx(stats.binomtest(int(row["only_arm"]), differ).pvalue)


def values():
    """Return predictions of a regression by two arms, with three seeds that test other samples."""
    rng = np.random.default_rng(0)
    rows = [
        {"run": arm, "seed": seed, "arm": arm, "row": 10 * seed + k, "truth": 1.0 * k,
         "prediction": k + error * rng.normal()}
        for arm, error in (("good", 0.1), ("bad", 1.0)) for seed in range(3) for k in range(20)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_in_regression_squared_errors_are_compared():
    table = values()
    found = over_samples(table, "good", "bad")
    errors = table.assign(error=(table["truth"] - table["prediction"]) ** 2)
    means = errors.groupby("arm")["error"].mean()
    assert found["score"] == "squared error"
    assert found["difference"] == pytest.approx(means["good"] - means["bad"])
    assert found["high"] < 0
    assert (found["seeds"], found["samples"]) == (3, 40)
    with pytest.raises(ResultsError, match="predictions must be of classes"):
        mcnemar_of_seeds(table, "good", "bad")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table, "arms must be among bad, good; got other"),
        (
            lambda table: table.replace({"arm": "bad"}, "others"),
            r"got other \(did you mean 'others'\?\)",
        ),
        (lambda table: table.assign(truth=np.nan, arm="other"), "one label or value a sample"),
        (lambda table: pd.concat([table.assign(arm="other")] * 2), "several have other"),
        (
            lambda table: pd.concat(
                [table, table[:60].assign(arm="other", seed=lambda t: 9 + t["seed"])]
            ),
            "good and other must have predicted the same test samples",
        ),
    ],
)
def test_predictions_that_cannot_be_compared_are_refused(change, message):
    table = change(values())
    for compare in (over_samples, mcnemar_of_seeds):
        labelled = (
            table.round(0).astype({"truth": "Int64"}) if compare is mcnemar_of_seeds else table
        )
        with pytest.raises(ResultsError, match=message):
            compare(labelled, "good" if "good and" in message else "other", "other")
