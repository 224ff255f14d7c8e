"""Compiling a genome to a plan: find the effective entries and lay them out; O(nodes + stored entries)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import kernel
from evo.genome.graph_kernels import first_at_least

Ints = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]


@kernel
def count_edges(
    indptr: Ints, indices: Ints, active: Mask, is_input: Mask, delays: Ints, ticks: int
) -> int:
    """Return the number of effective entries: edges that reach an output within the ticks."""
    all_active = active.shape[0] == 0
    count = 0
    for j in range(delays.shape[0]):
        if is_input[j] or delays[j] >= ticks:
            continue
        if all_active and delays[j] + 1 < ticks:
            count += indptr[j + 1] - indptr[j]
            continue
        for e in range(indptr[j], indptr[j + 1]):
            acts = indices[e] < j or is_input[indices[e]] or delays[j] + 1 < ticks
            if acts and (all_active or active[e]):
                count += 1
    return count


@kernel
def number_rows(kept: Mask, is_input: Mask, rows: Ints, nodes: Ints) -> None:
    """Give every kept node a row, inputs first, both groups in index order; −1 to all other nodes.

    `nodes` receives the indices of the computed nodes: kept nodes that are not inputs.
    """
    n_inputs = 0
    for j in range(kept.shape[0]):
        rows[j] = -1
        if kept[j] and is_input[j]:
            rows[j] = n_inputs
            n_inputs += 1
    count = 0
    for j in range(kept.shape[0]):
        if kept[j] and not is_input[j]:
            rows[j] = n_inputs + count
            nodes[count] = j
            count += 1


@kernel
def lay_out(
    indptr: Ints,
    indices: Ints,
    active: Mask,
    is_input: Mask,
    delays: Ints,
    ticks: int,
    rows: Ints,
    nodes: Ints,
    rows_per_tick: int,
    plan_indptr: Ints,
    entries: Ints,
    sources: Ints,
    backward_from: Ints,
) -> None:
    """Write the effective edges of each computed node: their entries in the genome, and their source rows.

    Source rows of delayed edges are less by `rows_per_tick`; with several ticks, edges from inputs with a higher index
    are delayed too. The edges of node p before `backward_from[p]` come from inputs.
    """
    all_active = active.shape[0] == 0
    count = 0
    for p in range(nodes.shape[0]):
        j = nodes[p]
        late = delays[j] + 1 < ticks
        plan_indptr[p] = count
        backward_from[p] = count
        for e in range(indptr[j], indptr[j + 1]):
            i = indices[e]
            if all_active or active[e]:
                from_input = is_input[i]
                if i < j or from_input or late:
                    if from_input and backward_from[p] == count:
                        backward_from[p] = count + 1
                    entries[count] = e
                    sources[count] = rows[i] - rows_per_tick if i >= j and ticks > 1 else rows[i]
                    count += 1
    plan_indptr[nodes.shape[0]] = count


@kernel
def layers_of(indptr: Ints, predecessors: Ints, layers: Ints) -> None:
    """Write the layer of each computed node: 1, or one above the highest layer of its predecessors in the same tick.

    `predecessors` has the number of the source of each edge among the computed nodes, −1 for inputs.
    """
    for p in range(layers.shape[0]):
        layers[p] = 1
        for e in range(indptr[p], indptr[p + 1]):
            if 0 <= predecessors[e] < p:
                layers[p] = max(layers[p], layers[predecessors[e]] + 1)


@kernel
def find_backward_from(indptr: Ints, sources: Ints, n_input_rows: int, backward_from: Ints) -> None:
    """Write the first in-edge of each node that does not come from an input; sources ascend."""
    for p in range(backward_from.shape[0]):
        backward_from[p] = first_at_least(sources, indptr[p], indptr[p + 1], n_input_rows)


@kernel
def find_dense_blocks(
    indptr: Ints,
    sources: Ints,
    rows: Ints,
    map_sizes: Ints,
    min_nodes: int,
    min_rows: int,
    min_fill: float,
    max_nodes: int,
    dense_blocks: Ints,
    block_edges: Ints,
) -> int:
    """Find dense blocks, write them to `dense_blocks` and their edges to `block_edges`; return their number.

    A dense block is a range of neurons p … q − 1 in consecutive rows (`rows` has the row of each node) and a range of
    rows [low, high) before them: each neuron has edges from at least the fraction `min_fill` of these rows. Blocks are
    grown greedily up to `max_nodes` nodes. :class:`evo.phenotype.kernels.forward_kernels.Layout` has both formats.
    """
    n = indptr.shape[0] - 1
    count, n_cells = 0, 0
    p: Any = np.int64(0)  # with p = 0, Numba would compile each callee for the number 0 as well
    while p < n:
        low, high = 0, 0
        if map_sizes[p] == 1 and indptr[p + 1] - indptr[p] >= min_rows * min_fill:
            low, high = _range_before(indptr, sources, p, rows[p])
        last = p
        while high - low >= min_rows and last < n and last - p < max_nodes:
            if map_sizes[last] != 1 or rows[last] != rows[p] + last - p:
                break
            begin, end = _block_edges(indptr, sources, last, low, high)
            if end - begin < min_fill * (high - low) or not _ascends(
                sources, begin, end, low, high
            ):
                break
            block_edges[last, 0], block_edges[last, 1] = begin, end
            last += 1
        if last - p >= min_nodes and count < dense_blocks.shape[0]:
            size = (last - p) * (high - low)
            begin, filled = block_edges[p, 0], 0
            together = True
            for q in range(p, last):
                together = together and block_edges[q, 0] == begin + filled
                filled += block_edges[q, 1] - block_edges[q, 0]
            full = together and filled == size
            dense_blocks[count, 0], dense_blocks[count, 1] = p, last
            dense_blocks[count, 2], dense_blocks[count, 3] = low, high
            dense_blocks[count, 4] = begin if full else n_cells
            dense_blocks[count, 5] = 1000 if full else min(999, 1000 * filled // size)
            n_cells += 0 if full else size
            count += 1
        p = max(last, p + 1)
    return count


@kernel
def _range_before(indptr: Ints, sources: Ints, p: int, row: int) -> tuple[int, int]:
    """Return the range of rows of this tick, before `row`, that the edges of a node span."""
    begin, end = indptr[p], indptr[p + 1]
    while begin < end and sources[begin] < 0:
        begin += 1
    last = begin
    while last < end and sources[end - 1] < 0:
        end -= 1
    stop = first_at_least(sources, begin, end, row)
    return (sources[begin], sources[stop - 1] + 1) if stop > begin else (0, 0)


@kernel
def _block_edges(indptr: Ints, sources: Ints, p: int, low: int, high: int) -> tuple[int, int]:
    """Return the edges [begin, end) of a node with sources in [low, high); sources must ascend."""
    first, last = indptr[p], indptr[p + 1]
    while first < last and sources[first] < 0:
        first += 1
    while first < last and sources[last - 1] < 0:
        last -= 1
    begin = first_at_least(sources, first, last, low)
    return begin, first_at_least(sources, begin, last, high)


@kernel
def _ascends(sources: Ints, begin: int, end: int, low: int, high: int) -> bool:
    """Tell whether sources ascend within [low, high).

    Inputs have the lowest rows whatever their indices, so ascending node indices need not give ascending rows.
    """
    for e in range(begin, end):
        if not low <= sources[e] < high or (e > begin and sources[e - 1] >= sources[e]):
            return False
    return True
