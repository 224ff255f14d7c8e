"""Mutation of a small dense network: operators and their parameters are drawn and applied.

The rules are those of :mod:`evo.operators`, on the arrays of :mod:`evo.gradient_free.dense_kernels`. New
edges are proposed only where the roles of both ends allow an effect. Each mutation draws parameters, applies them and
writes them to the log; if no parameters are found, it changes nothing and returns False.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import kernel
from evo.gradient_free.dense_kernels import (
    ADD_COLUMN,
    ADD_ROW,
    ASSIGN,
    REORDER,
    SWAP_COLUMNS,
    SWAP_ROWS,
    THRESHOLD,
    Log,
    Network,
    add_column,
    add_row,
    assign_entry,
    count_stored,
    magnitude_at,
    move_node,
    set_threshold,
    swap_columns,
    swap_rows,
    write_log,
    write_sizes,
)
from evo.gradient_free.philox_kernels import Words, draw_integer, draw_normal, draw_uniform

MAX_ATTEMPTS = 16
"""Largest number of attempts to draw suitable parameters."""

NO_NODE = -1
"""The result of a draw without a suitable node."""


class Rules(NamedTuple):
    """Sizes of all networks of a population, and bounds of their mutation.

    The other fields are settings of :class:`evo.gradient_free.settings.NeuroevolutionSettings` and
    :class:`evo.operators.operation.OperatorSettings`.
    """

    n_inputs: int
    n_outputs: int
    ticks: int
    memory: bool
    max_factor: float
    max_quantile: float
    max_new_fraction: float
    max_density: float
    max_operations: int
    growth_fraction: float
    changed_fraction: float
    redrawn_fraction: float
    mutation_std: float
    init_std: float
    max_weight: float


@kernel
def delayed_edges_act(rules: Rules) -> bool:
    """Return whether an edge to an earlier node, or to the node itself, can have an effect."""
    return rules.ticks > 1 or rules.memory


@kernel
def can_be_effective(rules: Rules, source: int, target: int, n: int) -> bool:
    """Return whether an edge can have an effect, by the roles and the order of its ends."""
    if target < rules.n_inputs:
        return False
    return delayed_edges_act(rules) or (source < target and source < n - rules.n_outputs)


@kernel
def n_source_nodes(rules: Rules, n: int) -> Any:
    """Return how many nodes, from the first, may have effective out-edges: outputs only if delayed edges act."""
    return n if delayed_edges_act(rules) else n - rules.n_outputs


@kernel
def count_free_entries(network: Network, rules: Rules) -> Any:
    """Return how many more entries may be stored."""
    n = network.stored.shape[0]
    return int(rules.max_density * n * n) - count_stored(network)


@kernel
def draw_weight(network: Network, rules: Rules, stream: Words) -> Any:
    """Draw the weight of a new edge, above the threshold."""
    weight = draw_normal(stream) * rules.init_std
    floor = 1.05 * network.threshold[0]
    if abs(weight) < floor:
        weight = -floor if weight < 0 else floor
    return np.float32(min(max(weight, -rules.max_weight), rules.max_weight))


# -- lines: B, C, D, F -------------------------------------------------------------------------------------------------


@kernel
def draw_node_with_entries(lines: Any, stream: Words, low: int, high: int) -> Any:
    """Draw a node in low … high − 1 whose row in `lines` has an entry; NO_NODE after MAX_ATTEMPTS."""
    for _ in range(MAX_ATTEMPTS):
        node = low + draw_integer(stream, high - low)
        for i in range(lines.shape[1]):
            if lines[node, i]:
                return node
    return NO_NODE


@kernel
def draw_other_node(stream: Words, low: int, high: int, node: int) -> Any:
    """Draw a node in low … high − 1 other than `node`, which is in this range."""
    other = low + draw_integer(stream, high - low - 1)
    return other + (other >= node)


@kernel
def draw_node_pair(lines: Any, stream: Words, low: int, high: int) -> Any:
    """Draw two nodes in low … high − 1, the first with an entry in its line; NO_NODE twice if there are none."""
    if high - low < 2:
        return NO_NODE, NO_NODE
    node = draw_node_with_entries(lines, stream, low, high)
    if node == NO_NODE:
        return NO_NODE, NO_NODE
    return node, draw_other_node(stream, low, high, node)


@kernel
def draw_addition(rules: Rules, stream: Words, line: Any, source_line: Any) -> Any:
    """Draw the factor of an addition, and the scale that preserves the length of a changed line (1 if it is 0)."""
    magnitude = rules.max_factor * (1.0 - draw_uniform(stream))
    factor = np.float32(magnitude if draw_integer(stream, 2) else -magnitude)
    before, after = 0.0, 0.0
    for i in range(line.shape[0]):
        before += np.float64(line[i]) ** 2
        after += (np.float64(line[i]) + np.float64(factor) * np.float64(source_line[i])) ** 2
    scale = np.float32(math.sqrt(before / after) if before > 0 and after > 0 else 1.0)
    return factor, scale


@kernel
def count_new_entries(line: Any, source_line: Any) -> Any:
    """Count the entries that an addition of another line would add to a line."""
    count = 0
    for i in range(line.shape[0]):
        count += source_line[i] and not line[i]
    return count


@kernel
def mutate_by_column_swap(network: Network, rules: Rules, stream: Words, log: Log) -> bool:
    """Swap the in-edges of two nodes (B)."""
    a, b = draw_node_pair(network.stored, stream, rules.n_inputs, network.stored.shape[0])
    if a == NO_NODE:
        return False
    swap_columns(network, a, b)
    write_log(log, SWAP_COLUMNS, min(a, b), max(a, b), 0.0, 0.0)
    return True


@kernel
def mutate_by_row_swap(network: Network, rules: Rules, stream: Words, log: Log) -> bool:
    """Swap the out-edges of two nodes (D)."""
    n = network.stored.shape[0]
    a, b = draw_node_pair(network.stored.T, stream, 0, n_source_nodes(rules, n))
    if a == NO_NODE:
        return False
    swap_rows(network, a, b)
    write_log(log, SWAP_ROWS, min(a, b), max(a, b), 0.0, 0.0)
    return True


@kernel
def mutate_by_column_addition(network: Network, rules: Rules, stream: Words, log: Log) -> bool:
    """Add the in-edges of one node to another node (C)."""
    stored, columns = network.stored, network.columns
    a, b = draw_node_pair(stored, stream, rules.n_inputs, stored.shape[0])
    if a == NO_NODE or count_new_entries(stored[b], stored[a]) > count_free_entries(network, rules):
        return False
    factor, scale = draw_addition(rules, stream, columns[b], columns[a])
    if not add_column(network, a, b, factor, scale):
        return False
    write_log(log, ADD_COLUMN, a, b, factor, scale)
    return True


@kernel
def mutate_by_row_addition(network: Network, rules: Rules, stream: Words, log: Log) -> bool:
    """Add the out-edges of one node to another node (F)."""
    rows, entries = network.stored.T, network.columns.T
    a, b = draw_node_pair(rows, stream, 0, n_source_nodes(rules, rows.shape[0]))
    if a == NO_NODE or count_new_entries(rows[b], rows[a]) > count_free_entries(network, rules):
        return False
    factor, scale = draw_addition(rules, stream, entries[b], entries[a])
    if not add_row(network, a, b, factor, scale):
        return False
    write_log(log, ADD_ROW, a, b, factor, scale)
    return True


# -- A, H --------------------------------------------------------------------------------------------------------------


@kernel
def mutate_by_threshold(network: Network, rules: Rules, stream: Words, log: Log) -> bool:
    """Make a small fraction of the entries dormant, at least one and not all; drop them in half of the cases (A)."""
    n_stored = count_stored(network)
    if n_stored < 2:
        return False
    share = draw_uniform(stream) * rules.max_quantile
    left = max(1, min(round(share * n_stored), n_stored - 1))
    threshold = magnitude_at(network, left - 1)
    drop = draw_integer(stream, 2) == 1
    if threshold == network.threshold[0] and not drop:
        return False
    set_threshold(network, threshold, drop)
    write_log(log, THRESHOLD, drop, 0, threshold, 0.0)
    return True


@kernel
def passes_neighbour(network: Network, rules: Rules, node: int, destination: int) -> bool:
    """Return whether a move passes a neighbour of the node; other moves do not change the network."""
    for other in range(min(node, destination), max(node, destination) + 1):
        if other != node and (network.stored[node, other] or network.stored[other, node]):
            return True
    return False


@kernel
def mutate_by_move(network: Network, rules: Rules, stream: Words, log: Log) -> bool:
    """Move a hidden node to the index of another hidden node, past at least one of its neighbours (H)."""
    low, high = rules.n_inputs, network.stored.shape[0] - rules.n_outputs
    if high - low < 2:
        return False
    for _ in range(MAX_ATTEMPTS):
        node = low + draw_integer(stream, high - low)
        destination = draw_other_node(stream, low, high, node)
        if passes_neighbour(network, rules, node, destination):
            move_node(network, node, destination)
            write_log(log, REORDER, node, destination, 0.0, 0.0)
            return True
    return False


# -- N -----------------------------------------------------------------------------------------------------------------


@kernel
def add_random_edges(network: Network, rules: Rules, stream: Words, log: Log) -> bool:
    """Add a few new edges that can have an effect, all possible edges being equally likely (N)."""
    n = network.stored.shape[0]
    n_free = 0
    for j in range(rules.n_inputs, n):
        for i in range(n):
            n_free += can_be_effective(rules, i, j, n) and not network.stored[j, i]
    n_stored = count_stored(network)
    wanted = max(1, round(draw_uniform(stream) * rules.max_new_fraction * n_stored))
    wanted = min(wanted, n_free, count_free_entries(network, rules))
    if wanted < 1:
        return False
    for j in range(rules.n_inputs, n):
        for i in range(n):
            if can_be_effective(rules, i, j, n) and not network.stored[j, i]:
                # Selection sampling (Knuth, vol. 2, 3.4.2): all sets of edges are equally likely.
                if draw_integer(stream, n_free) < wanted:
                    weight = draw_weight(network, rules, stream)
                    assign_entry(network, i, j, weight)
                    write_log(log, ASSIGN, i, j, weight, 0.0)
                    wanted -= 1
                n_free -= 1
    return True


@kernel
def perturb_weights(network: Network, rules: Rules, stream: Words, log: Log) -> bool:
    """Perturb or redraw a fraction of the weights and biases, at least one (N)."""
    n = network.stored.shape[0]
    n_places = n - rules.n_inputs
    for j in range(rules.n_inputs, n):
        for i in range(n):
            n_places += network.stored[j, i]
    certain = draw_integer(stream, n_places)
    for j in range(rules.n_inputs, n):
        for i in range(n + 1):
            if i < n and not network.stored[j, i]:
                continue
            if certain == 0 or draw_uniform(stream) < rules.changed_fraction:
                if draw_uniform(stream) < rules.redrawn_fraction:
                    value = draw_normal(stream) * rules.init_std
                else:
                    value = network.columns[j, i] + draw_normal(stream) * rules.mutation_std
                value = np.float32(min(max(value, -rules.max_weight), rules.max_weight))
                assign_entry(network, i, j, value)
                write_log(log, ASSIGN, i, j, value, 0.0)
            certain -= 1
    return True


@kernel
def mutate_by_assignment(network: Network, rules: Rules, stream: Words, log: Log) -> bool:
    """Add new edges or change weights (N)."""
    if draw_uniform(stream) < rules.growth_fraction:
        return add_random_edges(network, rules, stream, log)
    return perturb_weights(network, rules, stream, log)


# -- all ---------------------------------------------------------------------------------------------------------------


@kernel
def apply_random_operator(
    operator: int, network: Network, rules: Rules, stream: Words, log: Log
) -> bool:
    """Draw the parameters of one operator and apply it."""
    if operator == THRESHOLD:
        done = mutate_by_threshold(network, rules, stream, log)
    elif operator == SWAP_COLUMNS:
        done = mutate_by_column_swap(network, rules, stream, log)
    elif operator == ADD_COLUMN:
        done = mutate_by_column_addition(network, rules, stream, log)
    elif operator == SWAP_ROWS:
        done = mutate_by_row_swap(network, rules, stream, log)
    elif operator == ADD_ROW:
        done = mutate_by_row_addition(network, rules, stream, log)
    elif operator == REORDER:
        done = mutate_by_move(network, rules, stream, log)
    else:
        done = mutate_by_assignment(network, rules, stream, log)
    if done:
        log.counts[1] += 1
    return done


@kernel
def mutate(
    network: Network, rules: Rules, cumulative_weights: NDArray[np.float64], stream: Words, log: Log
) -> None:
    """Apply 1 to `max_operations` operators, drawn by the cumulative sums of their relative frequencies."""
    wanted, made = 1 + draw_integer(stream, rules.max_operations), 0
    write_sizes(log, network, made)
    for _ in range(MAX_ATTEMPTS * wanted):
        if made == wanted:
            break
        at = draw_uniform(stream) * cumulative_weights[-1]
        operator = 0
        while cumulative_weights[operator] <= at:
            operator += 1
        if apply_random_operator(operator, network, rules, stream, log):
            made += 1
            write_sizes(log, network, made)
