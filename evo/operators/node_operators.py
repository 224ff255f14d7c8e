"""Operators that move, add or remove nodes, and T, which changes activations.

H and O reorder, I inserts, S splits an edge, R and E remove, U duplicates, W duplicates nodes of a level, L inserts a
level. E, O, U, W and L keep the function that the network computes. Between maps these operators treat a kernel with
all its taps as one edge, and a new node may be a map. A new node is a new row and column; F and C add rows and columns
to each other.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.checks import brief
from evo.editing.editor import GenomeEditor
from evo.genome.activations import activation_code
from evo.genome.feature_maps import kernel_side, map_transform
from evo.genome.genome import FloatArray, Role
from evo.genome.possible_taps import PossibleTaps
from evo.operators.growth import above_threshold
from evo.operators.layers import draw_node_or_level, level_around
from evo.operators.operation import (
    TRIES,
    Parameters,
    ProposalContext,
    active_entries,
    draw_node,
    source_roles,
    target_roles,
)

# -- H, O: moves -------------------------------------------------------------------------------------------------------


def _propose_move(
    past_neighbor: bool, editor: GenomeEditor, context: ProposalContext
) -> Parameters | None:
    """Move a hidden node to the index of another hidden node: past at least one neighbor, or past none.

    If it passes no neighbor, every immediate edge stays immediate and every delayed edge stays delayed.
    """
    for _ in range(TRIES):
        node = draw_node(editor, context.rng, (Role.HIDDEN,), lambda _: True)
        if node is None:
            return None
        other = draw_node(
            editor,
            context.rng,
            (Role.HIDDEN,),
            lambda p, node=node: p != node,  # type: ignore[misc]
        )
        if other is None:
            return None
        if _passes_neighbor(editor, node, other) == past_neighbor:
            return {"node": node, "destination": other}
    return None


propose_move_past_neighbor = partial(_propose_move, True)
propose_free_move = partial(_propose_move, False)


def _passes_neighbor(editor: GenomeEditor, node: int, destination: int) -> bool:
    """Tell whether a move takes a node past one of its predecessors or successors.

    Then an edge between the two turns from immediate to delayed or back. With one tick, inputs are excepted: an edge
    from an input is then always immediate.
    """
    low, high = min(node, destination), max(node, destination)
    for line in (editor.column, editor.row):
        neighbors = editor.split(line(node)[0])[0]
        neighbors = neighbors[(neighbors >= low) & (neighbors <= high) & (neighbors != node)]
        if editor.ticks == 1:
            neighbors = neighbors[editor.role(neighbors) != Role.INPUT]
        if len(neighbors):
            return True
    return False


def apply_move(editor: GenomeEditor, parameters: Parameters) -> None:
    """Take a node out of the order and insert it at another index."""
    editor.move(**parameters)


# -- I: insert ---------------------------------------------------------------------------------------------------------


def propose_insertion(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
    """Insert a hidden node with one in-edge and one out-edge, whose weights are drawn at random.

    Where there are maps, its map size is that of another hidden node, and its two kernels have a few random taps.
    """
    rng = context.rng
    if editor.rows_per_node == 1 and not _has_room(editor, context, 2, [1]):
        return None
    source = draw_node(editor, rng, source_roles(editor), lambda _: True)
    target = draw_node(editor, rng, target_roles(editor), lambda p: p != source)
    if source is None or target is None:
        return None
    if editor.ticks == 1 and source > target and editor.role(source) != Role.INPUT:
        source, target = target, source
        if editor.role(source) == Role.OUTPUT:
            return None
    if editor.rows_per_node > 1:
        return _map_insertion(editor, context, source, target)
    weights = rng.standard_normal(2)
    weights[1] /= np.sqrt(max(int(editor.in_degree(target)), 1))
    return {
        "position": _index_between(editor, source, target),
        "source": source,
        "target": target,
        "weights": [_active_weight(editor, float(weight), target) for weight in weights],
        "activation": _nearest_activation(editor, target),
    }


def _map_insertion(
    editor: GenomeEditor, context: ProposalContext, source: int, target: int
) -> Parameters | None:
    rng = context.rng
    hidden = editor.positions(Role.HIDDEN)
    map_size = int(rng.choice(editor.map_sizes[hidden])) if len(hidden) else 1
    ends = (int(editor.map_size(source)), map_size), (map_size, int(editor.map_size(target)))
    taps, weights = [], []
    for source_size, target_size in ends:
        most = map_transform(source_size, target_size, editor.kernel).window ** 2
        count = int(rng.integers(1, min(kernel_side(editor.kernel, target_size), most) + 1))
        taps.append(np.sort(rng.choice(most, count, replace=False)).tolist())
        weights.append(rng.standard_normal(count) / np.sqrt(count))
    if not _has_room(editor, context, len(taps[0]) + len(taps[1]), [map_size]):
        return None
    weights[1] *= np.sqrt(len(weights[1]) / max(int(editor.in_degree(target)), 1))
    return {
        "position": _index_between(editor, source, target),
        "source": source,
        "target": target,
        "map_size": map_size,
        "taps": taps,
        "weights": [[_active_weight(editor, float(w), target) for w in part] for part in weights],
        "activation": _nearest_activation(editor, target),
    }


def apply_insertion(editor: GenomeEditor, parameters: Parameters) -> None:
    """Add the node and its two edges."""
    position = parameters["position"]
    ends = [parameters["source"], parameters["target"]]
    threshold = editor.threshold
    of_target = float(threshold[ends[1]]) if isinstance(threshold, np.ndarray) else 0.0
    editor.add_node(
        position,
        activation=parameters["activation"],
        threshold=of_target,
        map_size=parameters.get("map_size", 1),
    )
    source, target = (end + (end >= position) for end in ends)
    taps = parameters.get("taps", ([0], [0]))
    rows = [
        editor.join(node, np.array(of)) for node, of in zip((source, position), taps, strict=True)
    ]
    sizes = [len(of) for of in taps]
    editor.assign(
        np.concatenate([np.atleast_1d(one) for one in rows]),
        np.repeat([position, target], sizes),
        np.concatenate([np.atleast_1d(one) for one in parameters["weights"]]),
    )


def _has_room(
    editor: GenomeEditor, context: ProposalContext, n_new: int, map_sizes: Sequence[int]
) -> bool:
    """Tell whether the density allows more nodes, of some map sizes, with some more entries."""
    n_places = (editor.n_nodes + len(map_sizes)) ** 2
    if editor.rows_per_node > 1:
        n_places = PossibleTaps(np.append(editor.map_sizes, map_sizes), editor.kernel).count
    return editor.n_stored + n_new <= int(context.settings.max_density * n_places)


def _index_between(editor: GenomeEditor, source: int, target: int) -> int:
    """Return the index of a new node between two others, such that its two edges take as many ticks as their edge."""
    immediate = source < target or editor.role(source) == Role.INPUT
    return target if immediate else source + 1


def _active_weight(editor: GenomeEditor, weight: float, target: int) -> float:
    """Return a weight, lifted above the threshold of a target where it would be dormant."""
    return float(above_threshold(editor, np.array([weight]), np.array([target]))[0])


def _nearest_activation(editor: GenomeEditor, target: int) -> int:
    """Return the activation of the hidden node nearest to a target, or of the target if there is no hidden node."""
    hidden = editor.positions(Role.HIDDEN)
    nearest = hidden[np.argmin(np.abs(hidden - target))] if len(hidden) else target
    return int(editor.activations[nearest])


# -- S: split ----------------------------------------------------------------------------------------------------------


def propose_split(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
    """Choose an edge to replace by a node: its in-edge has weight 1, its out-edge the weight of the edge (as in NEAT).

    A kernel is replaced by a map of the source's size. The in-edge is the middle tap, which copies the source pixel by
    pixel; the out-edge is the kernel.
    """
    if not _has_room(editor, context, 1, [1]):
        return None
    for _ in range(TRIES):
        target = draw_node(
            editor,
            context.rng,
            target_roles(editor),
            lambda p: int(editor.in_degree(p)) > 0,
        )
        if target is None:
            return None
        rows, weights = editor.column(target)
        at = int(context.rng.integers(len(rows)))
        source, weight = int(editor.split(rows[at])[0]), float(weights[at])
        delayed = source >= target and editor.role(source) != Role.INPUT
        active = _active_weight(editor, weight, target) == weight
        if active and source != target and not (delayed and editor.ticks == 1):
            found = {
                "position": _index_between(editor, source, target),
                "source": source,
                "target": target,
                "weights": [_active_weight(editor, 1.0, target), weight],
                "activation": _nearest_activation(editor, target),
            }
            return found if editor.rows_per_node == 1 else found | _split_kernel(editor, found)
    return None


def _middle_tap(editor: GenomeEditor, map_size: int) -> int:
    """Return the tap that copies a map pixel by pixel to a map of its size."""
    return map_transform(map_size, map_size, editor.kernel).window ** 2 // 2


def _split_kernel(editor: GenomeEditor, split: Parameters) -> Parameters:
    """Return map size, taps and weights of the map that replaces a kernel."""
    source, target = split["source"], split["target"]
    map_size = int(editor.map_size(source))
    rows, weights = editor.column(target)
    nodes, taps = editor.split(rows)
    own = nodes == source
    return {
        "map_size": map_size,
        "taps": [[_middle_tap(editor, map_size)], taps[own].tolist()],
        "weights": [[split["weights"][0]], weights[own].tolist()],
    }


def apply_split(editor: GenomeEditor, parameters: Parameters) -> None:
    """Remove the edge, with all its taps, and add the node and its two edges."""
    taps = np.array(parameters.get("taps", ([0], [0]))[1])
    target = np.full(len(taps), parameters["target"])
    editor.remove_entries(
        np.broadcast_to(editor.join(parameters["source"], taps), taps.shape), target
    )
    apply_insertion(editor, parameters)


# -- R, E: remove ------------------------------------------------------------------------------------------------------


def propose_removal(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
    """Choose a hidden node with out-edges."""
    node = draw_node(editor, context.rng, (Role.HIDDEN,), lambda p: int(editor.out_degree(p)) > 0)
    return None if node is None else {"node": node}


def propose_erasure(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
    """Choose a hidden node that reaches no output in time; this looks at the whole network."""
    genome = editor.freeze()
    needed = genome.delays_to_output(genome.active_mask()) < genome.ticks
    idle = np.flatnonzero((genome.roles == Role.HIDDEN) & ~needed)
    return {"node": int(context.rng.choice(idle))} if len(idle) else None


def apply_removal(editor: GenomeEditor, parameters: Parameters) -> None:
    """Remove row, column and bias of a node."""
    editor.remove_node(parameters["node"])


# -- U: duplicate ------------------------------------------------------------------------------------------------------


def propose_duplication(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
    """Choose a hidden node with out-edges, and the share of their weights that it keeps (Net2Net, Chen et al. 2016).

    Both parts of every weight must stay active.
    """
    room = int(context.settings.max_density * editor.n_places) - editor.n_stored
    for _ in range(TRIES):
        node = draw_node(editor, context.rng, (Role.HIDDEN,), partial(_has_out_edges, editor))
        if node is None:
            return None
        share = float(context.rng.uniform(0.25, 0.75))
        n_new = _entries_of_duplicate(editor, node, share)
        if n_new is not None and n_new <= room:
            return {"node": node, "share": share}
    return None


def _has_out_edges(editor: GenomeEditor, node: int) -> bool:
    return int(editor.out_degree(node)) > 0


def _entries_of_duplicate(editor: GenomeEditor, node: int, share: float) -> int | None:
    """Return how many entries a duplicate of a node adds; None if a part of a weight would be dormant."""
    rows, weights = shared_out_edges(editor, node)
    parts = np.stack(split_weights(weights, share))
    active = active_entries(editor, parts, editor.split(rows)[0]).all()
    return int(editor.in_degree(node)) + len(rows) if active else None


def shared_out_edges(
    editor: GenomeEditor, node: int
) -> tuple[NDArray[np.integer[Any]], FloatArray]:
    """Return the out-edges that a node shares with a duplicate: the active ones, except a self-loop.

    In the form of :meth:`evo.editing.editor.GenomeEditor.row`.
    """
    places, weights = editor.row(node)
    targets, _ = editor.split(places)
    shared = active_entries(editor, weights[None], targets)[0] & (targets != node)
    return places[shared], weights[shared]


def split_weights(weights: FloatArray, share: float) -> tuple[FloatArray, FloatArray]:
    """Split weights into the part that a node keeps and the part of its duplicate."""
    kept: FloatArray = weights * weights.dtype.type(share)
    return kept, weights - kept


def apply_duplication(editor: GenomeEditor, parameters: Parameters) -> None:
    """Insert a duplicate right behind a node; it has the same in-edges, and the two share the weights of the out-edges.

    ::

        a ──► node ──w──► b        a ──► node ──share·w────────► b
                                   └───► duplicate ──(1−share)·w──┘

    Both have equal states at any time, so the sum at each successor stays the same. A self-loop is copied, not shared.
    Dormant out-edges stay with the node alone, with their full weight.
    """
    node, duplicate = parameters["node"], parameters["node"] + 1
    rows, column = editor.column(node)
    places, weights = shared_out_edges(editor, node)
    (sources, in_taps), (targets, out_taps) = editor.split(rows), editor.split(places)
    threshold = editor.threshold
    editor.add_node(
        duplicate,
        activation=int(editor.activations[node]),
        bias=float(editor.bias[node]),
        threshold=float(threshold[node]) if isinstance(threshold, np.ndarray) else 0.0,
        map_size=int(editor.map_size(node)),
    )
    targets = targets + (targets >= duplicate)
    sources = np.where(sources == node, duplicate, sources + (sources >= duplicate))
    parts = split_weights(weights, parameters["share"])
    for source, part in zip((node, duplicate), parts, strict=True):
        editor.assign(editor.join(np.full(len(targets), source), out_taps), targets, part)
    editor.assign(editor.join(sources, in_taps), np.full(len(sources), duplicate), column)


# -- W: widen a level --------------------------------------------------------------------------------------------------


def propose_widening(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
    """Choose two or more hidden nodes of one level, and for each the share of its out-edges that it keeps, as U does.

    The shares differ, so that a node and its duplicate learn different weights. This looks at the whole network.
    """
    rng = context.rng
    shares = rng.uniform(0.25, 0.75, editor.n_nodes).tolist()
    n_new: dict[int, int] = {}

    def accept(node: int) -> bool:
        found = _entries_of_duplicate(editor, node, shares[node])
        n_new[node] = found or 0
        return found is not None and _has_out_edges(editor, node)

    first = draw_node(editor, rng, (Role.HIDDEN,), accept)
    if first is None:
        return None
    level = level_around(editor, first, (Role.HIDDEN,), accept)
    if len(level) < 2:
        return None
    count = int(rng.integers(2, len(level) + 1))
    nodes = np.sort(rng.choice(level, count, replace=False)).tolist()
    # An entry between two of the nodes becomes four entries, and each of the two has counted it once.
    between = sum(
        int(np.isin(editor.split(editor.column(node)[0])[0], nodes).sum()) for node in nodes
    )
    room = int(context.settings.max_density * editor.n_places) - editor.n_stored
    if sum(n_new[node] for node in nodes) + between > room:
        return None
    return {"nodes": nodes, "shares": [shares[node] for node in nodes]}


def apply_widening(editor: GenomeEditor, parameters: Parameters) -> None:
    """Duplicate the nodes, as :func:`apply_duplication` does, from the last one to the first."""
    nodes, shares = _ascending_hidden(editor, parameters["nodes"]), parameters["shares"]
    _check_one_each("shares", shares, nodes)
    for node, share in zip(reversed(nodes), reversed(shares), strict=True):
        apply_duplication(editor, {"node": node, "share": share})


def _ascending_hidden(editor: GenomeEditor, nodes: Sequence[int]) -> list[int]:
    """Return nodes after a check that they ascend and are hidden."""
    ascending = all(a < b for a, b in pairwise(nodes))
    if not ascending or (editor.role(np.array(nodes)) != Role.HIDDEN).any():
        raise ValueError(f"nodes must be hidden nodes in ascending order; got {brief(nodes)}")
    return [*nodes]


def _check_one_each(name: str, values: Sequence[object], nodes: Sequence[int]) -> None:
    if len(values) != len(nodes):
        raise ValueError(f"{name} must be {len(nodes)}, one for each node; got {len(values)}")


# -- L: insert a level -------------------------------------------------------------------------------------------------


_NEVER_NEGATIVE = frozenset(map(activation_code, ("relu", "sigmoid", "gaussian")))


def propose_level(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
    """Choose a hidden node, or those of a level, behind each of which a node is inserted that passes its state on.

    The new node is linear or, behind an activation that is never negative, rectified. An edge of weight 1 must be
    active. This looks at the whole network.
    """
    one = np.ones((1, 1), editor.dtype)

    def accept(node: int) -> bool:
        passes = active_entries(editor, one, np.array([node])).all()
        return bool(passes) and _has_out_edges(editor, node)

    nodes = draw_node_or_level(editor, context.rng, accept)
    if not nodes or not _has_room(
        editor, context, len(nodes), editor.map_size(np.array(nodes)).tolist()
    ):
        return None
    linear, rectified = activation_code("identity"), activation_code("relu")
    activations = [
        rectified if code in _NEVER_NEGATIVE else linear
        for code in editor.activations[nodes].tolist()
    ]
    return {"nodes": nodes, "activations": activations}


def apply_level(editor: GenomeEditor, parameters: Parameters) -> None:
    """Insert a node right behind each of some nodes: it hears the node alone and takes over the node's out-edges.

    ::

        a ──► node ──w──► b        a ──► node ──1──► new node ──w──► b

    The edge between them has no delay, so the new node has the state of the node at every tick. Between maps the edge
    is the middle tap, which copies the map. Out-edges keep their optimizer state; a self-loop becomes an edge back.
    """
    nodes, activations = _ascending_hidden(editor, parameters["nodes"]), parameters["activations"]
    _check_one_each("activations", activations, nodes)
    for node, activation in zip(reversed(nodes), reversed(activations), strict=True):
        threshold = editor.threshold
        editor.add_node(
            node + 1,
            activation=activation,
            threshold=float(threshold[node]) if isinstance(threshold, np.ndarray) else 0.0,
            map_size=int(editor.map_size(node)),
        )
        editor.swap_rows(node, node + 1)
    moved = np.array(nodes) + np.arange(len(nodes))
    taps = [_middle_tap(editor, map_size) for map_size in editor.map_size(moved).tolist()]
    editor.assign(editor.join(moved, np.array(taps)), moved + 1, np.ones(len(nodes)))


# -- T: change the activation ------------------------------------------------------------------------------------------


def propose_activation(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
    """Choose a hidden node with out-edges, or those of its level, and another activation that the settings allow.

    A level is found by a look at the whole network.
    """
    allowed = {activation_code(name) for name in context.settings.activations}

    def accept(node: int) -> bool:
        return _has_out_edges(editor, node) and len(allowed - {int(editor.activation(node))}) > 0

    nodes = draw_node_or_level(editor, context.rng, accept)
    if not nodes:
        return None
    present = editor.activation(np.array(nodes))
    code = int(context.rng.choice(sorted(allowed - {int(context.rng.choice(present))})))
    return {
        "nodes": [node for node, old in zip(nodes, present.tolist(), strict=True) if old != code],
        "activation": code,
    }


def apply_activation(editor: GenomeEditor, parameters: Parameters) -> None:
    """Give the nodes another activation."""
    editor.change_activation(parameters["nodes"], parameters["activation"])
