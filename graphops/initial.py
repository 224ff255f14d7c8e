"""Initial matrices: layers, the empty network, and the matrices of the seed document.

Random networks without layers are in :mod:`graphops.wiring`.

A density gives an exact number of edges: ``round(density · possible edges)``, and at least one in-edge for each target
node. Each target gets one in-edge from a source drawn uniformly. The other edges are drawn uniformly, without
replacement, from the remaining possible edges. Time and memory are O(edges·log edges + nodes).

Weights are normal with mean 0 and variance 2/fan-in (``he``: K. He et al. 2015, equation 10) or 1/fan-in (``glorot``:
the form for equal fan-in and fan-out in X. Glorot and Y. Bengio 2010, equation 12). Fan-in is the in-degree of the
target.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy import sparse

from graphops import _stored
from graphops._draws import Scale, draw_sources, weighted
from graphops.validation import (
    FloatArray,
    check_choice,
    check_fraction,
    check_generator,
    check_integer,
    check_number,
)

EXAMPLE_MATRIX: NDArray[np.float32] = np.array(
    [
        [0, 1, 0, 0, 1],
        [1, 0, 1, 0, 0],
        [0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 1, 0],
    ],
    dtype=np.float32,
)
"""The seed's 5×5 example (S19), read-only: 0 and 1 form a cycle, and all paths end in node 3."""
EXAMPLE_MATRIX.flags.writeable = False


class GrowthParameter(NamedTuple):
    """A number beyond the range of floats: ``sign · exp(log_abs)``."""

    sign: float
    log_abs: float


def empty(n: int) -> sparse.csc_array:
    """Return a network of n nodes without edges.

    Parameters
    ----------
    n : int
        At least 0.

    Returns
    -------
    csc_array of float32, shape (n, n)

    Raises
    ------
    TypeError, ValueError
        If `n` is not an integer of at least 0.

    Examples
    --------
    >>> empty(3).nnz
    0
    """
    n = check_integer("n", n, at_least=0)
    return sparse.csc_array((n, n), dtype=np.float32)


def layered(
    sizes: Sequence[int],
    density: float | Sequence[float],
    *,
    rng: np.random.Generator,
    scale: Scale = "he",
) -> sparse.csc_array:
    """Return a network of layers, each connected to the next.

    Parameters
    ----------
    sizes : sequence of int
        Nodes per layer, inputs first, outputs last. Nodes are numbered layer by layer.
    density : float or sequence of float
        Fraction of the possible edges between two consecutive layers, from 0 to 1: one number, or one for each of the
        ``len(sizes) - 1`` pairs of layers (see :func:`erdos_renyi_density`). With 1 the layers are fully connected.
    rng : numpy.random.Generator
    scale : {"he", "glorot"}
        Variance of the weights, see the module docstring.

    Returns
    -------
    csc_array of float32, shape (n, n), n = sum(sizes)
        ``max(round(density · n_in · n_out), n_out)`` edges between two layers, at least one into each node.

    Raises
    ------
    TypeError, ValueError
        If there are fewer than two sizes, a size is below 1, or another argument is out of range.

    Notes
    -----
    O(edges·log edges + n).

    Examples
    --------
    >>> W = layered([4, 3, 2], 0.5, rng=np.random.default_rng(0))
    >>> W.shape, W.nnz
    ((9, 9), 9)
    """
    if len(sizes) < 2:
        raise ValueError(f"sizes must name at least two layers; got {sizes!r}")
    counts = [check_integer("sizes", size, at_least=1) for size in sizes]
    n_pairs = len(counts) - 1
    given = [density] * n_pairs if np.ndim(density) == 0 else list(density)  # type: ignore[arg-type]
    if len(given) != n_pairs:
        raise ValueError(f"density must be one number or {n_pairs}; got {len(given)}")
    densities = [check_fraction("density", value) for value in given]
    rng = check_generator("rng", rng)
    check_choice("scale", scale, get_args(Scale))

    lengths, rows, first = [np.zeros(counts[0], dtype=np.intp)], [], 0
    for n_in, n_out, share in zip(counts, counts[1:], densities, strict=False):
        fan_ins, sources = draw_sources(np.full(n_out, n_in), share, rng)
        lengths.append(fan_ins)
        sources += first
        rows.append(sources.astype(_stored.index_type(sum(counts)), copy=False))
        first += n_in
    return weighted(np.concatenate(lengths), np.concatenate(rows), scale, rng)


def erdos_renyi_density(n_in: int, n_out: int, epsilon: float) -> float:
    """Return the density of a layer in SET: ε·(n_in + n_out)/(n_in·n_out), at most 1.

    In sparse evolutionary training (SET) the number of edges grows linearly with the number of nodes. D. C. Mocanu et
    al., *Scalable training of artificial neural networks with adaptive sparse connectivity inspired by network science*
    (2018), equation 1.

    Parameters
    ----------
    n_in, n_out : int
        Nodes in the two layers, at least 1.
    epsilon : float
        ε, at least 0: about the number of edges per node.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Examples
    --------
    >>> erdos_renyi_density(784, 1000, 20)
    0.04551020408163265
    """
    n_in = check_integer("n_in", n_in, at_least=1)
    n_out = check_integer("n_out", n_out, at_least=1)
    epsilon = check_number("epsilon", epsilon)
    if epsilon < 0:
        raise ValueError(f"epsilon must be at least 0; got {epsilon}")
    return min(1.0, epsilon * (n_in + n_out) / (n_in * n_out))


def growth_parameter(a: float, n: int) -> GrowthParameter:
    """Return the seed's growth parameter after n steps (S18).

    The seed document defines it by a loop::

        for (b = 0.5; b < N; b++) { a = a(1+b); b = b/2 }

    A step multiplies a by 1 + b and replaces b by b/2 + 1, so b = 2 − 1.5/2ᵏ after k steps, which tends to 2. The
    condition b < N ends the loop for N < 2, and for N = 2 after 54 steps by rounding. For larger N the loop never ends,
    and a overflows. Therefore n is the number of steps here, and the result a·Π_{k<n} (3 − 1.5/2ᵏ) is given by its
    logarithm.

    Parameters
    ----------
    a : float
        Initial value.
    n : int
        Number of steps, at least 0.

    Returns
    -------
    GrowthParameter
        ``sign`` (−1, 0 or 1) and ``log_abs``, the natural logarithm of the magnitude; 0 and −inf for a = 0.

    Raises
    ------
    TypeError, ValueError
        If `a` is not a finite number, or `n` is not an integer of at least 0.

    Notes
    -----
    O(1): from the 54th step on b is 2 in float64, and each step adds log 3.

    Examples
    --------
    >>> growth_parameter(2.0, 0)
    GrowthParameter(sign=1.0, log_abs=0.6931471805599453)
    >>> round(math.exp(growth_parameter(2.0, 2).log_abs), 9)  # 2 · 1.5 · 2.25
    6.75
    >>> round(growth_parameter(-1.0, 1_000_000).log_abs)
    1098611
    """
    a = check_number("a", a)
    n = check_integer("n", n, at_least=0)
    if a == 0:
        return GrowthParameter(0.0, -math.inf)
    n_varying = min(n, 64)
    varying = math.fsum(math.log(3 - 1.5 * 0.5**k) for k in range(n_varying))
    log_abs = math.log(abs(a)) + varying + (n - n_varying) * math.log(3)
    return GrowthParameter(math.copysign(1.0, a), log_abs)


def random_weights(
    in_degrees: ArrayLike,
    *,
    rng: np.random.Generator,
    scale: Scale = "glorot",
    dtype: DTypeLike = np.float32,
) -> FloatArray:
    """Return normal weights for the in-edges of nodes, with the variance of the module docstring.

    Parameters
    ----------
    in_degrees : array_like of int, shape (n,)
        Number of in-edges of each node.
    rng : numpy.random.Generator
    scale : {"glorot", "he"}
        Variance of the weights, 1/in-degree or 2/in-degree.
    dtype : dtype
        float32 or float64.

    Returns
    -------
    ndarray, shape (sum of `in_degrees`,)
        The weights of node after node, as a ``csc_array`` stores them.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Examples
    --------
    >>> random_weights([0, 3, 1], rng=np.random.default_rng(0)).shape
    (4,)
    """
    degrees, kind = _check_in_degrees(in_degrees, scale, dtype)
    gain = 2.0 if scale == "he" else 1.0
    deviations = np.sqrt(gain / np.maximum(degrees, 1)).astype(kind)
    drawn: FloatArray = check_generator("rng", rng).standard_normal(int(degrees.sum()), dtype=kind)
    drawn *= np.repeat(deviations, degrees)
    return drawn


def growth_weights(
    in_degrees: ArrayLike,
    *,
    rng: np.random.Generator,
    scale: Scale = "glorot",
    dtype: DTypeLike = np.float32,
) -> FloatArray:
    """Return weights for the in-edges of nodes whose sizes grow as the seed's parameter does (S18).

    The in-edges of a node are counted from 0 in the order of their sources. In-edge n has the size a(n) of
    :func:`growth_parameter` for a = ±1: a(0) = 1, a(1) = 1.5, a(2) = 3.375, and soon three times the size before. The
    sign is drawn at random. Then all in-edges of a node are divided by one number, so that the sum of their squares is
    1 (``glorot``) or 2 (``he``), as in expectation for :func:`random_weights`. So a signal neither grows nor dies from
    node to node, although the sizes alone grow beyond the range of floats.

    Parameters
    ----------
    in_degrees : array_like of int, shape (n,)
        Number of in-edges of each node.
    rng : numpy.random.Generator
        Draws the signs.
    scale : {"glorot", "he"}
        Sum of squares of the in-edges of a node, 1 or 2.
    dtype : dtype
        float32 or float64.

    Returns
    -------
    ndarray, shape (sum of `in_degrees`,)
        The weights of node after node, as a ``csc_array`` stores them. A weight below the smallest normal number of the
        dtype is 0, which in float32 befalls in-edges 80 and more before the last one.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    The three last in-edges have more than 99 % of the sum of squares, so a node follows its last predecessors.

    Examples
    --------
    >>> np.abs(growth_weights([0, 3, 1], rng=np.random.default_rng(0))).round(3)
    array([0.261, 0.392, 0.882, 1.   ], dtype=float32)
    """
    degrees, kind = _check_in_degrees(in_degrees, scale, dtype)
    signs = 2.0 * check_generator("rng", rng).integers(2, size=degrees.sum()) - 1.0
    steps = np.arange(degrees.max(initial=0))
    sizes = np.append(0.0, np.cumsum(_of_each(math.log, 3 - 1.5 * 0.5**steps)))[: len(steps)]
    norms = (np.logaddexp.accumulate(2 * sizes) - math.log(2 if scale == "he" else 1)) / 2
    place = np.arange(len(signs)) - np.repeat(np.cumsum(degrees) - degrees, degrees)
    weights = signs * _of_each(math.exp, sizes[place] - norms[np.repeat(degrees, degrees) - 1])
    weights[np.abs(weights) < np.finfo(kind).tiny] = 0.0
    grown: FloatArray = weights.astype(kind)
    return grown


def _of_each(function: Callable[[float], float], numbers: FloatArray) -> FloatArray:
    """Apply a function of `math` to each number; NumPy's functions differ between processors in the last bit."""
    return np.fromiter(map(function, numbers.tolist()), np.float64, len(numbers))


def _check_in_degrees(
    in_degrees: ArrayLike, scale: Scale, dtype: DTypeLike
) -> tuple[NDArray[np.int64], Any]:
    """Return in-degrees and dtype; raise TypeError or ValueError for an argument out of range."""
    degrees = np.asarray(in_degrees)
    if degrees.ndim != 1 or (degrees.size and degrees.dtype.kind not in "iu"):
        raise TypeError(f"in_degrees must be a vector of integers; got {in_degrees!r}")
    if degrees.min(initial=0) < 0:
        raise ValueError(f"in_degrees must be at least 0; got {degrees.min()}")
    check_choice("scale", scale, get_args(Scale))
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise TypeError(f"dtype must be float32 or float64; got {np.dtype(dtype)}")
    return degrees.astype(np.int64), np.dtype(dtype)
