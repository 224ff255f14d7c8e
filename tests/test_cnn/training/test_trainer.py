import math

import numpy as np
import pytest

from cnn.models.presets import small_cnn
from cnn.training.losses import LOSSES
from cnn.training.optimizers import OPTIMIZERS
from cnn.training.recipe import Recipe, batch_indices, learning_rates
from cnn.training.samples import Samples
from cnn.training.trainer import OptimizerState, evaluate, train

SEED = np.random.SeedSequence(7, spawn_key=(3,))
TOTAL = 100


class SoftmaxRegression:
    """The smallest trainable: one matrix, cross-entropy; counts what it is asked."""

    def __init__(self, n_inputs=4, n_classes=3, dtype=np.float32):
        self.shape = (n_classes, n_inputs)
        self.parameters = np.zeros(n_classes * n_inputs, dtype)
        self.batches = []

    def _loss_and_delta(self, inputs, targets):
        scores = self.parameters.reshape(self.shape) @ inputs.T
        delta = np.empty_like(scores)
        return LOSSES["cross_entropy"].value_and_delta(scores, targets, delta), delta

    def loss_and_gradients(self, inputs, targets):
        self.batches.append(targets.copy())
        value, delta = self._loss_and_delta(inputs, targets)
        return value, (delta @ inputs).reshape(-1)

    def loss(self, inputs, targets):
        return self._loss_and_delta(inputs, targets)[0]

    def output(self, inputs):
        return LOSSES["cross_entropy"].predict(self.parameters.reshape(self.shape) @ inputs.T).T


class Scripted:
    """A trainable whose losses and gradients are given beforehand."""

    def __init__(self, losses, gradient=1.0):
        self.parameters = np.zeros(2)
        self.losses = iter(losses)
        self.gradient = gradient

    def loss_and_gradients(self, inputs, targets):
        return next(self.losses), np.full(2, float(self.gradient))


@pytest.fixture
def samples(rng):
    inputs = rng.normal(size=(53, 4)).astype(np.float32)
    return Samples(inputs, np.abs(inputs[:, :3]).argmax(axis=1))


def run(network, samples, recipe=None, *, first_step=0, steps=TOTAL, state=None, **options):
    return train(
        network,
        samples,
        Recipe(batch_size=8) if recipe is None else recipe,
        first_step=first_step,
        steps=steps,
        total_steps=TOTAL,
        order_seed=SEED,
        state=state,
        **options,
    )


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_equals_the_loop_written_out(optimizer, samples):
    recipe = Recipe(optimizer=optimizer, batch_size=8, learning_rate=0.05, weight_decay=0.01)
    trained, twin = SoftmaxRegression(), SoftmaxRegression()
    report = run(trained, samples, recipe)
    chosen = OPTIMIZERS[optimizer]
    moments = np.zeros((chosen.n_moments, twin.parameters.size), np.float32)
    losses = []
    for step in range(TOTAL):
        batch = batch_indices(len(samples), 8, step, 1, SEED)[0]
        rate = 0.5 * 0.05 * (1 + math.cos(math.pi * step / TOTAL))
        value, gradient = twin.loss_and_gradients(samples.inputs[batch], samples.targets[batch])
        chosen.update(twin.parameters, gradient, moments, rate, step, 0.9, 0.01)
        losses.append(value)
    np.testing.assert_allclose(trained.parameters, twin.parameters, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(report.state.moments, moments, rtol=1e-4, atol=1e-7)
    assert report.train_loss == pytest.approx(np.mean(losses[-50:]), rel=1e-6)
    assert (report.status, report.reason, report.first_step) == ("ok", "", 0)
    assert (report.steps, report.samples, report.state.step) == (TOTAL, 8 * TOTAL, TOTAL)
    assert report.seconds > 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("cuts", [(40,), (1, 2, 99)])
def test_a_run_cut_into_phases_gives_the_same_bits(optimizer, cuts, samples):
    recipe = Recipe(optimizer=optimizer, batch_size=8, gradient_clip=0.5)
    whole, cut = SoftmaxRegression(), SoftmaxRegression()
    expected = run(whole, samples, recipe)
    state = None
    for start, end in zip((0, *cuts), (*cuts, TOTAL), strict=True):
        report = run(cut, samples, recipe, first_step=start, steps=end - start, state=state)
        state = report.state
    np.testing.assert_array_equal(cut.parameters, whole.parameters)
    np.testing.assert_array_equal(state.moments, expected.state.moments)
    assert state.step == expected.state.step
    assert whole.parameters.any()


def test_a_long_run_is_planned_in_blocks_without_a_seam(samples, monkeypatch):
    whole, blocks = SoftmaxRegression(), SoftmaxRegression()
    run(whole, samples)
    monkeypatch.setattr("cnn.training.descent.STEPS_PER_DRAW", 7)
    run(blocks, samples)
    np.testing.assert_array_equal(blocks.parameters, whole.parameters)


def test_training_learns_and_repeats_itself(samples):
    first, second = SoftmaxRegression(), SoftmaxRegression()
    before = evaluate(first, samples)
    run(first, samples)
    run(second, samples)
    np.testing.assert_array_equal(first.parameters, second.parameters)
    assert evaluate(first, samples).loss < before.loss


def test_training_leaves_samples_and_state_as_they_were(samples):
    inputs, targets = samples.inputs.copy(), samples.targets.copy()
    network = SoftmaxRegression()
    state = run(network, samples, steps=10).state
    moments = state.moments.copy()
    run(network, samples, first_step=10, steps=10, state=state)
    np.testing.assert_array_equal(state.moments, moments)
    np.testing.assert_array_equal(samples.inputs, inputs)
    np.testing.assert_array_equal(samples.targets, targets)


def test_read_only_samples_train(samples):
    samples.inputs.flags.writeable = samples.targets.flags.writeable = False
    assert run(SoftmaxRegression(), samples, steps=3).status == "ok"


def test_fewer_samples_than_a_batch_are_enough(samples):
    few = Samples(samples.inputs[:3], samples.targets[:3])
    network = SoftmaxRegression()
    report = run(network, few, Recipe(batch_size=8), steps=5)
    assert report.samples == 40
    assert all(len(batch) == 8 for batch in network.batches)


@pytest.mark.parametrize(
    "state",
    [
        OptimizerState(np.zeros((2, 12), np.float32), 0),
        OptimizerState(np.zeros((1, 11), np.float32), 0),
        OptimizerState(np.zeros((1, 12)), 0),
    ],
)
def test_a_state_that_does_not_fit_is_refused(state, samples):
    with pytest.raises(ValueError, match="state of optimizer 'momentum' must hold moments"):
        run(SoftmaxRegression(), samples, state=state)


@pytest.mark.parametrize("wrong", [np.zeros(11, np.float32), np.zeros(12)])
def test_a_gradient_that_does_not_fit_the_parameters_is_refused(wrong, samples):
    class Odd(SoftmaxRegression):
        def loss_and_gradients(self, inputs, targets):
            return 1.0, wrong

    with pytest.raises(ValueError, match="gradient must have the parameters' shape"):
        run(Odd(), samples)


@pytest.mark.parametrize(
    ("counts", "message"),
    [({"steps": -1}, "at least 0; got -1"), ({"record_every": 0}, "at least 1; got 0")],
)
def test_training_refuses_counts_that_are_too_small(counts, message, samples):
    with pytest.raises(ValueError, match=f"must be {message}"):
        run(SoftmaxRegression(), samples, **counts)


def test_training_for_no_steps_changes_nothing(samples):
    network = SoftmaxRegression()
    before = network.parameters.copy()
    report = run(network, samples, steps=0)
    assert (report.status, report.steps, report.samples) == ("ok", 0, 0)
    assert report.train_loss is None
    assert len(report.curve) == 0
    assert np.array_equal(network.parameters, before)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e5])
def test_a_diverging_loss_stops_training_with_the_reason(bad, samples):
    report = run(Scripted([1.0, 2.0, bad, 3.0]), samples, first_step=20, steps=50)
    assert report.status == "diverged"
    assert report.reason == f"loss {bad:g} at step 22"
    assert report.steps == report.state.step == 2
    assert report.train_loss == 1.5


def test_a_loss_that_is_large_from_the_start_is_no_divergence(samples):
    assert run(Scripted([1e6] * 5), samples, steps=5).status == "ok"


def test_a_limit_of_the_loss_may_be_given(samples):
    losses = [0.0, 2e4, 5e300]
    assert run(Scripted(losses), samples, steps=3).steps == 1
    assert run(Scripted(losses), samples, steps=3, loss_limit=1e5).steps == 2
    assert run(Scripted(losses), samples, steps=3, loss_limit=math.inf).status == "ok"
    with pytest.raises(ValueError, match="loss_limit must be above 0; got nan"):
        run(Scripted(losses), samples, loss_limit=math.nan)


def test_a_run_that_starts_diverged_has_no_training_loss(samples):
    report = run(Scripted([math.nan]), samples)
    assert (report.status, report.steps, report.train_loss) == ("diverged", 0, None)
    assert len(report.curve) == 0


def test_parameters_that_end_not_finite_are_a_divergence(samples):
    report = run(Scripted([1.0] * 3, gradient=math.inf), samples, steps=3)
    assert report.status == "diverged"
    assert "parameters not finite after step 2" in report.reason


def test_an_absurd_learning_rate_diverges_without_a_warning(samples):
    report = run(SoftmaxRegression(), samples, Recipe(learning_rate=1e38))
    assert report.status == "diverged"


def test_the_curve_averages_the_loss_between_records(samples):
    losses = np.arange(1.0, 8.0)
    report = run(Scripted(losses), samples, steps=7, record_every=3)
    np.testing.assert_array_equal(report.curve.step, [3, 6, 7])
    np.testing.assert_allclose(report.curve.loss, [2, 5, 7])
    np.testing.assert_allclose(
        report.curve.learning_rate, learning_rates(Recipe(), 0, 7, TOTAL)[[2, 5, 6]]
    )
    np.testing.assert_allclose(report.curve.gradient_norm, math.sqrt(2))


def test_records_fall_on_the_same_steps_in_every_phase(samples):
    first = run(Scripted([1.0] * 99), samples, steps=10, record_every=8)
    second = run(Scripted([1.0] * 99), samples, first_step=10, steps=15, record_every=8)
    assert first.curve.step.tolist() == [8, 10]
    assert second.curve.step.tolist() == [16, 24, 25]


def test_the_last_step_alone_is_recorded_by_default(samples):
    curve = run(Scripted([1.0, 3.0]), samples, steps=2).curve
    assert len(curve) == 1
    assert curve.step.item() == 2
    assert curve.loss.item() == 2.0
    assert curve.learning_rate.item() == pytest.approx(0.1, rel=1e-2)
    assert curve.gradient_norm.item() == pytest.approx(math.sqrt(2))
    assert (curve.layers, curve.layer_gradient_norms.shape) == ((), (1, 0))


def test_recording_changes_no_bit_of_training(samples):
    quiet, recorded = SoftmaxRegression(), SoftmaxRegression()
    run(quiet, samples)
    run(recorded, samples, record_every=1)
    np.testing.assert_array_equal(quiet.parameters, recorded.parameters)


def test_each_layers_gradient_norm_can_be_recorded(rng):
    network = small_cnn((6, 6), 3, rng=rng, maps=2, hidden=4)
    samples = Samples(rng.random((20, 6, 6), np.float32), rng.integers(3, size=20))
    twin = small_cnn((6, 6), 3, rng=rng, maps=2, hidden=4)

    recipe = Recipe(batch_size=8, gradient_clip=1e-3)
    curve = run(network, samples, recipe, record_every=10, record_layers=True).curve
    assert curve.layers == ("1 ConvolutionLayer", "4 HiddenLayer", "5 SoftmaxLayer")
    assert curve.layer_gradient_norms.shape == (10, 3)
    np.testing.assert_allclose(
        np.sqrt((curve.layer_gradient_norms**2).sum(axis=1)), curve.gradient_norm, rtol=1e-5
    )
    first = run(twin, samples, recipe, steps=1, record_layers=True).curve
    expected = [np.linalg.norm(twin.layers[i].gradient) for i in (0, 3, 4)]
    unclipped = np.array(expected) / np.linalg.norm(expected) * first.gradient_norm
    np.testing.assert_allclose(first.layer_gradient_norms[0], unclipped, rtol=1e-4)
    assert first.gradient_norm.item() > 1e-3


def test_recording_layers_changes_no_bit_of_training(rng):
    samples = Samples(rng.random((20, 6, 6), np.float32), rng.integers(3, size=20))
    quiet, recorded = (
        small_cnn((6, 6), 3, rng=np.random.default_rng(0), maps=2, hidden=4) for _ in range(2)
    )
    before = quiet.parameters.copy()
    run(quiet, samples)
    run(recorded, samples, record_every=3, record_layers=True)
    np.testing.assert_array_equal(quiet.parameters, recorded.parameters)
    assert np.abs(quiet.parameters - before).max() > 0.01


def test_layers_are_not_recorded_of_a_network_that_names_none(samples):
    with pytest.raises(
        ValueError, match="parameter_groups for record_layers; got one of type SoftmaxRegression"
    ):
        run(SoftmaxRegression(), samples, record_layers=True)


def test_a_gradient_above_the_clip_is_scaled_to_it_and_recorded_unclipped(samples):
    network = Scripted([1.0], gradient=3.0)
    recipe = Recipe(optimizer="sgd", learning_rate=1.0, gradient_clip=0.5, schedule="constant")
    report = run(network, samples, recipe, steps=1)
    assert np.linalg.norm(network.parameters) == pytest.approx(0.5)
    assert report.curve.gradient_norm.item() == pytest.approx(3 * math.sqrt(2))


def test_a_gradient_below_the_clip_is_left_alone(samples):
    network = Scripted([1.0], gradient=0.1)
    recipe = Recipe(optimizer="sgd", learning_rate=1.0, gradient_clip=0.5, schedule="constant")
    run(network, samples, recipe, steps=1)
    np.testing.assert_allclose(network.parameters, -0.1)


def test_a_norm_beyond_float32_is_still_a_number(samples):
    class Steep(SoftmaxRegression):
        def loss_and_gradients(self, inputs, targets):
            return 1.0, np.full(12, 1e30, np.float32)

    recipe = Recipe(optimizer="sgd", learning_rate=1.0, gradient_clip=0.5, schedule="constant")
    network = Steep()
    report = run(network, samples, recipe, steps=1)
    assert report.curve.gradient_norm.item() == pytest.approx(1e30 * math.sqrt(12), rel=1e-6)
    assert np.linalg.norm(network.parameters) == pytest.approx(0.5, rel=1e-5)


@pytest.mark.parametrize("batch_size", [1, 10, 53, 1000])
def test_evaluation_in_chunks_is_the_mean_over_all_samples(batch_size, samples, rng):
    network = SoftmaxRegression(dtype=np.float64)
    network.parameters[:] = rng.normal(size=12)
    measured = evaluate(network, samples, batch_size)
    assert measured.loss == pytest.approx(network.loss(samples.inputs, samples.targets))
    hits = network.output(samples.inputs).argmax(axis=1) == samples.targets
    assert measured.accuracy == hits.mean()
    assert 0 < measured.accuracy < 1


def test_evaluation_refuses_empty_chunks(samples):
    with pytest.raises(ValueError, match="batch_size must be at least 1; got 0"):
        evaluate(SoftmaxRegression(), samples, 0)


@pytest.mark.parametrize("option", ["label_smoothing", "dropout"])
def test_options_are_refused_for_networks_that_lack_them(samples, option):
    with pytest.raises(
        ValueError, match=rf"recipe.{option} must be 0 .* SoftmaxRegression; got 0.1"
    ):
        run(SoftmaxRegression(), samples, Recipe(batch_size=8, **{option: 0.1}))


def test_labels_are_smoothed_only_for_classes(samples):
    recipe = Recipe(batch_size=8, label_smoothing=0.1)
    values = Samples(samples.inputs, np.ones((len(samples), 1)))
    with pytest.raises(ValueError, match=r"must be 0 for targets that are values; got 0.1"):
        run(SoftmaxRegression(), values, recipe)
