"""What all linear estimators have in common."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from effort import first_now
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import cnn
from cnn import LinearSVM, LogisticRegression, Perceptron, Recipe, SoftmaxRegression

ESTIMATORS = {
    "perceptron": Perceptron(),
    "logistic regression": LogisticRegression(steps=300),
    "softmax regression": SoftmaxRegression(steps=300),
    "linear SVM": LinearSVM(),
}
SEVERAL_CLASSES = ["softmax regression", "linear SVM"]


def blobs(rng, n_classes, n=60, spread=0.5):
    codes = np.arange(n) % n_classes
    angles = 2 * np.pi * codes / n_classes
    centres = 3 * np.column_stack([np.cos(angles), np.sin(angles), np.zeros(n)])
    return centres + rng.normal(0, spread, (n, 3)), codes


@pytest.mark.parametrize("name", first_now(ESTIMATORS))
def test_scikit_learn_finds_nothing_to_object_to(name):
    checks = check_estimator(clone(ESTIMATORS[name]), on_skip=None, on_fail="raise")
    skipped = {check["check_name"] for check in checks if check["status"] != "passed"}
    assert len(checks) > 40
    assert skipped <= {"check_array_api_input"}  # on arrays that are not NumPy's


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("labels", [["no", "yes"], [-1, 1], [7, 3], [False, True]])
def test_two_classes_of_any_kind_are_told_apart(name, labels, rng):
    x, codes = blobs(rng, 2)
    y = np.array(labels)[codes]
    model = clone(ESTIMATORS[name])
    assert model.fit(x, y) is model
    np.testing.assert_array_equal(model.classes_, sorted(labels))
    np.testing.assert_array_equal(model.predict(x), y)
    assert model.score(x, y) == 1
    f = model.decision_function(x)
    assert f.shape == y.shape
    np.testing.assert_array_equal(f > 0, y == model.classes_[1])


@pytest.mark.parametrize("name", SEVERAL_CLASSES)
def test_several_classes_are_told_apart(name, rng):
    x, codes = blobs(rng, 4)
    y = np.array(["d", "a", "c", "b"])[codes]
    model = clone(ESTIMATORS[name]).fit(x, y)
    assert model.classes_.tolist() == list("abcd")
    assert model.score(x, y) == 1
    assert model.decision_function(x).shape == (60, 4)
    assert model.coef_.shape == (4, 3)
    assert model.intercept_.shape == (4,)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_learning_twice_gives_the_same_bits_and_leaves_the_samples_alone(name, rng):
    x, y = blobs(rng, 2, spread=2.0)
    kept = x.copy()
    first, second = (clone(ESTIMATORS[name]).fit(x, y) for _ in range(2))
    np.testing.assert_array_equal(first.coef_, second.coef_)
    np.testing.assert_array_equal(first.intercept_, second.intercept_)
    np.testing.assert_array_equal(x, kept)


def test_a_pipeline_and_a_grid_search_work(rng):
    x, y = blobs(rng, 3, spread=1.0)
    pipeline = make_pipeline(StandardScaler(), LinearSVM())
    search = GridSearchCV(pipeline, {"linearsvm__C": [0.1, 1.0]}, cv=3).fit(x, y)
    assert search.best_score_ > 0.9
    assert search.best_estimator_[-1].get_params()["C"] == search.best_params_["linearsvm__C"]


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((4, 2)), [1, 1, 1, 1], "y must hold at least 2 classes; got 1"),
        (np.zeros((4, 2)), [0, 1, 0], "inconsistent numbers of samples"),
        (np.zeros(4), [0, 1, 0, 1], "Expected 2D array"),
        (np.zeros((4, 2)), [0.1, 0.2, 0.3, 0.4], "continuous"),
        (np.full((4, 2), np.nan), [0, 1, 0, 1], "contains NaN"),
        (np.zeros((0, 2)), [], "minimum of 1 is required"),
    ],
)
def test_samples_that_cannot_be_learned_from_are_refused(name, x, y, message):
    with pytest.raises(ValueError, match=message):
        clone(ESTIMATORS[name]).fit(x, y)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("scale", [1e200, 1e307])
def test_features_beyond_floating_point_are_refused(name, scale, rng):
    x, y = blobs(rng, 2)
    model = clone(ESTIMATORS[name])
    with pytest.raises(ValueError, match=r"must be small enough|must be finite"):
        model.fit(scale * x, y)
    model.fit(x, y).coef_ *= 1e120
    with pytest.raises(ValueError, match="scores do not overflow"):
        model.predict(scale * x)


@pytest.mark.parametrize("name", ["perceptron", "logistic regression", "softmax regression"])
def test_large_features_within_floating_point_are_learned_from(name, rng):
    x, y = blobs(rng, 2)
    assert clone(ESTIMATORS[name]).fit(1e140 * x, y).score(1e140 * x, y) == 1


@pytest.mark.parametrize("name", sorted(ESTIMATORS.keys() - SEVERAL_CLASSES))
def test_three_classes_are_too_many_for_one_unit(name, rng):
    with pytest.raises(ValueError, match=r"Only binary classification .* 2 classes; got 3"):
        clone(ESTIMATORS[name]).fit(*blobs(rng, 3))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_other_features_than_those_learned_are_refused(name, rng):
    model = clone(ESTIMATORS[name])
    with pytest.raises(NotFittedError):
        model.predict(np.zeros((1, 3)))
    model.fit(*blobs(rng, 2))
    with pytest.raises(ValueError, match=r"X has 2 features, but .* is expecting 3"):
        model.predict(np.zeros((1, 2)))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Perceptron(max_epochs=0), "max_epochs must be a whole number, at least 1; got 0"),
        (Perceptron(max_epochs=2.5), "max_epochs must be a whole number"),
        (Perceptron(random_state=-1), "random_state must be a whole number, at least 0; got -1"),
        (LogisticRegression(l2=-1.0), "l2 must be a finite number at least 0; got -1.0"),
        (LogisticRegression(l2=np.nan), "l2 must be a finite number"),
        (LogisticRegression(steps=0), "steps must be a whole number, at least 1; got 0"),
        (LogisticRegression(random_state=None), "random_state must be a whole number"),
        (SoftmaxRegression(recipe="adam"), "recipe must be a cnn.Recipe or None; got 'adam'"),
        (LinearSVM(C=0), "C must be a finite number above 0; got 0"),
        (LinearSVM(C="1"), "C must be a finite number above 0; got '1'"),
        (LinearSVM(C=True), "C must be a finite number above 0; got True"),
        (LinearSVM(tol=0.0), "tol must be a finite number above 0"),
        (LinearSVM(max_iter=0), "max_iter must be a whole number"),
    ],
)
def test_settings_out_of_range_are_named_when_learning_starts(model, message, rng):
    with pytest.raises(ValueError, match=message):
        model.fit(*blobs(rng, 2))


def test_a_learning_rate_that_is_too_high_is_named(rng):
    x, y = blobs(rng, 2, spread=5.0)
    model = LogisticRegression(recipe=Recipe(optimizer="sgd", learning_rate=1e4))
    with pytest.raises(ValueError, match=r"training diverged \(loss .* learning rate 10000 is too"):
        model.fit(1e4 * x, y)


@pytest.mark.slow
def test_scikit_learn_is_imported_only_when_an_estimator_is_asked_for():
    program = (
        "import sys, cnn; assert 'sklearn' not in sys.modules; cnn.LinearSVM; "
        "assert 'sklearn' in sys.modules"
    )
    root = Path(cnn.__file__).resolve().parent.parent
    subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(root)},
    )


def test_a_name_that_is_not_there_is_named():
    with pytest.raises(AttributeError, match="cnn attribute Adaline"):
        cnn.Adaline  # noqa: B018
