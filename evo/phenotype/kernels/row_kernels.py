"""The innermost loops of a sparse network as vector code: one node's edges, its batch in registers.

Each node has one row of activations. The batch is innermost and padded to whole vectors. Three loops use the rows of
the predecessors of a node: *gather* (forward) adds up these rows, each times its weight; *dot* (weight gradient) forms
the dot product of the node's residual with each of these rows; *scatter* (input gradient) adds the residual, times the
weight, to each of these rows. A compiler vectorises such loops over the batch, but it loads and stores the sums at
every edge. Here the sums stay in registers from the first edge to the last.

All arrays are flat. The *type* of the argument `width`, a tuple of length log₂(lanes), carries the number of lanes of
a vector, so the number of lanes is known at compile time. There are only two widths, since each costs seconds of
compilation: a whole vector (`lanes_of`), and two lanes for huge networks that train on one or two samples at a time.
For these, whole vectors would be bound by memory.

The order of every sum depends on the number of edges and on the padded batch size only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from cnn.compile.vector_kernels import REGISTERS, Emitter, lanes_of, register_lanes

Width = tuple[int, ...]

NARROW = 2
"""Largest batch that is computed in vectors of two lanes."""

CHAINS = {8: 1, 4: 2, 2: 2, 1: 4}
"""Partial sums of each number of a row, by the vectors of the row that are summed together.

So many vectors are summed side by side that the latency of a multiply-add is hidden.
"""

REGISTERS_OF_SUMS = 8
"""Registers that hold partial sums."""

TILE_VECTORS = 4 if REGISTERS.vector_bytes == 64 else 2
"""Vectors of one row that are multiplied before the loop turns to the next row; no result depends on it."""

DOTS = 8 if REGISTERS.vector_bytes == 64 else 4
"""Edges whose dot products are formed together; no result depends on it."""


def width_of(n_batch: int, itemsize: int) -> Width:
    """Return the width for a batch: two lanes if they hold it, else a whole vector's.

    Examples
    --------
    >>> len(width_of(2, 4))
    1
    """
    return (0,) if n_batch <= NARROW else (0,) * (lanes_of(itemsize).bit_length() - 1)


def padded(n_batch: int, width: Width) -> int:
    """Return the length of a row: the batch, rounded up to whole vectors.

    Examples
    --------
    >>> padded(5, (0, 0))
    8
    """
    lanes = 1 << len(width)
    return -(-n_batch // lanes) * lanes


def lanes_in(width: Any) -> int:
    """Return the number of lanes of a width, or of the type of a width."""
    return 1 << len(width)


@contextmanager
def register_parts(
    emit: Emitter, n_vectors: int, sums: int = 1
) -> Iterator[tuple[Emitter, list[Any]]]:
    """Emit a loop over parts of `n_vectors` vectors whose registers, times `sums`, are at most `REGISTERS_OF_SUMS`.

    A vector may take several registers (:mod:`cnn.compile.vector_kernels`). Where its lanes do not meet, it is computed
    part after part, so that all sums stay in registers. Yields an emitter of registers, and the index at which each
    register of the part begins.
    """
    lanes = min(emit.lanes, register_lanes(emit.alignment))
    registers = n_vectors * emit.lanes // lanes
    together = min(registers, max(1, REGISTERS_OF_SUMS // sums))
    part = Emitter(emit.context, emit.builder, emit.real_type, lanes)
    if together == registers:
        yield part, [emit.constant(v * lanes) for v in range(registers)]
        return
    with emit.loop(emit.constant(0), emit.constant(registers * lanes), together * lanes) as begin:
        yield part, [emit.add(begin, v * lanes) for v in range(together)]


class Rows:
    """Computes the flat index at which the row of an edge's source begins."""

    def __init__(self, emit: Emitter, sources: Any, base: Any, stride: Any) -> None:
        self._emit, self._sources, self._base, self._stride = emit, sources, base, stride

    def offset(self, edge: Any) -> Any:
        """Return ``(base + sources[edge]) · stride``."""
        emit = self._emit
        source = emit.builder.sext(emit.load(self._sources, edge), emit.index_type)
        return emit.multiply(emit.add(self._base, source), self._stride)


def _gather_row(
    typing_context: Any,
    state: Any,
    base: Any,
    stride: Any,
    begin: Any,
    sources: Any,
    weights: Any,
    first: Any,
    last: Any,
    start: Any,
    fresh: Any,
    out_offset: Any,
    vectors: Any,
    width: Any,
) -> Any:
    """Write state[out_place + i] = start + Σ_e weights[e] · state[(base + sources[e]) · stride + begin + i].

    The index i runs over `vectors` vectors (a literal: 1, 2, 4 or 8), the edges e from `first` to `last` (exclusive).
    With ``fresh=0`` the sum starts from the present values of `state` instead of from `start`.
    """
    lanes, n_vectors = lanes_in(width), vectors.literal_value
    chains = CHAINS[n_vectors]
    index = types.intp
    signature = types.void(
        state, index, index, index, sources, weights, index, index, state.dtype, fresh, index, vectors, width
    )  # fmt: skip

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        (state_, base_, stride_, begin_, sources_, weights_, first_, last_, start_, _,
         out_, _, _) = arguments  # fmt: skip
        vector = Emitter(context, builder, state.dtype, lanes)
        with register_parts(vector, n_vectors, chains) as (emit, steps):
            numbers, weight = emit.pointer(state, state_), emit.pointer(weights, weights_)
            rows = Rows(emit, emit.pointer(sources, sources_), base_, stride_)
            zero = emit.splat(ir.Constant(emit.real, 0.0))
            sums = [emit.accumulators(len(steps), zero) for _ in range(chains)]
            for slot, step in zip(sums[0], steps, strict=True):
                if fresh.literal_value:
                    builder.store(emit.splat(start_), slot)
                else:
                    builder.store(emit.load_vector(numbers, emit.add(out_, step)), slot)

            def add_edge(edge: Any, chain: list[Any]) -> None:
                offset = emit.add(rows.offset(edge), begin_)
                w = emit.splat(emit.load(weight, edge))
                for slot, step in zip(chain, steps, strict=True):
                    emit.accumulate(slot, w, emit.load_vector(numbers, emit.add(offset, step)))

            count = builder.sub(last_, first_)
            whole = builder.sub(last_, builder.urem(count, emit.constant(chains)))
            with emit.loop(first_, whole, chains) as edge:
                for k, chain in enumerate(sums):
                    add_edge(emit.add(edge, k), chain)
            with emit.loop(whole, last_) as edge:
                add_edge(edge, sums[0])
            for *slots, step in zip(*sums, steps, strict=True):
                parts = [builder.load(slot) for slot in slots]
                while len(parts) > 1:
                    half = len(parts) // 2
                    parts = [
                        builder.fadd(a, b) for a, b in zip(parts[:half], parts[half:], strict=True)
                    ]
                emit.store_vector(parts[0], numbers, emit.add(out_, step))
        return context.get_dummy_value()

    return signature, generate


gather_row: Any = intrinsic(prefer_literal=True)(_gather_row)


def _totals(emit: Emitter, vectors: list[Any]) -> Any:
    """Return one vector that holds the sum over the lanes of each given vector.

    The number of vectors is a power of two and at most the number of lanes. Pairs of vectors are added half by half,
    again and again: three instructions a vector instead of a whole reduction each.
    """
    builder, lanes = emit.builder, emit.lanes
    lane = ir.IntType(32)

    def shuffled(a: Any, b: Any, lanes_taken: list[int]) -> Any:
        mask = ir.Constant(ir.VectorType(lane, len(lanes_taken)), lanes_taken)
        return builder.shuffle_vector(a, b, mask)

    size = lanes  # lanes that still belong to one sum
    while len(vectors) > 1:
        half = size // 2
        low = [k for k in range(2 * lanes) if k % size < half]
        high = [k + half for k in low]
        vectors = [
            builder.fadd(shuffled(a, b, low), shuffled(a, b, high))
            for a, b in zip(vectors[::2], vectors[1::2], strict=True)
        ]
        size = half
    (vector,) = vectors
    length = lanes
    while size > 1:
        low = [k for k in range(length) if k % size < size // 2]
        vector = builder.fadd(
            shuffled(vector, vector, low), shuffled(vector, vector, [k + size // 2 for k in low])
        )
        length, size = length // 2, size // 2
    return vector


@contextmanager
def descending(emit: Emitter, first: Any, last: Any) -> Iterator[Any]:
    """Loop over the edges from the last to the first.

    The backward pass visits nodes in reverse. With edges in reverse as well it reads memory as one descending stream,
    which the processor prefetches. With about forty in-edges a node this halves the time of the backward pass.
    """
    with emit.loop(first, last) as edge:
        upwards = emit.builder.sub(edge, first)
        yield emit.builder.sub(emit.builder.sub(last, emit.constant(1)), upwards)


def store_or_add(emit: Emitter, value: Any, array: Any, offset: Any, accumulate: Any) -> None:
    """Store a number, or add it to the present one; the cache line is fetched in both cases."""
    before = emit.load(array, offset)
    zero = ir.Constant(emit.real, 0.0)
    emit.store(
        emit.builder.fadd(value, emit.builder.select(accumulate, before, zero)), array, offset
    )


def _dot_rows(
    typing_context: Any,
    residual: Any,
    delta_offset: Any,
    state: Any,
    base: Any,
    stride: Any,
    length: Any,
    sources: Any,
    first: Any,
    count: Any,
    gradient: Any,
    accumulate: Any,
    width: Any,
) -> Any:
    """Write gradient[e] = Σ_i residual[delta_place + i] · state[(base + sources[e]) · stride + i].

    The edges e are the `count` edges from `first` on (a literal: 1, 2, 4 or DOTS), i runs over the whole row. Where
    `accumulate`, the sum is added to the present gradient.
    """
    lanes, edges = lanes_in(width), count.literal_value
    index = types.intp
    signature = types.void(
        residual,
        index,
        state,
        index,
        index,
        index,
        sources,
        index,
        count,
        gradient,
        types.boolean,
        width,
    )

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        (residual_, delta_, state_, base_, stride_, length_, sources_, first_, _, gradient_,
         accumulate_, _) = arguments  # fmt: skip
        emit = Emitter(context, builder, state.dtype, lanes)
        deltas, numbers = emit.pointer(residual, residual_), emit.pointer(state, state_)
        result = emit.pointer(gradient, gradient_)
        rows = Rows(emit, emit.pointer(sources, sources_), base_, stride_)
        offsets = [rows.offset(emit.add(first_, k)) for k in range(edges)]
        sums = emit.accumulators(edges, emit.splat(ir.Constant(emit.real, 0.0)))
        # Row by row as far as whole tiles go, since the lines of a row are fetched together.
        tiled = builder.sub(length_, builder.urem(length_, emit.constant(TILE_VECTORS * lanes)))
        for begin, end, vectors in ((emit.constant(0), tiled, TILE_VECTORS), (tiled, length_, 1)):
            with emit.loop(begin, end, vectors * lanes) as i:
                steps = [emit.add(i, v * lanes) for v in range(vectors)]
                d = [emit.load_vector(deltas, emit.add(delta_, step)) for step in steps]
                for offset, total in zip(offsets, sums, strict=True):
                    for delta, step in zip(d, steps, strict=True):
                        x = emit.load_vector(numbers, emit.add(offset, step))
                        emit.accumulate(total, delta, x)
        loaded = [builder.load(total) for total in sums]
        if 1 < edges <= lanes:
            together = Emitter(context, builder, state.dtype, edges)
            totals = _totals(emit, loaded)
            before = together.load_vector(result, first_)
            zeros = together.splat(ir.Constant(emit.real, 0.0))
            totals = builder.fadd(totals, builder.select(accumulate_, before, zeros))
            together.store_vector(totals, result, first_)
        else:
            for k, vector in enumerate(loaded):
                total = emit.sum_lanes(vector)
                store_or_add(emit, total, result, emit.add(first_, k), accumulate_)
        return context.get_dummy_value()

    return signature, generate


dot_rows: Any = intrinsic(prefer_literal=True)(_dot_rows)


def _scatter_row(
    typing_context: Any,
    residual: Any,
    delta_offset: Any,
    base: Any,
    stride: Any,
    begin: Any,
    sources: Any,
    weights: Any,
    first: Any,
    last: Any,
    vectors: Any,
    width: Any,
) -> Any:
    """Add weights[e] · residual[delta_place + i] to residual[(base + sources[e]) · stride + begin + i].

    The index i runs over `vectors` vectors (a literal), the edges e from `first` to `last` (exclusive).
    """
    lanes, n_vectors = lanes_in(width), vectors.literal_value
    index = types.intp
    signature = types.void(
        residual, index, index, index, index, sources, weights, index, index, vectors, width
    )

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        (residual_, delta_, base_, stride_, begin_, sources_, weights_, first_, last_, _, _) = arguments  # fmt: skip
        vector = Emitter(context, builder, residual.dtype, lanes)
        with register_parts(vector, n_vectors) as (emit, steps):
            numbers, weight = emit.pointer(residual, residual_), emit.pointer(weights, weights_)
            rows = Rows(emit, emit.pointer(sources, sources_), base_, stride_)
            delta = [emit.load_vector(numbers, emit.add(delta_, step)) for step in steps]
            with descending(emit, first_, last_) as edge:
                offset = emit.add(rows.offset(edge), begin_)
                w = emit.splat(emit.load(weight, edge))
                for step, d in zip(steps, delta, strict=True):
                    at = emit.add(offset, step)
                    emit.store_vector(
                        emit.multiply_add(w, d, emit.load_vector(numbers, at)), numbers, at
                    )
        return context.get_dummy_value()

    return signature, generate


scatter_row: Any = intrinsic(prefer_literal=True)(_scatter_row)
