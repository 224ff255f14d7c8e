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
from cnn.checks import check_generator, float_dtype, layer_sizes_of


class Layer(ABC):
    """Base of all layers: abstract here, final below.

    ``__init__`` stores the settings. `build` fits the layer to an input shape and makes it usable
    by itself; a `cnn.models.network.Network` takes the same three steps (`configure`, `attach`,
    `initialize`) with views of its own vectors. Arrays that a layer returns are its own and hold
    until its next call; arrays that it receives must hold from `output` until `backpropagate`.

    A class of one's own needs `configure`, `output` and `input_gradient`; with parameters also
    `parameter_count`, `initialize` and `residual`. `cnn.layers.registry` has an example, and what saving and
    loading ask for.

    Attributes
    ----------
    input_shape, output_shape
        Shapes of one sample, batch axis left out. Set by `configure`.
    in_network
        Whether a `cnn.models.network.Network` has taken the layer; no other can.
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
        """Fit the layer to an input shape, with parameters of its own; the network it may be in loses it.

        Parameters
        ----------
        input_shape
            Shape of one sample: (maps, rows, columns) or (nodes,).
        rng
            Source of the starting weights: a generator, no bare seed.
        dtype
            float32 or float64.

        Returns
        -------
        Self
            This layer.

        Raises
        ------
        TypeError
            Where a count is no integer, `input_shape` no tuple of such, or `rng` no generator.
        ValueError
            Where a setting or dtype is unknown, or the input shape does not suit the layer.
        """
        check_generator(rng)
        dtype = float_dtype(dtype)
        self.configure(layer_sizes_of("input_shape", input_shape))
        count = self.parameter_count
        self.attach(np.zeros(count, dtype), np.zeros(count, dtype))
        self.initialize(rng=rng)
        return self

    @abstractmethod
    def configure(self, input_shape: Shape) -> None:
        """Check the settings against an input shape, and set `input_shape` and `output_shape`.

        It must not take memory by the size of its settings: those of a file are run through it
        before the shape and the parameters that it reports are checked.

        Raises
        ------
        TypeError
            Where a count is no integer.
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
        self._batch = None

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
            Where `x` has another shape or dtype, or the layer is not built.
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
            Where the gradient does not have the shape and dtype of the last output, or there was
            none.
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
        """Raise ValueError unless x suits the layer, and note its batch: compiled loops do not look."""
        try:
            shape, dtype = self.input_shape, self.parameters.dtype
        except AttributeError:
            raise ValueError(
                f"{type(self).__name__} must be built before `output`: by `build`, or in a Network"
            ) from None
        if x.shape[:-1] != shape:
            raise ValueError(f"x must have the shape {shape} and a batch axis, not {x.shape}")
        if x.dtype is not dtype and x.dtype != dtype:  # at every step: most are one object
            raise ValueError(f"x must be of the parameters' dtype {dtype}, not {x.dtype}")
        self._batch = x.shape[-1]

    def _check_gradient(self, gradient: FloatArray) -> None:
        """Raise ValueError unless a gradient belongs to the output of the batch seen last."""
        if self._batch is None:
            raise ValueError(f"{type(self).__name__} needs `output` before `backpropagate`")
        shape = (*self.output_shape, self._batch)
        if gradient.shape != shape:
            raise ValueError(f"gradient must have the shape {shape}, not {gradient.shape}")
        if gradient.dtype != self.parameters.dtype:
            raise ValueError(
                f"gradient must be of the parameters' dtype {self.parameters.dtype}, not "
                f"{gradient.dtype}"
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
