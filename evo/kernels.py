"""The compiled passes over an evolved network: forward, backward, gradients at given places.

Activations are stored one node a row, the batch innermost, contiguous and padded to whole vectors: see
:mod:`evo.row_kernels`. A row number is ``base + source``: `base` is where the current tick's rows begin, and a delayed
edge has its source one block of rows earlier, that is, in the tick before.

A run of nodes that hear nearly all of a range of rows is one matrix product (BLAS), the rest of their edges, and all
edges of other nodes, are added up row by row.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn.compilation import kernel
from evo.activation_kernels import activate, multiply_by_slope
from evo.narrow_row_kernels import return_row
from evo.row_kernels import DOTS, Width, dot_rows, gather_row, scatter_row

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


FULL = 1000
"""Filled cells per thousand of a run that needs no copy of its weights."""


class Layout(NamedTuple):
    """What the passes read of a plan; all arrays are read-only.

    Computed node p has the row ``first_row + p`` of each tick's block of `block` rows.

    Attributes
    ----------
    first_row : int
        Rows of inputs, which come first.
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
        Net inputs a tick.
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
def _multiply(a: Floats, b: Floats, out: Floats) -> None:
    """Write the matrix product a·b, by BLAS; apart, since it compiles as long as all else."""
    np.dot(a, b, out)


@kernel
def _matrix_of(run: Ints, full: Floats, cells: Floats) -> Floats:
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
def forward(plan: Layout, weights: Floats, bias: Floats, buffers: Buffers, width: Width) -> None:
    """Run every tick: o_j = φ_j(Σ_e w_e·o_source(e) + b_j)."""
    state, nets, cells = buffers.state, buffers.nets, buffers.cells
    pitch, length = buffers.pitch, buffers.length
    indptr, sources, segments, runs = plan.indptr, plan.sources, plan.segments, plan.runs
    codes, net_rows, first_row = plan.codes, plan.net_rows, plan.first_row
    fill_runs(plan, weights, cells)
    for tick in range(plan.ticks):
        base = plan.first_base + tick * plan.block
        run, run_end = 0, 0
        for p in range(codes.shape[0]):
            place = (base + first_row + p) * pitch
            row = state[place : place + length]
            first, last = indptr[p], indptr[p + 1]
            if run < runs.shape[0] and runs[run, 0] == p:
                matrix = _matrix_of(runs[run], weights, cells)
                heard = state[(base + runs[run, 2]) * length : (base + runs[run, 3]) * length]
                own = state[place : place + matrix.shape[0] * length]
                _multiply(matrix, heard.reshape(-1, length), own.reshape(-1, length))
                run_end = runs[run, 1]
                run += 1
            if p < run_end:
                for b in range(length):
                    row[b] += bias[p]
                begin, end = segments[p, 0], segments[p, 1]
                _listen(state, base, pitch, length, sources, weights, first, begin, place, width)
                _listen(state, base, pitch, length, sources, weights, end, last, place, width)
            else:
                row[:] = bias[p]
                _listen(state, base, pitch, length, sources, weights, first, last, place, width)
            if net_rows[p] >= 0:
                at = (tick * plan.n_nets + net_rows[p]) * length
                for b in range(length):
                    nets[at + b] = row[b]
            activate(codes[p], row)


@kernel
def _differentiate(
    residual: Floats,
    place: int,
    state: Floats,
    base: int,
    pitch: int,
    length: int,
    sources: Ints,
    first: int,
    last: int,
    gradient: Floats,
    adding: bool,
    width: Width,
) -> None:
    """Write, or add, ∂E/∂W[i, j] = Σ δ_j·o_i for some edges into one node."""
    e = last
    while e - DOTS >= first:
        e -= DOTS
        dot_rows(
            residual, place, state, base, pitch, length, sources, e, DOTS, gradient, adding, width
        )
    if e - 4 >= first:
        e -= 4
        dot_rows(
            residual, place, state, base, pitch, length, sources, e, 4, gradient, adding, width
        )
    while e > first:
        e -= 1
        dot_rows(
            residual, place, state, base, pitch, length, sources, e, 1, gradient, adding, width
        )


@kernel
def _return(
    residual: Floats,
    place: int,
    base: int,
    pitch: int,
    length: int,
    sources: Ints,
    weights: Floats,
    first: int,
    last: int,
    width: Width,
) -> None:
    """Add ∂E/∂o_i = Σ_j W[i, j]·δ_j of some edges into one node to the residuals of their sources."""
    lanes = 1 << len(width)
    b = 0
    while b + 8 * lanes <= length:
        scatter_row(residual, place + b, base, pitch, b, sources, weights, first, last, 8, width)
        b += 8 * lanes
    while b + 4 * lanes <= length:
        scatter_row(residual, place + b, base, pitch, b, sources, weights, first, last, 4, width)
        b += 4 * lanes
    while b + 2 * lanes <= length:
        scatter_row(residual, place + b, base, pitch, b, sources, weights, first, last, 2, width)
        b += 2 * lanes
    while b < length:
        scatter_row(residual, place + b, base, pitch, b, sources, weights, first, last, 1, width)
        b += lanes


@kernel
def _backward_edges(
    residual: Floats,
    place: int,
    state: Floats,
    base: int,
    pitch: int,
    length: int,
    sources: Ints,
    weights: Floats,
    first: int,
    inner: int,
    last: int,
    gradient: Floats,
    adding: bool,
    width: Width,
) -> None:
    """Differentiate the edges [first, last) into one node, and return its residual through those from `inner` on."""
    inner = min(max(inner, first), last)
    if length == 1 << len(width):
        return_row(
            residual,
            place,
            state,
            base,
            pitch,
            sources,
            weights,
            inner,
            last,
            gradient,
            adding,
            width,
        )
        _differentiate(
            residual,
            place,
            state,
            base,
            pitch,
            length,
            sources,
            first,
            inner,
            gradient,
            adding,
            width,
        )
    else:
        _differentiate(
            residual,
            place,
            state,
            base,
            pitch,
            length,
            sources,
            first,
            last,
            gradient,
            adding,
            width,
        )
        _return(residual, place, base, pitch, length, sources, weights, inner, last, width)


@kernel
def _backward_run(
    plan: Layout,
    r: int,
    weights: Floats,
    buffers: Buffers,
    gradient: Floats,
    adding: bool,
    base: int,
) -> None:
    """Differentiate a dense run by two matrix products: Δ·Xᵀ for its weights, Wᵀ·Δ for the rows it hears."""
    state, residual, length = buffers.state, buffers.residual, buffers.length
    sources, segments, first_row = plan.sources, plan.segments, plan.first_row
    first, last, low, high, _, filled = plan.runs[r]
    place = (base + first_row + first) * length
    delta = residual[place : place + (last - first) * length].reshape(-1, length)
    x = state[(base + low) * length : (base + high) * length].reshape(-1, length)
    if filled == FULL and not adding:
        _multiply(delta, x.T, _matrix_of(plan.runs[r], gradient, gradient))
    else:
        of_cells = buffers.cell_gradient[: (last - first) * (high - low)].reshape(-1, high - low)
        _multiply(delta, x.T, of_cells)
        for p in range(first, last):
            for e in range(segments[p, 0], segments[p, 1]):
                value = of_cells[p - first, sources[e] - low]
                gradient[e] = gradient[e] + value if adding else value
    if high > first_row:
        back = buffers.back[: (high - low) * length].reshape(-1, length)
        _multiply(_matrix_of(plan.runs[r], weights, buffers.cells).T, delta, back)
        for i in range(max(low, first_row), high):
            to = residual[(base + i) * length : (base + i + 1) * length]
            for b in range(length):
                to[b] += back[i - low, b]


@kernel
def backward(
    plan: Layout,
    weights: Floats,
    buffers: Buffers,
    weight_gradient: Floats,
    bias_gradient: Floats,
    width: Width,
) -> None:
    """Run every tick in reverse (backpropagation through time).

    On entry the residual is ∂E/∂o at the outputs' rows of the last tick and 0 elsewhere, padding included; on return
    it is δ at every computed row. Gradients are written to `weight_gradient` and `bias_gradient`.
    """
    state, nets, residual = buffers.state, buffers.nets, buffers.residual
    pitch, length = buffers.pitch, buffers.length
    indptr, sources, inner, runs = plan.indptr, plan.sources, plan.inner, plan.runs
    codes, net_rows, segments, first_row = plan.codes, plan.net_rows, plan.segments, plan.first_row
    for tick in range(plan.ticks - 1, -1, -1):
        base = plan.first_base + tick * plan.block
        adding = tick < plan.ticks - 1
        run = runs.shape[0] - 1
        for p in range(codes.shape[0] - 1, -1, -1):
            place = (base + first_row + p) * pitch
            delta = residual[place : place + length]
            net = delta  # unread where the slope is written in the output
            if net_rows[p] >= 0:
                at = (tick * plan.n_nets + net_rows[p]) * length
                net = nets[at : at + length]
            multiply_by_slope(codes[p], net, state[place : place + length], delta)
            total = delta.dtype.type(0)
            for b in range(length):
                total += delta[b]
            bias_gradient[p] = bias_gradient[p] + total if adding else total  # ∂E/∂b_j = Σ δ_j
            first, last = indptr[p], indptr[p + 1]
            begin, end = last, last
            if run >= 0 and runs[run, 0] <= p < runs[run, 1]:
                begin, end = segments[p, 0], segments[p, 1]
            if end < last:
                _backward_edges(
                    residual, place, state, base, pitch, length, sources, weights,
                    end, inner[p], last, weight_gradient, adding, width,
                )  # fmt: skip
            _backward_edges(
                residual, place, state, base, pitch, length, sources, weights,
                first, inner[p], begin, weight_gradient, adding, width,
            )  # fmt: skip
            if run >= 0 and runs[run, 0] == p:
                _backward_run(plan, run, weights, buffers, weight_gradient, adding, base)
                run -= 1


@kernel
def gradients_at(
    source_rows: Ints,
    target_rows: Ints,
    state: Floats,
    residual: Floats,
    pitch: int,
    length: int,
    block: int,
    first_base: int,
    ticks: int,
    gradients: Floats,
) -> None:
    """Write ∂E/∂W[i, j] = Σ_t Σ_batch δ_j·o_i at given places, whether or not an edge is there.

    Rows are numbered within a block, those of delayed sources minus `block`; before the first row there is nothing.
    """
    for k in range(source_rows.shape[0]):
        total = state.dtype.type(0)
        for tick in range(ticks):
            base = first_base + tick * block
            if base + source_rows[k] >= 0:
                x = (base + source_rows[k]) * pitch
                delta = (base + target_rows[k]) * pitch
                for b in range(length):
                    total += residual[delta + b] * state[x + b]
        gradients[k] = total
