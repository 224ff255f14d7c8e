"""Ready-made networks: a small one, and the two that LeCun's papers made known."""

import numpy as np
import numpy.typing as npt

from cnn.arrays import Shape
from cnn.checks import at_least, layer_sizes_of
from cnn.layers.connections import Connections
from cnn.layers.convolution import ConvolutionLayer
from cnn.layers.hidden import HiddenLayer
from cnn.layers.layer import Layer
from cnn.layers.output import SoftmaxLayer
from cnn.layers.pooling import PoolingLayer, PoolingMethod
from cnn.layers.rasterization import RasterizationLayer
from cnn.models.network import Network
from cnn.training.losses import LOSSES

LECUN_C3: tuple[tuple[int, ...], ...] = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)
"""The maps of S2 that each of the 16 maps of C3 sees in LeNet-5: 60 connections (LeCun et al. 1998,
table I). As ``connections`` of a `ConvolutionLayer` with 5×5 kernels it leaves 1,516 parameters of
2,416 (S8)."""

LECUN_H3: tuple[tuple[int, ...], ...] = (
    *((0,), (0, 1), (0, 1), (1,), (0, 1), (0, 1)),
    *((2,), (2, 3), (2, 3), (3,), (2, 3), (2, 3)),
)
"""The maps of H2 that each of the 12 maps of H3 sees in LeNet-1: two modules that share nothing, 20
connections (LeCun et al. 1990, table 1). The order of maps within a module is of no effect."""


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
        Of convolution and hidden layer: a key of `cnn.layers.activations.ACTIVATIONS`.
    pooling
        Method of the pooling layer.
    loss
        A key of `cnn.training.losses.LOSSES`. A loss on values ends in an identity layer, not in softmax.
    dtype
        float32, or float64 for checks.

    Returns
    -------
    Network
        Ready to train.

    Raises
    ------
    TypeError
        Where a count or a side is no integer.
    ValueError
        Where the inputs are no images, or too small for the kernel, or a setting is unknown.

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
            f"images must be at least as large as the {kernel}×{kernel} kernel, not {image_shape}"
        )
    layers = [
        ConvolutionLayer(maps, kernel, activation),
        PoolingLayer(pooling),
        RasterizationLayer(),
        HiddenLayer(hidden, activation),
        _output_layer(n_outputs, loss),
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
    """Build LeNet-5 as it is commonly built today.

    6 maps by 5×5 kernels, pooling, 16 maps by 5×5 kernels, pooling, rasterisation, 120 and 84
    hidden nodes, softmax. The network was drawn for images of 32×32 pixels: along an axis with
    fewer, the first convolution sees the image in a margin of two zeros.

    LeCun, Bottou, Bengio and Haffner (1998), *Gradient-based learning applied to document
    recognition*, section II-B, differs: its second level is wired by `LECUN_C3`, its pooling is
    trainable (and squashed) - with both, all but the output layer has the paper's 60,000
    parameters -, its activation is a scaled tanh, its output nodes are radial basis functions.

    Parameters
    ----------
    image_shape
        (rows, columns), or (maps, rows, columns) such as (3, 32, 32) for colours; at least 9 rows
        and columns.
    n_outputs
        Classes, or values where the loss is on values.
    rng
        Source of the starting weights.
    activation
        Of convolutions and hidden layers: a key of `cnn.layers.activations.ACTIVATIONS`.
    pooling
        Method of both pooling layers.
    connections
        For each of the 16 maps of the second level the maps of the first that it sees, such as
        `LECUN_C3`; None connects all to all.
    loss
        A key of `cnn.training.losses.LOSSES`. A loss on values ends in an identity layer, not in softmax.
    dtype
        float32, or float64 for checks.

    Returns
    -------
    Network
        Ready to train: 61,706 parameters and 416,520 multiply-accumulates a sample by default.

    Raises
    ------
    TypeError
        Where a count or a side is no integer.
    ValueError
        Where the inputs are no images, or too small, or a setting is unknown.

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
        _output_layer(n_outputs, loss),
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
    """Build LeNet-1: two levels of convolution and pooling, then the output layer.

    4 maps by 5×5 kernels, pooling, 12 maps by 5×5 kernels, pooling, rasterisation, softmax. LeCun
    et al. (1990), *Handwritten digit recognition with a back-propagation network*, NIPS 2, has
    these layers (H1 to H4 and the output), this wiring and the same 2,578 parameters. There the
    activation is a scaled tanh, which pooling and output nodes have too, the loss is the squared
    error, and the image is of 16×16 pixels, in a margin that makes it 28×28.

    Parameters
    ----------
    image_shape
        (rows, columns), or (maps, rows, columns) such as (3, 32, 32) for colours; at least 13 rows
        and columns.
    n_outputs
        Classes, or values where the loss is on values.
    rng
        Source of the starting weights.
    activation
        Of both convolutions: a key of `cnn.layers.activations.ACTIVATIONS`.
    pooling
        Method of both pooling layers: trainable as in the paper, or ``"mean"`` as in most later
        descriptions.
    connections
        For each of the 12 maps of the second level the maps of the first that it sees; None
        connects all to all.
    loss
        A key of `cnn.training.losses.LOSSES`. A loss on values ends in an identity layer, not in softmax.
    dtype
        float32, or float64 for checks.

    Returns
    -------
    Network
        Ready to train.

    Raises
    ------
    TypeError
        Where a count or a side is no integer.
    ValueError
        Where the inputs are no images, or too small, or a setting is unknown.

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
        _output_layer(n_outputs, loss),
    ]
    return Network(layers, image_shape, loss, rng=rng, dtype=dtype)


def _check_images(image_shape: Shape, least: int = 1) -> None:
    """Raise ValueError unless the shape is one of images with enough rows and columns."""
    image_shape = layer_sizes_of("image_shape", image_shape)
    if len(image_shape) not in {2, 3}:
        raise ValueError(
            "a convolutional network needs images of shape (rows, columns) or (maps, rows, "
            f"columns), not {image_shape}"
        )
    if min(image_shape[-2:]) < least:
        raise ValueError(
            f"images must have at least {least} rows and columns, not the shape {image_shape}"
        )


def _output_layer(n_outputs: int, loss: str) -> Layer:
    """Return the last layer that a loss needs; an unknown loss is the network's to refuse."""
    on_values = loss in LOSSES and LOSSES[loss].target_kind == "values"
    return HiddenLayer(n_outputs, "identity") if on_values else SoftmaxLayer(n_outputs)
