"""Arms on several data sets, from the tables of runs."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evo.errors import ResultsError
from experiments.analysis import over_data_sets
from experiments.statistics import ranks, stratified_interval

SCORES = {
    "apples": {"evolved": [0.9, 0.8, 0.85], "cnn": [0.7, 0.72, 0.71], "mlp": [0.6, 0.6, 0.7]},
    "pears": {"evolved": [0.5, 0.4, 0.45], "cnn": [0.51, 0.52, 0.5], "mlp": [0.3, 0.3, 0.2]},
    "plums": {"evolved": [0.95, 0.9, 0.91], "cnn": [0.9, 0.9, 0.9], "mlp": [0.92, 0.9, 0.91]},
}


@pytest.fixture
def several(finished):
    """Return results of three data sets with given accuracies."""

    def results(scores=SCORES, **more):
        comparison, runs = [], []
        for name, arms in scores.items():
            for seed in range(3):
                runs.append(
                    {"run": name, "seed": seed, "arm": "evolved", "dataset": name, "data_hash": name,
                     "best_individual": 1, "n_individuals": 2, "search_steps": 9, "stopped_rung": None}
                )  # fmt: skip
                comparison += [
                    {"run": name, "seed": seed, "arm": arm, "test_accuracy": values[seed], "test_loss": 1.0,
                     "metric": "accuracy", "larger_is_better": True, "steps": 9}
                    for arm, values in arms.items()
                ]  # fmt: skip
        tables = {"comparison": pd.DataFrame(comparison), "runs": pd.DataFrame(runs)}
        baseline = finished.baseline[:0]
        return replace(finished, **tables, baseline=baseline, **more)

    return results


def test_arms_have_interquartile_means_over_all_seeds_and_mean_ranks(several):
    found = over_data_sets(several()).set_index("arm")
    assert found.index.tolist() == ["evolved", "cnn", "mlp"]
    for arm, row in found.iterrows():
        scores = [np.array(arms[arm]) for arms in SCORES.values()]
        expected = stratified_interval(scores, rng=np.random.default_rng(0))
        assert (row["interquartile_mean"], row["low"], row["high"]) == expected
    means = [[np.mean(arms[arm]) for arm in found.index] for arms in SCORES.values()]
    ranked = ranks(means, larger_is_better=True)
    assert found["mean_rank"].tolist() == ranked.means.tolist()
    assert set(found["p_friedman"]) == {ranked.p}
    assert set(found["critical_difference"]) == {ranked.critical_difference}
    assert set(found["data_sets"]) == {3}
    assert found[["seeds", "diverged"]].to_numpy().tolist() == [[9, 0]] * 3


def test_an_arm_that_diverged_with_a_seed_is_last_on_that_data_set(several):
    scores = {**SCORES, "apples": {**SCORES["apples"], "evolved": [0.9, 0.8, math.nan]}}
    before, found = (over_data_sets(several(one)).set_index("arm") for one in (SCORES, scores))
    assert found.loc["evolved", ["seeds", "diverged"]].tolist() == [8, 1]
    assert found.loc["evolved", "mean_rank"] == before.loc["evolved", "mean_rank"] + 2 / 3


def test_arms_of_which_a_data_set_has_no_result_are_left_out_or_refused(several):
    scores = {**SCORES, "apples": {arm: SCORES["apples"][arm] for arm in ("evolved", "cnn")}}
    assert set(over_data_sets(several(scores))["arm"]) == {"evolved", "cnn"}
    assert over_data_sets(several(scores))["p_friedman"].isna().all()
    with pytest.raises(
        ResultsError, match="a result on every data set, cnn, evolved; got evolved, mlp"
    ):
        over_data_sets(several(scores), ["evolved", "mlp"])
    with pytest.raises(ResultsError, match=r"got evolvd, cnn \(did you mean 'evolved'\?\)"):
        over_data_sets(several(scores), ["evolvd", "cnn"])


def test_runs_that_cannot_be_averaged_are_refused(several, finished):
    results = several()
    with pytest.raises(ResultsError, match=r"must be on two data sets or more.* got digits"):
        over_data_sets(finished)
    twice = results.runs.assign(data_hash=range(9))
    with pytest.raises(ResultsError, match="each with its own name; got apples, apples"):
        over_data_sets(replace(results, runs=twice))
    metric = ["accuracy"] * 26 + ["f1_macro"]
    with pytest.raises(
        ResultsError, match="runs must have one metric of verdicts; got accuracy, f1"
    ):
        over_data_sets(replace(results, comparison=results.comparison.assign(metric=metric)))
    with pytest.raises(ResultsError, match="holds no finished run with a test part"):
        over_data_sets(replace(results, comparison=results.comparison[:0]))
