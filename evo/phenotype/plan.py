"""The plan: the effective nodes and edges of a genome, and the rows in which they are computed.

A plan is compiled once for each topology. No code is generated for it: a plan is a few arrays that the passes of
:mod:`evo.phenotype.kernels.forward_kernels` read. Where they equal arrays of the genome, these are shared. A plan does
not depend on the batch size.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evo.genome.activations import NEEDS_NET_INPUT
from evo.genome.genome import Genome, Role, read_only
from evo.phenotype.convolutions import Convolution
from evo.phenotype.kernels import plan_kernels
from evo.phenotype.kernels.forward_kernels import FULL, Layout
from evo.phenotype.kernels.map_kernels import Maps
from evo.phenotype.map_plan import RowLayout, lay_out_maps, lay_out_rows
from evo.time_account import spending

DENSE_FROM: tuple[tuple[int, float], ...] = ((128, 0.55), (64, 0.65), (32, 0.75), (8, 1.0))
"""The cost table: pairs (least batch size, least fill) for which a dense block is computed as a matrix product.

The fill is the fraction of the block's matrix entries that are edges. A product computes an entry whether or not it is
an edge; the sparse loops take about twice as long for an edge, and the matrix of a block that is not full must be
written at each step. For batches of 128, 64 and 32, both take the same time at fills of 0.45, 0.6 and 0.5 with AVX2
(Zen 3), and of 0.65, 0.75 and 1 with AVX-512 (Sapphire Rapids). The table lies between them, for the order of sums, and
so every bit of a result, must not depend on the processor. Nor is anything measured at run time.
"""

MIN_BLOCK_NODES, MIN_BLOCK_ROWS, MAX_BLOCK_NODES = 8, 32, 256
"""Least number of nodes, least number of source rows, and largest number of nodes of a dense block."""

Ints = NDArray[np.int64]

NO_MASK = np.ones(0, dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class Plan:
    """The computed part of a genome.

    Attributes
    ----------
    layout : Layout
        The arrays that the passes read.
    entry_subset : ndarray of int64, shape (n_edges,), or None
        `entries`; None where all stored entries are computed.
    nodes : ndarray of int64, shape (n_computed,)
        Index in the genome of each computed node, in evaluation order. Inputs are not computed.
    rows : ndarray of int64, shape (n_nodes,)
        Row of each node of the genome (first row of a map), −1 where the node has none.
    input_features, input_rows : ndarray of int64, shape (n_read,)
        Feature ``input_features[k]`` is written to row ``input_rows[k]``.
    output_rows : ndarray of int64, shape (n_outputs,)
        Rows of the scores.
    convolutions : tuple of Convolution
        Nodes that are computed as convolutions, in evaluation order.
    """

    layout: Layout
    entry_subset: Ints | None
    nodes: Ints
    rows: Ints
    input_features: Ints
    input_rows: Ints
    output_rows: Ints
    convolutions: tuple[Convolution, ...] = ()

    @property
    def n_edges(self) -> int:
        """Number of computed edges."""
        return len(self.layout.sources)

    @cached_property
    def entries(self) -> Ints:
        """The effective entries: positions in the genome's stored entries, ascending; int64, shape (n_edges,).

        ``genome.values[plan.entries]`` are the weights of the effective edges, and ``np.isin(np.arange(n_stored),
        plan.entries)`` is their mask. A network whose dormant entries learn also computes dormant entries; the
        effective entries at present are then ``network.without_dormant().plan.entries``.
        """
        return np.arange(self.n_edges) if self.entry_subset is None else self.entry_subset

    @property
    def indptr(self) -> NDArray[np.integer[Any]]:
        """The first in-edge of each computed node, then the number of edges; shape (n_computed + 1,)."""
        return self.layout.indptr

    @property
    def rows_per_tick(self) -> int:
        """Number of rows of a tick."""
        return self.layout.rows_per_tick

    def take(self, of_entries: NDArray[Any]) -> NDArray[Any]:
        """Return a copy of the elements of an array over the stored entries that belong to computed edges."""
        return of_entries.copy() if self.entry_subset is None else of_entries[self.entry_subset]

    def layers(self, genome: Genome) -> Ints:
        """Return the layer of each computed node: 1, or one above the highest of its predecessors in the same tick."""
        numbers = np.full(genome.n_nodes, -1)
        numbers[self.nodes] = np.arange(len(self.nodes))
        layers = np.zeros(len(self.nodes), dtype=np.int64)
        plan_kernels.layers_of(self.indptr, numbers[genome.indices[self.entries]], layers)
        return layers


@spending("plan")
def compile_plan(genome: Genome) -> Plan:
    """Lay out the effective part of a genome; O(nodes + stored entries).

    An edge is effective if it is active and an output depends on it within the ticks, as in
    :func:`graphops.useful_edges`. Outputs are computed in any case.
    """
    active = NO_MASK if genome.threshold is None else genome.active_mask()
    return _lay_out(genome, active, genome.delays_to_output(active))


def compile_whole_plan(genome: Genome) -> Plan:
    """Lay out every node and every active edge, whether or not an output depends on it.

    The outputs equal those of :func:`compile_plan` up to rounding. In addition, the activations of inputs and hidden
    nodes without effect are computed; the gradient of a new edge from such a node needs them.
    """
    everywhere = np.zeros(genome.n_nodes, dtype=np.int64)
    return _lay_out(genome, genome.active_mask(), everywhere)


class _Rows(NamedTuple):
    """The rows of a tick; the attributes are those of :class:`Plan` and :class:`Layout`."""

    rows: Ints
    nodes: Ints
    n_input_rows: int
    rows_per_tick: int
    map_rows: RowLayout | None


def _lay_out(genome: Genome, active: NDArray[np.bool_], delays: Ints) -> Plan:
    """Lay out the nodes whose `delays` to an output are less than the ticks, and their effective edges."""
    ticks = genome.ticks
    tick_rows = _assign_rows(genome, active, delays)
    rows, nodes = tick_rows.rows, tick_rows.nodes
    edges = _effective_edges(genome, active, delays, tick_rows)
    indptr, sources, backward_from, entry_subset = edges
    map_sizes = genome.map_sizes[nodes].astype(np.int64)
    maps: Maps | tuple[()] = ()
    convolutions: tuple[Convolution, ...] = ()
    if tick_rows.map_rows is not None:
        entries = np.arange(len(sources)) if entry_subset is None else entry_subset
        sources, maps, convolutions = lay_out_maps(
            tick_rows.map_rows, nodes, map_sizes, indptr, entries, sources
        )
    dense_blocks, block_edges = _dense_blocks(indptr, sources, rows[nodes], map_sizes)
    codes = genome.activations[nodes]
    kept_rows = np.where(NEEDS_NET_INPUT[codes], map_sizes**2, 0)
    net_input_rows = np.where(kept_rows > 0, np.cumsum(kept_rows) - kept_rows, -1)
    layout = Layout(
        n_input_rows=tick_rows.n_input_rows,
        rows_per_tick=tick_rows.rows_per_tick,
        ticks=ticks,
        # With several ticks the rows of the tick before the first come first.
        first_base=0 if ticks == 1 else tick_rows.rows_per_tick,
        indptr=read_only(indptr),
        sources=read_only(sources),
        backward_from=read_only(backward_from),
        dense_blocks=read_only(dense_blocks),
        block_edges=read_only(block_edges),
        codes=read_only(codes),
        net_input_rows=read_only(net_input_rows.astype(np.int32)),
        n_net_input_rows=int(kept_rows.sum()),
        maps=maps,
    )
    features, input_rows = _features(genome, delays < ticks, rows)
    return Plan(
        layout=layout,
        entry_subset=entry_subset,
        nodes=nodes,
        rows=rows,
        input_features=features,
        input_rows=input_rows,
        output_rows=rows[genome.outputs],
        convolutions=convolutions,
    )


def _assign_rows(genome: Genome, active: NDArray[np.bool_], delays: Ints) -> _Rows:
    """Give a row, or the rows of its map, to every node whose delay to an output is less than the ticks."""
    is_input, kept = genome.roles == Role.INPUT, delays < genome.ticks
    n_rows, n_input_rows = int(np.count_nonzero(kept)), int(np.count_nonzero(kept & is_input))
    rows = np.empty(genome.n_nodes, dtype=np.int64)
    nodes = np.empty(n_rows - n_input_rows, dtype=np.int64)
    plan_kernels.number_rows(kept, is_input, rows, nodes)
    if not genome.has_maps:
        return _Rows(rows, nodes, n_input_rows, n_rows, None)
    targets, sources = genome.targets, genome.indices
    at_once = (sources < targets) | is_input[sources]
    acts = (at_once & kept[targets]) | (delays[targets] + 1 < genome.ticks)
    acts &= ~is_input[targets]
    of_maps = lay_out_rows(genome, kept, acts & active if len(active) else acts)
    return _Rows(of_maps.rows, nodes, of_maps.n_input_rows, of_maps.rows_per_tick, of_maps)


def _effective_edges(
    genome: Genome, active: NDArray[np.bool_], delays: Ints, tick_rows: _Rows
) -> tuple[NDArray[np.integer[Any]], NDArray[np.int32], Ints, Ints | None]:
    """Return `indptr`, `sources` and `backward_from` of :class:`Layout`, and `entry_subset` of :class:`Plan`."""
    is_input = genome.roles == Role.INPUT
    matrix = (genome.indptr, genome.indices, active, is_input, delays, genome.ticks)
    n_edges = plan_kernels.count_edges(*matrix)
    backward_from = np.empty(len(tick_rows.nodes), dtype=np.int64)
    everything = n_edges == genome.n_stored
    first = tick_rows.n_input_rows
    all_rows = tick_rows.map_rows is None and tick_rows.rows_per_tick == genome.n_nodes
    if everything and genome.ticks == 1 and all_rows and not is_input[first:].any():
        # The row of each node is its index and every entry is effective: share the arrays of the genome.
        indptr, sources = genome.indptr[first:], genome.indices
        plan_kernels.find_backward_from(indptr, sources, first, backward_from)
        return indptr, sources, backward_from, None
    plan_indptr = np.empty(len(tick_rows.nodes) + 1, dtype=np.int64)
    plan_sources = np.empty(n_edges, dtype=np.int32)
    entries = np.empty(n_edges, dtype=np.int64)
    plan_kernels.lay_out(
        *matrix, tick_rows.rows, tick_rows.nodes, tick_rows.rows_per_tick, plan_indptr, entries, plan_sources,
        backward_from,
    )  # fmt: skip
    return plan_indptr, plan_sources, backward_from, None if everything else entries


def _dense_blocks(
    indptr: NDArray[np.integer[Any]],
    sources: NDArray[np.int32],
    rows: Ints,
    map_sizes: Ints,
) -> tuple[Ints, Ints]:
    """Return `dense_blocks` and `block_edges` of :class:`Layout`."""
    block_edges = np.zeros((len(rows), 2), dtype=np.int64)
    dense_blocks = np.empty((len(rows) // MIN_BLOCK_NODES, 6), dtype=np.int64)
    n_blocks = plan_kernels.find_dense_blocks(
        read_only(indptr), read_only(sources), read_only(rows), read_only(map_sizes),
        MIN_BLOCK_NODES, MIN_BLOCK_ROWS, DENSE_FROM[0][1], MAX_BLOCK_NODES, dense_blocks, block_edges,
    )  # fmt: skip
    return dense_blocks[:n_blocks], block_edges


def _features(genome: Genome, kept_nodes: NDArray[np.bool_], rows: Ints) -> tuple[Ints, Ints]:
    """Return `input_features` and `input_rows` of :class:`Plan`; a map has one feature and one row for each pixel."""
    inputs = genome.inputs
    kept = kept_nodes[inputs]
    sizes = genome.map_sizes[inputs].astype(np.int64) ** 2
    first = np.cumsum(sizes) - sizes
    if not genome.has_maps:
        return first[kept], rows[inputs[kept]]
    of_input = np.repeat(np.flatnonzero(kept), sizes[kept])
    pixels = np.arange(len(of_input)) - np.repeat(np.cumsum(sizes[kept]) - sizes[kept], sizes[kept])
    return first[of_input] + pixels, rows[inputs[of_input]] + pixels


def layout_for(layout: Layout, n_batch: int) -> Layout:
    """Return the layout with the dense blocks that pay for a batch size, by :data:`DENSE_FROM`."""
    if not len(layout.dense_blocks):
        return layout
    min_fill = next((share for batch, share in DENSE_FROM if n_batch >= batch), np.inf)
    paying = layout.dense_blocks[:, 5] >= FULL * min_fill
    return layout._replace(dense_blocks=read_only(layout.dense_blocks[paying]))
