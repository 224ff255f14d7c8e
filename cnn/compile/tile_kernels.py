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

from numba import types
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
    correlate_numbers
        Numbers of each map that a tile of `correlate_tile` reads before the next tile; they fit the first-level cache.
    """

    gather_vectors: int
    correlate_taps: dict[int, int]
    correlate_numbers: int


def _tile_shape() -> TileShape:
    """Choose tiles whose sums fit the registers."""
    if REGISTERS.vector_bytes == 64:
        return TileShape(4, {1: 8, 2: 8, 4: 5, 6: 4}, 4096)
    if REGISTERS.vector_bytes == 32:
        return TileShape(2, {1: 8, 2: 5, 4: 3, 6: 2}, 640)
    return TileShape(4 if REGISTERS.many else 2, {1: 8, 2: 5, 4: 3, 6: 2}, 640)


TILE = _tile_shape()

HEIGHTS = tuple(TILE.correlate_taps)
"""The heights of tiles: numbers of output maps."""


def _each_height(emit: Emitter, height: Any, heights: tuple[int, ...] = HEIGHTS) -> Iterator[int]:
    """Emit one branch for each height that a tile may have."""
    for maps in heights:
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
    delta_offset: Any,
    delta_stride: Any,
    image: Any,
    batch: Any,
    source_pixels: Any,
    first_run: Any,
    last_run: Any,
    begin: Any,
    end: Any,
    run: Any,
    offsets: Any,
    first: Any,
    n_taps: Any,
    sums: Any,
    height: Any,
    wide: Any,
) -> Any:
    """Add delta[m, i] · image[offsets[e], i], for each i, to the vector sums[m, e].

    The tile has `height` maps m (one, with ``wide=0``) and TILE.correlate_taps[height] taps e from `first` on; taps
    from `n_taps` on are left out. The sum covers the runs `first_run` to `last_run` (exclusive), and of each run the
    numbers `begin` to `end` (exclusive): a multiple of a vector, or of one number with ``wide=0``. Number i belongs to
    lane i mod the lanes of a vector. A vector that takes several registers is computed register after register, so that
    more taps share a number that is loaded once.

    Run r of a map's delta begins at r · `run` and belongs to the image from source_pixels[r] · `batch` on. Maps of
    delta begin at `delta_offset`, and are `delta_stride` numbers apart. All arrays are flat; `sums` has the axes (maps,
    taps, lanes).
    """
    real = image.dtype
    lanes = lanes_of(real.bitwidth // 8) if wide.literal_value else 1
    index = types.intp
    signature = types.void(
        delta, index, index, image, index, source_pixels, index, index, index, index, index,
        offsets, index, index, sums, index, wide,
    )  # fmt: skip

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        (delta_, delta_offset_, delta_stride_, image_, batch_, source_pixels_, first_run_,
         last_run_, begin_, end_, run_, offsets_, first_, n_taps_, sums_, height_, _) = arguments  # fmt: skip
        emit = Emitter(context, builder, real, min(lanes, register_lanes(real.bitwidth // 8)))
        residual, source = emit.pointer(delta, delta_), emit.pointer(image, image_)
        source_pixel_of = emit.pointer(source_pixels, source_pixels_)
        offset_of, vectors = emit.pointer(offsets, offsets_), emit.pointer(sums, sums_)
        for maps in _each_height(emit, height_, HEIGHTS if wide.literal_value else (1,)):
            taps = [emit.add(first_, e) for e in range(TILE.correlate_taps[maps])]
            # A tap beyond the last one is computed, and written, like the first one once more.
            taps = [
                builder.select(builder.icmp_signed("<", tap, n_taps_), tap, first_) for tap in taps
            ]
            shifts = [emit.multiply(emit.load(offset_of, tap), batch_) for tap in taps]
            with emit.loop(emit.constant(0), emit.constant(lanes), emit.lanes) as part:
                places = [
                    [
                        emit.add(
                            emit.multiply(emit.add(emit.multiply(n_taps_, m), tap), lanes), part
                        )
                        for tap in taps
                    ]
                    for m in range(maps)
                ]
                slots = [
                    [emit.accumulators(1, emit.load_vector(vectors, at))[0] for at in row]
                    for row in places
                ]
                with emit.loop(first_run_, last_run_) as r:
                    d_begin = emit.add(delta_offset_, emit.multiply(r, run_), part)
                    x_begin = emit.add(emit.multiply(emit.load(source_pixel_of, r), batch_), part)
                    with emit.loop(begin_, end_, lanes) as i:
                        x = [
                            emit.load_vector(source, emit.add(x_begin, shift, i))
                            for shift in shifts
                        ]
                        for m, row in enumerate(slots):
                            at = emit.add(d_begin, emit.multiply(delta_stride_, m), i)
                            d = emit.load_vector(residual, at)
                            for slot, numbers in zip(row, x, strict=True):
                                emit.accumulate(slot, d, numbers)
                for row, ats in zip(slots, places, strict=True):
                    for slot, at in zip(row, ats, strict=True):
                        emit.store_vector(builder.load(slot), vectors, at)
        return context.get_dummy_value()

    return signature, generate


correlate_tile: Any = intrinsic(prefer_literal=True)(_correlate_tile)


def _sum_vector(typing_context: Any, vectors: Any, begin: Any) -> Any:
    """Return the sum over the lanes of the vector at a flat index."""
    real = vectors.dtype

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, real, lanes_of(real.bitwidth // 8))
        return emit.sum_lanes(emit.load_vector(emit.pointer(vectors, arguments[0]), arguments[1]))

    return real(vectors, types.intp), generate


sum_vector: Any = intrinsic(_sum_vector)
