"""The seed's operators on a small dense network: compiled, in place, with the same rounding as the genome editor.

A small network is a few dense arrays (:class:`Network`) with a fixed number of nodes, inputs first and outputs last.
Hidden nodes may have no edges. Unlike in :mod:`evo.editing.column_kernels` nothing is compressed: a matrix of ten nodes
is a few cache lines, and an operation takes nanoseconds.

Applied operations are written to a *log*, which :mod:`evo.gradient_free.dense_population` turns into the framework's
records. :func:`evo.replay` of a record gives the same network, bit for bit.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import allocating_kernel, kernel

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Ints = NDArray[np.integer[Any]]

OPERATOR_CODES = "ABCDFHN"
THRESHOLD, SWAP_COLUMNS, ADD_COLUMN, SWAP_ROWS, ADD_ROW, REORDER, ASSIGN = range(7)
"""Indices in OPERATOR_CODES."""

LOG_ROW = np.dtype(
    [
        ("operation", np.int32),
        ("operator", np.uint8),
        ("a", np.int32),
        ("b", np.int32),
        ("x", np.float32),
        ("y", np.float32),
    ],
    align=True,
)
"""A row of a log. A: threshold x, drop if a is 1. B, D: nodes a and b. C, F: source a, target b, factor x, scale y. H:
node a, destination b. N: value x of the entry from a to b, one row per entry."""


NO_THRESHOLD = -1.0
"""The threshold of a network without one: every magnitude is above it."""


class Network(NamedTuple):
    """A network of n nodes. Row n of its matrix is the row of the constant node, which has the biases.

    `Networks` has one more axis in front for many networks.

    Attributes
    ----------
    columns : ndarray of float32, shape (n, n + 1)
        ``columns[j, i]`` is W[i, j] and ``columns[j, n]`` the bias of node j; +0 where no entry is stored.
    stored : ndarray of bool, shape (n, n)
        ``stored[j, i]``: whether W[i, j] is stored.
    ids, activations : ndarray, shape (n,)
        Id and activation code of each node.
    threshold : ndarray of float32, shape (1,)
        The threshold A on magnitudes, not negative; `NO_THRESHOLD` where every stored entry is active.
    """

    columns: Floats
    stored: Flags
    ids: NDArray[np.int64]
    activations: NDArray[np.uint8]
    threshold: Floats


Networks = Network
"""P networks: arrays with one more axis in front, thresholds of shape (P,)."""


class Log(NamedTuple):
    """The log of applied operations.

    Attributes
    ----------
    rows : ndarray of LOG_ROW
        Empty if nothing is logged.
    counts : ndarray of int64, shape (2,)
        Number of rows and of operations.
    sizes : ndarray of int64, shape (n_operations + 1, 2)
        Stored and active entries before the first mutation, and after each.
    """

    rows: NDArray[np.void]
    counts: NDArray[np.int64]
    sizes: NDArray[np.int64]


@kernel
def write_log(log: Log, operator: int, a: int, b: int, x: Any, y: Any) -> None:
    """Write a row of the current operation."""
    if log.rows.shape[0] > 0:
        row = log.rows[log.counts[0]]
        row["operation"] = log.counts[1]
        row["operator"] = operator
        row["a"] = a
        row["b"] = b
        row["x"] = x
        row["y"] = y
        log.counts[0] += 1


@kernel
def write_sizes(log: Log, network: Network, number: int) -> None:
    """Write the numbers of entries after some mutations."""
    if log.rows.shape[0] > 0:
        log.sizes[number, 0] = count_stored(network)
        log.sizes[number, 1] = count_active(network)


# -- operators ---------------------------------------------------------------------------------------------------------


@kernel
def set_threshold(network: Network, threshold: Any, drop: bool) -> None:
    """Set the threshold (A). Entries below it become dormant or, with `drop`, are removed."""
    network.threshold[0] = threshold
    if drop:
        n = network.stored.shape[0]
        for j in range(n):
            for i in range(n):
                if network.stored[j, i] and not abs(network.columns[j, i]) > threshold:
                    network.stored[j, i] = False
                    network.columns[j, i] = np.float32(0)


@kernel
def swap_contents(first: Any, second: Any) -> None:
    """Swap the contents of two vectors."""
    for i in range(first.shape[0]):
        first[i], second[i] = second[i], first[i]


@kernel
def swap_columns(network: Network, a: int, b: int) -> None:
    """Swap the in-edges of two nodes, biases included (B)."""
    swap_contents(network.columns[a], network.columns[b])
    swap_contents(network.stored[a], network.stored[b])


@kernel
def swap_rows(network: Network, a: int, b: int) -> None:
    """Swap the out-edges of two nodes (D)."""
    swap_contents(network.columns[:, a], network.columns[:, b])
    swap_contents(network.stored[:, a], network.stored[:, b])


@kernel
def add_column(network: Network, source: int, target: int, factor: Any, scale: Any) -> bool:
    """Set column `target`, bias included, to scale · (target + factor · source) (C), unless the sum is not finite."""
    n = network.stored.shape[0]
    source_line, line = network.columns[source], network.columns[target]
    source_stored, stored = network.stored[source], network.stored[target]
    for i in range(n + 1):
        if not np.isfinite((line[i] + factor * source_line[i]) * scale):
            return False
    for i in range(n):
        stored[i] |= source_stored[i]
        if stored[i]:
            line[i] = (line[i] + factor * source_line[i]) * scale
    line[n] = (line[n] + factor * source_line[n]) * scale
    return True


@kernel
def add_row(network: Network, source: int, target: int, factor: Any, scale: Any) -> bool:
    """Set row `target`, without biases, to scale · (target + factor · source) (F), unless the sum is not finite."""
    n = network.stored.shape[0]
    source_line, line = network.columns[:, source], network.columns[:, target]
    source_stored, stored = network.stored[:, source], network.stored[:, target]
    for j in range(n):
        if not np.isfinite((line[j] + factor * source_line[j]) * scale):
            return False
    for j in range(n):
        if source_stored[j]:
            line[j] = (line[j] + factor * source_line[j]) * scale
        elif stored[j]:
            line[j] = line[j] * scale
        stored[j] |= source_stored[j]
    return True


@kernel
def move_node(network: Network, node: int, destination: int) -> None:
    """Move a node to another index in the order (H), by swaps of neighbouring nodes."""
    step = 1 if destination > node else -1
    while node != destination:
        swap_columns(network, node, node + step)
        swap_rows(network, node, node + step)
        swap_contents(network.ids[node : node + 1], network.ids[node + step : node + step + 1])
        swap_contents(
            network.activations[node : node + 1], network.activations[node + step : node + step + 1]
        )
        node += step


@kernel
def assign_entry(network: Network, source: int, target: int, value: Any) -> None:
    """Set the value of one entry (N). Source n is the constant node, whose entries are the biases."""
    network.columns[target, source] = value
    if source < network.stored.shape[0]:
        network.stored[target, source] = True


# -- counts and magnitudes ---------------------------------------------------------------------------------------------


@kernel
def count_above(network: Network, threshold: Any) -> Any:
    """Count the stored entries with a magnitude above a threshold."""
    n = network.stored.shape[0]
    count = 0
    for j in range(n):
        for i in range(n):
            count += network.stored[j, i] and abs(network.columns[j, i]) > threshold
    return count


@kernel
def count_stored(network: Network) -> Any:
    """Count the stored entries."""
    return count_above(network, np.float32(-1))


@kernel
def count_active(network: Network) -> Any:
    """Count the active entries."""
    return count_above(network, network.threshold[0])


@allocating_kernel
def magnitude_at(network: Network, rank: int) -> Any:
    """Return the magnitude with a rank, from 0, among the stored entries; by insertion, since ranks are small."""
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
