"""The check of a genome's arrays against each other, in a few passes without temporary arrays."""

import numpy as np
from numpy.typing import NDArray

from cnn.arrays import FloatVector
from cnn.compile.compilation import exact_kernel

POINTERS, RANGE, ORDER, VALUES, BIAS = 1, 2, 3, 4, 5


@exact_kernel
def _finite(x: FloatVector) -> bool:
    """Tell whether all numbers are finite: what is not, differs from itself when taken from itself."""
    zero = x.dtype.type(0)
    faults = 0
    for i in range(x.shape[0]):
        faults += (x[i] - x[i]) != zero
    return faults == 0


@exact_kernel
def first_fault(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    values: FloatVector,
    bias: FloatVector,
    n: int,
    n_rows: int,
) -> int:
    """Return the first fault found, or 0.

    Parameters
    ----------
    indptr, indices, values, bias
        As in `evo.genome.genome.Genome`, dtypes and the shapes of values and bias being right; of maps, rows for
        indices.
    n, n_rows
        Number of nodes, and of rows.
    """
    nnz = values.shape[0]
    if indptr.shape[0] != n + 1 or indptr[0] != 0 or indptr[n] != nnz:
        return POINTERS
    falls = 0
    for j in range(n):
        falls += indptr[j + 1] < indptr[j]
    if falls > 0:
        return POINTERS
    if indices.shape[0] != nnz:
        return RANGE
    outside = 0
    for i in range(nnz):
        outside += (indices[i] < 0) | (indices[i] >= n_rows)
    if outside > 0:
        return RANGE
    for j in range(n):
        wrong = 0
        column = indices[indptr[j] : indptr[j + 1]]
        for i in range(1, column.shape[0]):
            wrong += column[i] <= column[i - 1]
        if wrong > 0:
            return ORDER
    if not _finite(values):
        return VALUES
    return 0 if _finite(bias) else BIAS
