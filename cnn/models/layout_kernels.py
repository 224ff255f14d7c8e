"""Transposition of samples-first data to the batch-innermost layout of layers."""

from cnn.arrays import FloatArray
from cnn.compile.compilation import kernel

BLOCK = 8
"""Side of a square block: small enough for rows that share cache lines."""


@kernel
def transpose(x: FloatArray, out: FloatArray) -> None:
    """Write the transpose of a matrix, block by block.

    Parameters
    ----------
    x
        Shape (n, m).
    out
        Shape (m, n); overwritten.
    """
    n, m = x.shape
    for i0 in range(0, n, BLOCK):
        i1 = min(i0 + BLOCK, n)
        for j0 in range(0, m, BLOCK):
            j1 = min(j0 + BLOCK, m)
            for j in range(j0, j1):
                for i in range(i0, i1):
                    out[j, i] = x[i, j]
