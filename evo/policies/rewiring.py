"""SET, RigL and random topologies as published, for comparison: controls made of the operators A and N.

Each step drops the weakest entries and grows as many edges (:mod:`evo.policies.prune_and_regrow`). Between two steps
there is no threshold, so every stored entry is an edge, also one of weight 0, and the number of edges stays the same.
With a layered founder each layer is rewired by itself (:mod:`evo.operators.layers`). Other networks have no layers;
there the columns of the hidden nodes and those of the output nodes stand for layers.
"""

import math

import numpy as np
from numpy.typing import NDArray

from evo.editing.editor import GenomeEditor
from evo.genome.genome import FloatArray
from evo.operators.free_places import CANDIDATES_PER_EDGE, list_or_draw
from evo.operators.operation import Operation, ProposalContext
from evo.policies.prune_and_regrow import (
    Counts,
    Scope,
    drop_dormant_entries,
    drop_weakest,
    groups_of,
    largest,
    prune_and_regrow,
    regrow_by_score,
    regrow_randomly,
)


def set_step(
    editor: GenomeEditor,
    context: ProposalContext,
    fraction: float,
    scope: Scope = "layer",
    scale: float = 1.0,
) -> list[Operation]:
    """Drop the weakest entries and grow as many edges at random: SET (Mocanu et al. 2018).

    As published: the fraction ζ (theirs is 0.3) of each layer is replaced, the same throughout the run; new edges grow
    anywhere in the layer except where an edge was kept; their weights are random. Not as published: the weakest entries
    are those of the smallest magnitude, as in the comparisons of RigL's authors, where SET takes the fraction ζ of the
    positive and of the negative weights; the standard deviation of new weights is `scale` / √in-degree, where SET's
    code has the constant 0.1 for sparse matrices and 0 for masked dense ones; a step is taken once per train phase,
    where SET takes one per epoch.
    """
    operations, groups = [], groups_of(editor, context, scope)
    operations += drop_dormant_entries(editor)
    return operations + prune_and_regrow(
        editor,
        groups,
        prune=lambda: drop_weakest(editor, groups, fraction),
        regrow=lambda counts: regrow_randomly(editor, groups, counts, scale, context.rng),
    )


def rigl_step(
    editor: GenomeEditor, context: ProposalContext, fraction: float, scope: Scope = "layer"
) -> list[Operation]:
    """Drop the weakest entries and grow as many edges where the gradient is largest: RigL (Evci et al. 2020).

    As published: the fraction α/2·(1 + cos(π·t/T_end)) of each layer is replaced (their α is 0.3; T_end is the last
    generation that modifies, by default after three quarters of the run as theirs); entries are dropped by magnitude;
    edges grow where |∂E/∂W| on training data is largest, measured *before* the drop, anywhere in the layer except where
    an edge was kept; a new edge starts at weight 0 and without momentum, so it changes no output. Not as published: the
    gradient is that of the batches that come next, where theirs is of one; no edge grows where the gradient is 0; in a
    layer of more than 2²⁰ places ten random ones are measured per edge; an edge dropped and grown again starts at 0,
    where their code lets it keep its weight; a step is taken once per train phase, where theirs is every 100 gradient
    steps.

    Raises
    ------
    ValueError
        If `context` has no ``gradients_at``.
    """
    context.require_gradients()
    groups = groups_of(editor, context, scope)
    before = editor.freeze()
    operations = drop_dormant_entries(editor)

    def score(rows: NDArray[np.intp], targets: NDArray[np.intp]) -> FloatArray:
        return np.abs(context.gradients(before, editor, rows, targets))

    def regrow(counts: Counts) -> list[Operation]:
        candidates = [
            list_or_draw(places, CANDIDATES_PER_EDGE * count, context.rng)
            for places, count in zip(groups.free_places(editor), counts.tolist(), strict=True)
        ]
        return regrow_by_score(editor, candidates, counts, score, largest)

    return operations + prune_and_regrow(
        editor,
        groups,
        prune=lambda: drop_weakest(editor, groups, fraction * fading(context.progress)),
        regrow=regrow,
    )


def redraw(editor: GenomeEditor, context: ProposalContext) -> list[Operation]:
    """Drop every edge and draw as many anew, with random weights: a random topology.

    New edges may lie anywhere in the matrix. Between maps they stay in their layer, for costs differ between layers.
    Biases, node table and order stay.
    """
    return set_step(editor, context, 1.0, "network" if editor.rows_per_node == 1 else "layer")


def fading(progress: float) -> float:
    """Return the factor of the rewired fraction after a part of the run: half a cosine, from 1 down to 0."""
    return 0.5 * (1 + math.cos(math.pi * progress))
