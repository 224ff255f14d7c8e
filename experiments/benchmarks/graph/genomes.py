"""The genomes of the graph benchmark, each from a fixed seed: layers, a chain, random graphs, tiny ones, SET's network.

All are made in O(edges·log edges). Peers take `layer_blocks`, or the effective edges.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

import graphops
from evo.genome.genome import Genome

LAYER_SIZES = (784, 1000, 10)
CHAIN_SIZES = (10,) * 200
TINY_INPUTS = 3


def layers_genome(density: float) -> Genome:
    """Return 784 → 1000 (ReLU) → 10 at a density, with at least one edge out of each hidden node.

    Otherwise most hidden nodes would have no out-edges at a density of 1 %. Our side would leave them out and do less
    work than the peers.
    """
    n_in, n_hidden, n_out = LAYER_SIZES
    rng = np.random.default_rng(0)
    first = graphops.layered([n_in, n_hidden], density, rng=rng)[:n_in, n_in:]
    # The transpose of "at least one edge into each target" is "at least one edge out of each source".
    second = graphops.layered([n_out, n_hidden], density, rng=rng)[:n_out, n_out:].T.tocsc()
    second.data = rng.standard_normal(second.nnz, dtype=np.float32) / np.float32(
        np.sqrt(second.nnz / n_out)
    )
    return _of_blocks([first, second], "relu")


def chain_genome() -> Genome:
    """Return 200 layers of 10 tanh nodes with orthogonal weights between neighbours, so that signals do not vanish."""
    rng = np.random.default_rng(1)
    n = CHAIN_SIZES[0]
    blocks = [
        sparse.csc_array(np.linalg.qr(rng.standard_normal((n, n)))[0].astype(np.float32))
        for _ in CHAIN_SIZES[1:]
    ]
    return _of_blocks(blocks, "tanh")


def random_genome(
    n: int, n_edges: int, *, n_inputs: int, n_outputs: int, seed: int = 2, activation: str = "tanh"
) -> Genome:
    """Return a random acyclic graph: a node may have an edge to any later node."""
    places = (n * (n - 1) - n_inputs * (n_inputs - 1)) // 2
    matrix = graphops.feedforward(
        n_inputs,
        n - n_inputs - n_outputs,
        n_outputs,
        n_edges / places,
        rng=np.random.default_rng(seed),
        scale="glorot",
    )
    return Genome.from_matrix(matrix, n_inputs=n_inputs, n_outputs=n_outputs, activation=activation)


def tiny_genomes(count: int) -> list[Genome]:
    """Return different random topologies: 3 inputs, 2–8 hidden nodes, 1 or 2 outputs, density 0.5 to 1."""
    found: dict[bytes, Genome] = {}
    seed = 0
    while len(found) < count:
        rng = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(seed,)))
        n_hidden, n_outputs = int(rng.integers(2, 9)), int(rng.integers(1, 3))
        matrix = graphops.feedforward(
            TINY_INPUTS, n_hidden, n_outputs, rng.uniform(0.5, 1.0), rng=rng, scale="glorot"
        )
        topology = matrix.indptr.tobytes() + matrix.indices.tobytes() + bytes([n_outputs])
        found.setdefault(
            topology, Genome.from_matrix(matrix, n_inputs=TINY_INPUTS, n_outputs=n_outputs)
        )
        seed += 1
    return list(found.values())


def set_genome(sizes: Sequence[int], epsilon: float) -> Genome:
    """Return SET's network (ReLU): ε·(n_in + n_out) edges between two layers, at most all possible ones."""
    densities = [graphops.erdos_renyi_density(a, b, epsilon) for a, b in pairwise(sizes)]
    matrix = graphops.layered(sizes, densities, rng=np.random.default_rng(4))
    return Genome.from_matrix(matrix, n_inputs=sizes[0], n_outputs=sizes[-1], activation="relu")


def _of_blocks(blocks: Sequence[sparse.csc_array], activation: str) -> Genome:
    """Return the genome of layers, from the matrices between neighbouring layers, shape (n_in, n_out) each."""
    sizes = [blocks[0].shape[0], *(block.shape[1] for block in blocks)]
    starts = np.cumsum([0, *sizes])
    lengths: list[NDArray[np.integer]] = [np.zeros(sizes[0], np.int64)]
    lengths += [np.diff(block.indptr) for block in blocks]
    rows = [block.indices + first for block, first in zip(blocks, starts, strict=False)]
    n = int(starts[-1])
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    values = np.concatenate([block.data for block in blocks])
    matrix = sparse.csc_array((values, np.concatenate(rows), indptr), shape=(n, n))
    return Genome.from_matrix(matrix, n_inputs=sizes[0], n_outputs=sizes[-1], activation=activation)


def layer_blocks(genome: Genome, sizes: Sequence[int]) -> list[sparse.csr_array]:
    """Return the weights between neighbouring layers, shape (n_out, n_in) each, by rows.

    The values of all blocks, one block after the other, are in the order of the genome.

    Parameters
    ----------
    genome
        Genome of layers in which every edge comes from the layer before.
    sizes
        Number of nodes of each layer.
    """
    weights = genome.weights.T.tocsr()
    starts = np.cumsum([0, *sizes]).tolist()
    blocks = []
    for first, middle, end in zip(starts, starts[1:], starts[2:], strict=False):
        block = weights[middle:end, first:middle]
        block.sort_indices()
        blocks.append(block)
    if sum(block.nnz for block in blocks) != genome.n_stored:
        raise ValueError("genome must have edges between neighbouring layers only")
    return blocks
