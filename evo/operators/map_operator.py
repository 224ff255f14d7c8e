"""Operator M: change the side of a map."""

import numpy as np

import graphops
from evo.editing.editor import GenomeEditor
from evo.genome.genome import Role
from evo.operators.operation import (
    LARGEST_CHECKED,
    Accept,
    Parameters,
    Proposing,
    active_entries,
    draw_position,
)


def propose_side(editor: GenomeEditor, proposing: Proposing) -> Parameters | None:
    """Choose a hidden node that hears a map, and another side for it that occurs in the network.

    One that hears neurons alone is the same everywhere, whatever its side. In a small network so is one that no image
    comes to, from map to map.
    """
    if editor.rows_per_node == 1:
        return None
    hears = _is_reached_by_image if editor.n_stored <= LARGEST_CHECKED else _has_map_predecessor
    node = draw_position(editor, proposing.rng, (Role.HIDDEN,), hears(editor))
    if node is None:
        return None
    others = np.setdiff1d(editor.map_sizes, editor.map_size(node))
    return {"node": node, "map_size": int(proposing.rng.choice(others))} if len(others) else None


def _has_map_predecessor(editor: GenomeEditor) -> Accept:
    """Return what tells of a node whether it hears a map."""

    def accept(position: int) -> bool:
        rows, weights = editor.column(position)
        live = active_entries(editor, weights[None], np.full(len(rows), position))[0]
        return bool((editor.map_size(editor.split(rows)[0][live]) > 1).any())

    return accept


def _is_reached_by_image(editor: GenomeEditor) -> Accept:
    """Return what tells of a node whether an input that is a map reaches it in time, from map to map."""
    genome = editor.freeze()
    inputs = genome.inputs
    images = inputs[genome.map_sizes[inputs] > 1]
    of_maps = genome.strengths(genome.active_mask() & (genome.map_sizes[genome.indices] > 1))

    def accept(position: int) -> bool:
        needed = graphops.needed_nodes(of_maps, inputs, [position], genome.ticks)
        return bool(needed[images].any())

    return accept


def apply_side(editor: GenomeEditor, parameters: Parameters) -> None:
    """Make the map larger or smaller; kernels stay about their centre."""
    editor.change_map_size(parameters["node"], parameters["map_size"])
