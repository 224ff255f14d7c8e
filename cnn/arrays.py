"""Type aliases of arrays."""

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
