import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cnn import Perceptron


def separable(seed, n, n_features, margin):
    """Draw samples from [−1, 1]^d, none nearer than the margin to a hyperplane of unit (w, b)."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=n_features + 1)
    theta[-1] *= 0.3  # so that the hyperplane cuts the cube
    theta /= np.linalg.norm(theta)
    x = rng.uniform(-1, 1, (50 * n, n_features))
    f = x @ theta[:-1] + theta[-1]
    x, f = x[np.abs(f) >= margin][:n], f[np.abs(f) >= margin][:n]
    return x, np.sign(f), float(np.abs(f).min(initial=np.inf))


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(2, 60),
    n_features=st.integers(1, 6),
    margin=st.sampled_from([0.05, 0.1, 0.3]),
    order=st.one_of(st.none(), st.integers(0, 99)),
)
def test_separable_samples_are_learned_within_novikoffs_bound(seed, n, n_features, margin, order):
    x, y, gamma = separable(seed, n, n_features, margin)
    assume(len(set(y)) == 2)
    radius = np.sqrt((x * x).sum(axis=1).max() + 1)
    bound = (radius / gamma) ** 2
    model = Perceptron(max_epochs=int(bound) + 2, random_state=order).fit(x, y)
    assert model.converged_
    assert model.score(x, y) == 1
    assert model.mistakes_.sum() <= bound
    assert len(model.mistakes_) == model.n_epochs_
    assert (model.mistakes_[:-1] > 0).all()


@pytest.mark.parametrize("random_state", [None, 3])
def test_every_update_is_the_rule(random_state, rng):
    """Whole numbers, so that sums have no rounding to differ in."""
    x = rng.integers(-5, 6, (30, 3)).astype(float)
    y = np.where(rng.random(30) < 0.5, -1, 1)
    w, b, mistakes = np.zeros(3), 0.0, []
    order = np.random.default_rng(random_state) if random_state is not None else None
    for _ in range(7):
        mistakes.append(0)
        for i in range(30) if order is None else order.permutation(30):
            if y[i] * (w @ x[i] + b) <= 0:
                w, b = w + y[i] * x[i], b + y[i]
                mistakes[-1] += 1
    model = Perceptron(max_epochs=7, random_state=random_state).fit(x, y)
    np.testing.assert_array_equal(model.coef_, [w])
    np.testing.assert_array_equal(model.intercept_, [b])
    np.testing.assert_array_equal(model.mistakes_, mistakes)
    assert not model.converged_


def test_an_epoch_without_mistake_is_the_last():
    x = np.array([[2.0], [-2.0]])
    model = Perceptron().fit(x, [1, -1])
    assert model.mistakes_.tolist() == [1, 0]
    assert model.n_epochs_ == 2


def test_the_seed_decides_the_order_and_nothing_else(rng):
    x = rng.normal(size=(40, 2))
    y = x[:, 0] > 0.1
    fits = [Perceptron(random_state=seed).fit(x, y) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)
    assert (fits[0].coef_ != fits[2].coef_).any()
    assert all(model.score(x, y) == 1 for model in fits)
