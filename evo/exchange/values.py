"""What the value of an attribute of a graph may be: numbers that others have written, checked one by one."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from evo.genome.genome import FloatArray


def is_finite(value: Any) -> bool:
    """Tell whether a value is a real number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def numbers(
    field: str, values: list[Any], nodes: list[Hashable], dtype: np.dtype[Any]
) -> FloatArray:
    """Return an attribute of nodes as an array, each number checked."""
    for node, value in zip(nodes, values, strict=True):
        if not is_finite(value):
            raise ValueError(f"{field} of node {node!r} must be a finite number; got {value!r}")
    return rounded(field, np.array(values, dtype=np.float64), dtype)


def rounded(field: str, values: FloatArray, dtype: np.dtype[Any]) -> FloatArray:
    """Return finite numbers in a dtype that holds them."""
    with np.errstate(over="ignore"):
        narrow: FloatArray = values.astype(dtype)
    if not np.isfinite(narrow).all():
        value = values[~np.isfinite(narrow)][0]
        raise ValueError(f"{field} must fit into {dtype}; got {value}")
    return narrow


def is_integer(value: Any) -> bool:
    """Tell whether a value is an integer; a bool is none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def integer(field: str, value: Any) -> int:
    """Return an integer, checked."""
    if not is_integer(value):
        raise ValueError(f"{field} must be an integer; got {value!r}")
    return int(value)


def choice(attributes: Mapping[str, Any], field: str, choices: Sequence[str], default: str) -> str:
    """Return an attribute that is one of some words."""
    value = attributes.get(field, default)
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{field} must be one of {', '.join(choices)}; got {value!r}")
    return value
