import numpy as np
import pytest
import sklearn.datasets

from cnn import (
    ACTIVATIONS,
    LOSSES,
    ConvolutionLayer,
    HiddenLayer,
    Network,
    PoolingLayer,
    RasterizationLayer,
    Recipe,
    Samples,
    SoftmaxLayer,
    evaluate,
    small_cnn,
    train,
)
from cnn.training.losses import LOSSES as REGISTRY


def data(rng, loss, n=4, shape=(6, 5), k=3):
    inputs = rng.normal(size=(n, *shape))
    if REGISTRY[loss].target_kind == "classes":
        return inputs, rng.integers(k, size=n)
    return inputs, rng.normal(size=(n, k))


@pytest.mark.parametrize("pooling", ["max", "trainable"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_is_the_slope_of_the_loss(loss, activation, pooling, rng, central_difference):
    network = small_cnn(
        (6, 5),
        3,
        rng=rng,
        maps=2,
        hidden=4,
        activation=activation,
        pooling=pooling,
        loss=loss,
        dtype=np.float64,
    )
    inputs, targets = data(rng, loss)
    value, gradient = network.loss_and_gradients(inputs, targets)
    assert value == network.loss(inputs, targets)
    slopes = central_difference(lambda: network.loss(inputs, targets), network.parameters)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-8)
    assert np.abs(slopes).max() > 1e-3


def test_two_convolutions_and_poolings_still_have_the_right_gradient(rng, central_difference):
    layers = [
        ConvolutionLayer(2, 3),
        PoolingLayer("mean", "drop"),
        ConvolutionLayer(3, 2, "sigmoid"),
        PoolingLayer("gaussian"),
        RasterizationLayer(),
        SoftmaxLayer(3),
    ]
    network = Network(layers, (2, 9, 8), rng=rng, dtype=np.float64)
    inputs, targets = data(rng, "cross_entropy", shape=(2, 9, 8))
    _, gradient = network.loss_and_gradients(inputs, targets)
    slopes = central_difference(lambda: network.loss(inputs, targets), network.parameters)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-9)


def test_layers_without_parameters_may_come_first(rng, central_difference):
    layers = [PoolingLayer(), RasterizationLayer(), HiddenLayer(3), SoftmaxLayer(2)]
    network = Network(layers, (5, 4), rng=rng, dtype=np.float64)
    inputs, targets = data(rng, "cross_entropy", shape=(5, 4), k=2)
    _, gradient = network.loss_and_gradients(inputs, targets)
    slopes = central_difference(lambda: network.loss(inputs, targets), network.parameters)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-9)


def test_squared_error_of_sigmoid_outputs_is_the_documents_mlp(rng):
    """δ_Y = (o − t) ∘ φ'(n), δ_Q = (Θ_Rᵀ δ_R) ∘ φ'(n_Q) (S3)."""
    hidden, last = HiddenLayer(4, "tanh"), HiddenLayer(2, "sigmoid")
    network = Network([hidden, last], (3,), "squared_error", rng=rng, dtype=np.float64)
    x, t = rng.normal(size=(3, 1)), rng.normal(size=(2, 1))
    _, gradient = network.loss_and_gradients(x.T, t.T)

    q = np.tanh(hidden.weights @ x)
    o = 1 / (1 + np.exp(-(last.weights @ q)))
    delta_y = (o - t) * o * (1 - o)
    delta_q = (last.weights.T @ delta_y) * (1 - q**2)
    expected = [delta_q @ x.T, delta_q, delta_y @ q.T, delta_y]
    np.testing.assert_allclose(gradient, np.concatenate([part.ravel() for part in expected]))


def test_layers_hold_views_of_one_vector(rng):
    network = small_cnn((6, 6), 3, rng=rng, maps=2, hidden=4)
    inputs = rng.random((2, 6, 6), np.float32)
    assert network.parameters.size == sum(layer.parameter_count for layer in network.layers)
    network.parameters[:] = 0
    np.testing.assert_allclose(network.output(inputs), 1 / 3, rtol=1e-6)
    network.layers[-1].bias[0] = 50
    assert network.parameters[-3] == 50
    np.testing.assert_array_equal(network.predict(inputs), [0, 0])


def test_outputs_are_probabilities_samples_first_and_the_callers_own(rng):
    network = small_cnn((6, 6), 3, rng=rng)
    inputs = rng.random((5, 6, 6), np.float32)
    output = network.output(inputs)
    assert output.shape == (5, 3)
    assert output.flags.c_contiguous
    np.testing.assert_allclose(output.sum(axis=1), 1, rtol=1e-6)
    kept = output.copy()
    network.output(inputs[::-1])
    np.testing.assert_array_equal(output, kept)
    np.testing.assert_array_equal(network.predict(inputs), output.argmax(axis=1))


def test_a_single_map_may_be_written_with_or_without_its_axis(rng):
    inputs = rng.random((2, 6, 7), np.float32)
    for shape in ((6, 7), (1, 6, 7)):
        network = small_cnn(shape, 3, rng=np.random.default_rng(0))
        np.testing.assert_array_equal(network.output(inputs), network.output(inputs[:, np.newaxis]))


def test_the_axes_of_an_image_arrive_in_order(rng):
    network = Network([RasterizationLayer(), HiddenLayer(24, "identity")], (2, 3, 4),
                      "squared_error", rng=rng)  # fmt: skip
    network.layers[1].weights[...] = np.eye(24)
    inputs = rng.random((5, 2, 3, 4), np.float32)
    np.testing.assert_array_equal(network.output(inputs), inputs.reshape(5, 24))
    np.testing.assert_array_equal(network.predict(inputs), inputs.reshape(5, 24))


@pytest.mark.parametrize("shape", [(6, 6), (3, 5, 6), (30,)])
def test_inputs_of_another_shape_are_refused(shape, rng):
    network = small_cnn((5, 6), 3, rng=rng)
    with pytest.raises(ValueError, match=r"inputs must have the shape \(n, 5, 6\)"):
        network.output(np.zeros((2, *shape), np.float32))


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        ("cross_entropy", np.zeros((2, 3))),
        ("cross_entropy", np.zeros(2)),
        ("squared_error", np.zeros(2, int)),
        ("squared_error", np.zeros((2, 4))),
    ],
)
def test_targets_that_do_not_suit_the_loss_are_refused(loss, targets, rng):
    network = small_cnn((5, 6), 3, rng=rng, loss=loss)
    with pytest.raises(ValueError, match="targets must be"):
        network.loss(np.zeros((2, 5, 6), np.float32), targets)


@pytest.mark.parametrize(
    ("layers", "options", "message"),
    [
        ([HiddenLayer(3)], {}, "must have a SoftmaxLayer at the end, and only there"),
        ([SoftmaxLayer(3), SoftmaxLayer(3)], {}, "and only there"),
        ([SoftmaxLayer(3)], {"loss": "squared_error"}, "must have no SoftmaxLayer"),
        ([SoftmaxLayer(3)], {"loss": "hinge"}, "loss must be one of cross_entropy"),
        ([SoftmaxLayer(3)], {"dtype": np.float16}, "dtype must be float32 or float64"),
        ([], {}, "at least one layer"),
    ],
)
def test_layers_that_do_not_suit_the_loss_are_refused(layers, options, message, rng):
    with pytest.raises(ValueError, match=message):
        Network(layers, (4,), rng=rng, **options)


def test_a_network_must_end_in_vectors(rng):
    with pytest.raises(ValueError, match="must be vectors"):
        Network([ConvolutionLayer(1, 2)], (3, 3), "squared_error", rng=rng)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((64,), "images must have the shape"), ((8, 2), "as large as the 3×3 kernel")],
)
def test_small_cnn_names_what_it_needs(shape, message, rng):
    with pytest.raises(ValueError, match=message):
        small_cnn(shape, 10, rng=rng)


def test_lenet_5_has_its_published_size(rng):
    layers = [
        ConvolutionLayer(6, 5),
        PoolingLayer(),
        ConvolutionLayer(16, 5),
        PoolingLayer(),
        RasterizationLayer(),
        HiddenLayer(120),
        HiddenLayer(84),
        SoftmaxLayer(10),
    ]
    network = Network(layers, (32, 32), rng=rng)
    assert network.parameter_count == 61_706
    assert network.macs == 416_520
    assert network.output_shape == (10,)
    *_, totals, memory = network.summary().splitlines()
    assert totals.split() == ["total", "61,706", "416,520"]
    assert memory == "241.0 KiB of float32 parameters"


def digits():
    digits = sklearn.datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    samples = Samples((digits.images[order] / 16).astype(np.float32), digits.target[order])
    return [Samples(samples.inputs[part], samples.targets[part])
            for part in (slice(None, -360), slice(-360, None))]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_a_small_cnn_learns_handwritten_digits(seed):
    training, test = digits()
    network = small_cnn((8, 8), 10, rng=np.random.default_rng(seed))
    report = train(
        network,
        training,
        Recipe(),
        first_step=0,
        steps=1500,
        total_steps=1500,
        order_seed=np.random.SeedSequence(seed),
    )
    assert report.status == "ok"
    assert report.train_loss < 0.02
    assert evaluate(network, test).accuracy > 0.96


def test_a_network_learns_a_regression(rng):
    inputs = rng.uniform(-1, 1, (400, 2)).astype(np.float32)
    targets = np.stack([inputs[:, 0] * inputs[:, 1], inputs.sum(axis=1)], axis=1)
    layers = [HiddenLayer(20), HiddenLayer(2, "identity")]
    network = Network(layers, (2,), "squared_error", rng=rng)
    samples = Samples(inputs, targets)
    before = evaluate(network, samples)
    train(
        network,
        samples,
        Recipe(optimizer="adam", learning_rate=0.02),
        first_step=0,
        steps=1500,
        total_steps=1500,
        order_seed=np.random.SeedSequence(1),
    )
    after = evaluate(network, samples)
    assert after.accuracy is None
    assert after.loss < 1e-3 < before.loss


# -- what is no sample, and no target --------------------------------------------------------------


@pytest.mark.parametrize("method", ["output", "predict"])
def test_no_sample_at_all_is_refused(method, rng):
    network = small_cnn((5, 6), 3, rng=rng)
    with pytest.raises(ValueError, match="inputs must hold at least one sample; got 0"):
        getattr(network, method)(np.zeros((0, 5, 6), np.float32))
    with pytest.raises(ValueError, match="inputs must hold at least one sample; got 0"):
        network.loss(np.zeros((0, 5, 6)), np.zeros(0, int))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((2, 5, 6), complex), "inputs must be real numbers; got dtype complex128"),
        (np.full((2, 5, 6), "0"), "inputs must be real numbers; got dtype <U1"),
        (np.zeros((2, 5, 6), object), "inputs must be real numbers; got dtype object"),
        ([[1.0], [1.0, 2.0]], "inputs must be an array of real numbers: "),
        (1.0, r"inputs must have the shape \(n, 5, 6\); got \(\)"),
    ],
)
def test_what_is_no_number_is_refused(inputs, message, rng):
    network = small_cnn((5, 6), 3, rng=rng)
    for call in (network.output, network.predict, lambda x: network.loss(x, np.zeros(2, int))):
        with pytest.raises(ValueError, match=message):
            call(inputs)


def test_lists_integers_and_other_floats_are_taken_as_numbers(rng):
    network = small_cnn((5, 6), 3, rng=rng)
    inputs, targets = rng.integers(9, size=(2, 5, 6)), [2, 0]
    expected = network.output(inputs.astype(np.float32))
    for given in (inputs, inputs.tolist(), inputs.astype(np.uint8), inputs.astype(np.float16)):
        np.testing.assert_array_equal(network.output(given), expected)
        assert network.loss(given, targets) == network.loss(inputs, np.array(targets))


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint64])
@pytest.mark.parametrize("loss", ["cross_entropy", "softmax_squared_error"])
def test_a_class_out_of_range_is_named_with_its_place(loss, dtype, rng):
    network = small_cnn((5, 6), 3, rng=rng, loss=loss)
    inputs, targets = np.zeros((4, 5, 6), np.float32), np.array([0, 2, 3, 9], dtype)
    with pytest.raises(ValueError, match=r"targets must be classes 0 … 2; got targets\[2\] = 3"):
        network.loss(inputs, targets)
    with pytest.raises(ValueError, match=r"targets must be classes 0 … 2; got targets\[1\] = -1"):
        network.loss_and_gradients(inputs, np.array([0, -1, 3, 9]))


@pytest.mark.parametrize("n", [0, 3, 5])
def test_targets_must_be_as_many_as_inputs(n, rng):
    network = small_cnn((5, 6), 3, rng=rng)
    with pytest.raises(ValueError, match=f"the 4 inputs; got {n} targets"):
        network.loss(np.zeros((4, 5, 6), np.float32), np.zeros(n, int))


def test_samples_are_checked_as_a_whole(rng):
    network = small_cnn((5, 6), 3, rng=rng)
    inputs = np.zeros((4, 1, 5, 6))
    network.check_samples(Samples(inputs, np.array([0, 1, 2, 2])))
    with pytest.raises(ValueError, match=r"samples: targets must be classes .*\[1\] = 7"):
        network.check_samples(Samples(inputs, np.array([0, 7, 2, 2])))
    with pytest.raises(ValueError, match="mine: inputs must have the shape"):
        network.check_samples(Samples(inputs[..., 1:], np.zeros(4, int)), "mine")
    with pytest.raises(ValueError, match="samples: targets must be integer classes"):
        network.check_samples(Samples(inputs, np.zeros((4, 3))))
    on_values = small_cnn((5, 6), 3, rng=rng, loss="squared_error")
    on_values.check_samples(Samples(inputs, np.zeros((4, 3))))
    with pytest.raises(ValueError, match=r"samples: targets must be values of shape \(4, 3\); got"):
        on_values.check_samples(Samples(inputs, np.zeros(4, int)))


def test_training_refuses_samples_before_the_first_step(rng):
    network = small_cnn((5, 6), 3, rng=rng)
    before = network.parameters.copy()
    samples = Samples(np.zeros((40, 5, 6)), np.array([0] * 39 + [3]))
    plan = {"first_step": 0, "steps": 1, "total_steps": 9, "order_seed": 1}
    with pytest.raises(
        ValueError, match=r"samples: targets must be classes 0 … 2; got targets\[39\]"
    ):
        train(network, samples, Recipe(), **plan)
    with pytest.raises(ValueError, match=r"samples: targets must be classes"):
        evaluate(network, samples)
    np.testing.assert_array_equal(network.parameters, before)
