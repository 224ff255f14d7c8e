"""Compiling a genome to a plan: which edges an output depends on, and where everything lies; O(nodes + entries)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import exact_kernel

Ints = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]


@exact_kernel
def delays_to_output(
    indptr: Ints, indices: Ints, live: Mask, is_input: Mask, outputs: Ints, ticks: int, delays: Ints
) -> None:
    """Write the least number of delayed edges on a path from each node to an output; `ticks` where there is none.

    The path does not lead through an input. `live` tells which stored entries are edges; empty, all are. One
    descending pass per delay: immediate edges come from lower positions.
    """
    delays[:] = ticks
    delays[outputs] = 0
    all_live = live.shape[0] == 0
    for delay in range(ticks):
        found = False
        for j in range(delays.shape[0] - 1, -1, -1):
            if delays[j] != delay or is_input[j]:
                continue
            found = True
            for e in range(indptr[j], indptr[j + 1]):
                i = indices[e]
                through = delay if i < j or is_input[i] else delay + 1
                if through < delays[i] and (all_live or live[e]):
                    delays[i] = through
        if not found:
            break


@exact_kernel
def count_edges(
    indptr: Ints, indices: Ints, live: Mask, is_input: Mask, delays: Ints, ticks: int
) -> int:
    """Return how many entries are effective: edges whose target leaves them a tick to act in."""
    all_live = live.shape[0] == 0
    count = 0
    for j in range(delays.shape[0]):
        if is_input[j] or delays[j] >= ticks:
            continue
        if all_live and delays[j] + 1 < ticks:
            count += indptr[j + 1] - indptr[j]
            continue
        for e in range(indptr[j], indptr[j + 1]):
            acts = indices[e] < j or is_input[indices[e]] or delays[j] + 1 < ticks
            if acts and (all_live or live[e]):
                count += 1
    return count


@exact_kernel
def number_rows(kept: Mask, is_input: Mask, rows: Ints, positions: Ints) -> None:
    """Give every kept node a row, inputs first, each group in order of positions; −1 to the rest.

    `positions` receives those of the kept nodes that are computed.
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
            positions[count] = j
            count += 1


@exact_kernel
def lay_out(
    indptr: Ints,
    indices: Ints,
    live: Mask,
    is_input: Mask,
    delays: Ints,
    ticks: int,
    rows: Ints,
    positions: Ints,
    block: int,
    plan_indptr: Ints,
    entries: Ints,
    sources: Ints,
    inner: Ints,
) -> None:
    """Write the effective edges of each computed node: which entries they are, and the rows of their sources.

    Rows of delayed sources are less by `block`; with several ticks this holds for inputs at later positions too.
    `inner[p]` is the first edge of node p behind those that come from inputs, as long as these stand in front.
    """
    all_live = live.shape[0] == 0
    count = 0
    for p in range(positions.shape[0]):
        j = positions[p]
        late = delays[j] + 1 < ticks
        plan_indptr[p] = count
        inner[p] = count
        for e in range(indptr[j], indptr[j + 1]):
            i = indices[e]
            if all_live or live[e]:
                from_input = is_input[i]
                if i < j or from_input or late:
                    if from_input and inner[p] == count:
                        inner[p] = count + 1
                    entries[count] = e
                    sources[count] = rows[i] - block if i >= j and ticks > 1 else rows[i]
                    count += 1
    plan_indptr[positions.shape[0]] = count


@exact_kernel
def layers_of(indptr: Ints, heard: Ints, layers: Ints) -> None:
    """Write the layer of each computed node: 1, or one more than that of the last one it hears in the same tick.

    `heard` has the source of each edge as a computed node, −1 for inputs.
    """
    for p in range(layers.shape[0]):
        layers[p] = 1
        for e in range(indptr[p], indptr[p + 1]):
            if 0 <= heard[e] < p:
                layers[p] = max(layers[p], layers[heard[e]] + 1)


@exact_kernel
def first_at_least(ascending: Ints, begin: int, end: int, bound: int) -> int:
    """Return the first place from `begin` on whose number is `bound` or more, `end` if there is none; by halves."""
    while begin < end:
        middle = (begin + end) // 2
        if ascending[middle] < bound:
            begin = middle + 1
        else:
            end = middle
    return begin


@exact_kernel
def first_inner(indptr: Ints, sources: Ints, first_row: int, inner: Ints) -> None:
    """Write the first edge of each node behind those from inputs, the rows before `first_row`; sources ascend."""
    for p in range(inner.shape[0]):
        inner[p] = first_at_least(sources, indptr[p], indptr[p + 1], first_row)


@exact_kernel
def dense_runs(
    indptr: Ints,
    sources: Ints,
    places: Ints,
    map_sizes: Ints,
    least_nodes: int,
    least_rows: int,
    least_share: float,
    longest: int,
    runs: Ints,
    segments: Ints,
) -> int:
    """Find runs of nodes that hear nearly all of a range of earlier rows; return how many.

    A run of neurons p … q − 1 is computed as one matrix product with the rows [low, high) that lie before its first
    node, of which each of its nodes hears the share `least_share` at least. Runs are grown greedily, up to `longest`
    nodes, as long as these lie in consecutive rows: `places` has that of each node.

    Written are the runs to `runs`, as :class:`evo.phenotype.kernels.forward_kernels.Layout` has them, and to `segments`
    the edges [begin, end) of each node inside.
    """
    n = indptr.shape[0] - 1
    count, cells = 0, 0
    p = 0
    while p < n:
        low, high = 0, 0
        if map_sizes[p] == 1 and indptr[p + 1] - indptr[p] >= least_rows * least_share:
            low, high = _range_before(indptr, sources, p, places[p])
        last = p
        while high - low >= least_rows and last < n and last - p < longest:
            if map_sizes[last] != 1 or places[last] != places[p] + last - p:
                break
            begin, end = _segment(indptr, sources, last, low, high)
            if end - begin < least_share * (high - low) or not _ascends(
                sources, begin, end, low, high
            ):
                break
            segments[last, 0], segments[last, 1] = begin, end
            last += 1
        if last - p >= least_nodes and count < runs.shape[0]:
            size = (last - p) * (high - low)
            begin, filled = segments[p, 0], 0
            together = True
            for q in range(p, last):
                together = together and segments[q, 0] == begin + filled
                filled += segments[q, 1] - segments[q, 0]
            full = together and filled == size
            runs[count, 0], runs[count, 1], runs[count, 2], runs[count, 3] = p, last, low, high
            runs[count, 4] = begin if full else cells
            runs[count, 5] = 1000 if full else min(999, 1000 * filled // size)
            cells += 0 if full else size
            count += 1
        p = max(last, p + 1)
    return count


@exact_kernel
def _range_before(indptr: Ints, sources: Ints, p: int, row: int) -> tuple[int, int]:
    """Return the range of rows of this tick before `row` that a node's first ascending edges span."""
    begin, end = indptr[p], indptr[p + 1]
    while begin < end and sources[begin] < 0:
        begin += 1
    last = begin
    while last < end and sources[end - 1] < 0:
        end -= 1
    stop = first_at_least(sources, begin, end, row)
    return (sources[begin], sources[stop - 1] + 1) if stop > begin else (0, 0)


@exact_kernel
def _segment(indptr: Ints, sources: Ints, p: int, low: int, high: int) -> tuple[int, int]:
    """Return the edges [begin, end) of a node with sources in [low, high), as far as these ascend."""
    first, last = indptr[p], indptr[p + 1]
    while first < last and sources[first] < 0:
        first += 1
    while first < last and sources[last - 1] < 0:
        last -= 1
    begin = first_at_least(sources, first, last, low)
    return begin, first_at_least(sources, begin, last, high)


@exact_kernel
def _ascends(sources: Ints, begin: int, end: int, low: int, high: int) -> bool:
    """Tell whether sources ascend within [low, high).

    Inputs have the lowest rows wherever they stand, so an order of positions need not be one of rows.
    """
    for e in range(begin, end):
        if not low <= sources[e] < high or (e > begin and sources[e - 1] >= sources[e]):
            return False
    return True
