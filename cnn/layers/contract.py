"""What a network asks of its layers, whoever wrote them: checked when it is built, and on the first batch of a size."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnn.arrays import FloatArray, Shape
from cnn.checks import brief, is_whole
from cnn.layers.layer import Layer


def check_layers(layers: Sequence[Layer]) -> None:
    """Check that there are layers, each an object of its own that no network has yet.

    Raises
    ------
    TypeError
        Where one is no layer, such as a class instead of an object.
    ValueError
        Where there is none, one is there twice, or belongs to a network already.
    """
    if not layers:
        raise ValueError("a network needs at least one layer")
    for number, layer in enumerate(layers, 1):
        if not isinstance(layer, Layer):
            raise TypeError(
                f"layer {number} must be an object of a Layer class, not {brief(layer)}"
            )
        twice = any(layer is other for other in layers[: number - 1])
        if twice or layer.in_network:
            raise ValueError(
                f"{_name(number, layer)} is {'there twice' if twice else 'in a network already'}: "
                "a layer belongs to one network; build another"
            )


def announced_shape(number: int, layer: Layer) -> Shape:
    """Return the output shape that a layer's `configure` set.

    Parameters
    ----------
    number
        Its place in the network, for messages.
    layer
        The layer.

    Raises
    ------
    ValueError
        Where it set none.
    """
    shape = getattr(layer, "output_shape", None)
    if not isinstance(shape, tuple) or not shape or not all(is_whole(n) and n > 0 for n in shape):
        raise ValueError(
            f"{_name(number, layer)}: configure must set output_shape to a tuple of integers of at "
            f"least 1, not {brief(shape)}"
        )
    return shape


def checked_scores(layers: Sequence[Layer], x: FloatArray) -> FloatArray:
    """Run layers forward, and check what each gives.

    Parameters
    ----------
    layers
        From input to output.
    x
        Input of the first, shape (*input_shape, batch).

    Returns
    -------
    FloatArray
        The scores of the last.

    Raises
    ------
    ValueError
        Where one gives an array of another shape or dtype than it must.
    """
    dtype, batch = x.dtype, x.shape[-1]
    for number, layer in enumerate(layers, 1):
        last = number == len(layers)
        x = layer.scores(x) if last else layer.output(x)
        method = "scores" if last else "output"
        _check_given(f"{_name(number, layer)}: {method}", x, (*layer.output_shape, batch), dtype)
    return x


def checked_way_back(layers: Sequence[Layer], first: int, gradient: FloatArray) -> None:
    """Take a gradient back through layers, and check what each gives.

    Parameters
    ----------
    layers
        From input to output.
    first
        Index of the layer to end at: with its `residual`.
    gradient
        By the scores of the last.

    Raises
    ------
    ValueError
        As `checked_scores` does.
    """
    dtype, batch = gradient.dtype, gradient.shape[-1]
    for index in range(len(layers) - 1, first, -1):
        gradient = layers[index].backpropagate(gradient)
        shape = (*layers[index - 1].output_shape, batch)
        _check_given(f"{_name(index + 1, layers[index])}: input_gradient", gradient, shape, dtype)
    layers[first].residual(gradient)


def _check_given(what: str, given: Any, shape: Shape, dtype: np.dtype[Any]) -> None:
    """Raise ValueError unless what a layer gave is an array of that shape and dtype."""
    if not isinstance(given, np.ndarray):
        raise ValueError(f"{what} must give an array, not {brief(given)}")
    if given.shape != shape or given.dtype != dtype:
        raise ValueError(
            f"{what} must give {dtype} of shape {shape}, not {given.dtype} of shape {given.shape}"
        )


def _name(number: int, layer: Layer) -> str:
    """Name a layer for a message."""
    return f"layer {number} ({type(layer).__name__})"
