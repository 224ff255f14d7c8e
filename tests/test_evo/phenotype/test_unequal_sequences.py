"""Sequences of unequal length in one batch, against each sequence alone, finite differences and PyTorch."""

import re
from dataclasses import replace

import numpy as np
import pytest

from cnn import HiddenLayer, Network, Recipe, Samples, SoftmaxLayer, evaluate, train
from cnn.dropout import Dropout
from cnn.readings import chosen_readings, weights_of_readings
from evo import Genome, NeuroevolutionSettings, Phenotype, neuroevolve, to_torch
from evo.genome.activations import activation_name

LENGTHS = np.array([3, 6, 1, 4, 6, 2])
TICKS = 6


def draw(seed, dtype=np.float64, ticks=TICKS, **options):
    """Draw a network with cycles: three inputs, two outputs that other nodes read."""
    rng, n = np.random.default_rng(seed), 12
    matrix = (rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.5) / 2).astype(dtype)
    names = rng.choice(["tanh", "sigmoid", "gelu", "sine", "relu"], size=n).tolist()
    known = {"activation": names, "bias": rng.normal(size=n)} | options
    return Genome.from_matrix(matrix, n_inputs=3, n_outputs=2, ticks=ticks, **known)


def batch(seed, lengths=LENGTHS, ticks=TICKS, dtype=np.float64):
    """Return inputs with noise as padding."""
    return np.random.default_rng(seed).normal(size=(len(lengths), ticks, 3)).astype(dtype)


def last_readings(lengths=LENGTHS):
    return np.stack([np.arange(len(lengths)), lengths - 1])


def all_readings(lengths=LENGTHS, every=1):
    pairs = [(b, t) for b, n in enumerate(lengths) for t in range((n - 1) % every, n, every)]
    return np.array(pairs).T


def draw_maps(any_map_genome, seed):
    """Draw a network of maps with cycles and its inputs. Those of even seeds have maps that a convolution computes."""
    of_convolutions = {"n": 24, "map_sizes": (1, 6), "density": 1.0}
    kind = {"n": 16, "map_sizes": (1, 2, 3, 6)} if seed % 2 else of_convolutions
    rng = np.random.default_rng(seed)
    genome = any_map_genome(rng, ticks=TICKS, threshold=0.03, **kind)
    genome = genome.with_values(0.1 * genome.values, genome.bias)
    return genome, rng.normal(size=(len(LENGTHS), TICKS, genome.n_features))


def alone(genome, inputs, sample, tick, **options):
    """Return the network that runs as long as one reading, and the sequence up to this reading."""
    network = Phenotype(replace(genome, ticks=tick + 1), "squared_error", **options)
    return network, inputs[sample : sample + 1, : tick + 1]


READINGS = {"last": last_readings(), "every": all_readings(), "second": all_readings(every=2)}


@pytest.mark.parametrize("kind", READINGS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_output_is_that_of_the_sequence_alone_with_its_own_ticks(kind, seed):
    genome, inputs, readings = draw(seed), batch(seed), READINGS[kind]
    output = Phenotype(genome, "squared_error").output(inputs, readings)
    for found, sample, tick in zip(output, *readings.tolist(), strict=True):
        network, sequence = alone(genome, inputs, sample, tick)
        np.testing.assert_allclose(network.output(sequence)[0], found, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", READINGS)
def test_maps_read_sequences_and_learn_from_them_as_from_each_sequence_alone(any_map_genome, kind):
    readings = READINGS[kind]
    for seed in range(4):
        genome, inputs = draw_maps(any_map_genome, seed)
        network = Phenotype(genome, "squared_error")
        assert bool(network.plan.convolutions) == (seed % 2 == 0)
        output = network.output(inputs, readings)
        targets = output + np.random.default_rng(0).normal(size=output.shape)
        _, gradient = network.loss_and_gradients(inputs, targets, readings=readings)
        total, counts = np.zeros(genome.n_stored + genome.n_nodes), np.bincount(readings[0])
        for found, target, sample, tick in zip(output, targets, *readings.tolist(), strict=True):
            one, sequence = alone(genome, inputs, sample, tick)
            np.testing.assert_allclose(one.output(sequence)[0], found, rtol=1e-9, atol=1e-11)
            _, own = one.loss_and_gradients(sequence, target[np.newaxis])
            total += one.spread(own[np.newaxis])[0] / counts[sample] / len(LENGTHS)
        np.testing.assert_allclose(
            network.spread(gradient[np.newaxis])[0], total, rtol=1e-8, atol=1e-10
        )


@pytest.mark.parametrize("kind", READINGS)
def test_the_loss_of_a_sequence_is_the_mean_over_its_readings(kind):
    genome, inputs, readings = draw(3), batch(3), READINGS[kind]
    rng = np.random.default_rng(0)
    targets, weights = rng.normal(size=(readings.shape[1], 2)), rng.random(len(LENGTHS))
    network = Phenotype(genome, "squared_error")
    errors = 0.5 * np.square(network.output(inputs, readings) - targets).sum(axis=1)
    of_samples = [errors[readings[0] == b].mean() for b in range(len(LENGTHS))]
    assert network.loss(inputs, targets, readings=readings) == pytest.approx(np.mean(of_samples))
    expected = (weights * of_samples).sum() / len(LENGTHS)
    assert network.loss(inputs, targets, weights, readings) == pytest.approx(expected)
    assert network.loss_and_output(inputs, targets, weights, readings)[0] == pytest.approx(expected)


def test_readings_may_have_weights_of_their_own():
    genome, inputs, readings = draw(3), batch(3), READINGS["every"]
    rng, n = np.random.default_rng(0), readings.shape[1]
    targets, weights = rng.normal(size=(n, 2)), rng.random(n).astype(np.float32)
    network = Phenotype(genome, "squared_error")
    errors = 0.5 * np.square(network.output(inputs, readings) - targets).sum(axis=1)
    counts = np.bincount(readings[0])
    of_samples = np.bincount(readings[0], weights * errors) / counts
    loss, gradient = network.loss_and_gradients(inputs, targets, weights, readings=readings)
    gradient = gradient.copy()
    assert loss == pytest.approx(of_samples.mean(), rel=1e-6)
    total = np.zeros_like(gradient)
    for half in (np.arange(n) % 2 == 0, np.arange(n) % 2 == 1):
        part = np.where(half, weights, 0)
        total += network.loss_and_gradients(inputs, targets, part, readings=readings)[1]
    np.testing.assert_allclose(gradient, total, rtol=1e-6, atol=1e-9)
    samples = Samples(inputs, targets, weights, readings)
    of_weights = np.bincount(readings[0], weights) / counts
    for batch_size in (2, 6):  # batches of readings of some samples
        found = evaluate(network, samples, batch_size=batch_size).loss
        assert found == pytest.approx(of_samples.sum() / of_weights.sum(), rel=1e-6)
    chosen = np.array([3, 1, 3])
    part = samples.subset(chosen)
    expected = of_samples[chosen].sum() / of_weights[chosen].sum()
    assert evaluate(network, part).loss == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ValueError, match="weights must be one per sample"):
        Samples(inputs, targets, weights[:-1], readings)


def test_training_by_weights_of_readings_that_are_those_of_their_samples_has_the_same_bits():
    genome, inputs, readings = draw(3), batch(3), READINGS["every"]
    rng = np.random.default_rng(0)
    targets, weights = rng.normal(size=(readings.shape[1], 2)), rng.random(6).astype(np.float32)
    trained = []
    for given in (weights, weights[readings[0]]):
        network = Phenotype(genome, "squared_error")
        samples = Samples(inputs, targets, given, readings)
        train(
            network,
            samples,
            Recipe(batch_size=4),
            first_step=0,
            steps=6,
            total_steps=6,
            order_seed=1,
        )
        trained.append(network.parameters.copy())
    np.testing.assert_array_equal(*trained)


@pytest.mark.parametrize("kind", READINGS)
def test_the_gradient_is_the_sum_of_those_of_each_sequence_alone(kind):
    genome, inputs, readings = draw(4), batch(4), READINGS[kind]
    targets = np.random.default_rng(0).normal(size=(readings.shape[1], 2))
    network = Phenotype(genome, "squared_error")
    _, gradient = network.loss_and_gradients(inputs, targets, readings=readings)
    total = np.zeros(genome.n_stored + genome.n_nodes)
    counts = np.bincount(readings[0])
    for target, sample, tick in zip(targets, *readings.tolist(), strict=True):
        one, sequence = alone(genome, inputs, sample, tick)
        _, own = one.loss_and_gradients(sequence, target[np.newaxis])
        total += one.spread(own[np.newaxis])[0] / counts[sample] / len(LENGTHS)
    np.testing.assert_allclose(
        network.spread(gradient[np.newaxis])[0], total, rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize(
    ("loss", "kind", "weighted", "options"),
    [
        ("squared_error", "last", True, {}),
        ("squared_error", "every", False, {}),
        ("cross_entropy", "second", True, {}),
        ("cross_entropy", "every", False, {"label_smoothing": 0.2}),
        ("cross_entropy", "every", False, {"dropout": Dropout(0.4, np.arange(6, dtype=np.uint32))}),
    ],
)
def test_gradients_equal_central_differences(loss, kind, weighted, options):
    genome, inputs, readings = draw(5), batch(5), READINGS[kind]
    network, rng = Phenotype(genome, loss), np.random.default_rng(1)
    n = readings.shape[1]
    targets = rng.integers(0, 2, n) if loss == "cross_entropy" else rng.normal(size=(n, 2))
    weights = rng.random(len(LENGTHS)) if weighted else None

    def value_and_gradient():
        return network.loss_and_gradients(inputs, targets, weights, readings=readings, **options)

    gradient = value_and_gradient()[1].copy()
    for k, value in enumerate(network.parameters.copy()):
        network.parameters[k] = value + 1e-6
        above = value_and_gradient()[0]
        network.parameters[k] = value - 1e-6
        numeric = (above - value_and_gradient()[0]) / 2e-6
        network.parameters[k] = value
        assert gradient[k] == pytest.approx(numeric, rel=2e-6, abs=3e-8)


def test_gradients_at_places_are_those_of_edges_of_weight_0():
    genome, inputs, readings = draw(6), batch(6), all_readings(every=2)
    targets = np.random.default_rng(0).normal(size=(readings.shape[1], 2))
    sources, to = np.nonzero(genome.to_dense()[:, 3:] == 0)
    to += 3
    found = Phenotype(genome, "squared_error").gradients_at(
        sources, to, inputs, targets, readings=readings
    )
    for gradient, i, j in zip(found, sources, to, strict=True):
        matrix = genome.to_dense()
        losses = []
        for weight in (1e-6, -1e-6):
            matrix[i, j] = weight
            network = Phenotype(
                Genome.from_matrix(
                    matrix,
                    n_inputs=3,
                    n_outputs=2,
                    ticks=TICKS,
                    bias=genome.bias,
                    activation=[*map(activation_name, genome.activations)],
                ),
                "squared_error",
            )
            losses.append(network.loss(inputs, targets, readings=readings))
        assert gradient == pytest.approx((losses[0] - losses[1]) / 2e-6, rel=2e-6, abs=3e-8)


def test_gradients_at_taps_equal_central_differences(any_map_genome):
    genome, inputs = draw_maps(any_map_genome, 1)
    genome, readings = replace(genome, threshold=None), all_readings(every=2)
    targets = np.random.default_rng(0).normal(size=(readings.shape[1], 2))
    entries = np.random.default_rng(1).choice(genome.n_stored, 12, replace=False)
    places = genome.indices[entries], genome.targets[entries]
    found = Phenotype(genome, "squared_error").gradients_at(
        *places, inputs, targets, genome.taps[entries], readings=readings
    )
    assert np.count_nonzero(found) > 6
    for entry, gradient in zip(entries, found, strict=True):
        losses = []
        for step in (1e-5, -1e-5):
            values = genome.values.copy()
            values[entry] += step
            network = Phenotype(genome.with_values(values, genome.bias), "squared_error")
            losses.append(network.loss(inputs, targets, readings=readings))
        assert gradient == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-4, abs=1e-8)


def test_without_unequal_lengths_all_is_as_without_readings():
    genome = draw(7)
    inputs, targets = batch(7), np.random.default_rng(0).normal(size=(6, 2))
    network = Phenotype(genome, "squared_error")
    value, gradient = network.loss_and_gradients(inputs, targets)
    expected = value, gradient.copy()
    readings = last_readings(np.full(6, TICKS))
    found = network.loss_and_gradients(inputs, targets, readings=readings)
    assert found[0] == expected[0]
    np.testing.assert_array_equal(found[1], expected[1])


def test_neither_padding_nor_the_batch_changes_a_sequence():
    genome, inputs, readings = draw(8, np.float32), batch(8, dtype=np.float32), last_readings()
    network = Phenotype(genome, "squared_error")
    targets = np.zeros((6, 2))
    before = network.output(inputs, readings)
    gradient = network.loss_and_gradients(inputs, targets, readings=readings)[1].copy()
    for b, n in enumerate(LENGTHS):
        inputs[b, n:] = 1e6
    np.testing.assert_array_equal(network.output(inputs, readings), before)
    after = network.loss_and_gradients(inputs, targets, readings=readings)[1]
    np.testing.assert_array_equal(after, gradient)
    some = np.array([3, 0])
    of_some, _ = chosen_readings(readings, some)
    np.testing.assert_allclose(network.output(inputs[some], of_some), before[some], rtol=1e-5)


def growing(map_size):
    """Return a network whose state grows tenfold at each tick, two sequences of 3 and 60 ticks, and their readings.

    After 60 ticks the state of the first is beyond float32; the second is all zeros.
    """
    matrix = np.array([[0, 1, 0], [0, 10, 1], [0, 0, 0]], np.float32)
    genome = Genome.from_matrix(matrix, n_inputs=1, n_outputs=1, ticks=60, activation="identity")
    if map_size > 1:  # the same for each pixel, of which the output reads the first
        of_maps = {"map_sizes": np.array([2, 2, 1], np.int32), "kernel": 3}
        genome = replace(genome, taps=np.array([4, 4, 0], np.uint16), **of_maps)
    inputs = np.zeros((2, 60, map_size**2), np.float32)
    inputs[0, 0, 0] = 1
    return genome, inputs, np.array([[0, 1], [2, 59]])


# o = w (r² x) with r = 10, w = x = 1: ∂E/∂w = o · 100, ∂E/∂r = o · 2 r, ∂E/∂v = o · 100, halved by the mean.
OF_GROWING = [100 * 100 / 2, 100 * 20 / 2, 100 * 100 / 2]


@pytest.mark.parametrize("map_size", [1, 2])
def test_short_sequences_do_not_overflow_while_long_ones_go_on(map_size):
    genome, inputs, readings = growing(map_size)
    network = Phenotype(genome, "squared_error")
    value, gradient = network.loss_and_gradients(inputs, np.zeros((2, 1)), readings=readings)
    assert value == 0.5 * 100**2 / 2
    assert gradient[:3].tolist() == pytest.approx(OF_GROWING)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("map_size", [1, 2])
def test_short_sequences_do_not_overflow_in_pytorch_either(map_size):
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")
    genome, inputs, readings = growing(map_size)
    module = to_torch(genome)
    scores = module(torch.tensor(inputs), torch.tensor(readings))
    assert scores.tolist() == [[100], [0]]
    (0.5 * scores.square().sum() / 2).backward()
    assert module.weights.grad.tolist() == pytest.approx(OF_GROWING)
    assert torch.isfinite(module.bias.grad).all()


@pytest.mark.parametrize(
    "readings", [[[0, 1], [2, 60]], [[0, 0], [2, 3]], [[1, 0], [2, 3]], [[0.0, 1.0], [2, 3]]]
)
def test_pytorch_refuses_readings_as_we_do(readings):
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")
    genome, inputs, _ = growing(map_size=1)
    with pytest.raises(ValueError, match=r"^readings must ") as ours:
        Phenotype(genome).output(inputs, np.array(readings))
    with pytest.raises(ValueError, match=r"^readings must ") as theirs:
        to_torch(genome)(torch.tensor(inputs), torch.from_numpy(np.array(readings)))
    assert str(theirs.value) == str(ours.value)


def test_dormant_entries_learn_from_sequences_too():
    genome = draw(9, threshold=0.3)
    inputs, readings = batch(9), all_readings()
    targets = np.zeros((readings.shape[1], 2))
    learning = Phenotype(genome, "squared_error", dormant="straight_through")
    frozen = Phenotype(genome, "squared_error")
    results = [
        network.loss_and_gradients(inputs, targets, readings=readings)
        for network in (learning, frozen)
    ]
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-12)
    of_places = [
        network.spread(gradient[np.newaxis])[0]
        for network, (_, gradient) in zip((learning, frozen), results, strict=True)
    ]
    active = of_places[1] != 0
    np.testing.assert_allclose(of_places[0][active], of_places[1][active], rtol=1e-9)
    assert np.count_nonzero(of_places[0]) > np.count_nonzero(of_places[1])


def parity(rng, n):
    """Return sequences of 2 to 6 bits, and the parity of all bits so far at each step."""
    lengths = rng.integers(2, 7, n)
    bits = rng.integers(0, 2, (n, TICKS))
    inputs = np.where(np.arange(TICKS) < lengths[:, None], 2.0 * bits - 1, 0)[..., None]
    return inputs.astype(np.float32), np.cumsum(bits, axis=1) % 2, lengths


def test_training_and_evaluation_read_what_the_readings_say():
    rng = np.random.default_rng(0)
    inputs, so_far, lengths = parity(rng, 300)
    readings = all_readings(lengths)
    samples = Samples(inputs, so_far[readings[0], readings[1]], readings=readings)
    matrix = rng.normal(size=(17, 17)).astype(np.float32) / 4
    network = Phenotype(Genome.from_matrix(matrix, n_inputs=1, n_outputs=2, ticks=TICKS))
    recipe = Recipe(optimizer="adam", learning_rate=0.03, batch_size=50)
    report = train(network, samples, recipe, first_step=0, steps=250, total_steps=250, order_seed=0)
    result = evaluate(network, samples, batch_size=64)
    assert report.status == "ok"
    assert result.accuracy == 1.0
    assert result.output.shape == (readings.shape[1], 2)
    hits = (network.output(inputs, readings).argmax(axis=1) == samples.targets).mean()
    assert result.accuracy == hits
    assert result.loss == pytest.approx(
        network.loss(inputs, samples.targets, readings=readings), rel=1e-5
    )


def test_two_phases_of_training_have_the_bits_of_one():
    inputs, so_far, lengths = parity(np.random.default_rng(1), 60)
    readings = last_readings(lengths)
    samples = Samples(inputs, so_far[readings[0], readings[1]], readings=readings)
    recipe, parameters = Recipe(optimizer="adam", learning_rate=0.03, batch_size=20), []
    for phases in ([20], [7, 13]):
        matrix = np.random.default_rng(0).normal(size=(9, 9)).astype(np.float32) / 4
        network = Phenotype(Genome.from_matrix(matrix, n_inputs=1, n_outputs=2, ticks=TICKS))
        state, first = None, 0
        for steps in phases:
            report = train(
                network,
                samples,
                recipe,
                first_step=first,
                steps=steps,
                total_steps=20,
                order_seed=0,
                state=state,
            )
            state, first = report.state, first + steps
        parameters.append(network.parameters.copy())
    np.testing.assert_array_equal(*parameters)


def test_chosen_samples_keep_their_readings_and_targets():
    rng = np.random.default_rng(2)
    readings = all_readings(every=2)
    targets = rng.normal(size=(readings.shape[1], 1))
    samples = Samples(batch(2), targets, np.arange(1.0, 7), readings)
    chosen = np.array([4, 0, 4, 2])
    some = samples.subset(chosen)
    pairs = [
        (k, tick, targets[r, 0])
        for k, b in enumerate(chosen)
        for r, (sample, tick) in enumerate(readings.T.tolist())
        if sample == b
    ]
    found = [*zip(*some.readings.tolist(), some.targets[:, 0].tolist(), strict=True)]
    assert found == pairs
    assert some.weights.tolist() == [5, 1, 5, 3]


def test_readings_of_one_each_leave_the_weights_as_they_are():
    weights = np.array([1.0, 2.0], np.float32)
    one_each = np.array([[0, 1], [4, 2]])
    assert weights_of_readings(one_each, weights, 2) is weights
    assert weights_of_readings(one_each, None, 2) is None
    two = np.array([[0, 0, 1], [0, 1, 1]])
    assert weights_of_readings(two, None, 2).tolist() == [0.75, 0.75, 1.5]


X = np.zeros((2, 3, 1))


@pytest.mark.parametrize(
    ("inputs", "targets", "readings", "message"),
    [
        (X, [0], [[0], [1]], "readings must name each of the 2 samples; got 1 samples from 0 to 0"),
        (X, [0, 0], [[0, 2], [1, 1]], "readings must name each of the 2 samples"),
        (X, [0, 0], [[0, 1], [1, 3]], "readings must lie in the ticks 0 … 2; got 1 to 3"),
        (X, [0, 0, 0], [[0, 0, 1], [1, 1, 0]], "readings must be different and in ascending order"),
        (X, [0, 0, 0], [[0, 1, 0], [1, 1, 2]], "readings must be different and in ascending order"),
        (X, [0, 0], [[0, 0, 1], [0, 1, 0]], "targets must be one per reading (3); got 2"),
        (X, [0, 0], [[0.0, 1], [1, 1]], "readings must be integers of shape (2, n_readings)"),
        (X[..., 0], [0, 0], [[0, 1], [1, 1]], "inputs must have shape (n, ticks, features)"),
    ],
)
def test_readings_that_do_not_fit_are_refused(inputs, targets, readings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Samples(inputs, np.array(targets), readings=np.array(readings))


def test_networks_that_read_no_sequences_say_so():
    samples = Samples(X, np.array([0, 1]), readings=np.array([[0, 1], [2, 1]]))
    layers = Network([HiddenLayer(2), SoftmaxLayer(2)], (3,), rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"samples must have no readings for .* such as Network"):
        evaluate(layers, samples)
    with pytest.raises(ValueError, match="samples must have no readings in neuroevolution"):
        neuroevolve(samples, NeuroevolutionSettings(), seed=0)
    constant = Phenotype(Genome.from_matrix(np.ones((5, 5)), n_inputs=3, n_outputs=2, ticks=4))
    message = "samples: inputs must have 4 ticks of 3 features, 12 numbers a sequence; got 3"
    with pytest.raises(ValueError, match=message):
        evaluate(constant, samples)


def test_the_loss_and_the_gradient_are_those_of_pytorch():
    torch = pytest.importorskip(
        "torch", reason="PyTorch is the peer here: pip install -e '.[bench]'"
    )
    genome = draw(10, activation="tanh")
    inputs, readings = batch(10), all_readings(every=2)
    labels = np.random.default_rng(0).integers(0, 2, readings.shape[1])
    dense = torch.tensor(genome.to_dense(), requires_grad=True)
    bias = torch.tensor(genome.bias.copy(), requires_grad=True)
    x, n = torch.tensor(inputs), genome.n_nodes
    before = [*x[:, 0].T, *[torch.zeros(6, dtype=x.dtype)] * (n - 3)]
    scores = []
    for tick in range(TICKS):
        now = [*x[:, tick].T]
        for j in range(3, n):
            net = dense[:, j] @ torch.stack([*now[:j], *before[j:]]) + bias[j]
            now.append(net if j >= n - 2 else torch.tanh(net))
        scores.append(torch.stack(now[-2:]).T)
        before = now
    at = torch.stack(scores)[readings[1], readings[0]]
    losses = torch.nn.functional.cross_entropy(at, torch.tensor(labels), reduction="none")
    loss = sum(losses[readings[0] == b].mean() for b in range(6)) / 6
    loss.backward()
    network = Phenotype(genome)
    value, gradient = network.loss_and_gradients(inputs, labels, readings=readings)
    assert value == pytest.approx(loss.item(), rel=1e-10)
    sources, targets = genome.indices[network.plan.entries], genome.targets[network.plan.entries]
    np.testing.assert_allclose(
        gradient[: network.n_edges], dense.grad.numpy()[sources, targets], rtol=1e-8, atol=1e-11
    )
    np.testing.assert_allclose(
        gradient[network.n_edges :], bias.grad.numpy()[network.plan.nodes], rtol=1e-8, atol=1e-11
    )
