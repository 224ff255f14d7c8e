import numpy as np
import pytest
import scipy.special
import sklearn.linear_model
from sklearn.datasets import load_iris

from cnn import LogisticRegression, Recipe, SoftmaxLayer, SoftmaxRegression


def overlapping(rng, n_classes, n=150, n_features=4):
    codes = np.arange(n) % n_classes
    x = rng.normal(size=(n, n_features)) * [1.0, 2.0, 0.5, 1.0] + [0.0, 3.0, -1.0, 0.0]
    x[:, 0] += codes
    x[:, 2] -= 0.5 * (codes == 1)
    return x, np.array(["a", "b", "c", "d"])[codes]


@pytest.mark.parametrize("l2", [0.01, 0.3])
def test_logistic_regression_finds_the_minimum_that_scikit_learn_finds(l2, rng):
    x, y = overlapping(rng, 2)
    ours = LogisticRegression(l2=l2, steps=2000).fit(x, y)
    theirs = sklearn.linear_model.LogisticRegression(C=1 / (l2 * len(x)), tol=1e-10).fit(x, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-5)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-6)


@pytest.mark.parametrize("n_classes", [3, 4])
def test_softmax_regression_finds_the_minimum_that_scikit_learn_finds(n_classes, rng):
    x, y = overlapping(rng, n_classes)
    ours = SoftmaxRegression(l2=0.05, steps=2000).fit(x, y)
    theirs = sklearn.linear_model.LogisticRegression(C=1 / (0.05 * len(x)), tol=1e-10).fit(x, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-5)


def test_at_the_minimum_no_parameter_has_a_slope(rng):
    """∂E/∂w = mean (p − t) x + λ w = 0 and ∂E/∂b = mean (p − t) = 0."""
    x, y = overlapping(rng, 2)
    model = LogisticRegression(l2=0.1, steps=2000).fit(x, y)
    excess = scipy.special.expit(x @ model.coef_[0] + model.intercept_) - (y == "b")
    np.testing.assert_allclose(excess @ x / len(x) + 0.1 * model.coef_[0], 0, atol=1e-9)
    assert excess.mean() == pytest.approx(0, abs=1e-9)
    assert model.report_.status == "ok"
    assert model.report_.curve.gradient_norm[-1] < 1e-9 < model.report_.curve.gradient_norm[0]


def test_the_loss_reported_has_the_penalty_in_it(rng):
    x, y = overlapping(rng, 2)
    model = LogisticRegression(l2=0.3, steps=2000).fit(x, y)
    sign = np.where(y == "b", 1, -1)
    expected = np.log1p(np.exp(-sign * model.decision_function(x))).mean()
    expected += 0.5 * 0.3 * (model.coef_**2).sum()
    assert model.report_.train_loss == pytest.approx(expected, rel=1e-9)


def test_logistic_regression_is_a_layer_of_one_node_and_other(rng):
    x, y = overlapping(rng, 2)
    model = LogisticRegression().fit(x, y)
    layer = SoftmaxLayer(1, implied_other=True).build((4,), rng=rng, dtype=np.float64)
    layer.weights[...], layer.bias[...] = model.coef_, model.intercept_
    node, other = layer.output(np.ascontiguousarray(x.T))
    np.testing.assert_allclose(model.predict_proba(x), np.column_stack([other, node]))
    np.testing.assert_allclose(node, scipy.special.expit(model.decision_function(x)))


def test_with_two_classes_both_regressions_are_one(rng):
    x, y = overlapping(rng, 2)
    logistic = LogisticRegression(steps=3000).fit(x, y)
    softmax = SoftmaxRegression(steps=3000).fit(x, y)
    np.testing.assert_allclose(logistic.predict_proba(x), softmax.predict_proba(x), atol=1e-7)
    np.testing.assert_allclose(
        logistic.decision_function(x), softmax.decision_function(x), atol=1e-6
    )
    assert softmax.coef_.shape == (2, 4)


def test_descent_at_the_safe_rate_never_goes_uphill(rng):
    x, y = overlapping(rng, 3)
    losses = SoftmaxRegression(steps=50).fit(1000 * x, y).report_.curve.loss
    assert losses[-1] < losses[0]
    assert np.isfinite(losses).all()
    plain = Recipe(
        optimizer="sgd", learning_rate=1 / (0.25 * 6.0), batch_size=150, schedule="constant"
    )
    x, y = overlapping(rng, 2)
    x = (x - x.mean(axis=0)) / 2  # λ_max of the covariance is below 6
    assert np.linalg.eigvalsh(np.cov(x.T))[-1] < 6
    assert (
        np.diff(LogisticRegression(recipe=plain, steps=100).fit(x, y).report_.curve.loss) < 0
    ).all()


def test_a_recipe_with_small_batches_serves_as_well(rng):
    x, y = overlapping(rng, 2)
    exact = LogisticRegression(l2=0.1, steps=2000).fit(x, y)
    recipe = Recipe(optimizer="adam", learning_rate=0.05, batch_size=16)
    first, again, other = (
        LogisticRegression(l2=0.1, steps=3000, recipe=recipe, random_state=seed).fit(x, y)
        for seed in (1, 1, 2)
    )
    np.testing.assert_allclose(first.coef_, exact.coef_, atol=0.05)
    np.testing.assert_array_equal(first.coef_, again.coef_)
    assert (first.coef_ != other.coef_).any()


def test_softmax_regression_learns_irises():
    x, y = load_iris(return_X_y=True)
    model = SoftmaxRegression(l2=1e-3, steps=3000).fit(x, y)
    assert model.score(x, y) > 0.96
    probabilities = model.predict_proba(x)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), model.predict(x))


def test_more_features_than_samples_are_no_obstacle(rng):
    x, y = rng.normal(size=(10, 50)), np.arange(10) % 2
    ours = LogisticRegression(l2=0.5).fit(x, y)
    theirs = sklearn.linear_model.LogisticRegression(C=0.2, tol=1e-10).fit(x, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
