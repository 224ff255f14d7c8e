"""A CNN as a matrix of kernels, and back.

Layers of :mod:`cnn` become levels of nodes: a convolution's maps are nodes with a side, hidden and output nodes
neurons. Pooling and rasterisation are no nodes, for an edge from a larger map to a smaller one implies them
(:mod:`evo.genome.feature_maps`). So the CNN is a point of the space that evolution searches, with the same outputs and
gradients to rounding.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn import (
    ConvolutionLayer,
    HiddenLayer,
    Network,
    PoolingLayer,
    RasterizationLayer,
    SoftmaxLayer,
)
from cnn.checks import brief, pair_of
from cnn.layers.activations import ACTIVATIONS as LAYER_ACTIVATIONS
from cnn.layers.connections import connected_pairs
from cnn.layers.layer import Layer
from cnn.layers.pooling import PoolingMethod
from cnn.training.losses import LOSSES
from evo.genome.activations import ACTIVATIONS, activation_code
from evo.genome.feature_maps import Downsampling, MapTransform, map_transform
from evo.genome.genome import FloatArray, Genome, Role


@dataclass(frozen=True, eq=False)
class _Level:
    """The nodes of a layer, and what they hear of the level before.

    Attributes
    ----------
    map_size, count : int
        Of the nodes' maps; nodes.
    passage : MapTransform or None
        How they read the level before; None for inputs.
    activation : int
    sources, kernels : sequence of ndarray
        For each node which nodes of the level before it hears, and their taps, shape (sources, window²).
    bias : ndarray
    """

    map_size: int
    count: int
    passage: MapTransform | None
    activation: int
    sources: Sequence[NDArray[np.intp]]
    kernels: Sequence[FloatArray]
    bias: FloatArray


def from_cnn(network: Network) -> Genome:
    """Return the genome of a convolutional network, or of a multi-layer perceptron.

    Parameters
    ----------
    network : Network
        Of convolutions on square images, 2×2 pooling by maximum or mean, rasterisation, hidden and output layers.

    Returns
    -------
    Genome
        With the network's weights, one node per map or neuron; every tap is an edge.

    Raises
    ------
    TypeError
        If it is no :class:`cnn.Network`.
    ValueError
        If a layer has no counterpart: the message names it.

    Examples
    --------
    >>> from cnn import lenet5
    >>> genome = from_cnn(lenet5(rng=np.random.default_rng(0)))
    >>> genome.n_nodes, genome.n_stored, sorted(set(genome.map_sizes.tolist()))
    (237, 61470, [1, 10, 28])
    """
    if not isinstance(network, Network):
        raise TypeError(f"network must be a cnn.Network; got {brief(network)}")
    levels, downsampling = _levels(network)
    passages = [
        (before.map_size, level.map_size, level.passage)
        for before, level in itertools.pairwise(levels)
    ]
    widest = max(level.passage.window for level in levels[1:] if level.passage is not None)
    for kernel in range(1, widest + 2, 2):
        if all(map_transform(source, target, kernel) == way for source, target, way in passages):
            return _assemble(levels, kernel, downsampling)
    ways = ", ".join(f"{source} → {target}" for source, target, _ in passages)
    raise ValueError(
        f"network must lead from map to map as evo.genome.feature_maps says, with kernels of one side; its ways {ways} "
        "do not"
    )


def _levels(network: Network) -> tuple[list[_Level], Downsampling]:
    """Read the layers; return the levels of nodes, and how maps are halved on the way."""
    shape = network.input_shape
    shape = (1, *shape) if len(shape) == 2 else shape
    if len(shape) == 3 and shape[1] != shape[2]:
        raise ValueError(f"network must take square images; got {shape[1]}×{shape[2]}")
    map_size = shape[1] if len(shape) == 3 else 1
    none: FloatArray = np.zeros(shape[0], network.dtype)
    levels = [_Level(map_size, shape[0], None, activation_code("identity"), [], [], none)]
    methods: set[PoolingMethod] = set()
    downsamplings, rasterised = 0, len(shape) == 1
    for number, layer in enumerate(network.layers, 1):
        name = f"layer {number} ({type(layer).__name__})"
        if isinstance(layer, PoolingLayer):
            _check_pooling(name, layer, map_size)
            methods.add(layer.method)
            downsamplings, map_size = downsamplings + 1, map_size // 2
        elif isinstance(layer, RasterizationLayer):
            rasterised = True
        elif isinstance(layer, ConvolutionLayer):
            levels.append(_convolution(name, layer, levels[-1].count, map_size, downsamplings))
            downsamplings, map_size = 0, levels[-1].map_size
        elif isinstance(layer, HiddenLayer | SoftmaxLayer) and rasterised:
            levels.append(_neurons(name, layer, levels[-1].count, map_size, downsamplings))
            downsamplings, map_size = 0, 1
        else:
            raise ValueError(f"{name} has no counterpart in a matrix of kernels")
    if len(methods) > 1:
        raise ValueError(f"network must pool by one method; got {', '.join(sorted(methods))}")
    if len(levels) == 1 or downsamplings or map_size > 1:
        raise ValueError("network must end in a layer of nodes, each of which gives one number")
    return levels, "mean" if "mean" in methods else "max"


def _check_pooling(name: str, layer: PoolingLayer, map_size: int) -> None:
    if layer.method not in ("max", "mean"):
        raise ValueError(f"{name} must pool by max or mean; got {layer.method}")
    if layer.method == "max" and layer.max_gradient != "arg_max":
        raise ValueError(f"{name} must send gradients to the maximum; got {layer.max_gradient}")
    if map_size % 2 and layer.border == "pad":
        raise ValueError(f"{name} must drop the border of maps of {map_size}×{map_size} pixels")


def _convolution(
    name: str, layer: ConvolutionLayer, n_sources: int, map_size: int, downsamplings: int
) -> _Level:
    kernel, stride = (
        pair_of("kernel_size", layer.kernel_size, 1),
        pair_of("stride", layer.stride, 1),
    )
    margin = pair_of("padding", layer.padding, 0)
    if kernel[0] != kernel[1] or margin[0] != margin[1] or stride != (1, 1):
        raise ValueError(f"{name} must have square kernels and margins, and stride 1")
    if layer.kernels != "per_map":
        raise ValueError(f"{name} must have a kernel for each connection")
    pairs = connected_pairs(layer.connections, layer.n_maps, n_sources)
    of_map = [pairs[:, 0] == k for k in range(layer.n_maps)]
    # A convolution turns its kernel by 180°; taps are numbered by the pixel they read.
    turned = layer.weights[:, ::-1, ::-1].reshape(len(pairs), -1)
    return _Level(
        map_size=layer.output_shape[1],
        count=layer.n_maps,
        passage=MapTransform(downsamplings, map_size, margin[0], kernel[0]),
        activation=activation_code(layer.activation),
        sources=[pairs[chosen, 1] for chosen in of_map],
        kernels=[turned[chosen] for chosen in of_map],
        bias=layer.bias,
    )


def _neurons(
    name: str, layer: HiddenLayer | SoftmaxLayer, n_sources: int, map_size: int, downsamplings: int
) -> _Level:
    if isinstance(layer, SoftmaxLayer) and layer.implied_other:
        raise ValueError(f"{name} must have a node for every class")
    activation = layer.activation if isinstance(layer, HiddenLayer) else "identity"
    return _Level(
        map_size=1,
        count=layer.n_nodes,
        passage=MapTransform(downsamplings, map_size, 0, map_size),
        activation=activation_code(activation),
        sources=[np.arange(n_sources)] * layer.n_nodes,
        kernels=list(layer.weights.reshape(layer.n_nodes, n_sources, -1)),
        bias=layer.bias,
    )


def _assemble(levels: list[_Level], kernel: int, downsampling: Downsampling) -> Genome:
    """Write levels out as one matrix."""
    counts = [level.count for level in levels]
    begins = np.cumsum([0, *counts[:-1]])
    sources, taps, values, lengths = [], [], [], [0] * counts[0]
    for level, before in zip(levels[1:], begins, strict=False):
        for heard, weights in zip(level.sources, level.kernels, strict=True):
            sources.append(np.repeat(before + heard, weights.shape[1]))
            taps.append(np.tile(np.arange(weights.shape[1]), len(heard)))
            values.append(weights.reshape(-1))
            lengths.append(weights.size)
    map_sizes = np.repeat([level.map_size for level in levels], counts).astype(np.int32)
    roles = np.full(len(map_sizes), Role.HIDDEN, np.uint8)
    roles[: counts[0]] = Role.INPUT
    roles[len(roles) - counts[-1] :] = Role.OUTPUT
    return Genome(
        indptr=np.cumsum([0, *lengths], dtype=np.int64),
        indices=np.concatenate(sources).astype(np.int32),
        values=np.concatenate(values),
        bias=np.concatenate([level.bias for level in levels]),
        ids=np.arange(len(map_sizes), dtype=np.int64),
        roles=roles,
        activations=np.repeat([level.activation for level in levels], counts).astype(np.uint8),
        map_sizes=map_sizes,
        taps=np.concatenate(taps).astype(np.uint16) if map_sizes.max() > 1 else None,
        kernel=kernel,
        downsampling=downsampling,
    )


# -- back --------------------------------------------------------------------------------------------------------------


def to_cnn(genome: Genome, loss: str = "cross_entropy") -> Network:
    """Return the convolutional network that a genome is.

    Parameters
    ----------
    genome : Genome
        Of levels, each of which hears the one before: maps by whole kernels, neurons by every tap. Dormant entries are
        left out.
    loss : str
        A key of :data:`cnn.training.losses.LOSSES`.

    Raises
    ------
    ValueError
        If the graph is no such network; the message names the node where that shows.
    """
    if genome.ticks != 1:
        raise ValueError(f"ticks must be 1 in a convolutional network; got {genome.ticks}")
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}; got {loss!r}")
    levels = _levels_of(genome)
    live = genome.active_mask()
    layers: list[Layer] = []
    weights: list[FloatArray] = []
    for before, level in itertools.pairwise(levels):
        table, kernels = _kernels_between(genome, live, before, level)
        layers += _layers_between(genome, before, level, table, last=level is levels[-1], loss=loss)
        conv = isinstance(layers[-1], ConvolutionLayer)
        weights.append((kernels[:, ::-1] if conv else kernels).reshape(-1))
        weights.append(genome.bias[level])
    inputs, map_size = levels[0], int(genome.map_sizes[levels[0][0]])
    shape = (len(inputs), map_size, map_size) if map_size > 1 else (len(inputs),)
    dtype = genome.values.dtype
    network = Network(layers, shape, loss, rng=np.random.default_rng(0), dtype=dtype)
    network.parameters[:] = np.concatenate(weights)
    return network


def _levels_of(genome: Genome) -> list[NDArray[np.intp]]:
    """Cut the nodes into levels by position: a node that hears one of its own level begins the next."""
    inputs = genome.inputs
    if not np.array_equal(inputs, np.arange(len(inputs))) or not len(inputs):
        raise ValueError("genome must have its inputs first, in their order, to be a CNN")
    if len(np.unique(genome.map_sizes[inputs])) > 1:
        raise ValueError("genome must have inputs of one side to be a CNN")
    live = genome.active_mask()
    levels, begin = [inputs], len(inputs)
    for node in range(len(inputs), genome.n_nodes):
        entries = slice(genome.indptr[node], genome.indptr[node + 1])
        heard = genome.indices[entries][live[entries]]
        if begin < node and len(heard) and heard.max() >= begin:
            levels.append(np.arange(begin, node))
            begin = node
        if not len(heard) or heard.min() < levels[-1][0] or heard.max() >= begin:
            raise ValueError(f"genome is no CNN: node {node} must hear the level before alone")
        alike = genome.map_sizes[node] == genome.map_sizes[begin]
        if not alike or genome.activations[node] != genome.activations[begin]:
            raise ValueError(f"genome is no CNN: node {node} must be like the first of its level")
    levels.append(np.arange(begin, genome.n_nodes))
    if not np.array_equal(genome.outputs, levels[-1]):
        raise ValueError("genome must have its outputs last, in their order, to be a CNN")
    return levels


def _kernels_between(
    genome: Genome, live: NDArray[np.bool_], before: NDArray[np.intp], level: NDArray[np.intp]
) -> tuple[list[list[int]], FloatArray]:
    """Return whom each node hears, counted within the level before, and all kernels, shape (connections, taps)."""
    map_sizes = genome.map_sizes
    window = map_transform(
        int(map_sizes[before[0]]), int(map_sizes[level[0]]), genome.kernel
    ).window
    table, kernels = [], []
    for node in level:
        entries = np.arange(genome.indptr[node], genome.indptr[node + 1])
        entries = entries[live[entries]]
        heard, counts = np.unique(genome.indices[entries], return_counts=True)
        if (counts != window**2).any():
            raise ValueError(f"genome is no CNN: node {node} must hear whole kernels")
        table.append((heard - before[0]).tolist())
        kernels.append(genome.values[entries].reshape(-1, window**2))
    return table, np.concatenate(kernels)


def _layers_between(
    genome: Genome,
    before: NDArray[np.intp],
    level: NDArray[np.intp],
    table: list[list[int]],
    *,
    last: bool,
    loss: str,
) -> list[Layer]:
    """Return the layers that lead from one level to the next."""
    source, target = int(genome.map_sizes[before[0]]), int(genome.map_sizes[level[0]])
    way = map_transform(source, target, genome.kernel)
    if source < target:
        raise ValueError(f"genome is no CNN: node {level[0]} is larger than what it hears")
    pooling = [PoolingLayer(genome.downsampling, border="drop") for _ in range(way.downsamplings)]
    activation = ACTIVATIONS[genome.activations[level[0]]]
    if activation not in LAYER_ACTIVATIONS:
        raise ValueError(f"genome is no CNN: node {level[0]} has {activation}, which no layer has")
    whole = all(len(heard) == len(before) for heard in table)
    if target > 1:
        connections = None if whole else table
        padding = way.margin
        convolution = ConvolutionLayer(
            len(level), way.window, activation, connections=connections, padding=padding
        )
        return [*pooling, convolution]
    if not whole:
        node = next(
            node for node, heard in zip(level, table, strict=True) if len(heard) < len(before)
        )
        raise ValueError(f"genome is no CNN: node {node} must hear the whole level before")
    if last and LOSSES[loss].target_kind == "classes":
        if activation != "identity":
            raise ValueError(f"genome is no CNN: its outputs must be scores; they are {activation}")
        neurons: Layer = SoftmaxLayer(len(level))
    else:
        neurons = HiddenLayer(len(level), activation)
    raster = [RasterizationLayer()] if source > 1 else []
    return [*pooling, *raster, neurons]
