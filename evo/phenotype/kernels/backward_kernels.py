"""The backward pass through an evolved network, and gradients at given places of its matrix.

:mod:`evo.phenotype.kernels.forward_kernels` describes the arrays.
"""

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import kernel
from cnn.compile.product_kernels import write_product, write_transpose
from cnn.compile.vector_kernels import sum_products, sum_range
from evo.phenotype.kernels.activation_kernels import multiply_by_slope
from evo.phenotype.kernels.dropout_kernels import drop_residual
from evo.phenotype.kernels.edge_kernels import Floats, Ints, backward_edges
from evo.phenotype.kernels.forward_kernels import (
    FULL,
    Buffers,
    Layout,
)
from evo.phenotype.kernels.map_kernels import (
    backward_maps,
    edge_range,
    edge_ranges_of,
    first_row_of,
    n_lines_of,
    n_pixels_of,
)
from evo.phenotype.kernels.row_kernels import Width

Mask = NDArray[np.bool_]


@kernel
def _backward_block(
    layout: Layout,
    r: int,
    weights: Floats,
    buffers: Buffers,
    gradient: Floats,
    accumulate: bool,
    base: int,
) -> None:
    """Compute both gradients of dense block `r`: Δ·Xᵀ for its weights, Wᵀ·Δ for its source rows."""
    state, residual, length = buffers.state, buffers.residual, buffers.length
    sources, block_edges, n_input_rows = layout.sources, layout.block_edges, layout.n_input_rows
    first, last, low, high, begin, filled = layout.dense_blocks[r]
    offset = (base + first_row_of(layout.maps, n_input_rows, first)) * length
    n_nodes, n_rows = last - first, high - low
    delta = residual[offset : offset + n_nodes * length]
    x = state[(base + low) * length : (base + high) * length]
    of_rows = buffers.block_input_gradient[: n_rows * length]
    whole = filled == FULL and not accumulate
    of_block = gradient[begin : begin + n_nodes * n_rows]
    if not whole:
        of_block = buffers.block_gradient[: n_nodes * n_rows]
    write_transpose(x, of_rows, n_rows, length)
    write_product(delta, length, 1, of_rows, of_block, n_nodes, length, n_rows)
    if not whole:
        for p in range(first, last):
            start = (p - first) * n_rows - low
            for e in range(block_edges[p, 0], block_edges[p, 1]):
                value = of_block[start + sources[e]]
                gradient[e] = gradient[e] + value if accumulate else value
    if high > n_input_rows:
        matrices = weights if filled == FULL else buffers.block_weights
        write_product(matrices[begin:], 1, n_rows, delta, of_rows, n_rows, n_nodes, length)
        skipped = max(low, n_input_rows) - low  # inputs have no residuals
        to = residual[(base + low + skipped) * length : (base + high) * length]
        for i in range(to.shape[0]):
            to[i] += of_rows[skipped * length + i]


@kernel
def backward(
    layout: Layout,
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
    for tick in range(layout.ticks - 1, -1, -1):
        backward_nodes(
            layout, weights, buffers, weight_gradient, bias_gradient, tick, 0,
            layout.codes.shape[0], width,
        )  # fmt: skip


@kernel
def backward_nodes(
    layout: Layout,
    weights: Floats,
    buffers: Buffers,
    weight_gradient: Floats,
    bias_gradient: Floats,
    tick: int,
    begin: int,
    end: int,
    width: Width,
) -> None:
    """Run the computed nodes `begin` to `end` (exclusive) in reverse; they must cut no dense block."""
    state, net_inputs, residual = buffers.state, buffers.net_inputs, buffers.residual
    stride, length = buffers.stride, buffers.length
    indptr, sources, codes, maps = layout.indptr, layout.sources, layout.codes, layout.maps
    blocks, block_edges, net_rows = layout.dense_blocks, layout.block_edges, layout.net_input_rows
    base = layout.first_base + tick * layout.rows_per_tick
    accumulate = tick < layout.ticks - 1
    block = blocks.shape[0] - 1
    while block >= 0 and blocks[block, 0] >= end:
        block -= 1
    for p in range(end - 1, begin - 1, -1):
        offset = (base + first_row_of(maps, layout.n_input_rows, p)) * stride
        size = n_pixels_of(maps, p) * length
        backward_maps(maps, p, buffers, base, width)
        output, delta = state[offset : offset + size], residual[offset : offset + size]
        drop_residual(layout.dropout, p, output, delta)
        net = delta  # not read where the slope is a function of the output
        if net_rows[p] >= 0:
            at = (tick * layout.n_net_input_rows + net_rows[p]) * length
            net = net_inputs[at : at + size]
        multiply_by_slope(codes[p], net, output, delta)
        total = sum_range(residual, offset, size)
        bias_gradient[p] = bias_gradient[p] + total if accumulate else total  # ∂E/∂b_j = Σ δ_j
        first, last = indptr[p], indptr[p + 1]
        block_first, block_last = last, last
        if block >= 0 and blocks[block, 0] <= p < blocks[block, 1]:
            block_first, block_last = block_edges[p, 0], block_edges[p, 1]
        line = n_lines_of(maps, p) * length
        first_range, last_range = edge_ranges_of(maps, p)
        for y in range(n_lines_of(maps, p)):
            for s in range(last_range - 1, first_range - 1, -1):
                e, end_e, line_stride = edge_range(maps, p, s, first, block_first, block_last, last)
                if e < end_e:
                    backward_edges(
                        residual, offset + y * line, state, base + y * line_stride, stride, line,
                        sources, weights, e, layout.backward_from[p], end_e, weight_gradient,
                        accumulate or y > 0, width,
                    )  # fmt: skip
        if block >= 0 and blocks[block, 0] == p:
            _backward_block(layout, block, weights, buffers, weight_gradient, accumulate, base)
            block -= 1


@kernel
def gradients_at(
    sources: Ints,
    targets: Ints,
    rows: Ints,
    is_input: Mask,
    state: Floats,
    residual: Floats,
    stride: int,
    length: int,
    rows_per_tick: int,
    first_base: int,
    ticks: int,
    gradients: Floats,
) -> None:
    """Write ∂E/∂W[i, j] = Σ_t Σ_batch δ_j·o_i at given places, whether or not an edge is there.

    The gradient is 0 at places without effect: into inputs, and delayed ones if there is one tick. `rows` has the row
    of each node within a tick; those of delayed sources lie in the tick before. Rows before the first are 0.
    """
    for k in range(sources.shape[0]):
        i, j = sources[k], targets[k]
        total = state.dtype.type(0)
        if not is_input[j] and (ticks > 1 or i < j or is_input[i]):
            source_row = rows[i] - rows_per_tick if ticks > 1 and i >= j else rows[i]
            for tick in range(ticks):
                base = first_base + tick * rows_per_tick
                if base + source_row >= 0:
                    here, there = (base + rows[j]) * stride, (base + source_row) * stride
                    total += sum_products(residual, here, state, there, length)
        gradients[k] = total
