"""Part `deep`: 200 layers of 10 nodes, and a random acyclic graph, beside eager PyTorch by layers."""

from collections.abc import Iterator

from experiments.benchmarks.graph.genomes import (
    CHAIN_SIZES,
    chain_genome,
    layer_blocks,
    random_genome,
)
from experiments.benchmarks.graph.layers import OPTIMIZERS, torch_settings
from experiments.benchmarks.harness.rows import TableRow, Turns
from experiments.benchmarks.harness.sides import Case, Peer, compare, noise_samples
from experiments.benchmarks.harness.workload import recipe
from experiments.benchmarks.peers import torch_graph as peers
from experiments.benchmarks.peers.torch_levels import DenseLevels, SparseLevels

BATCH = 64
N_SAMPLES = 1024
GRAPH_NODES, GRAPH_EDGES, GRAPH_INPUTS, N_CLASSES = 2_000, 40_000, 50, 10
TARGETS = {"PyTorch, layers": 5.0, "PyTorch, levels": 5.0}
"""Factor by which ours must be faster, by peer."""


def chain_case() -> Case:
    """Return our side of the 200 layers."""
    samples = noise_samples(N_SAMPLES, CHAIN_SIZES[0], CHAIN_SIZES[-1])
    return Case("deep", "200 layers of 10", chain_genome(), samples, recipe(BATCH))


def graph_case() -> Case:
    """Return our side of the random graph."""
    genome = random_genome(GRAPH_NODES, GRAPH_EDGES, n_inputs=GRAPH_INPUTS, n_outputs=N_CLASSES)
    samples = noise_samples(N_SAMPLES, GRAPH_INPUTS, N_CLASSES)
    what = f"random graph, {GRAPH_NODES:,} nodes, {GRAPH_EDGES:,} edges"
    return Case("deep", what, genome, samples, recipe(BATCH))


def deep_rows(turns: Turns, *, quick: bool) -> Iterator[TableRow]:
    """Yield the rows of both networks; a quick run differs only in its turns."""
    del quick
    peers.one_thread()
    case = chain_case()
    yield "note", {"note": f"deep, {case.what}"}
    yield from compare(case, chain_peers(case) | level_peers(case), TARGETS, turns)
    case = graph_case()
    yield "note", {"note": f"deep, {case.what}"}
    yield from compare(case, level_peers(case), TARGETS, turns)


def chain_peers(case: Case) -> dict[str, dict[str, Peer]]:
    """Return the layers as users of PyTorch write them."""
    made = torch_settings(case)
    blocks, data = layer_blocks(case.genome, CHAIN_SIZES), made.pop("samples")
    forms: dict[str, Peer] = {
        f"autograd, {name}": peers.Chain(blocks, data, optimizer=name, **made)
        for name in OPTIMIZERS
    }
    return {"PyTorch, layers": forms}


def level_peers(case: Case) -> dict[str, dict[str, Peer]]:
    """Return the graph computed by levels, with a backward pass written by hand."""
    made = torch_settings(case)
    data = made.pop("samples")
    forms: dict[str, Peer] = {
        "by hand, dense": DenseLevels(case.genome, data, **made),
        "by hand, sparse": SparseLevels(case.genome, data, **made),
    }
    return {"PyTorch, levels": forms}
