import numpy as np
import pytest
import scipy.special

from cnn.training.losses import LOSSES

N_OUTPUTS, BATCH = 4, 6
SMOOTHED = LOSSES["cross_entropy"].smoothed(0.2)
ON_CLASSES = [name for name, loss in LOSSES.items() if loss.target_kind == "classes"]


def make_targets(loss, rng, dtype=np.float64):
    if loss.target_kind == "classes":
        return rng.integers(N_OUTPUTS, size=BATCH)
    return rng.normal(size=(N_OUTPUTS, BATCH)).astype(dtype)


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_the_slope_of_the_mean_loss(name, rng, central_difference):
    loss = LOSSES[name]
    scores = rng.normal(0, 2, (N_OUTPUTS, BATCH))
    targets = make_targets(loss, rng)
    delta = np.empty_like(scores)
    loss.value_and_delta(scores, targets, delta)
    slopes = central_difference(
        lambda: loss.value_and_delta(scores, targets, np.empty_like(scores)), scores
    )
    np.testing.assert_allclose(delta, slopes, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_float32_agrees_with_float64(name, rng):
    loss = LOSSES[name]
    scores = rng.normal(0, 2, (N_OUTPUTS, BATCH)).astype(np.float32)
    targets = make_targets(loss, rng, np.float32)
    wide = targets.astype(np.float64) if loss.target_kind == "values" else targets
    delta, exact = np.empty_like(scores), np.empty(scores.shape)
    value = loss.value_and_delta(scores, targets, delta)
    assert isinstance(value, float)
    assert value == pytest.approx(loss.value_and_delta(scores.astype(float), wide, exact), rel=1e-5)
    np.testing.assert_allclose(delta, exact, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_the_mean_over_a_batch_is_the_mean_of_its_samples(name, rng):
    loss = LOSSES[name]
    scores, targets = rng.normal(size=(N_OUTPUTS, BATCH)), make_targets(loss, rng)
    alone = [
        loss.value_and_delta(
            scores[:, [b]].copy(), targets[..., [b]].copy(), np.empty((N_OUTPUTS, 1))
        )
        for b in range(BATCH)
    ]
    assert loss.value_and_delta(scores, targets, np.empty_like(scores)) == pytest.approx(
        np.mean(alone)
    )


@pytest.mark.parametrize("name", LOSSES)
def test_neither_predicting_nor_measuring_changes_the_scores(name, rng):
    loss = LOSSES[name]
    scores, targets = rng.normal(size=(N_OUTPUTS, BATCH)), make_targets(loss, rng)
    before = scores.copy()
    predictions = loss.predict(scores)
    predictions += 1
    loss.value_and_delta(scores, targets, np.empty_like(scores))
    np.testing.assert_array_equal(scores, before)


@pytest.mark.parametrize("name", LOSSES)
def test_a_nan_score_gives_a_nan_loss(name, rng):
    loss = LOSSES[name]
    for dtype in (np.float32, np.float64):
        scores = rng.normal(size=(N_OUTPUTS, BATCH)).astype(dtype)
        scores[1, 2] = np.nan
        value = loss.value_and_delta(scores, make_targets(loss, rng, dtype), np.empty_like(scores))
        assert np.isnan(value)


def test_cross_entropy_is_minus_the_log_softmax_of_the_target(rng):
    scores, targets = rng.normal(0, 3, (N_OUTPUTS, BATCH)), rng.integers(N_OUTPUTS, size=BATCH)
    delta = np.empty_like(scores)
    value = LOSSES["cross_entropy"].value_and_delta(scores, targets, delta)
    log_probabilities = scipy.special.log_softmax(scores, axis=0)
    assert value == pytest.approx(-log_probabilities[targets, np.arange(BATCH)].mean())
    one_hot = np.eye(N_OUTPUTS)[targets].T
    np.testing.assert_allclose(delta, (np.exp(log_probabilities) - one_hot) / BATCH)  # o − t


def test_cross_entropy_of_hopeless_scores_stays_finite():
    scores = np.array([[2000.0], [-2000.0]], np.float32)
    value = LOSSES["cross_entropy"].value_and_delta(scores, np.array([1]), np.empty_like(scores))
    assert value == pytest.approx(4000)


def test_squared_error_is_half_the_squared_distance(rng):
    outputs, targets = rng.normal(size=(2, N_OUTPUTS, BATCH))
    delta = np.empty_like(outputs)
    value = LOSSES["squared_error"].value_and_delta(outputs, targets, delta)
    assert value == pytest.approx(0.5 * np.sum((targets - outputs) ** 2, axis=0).mean())
    np.testing.assert_allclose(delta, (outputs - targets) / BATCH)


def test_softmax_squared_error_goes_through_the_full_jacobian(rng):
    scores, targets = rng.normal(size=(N_OUTPUTS, BATCH)), rng.integers(N_OUTPUTS, size=BATCH)
    delta = np.empty_like(scores)
    value = LOSSES["softmax_squared_error"].value_and_delta(scores, targets, delta)
    o, t = scipy.special.softmax(scores, axis=0), np.eye(N_OUTPUTS)[targets].T
    assert value == pytest.approx(0.5 * np.sum((t - o) ** 2, axis=0).mean())
    for b in range(BATCH):
        jacobian = np.diag(o[:, b]) - np.outer(o[:, b], o[:, b])
        np.testing.assert_allclose(delta[:, b], jacobian @ (o - t)[:, b] / BATCH, atol=1e-15)


@pytest.mark.parametrize("name", ON_CLASSES)
def test_predictions_on_classes_are_softmax_probabilities(name, rng):
    scores = rng.normal(0, 300, (N_OUTPUTS, BATCH))
    np.testing.assert_allclose(
        LOSSES[name].predict(scores), scipy.special.softmax(scores, axis=0), atol=1e-15
    )


@pytest.mark.parametrize("name", ON_CLASSES)
@pytest.mark.parametrize("wrong", [-1, N_OUTPUTS])
def test_a_class_out_of_range_is_refused(name, wrong, rng):
    scores = rng.normal(size=(N_OUTPUTS, 3))
    with pytest.raises(ValueError, match="classes must lie in 0"):
        LOSSES[name].value_and_delta(scores, np.array([0, wrong, 1]), np.empty_like(scores))


@pytest.mark.parametrize("name", LOSSES)
def test_targets_of_the_wrong_length_are_refused(name, rng):
    loss = LOSSES[name]
    scores = rng.normal(size=(N_OUTPUTS, BATCH + 1))
    with pytest.raises(ValueError, match="targets must h"):
        loss.value_and_delta(scores, make_targets(loss, rng), np.empty_like(scores))


# -- smoothed labels ---------------------------------------------------------------------------------------------------


def test_smoothed_cross_entropy_is_that_of_the_smoothed_targets(rng):
    scores, targets = rng.normal(0, 3, (N_OUTPUTS, BATCH)), rng.integers(N_OUTPUTS, size=BATCH)
    smooth = 0.8 * np.eye(N_OUTPUTS)[targets].T + 0.2 / N_OUTPUTS
    log_probabilities = scipy.special.log_softmax(scores, axis=0)
    alone = -(smooth * log_probabilities).sum(axis=0)
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 1e-5)):
        given, delta, losses = scores.astype(dtype), np.empty(scores.shape, dtype), np.empty(BATCH)
        value = SMOOTHED.value_and_delta(given, targets, delta)
        assert value == pytest.approx(alone.mean(), rel=tolerance)
        expected = (np.exp(log_probabilities) - smooth) / BATCH
        np.testing.assert_allclose(delta, expected, atol=tolerance)
        SMOOTHED.of_samples(given, targets, losses)
        np.testing.assert_allclose(losses, alone, rtol=tolerance)


def test_the_smoothed_gradient_is_the_slope_of_the_smoothed_loss(rng, central_difference):
    scores, targets = rng.normal(0, 2, (N_OUTPUTS, BATCH)), rng.integers(N_OUTPUTS, size=BATCH)
    for weights in (None, rng.uniform(0, 3, BATCH)):
        delta = np.empty_like(scores)
        SMOOTHED.weighted_value_and_delta(scores, targets, weights, delta)
        slopes = central_difference(
            lambda weights=weights: SMOOTHED.weighted_value_and_delta(
                scores, targets, weights, np.empty_like(scores)
            ),
            scores,
        )
        np.testing.assert_allclose(delta, slopes, rtol=1e-7, atol=1e-9)


def test_only_the_cross_entropy_has_smoothed_labels():
    for name, loss in LOSSES.items():
        assert loss.smoothed(0.0) is loss
        if name != "cross_entropy":
            with pytest.raises(
                ValueError, match=f"label_smoothing must be 0 for the loss '{name}'"
            ):
                loss.smoothed(0.1)


@pytest.mark.parametrize("wrong", [-1, N_OUTPUTS])
def test_a_class_out_of_range_is_refused_with_smoothing(wrong, rng):
    scores = rng.normal(size=(N_OUTPUTS, 3))
    with pytest.raises(ValueError, match="classes must lie in 0"):
        SMOOTHED.value_and_delta(scores, np.array([0, wrong, 1]), np.empty_like(scores))
