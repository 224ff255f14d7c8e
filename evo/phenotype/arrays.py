"""What is done with arrays before kernels read them."""

from typing import Any

from numpy.typing import NDArray


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view.

    Numba compiles apart for arrays that may be written, and two compilations of one kernel need not round alike. What
    comes out of shared memory, as on a Ray worker, is read-only; so all that is only read is made so.
    """
    view = array.view()
    view.flags.writeable = False
    return view
