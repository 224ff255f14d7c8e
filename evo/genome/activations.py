"""The names of the activation functions of nodes. Their order gives the codes in node tables, files and kernels.

The functions and their derivatives are compiled: :mod:`evo.phenotype.kernels.activation_kernels`. A derivative is
written in the *output* o = φ(n), as in the seed document (S4), or in the *net input* n, which costs one more row of
memory in the forward pass. ``sign`` (S1) has a derivative of 0 almost everywhere; training uses the derivative of the
identity clipped at ±1 instead (the straight-through estimator of Hubara et al. 2016). ``gelu`` is n·Φ(n) with the
normal distribution Φ (Hendrycks and Gimpel 2016).
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

LEAK = 0.01
"""Slope of ``leaky_relu`` below zero."""

ActivationName = Literal[
    "identity", "sigmoid", "tanh", "relu", "leaky_relu", "gelu", "sine", "gaussian", "sign"
]

ACTIVATIONS: tuple[str, ...] = get_args(ActivationName)
"""The names in the order of their codes: ``ACTIVATIONS[code]``."""

NEEDS_NET_INPUT: NDArray[np.bool_] = np.isin(ACTIVATIONS, ("gelu", "sine", "gaussian", "sign"))
"""For each code, whether the derivative reads the net input."""


def activation_code(name: str) -> int:
    """Return the code of an activation.

    Raises
    ------
    ValueError
        If the name is not registered. The message lists the registered names.

    Examples
    --------
    >>> activation_code("tanh")
    2
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}; got {name!r}")
    return ACTIVATIONS.index(name)


def activation_codes(names: str | list[str] | tuple[str, ...], n_nodes: int) -> NDArray[np.uint8]:
    """Return the code of each node, given one name for all nodes or one name per node."""
    if isinstance(names, str):
        return np.full(n_nodes, activation_code(names), dtype=np.uint8)
    if len(names) != n_nodes:
        raise ValueError(
            f"activation must be one name or {n_nodes} names, one per node; got {len(names)}"
        )
    return np.array([activation_code(name) for name in names], dtype=np.uint8)
