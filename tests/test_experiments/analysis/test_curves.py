"""Anytime curves, against the tables of a run and against loops."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evo.errors import ResultsError
from experiments.analysis import anytime, time_to_target
from experiments.analysis.curves import _with_best

KEY = ["run", "seed", "arm"]


def test_a_search_ends_at_its_cost_and_its_best_individual(finished):
    curves = anytime(finished)
    last = curves[curves["arm"] == "evolved"].groupby("seed").last()
    runs = finished.runs.set_index("seed")
    assert last["steps"].tolist() == runs["search_steps"].tolist()
    assert last["macs"].tolist() == runs["search_macs"].tolist()
    of_individuals = finished.individuals[["modify_seconds", "train_seconds", "evaluate_seconds"]]
    assert last["seconds"].sum() == pytest.approx(of_individuals.sum().sum())
    best = finished.individuals.groupby("seed")["validation_accuracy"].max()
    assert last["best"].tolist() == best.tolist()
    assert set(curves["metric"]) == {"accuracy"}
    assert curves["larger_is_better"].all()


def test_every_point_is_that_of_a_loop_over_the_individuals(finished):
    curve = anytime(finished, "loss").query("arm == 'evolved' and seed == 4")
    rows = finished.individuals.query("seed == 4").sort_values("individual")
    steps, best, who = 0, math.inf, None
    for (_, point), (_, row) in zip(curve.iterrows(), rows.iterrows(), strict=True):
        steps += row["steps"]
        if row["validation_loss"] < best:
            best, who = row["validation_loss"], row["individual"]
        assert (point["steps"], point["best"], point["best_individual"]) == (steps, best, who)
        assert (point["individual"], point["value"]) == (row["individual"], row["validation_loss"])


def test_the_test_metric_stands_where_the_best_network_was_tested(finished):
    curves = anytime(finished, "loss")  # the winner has the best loss on the validation part
    winners = finished.runs.set_index("seed")["best_individual"]
    tested = finished.comparison.set_index(KEY)["test_loss"]
    for key, curve in curves.groupby(KEY):
        known = curve[curve["test"].notna()]
        assert set(known["test"]) == {tested[key]}
        if key[2] == "evolved":
            assert set(known["best_individual"]) == {winners[key[1]]}
        else:
            assert known.index.tolist() == curve.index[-1:].tolist()


def test_a_baseline_has_its_own_cost(finished):
    curves = anytime(finished).groupby(KEY).last().reset_index()
    found = curves.merge(finished.baseline, on=KEY, suffixes=("", "_of_baseline"))
    assert len(found) == len(finished.baseline) > 0
    batch = finished.runs["training.batch_size"].iloc[0]
    assert found["steps"].tolist() == found["steps_of_baseline"].tolist()
    assert found["macs"].tolist() == (found["steps"] * found["macs_of_baseline"] * batch).tolist()
    assert found["seconds"].tolist() == found["train_seconds"].tolist()
    assert found["value"].tolist() == found["validation_accuracy"].tolist()


def test_the_epochs_of_a_baseline_are_points(finished):
    row = finished.baseline.query("arm == 'cnn' and seed == 3").iloc[0]
    epochs = pd.DataFrame(
        {"run": row["run"], "seed": 3, "arm": "cnn", "individual": pd.array([None], "Int64"),
         "step": [10], "validation_loss": [0.001], "validation_accuracy": [1.0]}
    )  # fmt: skip
    longer = replace(finished, training=pd.concat([finished.training, epochs]))
    curve = anytime(longer).query("arm == 'cnn' and seed == 3")
    assert curve["steps"].tolist() == [10, row["steps"]]
    assert curve["value"].tolist() == [1.0, row["validation_accuracy"]]
    assert curve["best"].tolist() == [1.0, 1.0]
    assert curve["seconds"].iloc[0] == pytest.approx(row["train_seconds"] * 10 / row["steps"])
    assert curve["test"].notna().tolist() == [False, True]


def test_individuals_without_a_metric_cost_and_are_never_the_best():
    points = pd.DataFrame({"individual": range(5), "value": [math.nan, math.inf, 0.5, 0.7, 0.5]})
    found = _with_best(points, -1)
    assert found["best"].tolist()[2:] == [0.5, 0.5, 0.5]
    assert found["best"].isna().tolist() == [True, True, False, False, False]
    assert found["best_individual"].tolist()[2:] == [2, 2, 2]
    assert found["best_individual"].isna().tolist()[:2] == [True, True]


def test_the_order_of_arrival_is_that_of_the_curve(finished):
    individuals = finished.individuals.copy()
    individuals["arrival"] = -individuals["individual"]
    curve = anytime(replace(finished, individuals=individuals)).query("arm == 'evolved'")
    for _, of_seed in curve.groupby("seed"):
        assert of_seed["individual"].is_monotonic_decreasing


def test_the_time_to_a_target_is_the_first_cost_at_which_it_is_reached(finished):
    curves = anytime(finished)
    for by in ("steps", "macs", "seconds"):
        found = time_to_target(curves, 0.5, by)
        for _, row in found.iterrows():
            curve = curves[(curves[KEY] == row[KEY]).all(axis=1)]
            reached = curve[curve["best"] >= 0.5]
            assert row[by] == (reached[by].iloc[0] if len(reached) else math.inf)
    assert len(found) == 8
    assert np.isinf(time_to_target(curves, 1.01)["steps"]).all()
    losses = anytime(finished, "loss")
    assert np.isfinite(time_to_target(losses, 100.0)["steps"]).all()
    assert np.isinf(time_to_target(losses, 0.0)["steps"]).all()


def test_what_the_tables_do_not_have_is_refused(finished):
    with pytest.raises(ResultsError, match="metric must be one of loss, accuracy; got 'rmse'"):
        anytime(finished, "rmse")
    with pytest.raises(ResultsError, match="by must be one of steps, macs, seconds; got 'hours'"):
        time_to_target(anytime(finished), 0.5, "hours")
    nothing = replace(finished, comparison=finished.comparison[:0])
    assert anytime(nothing).empty
    assert list(anytime(nothing).columns) == list(anytime(finished).columns)
