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
from cnn.training.losses import LOSSES
from evo.genome.activations import activation_code, activation_name, activation_names
from evo.genome.feature_maps import MAX_WINDOW, Downsampling, Kernel, MapTransform, map_transform
from evo.genome.genome import FloatArray, Genome, Role


@dataclass(frozen=True)
class _Reading:
    """How a layer reads the maps of the layer before.

    Attributes
    ----------
    downsamplings : int
        How often the maps are halved before.
    map_size : int
        Side of the maps after that.
    kernel, padding : tuple of int
        Rows and columns of the kernels, and of the margin.
    """

    downsamplings: int
    map_size: int
    kernel: tuple[int, int]
    padding: tuple[int, int]

    @property
    def output_size(self) -> int:
        """Side of the resulting maps; they are square."""
        return self.map_size + 2 * self.padding[0] - self.kernel[0] + 1

    def taps_in(self, transform: MapTransform) -> NDArray[np.intp] | None:
        """Return the numbers that the taps of a kernel have in a map transform; None if it does not read like this."""
        begin = [transform.margin - padding for padding in self.padding]
        ends = [first + size for first, size in zip(begin, self.kernel, strict=True)]
        same_map = (transform.downsamplings, transform.map_size) == (
            self.downsamplings,
            self.map_size,
        )
        if not same_map or min(begin) < 0 or max(ends) > transform.window:
            return None
        rows, columns = (np.arange(*ends_of) for ends_of in zip(begin, ends, strict=True))
        return (rows[:, np.newaxis] * transform.window + columns).reshape(-1)


@dataclass(frozen=True, eq=False)
class _NodeLayer:
    """The nodes of a layer and their in-edges.

    Attributes
    ----------
    name : str
        Of the layer of the CNN.
    map_size, count : int
        Map size and number of the nodes.
    reading : _Reading or None
        Of all in-edges; None for inputs.
    activation : int
        Code of the activation.
    sources, kernels : sequence of ndarray
        For each node its predecessors, as indices in the layer before, and the taps, shape (predecessors, taps).
    bias : ndarray
    """

    name: str
    map_size: int
    count: int
    reading: _Reading | None
    activation: int
    sources: Sequence[NDArray[np.intp]]
    kernels: Sequence[FloatArray]
    bias: FloatArray


def from_cnn(network: Network) -> Genome:
    """Return the genome of a convolutional network, or of a multi-layer perceptron.

    Parameters
    ----------
    network : Network
        Made of the layers that ``docs/founders.md`` lists: convolutions on square maps that keep their size or need no
        padding, 2×2 pooling (maximum, mean or trainable), rasterisation, hidden and output layers.

    Returns
    -------
    Genome
        A genome with the network's weights, one node per map or neuron, and no threshold. Trainable pooling is a layer
        of nodes with one tap each, the gain.

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
    return _assemble(layers, _choose_kernel(layers), downsampling)


def _read_layers(network: Network) -> tuple[list[_NodeLayer], Downsampling]:
    """Return the layers of nodes, and how maps are halved between them."""
    shape = network.input_shape
    shape = (1, *shape) if len(shape) == 2 else shape
    if isinstance(network.layers[0], RasterizationLayer) and shape[-2:] != (shape[-1],) * 2:
        shape = (int(np.prod(shape)),)  # pixels are as good as other features if no map is needed
    if len(shape) == 3 and shape[1] != shape[2]:
        first = type(network.layers[0]).__name__
        raise ValueError(f"layer 1 ({first}) must read square images; got {shape[1]}×{shape[2]}")
    map_size = shape[1] if len(shape) == 3 else 1
    zeros: FloatArray = np.zeros(shape[0], network.dtype)
    code = activation_code("identity")
    layers = [_NodeLayer("inputs", map_size, shape[0], None, code, [], [], zeros)]
    methods: set[Downsampling] = set()
    downsamplings, rasterised = 0, len(shape) == 1
    for number, layer in enumerate(network.layers, 1):
        name, count = f"layer {number} ({type(layer).__name__})", layers[-1].count
        if isinstance(layer, PoolingLayer):
            methods.add(_downsampling(name, layer, map_size))
            downsamplings, map_size = downsamplings + 1, map_size // 2
            if layer.method != "trainable":
                continue
            layers.append(_convert_gains(name, layer, count, map_size, downsamplings))
        elif isinstance(layer, RasterizationLayer):
            rasterised = True
            continue
        elif isinstance(layer, ConvolutionLayer) and not rasterised:
            layers.append(_convert_convolution(name, layer, count, map_size, downsamplings))
        elif isinstance(layer, HiddenLayer | SoftmaxLayer) and rasterised:
            layers.append(_convert_neurons(name, layer, count, map_size, downsamplings))
        else:
            rule = "a convolution, pooling or rasterisation, or then a hidden or output layer"
            raise ValueError(f"{name} must be {rule}")
        downsamplings, map_size = 0, layers[-1].map_size
    if len(methods) > 1:
        raise ValueError(f"network must pool by one method; got {', '.join(sorted(methods))}")
    if len(layers) == 1 or downsamplings or map_size > 1:
        last = type(network.layers[-1]).__name__
        raise ValueError(f"network must end in a layer of neurons; got {last}")
    return layers, "mean" if "mean" in methods else "max"


def _downsampling(name: str, layer: PoolingLayer, map_size: int) -> Downsampling:
    """Return the downsampling of a pooling layer; raise ValueError if a genome has none such."""
    if layer.method == "gaussian":
        raise ValueError(f"{name} must pool by max or mean, or be trainable; got gaussian")
    if layer.method == "max" and layer.max_gradient != "arg_max":
        raise ValueError(f"{name} must send gradients to the maximum; got {layer.max_gradient}")
    if map_size % 2 and layer.border == "pad":
        maps = f"maps of {map_size}×{map_size} pixels"
        raise ValueError(f"{name} must drop the border of {maps}; got {layer.border}")
    return "max" if layer.method == "max" else "mean"


def _convert_gains(
    name: str, layer: PoolingLayer, count: int, map_size: int, downsamplings: int
) -> _NodeLayer:
    """Return trainable pooling, gain · mean + bias, as a layer of nodes."""
    gains, bias = np.split(layer.parameters, 2)
    return _NodeLayer(
        name=name,
        map_size=map_size,
        count=count,
        reading=_Reading(downsamplings, map_size, (1, 1), (0, 0)),
        activation=activation_code("identity"),
        sources=list(np.arange(count)[:, np.newaxis]),
        kernels=list(gains.reshape(count, 1, 1)),
        bias=bias,
    )


def _convert_convolution(
    name: str, layer: ConvolutionLayer, n_sources: int, map_size: int, downsamplings: int
) -> _NodeLayer:
    reading = _Reading(
        downsamplings,
        map_size,
        pair_of("kernel_size", layer.kernel_size, 1),
        pair_of("padding", layer.padding, 0),
    )
    pairs = connected_pairs(layer.connections, layer.n_maps, n_sources)
    _check_convolution(name, layer, reading, len(pairs))
    of_map = [pairs[:, 0] == k for k in range(layer.n_maps)]
    # A convolution turns its kernel by 180°; taps are numbered by the pixel that they read.
    turned = layer.weights[:, ::-1, ::-1].reshape(len(pairs), -1)
    return _NodeLayer(
        name=name,
        map_size=reading.output_size,
        count=layer.n_maps,
        reading=reading,
        activation=activation_code(layer.activation),
        sources=[pairs[chosen, 1] for chosen in of_map],
        kernels=[turned[chosen] for chosen in of_map],
        bias=layer.bias,
    )


def _check_convolution(name: str, layer: ConvolutionLayer, reading: _Reading, n_pairs: int) -> None:
    """Raise ValueError for a convolution that is no edge between maps, whatever the other layers are."""
    (p, q), (down, right) = reading.kernel, reading.padding
    size, rows, columns = reading.map_size, *layer.output_shape[1:]
    without_stride = (size + 2 * down - p + 1, size + 2 * right - q + 1)
    kernels = f"kernels of {p}×{q} with padding {down}×{right}"
    if (rows, columns) != without_stride:
        raise ValueError(f"{name} must have stride 1; got {brief(layer.stride)}")
    if rows != columns:
        raise ValueError(f"{name} must make square maps; got {rows}×{columns} by {kernels}")
    if rows > size:
        raise ValueError(
            f"{name} must not make maps larger; got {rows}×{rows} from {size}×{size} by {kernels}"
        )
    if rows < size and (down or right):
        raise ValueError(f"{name} must have no padding, or keep the size of maps; got {kernels}")
    if rows == size and max(p, q) > 2 * size - 1:
        most = f"at most {2 * size - 1} pixels wide for maps of {size}×{size}"
        raise ValueError(f"{name} must have kernels {most}; got {p}×{q}")
    if layer.kernels == "shared" and n_pairs > layer.n_maps:
        rule = "one kernel per pair of maps, since weights of a genome are not tied"
        raise ValueError(f"{name} must have {rule}; got shared")


def _convert_neurons(
    name: str, layer: HiddenLayer | SoftmaxLayer, n_sources: int, map_size: int, downsamplings: int
) -> _NodeLayer:
    if isinstance(layer, SoftmaxLayer) and layer.implied_other:
        raise ValueError(f"{name} must have one node per class; got implied_other = True")
    activation = layer.activation if isinstance(layer, HiddenLayer) else "identity"
    return _NodeLayer(
        name=name,
        map_size=1,
        count=layer.n_nodes,
        reading=_Reading(downsamplings, map_size, (map_size, map_size), (0, 0)),
        activation=activation_code(activation),
        sources=[np.arange(n_sources)] * layer.n_nodes,
        kernels=list(layer.weights.reshape(layer.n_nodes, n_sources, -1)),
        bias=layer.bias,
    )


def _choose_kernel(layers: list[_NodeLayer]) -> Kernel:
    """Return the side of kernels with which every layer reads as in the CNN.

    One number if it is no wider than the widest convolution needs, otherwise one for each map size.
    """
    sides: dict[int, list[int]] = {}
    narrowest: list[int] = []
    for before, layer in itertools.pairwise(layers):
        suitable = _suitable_sides(before.map_size, layer)
        narrowest += suitable[:1] if layer.map_size > 1 else []
        known = sides.get(layer.map_size, suitable)
        sides[layer.map_size] = [side for side in known if side in suitable]
        if not sides[layer.map_size]:
            raise ValueError(
                f"{layer.name} must read maps by kernels of a side that suits the other layers of its map size; got "
                f"{before.map_size} → {layer.map_size}, which needs from {suitable[0]} to {suitable[-1]}"
            )
    common = set.intersection(*map(set, sides.values()))
    if common and min(common) <= max(narrowest, default=MAX_WINDOW):
        return min(common)
    return tuple((map_size, sides[map_size][0]) for map_size in sorted(sides))


def _suitable_sides(source: int, layer: _NodeLayer) -> list[int]:
    """Return the sides of kernels with which a genome reads maps as a layer does, ascending."""
    reading, target = layer.reading, layer.map_size
    assert reading is not None
    widest = max(*reading.kernel, reading.map_size - target + 1)
    if widest > MAX_WINDOW:
        raise ValueError(
            f"{layer.name} must have kernels at most {MAX_WINDOW} pixels wide; got {widest}"
        )
    sides = range(max(reading.kernel) | 1, MAX_WINDOW + 1, 2)
    found = [
        side for side in sides if reading.taps_in(map_transform(source, target, side)) is not None
    ]
    if not found:
        (p, q), size = reading.kernel, reading.map_size
        rule = f"so wide that a genome reads the maps of {source}×{source} with less pooling"
        raise ValueError(f"{layer.name} must not have kernels {rule}; got {p}×{q} on {size}×{size}")
    return found


def _assemble(layers: list[_NodeLayer], kernel: Kernel, downsampling: Downsampling) -> Genome:
    """Return the layers as one genome."""
    counts = [layer.count for layer in layers]
    begins = np.cumsum([0, *counts[:-1]])
    sources, taps, values, lengths = [], [], [], [0] * counts[0]
    for (previous, layer), begin in zip(itertools.pairwise(layers), begins, strict=False):
        assert layer.reading is not None
        transform = map_transform(previous.map_size, layer.map_size, kernel)
        of_kernel = layer.reading.taps_in(transform)
        assert of_kernel is not None
        for predecessors, weights in zip(layer.sources, layer.kernels, strict=True):
            sources.append(np.repeat(begin + predecessors, len(of_kernel)))
            taps.append(np.tile(of_kernel, len(predecessors)))
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
        Made of layers whose in-edges are from the layer before: kernels of one size between maps, about the centre of
        the window where maps keep their size, and every tap into neurons. Dormant entries are left out. A gain for the
        mean of each map, without activation, is trainable pooling.
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
    inputs, map_size = node_layers[0], int(genome.map_sizes[node_layers[0][0]])
    layers: list[Layer] = []
    weights: list[FloatArray] = []
    are_maps = map_size > 1
    for before, nodes in itertools.pairwise(node_layers):
        edges = _edges_between(genome, active, before, nodes)
        is_last = nodes is node_layers[-1]
        layers += _layers_between(
            genome, before, nodes, edges, are_maps=are_maps, is_last=is_last, loss=loss
        )
        are_maps = isinstance(layers[-1], ConvolutionLayer | PoolingLayer)
        is_convolution = isinstance(layers[-1], ConvolutionLayer)
        weights.append((edges.weights[:, ::-1] if is_convolution else edges.weights).reshape(-1))
        weights.append(genome.bias[nodes])
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
    activations = activation_names(genome.activations)
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


@dataclass(frozen=True, eq=False)
class _Edges:
    """The edges from one layer of nodes to the next.

    Attributes
    ----------
    transform : MapTransform
    kernel : tuple of int
        Rows and columns of all kernels.
    sources : list of list of int
        Each node's predecessors, as indices in the layer before.
    weights : ndarray, shape (connections, taps)
    """

    transform: MapTransform
    kernel: tuple[int, int]
    sources: list[list[int]]
    weights: FloatArray


def _edges_between(
    genome: Genome, active: NDArray[np.bool_], before: NDArray[np.intp], nodes: NDArray[np.intp]
) -> _Edges:
    """Return the edges between two layers; raise ValueError unless all kernels have the same rows and columns."""
    source, target = genome.map_sizes[[before[0], nodes[0]]].tolist()
    transform = map_transform(source, target, genome.kernel)
    first, last = genome.indptr[[nodes[0], nodes[-1] + 1]]
    kernel = (transform.window, transform.window)
    if transform.margin and genome.taps is not None:
        # Kernels that keep the size are about the centre of the window, and may be smaller.
        used = genome.taps[first:last][active[first:last]]
        places = np.array(np.divmod(used.astype(np.intp), transform.window)) - transform.margin
        rows, columns = (2 * np.abs(places).max(axis=1) + 1).tolist()
        kernel = (rows, columns)
    n_taps = kernel[0] * kernel[1]
    predecessors, kernels = [], []
    for node in nodes:
        entries = np.arange(genome.indptr[node], genome.indptr[node + 1])
        entries = entries[active[entries]]
        sources, counts = np.unique(genome.indices[entries], return_counts=True)
        if (counts != n_taps).any():
            rule = f"kernels of {n_taps} active taps"
            got = counts[counts != n_taps][0]
            raise ValueError(f"node {node} must have {rule}; got {got}")
        predecessors.append((sources - before[0]).tolist())
        kernels.append(genome.values[entries].reshape(-1, n_taps))
    return _Edges(transform, kernel, predecessors, np.concatenate(kernels))


def _layers_between(
    genome: Genome,
    before: NDArray[np.intp],
    nodes: NDArray[np.intp],
    edges: _Edges,
    *,
    are_maps: bool,
    is_last: bool,
    loss: str,
) -> list[Layer]:
    """Return the layers of the CNN from one layer of nodes to the next; `are_maps` unless the former is a vector."""
    source, target = genome.map_sizes[[before[0], nodes[0]]].tolist()
    if source < target:
        got = f"map size {target} after {source}"
        raise ValueError(f"node {nodes[0]} must not be larger than its predecessors; got {got}")
    n_pooling, downsampling = edges.transform.downsamplings, genome.downsampling
    pooling = [PoolingLayer(downsampling, border="drop") for _ in range(n_pooling)]
    activation = activation_name(genome.activations[nodes[0]])
    if activation not in LAYER_ACTIVATIONS:
        raise ValueError(f"node {nodes[0]} must have an activation of cnn; got {activation}")
    if not is_last and activation == "identity" and _are_gains(edges, len(before), downsampling):
        return [*pooling[1:], PoolingLayer("trainable", border="drop")]
    is_full = all(len(sources) == len(before) for sources in edges.sources)
    if target > 1 or (are_maps and not is_full and not is_last):
        convolution = ConvolutionLayer(
            len(nodes),
            edges.kernel,
            activation,
            connections=None if is_full else edges.sources,
            padding=(edges.kernel[0] // 2, edges.kernel[1] // 2) if edges.transform.margin else 0,
        )
        return [*pooling, convolution]
    if not is_full:
        counts = [len(sources) for sources in edges.sources]
        first = int(np.argmax(np.array(counts) < len(before)))
        rule = f"in-edges from all {len(before)} nodes of the layer before"
        raise ValueError(f"node {nodes[first]} must have {rule}; got {counts[first]}")
    if is_last and LOSSES[loss].target_kind == "classes":
        if activation != "identity":
            raise ValueError(f"outputs must have the activation identity; got {activation}")
        neurons: Layer = SoftmaxLayer(len(nodes))
    else:
        neurons = HiddenLayer(len(nodes), activation)
    raster = [RasterizationLayer()] if are_maps else []
    return [*pooling, *raster, neurons]


def _are_gains(edges: _Edges, n_before: int, downsampling: Downsampling) -> bool:
    """Return whether edges are those of trainable pooling: a gain for the mean of each map."""
    return (
        edges.transform.downsamplings > 0
        and downsampling == "mean"
        and edges.weights.shape[1] == 1
        and edges.sources == [[k] for k in range(n_before)]
    )
