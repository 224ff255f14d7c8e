"""The affine map of hidden and softmax layers: n = Θ x + b; backward ∂E/∂x = Θᵀ δ, ∂E/∂Θ = δ xᵀ (S2, S3)."""

from typing import Literal

import numpy as np

from cnn.arrays import FloatArray, FloatVector, Shape
from cnn.checks import whole_number
from cnn.compile.product_kernels import write_product, write_transpose
from cnn.compile.vector_kernels import sum_rows
from cnn.layers.initial import initial_weights
from cnn.layers.kernels import activation_kernels
from cnn.layers.layer import Layer


class AffineLayer(Layer):
    """Base class of fully connected layers.

    Attributes
    ----------
    n_nodes
        Nodes of the layer.
    """

    n_nodes: int

    def configure(self, input_shape: Shape) -> None:
        """See `Layer.configure`."""
        self.n_nodes = whole_number("n_nodes", self.n_nodes, 1)
        if len(input_shape) != 1 or input_shape[0] < 1:
            raise ValueError(
                f"input of a {type(self).__name__} must be vectors (nodes,), such as a "
                f"RasterizationLayer makes of images; got shape {input_shape}"
            )
        self.input_shape, self.output_shape = input_shape, (self.n_nodes,)

    @property
    def parameter_count(self) -> int:
        """Weights and biases: nodes · (inputs + 1)."""
        return self.n_nodes * (self.input_shape[0] + 1)

    @property
    def macs(self) -> int:
        """One per weight."""
        return self.n_nodes * self.input_shape[0]

    def attach(self, parameters: FloatVector, gradient: FloatVector) -> None:
        """See `Layer.attach`: Θ (nodes, inputs), then b (nodes,)."""
        super().attach(parameters, gradient)
        shape = (self.n_nodes, self.input_shape[0])
        self.weights = parameters[: self.macs].reshape(shape)
        self.bias = parameters[self.macs :]
        self._weights_gradient = gradient[: self.macs].reshape(shape)
        self._bias_gradient = gradient[self.macs :]

    def _draw(self, scheme: Literal["glorot", "he"], rng: np.random.Generator) -> None:
        """Draw the weights; biases start at 0."""
        n_inputs = self.input_shape[0]
        self.weights[...] = initial_weights(
            self.weights.shape, n_inputs, self.n_nodes, scheme, rng=rng
        )
        self.bias[...] = 0.0

    def _net_input(self, x: FloatArray) -> FloatArray:
        """Compute n = Θ x + b, shape (nodes, batch). Outputs beyond the nodes stay 0."""
        self._check_input(x)
        n = self._buffer("net_input", (*self.output_shape, x.shape[1]))
        of_nodes = n[: self.n_nodes]
        write_product(
            self.weights.reshape(-1), x.shape[0], 1, x.reshape(-1), of_nodes.reshape(-1),
            self.n_nodes, *x.shape,
        )  # fmt: skip
        activation_kernels.add_bias(of_nodes, self.bias)
        self._x = x
        return n

    def _fill_gradient(self, delta: FloatArray) -> None:
        """Compute the gradient of the parameters from δ, shape (nodes, batch) (S3)."""
        n_inputs, batch = self._x.shape
        transposed = self._buffer("transposed_input", (batch, n_inputs))
        write_transpose(self._x.reshape(-1), transposed.reshape(-1), n_inputs, batch)
        write_product(  # ∂E/∂Θ = δ xᵀ
            delta.reshape(-1), batch, 1, transposed.reshape(-1),
            self._weights_gradient.reshape(-1), self.n_nodes, batch, n_inputs,
        )  # fmt: skip
        sum_rows(delta, self._bias_gradient)  # ∂E/∂b = Σ_batch δ

    def input_gradient(self, delta: FloatArray) -> FloatArray:
        """Return ∂E/∂x = Θᵀ δ, shape (inputs, batch) (S3)."""
        out = self._buffer("input_gradient", (self.input_shape[0], delta.shape[1]))
        n_inputs, batch = out.shape
        write_product(
            self.weights.reshape(-1), 1, n_inputs, delta.reshape(-1), out.reshape(-1), n_inputs,
            self.n_nodes, batch,
        )  # fmt: skip
        return out
