"""Elementary functions in float32 that vectorise in compiled loops and are the same to the bit on every processor.

The C library's functions take one number a call, and NumPy's differ between processors. These are polynomials and
quotients of polynomials whose operations are written out, some thirty times as fast in a loop. In float64, which is for
gradient checks, the functions are those of the C library.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from cnn.compile.compilation import OVERLOAD_OPTIONS, kernel
from cnn.compile.vector_kernels import Emitter


def _multiply_add(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a · b + c, rounded once where the processor can; vectorises. For use inside kernels."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return Emitter(context, builder, signature.return_type, 1).multiply_add(*arguments)

    return a(a, a, a), generate


multiply_add: Any = intrinsic(_multiply_add)


def _bits_of(typing_context: Any, x: Any) -> Any:
    """Return the bits of a float32 as an int32."""

    def generate(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), generate


bits_of: Any = intrinsic(_bits_of)


def _of_bits(typing_context: Any, bits: Any) -> Any:
    """Return the float32 with the given bits, an int32."""

    def generate(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


of_bits: Any = intrinsic(_of_bits)


def polynomial(*coefficients: float) -> Any:
    """Return a function for kernels that evaluates a polynomial in float32, highest power first, by Horner's rule."""

    def typed(typing_context: Any, x: Any) -> Any:
        def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
            emit = Emitter(context, builder, types.float32, 1)
            value = ir.Constant(emit.real, float(np.float32(coefficients[0])))
            for coefficient in coefficients[1:]:
                constant = ir.Constant(emit.real, float(np.float32(coefficient)))
                value = emit.multiply_add(value, arguments[0], constant)
            return value

        return types.float32(types.float32), generate

    return intrinsic(typed)


HALF, ONE, TWO = np.float32(0.5), np.float32(1), np.float32(2)


def by_precision(approximate: Callable[[Any], Any], exact: Callable[[Any], Any]) -> Any:
    """Return a function of one number for kernels: `approximate` in float32, `exact` in float64.

    Numba compiles the one that fits the type of the argument.
    """

    def function(x: Any) -> Any:
        raise NotImplementedError

    @overload(function, jit_options=OVERLOAD_OPTIONS)
    def _(x: Any) -> Any:
        chosen = approximate if x == types.float32 else exact

        def compute(x: Any) -> Any:
            return chosen(x)

        return compute

    return function


# -- tanh and the sigmoid ----------------------------------------------------------------------------------------------

# tanh on [−TANH_LIMIT, TANH_LIMIT] as an odd polynomial of degree 13 over an even one of degree 6: the coefficients of
# Eigen's ptanh_float. Beyond the limit tanh is ±1 in float32.
TANH_LIMIT = np.float32(7.90531110763549805)
_tanh_odd = polynomial(
    -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
    1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03,
)  # fmt: skip
_tanh_even = polynomial(
    1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03
)


@kernel
def _tanh_float32(x: Any) -> Any:
    x = min(max(x, -TANH_LIMIT), TANH_LIMIT)  # NaN stays NaN
    s = x * x
    return x * _tanh_odd(s) / _tanh_even(s)


@kernel
def _sigmoid_float32(x: Any) -> Any:
    return HALF * (ONE + _tanh_float32(HALF * x))


@kernel
def _sigmoid_float64(x: Any) -> Any:
    return 0.5 * (1.0 + math.tanh(0.5 * x))


fast_tanh = by_precision(_tanh_float32, math.tanh)
"""tanh x, in float32 within 3e-7 and never beyond ±1."""

fast_sigmoid = by_precision(_sigmoid_float32, _sigmoid_float64)
"""σ(x) = ½ (1 + tanh(x/2)), in float32 within 3e-7."""


# -- exp and log -------------------------------------------------------------------------------------------------------

# exp(x) = 2ⁿ exp(r) with n the integer nearest to x / log 2; r = x − n log 2 is within ± log(2) / 2. log(x) = e log 2 +
# log(m), with x = 2ᵉ m and m within √½ and √2. Polynomials and the split of log 2 into two parts: Cephes (S. Moshier).
_INVERSE_LOG_2 = np.float32(1 / math.log(2))
_LOG_2_HIGH, _LOG_2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_SMALLEST = np.float32(-87.33654)  # below, exp(x) is no normal number
_LARGEST = np.float32(88.37626)
_ROUNDER = np.float32(
    12582912.0
)  # 1.5 · 2²³: added to a small number, it leaves the nearest integer in the low bits
_ROOT_HALF_BITS = np.int32(np.float32(math.sqrt(0.5)).view(np.int32))
_MANTISSA_BITS = np.int32(23)
_exp_rest = polynomial(
    1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
    5.0000001201e-1,
)  # fmt: skip
_log_rest = polynomial(
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip


@kernel
def _exp_float32(x: Any) -> Any:
    bounded = min(max(x, _SMALLEST), _LARGEST)
    shifted = multiply_add(bounded, _INVERSE_LOG_2, _ROUNDER)
    n = shifted - _ROUNDER
    r = multiply_add(-n, _LOG_2_LOW, multiply_add(-n, _LOG_2_HIGH, bounded))
    value = multiply_add(_exp_rest(r), r * r, r) + ONE
    scaled = of_bits(np.int32(bits_of(value) + (bits_of(shifted) << _MANTISSA_BITS)))  # · 2ⁿ
    return x if np.isnan(x) else (np.float32(0) if x < _SMALLEST else scaled)


@kernel
def _log_float32(x: Any) -> Any:
    bits = bits_of(x)
    e = np.int32((bits - _ROOT_HALF_BITS) >> _MANTISSA_BITS)
    r = of_bits(np.int32(bits - (e << _MANTISSA_BITS))) - ONE
    power, square = np.float32(e), r * r
    value = multiply_add(power, _LOG_2_LOW, _log_rest(r) * r * square)
    value = multiply_add(power, _LOG_2_HIGH, r + multiply_add(-HALF, square, value))
    return value if x < np.float32(np.inf) else x


fast_exp = by_precision(_exp_float32, math.exp)
"""exp(x), in float32 within 2e-7 of its size; 0 below −87.3, where the true value is no normal number."""

fast_log = by_precision(_log_float32, math.log)
"""log(x) of a normal positive number, in float32 within 1e-7 or 1e-7 of its size; infinity and NaN stay."""
