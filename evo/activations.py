"""The activations a node may have: one registry, whose order gives the codes used in node tables and kernels.

Each φ is differentiated through its own *output* o = φ(n), as the seed document does (S4), so that the backward
pass needs nothing but what the forward pass left behind. The compiled code that applies them is
:func:`evo.kernels.activate` and :func:`evo.kernels.multiply_by_slope`.
"""

import numpy as np
from numpy.typing import NDArray

ACTIVATIONS: tuple[str, ...] = ("identity", "sigmoid", "tanh", "relu", "leaky_relu")
"""Names by code: ``ACTIVATIONS[code]``."""

LEAK = 0.01
"""Slope of ``leaky_relu`` left of zero."""


def activation_code(name: str) -> int:
    """Return the code of an activation.

    Raises
    ------
    ValueError
        If the name is not registered; the message lists those that are.

    Examples
    --------
    >>> activation_code("tanh")
    2
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}; got {name!r}")
    return ACTIVATIONS.index(name)


def activation_codes(names: str | list[str] | tuple[str, ...], n_nodes: int) -> NDArray[np.uint8]:
    """Return one code per node from one name for all, or one name each."""
    if isinstance(names, str):
        return np.full(n_nodes, activation_code(names), dtype=np.uint8)
    if len(names) != n_nodes:
        raise ValueError(f"activations must name one per node ({n_nodes}); got {len(names)}")
    return np.array([activation_code(name) for name in names], dtype=np.uint8)
