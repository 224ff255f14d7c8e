"""Compiled loops over the places of a layer: see :mod:`evo.operators.free_places`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import kernel
from evo.editing.column_kernels import Ints


@kernel
def n_outside(indptr: Ints, rows: Ints, first: int, last: int, low: int, high: int) -> Any:
    """Count the columns first … last − 1 that hold a row outside low … high − 1."""
    count = 0
    for c in range(first, last):
        begin, end = indptr[c], indptr[c + 1]
        count += begin < end and (rows[begin] < low or rows[end - 1] >= high)
    return count


@kernel
def rows_of_free_places(
    ranks: Ints,
    indptr: Ints,
    rows: Ints,
    first: int,
    last: int,
    low: int,
    high: int,
    out: Ints,
    counts: Ints,
) -> None:
    """Find free places by their rank, counted column after column from first to last − 1, rows low to high − 1.

    `ranks` ascend. `out` receives the row of each, `counts` their number in each column.
    """
    k, before = 0, 0
    for c in range(first, last):
        i, end = indptr[c], indptr[c + 1]
        n_free = high - low - (end - i)
        begin, shift = k, low - before
        while k < ranks.shape[0] and ranks[k] < before + n_free:
            # Each stored entry before a free place shifts its row by one.
            row = ranks[k] + shift
            while i < end and rows[i] <= row:
                row += 1
                shift += 1
                i += 1
            out[k] = row
            k += 1
        counts[c - first] = k - begin
        before += n_free


@kernel
def mark_first(keys: NDArray[np.int64], table: NDArray[np.int64], first: Any) -> None:
    """Mark the first occurrence of each key.

    `table` holds −1 everywhere, and its length is a power of 2 and above the number of keys. It becomes a hash table
    with open addressing. Keys are not negative.
    """
    last = table.shape[0] - 1
    for k in range(keys.shape[0]):
        at = ((keys[k] ^ (keys[k] >> 17)) * 0x9E3779B1 >> 11) & last
        while table[at] >= 0 and table[at] != keys[k]:
            at = (at + 1) & last
        first[k] = table[at] < 0
        table[at] = keys[k]
