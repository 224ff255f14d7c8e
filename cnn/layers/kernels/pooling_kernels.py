"""The loops of pooling: maxima of 2×2 blocks, forward and backward, and trainable gains."""

import numpy as np
import numpy.typing as npt

from cnn.arrays import FloatArray, FloatVector
from cnn.compile.compilation import kernel


@kernel
def max_pool(x: FloatArray, out: FloatArray, winner: npt.NDArray[np.int8]) -> None:
    """Write the maximum of each 2×2 block, and the cell that holds it.

    Parameters
    ----------
    x
        Shape (maps, rows, columns, batch).
    out
        Shape (maps, rows_out, columns_out, batch): rows_out is rows / 2, rounded down to drop a
        last odd row, or up to pad it with 0; columns alike. Overwritten.
    winner
        Same shape: 0 to 3, counted left to right and then down; the first of equals. Overwritten.

    Notes
    -----
    NaN counts as larger than any number, so that divergence reaches the loss.
    """
    maps, rows, columns, batch = x.shape
    for k in range(maps):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                top, left = 2 * i, 2 * j
                below, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
                # A cell beyond the border is a cell within it times 0: a factor, not a branch.
                has_right = x.dtype.type(right > left)
                has_below = x.dtype.type(below > top)
                has_both = has_right * has_below
                for b in range(batch):
                    value, cell = x[k, top, left, b], np.int8(0)
                    rival = x[k, top, right, b] * has_right
                    if rival > value or np.isnan(rival):
                        value, cell = rival, np.int8(1)
                    rival = x[k, below, left, b] * has_below
                    if rival > value or np.isnan(rival):
                        value, cell = rival, np.int8(2)
                    rival = x[k, below, right, b] * has_both
                    if rival > value or np.isnan(rival):
                        value, cell = rival, np.int8(3)
                    out[k, i, j, b] = value
                    winner[k, i, j, b] = cell


@kernel
def max_pool_route(
    gradient: FloatArray, winner: npt.NDArray[np.int8], x_gradient: FloatArray
) -> None:
    """Write the gradient of each block to the cell that held the maximum: the true gradient (S10).

    Parameters
    ----------
    gradient
        ∂E/∂out, shape (maps, rows_out, columns_out, batch).
    winner
        From `max_pool`. The gradient of a padded cell is dropped.
    x_gradient
        Receives ∂E/∂x, shape (maps, rows, columns, batch). Cells of dropped rows and columns are
        left as they are.
    """
    rows = min(x_gradient.shape[1], 2 * gradient.shape[1])
    columns = min(x_gradient.shape[2], 2 * gradient.shape[2])
    for k in range(gradient.shape[0]):
        for row in range(rows):
            for column in range(columns):
                i, j, cell = row // 2, column // 2, np.int8(2 * (row % 2) + column % 2)
                for b in range(gradient.shape[3]):  # a factor, not a branch
                    x_gradient[k, row, column, b] = gradient[k, i, j, b] * (
                        winner[k, i, j, b] == cell
                    )


@kernel
def max_pool_copy(gradient: FloatArray, x_gradient: FloatArray) -> None:
    """Copy the gradient of each block to all its cells: the document's rule, for comparison (S10).

    Parameters
    ----------
    gradient, x_gradient
        As in `max_pool_route`.
    """
    rows = min(x_gradient.shape[1], 2 * gradient.shape[1])
    columns = min(x_gradient.shape[2], 2 * gradient.shape[2])
    for k in range(gradient.shape[0]):
        for row in range(rows):
            for column in range(columns):
                for b in range(gradient.shape[3]):
                    x_gradient[k, row, column, b] = gradient[k, row // 2, column // 2, b]


@kernel
def scale_maps(x: FloatArray, gain: FloatVector, bias: FloatVector, out: FloatArray) -> None:
    """Write gain · x + bias, with one of each per map.

    Parameters
    ----------
    x
        Shape (maps, n).
    gain, bias
        Shape (maps,).
    out
        Same shape as `x`; overwritten.
    """
    for k in range(x.shape[0]):
        for i in range(x.shape[1]):
            out[k, i] = gain[k] * x[k, i] + bias[k]
