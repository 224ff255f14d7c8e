"""Type aliases of arrays, and arrays that begin on a cache line.

NumPy's larger arrays begin 16 bytes past a cache line, so that every load of a vector as long as a line reads two
lines. All buffers of training are made here.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
"""Real numbers, float32 or float64, of any shape."""

FloatVector: TypeAlias = npt.NDArray[np.floating[Any]]
"""Real numbers, one-dimensional and contiguous."""

IntArray: TypeAlias = npt.NDArray[np.integer[Any]]
"""Integers of any shape, such as class indices."""

Targets: TypeAlias = npt.NDArray[Any]
"""Class indices of shape (n,), or real values of shape (n, k)."""

Shape: TypeAlias = tuple[int, ...]
"""The shape of one sample, batch axis left out."""

CACHE_LINE = 64
"""Bytes of a cache line: of every x86-64 processor, and of most others."""


def aligned_empty(shape: int | Shape, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return a new array in C order, with any contents, that begins on a cache line.

    Parameters
    ----------
    shape
        As for `numpy.empty`.
    dtype
        A type of numbers.
    """
    kind = np.dtype(dtype)
    n_bytes = math.prod(shape if isinstance(shape, tuple) else (shape,)) * kind.itemsize
    room = np.empty(n_bytes + CACHE_LINE, np.uint8)
    begin = -room.__array_interface__["data"][0] % CACHE_LINE
    return room[begin : begin + n_bytes].view(kind).reshape(shape)


def aligned_zeros(shape: int | Shape, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return a new array of zeros as `aligned_empty` returns it."""
    array = aligned_empty(shape, dtype)
    array[...] = 0
    return array


def aligned_copy(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a copy of an array as `aligned_empty` returns it."""
    copy = aligned_empty(array.shape, array.dtype)
    copy[...] = array
    return copy


def is_aligned(array: npt.NDArray[Any]) -> bool:
    """Tell whether an array begins on a cache line, or has no numbers."""
    return array.size == 0 or bool(array.__array_interface__["data"][0] % CACHE_LINE == 0)


def of_each(
    function: Callable[[float], float], numbers: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return a function of `math`, such as ``math.cos``, of each number of a vector.

    NumPy's own functions differ between processors in the last bit.
    """
    return np.fromiter(map(function, numbers.tolist()), np.float64, len(numbers))
