"""The published methods of sparse training, and random topologies: controls made of the operators A and N.

A method is a declaration of its parts (:class:`evo.policies.method.Method`). Between two steps there is no threshold
(GMP apart), so every stored entry is an edge, also one of weight 0. With a layered founder each layer is rewired by
itself (:mod:`evo.operators.layers`). Other networks have no layers; there the columns of the hidden nodes and those of
the output nodes stand for layers.

Common to all methods, and not as published: a step is taken once per train phase, gradients are those of the batches
that come next, and the optimizer state of a new edge is 0.
"""

from collections.abc import Mapping
from dataclasses import replace

from evo.editing.editor import GenomeEditor
from evo.operators.operation import Operation, ProposalContext
from evo.policies.method import Method, rewire
from evo.policies.prune_and_regrow import Scope

SET = Method("Drop the weakest edges, grow as many at random: SET (Mocanu et al. 2018).")
"""See :func:`set_step`."""

RIGL = Method(
    "Drop the weakest edges, grow as many where the gradient is largest: RigL (Evci et al. 2020).",
    regrowth="gradient",
    fraction_schedule="cosine",
)
"""See :func:`rigl_step`."""

CHT = Method(
    "Drop the weakest edges, grow where link prediction by CH3-L3p is highest: CHT (Zhang et al. 2024).",
    regrowth="ch3_l3p",
    percolation=True,
    revived_weights="kept",
)
"""Cannistraci-Hebb training: Y. Zhang et al., *Epitopological learning and Cannistraci-Hebb network shape intelligence
brain-inspired theory for ultra-sparse advantage in deep learning* (ICLR 2024).

As published: the fraction ζ (theirs is 0.3) of each layer is dropped by magnitude; neurons without in-edges or without
out-edges lose the other side; each layer gets its number of edges back at the places of the highest CH3-L3p, computed
on the edges that are left; a new edge starts at weight 0; an edge that is dropped and grown again keeps its weight and
optimizer state. Not as published: rewiring of a layer does not end early where 90 % of the dropped edges grow again.
"""

CHTS = Method(
    "Draw the edges that stay and those that grow, by weight and by CH2-L3n: CHTs (Zhang et al. 2025).",
    removal="soft_magnitude",
    regrowth="soft_ch2_l3n",
    percolation=True,
    revived_weights="kept",
)
"""The soft rule of CHT: Y. Zhang et al., *Brain network science modelling of sparse neural networks enables
Transformers and LLMs to perform as fully connected* (NeurIPS 2025).

As published: the edges that stay are drawn in proportion to |w|^(δ/(1−δ)) (equation 2 with α = 1), those that grow in
proportion to CH2-L3n (equation 3); the rest is as in :data:`CHT`. The exponent rises from 1 to 3, as δ does from 0.5 to
0.75 in the text and the exponent in the code for perceptrons. Removal by relative importance (α = 0) is the removal
``soft_relative_importance``.
"""

CHTSS = replace(
    CHTS,
    title="CHTs whose density falls as a sigmoid: CHTss (Zhang et al. 2025).",
    density_schedule="sigmoid",
)
""":data:`CHTS` with a density that falls as a sigmoid (equation 4, k = 6).

Not as published: theirs first prunes to the density of the step by relative importance, and then draws the edges that
stay; here one draw does both.
"""

GMP = Method(
    "Make the weakest edges dormant, ever more of them: gradual magnitude pruning (Zhu and Gupta 2017).",
    removal="dormancy",
    regrowth="none",
    density_schedule="cubic",
)
"""Gradual magnitude pruning: M. Zhu and S. Gupta, *To prune, or not to prune* (2017).

As published: the density falls by equation 1; the weakest entries of each layer are masked and not trained; a masked
entry keeps its weight, and comes back where the others have become weaker. Dormant entries are masked entries here, so
memory is that of the founder. They are dropped where the run only trains. Not as published: between two steps, too, an
edge becomes dormant when training takes it below the threshold.
"""

GRANET = Method(
    "Prune gradually by magnitude, and replace edges by gradient: GraNet (Liu et al. 2021).",
    regrowth="gradient",
    fraction_schedule="cosine",
    density_schedule="cubic",
)
"""Gradual pruning with neuroregeneration: S. Liu et al., *Sparse training via boosting pruning plasticity with
neuroregeneration* (NeurIPS 2021).

As published: the density falls as in :data:`GMP`; then a fraction that fades as half a cosine (theirs begins at 0.5)
is dropped by magnitude, and as many edges grow where the gradient is largest. Both prunings take the weakest edges, so
here they are one. Not as published: each layer is pruned by itself, where theirs are pruned together
(``rewiring_scope = "network"`` does so, and grows edges anywhere too); the rest is as in :func:`rigl_step`.
"""

MEST = Method(
    "Drop edges of small weight and gradient, grow at random, in steps to a lower density: MEST (Yuan et al. 2021).",
    removal="magnitude_and_gradient",
    fraction_schedule="two_steps",
    density_schedule="two_steps",
    new_weight_scale=0.0,
)
"""Memory-economic sparse training, elastic mutation with a soft memory bound (EM&S): G. Yuan et al., *MEST: Accurate
and fast memory-economic sparse training framework on the edge* (NeurIPS 2021).

As published: entries of the smallest |w| + λ·|∂E/∂w| are dropped, λ = 0.01; as many grow at random, with weight 0; the
network first has more edges than the final density, and loses them in steps. As in the code of CHT's authors, the
excess is halved after 60 % of the run and is gone after the last step. ``policy.density_schedule = "constant"`` is
their EM, which has the final density from the beginning. Not as published: the fraction that is replaced is a setting
and falls in the same steps, where theirs is the excess.
"""

METHODS: Mapping[str, Method] = {
    "set": SET,
    "rigl": RIGL,
    "cht": CHT,
    "chts": CHTS,
    "chtss": CHTSS,
    "gmp": GMP,
    "granet": GRANET,
    "mest": MEST,
}
"""The methods by the names of their policies; :data:`evo.policies.policies.POLICIES` has them."""


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
    method = replace(SET, rewired_fraction=fraction, scope=scope, new_weight_scale=scale)
    return rewire(editor, context, method)


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
    return rewire(editor, context, replace(RIGL, rewired_fraction=fraction, scope=scope))


def redraw(editor: GenomeEditor, context: ProposalContext) -> list[Operation]:
    """Drop every edge and draw as many anew, with random weights: a random topology.

    New edges may lie anywhere in the matrix. Between maps they stay in their layer, for costs differ between layers.
    Biases, node table and order stay.
    """
    return set_step(editor, context, 1.0, "network" if editor.rows_per_node == 1 else "layer")
