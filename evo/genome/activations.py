"""The activation functions of nodes. Their order in the registry gives the codes in node tables and kernels.

A derivative is written in the *output* o = φ(n), as in the seed document (S4), or in the *net input* n, which
costs one more row of memory in the forward pass. The compiled functions are in
:mod:`evo.phenotype.kernels.activation_kernels`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Values = NDArray[np.floating[Any]]

LEAK = 0.01
"""Slope of ``leaky_relu`` below zero."""


@dataclass(frozen=True)
class Activation:
    """An activation function and its derivative.

    Attributes
    ----------
    function : callable
        φ of an array of net inputs.
    derivative : callable
        φ′ of net inputs and outputs, or the substitute that training uses where φ has no useful derivative.
    needs_net_input : bool
        Whether the derivative reads the net input.
    """

    function: Callable[[Values], Values]
    derivative: Callable[[Values, Values], Values]
    needs_net_input: bool = False


REGISTRY: Mapping[str, Activation] = {
    "identity": Activation(lambda n: n, lambda n, o: np.ones_like(o)),
    "sigmoid": Activation(special.expit, lambda n, o: o * (1 - o)),
    "tanh": Activation(np.tanh, lambda n, o: 1 - o * o),
    "relu": Activation(lambda n: np.maximum(n, 0), lambda n, o: (o > 0).astype(o.dtype)),
    "leaky_relu": Activation(
        lambda n: np.maximum(n, LEAK * n), lambda n, o: np.where(o > 0, 1, LEAK).astype(o.dtype)
    ),
    # n·Φ(n) with the normal distribution Φ (Hendrycks and Gimpel 2016)
    "gelu": Activation(
        lambda n: n * special.ndtr(n),
        lambda n, o: special.ndtr(n) + n * np.exp(-0.5 * n * n) / np.sqrt(2 * np.pi),
        needs_net_input=True,
    ),
    "sine": Activation(np.sin, lambda n, o: np.cos(n), needs_net_input=True),
    "gaussian": Activation(lambda n: np.exp(-n * n), lambda n, o: -2 * n * o, needs_net_input=True),
    # The document's sign (S1). Its derivative is 0 almost everywhere. Training uses the derivative of the identity
    # clipped at ±1 instead (the straight-through estimator of Hubara et al. 2016).
    "sign": Activation(
        lambda n: np.where(n >= 0, 1, -1).astype(n.dtype),
        lambda n, o: (np.abs(n) <= 1).astype(o.dtype),
        needs_net_input=True,
    ),
}

ACTIVATIONS: tuple[str, ...] = tuple(REGISTRY)
"""The names in the order of their codes: ``ACTIVATIONS[code]``."""

NEEDS_NET_INPUT: NDArray[np.bool_] = np.array([one.needs_net_input for one in REGISTRY.values()])
"""For each code, whether the backward pass needs the net input."""


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
