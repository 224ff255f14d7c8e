"""The seed document's functions on single maps and vectors, in readable NumPy (S4, S7, S9, S10).

The layers compute the same functions in compiled loops over whole batches. Tests compare the two. Derivatives are
functions of the *output* o = φ(n), as in the document.
"""

from typing import Literal, TypeAlias, get_args

import numpy as np

from cnn.arrays import FloatArray
from cnn.checks import real_array

DownsamplingMethod: TypeAlias = Literal["max", "mean", "gaussian", "trainable"]
UpsamplingMethod: TypeAlias = Literal["copy", "max", "mean", "gaussian", "trainable"]
Border: TypeAlias = Literal["drop", "pad"]

BINOMIAL = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0
"""Five taps of the binomial kernel, a discrete Gaussian that blurs a map before downsampling."""


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
    The derivative is the full Jacobian ∂o_i/∂x_j = o_i (δ_ij − o_j), not only its diagonal o − o². Together with
    cross-entropy it gives o − t: see `cnn.training.losses`.
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
        Map of shape (m, n). Integers are converted to float64.
    kernel
        Shape (p, q). It is turned by 180°, by the definition of a convolution.
    mode
        ``"valid"``: all positions at which the kernel lies within the map. ``"full"``: all positions at which the
        kernel overlaps the map; the map is 0 outside.

    Returns
    -------
    FloatArray
        Shape (m − p + 1, n − q + 1) for ``"valid"``, (m + p − 1, n + q − 1) for ``"full"``.

    Raises
    ------
    ValueError
        If an array is not two-dimensional, is empty or does not hold real numbers, the mode is unknown, or the
        kernel is larger than the map in mode ``"valid"``.

    Examples
    --------
    >>> conv2d(np.array([[1.0, 2.0, 4.0]]), np.array([[1.0, -1.0]]))
    array([[1., 2.]])
    >>> conv2d(np.array([[1.0, 2.0, 4.0]]), np.array([[1.0, -1.0]]), mode="full")
    array([[ 1.,  1.,  2., -4.]])
    """
    x, kernel = _floats("x", x), _floats("kernel", kernel)
    if x.ndim != 2 or kernel.ndim != 2 or not x.size or not kernel.size:
        raise ValueError(
            "x and kernel must have two axes and at least one number each; got shapes "
            f"{x.shape} and {kernel.shape}"
        )
    p, q = kernel.shape
    if mode == "full":
        x = np.pad(x, ((p - 1, p - 1), (q - 1, q - 1)))
    elif mode != "valid":
        raise ValueError(f"mode must be 'valid' or 'full'; got {mode!r}")
    rows, columns = x.shape[0] - p + 1, x.shape[1] - q + 1
    if rows < 1 or columns < 1:
        raise ValueError(f"kernel must fit into x of shape {x.shape}; got shape {kernel.shape}")
    out = np.zeros((rows, columns), np.result_type(x, kernel))
    for i in range(p):
        for j in range(q):
            top, left = p - 1 - i, q - 1 - j
            out += kernel[i, j] * x[top : top + rows, left : left + columns]
    return out


def downsample(
    x: FloatArray,
    method: DownsamplingMethod = "max",
    border: Border = "pad",
    *,
    gain: float = 1.0,
    bias: float = 0.0,
) -> FloatArray:
    """Downsample a map by two: one number for each 2×2 block (S9).

    Parameters
    ----------
    x
        Map of shape (rows, columns).
    method
        ``"max"`` or ``"mean"`` of the block; ``"trainable"``: gain · mean + bias, with a trained gain and bias; or
        ``"gaussian"``: blur with the 5×5 binomial kernel and take every second pixel.
    border
        ``"drop"`` the last row or column of an odd size, or ``"pad"`` the map with 0.
    gain, bias
        Parameters of the trainable method. Other methods ignore them.

    Returns
    -------
    FloatArray
        Shape (rows / 2, columns / 2), rounded down (drop) or up (pad).

    Raises
    ------
    ValueError
        If `x` is not two-dimensional, or method or border is unknown.

    Examples
    --------
    >>> downsample(np.array([[1.0, 2.0, 5.0], [3.0, 4.0, 6.0]]), "max", "pad")
    array([[4., 6.]])
    >>> downsample(np.array([[1.0, 2.0, 5.0], [3.0, 4.0, 6.0]]), "mean", "drop")
    array([[2.5]])
    """
    x = _floats("x", x)
    if x.ndim != 2:
        raise ValueError(f"x must have two axes; got shape {x.shape}")
    rows, columns = (pooled_size(size, border) for size in x.shape)
    if method == "gaussian":
        return _blur(x)[::2, ::2][:rows, :columns]
    blocks = _blocks(x, rows, columns)
    if method == "max":
        largest: FloatArray = blocks.max(axis=(2, 3))
        return largest
    mean: FloatArray = blocks.mean(axis=(2, 3))
    if method == "mean":
        return mean
    if method == "trainable":
        return gain * mean + bias
    raise ValueError(
        f"method must be one of {', '.join(get_args(DownsamplingMethod))}; got {method!r}"
    )


def upsample(
    x: FloatArray,
    shape: tuple[int, int],
    method: UpsamplingMethod = "mean",
    *,
    source: FloatArray | None = None,
    gain: float = 1.0,
) -> FloatArray:
    """Propagate residuals from a downsampled map to its source map: the backward pass of `downsample`.

    Parameters
    ----------
    x
        Residuals of shape (rows / 2, columns / 2), rounded down or up.
    shape
        Shape (rows, columns) of the source map.
    method
        ``"copy"``: all four pixels of a block get the residual, the seed document's rule for max pooling (S10). The
        other methods are exact gradients. ``"max"``: the pixel with the maximum gets the residual (the first pixel
        of several); ``"mean"``: each pixel gets a quarter; ``"trainable"``: a quarter times the gain;
        ``"gaussian"``: residuals are placed on every second pixel and blurred.
    source
        The source map, needed for ``"max"``.
    gain
        Gain of the trainable method. Other methods ignore it.

    Returns
    -------
    FloatArray
        Residuals of the given shape. A dropped row or column gets 0, or the tail of the blur.

    Raises
    ------
    ValueError
        If `x` is not half of `shape`, the method is unknown, or the source is missing.

    Examples
    --------
    >>> upsample(np.array([[4.0]]), (2, 3), "mean")
    array([[1., 1., 0.],
           [1., 1., 0.]])
    """
    x = _floats("x", x)
    halves = [{size // 2, (size + 1) // 2} for size in shape]
    if x.ndim != 2 or any(size not in half for size, half in zip(x.shape, halves, strict=True)):
        raise ValueError(f"x must be a halved map of shape {shape}; got shape {x.shape}")
    if method not in get_args(UpsamplingMethod):
        raise ValueError(
            f"method must be one of {', '.join(get_args(UpsamplingMethod))}; got {method!r}"
        )
    wide = np.zeros((2 * x.shape[0], 2 * x.shape[1]), x.dtype)
    if method == "gaussian":
        wide[::2, ::2] = x
        return _blur(_fitted(wide, shape))
    if method == "max":
        source = None if source is None else _floats("source", source)
        if source is None or source.shape != shape:
            given = None if source is None else source.shape
            raise ValueError(f"source must be a map of shape {shape} for 'max'; got {given}")
        blocks = _blocks(source, *x.shape)
        winner = blocks.reshape(*x.shape, 4).argmax(axis=2)
        share = (winner[..., np.newaxis] == np.arange(4)).reshape(blocks.shape)
    else:
        share = {"copy": 1.0, "mean": 0.25, "trainable": 0.25 * gain}[method]
    _view_blocks(wide)[...] = x[:, :, np.newaxis, np.newaxis] * share
    return _fitted(wide, shape)


def _floats(name: str, x: FloatArray) -> FloatArray:
    """Return a map of floats; other numbers are converted to float64."""
    array = real_array(name, x)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _blur(x: FloatArray) -> FloatArray:
    """Convolve a map with the binomial kernel. The map is 0 outside and keeps its size."""
    return conv2d(np.pad(x, 2), np.outer(BINOMIAL, BINOMIAL))


def _fitted(x: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Cut a map to a shape, or fill it up with zeros."""
    out = np.zeros(shape, x.dtype)
    inside = x[: shape[0], : shape[1]]
    out[: inside.shape[0], : inside.shape[1]] = inside
    return out


def _view_blocks(x: FloatArray) -> FloatArray:
    """View a map of even sides as its 2×2 blocks, shape (rows / 2, columns / 2, 2, 2)."""
    rows, columns = x.shape
    return x.reshape(rows // 2, 2, columns // 2, 2).swapaxes(1, 2)


def _blocks(x: FloatArray, rows: int, columns: int) -> FloatArray:
    """Return rows × columns blocks of a map, with an odd last line dropped or padded with 0."""
    return _view_blocks(_fitted(x, (2 * rows, 2 * columns)))


def pooled_size(size: int, border: Border) -> int:
    """Return the number of 2-pixel blocks of a side of `size` pixels.

    It is size / 2, rounded down for the border ``"drop"`` and up for ``"pad"``. Raises ValueError for another border.

    Examples
    --------
    >>> pooled_size(991, "pad")
    496
    """
    if border == "drop":
        return size // 2
    if border == "pad":
        return (size + 1) // 2
    raise ValueError(f"border must be 'drop' or 'pad'; got {border!r}")
