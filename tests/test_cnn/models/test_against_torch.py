"""The same numbers as PyTorch, an independent implementation, where it is installed.

Arrays are compared in the maximum norm: the largest error is at most 1e-5 of the largest entry of
PyTorch's array. Single layers see standard normal numbers, and an array all of whose entries happen
to be below 1 is compared as if its largest were 1; in networks there is no such leave, and each
layer's gradient is compared with its own largest entry.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn import (
    LOSSES,
    ConvolutionLayer,
    HiddenLayer,
    Network,
    PoolingLayer,
    RasterizationLayer,
    SoftmaxLayer,
)

torch = pytest.importorskip("torch", reason="PyTorch, the peer to compare with, is not installed")
pytestmark = pytest.mark.usefixtures("one_thread")

F = torch.nn.functional

SHARE = 1e-5
SEEDS = st.integers(0, 2**32 - 1)
ACTIVATIONS = {
    "identity": lambda n: n,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
}


def samples_first(x):
    """Bring (…, batch) to PyTorch's (batch, …), to be differentiated by."""
    return torch.tensor(np.ascontiguousarray(np.moveaxis(x, -1, 0)), requires_grad=True)


def batch_last(tensor):
    return np.moveaxis(tensor.detach().numpy(), 0, -1)


@st.composite
def convolutions(draw):
    size = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    padding = tuple(draw(st.integers(0, side // 2)) for side in size)
    shape = tuple(draw(st.integers(side, side + 12)) for side in size)
    stride = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    activation = draw(st.sampled_from(["identity", "sigmoid", "tanh"]))
    layer = ConvolutionLayer(
        draw(st.integers(1, 9)), size, activation, stride=stride, padding=padding
    )
    return layer, (draw(st.integers(1, 9)), *shape)


def torch_convolution(layer, x, weights, bias):
    """Compute the same with PyTorch, which does not turn its kernels by 180°."""
    n = F.conv2d(x, weights.flip(2, 3), bias, stride=layer.stride, padding=layer.padding)
    return ACTIVATIONS[layer.activation](n)


@pytest.fixture(scope="module")
def assert_convolves_as_torch(assert_close):
    def check(drawn, batch, seed):
        layer, shape = drawn
        rng = np.random.default_rng(seed)
        layer.build(shape, rng=rng)
        layer.bias[...] = rng.normal(size=layer.n_maps)
        x = rng.normal(size=(*shape, batch)).astype(np.float32)
        gradient = rng.normal(size=(*layer.output_shape, batch)).astype(np.float32)

        x_ = samples_first(x)
        by_map = layer.weights.reshape(layer.n_maps, shape[0], *layer.kernel_size)
        weights_, bias_ = (torch.tensor(a, requires_grad=True) for a in (by_map, layer.bias))
        output_ = torch_convolution(layer, x_, weights_, bias_)
        output_.backward(samples_first(gradient))
        by_parameters = np.concatenate([weights_.grad.numpy().ravel(), bias_.grad.numpy()])

        assert_close(layer.output(x), batch_last(output_), SHARE, 1)
        assert_close(layer.backpropagate(gradient), batch_last(x_.grad), SHARE, 1)
        assert_close(layer.gradient, by_parameters, SHARE, 1)

    return check


@given(drawn=convolutions(), batch=st.integers(1, 40), seed=SEEDS)
def test_convolutions_agree(drawn, batch, seed, assert_convolves_as_torch):
    assert_convolves_as_torch(drawn, batch, seed)


@pytest.mark.slow
@given(drawn=convolutions(), batch=st.integers(1, 140), seed=SEEDS)
@settings(max_examples=3000)
def test_convolutions_agree_again_and_again(drawn, batch, seed, assert_convolves_as_torch):
    assert_convolves_as_torch(drawn, batch, seed)


def torch_pooling(layer, x):
    """Compute the same with PyTorch; a padded border is 0, where PyTorch's own would be left out."""
    rows, columns = x.shape[2:]
    if layer.border == "pad":
        x = F.pad(x, (0, columns % 2, 0, rows % 2))
    return F.max_pool2d(x, 2) if layer.method == "max" else F.avg_pool2d(x, 2)


@given(
    method=st.sampled_from(["max", "mean"]),
    border=st.sampled_from(["drop", "pad"]),
    shape=st.tuples(st.integers(1, 9), st.integers(2, 15), st.integers(2, 15)),
    batch=st.integers(1, 40),
    whole=st.booleans(),
    seed=SEEDS,
)
def test_poolings_agree(*, method, border, shape, batch, whole, seed, assert_close):
    """Whole numbers are often equal: then both send a maximum's gradient to the first."""
    rng = np.random.default_rng(seed)
    layer = PoolingLayer(method, border).build(shape, rng=rng)
    x = rng.integers(-2, 3, (*shape, batch)) if whole else rng.normal(size=(*shape, batch))
    x = x.astype(np.float32)
    gradient = rng.normal(size=(*layer.output_shape, batch)).astype(np.float32)
    x_ = samples_first(x)
    output_ = torch_pooling(layer, x_)
    output_.backward(samples_first(gradient))
    assert_close(layer.output(x), batch_last(output_), SHARE, 1)
    assert_close(layer.backpropagate(gradient), batch_last(x_.grad), SHARE, 1)


@pytest.mark.parametrize("sides", [(5, 7), (4, 5), (6, 6)])
def test_after_a_rectifier_a_padded_border_is_torchs_ceil_mode(sides, rng, assert_close):
    layer = PoolingLayer("max", "pad").build((3, *sides), rng=rng)
    x = np.maximum(rng.normal(size=(3, *sides, 7)), 0).astype(np.float32)
    expected = F.max_pool2d(samples_first(x), 2, ceil_mode=True)
    assert_close(layer.output(x), batch_last(expected), SHARE)


@pytest.mark.parametrize("n_outputs", [2, 3, 10, 17])
@pytest.mark.parametrize("batch", [1, 7, 33])
def test_cross_entropy_agrees(n_outputs, batch, rng, assert_close):
    scores = rng.normal(0, 5, (n_outputs, batch)).astype(np.float32)
    targets, delta = rng.integers(n_outputs, size=batch), np.empty_like(scores)
    value = LOSSES["cross_entropy"].value_and_delta(scores, targets, delta)
    scores_ = samples_first(scores)
    loss = F.cross_entropy(scores_, torch.tensor(targets))
    loss.backward()
    assert value == pytest.approx(loss.item(), rel=SHARE)
    assert_close(delta, batch_last(scores_.grad), SHARE)


@pytest.mark.parametrize("name", ["squared_error", "softmax_squared_error"])
def test_squared_errors_agree(name, rng, assert_close):
    scores, targets = rng.normal(size=(2, 4, 33)).astype(np.float32)
    scores_ = samples_first(scores)
    outputs_ = scores_
    if name == "softmax_squared_error":
        targets = rng.integers(4, size=33)
        wanted = F.one_hot(torch.tensor(targets), 4).float()
        outputs_ = F.softmax(scores_, dim=1)
    else:
        wanted = torch.tensor(targets.T)
    loss = 0.5 * F.mse_loss(outputs_, wanted, reduction="sum") / 33
    loss.backward()
    delta = np.empty_like(scores)
    value = LOSSES[name].value_and_delta(scores, targets, delta)
    assert value == pytest.approx(loss.item(), rel=SHARE)
    assert_close(delta, batch_last(scores_.grad), SHARE)


def lenet_5(activation, pooling, border):
    return [
        ConvolutionLayer(6, 5, activation, padding=2),
        PoolingLayer(pooling, border),
        ConvolutionLayer(16, 5, activation),
        PoolingLayer(pooling, border),
        RasterizationLayer(),
        HiddenLayer(120, activation),
        HiddenLayer(84, activation),
        SoftmaxLayer(10),
    ]


def narrow(activation, pooling, border):
    return [
        ConvolutionLayer(3, 3, activation, stride=(1, 2), padding=1),
        PoolingLayer(pooling, border),
        ConvolutionLayer(5, (2, 3), activation, stride=2, padding=(0, 2)),
        PoolingLayer(pooling, border),
        RasterizationLayer(),
        HiddenLayer(9, activation),
        SoftmaxLayer(4),
    ]


class Twin:
    """A network's layers in PyTorch, with parameters of its own that start equal."""

    def __init__(self, network, dtype=None):
        self.layers = network.layers
        self.parameters = []
        for layer in network.layers:
            if layer.parameter_count:
                weights = layer.weights
                if isinstance(layer, ConvolutionLayer):
                    weights = weights.reshape(
                        layer.n_maps, layer.input_shape[0], *weights.shape[1:]
                    )
                for array in (weights, layer.bias):
                    copied = array.astype(network.dtype if dtype is None else dtype)
                    self.parameters.append(torch.tensor(copied, requires_grad=True))

    def steps(self, inputs):
        """Yield each layer's input, the layer and its output; the last output is the scores."""
        x, parameters = torch.tensor(inputs), iter(self.parameters)
        for layer in self.layers:
            before = x
            if isinstance(layer, ConvolutionLayer):
                x = torch_convolution(layer, x, next(parameters), next(parameters))
            elif isinstance(layer, PoolingLayer):
                x = torch_pooling(layer, x)
            elif isinstance(layer, RasterizationLayer):
                x = x.flatten(1)
            else:
                x = F.linear(x, next(parameters), next(parameters))
                if isinstance(layer, HiddenLayer):
                    x = ACTIVATIONS[layer.activation](x)
            yield before, layer, x

    def loss(self, inputs, targets):
        *_, (_, _, scores) = self.steps(inputs)
        return F.cross_entropy(scores, torch.tensor(targets))

    def gradients(self):
        """Return the gradient of each layer with parameters, weights and biases in one."""
        flat = [p.grad.numpy().ravel() for p in self.parameters]
        return [np.concatenate(both) for both in zip(flat[::2], flat[1::2], strict=True)]


def apart(network, inputs):
    """Say of each sample whether no maximum is so narrow that rounding may move it elsewhere.

    The gradient of a maximum jumps there, and that of a rectifier where it begins: so two right
    implementations may differ, and nothing is to be learnt from such a sample.
    """
    margin = torch.full((len(inputs),), torch.inf, dtype=torch.float64)
    for before, layer, after in Twin(network, np.float64).steps(inputs.astype(float)):
        gaps = []
        if isinstance(layer, PoolingLayer) and layer.method == "max":
            rows, columns = (2 * side for side in layer.output_shape[1:])
            x = F.pad(before, (0, 1, 0, 1))[:, :, :rows, :columns]
            cells = x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
            first, second = cells.topk(2).values.unbind(-1)
            gaps.append(first - second)
        elif getattr(layer, "activation", None) == "relu":
            gaps.append(after)
        for gap in gaps:  # exact ties are ties in both
            margin = torch.minimum(margin, torch.where(gap > 0, gap, torch.inf).flatten(1).amin(1))
    return (margin > 3e-6).numpy()


@pytest.mark.parametrize("batch", [1, 7, 32])
@pytest.mark.parametrize("border", ["drop", "pad"])
@pytest.mark.parametrize("pooling", ["max", "mean"])
@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize(
    ("layers", "shape"), [(lenet_5, (1, 28, 28)), (lenet_5, (3, 21, 27)), (narrow, (2, 13, 16))]
)
def test_networks_agree_on_loss_and_gradients(
    layers, shape, activation, pooling, border, batch, rng, assert_close
):
    network = Network(layers(activation, pooling, border), shape, rng=rng)
    network.parameters[...] += rng.normal(0, 0.05, network.parameters.shape)
    inputs = rng.normal(size=(batch + 20, *shape)).astype(np.float32)
    inputs = inputs[apart(network, inputs)][:batch]
    assert len(inputs) == batch
    targets = rng.integers(network.output_shape[0], size=batch)
    twin = Twin(network)
    expected = twin.loss(inputs, targets)
    expected.backward()
    value, _ = network.loss_and_gradients(inputs, targets)
    assert value == pytest.approx(expected.item(), rel=SHARE)
    trained = [layer for layer in network.layers if layer.parameter_count]
    for layer, gradient in zip(trained, twin.gradients(), strict=True):
        assert_close(layer.gradient, gradient, SHARE)
