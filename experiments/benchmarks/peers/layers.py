"""Plain descriptions of our networks, for peers that import nothing of ours."""

from typing import Any

from cnn import (
    ConvolutionLayer,
    HiddenLayer,
    Network,
    PoolingLayer,
    RasterizationLayer,
    SoftmaxLayer,
)


def peer_layers(network: Network) -> list[tuple[Any, ...]]:
    """Return the layers of a network as `experiments.benchmarks.peers.torch_layers` takes them.

    Parameters
    ----------
    network
        Network of convolutions with full connection, max pooling, rasterisation, hidden layers and softmax.

    Returns
    -------
    list of tuple
        (kind, numbers …) of each layer, from input to scores.

    Raises
    ------
    ValueError
        If the peer has no such layer with the same weights in the same order.
    """
    layers: list[tuple[Any, ...]] = []
    for layer in network.layers:
        match layer:
            case ConvolutionLayer(kernels="per_map", connections=None):
                layers.append(("convolution", *_convolution(layer)))
                layers.append((layer.activation,))
            case PoolingLayer(method="max") if not any(n % 2 for n in layer.input_shape[1:]):
                layers.append(("max_pooling",))
            case RasterizationLayer():
                layers.append(("flatten",))
            case HiddenLayer():
                layers.append(("linear", layer.input_shape[0], layer.n_nodes))
                layers.append((layer.activation,))
            case SoftmaxLayer():
                layers.append(("linear", layer.input_shape[0], layer.n_nodes))
            case _:
                raise ValueError(f"layers must be those that the peer has; got {layer}")
    return [layer for layer in layers if layer != ("identity",)]


def _convolution(layer: ConvolutionLayer) -> tuple[Any, ...]:
    """Return input maps, output maps, kernel, stride and padding."""
    size = layer.kernel_size
    kernel = (size, size) if isinstance(size, int) else tuple(size)
    return layer.input_shape[0], layer.n_maps, kernel, layer.stride, layer.padding
