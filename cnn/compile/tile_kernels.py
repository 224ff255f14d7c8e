"""The two innermost loops of a convolution, as vector code whose sums stay in registers.

A compiler vectorises an innermost loop, but it does not keep a *block* of sums in registers across
an outer loop. Without such a block a convolution waits for memory and runs at a third of the
processor's speed. So these two loops are emitted as LLVM vector code. A tile of output maps ×
pixels starts from the bias, is updated in registers tap after tap, and is stored once, as in a BLAS
micro-kernel. The loops are Numba intrinsics; other kernels call them like functions.

`gather_tile` adds up the taps in their order, whatever the shape of the tile. So neither the cutting
of a batch into tiles nor the processor changes a bit of its result. `correlate_tile` adds up over
pixels, in vectors of a fixed length (:mod:`cnn.compile.vector_kernels`). See ``docs/kernels.md``.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from cnn.compile.vector_kernels import REGISTERS, Emitter, lanes_of, register_lanes


class TileShape(NamedTuple):
    """The tiles that suit the registers of the processor. No result depends on them.

    Attributes
    ----------
    gather_vectors
        Registers of pixels in a tile of `gather_tile`.
    correlate_taps
        For each height of a tile (output maps), the taps in a tile of `correlate_tile`.
    """

    gather_vectors: int
    correlate_taps: dict[int, int]


def _tile_shape() -> TileShape:
    """Choose tiles whose sums fit the registers."""
    if REGISTERS.vector_bytes == 64:
        return TileShape(4, {1: 8, 2: 8, 4: 5, 6: 4})
    if REGISTERS.vector_bytes == 32:
        return TileShape(2, {1: 4, 2: 3, 4: 1, 6: 1})
    return TileShape(4 if REGISTERS.many else 2, {1: 2, 2: 1, 4: 1, 6: 1})


TILE = _tile_shape()

HEIGHTS = tuple(TILE.correlate_taps)
"""The heights of tiles: numbers of output maps."""


def _each_height(emit: Emitter, height: Any) -> Iterator[int]:
    """Emit one branch for each height that a tile may have."""
    for maps in HEIGHTS:
        chosen = emit.builder.icmp_signed("==", height, emit.constant(maps))
        with emit.builder.if_then(chosen):
            yield maps


def _gather_tile(
    typing_context: Any,
    image: Any,
    image_offset: Any,
    batch: Any,
    rows: Any,
    offsets: Any,
    first: Any,
    last: Any,
    weights: Any,
    weights_offset: Any,
    bias: Any,
    map_: Any,
    out: Any,
    out_offset: Any,
    out_stride: Any,
    height: Any,
    vectors: Any,
    wide: Any,
) -> Any:
    """Write out[map + m, i] = bias[map + m] + Σ_e weights[rows[e], m] · image[offsets[e], i].

    The tile has `height` output maps m and `vectors` vectors of pixels i (a literal; with ``wide=0``
    a vector is a single number). The taps e run from `first` to `last` (exclusive).

    All arrays are flat. `image` is read from `image_offset` + offsets[e] · `batch` on. The `height`
    weights of a row lie side by side, from `weights_offset` on. `out` is written from `out_offset`
    on; its maps are `out_stride` numbers apart.
    """
    real, n_vectors = image.dtype, vectors.literal_value
    lanes = register_lanes(real.bitwidth // 8) if wide.literal_value else 1
    index = types.intp
    signature = types.void(
        image, index, index, rows, offsets, index, index, weights, index, bias, index, out, index,
        index, index, vectors, wide,
    )  # fmt: skip

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        (image_, image_offset_, batch_, rows_, offsets_, first_, last_, weights_, weights_offset_,
         bias_, map__, out_, out_offset_, out_stride_, height_, _, _) = arguments  # fmt: skip
        emit = Emitter(context, builder, real, lanes)
        source, target = emit.pointer(image, image_), emit.pointer(out, out_)
        row_of, offset_of = emit.pointer(rows, rows_), emit.pointer(offsets, offsets_)
        weight, start = emit.pointer(weights, weights_), emit.pointer(bias, bias_)
        for maps in _each_height(emit, height_):
            sums = [
                emit.accumulators(n_vectors, emit.splat(emit.load(start, emit.add(map__, m))))
                for m in range(maps)
            ]
            with emit.loop(first_, last_) as tap:
                begin = emit.add(image_offset_, emit.multiply(emit.load(offset_of, tap), batch_))
                x = [emit.load_vector(source, emit.add(begin, v * lanes)) for v in range(n_vectors)]
                row = emit.multiply(emit.load(row_of, tap), maps)
                row = emit.add(weights_offset_, row)
                for m in range(maps):
                    w = emit.splat(emit.load(weight, emit.add(row, m)))
                    for v in range(n_vectors):
                        emit.accumulate(sums[m][v], w, x[v])
            for m in range(maps):
                begin = emit.add(out_offset_, emit.multiply(out_stride_, m))
                for v in range(n_vectors):
                    emit.store_vector(builder.load(sums[m][v]), target, emit.add(begin, v * lanes))
        return context.get_dummy_value()

    return signature, generate


gather_tile: Any = intrinsic(prefer_literal=True)(_gather_tile)


def _correlate_tile(
    typing_context: Any,
    delta: Any,
    delta_stride: Any,
    image: Any,
    batch: Any,
    source_pixels: Any,
    first_run: Any,
    last_run: Any,
    begin: Any,
    end: Any,
    run: Any,
    rows: Any,
    offsets: Any,
    first: Any,
    last: Any,
    gradient: Any,
    map_: Any,
    height: Any,
    wide: Any,
) -> Any:
    """Add Σ_i delta[map + m, i] · image[offsets[e], i] to gradient[map + m, rows[e]].

    The tile has `height` maps m and TILE.correlate_taps[height] taps e from `first` on; taps from
    `last` on are left out. The sum covers the runs `first_run` to `last_run` (exclusive), and of
    each run the numbers `begin` to `end` (exclusive): a multiple of a vector, or of one number with
    ``wide=0``.

    Run r of a map's delta begins at r · `run` and belongs to the image from source_pixels[r] ·
    `batch` on. Maps of delta are `delta_stride` numbers apart. `gradient` has two axes (maps,
    taps); all other arrays are flat.
    """
    real = image.dtype
    lanes = lanes_of(real.bitwidth // 8) if wide.literal_value else 1
    index = types.intp
    signature = types.void(
        delta, index, image, index, source_pixels, index, index, index, index, index, rows, offsets,
        index, index, gradient, index, index, wide,
    )  # fmt: skip

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        (delta_, delta_stride_, image_, batch_, source_pixels_, first_run_, last_run_, begin_, end_,
         run_, rows_, offsets_, first_, last_, gradient_, map__, height_, _) = arguments  # fmt: skip
        emit = Emitter(context, builder, real, lanes)
        residual, source = emit.pointer(delta, delta_), emit.pointer(image, image_)
        source_pixel_of = emit.pointer(source_pixels, source_pixels_)
        row_of, offset_of = emit.pointer(rows, rows_), emit.pointer(offsets, offsets_)
        result = context.make_array(gradient)(context, builder, gradient_)
        n_taps = cgutils.unpack_tuple(builder, result.shape, 2)[1]
        zero = emit.splat(ir.Constant(emit.real, 0.0))
        for maps in _each_height(emit, height_):
            taps = [emit.add(first_, e) for e in range(TILE.correlate_taps[maps])]
            inside = [builder.icmp_signed("<", tap, last_) for tap in taps]
            # A tap beyond the last one reads like the first one; its gradient is not written.
            taps = [builder.select(ok, tap, first_) for ok, tap in zip(inside, taps, strict=True)]
            shifts = [emit.multiply(emit.load(offset_of, tap), batch_) for tap in taps]
            sums = [emit.accumulators(len(taps), zero) for _ in range(maps)]
            with emit.loop(first_run_, last_run_) as r:
                d_begin = emit.add(emit.multiply(map__, delta_stride_), emit.multiply(r, run_))
                x_begin = emit.multiply(emit.load(source_pixel_of, r), batch_)
                with emit.loop(begin_, end_, lanes) as i:
                    d = [
                        emit.load_vector(
                            residual, emit.add(d_begin, emit.multiply(delta_stride_, m), i)
                        )
                        for m in range(maps)
                    ]
                    for e, shift in enumerate(shifts):
                        x = emit.load_vector(source, emit.add(x_begin, shift, i))
                        for m in range(maps):
                            emit.accumulate(sums[m][e], d[m], x)
            for e, tap in enumerate(taps):
                with builder.if_then(inside[e]):
                    row = emit.load(row_of, tap)
                    for m in range(maps):
                        entry = emit.add(emit.multiply(emit.add(map__, m), n_taps), row)
                        total = emit.sum_lanes(builder.load(sums[m][e]))
                        emit.store(
                            builder.fadd(emit.load(result.data, entry), total), result.data, entry
                        )
        return context.get_dummy_value()

    return signature, generate


correlate_tile: Any = intrinsic(prefer_literal=True)(_correlate_tile)
