"""The compiled way back through an evolved network, and gradients at given places of its matrix.

See :mod:`evo.phenotype.kernels.forward_kernels` for how rows are numbered and kept.
"""

from cnn.compile.compilation import kernel
from evo.phenotype.kernels.activation_kernels import multiply_by_slope
from evo.phenotype.kernels.edge_kernels import Floats, Ints, backward_edges
from evo.phenotype.kernels.forward_kernels import FULL, Buffers, Layout, matrix_of, multiply
from evo.phenotype.kernels.map_kernels import (
    backward_maps,
    lines_of,
    pixels_of,
    row_of,
    stretch,
    stretches_of,
)
from evo.phenotype.kernels.row_kernels import Width


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
    place = (base + row_of(plan.maps, first_row, first)) * length
    delta = residual[place : place + (last - first) * length].reshape(-1, length)
    x = state[(base + low) * length : (base + high) * length].reshape(-1, length)
    if filled == FULL and not adding:
        multiply(delta, x.T, matrix_of(plan.runs[r], gradient, gradient))
    else:
        of_cells = buffers.cell_gradient[: (last - first) * (high - low)].reshape(-1, high - low)
        multiply(delta, x.T, of_cells)
        for p in range(first, last):
            for e in range(segments[p, 0], segments[p, 1]):
                value = of_cells[p - first, sources[e] - low]
                gradient[e] = gradient[e] + value if adding else value
    if high > first_row:
        back = buffers.back[: (high - low) * length].reshape(-1, length)
        multiply(matrix_of(plan.runs[r], weights, buffers.cells).T, delta, back)
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
    for tick in range(plan.ticks - 1, -1, -1):
        backward_nodes(
            plan, weights, buffers, weight_gradient, bias_gradient, tick, 0, plan.codes.shape[0],
            width,
        )  # fmt: skip


@kernel
def backward_nodes(
    plan: Layout,
    weights: Floats,
    buffers: Buffers,
    weight_gradient: Floats,
    bias_gradient: Floats,
    tick: int,
    begin: int,
    end: int,
    width: Width,
) -> None:
    """Run the computed nodes from `begin` to `end`, exclusively, in reverse; no dense run may be cut by either."""
    state, nets, residual = buffers.state, buffers.nets, buffers.residual
    pitch, length = buffers.pitch, buffers.length
    indptr, sources, inner, runs = plan.indptr, plan.sources, plan.inner, plan.runs
    codes, net_rows, segments, maps = plan.codes, plan.net_rows, plan.segments, plan.maps
    base = plan.first_base + tick * plan.block
    adding = tick < plan.ticks - 1
    run = runs.shape[0] - 1
    while run >= 0 and runs[run, 0] >= end:
        run -= 1
    for p in range(end - 1, begin - 1, -1):
        place = (base + row_of(maps, plan.first_row, p)) * pitch
        size = pixels_of(maps, p) * length
        backward_maps(maps, p, buffers, base, width)
        delta = residual[place : place + size]
        net = delta  # unread where the slope is written in the output
        if net_rows[p] >= 0:
            at = (tick * plan.n_nets + net_rows[p]) * length
            net = nets[at : at + size]
        multiply_by_slope(codes[p], net, state[place : place + size], delta)
        total = delta.dtype.type(0)
        for b in range(size):
            total += delta[b]
        bias_gradient[p] = bias_gradient[p] + total if adding else total  # ∂E/∂b_j = Σ δ_j
        first, last = indptr[p], indptr[p + 1]
        inside, behind = last, last
        if run >= 0 and runs[run, 0] <= p < runs[run, 1]:
            inside, behind = segments[p, 0], segments[p, 1]
        line = lines_of(maps, p) * length
        first_stretch, last_stretch = stretches_of(maps, p)
        for y in range(lines_of(maps, p)):
            for s in range(last_stretch - 1, first_stretch - 1, -1):
                e, end_e, further = stretch(maps, p, s, first, inside, behind, last)
                if e < end_e:
                    backward_edges(
                        residual, place + y * line, state, base + y * further, pitch, line,
                        sources, weights, e, inner[p], end_e, weight_gradient, adding or y > 0,
                        width,
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
