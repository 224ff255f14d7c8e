"""The output layer of a classifier: scores s = Θ x + b, probabilities o = softmax(s) (S13)."""

from dataclasses import dataclass

import numpy as np

from cnn.affine import AffineLayer
from cnn.arrays import FloatArray
from cnn.loss_kernels import write_softmax


@dataclass(eq=False)
class SoftmaxLayer(AffineLayer):
    """One node per class.

    Its way back starts at the *scores*: softmax and loss together have an exact and simple
    gradient, which the loss gives (`cnn.losses`), so `backpropagate` receives ∂E/∂scores.

    Parameters
    ----------
    n_nodes
        Classes.
    """

    n_nodes: int

    def initialize(self, *, rng: np.random.Generator) -> None:
        """Draw the weights by Glorot's scheme; biases start at 0."""
        self._draw("glorot", rng)

    def scores(self, x: FloatArray) -> FloatArray:
        """Compute the net inputs s = Θ x + b: (inputs, batch) to (nodes, batch)."""
        return self._net_input(x)

    def output(self, x: FloatArray) -> FloatArray:
        """Compute the probabilities softmax(Θ x + b): (inputs, batch) to (nodes, batch)."""
        scores = self._net_input(x)
        probabilities = self._buffer("probabilities", scores.shape)
        write_softmax(scores, probabilities)
        return probabilities

    def residual(self, gradient: FloatArray) -> FloatArray:
        """Return δ = ∂E/∂scores, the gradient given, and fill in the parameters' gradient."""
        self._fill_gradient(gradient)
        return gradient
