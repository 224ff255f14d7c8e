"""The networks of the benchmark of maps: LeNet-5 as a matrix, and its taps spread over more maps.

Each has a dense network with as many maps; peers compute that one with a mask.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import cnn
from evo.exchange.layered_networks import from_cnn, to_cnn
from evo.genome.genome import Genome, Role
from evo.initial.map_founders import LayerShape, connections_between, draw_map_network
from evo.phenotype.phenotype import Dormant, Phenotype
from experiments.benchmarks.harness.workload import IMAGE_SHAPE, N_CLASSES, SEED

KERNEL = 5
TAPS = (150, 2_400, 48_000, 10_080, 840)
"""LeNet-5's taps between each level and the next: 416,520 multiply-accumulates."""


@dataclass(frozen=True)
class BenchNetwork:
    """A network of the benchmark.

    Attributes
    ----------
    about
        Description in a line.
    factor
        Number of maps and neurons in each hidden level over that of LeNet-5; the number of taps is LeNet-5's.
    peer
        Name of PyTorch's side.
    targets
        Factor by which ours must be faster, by peer.
    dormant
        With ``straight_through`` all taps are stored, and as many as LeNet-5 has are active.
    """

    about: str
    factor: int
    peer: str
    targets: Mapping[str, float]
    dormant: Dormant = "frozen"


CNN = "cnn"
"""Name of the peer that is LeNet-5 of `cnn`."""

NETWORKS: Mapping[str, BenchNetwork] = {
    "lenet5": BenchNetwork("LeNet-5 as a matrix", 1, "PyTorch", {CNN: 0.8}),
    "twice": BenchNetwork(
        "LeNet-5's taps in twice the maps", 2, "PyTorch, masked", {"PyTorch, masked": 3.0}
    ),
    "three_times": BenchNetwork(
        "LeNet-5's taps in three times the maps", 3, "PyTorch, masked", {"PyTorch, masked": 3.0}
    ),
    "straight_through": BenchNetwork(
        "twice the maps: every tap learns, as many as LeNet-5 has are active",
        2,
        "PyTorch, straight-through",
        {},
        "straight_through",
    ),
}
"""The networks by their names on the command line."""


def levels_of(factor: int) -> list[LayerShape]:
    """Return the levels of LeNet-5; hidden levels are `factor` times as wide.

    Examples
    --------
    >>> [level.n_nodes for level in levels_of(2)]
    [1, 12, 32, 240, 168, 10]
    """
    map_sizes, counts = (28, 10, 1, 1), (6, 16, 120, 84)
    hidden = [
        LayerShape(map_size, factor * count)
        for map_size, count in zip(map_sizes, counts, strict=True)
    ]
    return [LayerShape(IMAGE_SHAPE[0], 1), *hidden, LayerShape(1, N_CLASSES)]


def genome_of(name: str) -> Genome:
    """Return the genome of a network, from a fixed seed."""
    network, rng = NETWORKS[name], np.random.default_rng(SEED)
    if network.factor == 1:
        return from_cnn(cnn.lenet5(IMAGE_SHAPE, N_CLASSES, rng=rng))
    levels = levels_of(network.factor)
    places = [connection.n_possible_taps for connection in connections_between(levels, KERNEL)]
    most = max(there / count for there, count in zip(places, TAPS, strict=True))
    return draw_map_network(
        levels,
        TAPS,
        kernel=KERNEL,
        downsampling="max",
        activation="tanh",
        stored_per_edge=most if network.dormant == "straight_through" else 1.0,
        rng=rng,
    )


def dense_network(factor: int) -> cnn.Network:
    """Return LeNet-5 with hidden levels that are `factor` times as wide."""
    levels = levels_of(factor)
    taps = [connection.n_possible_taps for connection in connections_between(levels, KERNEL)]
    whole = draw_map_network(
        levels,
        taps,
        kernel=KERNEL,
        downsampling="max",
        activation="tanh",
        stored_per_edge=1.0,
        rng=np.random.default_rng(SEED),
    )
    return to_cnn(whole)


def places_in(dense: cnn.Network, network: Phenotype) -> NDArray[np.intp]:
    """Return the index in the dense network's parameters of each parameter of a network with the same levels."""
    numbered = _numbered(dense)
    genome = network.genome
    there, keys = _keys(numbered), _keys(genome)[network.plan.entries]
    found = np.minimum(np.searchsorted(there, keys), len(there) - 1)
    if numbered.n_nodes != genome.n_nodes or not np.array_equal(there[found], keys):
        raise ValueError("dense must have every tap that network has")
    numbers = [numbered.values[found], numbered.bias[network.plan.nodes]]
    return np.concatenate(numbers).astype(np.intp)


def _numbered(dense: cnn.Network) -> Genome:
    """Return the genome of a network whose parameters are replaced by their indices, which float32 holds exactly."""
    kept = dense.parameters.copy()
    dense.parameters[:] = np.arange(len(kept))
    numbered = from_cnn(dense)
    dense.parameters[:] = kept
    return numbered


def _keys(genome: Genome) -> NDArray[np.int64]:
    """Return the place of each entry in the matrix, numbered column by column."""
    n = genome.n_nodes
    targets = np.repeat(np.arange(n), np.diff(genome.indptr))
    keys: NDArray[np.int64] = targets * (genome.rows_per_node * n) + genome.rows
    return keys


def limits_of(genome: Genome, factor: int) -> list[float | None]:
    """Return the threshold of each level's weights except the first level's, each followed by None for the biases."""
    thresholds: list[float | None] = []
    for begin in np.cumsum([level.n_nodes for level in levels_of(factor)])[:-1]:
        thresholds += [float(np.asarray(genome.threshold)[begin]), None]
    return thresholds


def useful_flops(network: Phenotype) -> int:
    """Return the necessary operations of a training step per sample: two for each multiply-accumulate.

    The forward pass and the gradient of the states need the active taps; inputs need no gradient. The gradient of the
    weights needs all taps that learn.
    """
    active, of_inputs = _macs(network.without_dormant())
    learning = network.macs
    return 2 * (2 * active - of_inputs + learning)


def _macs(network: Phenotype) -> tuple[int, int]:
    """Return the multiply-accumulates of a sample, and the number of those that read an input."""
    genome, plan = network.genome, network.plan
    pixels = genome.map_sizes[plan.nodes].astype(np.int64) ** 2
    of_edges = np.repeat(pixels, np.diff(plan.indptr))
    reads_input = genome.roles[genome.indices[plan.entries]] == Role.INPUT
    return int(of_edges.sum()), int(of_edges[reads_input].sum())
