"""Compiling kernels: Numba with the project's settings, the cache on disk, and the emitted loops of convolutions.

Nothing here depends on layers or on training. ``docs/kernels.md`` explains the compiled code.
"""

from cnn.compile.compilation import (
    kernel,
    kernel_cache_directory,
    kernels_are_cached,
    single_threaded_blas,
)

__all__ = [
    "kernel",
    "kernel_cache_directory",
    "kernels_are_cached",
    "single_threaded_blas",
]
