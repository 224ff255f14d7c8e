"""The activations a node may have: one registry, whose order gives the codes used in node tables and kernels.

What a derivative is written in decides what the forward pass must leave behind: the *output* o = φ(n), as the seed
document has it (S4), or the *net input* n, which costs a row of memory more. The compiled twins of the functions here
stand in :mod:`evo.phenotype.kernels.activation_kernels`; a test holds them together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Values = NDArray[np.floating[Any]]

LEAK = 0.01
"""Slope of ``leaky_relu`` left of zero."""


@dataclass(frozen=True)
class Activation:
    """A registry entry.

    Attributes
    ----------
    value : callable
        φ, of an array of net inputs.
    slope : callable
        φ′, of net inputs and outputs; what training goes by, where φ has no derivative.
    needs_net_input : bool
        Whether the slope is written in the net input.
    """

    value: Callable[[Values], Values]
    slope: Callable[[Values, Values], Values]
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
    # The document's sign (S1). Its derivative is 0 almost everywhere: training goes by that of the identity cut off
    # at ±1 (the straight-through estimator of Hubara et al. 2016).
    "sign": Activation(
        lambda n: np.where(n >= 0, 1, -1).astype(n.dtype),
        lambda n, o: (np.abs(n) <= 1).astype(o.dtype),
        needs_net_input=True,
    ),
}

ACTIVATIONS: tuple[str, ...] = tuple(REGISTRY)
"""Names by code: ``ACTIVATIONS[code]``."""

NEEDS_NET_INPUT: NDArray[np.bool_] = np.array([one.needs_net_input for one in REGISTRY.values()])
"""By code, whether the backward pass needs the net input."""


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
