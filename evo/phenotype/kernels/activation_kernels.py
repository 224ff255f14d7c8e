"""The activation functions of nodes and their derivatives, compiled: the entries of :mod:`evo.genome.activations`.

An own activation is called through the table of :mod:`evo.genome.function_table`.

In float32 the transcendental functions are approximations that vectorise, each within 1e-6 of the true value; in
float64 they are those of the C library, so that gradient checks are exact.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from cnn.compile.compilation import kernel
from cnn.compile.elementary_kernels import (
    HALF,
    ONE,
    TWO,
    by_precision,
    fast_exp,
    fast_sigmoid,
    fast_tanh,
    multiply_add,
    polynomial,
)
from evo.genome.activations import FIRST_OWN, LEAK, activation_code
from evo.genome.function_table import FUNCTIONS, PRECISIONS, SYMBOL, TABLE

Floats = NDArray[np.floating[Any]]

SIGMOID = activation_code("sigmoid")
TANH = activation_code("tanh")
RELU = activation_code("relu")
LEAKY_RELU = activation_code("leaky_relu")
GELU = activation_code("gelu")
SINE = activation_code("sine")
GAUSSIAN = activation_code("gaussian")
SIGN = activation_code("sign")

# erf on [−4, 4] as an odd polynomial of degree 13 over an even one of degree 8: the coefficients of Eigen.
_erf_odd = polynomial(
    -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
    -7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02,
)  # fmt: skip
_erf_even = polynomial(
    -1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03,
    -1.42647390514189e-02,
)  # fmt: skip
# sin on [−π/2, π/2]: Taylor's polynomial of degree 11. π in three parts, so that multiples of the first two are exact.
_sine_odd = polynomial(*((-1) ** k / math.factorial(2 * k + 1) for k in reversed(range(6))))
_PI_1, _PI_2, _PI_3 = np.float32(3.140625), np.float32(0.0009670257568359375), np.float32(6.277e-07)
_INVERSE_PI = np.float32(1 / math.pi)
_FOUR = np.float32(4)
_ROOT_HALF, _NORMAL = np.float32(math.sqrt(0.5)), np.float32(1 / math.sqrt(2 * math.pi))


@kernel
def _erf_float32(x: Any) -> Any:
    x = min(max(x, -_FOUR), _FOUR)
    s = x * x
    return x * _erf_odd(s) / _erf_even(s)


@kernel
def _sine_float32(x: Any) -> Any:
    turns = np.float32(math.floor(multiply_add(x, _INVERSE_PI, HALF)))
    r = multiply_add(-turns, _PI_1, x)  # x − kπ, within ±π/2
    r = multiply_add(-turns, _PI_3, multiply_add(-turns, _PI_2, r))
    value = r * _sine_odd(r * r)
    odd = turns - TWO * np.float32(math.floor(turns * HALF))  # 1 where k is odd
    return value * (ONE - TWO * odd)


@kernel
def _normal_share_float32(x: Any) -> Any:
    return HALF * (ONE + _erf_float32(x * _ROOT_HALF))


@kernel
def _normal_share_float64(x: Any) -> Any:
    return 0.5 * (1.0 + math.erf(x * math.sqrt(0.5)))


@kernel
def _normal_density_float32(x: Any) -> Any:
    return _NORMAL * fast_exp(-HALF * x * x)


@kernel
def _normal_density_float64(x: Any) -> Any:
    return math.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


@kernel
def bell(x: Any) -> Any:
    """exp(−x²)."""
    return fast_exp(-x * x)


normal_share = by_precision(_normal_share_float32, _normal_share_float64)
"""Φ(x), the distribution function of the standard normal distribution."""

normal_density = by_precision(_normal_density_float32, _normal_density_float64)
"""Φ′(x)."""

fast_sine = by_precision(_sine_float32, math.sin)
"""sin x."""


def _call_own(
    typing_context: Any, code: Any, which: Any, first: Any, second: Any
) -> tuple[Any, Callable[..., Any]]:
    """Call function `which` of an own activation on two rows; return whether there is such a function."""
    signature = types.boolean(types.intp, types.intp, first, second)
    precision = PRECISIONS.index(first.dtype)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        code, which, *rows = values
        module, word, pointer = builder.module, ir.IntType(64), ir.IntType(8).as_pointer()
        table = module.globals.get(SYMBOL)
        if table is None:
            table = ir.GlobalVariable(module, ir.ArrayType(word, TABLE.size), SYMBOL)
        at_code = builder.mul(code, word(TABLE[0].size))
        slot = builder.add(builder.add(at_code, word(precision * len(FUNCTIONS))), which)
        address = builder.load(builder.gep(table, [word(0), slot]))
        found = builder.icmp_unsigned("!=", address, word(0))
        with builder.if_then(found):
            kind = ir.FunctionType(ir.VoidType(), [pointer, pointer, word])
            arrays = [
                context.make_array(one)(context, builder, row)
                for one, row in zip(signature.args[2:], rows, strict=True)
            ]
            length = builder.extract_value(arrays[0].shape, 0)
            data = [builder.bitcast(one.data, pointer) for one in arrays]
            builder.call(builder.inttoptr(address, kind.as_pointer()), [*data, length])
        return found

    return signature, generate


call_own: Any = intrinsic(_call_own)


@kernel
def activate(code: int, row: Floats) -> None:
    """Replace net inputs by outputs, o = φ(n), in place."""
    one = row.dtype.type(1)
    if code == TANH:
        for b in range(row.shape[0]):
            row[b] = fast_tanh(row[b])
    elif code == RELU:
        for b in range(row.shape[0]):
            row[b] = max(row[b], row.dtype.type(0))
    elif code == SIGMOID:
        for b in range(row.shape[0]):
            row[b] = fast_sigmoid(row[b])
    elif code == LEAKY_RELU:
        leak = row.dtype.type(LEAK)
        for b in range(row.shape[0]):
            row[b] = max(row[b], leak * row[b])
    elif code == GELU:
        for b in range(row.shape[0]):
            row[b] *= normal_share(row[b])
    elif code == SINE:
        for b in range(row.shape[0]):
            row[b] = fast_sine(row[b])
    elif code == GAUSSIAN:
        for b in range(row.shape[0]):
            row[b] = bell(row[b])
    elif code == SIGN:
        for b in range(row.shape[0]):
            # NaN stays NaN, so that divergence shows.
            row[b] = one if row[b] >= 0 else (-one if row[b] < 0 else row[b])
    elif code >= FIRST_OWN and not call_own(code, 0, row, row):
        row[:] = np.nan  # not registered in this process: the loss shows it


@kernel
def multiply_by_slope(code: int, net: Floats, output: Floats, residual: Floats) -> None:
    """Turn ∂E/∂o into δ = ∂E/∂n = ∂E/∂o ∘ φ′(n), in place (S4); `net` is read where the slope needs it."""
    one = output.dtype.type(1)
    zero = output.dtype.type(0)
    if code == TANH:  # 1 − o²
        for b in range(output.shape[0]):
            residual[b] *= one - output[b] * output[b]
    elif code == RELU:
        for b in range(output.shape[0]):
            residual[b] *= one if output[b] > zero else zero
    elif code == SIGMOID:  # o(1 − o)
        for b in range(output.shape[0]):
            residual[b] *= output[b] * (one - output[b])
    elif code == LEAKY_RELU:
        leak = output.dtype.type(LEAK)
        for b in range(output.shape[0]):
            residual[b] *= one if output[b] > zero else leak
    elif code == GELU:  # Φ(n) + n Φ′(n)
        for b in range(output.shape[0]):
            residual[b] *= normal_share(net[b]) + net[b] * normal_density(net[b])
    elif code == SINE:  # cos n
        quarter = output.dtype.type(0.5 * math.pi)
        for b in range(output.shape[0]):
            residual[b] *= fast_sine(net[b] + quarter)
    elif code == GAUSSIAN:  # −2 n o
        for b in range(output.shape[0]):
            residual[b] *= (-one - one) * net[b] * output[b]
    elif code == SIGN:  # slope of the identity clipped at ±1
        for b in range(output.shape[0]):
            residual[b] *= one if abs(net[b]) <= one else zero
    elif code >= FIRST_OWN:
        call_own(code, 1, net, residual)
