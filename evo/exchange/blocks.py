"""The effective part of a genome as blocks of nodes, joined by matrix products and convolutions.

Other programs compute whole tensors, not single edges. A *block* holds the nodes of one level that have the same map
size, activation and delay to the outputs. The level of a node is one above the highest level of the nodes that it reads
in the same tick; inputs have level 0. So a block can be computed when the blocks before it are, and a tick is one pass
through the list. A block of delay d is needed at all ticks but the last d.

The weights of a block are those of a few *products*. A product into neurons is a matrix product with the concatenated
features that the neurons read. A product into maps is a convolution with the maps of one block. Weights that are no
edge are zeros in its array of weights, so the array of a block takes (nodes of the block) × (features or maps × taps
that any of its nodes reads) numbers.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn import Network
from cnn.checks import brief
from evo.exchange.layered_networks import from_cnn
from evo.genome.activations import FIRST_OWN, activation_name
from evo.genome.feature_maps import MapTransform, map_transform
from evo.genome.genome import FloatArray, Genome, Role

Indices = NDArray[np.intp]

SPARSE_FROM_SIZE, SPARSE_UP_TO = 1 << 20, 0.1
"""A product into neurons is sparse if its matrix has more entries than the first number, 4 MiB in float32, and no
neuron has more edges than the second number times the features."""


@dataclass(frozen=True, eq=False)
class Product:
    """One sum over in-edges of the nodes of a block.

    Attributes
    ----------
    delayed : bool
        Whether the sources are read as they were one tick before.
    from_inputs : bool
        Whether the sources are inputs, which have values before the first tick too.
    parts : tuple of (int, MapTransform)
        The blocks that are read, and how their maps are transformed; one block if the targets are maps.
    used : ndarray or None
        The features of all parts together, or the maps of the part, that any target reads; None if all are read. Maps
        that neurons read have one feature for each pixel of the transformed map, map after map.
    shape : tuple of int
        Shape of the array of weights: (targets, features), or (targets, maps, window, window).
    places : tuple of ndarray
        Index of each edge in this array, one array for each axis.
    entries : ndarray
        The stored entry of the genome of each edge.
    """

    delayed: bool
    from_inputs: bool
    parts: tuple[tuple[int, MapTransform], ...]
    used: Indices | None
    shape: tuple[int, ...]
    places: tuple[Indices, ...]
    entries: Indices

    @property
    def most_edges(self) -> int:
        """Largest number of in-edges of a target."""
        return int(np.bincount(self.places[0]).max())

    @property
    def is_sparse(self) -> bool:
        """Whether the array of weights would be large and almost empty; see :data:`SPARSE_FROM_SIZE`."""
        return (
            len(self.shape) == 2
            and self.shape[0] * self.shape[1] > SPARSE_FROM_SIZE
            and self.most_edges <= SPARSE_UP_TO * self.shape[1]
        )

    def weights(self, values: FloatArray) -> FloatArray:
        """Return the array of weights, given the values of the genome."""
        array = np.zeros(self.shape, values.dtype)
        array[self.places] = values[self.entries]
        return array

    def padded_rows(self) -> tuple[Indices, Indices]:
        """Return each target's features and entries in as many columns as a target has edges; −1 where it has fewer."""
        targets, features = self.places
        order = np.argsort(targets, kind="stable")
        counts = np.bincount(targets, minlength=self.shape[0])
        column = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = np.full((2, self.shape[0], self.most_edges), -1, np.intp)
        rows[0, targets[order], column] = features[order]
        rows[1, targets[order], column] = self.entries[order]
        return rows[0], rows[1]


@dataclass(frozen=True, eq=False)
class Block:
    """Nodes that are computed together.

    Attributes
    ----------
    nodes : ndarray
        Indices of the nodes in the genome.
    map_size : int
        Side of their maps, 1 for neurons.
    activation : str
        Its name.
    features : ndarray or None
        The features of a sample that inputs read, node after node; None if the nodes are no inputs.
    delay : int
        Least number of delayed edges on a path from a node of the block to an output; of no meaning for inputs.
    products : tuple of Product
        Their sum and the bias are the net input.
    """

    nodes: Indices
    map_size: int
    activation: str
    features: Indices | None
    delay: int
    products: tuple[Product, ...]

    def products_at(self, tick: int) -> list[Product]:
        """Return the products that are not 0: before the first tick only inputs have values."""
        return [one for one in self.products if tick or one.from_inputs or not one.delayed]


def genome_of(network: Genome | Network) -> Genome:
    """Return a genome as it is, and the genome of a CNN; raise TypeError for anything else.

    A predictor is told from other things, for it is what people have in hand.
    """
    if isinstance(network, Genome):
        return network
    if isinstance(network, Network):
        return from_cnn(network)
    got = brief(network)
    for part in ("genome", "network"):
        if hasattr(network, "to_onnx") and isinstance(
            getattr(network, part, None), Genome | Network
        ):
            kind = type(network).__name__
            got = f"a {kind}: it has to_onnx(), with all that it knows, and its {part} is the network alone"
            break
    raise TypeError(f"network must be a Genome or a cnn.Network; got {got}")


def check_sequence(genome: Genome, sequence: bool) -> None:
    """Raise ValueError if a network of one tick is to read sequences."""
    if sequence and genome.ticks == 1:
        raise ValueError("sequence must be False for a network of 1 tick; got True")


def blocks_of(genome: Genome) -> list[Block]:
    """Return the nodes on which outputs depend as blocks, in an order in which they can be computed.

    Raises
    ------
    ValueError
        If a node has an own activation, which other programs do not know.
    """
    delays = genome.delays_to_output(genome.active_mask())
    entries = np.flatnonzero(genome.effective_mask())
    sources, targets = genome.indices[entries].astype(np.intp), genome.targets[entries]
    delayed = genome.is_delayed(sources, targets)
    groups = _groups(genome, delays, sources[~delayed], targets[~delayed])
    of_node, local = np.full((2, genome.n_nodes), -1)
    for k, nodes in enumerate(groups):
        of_node[nodes], local[nodes] = k, np.arange(len(nodes))
    order = np.argsort(of_node[targets], kind="stable")
    ends = np.searchsorted(of_node[targets][order], np.arange(len(groups) + 1))
    first = _first_features(genome)
    blocks = []
    for k, nodes in enumerate(groups):
        own = order[ends[k] : ends[k + 1]]
        edges = _Edges(entries[own], sources[own], local[targets[own]], delayed[own])
        code, map_size = int(genome.activations[nodes[0]]), int(genome.map_sizes[nodes[0]])
        is_input = nodes[0] in first
        if code >= FIRST_OWN and not is_input:
            raise ValueError(
                f"activation of node {nodes[0]} must be a built-in one; got {activation_name(code)!r}"
            )
        features = None
        if is_input:
            of_nodes = [np.arange(first[node], first[node] + map_size**2) for node in nodes]
            features = np.concatenate(of_nodes)
        blocks.append(
            Block(
                nodes=nodes,
                map_size=map_size,
                activation=activation_name(code),
                features=features,
                delay=int(delays[nodes[0]]),
                products=tuple(_products(genome, groups, of_node, local, len(nodes), edges)),
            )
        )
    return blocks


@dataclass(frozen=True, eq=False)
class _Edges:
    """Some edges into one block: stored entries, source nodes, targets as indices in the block, whether delayed."""

    entries: Indices
    sources: Indices
    targets: Indices
    delayed: NDArray[np.bool_]

    def of(self, mask: NDArray[np.bool_]) -> "_Edges":
        """Return the edges of a mask."""
        return _Edges(
            self.entries[mask], self.sources[mask], self.targets[mask], self.delayed[mask]
        )


def _first_features(genome: Genome) -> dict[int, int]:
    """Return the first feature that each input reads."""
    inputs = genome.inputs
    sizes = genome.map_sizes[inputs].astype(np.int64) ** 2
    return dict(zip(inputs.tolist(), (np.cumsum(sizes) - sizes).tolist(), strict=True))


def _groups(
    genome: Genome, delays: NDArray[np.int64], sources: Indices, targets: Indices
) -> list[Indices]:
    """Return the nodes of each block: inputs first, then by level; given delays to outputs and edges without delay."""
    is_input = genome.roles == Role.INPUT
    levels = np.where(is_input, 0, 1)
    ends = np.searchsorted(targets, np.arange(genome.n_nodes + 1))
    for node in np.flatnonzero(np.diff(ends)):
        levels[node] = levels[sources[ends[node] : ends[node + 1]]].max() + 1
    kinds = np.stack([levels, genome.map_sizes, genome.activations, delays], axis=1)
    kinds[is_input, 2:] = 0
    nodes = np.concatenate([genome.inputs, np.flatnonzero(~is_input)])
    nodes = nodes[delays[nodes] < genome.ticks]
    _, which = np.unique(kinds[nodes], axis=0, return_inverse=True)
    which = which.reshape(-1)
    order = np.argsort(which, kind="stable")
    return np.split(nodes[order], np.flatnonzero(np.diff(which[order])) + 1) if len(nodes) else []


def _products(
    genome: Genome,
    groups: list[Indices],
    of_node: Indices,
    local: Indices,
    n_targets: int,
    edges: _Edges,
) -> Iterator[Product]:
    """Yield the products of a block, given all blocks' nodes, each node's block and index there, and its edges."""
    is_input = genome.roles[edges.sources] == Role.INPUT
    for delayed, from_inputs in itertools.product((False, True), (True, False)):
        some = edges.of((edges.delayed == delayed) & (is_input == from_inputs))
        if not len(some.entries):
            continue
        blocks = of_node[some.sources]
        map_size = int(genome.map_sizes[genome.targets[some.entries[0]]])
        transforms = {
            k: map_transform(int(genome.map_sizes[groups[k][0]]), map_size, genome.kernel)
            for k in np.unique(blocks).tolist()
        }
        taps = (
            np.zeros(len(blocks), np.intp)
            if genome.taps is None
            else genome.taps[some.entries].astype(np.intp)
        )
        if map_size > 1:
            for k, transform in transforms.items():
                here = blocks == k
                of_block, window = some.of(here), transform.window
                used, maps = _used(local[of_block.sources], len(groups[k]))
                n_maps = len(groups[k]) if used is None else len(used)
                yield Product(
                    delayed=delayed,
                    from_inputs=from_inputs,
                    parts=((k, transform),),
                    used=used,
                    shape=(n_targets, n_maps, window, window),
                    places=(of_block.targets, maps, *np.divmod(taps[here], window)),
                    entries=of_block.entries,
                )
            continue
        sizes = [len(groups[k]) * transform.map_size**2 for k, transform in transforms.items()]
        begins = dict(zip(transforms, np.cumsum([0, *sizes]).tolist(), strict=False))
        pixels = {k: transform.map_size**2 for k, transform in transforms.items()}
        begin, size = (np.array([of[k] for k in blocks.tolist()]) for of in (begins, pixels))
        used, features = _used(begin + local[some.sources] * size + taps, sum(sizes))
        yield Product(
            delayed=delayed,
            from_inputs=from_inputs,
            parts=tuple(transforms.items()),
            used=used,
            shape=(n_targets, sum(sizes) if used is None else len(used)),
            places=(some.targets, features),
            entries=some.entries,
        )


def _used(read: Indices, n: int) -> tuple[Indices | None, Indices]:
    """Return which of n things are read, None if all are, and the index in them of each of some readings."""
    used, index = np.unique(read, return_inverse=True)
    return (None if len(used) == n else used), index
