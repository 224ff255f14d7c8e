"""The innermost loops where a row is a single vector of a sample or two: one pass over a node's edges does it all.

With so short a batch a network is bound by the passes over its edges; :mod:`evo.phenotype.kernels.row_kernels` has the
loops for longer rows.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic

from cnn.compile.tile_kernels import Emitter
from evo.phenotype.kernels.row_kernels import Rows, descending, lanes_in, put


def _backward_row(
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


backward_row: Any = intrinsic(prefer_literal=True)(_backward_row)
