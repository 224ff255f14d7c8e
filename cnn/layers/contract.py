"""Checks of layers in a network: when the network is built, and on the first batch of each size."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnn.arrays import FloatArray, Shape
from cnn.checks import brief, is_whole
from cnn.layers.layer import Layer


def check_layers(layers: Sequence[Layer]) -> None:
    """Check that there are layers, all different and none in another network.

    Raises
    ------
    TypeError
        If an entry is not a layer, such as a class instead of an object.
    ValueError
        If there is no layer, a layer is there twice, or a layer belongs to another network.
    """
    if not layers:
        raise ValueError("layers must hold at least one layer; got none")
    for number, layer in enumerate(layers, 1):
        if not isinstance(layer, Layer):
            raise TypeError(
                f"layer {number} must be an object of a Layer class; got {brief(layer)}"
            )
        twice = any(layer is other for other in layers[: number - 1])
        if twice or layer.in_network:
            raise ValueError(
                f"{_name(number, layer)} must belong to this network only; got one that is "
                f"{'there twice' if twice else 'in a network already'}"
            )


def announced_shape(number: int, layer: Layer) -> Shape:
    """Return the output shape set by a layer's `configure`; raise ValueError if it is not valid."""
    shape = getattr(layer, "output_shape", None)
    if not isinstance(shape, tuple) or not shape or not all(is_whole(n) and n > 0 for n in shape):
        raise ValueError(
            f"{_name(number, layer)}: configure must set output_shape to a tuple of integers of at "
            f"least 1; got {brief(shape)}"
        )
    return shape


def checked_scores(layers: Sequence[Layer], x: FloatArray) -> FloatArray:
    """Run layers forward on x, shape (*input_shape, batch), and return the scores of the last layer.

    Raises
    ------
    ValueError
        If a layer returns an array of a wrong shape or dtype.
    """
    dtype, batch = x.dtype, x.shape[-1]
    for index, layer in enumerate(layers):
        last = index == len(layers) - 1
        x = layer.scores(x) if last else layer.output(x)
        method = "scores" if last else "output"
        shape = (*layer.output_shape, batch)
        _check_given(f"{_name_at(layers, index)}: {method}", x, shape, dtype)
    return x


def checked_backward(layers: Sequence[Layer], first: int, gradient: FloatArray) -> None:
    """Propagate the gradient by the scores backward, up to the `residual` of the layer `first`.

    Raises
    ------
    ValueError
        If a layer returns an array of a wrong shape or dtype.
    """
    dtype, batch = gradient.dtype, gradient.shape[-1]
    for index in range(len(layers) - 1, first, -1):
        gradient = layers[index].backpropagate(gradient)
        shape = (*layers[index - 1].output_shape, batch)
        _check_given(f"{_name_at(layers, index)}: input_gradient", gradient, shape, dtype)
    layers[first].residual(gradient)


def _check_given(what: str, given: Any, shape: Shape, dtype: np.dtype[Any]) -> None:
    """Raise ValueError unless a layer's result is an array of this shape and dtype."""
    if not isinstance(given, np.ndarray):
        raise ValueError(f"{what} must give an array; got {brief(given)}")
    if given.shape != shape or given.dtype != dtype:
        raise ValueError(
            f"{what} must give {dtype} of shape {shape}; got {given.dtype} of shape {given.shape}"
        )


def _name_at(layers: Sequence[Layer], index: int) -> str:
    """Return the name of a layer with its number in the network, to which layers of dropout do not belong."""
    return _name(1 + sum(layer.in_network for layer in layers[:index]), layers[index])


def _name(number: int, layer: Layer) -> str:
    """Return the name of a layer for an error message."""
    return f"layer {number} ({type(layer).__name__})"
