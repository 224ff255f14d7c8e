"""The base class of layers: forward pass and backward pass (S14).

Arrays are batch innermost: images [map, row, column, batch], vectors [node, batch]. Inner loops therefore run along
contiguous memory.

With the net input n of a layer, its output o = φ(n) and the loss E, the backward pass computes

    δ = ∂E/∂n = ∂E/∂o ∘ φ'(n)      in `residual`, with ∂E/∂(parameters)
    ∂E/∂x from δ                   in `input_gradient`
"""

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from cnn.arrays import FloatArray, FloatVector, Shape, aligned_zeros
from cnn.checks import check_generator, float_dtype, sample_shape


class Layer(ABC):
    """Base class of all layers.

    ``__init__`` stores the settings. `build` configures the layer for an input shape and makes it usable without a
    network. A `cnn.models.network.Network` makes the same three steps (`configure`, `attach`, `initialize`) with
    views of its own vectors. An array returned by a layer is valid until the next call. An array given to `output`
    must not change until `backpropagate`.

    A subclass defines `configure`, `output` and `input_gradient`. A subclass with parameters also defines
    `parameter_count`, `initialize` and `residual`. `cnn.layers.registry` has an example.

    Attributes
    ----------
    input_shape, output_shape
        Shapes of one sample, without the batch axis. Set by `configure`.
    in_network
        Whether the layer belongs to a `cnn.models.network.Network`. A layer belongs to one network at most.
    """

    input_shape: Shape
    output_shape: Shape
    in_network: bool = False
    _batch: int | None = None

    def build(
        self,
        input_shape: Shape,
        *,
        rng: np.random.Generator,
        dtype: npt.DTypeLike = np.float32,
    ) -> Self:
        """Configure the layer for an input shape, with its own parameter vector.

        Parameters
        ----------
        input_shape
            Shape of one sample: (maps, rows, columns) or (nodes,).
        rng
            Generator of the initial weights; a seed is not accepted.
        dtype
            float32 or float64.

        Returns
        -------
        Self
            This layer.

        Raises
        ------
        TypeError
            If a count is not an integer, `input_shape` is not a tuple of integers, or `rng` is not a generator.
        ValueError
            If a setting or dtype is unknown, or the input shape does not fit the layer.
        """
        check_generator(rng)
        dtype = float_dtype(dtype)
        self.configure(sample_shape("input_shape", input_shape))
        count = self.parameter_count
        self.attach(aligned_zeros(count, dtype), aligned_zeros(count, dtype))
        self.initialize(rng=rng)
        return self

    @abstractmethod
    def configure(self, input_shape: Shape) -> None:
        """Check the settings for an input shape, and set `input_shape` and `output_shape`.

        The method must not allocate memory in proportion to its settings. Settings from a file are passed to it before
        the shapes and parameter counts are checked.

        Raises
        ------
        TypeError
            If a count is not an integer.
        ValueError
            If a setting is unknown, or the input shape does not fit the layer.
        """

    @property
    def parameter_count(self) -> int:
        """Number of trained parameters."""
        return 0

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample in `output`, without biases and activations."""
        return 0

    @property
    def settings(self) -> str:
        """Settings of the layer for the summary of a network; may be empty."""
        return ""

    def attach(self, parameters: FloatVector, gradient: FloatVector) -> None:
        """Use two vectors of `parameter_count` numbers as parameters and gradient.

        The layer keeps views of both: weights first, then biases, each in C order.
        """
        self.parameters = parameters
        self.gradient = gradient
        self._buffers: dict[str, npt.NDArray[Any]] = {}
        self._batch = None

    def initialize(self, *, rng: np.random.Generator) -> None:
        """Write initial values to the parameters; zeros unless a subclass overrides this."""
        self.parameters[...] = 0.0

    @abstractmethod
    def output(self, x: FloatArray) -> FloatArray:
        """Compute the layer's output.

        Parameters
        ----------
        x
            Shape (*input_shape, batch), contiguous, with the dtype of the parameters.

        Returns
        -------
        FloatArray
            Shape (*output_shape, batch).

        Raises
        ------
        ValueError
            If `x` has another shape or dtype, or the layer is not built.
        """

    def scores(self, x: FloatArray) -> FloatArray:
        """Compute the argument of the loss: the output, or for a softmax layer the net input."""
        return self.output(x)

    def backpropagate(self, gradient: FloatArray) -> FloatArray:
        """Propagate the loss gradient backward through the layer, for the last batch of `output`.

        Parameters
        ----------
        gradient
            ∂E/∂output, or ∂E/∂scores for a softmax layer, shape (*output_shape, batch).

        Returns
        -------
        FloatArray
            ∂E/∂x, shape (*input_shape, batch). The layer's `gradient` vector is overwritten with ∂E/∂(parameters).

        Raises
        ------
        ValueError
            If the gradient differs in shape or dtype from the last output, or `output` was not called.
        """
        return self.input_gradient(self.residual(gradient))

    def residual(self, gradient: FloatArray) -> FloatArray:
        """Return δ = ∂E/∂(net input), and compute ∂E/∂(parameters). The first layer needs no more.

        Parameters
        ----------
        gradient
            As for `backpropagate`.
        """
        return gradient

    @abstractmethod
    def input_gradient(self, delta: FloatArray) -> FloatArray:
        """Return ∂E/∂x from the result of `residual`."""

    def _buffer(
        self, name: str, shape: Shape, dtype: npt.DTypeLike | None = None
    ) -> npt.NDArray[Any]:
        """Return the buffer of a name; a new buffer of zeros if its shape has changed."""
        buffer = self._buffers.get(name)
        if buffer is None or buffer.shape != shape:
            buffer = aligned_zeros(shape, self.parameters.dtype if dtype is None else dtype)
            self._buffers[name] = buffer
        return buffer

    def _check_input(self, x: FloatArray) -> None:
        """Raise ValueError unless x fits the layer, and store the batch size. Kernels do not check."""
        try:
            shape, dtype = self.input_shape, self.parameters.dtype
        except AttributeError:
            raise ValueError(
                f"{type(self).__name__} must be built before `output`: by `build`, or in a Network"
            ) from None
        if x.shape[:-1] != shape:
            raise ValueError(f"x must have the shape {shape} and a batch axis; got {x.shape}")
        if x.dtype is not dtype and x.dtype != dtype:  # at every step: most are one object
            raise ValueError(f"x must be of the parameters' dtype {dtype}; got {x.dtype}")
        self._batch = x.shape[-1]

    def _check_gradient(self, gradient: FloatArray) -> None:
        """Raise ValueError unless a gradient has the shape and dtype of the last output."""
        if self._batch is None:
            raise ValueError(f"{type(self).__name__} must run `output` before `backpropagate`")
        shape = (*self.output_shape, self._batch)
        if gradient.shape != shape:
            raise ValueError(f"gradient must have the shape {shape}; got {gradient.shape}")
        if gradient.dtype != self.parameters.dtype:
            raise ValueError(
                f"gradient must be of the parameters' dtype {self.parameters.dtype}; got "
                f"{gradient.dtype}"
            )


def check_image(layer: str, input_shape: Shape) -> None:
    """Raise ValueError unless the shape is that of an image.

    Parameters
    ----------
    layer
        Name of the layer in error messages.
    input_shape
        Must be (maps, rows, columns), each at least 1.
    """
    if len(input_shape) != 3 or min(input_shape) < 1:
        raise ValueError(
            f"input of a {layer} must be images (maps, rows, columns); got shape {input_shape}"
        )
