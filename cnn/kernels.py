"""Compiled inner loops of the layers, and activations that vectorise inside compiled loops.

Batch innermost everywhere, so each inner loop runs along contiguous memory.
"""

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from cnn.arrays import FloatArray, FloatVector, IntArray
from cnn.compilation import FAST_MATH, kernel

# Rational approximation of tanh on [-TANH_LIMIT, TANH_LIMIT], odd degree 13 over even degree 6: the
# coefficients of Eigen's ptanh_float. Beyond the limit tanh is ±1 in float32.
TANH_LIMIT = np.float32(7.90531110763549805)
A1 = np.float32(4.89352455891786e-03)
A3 = np.float32(6.37261928875436e-04)
A5 = np.float32(1.48572235717979e-05)
A7 = np.float32(5.12229709037114e-08)
A9 = np.float32(-8.60467152213735e-11)
A11 = np.float32(2.00018790482477e-13)
A13 = np.float32(-2.76076847742355e-16)
B0 = np.float32(4.89352518554385e-03)
B2 = np.float32(2.26843463243900e-03)
B4 = np.float32(1.18534705686654e-04)
B6 = np.float32(1.19825839466702e-06)
HALF = np.float32(0.5)
ONE = np.float32(1.0)


@kernel
def _tanh_float32(x: Any) -> Any:
    """Approximate tanh in float32 arithmetic."""
    x = min(max(x, -TANH_LIMIT), TANH_LIMIT)
    s = x * x
    p = x * (A1 + s * (A3 + s * (A5 + s * (A7 + s * (A9 + s * (A11 + s * A13))))))
    q = B0 + s * (B2 + s * (B4 + s * B6))
    return p / q


def fast_tanh(x: Any) -> Any:
    """Tanh that vectorises in compiled loops: for use inside kernels.

    Parameters
    ----------
    x
        A float; float32 and float64 each stay what they are.

    Returns
    -------
    float
        In float32 a rational approximation, within 3e-7 of tanh everywhere and never beyond ±1.
        In float64 ``math.tanh``, so that gradient checks are exact.
    """
    return np.tanh(x)


@overload(fast_tanh, jit_options={"fastmath": set(FAST_MATH), "error_model": "numpy"})
def _fast_tanh_by_dtype(x: Any) -> Any:
    """Choose at compile time; Numba wants the very signature in each choice."""

    def approximate(x: Any) -> Any:
        return _tanh_float32(x)

    def exact(x: Any) -> Any:
        return math.tanh(x)

    return approximate if x == types.float32 else exact


def fast_sigmoid(x: Any) -> Any:
    """Sigmoid that vectorises in compiled loops: σ(x) = ½ (1 + tanh(x/2)). For use inside kernels.

    Parameters
    ----------
    x
        A float; float32 and float64 each stay what they are.

    Returns
    -------
    float
        In float32 by the approximation of `fast_tanh`, within 3e-7 of the sigmoid; in float64 exact.
    """
    return 0.5 * (1.0 + np.tanh(0.5 * x))


@overload(fast_sigmoid, jit_options={"fastmath": set(FAST_MATH), "error_model": "numpy"})
def _fast_sigmoid_by_dtype(x: Any) -> Any:
    """Choose at compile time; float32 must meet no float64 constant."""

    def approximate(x: Any) -> Any:
        return HALF * (ONE + _tanh_float32(HALF * x))

    def exact(x: Any) -> Any:
        return 0.5 * (1.0 + math.tanh(0.5 * x))

    return approximate if x == types.float32 else exact


@kernel
def _run(image: FloatVector, source: int, offset: int, batch: int, n: int) -> FloatVector:
    """View the n numbers that a tap reads, from a place in input map 0 and the tap's offset."""
    start = source + offset * batch
    return image[start : start + n]


SEGMENT = 512
"""Numbers of one image row worked on at a time: eight source rows of it stay in the first cache."""


@kernel
def correlate(
    image: FloatVector,
    width: int,
    starts: IntArray,
    offsets: IntArray,
    taps: FloatVector,
    bias: FloatVector,
    out: FloatArray,
) -> None:
    """Add up shifted, scaled copies of an image: out_k = bias_k + Σ_e taps_e · image shifted by e.

    In [map, row, column, batch] order a shift by whole pixels is an offset in memory, and one row
    of output pixels with all its batch is one contiguous run. So a convolution, of any kernel and
    any table of connections, is a sum of scaled runs, and so is its gradient by the image.

    Parameters
    ----------
    image
        The input maps (n_in, rows, width, batch), flattened.
    width
        Columns of an input map.
    starts
        Shape (n_out + 1,): output map k owns the taps starts[k] … starts[k + 1] − 1.
    offsets
        Pixels from an output pixel's own place (row, column) in input map 0 to what a tap reads:
        (map · rows + down) · width + right.
    taps
        One weight per offset.
    bias
        Shape (n_out,).
    out
        Shape (n_out, rows_out, columns_out, batch); overwritten.
    """
    n_out, rows_out, columns_out, batch = out.shape
    run = columns_out * batch
    flat_out = out.reshape(-1)
    for y in range(rows_out):
        for begin in range(0, run, SEGMENT):
            n = min(SEGMENT, run - begin)
            source = y * width * batch + begin
            for k in range(n_out):
                target = (k * rows_out + y) * run + begin
                o = flat_out[target : target + n]
                o[:] = bias[k]
                e, end = starts[k], starts[k + 1]
                while e + 8 <= end:
                    x0 = _run(image, source, offsets[e], batch, n)
                    x1 = _run(image, source, offsets[e + 1], batch, n)
                    x2 = _run(image, source, offsets[e + 2], batch, n)
                    x3 = _run(image, source, offsets[e + 3], batch, n)
                    x4 = _run(image, source, offsets[e + 4], batch, n)
                    x5 = _run(image, source, offsets[e + 5], batch, n)
                    x6 = _run(image, source, offsets[e + 6], batch, n)
                    x7 = _run(image, source, offsets[e + 7], batch, n)
                    w0, w1, w2, w3 = taps[e], taps[e + 1], taps[e + 2], taps[e + 3]
                    w4, w5, w6, w7 = taps[e + 4], taps[e + 5], taps[e + 6], taps[e + 7]
                    for i in range(n):
                        o[i] += (
                            ((w0 * x0[i] + w1 * x1[i]) + (w2 * x2[i] + w3 * x3[i]))
                            + ((w4 * x4[i] + w5 * x5[i]) + (w6 * x6[i] + w7 * x7[i]))
                        )  # fmt: skip
                    e += 8
                while e < end:
                    x0 = _run(image, source, offsets[e], batch, n)
                    w0 = taps[e]
                    for i in range(n):
                        o[i] += w0 * x0[i]
                    e += 1


@kernel
def correlate_taps(
    image: FloatVector,
    width: int,
    starts: IntArray,
    offsets: IntArray,
    delta: FloatArray,
    taps_gradient: FloatVector,
) -> None:
    """Backward twin of `correlate` for its taps: ∂E/∂taps_e = ⟨delta_k, image shifted by e⟩.

    Parameters
    ----------
    image, width, starts, offsets
        As given to `correlate`.
    delta
        ∂E/∂out, shape (n_out, rows_out, columns_out, batch).
    taps_gradient
        One number per tap; overwritten.
    """
    n_out, rows_out, columns_out, batch = delta.shape
    run = columns_out * batch
    flat_delta = delta.reshape(-1)
    zero = delta.dtype.type(0)
    for k in range(n_out):
        e, end = starts[k], starts[k + 1]
        while e + 4 <= end:
            t0, t1, t2, t3 = zero, zero, zero, zero
            for y in range(rows_out):
                row = (k * rows_out + y) * run
                d = flat_delta[row : row + run]
                source = y * width * batch
                x0 = _run(image, source, offsets[e], batch, run)
                x1 = _run(image, source, offsets[e + 1], batch, run)
                x2 = _run(image, source, offsets[e + 2], batch, run)
                x3 = _run(image, source, offsets[e + 3], batch, run)
                s0, s1, s2, s3 = zero, zero, zero, zero
                for i in range(run):
                    s0 += d[i] * x0[i]
                    s1 += d[i] * x1[i]
                    s2 += d[i] * x2[i]
                    s3 += d[i] * x3[i]
                t0 += s0
                t1 += s1
                t2 += s2
                t3 += s3
            taps_gradient[e] = t0
            taps_gradient[e + 1] = t1
            taps_gradient[e + 2] = t2
            taps_gradient[e + 3] = t3
            e += 4
        while e < end:
            t0 = zero
            for y in range(rows_out):
                row = (k * rows_out + y) * run
                d = flat_delta[row : row + run]
                x0 = _run(image, y * width * batch, offsets[e], batch, run)
                s0 = zero
                for i in range(run):
                    s0 += d[i] * x0[i]
                t0 += s0
            taps_gradient[e] = t0
            e += 1
