"""What the compiled passes over an evolved network share, and the pass forward.

:mod:`evo.phenotype.kernels.backward_kernels` goes back.

Activations are stored one neuron a row, the batch innermost, contiguous and padded to whole vectors: see
:mod:`evo.phenotype.kernels.row_kernels`. A map has a row for each pixel, line after line; so a line is one long row,
and a tap an edge from the lines of one map to those of another. A row number is ``base + source``: `base` is where the
current tick's rows begin, and a delayed edge has its source one block of rows earlier, that is, in the tick before.

A run of nodes that hear nearly all of a range of rows is one matrix product (BLAS), the rest of their edges, and all
edges of other nodes, are added up row by row.
"""

from typing import Any, NamedTuple

import numpy as np

from cnn.compile.compilation import kernel
from evo.phenotype.kernels.activation_kernels import activate
from evo.phenotype.kernels.edge_kernels import Floats, Ints, listen
from evo.phenotype.kernels.map_kernels import (
    has_bias,
    lines_of,
    pixels_of,
    row_of,
    show,
    stretch,
    stretches_of,
)
from evo.phenotype.kernels.row_kernels import Width

FULL = 1000
"""Filled cells per thousand of a run that needs no copy of its weights."""


class Layout(NamedTuple):
    """What the passes read of a plan; all arrays are read-only.

    Attributes
    ----------
    first_row : int
        Rows of inputs, which come first. Without maps computed node p has the row ``first_row + p``.
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
    maps : Maps or ()
        What there is to know of maps; nothing where all nodes are neurons. The passes are compiled for either.
    """

    first_row: int
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
    maps: Any


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
def forward(plan: Layout, weights: Floats, bias: Floats, buffers: Buffers, width: Width) -> None:
    """Run every tick: o_j = φ_j(Σ_e w_e·o_source(e) + b_j)."""
    fill_runs(plan, weights, buffers.cells)
    for tick in range(plan.ticks):
        forward_nodes(plan, weights, bias, buffers, tick, 0, plan.codes.shape[0], width)


@kernel
def forward_nodes(
    plan: Layout,
    weights: Floats,
    bias: Floats,
    buffers: Buffers,
    tick: int,
    begin: int,
    end: int,
    width: Width,
) -> None:
    """Run the computed nodes from `begin` to `end`, exclusively; no dense run may be cut by either."""
    state, nets, cells = buffers.state, buffers.nets, buffers.cells
    pitch, length = buffers.pitch, buffers.length
    indptr, sources, segments, runs = plan.indptr, plan.sources, plan.segments, plan.runs
    codes, net_rows, maps = plan.codes, plan.net_rows, plan.maps
    base = plan.first_base + tick * plan.block
    run, run_end = 0, 0
    while run < runs.shape[0] and runs[run, 0] < begin:
        run += 1
    for p in range(begin, end):
        place = (base + row_of(maps, plan.first_row, p)) * pitch
        size = pixels_of(maps, p) * length
        row = state[place : place + size]
        first, last = indptr[p], indptr[p + 1]
        if run < runs.shape[0] and runs[run, 0] == p:
            matrix = matrix_of(runs[run], weights, cells)
            heard = state[(base + runs[run, 2]) * length : (base + runs[run, 3]) * length]
            own = state[place : place + matrix.shape[0] * length]
            multiply(matrix, heard.reshape(-1, length), own.reshape(-1, length))
            run_end = runs[run, 1]
            run += 1
        inside, behind = last, last
        if p < run_end:
            inside, behind = segments[p, 0], segments[p, 1]
            for b in range(length):
                row[b] += bias[p]
        elif not has_bias(maps, p):
            row[:] = bias[p]
        line = lines_of(maps, p) * length
        first_stretch, last_stretch = stretches_of(maps, p)
        for y in range(lines_of(maps, p)):
            for s in range(first_stretch, last_stretch):
                e, end_e, further = stretch(maps, p, s, first, inside, behind, last)
                if e < end_e:
                    listen(
                        state, base + y * further, pitch, line, sources, weights, e, end_e,
                        place + y * line, width,
                    )  # fmt: skip
        if net_rows[p] >= 0:
            at = (tick * plan.n_nets + net_rows[p]) * length
            for b in range(size):
                nets[at + b] = row[b]
        activate(codes[p], row)
        show(maps, p, buffers, base)
