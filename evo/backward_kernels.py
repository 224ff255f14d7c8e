"""The compiled way back through an evolved network, and gradients at given places of its matrix.

See :mod:`evo.kernels` for how rows are numbered and kept.
"""

from cnn.compilation import kernel
from evo.activation_kernels import multiply_by_slope
from evo.kernels import FULL, Buffers, Floats, Ints, Layout, matrix_of, multiply
from evo.map_kernels import return_views
from evo.narrow_row_kernels import return_row
from evo.row_kernels import DOTS, Width, dot_rows, scatter_row


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
    if e - 2 >= first:
        e -= 2
        dot_rows(
            residual, place, state, base, pitch, length, sources, e, 2, gradient, adding, width
        )
    if e > first:
        dot_rows(
            residual, place, state, base, pitch, length, sources, first, 1, gradient, adding, width
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
    place = (base + plan.rows[first]) * length
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
def _convolve_back(
    plan: Layout,
    p: int,
    residual: Floats,
    place: int,
    state: Floats,
    base: int,
    length: int,
    weights: Floats,
    gradient: Floats,
    adding: bool,
    width: Width,
) -> None:
    """Differentiate the taps into one map, and return its residual to what they read: line by line, as forward."""
    side = plan.sides[p]
    line = side * length
    for y in range(side):
        for s in range(plan.stretch_indptr[p], plan.stretch_indptr[p + 1]):
            first, last, further = plan.stretches[s]
            _backward_edges(
                residual, place + y * line, state, base + y * further, length, line, plan.sources, weights,
                first, plan.inner[p], last, gradient, adding or y > 0, width,
            )  # fmt: skip


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
    codes, net_rows, segments, sides = plan.codes, plan.net_rows, plan.segments, plan.sides
    views = plan.view_indptr
    for tick in range(plan.ticks - 1, -1, -1):
        base = plan.first_base + tick * plan.block
        adding = tick < plan.ticks - 1
        run = runs.shape[0] - 1
        for p in range(codes.shape[0] - 1, -1, -1):
            place = (base + plan.rows[p]) * pitch
            size = sides[p] * sides[p] * length
            return_views(
                plan.views, views[p], views[p + 1], state, residual, base, length, plan.mean
            )
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
            if sides[p] > 1:
                _convolve_back(
                    plan, p, residual, place, state, base, length, weights, weight_gradient, adding, width,
                )  # fmt: skip
                continue
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
