import math

import numpy as np
import pytest

from cnn import HiddenLayer, Network, Recipe, Samples, SoftmaxLayer, evaluate, fit, train
from cnn.training.losses import LOSSES

SEED = np.random.SeedSequence(3)
RECIPE = Recipe(batch_size=8)


def perceptron(seed=0, n_hidden=6, dtype=np.float32):
    layers = [HiddenLayer(n_hidden), SoftmaxLayer(3)]
    return Network(layers, (4,), rng=np.random.default_rng(seed), dtype=dtype)


def draw(rng, n):
    inputs = rng.normal(size=(n, 4)).astype(np.float32)
    return Samples(inputs, np.abs(inputs[:, :3]).argmax(axis=1))


@pytest.fixture
def samples(rng):
    return draw(rng, 53)


@pytest.fixture
def validation(rng):
    return draw(rng, 40)


def run(network, samples, validation, recipe=RECIPE, *, epochs=6, **options):
    return fit(network, samples, validation, recipe, epochs=epochs, order_seed=SEED, **options)


class Scripted:
    """A trainable whose validation losses are given beforehand; each step adds 1."""

    def __init__(self, validation, training=1.0):
        self.parameters = np.zeros(2)
        self.validation = iter(validation)
        self.training = iter(training) if np.ndim(training) else None

    def loss_and_gradients(self, inputs, targets):
        return next(self.training) if self.training else 1.0, np.full(2, -1.0)

    def loss(self, inputs, targets):
        return next(self.validation)

    def output(self, inputs):
        return np.tile([0.0, 1.0, 0.0], (len(inputs), 1))


STEADY = Recipe(batch_size=53, optimizer="sgd", learning_rate=1.0, schedule="constant")
"""One step an epoch on 53 samples, and each adds exactly 1 to the parameters of `Scripted`."""


def test_a_fit_has_the_bits_of_one_training_phase(samples, validation):
    fitted, trained = perceptron(), perceptron()
    report = run(fitted, samples, validation)
    whole = train(trained, samples, RECIPE, first_step=0, steps=42, total_steps=42, order_seed=SEED)
    np.testing.assert_array_equal(fitted.parameters, trained.parameters)
    np.testing.assert_array_equal(report.state.optimizer.moments, whole.state.moments)
    assert report.state.epoch == 6
    assert (report.status, report.reason) == ("ok", "")
    assert not report.stopped_early
    assert not report.restored


def test_neither_recording_nor_validation_changes_a_bit(samples, validation):
    quiet, watched = perceptron(), perceptron()
    run(quiet, samples, samples)
    seen = []
    report = run(
        watched, samples, validation, record_every=2, record_layers=True, on_epoch=seen.append
    )
    np.testing.assert_array_equal(quiet.parameters, watched.parameters)
    assert tuple(seen) == report.epochs


def test_each_epoch_is_recorded(samples, validation):
    network = perceptron()
    report = run(network, samples, validation, record_every=3, record_layers=True)
    assert [record.epoch for record in report.epochs] == [1, 2, 3, 4, 5, 6]
    assert [record.step for record in report.epochs] == [7, 14, 21, 28, 35, 42]
    last = report.epochs[-1]
    measured = evaluate(network, validation)
    assert (last.validation_loss, last.validation_accuracy) == (measured.loss, measured.accuracy)
    assert last.learning_rate == 0.05 * (1 + math.cos(math.pi * 41 / 42))
    assert list(last.layer_gradient_norms) == ["1 HiddenLayer", "2 SoftmaxLayer"]
    assert math.hypot(*last.layer_gradient_norms.values()) == pytest.approx(last.gradient_norm)
    assert report.curve.step.tolist() == [3, 6, 7, 9, 12, 14, 15, 18, 21, 24, 27, 28,
                                          30, 33, 35, 36, 39, 42]  # fmt: skip
    assert report.curve.layer_gradient_norms.shape == (18, 2)


def test_the_training_loss_of_an_epoch_is_the_mean_over_its_steps(samples, validation):
    every = run(perceptron(), samples, validation, record_every=1)
    sparse = run(perceptron(), samples, validation, record_every=5)
    for number, (one, other) in enumerate(zip(every.epochs, sparse.epochs, strict=True)):
        mean = every.curve.loss[7 * number : 7 * number + 7].mean()
        assert one.train_loss == pytest.approx(mean)
        assert other.train_loss == pytest.approx(mean)


def test_without_patience_the_best_epoch_is_named_and_the_last_kept(samples, validation):
    network = Scripted([3.0, 1.0, 2.0, 2.0])
    report = run(network, samples, validation, STEADY, epochs=4)
    assert (report.best_epoch, report.restored) == (2, False)
    assert network.parameters.tolist() == [4, 4]
    assert report.state.best_parameters is None


def test_patience_stops_the_fit_and_restores_the_best(samples, validation):
    network = Scripted([3.0, 1.0, 2.0, 1.0, 0.0])
    report = run(network, samples, validation, STEADY, epochs=5, patience=2)
    assert [record.validation_loss for record in report.epochs] == [3, 1, 2, 1]
    assert (report.best_epoch, report.stopped_early, report.restored) == (2, True, True)
    assert network.parameters.tolist() == [2, 2]


def test_patience_begins_anew_with_each_better_epoch(samples, validation):
    network = Scripted([3.0, 4.0, 2.0, 3.0, 1.0, 2.0])
    report = run(network, samples, validation, STEADY, epochs=6, patience=2)
    assert (len(report.epochs), report.best_epoch, report.stopped_early) == (6, 5, False)
    assert report.restored
    assert network.parameters.tolist() == [5, 5]


def test_an_improvement_by_no_more_than_min_delta_is_none(samples, validation):
    network = Scripted([3.0, 2.5, 2.0, 1.0])
    report = run(network, samples, validation, STEADY, epochs=4, patience=2, min_delta=1.0)
    assert (len(report.epochs), report.best_epoch, report.stopped_early) == (3, 1, True)


@pytest.mark.parametrize("patience", [None, 3])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_validation_loss_that_is_not_finite_is_a_divergence(bad, patience, samples, validation):
    network = Scripted([2.0, bad, 1.0])
    report = run(network, samples, validation, STEADY, epochs=3, patience=patience)
    assert (report.status, report.reason) == ("diverged", f"validation loss {bad:g} after epoch 2")
    assert (len(report.epochs), report.best_epoch, report.stopped_early) == (1, 1, False)
    assert report.restored == (patience is not None)
    assert network.parameters.tolist() == ([1, 1] if patience else [2, 2])


def test_divergence_is_a_status_and_the_best_epoch_comes_back(samples, validation):
    network = Scripted([2.0, 1.0], training=[1.0, 1.0, math.nan])
    report = run(network, samples, validation, STEADY, epochs=9, patience=5)
    assert (report.status, report.reason) == ("diverged", "loss nan at step 2")
    assert (len(report.epochs), report.best_epoch) == (2, 2)
    assert (report.restored, report.stopped_early) == (True, False)
    assert network.parameters.tolist() == [2, 2]


def test_divergence_in_the_first_epoch_leaves_no_record(samples, validation):
    report = run(perceptron(), samples, validation, Recipe(batch_size=8, learning_rate=1e38))
    assert report.status == "diverged"
    assert (report.epochs, report.best_epoch) == ((), None)


@pytest.mark.parametrize("patience", [None, 3])
@pytest.mark.parametrize("pause", [1, 4])
def test_a_paused_fit_goes_on_to_the_same_bits(patience, pause, samples, validation):
    recipe = Recipe(batch_size=8, optimizer="adam", learning_rate=0.02)
    whole, paused = perceptron(n_hidden=20), perceptron(n_hidden=20)
    expected = run(whole, samples, validation, recipe, epochs=12, patience=patience)
    assert len(expected.epochs) > pause
    first = run(paused, samples, validation, recipe, epochs=12, patience=patience, until=pause)
    kept = first.state.optimizer.moments.copy()
    assert not first.restored
    second = run(
        paused, samples, validation, recipe, epochs=12, patience=patience, state=first.state
    )
    np.testing.assert_array_equal(first.state.optimizer.moments, kept)
    np.testing.assert_array_equal(paused.parameters, whole.parameters)
    assert first.epochs + second.epochs == expected.epochs
    assert second.best_epoch == expected.best_epoch
    assert second.stopped_early == expected.stopped_early


def test_patience_counts_through_a_pause(samples, validation):
    network = Scripted([3.0, 1.0, 2.0, 2.0, 0.0])
    options = {"epochs": 5, "patience": 2}
    first = run(network, samples, validation, STEADY, until=3, **options)
    assert network.parameters.tolist() == [3, 3]
    second = run(network, samples, validation, STEADY, state=first.state, **options)
    assert (len(second.epochs), second.best_epoch, second.stopped_early) == (1, 2, True)
    assert network.parameters.tolist() == [2, 2]


def test_a_fit_on_values_has_no_accuracy(rng):
    network = Network([HiddenLayer(1, "identity")], (2,), "squared_error", rng=rng)
    inputs = rng.normal(size=(30, 2)).astype(np.float32)
    samples = Samples(inputs, inputs.sum(axis=1, keepdims=True))
    report = run(network, samples, samples, epochs=30)
    assert report.epochs[-1].validation_accuracy is None
    assert report.epochs[-1].validation_loss < 1e-3 < report.epochs[0].validation_loss


def test_overfitting_is_stopped(rng):
    """Noise cannot be learnt: validation soon gets worse, and the fit ends where it was best."""
    recipe = Recipe(batch_size=8, learning_rate=0.05, optimizer="adam", schedule="constant")
    noise = [Samples(draw(rng, n).inputs, rng.integers(3, size=n)) for n in (40, 200)]
    network = perceptron(n_hidden=30)
    report = run(network, *noise, recipe, epochs=100, patience=4)
    assert report.stopped_early
    assert len(report.epochs) == report.best_epoch + 4 < 30
    assert evaluate(network, noise[1]).loss == min(one.validation_loss for one in report.epochs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1; got 0"),
        ({"patience": 0}, "patience must be at least 1; got 0"),
        ({"min_delta": -0.1}, "min_delta must be a finite number, at least 0; got -0.1"),
        ({"min_delta": math.nan}, "min_delta must be"),
        ({"until": 0}, "until must be above the 0 epochs made and at most 6; got 0"),
        ({"until": 7}, "at most 6; got 7"),
    ],
)
def test_counts_out_of_range_are_refused(options, message, samples, validation):
    network = perceptron()
    before = network.parameters.copy()
    with pytest.raises(ValueError, match=message):
        run(network, samples, validation, **options)
    np.testing.assert_array_equal(network.parameters, before)


@pytest.mark.parametrize("wrong", [1.5, True, "3"])
@pytest.mark.parametrize("name", ["epochs", "patience", "until", "record_every"])
def test_counts_must_be_integers(name, wrong, samples, validation):
    with pytest.raises(TypeError, match=f"^{name} must be an integer; got"):
        run(perceptron(), samples, validation, **{name: wrong})


def unlike(validation, **other):
    return Samples(**{"inputs": validation.inputs, "targets": validation.targets} | other)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            {"targets": np.arange(40)},
            r"validation: targets must be classes 0 … 2; got targets\[3\] = 3",
        ),
        ({"inputs": np.zeros((40, 5))}, r"validation: inputs must have the shape \(n, 4\); got"),
        ({"targets": np.zeros((40, 3))}, "validation: targets must be integer classes"),
    ],
)
def test_validation_that_does_not_suit_the_network_is_refused_before_training(
    other, message, samples, validation
):
    network = perceptron()
    before = network.parameters.copy()
    with pytest.raises(ValueError, match=message):
        run(network, samples, unlike(validation, **other))
    with pytest.raises(ValueError, match=message.replace("validation", "samples")):
        run(network, unlike(validation, **other), validation)
    np.testing.assert_array_equal(network.parameters, before)


@pytest.mark.parametrize("other", [{"inputs": np.zeros((40, 5))}, {"targets": np.zeros((40, 3))}])
def test_validation_is_of_the_kind_of_samples_whatever_the_network(other, samples, validation):
    network = Scripted([1.0])
    with pytest.raises(ValueError, match=r"validation must have inputs .* as samples do; got"):
        run(network, samples, unlike(validation, **other))
    assert not network.parameters.any()


def test_validation_must_be_there(samples):
    with pytest.raises(TypeError, match=r"validation must be cnn.Samples; got None"):
        run(perceptron(), samples, None)
    with pytest.raises(TypeError, match=r"samples must be cnn.Samples; got \(array"):
        run(perceptron(), (samples.inputs, samples.targets), samples)


def test_a_seed_may_be_an_integer(samples, validation):
    one, other = perceptron(), perceptron()
    options = {"epochs": 2}
    fit(one, samples, validation, RECIPE, order_seed=np.int64(5), **options)
    fit(other, samples, validation, RECIPE, order_seed=np.random.SeedSequence(5), **options)
    np.testing.assert_array_equal(one.parameters, other.parameters)
    with pytest.raises(
        TypeError, match=r"order_seed must be a numpy.random.SeedSequence or an int"
    ):
        fit(one, samples, validation, RECIPE, order_seed=5.0, **options)
    with pytest.raises(ValueError, match="order_seed must be at least 0; got -1"):
        fit(one, samples, validation, RECIPE, order_seed=-1, **options)


def test_a_state_that_cannot_go_on_is_refused(samples, validation):
    network = perceptron()
    state = run(network, samples, validation).state
    with pytest.raises(ValueError, match="until must be above the 6 epochs made"):
        run(network, samples, validation, state=state)
    with pytest.raises(ValueError, match="state must hold best_parameters"):
        run(network, samples, validation, epochs=7, state=state, patience=1)


def test_any_trainable_can_be_fitted(samples, validation):
    class SoftmaxRegression:
        """A trainable that names no layers."""

        def __init__(self):
            self.parameters = np.zeros(12, np.float32)

        def _delta(self, inputs, targets):
            scores = self.parameters.reshape(3, 4) @ inputs.T
            delta = np.empty_like(scores)
            return LOSSES["cross_entropy"].value_and_delta(scores, targets, delta), delta

        def loss_and_gradients(self, inputs, targets):
            value, delta = self._delta(inputs, targets)
            return value, (delta @ inputs).reshape(-1)

        def loss(self, inputs, targets):
            return self._delta(inputs, targets)[0]

        def output(self, inputs):
            return LOSSES["cross_entropy"].predict(self.parameters.reshape(3, 4) @ inputs.T).T

    report = run(SoftmaxRegression(), samples, validation)
    assert report.epochs[-1].train_loss < report.epochs[0].train_loss
    assert report.epochs[-1].layer_gradient_norms == {}
