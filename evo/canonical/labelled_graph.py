"""The network of a genome as a labelled graph, for comparison in :mod:`evo.canonical.canonical`.

Between maps an edge is a kernel. Its label is a hash of its taps, and an exact comparison compares the taps too. The
pixel that it reads identifies a tap, not its number, so the same taps in a wider window are the same kernel.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.canonical import hashing_kernels
from evo.canonical.hashing import Words, bits, hash_rows, node_labels
from evo.genome.feature_maps import first_taps, tap_offsets
from evo.genome.genome import Genome, Role


@dataclass(frozen=True, eq=False)
class Kernels:
    """The effective taps of each edge, in their stored order.

    Attributes
    ----------
    pointers : ndarray, shape (m + 1,)
        The index of the first tap of each edge.
    taps : ndarray, shape (taps, 3)
        Row and column offset of each tap, and the bits of its weight.
    """

    pointers: NDArray[np.intp]
    taps: Words

    def hashes(self) -> Words:
        """Return a hash of each kernel."""
        totals = np.zeros(len(self.taps) + 1, np.uint64)
        np.cumsum(hash_rows(self.taps), out=totals[1:])
        return totals[self.pointers[1:]] - totals[self.pointers[:-1]]

    def of_edges(self, edges: NDArray[np.intp]) -> tuple[NDArray[np.intp], Words]:
        """Return the number of taps of some edges, and the taps."""
        counts = np.diff(self.pointers)[edges]
        begins = np.repeat(self.pointers[edges] - (np.cumsum(counts) - counts), counts)
        return counts, self.taps[begins + np.arange(len(begins))]


@dataclass(frozen=True, eq=False)
class LabelledGraph:
    """The outputs and the nodes with effective edges, renumbered from 0, and the effective edges by target.

    Attributes
    ----------
    header : tuple
        The dtype and the numbers of ticks, inputs, outputs and nodes. With feature maps also the map sizes of all
        inputs, which determine the features of each input, and the downsampling if any map is halved.
    nodes : ndarray, shape (n,)
        The index of each node in the genome.
    node_labels : ndarray, shape (n, 4) or, with feature maps, (n, 5)
        Role, index among inputs or outputs, activation, bits of the bias; 0 if without meaning. The map size.
    sources, targets, edge_labels : ndarray, shapes (m,), (m,) and (m, 2) or, with feature maps, (m, 3)
        Labels: whether the edge is delayed, and the bits of its weight or the hash of its taps and downsamplings.
    kernels : Kernels or None
        None if all edges are between neurons.
    colours, edge_colours : ndarray, shapes (n,) and (m,)
        Hashes of the labels of nodes and edges.
    in_pointers, out_order, out_pointers : ndarray
        The index of each node's first in-edge; the edges sorted by source, and the index of each node's first out-edge.
    """

    header: tuple[Any, ...]
    nodes: NDArray[np.intp]
    node_labels: Words
    sources: NDArray[np.intp]
    targets: NDArray[np.intp]
    edge_labels: Words
    kernels: Kernels | None
    colours: Words
    edge_colours: Words
    in_pointers: NDArray[np.intp]
    out_order: NDArray[np.intp]
    out_pointers: NDArray[np.intp]

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.nodes)

    @property
    def n_edges(self) -> int:
        """Number of effective edges."""
        return len(self.sources)


def labelled_graph(
    genome: Genome, entries: NDArray[np.integer[Any]] | None = None
) -> LabelledGraph:
    """Return the network of a genome; `entries` are its effective entries, ascending, where they are known."""
    if entries is None:
        entries = np.flatnonzero(genome.effective_mask())
    sources, targets = genome.indices[entries].astype(np.intp), genome.targets[entries]
    needed = genome.roles == Role.OUTPUT
    needed[sources] = True
    needed[targets] = True
    nodes = np.flatnonzero(needed)
    number = np.cumsum(needed) - 1
    inputs = genome.inputs

    header: tuple[Any, ...] = (genome.values.dtype.name, int(genome.ticks))
    header += (len(inputs), len(genome.outputs), len(nodes))
    labels = node_labels(genome)[nodes]
    kernels = None
    if max(genome.map_sizes[nodes].max(), genome.map_sizes[inputs].max(initial=1)) > 1:
        kernels, downsamplings = _kernels(genome, entries)
        first = kernels.pointers[:-1]
        sources, targets = sources[first], targets[first]
        words = [kernels.hashes(), downsamplings]
        labels = np.column_stack([labels, genome.map_sizes[nodes].astype(np.uint64)])
        halving = genome.downsampling if downsamplings.any() else ""
        header += (genome.map_sizes[inputs].tolist(), halving)
    else:
        words = [bits(genome.values[entries])]
    delayed = genome.is_delayed(sources, targets)
    edge_labels = np.stack([delayed.astype(np.uint64), *words], axis=1)
    sources, targets = number[sources], number[targets]
    in_pointers, out_pointers = np.empty((2, len(nodes) + 1), np.intp)
    out_order, as_they_are = np.empty((2, len(sources)), np.intp)
    hashing_kernels.sort_by_node(targets, in_pointers, as_they_are)
    hashing_kernels.sort_by_node(sources, out_pointers, out_order)
    return LabelledGraph(
        header=header,
        nodes=nodes,
        node_labels=labels,
        sources=sources,
        targets=targets,
        edge_labels=edge_labels,
        kernels=kernels,
        colours=hash_rows(labels),
        edge_colours=hash_rows(edge_labels),
        in_pointers=in_pointers,
        out_order=out_order,
        out_pointers=out_pointers,
    )


def arrays_in_order(graph: LabelledGraph, order: NDArray[np.intp]) -> tuple[NDArray[Any], ...]:
    """Return the graph as arrays with its nodes in a given order; graphs are equal if these arrays are."""
    rank, pointers = np.empty_like(order), np.empty(len(order) + 1, np.intp)
    rank[order] = np.arange(len(order))
    sources, targets = rank[graph.sources], rank[graph.targets]
    by_source, by_target = np.empty((2, len(sources)), np.intp)
    hashing_kernels.sort_by_node(sources, pointers, by_source)
    hashing_kernels.sort_by_node(targets[by_source], pointers, by_target)
    edges = by_source[by_target]
    ends = targets[edges] * graph.n_nodes + sources[edges]
    parts = graph.node_labels[order], ends, graph.edge_labels[edges]
    return parts if graph.kernels is None else (*parts, *graph.kernels.of_edges(edges))


def _kernels(genome: Genome, entries: NDArray[np.integer[Any]]) -> tuple[Kernels, Words]:
    """Return the kernels of effective entries, and the downsamplings of each kernel."""
    assert genome.taps is not None
    sources, targets = genome.indices[entries], genome.targets[entries]
    map_sizes = genome.map_sizes[sources], genome.map_sizes[targets]
    downsamplings, rows, columns = tap_offsets(*map_sizes, genome.taps[entries], genome.kernel)
    begins = first_taps(sources, targets)
    taps = [rows.astype(np.uint64), columns.astype(np.uint64), bits(genome.values[entries])]
    pointers = np.append(begins, len(entries))
    return Kernels(pointers, np.stack(taps, axis=1)), downsamplings[begins].astype(np.uint64)
