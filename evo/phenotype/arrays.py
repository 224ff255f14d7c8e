"""Read-only arrays for kernels."""

from typing import Any

from numpy.typing import NDArray


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view.

    Numba compiles a kernel separately for writable and for read-only arrays, and the two need not round alike. Arrays
    from shared memory, as on a Ray worker, are read-only, so every array that kernels only read is made read-only.
    """
    view = array.view()
    view.flags.writeable = False
    return view
