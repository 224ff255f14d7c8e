"""The document's functions on single maps and vectors, written for the reader (S4, S7, S9, S10).

The layers compute the same with compiled loops over whole batches, and are tested against these.
Derivatives take the *output* o = φ(n), as the document does: a network has it at hand.
"""

from typing import Literal, TypeAlias

import numpy as np

from cnn.arrays import FloatArray

DownsamplingMethod: TypeAlias = Literal["max", "mean", "gaussian"]
Border: TypeAlias = Literal["drop", "pad"]

BINOMIAL = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0
"""Five taps of the binomial kernel: a discrete Gaussian, to blur with before halving."""


def sigmoid(x: FloatArray) -> FloatArray:
    """Return σ(x) = 1 / (1 + e⁻ˣ), written as ½ (1 + tanh(x/2)), which cannot overflow."""
    result: FloatArray = 0.5 * (1.0 + np.tanh(0.5 * x))
    return result


def dsigmoid(o: FloatArray) -> FloatArray:
    """Return the sigmoid's derivative from its output: o (1 − o) (S4)."""
    return o * (1.0 - o)


def tanh(x: FloatArray) -> FloatArray:
    """Return tanh x."""
    result: FloatArray = np.tanh(x)
    return result


def dtanh(o: FloatArray) -> FloatArray:
    """Return the derivative of tanh from its output: 1 − o² (S4)."""
    return 1.0 - o * o


def relu(x: FloatArray) -> FloatArray:
    """Return max(x, 0)."""
    return np.maximum(x, 0)


def drelu(o: FloatArray) -> FloatArray:
    """Return the rectifier's derivative from its output: 1 where o > 0, else 0."""
    return (o > 0).astype(o.dtype)


def softmax(x: FloatArray) -> FloatArray:
    """Return e^x_i / Σ_j e^x_j along the first axis.

    Parameters
    ----------
    x
        Net inputs, shape (n_outputs,) or (n_outputs, batch).

    Returns
    -------
    FloatArray
        Same shape; each column is positive and sums to 1.

    Notes
    -----
    Its derivative is the Jacobian ∂o_i/∂x_j = o_i (δ_ij − o_j), not only the diagonal o − o². With
    cross-entropy the two together give o − t: see `cnn.losses`.
    """
    exponentials = np.exp(x - x.max(axis=0))
    result: FloatArray = exponentials / exponentials.sum(axis=0)
    return result


def rot180(x: FloatArray) -> FloatArray:
    """Return a map turned by 180° (S7): a view, shape (rows, columns)."""
    return x[::-1, ::-1]


def conv2d(
    x: FloatArray, kernel: FloatArray, mode: Literal["valid", "full"] = "valid"
) -> FloatArray:
    """Convolve one map with one kernel (S7): O[r, c] = Σ_ij X[r+p−1−i, c+q−1−j] Θ[i, j].

    Parameters
    ----------
    x
        Map of shape (m, n).
    kernel
        Shape (p, q). It is turned by 180°, as a convolution demands.
    mode
        ``"valid"``: only where the kernel lies within the map. ``"full"``: wherever it touches the
        map, which is 0 outside.

    Returns
    -------
    FloatArray
        Shape (m − p + 1, n − q + 1) for ``"valid"``, (m + p − 1, n + q − 1) for ``"full"``.

    Raises
    ------
    ValueError
        Where an array is not two-dimensional, the mode unknown, or the kernel larger than the map
        in mode ``"valid"``.

    Examples
    --------
    >>> conv2d(np.array([[1.0, 2.0, 4.0]]), np.array([[1.0, -1.0]]))
    array([[1., 2.]])
    >>> conv2d(np.array([[1.0, 2.0, 4.0]]), np.array([[1.0, -1.0]]), mode="full")
    array([[ 1.,  1.,  2., -4.]])
    """
    if x.ndim != 2 or kernel.ndim != 2:
        raise ValueError(
            f"x and kernel must have two axes, not the shapes {x.shape} and {kernel.shape}"
        )
    p, q = kernel.shape
    if mode == "full":
        x = np.pad(x, ((p - 1, p - 1), (q - 1, q - 1)))
    elif mode != "valid":
        raise ValueError(f"mode must be 'valid' or 'full', not {mode!r}")
    rows, columns = x.shape[0] - p + 1, x.shape[1] - q + 1
    if rows < 1 or columns < 1:
        raise ValueError(f"a kernel of shape {kernel.shape} does not fit into {x.shape}")
    out = np.zeros((rows, columns), np.result_type(x, kernel))
    for i in range(p):
        for j in range(q):
            top, left = p - 1 - i, q - 1 - j
            out += kernel[i, j] * x[top : top + rows, left : left + columns]
    return out


def downsample(
    x: FloatArray, method: DownsamplingMethod = "max", border: Border = "pad"
) -> FloatArray:
    """Halve a map: one number for each 2×2 block (S9).

    Parameters
    ----------
    x
        Map of shape (rows, columns).
    method
        ``"max"`` or ``"mean"`` of the block; or ``"gaussian"``: blur with the 5×5 binomial kernel
        and take every second pixel. (On 2×2 a centred Gaussian is the mean.)
    border
        What becomes of a last odd row or column: ``"drop"`` it, or ``"pad"`` it with 0.

    Returns
    -------
    FloatArray
        Shape (rows / 2, columns / 2), rounded down (drop) or up (pad).

    Raises
    ------
    ValueError
        Where `x` is not two-dimensional, or method or border is unknown.

    Examples
    --------
    >>> downsample(np.array([[1.0, 2.0, 5.0], [3.0, 4.0, 6.0]]), "max", "pad")
    array([[4., 6.]])
    >>> downsample(np.array([[1.0, 2.0, 5.0], [3.0, 4.0, 6.0]]), "mean", "drop")
    array([[2.5]])
    """
    if x.ndim != 2:
        raise ValueError(f"x must have two axes, not the shape {x.shape}")
    rows, columns = (pooled_size(size, border) for size in x.shape)
    if method == "gaussian":
        blurred = conv2d(np.pad(x, 2), np.outer(BINOMIAL, BINOMIAL))
        return blurred[::2, ::2][:rows, :columns]
    padded = np.pad(x, ((0, x.shape[0] % 2), (0, x.shape[1] % 2)))[: 2 * rows, : 2 * columns]
    blocks = padded.reshape(rows, 2, columns, 2)
    if method == "max":
        largest: FloatArray = blocks.max(axis=(1, 3))
        return largest
    if method == "mean":
        mean: FloatArray = blocks.mean(axis=(1, 3))
        return mean
    raise ValueError(f"method must be 'max', 'mean' or 'gaussian', not {method!r}")


def upsample(
    x: FloatArray, shape: tuple[int, int], method: Literal["copy", "mean"] = "mean"
) -> FloatArray:
    """Bring residuals back from a halved map to the map of before: the way back of `downsample`.

    Parameters
    ----------
    x
        Residuals of shape (rows / 2, columns / 2), rounded down or up.
    shape
        (rows, columns) of the map of before.
    method
        ``"copy"``: each of the four points receives the residual, the document's rule for max
        pooling. ``"mean"``: each receives a quarter, the gradient of mean pooling (S10).

    Returns
    -------
    FloatArray
        Of the given shape; a dropped row or column receives 0.

    Raises
    ------
    ValueError
        Where `x` does not belong to `shape`, or the method is unknown.

    Examples
    --------
    >>> upsample(np.array([[4.0]]), (2, 3), "mean")
    array([[1., 1., 0.],
           [1., 1., 0.]])
    """
    halves = [{size // 2, (size + 1) // 2} for size in shape]
    if x.ndim != 2 or any(size not in half for size, half in zip(x.shape, halves, strict=True)):
        raise ValueError(f"x of shape {x.shape} is no halved map of shape {shape}")
    if method not in {"copy", "mean"}:
        raise ValueError(f"method must be 'copy' or 'mean', not {method!r}")
    spread = np.kron(x, np.ones((2, 2), x.dtype))[: shape[0], : shape[1]]
    out = np.zeros(shape, x.dtype)
    out[: spread.shape[0], : spread.shape[1]] = spread if method == "copy" else 0.25 * spread
    return out


def pooled_size(size: int, border: Border) -> int:
    """Return how many 2-pixel blocks a side of `size` pixels has.

    Parameters
    ----------
    size
        Pixels.
    border
        ``"drop"``: size / 2 rounded down. ``"pad"``: rounded up.

    Raises
    ------
    ValueError
        Where the border is unknown.

    Examples
    --------
    >>> pooled_size(991, "pad")
    496
    """
    if border == "drop":
        return size // 2
    if border == "pad":
        return (size + 1) // 2
    raise ValueError(f"border must be 'drop' or 'pad', not {border!r}")
