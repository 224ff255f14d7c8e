"""Two networks beside each other, node by node of the same id: how far apart they are, and their crossover.

All networks of a population have nodes of the same ids, in orders of their own. An entry of one network is *homologous*
to the entry of the other between nodes of the same ids. NEAT aligns by historical numbers, which tell disjoint from
excess genes (Stanley and Miikkulainen 2002); ids do not, and both count alike there.
"""

from typing import Any

import numpy as np

from cnn.compile.compilation import allocating_kernel, kernel
from evo.gradient_free.dense_kernels import (
    ASSIGN,
    Ints,
    Log,
    Network,
    Networks,
    assign_entry,
    write_log,
)
from evo.gradient_free.neuroevolution_kernels import copy_network, network_at
from evo.gradient_free.philox_kernels import STREAM_SIZE, Words, draw_uniform, open_stream

NO_MATE = -1


@kernel
def write_places(ids: Ints, place_of: Ints) -> None:
    """Write the index of each id; ids are 0 … n − 1."""
    for j in range(ids.shape[0]):
        place_of[ids[j]] = j


@kernel
def distance(a: Network, b: Network, place_in_b: Ints, structure: float, weights: float) -> Any:
    """Return the compatibility distance of two networks.

    structure · (entries that one of them has) / (entries of the larger one) + weights · (mean |difference| of
    homologous weights and of biases).
    """
    n = a.ids.shape[0]
    n_common, n_a, n_b, total = 0, 0, 0, 0.0
    for j in range(n):
        other = place_in_b[a.ids[j]]
        total += abs(np.float64(a.columns[j, n]) - np.float64(b.columns[other, n]))
        for i in range(n):
            n_b += b.stored[j, i]
            if a.stored[j, i]:
                n_a += 1
                source = place_in_b[a.ids[i]]
                if b.stored[other, source]:
                    n_common += 1
                    total += abs(np.float64(a.columns[j, i]) - np.float64(b.columns[other, source]))
    alone = (n_a + n_b - 2 * n_common) / max(n_a, n_b, 1)
    return structure * alone + weights * total / (n_common + n)


@allocating_kernel
def assign_species(
    population: Networks,
    ranking: Ints,
    representatives: Networks,
    n_known: int,
    structure: float,
    weights: float,
    threshold: float,
    species_of: Ints,
) -> Any:
    """Put each individual, the best first, into the first species whose representative is near; return their number.

    Representatives 0 … n_known − 1 are given. An individual that is near none becomes the next one, while there is
    space.
    """
    place_of = np.empty(population.ids.shape[1], np.int64)
    n_species = n_known
    for p in ranking:
        network, found = network_at(population, p), -1
        write_places(network.ids, place_of)
        for s in range(n_species):
            other = network_at(representatives, s)
            if distance(other, network, place_of, structure, weights) < threshold:
                found = s
                break
        if found < 0:
            if n_species < representatives.ids.shape[0]:
                copy_network(population, p, representatives, n_species)
                n_species += 1
            found = n_species - 1
        species_of[p] = found
    return n_species


@kernel
def cross(
    child: Network, mate: Network, place_of: Ints, n_inputs: int, stream: Words, log: Log
) -> None:
    """Give a child, which is a copy of its parent, each homologous weight and bias of its mate with probability 1/2."""
    n, crossed = child.ids.shape[0], False
    write_places(mate.ids, place_of)
    for j in range(n_inputs, n):
        other = place_of[child.ids[j]]
        for i in range(n + 1):
            source = n if i == n else place_of[child.ids[i]]
            if i < n and not (child.stored[j, i] and mate.stored[other, source]):
                continue
            value = mate.columns[other, source]
            if draw_uniform(stream) < 0.5 and value != child.columns[j, i]:
                assign_entry(child, i, j, value)
                write_log(log, ASSIGN, i, j, value, 0.0)
                crossed = True
    log.counts[1] += crossed


@allocating_kernel
def recombine(
    parents: Networks, parent_of: Ints, mate_of: Ints, n_inputs: int, key: Words, generation: int, begin: int, end: int,
    children: Networks, log: Log,
) -> None:  # fmt: skip
    """Create individuals of a generation before mutation: copies of their parents, crossed with their mates."""
    stream = np.empty(STREAM_SIZE, np.uint64)
    place_of = np.empty(parents.ids.shape[1], np.int64)
    for p in range(begin, end):
        copy_network(parents, parent_of[p], children, p)
        if mate_of[p] != NO_MATE:
            open_stream(stream, key, generation, p)
            mate = network_at(parents, mate_of[p])
            cross(network_at(children, p), mate, place_of, n_inputs, stream, log)
