"""Rasterization: the pixels of all maps as one vector, map after map; backward the inverse (S11)."""

import math
from dataclasses import dataclass

from cnn.arrays import FloatArray, Shape
from cnn.layers.layer import Layer, check_image


@dataclass(eq=False)
class RasterizationLayer(Layer):
    """Reshape maps to a vector.

    Pixel (row, column) of a map becomes node (map · rows + row) · columns + column. Forward and backward pass are
    reshaped views.
    """

    def configure(self, input_shape: Shape) -> None:
        """See `Layer.configure`."""
        check_image("RasterizationLayer", input_shape)
        self.input_shape, self.output_shape = input_shape, (math.prod(input_shape),)

    def output(self, x: FloatArray) -> FloatArray:
        """Reshape (maps, rows, columns, batch) to (maps · rows · columns, batch)."""
        self._check_input(x)
        return x.reshape(*self.output_shape, x.shape[-1])

    def residual(self, gradient: FloatArray) -> FloatArray:
        """Return the gradient unchanged; there are no parameters."""
        self._check_gradient(gradient)
        return gradient

    def input_gradient(self, delta: FloatArray) -> FloatArray:
        """Reshape (maps · rows · columns, batch) to (maps, rows, columns, batch)."""
        return delta.reshape(*self.input_shape, delta.shape[-1])
