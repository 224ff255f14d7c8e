"""Compiled loops of the layers, and where a convolution reads.

Only layers and other kernels call them.
"""

__all__ = [
    "activation_kernels",
    "convolution_kernels",
    "pooling_kernels",
    "stencil",
]
