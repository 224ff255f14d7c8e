"""The output layer of a classifier: scores s = Θ x + b, probabilities o = softmax(s) (S13)."""

from dataclasses import dataclass

import numpy as np

from cnn.arrays import FloatArray, Shape
from cnn.layers.affine import AffineLayer
from cnn.training.loss_kernels import write_softmax


@dataclass(eq=False)
class SoftmaxLayer(AffineLayer):
    """One node per class, and perhaps one class more that has no node.

    Its way back starts at the *scores*: softmax and loss together have an exact and simple
    gradient, which the loss gives (`cnn.training.losses`), so `backpropagate` receives ∂E/∂scores.

    Parameters
    ----------
    n_nodes
        Nodes k, and parameters of k nodes; at least 2, or 1 where there is another class.
    implied_other
        Whether there is a class k, "other", besides the classes 0 … k − 1 of the nodes. Its score
        is 0 whatever the input, so it is what remains: o_k = 1 / (1 + Σ_i exp(s_i)). Scores,
        probabilities and ∂E/∂scores then have k + 1 rows. With one node this is logistic
        regression: o_0 = 1 / (1 + exp(−s_0)) = σ(s_0).
    """

    n_nodes: int
    implied_other: bool = False

    def configure(self, input_shape: Shape) -> None:
        """See `Layer.configure`."""
        super().configure(input_shape)
        if self.n_nodes == 1 and not self.implied_other:
            raise ValueError(
                "one class leaves nothing to decide: SoftmaxLayer needs n_nodes of at least 2, or "
                "implied_other=True"
            )
        self.output_shape = (self.n_nodes + int(self.implied_other),)

    @property
    def settings(self) -> str:
        """Whether there is an implied class."""
        return 'implied "other"' if self.implied_other else ""

    def initialize(self, *, rng: np.random.Generator) -> None:
        """Draw the weights by Glorot's scheme; biases start at 0."""
        self._draw("glorot", rng)

    def scores(self, x: FloatArray) -> FloatArray:
        """Compute the net inputs s = Θ x + b, and 0 for "other": (inputs, batch) to (classes, batch)."""
        return self._net_input(x)

    def output(self, x: FloatArray) -> FloatArray:
        """Compute the probabilities softmax(s): (inputs, batch) to (classes, batch)."""
        scores = self._net_input(x)
        probabilities = self._buffer("probabilities", scores.shape)
        write_softmax(scores, probabilities)
        return probabilities

    def residual(self, gradient: FloatArray) -> FloatArray:
        """Return δ, the rows of ∂E/∂scores that have a node, and fill in the parameters' gradient.

        The score of "other" is constant: what the loss says of it reaches no parameter.
        """
        self._check_gradient(gradient)
        delta = gradient[: self.n_nodes]
        self._fill_gradient(delta)
        return delta
