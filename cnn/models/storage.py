"""Networks in files: the only module of this package that writes any.

A file is an uncompressed ``.npz`` of two arrays: `parameters`, the flat vector bit for bit, and
`description`, JSON that names each layer's share of it and, in a whole model, every layer's
settings. Files from outside are data: nothing in one is executed, and whatever it claims is checked
before memory is taken for it.
"""

import json
import os
import textwrap
import tokenize
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pydantic

from cnn.arrays import FloatVector, Shape
from cnn.checks import brief
from cnn.files import write_atomically
from cnn.layers.layer import Layer
from cnn.models.description import build_layer, check_sizes, describe_layer, typed
from cnn.models.network import Network

FORMAT = "evomatrix-layers-1"

_UNREADABLE = (
    EOFError,
    MemoryError,
    NameError,  # a setting's type hint that names what is not there
    OSError,
    RuntimeError,  # encrypted or of an unknown kind, or nested beyond the limit of recursion
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,  # an array's header that is no Python literal
    zipfile.BadZipFile,
)
"""What reading a file from outside may raise."""


def save_weights(network: Network, path: str | Path) -> None:
    """Write a network's parameters to a file, with the names and sizes of its layers.

    Parameters
    ----------
    network
        Of any layers, also such as are not in `cnn.LAYERS`. Parameters that are not finite are saved
        as they are, and loaded so: a network that diverged can be looked at.
    path
        Replaced if it exists: by the whole new file or not at all. ``.npz`` is the usual ending.

    Raises
    ------
    OSError
        Where the file cannot be written.
    """
    _write(path, {"format": FORMAT, "groups": _groups(network)}, network.parameters)


def load_weights(network: Network, path: str | Path) -> None:
    """Read parameters into a network, from a file of `save_weights` or `save_model`.

    Parameters
    ----------
    network
        Must have the layers of the saved one, by type and number of parameters, and its dtype. Left
        as it is where the file is refused.
    path
        The file.

    Raises
    ------
    ValueError
        Where the file is not such a file or does not suit the network: one line that names the
        file, what is wrong, and the rule.
    OSError
        Where there is no file, or it cannot be read.
    """
    description, parameters = _read(path)
    saved, own = description["groups"], _groups(network)
    if saved != own:
        pairs = [(a, b) for a, b in zip([*saved, None], [*own, None], strict=False) if a != b]
        theirs, ours = (
            "no more" if one is None else f"{one[0]!r} with {one[1]} parameters" for one in pairs[0]
        )
        raise ValueError(
            f"{path}: groups must be the network's; the file has {theirs} where it has {ours}"
        )
    if parameters.dtype != network.dtype:
        raise ValueError(
            f"{path}: parameters must be {network.dtype} as the network's, not {parameters.dtype}"
        )
    network.parameters[...] = parameters


def save_model(network: Network, path: str | Path) -> None:
    """Write a whole network to a file: layers and their settings, input shape, loss, parameters.

    Networks that evolved are saved by `evo.Predictor.save`.

    Parameters
    ----------
    network
        Of layers that are in `cnn.LAYERS`. Parameters that are not finite are saved as they are.
    path
        Replaced if it exists: by the whole new file or not at all. ``.npz`` is the usual ending.

    Raises
    ------
    ValueError
        Where a layer is not in `cnn.LAYERS`, a setting cannot be written as JSON, or `load_model`
        would refuse the file, for its limits or for settings that have become others since the
        layer was built. Nothing is written then.
    OSError
        Where the file cannot be written.
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
    except _UNREADABLE as error:
        raise ValueError(
            f"the network cannot be saved as a model: {_one_line(error)}; cnn.save_weights saves its "
            "parameters"
        ) from error
    _write(path, description, network.parameters)


def load_model(path: str | Path) -> Network:
    """Build the network that `save_model` wrote.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Network
        Its outputs are those of the saved network, bit for bit. Sequences among the settings have
        become tuples.

    Raises
    ------
    ValueError
        Where the file is not such a file: one line that names the file, the field, what is wrong
        with it, and the rule. Maps beyond 2048 pixels a side, or 2²⁶ numbers a sample in or
        behind a layer, are refused too: `load_weights` reads such networks.
    OSError
        Where there is no file, or it cannot be read.
    """
    description, parameters = _read(path)
    try:
        layers, input_shape, loss = _build(description, parameters.size)
        rng = np.random.default_rng(0)  # its draws are overwritten
        network = Network(layers, input_shape, loss, rng=rng, dtype=parameters.dtype)
        if description["groups"] != _groups(network):
            raise ValueError(f"groups must be {_groups(network)}, not {description['groups']}")
    except _UNREADABLE as error:
        raise ValueError(f"{path}: {_one_line(error)}") from error
    network.parameters[...] = parameters
    return network


def _build(description: dict[str, Any], n_parameters: int) -> tuple[list[Layer], Shape, str]:
    """Make the layers that a description names, as large as the parameters say.

    Returns
    -------
    layers, input_shape, loss
        What a network is made of.

    Raises
    ------
    ValueError
        Where the description is not as `save_model` writes it, or asks for more than the limits of
        `cnn.models.description`. Settings that suit no layer may raise any of `_UNREADABLE`.
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


def _one_line(error: BaseException) -> str:
    """Write an error for a message, on one line and cut where it is long."""
    return textwrap.shorten(str(error) or type(error).__name__, 300, placeholder=" …")


# -- bytes -----------------------------------------------------------------------------------------


def _write(path: str | Path, description: dict[str, Any], parameters: FloatVector) -> None:
    text = np.frombuffer(json.dumps(description).encode(), np.uint8)
    write_atomically(path, lambda file: np.savez(file, description=text, parameters=parameters))


def _read(path: str | Path) -> tuple[dict[str, Any], FloatVector]:
    """Read what `_write` wrote: a description with its format and groups checked, and parameters.

    Raises
    ------
    ValueError
        Where the file is not such a file.
    """
    with Path(path).open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                description = _description(archive)
                parameters = _member(archive, "parameters", (np.float32, np.float64))
        except ValueError as error:
            raise ValueError(f"{path}: {_one_line(error)}") from error
        except _UNREADABLE as error:
            raise ValueError(f"{path}: must be a whole .npz file ({_one_line(error)})") from error
    sizes = sum(size for _, size in description["groups"])
    if sizes != parameters.size:
        raise ValueError(
            f"{path}: parameters must be the {sizes} of its groups, not {parameters.size}"
        )
    return description, parameters


def _description(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Read the description: a JSON object of our format, whose groups have names and sizes."""
    description = json.loads(_member(archive, "description", (np.uint8,)).tobytes())
    form = description.get("format") if isinstance(description, dict) else None
    if form != FORMAT:
        raise ValueError(f"format must be {FORMAT!r}, not {brief(form)}")
    groups = typed(list[tuple[str, pydantic.PositiveInt]], description.get("groups"), "groups")
    return {**description, "groups": [list(group) for group in groups]}


def _member(archive: zipfile.ZipFile, name: str, dtypes: Sequence[type]) -> Any:
    """Read a vector of one of some dtypes; its header must agree with the bytes that are there."""
    if archive.namelist().count(f"{name}.npy") != 1:
        raise ValueError(f"the file must have one array named {name}")
    info = archive.getinfo(f"{name}.npy")
    size = _file_size(archive)
    if info.compress_type != zipfile.ZIP_STORED or not info.file_size == info.compress_size <= size:
        raise ValueError(f"{name} must be stored uncompressed within the file's {size} bytes")
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"{name} must be an array of .npy version (1, 0), not {version}")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        n_bytes = info.file_size - file.tell()
        if dtype not in dtypes or len(shape) != 1 or shape[0] * dtype.itemsize != n_bytes:
            raise ValueError(
                f"{name} must be a vector of {' or '.join(one.__name__ for one in dtypes)} that "
                f"fills its {n_bytes} bytes, not {dtype} of shape {brief(shape)}"
            )
        return np.frombuffer(file.read(), dtype)


def _file_size(archive: zipfile.ZipFile) -> int:
    """Return the bytes of the whole archive."""
    file: BinaryIO = archive.fp  # type: ignore[assignment]
    return os.fstat(file.fileno()).st_size
