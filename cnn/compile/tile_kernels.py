"""The two innermost loops of a convolution, as vector code whose sums stay in registers.

A compiler vectorises an innermost loop, but it keeps no *block* of sums in registers across a loop
around it, and without that a convolution waits for memory at a third of the processor's speed. So
these two loops are written down as LLVM vectors: a tile of output maps × places is loaded never,
updated in registers tap after tap, and stored once - the scheme of a BLAS micro-kernel. They are
Numba intrinsics, called like functions from other kernels.

Every sum is formed in the order of its taps, whatever the shape of the
tile, so how a batch is cut into tiles changes no bit of `gather_tile`'s result.
"""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import llvmlite.binding as llvm
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic


class TileShape(NamedTuple):
    """What suits the processor that Numba compiles for.

    Attributes
    ----------
    vector_bytes
        Length of a vector.
    gather_vectors
        Vectors of places in a tile of `gather_tile`.
    correlate_taps
        For each height, the taps in a tile of `correlate_tile`.
    fused
        Whether it multiplies and adds in one instruction.
    """

    vector_bytes: int
    gather_vectors: int
    correlate_taps: dict[int, int]
    fused: bool


def _tile_shape() -> TileShape:
    """Choose by the instruction set: 32 registers of 64 or 16 bytes, or 16 registers of 32."""
    chosen = cast(Any, config).CPU_FEATURES  # of NUMBA_CPU_FEATURES, where that is set
    text = llvm.get_host_cpu_features().flatten() if chosen is None else chosen
    features = set(text.replace("+", "").split(","))
    fused = "fma" in features or platform.machine() not in {"x86_64", "AMD64"}
    many = {1: 8, 2: 8, 4: 5, 6: 4}
    if "avx512f" in features:
        return TileShape(64, 4, many, fused)
    if "avx2" in features:
        return TileShape(32, 2, {1: 8, 2: 4, 4: 2, 6: 1}, fused)
    return TileShape(16, 4, many, fused)


TILE = _tile_shape()

HEIGHTS = tuple(TILE.correlate_taps)
"""Numbers of output maps that a tile may hold."""


class Emitter:
    """Writes LLVM instructions on arrays that are passed as Numba arguments."""

    def __init__(self, context: Any, builder: Any, real: Any, lanes: int) -> None:
        self.context, self.builder = context, builder
        self.real = context.get_value_type(real)
        self.alignment = real.bitwidth // 8
        self.lanes = lanes
        self.vector = ir.VectorType(self.real, lanes) if lanes > 1 else self.real
        self.index = context.get_value_type(types.intp)
        suffix = f"v{lanes}f{real.bitwidth}" if lanes > 1 else f"f{real.bitwidth}"
        self._fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(self.vector, [self.vector] * 3), f"llvm.fma.{suffix}"
        )

    def number(self, value: int) -> Any:
        """Write an index constant."""
        return ir.Constant(self.index, value)

    def add(self, first: Any, *others: Any) -> Any:
        """Add indices; Python integers become constants."""
        for other in others:
            value = self.number(other) if isinstance(other, int) else other
            first = self.builder.add(first, value)
        return first

    def multiply(self, first: Any, second: Any) -> Any:
        """Multiply indices."""
        value = self.number(second) if isinstance(second, int) else second
        return self.builder.mul(first, value)

    def pointer(self, array_type: Any, array: Any) -> Any:
        """Return where an array's numbers begin."""
        return self.context.make_array(array_type)(self.context, self.builder, array).data

    def load(self, pointer: Any, place: Any) -> Any:
        """Load one number or index."""
        return self.builder.load(self.builder.gep(pointer, [place]))

    def store(self, value: Any, pointer: Any, place: Any) -> None:
        """Store one number."""
        self.builder.store(value, self.builder.gep(pointer, [place]))

    def load_vector(self, pointer: Any, place: Any) -> Any:
        """Load a vector from any place."""
        at = self.builder.gep(pointer, [place])
        return self.builder.load(
            self.builder.bitcast(at, self.vector.as_pointer()), align=self.alignment
        )

    def store_vector(self, value: Any, pointer: Any, place: Any) -> None:
        """Store a vector at any place."""
        at = self.builder.gep(pointer, [place])
        self.builder.store(
            value, self.builder.bitcast(at, self.vector.as_pointer()), align=self.alignment
        )

    def splat(self, value: Any) -> Any:
        """Fill a vector with one number."""
        if self.lanes == 1:
            return value
        nothing = ir.Constant(self.vector, ir.Undefined)
        lane = ir.IntType(32)
        first = self.builder.insert_element(nothing, value, ir.Constant(lane, 0))
        zeros = ir.Constant(ir.VectorType(lane, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, nothing, zeros)

    def sums(self, count: int, start: Any) -> list[Any]:
        """Reserve vectors to add up in; the optimiser turns them into registers."""
        slots = [cgutils.alloca_once(self.builder, self.vector) for _ in range(count)]
        for slot in slots:
            self.builder.store(start, slot)
        return slots

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """Return a · b + c, rounded once where the processor can."""
        if TILE.fused:
            return self.builder.call(self._fma, [a, b, c])
        return self.builder.fadd(c, self.builder.fmul(a, b))

    def accumulate(self, slot: Any, a: Any, b: Any) -> None:
        """Add a · b to a sum."""
        self.builder.store(self.multiply_add(a, b, self.builder.load(slot)), slot)

    def total(self, vector: Any) -> Any:
        """Add up the lanes of a vector, halving it again and again."""
        lanes = self.lanes
        while lanes > 1:
            lanes //= 2
            halves = [
                self.builder.shuffle_vector(
                    vector,
                    vector,
                    ir.Constant(
                        ir.VectorType(ir.IntType(32), lanes), list(range(begin, begin + lanes))
                    ),
                )
                for begin in (0, lanes)
            ]
            vector = self.builder.fadd(*halves)
        return self.builder.extract_element(vector, self.number(0)) if self.lanes > 1 else vector

    @contextmanager
    def count(self, begin: Any, end: Any, step: int = 1) -> Iterator[Any]:
        """Loop from begin up to end, exclusively."""
        with cgutils.for_range_slice(self.builder, begin, end, self.number(step)) as (index, _):
            yield index

    def each_height(self, height: Any) -> Iterator[int]:
        """Write a branch for each height that a tile may have."""
        for maps in HEIGHTS:
            chosen = self.builder.icmp_signed("==", height, self.number(maps))
            with self.builder.if_then(chosen):
                yield maps


def lanes_of(itemsize: int) -> int:
    """Return how many numbers of `itemsize` bytes a vector holds."""
    return TILE.vector_bytes // itemsize


def _lanes(real: Any, wide: int) -> int:
    """Return the lanes of a tile: a whole vector, or a single number for what is left over."""
    return lanes_of(real.bitwidth // 8) if wide else 1


def _gather_tile(
    typing_context: Any,
    image: Any,
    place: Any,
    batch: Any,
    rows: Any,
    offsets: Any,
    first: Any,
    last: Any,
    weights: Any,
    weights_place: Any,
    bias: Any,
    map_: Any,
    out: Any,
    out_place: Any,
    out_stride: Any,
    height: Any,
    vectors: Any,
    wide: Any,
) -> Any:
    """Write out[map + m, i] = bias[map + m] + Σ_e weights[rows[e], m] · image[offsets[e], i].

    For a tile of `height` output maps m and `vectors` vectors of places i (literal numbers; with
    ``wide=0`` a vector is a single place), over the taps e from `first` up to `last`, exclusively.

    All arrays are flat. `image` is read from `place` + offsets[e] · `batch`; the weights of a row
    stand side by side, `height` of them, from `weights_place`; `out` is written from `out_place`,
    its maps `out_stride` numbers apart.
    """
    real, n_vectors = image.dtype, vectors.literal_value
    lanes = _lanes(real, wide.literal_value)
    index = types.intp
    signature = types.void(
        image, index, index, rows, offsets, index, index, weights, index, bias, index, out, index,
        index, index, vectors, wide,
    )  # fmt: skip

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        (image_, place_, batch_, rows_, offsets_, first_, last_, weights_, weights_place_, bias_,
         map__, out_, out_place_, out_stride_, height_, _, _) = arguments  # fmt: skip
        emit = Emitter(context, builder, real, lanes)
        source, target = emit.pointer(image, image_), emit.pointer(out, out_)
        row_of, offset_of = emit.pointer(rows, rows_), emit.pointer(offsets, offsets_)
        weight, start = emit.pointer(weights, weights_), emit.pointer(bias, bias_)
        for maps in emit.each_height(height_):
            sums = [
                emit.sums(n_vectors, emit.splat(emit.load(start, emit.add(map__, m))))
                for m in range(maps)
            ]
            with emit.count(first_, last_) as tap:
                begin = emit.add(place_, emit.multiply(emit.load(offset_of, tap), batch_))
                x = [emit.load_vector(source, emit.add(begin, v * lanes)) for v in range(n_vectors)]
                row = emit.multiply(emit.load(row_of, tap), maps)
                row = emit.add(weights_place_, row)
                for m in range(maps):
                    w = emit.splat(emit.load(weight, emit.add(row, m)))
                    for v in range(n_vectors):
                        emit.accumulate(sums[m][v], w, x[v])
            for m in range(maps):
                begin = emit.add(out_place_, emit.multiply(out_stride_, m))
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
    places: Any,
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

    For a tile of `height` maps m and TILE.correlate_taps[height] taps e from `first` on (those from
    `last` on are left out). The sum goes over runs `first_run` to `last_run`, exclusively, and in
    each over the numbers `begin` to `end`, exclusively: a multiple of a vector, or of one number
    with ``wide=0``.

    Run r of a map's delta lies from r · `run` on, and meets the image from places[r] · `batch` on;
    maps of delta are `delta_stride` numbers apart. `gradient` has two axes (maps, taps), all other
    arrays are flat.
    """
    real = image.dtype
    lanes = _lanes(real, wide.literal_value)
    index = types.intp
    signature = types.void(
        delta, index, image, index, places, index, index, index, index, index, rows, offsets, index,
        index, gradient, index, index, wide,
    )  # fmt: skip

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        (delta_, delta_stride_, image_, batch_, places_, first_run_, last_run_, begin_, end_, run_,
         rows_, offsets_, first_, last_, gradient_, map__, height_, _) = arguments  # fmt: skip
        emit = Emitter(context, builder, real, lanes)
        residual, source = emit.pointer(delta, delta_), emit.pointer(image, image_)
        place_of = emit.pointer(places, places_)
        row_of, offset_of = emit.pointer(rows, rows_), emit.pointer(offsets, offsets_)
        result = context.make_array(gradient)(context, builder, gradient_)
        n_taps = cgutils.unpack_tuple(builder, result.shape, 2)[1]
        zero = emit.splat(ir.Constant(emit.real, 0.0))
        for maps in emit.each_height(height_):
            taps = [emit.add(first_, e) for e in range(TILE.correlate_taps[maps])]
            inside = [builder.icmp_signed("<", tap, last_) for tap in taps]
            # A tap beyond the last one reads where the first one does, and is not written.
            taps = [builder.select(ok, tap, first_) for ok, tap in zip(inside, taps, strict=True)]
            shifts = [emit.multiply(emit.load(offset_of, tap), batch_) for tap in taps]
            sums = [emit.sums(len(taps), zero) for _ in range(maps)]
            with emit.count(first_run_, last_run_) as r:
                d_begin = emit.add(emit.multiply(map__, delta_stride_), emit.multiply(r, run_))
                x_begin = emit.multiply(emit.load(place_of, r), batch_)
                with emit.count(begin_, end_, lanes) as i:
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
                        place = emit.add(emit.multiply(emit.add(map__, m), n_taps), row)
                        total = emit.total(builder.load(sums[m][e]))
                        emit.store(
                            builder.fadd(emit.load(result.data, place), total), result.data, place
                        )
        return context.get_dummy_value()

    return signature, generate


correlate_tile: Any = intrinsic(prefer_literal=True)(_correlate_tile)
