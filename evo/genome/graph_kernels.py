"""Compiled searches in the graph of a genome: effective entries, cycles, depth, and distances from inputs.

Edges are given by target, as in :class:`evo.genome.genome.Genome`: `indptr`, and the source of each edge. The functions
of :mod:`graphops` that are named here find the same.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import allocating_kernel, kernel

Ints = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]


@kernel
def first_at_least(ascending: Ints, begin: int, end: int, bound: int) -> int:
    """Return the first index from `begin` on with ``ascending[index] >= bound``, or `end`; by bisection."""
    while begin < end:
        middle = (begin + end) // 2
        if ascending[middle] < bound:
            begin = middle + 1
        else:
            end = middle
    return begin


@kernel
def delays_to_output(
    indptr: Ints,
    indices: Ints,
    active: Mask,
    is_input: Mask,
    outputs: Ints,
    ticks: int,
    delays: Ints,
) -> None:
    """Write the least number of delayed edges on a path from each node to an output; `ticks` where there is none.

    A node is needed if this number is below the ticks (:func:`graphops.needed_nodes`).
    Paths through an input do not count. `active` masks the stored entries that are edges; if it is empty, all are.
    One descending pass for each delay suffices, since edges without delay come from nodes with lower indices.
    """
    delays[:] = ticks
    delays[outputs] = 0
    all_active = active.shape[0] == 0
    for delay in range(ticks):
        found = False
        for j in range(delays.shape[0] - 1, -1, -1):
            if delays[j] != delay or is_input[j]:
                continue
            found = True
            for e in range(indptr[j], indptr[j + 1]):
                i = indices[e]
                through = delay if i < j or is_input[i] else delay + 1
                if through < delays[i] and (all_active or active[e]):
                    delays[i] = through
        if not found:
            break


@kernel
def keep_effective(
    indptr: Ints, indices: Ints, is_input: Mask, delays: Ints, ticks: int, mask: Mask
) -> None:
    """Clear, in a mask of the active entries, those that are not effective, given the delays to an output."""
    for j in range(delays.shape[0]):
        none, all_in_time = is_input[j] or delays[j] >= ticks, delays[j] + 1 < ticks
        for e in range(indptr[j], indptr[j + 1]):
            in_time = all_in_time or indices[e] < j or is_input[indices[e]]
            mask[e] &= in_time and not none


@allocating_kernel
def count_components(indptr: Ints, sources: Ints) -> tuple[int, int, int]:
    """Return the number of strongly connected components, of nodes on cycles, and of nodes in the largest component.

    Edges are given by target, as in a genome, and may be repeated. Tarjan's algorithm (1972) without recursion, along
    the edges in reverse, which have the same components; O(nodes + edges).
    """
    n = indptr.shape[0] - 1
    number = np.zeros(
        n, np.int64
    )  # in the order of discovery, from 1; n + 1 once the component is complete
    lowest = np.zeros(n, np.int64)
    at = np.zeros(n, np.int64)
    path, stack = np.zeros(n, np.int64), np.zeros(n, np.int64)
    loops = np.zeros(n, np.bool_)
    n_found, n_stack = 0, 0
    n_components, n_cyclic, largest = 0, 0, 0
    for root in range(n):
        n_path = 0
        if number[root] == 0:
            path[0] = root
            n_path = 1
        while n_path > 0:
            v = path[n_path - 1]
            if number[v] == 0:
                n_found += 1
                number[v] = n_found
                lowest[v] = n_found
                at[v] = indptr[v]
                stack[n_stack] = v
                n_stack += 1
            if at[v] < indptr[v + 1]:
                w = sources[at[v]]
                at[v] += 1
                loops[v] |= w == v
                if number[w] == 0:
                    path[n_path] = w
                    n_path += 1
                else:
                    lowest[v] = min(lowest[v], number[w])
                continue
            n_path -= 1
            if n_path > 0:
                before = path[n_path - 1]
                lowest[before] = min(lowest[before], lowest[v])
            if lowest[v] == number[v]:
                size, w = 0, -1
                while w != v:
                    n_stack -= 1
                    w = stack[n_stack]
                    number[w] = n + 1
                    size += 1
                n_components += 1
                largest = max(largest, size)
                if size > 1 or loops[v]:
                    n_cyclic += size
    return n_components, n_cyclic, largest


@allocating_kernel
def longest_path(indptr: Ints, sources: Ints, is_input: Mask, inputs_at_once: bool) -> int:
    """Return the number of edges on the longest path of edges without delay, as :func:`graphops.evaluation_layers`.

    No edge leads to an input. `inputs_at_once` tells whether edges from inputs to earlier nodes have no delay either.
    """
    depth = np.zeros(is_input.shape[0], np.int64)
    longest = 0
    for j in range(depth.shape[0]):
        for e in range(indptr[j], indptr[j + 1]):
            i = sources[e]
            if i < j or (inputs_at_once and is_input[i]):
                depth[j] = max(depth[j], depth[i] + 1)
        longest = max(longest, depth[j])
    return longest


@allocating_kernel
def count_hops(indptr: Ints, sources: Ints, is_input: Mask, hops: Ints) -> None:
    """Write the number of edges from the nearest input to each node; −1 where no input reaches the node.

    Edges may be repeated. A breadth-first search, O(nodes + edges).
    """
    n = is_input.shape[0]
    ends = np.zeros(n, np.int64)
    for e in range(indptr[n]):
        ends[sources[e]] += 1
    total = 0
    for i in range(n):
        total += ends[i]
        ends[i] = total
    begins = ends.copy()
    targets = np.empty(total, np.int64)
    for j in range(n):
        for e in range(indptr[j], indptr[j + 1]):
            i = sources[e]
            begins[i] -= 1
            targets[begins[i]] = j
    queue = np.empty(n, np.int64)
    n_reached = 0
    for i in range(n):
        hops[i] = -1
        if is_input[i]:
            hops[i] = 0
            queue[n_reached] = i
            n_reached += 1
    k = 0
    while k < n_reached:
        i = queue[k]
        k += 1
        for e in range(begins[i], ends[i]):
            j = targets[e]
            if hops[j] < 0:
                hops[j] = hops[i] + 1
                queue[n_reached] = j
                n_reached += 1
