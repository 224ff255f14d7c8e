import numpy as np
import pytest

from cnn.training.optimizer_kernels import penalized
from cnn.training.optimizers import OPTIMIZERS

RATE, MOMENTUM, DECAY = 0.05, 0.8, 0.01


def plain_steps(name, parameters, gradients):
    """Follow the published formulas, in float64 and one vector operation a line."""
    theta = parameters.astype(np.float64)
    velocity, first, second = np.zeros((3, theta.size))
    for t, g in enumerate(gradients.astype(np.float64), start=1):
        shrunk = RATE * DECAY * theta
        if name == "sgd":
            step = g
        elif name == "momentum":
            velocity = MOMENTUM * velocity + g
            step = velocity
        elif name == "nesterov":
            velocity = MOMENTUM * velocity + g
            step = g + MOMENTUM * velocity
        else:
            first = MOMENTUM * first + (1 - MOMENTUM) * g
            second = 0.999 * second + (1 - 0.999) * g**2
            step = (first / (1 - MOMENTUM**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
        theta = theta - RATE * step - shrunk
    return theta


def compiled_steps(name, parameters, gradients):
    optimizer = OPTIMIZERS[name]
    theta = parameters.copy()
    moments = np.zeros((optimizer.n_moments, theta.size), theta.dtype)
    for step, g in enumerate(gradients):
        optimizer.update(theta, g.astype(theta.dtype), moments, RATE, step, MOMENTUM, DECAY)
    return theta, moments


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_follow_the_published_formula(name, dtype, rng):
    parameters = rng.normal(size=37).astype(dtype)
    gradients = rng.normal(size=(6, 37)).astype(np.float32)
    theta, _ = compiled_steps(name, parameters, gradients)
    assert theta.dtype == dtype
    tolerance = 2e-6 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(theta, plain_steps(name, parameters, gradients), atol=tolerance)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_no_gradient_and_no_decay_changes_nothing(name, rng):
    optimizer = OPTIMIZERS[name]
    theta = rng.normal(size=9)
    before = theta.copy()
    moments = np.zeros((optimizer.n_moments, 9))
    optimizer.update(theta, np.zeros(9), moments, RATE, 0, MOMENTUM, 0.0)
    np.testing.assert_array_equal(theta, before)
    assert not moments.any()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_is_decoupled_from_the_gradient(name, rng):
    optimizer = OPTIMIZERS[name]
    theta = rng.normal(size=9)
    expected = theta * (1 - RATE * DECAY)
    moments = np.zeros((optimizer.n_moments, 9))
    optimizer.update(theta, np.zeros(9), moments, RATE, 0, MOMENTUM, DECAY)
    np.testing.assert_allclose(theta, expected, rtol=1e-14)
    assert not moments.any()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_bowl_is_descended(name):
    optimizer = OPTIMIZERS[name]
    curvature, theta = np.array([1.0, 10.0]), np.array([3.0, -2.0])
    moments = np.zeros((optimizer.n_moments, 2))
    for step in range(400):
        optimizer.update(theta, curvature * theta, moments, 0.02, step, 0.9, 0.0)
    assert np.abs(theta).max() < 0.01


def test_the_first_step_of_adam_is_the_learning_rate():
    theta = np.zeros(3)
    gradient = np.array([1e-3, 1.0, -1e3])
    OPTIMIZERS["adam"].update(theta, gradient, np.zeros((2, 3)), RATE, 0, 0.9, 0.0)
    np.testing.assert_allclose(theta, [-RATE, -RATE, RATE], rtol=1e-4)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_gradient_of_an_l2_penalty_is_added_to_that_of_the_loss(name, rng):
    """The slope of ½ λ ‖θ‖² is λ θ, and unlike weight decay it enters the moments."""
    gradient, theta = rng.normal(size=(2, 9))
    optimizer, total = OPTIMIZERS[name], penalized(gradient, theta, 0.3)
    np.testing.assert_allclose(total, gradient + 0.3 * theta, rtol=1e-14)
    ours, theirs = theta.copy(), theta.copy()
    moments = np.zeros((2, optimizer.n_moments, 9))
    for _ in range(3):
        optimizer.update(ours, penalized(gradient, ours, 0.3), moments[0], RATE, 0, MOMENTUM, 0.0)
        whole = gradient + 0.3 * theirs
        optimizer.update(theirs, whole, moments[1], RATE, 0, MOMENTUM, 0.0)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    np.testing.assert_allclose(moments[0], moments[1], rtol=1e-12)
