"""The hidden layer of a perceptron: o = φ(Θ x + b); backward δ = ∂E/∂o ∘ φ'(n) (S2, S3)."""

from dataclasses import dataclass

import numpy as np

from cnn.arrays import FloatArray, Shape
from cnn.layers.activations import find_activation
from cnn.layers.affine import AffineLayer


@dataclass(eq=False)
class HiddenLayer(AffineLayer):
    """A fully connected layer with an activation.

    Parameters
    ----------
    n_nodes
        Nodes of the layer.
    activation
        A key of `cnn.layers.activations.ACTIVATIONS`. Use ``"identity"`` for the output layer of a regression.
    """

    n_nodes: int
    activation: str = "tanh"

    def configure(self, input_shape: Shape) -> None:
        """See `Layer.configure`."""
        super().configure(input_shape)
        self._activation = find_activation(self.activation)

    @property
    def settings(self) -> str:
        """The activation."""
        return self.activation

    def initialize(self, *, rng: np.random.Generator) -> None:
        """Draw the weights by the scheme of the activation. Biases start at 0."""
        self._draw(self._activation.initialization, rng)

    def output(self, x: FloatArray) -> FloatArray:
        """Compute o = φ(Θ x + b), shape (nodes, batch), from x of shape (inputs, batch)."""
        n = self._net_input(x)
        self._activation.apply(n.reshape(-1))
        self._output = n
        return n

    def residual(self, gradient: FloatArray) -> FloatArray:
        """Return δ = ∂E/∂o ∘ φ'(n), and compute the gradient of the parameters."""
        self._check_gradient(gradient)
        delta = self._buffer("delta", self._output.shape)
        self._activation.chain(gradient.reshape(-1), self._output.reshape(-1), delta.reshape(-1))
        self._fill_gradient(delta)
        return delta
