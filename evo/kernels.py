"""What the compiled passes over an evolved network share, and the pass forward; :mod:`evo.backward_kernels` goes back.

Activations are stored one neuron a row, the batch innermost, contiguous and padded to whole vectors: see
:mod:`evo.row_kernels`. A map has a row for each pixel, line after line; so a line is one long row, and a tap an edge
from the lines of one map to those of another. A row number is ``base + source``: `base` is where the current tick's
rows begin, and a delayed edge has its source one block of rows earlier, that is, in the tick before.

A run of nodes that hear nearly all of a range of rows is one matrix product (BLAS), the rest of their edges, and all
edges of other nodes, are added up row by row.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn.compilation import kernel
from evo.activation_kernels import activate
from evo.map_kernels import write_views
from evo.row_kernels import Width, gather_row

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


FULL = 1000
"""Filled cells per thousand of a run that needs no copy of its weights."""


class Layout(NamedTuple):
    """What the passes read of a plan; all arrays are read-only.

    Attributes
    ----------
    first_row : int
        Rows of inputs, which come first.
    rows : ndarray of int64, shape (n_computed,)
        The first row of each computed node in each tick's block of `block` rows.
    sides : ndarray of int32, shape (n_computed,)
    block, ticks : int
        Rows of a tick; ticks.
    first_base : int
        Where the rows of the first tick begin; before them stands the tick before, where edges may be delayed.
    indptr : ndarray of int64, shape (n_computed + 1,)
    sources : ndarray of int32, shape (n_edges,)
        The edges of each computed node; a delayed source counts from the block before (its row minus `block`).
    inner : ndarray of int64, shape (n_computed,)
        The first edge of each node through which a residual flows back; those before come from inputs.
    runs : ndarray of int64, shape (n_runs, 6)
        Dense runs: first node, last node (exclusively), first row heard, last (exclusively), where its weights begin as
        a matrix (nodes, rows), and its filled cells per thousand. The weights of a full run are a matrix as they are;
        those of another are written to `Buffers.cells`.
    segments : ndarray of int64, shape (n_computed, 2)
        The edges [begin, end) of each node that a run holds.
    codes : ndarray of uint8, shape (n_computed,)
        Activations.
    net_rows : ndarray of int32, shape (n_computed,)
        Where a node's net input is kept, −1 where it is not needed.
    n_nets : int
        Rows of net inputs a tick.
    stretch_indptr : ndarray of int64, shape (n_computed + 1,)
    stretches : ndarray of int64, shape (n_stretches, 3)
        The edges of each map, in pieces: first edge, last (exclusively), and how many rows further on they read for
        each line. Empty where all are neurons.
    view_indptr : ndarray of int64, shape (n_computed + 1,)
    views : ndarray of int64, shape (n_views, 6)
        What is read of maps but as they are, see :mod:`evo.map_kernels`: those of inputs, then those of each node.
    mean : bool
        Whether maps are halved by means, not by maxima.
    """

    first_row: int
    rows: Ints
    sides: Ints
    block: int
    ticks: int
    first_base: int
    indptr: Ints
    sources: Ints
    inner: Ints
    runs: Ints
    segments: Ints
    codes: Ints
    net_rows: Ints
    n_nets: int
    stretch_indptr: Ints
    stretches: Ints
    view_indptr: Ints
    views: Ints
    mean: bool


class Buffers(NamedTuple):
    """What the passes write for one batch size; flat.

    Where a batch is a sample or two, outputs and residuals of a row lie side by side, so that the way back finds both
    in one line of memory: then the residual is a view of the same array, and rows begin `pitch` = 2·`length` apart.

    Attributes
    ----------
    state, residual : ndarray, shape (blocks · block · pitch,)
        Outputs o, and ∂E/∂o or δ = ∂E/∂n, of each row and tick.
    nets : ndarray, shape (ticks · n_nets · length,)
        Net inputs n, where a derivative asks for them.
    cells, cell_gradient : ndarray, shape (n_cells,)
        Weights of dense runs as matrices, and the gradient by them.
    back : ndarray, shape (rows that a dense run hears at most · length,)
        What a dense run returns to the rows that it hears.
    pitch, length : int
        From one row to the next; numbers in a row: the batch, padded to whole vectors.
    """

    state: Floats
    residual: Floats
    nets: Floats
    cells: Floats
    cell_gradient: Floats
    back: Floats
    pitch: int
    length: int


@kernel
def fill_runs(plan: Layout, weights: Floats, cells: Floats) -> None:
    """Write the weights of dense runs that are not full as matrices (nodes, rows), one after another, to `cells`."""
    sources, segments = plan.sources, plan.segments
    for r in range(plan.runs.shape[0]):
        first, last, low, high, offset, filled = plan.runs[r]
        if filled == FULL:
            continue
        for p in range(first, last):
            start = offset + (p - first) * (high - low)
            cells[start : start + high - low] = 0
            for e in range(segments[p, 0], segments[p, 1]):
                cells[start + sources[e] - low] = weights[e]


@kernel
def multiply(a: Floats, b: Floats, out: Floats) -> None:
    """Write the matrix product a·b, by BLAS; apart, since it compiles as long as all else."""
    np.dot(a, b, out)


@kernel
def matrix_of(run: Ints, full: Floats, cells: Floats) -> Floats:
    """Return what lies in the cells of a run, shape (nodes, rows): of `full` where it is full, else of `cells`."""
    first, last, low, high, offset, filled = run
    m, k = last - first, high - low
    numbers = full if filled == FULL else cells
    return numbers[offset : offset + m * k].reshape(m, k)


@kernel
def _listen(
    state: Floats,
    base: int,
    pitch: int,
    length: int,
    sources: Ints,
    weights: Floats,
    first: int,
    last: int,
    place: int,
    width: Width,
) -> None:
    """Add the scaled rows of some edges to the row at `place`."""
    lanes = 1 << len(width)
    zero = state.dtype.type(0)
    b = 0
    while b + 8 * lanes <= length:
        gather_row(
            state, base, pitch, b, sources, weights, first, last, zero, 0, place + b, 8, width
        )
        b += 8 * lanes
    while b + 4 * lanes <= length:
        gather_row(
            state, base, pitch, b, sources, weights, first, last, zero, 0, place + b, 4, width
        )
        b += 4 * lanes
    while b + 2 * lanes <= length:
        gather_row(
            state, base, pitch, b, sources, weights, first, last, zero, 0, place + b, 2, width
        )
        b += 2 * lanes
    while b < length:
        gather_row(
            state, base, pitch, b, sources, weights, first, last, zero, 0, place + b, 1, width
        )
        b += lanes


@kernel
def _convolve(
    plan: Layout,
    p: int,
    state: Floats,
    base: int,
    length: int,
    weights: Floats,
    place: int,
    width: Width,
) -> None:
    """Add to a map what it hears: line by line, each tap adds a scaled line of what it reads."""
    side = plan.sides[p]
    line = side * length
    for y in range(side):
        for s in range(plan.stretch_indptr[p], plan.stretch_indptr[p + 1]):
            first, last, further = plan.stretches[s]
            _listen(
                state, base + y * further, length, line, plan.sources, weights, first, last,
                place + y * line, width,
            )  # fmt: skip


@kernel
def forward(plan: Layout, weights: Floats, bias: Floats, buffers: Buffers, width: Width) -> None:
    """Run every tick: o_j = φ_j(Σ_e w_e·o_source(e) + b_j)."""
    state, nets, cells = buffers.state, buffers.nets, buffers.cells
    pitch, length = buffers.pitch, buffers.length
    indptr, sources, segments, runs = plan.indptr, plan.sources, plan.segments, plan.runs
    codes, net_rows, sides, views = plan.codes, plan.net_rows, plan.sides, plan.view_indptr
    fill_runs(plan, weights, cells)
    for tick in range(plan.ticks):
        base = plan.first_base + tick * plan.block
        run, run_end = 0, 0
        for p in range(codes.shape[0]):
            place = (base + plan.rows[p]) * pitch
            size = sides[p] * sides[p] * length
            row = state[place : place + size]
            first, last = indptr[p], indptr[p + 1]
            if run < runs.shape[0] and runs[run, 0] == p:
                matrix = matrix_of(runs[run], weights, cells)
                heard = state[(base + runs[run, 2]) * length : (base + runs[run, 3]) * length]
                own = state[place : place + matrix.shape[0] * length]
                multiply(matrix, heard.reshape(-1, length), own.reshape(-1, length))
                run_end = runs[run, 1]
                run += 1
            if p < run_end:
                for b in range(length):
                    row[b] += bias[p]
                begin, end = segments[p, 0], segments[p, 1]
                _listen(state, base, pitch, length, sources, weights, first, begin, place, width)
                _listen(state, base, pitch, length, sources, weights, end, last, place, width)
            elif sides[p] == 1:
                row[:] = bias[p]
                _listen(state, base, pitch, length, sources, weights, first, last, place, width)
            else:
                row[:] = bias[p]
                _convolve(plan, p, state, base, length, weights, place, width)
            if net_rows[p] >= 0:
                at = (tick * plan.n_nets + net_rows[p]) * length
                for b in range(size):
                    nets[at + b] = row[b]
            activate(codes[p], row)
            write_views(plan.views, views[p], views[p + 1], state, base, length, plan.mean)
