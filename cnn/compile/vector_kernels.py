"""Vectors that are written out as LLVM instructions, and sums that come out the same on every processor.

A sum of rounded numbers depends on its order. A compiler that may reorder it chooses the order by the vectors of the
processor, so the result would change from one machine to the next. Here the order is written down: numbers are added in
vectors of `VECTOR_BYTES` bytes, whatever registers the processor has. With AVX2 such a vector takes two registers, with
AVX-512 one. Products are added by a fused multiply-add, rounded once, which every x86-64 processor with AVX2 and FMA
has. Loops whose results do not depend on the cut into vectors use whole registers (`register_lanes`).
"""

import logging
import math
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

from cnn.arrays import FloatArray, FloatVector
from cnn.compile.compilation import kernel
from cnn.compile.processor import target_features

VECTOR_BYTES = 64
"""Bytes of a vector in every sum over lanes, on every processor."""


class Registers(NamedTuple):
    """The vector registers of the processor for which Numba compiles.

    No result depends on them, except on `fused`.

    Attributes
    ----------
    vector_bytes : int
        Bytes of a register.
    many : bool
        Whether there are 32 of them; otherwise there are 16.
    fused : bool
        Whether the processor multiplies and adds in one instruction, rounded once. If not, results differ from those of
        processors that do.
    """

    vector_bytes: int
    many: bool
    fused: bool


def _registers() -> Registers:
    """Read the registers from the instruction set: AVX-512, AVX2, or neither (also ARM)."""
    features = target_features()
    x86 = platform.machine() in {"x86_64", "AMD64"}
    fused = "fma" in features or not x86
    if "avx512f" in features:
        return Registers(64, True, fused)
    if "avx2" in features:
        return Registers(32, False, fused)
    return Registers(16, not x86, fused)


REGISTERS = _registers()


def _arithmetic() -> str:
    """Name the arithmetic of compiled code: a common one, or that of this kind of processor alone."""
    if platform.machine() not in {"x86_64", "AMD64"}:
        return platform.machine()
    return SHARED_ARITHMETIC if REGISTERS.fused else "x86-64 without fused multiply-add"


SHARED_ARITHMETIC = "x86-64 with fused multiply-add"
"""The arithmetic of every x86-64 processor with AVX2 and FMA; all of them compute the same bits."""

ARITHMETIC = _arithmetic()
"""Two processors whose arithmetic has the same name compute the same bits."""

if ARITHMETIC != SHARED_ARITHMETIC:  # environment.json has it too
    logging.getLogger(__name__).warning(
        "Arithmetic is %s, so results differ in the last bits from those of machines with %s",
        ARITHMETIC,
        SHARED_ARITHMETIC,
    )


class Emitter:
    """Emits LLVM instructions that work on arrays passed as Numba arguments."""

    def __init__(self, context: Any, builder: Any, real: Any, lanes: int) -> None:
        self.context, self.builder = context, builder
        self.real_type = real
        self.real = context.get_value_type(real)
        self.alignment = real.bitwidth // 8
        self.lanes = lanes
        self.vector = ir.VectorType(self.real, lanes) if lanes > 1 else self.real
        self.index_type = context.get_value_type(types.intp)
        suffix = f"v{lanes}f{real.bitwidth}" if lanes > 1 else f"f{real.bitwidth}"
        self._fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(self.vector, [self.vector] * 3), f"llvm.fma.{suffix}"
        )

    def constant(self, value: int) -> Any:
        """Return an index constant."""
        return ir.Constant(self.index_type, value)

    def add(self, first: Any, *others: Any) -> Any:
        """Add indices; Python integers become constants."""
        for other in others:
            value = self.constant(other) if isinstance(other, int) else other
            first = self.builder.add(first, value)
        return first

    def multiply(self, first: Any, second: Any) -> Any:
        """Multiply indices."""
        value = self.constant(second) if isinstance(second, int) else second
        return self.builder.mul(first, value)

    def pointer(self, array_type: Any, array: Any) -> Any:
        """Return the pointer to the first number of an array."""
        return self.context.make_array(array_type)(self.context, self.builder, array).data

    def load(self, pointer: Any, index: Any) -> Any:
        """Load one number or index."""
        return self.builder.load(self.builder.gep(pointer, [index]))

    def store(self, value: Any, pointer: Any, index: Any) -> None:
        """Store one number."""
        self.builder.store(value, self.builder.gep(pointer, [index]))

    def load_vector(self, pointer: Any, index: Any) -> Any:
        """Load a vector; it may begin at any index."""
        at = self.builder.gep(pointer, [index])
        return self.builder.load(
            self.builder.bitcast(at, self.vector.as_pointer()), align=self.alignment
        )

    def store_vector(self, value: Any, pointer: Any, index: Any) -> None:
        """Store a vector; it may begin at any index."""
        at = self.builder.gep(pointer, [index])
        self.builder.store(
            value, self.builder.bitcast(at, self.vector.as_pointer()), align=self.alignment
        )

    def splat(self, value: Any) -> Any:
        """Return a vector with one number in every lane."""
        if self.lanes == 1:
            return value
        nothing = ir.Constant(self.vector, ir.Undefined)
        lane = ir.IntType(32)
        first = self.builder.insert_element(nothing, value, ir.Constant(lane, 0))
        zeros = ir.Constant(ir.VectorType(lane, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, nothing, zeros)

    def accumulators(self, count: int, start: Any) -> list[Any]:
        """Reserve vectors for sums; LLVM keeps them in registers."""
        accumulators = [cgutils.alloca_once(self.builder, self.vector) for _ in range(count)]
        for accumulator in accumulators:
            self.builder.store(start, accumulator)
        return accumulators

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """Return a · b + c, rounded once where the processor can."""
        if REGISTERS.fused:
            return self.builder.call(self._fma, [a, b, c])
        return self.builder.fadd(c, self.builder.fmul(a, b))

    def accumulate(self, accumulator: Any, a: Any, b: Any) -> None:
        """Add a · b to an accumulator."""
        self.builder.store(self.multiply_add(a, b, self.builder.load(accumulator)), accumulator)

    def sum_lanes(self, vector: Any) -> Any:
        """Add up the lanes of a vector by repeated halving."""
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
        return self.builder.extract_element(vector, self.constant(0)) if self.lanes > 1 else vector

    @contextmanager
    def loop(self, begin: Any, end: Any, step: int = 1) -> Iterator[Any]:
        """Emit a loop from begin to end (exclusive)."""
        with cgutils.for_range_slice(self.builder, begin, end, self.constant(step)) as (index, _):
            yield index


def lanes_of(itemsize: int) -> int:
    """Return the number of lanes of a vector of numbers of `itemsize` bytes; the same on every processor."""
    return VECTOR_BYTES // itemsize


def register_lanes(itemsize: int) -> int:
    """Return how many numbers of `itemsize` bytes a register of this processor holds."""
    return REGISTERS.vector_bytes // itemsize


SUMS = 4
"""Vectors that hold partial sums of one long sum: enough to hide the latency of an addition."""


def _check_contiguous(*arrays: Any) -> None:
    """Refuse at compile time arrays that are not contiguous: the loops read them flat."""
    for array in arrays:
        if array.layout != "C":
            raise TypingError(f"arrays of vector sums must be contiguous; got {array}")


def _sum_terms(emit: Emitter, count: Any, terms: Any) -> Any:
    """Return the sum of ``terms(emitter, k)`` over k from 0 to `count` (exclusive).

    `terms` adds its terms to an accumulator: a vector of them from k on, or one number if the emitter has one lane. The
    numbers are added in four vectors side by side, then in single vectors, then one by one.
    """
    builder, lanes = emit.builder, emit.lanes
    single = Emitter(emit.context, builder, emit.real_type, 1)
    zero = ir.Constant(emit.real, 0.0)
    sums = emit.accumulators(SUMS, emit.splat(zero))
    rest = single.accumulators(1, zero)[0]
    begin = emit.constant(0)
    for block, slots in ((SUMS * lanes, sums), (lanes, sums[:1])):
        remaining = builder.sub(count, begin)
        end = builder.sub(count, builder.urem(remaining, emit.constant(block)))
        with emit.loop(begin, end, block) as k:
            for v, slot in enumerate(slots):
                terms(emit, emit.add(k, v * lanes), slot)
        begin = end
    with emit.loop(begin, count) as k:
        terms(single, k, rest)
    parts = [builder.load(slot) for slot in sums]
    vector = builder.fadd(builder.fadd(parts[0], parts[1]), builder.fadd(parts[2], parts[3]))
    return builder.fadd(emit.sum_lanes(vector), builder.load(rest))


def _sum_range(typing_context: Any, numbers: Any, begin: Any, count: Any) -> Any:
    """Return the sum of `count` numbers of a contiguous array, from the flat index `begin` on."""
    _check_contiguous(numbers)
    real, index = numbers.dtype, types.intp
    signature = real(numbers, index, index)

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        numbers_, begin_, count_ = arguments
        emit = Emitter(context, builder, real, lanes_of(real.bitwidth // 8))
        at = emit.pointer(numbers, numbers_)

        def term(some: Emitter, k: Any, slot: Any) -> None:
            x = some.load_vector(at, some.add(begin_, k))
            builder.store(builder.fadd(builder.load(slot), x), slot)

        return _sum_terms(emit, count_, term)

    return signature, generate


sum_range: Any = intrinsic(_sum_range)


def _sum_products(
    typing_context: Any, a: Any, a_begin: Any, b: Any, b_begin: Any, count: Any
) -> Any:
    """Return Σ_k a[a_begin + k] · b[b_begin + k] over `count` numbers of two contiguous arrays of one dtype."""
    _check_contiguous(a, b)
    real, index = a.dtype, types.intp
    signature = real(a, index, b, index, index)

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        a_, a_begin_, b_, b_begin_, count_ = arguments
        emit = Emitter(context, builder, real, lanes_of(real.bitwidth // 8))
        first, second = emit.pointer(a, a_), emit.pointer(b, b_)

        def term(some: Emitter, k: Any, slot: Any) -> None:
            x = some.load_vector(first, some.add(a_begin_, k))
            y = some.load_vector(second, some.add(b_begin_, k))
            some.accumulate(slot, x, y)

        return _sum_terms(emit, count_, term)

    return signature, generate


sum_products: Any = intrinsic(_sum_products)


def _sum_squares(typing_context: Any, numbers: Any) -> Any:
    """Return the sum of the squares of a contiguous vector, in float64, so that no square overflows."""
    _check_contiguous(numbers)
    real = numbers.dtype
    signature = types.float64(numbers)

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, types.float64, lanes_of(8))
        array = context.make_array(numbers)(context, builder, arguments[0])
        count = builder.extract_value(array.shape, 0)

        def term(some: Emitter, k: Any, slot: Any) -> None:
            x = Emitter(context, builder, real, some.lanes).load_vector(array.data, k)
            if real != types.float64:
                x = builder.fpext(x, some.vector)
            some.accumulate(slot, x, x)

        return _sum_terms(emit, count, term)

    return signature, generate


sum_squares: Any = intrinsic(_sum_squares)


@kernel
def norm_of(vector: FloatVector) -> float:
    """Return the Euclidean norm of a contiguous vector; summed in float64."""
    return math.sqrt(sum_squares(vector))


@kernel
def sum_rows(x: FloatArray, sums: FloatVector) -> None:
    """Write the sum of each row of a contiguous matrix (n_rows, n) to `sums`, shape (n_rows,)."""
    for k in range(x.shape[0]):
        sums[k] = sum_range(x, k * x.shape[1], x.shape[1])


@kernel
def sum_row_products(x: FloatArray, y: FloatArray, sums: FloatVector) -> None:
    """Write the inner product of each pair of rows of two contiguous matrices (n_rows, n) to `sums`, (n_rows,)."""
    for k in range(x.shape[0]):
        begin = k * x.shape[1]
        sums[k] = sum_products(x, begin, y, begin, x.shape[1])
