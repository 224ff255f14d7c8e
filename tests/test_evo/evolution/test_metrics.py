"""Metrics: those of scikit-learn on the predictions of an evaluation, and each of them as a fitness."""

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as theirs

from cnn.training.samples import Samples
from cnn.training.trainer import Evaluation, evaluate
from evo import (
    FITNESSES,
    METRICS,
    Evolution,
    EvolutionState,
    FounderSettings,
    Phenotype,
    create_founders,
)
from evo.evolution.fitness import MetricFitness
from evo.evolution.individual import evaluate_individual
from evo.evolution.metrics import measure
from evo.preparation import Normalization, ScaledSamples

ON_CLASSES = [name for name, one in METRICS.items() if one.task == "classification"]
ON_VALUES = [name for name, one in METRICS.items() if one.task == "regression"]


def probabilities(n_classes, n=60, seed=0):
    rng = np.random.default_rng(seed)
    raw = rng.random((n, n_classes)).astype(np.float32)
    truth = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)])
    return truth, raw / raw.sum(axis=1, keepdims=True)


def ranks(truth, score):
    """Return the share of pairs (positive, negative) in which the positive has the higher score."""
    positive, negative = score[truth == 1], score[truth == 0]
    pairs = positive[:, None] - negative[None]
    return np.mean((pairs > 0) + 0.5 * (pairs == 0))


def test_metrics_of_scaled_samples_have_the_units_of_the_values():
    rng = np.random.default_rng(0)
    truth = np.array([1e9, 1e-7]) + [1e3, 1e-8] * rng.normal(size=(40, 2))
    scaling = Normalization("standard", truth.mean(axis=0), truth.std(axis=0))
    output = rng.normal(size=(40, 2)).astype(np.float32)
    samples = ScaledSamples(output, scaling.apply(truth), truth=truth, scaling=scaling)
    evaluation = Evaluation(0.0, None, output)
    predicted = output.astype(np.float64) * truth.std(axis=0) + truth.mean(axis=0)
    expected = {
        "r2": theirs.r2_score(truth, predicted),
        "rmse": theirs.root_mean_squared_error(truth, predicted),
        "mae": theirs.mean_absolute_error(truth, predicted),
    }
    assert measure(ON_VALUES, samples, evaluation) == expected
    assert MetricFitness(METRICS["mae"])(None, samples, evaluation=evaluation) == -expected["mae"]


@pytest.mark.parametrize("n_classes", [2, 4])
def test_metrics_of_classes_are_their_definitions(n_classes):
    truth, output = probabilities(n_classes)
    found = {name: METRICS[name].value(truth, output) for name in ON_CLASSES}
    chosen = output.argmax(axis=1)
    right = np.array(
        [[np.sum((truth == i) & (chosen == j)) for j in range(n_classes)] for i in range(n_classes)]
    )
    recall, precision = right.diagonal() / right.sum(1), right.diagonal() / right.sum(0)
    expected = {
        "accuracy": np.mean(chosen == truth),
        "balanced_accuracy": recall.mean(),
        "f1_macro": np.mean(2 * recall * precision / (recall + precision)),
        "log_loss": -np.log(output[np.arange(len(truth)), truth]).mean(),
        "roc_auc": ranks(truth, output[:, 1])
        if n_classes == 2
        else np.mean([ranks((truth == k).astype(int), output[:, k]) for k in range(n_classes)]),
    }
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("k", [1, 3])
def test_metrics_of_values_are_their_definitions(k):
    rng = np.random.default_rng(0)
    truth, output = rng.normal(size=(2, 40, k)).astype(np.float32)
    error = (truth - output).astype(np.float64)
    spread = truth.astype(np.float64) - truth.mean(axis=0, dtype=np.float64)
    assert {name: METRICS[name].value(truth, output) for name in ON_VALUES} == pytest.approx(
        {
            "r2": np.mean(1 - (error**2).sum(0) / (spread**2).sum(0)),
            "rmse": np.sqrt((error**2).mean(0)).mean(),
            "mae": np.abs(error).mean(),
        }
    )


@given(st.integers(2, 5), st.integers(1, 30), st.integers(0, 1000))
def test_any_samples_give_a_number_or_none_and_no_warning(n_classes, n, seed):
    rng = np.random.default_rng(seed)
    truth, output = rng.integers(0, n_classes, n), rng.random((n, n_classes)).astype(np.float32)
    output /= output.sum(axis=1, keepdims=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ON_CLASSES:
            value = METRICS[name].value(truth, output)
            every_class = len(np.unique(truth)) == n_classes
            assert (value is None) == (name == "roc_auc" and not every_class)
            assert value is None or np.isfinite(value)
    assert METRICS["accuracy"].value(truth, output) == theirs.accuracy_score(
        truth, output.argmax(axis=1)
    )


def test_what_is_not_defined_is_none_and_has_a_reason():
    truth, output = np.zeros(3, int), np.full((3, 2), 0.5, np.float32)
    assert METRICS["roc_auc"].value(truth, output) is None
    assert (
        METRICS["roc_auc"].undefined(truth, 2)
        == "it needs samples of every class; class 1 has none"
    )
    assert METRICS["r2"].value(np.zeros((1, 1)), np.zeros((1, 1))) is None
    assert "at least two samples" in METRICS["r2"].undefined(np.zeros((1, 1)), 1)


@pytest.mark.parametrize("name", METRICS)
def test_predictions_that_are_not_finite_have_no_metric(name):
    truth, output = probabilities(2)
    if name in ON_VALUES:
        truth = output.copy()
    output[3] = np.nan
    assert METRICS[name].value(truth, output) is None


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_a_fitness_that_is_maximised(name):
    truth, output = probabilities(3)
    truth = truth if name in ON_CLASSES else np.eye(3, dtype=np.float32)[truth]
    perfect = np.eye(3, dtype=np.float32)[truth] if name in ON_CLASSES else truth
    samples = Samples(output, truth)
    good, bad = (
        FITNESSES[name](
            None, samples, evaluation=Evaluation(0.0, float(name == "accuracy" and right), one)
        )
        for one, right in ((perfect, 1), (output, 0))
    )
    assert good > bad
    value = METRICS[name].value(truth, output)
    if name != "accuracy":
        assert bad == (value if METRICS[name].larger_is_better else -value)


def test_a_fitness_that_is_not_defined_says_so():
    samples = Samples(np.zeros((3, 2)), np.zeros(3, int))
    with pytest.raises(ValueError, match="fitness 'roc_auc' is not defined"):
        FITNESSES["roc_auc"](
            None, samples, evaluation=Evaluation(0.0, 0.0, np.full((3, 2), 0.5, np.float32))
        )


def test_a_fitness_by_a_metric_travels_to_workers_as_the_same_fitness():
    one = FITNESSES["f1_macro"]
    assert pickle.loads(pickle.dumps(one)) == one == MetricFitness(METRICS["f1_macro"])


def test_an_individual_has_the_metrics_of_its_predictions(task):
    wanted = ("roc_auc", "balanced_accuracy", "log_loss")
    one = replace(task(), metrics=wanted, fitness=FITNESSES["log_loss"])
    one = replace(one, evolution=one.evolution.model_copy(update={"population": 1}))
    founders = create_founders(FounderSettings(hidden=6, density=0.5), 4, 2, n_founders=1, seed=0)
    (job,) = Evolution(one, founders).ask(EvolutionState())
    individual = evaluate_individual(one, job)
    validation = evaluate(Phenotype(individual.genome), one.validation)
    assert individual.metrics == measure(one.metrics, one.validation, validation)
    assert individual.fitness == -individual.metrics["log_loss"]
    assert individual.metrics["roc_auc"] == theirs.roc_auc_score(
        one.validation.targets, Phenotype(individual.genome).output(one.validation.inputs)[:, 1]
    )


def own_metric(returned, task="classification"):
    return replace(METRICS["accuracy"], function=lambda truth, output: returned, task=task)


def test_a_metric_of_no_task_is_refused_when_it_is_registered():
    with pytest.raises(
        ValueError, match="task must be one of classification, regression; got 'class'"
    ):
        METRICS.register("own", own_metric(0.5, task="class"))


@pytest.mark.parametrize("returned", ["good", None, [0.5, 0.5]])
def test_a_metric_that_returns_no_number_is_named(returned):
    truth, output = probabilities(2)
    with pytest.raises(TypeError, match="metric 'accuracy' must return a number; got "):
        own_metric(returned).value(truth, output)
    assert own_metric(np.array([0.5])).value(truth, output) == 0.5
