"""Conversion between genomes and modules of PyTorch, which need not be installed for anything else."""

from typing import Any

import numpy as np

from cnn import (
    ConvolutionLayer,
    HiddenLayer,
    Network,
    PoolingLayer,
    RasterizationLayer,
)
from cnn.checks import brief, pair_of
from cnn.layers.layer import Layer
from evo.exchange.blocks import genome_of
from evo.exchange.layered_networks import from_cnn
from evo.genome.genome import FloatArray, Genome

ACTIVATIONS = {"Identity": "identity", "ReLU": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh"}
"""Names of activations, by the modules of PyTorch that compute them."""


def to_torch(network: Genome | Network) -> Any:
    """Return a network as a module of PyTorch with trainable weights and biases.

    Parameters
    ----------
    network : Genome or cnn.Network
        A CNN must be one that :func:`evo.from_cnn` converts. It has no preparation of inputs, and no state that lasts
        from one observation of an episode to the next.

    Returns
    -------
    torch.nn.Module
        It maps features, shape (samples, features), to scores, shape (samples, outputs), in the dtype of the genome; in
        a recurrent network the features of each tick, one tick after another, are accepted too. Readings, as those of
        :class:`cnn.training.samples.Samples`, say where else outputs are read. Its parameters are
        ``weights`` and ``bias``: one after the other they are the ``parameters`` of :class:`evo.Phenotype`. Absent
        edges have no parameter, so every optimizer keeps the topology. ``to_genome()`` returns the genome with the
        present weights.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    TypeError
        If `network` is neither a genome nor a CNN.
    ValueError
        If a node has an own activation.
    """
    genome = genome_of(network)
    try:
        from evo.exchange.torch_modules import GenomeModule  # noqa: PLC0415 - needs PyTorch
    except ImportError as error:
        raise ImportError("to_torch needs PyTorch: pip install torch") from error
    return GenomeModule(genome)


def from_torch(module: Any, input_shape: tuple[int, int, int] | None = None) -> Genome:
    """Return the genome of a multi-layer perceptron or sequential CNN of PyTorch.

    Parameters
    ----------
    module : torch.nn.Sequential or a module of to_torch
        ``Conv2d`` with stride 1 that keeps the size of maps or has no padding, ``MaxPool2d`` or ``AvgPool2d`` of 2×2
        pixels, ``Flatten``, ``Linear``, each with an activation after it or not: ``ReLU``, ``Sigmoid``, ``Tanh`` or
        ``Identity``. ``Dropout`` and ``Dropout2d`` are left out, for they do nothing after training. A sequence may
        hold others.
    input_shape : tuple of int, optional
        Maps, rows and columns of a sample; needed unless the first layer is ``Linear``.

    Returns
    -------
    Genome
        With the module's dtype. Its outputs are those of the module, up to rounding.

    Raises
    ------
    TypeError
        If `module` is no sequence.
    ValueError
        If a layer cannot be converted. The message names the layer.
    """
    if hasattr(module, "to_genome"):
        genome: Genome = module.to_genome()
        return genome
    if type(module).__name__ != "Sequential":
        raise TypeError(f"module must be a torch.nn.Sequential; got {type(module).__name__}")
    layers: list[Layer] = []
    arrays: list[FloatArray] = []
    for number, one in enumerate(_flattened(module), 1):
        name = type(one).__name__
        label = f"layer {number} ({name})"
        if name in ACTIVATIONS:
            _activate(label, layers, ACTIVATIONS[name])
        elif name == "Conv2d":
            layers.append(_convolution(label, one))
            # Our convolutions turn the kernel by 180°.
            arrays += [_array(one.weight)[:, :, ::-1, ::-1].reshape(-1), _bias(one)]
        elif name in {"MaxPool2d", "AvgPool2d"}:
            _check_pooling(label, one)
            layers.append(PoolingLayer("max" if name == "MaxPool2d" else "mean", border="drop"))
        elif name == "Flatten":
            _check_settings(label, one, start_dim=1, end_dim=-1)
            layers.append(RasterizationLayer())
        elif name == "Linear":
            layers.append(HiddenLayer(one.out_features, "identity"))
            arrays += [_array(one.weight).reshape(-1), _bias(one)]
            input_shape = input_shape or ((one.in_features,) if len(layers) == 1 else None)  # type: ignore[assignment]
        elif name not in {"Dropout", "Dropout2d"}:
            known = [
                "Conv2d",
                "MaxPool2d",
                "AvgPool2d",
                "Flatten",
                "Linear",
                *ACTIVATIONS,
                "Dropout",
            ]
            raise ValueError(f"{label} must be one of {', '.join(known)}")
    if not arrays:
        raise ValueError("module must have at least one Linear layer; got none")
    if input_shape is None:
        raise ValueError("input_shape must be given unless the first layer is Linear; got None")
    network = Network(
        layers, input_shape, "squared_error", rng=np.random.default_rng(0), dtype=arrays[0].dtype
    )
    network.parameters[:] = np.concatenate(arrays)
    return from_cnn(network)


def _flattened(module: Any) -> list[Any]:
    """Return the modules of a sequence in their order, those of sequences in it too."""
    if type(module).__name__ != "Sequential":
        return [module]
    return [one for child in module for one in _flattened(child)]


def _array(tensor: Any) -> FloatArray:
    array: FloatArray = tensor.detach().cpu().numpy()
    return array


def _bias(module: Any) -> FloatArray:
    """Return the bias of a module, zeros if it has none."""
    weight = _array(module.weight)
    return np.zeros(len(weight), weight.dtype) if module.bias is None else _array(module.bias)


def _activate(label: str, layers: list[Layer], activation: str) -> None:
    """Set the activation of the last layer."""
    layer = layers[-1] if layers else None
    if not isinstance(layer, ConvolutionLayer | HiddenLayer) or layer.activation != "identity":
        raise ValueError(f"{label} must come after Conv2d or Linear")
    layer.activation = activation


def _check_settings(label: str, module: Any, **expected: Any) -> None:
    """Raise ValueError unless attributes of a module have certain values; numbers may be given for each axis."""
    for name, value in expected.items():
        got = getattr(module, name)
        if got not in (value, (value, value)):
            raise ValueError(f"{label} must have {name} {value!r}; got {got!r}")


def _check_pooling(label: str, module: Any) -> None:
    _check_settings(label, module, kernel_size=2, stride=2, padding=0, ceil_mode=False)
    if type(module).__name__ == "MaxPool2d":
        _check_settings(label, module, dilation=1)
    else:
        _check_settings(label, module, divisor_override=None)


def _convolution(label: str, module: Any) -> ConvolutionLayer:
    """Return the layer of a convolution; :func:`evo.from_cnn` checks what shapes allow."""
    _check_settings(label, module, dilation=1, padding_mode="zeros", stride=1)
    kernel = pair_of("kernel_size", module.kernel_size, 1)
    padding = module.padding
    if isinstance(padding, str):
        if padding == "same" and not all(side % 2 for side in kernel):
            raise ValueError(f"{label} must have kernels of odd sides; got {brief(kernel)}")
        padding = (kernel[0] // 2, kernel[1] // 2) if padding == "same" else 0
    n_maps, n_groups = module.out_channels, module.groups
    connections = None
    if n_groups > 1:
        first = np.repeat(np.arange(n_groups), n_maps // n_groups) * (
            module.in_channels // n_groups
        )
        connections = [list(range(k, k + module.in_channels // n_groups)) for k in first.tolist()]
    return ConvolutionLayer(n_maps, kernel, "identity", connections=connections, padding=padding)
