"""Operators on nodes: rows and columns appended or deleted, which is not the row and column *addition* of C and F.

I insert, R remove, S split an edge, M change the side of a map; U duplicate, E erase, O reorder keep what the network
computes. Where there are maps, a new node may be one and an edge is a kernel with all its taps.
"""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import graphops
from evo.editing.editor import Draft
from evo.genome.feature_maps import passage
from evo.genome.genome import FloatArray, Role
from evo.genome.places import PossibleTaps
from evo.operators.growth import lifted
from evo.operators.map_operator import apply_side, propose_side
from evo.operators.operation import (
    TRIES,
    Operator,
    Parameters,
    Proposing,
    draw_position,
    listeners,
    live_entries,
    live_weights,
    speakers,
)
from evo.operators.screening import acting

# -- H, O: moves -------------------------------------------------------------------------------------------------------


def propose_move(draft: Draft, proposing: Proposing, *, past_partner: bool) -> Parameters | None:
    """Move a hidden node to the place of another: past at least one that it is connected to, or past strangers only.

    Past strangers every edge stays as immediate or delayed as it was.
    """
    for _ in range(TRIES):
        node = draw_position(draft, proposing.rng, (Role.HIDDEN,), lambda _: True)
        if node is None:
            return None
        other = draw_position(
            draft,
            proposing.rng,
            (Role.HIDDEN,),
            lambda p, node=node: p != node,  # type: ignore[misc]
        )
        if other is None:
            return None
        if _passes_partner(draft, node, other) == past_partner:
            return {"node": node, "destination": other}
    return None


def _passes_partner(draft: Draft, node: int, destination: int) -> bool:
    """Tell whether a move takes a node past one that it is connected to.

    Only a connection whose ends change sides becomes delayed or immediate; those of inputs never do.
    """
    low, high = min(node, destination), max(node, destination)
    for line in (draft.column, draft.row):
        partners = draft.split(line(node)[0])[0]
        partners = partners[(partners >= low) & (partners <= high) & (partners != node)]
        if (draft.role(partners) != Role.INPUT).any():
            return True
    return False


def apply_move(draft: Draft, parameters: Parameters) -> None:
    """Take a node out of the order and put it in again elsewhere; those between move up by one."""
    draft.move(**parameters)


# -- I: insert ---------------------------------------------------------------------------------------------------------


def propose_insertion(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Put a node between two others: it hears one, and the other hears it, by weights as of a fresh start.

    Where there are maps it has a side that other hidden nodes have, and its two kernels a few random taps.
    """
    rng = proposing.rng
    if draft.rows_per_node == 1 and not _has_room(draft, proposing, 2):
        return None
    source = draw_position(draft, rng, speakers(draft), lambda _: True)
    target = draw_position(draft, rng, listeners(), lambda p: p != source)
    if source is None or target is None:
        return None
    if draft.ticks == 1 and source > target and draft.role(source) != Role.INPUT:
        source, target = target, source
        if draft.role(source) == Role.OUTPUT:
            return None
    if draft.rows_per_node > 1:
        return _insertion_of_a_map(draft, proposing, source, target)
    heard, spoken = rng.standard_normal(2)
    spoken /= np.sqrt(max(int(draft.in_degree(target)), 1))
    return {
        "position": _between(draft, source, target),
        "source": source,
        "target": target,
        "weights": [_lifted(draft, float(weight), target) for weight in (heard, spoken)],
        "activation": _usual_activation(draft, target),
    }


def _insertion_of_a_map(
    draft: Draft, proposing: Proposing, source: int, target: int
) -> Parameters | None:
    rng = proposing.rng
    hidden = draft.positions(Role.HIDDEN)
    side = int(rng.choice(draft.sides[hidden])) if len(hidden) else 1
    ways = (int(draft.side(source)), side), (side, int(draft.side(target)))
    taps, weights = [], []
    for way in ways:
        most = passage(*way, draft.kernel).window ** 2
        count = int(rng.integers(1, min(draft.kernel, most) + 1))
        taps.append(np.sort(rng.choice(most, count, replace=False)).tolist())
        weights.append(rng.standard_normal(count) / np.sqrt(count))
    if not _has_room(draft, proposing, len(taps[0]) + len(taps[1]), side):
        return None
    weights[1] *= np.sqrt(len(weights[1]) / max(int(draft.in_degree(target)), 1))
    return {
        "position": _between(draft, source, target),
        "source": source,
        "target": target,
        "side": side,
        "taps": taps,
        "weights": [[_lifted(draft, float(w), target) for w in part] for part in weights],
        "activation": _usual_activation(draft, target),
    }


def apply_insertion(draft: Draft, parameters: Parameters) -> None:
    """Add the node and its two edges."""
    position = parameters["position"]
    ends = [parameters["source"], parameters["target"]]
    limit = draft.limit
    of_target = float(limit[ends[1]]) if isinstance(limit, np.ndarray) else 0.0
    draft.add_node(
        position,
        activation=parameters["activation"],
        limit=of_target,
        side=parameters.get("side", 1),
    )
    source, target = (end + (end >= position) for end in ends)
    taps = parameters.get("taps", ([0], [0]))
    rows = [
        draft.join(node, np.array(of)) for node, of in zip((source, position), taps, strict=True)
    ]
    sizes = [len(of) for of in taps]
    draft.assign(
        np.concatenate([np.atleast_1d(one) for one in rows]),
        np.repeat([position, target], sizes),
        np.concatenate([np.atleast_1d(one) for one in parameters["weights"]]),
    )


def _has_room(draft: Draft, proposing: Proposing, n_new: int, side: int = 1) -> bool:
    """Tell whether one more node, of some side, may bring some more entries."""
    n_places = (draft.n_nodes + 1) ** 2
    if draft.rows_per_node > 1:
        n_places = PossibleTaps(np.append(draft.sides, side), draft.kernel).count
    return draft.n_stored + n_new <= int(proposing.settings.max_density * n_places)


def _between(draft: Draft, source: int, target: int) -> int:
    """Return where a node between two others stands, so that the detour takes as many ticks as the edge."""
    immediate = source < target or draft.role(source) == Role.INPUT
    return target if immediate else source + 1


def _lifted(draft: Draft, weight: float, target: int) -> float:
    """Lift a weight over the threshold of a target, so that the edge lives."""
    return float(lifted(draft, np.array([weight]), np.array([target]))[0])


def _usual_activation(draft: Draft, target: int) -> int:
    """Return the activation of the hidden node nearest to a target; of the target itself where there is none."""
    hidden = draft.positions(Role.HIDDEN)
    nearest = hidden[np.argmin(np.abs(hidden - target))] if len(hidden) else target
    return int(draft.activations[nearest])


# -- S: split ----------------------------------------------------------------------------------------------------------


def propose_split(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Choose an edge to put a node into: in by weight 1, out by the edge's own (as NEAT adds nodes).

    Into a kernel goes a map of the source's side, which hears the source by the middle tap, so pixel by pixel, and
    speaks by the whole kernel.
    """
    if not _has_room(draft, proposing, 1):
        return None
    for _ in range(TRIES):
        target = draw_position(
            draft,
            proposing.rng,
            listeners(),
            lambda p: int(draft.in_degree(p)) > 0,
        )
        if target is None:
            return None
        rows, weights = draft.column(target)
        at = int(proposing.rng.integers(len(rows)))
        source, weight = int(draft.split(rows[at])[0]), float(weights[at])
        late = source >= target and draft.role(source) != Role.INPUT
        alive = _lifted(draft, weight, target) == weight
        if alive and source != target and not (late and draft.ticks == 1):
            found = {
                "position": _between(draft, source, target),
                "source": source,
                "target": target,
                "weights": [_lifted(draft, 1.0, target), weight],
                "activation": _usual_activation(draft, target),
            }
            return found if draft.rows_per_node == 1 else found | _split_kernel(draft, found)
    return None


def _split_kernel(draft: Draft, split: Parameters) -> Parameters:
    """Return side, taps and weights of the map that is put into a kernel."""
    source, target = split["source"], split["target"]
    side = int(draft.side(source))
    rows, weights = draft.column(target)
    nodes, taps = draft.split(rows)
    own = nodes == source
    middle = passage(side, side, draft.kernel).window ** 2 // 2
    return {
        "side": side,
        "taps": [[middle], taps[own].tolist()],
        "weights": [[split["weights"][0]], weights[own].tolist()],
    }


def apply_split(draft: Draft, parameters: Parameters) -> None:
    """Take the edge away, with all its taps, and add the node and its two edges."""
    taps = np.array(parameters.get("taps", ([0], [0]))[1])
    target = np.full(len(taps), parameters["target"])
    draft.forget(np.broadcast_to(draft.join(parameters["source"], taps), taps.shape), target)
    apply_insertion(draft, parameters)


# -- R, E: remove ------------------------------------------------------------------------------------------------------


def propose_removal(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Choose a hidden node that speaks to somebody."""
    node = draw_position(
        draft, proposing.rng, (Role.HIDDEN,), lambda p: int(draft.out_degree(p)) > 0
    )
    return None if node is None else {"node": node}


def propose_erasure(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Choose a hidden node that no output hears in time. A look at the whole network."""
    inputs, outputs = draft.positions(Role.INPUT), draft.positions(Role.OUTPUT)
    needed = graphops.needed_nodes(live_weights(draft), inputs, outputs, draft.ticks)
    idle = np.setdiff1d(draft.positions(Role.HIDDEN), np.flatnonzero(needed))
    return {"node": int(proposing.rng.choice(idle))} if len(idle) else None


def apply_removal(draft: Draft, parameters: Parameters) -> None:
    """Delete row, column and bias of a node."""
    draft.remove_node(parameters["node"])


# -- U: duplicate ------------------------------------------------------------------------------------------------------


def propose_duplication(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Choose a hidden node with listeners, and the share of what it says that it keeps (Net2Net, Chen et al. 2016).

    No edge may fall asleep by being shared.
    """
    room = int(proposing.settings.max_density * draft.n_places) - draft.n_stored
    for _ in range(TRIES):
        node = draw_position(
            draft, proposing.rng, (Role.HIDDEN,), lambda p: int(draft.out_degree(p)) > 0
        )
        if node is None:
            return None
        share = float(proposing.rng.uniform(0.25, 0.75))
        spoken, weights = spoken_edges(draft, node)
        parts = np.stack(split_weights(weights, share))
        n_new = int(draft.in_degree(node)) + len(spoken)
        if n_new <= room and live_entries(draft, parts, draft.split(spoken)[0]).all():
            return {"node": node, "share": share}
    return None


def spoken_edges(draft: Draft, node: int) -> tuple[NDArray[np.integer[Any]], FloatArray]:
    """Return the edges that a node shares with a copy: those that the threshold lets through, but for a self-loop.

    As :meth:`evo.editing.editor.Draft.row` does.
    """
    spoken, weights = draft.row(node)
    targets, _ = draft.split(spoken)
    shared = live_entries(draft, weights[None], targets)[0] & (targets != node)
    return spoken[shared], weights[shared]


def split_weights(weights: FloatArray, share: float) -> tuple[FloatArray, FloatArray]:
    """Split weights into what a node keeps of each and what its copy takes over."""
    kept: FloatArray = weights * weights.dtype.type(share)
    return kept, weights - kept


def apply_duplication(draft: Draft, parameters: Parameters) -> None:
    """Put a copy right behind a node: it hears what the node hears, and the two share out what the node said.

    Both have the same state at any time, so whatever heard the node hears the same sum as before. A self-loop is not
    shared out: each of the two hears its own state of the tick before. Dormant entries stay with the node, so that
    one which wakes up later says what it would have said.
    """
    node, copy = parameters["node"], parameters["node"] + 1
    rows, column = draft.column(node)
    spoken, weights = spoken_edges(draft, node)
    (sources, of_heard), (targets, of_spoken) = draft.split(rows), draft.split(spoken)
    limit = draft.limit
    draft.add_node(
        copy,
        activation=int(draft.activations[node]),
        bias=float(draft.bias[node]),
        limit=float(limit[node]) if isinstance(limit, np.ndarray) else 0.0,
        side=int(draft.side(node)),
    )
    targets = targets + (targets >= copy)
    sources = np.where(sources == node, copy, sources + (sources >= copy))
    for speaker, part in zip(
        (node, copy), split_weights(weights, parameters["share"]), strict=True
    ):
        draft.assign(draft.join(np.full(len(targets), speaker), of_spoken), targets, part)
    draft.assign(draft.join(sources, of_heard), np.full(len(sources), copy), column)


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
