"""Many networks in one call: mutation with a record, the effective part of each, and its scores on samples.

An edge is effective if it is active and an output depends on it within the ticks
(:mod:`evo.phenotype.plan`). The sums are those of :mod:`evo.phenotype.kernels.edge_kernels`, so the scores equal those
of :class:`evo.Phenotype`, bit for bit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import allocating_kernel, kernel
from evo.gradient_free.dense_kernels import Flags, Floats, Ints, Log, Network, Networks
from evo.gradient_free.dense_mutation_kernels import Rules, mutate
from evo.gradient_free.neuroevolution_kernels import network_at
from evo.gradient_free.philox_kernels import STREAM_SIZE, Words, open_stream
from evo.phenotype.kernels.activation_kernels import activate
from evo.phenotype.kernels.edge_kernels import forward_edges
from evo.phenotype.kernels.row_kernels import Width


@allocating_kernel
def mutate_all(
    networks: Networks,
    rules: Rules,
    cumulative_weights: NDArray[np.float64],
    keys: Words,
    log: Log,
    sizes: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> None:
    """Mutate networks in place, each with the random stream of its key, and log the operations of all.

    ``ends[p]`` becomes the number of rows of the log after network p, and the number of its operations. ``sizes[p]``
    becomes what :class:`Log` says of sizes.
    """
    stream = np.empty(STREAM_SIZE, np.uint64)
    for p in range(networks.ids.shape[0]):
        open_stream(stream, keys[p], 0, 0)
        log.counts[1] = 0
        own = Log(log.rows, log.counts, sizes[p])
        mutate(network_at(networks, p), rules, cumulative_weights, stream, own)
        ends[p, 0] = log.counts[0]
        ends[p, 1] = log.counts[1]


# -- what has an effect ------------------------------------------------------------------------------------------------


@kernel
def write_delays(network: Network, rules: Rules, delays: Ints) -> None:
    """Write the least number of delayed edges on a path from each node to an output; `ticks` where there is none.

    As :func:`evo.genome.graph_kernels.delays_to_output`.
    """
    n, ticks, threshold = network.stored.shape[0], rules.ticks, network.threshold[0]
    for j in range(n):
        delays[j] = ticks if j < n - rules.n_outputs else 0
    for delay in range(ticks):
        found = False
        for j in range(n - 1, rules.n_inputs - 1, -1):
            if delays[j] != delay:
                continue
            found = True
            for i in range(n):
                through = delay if i < j else delay + 1
                is_active = network.stored[j, i] and abs(network.columns[j, i]) > threshold
                if is_active and through < delays[i]:
                    delays[i] = through
        if not found:
            break


@kernel
def is_effective(network: Network, rules: Rules, delays: Ints, source: int, target: int) -> Any:
    """Return whether the entry from a source to a target that is no input is stored, active and effective."""
    if not network.stored[target, source] or delays[target] >= rules.ticks:
        return False
    in_time = source < target or delays[target] + 1 < rules.ticks
    return in_time and abs(network.columns[target, source]) > network.threshold[0]


@allocating_kernel
def count_effective(networks: Networks, rules: Rules, counts: NDArray[np.int64]) -> None:
    """Write, for each network, its computed nodes, its effective edges, and its stored and its active entries."""
    n = networks.ids.shape[1]
    delays = np.empty(n, np.int64)
    for p in range(networks.ids.shape[0]):
        network = network_at(networks, p)
        write_delays(network, rules, delays)
        counts[p] = 0
        for j in range(n):
            if j >= rules.n_inputs:
                counts[p, 0] += delays[j] < rules.ticks
            for i in range(n):
                if network.stored[j, i]:
                    counts[p, 2] += 1
                    counts[p, 3] += abs(network.columns[j, i]) > network.threshold[0]
                    if j >= rules.n_inputs:
                        counts[p, 1] += is_effective(network, rules, delays, i, j)


@allocating_kernel
def remove_ineffective(networks: Networks, rules: Rules) -> None:
    """Remove the entries without effect."""
    n = networks.ids.shape[1]
    delays = np.empty(n, np.int64)
    kept: Flags = np.empty((n, n), np.bool_)
    for p in range(networks.ids.shape[0]):
        network = network_at(networks, p)
        write_delays(network, rules, delays)
        for j in range(n):
            for i in range(n):
                kept[j, i] = j >= rules.n_inputs and is_effective(network, rules, delays, i, j)
        for j in range(n):
            for i in range(n):
                if not kept[j, i]:
                    network.stored[j, i] = False
                    network.columns[j, i] = np.float32(0)


# -- scores on samples -------------------------------------------------------------------------------------------------


@allocating_kernel
def score_all(
    networks: Networks, rules: Rules, state: Floats, length: int, scores: Floats, width: Width
) -> None:
    """Write the scores of networks on samples, shape (n_networks, n_outputs, n_samples).

    `state` is flat: a row of `length` numbers for each node, and one more. The rows of the inputs are given. Nodes
    before a node already have their state of the tick, so the state of the tick before lies where a delayed edge
    reads it.
    """
    n, first = networks.ids.shape[1], rules.n_inputs
    delays = np.empty(n, np.int64)
    ends = np.zeros(n + 1, np.int64)
    sources = np.empty(n * n, np.int32)
    weights = np.empty(n * n, np.float32)
    row = state[n * length :]
    for p in range(networks.ids.shape[0]):
        network = network_at(networks, p)
        write_delays(network, rules, delays)
        count = 0
        for j in range(first, n):
            for i in range(n):
                if is_effective(network, rules, delays, i, j):
                    sources[count] = i
                    weights[count] = network.columns[j, i]
                    count += 1
            ends[j + 1] = count
        state[first * length : n * length] = 0
        for _ in range(rules.ticks):
            for j in range(first, n):
                if delays[j] >= rules.ticks:
                    continue
                row[:] = network.columns[j, n]
                if ends[j] < ends[j + 1]:
                    forward_edges(
                        state, 0, length, length, sources, weights, ends[j], ends[j + 1],
                        n * length, width,
                    )  # fmt: skip
                activate(network.activations[j], row)
                for b in range(length):
                    state[j * length + b] = row[b]
        for k in range(rules.n_outputs):
            offset = (n - rules.n_outputs + k) * length
            for b in range(scores.shape[2]):
                scores[p, k, b] = state[offset + b]
