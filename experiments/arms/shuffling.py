"""The wiring of a network, shuffled within degrees and layers."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

import graphops
from evo.genome.feature_maps import first_taps
from evo.genome.genome import Genome, Role
from evo.initial.fresh import active_edges


def shuffled_wiring(
    genome: Genome, layers: Sequence[int], *, rng: np.random.Generator
) -> tuple[Genome, int]:
    """Return a network with other edges and the same degrees, and how many edges it has that `genome` has not.

    Every node keeps its numbers of in-edges and out-edges. A delayed edge stays delayed and an edge within a tick stays
    one, so the network stays acyclic within a tick. Edges between two layers stay between these layers. An edge between
    feature maps takes its taps along, and only edges between maps of the same two sizes exchange their sources: the
    kernels of a map keep their numbers and places of taps.

    Parameters
    ----------
    genome : Genome
        Its active edges are shuffled; dormant entries and the threshold are left out. The weights stay with their
        places and have no meaning afterwards.
    layers : sequence of int
        Number of nodes in each layer of the founder; empty without layers.
    rng : numpy.random.Generator
    """
    active = active_edges(genome)
    sources, targets = active.indices.astype(np.int64), active.targets
    begins = first_taps(sources, targets)
    edge_sources, edge_targets = sources[begins], targets[begins]
    kinds = np.stack([_layer_of_nodes(active, layers), active.map_sizes.astype(np.int64)])
    between = np.concatenate([kinds[:, edge_sources], kinds[:, edge_targets]])
    _, groups = np.unique(between, axis=1, return_inverse=True)
    positions = np.arange(active.n_nodes)
    if active.ticks == 1:
        positions[active.roles == Role.INPUT] = -1  # known before the tick begins
    shuffled = graphops.shuffle_sources(
        edge_sources, edge_targets, rng=rng, groups=groups.ravel(), positions=positions
    )
    n_taps = np.diff(np.append(begins, len(sources)))
    sources = np.repeat(shuffled, n_taps)
    order = np.lexsort((np.arange(len(sources)), sources, targets))
    kept = np.isin(
        shuffled * active.n_nodes + edge_targets, edge_sources * active.n_nodes + edge_targets
    )
    wired = replace(
        active,
        indices=sources[order].astype(np.int32),
        values=active.values[order],
        taps=None if active.taps is None else active.taps[order],
    )
    return wired, int((~kept).sum())


def _layer_of_nodes(genome: Genome, layers: Sequence[int]) -> NDArray[np.int64]:
    """Return the layer of each node, by its id in the founder; a later node has that of the node before it."""
    if not layers:
        return np.zeros(genome.n_nodes, np.int64)
    of_founder = np.repeat(np.arange(len(layers)), layers)
    is_known = genome.ids < len(of_founder)
    at = np.maximum.accumulate(np.where(is_known, np.arange(genome.n_nodes), 0))
    ids = np.where(is_known[at], genome.ids[at], 0)
    found: NDArray[np.int64] = of_founder[ids].astype(np.int64)
    return found
