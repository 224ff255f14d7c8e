"""All layers, by name: a new one is one class and one entry here (S15)."""

from cnn.convolution import ConvolutionLayer
from cnn.hidden import HiddenLayer
from cnn.layer import Layer
from cnn.output import SoftmaxLayer
from cnn.pooling import PoolingLayer
from cnn.rasterization import RasterizationLayer

LAYERS: dict[str, type[Layer]] = {
    "convolution": ConvolutionLayer,
    "pooling": PoolingLayer,
    "rasterization": RasterizationLayer,
    "hidden": HiddenLayer,
    "softmax": SoftmaxLayer,
}
"""Every layer class, by name."""
