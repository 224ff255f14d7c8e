"""How a small dense network mutates: drawing operators and their parameters, and applying them.

The rules of :mod:`evo.operators`, on the arrays of :mod:`evo.gradient_free.dense_kernels`: only places are
proposed where an edge can act by the roles of its ends. A function here draws the parameters of one application,
applies it and writes it to the log, or finds none, changes nothing and returns False.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import exact_kernel
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
    assign,
    count_stored,
    magnitude_at,
    move,
    set_threshold,
    swap_columns,
    swap_rows,
    write,
)
from evo.gradient_free.philox_kernels import Words, draw_integer, draw_normal, draw_uniform

TRIES = 16
"""How often a draw is repeated before it is given up."""

NOBODY = -1


class Rules(NamedTuple):
    """What a network of the population looks like, and within which bounds it mutates.

    `n_inputs`, `n_outputs` and `ticks` are those of every genome; the rest is as in
    :class:`evo.gradient_free.neuroevolution.NeuroevolutionSettings` and
    :class:`evo.operators.operation.OperatorSettings`.
    """

    n_inputs: int
    n_outputs: int
    ticks: int
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


@exact_kernel
def acts(rules: Rules, source: int, target: int, n: int) -> bool:
    """Tell whether an edge can act by the roles and places of its ends."""
    if target < rules.n_inputs:
        return False
    return rules.ticks > 1 or (source < target and source < n - rules.n_outputs)


@exact_kernel
def n_speakers(rules: Rules, n: int) -> Any:
    """Return how many nodes, from the first, have a row that acts: outputs only where a later tick can hear them."""
    return n if rules.ticks > 1 else n - rules.n_outputs


@exact_kernel
def room(network: Network, rules: Rules) -> Any:
    """Return how many more entries may be stored."""
    n = network.stored.shape[0]
    return int(rules.max_density * n * n) - count_stored(network)


@exact_kernel
def fresh_weight(network: Network, rules: Rules, stream: Words) -> Any:
    """Draw the weight of a new edge, which lives."""
    weight = draw_normal(stream) * rules.init_std
    floor = 1.05 * network.threshold[0]
    if abs(weight) < floor:
        weight = -floor if weight < 0 else floor
    return np.float32(min(max(weight, -rules.max_weight), rules.max_weight))


# -- lines: B, C, D, F -------------------------------------------------------------------------------------------------


@exact_kernel
def draw_line(lines: Any, stream: Words, low: int, high: int) -> Any:
    """Draw a node in low … high − 1 whose line, row `node` of `lines`, has an entry; NOBODY after some tries."""
    for _ in range(TRIES):
        node = low + draw_integer(stream, high - low)
        for i in range(lines.shape[1]):
            if lines[node, i]:
                return node
    return NOBODY


@exact_kernel
def draw_other(stream: Words, low: int, high: int, node: int) -> Any:
    """Draw a node in low … high − 1 other than one that lies there."""
    other = low + draw_integer(stream, high - low - 1)
    return other + (other >= node)


@exact_kernel
def draw_two(lines: Any, stream: Words, low: int, high: int) -> Any:
    """Draw a node whose line has an entry, and another node, from low … high − 1; NOBODY twice where there are none."""
    if high - low < 2:
        return NOBODY, NOBODY
    node = draw_line(lines, stream, low, high)
    if node == NOBODY:
        return NOBODY, NOBODY
    return node, draw_other(stream, low, high, node)


@exact_kernel
def draw_sum(rules: Rules, stream: Words, theirs: Any, ours: Any) -> Any:
    """Draw the factor of an addition, and the scale by which the touched line keeps its length, if it has one."""
    magnitude = rules.max_factor * (1.0 - draw_uniform(stream))
    factor = np.float32(magnitude if draw_integer(stream, 2) else -magnitude)
    before, after = 0.0, 0.0
    for i in range(theirs.shape[0]):
        before += np.float64(theirs[i]) ** 2
        after += (np.float64(theirs[i]) + np.float64(factor) * np.float64(ours[i])) ** 2
    scale = np.float32(math.sqrt(before / after) if before > 0 and after > 0 else 1.0)
    return factor, scale


@exact_kernel
def count_new(theirs: Any, ours: Any) -> Any:
    """Count the entries that a line would get from another."""
    count = 0
    for i in range(theirs.shape[0]):
        count += ours[i] and not theirs[i]
    return count


@exact_kernel
def mutate_columns(network: Network, rules: Rules, stream: Words, log: Log) -> bool:
    """Let two nodes exchange what they listen to (B)."""
    a, b = draw_two(network.stored, stream, rules.n_inputs, network.stored.shape[0])
    if a == NOBODY:
        return False
    swap_columns(network, a, b)
    write(log, SWAP_COLUMNS, min(a, b), max(a, b), 0.0, 0.0)
    return True


@exact_kernel
def mutate_rows(network: Network, rules: Rules, stream: Words, log: Log) -> bool:
    """Let two nodes exchange whom they speak to (D)."""
    n = network.stored.shape[0]
    a, b = draw_two(network.stored.T, stream, 0, n_speakers(rules, n))
    if a == NOBODY:
        return False
    swap_rows(network, a, b)
    write(log, SWAP_ROWS, min(a, b), max(a, b), 0.0, 0.0)
    return True


@exact_kernel
def mutate_by_column(network: Network, rules: Rules, stream: Words, log: Log) -> bool:
    """Let a node hear, besides, what another hears (C)."""
    stored, columns = network.stored, network.columns
    a, b = draw_two(stored, stream, rules.n_inputs, stored.shape[0])
    if a == NOBODY or count_new(stored[b], stored[a]) > room(network, rules):
        return False
    factor, scale = draw_sum(rules, stream, columns[b], columns[a])
    if not add_column(network, a, b, factor, scale):
        return False
    write(log, ADD_COLUMN, a, b, factor, scale)
    return True


@exact_kernel
def mutate_by_row(network: Network, rules: Rules, stream: Words, log: Log) -> bool:
    """Let a node speak, besides, to those whom another speaks to (F)."""
    rows, entries = network.stored.T, network.columns.T
    a, b = draw_two(rows, stream, 0, n_speakers(rules, rows.shape[0]))
    if a == NOBODY or count_new(rows[b], rows[a]) > room(network, rules):
        return False
    factor, scale = draw_sum(rules, stream, entries[b], entries[a])
    if not add_row(network, a, b, factor, scale):
        return False
    write(log, ADD_ROW, a, b, factor, scale)
    return True


# -- A, H --------------------------------------------------------------------------------------------------------------


@exact_kernel
def mutate_threshold(network: Network, rules: Rules, stream: Words, log: Log) -> bool:
    """Let a small share of the entries, but at least one and not all, sleep; half the time, forget them (A)."""
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
    write(log, THRESHOLD, drop, 0, threshold, 0.0)
    return True


@exact_kernel
def passes_partner(network: Network, rules: Rules, node: int, destination: int) -> bool:
    """Tell whether a move takes a node past one that it is connected to: only then the network changes."""
    for other in range(min(node, destination), max(node, destination) + 1):
        if other != node and (network.stored[node, other] or network.stored[other, node]):
            return True
    return False


@exact_kernel
def mutate_order(network: Network, rules: Rules, stream: Words, log: Log) -> bool:
    """Move a hidden node to the place of another, past at least one that it is connected to (H)."""
    low, high = rules.n_inputs, network.stored.shape[0] - rules.n_outputs
    if high - low < 2:
        return False
    for _ in range(TRIES):
        node = low + draw_integer(stream, high - low)
        destination = draw_other(stream, low, high, node)
        if passes_partner(network, rules, node, destination):
            move(network, node, destination)
            write(log, REORDER, node, destination, 0.0, 0.0)
            return True
    return False


# -- N -----------------------------------------------------------------------------------------------------------------


@exact_kernel
def grow(network: Network, rules: Rules, stream: Words, log: Log) -> bool:
    """Put a few new edges where they can act, each free place being as likely as the others (N)."""
    n = network.stored.shape[0]
    n_free = 0
    for j in range(rules.n_inputs, n):
        for i in range(n):
            n_free += acts(rules, i, j, n) and not network.stored[j, i]
    n_stored = count_stored(network)
    wanted = max(1, round(draw_uniform(stream) * rules.max_new_fraction * n_stored))
    wanted = min(wanted, n_free, room(network, rules))
    if wanted < 1:
        return False
    for j in range(rules.n_inputs, n):
        for i in range(n):
            if acts(rules, i, j, n) and not network.stored[j, i]:
                # Selection sampling (Knuth, vol. 2, 3.4.2): the chance that makes all choices alike.
                if draw_integer(stream, n_free) < wanted:
                    weight = fresh_weight(network, rules, stream)
                    assign(network, i, j, weight)
                    write(log, ASSIGN, i, j, weight, 0.0)
                    wanted -= 1
                n_free -= 1
    return True


@exact_kernel
def reweight(network: Network, rules: Rules, stream: Words, log: Log) -> bool:
    """Move a share of the weights and biases, at least one, a little, or draw them anew (N)."""
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
                assign(network, i, j, value)
                write(log, ASSIGN, i, j, value, 0.0)
            certain -= 1
    return True


@exact_kernel
def mutate_weights(network: Network, rules: Rules, stream: Words, log: Log) -> bool:
    """Grow new edges, or change weights (N)."""
    if draw_uniform(stream) < rules.growth_fraction:
        return grow(network, rules, stream, log)
    return reweight(network, rules, stream, log)


# -- all ---------------------------------------------------------------------------------------------------------------


@exact_kernel
def apply_letter(letter: int, network: Network, rules: Rules, stream: Words, log: Log) -> bool:
    """Draw and apply one operator."""
    if letter == THRESHOLD:
        done = mutate_threshold(network, rules, stream, log)
    elif letter == SWAP_COLUMNS:
        done = mutate_columns(network, rules, stream, log)
    elif letter == ADD_COLUMN:
        done = mutate_by_column(network, rules, stream, log)
    elif letter == SWAP_ROWS:
        done = mutate_rows(network, rules, stream, log)
    elif letter == ADD_ROW:
        done = mutate_by_row(network, rules, stream, log)
    elif letter == REORDER:
        done = mutate_order(network, rules, stream, log)
    else:
        done = mutate_weights(network, rules, stream, log)
    if done:
        log.counts[1] += 1
    return done


@exact_kernel
def mutate(
    network: Network, rules: Rules, chances: NDArray[np.float64], stream: Words, log: Log
) -> None:
    """Apply one operator, or a few up to a bound; `chances` adds up, letter by letter, how often each is drawn."""
    wanted = 1 + draw_integer(stream, rules.max_operations)
    for _ in range(TRIES * wanted):
        if wanted == 0:
            break
        at = draw_uniform(stream) * chances[-1]
        letter = 0
        while chances[letter] <= at:
            letter += 1
        wanted -= apply_letter(letter, network, rules, stream, log)
