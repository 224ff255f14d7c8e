"""Conversion between a CNN and a genome, its matrix of kernels.

Each map of a convolution becomes a node, each hidden or output node a neuron. Pooling and rasterisation need no nodes,
since an edge from a larger map to a smaller one implies them (:mod:`evo.genome.feature_maps`). So a CNN is a point of
the search space of evolution. Its genome has the same outputs and gradients up to rounding.
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
class _NodeLayer:
    """The nodes of a layer and their in-edges.

    Attributes
    ----------
    map_size, count : int
        Map size and number of the nodes.
    transform : MapTransform or None
        The transform of all in-edges; None for inputs.
    activation : int
        Code of the activation.
    sources, kernels : sequence of ndarray
        For each node its predecessors, as indices in the layer before, and the taps, shape (predecessors, window²).
    bias : ndarray
    """

    map_size: int
    count: int
    transform: MapTransform | None
    activation: int
    sources: Sequence[NDArray[np.intp]]
    kernels: Sequence[FloatArray]
    bias: FloatArray


def from_cnn(network: Network) -> Genome:
    """Return the genome of a convolutional network, or of a multi-layer perceptron.

    Parameters
    ----------
    network : Network
        Made of convolutions on square images, 2×2 pooling by maximum or mean, rasterisation, hidden and output layers.

    Returns
    -------
    Genome
        A genome with the network's weights, one node per map or neuron, and no threshold.

    Raises
    ------
    TypeError
        If `network` is not a :class:`cnn.Network`.
    ValueError
        If a layer cannot be converted. The message names the layer.

    Examples
    --------
    >>> from cnn import lenet5
    >>> genome = from_cnn(lenet5(rng=np.random.default_rng(0)))
    >>> genome.n_nodes, genome.n_stored, sorted(set(genome.map_sizes.tolist()))
    (237, 61470, [1, 10, 28])
    """
    if not isinstance(network, Network):
        raise TypeError(f"network must be a cnn.Network; got {brief(network)}")
    layers, downsampling = _read_layers(network)
    transforms = [
        (before.map_size, layer.map_size, layer.transform)
        for before, layer in itertools.pairwise(layers)
    ]
    widest = max(layer.transform.window for layer in layers[1:] if layer.transform is not None)
    for kernel in range(1, widest + 2, 2):
        if all(map_transform(source, target, kernel) == one for source, target, one in transforms):
            return _assemble(layers, kernel, downsampling)
    sizes = ", ".join(f"{source} → {target}" for source, target, _ in transforms)
    rule = "network must transform maps as evo.genome.feature_maps defines, with one kernel size"
    raise ValueError(f"{rule}; got other transforms in {sizes}")


def _read_layers(network: Network) -> tuple[list[_NodeLayer], Downsampling]:
    """Return the layers of nodes, and how maps are halved between them."""
    shape = network.input_shape
    shape = (1, *shape) if len(shape) == 2 else shape
    if len(shape) == 3 and shape[1] != shape[2]:
        raise ValueError(f"network must take square images; got {shape[1]}×{shape[2]}")
    map_size = shape[1] if len(shape) == 3 else 1
    zeros: FloatArray = np.zeros(shape[0], network.dtype)
    layers = [_NodeLayer(map_size, shape[0], None, activation_code("identity"), [], [], zeros)]
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
            layers.append(
                _convert_convolution(name, layer, layers[-1].count, map_size, downsamplings)
            )
            downsamplings, map_size = 0, layers[-1].map_size
        elif isinstance(layer, HiddenLayer | SoftmaxLayer) and rasterised:
            layers.append(_convert_neurons(name, layer, layers[-1].count, map_size, downsamplings))
            downsamplings, map_size = 0, 1
        else:
            rule = "a convolution, pooling or rasterisation, or then a hidden or output layer"
            raise ValueError(f"{name} must be {rule}")
    if len(methods) > 1:
        raise ValueError(f"network must pool by one method; got {', '.join(sorted(methods))}")
    if len(layers) == 1 or downsamplings or map_size > 1:
        last = type(network.layers[-1]).__name__
        raise ValueError(f"network must end in a layer of neurons; got {last}")
    return layers, "mean" if "mean" in methods else "max"


def _check_pooling(name: str, layer: PoolingLayer, map_size: int) -> None:
    if layer.method not in ("max", "mean"):
        raise ValueError(f"{name} must pool by max or mean; got {layer.method}")
    if layer.method == "max" and layer.max_gradient != "arg_max":
        raise ValueError(f"{name} must send gradients to the maximum; got {layer.max_gradient}")
    if map_size % 2 and layer.border == "pad":
        maps = f"maps of {map_size}×{map_size} pixels"
        raise ValueError(f"{name} must drop the border of {maps}; got {layer.border}")


def _convert_convolution(
    name: str, layer: ConvolutionLayer, n_sources: int, map_size: int, downsamplings: int
) -> _NodeLayer:
    kernel = pair_of("kernel_size", layer.kernel_size, 1)
    stride = pair_of("stride", layer.stride, 1)
    margin = pair_of("padding", layer.padding, 0)
    if kernel[0] != kernel[1] or margin[0] != margin[1] or stride != (1, 1):
        got = f"kernels {kernel}, margins {margin}, stride {stride}"
        raise ValueError(f"{name} must have square kernels and margins, and stride 1; got {got}")
    if layer.kernels != "per_map":
        raise ValueError(f"{name} must have one kernel per pair of maps; got {layer.kernels}")
    pairs = connected_pairs(layer.connections, layer.n_maps, n_sources)
    of_map = [pairs[:, 0] == k for k in range(layer.n_maps)]
    # A convolution turns its kernel by 180°; taps are numbered by the pixel that they read.
    turned = layer.weights[:, ::-1, ::-1].reshape(len(pairs), -1)
    return _NodeLayer(
        map_size=layer.output_shape[1],
        count=layer.n_maps,
        transform=MapTransform(downsamplings, map_size, margin[0], kernel[0]),
        activation=activation_code(layer.activation),
        sources=[pairs[chosen, 1] for chosen in of_map],
        kernels=[turned[chosen] for chosen in of_map],
        bias=layer.bias,
    )


def _convert_neurons(
    name: str, layer: HiddenLayer | SoftmaxLayer, n_sources: int, map_size: int, downsamplings: int
) -> _NodeLayer:
    if isinstance(layer, SoftmaxLayer) and layer.implied_other:
        raise ValueError(f"{name} must have one node per class; got implied_other = True")
    activation = layer.activation if isinstance(layer, HiddenLayer) else "identity"
    return _NodeLayer(
        map_size=1,
        count=layer.n_nodes,
        transform=MapTransform(downsamplings, map_size, 0, map_size),
        activation=activation_code(activation),
        sources=[np.arange(n_sources)] * layer.n_nodes,
        kernels=list(layer.weights.reshape(layer.n_nodes, n_sources, -1)),
        bias=layer.bias,
    )


def _assemble(layers: list[_NodeLayer], kernel: int, downsampling: Downsampling) -> Genome:
    """Return the layers as one genome."""
    counts = [layer.count for layer in layers]
    begins = np.cumsum([0, *counts[:-1]])
    sources, taps, values, lengths = [], [], [], [0] * counts[0]
    for layer, before in zip(layers[1:], begins, strict=False):
        for predecessors, weights in zip(layer.sources, layer.kernels, strict=True):
            sources.append(np.repeat(before + predecessors, weights.shape[1]))
            taps.append(np.tile(np.arange(weights.shape[1]), len(predecessors)))
            values.append(weights.reshape(-1))
            lengths.append(weights.size)
    map_sizes = np.repeat([layer.map_size for layer in layers], counts).astype(np.int32)
    roles = np.full(len(map_sizes), Role.HIDDEN, np.uint8)
    roles[: counts[0]] = Role.INPUT
    roles[len(roles) - counts[-1] :] = Role.OUTPUT
    return Genome(
        indptr=np.cumsum([0, *lengths], dtype=np.int64),
        indices=np.concatenate(sources).astype(np.int32),
        values=np.concatenate(values),
        bias=np.concatenate([layer.bias for layer in layers]),
        ids=np.arange(len(map_sizes), dtype=np.int64),
        roles=roles,
        activations=np.repeat([layer.activation for layer in layers], counts).astype(np.uint8),
        map_sizes=map_sizes,
        taps=np.concatenate(taps).astype(np.uint16) if map_sizes.max() > 1 else None,
        kernel=kernel,
        downsampling=downsampling,
    )


# -- from a genome to a CNN --------------------------------------------------------------------------------------------


def to_cnn(genome: Genome, loss: str = "cross_entropy") -> Network:
    """Return the convolutional network of a genome.

    Parameters
    ----------
    genome : Genome
        Made of layers whose in-edges are from the layer before: kernels with all taps between maps, and every tap into
        neurons. Dormant entries are left out.
    loss : str
        A key of :data:`cnn.training.losses.LOSSES`.

    Raises
    ------
    ValueError
        If the genome is not such a network. The message names the first node that differs.
    """
    if genome.ticks != 1:
        raise ValueError(f"ticks must be 1 in a CNN; got {genome.ticks}")
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}; got {loss!r}")
    active = genome.active_mask()
    node_layers = layers_of_nodes(genome, active)
    layers: list[Layer] = []
    weights: list[FloatArray] = []
    for before, nodes in itertools.pairwise(node_layers):
        predecessors, kernels = _kernels_between(genome, active, before, nodes)
        is_last = nodes is node_layers[-1]
        layers += _layers_between(genome, before, nodes, predecessors, is_last=is_last, loss=loss)
        is_convolution = isinstance(layers[-1], ConvolutionLayer)
        weights.append((kernels[:, ::-1] if is_convolution else kernels).reshape(-1))
        weights.append(genome.bias[nodes])
    inputs, map_size = node_layers[0], int(genome.map_sizes[node_layers[0][0]])
    shape = (len(inputs), map_size, map_size) if map_size > 1 else (len(inputs),)
    dtype = genome.values.dtype
    network = Network(layers, shape, loss, rng=np.random.default_rng(0), dtype=dtype)
    network.parameters[:] = np.concatenate(weights)
    return network


def layers_of_nodes(genome: Genome, active: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Split the nodes into layers, in their order: a node with an in-edge from its own layer begins the next layer.

    Parameters
    ----------
    genome : Genome
    active : ndarray of bool, shape (nnz,)
        The stored entries to use.

    Raises
    ------
    ValueError
        If inputs are not the first nodes or outputs not the last layer, each in their order, or a node has other
        in-edges than from the layer before, or another map size or activation than its layer.
    """
    inputs = genome.inputs
    if not np.array_equal(inputs, np.arange(len(inputs))) or not len(inputs):
        raise ValueError(f"inputs must be the first nodes, in their order; got {brief(inputs)}")
    map_sizes = genome.map_sizes[inputs].tolist()
    if len(set(map_sizes)) > 1:
        raise ValueError(f"inputs must have one map size; got {brief(map_sizes)}")
    activations = np.array(ACTIVATIONS)[genome.activations]
    layers, begin = [inputs], len(inputs)
    for node in range(len(inputs), genome.n_nodes):
        entries = slice(genome.indptr[node], genome.indptr[node + 1])
        sources = genome.indices[entries][active[entries]]
        if begin < node and len(sources) and sources.max() >= begin:
            layers.append(np.arange(begin, node))
            begin = node
        if not len(sources) or sources.min() < layers[-1][0] or sources.max() >= begin:
            got = brief(sources.tolist())
            raise ValueError(
                f"node {node} must have in-edges from the layer before only; got {got}"
            )
        for part, names in (("map size", genome.map_sizes), ("activation", activations)):
            if names[node] != names[begin]:
                rule = f"the {part} of its layer, {names[begin]}"
                raise ValueError(f"node {node} must have {rule}; got {names[node]}")
    layers.append(np.arange(begin, genome.n_nodes))
    if not np.array_equal(genome.outputs, layers[-1]):
        got = brief(genome.outputs.tolist())
        raise ValueError(f"outputs must be the last layer, in their order; got {got}")
    return layers


def _kernels_between(
    genome: Genome, active: NDArray[np.bool_], before: NDArray[np.intp], nodes: NDArray[np.intp]
) -> tuple[list[list[int]], FloatArray]:
    """Return each node's predecessors, as indices in the layer before, and all kernels, shape (connections, taps)."""
    source, target = genome.map_sizes[[before[0], nodes[0]]].tolist()
    window = map_transform(source, target, genome.kernel).window
    predecessors, kernels = [], []
    for node in nodes:
        entries = np.arange(genome.indptr[node], genome.indptr[node + 1])
        entries = entries[active[entries]]
        sources, counts = np.unique(genome.indices[entries], return_counts=True)
        if (counts != window**2).any():
            rule = f"kernels of {window**2} active taps"
            raise ValueError(f"node {node} must have {rule}; got {counts.min()}")
        predecessors.append((sources - before[0]).tolist())
        kernels.append(genome.values[entries].reshape(-1, window**2))
    return predecessors, np.concatenate(kernels)


def _layers_between(
    genome: Genome,
    before: NDArray[np.intp],
    nodes: NDArray[np.intp],
    predecessors: list[list[int]],
    *,
    is_last: bool,
    loss: str,
) -> list[Layer]:
    """Return the layers of the CNN from one layer of nodes to the next."""
    source, target = genome.map_sizes[[before[0], nodes[0]]].tolist()
    transform = map_transform(source, target, genome.kernel)
    if source < target:
        got = f"map size {target} after {source}"
        raise ValueError(f"node {nodes[0]} must not be larger than its predecessors; got {got}")
    n_pooling, downsampling = transform.downsamplings, genome.downsampling
    pooling = [PoolingLayer(downsampling, border="drop") for _ in range(n_pooling)]
    activation = ACTIVATIONS[genome.activations[nodes[0]]]
    if activation not in LAYER_ACTIVATIONS:
        raise ValueError(f"node {nodes[0]} must have an activation of cnn; got {activation}")
    is_full = all(len(sources) == len(before) for sources in predecessors)
    if target > 1:
        connections, padding = None if is_full else predecessors, transform.margin
        convolution = ConvolutionLayer(
            len(nodes), transform.window, activation, connections=connections, padding=padding
        )
        return [*pooling, convolution]
    if not is_full:
        counts = [len(sources) for sources in predecessors]
        first = int(np.argmax(np.array(counts) < len(before)))
        rule = f"in-edges from all {len(before)} nodes of the layer before"
        raise ValueError(f"node {nodes[first]} must have {rule}; got {counts[first]}")
    if is_last and LOSSES[loss].target_kind == "classes":
        if activation != "identity":
            raise ValueError(f"outputs must have the activation identity; got {activation}")
        neurons: Layer = SoftmaxLayer(len(nodes))
    else:
        neurons = HiddenLayer(len(nodes), activation)
    raster = [RasterizationLayer()] if source > 1 else []
    return [*pooling, *raster, neurons]
