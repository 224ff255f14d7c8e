"""Whole generations of small dense networks, compiled: founding, choosing parents, breeding, evaluating.

Each function works on the individuals begin … end − 1 and draws by their names
(:mod:`evo.gradient_free.philox_kernels`), so a population may be cut into chunks in any way, with the same result.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import exact_kernel, kernel
from cnn.training.loss_kernels import cross_entropy, softmax_squared_error, squared_error
from evo.gradient_free.dense_kernels import (
    Floats,
    Ints,
    Log,
    Network,
    Networks,
    assign,
    count_active,
)
from evo.gradient_free.dense_mutation_kernels import Rules, acts, fresh_weight, mutate
from evo.gradient_free.philox_kernels import (
    STREAM_SIZE,
    Words,
    draw_integer,
    draw_uniform,
    open_stream,
)
from evo.phenotype.kernels.activation_kernels import activate

SQUARED_ERROR, CROSS_ENTROPY, SOFTMAX_SQUARED_ERROR, ACCURACY = range(4)
"""What may be measured."""


class Data(NamedTuple):
    """What networks are measured on.

    Attributes
    ----------
    inputs : ndarray of float32, shape (n_inputs, n_samples)
    classes : ndarray of int64, shape (n_samples,)
    values : ndarray of float32, shape (n_outputs, n_samples)
        Classes or values are wanted; the other array is empty.
    """

    inputs: Floats
    classes: NDArray[np.int64]
    values: Floats


@exact_kernel
def network_at(networks: Networks, p: int) -> Any:
    """Return a view of one network."""
    return Network(
        networks.columns[p],
        networks.stored[p],
        networks.ids[p],
        networks.codes[p],
        networks.threshold[p : p + 1],
    )


@exact_kernel
def found(
    networks: Networks,
    rules: Rules,
    density: float,
    hidden_codes: NDArray[np.uint8],
    output_code: int,
    key: Words,
    begin: int,
    end: int,
) -> None:
    """Draw founders into arrays of zeros: a share of the places that can act, and biases."""
    stream = np.empty(STREAM_SIZE, np.uint64)
    n = networks.ids.shape[1]
    for p in range(begin, end):
        open_stream(stream, key, 0, p)
        network = network_at(networks, p)
        for j in range(n):
            network.ids[j] = j
        for j in range(rules.n_inputs, n):
            if j < n - rules.n_outputs:
                network.codes[j] = hidden_codes[draw_integer(stream, hidden_codes.shape[0])]
            else:
                network.codes[j] = output_code
            for i in range(n):
                if acts(rules, i, j, n) and draw_uniform(stream) < density:
                    assign(network, i, j, fresh_weight(network, rules, stream))
            assign(network, n, j, fresh_weight(network, rules, stream))


@exact_kernel
def count_edges(networks: Networks, p: int) -> Any:
    """Count the edges of one network."""
    return count_active(network_at(networks, p))


# -- selection ---------------------------------------------------------------------------------------------------------


@exact_kernel
def choose_by_tournament(
    ranking: Ints, size: int, key: Words, generation: int, begin: int, end: int, parent_of: Ints
) -> None:
    """Choose for each child the best of `size` individuals drawn with replacement; `ranking` has the best first."""
    stream = np.empty(STREAM_SIZE, np.uint64)
    for p in range(begin, end):
        open_stream(stream, key, generation, p)
        best = ranking.shape[0]
        for _ in range(size):
            best = min(best, draw_integer(stream, ranking.shape[0]))
        parent_of[p] = ranking[best]


@exact_kernel
def choose_by_truncation(
    ranking: Ints, size: int, key: Words, generation: int, begin: int, end: int, parent_of: Ints
) -> None:
    """Choose for each child one of the `size` best; `ranking` has the best first."""
    stream = np.empty(STREAM_SIZE, np.uint64)
    for p in range(begin, end):
        open_stream(stream, key, generation, p)
        parent_of[p] = ranking[draw_integer(stream, size)]


# -- breeding ----------------------------------------------------------------------------------------------------------


@exact_kernel
def copy(parents: Networks, parent: int, children: Networks, child: int) -> None:
    """Make a child like its parent; loops, since whole-array assignments check for overlap each time."""
    n = parents.ids.shape[1]
    for j in range(n):
        for i in range(n):
            children.columns[child, j, i] = parents.columns[parent, j, i]
        for i in range(n):
            children.stored[child, j, i] = parents.stored[parent, j, i]
        children.columns[child, j, n] = parents.columns[parent, j, n]
        children.ids[child, j] = parents.ids[parent, j]
        children.codes[child, j] = parents.codes[parent, j]
    children.threshold[child] = parents.threshold[parent]


@exact_kernel
def breed(
    parents: Networks,
    parent_of: Ints,
    n_elites: int,
    rules: Rules,
    chances: NDArray[np.float64],
    key: Words,
    generation: int,
    begin: int,
    end: int,
    children: Networks,
    log: Log,
) -> None:
    """Fill the slots of a generation: the first with elites, unchanged, and the others with mutated children."""
    stream = np.empty(STREAM_SIZE, np.uint64)
    for p in range(begin, end):
        copy(parents, parent_of[p], children, p)
        if p >= n_elites:
            open_stream(stream, key, generation, p)
            mutate(network_at(children, p), rules, chances, stream, log)


# -- evaluation --------------------------------------------------------------------------------------------------------


@kernel
def run(network: Network, n_inputs: int, ticks: int, state: Floats, net_input: Floats) -> None:
    """Run a network on a whole data set; rows of `state` are nodes, those of inputs are set.

    x[j] = φ_j( Σ_i W[i, j]·x[i] + b_j ), written over the old x[j]: nodes before j have their state of this tick by
    then, the others, j too, still have that of the tick before.
    """
    n, n_samples = state.shape
    threshold = network.threshold[0]
    if ticks > 1:
        state[n_inputs:] = 0
    for _ in range(ticks):
        for j in range(n_inputs, n):
            column = network.columns[j]
            for b in range(n_samples):
                net_input[b] = column[n]
            for i in range(j if ticks == 1 else n):  # with one tick the rest is at 0
                w = column[i]
                if abs(w) > threshold:  # 0 where nothing is stored, and the limit is not negative
                    for b in range(n_samples):
                        net_input[b] += w * state[i, b]
            activate(network.codes[j], net_input)
            for b in range(n_samples):
                state[j, b] = net_input[b]


@exact_kernel
def accuracy(scores: Floats, classes: Ints) -> Any:
    """Return the share of samples whose highest score, the first of equals, is that of their class."""
    n_outputs, n_samples = scores.shape
    right = 0
    for b in range(n_samples):
        best = 0
        for k in range(1, n_outputs):
            if scores[k, b] > scores[best, b]:
                best = k
        right += best == classes[b]
    return right / n_samples


@kernel
def evaluate(
    networks: Networks,
    rules: Rules,
    data: Data,
    measure: int,
    begin: int,
    end: int,
    fitness: NDArray[np.float64],
) -> None:
    """Write the fitness of some networks, minus their loss or their accuracy; NaN or −∞ of one that diverges."""
    n, n_samples = networks.ids.shape[1], data.inputs.shape[1]
    state = np.zeros((n, n_samples), np.float32)
    state[: rules.n_inputs] = data.inputs
    net_input = np.empty(n_samples, np.float32)
    scores = state[n - rules.n_outputs :]
    residual = np.empty_like(scores)
    for p in range(begin, end):
        run(network_at(networks, p), rules.n_inputs, rules.ticks, state, net_input)
        if measure == SQUARED_ERROR:
            fitness[p] = -squared_error(scores, data.values, residual)
        elif measure == CROSS_ENTROPY:
            fitness[p] = -cross_entropy(scores, data.classes, residual)
        elif measure == SOFTMAX_SQUARED_ERROR:
            fitness[p] = -softmax_squared_error(scores, data.classes, residual)
        else:
            fitness[p] = accuracy(scores, data.classes)
