"""Argument checks of all public functions, with one form of message: "name must be …; got …".

Checked arrays are not changed.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

FloatArray: TypeAlias = NDArray[np.floating[Any]]
IntArray: TypeAlias = NDArray[np.integer[Any]]
BoolArray: TypeAlias = NDArray[np.bool_]
Matrix: TypeAlias = FloatArray | sparse.csc_array
Mode: TypeAlias = Literal["magnitude", "signed"]

MODES: tuple[str, ...] = get_args(Mode)


def check_matrix(
    W: Any, *, name: str = "W", square: bool = False, kernel_axes: bool = False
) -> Any:
    """Return a matrix as an ndarray or a canonical csc_array of floats.

    Parameters
    ----------
    W : array_like or sparse array, shape (m, n)
        Any two-dimensional matrix of finite real numbers.
    name : str
        Name of the matrix in error messages.
    square : bool
        Whether m = n is required.
    kernel_axes : bool
        Whether an ndarray may have further axes. Each entry is then a kernel, as in (m, n, k, k).

    Returns
    -------
    ndarray or scipy.sparse.csc_array, shape (m, n), float32 or float64
        `W` itself if it is already of this form. Other sparse formats become a canonical ``csc_array``: sorted indices,
        duplicates summed, stored zeros kept (except in ``dia``, which has none). Integers and booleans become float64.

    Raises
    ------
    TypeError
        If the entries are not float32, float64, integers or booleans.
    ValueError
        If `W` has another number of axes, is not square where it must be, or holds NaN or an infinity.

    Notes
    -----
    O(m·n) for an ndarray, O(nnz + n) for a sparse array.
    """
    matrix: Any = W if sparse.issparse(W) else np.asarray(W)
    if kernel_axes and not sparse.issparse(matrix):
        if matrix.ndim < 2:
            raise ValueError(f"{name} must have two axes or more; got shape {matrix.shape}")
    elif matrix.ndim != 2:
        raise ValueError(f"{name} must be two-dimensional; got shape {matrix.shape}")
    if square and matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"{name} must be square; got shape {matrix.shape}")
    if matrix.dtype.kind in "iub":
        matrix = matrix.astype(np.float64)
    elif matrix.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name} must hold float32, float64 or integers; got {matrix.dtype}")
    if sparse.issparse(matrix):
        matrix = _canonical(matrix)
        _check_finite_sparse(matrix, name)
    elif not np.isfinite(matrix).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(matrix))[0])
        raise ValueError(f"{name} must be finite; got {matrix[place]} at {place}")
    return matrix


def check_edges(W: Any) -> sparse.csc_array:
    """Return the edges of a finite square matrix: its stored entries, or the non-zero entries of an ndarray."""
    matrix = check_matrix(W, square=True)
    return matrix if isinstance(matrix, sparse.csc_array) else sparse.csc_array(matrix)


def check_node_matrix(W: Any) -> Any:
    """Return a matrix of n nodes, as :func:`check_matrix` does.

    The matrix has n columns and n rows, or one further row of biases: the weights from a constant node. An ndarray may
    have kernel axes.
    """
    matrix = check_matrix(W, kernel_axes=True)
    n_rows, n = matrix.shape[:2]
    if n_rows - n not in (0, 1):
        raise ValueError(
            f"W must be square, or have one row of biases more; got shape {matrix.shape}"
        )
    return matrix


def _canonical(matrix: Any) -> sparse.csc_array:
    if not isinstance(matrix, sparse.csc_array):
        matrix = sparse.csc_array(matrix)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    return matrix


def _check_finite_sparse(matrix: sparse.csc_array, name: str) -> None:
    finite = np.isfinite(matrix.data)
    if not finite.all():
        position = int(np.argmin(finite))
        row = matrix.indices[position]
        column = np.searchsorted(matrix.indptr, position, side="right") - 1
        value = matrix.data[position]
        raise ValueError(f"{name} must be finite; got {value} at ({row}, {column})")


def check_integer(name: str, value: Any, *, at_least: int) -> int:
    """Return `value` as an int of at least `at_least`; TypeError or ValueError otherwise."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer; got {value!r}")
    if value < at_least:
        raise ValueError(f"{name} must be at least {at_least}; got {value}")
    return int(value)


def check_index(name: str, value: Any, size: int) -> int:
    """Return `value` as an int in 0 … size − 1; TypeError or IndexError otherwise.

    Negative indices are refused, so that a recorded operation names a node in one way only.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer; got {value!r}")
    if not 0 <= value < size:
        raise IndexError(f"{name} must be from 0 to {size - 1}; got {value}")
    return int(value)


def check_two_indices(
    names: tuple[str, str], first: Any, second: Any, size: int
) -> tuple[int, int]:
    """Return two different indices below `size`; ValueError if they are the same."""
    a = check_index(names[0], first, size)
    b = check_index(names[1], second, size)
    if a == b:
        raise ValueError(f"{names[0]} and {names[1]} must differ; got {a} for both")
    return a, b


def check_indices(name: str, values: ArrayLike, size: int) -> NDArray[np.intp]:
    """Return one-dimensional indices in 0 … size − 1; TypeError, ValueError, IndexError if not."""
    indices = np.asarray(values)
    if indices.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional; got shape {indices.shape}")
    if indices.size == 0:
        return np.zeros(0, dtype=np.intp)
    if indices.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers; got {indices.dtype}")
    outside = (indices < 0) | (indices >= size)
    if outside.any():
        value = indices[outside][0]
        raise IndexError(f"{name} must be from 0 to {size - 1}; got {value}")
    return indices.astype(np.intp, copy=False)


def check_nodes(name: str, values: ArrayLike, size: int) -> NDArray[np.intp]:
    """Return the positions of distinct nodes; ValueError if a node is named twice."""
    nodes = check_indices(name, values, size)
    times = np.bincount(nodes, minlength=size)
    if times.max(initial=0) > 1:
        raise ValueError(f"{name} must name a node once; got {np.argmax(times)} repeatedly")
    return nodes


def check_order(name: str, values: ArrayLike, size: int) -> NDArray[np.intp]:
    """Return a permutation of 0 … size − 1; ValueError otherwise."""
    order = check_nodes(name, values, size)
    if order.size != size:
        raise ValueError(f"{name} must name all {size} nodes; got {order.size}")
    return order


def check_number(name: str, value: Any) -> float:
    """Return a finite real number; TypeError or ValueError otherwise."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(
        value, (int, float, np.integer, np.floating)
    ):
        raise TypeError(f"{name} must be a real number; got {value!r}")
    try:
        number = float(value)
    except OverflowError:  # an integer beyond all floats
        number = np.inf
    if not np.isfinite(number):
        raise ValueError(f"{name} must be finite; got {number}")
    return number


def check_fraction(name: str, value: Any) -> float:
    """Return a number from 0 to 1; TypeError or ValueError otherwise."""
    number = check_number(name, value)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{name} must be from 0 to 1; got {number}")
    return number


def check_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return a value that is one of the choices; ValueError otherwise."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}")
    return str(value)


def check_generator(name: str, value: Any) -> np.random.Generator:
    """Return a random generator; TypeError otherwise."""
    if not isinstance(value, np.random.Generator):
        raise TypeError(f"{name} must be a numpy.random.Generator; got {value!r}")
    return value
