"""Shares of a batch on threads give the whole batch's loss, gradient and output."""

import numpy as np
import pytest

from cnn import DataParallel, Network, Recipe, Samples, small_cnn, train


def network(dtype=np.float64):
    return small_cnn((8, 8), 10, rng=np.random.default_rng(3), dtype=dtype)


@pytest.fixture
def batch(rng):
    return rng.standard_normal((13, 8, 8)), rng.integers(0, 10, 13)


@pytest.mark.parametrize("threads", [1, 2, 3, 20])
def test_threads_change_nothing_but_rounding(threads, batch):
    whole = network()
    loss, gradient = whole.loss_and_gradients(*batch)
    with DataParallel(network(), threads) as parallel:
        shared_loss, shared_gradient = parallel.loss_and_gradients(*batch)
        assert shared_loss == pytest.approx(loss, rel=1e-12)
        np.testing.assert_allclose(shared_gradient, gradient, rtol=1e-9, atol=1e-14)
        assert parallel.loss(*batch) == pytest.approx(loss, rel=1e-12)
        np.testing.assert_allclose(parallel.output(batch[0]), whole.output(batch[0]), rtol=1e-12)


def trained(threads, rng_seed=5):
    data = np.random.default_rng(rng_seed)
    samples = Samples(data.random((100, 8, 8), np.float32), data.integers(0, 10, 100))
    with DataParallel(network(np.float32), threads) as parallel:
        report = train(
            parallel,
            samples,
            Recipe(batch_size=25),
            first_step=0,
            steps=30,
            total_steps=30,
            order_seed=np.random.SeedSequence(1),
        )
        assert report.status == "ok"
        return parallel.parameters.copy()


def test_the_same_number_of_threads_gives_the_same_bits():
    assert np.array_equal(trained(2), trained(2))


def test_it_trains_the_network_it_was_given():
    given = network()
    with DataParallel(given) as parallel:
        assert parallel.parameters is given.parameters
        assert (parallel.parameter_count, parallel.macs) == (given.parameter_count, given.macs)
    assert isinstance(given, Network)


def test_a_twin_shares_parameters_and_nothing_else(batch):
    given = network()
    twin = given.twin()
    _, gradient = given.loss_and_gradients(*batch)
    before = gradient.copy()
    twin.parameters += 0.1
    assert given.parameters is twin.parameters
    _, other = twin.loss_and_gradients(*batch)
    assert np.array_equal(gradient, before)
    assert not np.array_equal(other, before)
    mine = [buffer for layer in given.layers for buffer in layer._buffers.values()]
    theirs = [buffer for layer in twin.layers for buffer in layer._buffers.values()]
    assert not any(np.shares_memory(a, b) for a in mine for b in theirs)


def test_an_error_in_a_share_is_raised(batch):
    inputs, targets = batch
    with DataParallel(network()) as parallel, pytest.raises(ValueError, match="inputs must have"):
        parallel.loss_and_gradients(inputs[:, :7], targets)


def test_no_threads_are_refused():
    with pytest.raises(ValueError, match="threads must be at least 1; got 0"):
        DataParallel(network(), 0)


def test_it_predicts_and_is_described_like_its_network(batch):
    whole = network()
    samples = Samples(*batch)
    with DataParallel(network(), 3) as parallel:
        np.testing.assert_array_equal(parallel.predict(batch[0]), whole.predict(batch[0]))
        assert parallel.summary() == whole.summary()
        assert parallel.output_shape == whole.output_shape
        parallel.check_samples(samples)
        with pytest.raises(
            ValueError, match=r"validation: targets must be classes 0 … 9; got targets"
        ):
            parallel.check_samples(Samples(batch[0], batch[1] + 10), "validation")
        np.testing.assert_array_equal(
            parallel.predict(batch[0].tolist()), whole.predict(batch[0].tolist())
        )


@pytest.mark.parametrize("threads", [1, 2, 20])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda inputs, targets: (inputs, np.append(targets, 0)),
        lambda inputs, targets: (inputs, targets[:-1]),
        lambda inputs, targets: (inputs[:0], targets[:0]),
        lambda inputs, targets: (inputs[:0], targets),
        lambda inputs, targets: (inputs, np.append(targets[:-1], 10)),
        lambda inputs, targets: (inputs, targets.astype(float)),
        lambda inputs, targets: (inputs[:, :7], targets),
        lambda inputs, targets: (inputs.astype(complex), targets),
        lambda inputs, targets: (1.0, targets),
        lambda inputs, targets: ([[1.0], [1.0, 2.0]], targets),
    ],
)
def test_its_refusals_are_those_of_its_network(spoil, threads, batch):
    spoiled, whole = spoil(*batch), network()
    with DataParallel(network(), threads) as parallel:
        for method in ("loss", "loss_and_gradients"):
            with pytest.raises(ValueError, match=r".") as expected:
                getattr(whole, method)(*spoiled)
            with pytest.raises(ValueError, match=r".") as caught:
                getattr(parallel, method)(*spoiled)
            assert str(caught.value) == str(expected.value)
        with pytest.raises(ValueError, match="inputs must hold at least one sample; got 0"):
            parallel.predict(batch[0][:0])
        assert parallel.loss(*batch) == pytest.approx(whole.loss(*batch))
