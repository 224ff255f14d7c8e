"""Which nodes and which entries two relatives have in common, found by the ids of nodes.

An id stays with its node, whatever operators do. But two siblings that each add a node give it the same id. So two
nodes are *the same node* if they have one id, one role and one map size, and, if they are hidden, one activation and an
entry in common. Two entries are *the same entry* if they lead from the same node to the same node; between maps, at the
same tap.

An operator may exchange what two nodes do (B and D swap their in-edges or out-edges). The nodes still are the same
nodes. An average over them is then as far from both networks as one of networks that are no relatives.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.genome.genome import Genome, Role

Ints = NDArray[np.integer[Any]]

NONE = -1
"""In place of the index of a node that a genome does not have."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """What a genome has in common with that of a mate.

    Attributes
    ----------
    nodes : ndarray of int, shape (nodes of the mate,)
        The index in the genome of each node of the mate, or :data:`NONE`.
    mine, theirs : ndarray of int, shape (k,)
        The entries in common: indices of stored entries of the genome, and of the mate.
    """

    nodes: Ints
    mine: Ints
    theirs: Ints


def broken_rule(genome: Genome, mate: Genome) -> str:
    """Return the rule that a mate breaks, in words; an empty text if a genome can be recombined with it."""
    for name in ("ticks", "threshold_mode", "kernel", "downsampling"):
        if getattr(genome, name) != getattr(mate, name):
            return f"{name} {getattr(genome, name)}; got {getattr(mate, name)}"
    for name in ("inputs", "outputs"):
        ours, theirs = getattr(genome, name), getattr(mate, name)
        same = np.array_equal(genome.ids[ours], mate.ids[theirs]) and np.array_equal(
            genome.map_sizes[ours], mate.map_sizes[theirs]
        )
        if not same:
            return f"the same {name}; got other ids or map sizes"
    if mate.map_sizes.max() > genome.map_sizes.max():
        return f"map sizes of at most {genome.map_sizes.max()}; got {mate.map_sizes.max()}"
    return ""


def align(genome: Genome, mate: Genome) -> Alignment:
    """Return what a genome has in common with that of a mate: O((nodes + stored entries)·log)."""
    by_id = np.argsort(genome.ids)
    at = np.minimum(np.searchsorted(genome.ids, mate.ids, sorter=by_id), genome.n_nodes - 1)
    nodes = by_id[at]
    same = np.ones(mate.n_nodes, np.bool_)
    for name in ("ids", "roles", "map_sizes"):
        same &= getattr(genome, name)[nodes] == getattr(mate, name)
    same &= (genome.activations[nodes] == mate.activations) | (mate.roles != Role.HIDDEN)
    nodes = np.where(same, nodes, NONE)

    rows_per_node = max(genome.rows_per_node, mate.rows_per_node)
    n_rows = genome.n_nodes * rows_per_node
    ours = _places(genome, np.arange(genome.n_nodes), rows_per_node, n_rows)
    present = np.flatnonzero(same[mate.indices] & same[mate.targets])
    theirs = _places(mate, nodes, rows_per_node, n_rows)[present]
    at = np.searchsorted(ours, theirs)
    found = at < len(ours)
    found[found] = ours[at[found]] == theirs[found]
    mine, of_mate = at[found], present[found]

    shared = mate.roles != Role.HIDDEN
    shared[mate.indices[of_mate]] = shared[mate.targets[of_mate]] = True
    return Alignment(np.where(shared, nodes, NONE), mine, of_mate)


def taps_of(genome: Genome) -> Any:
    """Return the tap of each stored entry; the number 0 where all nodes are neurons."""
    return 0 if genome.taps is None else genome.taps.astype(np.int64)


def _places(genome: Genome, nodes: Ints, rows_per_node: int, n_rows: int) -> NDArray[np.int64]:
    """Return a number for the place of each stored entry, given the index that each node has elsewhere."""
    sources, targets = nodes[genome.indices].astype(np.int64), nodes[genome.targets]
    places: NDArray[np.int64] = targets * n_rows + sources * rows_per_node + taps_of(genome)
    return places
