"""Layers: each layer computes an output (forward) and the exact gradients of its input and parameters (backward).

Networks, which are sequences of layers, are in :mod:`cnn.models`.
"""

from cnn.layers.activations import ACTIVATIONS, Activation
from cnn.layers.connections import Connections
from cnn.layers.convolution import ConvolutionLayer
from cnn.layers.hidden import HiddenLayer
from cnn.layers.layer import Layer
from cnn.layers.output import SoftmaxLayer
from cnn.layers.pooling import PoolingLayer, PoolingMethod
from cnn.layers.rasterization import RasterizationLayer
from cnn.layers.registry import LAYERS

__all__ = [
    "ACTIVATIONS",
    "LAYERS",
    "Activation",
    "Connections",
    "ConvolutionLayer",
    "HiddenLayer",
    "Layer",
    "PoolingLayer",
    "PoolingMethod",
    "RasterizationLayer",
    "SoftmaxLayer",
]
