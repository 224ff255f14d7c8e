"""Checks of attribute values in graphs from other programs."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from cnn.checks import brief, is_whole
from evo.genome.genome import FloatArray


def is_finite(value: Any) -> bool:
    """Return whether a value is a finite real number in the range of a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def numbers(
    field: str, values: list[Any], nodes: list[Hashable], dtype: np.dtype[Any]
) -> FloatArray:
    """Return an attribute of nodes as an array; raise ValueError unless all values are finite numbers."""
    for node, value in zip(nodes, values, strict=True):
        if not is_finite(value):
            raise ValueError(
                f"{field} of node {brief(node)} must be a finite number; got {brief(value)}"
            )
    return rounded(field, np.array(values, dtype=np.float64), dtype)


def rounded(field: str, values: FloatArray, dtype: np.dtype[Any]) -> FloatArray:
    """Return finite numbers in a dtype; raise ValueError if one is out of its range."""
    with np.errstate(over="ignore"):
        narrow: FloatArray = values.astype(dtype)
    if not np.isfinite(narrow).all():
        value = values[~np.isfinite(narrow)][0]
        raise ValueError(f"{field} must fit into {dtype}; got {value}")
    return narrow


def integer(field: str, value: Any) -> int:
    """Return the value of a field; raise ValueError unless it is an integer."""
    if not is_whole(value):
        raise ValueError(f"{field} must be an integer; got {brief(value)}")
    return int(value)


def choice(attributes: Mapping[str, Any], field: str, choices: Sequence[str], default: str) -> str:
    """Return an attribute; raise ValueError unless it is one of the choices."""
    value = attributes.get(field, default)
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{field} must be one of {', '.join(choices)}; got {brief(value)}")
    return value
