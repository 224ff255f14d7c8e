"""Where each output pixel of a convolution reads: plans for `cnn.layers.kernels.convolution_kernels`.

A convolution, with any kernel size, stride and padding, and its way back as well, are both a
*stencil*: an output pixel adds up source pixels, each times a weight. Neighbours in a row mostly
read the same pattern one pixel further on; such a run of pixels is one contiguous stretch of memory
in [map, row, column, batch] order, and the kernels work on it as a whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnn.arrays import IntArray, Shape

Reads = Sequence[Sequence[tuple[int, int]]]
"""For each output place along an axis: (tap, source place) pairs."""


@dataclass(frozen=True, eq=False)
class Stencil:
    """A plan of sums over shifted images.

    Attributes
    ----------
    runs
        Shape (n_runs, 5): first output pixel, number of pixels, source pixel that offsets count
        from, first tap and end of taps in `rows` and `offsets`.
    rows
        For each tap of a pattern, its number: (map · p + i) · q + j for tap (i, j) on a source map.
    offsets
        For each tap of a pattern, the source pixel it reads, counted from the run's.
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
        For each output row, and each output column: (tap, source place) pairs, which may be none.
    source_shape
        (maps, rows, columns) of what is read.
    kernel_shape
        (p, q).

    Returns
    -------
    Stencil
        Its output pixels are counted row by row.
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
    """Return the first place read, and the reads counted from it."""
    first = reads[0][1] if reads else 0
    return first, tuple((tap, place - first) for tap, place in reads)


def _runs(columns: Reads) -> list[tuple[int, int]]:
    """Cut a row into runs (first column, length) that read one pattern, one pixel further each."""
    starts = [
        x
        for x, reads in enumerate(columns)
        if x == 0 or list(reads) != [(tap, place + 1) for tap, place in columns[x - 1]]
    ]
    return [
        (start, end - start) for start, end in zip(starts, [*starts[1:], len(columns)], strict=True)
    ]


def forward_reads(size_out: int, kernel: int, stride: int) -> Reads:
    """List what a convolution reads along an axis, from a source that has its margins.

    A convolution turns its kernel: tap i reads kernel − 1 − i pixels beyond the output's own place.

    Examples
    --------
    >>> forward_reads(2, 3, 2)
    [[(2, 0), (1, 1), (0, 2)], [(2, 2), (1, 3), (0, 4)]]
    """
    return [
        [(kernel - 1 - shift, place * stride + shift) for shift in range(kernel)]
        for place in range(size_out)
    ]


def backward_reads(size: int, size_out: int, kernel: int, stride: int, padding: int) -> Reads:
    """List which residuals reach each input place along an axis: `forward_reads` the other way.

    Places beyond the residuals' border are left out, so nothing is multiplied by a zero margin.

    Examples
    --------
    >>> backward_reads(4, 3, 2, 1, 0)
    [[(1, 0)], [(0, 0), (1, 1)], [(0, 1), (1, 2)], [(0, 2)]]
    """
    reads: list[list[tuple[int, int]]] = [[] for _ in range(size)]
    for place in range(size_out):
        for shift in range(kernel):
            source = place * stride + shift - padding
            if 0 <= source < size:
                reads[source].append((kernel - 1 - shift, place))
    return reads
