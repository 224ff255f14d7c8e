"""Operators on nodes: rows and columns appended or deleted, which is not the row and column *addition* of C and F.

I insert, R remove, S split an edge, M change the side of a map; U duplicate, E erase, O reorder keep what the network
computes. Where there are maps, a new node may be one and an edge is a kernel with all its taps.
"""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import graphops
from evo.editing.editor import GenomeEditor
from evo.genome.feature_maps import map_transform
from evo.genome.genome import FloatArray, Role
from evo.genome.possible_taps import PossibleTaps
from evo.operators.growth import lifted
from evo.operators.map_operator import apply_side, propose_side
from evo.operators.operation import (
    TRIES,
    Operator,
    Parameters,
    Proposing,
    active_entries,
    active_weights,
    draw_position,
    source_roles,
    target_roles,
)
from evo.operators.screening import acting

# -- H, O: moves -------------------------------------------------------------------------------------------------------


def propose_move(
    editor: GenomeEditor, proposing: Proposing, *, past_partner: bool
) -> Parameters | None:
    """Move a hidden node to the place of another: past at least one that it is connected to, or past strangers only.

    Past strangers every edge stays as immediate or delayed as it was.
    """
    for _ in range(TRIES):
        node = draw_position(editor, proposing.rng, (Role.HIDDEN,), lambda _: True)
        if node is None:
            return None
        other = draw_position(
            editor,
            proposing.rng,
            (Role.HIDDEN,),
            lambda p, node=node: p != node,  # type: ignore[misc]
        )
        if other is None:
            return None
        if _passes_partner(editor, node, other) == past_partner:
            return {"node": node, "destination": other}
    return None


def _passes_partner(editor: GenomeEditor, node: int, destination: int) -> bool:
    """Tell whether a move takes a node past one that it is connected to.

    Only a connection whose ends change sides becomes delayed or immediate; those of inputs never do.
    """
    low, high = min(node, destination), max(node, destination)
    for line in (editor.column, editor.row):
        partners = editor.split(line(node)[0])[0]
        partners = partners[(partners >= low) & (partners <= high) & (partners != node)]
        if (editor.role(partners) != Role.INPUT).any():
            return True
    return False


def apply_move(editor: GenomeEditor, parameters: Parameters) -> None:
    """Take a node out of the order and put it in again elsewhere; those between move up by one."""
    editor.move(**parameters)


# -- I: insert ---------------------------------------------------------------------------------------------------------


def propose_insertion(editor: GenomeEditor, proposing: Proposing) -> Parameters | None:
    """Put a node between two others: it hears one, and the other hears it, by weights as of a fresh start.

    Where there are maps it has a side that other hidden nodes have, and its two kernels a few random taps.
    """
    rng = proposing.rng
    if editor.rows_per_node == 1 and not _has_room(editor, proposing, 2):
        return None
    source = draw_position(editor, rng, source_roles(editor), lambda _: True)
    target = draw_position(editor, rng, target_roles(), lambda p: p != source)
    if source is None or target is None:
        return None
    if editor.ticks == 1 and source > target and editor.role(source) != Role.INPUT:
        source, target = target, source
        if editor.role(source) == Role.OUTPUT:
            return None
    if editor.rows_per_node > 1:
        return _insertion_of_a_map(editor, proposing, source, target)
    heard, spoken = rng.standard_normal(2)
    spoken /= np.sqrt(max(int(editor.in_degree(target)), 1))
    return {
        "position": _between(editor, source, target),
        "source": source,
        "target": target,
        "weights": [_lifted(editor, float(weight), target) for weight in (heard, spoken)],
        "activation": _usual_activation(editor, target),
    }


def _insertion_of_a_map(
    editor: GenomeEditor, proposing: Proposing, source: int, target: int
) -> Parameters | None:
    rng = proposing.rng
    hidden = editor.positions(Role.HIDDEN)
    map_size = int(rng.choice(editor.map_sizes[hidden])) if len(hidden) else 1
    ways = (int(editor.map_size(source)), map_size), (map_size, int(editor.map_size(target)))
    taps, weights = [], []
    for way in ways:
        most = map_transform(*way, editor.kernel).window ** 2
        count = int(rng.integers(1, min(editor.kernel, most) + 1))
        taps.append(np.sort(rng.choice(most, count, replace=False)).tolist())
        weights.append(rng.standard_normal(count) / np.sqrt(count))
    if not _has_room(editor, proposing, len(taps[0]) + len(taps[1]), map_size):
        return None
    weights[1] *= np.sqrt(len(weights[1]) / max(int(editor.in_degree(target)), 1))
    return {
        "position": _between(editor, source, target),
        "source": source,
        "target": target,
        "map_size": map_size,
        "taps": taps,
        "weights": [[_lifted(editor, float(w), target) for w in part] for part in weights],
        "activation": _usual_activation(editor, target),
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


def _has_room(editor: GenomeEditor, proposing: Proposing, n_new: int, map_size: int = 1) -> bool:
    """Tell whether one more node, of some side, may bring some more entries."""
    n_places = (editor.n_nodes + 1) ** 2
    if editor.rows_per_node > 1:
        n_places = PossibleTaps(np.append(editor.map_sizes, map_size), editor.kernel).count
    return editor.n_stored + n_new <= int(proposing.settings.max_density * n_places)


def _between(editor: GenomeEditor, source: int, target: int) -> int:
    """Return where a node between two others stands, so that the detour takes as many ticks as the edge."""
    immediate = source < target or editor.role(source) == Role.INPUT
    return target if immediate else source + 1


def _lifted(editor: GenomeEditor, weight: float, target: int) -> float:
    """Lift a weight over the threshold of a target, so that the edge lives."""
    return float(lifted(editor, np.array([weight]), np.array([target]))[0])


def _usual_activation(editor: GenomeEditor, target: int) -> int:
    """Return the activation of the hidden node nearest to a target; of the target itself where there is none."""
    hidden = editor.positions(Role.HIDDEN)
    nearest = hidden[np.argmin(np.abs(hidden - target))] if len(hidden) else target
    return int(editor.activations[nearest])


# -- S: split ----------------------------------------------------------------------------------------------------------


def propose_split(editor: GenomeEditor, proposing: Proposing) -> Parameters | None:
    """Choose an edge to put a node into: in by weight 1, out by the edge's own (as NEAT adds nodes).

    Into a kernel goes a map of the source's side, which hears the source by the middle tap, so pixel by pixel, and
    speaks by the whole kernel.
    """
    if not _has_room(editor, proposing, 1):
        return None
    for _ in range(TRIES):
        target = draw_position(
            editor,
            proposing.rng,
            target_roles(),
            lambda p: int(editor.in_degree(p)) > 0,
        )
        if target is None:
            return None
        rows, weights = editor.column(target)
        at = int(proposing.rng.integers(len(rows)))
        source, weight = int(editor.split(rows[at])[0]), float(weights[at])
        late = source >= target and editor.role(source) != Role.INPUT
        alive = _lifted(editor, weight, target) == weight
        if alive and source != target and not (late and editor.ticks == 1):
            found = {
                "position": _between(editor, source, target),
                "source": source,
                "target": target,
                "weights": [_lifted(editor, 1.0, target), weight],
                "activation": _usual_activation(editor, target),
            }
            return found if editor.rows_per_node == 1 else found | _split_kernel(editor, found)
    return None


def _split_kernel(editor: GenomeEditor, split: Parameters) -> Parameters:
    """Return side, taps and weights of the map that is put into a kernel."""
    source, target = split["source"], split["target"]
    map_size = int(editor.map_size(source))
    rows, weights = editor.column(target)
    nodes, taps = editor.split(rows)
    own = nodes == source
    middle = map_transform(map_size, map_size, editor.kernel).window ** 2 // 2
    return {
        "map_size": map_size,
        "taps": [[middle], taps[own].tolist()],
        "weights": [[split["weights"][0]], weights[own].tolist()],
    }


def apply_split(editor: GenomeEditor, parameters: Parameters) -> None:
    """Take the edge away, with all its taps, and add the node and its two edges."""
    taps = np.array(parameters.get("taps", ([0], [0]))[1])
    target = np.full(len(taps), parameters["target"])
    editor.forget(np.broadcast_to(editor.join(parameters["source"], taps), taps.shape), target)
    apply_insertion(editor, parameters)


# -- R, E: remove ------------------------------------------------------------------------------------------------------


def propose_removal(editor: GenomeEditor, proposing: Proposing) -> Parameters | None:
    """Choose a hidden node that speaks to somebody."""
    node = draw_position(
        editor, proposing.rng, (Role.HIDDEN,), lambda p: int(editor.out_degree(p)) > 0
    )
    return None if node is None else {"node": node}


def propose_erasure(editor: GenomeEditor, proposing: Proposing) -> Parameters | None:
    """Choose a hidden node that no output hears in time. A look at the whole network."""
    inputs, outputs = editor.positions(Role.INPUT), editor.positions(Role.OUTPUT)
    needed = graphops.needed_nodes(active_weights(editor), inputs, outputs, editor.ticks)
    idle = np.setdiff1d(editor.positions(Role.HIDDEN), np.flatnonzero(needed))
    return {"node": int(proposing.rng.choice(idle))} if len(idle) else None


def apply_removal(editor: GenomeEditor, parameters: Parameters) -> None:
    """Delete row, column and bias of a node."""
    editor.remove_node(parameters["node"])


# -- U: duplicate ------------------------------------------------------------------------------------------------------


def propose_duplication(editor: GenomeEditor, proposing: Proposing) -> Parameters | None:
    """Choose a hidden node with listeners, and the share of what it says that it keeps (Net2Net, Chen et al. 2016).

    No edge may fall asleep by being shared.
    """
    room = int(proposing.settings.max_density * editor.n_places) - editor.n_stored
    for _ in range(TRIES):
        node = draw_position(
            editor, proposing.rng, (Role.HIDDEN,), lambda p: int(editor.out_degree(p)) > 0
        )
        if node is None:
            return None
        share = float(proposing.rng.uniform(0.25, 0.75))
        spoken, weights = out_edges_of(editor, node)
        parts = np.stack(split_weights(weights, share))
        n_new = int(editor.in_degree(node)) + len(spoken)
        if n_new <= room and active_entries(editor, parts, editor.split(spoken)[0]).all():
            return {"node": node, "share": share}
    return None


def out_edges_of(editor: GenomeEditor, node: int) -> tuple[NDArray[np.integer[Any]], FloatArray]:
    """Return the edges that a node shares with a copy: those that the threshold lets through, but for a self-loop.

    As :meth:`evo.editing.editor.GenomeEditor.row` does.
    """
    spoken, weights = editor.row(node)
    targets, _ = editor.split(spoken)
    shared = active_entries(editor, weights[None], targets)[0] & (targets != node)
    return spoken[shared], weights[shared]


def split_weights(weights: FloatArray, share: float) -> tuple[FloatArray, FloatArray]:
    """Split weights into what a node keeps of each and what its copy takes over."""
    kept: FloatArray = weights * weights.dtype.type(share)
    return kept, weights - kept


def apply_duplication(editor: GenomeEditor, parameters: Parameters) -> None:
    """Put a copy right behind a node: it hears what the node hears, and the two share out what the node said.

    Both have the same state at any time, so whatever heard the node hears the same sum as before. A self-loop is not
    shared out: each of the two hears its own state of the tick before. Dormant entries stay with the node, so that
    one which wakes up later says what it would have said.
    """
    node, copy = parameters["node"], parameters["node"] + 1
    rows, column = editor.column(node)
    spoken, weights = out_edges_of(editor, node)
    (sources, of_heard), (targets, of_spoken) = editor.split(rows), editor.split(spoken)
    threshold = editor.threshold
    editor.add_node(
        copy,
        activation=int(editor.activations[node]),
        bias=float(editor.bias[node]),
        threshold=float(threshold[node]) if isinstance(threshold, np.ndarray) else 0.0,
        map_size=int(editor.map_size(node)),
    )
    targets = targets + (targets >= copy)
    sources = np.where(sources == node, copy, sources + (sources >= copy))
    for speaker, part in zip(
        (node, copy), split_weights(weights, parameters["share"]), strict=True
    ):
        editor.assign(editor.join(np.full(len(targets), speaker), of_spoken), targets, part)
    editor.assign(editor.join(sources, of_heard), np.full(len(sources), copy), column)


NODE_OPERATORS = (
    acting(Operator("I", "insert a node", propose_insertion, apply_insertion)),
    acting(Operator("R", "remove a node", propose_removal, apply_removal)),
    acting(Operator("S", "split an edge", propose_split, apply_split)),
    Operator("U", "duplicate a node", propose_duplication, apply_duplication, preserves=True),
    Operator("E", "erase an idle node", propose_erasure, apply_removal, preserves=True),
    Operator(
        "O", "reorder freely", partial(propose_move, past_partner=False), apply_move, preserves=True
    ),
    acting(Operator("M", "change the side of a map", propose_side, apply_side)),
)
"""Registry entries; see :data:`evo.operators.elementary.OPERATORS`."""
