"""Activations of the layers: φ, and the chain rule back through it, a compiled pass each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cnn.arrays import FloatVector
from cnn.layers.kernels import activation_kernels


@dataclass(frozen=True)
class Activation:
    """One activation.

    Attributes
    ----------
    name
        Its key in `ACTIVATIONS`.
    apply
        ``apply(n)`` replaces the net inputs n, a flat vector, by the outputs o = φ(n), in place.
    chain
        ``chain(gradient, o, out)`` writes gradient ∘ φ'(n) to `out`; flat vectors. `out` may be
        `gradient` itself.
    initialization
        The scheme that suits it: see `cnn.layers.initial`.
    """

    name: str
    apply: Callable[[FloatVector], None]
    chain: Callable[[FloatVector, FloatVector, FloatVector], None]
    initialization: Literal["glorot", "he"]


def _identity(n: FloatVector) -> None:
    """Leave n as it is."""


def _identity_chain(gradient: FloatVector, o: FloatVector, out: FloatVector) -> None:
    """Write the gradient: φ'(n) = 1."""
    out[:] = gradient


ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        Activation("identity", _identity, _identity_chain, "glorot"),
        Activation(
            "sigmoid", activation_kernels.sigmoid_apply, activation_kernels.sigmoid_chain, "glorot"
        ),
        Activation("tanh", activation_kernels.tanh_apply, activation_kernels.tanh_chain, "glorot"),
        Activation("relu", activation_kernels.relu_apply, activation_kernels.relu_chain, "he"),
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
