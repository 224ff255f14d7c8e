"""Activations of the layers: φ on a whole block, and the chain rule back through it.

NumPy computes φ on whole blocks with vector instructions; the way back is one compiled pass.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cnn import kernels
from cnn.arrays import FloatArray, FloatVector


@dataclass(frozen=True)
class Activation:
    """One activation.

    Attributes
    ----------
    name
        Its key in `ACTIVATIONS`.
    apply
        ``apply(n)`` replaces the net inputs n, any shape, by the outputs o = φ(n), in place.
    chain
        ``chain(gradient, o, out)`` writes gradient ∘ φ'(n) to `out`; flat vectors. `out` may be
        `gradient` itself.
    initialization
        The scheme that suits it: see `cnn.initial`.
    """

    name: str
    apply: Callable[[FloatArray], None]
    chain: Callable[[FloatVector, FloatVector, FloatVector], None]
    initialization: Literal["glorot", "he"]


def _identity(n: FloatArray) -> None:
    """Leave n as it is."""


def _sigmoid(n: FloatArray) -> None:
    """Apply o = ½ (1 + tanh(n/2)) in place."""
    n *= 0.5
    np.tanh(n, out=n)
    n += 1.0
    n *= 0.5


def _tanh(n: FloatArray) -> None:
    """Apply o = tanh n in place."""
    np.tanh(n, out=n)


def _relu(n: FloatArray) -> None:
    """Apply o = max(n, 0) in place."""
    np.maximum(n, 0, out=n)


def _identity_chain(gradient: FloatVector, o: FloatVector, out: FloatVector) -> None:
    """Write the gradient: φ'(n) = 1."""
    out[:] = gradient


ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        Activation("identity", _identity, _identity_chain, "glorot"),
        Activation("sigmoid", _sigmoid, kernels.sigmoid_chain, "glorot"),
        Activation("tanh", _tanh, kernels.tanh_chain, "glorot"),
        Activation("relu", _relu, kernels.relu_chain, "he"),
    )
}
"""Every activation that a layer may have, by name."""


def find_activation(name: str) -> Activation:
    """Look an activation up.

    Parameters
    ----------
    name
        A key of `ACTIVATIONS`.

    Returns
    -------
    Activation
        The entry.

    Raises
    ------
    ValueError
        Where there is none of that name.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, not {name!r}")
    return ACTIVATIONS[name]
