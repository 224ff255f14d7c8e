"""Ready-made convolutional networks: a small one, LeNet-1 and LeNet-5."""

import numpy as np
import numpy.typing as npt

from cnn.arrays import Shape
from cnn.checks import at_least, sample_shape
from cnn.layers.connections import Connections
from cnn.layers.convolution import ConvolutionLayer
from cnn.layers.hidden import HiddenLayer
from cnn.layers.pooling import PoolingLayer, PoolingMethod
from cnn.layers.rasterization import RasterizationLayer
from cnn.models.mlp import output_layer
from cnn.models.network import Network

LECUN_C3: tuple[tuple[int, ...], ...] = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)
"""Input maps (S2) of each of the 16 maps of layer C3 in LeNet-5: 60 connections (LeCun et al. 1998, table I). As
`connections` of a `ConvolutionLayer` with 5×5 kernels they give 1,516 instead of 2,416 parameters (S8)."""

LECUN_H3: tuple[tuple[int, ...], ...] = (
    *((0,), (0, 1), (0, 1), (1,), (0, 1), (0, 1)),
    *((2,), (2, 3), (2, 3), (3,), (2, 3), (2, 3)),
)
"""Input maps (H2) of each of the 12 maps of layer H3 in LeNet-1: two separate modules, 20 connections (LeCun et al.
1990, table 1). The order of maps within a module has no effect."""


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
    """Build a small convolutional network: convolution, pooling, rasterization, hidden layer, output layer.

    Parameters
    ----------
    image_shape
        (rows, columns), or (maps, rows, columns).
    n_outputs
        Number of classes, or of values for a loss on values.
    rng
        Generator of the initial weights.
    maps
        Number of feature maps of the convolution.
    kernel
        Rows and columns of the kernels.
    hidden
        Number of nodes of the hidden layer.
    activation
        Activation of convolution and hidden layer, a key of `cnn.layers.activations.ACTIVATIONS`.
    pooling
        Method of the pooling layer.
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
        If a count or a side is not an integer.
    ValueError
        If the inputs are not images, are smaller than the kernel, or a setting is unknown.

    Examples
    --------
    >>> print(small_cnn((8, 8), 10, rng=np.random.default_rng(0)).summary())
       layer               settings   output  parameters   MACs
       input                          1×8×8
    1  ConvolutionLayer    3×3, tanh  8×6×6           80  2,592
    2  PoolingLayer        2×2 max    8×3×3            0      0
    3  RasterizationLayer             72               0      0
    4  HiddenLayer         tanh       32           2,336  2,304
    5  SoftmaxLayer                   10             330    320
       total                                       2,746  5,216
    10.7 KiB of float32 parameters
    """
    _check_images(image_shape)
    at_least(1, kernel=kernel)
    if min(image_shape[-2:]) < kernel:
        raise ValueError(
            f"images must be at least as large as the {kernel}×{kernel} kernel; got {image_shape}"
        )
    layers = [
        ConvolutionLayer(maps, kernel, activation),
        PoolingLayer(pooling),
        RasterizationLayer(),
        HiddenLayer(hidden, activation),
        output_layer(n_outputs, loss),
    ]
    return Network(layers, image_shape, loss, rng=rng, dtype=dtype)


def lenet5(
    image_shape: Shape = (28, 28),
    n_outputs: int = 10,
    *,
    rng: np.random.Generator,
    activation: str = "tanh",
    pooling: PoolingMethod = "max",
    connections: Connections | None = None,
    loss: str = "cross_entropy",
    dtype: npt.DTypeLike = np.float32,
) -> Network:
    """Build LeNet-5 in its common modern form.

    6 maps with 5×5 kernels, pooling, 16 maps with 5×5 kernels, pooling, rasterization, hidden layers of 120 and 84
    nodes, softmax. LeNet-5 was designed for 32×32 pixels. Smaller images are padded by two zeros on each side.

    The network differs from LeCun, Bottou, Bengio and Haffner (1998), *Gradient-based learning applied to document
    recognition*, section II-B. There the second convolution has the connections `LECUN_C3`, pooling is trainable and
    followed by an activation, the activation is a scaled tanh, and the output nodes are radial basis functions. With
    `LECUN_C3` and trainable pooling, the layers before the output have the paper's 60,000 parameters.

    Parameters
    ----------
    image_shape
        (rows, columns), or (maps, rows, columns) such as (3, 32, 32) for colours; at least 9 rows and columns.
    n_outputs, rng, loss, dtype
        As for `small_cnn`.
    activation
        Activation of convolutions and hidden layers, a key of `cnn.layers.activations.ACTIVATIONS`.
    pooling
        Method of both pooling layers.
    connections
        For each of the 16 maps of the second convolution its input maps, such as `LECUN_C3`; None connects all maps.

    Returns
    -------
    Network
        Ready to train: 61,706 parameters and 416,520 multiply-accumulates a sample by default.

    Raises
    ------
    TypeError, ValueError
        As for `small_cnn`.

    Examples
    --------
    >>> print(lenet5(rng=np.random.default_rng(0)).summary())
       layer               settings                output    parameters     MACs
       input                                       1×28×28
    1  ConvolutionLayer    5×5, padding 2×2, tanh  6×28×28          156  117,600
    2  PoolingLayer        2×2 max                 6×14×14            0        0
    3  ConvolutionLayer    5×5, tanh               16×10×10       2,416  240,000
    4  PoolingLayer        2×2 max                 16×5×5             0        0
    5  RasterizationLayer                          400                0        0
    6  HiddenLayer         tanh                    120           48,120   48,000
    7  HiddenLayer         tanh                    84            10,164   10,080
    8  SoftmaxLayer                                10               850      840
       total                                                     61,706  416,520
    241.0 KiB of float32 parameters
    """
    _check_images(image_shape, least=9)
    rows, columns = (2 if pixels < 32 else 0 for pixels in image_shape[-2:])
    layers = [
        ConvolutionLayer(6, 5, activation, padding=(rows, columns)),
        PoolingLayer(pooling),
        ConvolutionLayer(16, 5, activation, connections=connections),
        PoolingLayer(pooling),
        RasterizationLayer(),
        HiddenLayer(120, activation),
        HiddenLayer(84, activation),
        output_layer(n_outputs, loss),
    ]
    return Network(layers, image_shape, loss, rng=rng, dtype=dtype)


def lenet1(
    image_shape: Shape = (28, 28),
    n_outputs: int = 10,
    *,
    rng: np.random.Generator,
    activation: str = "tanh",
    pooling: PoolingMethod = "trainable",
    connections: Connections | None = LECUN_H3,
    loss: str = "cross_entropy",
    dtype: npt.DTypeLike = np.float32,
) -> Network:
    """Build LeNet-1: two convolutions, each followed by pooling, then the output layer.

    4 maps with 5×5 kernels, pooling, 12 maps with 5×5 kernels, pooling, rasterization, softmax. Layers (H1 to H4 and
    output), connections and the 2,578 parameters are those of LeCun et al. (1990), *Handwritten digit recognition with
    a back-propagation network*, NIPS 2. There the activation is a scaled tanh, also after pooling and in the output
    nodes, the loss is the squared error, and images of 16×16 pixels are padded to 28×28.

    Parameters
    ----------
    image_shape
        (rows, columns), or (maps, rows, columns) such as (3, 32, 32) for colours; at least 13 rows and columns.
    n_outputs, rng, loss, dtype
        As for `small_cnn`.
    activation
        Activation of both convolutions, a key of `cnn.layers.activations.ACTIVATIONS`.
    pooling
        Method of both pooling layers: trainable as in the paper, or ``"mean"`` as in most later descriptions.
    connections
        For each of the 12 maps of the second convolution its input maps; None connects all maps.

    Returns
    -------
    Network
        Ready to train.

    Raises
    ------
    TypeError, ValueError
        As for `small_cnn`.

    Examples
    --------
    >>> print(lenet1(rng=np.random.default_rng(0)).summary())
       layer               settings                   output   parameters    MACs
       input                                          1×28×28
    1  ConvolutionLayer    5×5, tanh                  4×24×24         104  57,600
    2  PoolingLayer        2×2 trainable              4×12×12           8     576
    3  ConvolutionLayer    5×5, 20 connections, tanh  12×8×8          512  32,000
    4  PoolingLayer        2×2 trainable              12×4×4           24     192
    5  RasterizationLayer                             192               0       0
    6  SoftmaxLayer                                   10            1,930   1,920
       total                                                        2,578  92,288
    10.1 KiB of float32 parameters
    """
    _check_images(image_shape, least=13)
    layers = [
        ConvolutionLayer(4, 5, activation),
        PoolingLayer(pooling),
        ConvolutionLayer(12, 5, activation, connections=connections),
        PoolingLayer(pooling),
        RasterizationLayer(),
        output_layer(n_outputs, loss),
    ]
    return Network(layers, image_shape, loss, rng=rng, dtype=dtype)


def _check_images(image_shape: Shape, least: int = 1) -> None:
    """Raise ValueError unless the shape is an image shape with enough rows and columns."""
    image_shape = sample_shape("image_shape", image_shape)
    if len(image_shape) not in {2, 3}:
        raise ValueError(
            "images must have the shape (rows, columns) or (maps, rows, columns); got "
            f"{image_shape}"
        )
    if min(image_shape[-2:]) < least:
        raise ValueError(
            f"images must have at least {least} rows and columns; got shape {image_shape}"
        )
