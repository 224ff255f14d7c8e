"""Operator M: change the side of a map."""

import numpy as np

import graphops
from evo.editing.editor import Draft
from evo.genome.genome import Role
from evo.operators.operation import (
    LARGEST_CHECKED,
    Accept,
    Parameters,
    Proposing,
    draw_position,
    live_entries,
)


def propose_side(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Choose a hidden node that hears a map, and another side for it that occurs in the network.

    One that hears neurons alone is the same everywhere, whatever its side. In a small network so is one that no image
    comes to, from map to map.
    """
    if draft.rows_per_node == 1:
        return None
    hears = _hears_an_image if draft.n_stored <= LARGEST_CHECKED else _hears_a_map
    node = draw_position(draft, proposing.rng, (Role.HIDDEN,), hears(draft))
    if node is None:
        return None
    others = np.setdiff1d(draft.sides, draft.side(node))
    return {"node": node, "side": int(proposing.rng.choice(others))} if len(others) else None


def _hears_a_map(draft: Draft) -> Accept:
    """Return what tells of a node whether it hears a map."""

    def accept(position: int) -> bool:
        rows, weights = draft.column(position)
        live = live_entries(draft, weights[None], np.full(len(rows), position))[0]
        return bool((draft.side(draft.split(rows)[0][live]) > 1).any())

    return accept


def _hears_an_image(draft: Draft) -> Accept:
    """Return what tells of a node whether an input that is a map reaches it in time, from map to map."""
    genome = draft.freeze()
    inputs = genome.inputs
    images = inputs[genome.sides[inputs] > 1]
    of_maps = genome.strengths(genome.live_mask() & (genome.sides[genome.indices] > 1))

    def accept(position: int) -> bool:
        needed = graphops.needed_nodes(of_maps, inputs, [position], genome.ticks)
        return bool(needed[images].any())

    return accept


def apply_side(draft: Draft, parameters: Parameters) -> None:
    """Make the map larger or smaller; kernels stay about their centre."""
    draft.change_side(parameters["node"], parameters["side"])
