"""The hidden layer of a perceptron: o = φ(Θ x + b) (S2, S3)."""

from dataclasses import dataclass

import numpy as np

from cnn.arrays import FloatArray, Shape
from cnn.layers.activations import find_activation
from cnn.layers.affine import AffineLayer


@dataclass(eq=False)
class HiddenLayer(AffineLayer):
    """Every input to every node, then an activation.

    Parameters
    ----------
    n_nodes
        Nodes of the layer.
    activation
        A key of `cnn.layers.activations.ACTIVATIONS`. ``"identity"`` makes the output layer of a
        regression.
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
        """Draw the weights by the scheme that suits the activation; biases start at 0."""
        self._draw(self._activation.initialization, rng)

    def output(self, x: FloatArray) -> FloatArray:
        """Compute o = φ(Θ x + b): (inputs, batch) to (nodes, batch)."""
        n = self._net_input(x)
        self._activation.apply(n.reshape(-1))
        self._output = n
        return n

    def residual(self, gradient: FloatArray) -> FloatArray:
        """Return δ = ∂E/∂o ∘ φ'(n), and fill in the parameters' gradient."""
        self._check_gradient(gradient)
        delta = self._buffer("delta", self._output.shape)
        self._activation.chain(gradient.reshape(-1), self._output.reshape(-1), delta.reshape(-1))
        self._fill_gradient(delta)
        return delta
