"""The arrays of the compiled passes (:class:`Layout`, :class:`Buffers`), and the forward pass.

Each neuron has one row of activations for each tick: the batch, contiguous and padded to whole vectors
(:mod:`evo.phenotype.kernels.row_kernels`). A map has one row for each pixel, line after line, so a line of pixels is
one long row and a tap is an edge from the lines of one map to the lines of another. The rows of a tick follow those of
the tick before. Row ``base + source`` is the source of an edge, where `base` is the first row of the present tick; the
source of a delayed edge is negative, so it lies in the tick before.

Consecutive nodes with edges from nearly all of a range of rows form a *dense block*, which is computed as one matrix
product (BLAS). All other edges are added up row by row.
"""

from typing import Any, NamedTuple

from cnn.compile.compilation import kernel
from cnn.compile.product_kernels import write_product
from evo.phenotype.kernels.activation_kernels import activate
from evo.phenotype.kernels.dropout_kernels import drop_output
from evo.phenotype.kernels.edge_kernels import Floats, Ints, forward_edges
from evo.phenotype.kernels.map_kernels import (
    edge_range,
    edge_ranges_of,
    first_row_of,
    forward_maps,
    is_convolved,
    n_lines_of,
    n_pixels_of,
)
from evo.phenotype.kernels.row_kernels import Width

FULL = 1000
"""Fill, per thousand, of a dense block whose edges fill it wholly; its weights need no copy."""


class Layout(NamedTuple):
    """The part of a plan that the passes read; all arrays are read-only.

    Attributes
    ----------
    n_input_rows : int
        Rows of inputs, which come first in a tick. Without maps, computed node p has row ``n_input_rows + p``.
    rows_per_tick, ticks : int
        Number of rows of a tick; number of ticks.
    first_base : int
        First row of the first tick. With several ticks the rows of the tick before the first precede it.
    indptr : ndarray of int64, shape (n_computed + 1,)
        The in-edges of computed node p are the edges ``indptr[p]`` to ``indptr[p + 1]`` (exclusive).
    sources : ndarray of int32, shape (n_edges,)
        Source row of each edge; that of a delayed edge is less by `rows_per_tick`.
    backward_from : ndarray of int64, shape (n_computed,)
        First in-edge of each node that carries a residual backward; the in-edges before come from inputs.
    dense_blocks : ndarray of int64, shape (n_blocks, 6)
        First node, last node (exclusive), first source row, last source row (exclusive), the index at which the
        weights begin as a matrix (nodes, rows), and the fill per thousand. The weights of a full block already lie as
        a matrix; those of other blocks are copied to `Buffers.block_weights`.
    block_edges : ndarray of int64, shape (n_computed, 2)
        The in-edges of each node that its dense block contains: first, last (exclusive).
    codes : ndarray of uint8, shape (n_computed,)
        Codes of activation functions.
    net_input_rows : ndarray of int32, shape (n_computed,)
        Row of each node in `Buffers.net_inputs`, −1 where the net input is not kept.
    n_net_input_rows : int
        Rows of net inputs of a tick.
    maps : Maps or ()
        The description of maps; the empty tuple where all nodes are neurons.
    dropout : NodeDropout or ()
        The dropout of a training step; the empty tuple where nothing is dropped.
    """

    n_input_rows: int
    rows_per_tick: int
    ticks: int
    first_base: int
    indptr: Ints
    sources: Ints
    backward_from: Ints
    dense_blocks: Ints
    block_edges: Ints
    codes: Ints
    net_input_rows: Ints
    n_net_input_rows: int
    maps: Any
    dropout: Any = ()


class Buffers(NamedTuple):
    """The arrays that passes and training steps write, for one batch size; of the genome's dtype, flat where not said.

    With a batch of one or two samples the outputs and the residuals of a row lie side by side, so that the backward
    pass finds both in one cache line: `residual` is then a view of `state`, and `stride` is 2·`length`.

    Attributes
    ----------
    state : ndarray, shape (n_rows · stride,)
        Output o of each row; n_rows is `rows_per_tick` times the ticks, plus one tick before the first if there are
        several ticks.
    residual : ndarray, shape as `state`
        ∂E/∂o of each row; after the backward pass δ = ∂E/∂n.
    net_inputs : ndarray, shape (ticks · n_net_input_rows · length,)
        Net inputs n of the nodes whose derivative needs them.
    block_weights : ndarray, shape (sum of nodes · rows of all dense blocks that are not full,)
        Weights of dense blocks as matrices.
    block_gradient : ndarray, shape (most nodes · rows of a dense block,)
        Gradient with respect to the weights of one dense block.
    block_input_gradient : ndarray, shape (most source rows of a dense block · length,)
        Gradient with respect to the source rows of one dense block.
    scores, deltas : ndarray, shape (n_outputs, n_batch)
        The scores, and ∂E/∂scores, in a training step.
    stride : int
        Numbers from the beginning of one row to that of the next.
    length : int
        Numbers in a row: the batch size, padded to whole vectors.
    """

    state: Floats
    residual: Floats
    net_inputs: Floats
    block_weights: Floats
    block_gradient: Floats
    block_input_gradient: Floats
    scores: Floats
    deltas: Floats
    stride: int
    length: int


@kernel
def write_block_weights(layout: Layout, weights: Floats, block_weights: Floats) -> None:
    """Copy the weights of dense blocks that are not full to `block_weights`, as matrices (nodes, rows)."""
    sources, block_edges = layout.sources, layout.block_edges
    for r in range(layout.dense_blocks.shape[0]):
        first, last, low, high, offset, filled = layout.dense_blocks[r]
        if filled == FULL:
            continue
        for p in range(first, last):
            start = offset + (p - first) * (high - low)
            block_weights[start : start + high - low] = 0
            for e in range(block_edges[p, 0], block_edges[p, 1]):
                block_weights[start + sources[e] - low] = weights[e]


@kernel
def forward(layout: Layout, weights: Floats, bias: Floats, buffers: Buffers, width: Width) -> None:
    """Run every tick: o_j = φ_j(Σ_e w_e·o_source(e) + b_j)."""
    write_block_weights(layout, weights, buffers.block_weights)
    for tick in range(layout.ticks):
        forward_nodes(layout, weights, bias, buffers, tick, 0, layout.codes.shape[0], width)


@kernel
def forward_nodes(
    layout: Layout,
    weights: Floats,
    bias: Floats,
    buffers: Buffers,
    tick: int,
    begin: int,
    end: int,
    width: Width,
) -> None:
    """Run the computed nodes `begin` to `end` (exclusive), which must cut no dense block."""
    state, net_inputs, block_weights = buffers.state, buffers.net_inputs, buffers.block_weights
    stride, length = buffers.stride, buffers.length
    indptr, sources, codes, maps = layout.indptr, layout.sources, layout.codes, layout.maps
    blocks, block_edges, net_rows = layout.dense_blocks, layout.block_edges, layout.net_input_rows
    base = layout.first_base + tick * layout.rows_per_tick
    block, block_end = 0, 0
    while block < blocks.shape[0] and blocks[block, 0] < begin:
        block += 1
    for p in range(begin, end):
        offset = (base + first_row_of(maps, layout.n_input_rows, p)) * stride
        size = n_pixels_of(maps, p) * length
        row = state[offset : offset + size]
        first, last = indptr[p], indptr[p + 1]
        if block < blocks.shape[0] and blocks[block, 0] == p:
            block_end, low, high = blocks[block, 1], blocks[block, 2], blocks[block, 3]
            matrices = weights if blocks[block, 5] == FULL else block_weights
            write_product(
                matrices[blocks[block, 4] :], high - low, 1,
                state[(base + low) * length : (base + high) * length],
                state[offset : offset + (block_end - p) * length], block_end - p, high - low, length,
            )  # fmt: skip
            block += 1
        block_first, block_last = last, last
        if p < block_end:
            block_first, block_last = block_edges[p, 0], block_edges[p, 1]
            for b in range(length):
                row[b] += bias[p]
        elif not is_convolved(maps, p):
            row[:] = bias[p]
        line = n_lines_of(maps, p) * length
        first_range, last_range = edge_ranges_of(maps, p)
        for y in range(n_lines_of(maps, p)):
            for s in range(first_range, last_range):
                e, end_e, line_stride = edge_range(maps, p, s, first, block_first, block_last, last)
                if e < end_e:
                    forward_edges(
                        state, base + y * line_stride, stride, line, sources, weights, e, end_e,
                        offset + y * line, width,
                    )  # fmt: skip
        if net_rows[p] >= 0:
            at = (tick * layout.n_net_input_rows + net_rows[p]) * length
            for b in range(size):
                net_inputs[at + b] = row[b]
        activate(codes[p], row)
        drop_output(layout.dropout, p, row)
        forward_maps(maps, p, buffers, base)
