"""The plan: which part of a genome is computed, and where each of its numbers lies; compiled once per topology.

Nothing is generated per topology: a plan is a few arrays that the passes of
:mod:`evo.phenotype.kernels.forward_kernels` read, the genome's own where these say the same. A plan knows nothing of a
batch.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.genome.activations import NEEDS_NET_INPUT
from evo.genome.genome import Genome, Role
from evo.phenotype.arrays import read_only
from evo.phenotype.convolutions import Convolution
from evo.phenotype.kernels import plan_kernels
from evo.phenotype.kernels.forward_kernels import FULL, Layout
from evo.phenotype.kernels.map_kernels import Maps
from evo.phenotype.map_plan import Places, lay_out_maps, place_maps

DENSE_FROM: tuple[tuple[int, float], ...] = ((128, 0.5), (64, 0.6), (32, 0.75), (8, 1.0))
"""The cost table: (batch, share of filled cells) from which on a run of nodes is computed as a matrix product.

A cell costs BLAS the same, filled or not; an edge costs the sparse loops two to three times as much, and a matrix that
is not full must be written out of the edges at each step. Measured once (AVX-512, one core), never at run time: timing
would decide over the order of sums.
"""

DENSE_NODES, DENSE_ROWS, LONGEST_RUN = 8, 32, 256
"""A run holds so many nodes at least and hears so many rows at least; it holds so many nodes at most."""

NO_MASK = np.ones(0, dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class Plan:
    """What to compute, in rows of one tick's block of activations.

    Attributes
    ----------
    layout : Layout
        What the passes read.
    chosen : ndarray of int64, shape (n_edges,), or None
        Which stored entry of the genome each computed edge is; None where all are.
    positions : ndarray, shape (n_computed,)
        Which node of the genome each computed node is, in evaluation order.
    rows : ndarray, shape (n_nodes,)
        The row of each node of the genome, of a map the first one, −1 where it has none.
    input_features, input_rows : ndarray
        Which feature goes to which row.
    output_rows : ndarray, shape (n_outputs,)
        Where the scores are read after the last tick.
    convolutions : tuple of Convolution
        What is computed as such, in order of nodes.
    """

    layout: Layout
    chosen: NDArray[np.int64] | None
    positions: NDArray[np.int64]
    rows: NDArray[np.int64]
    input_features: NDArray[np.int64]
    input_rows: NDArray[np.int64]
    output_rows: NDArray[np.int64]
    convolutions: tuple[Convolution, ...] = ()

    @property
    def n_edges(self) -> int:
        """Number of computed edges."""
        return len(self.layout.sources)

    @cached_property
    def entries(self) -> NDArray[np.int64]:
        """Which stored entry of the genome each computed edge is, ascending; shape (n_edges,)."""
        return np.arange(self.n_edges) if self.chosen is None else self.chosen

    @property
    def indptr(self) -> NDArray[np.integer[Any]]:
        """Where the edges of each computed node begin; shape (n_computed + 1,)."""
        return self.layout.indptr

    @property
    def block(self) -> int:
        """Rows of a tick."""
        return self.layout.block

    def take(self, of_entries: NDArray[Any]) -> NDArray[Any]:
        """Pick what belongs to the computed edges from an array over the stored entries; a copy."""
        return of_entries.copy() if self.chosen is None else of_entries[self.chosen]

    def layers(self, genome: Genome) -> NDArray[np.int64]:
        """Return the layer of each computed node: 1, or one more than that of the last it hears in the same tick."""
        numbers = np.full(genome.n_nodes, -1)
        numbers[self.positions] = np.arange(len(self.positions))
        layers = np.zeros(len(self.positions), dtype=np.int64)
        plan_kernels.layers_of(self.indptr, numbers[genome.indices[self.entries]], layers)
        return layers


def compile_plan(genome: Genome) -> Plan:
    """Lay out the effective part of a genome; O(nodes + stored entries).

    An edge is effective if it is let through and acts on an output at some tick, as :func:`graphops.useful_edges`
    says. Outputs are computed in any case.
    """
    live = NO_MASK if genome.threshold is None else genome.active_mask()
    is_input = genome.roles == Role.INPUT
    delays = np.empty(genome.n_nodes, dtype=np.int32)
    plan_kernels.delays_to_output(
        genome.indptr, genome.indices, live, is_input, genome.outputs, genome.ticks, delays
    )
    return _lay_out(genome, live, is_input, delays)


def compile_whole_plan(genome: Genome) -> Plan:
    """Lay out every node and every edge that carries something, whether or not an output depends on it.

    The outputs are the same as with :func:`compile_plan`, up to rounding. What is added are the states of inputs and
    hidden nodes to which nobody listens, which tell what an edge from there would do.
    """
    everywhere = np.zeros(genome.n_nodes, dtype=np.int32)
    return _lay_out(genome, genome.active_mask(), genome.roles == Role.INPUT, everywhere)


def _lay_out(
    genome: Genome,
    live: NDArray[np.bool_],
    is_input: NDArray[np.bool_],
    delays: NDArray[np.int32],
) -> Plan:
    """Give a row to each node that is some ticks at most from an output, and write the effective edges with them."""
    ticks = genome.ticks
    kept = delays < ticks
    rows, positions, first_row, block, places = _place(genome, live, is_input, delays)

    matrix = (genome.indptr, genome.indices, live, is_input, delays, ticks)
    n_edges = plan_kernels.count_edges(*matrix)
    inner = np.empty(len(positions), dtype=np.int64)
    chosen: NDArray[np.int64] | None = None
    everything = n_edges == genome.n_stored
    as_numbered = places is None and block == genome.n_nodes and not is_input[first_row:].any()
    if everything and ticks == 1 and as_numbered:
        # Every node has the row of its number and every entry is an edge: the genome's arrays say it all.
        indptr, sources = genome.indptr[first_row:], genome.indices
        plan_kernels.first_inner(indptr, sources, first_row, inner)
    else:
        indptr = np.empty(len(positions) + 1, dtype=np.int64)
        sources = np.empty(n_edges, dtype=np.int32)
        entries = np.empty(n_edges, dtype=np.int64)
        plan_kernels.lay_out(*matrix, rows, positions, block, indptr, entries, sources, inner)
        chosen = None if everything else entries
    map_sizes = genome.map_sizes[positions].astype(np.int64)
    maps: Maps | tuple[()] = ()
    convolutions: tuple[Convolution, ...] = ()
    if places is not None:
        entries = np.arange(n_edges) if chosen is None else chosen
        sources, maps, convolutions = lay_out_maps(
            places, positions, map_sizes, indptr, entries, sources
        )

    segments = np.zeros((len(positions), 2), dtype=np.int64)
    runs = np.empty((len(positions) // DENSE_NODES, 6), dtype=np.int64)
    n_runs = plan_kernels.dense_runs(
        indptr,
        sources,
        rows[positions],
        map_sizes,
        DENSE_NODES,
        DENSE_ROWS,
        DENSE_FROM[0][1],
        LONGEST_RUN,
        runs,
        segments,
    )
    codes = genome.activations[positions]
    net_rows = np.where(NEEDS_NET_INPUT[codes], map_sizes**2, 0)
    inputs = genome.inputs
    features, input_rows = _features(genome, inputs, kept[inputs], rows)
    layout = Layout(
        first_row=first_row,
        block=block,
        ticks=ticks,
        # With one tick no edge is delayed; with more, a block stands for the tick before the first.
        first_base=0 if ticks == 1 else block,
        indptr=read_only(indptr),
        sources=read_only(sources),
        inner=read_only(inner),
        runs=read_only(runs[:n_runs]),
        segments=read_only(segments),
        codes=read_only(codes),
        net_rows=read_only(
            np.where(net_rows > 0, np.cumsum(net_rows) - net_rows, -1).astype(np.int32)
        ),
        n_nets=int(net_rows.sum()),
        maps=maps,
    )
    return Plan(
        layout=layout,
        chosen=chosen,
        positions=positions,
        rows=rows,
        input_features=features,
        input_rows=input_rows,
        output_rows=rows[genome.outputs],
        convolutions=convolutions,
    )


def _place(
    genome: Genome,
    live: NDArray[np.bool_],
    is_input: NDArray[np.bool_],
    delays: NDArray[np.int32],
) -> tuple[NDArray[np.int64], NDArray[np.int64], int, int, Places | None]:
    """Return the row of each node, which are computed, rows of inputs and of all, and more where there are maps."""
    kept = delays < genome.ticks
    block = int(np.count_nonzero(kept))
    first_row = int(np.count_nonzero(kept & is_input))
    rows = np.empty(genome.n_nodes, dtype=np.int64)
    positions = np.empty(block - first_row, dtype=np.int64)
    plan_kernels.number_rows(kept, is_input, rows, positions)
    if not genome.has_maps:
        return rows, positions, first_row, block, None
    targets, sources = genome.targets, genome.indices
    at_once = (sources < targets) | is_input[sources]
    acts = (at_once & kept[targets]) | (delays[targets] + 1 < genome.ticks)
    acts &= ~is_input[targets]
    places = place_maps(genome, kept, acts & live if len(live) else acts)
    return places.rows, positions, places.first_row, places.block, places


def _features(
    genome: Genome, inputs: NDArray[np.intp], kept: NDArray[np.bool_], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which features are read, and to which rows they go: those of a map pixel by pixel."""
    sizes = genome.map_sizes[inputs].astype(np.int64) ** 2
    first = np.cumsum(sizes) - sizes
    if not genome.has_maps:
        return first[kept], rows[inputs[kept]]
    of_input = np.repeat(np.flatnonzero(kept), sizes[kept])
    pixels = np.arange(len(of_input)) - np.repeat(np.cumsum(sizes[kept]) - sizes[kept], sizes[kept])
    return first[of_input] + pixels, rows[inputs[of_input]] + pixels


def dense_for(layout: Layout, n_batch: int) -> Layout:
    """Return the layout with the dense runs that pay for a batch, by :data:`DENSE_FROM`."""
    if not len(layout.runs):
        return layout
    least = next((share for batch, share in DENSE_FROM if n_batch >= batch), np.inf)
    return layout._replace(runs=read_only(layout.runs[layout.runs[:, 5] >= FULL * least]))
