"""Layers as JSON: layer settings written to JSON, and read back with all values checked.

The JSON may come from an untrusted file. Types are checked before a layer is made, sizes before memory is allocated.
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
"""Largest number of rows or columns of a map, padding included."""

LARGEST_SAMPLE = 2**26
"""Largest size of a layer's input or output for one sample, unless the layers have more parameters."""

LARGEST_PLAN = 2**22
"""Largest number of connections per pixel of a layer, unless the layers have more parameters. Shared kernels have
more connections than weights."""

SIZES = {"connections", "kernel_size", "n_maps", "n_nodes", "padding", "stride"}
"""Settings whose integers are sizes. They are checked before a layer is configured."""


def describe_layer(number: int, layer: Layer) -> dict[str, Any]:
    """Return the description of a layer for `build_layer`: its name in `LAYERS` and its settings, fit for JSON.

    Parameters
    ----------
    number
        Number of the layer in the network, for error messages.
    layer
        A dataclass in `LAYERS`.

    Raises
    ------
    ValueError
        If the layer is not in `LAYERS`, a setting is named ``layer``, or a setting has no form in JSON.
    """
    names = [name for name, kind in LAYERS.items() if kind is type(layer)]
    if not names or not dataclasses.is_dataclass(layer):
        raise ValueError(
            f"layer {number} must be a dataclass in cnn.LAYERS; got {type(layer).__name__}; "
            "cnn.save_weights saves the parameters of any"
        )
    settings = {field.name: getattr(layer, field.name) for field in dataclasses.fields(layer)}
    if "layer" in settings:
        raise ValueError(
            f"layer {number} ({names[0]}): a setting must not be named 'layer', the key of the class name"
        )
    try:
        text = json.dumps(settings, allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise ValueError(f"layer {number} ({names[0]}): {error}") from error
    return {"layer": names[0], **json.loads(text)}


def _plain(value: Any) -> Any:
    """Convert arrays, ranges and sets to lists."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, range | set | frozenset):
        return sorted(value)
    raise TypeError(f"settings must be numbers, texts or sequences of such; got {value!r}")


def build_layer(number: int, description: dict[str, Any]) -> Layer:
    """Make a layer from its description.

    Parameters
    ----------
    number
        Number of the layer in the network, for error messages.
    description
        As `describe_layer` gives it. Settings with a default may be missing.

    Returns
    -------
    Layer
        Sequences among its settings are tuples.

    Raises
    ------
    ValueError
        If the layer or a setting is unknown, a setting is missing, or a setting is not of the declared type.
    """
    kind = description.get("layer")
    if not isinstance(kind, str) or kind not in LAYERS:
        raise ValueError(
            f"layer {number}: layer must be one of {', '.join(LAYERS)}; got {brief(kind)}"
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
                f"got {brief(name)}"
            )
        settings[name] = typed(hints[name], value, f"layer {number} ({kind}): {name}")
    for name, field in fields.items():
        if name not in settings and field.default is field.default_factory is dataclasses.MISSING:
            raise ValueError(f"layer {number} ({kind}): {name} must be there")
    return LAYERS[kind](**settings)


def typed(kind: Any, value: Any, name: str) -> Any:
    """Return a JSON value, with lists converted to tuples; raise ValueError unless it is of the type `kind`."""
    try:
        checked = pydantic.TypeAdapter(kind).validate_json(json.dumps(value), strict=True)
    except pydantic.ValidationError as error:
        rule = error.errors(include_url=False)[0]["msg"]
        raise ValueError(f"{name}: {rule}; got {brief(value)}") from None
    return _as_tuples(checked)


def _as_tuples(value: Any) -> Any:
    """Convert lists to tuples at all depths."""
    return tuple(map(_as_tuples, value)) if isinstance(value, list | tuple) else value


def check_sizes(layers: Sequence[Layer], input_shape: Shape, n_parameters: int) -> None:
    """Check that layers have the given number of parameters, before memory is allocated.

    Parameters
    ----------
    layers
        New layers. They are configured here.
    input_shape
        Input shape of the network.
    n_parameters
        Number of parameters in the file.

    Raises
    ------
    ValueError
        If layers do not fit each other, need another number of parameters, or exceed the limits above.
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
                f"{name}: layers up to this must need at most the {n_parameters} parameters there are; "
                f"got {found}"
            )
        _check_shape(f"{name}: output shape", shape, n_parameters)
    if found != n_parameters:
        raise ValueError(f"parameters must be the {found} that the layers need; got {n_parameters}")


def _check_settings(layer: Layer, n_inputs: int, n_parameters: int) -> None:
    """Raise ValueError if a setting is too large for the number of parameters."""
    sizes = [value for name, value in vars(layer).items() if name in SIZES]
    largest = max(map(abs, _integers(sizes)), default=0)
    if largest * n_inputs > max(n_parameters, LARGEST_PLAN):
        raise ValueError(
            f"settings must suit a layer of the {n_parameters} parameters there are; got "
            f"{brief(largest)}"
        )


def _check_convolution(layer: ConvolutionLayer, shape: Shape, n_parameters: int) -> None:
    """Raise ValueError if a convolution is too large for the plan that `configure` makes."""
    (p, q), (down, right) = _both(layer.kernel_size), _both(layer.padding)
    if len(shape) == 3 and max(shape[1] + 2 * down, shape[2] + 2 * right) > LARGEST_SIDE:
        raise ValueError(f"sides and padding must be at most {LARGEST_SIDE}; got {down}×{right}")
    taps = layer.n_maps * p * q
    if taps > n_parameters or taps * shape[0] > max(n_parameters, LARGEST_PLAN):
        raise ValueError(
            f"kernels must suit the {n_parameters} parameters there are; got {layer.n_maps} {p}×{q} "
            f"kernels on {shape[0]} maps"
        )


def _both(value: int | tuple[int, int]) -> tuple[int, int]:
    """Return (rows, columns) of a setting that may be one number for both."""
    return (value, value) if isinstance(value, int) else value


def _check_shape(name: str, shape: Shape, n_parameters: int) -> None:
    """Raise ValueError unless the shape of a sample is within the limits."""
    most = max(n_parameters, LARGEST_SAMPLE)
    if not shape or min(shape) < 1 or math.prod(shape) > most:
        raise ValueError(f"{name}: must hold 1 to {most} numbers; got shape {brief(shape)}")
    if len(shape) > 1 and max(shape[1:]) > LARGEST_SIDE:
        raise ValueError(f"{name}: sides must be at most {LARGEST_SIDE}; got {brief(shape)}")


def _integers(values: Any) -> list[int]:
    """Return all integers in settings, at all depths."""
    if isinstance(values, int):
        return [values]
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        return []
    return [integer for value in values for integer in _integers(value)]
