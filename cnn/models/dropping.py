"""Dropout between the layers of a network: o' = m ∘ o / (1 − p) forward, ∂E/∂o = m ∘ ∂E/∂o' / (1 − p) backward.

The outputs of hidden neurons are dropped: nodes with one output each, of layers with parameters other than the last. So
they are the hidden neurons of the genome that `evo.from_cnn` makes of a network. They have the numbers that they have
there: inputs come first, then the maps and neurons of all layers with parameters.
"""

import math
from collections.abc import Sequence

import numpy as np

from cnn.arrays import FloatArray, Shape
from cnn.dropout import Dropout, node_words
from cnn.layers.layer import Layer


class DroppingLayer(Layer):
    """Drop outputs of neurons.

    Parameters
    ----------
    shape
        Shape of one sample: a number for each neuron.
    first_node
        Number of the first neuron; the others follow.

    Attributes
    ----------
    dropout
        The dropout of the next batch.
    """

    dropout: Dropout

    def __init__(self, shape: Shape, first_node: int) -> None:
        self.configure(shape)
        self._words = node_words(np.arange(first_node, first_node + shape[0]))

    def configure(self, input_shape: Shape) -> None:
        """See `Layer.configure`."""
        self.input_shape = self.output_shape = input_shape

    def output(self, x: FloatArray) -> FloatArray:
        """Return the outputs with some of them dropped; x stays as it is, for the layer that made it reads it again."""
        self._check_input(x)
        self._factors = self.dropout.factors(self._words, x.dtype).reshape(x.shape)
        return self._times_factors("output", x)

    def input_gradient(self, delta: FloatArray) -> FloatArray:
        """Return the gradient by the outputs before some were dropped."""
        self._check_gradient(delta)
        return self._times_factors("input_gradient", delta)

    def _times_factors(self, name: str, x: FloatArray) -> FloatArray:
        out = self._buffer(name, x.shape)
        np.multiply(x, self._factors, out=out)
        return out


def with_dropping(layers: Sequence[Layer], input_shape: Shape) -> tuple[Layer, ...]:
    """Return layers with a `DroppingLayer` after each layer of hidden neurons.

    Parameters
    ----------
    layers
        The configured layers of a network.
    input_shape
        Shape of one sample: (maps, rows, columns) or (features,).
    """
    chain: list[Layer] = []
    # As in a genome, images that are not square have an input for each pixel.
    is_image = len(input_shape) == 3 and input_shape[1] == input_shape[2]
    n_nodes = input_shape[0] if is_image else math.prod(input_shape)
    for layer in layers:
        chain.append(layer)
        if layer.parameter_count:
            shape = layer.output_shape
            if layer is not layers[-1] and math.prod(shape) == shape[0]:
                dropping = DroppingLayer(shape, n_nodes)
                dropping.attach(layer.parameters[:0], layer.gradient[:0])
                chain.append(dropping)
            n_nodes += shape[0]
    return tuple(chain)
