import numpy as np
import pytest
import scipy.optimize
import sklearn.svm
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import ConvergenceWarning

from cnn import LinearSVM
from cnn.linear.margin import best_bias


def blobs(rng, distance, n=80, n_features=3):
    y = np.where(np.arange(n) % 2, 1, -1)
    x = rng.normal(size=(n, n_features)) + 5.0
    x[:, 0] += 0.5 * distance * y
    return x, y


def primal(x, y, C, w, b):
    return 0.5 * w @ w + C * np.maximum(0, 1 - y * (x @ w + b)).sum()


def dual(x, y, alpha):
    spanned = (alpha * y) @ x
    return alpha.sum() - 0.5 * spanned @ spanned


@pytest.mark.parametrize("C", [0.01, 1.0, 10.0])
@pytest.mark.parametrize("distance", [1.0, 8.0])
def test_it_finds_the_hyperplane_that_libsvm_finds(distance, C, rng):
    x, y = blobs(rng, distance)
    ours = LinearSVM(C=C, tol=1e-11).fit(x, y)
    theirs = sklearn.svm.SVC(kernel="linear", C=C, tol=1e-9).fit(x, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=2e-4)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=2e-3)
    np.testing.assert_array_equal(ours.support_, np.sort(theirs.support_))
    # libsvm is the less exact of the two, whatever its tol: hence the tolerances.
    value = primal(x, y, C, ours.coef_[0], ours.intercept_[0])
    theirs_value = primal(x, y, C, theirs.coef_[0], theirs.intercept_[0])
    assert value <= theirs_value * (1 + 1e-11)
    assert theirs_value == pytest.approx(value, rel=1e-3)


def test_liblinear_comes_near_where_it_hardly_penalises_b(rng):
    x, y = blobs(rng, 1.0)
    theirs = sklearn.svm.LinearSVC(
        loss="hinge", C=0.1, intercept_scaling=100, tol=1e-6, max_iter=1_000_000, random_state=0
    ).fit(x, y)
    ours = LinearSVM(C=0.1).fit(x, y)
    value = primal(x, y, 0.1, ours.coef_[0], ours.intercept_[0])
    theirs_value = primal(x, y, 0.1, theirs.coef_[0], theirs.intercept_[0])
    assert value <= theirs_value == pytest.approx(value, rel=1e-3)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=0.01)


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(2, 40),
    n_features=st.integers(1, 60),
    whole=st.booleans(),
    log_C=st.floats(-4, 5),
)
def test_primal_and_dual_meet_on_any_samples(seed, n, n_features, whole, log_C):
    """Duplicates, contradictions and constant features among them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, n_features)) * 10.0 ** rng.uniform(-2, 2, n_features)
    if whole:
        x = rng.integers(-1, 2, (n, n_features)).astype(float)
    y = np.append([-1, 1], rng.choice([-1, 1], n - 2))
    C = 10.0**log_C
    model = LinearSVM(C=C).fit(x, y)
    alpha = model.dual_coef_[0] * y
    assert (alpha >= 0).all()
    assert (alpha <= C * (1 + 1e-12)).all()
    assert (alpha * y).sum() == pytest.approx(0, abs=1e-9 * alpha.sum())
    upper = primal(x, y, C, model.coef_[0], model.intercept_[0])
    lower = dual(x, y, alpha)
    assert model.converged_
    assert upper - lower <= 2e-8 * upper
    assert upper - lower == pytest.approx(model.duality_gap_[0], rel=0.01, abs=1e-10 * upper)


@pytest.mark.parametrize("n_features", [2, 3, 7])
def test_on_separable_samples_the_margin_is_the_greatest_there_is(n_features, rng):
    x, y = blobs(rng, 9.0, n=40, n_features=n_features)
    model = LinearSVM(C=1e6).fit(x, y)
    w, b = model.coef_[0], model.intercept_[0]
    distances = y * (x @ w + b) / np.linalg.norm(w)
    margin = 1 / np.linalg.norm(w)
    assert distances.min() == pytest.approx(margin, rel=1e-4)
    np.testing.assert_allclose(distances[model.support_], margin, rtol=1e-4)
    assert set(y[model.support_]) == {-1, 1}

    # Another method altogether: minimise ½‖w‖² subject to y (w·x + b) ≥ 1.
    found = scipy.optimize.minimize(
        lambda theta: 0.5 * theta[:-1] @ theta[:-1],
        np.append(w, b) * 3 + 0.1,
        jac=lambda theta: np.append(theta[:-1], 0.0),
        constraints={
            "type": "ineq",
            "fun": lambda theta: y * (x @ theta[:-1] + theta[-1]) - 1,
            "jac": lambda theta: y[:, np.newaxis] * np.column_stack([x, np.ones(len(x))]),
        },
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert found.success
    assert margin == pytest.approx(1 / np.linalg.norm(found.x[:-1]), rel=1e-5)


def test_samples_beyond_the_margin_do_not_matter(rng):
    x, y = blobs(rng, 4.0)
    model = LinearSVM().fit(x, y)
    kept = model.support_
    assert 2 <= len(kept) < len(x)
    again = LinearSVM().fit(x[kept], y[kept])
    np.testing.assert_allclose(again.coef_, model.coef_, atol=1e-3)
    np.testing.assert_allclose(again.intercept_, model.intercept_, atol=1e-2)


def test_a_shift_moves_the_bias_alone_and_a_scale_the_weights(rng):
    x, y = blobs(rng, 2.0)
    model = LinearSVM(C=0.5).fit(x, y)
    shifted = LinearSVM(C=0.5).fit(x + 1e3, y)
    np.testing.assert_allclose(shifted.coef_, model.coef_, rtol=1e-5)
    scaled = LinearSVM(C=0.5 / 100.0).fit(10 * x, y)
    np.testing.assert_allclose(10 * scaled.coef_, model.coef_, rtol=1e-5)


def test_with_more_features_than_samples_weights_lie_in_the_span(rng):
    x, y = rng.normal(size=(8, 100)), np.tile([-1, 1], 4)
    model = LinearSVM(C=100.0).fit(x, y)
    theirs = sklearn.svm.SVC(kernel="linear", C=100.0, tol=1e-8).fit(x, y)
    np.testing.assert_allclose(model.coef_, theirs.coef_, atol=1e-6)
    np.testing.assert_allclose(model.dual_coef_ @ x, model.coef_, atol=1e-4)


def test_several_classes_are_each_against_the_rest():
    x, y = load_iris(return_X_y=True)
    model = LinearSVM().fit(x, y)
    assert model.dual_coef_.shape == (3, 150)
    for code in range(3):
        alone = LinearSVM().fit(x, y == code)
        np.testing.assert_array_equal(model.coef_[code], alone.coef_[0])
        np.testing.assert_array_equal(model.intercept_[code], alone.intercept_[0])
    assert model.score(x, y) > 0.9


def test_badly_scaled_features_and_a_large_c_take_no_longer():
    """Coordinate descent on the dual is still 98 % away here after 5000 epochs."""
    x, y = load_breast_cancer(return_X_y=True)
    model = LinearSVM(C=1e3).fit(x, y)
    assert model.converged_
    assert model.n_iter_ < 40


def test_giving_up_is_said_aloud(rng):
    x, y = blobs(rng, 1.0)
    with pytest.warns(ConvergenceWarning, match="after 2 steps; tol is 1e-08"):
        model = LinearSVM(max_iter=2).fit(x, y)
    assert not model.converged_
    assert model.n_iter_ == 2


def test_features_beyond_floating_point_are_refused():
    with pytest.raises(ValueError, match="squares must be finite; got C = 1, scale"):
        LinearSVM().fit([[1e200], [-1e200]], [0, 1])


@given(seed=st.integers(0, 10_000), n=st.integers(2, 30))
def test_no_bias_is_better_than_the_best(seed, n):
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 3, n)
    signs = np.append([-1.0, 1.0], rng.choice([-1.0, 1.0], n - 2))

    def hinge(b):
        return np.maximum(0, 1 - signs * (scores + b)).sum()

    found = hinge(best_bias(scores, signs))
    corners = signs - scores  # piecewise linear: a minimum is at a corner
    assert found == pytest.approx(min(hinge(b) for b in corners), abs=1e-12)
