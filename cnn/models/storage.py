"""Network files: saving and loading of parameters and of whole models.

A file is an uncompressed ``.npz`` of two arrays: `parameters`, the flat vector, and `description`, a JSON object with
the number of parameters of each layer and, in a whole model, the settings of each layer. Files may come from an
untrusted source: their sizes are checked before memory is allocated.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pydantic

from cnn.arrays import FloatVector, Shape
from cnn.checks import brief
from cnn.files import UNREADABLE, one_line, read_arrays, write_arrays
from cnn.layers.layer import Layer
from cnn.models.description import build_layer, check_sizes, describe_layer, typed
from cnn.models.network import Network

FORMAT = "evomatrix-layers-1"


def save_weights(network: Network, path: str | Path) -> None:
    """Write a network's parameters to a file, with the names and sizes of its layers.

    Parameters
    ----------
    network
        A network of any layers, also of layers that are not in `cnn.LAYERS`. Parameters need not be finite.
    path
        Path of the file, usually with the suffix ``.npz``. An existing file is replaced completely or not at all.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    _write(path, {"format": FORMAT, "groups": _groups(network)}, network.parameters)


def load_weights(network: Network, path: str | Path) -> None:
    """Read parameters into a network from a file of `save_weights` or `save_model`.

    Parameters
    ----------
    network
        A network with the dtype of the saved network and the same layers by type and number of parameters. It is not
        changed if the file is refused.
    path
        Path of the file.

    Raises
    ------
    ValueError
        If the file does not hold a network or does not fit this network. The message names the file and the rule.
    OSError
        If the file does not exist or cannot be read.
    """
    description, parameters = _read(path)
    saved, own = description["groups"], _groups(network)
    if saved != own:
        pairs = [(a, b) for a, b in zip([*saved, None], [*own, None], strict=False) if a != b]
        theirs, ours = (
            "no further layer" if one is None else f"{brief(one[0])} with {one[1]} parameters"
            for one in pairs[0]
        )
        raise ValueError(f"{path}: groups must be the network's: {ours}; got {theirs}")
    if parameters.dtype != network.dtype:
        raise ValueError(
            f"{path}: parameters must be {network.dtype} as the network's; got {parameters.dtype}"
        )
    network.parameters[...] = parameters


def save_model(network: Network, path: str | Path) -> None:
    """Write a whole network to a file: layers with their settings, input shape, loss and parameters.

    Evolved networks are saved by `evo.Predictor.save`.

    Parameters
    ----------
    network
        A network of layers in `cnn.LAYERS`. Parameters need not be finite.
    path
        Path of the file, usually with the suffix ``.npz``. An existing file is replaced completely or not at all.

    Raises
    ------
    ValueError
        If a layer is not in `cnn.LAYERS`, a setting has no form in JSON, or `load_model` would refuse the file because
        of its limits or of settings changed after the layer was built. Nothing is written in these cases.
    OSError
        If the file cannot be written.
    """
    description = {
        "format": FORMAT,
        "groups": _groups(network),
        "input_shape": list(map(int, network.input_shape)),
        "loss": network.loss_function.name,
        "layers": [describe_layer(number, layer) for number, layer in enumerate(network.layers, 1)],
    }
    try:
        _build(json.loads(json.dumps(description)), network.parameter_count)
    except UNREADABLE as error:
        raise ValueError(
            f"the network cannot be saved as a model: {one_line(error)}; cnn.save_weights saves its "
            "parameters"
        ) from error
    _write(path, description, network.parameters)


def load_model(path: str | Path) -> Network:
    """Load a network from a file of `save_model`.

    Parameters
    ----------
    path
        Path of the file.

    Returns
    -------
    Network
        A network with the same outputs as the saved network, bit for bit. Sequences in settings become tuples.

    Raises
    ------
    ValueError
        If the file does not hold a model. The message names the file, the field and the rule. Maps of more than 2048
        pixels a side and layers with inputs or outputs of more than 2²⁶ numbers are refused; `load_weights` reads such
        networks.
    OSError
        If the file does not exist or cannot be read.
    """
    description, parameters = _read(path)
    try:
        layers, input_shape, loss = _build(description, parameters.size)
        rng = np.random.default_rng(0)  # its draws are overwritten
        network = Network(layers, input_shape, loss, rng=rng, dtype=parameters.dtype)
        if description["groups"] != _groups(network):
            raise ValueError(f"groups must be {_groups(network)}; got {description['groups']}")
    except UNREADABLE as error:
        raise ValueError(f"{path}: {one_line(error)}") from error
    network.parameters[...] = parameters
    return network


def _build(description: dict[str, Any], n_parameters: int) -> tuple[list[Layer], Shape, str]:
    """Return the layers, input shape and loss of a description, with sizes checked.

    Raises
    ------
    ValueError
        If the description is not valid, or exceeds the limits of `cnn.models.description`. Settings that do not fit a
        layer may raise any error of `UNREADABLE`.
    """
    missing = [key for key in ("input_shape", "loss", "layers") if key not in description]
    if missing:
        raise ValueError(
            f"description must have {missing[0]}; this file holds weights only, for "
            "cnn.load_weights"
        )
    input_shape = typed(tuple[int, ...], description["input_shape"], "input_shape")
    loss = typed(str, description["loss"], "loss")
    entries = typed(list[dict[str, Any]], description["layers"], "layers")
    layers = [build_layer(number, entry) for number, entry in enumerate(entries, 1)]
    check_sizes(layers, input_shape, n_parameters)
    return layers, input_shape, loss


def _groups(network: Network) -> list[list[Any]]:
    """List the layers with parameters, [name, number of parameters] each."""
    return [[name, int(part.stop - part.start)] for name, part in network.parameter_groups]


def _write(path: str | Path, description: dict[str, Any], parameters: FloatVector) -> None:
    write_arrays(path, {"parameters": parameters}, description)


def _read(path: str | Path) -> tuple[dict[str, Any], FloatVector]:
    """Read the description, with format and groups checked, and the parameters.

    Raises
    ------
    ValueError
        If the file does not hold a network.
    """
    arrays, description = read_arrays(path)
    parameters = arrays.get("parameters")
    if parameters is None:
        raise ValueError(f"{path}: the file must have one array named parameters")
    if parameters.dtype not in (np.float32, np.float64) or parameters.ndim != 1:
        raise ValueError(
            f"{path}: parameters must be a vector of float32 or float64; got {parameters.dtype} of "
            f"shape {parameters.shape}"
        )
    form = description.get("format")
    if form != FORMAT:
        raise ValueError(f"{path}: format must be {FORMAT!r}; got {brief(form)}")
    try:
        groups = typed(list[tuple[str, pydantic.PositiveInt]], description.get("groups"), "groups")
    except UNREADABLE as error:
        raise ValueError(f"{path}: {one_line(error)}") from error
    n_parameters = sum(size for _, size in groups)
    if n_parameters != parameters.size:
        raise ValueError(
            f"{path}: parameters must be the {n_parameters} of its groups; got {parameters.size}"
        )
    return {**description, "groups": [list(group) for group in groups]}, parameters
