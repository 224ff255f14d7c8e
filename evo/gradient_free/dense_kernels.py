"""The seed's operators on one small network stored densely: compiled, in place, each rounding as an edit session does.

A small network is a few padded arrays (:class:`Network`) of a fixed number of nodes, inputs first and outputs last;
hidden nodes may be without edges. Unlike in :mod:`evo.editing.column_kernels` nothing is compressed: with some ten
nodes a matrix is a few cache lines, and an operation takes nanoseconds.

Applied operations are written to a *log*, from which :mod:`evo.gradient_free.dense_population` makes the framework's
records. Replaying these by :func:`evo.replay` gives the same network bit for bit.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import exact_kernel

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Ints = NDArray[np.integer[Any]]

LETTERS = "ABCDFHN"
THRESHOLD, SWAP_COLUMNS, ADD_COLUMN, SWAP_ROWS, ADD_ROW, REORDER, ASSIGN = range(len(LETTERS))
"""Positions in LETTERS."""

LOG_ROW = np.dtype(
    [
        ("operation", np.int32),
        ("letter", np.uint8),
        ("a", np.int32),
        ("b", np.int32),
        ("x", np.float32),
        ("y", np.float32),
    ],
    align=True,
)
"""One row of a log. A: x the limit, a whether to drop; B, D: nodes a and b; C, F: from a to b, factor x, scale y; H:
node a to position b; N: x for the place (a, b), with as many rows as places."""


class Network(NamedTuple):
    """One network of n nodes; row n of its matrix is that of the constant node, which holds the biases.

    Many networks are stored alike, with one axis more in front: see `Networks`.

    Attributes
    ----------
    columns : ndarray of float32, shape (n, n + 1)
        ``columns[j, i]`` is W[i, j] and ``columns[j, n]`` the bias of node j; +0 where no entry is stored.
    stored : ndarray of bool, shape (n, n)
        ``stored[j, i]``: whether W[i, j] is stored.
    ids, codes : ndarray, shape (n,)
        Name and activation of each node.
    threshold : ndarray of float32, shape (1,)
        The threshold A on magnitudes, not negative.
    """

    columns: Floats
    stored: Flags
    ids: NDArray[np.int64]
    codes: NDArray[np.uint8]
    threshold: Floats


Networks = Network
"""P networks: arrays with one axis more in front, thresholds of shape (P,)."""


class Log(NamedTuple):
    """Where applied operations are written.

    Attributes
    ----------
    rows : ndarray of LOG_ROW
        Of length 0 if nothing shall be written.
    counts : ndarray of int64, shape (2,)
        Rows written, and operations.
    """

    rows: NDArray[np.void]
    counts: NDArray[np.int64]


@exact_kernel
def write(log: Log, letter: int, a: int, b: int, x: Any, y: Any) -> None:
    """Write a row of the operation that is going on."""
    if log.rows.shape[0] > 0:
        row = log.rows[log.counts[0]]
        row["operation"] = log.counts[1]
        row["letter"] = letter
        row["a"] = a
        row["b"] = b
        row["x"] = x
        row["y"] = y
        log.counts[0] += 1


# -- operators ---------------------------------------------------------------------------------------------------------


@exact_kernel
def set_threshold(network: Network, threshold: Any, drop: bool) -> None:
    """Set A; what does not pass sleeps, or is forgotten if `drop`."""
    network.threshold[0] = threshold
    if drop:
        n = network.stored.shape[0]
        for j in range(n):
            for i in range(n):
                if network.stored[j, i] and not abs(network.columns[j, i]) > threshold:
                    network.stored[j, i] = False
                    network.columns[j, i] = np.float32(0)


@exact_kernel
def exchange(first: Any, second: Any) -> None:
    """Exchange the contents of two vectors."""
    for i in range(first.shape[0]):
        first[i], second[i] = second[i], first[i]


@exact_kernel
def swap_columns(network: Network, a: int, b: int) -> None:
    """Exchange what two nodes listen to, biases included (B)."""
    exchange(network.columns[a], network.columns[b])
    exchange(network.stored[a], network.stored[b])


@exact_kernel
def swap_rows(network: Network, a: int, b: int) -> None:
    """Exchange whom two nodes speak to (D)."""
    exchange(network.columns[:, a], network.columns[:, b])
    exchange(network.stored[:, a], network.stored[:, b])


@exact_kernel
def add_column(network: Network, source: int, target: int, factor: Any, scale: Any) -> bool:
    """Make column `target`, bias included, scale · (target + factor · source) (C); unchanged if that is not finite."""
    n = network.stored.shape[0]
    ours, theirs = network.columns[source], network.columns[target]
    heard, hears = network.stored[source], network.stored[target]
    for i in range(n + 1):
        if not np.isfinite((theirs[i] + factor * ours[i]) * scale):
            return False
    for i in range(n):
        hears[i] |= heard[i]
        if hears[i]:
            theirs[i] = (theirs[i] + factor * ours[i]) * scale
    theirs[n] = (theirs[n] + factor * ours[n]) * scale
    return True


@exact_kernel
def add_row(network: Network, source: int, target: int, factor: Any, scale: Any) -> bool:
    """Make row `target` scale · (target + factor · source) (F); biases stay. Unchanged if that is not finite."""
    n = network.stored.shape[0]
    ours, theirs = network.columns[:, source], network.columns[:, target]
    speaks, speaking = network.stored[:, source], network.stored[:, target]
    for j in range(n):
        if not np.isfinite((theirs[j] + factor * ours[j]) * scale):
            return False
    for j in range(n):
        if speaks[j]:
            theirs[j] = (theirs[j] + factor * ours[j]) * scale
        elif speaking[j]:
            theirs[j] = theirs[j] * scale
        speaking[j] |= speaks[j]
    return True


@exact_kernel
def move(network: Network, node: int, destination: int) -> None:
    """Take a node out of the order and put it in again elsewhere (H): a neighbour after another lets it pass."""
    step = 1 if destination > node else -1
    while node != destination:
        swap_columns(network, node, node + step)
        swap_rows(network, node, node + step)
        exchange(network.ids[node : node + 1], network.ids[node + step : node + step + 1])
        exchange(network.codes[node : node + 1], network.codes[node + step : node + step + 1])
        node += step


@exact_kernel
def assign(network: Network, source: int, target: int, value: Any) -> None:
    """Give one place its value (N); source n is the constant node, whose entries are the biases."""
    network.columns[target, source] = value
    if source < network.stored.shape[0]:
        network.stored[target, source] = True


# -- looking -----------------------------------------------------------------------------------------------------------


@exact_kernel
def count_above(network: Network, threshold: Any) -> Any:
    """Count stored entries of a magnitude above a limit."""
    n = network.stored.shape[0]
    count = 0
    for j in range(n):
        for i in range(n):
            count += network.stored[j, i] and abs(network.columns[j, i]) > threshold
    return count


@exact_kernel
def count_stored(network: Network) -> Any:
    """Count stored entries."""
    return count_above(network, np.float32(-1))


@exact_kernel
def count_active(network: Network) -> Any:
    """Count edges: stored entries that the threshold lets through."""
    return count_above(network, network.threshold[0])


@exact_kernel
def magnitude_at(network: Network, rank: int) -> Any:
    """Return the rank-th smallest, from 0, of the magnitudes of stored entries: by insertion, as ranks are small."""
    n = network.stored.shape[0]
    smallest = np.full(rank + 1, np.inf, np.float32)
    for j in range(n):
        for i in range(n):
            magnitude = abs(network.columns[j, i])
            if network.stored[j, i] and magnitude < smallest[rank]:
                at = rank
                while at > 0 and smallest[at - 1] > magnitude:
                    smallest[at] = smallest[at - 1]
                    at -= 1
                smallest[at] = magnitude
    return smallest[rank]
