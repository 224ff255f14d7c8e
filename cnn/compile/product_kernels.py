"""Matrix products and transposes, the same to the bit on every processor.

A BLAS chooses its loops by the processor, and so the order in which it adds. Here each number of a product is one sum,
added up in the order of its terms by fused multiply-adds. The cut of a matrix into tiles changes no bit, so tiles suit
the registers of the processor.

The products of a network are small, and one side is a batch that lies contiguous. So nothing is packed: a tile of rows
× registers of columns stays in registers from the first term to the last.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from cnn.arrays import FloatVector
from cnn.compile.compilation import kernel
from cnn.compile.vector_kernels import Emitter, register_lanes

HEIGHT = 6
"""Rows of a tile."""

VECTORS = 2
"""Registers of columns in a tile: 6 × 2 sums, two vectors of the right side and one number of the left one."""

DEPTH = 256
"""Terms of the sums that all rows add before the next ones, so that the right side stays in the first-level cache."""

REGISTER_4, REGISTER_8 = register_lanes(4), register_lanes(8)


def _product_tile(
    typing_context: Any,
    a: Any,
    a_row: Any,
    a_column: Any,
    b: Any,
    out: Any,
    row: Any,
    column: Any,
    n_rows: Any,
    n_columns: Any,
    first: Any,
    last: Any,
    vectors: Any,
    wide: Any,
) -> Any:
    """Write out[i, j] = Σ_k a[i, k] · b[k, j] for `HEIGHT` rows i from `row` on and some columns j from `column` on.

    The columns fill `vectors` registers (a literal); with ``wide=0`` a register holds a single number. The sum over the
    terms `first` to `last` (exclusive) goes on from the present numbers of `out`, unless `first` is 0. All arrays are
    flat; a[i, k] is a[i · a_row + k · a_column]. In place of a row beyond the last one, the last one is computed once
    more.
    """
    real, n_vectors = a.dtype, vectors.literal_value
    lanes = register_lanes(real.bitwidth // 8) if wide.literal_value else 1
    index = types.intp
    signature = types.void(
        a, index, index, b, out, index, index, index, index, index, index, vectors, wide
    )

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        (a_, a_row_, a_column_, b_, out_, row_, column_, n_rows_, n_columns_, first_, last_,
         _, _) = arguments  # fmt: skip
        emit = Emitter(context, builder, real, lanes)
        left, right, target = emit.pointer(a, a_), emit.pointer(b, b_), emit.pointer(out, out_)
        zero = emit.splat(ir.Constant(emit.real, 0.0))
        sums = [emit.accumulators(n_vectors, zero) for _ in range(HEIGHT)]
        rows, places = [], []
        for k in range(HEIGHT):
            i = emit.add(row_, k)
            inside = builder.icmp_signed("<", i, n_rows_)
            i = builder.select(inside, i, emit.add(n_rows_, -1))
            rows.append(builder.gep(left, [emit.multiply(a_row_, i)]))
            begin = emit.add(emit.multiply(n_columns_, i), column_)
            places.append([emit.add(begin, v * lanes) for v in range(n_vectors)])
        with builder.if_then(builder.icmp_signed("!=", first_, emit.constant(0))):
            for chain, ats in zip(sums, places, strict=True):
                for accumulator, at in zip(chain, ats, strict=True):
                    builder.store(emit.load_vector(target, at), accumulator)
        with emit.loop(first_, last_) as k:
            begin = emit.add(emit.multiply(n_columns_, k), column_)
            x = [emit.load_vector(right, emit.add(begin, v * lanes)) for v in range(n_vectors)]
            step = emit.multiply(a_column_, k)
            for start, chain in zip(rows, sums, strict=True):
                w = emit.splat(emit.load(start, step))
                for accumulator, vector in zip(chain, x, strict=True):
                    emit.accumulate(accumulator, w, vector)
        for chain, ats in zip(sums, places, strict=True):
            for accumulator, at in zip(chain, ats, strict=True):
                emit.store_vector(builder.load(accumulator), target, at)
        return context.get_dummy_value()

    return signature, generate


product_tile: Any = intrinsic(prefer_literal=True)(_product_tile)


@kernel
def write_product(
    a: FloatVector,
    a_row: int,
    a_column: int,
    b: FloatVector,
    out: FloatVector,
    n_rows: int,
    depth: int,
    n_columns: int,
) -> None:
    """Write the product of two matrices, given flat.

    Parameters
    ----------
    a
        The left side (n_rows, depth); a[i, k] is ``a[i · a_row + k · a_column]``.
    a_row, a_column
        ``depth, 1`` for a matrix row after row, ``1, n_rows`` for a transposed one.
    b
        The right side (depth, n_columns), row after row.
    out
        (n_rows, n_columns), row after row; overwritten.
    n_rows, depth, n_columns
        The shapes.
    """
    lanes = REGISTER_4 if a.itemsize == 4 else REGISTER_8
    vectors = min(n_columns // lanes, VECTORS)
    width = max(1, vectors * lanes)
    for begin in range(0, n_columns, width):
        j = min(begin, n_columns - width)  # the last tile overlaps: it writes the same
        for first in range(0, depth, DEPTH):
            last = min(first + DEPTH, depth)
            for i in range(0, n_rows, HEIGHT):
                if vectors == VECTORS:
                    product_tile(
                        a, a_row, a_column, b, out, i, j, n_rows, n_columns, first, last, VECTORS, 1
                    )
                elif vectors == 1:
                    product_tile(
                        a, a_row, a_column, b, out, i, j, n_rows, n_columns, first, last, 1, 1
                    )
                else:
                    product_tile(
                        a, a_row, a_column, b, out, i, j, n_rows, n_columns, first, last, 1, 0
                    )


def _transpose_tile(
    typing_context: Any, x: Any, begin: Any, row: Any, out: Any, out_begin: Any, out_row: Any
) -> Any:
    """Write the transpose of a square tile as long as a register; rows are `row` and `out_row` numbers apart."""
    real, index = x.dtype, types.intp
    lanes = register_lanes(real.bitwidth // 8)
    signature = types.void(x, index, index, out, index, index)

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        x_, begin_, row_, out_, out_begin_, out_row_ = arguments
        emit = Emitter(context, builder, real, lanes)
        source, target = emit.pointer(x, x_), emit.pointer(out, out_)
        vectors = [
            emit.load_vector(source, emit.add(begin_, emit.multiply(row_, i))) for i in range(lanes)
        ]
        # Interleaving vector i with vector i + lanes / 2, log₂(lanes) times, transposes.
        half = lanes // 2
        low = [k // 2 + (k % 2) * lanes for k in range(lanes)]
        masks = [
            ir.Constant(ir.VectorType(ir.IntType(32), lanes), [k + shift for k in low])
            for shift in (0, half)
        ]
        for _ in range(lanes.bit_length() - 1):
            vectors = [
                builder.shuffle_vector(vectors[i // 2], vectors[i // 2 + half], masks[i % 2])
                for i in range(lanes)
            ]
        for i, vector in enumerate(vectors):
            emit.store_vector(vector, target, emit.add(out_begin_, emit.multiply(out_row_, i)))
        return context.get_dummy_value()

    return signature, generate


transpose_tile: Any = intrinsic(_transpose_tile)


@kernel
def write_transpose(x: FloatVector, out: FloatVector, n_rows: int, n_columns: int) -> None:
    """Write the transpose of a matrix (n_rows, n_columns) to `out`; both flat, row after row."""
    lanes = REGISTER_4 if x.itemsize == 4 else REGISTER_8
    whole_rows, whole_columns = n_rows - n_rows % lanes, n_columns - n_columns % lanes
    for i in range(0, whole_rows, lanes):
        for j in range(0, whole_columns, lanes):
            transpose_tile(x, i * n_columns + j, n_columns, out, j * n_rows + i, n_rows)
    for i in range(n_rows):
        for j in range(whole_columns if i < whole_rows else 0, n_columns):
            out[j * n_rows + i] = x[i * n_columns + j]


@kernel
def write_products(
    a: FloatVector,
    transposed: bool,
    b: FloatVector,
    out: FloatVector,
    n: int,
    n_rows: int,
    depth: int,
    n_columns: int,
) -> None:
    """Write the products of one left side with each of `n` right sides.

    Parameters
    ----------
    a
        (n_rows, depth), or (depth, n_rows) if `transposed`; flat, row after row.
    b
        (n, depth, n_columns), flat.
    out
        (n, n_rows, n_columns), flat; overwritten.
    n, n_rows, depth, n_columns
        The shapes.
    """
    a_row, a_column = (1, n_rows) if transposed else (depth, 1)
    size, out_size = depth * n_columns, n_rows * n_columns
    for k in range(n):
        write_product(
            a, a_row, a_column, b[k * size : (k + 1) * size],
            out[k * out_size : (k + 1) * out_size], n_rows, depth, n_columns,
        )  # fmt: skip
