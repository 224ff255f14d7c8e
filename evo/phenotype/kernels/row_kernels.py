"""The innermost loops of a sparse network as vector code: one node's edges, its batch in registers.

Activations lie one node a row, the batch innermost, padded to whole vectors. Three things are done with a row:
*gather* (forward: add up the scaled rows that a node hears), *dot* (weight gradients: the node's residual with each of
them) and *scatter* (backward: give each its share of the residual). A compiler vectorises such loops over the batch,
but reloads and stores the sums at every edge; here they stay in registers from the first edge to the last.

All arrays are flat. The number of lanes of a vector is known at compile time: it is carried by the *type* of the
argument `width`, a tuple of length log₂(lanes), so that the same kernels serve a batch of 2 and one of 512. There are
two widths, for each costs seconds of compilation: the processor's, and two lanes for huge networks that are trained on
a sample or two at a time, where whole vectors would be bound by memory.

Every sum is formed in an order that follows from the number of edges and the padded batch alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from cnn.compile.tile_kernels import Emitter, lanes_of

Width = tuple[int, ...]

NARROW = 2
"""Largest batch that is computed in vectors of two lanes."""

SUMS = 8
"""Vectors that sums are kept in: enough to hide the latency of a multiply-add."""

TILE_VECTORS = 4
"""Vectors of a row that its products are formed with before those of the next row."""

DOTS = 8
"""Edges whose products are formed together."""


def width_of(n_batch: int, itemsize: int) -> Width:
    """Return the width for a batch: two lanes if they hold it, else the processor's.

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
    """Return the lanes that a width, or its type, says."""
    return 1 << len(width)


class Rows:
    """Finds rows: the flat place where the row of an edge's source begins."""

    def __init__(self, emit: Emitter, sources: Any, base: Any, stride: Any) -> None:
        self._emit, self._sources, self._base, self._stride = emit, sources, base, stride

    def place(self, edge: Any) -> Any:
        """Return ``(base + sources[edge]) · stride``."""
        emit = self._emit
        source = emit.builder.sext(emit.load(self._sources, edge), emit.index)
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
    out_place: Any,
    vectors: Any,
    width: Any,
) -> Any:
    """Write state[out_place + i] = start + Σ_e weights[e] · state[(base + sources[e]) · stride + begin + i].

    For `vectors` vectors of places i (a literal: 1, 2, 4 or 8), over the edges from `first` up to `last`,
    exclusively. With ``fresh=0`` the sum goes on from what stands there instead of from `start`.
    """
    lanes, n_vectors = lanes_in(width), vectors.literal_value
    chains = max(1, SUMS // n_vectors)
    index = types.intp
    signature = types.void(
        state, index, index, index, sources, weights, index, index, state.dtype, fresh, index, vectors, width
    )  # fmt: skip

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        (state_, base_, stride_, begin_, sources_, weights_, first_, last_, start_, _,
         out_, _, _) = arguments  # fmt: skip
        emit = Emitter(context, builder, state.dtype, lanes)
        numbers, weight = emit.pointer(state, state_), emit.pointer(weights, weights_)
        rows = Rows(emit, emit.pointer(sources, sources_), base_, stride_)
        zero = emit.splat(ir.Constant(emit.real, 0.0))
        sums = [emit.sums(n_vectors, zero) for _ in range(chains)]
        for v in range(n_vectors):
            if fresh.literal_value:
                builder.store(emit.splat(start_), sums[0][v])
            else:
                here = emit.load_vector(numbers, emit.add(out_, v * lanes))
                builder.store(here, sums[0][v])

        def add_edge(edge: Any, chain: list[Any]) -> None:
            place = emit.add(rows.place(edge), begin_)
            w = emit.splat(emit.load(weight, edge))
            for v in range(n_vectors):
                x = emit.load_vector(numbers, emit.add(place, v * lanes))
                emit.accumulate(chain[v], w, x)

        count = builder.sub(last_, first_)
        whole = builder.sub(last_, builder.urem(count, emit.number(chains)))
        with emit.count(first_, whole, chains) as edge:
            for k, chain in enumerate(sums):
                add_edge(emit.add(edge, k), chain)
        with emit.count(whole, last_) as edge:
            add_edge(edge, sums[0])
        for v in range(n_vectors):
            parts = [builder.load(chain[v]) for chain in sums]
            while len(parts) > 1:
                half = len(parts) // 2
                parts = [
                    builder.fadd(a, b) for a, b in zip(parts[:half], parts[half:], strict=True)
                ]
            emit.store_vector(parts[0], numbers, emit.add(out_, v * lanes))
        return context.get_dummy_value()

    return signature, generate


gather_row: Any = intrinsic(prefer_literal=True)(_gather_row)


def _totals(emit: Emitter, vectors: list[Any]) -> Any:
    """Return the vector of the totals of some vectors, as many as a power of two and at most as wide.

    Two vectors are added half by half into one, and so on: three instructions per vector instead of a whole
    reduction each.
    """
    builder, lanes = emit.builder, emit.lanes
    lane = ir.IntType(32)

    def shuffled(a: Any, b: Any, places: list[int]) -> Any:
        mask = ir.Constant(ir.VectorType(lane, len(places)), places)
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

    The backward pass takes nodes in reverse; with edges in reverse as well, it reads memory as one descending stream,
    which the processor sees coming. Where nodes hear some forty others this halves its time.
    """
    with emit.count(first, last) as edge:
        upwards = emit.builder.sub(edge, first)
        yield emit.builder.sub(emit.builder.sub(last, emit.number(1)), upwards)


def put(emit: Emitter, value: Any, array: Any, place: Any, adding: Any) -> None:
    """Store a number, or add it to what stands there: the line of memory is fetched in either case."""
    before = emit.load(array, place)
    zero = ir.Constant(emit.real, 0.0)
    emit.store(emit.builder.fadd(value, emit.builder.select(adding, before, zero)), array, place)


def _dot_rows(
    typing_context: Any,
    residual: Any,
    delta_place: Any,
    state: Any,
    base: Any,
    stride: Any,
    length: Any,
    sources: Any,
    first: Any,
    count: Any,
    gradient: Any,
    adding: Any,
    width: Any,
) -> Any:
    """Write gradient[e] = Σ_i residual[delta_place + i] · state[(base + sources[e]) · stride + i].

    For `count` edges e from `first` on (a literal: 1, 2, 4 or DOTS), over a whole row. Where
    `adding`, the sum is added to what stands there.
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
         adding_, _) = arguments  # fmt: skip
        emit = Emitter(context, builder, state.dtype, lanes)
        deltas, numbers = emit.pointer(residual, residual_), emit.pointer(state, state_)
        result = emit.pointer(gradient, gradient_)
        rows = Rows(emit, emit.pointer(sources, sources_), base_, stride_)
        places = [rows.place(emit.add(first_, k)) for k in range(edges)]
        sums = emit.sums(edges, emit.splat(ir.Constant(emit.real, 0.0)))
        # Row by row as far as whole tiles go, since the lines of a row are fetched together.
        tiled = builder.sub(length_, builder.urem(length_, emit.number(TILE_VECTORS * lanes)))
        for begin, end, vectors in ((emit.number(0), tiled, TILE_VECTORS), (tiled, length_, 1)):
            with emit.count(begin, end, vectors * lanes) as i:
                steps = [emit.add(i, v * lanes) for v in range(vectors)]
                d = [emit.load_vector(deltas, emit.add(delta_, step)) for step in steps]
                for place, total in zip(places, sums, strict=True):
                    for delta, step in zip(d, steps, strict=True):
                        x = emit.load_vector(numbers, emit.add(place, step))
                        emit.accumulate(total, delta, x)
        loaded = [builder.load(total) for total in sums]
        if 1 < edges <= lanes:
            together = Emitter(context, builder, state.dtype, edges)
            totals = _totals(emit, loaded)
            before = together.load_vector(result, first_)
            zeros = together.splat(ir.Constant(emit.real, 0.0))
            totals = builder.fadd(totals, builder.select(adding_, before, zeros))
            together.store_vector(totals, result, first_)
        else:
            for k, vector in enumerate(loaded):
                total = emit.total(vector)
                put(emit, total, result, emit.add(first_, k), adding_)
        return context.get_dummy_value()

    return signature, generate


dot_rows: Any = intrinsic(prefer_literal=True)(_dot_rows)


def _scatter_row(
    typing_context: Any,
    residual: Any,
    delta_place: Any,
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

    For `vectors` vectors of places i (a literal), over the edges from `first` up to `last`, exclusively.
    """
    lanes, n_vectors = lanes_in(width), vectors.literal_value
    index = types.intp
    signature = types.void(
        residual, index, index, index, index, sources, weights, index, index, vectors, width
    )

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        (residual_, delta_, base_, stride_, begin_, sources_, weights_, first_, last_, _, _) = arguments  # fmt: skip
        emit = Emitter(context, builder, residual.dtype, lanes)
        numbers, weight = emit.pointer(residual, residual_), emit.pointer(weights, weights_)
        rows = Rows(emit, emit.pointer(sources, sources_), base_, stride_)
        delta = [emit.load_vector(numbers, emit.add(delta_, v * lanes)) for v in range(n_vectors)]
        with descending(emit, first_, last_) as edge:
            place = emit.add(rows.place(edge), begin_)
            w = emit.splat(emit.load(weight, edge))
            for v in range(n_vectors):
                at = emit.add(place, v * lanes)
                emit.store_vector(
                    emit.multiply_add(w, delta[v], emit.load_vector(numbers, at)), numbers, at
                )
        return context.get_dummy_value()

    return signature, generate


scatter_row: Any = intrinsic(prefer_literal=True)(_scatter_row)
