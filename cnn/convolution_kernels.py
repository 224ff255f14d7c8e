"""The two loops of a convolution: add up shifted images, and correlate with shifted images."""

from cnn.arrays import FloatArray, FloatVector, IntArray
from cnn.compilation import kernel


@kernel
def _run(image: FloatVector, source: int, offset: int, batch: int, n: int) -> FloatVector:
    """View the n numbers that a tap reads, from a place in input map 0 and the tap's offset."""
    start = source + offset * batch
    return image[start : start + n]


SEGMENT = 1024
"""Numbers of one image row worked on at a time: long vectors, and source rows stay in cache."""


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
    taps_gradient[:] = zero
    for y in range(rows_out):
        for begin in range(0, run, SEGMENT):
            n = min(SEGMENT, run - begin)
            source = y * width * batch + begin
            for k in range(n_out):
                target = (k * rows_out + y) * run + begin
                d = flat_delta[target : target + n]
                e, end = starts[k], starts[k + 1]
                while e + 4 <= end:
                    x0 = _run(image, source, offsets[e], batch, n)
                    x1 = _run(image, source, offsets[e + 1], batch, n)
                    x2 = _run(image, source, offsets[e + 2], batch, n)
                    x3 = _run(image, source, offsets[e + 3], batch, n)
                    s0, s1, s2, s3 = zero, zero, zero, zero
                    for i in range(n):
                        s0 += d[i] * x0[i]
                        s1 += d[i] * x1[i]
                        s2 += d[i] * x2[i]
                        s3 += d[i] * x3[i]
                    taps_gradient[e] += s0
                    taps_gradient[e + 1] += s1
                    taps_gradient[e + 2] += s2
                    taps_gradient[e + 3] += s3
                    e += 4
                while e < end:
                    x0 = _run(image, source, offsets[e], batch, n)
                    s0 = zero
                    for i in range(n):
                        s0 += d[i] * x0[i]
                    taps_gradient[e] += s0
                    e += 1
