import numpy as np
import pytest
import scipy.special

from cnn import LOSSES, HiddenLayer, Network, SoftmaxLayer, evaluate, sigmoid, train
from cnn.training.recipe import Recipe
from cnn.training.samples import Samples

ON_CLASSES = [name for name, loss in LOSSES.items() if loss.target_kind == "classes"]


def layer_with_other(rng, n_nodes=3, n_inputs=4, dtype=np.float64):
    layer = SoftmaxLayer(n_nodes, implied_other=True).build((n_inputs,), rng=rng, dtype=dtype)
    layer.parameters[...] = rng.normal(size=layer.parameters.shape)
    return layer


def test_the_implied_class_has_an_output_but_no_parameters(rng):
    layer = layer_with_other(rng)
    assert layer.output_shape == (4,)
    assert layer.parameter_count == 3 * (4 + 1)
    assert layer.macs == 3 * 4
    assert layer.weights.shape == (3, 4)


def test_the_implied_class_is_what_the_others_leave(rng):
    layer = layer_with_other(rng)
    x = rng.normal(size=(4, 6))
    scores = layer.weights @ x + layer.bias[:, np.newaxis]
    probabilities = layer.output(x)
    total = 1 + np.exp(scores).sum(axis=0)
    np.testing.assert_allclose(probabilities[:3], np.exp(scores) / total)
    np.testing.assert_allclose(probabilities[3], 1 / total)
    np.testing.assert_allclose(probabilities.sum(axis=0), 1)


def test_it_is_a_node_more_whose_parameters_stay_zero(rng):
    implied, explicit = layer_with_other(rng), SoftmaxLayer(4).build((4,), rng=rng, dtype=float)
    explicit.parameters[...] = 0
    explicit.weights[:3], explicit.bias[:3] = implied.weights, implied.bias
    x, gradient = rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
    np.testing.assert_allclose(implied.output(x), explicit.output(x))
    np.testing.assert_allclose(implied.backpropagate(gradient), explicit.backpropagate(gradient))
    np.testing.assert_allclose(
        implied.gradient[:12].reshape(3, 4), explicit.gradient[:16].reshape(4, 4)[:3]
    )
    np.testing.assert_allclose(implied.gradient[12:], explicit.gradient[16:19])


def test_one_node_and_other_are_logistic_regression(rng):
    layer = layer_with_other(rng, n_nodes=1)
    x = rng.normal(0, 5, (4, 50))
    f = layer.weights @ x + layer.bias[:, np.newaxis]
    probabilities = layer.output(x)
    np.testing.assert_allclose(probabilities[0], scipy.special.expit(f[0]), rtol=1e-12)
    np.testing.assert_allclose(probabilities[0], sigmoid(f[0]), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(probabilities[1], scipy.special.expit(-f[0]), rtol=1e-12)


@pytest.mark.parametrize("n_nodes", [1, 3])
@pytest.mark.parametrize("loss", ON_CLASSES)
def test_the_gradient_is_the_slope_of_every_loss_on_classes(loss, n_nodes, rng, central_difference):
    layers = [HiddenLayer(3), SoftmaxLayer(n_nodes, implied_other=True)]
    network = Network(layers, (4,), loss, rng=rng, dtype=np.float64)
    network.parameters[...] = rng.normal(size=network.parameters.shape)
    inputs, targets = rng.normal(size=(7, 4)), np.arange(7) % (n_nodes + 1)
    value, gradient = network.loss_and_gradients(inputs, targets)
    assert value == network.loss(inputs, targets)
    slopes = central_difference(lambda: network.loss(inputs, targets), network.parameters)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-9)
    assert np.abs(slopes).max() > 1e-3


def test_cross_entropy_with_one_node_is_the_logistic_loss(rng):
    network = Network([SoftmaxLayer(1, implied_other=True)], (3,), rng=rng, dtype=np.float64)
    x, y = rng.normal(size=(9, 3)), np.where(rng.random(9) < 0.5, -1, 1)
    f = x @ network.layers[0].weights[0] + network.layers[0].bias
    expected = np.log1p(np.exp(-y * f)).mean()
    assert network.loss(x, np.where(y == 1, 0, 1)) == pytest.approx(expected)


def test_a_gradient_without_the_row_of_other_is_refused(rng):
    layer = layer_with_other(rng)
    layer.scores(rng.normal(size=(4, 2)))
    for rows in (3, 5):
        with pytest.raises(ValueError, match=r"gradient must have the shape \(4, 2\); got"):
            layer.backpropagate(np.zeros((rows, 2)))


def test_a_step_reuses_its_arrays(rng):
    layer = layer_with_other(rng, dtype=np.float32)
    x, gradient = rng.random((4, 8), np.float32), rng.random((4, 8), np.float32)
    scores, output, by_input = layer.scores(x), layer.output(x), layer.backpropagate(gradient)
    assert layer.scores(x) is scores
    assert layer.output(x) is output
    assert layer.backpropagate(gradient) is by_input
    assert np.shares_memory(layer.residual(gradient), gradient)


def test_other_is_a_class_that_can_be_learned_and_predicted(rng):
    """Three blobs of which only two have a node."""
    classes = rng.integers(3, size=300)
    centres = np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 4.0]])
    samples = Samples(centres[classes] + rng.normal(0, 0.5, (300, 2)), classes)
    network = Network([SoftmaxLayer(2, implied_other=True)], (2,), rng=rng)
    train(
        network,
        samples,
        Recipe(),
        first_step=0,
        steps=300,
        total_steps=300,
        order_seed=np.random.SeedSequence(0),
    )
    assert network.parameter_count == 6
    assert evaluate(network, samples).accuracy > 0.99
    assert set(network.predict(samples.inputs)) == {0, 1, 2}
