"""The output layer of a classifier: scores s = Θ x + b, o = softmax(s); backward starts at ∂E/∂s = o − t (S13)."""

from dataclasses import dataclass

import numpy as np

from cnn.arrays import FloatArray, Shape
from cnn.layers.affine import AffineLayer
from cnn.training.loss_kernels import write_softmax


@dataclass(eq=False)
class SoftmaxLayer(AffineLayer):
    """One node per class, optionally with a further class without a node.

    The backward pass starts at the *scores*: `backpropagate` receives ∂E/∂scores. The loss computes this gradient
    (`cnn.training.losses`), because softmax and loss together have an exact and simple gradient.

    Parameters
    ----------
    n_nodes
        Number of nodes k, at least 2; at least 1 with `implied_other`.
    implied_other
        Whether there is a further class k, "other", beside the classes 0 … k − 1 of the nodes. Its score is always 0,
        so its probability is o_k = 1 / (1 + Σ_i exp(s_i)). Scores, probabilities and ∂E/∂scores then have k + 1 rows.
        With one node this is logistic regression: o_0 = 1 / (1 + exp(−s_0)) = σ(s_0).
    """

    n_nodes: int
    implied_other: bool = False

    def configure(self, input_shape: Shape) -> None:
        """See `Layer.configure`."""
        super().configure(input_shape)
        if self.n_nodes == 1 and not self.implied_other:
            raise ValueError(
                "n_nodes of a SoftmaxLayer must be at least 2 unless implied_other is True; got 1"
            )
        self.output_shape = (self.n_nodes + int(self.implied_other),)

    @property
    def settings(self) -> str:
        """Whether there is an implied class."""
        return 'implied "other"' if self.implied_other else ""

    def initialize(self, *, rng: np.random.Generator) -> None:
        """Draw the weights by Glorot's scheme. Biases start at 0."""
        self._draw("glorot", rng)

    def scores(self, x: FloatArray) -> FloatArray:
        """Compute the net inputs s = Θ x + b, and 0 for "other"; shape (classes, batch)."""
        return self._net_input(x)

    def output(self, x: FloatArray) -> FloatArray:
        """Compute the probabilities softmax(s), shape (classes, batch)."""
        scores = self._net_input(x)
        probabilities = self._buffer("probabilities", scores.shape)
        write_softmax(scores, probabilities)
        return probabilities

    def residual(self, gradient: FloatArray) -> FloatArray:
        """Return δ, the rows of ∂E/∂scores of the nodes, and compute the gradient of the parameters.

        The score of "other" is constant, so its row has no effect on the parameters.
        """
        self._check_gradient(gradient)
        delta = gradient[: self.n_nodes]
        self._fill_gradient(delta)
        return delta
