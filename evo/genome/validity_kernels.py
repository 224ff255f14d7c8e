"""Compiled checks of a genome's arrays, in a few passes without temporary arrays."""

import numpy as np
from numpy.typing import NDArray

from cnn.arrays import FloatVector
from cnn.compile.compilation import kernel

POINTERS, RANGE, ORDER = 1, 2, 3


@kernel
def all_finite(x: FloatVector) -> bool:
    """Return whether all numbers are finite: x − x is 0 for a finite x and NaN for any other."""
    zero = x.dtype.type(0)
    faults = 0
    for i in range(x.shape[0]):
        faults += (x[i] - x[i]) != zero
    return faults == 0


@kernel
def first_fault(
    indptr: NDArray[np.int64], indices: NDArray[np.int32], nnz: int, n: int, n_rows: int
) -> int:
    """Return the code of the first fault in a matrix by columns, or 0 if there is none.

    Parameters
    ----------
    indptr, indices
        As in `evo.genome.genome.Genome`; with feature maps `indices` are rows of the matrix.
    nnz, n, n_rows
        Number of entries, of nodes and of rows.
    """
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
    return 0
