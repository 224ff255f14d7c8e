"""Peers of the mutation benchmark: neat-python's genome, SciPy's triple product, the graph of networkx."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import networkx as nx
import numpy as np
from scipy import sparse

from evo.genome.genome import Genome
from experiments.benchmarks.peers.neat import neat_config


def neat_child(genome: Genome) -> Callable[[], object]:
    """Return a function that makes a mutated genome in neat-python, from a parent with the same nodes and edges.

    Edges into inputs are left out; neat-python does not have them. The function does what neat-python's reproduction
    does: crossover, here of a parent with itself, copies the genes, and the child mutates.
    """
    neat = import_module("neat")
    config = _neat_config(genome)
    parent = neat.DefaultGenome(0)
    parent.fitness = 0.0
    names = _neat_names(genome)
    for name in names[names >= 0]:
        parent.nodes[int(name)] = parent.create_node(config, int(name))
    targets = genome.targets
    acts = names[targets] >= 0
    edges = zip(genome.indices[acts], targets[acts], genome.values[acts], strict=True)
    for number, (source, target, weight) in enumerate(edges):
        key = (int(names[source]), int(names[target]))
        gene = parent.create_connection(config, *key, innovation=number + 1)
        gene.weight = float(weight)
        parent.connections[key] = gene
    tracker = import_module("neat.innovation").InnovationTracker(genome.n_stored + 1)
    config.innovation_tracker = tracker

    def make() -> object:
        child = neat.DefaultGenome(1)
        child.configure_crossover(parent, parent, config)
        child.mutate(config)
        return child

    return make


def _neat_names(genome: Genome) -> np.ndarray:
    """Return the names of nodes in neat-python: inputs −1, −2, …; outputs 0, 1, …; then hidden nodes."""
    names = np.zeros(genome.n_nodes, np.int64)
    names[genome.inputs] = -1 - np.arange(len(genome.inputs))
    names[genome.outputs] = np.arange(len(genome.outputs))
    hidden = np.setdiff1d(np.arange(genome.n_nodes), np.r_[genome.inputs, genome.outputs])
    names[hidden] = len(genome.outputs) + np.arange(len(hidden))
    return names


def _neat_config(genome: Genome) -> Any:
    """Return settings for genomes of these nodes: the rates of the XOR example, tanh, and cycles allowed."""
    inputs, outputs = len(genome.inputs), len(genome.outputs)
    nodes = {
        "num_inputs": inputs,
        "num_outputs": outputs,
        "num_hidden": genome.n_nodes - inputs - outputs,
        "initial_connection": "unconnected",
        "feed_forward": False,
        "activation_default": "tanh",
        "activation_options": "tanh",
    }
    return neat_config({"DefaultGenome": nodes}).genome_config


def scipy_product(genome: Genome) -> Callable[[], object]:
    """Return a function that rewrites a matrix in SciPy: L @ W @ R with one row and one column operation."""
    n = genome.n_nodes
    W = genome.weights.tocsr()
    left, right = (sparse.identity(n, dtype=W.dtype, format="lil") for _ in range(2))
    left[1, 0] = right[0, 1] = 0.5
    L, R = left.tocsr(), right.tocsr()
    return lambda: L @ W @ R


def networkx_children(genome: Genome, a: int, b: int) -> dict[str, Callable[[], object]]:
    """Return functions that copy a DiGraph and swap columns a and b, or add row a to row b."""
    parent = nx.DiGraph()
    parent.add_nodes_from(range(genome.n_nodes))
    targets = genome.targets
    parent.add_weighted_edges_from(
        zip(genome.indices.tolist(), targets.tolist(), genome.values.tolist(), strict=True)
    )

    def swap_columns() -> object:
        graph = parent.copy()
        in_edges = [[(s, graph[s][j]["weight"]) for s in graph.predecessors(j)] for j in (a, b)]
        for j, old in zip((a, b), in_edges, strict=True):
            graph.remove_edges_from([(s, j) for s, _ in old])
        for j, new in zip((b, a), in_edges, strict=True):
            graph.add_weighted_edges_from([(s, j, w) for s, w in new])
        return graph

    def add_row() -> object:
        graph = parent.copy()
        for target, data in list(graph[a].items()):
            old = graph[b][target]["weight"] if graph.has_edge(b, target) else 0.0
            graph.add_edge(b, target, weight=old + 1e-3 * data["weight"])
        return graph

    return {"swap columns": swap_columns, "add row": add_row}
