"""Activations: o = φ(n) forward, ∂E/∂n = ∂E/∂o ∘ φ'(n) backward, one compiled pass each."""

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
        Key in `ACTIVATIONS`.
    apply
        ``apply(n)`` replaces the net inputs n, a flat vector, by the outputs o = φ(n), in place.
    chain
        ``chain(gradient, o, out)`` writes gradient ∘ φ'(n) to `out`. All are flat vectors. `out` may be `gradient`.
    initialization
        Scheme of the initial weights: see `cnn.layers.initial`.
    """

    name: str
    apply: Callable[[FloatVector], None]
    chain: Callable[[FloatVector, FloatVector, FloatVector], None]
    initialization: Literal["glorot", "he"]


def _identity(n: FloatVector) -> None:
    """Do nothing: φ(n) = n."""


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
"""All activations of layers, by name."""


def find_activation(name: str) -> Activation:
    """Return the activation of a name; raise ValueError if there is none."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}; got {name!r}")
    return ACTIVATIONS[name]
