"""The innermost loops where a row is a single vector of a sample or two: one pass over a node's edges does it all.

With so short a batch a network is bound by the passes over its edges; :mod:`evo.row_kernels` has the loops for longer
rows.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from cnn.tile_kernels import Emitter
from evo.row_kernels import Rows, descending, lanes_in, put


def _return_row(
    typing_context: Any,
    residual: Any,
    delta_place: Any,
    state: Any,
    base: Any,
    stride: Any,
    sources: Any,
    weights: Any,
    first: Any,
    last: Any,
    gradient: Any,
    adding: Any,
    width: Any,
) -> Any:
    """Do :data:`dot_rows` and :data:`scatter_row` in one pass, for rows of a single vector.

    With so short a batch a network is bound by the passes over its edges.
    """
    lanes = lanes_in(width)
    index = types.intp
    signature = types.void(
        residual,
        index,
        state,
        index,
        index,
        sources,
        weights,
        index,
        index,
        gradient,
        types.boolean,
        width,
    )

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        (residual_, delta_, state_, base_, stride_, sources_, weights_, first_, last_, gradient_,
         adding_, _) = arguments  # fmt: skip
        emit = Emitter(context, builder, state.dtype, lanes)
        deltas, numbers = emit.pointer(residual, residual_), emit.pointer(state, state_)
        weight, result = emit.pointer(weights, weights_), emit.pointer(gradient, gradient_)
        rows = Rows(emit, emit.pointer(sources, sources_), base_, stride_)
        d = emit.load_vector(deltas, delta_)
        with descending(emit, first_, last_) as edge:
            place = rows.place(edge)
            total = emit.total(builder.fmul(d, emit.load_vector(numbers, place)))
            put(emit, total, result, edge, adding_)
            w = emit.splat(emit.load(weight, edge))
            back = emit.load_vector(deltas, place)
            emit.store_vector(emit.multiply_add(w, d, back), deltas, place)
        return context.get_dummy_value()

    return signature, generate


return_row: Any = intrinsic(prefer_literal=True)(_return_row)


def _descend_row(
    typing_context: Any,
    residual: Any,
    delta_place: Any,
    state: Any,
    base: Any,
    stride: Any,
    sources: Any,
    weights: Any,
    velocity: Any,
    first: Any,
    last: Any,
    rate: Any,
    momentum: Any,
    decay: Any,
    width: Any,
) -> Any:
    """Do :data:`return_row` and an update with momentum in one pass; return the sum of the squared gradients.

    v ← μ v + g and w ← w − η v − ηλ w, as :func:`cnn.optimizer_kernels.momentum_step` has it, with `rate` η and
    `decay` ηλ; what flows back does so through the weights as they were.
    """
    lanes = lanes_in(width)
    index, real = types.intp, state.dtype
    signature = types.float64(
        residual, index, state, index, index, sources, weights, velocity, index, index, real, real,
        real, width,
    )  # fmt: skip

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        (residual_, delta_, state_, base_, stride_, sources_, weights_, velocity_, first_, last_,
         rate_, momentum_, decay_, _) = arguments  # fmt: skip
        emit = Emitter(context, builder, real, lanes)
        one = Emitter(context, builder, real, 1)
        deltas, numbers = emit.pointer(residual, residual_), emit.pointer(state, state_)
        weight, speed = emit.pointer(weights, weights_), emit.pointer(velocity, velocity_)
        rows = Rows(emit, emit.pointer(sources, sources_), base_, stride_)
        d = emit.load_vector(deltas, delta_)
        double = ir.DoubleType()
        squares = cgutils.alloca_once_value(builder, ir.Constant(double, 0.0))
        with descending(emit, first_, last_) as edge:
            place = rows.place(edge)
            g = emit.total(builder.fmul(d, emit.load_vector(numbers, place)))
            w = emit.load(weight, edge)
            back = emit.load_vector(deltas, place)
            emit.store_vector(emit.multiply_add(emit.splat(w), d, back), deltas, place)
            v = one.multiply_add(momentum_, emit.load(speed, edge), g)
            emit.store(v, speed, edge)
            step = one.multiply_add(rate_, v, builder.fmul(decay_, w))
            emit.store(builder.fsub(w, step), weight, edge)
            wide = g if real.bitwidth == 64 else builder.fpext(g, double)
            builder.store(builder.fadd(builder.load(squares), builder.fmul(wide, wide)), squares)
        return builder.load(squares)

    return signature, generate


descend_row: Any = intrinsic(prefer_literal=True)(_descend_row)
