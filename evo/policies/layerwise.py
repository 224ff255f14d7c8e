"""Layered networks, rewired layer by layer within a size limit: what the policy ``layerwise`` does in a modify phase.

The layers are those of a founder (:mod:`evo.operators.layers`), of maps or of neurons. Most phases only *rewire*: each
layer drops its weakest entries and grows as many, at weight 0, where the loss gradient is largest or at random. Other
phases first change the *layer sizes*: a fraction of one layer's edges moves to another layer (A), a node is removed
(R), or a node is duplicated (U). If the settings name them, nodes of a layer are duplicated together (W), kernels are
cropped (K), or activations change (T). Afterwards each layer gets its number of edges, so that the network stays within
the size limit of the settings, or by default at its present size.

Without a threshold every stored entry is an edge. With a threshold the network stores more entries than edges: then
entries are dropped and grown among the dormant ones, and operator A keeps the strongest of each layer active. An entry
grown at weight 0 is dormant and changes no output until training has made it strong enough
(``dormant = "straight_through"``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.editing.editor import GenomeEditor
from evo.genome.genome import FloatArray, Genome, Role
from evo.operators.elementary import thresholds_that_keep
from evo.operators.layers import current_layer_sizes, layer_of_nodes, layers_of
from evo.operators.operation import Operation, ProposalContext
from evo.operators.registry import OPERATORS, apply_operation
from evo.operators.screening import size_of
from evo.policies.prune_and_regrow import (
    Counts,
    layers_as_groups,
    mostly_largest,
    prune_and_regrow,
    regrow_by_score,
)

LAYER_CHANGES = ("A", "R", "U")
"""Changes of layer sizes: move edges between layers, remove a node, duplicate a node."""

CHANGES_WITHIN_LAYERS = ("W", "K", "T")
"""Operators of the package that leave every node in its layer: they are drawn if the settings name them."""

CANDIDATES_PER_ENTRY = 4
"""Free places from which each new entry is chosen."""


@dataclass(frozen=True)
class LayerSizes:
    """The size of a layered network.

    Attributes
    ----------
    n_nodes : tuple of int
        Of each layer, inputs first.
    n_active, n_stored : ndarray of int64
        Entries of each layer but the inputs.
    limits : tuple of int
        Largest numbers of parameters and of multiply-accumulates of the network.
    """

    n_nodes: tuple[int, ...]
    n_active: Counts
    n_stored: Counts
    limits: tuple[int, int]


def rewire_layers(
    editor: GenomeEditor,
    context: ProposalContext,
    *,
    rewired_fraction: float,
    gradient_fraction: float,
    change_weights: Mapping[str, float],
    max_moved_fraction: float,
) -> list[Operation]:
    """Change the layer sizes or leave them, then rewire every layer.

    Parameters
    ----------
    editor : GenomeEditor
        Of a layered network.
    context : ProposalContext
        With ``layers`` and, unless `gradient_fraction` is 0, ``gradients_at``; its settings may hold a size limit.
    rewired_fraction : float
        Fraction of each layer's stored entries that are dropped and grown.
    gradient_fraction : float
        Fraction of the new entries that grow where the gradient is largest.
    change_weights : mapping
        Relative frequency of each of :data:`LAYER_CHANGES`, of :data:`CHANGES_WITHIN_LAYERS` and of own operators; no
        change is made if all are 0.
    max_moved_fraction : float
        Largest fraction of a layer's edges that A moves.

    Returns
    -------
    list of Operation
        As applied.
    """
    if not context.layers:
        raise ValueError('founders must have graph = "maps" or "layered" for layerwise; got others')
    sizes = layer_sizes_of(editor, context)
    rng = context.rng
    operations: list[Operation] = []
    wanted = sizes
    weights = dict.fromkeys(LAYER_CHANGES, 0.0) | dict(change_weights)
    if sum(weights.values()) > 0:
        odds = np.array([*weights.values()]) / sum(weights.values())
        change = str(rng.choice(list(weights), p=odds))
        if change == "A":
            fraction = rng.uniform(0, max_moved_fraction)
            wanted = move_edges_between_layers(editor, sizes, fraction, rng)
        else:
            if change in LAYER_CHANGES:
                operations = _change_nodes(editor, sizes.n_nodes, change, rng)
            else:
                operations = _apply_proposed(editor, context, change)
            wanted = replace(sizes, n_nodes=current_layer_sizes(editor, context.layers))
    wanted = _within_limits(editor, wanted)
    return operations + _fit_layers(editor, context, wanted, rewired_fraction, gradient_fraction)


def layer_sizes_of(editor: GenomeEditor, context: ProposalContext) -> LayerSizes:
    """Return the size of an editor's layered network."""
    n_nodes = current_layer_sizes(editor, context.layers)
    settings, (parameters, macs) = context.settings, size_of(editor)
    return LayerSizes(
        n_nodes,
        _sum_by_layer(editor.active_degree(), n_nodes),
        _sum_by_layer(editor.in_degree(slice(None)), n_nodes),
        (settings.max_parameters or parameters, settings.max_macs or macs),
    )


def _sum_by_layer(degrees: NDArray[np.integer[Any]], sizes: Sequence[int]) -> Counts:
    """Sum a number of every node over each layer but the inputs."""
    begins = np.cumsum([0, *sizes[:-1]])
    sums: Counts = np.add.reduceat(degrees.astype(np.int64), begins)[1:]
    return sums


def _macs_per_edge(editor: GenomeEditor, sizes: Sequence[int]) -> Counts:
    costs: Counts = editor.map_sizes[np.cumsum(sizes[:-1])].astype(np.int64) ** 2
    return costs


def keep_n_active(genome: Genome, before: Genome, layers: Sequence[int]) -> Genome:
    """Set a network's threshold such that each layer has as many edges as before, those of largest weight.

    Parameters
    ----------
    genome : Genome
        After training.
    before : Genome
        The same network before training, whose active entries are counted.
    layers : sequence of int
        Nodes of each layer of the founder, inputs first. If empty, the network gets one threshold.

    Returns
    -------
    Genome
        A layer has fewer edges than before if several weights equal its threshold.
    """
    editor = GenomeEditor(genome, origins=False)
    n_active = _active_degree(before)
    if not layers:
        editor.set_threshold(editor.keeping_threshold(int(n_active.sum())))
        return editor.freeze()
    layer_of = layer_of_nodes(editor, layers)
    groups = [np.flatnonzero(layer_of == layer) for layer in range(1, len(layers))]
    counts = [int(n_active[nodes].sum()) for nodes in groups]
    editor.set_threshold(thresholds_that_keep(editor, groups, counts))
    return editor.freeze()


def _active_degree(genome: Genome) -> Counts:
    before = np.append(0, np.cumsum(genome.active_mask(), dtype=np.int64))
    active: Counts = np.diff(before[genome.indptr])
    return active


# -- layer sizes -------------------------------------------------------------------------------------------------------


def move_edges_between_layers(
    editor: GenomeEditor, sizes: LayerSizes, fraction: float, rng: np.random.Generator
) -> LayerSizes:
    """Return the sizes after a fraction of one layer's edges has moved to another layer, as far as the limits allow.

    If an edge of the receiving layer costs more multiply-accumulates, fewer edges arrive than left.
    """
    n_layers = len(sizes.n_active)
    if n_layers < 2:
        return sizes
    giver, taker = (int(layer) for layer in rng.choice(n_layers, 2, replace=False))
    edges = sizes.n_active.copy()
    spare = max(int(edges[giver]) - sizes.n_nodes[giver + 1], 0)
    edges[giver] -= min(int(np.ceil(fraction * edges[giver])), spare)
    costs = _macs_per_edge(editor, sizes.n_nodes)
    n_biases = sum(sizes.n_nodes[1:])
    room = [
        sizes.limits[0] - n_biases - int(edges.sum()),
        (sizes.limits[1] - int(edges @ costs)) // int(costs[taker]),
        layers_of(editor, sizes.n_nodes)[taker].n_places - int(edges[taker]),
    ]
    edges[taker] += max(min(room), 0)
    # The stored entries of a layer keep their proportion to its edges.
    stored = np.ceil(sizes.n_stored / np.maximum(sizes.n_active, 1) * edges).astype(np.int64)
    return replace(sizes, n_active=edges, n_stored=stored)


def _change_nodes(
    editor: GenomeEditor, sizes: Sequence[int], change: str, rng: np.random.Generator
) -> list[Operation]:
    """Duplicate a hidden node, or remove one that is not the last of its layer; nothing where there is none."""
    hidden = editor.positions(Role.HIDDEN)
    if change == "R":
        hidden = hidden[np.repeat(sizes, sizes)[hidden] > 1]
    if len(hidden) == 0:
        return []
    node = int(rng.choice(hidden))
    parameters: dict[str, Any] = {"node": node}
    if change == "U":
        parameters["share"] = float(rng.uniform(0.25, 0.75))
    return [apply_operation(editor, change, parameters)]


def _apply_proposed(editor: GenomeEditor, context: ProposalContext, code: str) -> list[Operation]:
    """Apply an operator that leaves the nodes in their layers; nothing where it proposes nothing.

    One of the package may exceed the size limit, because each layer gets its number of edges afterwards.
    """
    if code in CHANGES_WITHIN_LAYERS:
        no_limit = {"max_parameters": None, "max_macs": None}
        context = replace(context, settings=context.settings.model_copy(update=no_limit))
    parameters = OPERATORS[code].propose(editor, context)
    return [] if parameters is None else [apply_operation(editor, code, parameters)]


def _within_limits(editor: GenomeEditor, wanted: LayerSizes) -> LayerSizes:
    """Return sizes within the limits.

    Too many parameters are taken from the layer with the most edges, too many multiply-accumulates from the layer whose
    edges cost the most.
    """
    edges = wanted.n_active.copy()
    costs = _macs_per_edge(editor, wanted.n_nodes)
    for _ in range(2 * len(edges)):
        excess = int(edges.sum()) + sum(wanted.n_nodes[1:]) - wanted.limits[0]
        excess_macs = int(edges @ costs) - wanted.limits[1]
        if excess_macs > 0:
            layer = int((edges * costs).argmax())
            excess = -(-excess_macs // int(costs[layer]))
        elif excess > 0:
            layer = int(edges.argmax())
        else:
            break
        edges[layer] = max(int(edges[layer]) - excess, 0)
    return replace(wanted, n_active=edges)


# -- rewiring ----------------------------------------------------------------------------------------------------------


def _fit_layers(
    editor: GenomeEditor,
    context: ProposalContext,
    wanted: LayerSizes,
    rewired_fraction: float,
    gradient_fraction: float,
) -> list[Operation]:
    """Give every layer its numbers of stored entries and of edges, a fraction of them new."""
    has_threshold = editor.threshold is not None
    groups = layers_as_groups(editor, wanted.n_nodes)
    n_places = np.array([layer.n_places for layer in groups.layers])
    edges = np.minimum(wanted.n_active, n_places)
    stored = np.minimum(np.maximum(wanted.n_stored, edges), n_places) if has_threshold else edges
    renewed = np.round(rewired_fraction * stored).astype(np.int64)

    def keep(counts: Counts, *, drop: bool) -> Operation:
        threshold = {"layers": [*wanted.n_nodes], "keep": counts.tolist()}
        return apply_operation(editor, "A", {"threshold": threshold, "drop": drop})

    def prune() -> list[Operation]:
        present = groups.n_stored(editor)
        # With a threshold the dormant entries are renewed first, and edges stay.
        kept = np.minimum(present, np.maximum(stored - renewed, edges if has_threshold else 0))
        if not (kept < present).any():
            return []
        operations = [keep(kept, drop=True)]
        if not has_threshold:
            without = {"threshold": None, "drop": False}
            operations.append(apply_operation(editor, "A", without))
        return operations

    def score(rows: NDArray[np.intp], targets: NDArray[np.intp]) -> FloatArray:
        if gradient_fraction == 0:
            return np.zeros(len(rows))
        return np.abs(context.gradients(editor.freeze(), editor, rows, targets))

    def regrow(counts: Counts) -> list[Operation]:
        candidates = [
            places.draw(CANDIDATES_PER_ENTRY * count, context.rng)
            for places, count in zip(groups.free_places(editor), counts.tolist(), strict=True)
        ]
        return regrow_by_score(
            editor,
            candidates,
            counts,
            score,
            lambda scores, count: mostly_largest(scores, count, gradient_fraction, context.rng),
        )

    operations = prune_and_regrow(editor, groups, prune=prune, regrow=regrow, n_stored=stored)
    return [*operations, keep(edges, drop=False)] if has_threshold else operations
