"""Operator M: change the size of a map."""

import numpy as np

import graphops
from evo.editing.editor import GenomeEditor
from evo.genome.genome import Role
from evo.operators.operation import (
    LARGEST_CHECKED,
    Accept,
    Parameters,
    ProposalContext,
    active_entries,
    draw_node,
)


def propose_map_size(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
    """Choose a hidden node with in-edges from a map, and another map size that occurs in the network.

    The values of a node whose predecessors are all neurons do not depend on its map size. In a small network the node
    must even be reached by an input that is a map, by way of maps only.
    """
    if editor.rows_per_node == 1:
        return None
    small = editor.n_stored <= LARGEST_CHECKED
    accept = _is_reached_by_image(editor) if small else _has_map_predecessor(editor)
    node = draw_node(editor, context.rng, (Role.HIDDEN,), accept)
    if node is None:
        return None
    others = np.setdiff1d(editor.map_sizes, editor.map_size(node))
    return {"node": node, "map_size": int(context.rng.choice(others))} if len(others) else None


def _has_map_predecessor(editor: GenomeEditor) -> Accept:
    """Return a test of whether a node has an active in-edge from a map."""

    def accept(node: int) -> bool:
        rows, weights = editor.column(node)
        active = active_entries(editor, weights[None], np.full(len(rows), node))[0]
        return bool((editor.map_size(editor.split(rows)[0][active]) > 1).any())

    return accept


def _is_reached_by_image(editor: GenomeEditor) -> Accept:
    """Return a test of whether an input that is a map reaches a node in time, by way of maps."""
    genome = editor.freeze()
    inputs = genome.inputs
    images = inputs[genome.map_sizes[inputs] > 1]
    from_maps = genome.strengths(genome.active_mask() & (genome.map_sizes[genome.indices] > 1))

    def accept(node: int) -> bool:
        needed = graphops.needed_nodes(from_maps, inputs, [node], genome.ticks)
        return bool(needed[images].any())

    return accept


def apply_map_size(editor: GenomeEditor, parameters: Parameters) -> None:
    """Make the map larger or smaller; kernels stay about their centre."""
    editor.change_map_size(parameters["node"], parameters["map_size"])
