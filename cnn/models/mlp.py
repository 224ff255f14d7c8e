"""The multi-layer perceptron: input → hidden layers → output (S2)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cnn.layers.hidden import HiddenLayer
from cnn.layers.layer import Layer
from cnn.layers.output import SoftmaxLayer
from cnn.models.network import Network
from cnn.training.losses import LOSSES


def mlp(
    n_inputs: int,
    hidden: int | Sequence[int],
    n_outputs: int,
    *,
    rng: np.random.Generator,
    activation: str = "tanh",
    loss: str = "cross_entropy",
    dtype: npt.DTypeLike = np.float32,
) -> Network:
    """Build a multi-layer perceptron.

    Parameters
    ----------
    n_inputs
        Number of features of a sample.
    hidden
        Number of nodes of the hidden layer, or of each hidden layer. ``()`` makes a linear model.
    n_outputs
        Number of classes, or of values for a loss on values.
    rng
        Generator of the initial weights.
    activation
        Activation of the hidden layers, a key of `cnn.layers.activations.ACTIVATIONS`.
    loss
        A key of `cnn.training.losses.LOSSES`. With a loss on values the last layer is linear, without softmax.
    dtype
        float32; or float64, for gradient checks.

    Returns
    -------
    Network
        Ready to train.

    Raises
    ------
    TypeError
        If a count is not an integer.
    ValueError
        If a count is below 1, or a setting is unknown.

    Examples
    --------
    >>> print(mlp(2, 3, 2, rng=np.random.default_rng(0)).summary())
       layer         settings  output  parameters  MACs
       input                   2
    1  HiddenLayer   tanh      3                9     6
    2  SoftmaxLayer            2                8     6
       total                                   17    12
    0.1 KiB of float32 parameters
    """
    widths = [hidden] if not isinstance(hidden, Sequence | np.ndarray) else hidden
    layers = [
        *(HiddenLayer(width, activation) for width in widths),
        output_layer(n_outputs, loss),
    ]
    return Network(layers, (n_inputs,), loss, rng=rng, dtype=dtype)


def output_layer(n_outputs: int, loss: str) -> Layer:
    """Return the output layer for a loss. The network refuses an unknown loss."""
    on_values = loss in LOSSES and LOSSES[loss].target_kind == "values"
    return HiddenLayer(n_outputs, "identity") if on_values else SoftmaxLayer(n_outputs)
