"""Weights of samples: in loss, gradient, clipping, evaluation; beside PyTorch and scikit-learn."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import log_loss

from cnn import LOSSES, DataParallel, HiddenLayer, Network, Recipe, Samples, SoftmaxLayer, train
from cnn.training.trainer import evaluate, evaluation_of

N, K = 12, 3


def build(loss="cross_entropy", dtype=np.float64, seed=0):
    last = SoftmaxLayer(K) if LOSSES[loss].target_kind == "classes" else HiddenLayer(K, "identity")
    rng = np.random.default_rng(seed)
    return Network([HiddenLayer(5, "tanh"), last], (4,), loss, rng=rng, dtype=dtype)


def draw(loss="cross_entropy", n=N, *, weighted=True):
    rng = np.random.default_rng(7)
    inputs, weights = rng.normal(size=(n, 4)), rng.uniform(0, 3, n)
    classes, values = rng.integers(0, K, n), rng.normal(size=(n, K))
    targets = classes if LOSSES[loss].target_kind == "classes" else values
    return Samples(inputs, targets, weights / weights.mean() if weighted else None)


def fit(network, samples, steps=30, **recipe):
    settings = {"batch_size": 5, "learning_rate": 0.05} | recipe
    train(
        network,
        samples,
        Recipe(**settings),
        first_step=0,
        steps=steps,
        total_steps=steps,
        order_seed=1,
    )
    return network.parameters


@pytest.mark.parametrize("loss", LOSSES)
def test_the_weighted_gradient_is_the_slope_of_the_weighted_loss(loss, central_difference):
    network, samples = build(loss), draw(loss)
    given = samples.inputs, samples.targets, samples.weights
    _, gradient = network.loss_and_gradients(*given)
    slope = central_difference(lambda: network.loss(*given), network.parameters)
    np.testing.assert_allclose(gradient, slope, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_weighted_loss_is_the_sum_of_each_samples_loss_by_its_weight(loss):
    network, samples = build(loss), draw(loss)
    alone = [
        network.loss_and_gradients(samples.inputs[[i]], samples.targets[[i]]) for i in range(N)
    ]
    losses = np.array([value for value, _ in alone])
    alone = [
        network.loss_and_gradients(samples.inputs[[i]], samples.targets[[i]])[1].copy()
        for i in range(N)
    ]
    value, gradient = network.loss_and_gradients(samples.inputs, samples.targets, samples.weights)
    weights = samples.weights.astype(float)
    assert value == pytest.approx(weights @ losses / N, rel=1e-12)
    np.testing.assert_allclose(gradient, weights @ np.array(alone) / N, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_of_one_give_the_loss_without_weights(loss):
    network, samples = build(loss), draw(loss, weighted=False)
    plain, gradient = network.loss_and_gradients(samples.inputs, samples.targets)
    gradient = gradient.copy()
    ones = np.ones(N, np.float32)
    value, weighted = network.loss_and_gradients(samples.inputs, samples.targets, ones)
    assert value == pytest.approx(plain, rel=1e-12)
    assert np.array_equal(weighted, gradient)


def test_class_weights_of_mean_1_are_those_of_torch():
    torch = pytest.importorskip("torch")
    network, samples = build(), draw(weighted=False)
    of_class = np.array([0.5, 1.0, 4.0])
    weights = of_class[samples.targets]
    criterion = torch.nn.CrossEntropyLoss(torch.tensor(of_class))
    scores = torch.tensor(np.log(network.output(samples.inputs)), requires_grad=True)
    theirs = criterion(scores, torch.tensor(samples.targets))
    value = network.loss(samples.inputs, samples.targets, weights / weights.mean())
    assert value == pytest.approx(theirs.item(), rel=1e-6)
    theirs.backward()
    deltas = np.empty((K, N))
    LOSSES["cross_entropy"].weighted_value_and_delta(
        scores.detach().numpy().T.copy(), samples.targets, weights / weights.mean(), deltas
    )
    np.testing.assert_allclose(deltas.T, scores.grad.numpy(), rtol=1e-6, atol=1e-9)


def test_an_evaluation_divides_by_the_sum_of_the_weights_as_scikit_learn_does():
    network, samples = build(), draw(n=40)
    samples = replace(samples, weights=5 * samples.weights)
    found = evaluate(network, samples, batch_size=7)
    expected = log_loss(
        samples.targets, network.output(samples.inputs), sample_weight=samples.weights
    )
    assert found.loss == pytest.approx(expected, rel=1e-6)
    plain = evaluate(network, replace(samples, weights=None))
    assert found.accuracy == plain.accuracy
    assert np.array_equal(found.output, plain.output)


def test_an_evaluation_is_made_from_the_losses_and_outputs_of_its_batches():
    network, samples = build(), draw(n=40)
    parts = [samples.subset(np.arange(start, min(start + 7, 40))) for start in range(0, 40, 7)]
    batches = [
        (network.loss(part.inputs, part.targets, part.weights), network.output(part.inputs))
        for part in parts
    ]
    found, expected = evaluation_of(samples, batches, 7), evaluate(network, samples, batch_size=7)
    assert (found.loss, found.accuracy) == (expected.loss, expected.accuracy)
    assert np.array_equal(found.output, expected.output)
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        evaluation_of(samples, batches[:-1], 7)


def test_a_sample_of_weight_0_trains_as_if_only_its_place_in_the_batch_were_taken():
    samples = draw()
    weights = samples.weights.copy()
    weights[::2] = 0
    other = samples.inputs.copy()
    other[::2] += 100
    first = fit(build(), Samples(samples.inputs, samples.targets, weights))
    assert np.array_equal(first, fit(build(), Samples(other, samples.targets, weights)))
    assert not np.array_equal(first, fit(build(), replace(samples, weights=None)))


def test_twice_the_weights_are_twice_the_learning_rate_of_plain_descent():
    samples = draw()
    doubled = replace(samples, weights=2 * samples.weights)
    one = fit(build(), samples, optimizer="sgd", learning_rate=0.1)
    two = fit(build(), doubled, optimizer="sgd", learning_rate=0.05)
    np.testing.assert_allclose(one, two, rtol=1e-9)


def test_the_weighted_gradient_is_what_is_clipped():
    samples = draw()
    heavy = replace(samples, weights=1024 * samples.weights)
    settings = {"optimizer": "sgd", "gradient_clip": 1e-3}
    np.testing.assert_allclose(
        fit(build(), samples, **settings), fit(build(), heavy, **settings), rtol=1e-9
    )


def test_threads_share_the_weights_of_a_batch():
    samples = draw(n=31)
    given = samples.inputs, samples.targets, samples.weights
    with DataParallel(build(), threads=3) as parallel:
        value, gradient = parallel.loss_and_gradients(*given)
        alone, expected = build().loss_and_gradients(*given)
        assert value == pytest.approx(alone, rel=1e-12)
        np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-14)
        assert parallel.loss(*given) == pytest.approx(alone, rel=1e-12)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2.0], r"weights must be one per sample, shape \(3,\); got shape \(2,\)"),
        ([[1.0], [2.0], [3.0]], r"shape \(3,\); got shape \(3, 1\)"),
        ([1.0, -2.0, 3.0], r"weights must be at least 0; got weights\[1\] = -2.0"),
        ([1.0, np.nan, 3.0], r"weights must be finite; got weights\[1\] = nan"),
        ([0, 0, 0], "weights must not all be 0"),
        (["a", "b", "c"], "weights"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        Samples(np.zeros((3, 4)), np.zeros(3, int), weights)


def test_weights_are_kept_in_float32():
    assert Samples(np.zeros((2, 4)), np.zeros(2, int), [1, 2]).weights.dtype == np.float32
