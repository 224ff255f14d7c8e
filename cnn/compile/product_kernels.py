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
    a_begin: Any,
    a_row: Any,
    a_column: Any,
    b: Any,
    b_begin: Any,
    b_row: Any,
    depth: Any,
    out: Any,
    out_begin: Any,
    out_row: Any,
    fresh: Any,
    height: Any,
    vectors: Any,
    wide: Any,
) -> Any:
    """Write out[i, j] = Σ_k a[i, k] · b[k, j] for a tile of `height` rows i and `vectors` registers of columns j.

    The sum goes on from the present numbers of `out`, unless `fresh`.
    `height` and `vectors` are literals; with ``wide=0`` a register holds a single number. All arrays are flat: row i of
    `out` begins at out_begin + i · `out_row`, that of `b` alike, and a[i, k] is a[a_begin + i · a_row + k · a_column].
    The sum has `depth` terms.
    """
    real, rows, n_vectors = a.dtype, height.literal_value, vectors.literal_value
    lanes = register_lanes(real.bitwidth // 8) if wide.literal_value else 1
    index = types.intp
    signature = types.void(
        a, index, index, index, b, index, index, index, out, index, index, types.boolean, height,
        vectors, wide,
    )  # fmt: skip

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        (a_, a_begin_, a_row_, a_column_, b_, b_begin_, b_row_, depth_, out_, out_begin_,
         out_row_, fresh_, _, _, _) = arguments  # fmt: skip
        emit = Emitter(context, builder, real, lanes)
        left, right, target = emit.pointer(a, a_), emit.pointer(b, b_), emit.pointer(out, out_)
        zero = emit.splat(ir.Constant(emit.real, 0.0))
        sums = [emit.accumulators(n_vectors, zero) for _ in range(rows)]
        places = [
            [emit.add(out_begin_, emit.multiply(out_row_, i), v * lanes) for v in range(n_vectors)]
            for i in range(rows)
        ]
        with builder.if_then(builder.not_(fresh_)):
            for chain, ats in zip(sums, places, strict=True):
                for accumulator, at in zip(chain, ats, strict=True):
                    builder.store(emit.load_vector(target, at), accumulator)
        begins = [emit.add(a_begin_, emit.multiply(a_row_, i)) for i in range(rows)]
        starts = [builder.gep(left, [begin]) for begin in begins]
        with emit.loop(emit.constant(0), depth_) as k:
            at = emit.add(b_begin_, emit.multiply(b_row_, k))
            x = [emit.load_vector(right, emit.add(at, v * lanes)) for v in range(n_vectors)]
            step = emit.multiply(a_column_, k)
            for start, chain in zip(starts, sums, strict=True):
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
    j = 0
    while j < n_columns:
        if n_columns >= VECTORS * lanes:  # the last tile overlaps: it writes the same
            columns = VECTORS
            j = min(j, n_columns - VECTORS * lanes)
        elif n_columns >= lanes:
            columns = 1
            j = min(j, n_columns - lanes)
        else:
            columns = 0
        for k in range(0, depth, DEPTH):
            terms, fresh, right = min(DEPTH, depth - k), k == 0, k * n_columns + j
            i = 0
            while i < n_rows:
                at, to = i * a_row + k * a_column, i * n_columns + j
                if columns == VECTORS:
                    if i + HEIGHT <= n_rows:
                        product_tile(
                            a, at, a_row, a_column, b, right, n_columns, terms, out, to, n_columns, fresh, HEIGHT,
                            VECTORS, 1,
                        )  # fmt: skip
                        i += HEIGHT
                    elif i + 2 <= n_rows:
                        product_tile(
                            a, at, a_row, a_column, b, right, n_columns, terms, out, to, n_columns, fresh, 2,
                            VECTORS, 1,
                        )  # fmt: skip
                        i += 2
                    else:
                        product_tile(
                            a, at, a_row, a_column, b, right, n_columns, terms, out, to, n_columns, fresh, 1,
                            VECTORS, 1,
                        )  # fmt: skip
                        i += 1
                elif columns == 1:
                    if i + HEIGHT <= n_rows:
                        product_tile(
                            a, at, a_row, a_column, b, right, n_columns, terms, out, to, n_columns, fresh, HEIGHT,
                            1, 1,
                        )  # fmt: skip
                        i += HEIGHT
                    else:
                        product_tile(
                            a, at, a_row, a_column, b, right, n_columns, terms, out, to, n_columns, fresh, 1, 1, 1,
                        )  # fmt: skip
                        i += 1
                elif i + HEIGHT <= n_rows:
                    product_tile(
                        a, at, a_row, a_column, b, right, n_columns, terms, out, to, n_columns, fresh, HEIGHT, 1,
                        0,
                    )  # fmt: skip
                    i += HEIGHT
                else:
                    product_tile(
                        a, at, a_row, a_column, b, right, n_columns, terms, out, to, n_columns, fresh, 1, 1, 0,
                    )  # fmt: skip
                    i += 1
        j += max(1, columns * lanes)


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
def write_product_of_rows(
    a: FloatVector,
    b: FloatVector,
    transposed: FloatVector,
    out: FloatVector,
    n_rows: int,
    depth: int,
    n_columns: int,
) -> None:
    """Write the inner products of the rows of `a` (n_rows, depth) and those of `b` (n_columns, depth).

    Parameters
    ----------
    a, b
        Flat, row after row.
    transposed
        At least depth · n_columns numbers; overwritten.
    out
        (n_rows, n_columns), row after row; overwritten.
    n_rows, depth, n_columns
        The shapes.
    """
    write_transpose(b, transposed, n_columns, depth)
    write_product(a, depth, 1, transposed, out, n_rows, depth, n_columns)


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
