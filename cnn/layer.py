"""What every layer is: an output, and the way back of a gradient through it (S14).

Arrays are batch innermost: images [map, row, column, batch], vectors [node, batch]. So every inner
loop runs along contiguous memory, and a layer is the same loop for one sample or for hundreds.

With n the net input of a layer, o = φ(n) its output and E the loss, a layer's way back is

    δ = ∂E/∂n = ∂E/∂o ∘ φ'(n)      `residual`, which also fills ∂E/∂(parameters) in
    ∂E/∂x from δ                   `input_gradient`
"""

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from cnn.arrays import FloatArray, FloatVector, Shape


class Layer(ABC):
    """Base of all layers: abstract here, final below.

    ``__init__`` stores the settings. `build` fits the layer to an input shape and makes it usable
    by itself; a `cnn.network.Network` takes the same three steps (`configure`, `attach`,
    `initialize`) with views of its own vectors. Arrays that a layer returns are its own and hold
    until its next call; arrays that it receives must hold from `output` until `backpropagate`.

    Attributes
    ----------
    input_shape, output_shape
        Shapes of one sample, batch axis left out. Set by `configure`.
    """

    input_shape: Shape
    output_shape: Shape

    def build(
        self,
        input_shape: Shape,
        *,
        rng: np.random.Generator,
        dtype: npt.DTypeLike = np.float32,
    ) -> Self:
        """Fit the layer to an input shape, with parameters of its own.

        Parameters
        ----------
        input_shape
            Shape of one sample: (maps, rows, columns) or (nodes,).
        rng
            Source of the starting weights.
        dtype
            float32 or float64.

        Returns
        -------
        Self
            This layer.

        Raises
        ------
        ValueError
            Where a setting is unknown, or the input shape does not suit the layer.
        """
        self.configure(input_shape)
        count = self.parameter_count
        self.attach(np.zeros(count, dtype), np.zeros(count, dtype))
        self.initialize(rng=rng)
        return self

    @abstractmethod
    def configure(self, input_shape: Shape) -> None:
        """Check the settings against an input shape, and set `input_shape` and `output_shape`.

        Raises
        ------
        ValueError
            Where a setting is unknown, or the input shape does not suit the layer.
        """

    @property
    def parameter_count(self) -> int:
        """Numbers that training changes."""
        return 0

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample in `output`; biases and activations not counted."""
        return 0

    @property
    def settings(self) -> str:
        """What a summary says of the layer beside its name and shape; empty if nothing."""
        return ""

    def attach(self, parameters: FloatVector, gradient: FloatVector) -> None:
        """Take two vectors of `parameter_count` numbers to be the parameters and their gradient.

        Views are kept, not copies: weights first, then biases, each in C order.
        """
        self.parameters = parameters
        self.gradient = gradient
        self._buffers: dict[str, npt.NDArray[Any]] = {}

    def initialize(self, *, rng: np.random.Generator) -> None:
        """Write starting values to the parameters: zeros, where a layer knows nothing better."""
        self.parameters[...] = 0.0

    @abstractmethod
    def output(self, x: FloatArray) -> FloatArray:
        """Compute the layer's output.

        Parameters
        ----------
        x
            Shape (*input_shape, batch), contiguous, of the parameters' dtype.

        Returns
        -------
        FloatArray
            Shape (*output_shape, batch).

        Raises
        ------
        ValueError
            Where `x` has another shape.
        """

    def scores(self, x: FloatArray) -> FloatArray:
        """Compute what a loss is measured on: the output, but for a softmax layer its net input."""
        return self.output(x)

    def backpropagate(self, gradient: FloatArray) -> FloatArray:
        """Take the loss gradient back through the layer, for the batch that `output` saw last.

        Parameters
        ----------
        gradient
            ∂E/∂output - for a softmax layer ∂E/∂scores - of shape (*output_shape, batch).

        Returns
        -------
        FloatArray
            ∂E/∂x, shape (*input_shape, batch). The layer's `gradient` vector holds
            ∂E/∂(parameters) afterwards: overwritten, not added to.

        Raises
        ------
        ValueError
            Where the gradient does not have the shape of the last output.
        """
        return self.input_gradient(self.residual(gradient))

    def residual(self, gradient: FloatArray) -> FloatArray:
        """Return δ = ∂E/∂(net input), and fill in ∂E/∂(parameters): all the first layer has to do.

        Parameters
        ----------
        gradient
            As for `backpropagate`.
        """
        return gradient

    @abstractmethod
    def input_gradient(self, delta: FloatArray) -> FloatArray:
        """Return ∂E/∂x from what `residual` returned."""

    def _buffer(
        self, name: str, shape: Shape, dtype: npt.DTypeLike | None = None
    ) -> npt.NDArray[Any]:
        """Return the buffer of that name, anew and zero where its shape has changed."""
        buffer = self._buffers.get(name)
        if buffer is None or buffer.shape != shape:
            buffer = np.zeros(shape, self.parameters.dtype if dtype is None else dtype)
            self._buffers[name] = buffer
        return buffer

    def _check_input(self, x: FloatArray) -> None:
        """Raise ValueError unless x has the layer's input shape: compiled loops do not look."""
        if x.shape[:-1] != self.input_shape:
            raise ValueError(
                f"x must have the shape {self.input_shape} and a batch axis, not {x.shape}"
            )

    def _check_gradient(self, gradient: FloatArray, batch: int) -> None:
        """Raise ValueError unless a gradient belongs to the output of the batch seen last."""
        if gradient.shape != (*self.output_shape, batch):
            raise ValueError(
                f"gradient must have the shape {(*self.output_shape, batch)}, not {gradient.shape}"
            )


def check_image(layer: str, input_shape: Shape) -> None:
    """Raise ValueError unless the shape is that of an image.

    Parameters
    ----------
    layer
        Name for the message.
    input_shape
        Must be (maps, rows, columns), each at least 1.
    """
    if len(input_shape) != 3 or min(input_shape) < 1:
        raise ValueError(f"{layer} needs images (maps, rows, columns), not the shape {input_shape}")
