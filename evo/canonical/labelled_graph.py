"""What a genome computes, as a graph with labels: that by which :mod:`evo.canonical.canonical` compares networks.

Between maps an edge is a kernel, and its label is a hash of its taps; an exact comparison looks at these themselves.
A tap is known by the pixel that it reads, not by its number: the same taps in a wider window are the same kernel.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.canonical.hashing import Words, bits, hash_rows, node_labels
from evo.genome.feature_maps import tap_offsets
from evo.genome.genome import Genome, Role


@dataclass(frozen=True, eq=False)
class Kernels:
    """The effective taps of each edge, as stored.

    Attributes
    ----------
    pointers : ndarray, shape (m + 1,)
        Where those of each edge begin.
    taps : ndarray, shape (taps, 3)
        Row and column that a tap reads, and the bits of its weight.
    """

    pointers: NDArray[np.intp]
    taps: Words

    def hashes(self) -> Words:
        """Return a word for each kernel."""
        totals = np.zeros(len(self.taps) + 1, np.uint64)
        np.cumsum(hash_rows(self.taps), out=totals[1:])
        return totals[self.pointers[1:]] - totals[self.pointers[:-1]]

    def of_edges(self, edges: NDArray[np.intp]) -> tuple[NDArray[np.intp], Words]:
        """Return how many taps some edges have, and these."""
        counts = np.diff(self.pointers)[edges]
        begins = np.repeat(self.pointers[edges] - (np.cumsum(counts) - counts), counts)
        return counts, self.taps[begins + np.arange(len(begins))]


@dataclass(frozen=True, eq=False)
class LabelledGraph:
    """What is computed: the needed nodes, renumbered from 0, and the effective edges by target.

    Attributes
    ----------
    header : tuple
        What belongs to no node: dtype, ticks, numbers of inputs and outputs; and the number of needed nodes. Of maps
        also the sides of all inputs, for they say which features each one reads, and how maps are halved, if any is.
    positions : ndarray, shape (n,)
        Where each needed node lies in the genome.
    node_labels : ndarray, shape (n, 4) or, of maps, (n, 5)
        Role, which input or output, activation, bits of the bias; what has no meaning is 0. The side.
    sources, targets, edge_labels : ndarray, shapes (m,), (m,) and (m, 2) or, of maps, (m, 3)
        Labels: whether the edge is delayed, and the bits of its weight; or a hash of its taps, and downsamplings.
    kernels : Kernels or None
        None where all is between neurons.
    colours, heard : ndarray, shapes (n,) and (m,)
        Hashes of the labels of nodes and edges.
    heard_pointers, spoken_order, spoken_pointers : ndarray
        Where the edges to each node begin; the edges sorted by source, and where those from each node begin.
    """

    header: tuple[Any, ...]
    positions: NDArray[np.intp]
    node_labels: Words
    sources: NDArray[np.intp]
    targets: NDArray[np.intp]
    edge_labels: Words
    kernels: Kernels | None
    colours: Words
    heard: Words
    heard_pointers: NDArray[np.intp]
    spoken_order: NDArray[np.intp]
    spoken_pointers: NDArray[np.intp]

    @property
    def n_nodes(self) -> int:
        """Number of needed nodes."""
        return len(self.positions)

    @property
    def n_edges(self) -> int:
        """Number of effective edges."""
        return len(self.sources)


def labelled_graph(genome: Genome) -> LabelledGraph:
    """Return what a genome computes."""
    entries = np.flatnonzero(genome.effective_mask())
    sources, targets = genome.indices[entries].astype(np.intp), genome.targets[entries]
    needed = genome.roles == Role.OUTPUT
    needed[sources] = True
    needed[targets] = True
    positions = np.flatnonzero(needed)
    number = np.cumsum(needed) - 1
    inputs = genome.inputs

    header: tuple[Any, ...] = (
        genome.values.dtype.name,
        int(genome.ticks),
        len(inputs),
        len(genome.outputs),
        len(positions),
    )
    labels = node_labels(genome)[positions]
    kernels = None
    if max(genome.map_sizes[positions].max(), genome.map_sizes[inputs].max(initial=1)) > 1:
        kernels, downsamplings = _kernels(genome, entries)
        first = kernels.pointers[:-1]
        sources, targets = sources[first], targets[first]
        words = [kernels.hashes(), downsamplings]
        labels = np.column_stack([labels, genome.map_sizes[positions].astype(np.uint64)])
        halving = genome.downsampling if downsamplings.any() else ""
        header += (genome.map_sizes[inputs].tolist(), halving)
    else:
        words = [bits(genome.values[entries])]
    delayed = (sources >= targets) & (genome.roles[sources] != Role.INPUT)
    edge_labels = np.stack([delayed.astype(np.uint64), *words], axis=1)
    sources, targets = number[sources], number[targets]
    return LabelledGraph(
        header=header,
        positions=positions,
        node_labels=labels,
        sources=sources,
        targets=targets,
        edge_labels=edge_labels,
        kernels=kernels,
        colours=hash_rows(labels),
        heard=hash_rows(edge_labels),
        heard_pointers=_pointers(targets, len(positions)),
        spoken_order=np.argsort(sources, kind="stable"),
        spoken_pointers=_pointers(sources, len(positions)),
    )


def in_order(graph: LabelledGraph, order: NDArray[np.intp]) -> tuple[NDArray[Any], ...]:
    """Return the whole graph with its nodes in a given order: equal arrays, equal graphs."""
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    ends = place[graph.targets] * graph.n_nodes + place[graph.sources]
    edges = np.argsort(ends)
    parts = graph.node_labels[order], ends[edges], graph.edge_labels[edges]
    return parts if graph.kernels is None else (*parts, *graph.kernels.of_edges(edges))


def _kernels(genome: Genome, entries: NDArray[np.intp]) -> tuple[Kernels, Words]:
    """Return the kernels of effective entries, and how often each halves what it reads."""
    assert genome.taps is not None
    sources, targets = genome.indices[entries], genome.targets[entries]
    map_sizes = genome.map_sizes[sources], genome.map_sizes[targets]
    downsamplings, rows, columns = tap_offsets(*map_sizes, genome.taps[entries], genome.kernel)
    first = np.ones(len(entries), np.bool_)
    first[1:] = (sources[1:] != sources[:-1]) | (targets[1:] != targets[:-1])
    begins = np.flatnonzero(first)
    taps = [rows.astype(np.uint64), columns.astype(np.uint64), bits(genome.values[entries])]
    pointers = np.append(begins, len(entries))
    return Kernels(pointers, np.stack(taps, axis=1)), downsamplings[begins].astype(np.uint64)


def _pointers(nodes: NDArray[np.intp], n_nodes: int) -> NDArray[np.intp]:
    return np.concatenate([[0], np.cumsum(np.bincount(nodes, minlength=n_nodes))])
