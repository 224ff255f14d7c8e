"""How kernels become machine code: Numba with the project's settings, the cache on disk, register tiles.

Nothing here knows of layers or of training.
"""

from cnn.compile.compilation import (
    FAST_MATH,
    exact_kernel,
    kernel,
    kernel_cache_directory,
    kernels_are_cached,
    single_threaded_blas,
)

__all__ = [
    "FAST_MATH",
    "exact_kernel",
    "kernel",
    "kernel_cache_directory",
    "kernels_are_cached",
    "single_threaded_blas",
]
