"""Ready-made networks."""

import numpy as np
import numpy.typing as npt

from cnn.arrays import Shape
from cnn.convolution import ConvolutionLayer
from cnn.hidden import HiddenLayer
from cnn.layer import Layer
from cnn.losses import LOSSES
from cnn.network import Network
from cnn.output import SoftmaxLayer
from cnn.pooling import PoolingLayer, PoolingMethod
from cnn.rasterization import RasterizationLayer


def small_cnn(
    image_shape: Shape,
    n_outputs: int,
    *,
    rng: np.random.Generator,
    maps: int = 8,
    kernel: int = 3,
    hidden: int = 32,
    activation: str = "tanh",
    pooling: PoolingMethod = "max",
    loss: str = "cross_entropy",
    dtype: npt.DTypeLike = np.float32,
) -> Network:
    """Build a small convolutional network: convolution, pooling, rasterisation, hidden, output.

    Parameters
    ----------
    image_shape
        (rows, columns), or (maps, rows, columns).
    n_outputs
        Classes, or values where the loss is on values.
    rng
        Source of the starting weights.
    maps
        Feature maps of the convolution.
    kernel
        Rows and columns of its kernels.
    hidden
        Nodes of the hidden layer.
    activation
        Of convolution and hidden layer: a key of `cnn.activations.ACTIVATIONS`.
    pooling
        Method of the pooling layer.
    loss
        A key of `cnn.losses.LOSSES`. A loss on values ends in an identity layer, not in softmax.
    dtype
        float32, or float64 for checks.

    Returns
    -------
    Network
        Ready to train.

    Raises
    ------
    ValueError
        Where the inputs are no images, or too small for the kernel, or a setting is unknown.

    Examples
    --------
    >>> print(small_cnn((8, 8), 10, rng=np.random.default_rng(0)).summary())
    layer               output  parameters   MACs
    input               1×8×8
    ConvolutionLayer    8×6×6           80  2,592
    PoolingLayer        8×3×3            0      0
    RasterizationLayer  72               0      0
    HiddenLayer         32           2,336  2,304
    SoftmaxLayer        10             330    320
    total                            2,746  5,216
    """
    if len(image_shape) not in {2, 3}:
        raise ValueError(
            "a convolutional network needs images of shape (rows, columns) or (maps, rows, "
            f"columns), not {image_shape}"
        )
    if min(image_shape[-2:]) < kernel:
        raise ValueError(
            f"images must be at least as large as the {kernel}×{kernel} kernel, not {image_shape}"
        )
    on_values = loss in LOSSES and LOSSES[loss].target_kind == "values"
    last: Layer = HiddenLayer(n_outputs, "identity") if on_values else SoftmaxLayer(n_outputs)
    layers = [
        ConvolutionLayer(maps, kernel, activation),
        PoolingLayer(pooling),
        RasterizationLayer(),
        HiddenLayer(hidden, activation),
        last,
    ]
    return Network(layers, image_shape, loss, rng=rng, dtype=dtype)
