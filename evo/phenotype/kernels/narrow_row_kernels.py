"""The innermost backward loop for rows of a single vector (a batch of one or two samples).

With so short a batch the passes over the edges bound the speed of a network, so one pass computes both gradients.
:mod:`evo.phenotype.kernels.row_kernels` has the loops for longer rows.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic

from cnn.compile.vector_kernels import Emitter
from evo.phenotype.kernels.row_kernels import Rows, descending, lanes_in, store_or_add


def _backward_row(
    typing_context: Any,
    residual: Any,
    delta_offset: Any,
    state: Any,
    base: Any,
    stride: Any,
    sources: Any,
    weights: Any,
    first: Any,
    last: Any,
    gradient: Any,
    accumulate: Any,
    width: Any,
) -> Any:
    """Do the work of `dot_rows` and `scatter_row` in one pass over the edges, for rows of a single vector."""
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
         accumulate_, _) = arguments  # fmt: skip
        emit = Emitter(context, builder, state.dtype, lanes)
        deltas, numbers = emit.pointer(residual, residual_), emit.pointer(state, state_)
        weight, result = emit.pointer(weights, weights_), emit.pointer(gradient, gradient_)
        rows = Rows(emit, emit.pointer(sources, sources_), base_, stride_)
        d = emit.load_vector(deltas, delta_)
        with descending(emit, first_, last_) as edge:
            offset = rows.offset(edge)
            total = emit.sum_lanes(builder.fmul(d, emit.load_vector(numbers, offset)))
            store_or_add(emit, total, result, edge, accumulate_)
            w = emit.splat(emit.load(weight, edge))
            back = emit.load_vector(deltas, offset)
            emit.store_vector(emit.multiply_add(w, d, back), deltas, offset)
        return context.get_dummy_value()

    return signature, generate


backward_row: Any = intrinsic(prefer_literal=True)(_backward_row)
