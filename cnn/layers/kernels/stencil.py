"""Stencils: which source pixels each output pixel of a convolution reads.

Both the forward pass and the input gradient of a convolution, with any kernel size, stride and
padding, are a *stencil*: an output pixel is a sum of source pixels, each times a weight.
Neighbouring pixels mostly read the same pattern, one pixel further on. Such a *run* of pixels is
contiguous in [map, row, column, batch] order, and
`cnn.layers.kernels.convolution_kernels` work on it as a whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnn.arrays import IntArray, Shape

Reads = Sequence[Sequence[tuple[int, int]]]
"""For each output pixel along an axis: (tap, source pixel) pairs."""


@dataclass(frozen=True, eq=False)
class Stencil:
    """The description of sums over shifted images.

    Attributes
    ----------
    runs
        int64, shape (n_runs, 5): first output pixel, number of pixels, source pixel to which
        `offsets` are added, first tap and last tap (exclusive) in `rows` and `offsets`.
    rows
        int64, one for each tap of a pattern: (map · p + i) · q + j for tap (i, j) of a source map.
    offsets
        int64, one for each tap of a pattern: source pixels from that of the run to that of the tap.
    """

    runs: IntArray
    rows: IntArray
    offsets: IntArray


def plan_stencil(
    rows: Reads, columns: Reads, source_shape: Shape, kernel_shape: tuple[int, int]
) -> Stencil:
    """Plan a stencil whose pattern is a product: rows read × columns read × source maps.

    Parameters
    ----------
    rows, columns
        For each output row, and each output column: (tap, source pixel) pairs, possibly none.
    source_shape
        (maps, rows, columns) of the source.
    kernel_shape
        (p, q).

    Returns
    -------
    Stencil
        Output pixels are numbered row by row.
    """
    maps, source_rows, source_columns = source_shape
    p, q = kernel_shape
    runs: list[tuple[int, int, int, int, int]] = []
    tap_numbers: list[IntArray] = []
    offsets: list[IntArray] = []
    patterns: dict[tuple[Sequence[tuple[int, int]], ...], tuple[int, int]] = {}
    column_runs = _runs(columns)
    for y, read_rows in enumerate(rows):
        top, row_pattern = _from_first(read_rows)
        for x, length in column_runs:
            left, column_pattern = _from_first(columns[x])
            key = (row_pattern, column_pattern)
            if key not in patterns:
                k, i, j = np.meshgrid(
                    np.arange(maps),
                    np.arange(len(row_pattern)),
                    np.arange(len(column_pattern)),
                    indexing="ij",
                )
                row, column = (
                    np.array(pattern, np.int64).reshape(-1, 2)
                    for pattern in (row_pattern, column_pattern)
                )
                number = (k * p + row[i, 0]) * q + column[j, 0]
                pixel = (k * source_rows + row[i, 1]) * source_columns + column[j, 1]
                begin = patterns[list(patterns)[-1]][1] if patterns else 0
                patterns[key] = (begin, begin + number.size)
                tap_numbers.append(number.reshape(-1))
                offsets.append(pixel.reshape(-1))
            runs.append((y * len(columns) + x, length, top * source_columns + left, *patterns[key]))
    return Stencil(np.array(runs, np.int64), np.concatenate(tap_numbers), np.concatenate(offsets))


def _from_first(reads: Sequence[tuple[int, int]]) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Return the first source pixel, and the reads relative to it."""
    first = reads[0][1] if reads else 0
    return first, tuple((tap, pixel - first) for tap, pixel in reads)


def _runs(columns: Reads) -> list[tuple[int, int]]:
    """Cut a row into runs (first column, length) of pixels that read the same shifted pattern."""
    starts = [
        x
        for x, reads in enumerate(columns)
        if x == 0 or list(reads) != [(tap, pixel + 1) for tap, pixel in columns[x - 1]]
    ]
    return [
        (start, end - start) for start, end in zip(starts, [*starts[1:], len(columns)], strict=True)
    ]


def forward_reads(size_out: int, kernel: int, stride: int) -> Reads:
    """List the reads of a convolution along an axis, from a source that includes its padding.

    A convolution flips its kernel: tap i of output pixel y reads source pixel y · stride + kernel − 1 − i.

    Examples
    --------
    >>> forward_reads(2, 3, 2)
    [[(2, 0), (1, 1), (0, 2)], [(2, 2), (1, 3), (0, 4)]]
    """
    return [
        [(kernel - 1 - shift, pixel * stride + shift) for shift in range(kernel)]
        for pixel in range(size_out)
    ]


def backward_reads(size: int, size_out: int, kernel: int, stride: int, padding: int) -> Reads:
    """List the residuals that reach each input pixel along an axis: the transpose of `forward_reads`.

    Residuals beyond the border are left out, so nothing is multiplied by a zero margin.

    Examples
    --------
    >>> backward_reads(4, 3, 2, 1, 0)
    [[(1, 0)], [(0, 0), (1, 1)], [(0, 1), (1, 2)], [(0, 2)]]
    """
    reads: list[list[tuple[int, int]]] = [[] for _ in range(size)]
    for pixel in range(size_out):
        for shift in range(kernel):
            source = pixel * stride + shift - padding
            if 0 <= source < size:
                reads[source].append((kernel - 1 - shift, pixel))
    return reads
