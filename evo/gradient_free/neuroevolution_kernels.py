"""Generations of small dense networks in compiled code: founders, parent selection, breeding, evaluation.

Each function works on the individuals begin … end − 1, and each individual has its own random stream
(:mod:`evo.gradient_free.philox_kernels`). So the result does not depend on how a population is split into chunks.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import allocating_kernel, kernel
from cnn.training.loss_kernels import cross_entropy, softmax_squared_error, squared_error
from evo.gradient_free.dense_kernels import (
    Floats,
    Ints,
    Log,
    Network,
    Networks,
    assign_entry,
    count_active,
)
from evo.gradient_free.dense_mutation_kernels import Rules, can_be_effective, draw_weight, mutate
from evo.gradient_free.philox_kernels import (
    STREAM_SIZE,
    Words,
    draw_integer,
    draw_uniform,
    open_stream,
)
from evo.phenotype.kernels.activation_kernels import activate

SQUARED_ERROR, CROSS_ENTROPY, SOFTMAX_SQUARED_ERROR, ACCURACY = range(4)
"""Measures of a network: losses and the accuracy."""


class Data(NamedTuple):
    """The samples that networks are evaluated on.

    Attributes
    ----------
    inputs : ndarray of float32, shape (n_inputs, n_samples)
    classes : ndarray of int64, shape (n_samples,)
    values : ndarray of float32, shape (n_outputs, n_samples)
        The targets are classes or values; the other array is empty.
    """

    inputs: Floats
    classes: NDArray[np.int64]
    values: Floats


@allocating_kernel
def network_at(networks: Networks, p: int) -> Any:
    """Return a view of one network."""
    return Network(
        networks.columns[p],
        networks.stored[p],
        networks.ids[p],
        networks.activations[p],
        networks.threshold[p : p + 1],
    )


@allocating_kernel
def create_founders(
    networks: Networks,
    rules: Rules,
    density: float,
    hidden_codes: NDArray[np.uint8],
    output_code: int,
    key: Words,
    begin: int,
    end: int,
) -> None:
    """Draw founders into arrays of zeros: a fraction of the edges that can have an effect, and biases."""
    stream = np.empty(STREAM_SIZE, np.uint64)
    n = networks.ids.shape[1]
    for p in range(begin, end):
        open_stream(stream, key, 0, p)
        network = network_at(networks, p)
        for j in range(n):
            network.ids[j] = j
        for j in range(rules.n_inputs, n):
            if j < n - rules.n_outputs:
                network.activations[j] = hidden_codes[draw_integer(stream, hidden_codes.shape[0])]
            else:
                network.activations[j] = output_code
            for i in range(n):
                if can_be_effective(rules, i, j, n) and draw_uniform(stream) < density:
                    assign_entry(network, i, j, draw_weight(network, rules, stream))
            assign_entry(network, n, j, draw_weight(network, rules, stream))


@allocating_kernel
def count_edges(networks: Networks, p: int) -> Any:
    """Count the active entries of one network."""
    return count_active(network_at(networks, p))


# -- selection ---------------------------------------------------------------------------------------------------------


@allocating_kernel
def select_by_tournament(
    ranking: Ints, size: int, key: Words, generation: int, begin: int, end: int, parent_of: Ints
) -> None:
    """Select the parent of each child: the best of `size` individuals drawn with replacement from a ranking."""
    stream = np.empty(STREAM_SIZE, np.uint64)
    for p in range(begin, end):
        open_stream(stream, key, generation, p)
        best = ranking.shape[0]
        for _ in range(size):
            best = min(best, draw_integer(stream, ranking.shape[0]))
        parent_of[p] = ranking[best]


@allocating_kernel
def select_by_truncation(
    ranking: Ints, size: int, key: Words, generation: int, begin: int, end: int, parent_of: Ints
) -> None:
    """Select the parent of each child: one of the `size` best individuals of a ranking."""
    stream = np.empty(STREAM_SIZE, np.uint64)
    for p in range(begin, end):
        open_stream(stream, key, generation, p)
        parent_of[p] = ranking[draw_integer(stream, size)]


# -- breeding ----------------------------------------------------------------------------------------------------------


@kernel
def copy_network(parents: Networks, parent: int, children: Networks, child: int) -> None:
    """Copy a parent into a child, by loops, since array assignments check for overlap each time."""
    n = parents.ids.shape[1]
    for j in range(n):
        for i in range(n):
            children.columns[child, j, i] = parents.columns[parent, j, i]
        for i in range(n):
            children.stored[child, j, i] = parents.stored[parent, j, i]
        children.columns[child, j, n] = parents.columns[parent, j, n]
        children.ids[child, j] = parents.ids[parent, j]
        children.activations[child, j] = parents.activations[parent, j]
    children.threshold[child] = parents.threshold[parent]


@allocating_kernel
def breed(
    parents: Networks,
    parent_of: Ints,
    n_elites: int,
    rules: Rules,
    cumulative_weights: NDArray[np.float64],
    key: Words,
    generation: int,
    begin: int,
    end: int,
    children: Networks,
    log: Log,
) -> None:
    """Create a generation: unchanged elites first, then mutated children."""
    stream = np.empty(STREAM_SIZE, np.uint64)
    for p in range(begin, end):
        copy_network(parents, parent_of[p], children, p)
        if p >= n_elites:
            open_stream(stream, key, generation, p)
            mutate(network_at(children, p), rules, cumulative_weights, stream, log)


# -- evaluation --------------------------------------------------------------------------------------------------------


@kernel
def run(
    network: Network, n_inputs: int, ticks: int, delayed: bool, state: Floats, net_input: Floats
) -> None:
    """Run a network on all samples. Rows of `state` are nodes; those of inputs, and the first state, are given.

    x[j] = φ_j( Σ_i W[i, j]·x[i] + b_j ) replaces x[j]. Nodes before j already have their state of this tick; node j and
    later nodes still have their state of the tick before, which counts if `delayed`.
    """
    n, n_samples = state.shape
    threshold = max(network.threshold[0], np.float32(0))
    for _ in range(ticks):
        for j in range(n_inputs, n):
            column = network.columns[j]
            for b in range(n_samples):
                net_input[b] = column[n]
            for i in range(n if delayed else j):
                w = column[i]
                if abs(w) > threshold:  # entries that are not stored are 0
                    for b in range(n_samples):
                        net_input[b] += w * state[i, b]
            activate(network.activations[j], net_input)
            for b in range(n_samples):
                state[j, b] = net_input[b]


@kernel
def accuracy(scores: Floats, classes: Ints) -> Any:
    """Return the fraction of samples whose class has the highest score, the first one of equal scores."""
    n_outputs, n_samples = scores.shape
    right = 0
    for b in range(n_samples):
        best = 0
        for k in range(1, n_outputs):
            if scores[k, b] > scores[best, b]:
                best = k
        right += best == classes[b]
    return right / n_samples


@allocating_kernel
def evaluate(
    networks: Networks,
    rules: Rules,
    data: Data,
    measure: int,
    begin: int,
    end: int,
    fitness: NDArray[np.float64],
) -> None:
    """Write the fitness of some networks: minus the loss, or the accuracy; NaN or −∞ if a network diverges."""
    n, n_samples = networks.ids.shape[1], data.inputs.shape[1]
    state = np.zeros((n, n_samples), np.float32)
    state[: rules.n_inputs] = data.inputs
    net_input = np.empty(n_samples, np.float32)
    scores = state[n - rules.n_outputs :]
    residual = np.empty_like(scores)
    for p in range(begin, end):
        if rules.ticks > 1:
            state[rules.n_inputs :] = 0
        run(network_at(networks, p), rules.n_inputs, rules.ticks, rules.ticks > 1, state, net_input)
        if measure == SQUARED_ERROR:
            fitness[p] = -squared_error(scores, data.values, residual)
        elif measure == CROSS_ENTROPY:
            fitness[p] = -cross_entropy(scores, data.classes, residual)
        elif measure == SOFTMAX_SQUARED_ERROR:
            fitness[p] = -softmax_squared_error(scores, data.classes, residual)
        else:
            fitness[p] = accuracy(scores, data.classes)
