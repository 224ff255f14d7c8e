"""Layers as JSON: their settings written out, and read back with every claim checked.

What comes back may stem from a file of anyone's: types are checked before a layer is made, and
sizes before it takes memory.
"""

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any, get_type_hints

import numpy as np
import pydantic

from cnn.arrays import Shape
from cnn.checks import brief
from cnn.layers.contract import announced_shape
from cnn.layers.convolution import ConvolutionLayer
from cnn.layers.layer import Layer
from cnn.layers.registry import LAYERS

LARGEST_SIDE = 2**11
"""Rows or columns of the largest map that a description may ask for, margins included."""

LARGEST_SAMPLE = 2**26
"""Numbers that a layer may take or give for one sample, where it has no more parameters."""

LARGEST_PLAN = 2**22
"""Connections per place that a layer may have, where it has no more parameters: kernels that many
maps share have more connections than weights."""


SIZES = {"connections", "kernel_size", "n_maps", "n_nodes", "padding", "stride"}
"""Settings whose integers are sizes, and so bounded before a layer is configured."""


def describe_layer(number: int, layer: Layer) -> dict[str, Any]:
    """Describe a layer: its name in `LAYERS`, and its settings.

    Parameters
    ----------
    number
        Its place in the network, for messages.
    layer
        A dataclass in `LAYERS`.

    Returns
    -------
    dict
        What `build_layer` takes, JSON-able: sequences have become lists.

    Raises
    ------
    ValueError
        Where the layer is not in `LAYERS`, a setting is named ``layer``, or is nothing that JSON can
        hold.
    """
    names = [name for name, kind in LAYERS.items() if kind is type(layer)]
    if not names or not dataclasses.is_dataclass(layer):
        raise ValueError(
            f"layer {number} must be a dataclass in cnn.LAYERS, not {type(layer).__name__}; "
            "cnn.save_weights saves the parameters of any"
        )
    settings = {field.name: getattr(layer, field.name) for field in dataclasses.fields(layer)}
    if "layer" in settings:
        raise ValueError(
            f"layer {number} ({names[0]}): a setting must not be named 'layer', for that is where "
            "the class is named"
        )
    try:
        text = json.dumps(settings, allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise ValueError(f"layer {number} ({names[0]}): {error}") from error
    return {"layer": names[0], **json.loads(text)}


def _plain(value: Any) -> Any:
    """Turn what JSON does not know into what it does."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, range | set | frozenset):
        return sorted(value)
    raise TypeError(f"settings must be numbers, texts or sequences of such, not {value!r}")


def build_layer(number: int, description: dict[str, Any]) -> Layer:
    """Make a layer from its description.

    Parameters
    ----------
    number
        Its place in the network, for messages.
    description
        As `describe_layer` gives it. Settings with a default may be missing.

    Returns
    -------
    Layer
        Sequences among its settings are tuples.

    Raises
    ------
    ValueError
        Where there is no such layer or setting, one is missing, or is not of the declared type.
    """
    kind = description.get("layer")
    if not isinstance(kind, str) or kind not in LAYERS:
        raise ValueError(
            f"layer {number}: layer must be one of {', '.join(LAYERS)}, not {brief(kind)}"
        )
    hints = get_type_hints(LAYERS[kind])
    fields = {field.name: field for field in dataclasses.fields(LAYERS[kind])}  # type: ignore[arg-type]
    settings = {}
    for name, value in description.items():
        if name == "layer":
            continue
        if name not in fields:
            raise ValueError(
                f"layer {number} ({kind}): settings must be among {', '.join(fields) or 'none'}, "
                f"not {brief(name)}"
            )
        settings[name] = typed(hints[name], value, f"layer {number} ({kind}): {name}")
    for name, field in fields.items():
        if name not in settings and field.default is field.default_factory is dataclasses.MISSING:
            raise ValueError(f"layer {number} ({kind}): {name} must be there")
    return LAYERS[kind](**settings)


def typed(kind: Any, value: Any, name: str) -> Any:
    """Check that a JSON value is of a type.

    Parameters
    ----------
    kind
        The type.
    value
        The value.
    name
        For the message.

    Returns
    -------
    Any
        The value, with tuples for lists; nothing else is converted.

    Raises
    ------
    ValueError
        Where it is not of that type.
    """
    try:
        checked = pydantic.TypeAdapter(kind).validate_json(json.dumps(value), strict=True)
    except pydantic.ValidationError as error:
        rule = error.errors(include_url=False)[0]["msg"]
        raise ValueError(f"{name}: {rule}; it is {brief(value)}") from None
    return _as_tuples(checked)


def _as_tuples(value: Any) -> Any:
    """Turn lists into tuples, at every depth."""
    return tuple(map(_as_tuples, value)) if isinstance(value, list | tuple) else value


def check_sizes(layers: Sequence[Layer], input_shape: Shape, n_parameters: int) -> None:
    """Check that layers are as large as their parameters say, before they take memory.

    Parameters
    ----------
    layers
        Just made; they are configured here.
    input_shape
        Of the network.
    n_parameters
        Parameters that are there for these layers.

    Raises
    ------
    ValueError
        Where layers do not fit one another, need more or fewer parameters, or are beyond the limits
        above.
    """
    shape = (1, *input_shape) if len(input_shape) == 2 else input_shape
    _check_shape("input_shape", shape, n_parameters)
    found = 0
    for number, layer in enumerate(layers, 1):
        name = f"layer {number} ({type(layer).__name__})"
        try:
            _check_settings(layer, shape[0], n_parameters)
            if isinstance(layer, ConvolutionLayer):
                _check_convolution(layer, shape, n_parameters)
            layer.configure(shape)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name}: {error}") from error
        shape = announced_shape(number, layer)
        found += layer.parameter_count
        if found > n_parameters:
            raise ValueError(
                f"{name}: layers up to it need {found} parameters; there are {n_parameters}"
            )
        _check_shape(f"{name}: output shape", shape, n_parameters)
    if found != n_parameters:
        raise ValueError(f"parameters must be the {found} that the layers need, not {n_parameters}")


def _check_settings(layer: Layer, n_inputs: int, n_parameters: int) -> None:
    """Raise ValueError where a layer has a size that no layer of so few parameters has."""
    sizes = [value for name, value in vars(layer).items() if name in SIZES]
    largest = max(map(abs, _integers(sizes)), default=0)
    if largest * n_inputs > max(n_parameters, LARGEST_PLAN):
        raise ValueError(
            f"settings must suit a layer of the {n_parameters} parameters there are; one is "
            f"{brief(largest)}"
        )


def _check_convolution(layer: ConvolutionLayer, shape: Shape, n_parameters: int) -> None:
    """Raise ValueError where a convolution is too large to be planned: `configure` does that."""
    (p, q), (down, right) = _both(layer.kernel_size), _both(layer.padding)
    if len(shape) == 3 and max(shape[1] + 2 * down, shape[2] + 2 * right) > LARGEST_SIDE:
        raise ValueError(f"sides and padding must be at most {LARGEST_SIDE}, not {down}×{right}")
    taps = layer.n_maps * p * q
    if taps > n_parameters or taps * shape[0] > max(n_parameters, LARGEST_PLAN):
        raise ValueError(
            f"{layer.n_maps} {p}×{q} kernels on {shape[0]} maps are too large for the "
            f"{n_parameters} parameters there are"
        )


def _both(value: int | tuple[int, int]) -> tuple[int, int]:
    """Return (rows, columns) of a setting that may be one number for both."""
    return (value, value) if isinstance(value, int) else value


def _check_shape(name: str, shape: Shape, n_parameters: int) -> None:
    """Raise ValueError unless the shape of a sample is within the limits."""
    most = max(n_parameters, LARGEST_SAMPLE)
    if not shape or min(shape) < 1 or math.prod(shape) > most:
        raise ValueError(f"{name}: must hold 1 to {most} numbers, not those of {brief(shape)}")
    if len(shape) > 1 and max(shape[1:]) > LARGEST_SIDE:
        raise ValueError(f"{name}: sides must be at most {LARGEST_SIDE}, not {brief(shape)}")


def _integers(values: Any) -> list[int]:
    """List all integers among settings, at every depth."""
    if isinstance(values, int):
        return [values]
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        return []
    return [integer for value in values for integer in _integers(value)]
