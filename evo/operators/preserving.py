"""Changes of a genome that keep the function of its network: pure functions from genome to genome.

Each of the operators E, O and U makes one such change. :func:`remove_ineffective` and :func:`reorder_freely` keep the
network and its :func:`evo.canonical.canonical.canonical_hash`. :func:`duplicate_node` makes another network with the
same outputs. Outputs agree up to rounding if sums change their order or a weight is split.
"""

import heapq
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evo.editing.editor import GenomeEditor
from evo.genome.genome import Genome, Role
from evo.operators.node_operators import apply_duplication, split_weights


def remove_ineffective(genome: Genome) -> Genome:
    """Remove the entries and hidden nodes that have no effect on an output, and dormant entries.

    Parameters
    ----------
    genome : Genome

    Returns
    -------
    Genome
        The same network, with outputs equal to the bit; all its entries are effective. All inputs stay, because they
        stand for features.

    Notes
    -----
    O(nodes + stored entries). Removed entries cannot become effective in a later modify phase.

    Examples
    --------
    >>> genome = Genome.from_matrix([[0, 0.5, 0.5], [0, 0, 0], [0, 0, 0]], n_inputs=1, n_outputs=1)
    >>> remove_ineffective(genome).n_nodes
    2
    """
    mask = genome.effective_mask()
    sources, targets = genome.indices[mask], genome.targets[mask]
    kept = genome.roles != Role.HIDDEN
    kept[sources] = True
    kept[targets] = True
    number = np.cumsum(kept, dtype=np.int32) - np.int32(1)
    sizes = np.bincount(targets, minlength=genome.n_nodes)[kept]
    map_sizes, taps, threshold = genome.map_sizes[kept], genome.taps, genome.threshold
    return replace(
        genome,
        indptr=np.append(0, np.cumsum(sizes)).astype(np.int64),
        indices=number[sources],
        values=genome.values[mask],
        bias=genome.bias[kept],
        ids=genome.ids[kept],
        roles=genome.roles[kept],
        activations=genome.activations[kept],
        threshold=threshold[kept] if isinstance(threshold, np.ndarray) else threshold,
        map_sizes=map_sizes,
        taps=None if taps is None or map_sizes.max() == 1 else taps[mask],
    )


def reorder_freely(genome: Genome, rng: np.random.Generator) -> Genome:
    """Put the nodes in a random order in which every immediate entry stays immediate and every delayed entry delayed.

    Two nodes keep their order if an entry, active or dormant, joins them. Entries to inputs do not count, because they
    never have an effect. With one tick, entries from inputs do not count either, because they are always immediate.

    Parameters
    ----------
    genome : Genome
    rng : numpy.random.Generator

    Returns
    -------
    Genome
        The same network. Nodes keep their ids.

    Notes
    -----
    Each next node is drawn from those whose predecessors have all been placed. Every allowed order can be drawn, but
    not all with equal probability. O((nodes + stored entries)·log).

    Examples
    --------
    >>> chain = [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    >>> reordered = reorder_freely(Genome.from_matrix(chain, n_inputs=1, n_outputs=1), np.random.default_rng(0))
    >>> [int(node) for node in reordered.ids if node != 0]  # the input may stand anywhere
    [1, 2, 3]
    """
    n = genome.n_nodes
    sources, targets = genome.indices.astype(np.intp), genome.targets
    is_input = genome.roles == Role.INPUT
    binds = ~is_input[targets] & (sources != targets)
    if genome.ticks == 1:
        binds &= ~is_input[sources]
    first, then = np.minimum(sources, targets)[binds], np.maximum(sources, targets)[binds]
    n_before = np.bincount(then, minlength=n).tolist()
    followers = then[np.argsort(first, kind="stable")].tolist()
    starts = np.concatenate([[0], np.cumsum(np.bincount(first, minlength=n))]).tolist()

    lots = rng.permutation(n).tolist()
    ready = [(lots[node], node) for node in range(n) if not n_before[node]]
    heapq.heapify(ready)
    order = []
    while ready:
        _, node = heapq.heappop(ready)
        order.append(node)
        for follower in followers[starts[node] : starts[node + 1]]:
            n_before[follower] -= 1
            if not n_before[follower]:
                heapq.heappush(ready, (lots[follower], follower))
    editor = GenomeEditor(genome, origins=False)
    editor.reorder(order)
    return editor.freeze()


def duplicate_node(genome: Genome, node: int, share: float = 0.5) -> Genome:
    """Duplicate a hidden node; the two share the weights of its out-edges (Net2Net, Chen et al. 2016).

    The duplicate is inserted right behind the node, with the same in-edges, bias, activation and threshold. Each
    out-edge is split, w = share·w + (1 − share)·w. A self-loop is copied instead, so both nodes have equal states at
    every tick. Dormant out-edges stay with the node alone, with their full weight.

    Parameters
    ----------
    genome : Genome
    node : int
        Index of a hidden node.
    share : float
        Fraction of each weight that the node keeps, between 0 and 1.

    Returns
    -------
    Genome
        With one more node, whose id is the largest. Its outputs are those of `genome`, to rounding.

    Raises
    ------
    IndexError
        If there is no such node.
    ValueError
        If the node is not hidden, `share` is not between 0 and 1, or a part of a weight would be dormant; see
        :func:`splittable_nodes`.

    Notes
    -----
    O(nodes + stored entries·log).

    Examples
    --------
    >>> genome = Genome.from_matrix([[0, 1, 0], [0, 0, 4], [0, 0, 0.0]], n_inputs=1, n_outputs=1)
    >>> duplicate_node(genome, 1, share=0.25).to_dense()
    array([[0., 1., 1., 0.],
           [0., 0., 0., 1.],
           [0., 0., 0., 3.],
           [0., 0., 0., 0.]])
    """
    if not 0 <= node < genome.n_nodes:
        raise IndexError(f"node must be from 0 to {genome.n_nodes - 1}; got {node}")
    if genome.roles[node] != Role.HIDDEN:
        role = Role(genome.roles[node]).name.lower()
        raise ValueError(f"node must be hidden; got node {node}, which is {role}")
    if node not in splittable_nodes(genome, share):
        raise ValueError(
            f"share must leave both parts of every edge above the threshold; got {share} for node {node}"
        )
    editor = GenomeEditor(genome, origins=False)
    apply_duplication(editor, {"node": node, "share": share})
    return editor.freeze()


def splittable_nodes(genome: Genome, share: float = 0.5) -> NDArray[np.intp]:
    """Return the hidden nodes whose out-edges stay above the threshold when their weights are split.

    Parameters
    ----------
    genome : Genome
    share : float
        As for :func:`duplicate_node`.

    Raises
    ------
    ValueError
        If `share` is not between 0 and 1.

    Notes
    -----
    O(nodes + stored entries). Without a threshold all hidden nodes are returned.

    Examples
    --------
    >>> matrix = [[0, 1, 1, 0], [0, 0, 0, 4], [0, 0, 0, 1], [0, 0, 0, 0]]
    >>> genome = Genome.from_matrix(matrix, n_inputs=1, n_outputs=1, threshold=0.5)
    >>> splittable_nodes(genome, share=0.25).tolist()
    [1]
    """
    if not 0 < share < 1:
        raise ValueError(f"share must be between 0 and 1; got {share}")
    kept, taken = (
        genome.with_values(part, genome.bias).active_mask()
        for part in split_weights(genome.values, share)
    )
    shared = genome.active_mask() & (genome.indices != genome.targets)
    dormant = shared & ~(kept & taken)
    splittable = genome.roles == Role.HIDDEN
    splittable[genome.indices[dormant]] = False
    return np.flatnonzero(splittable)
