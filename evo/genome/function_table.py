"""The machine code of own activations, where compiled kernels find it.

Kernels are kept on disk, so they cannot contain functions of a user. They read the addresses of these functions from a
table in memory, which they know by the name of a symbol. A call through the table costs about as much as a call of any
function of C, once per node and batch; built-in activations do not use it.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import binding
from numba import carray, types  # type: ignore[attr-defined]

SYMBOL = "evomatrix_own_activations"
"""The name under which the linker knows the table."""

PRECISIONS = (types.float32, types.float64)
FUNCTIONS = ("value", "slope")

TABLE = np.zeros((256, len(PRECISIONS), len(FUNCTIONS)), np.uintp)
"""Addresses by code of the activation, precision and function; 0 where there is no function."""

binding.add_symbol(SYMBOL, TABLE.ctypes.data)

_kept: dict[int, list[Any]] = {}
"""Machine code by the code of its activation, kept as long as the table may name its address."""


def enter_activation(
    name: str, code: int, value: Callable[[float], float], slope: Callable[[float], float]
) -> None:
    """Compile an activation in both precisions and enter it into the table.

    Raises
    ------
    ValueError
        If Numba cannot compile a function.
    """
    compiled = []
    for what, function, around in (("value", value, _value_row), ("slope", slope, _slope_row)):
        try:
            scalar = numba.njit(error_model="numpy")(_plain(function))
            compiled.append([around(scalar, precision) for precision in PRECISIONS])
        except Exception as error:  # Numba raises errors of many kinds
            problem = " ".join(str(error).split())
            problem = problem if len(problem) <= 240 else problem[:240] + "…"
            raise ValueError(
                f"{what} of activation {name!r} cannot be compiled by Numba ({problem})"
            ) from error
    _kept[code] = compiled
    for k, rows in enumerate(compiled):
        TABLE[code, :, k] = [row.address for row in rows]


def _plain(function: Callable[[float], float]) -> Callable[[float], float]:
    """Return a function that Numba compiles for a function, a NumPy ufunc or a function compiled already."""
    if inspect.isfunction(function):
        return function

    def call(n: float) -> float:
        return function(n)

    return call


def _value_row(scalar: Any, precision: Any) -> Any:
    """Compile the loop that replaces net inputs by outputs."""

    def row(pointer: Any, _unused: Any, n: int) -> None:
        numbers = carray(pointer, n)
        for b in range(n):
            numbers[b] = scalar(numbers[b])

    return numba.cfunc(_signature(precision), error_model="numpy")(row)


def _slope_row(scalar: Any, precision: Any) -> Any:
    """Compile the loop that multiplies the gradient by the slope at the net inputs."""

    def row(net: Any, residual: Any, n: int) -> None:
        inputs, gradient = carray(net, n), carray(residual, n)
        for b in range(n):
            gradient[b] *= scalar(inputs[b])

    return numba.cfunc(_signature(precision), error_model="numpy")(row)


def _signature(precision: Any) -> Any:
    return types.void(types.CPointer(precision), types.CPointer(precision), types.intp)
