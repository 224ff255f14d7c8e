"""The compiled loops of the layers, and the stencils of convolutions.

Layers, :mod:`evo.phenotype` and other kernels call these loops; ``docs/kernels.md`` says how they are compiled.
"""

__all__ = ["activation_kernels", "convolution_kernels", "pooling_kernels", "stencil"]
