"""Networks in levels, reshaped within a budget: what the policy ``layerwise`` does in a modify phase.

The levels are those of a founder (:mod:`evo.operators.layers`), of maps or of neurons. Most phases only *rewire*: of
each level the weakest entries are forgotten and as many grown, at weight 0, where the loss gradient is largest or at
random. Others first make one *move*: A, a share of one level's edges goes to another; R, a node is removed; U, one is
duplicated. Then each level is brought back to its number of edges, so that the network is never dearer than its budget
allows - which is that of the settings or, where they give none, what it costs already.

Where there is no threshold every stored entry is an edge. Where there is one, the network has more *candidates* than
edges: then entries are forgotten and grown among the candidates, and A keeps the strongest of each level as edges. What
grows at weight 0 sleeps until training has lifted it (``dormant = "straight_through"``), and changes no output.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import graphops
from evo.editing.editor import GenomeEditor
from evo.genome.genome import Genome, Role
from evo.operators.elementary import Operation, Proposing, apply_operation
from evo.operators.layers import FreePlaces, Layer, layers_of, sizes_now
from evo.operators.records import Places
from evo.operators.size_limit import size_of
from evo.policies.rewiring import gradients_of, grow_at

LAYER_CHANGES = ("A", "R", "U")
"""What a phase may do before it rewires: move edges between levels, remove a node, duplicate one."""

CANDIDATES = 4
"""Free places whose gradient is looked at for every entry to be grown."""


@dataclass(frozen=True)
class Shape:
    """A network in levels, in numbers.

    Attributes
    ----------
    sizes : tuple of int
        Nodes of each level, inputs first.
    edges, stored : ndarray of int64
        Of each level but the inputs'.
    bounds : tuple of int
        Parameters and multiply-accumulates that the network may have.
    """

    sizes: tuple[int, ...]
    edges: NDArray[np.int64]
    stored: NDArray[np.int64]
    bounds: tuple[int, int]


def reshape(
    editor: GenomeEditor,
    proposing: Proposing,
    *,
    share: float,
    gradient_fraction: float,
    moves: Mapping[str, float],
    max_moved_fraction: float,
) -> list[Operation]:
    """Rewire every level, and before it make a move or none.

    Parameters
    ----------
    editor : GenomeEditor
        Of a network in levels.
    proposing : Proposing
        With ``layers`` and ``gradients_at``; its settings may hold a budget.
    share : float
        Of each level's stored entries, that are forgotten and grown.
    gradient_fraction : float
        Of these, that are grown where the gradient is largest.
    moves : mapping
        How often each of :data:`LAYER_CHANGES` is made beside the others; no move is made where all are 0.
    max_moved_fraction : float
        Of a level's edges, that A moves at most.

    Returns
    -------
    list of Operation
        As applied.
    """
    if not proposing.layers:
        raise ValueError('levels are those of founders with graph = "maps" or "layered"')
    shape = layer_sizes_of(editor, proposing)
    rng = proposing.rng
    operations: list[Operation] = []
    wanted = shape
    possible = {move: moves.get(move, 0.0) for move in LAYER_CHANGES}
    if sum(possible.values()) > 0:
        odds = np.array([*possible.values()]) / sum(possible.values())
        move = str(rng.choice(list(possible), p=odds))
        if move == "A":
            wanted = move_edges_between_layers(
                editor, shape, rng.uniform(0, max_moved_fraction), rng
            )
        else:
            operations = _change_nodes(editor, shape.sizes, move, rng)
            wanted = replace(shape, sizes=sizes_now(editor, proposing.layers))
    return operations + _refit(
        editor, proposing, _affordable(editor, wanted), share, gradient_fraction
    )


def layer_sizes_of(editor: GenomeEditor, proposing: Proposing) -> Shape:
    """Describe an editor of a network in levels."""
    sizes = sizes_now(editor, proposing.layers)
    settings, (parameters, macs) = proposing.settings, size_of(editor)
    return Shape(
        sizes,
        _by_level(editor.active_degree(), sizes),
        _by_level(editor.in_degree(slice(None)), sizes),
        (settings.max_parameters or parameters, settings.max_macs or macs),
    )


def _by_level(degrees: NDArray[np.integer[Any]], sizes: Sequence[int]) -> NDArray[np.int64]:
    """Sum a number of every node over each level but the inputs'."""
    begins = np.cumsum([0, *sizes[:-1]])
    sums: NDArray[np.int64] = np.add.reduceat(degrees.astype(np.int64), begins)[1:]
    return sums


def _macs_of_an_edge(editor: GenomeEditor, sizes: Sequence[int]) -> NDArray[np.int64]:
    costs: NDArray[np.int64] = editor.map_sizes[np.cumsum(sizes[:-1])].astype(np.int64) ** 2
    return costs


def keep_n_active(genome: Genome, before: Genome, layers: Sequence[int]) -> Genome:
    """Set a network's threshold so that each of its layers has as many edges as before, those of largest weight.

    Parameters
    ----------
    genome : Genome
        After training.
    before : Genome
        The same network before it, with the edges that count.
    layers : sequence of int
        Nodes of each layer of their founder, inputs first; nothing where it has no layers, for one threshold of all.

    Returns
    -------
    Genome
        With fewer edges in a layer where several weights equal the largest of those that sleep.
    """
    editor = GenomeEditor(genome, origins=False)
    if not layers:
        keep: dict[str, Any] = {"keep": int(before.active_mask().sum())}
    else:
        sizes = sizes_now(editor, layers)
        keep = {"layers": [*sizes], "keep": _by_level(_active_degree(before), sizes).tolist()}
    apply_operation(editor, "A", {"threshold": keep, "drop": False})
    return editor.freeze()


def _active_degree(genome: Genome) -> NDArray[np.int64]:
    before = np.append(0, np.cumsum(genome.active_mask(), dtype=np.int64))
    live: NDArray[np.int64] = np.diff(before[genome.indptr])
    return live


# -- moves -------------------------------------------------------------------------------------------------------------


def move_edges_between_layers(
    editor: GenomeEditor, shape: Shape, share: float, rng: np.random.Generator
) -> Shape:
    """Return the shape in which a share of one level's edges has gone to another, as far as the budget reaches.

    Where edges into the one cost more than into the other, what is left pays for no more edges than are moved.
    """
    n_levels = len(shape.edges)
    if n_levels < 2:
        return shape
    giver, taker = (int(level) for level in rng.choice(n_levels, 2, replace=False))
    edges = shape.edges.copy()
    spare = max(int(edges[giver]) - shape.sizes[giver + 1], 0)
    edges[giver] -= min(int(np.ceil(share * edges[giver])), spare)
    costs = _macs_of_an_edge(editor, shape.sizes)
    n_biases = sum(shape.sizes[1:])
    room = [
        shape.bounds[0] - n_biases - int(edges.sum()),
        (shape.bounds[1] - int(edges @ costs)) // int(costs[taker]),
        layers_of(editor, shape.sizes)[taker].n_places - int(edges[taker]),
    ]
    edges[taker] += max(min(room), 0)
    # The candidates of a level keep their proportion to its edges.
    stored = np.ceil(shape.stored / np.maximum(shape.edges, 1) * edges).astype(np.int64)
    return replace(shape, edges=edges, stored=stored)


def _change_nodes(
    editor: GenomeEditor, sizes: Sequence[int], move: str, rng: np.random.Generator
) -> list[Operation]:
    """Duplicate a hidden node, or remove one that is not the last of its level; nothing where there is none."""
    hidden = editor.positions(Role.HIDDEN)
    if move == "R":
        hidden = hidden[np.repeat(sizes, sizes)[hidden] > 1]
    if len(hidden) == 0:
        return []
    node = int(rng.choice(hidden))
    parameters: dict[str, Any] = {"node": node}
    if move == "U":
        parameters["share"] = float(rng.uniform(0.25, 0.75))
    return [apply_operation(editor, move, parameters)]


def _affordable(editor: GenomeEditor, wanted: Shape) -> Shape:
    """Return a shape within the budget: for biases of nodes that came in, the largest level pays with edges.

    In a network that was dearer than its budget it pays for that as well, and for multiply-accumulates the level whose
    edges take most of them.
    """
    edges = wanted.edges.copy()
    costs = _macs_of_an_edge(editor, wanted.sizes)
    for _ in range(2 * len(edges)):
        over = int(edges.sum()) + sum(wanted.sizes[1:]) - wanted.bounds[0]
        over_macs = int(edges @ costs) - wanted.bounds[1]
        if over_macs > 0:
            level = int((edges * costs).argmax())
            over = -(-over_macs // int(costs[level]))
        elif over > 0:
            level = int(edges.argmax())
        else:
            break
        edges[level] = max(int(edges[level]) - over, 0)
    return replace(wanted, edges=edges)


# -- rewiring ----------------------------------------------------------------------------------------------------------


def _refit(
    editor: GenomeEditor,
    proposing: Proposing,
    wanted: Shape,
    share: float,
    gradient_fraction: float,
) -> list[Operation]:
    """Give every level its number of stored entries and of edges, a share of them new."""
    sleepers = editor.threshold is not None
    layers = layers_of(editor, wanted.sizes)
    places = np.array([layer.n_places for layer in layers])
    edges = np.minimum(wanted.edges, places)
    stored = np.minimum(np.maximum(wanted.stored, edges), places) if sleepers else edges
    present = _by_level(editor.in_degree(slice(None)), wanted.sizes)
    renewed = np.round(share * stored).astype(np.int64)
    # Where there are candidates, those that are edges stay.
    kept = np.minimum(present, np.maximum(stored - renewed, edges if sleepers else 0))
    operations = []
    if (kept < present).any():
        operations.append(_keep(editor, wanted.sizes, kept, drop=True))
        if not sleepers:
            lifted = {"threshold": None, "drop": False}
            operations.append(apply_operation(editor, "A", lifted))
    present = _by_level(editor.in_degree(slice(None)), wanted.sizes)
    operations += _grow(editor, proposing, layers, stored - present, gradient_fraction)
    if sleepers:
        operations.append(_keep(editor, wanted.sizes, edges, drop=False))
    return operations


def _keep(
    editor: GenomeEditor, sizes: Sequence[int], counts: NDArray[np.int64], *, drop: bool
) -> Operation:
    threshold = {"layers": [*sizes], "keep": counts.tolist()}
    return apply_operation(editor, "A", {"threshold": threshold, "drop": drop})


def _grow(
    editor: GenomeEditor,
    proposing: Proposing,
    layers: Sequence[Layer],
    counts: NDArray[np.int64],
    gradient_fraction: float,
) -> list[Operation]:
    """Grow entries of weight 0: where the gradient is largest among random free places, and at others of these."""
    if not (counts > 0).any():
        return []
    free, rng = FreePlaces(editor), proposing.rng
    drawn = [
        _draw_places(free, layer, int(max(count, 0)), rng)
        for layer, count in zip(layers, counts, strict=True)
    ]
    rows, targets = (np.concatenate(part) for part in zip(*drawn, strict=True))
    measured = np.zeros(len(rows))
    if gradient_fraction > 0:
        measured = np.abs(gradients_of(editor.freeze(), editor, proposing, rows, targets))
    chosen, begin = [], 0
    for (of_level, _), count in zip(drawn, counts, strict=True):
        scores = measured[begin : begin + len(of_level)]
        n_best = round(gradient_fraction * max(int(count), 0))
        order = np.argsort(-scores, kind="stable")
        best, rest = order[:n_best], order[n_best:]
        n_random = min(max(int(count), 0) - len(best), len(rest))
        others = rng.choice(rest, max(n_random, 0), replace=False)
        chosen.append(begin + np.sort(np.concatenate([best, others])))
        begin += len(of_level)
    grown = np.concatenate(chosen)
    return grow_at(editor, rows[grown], targets[grown], np.zeros(len(grown)))


def _draw_places(free: FreePlaces, layer: Layer, count: int, rng: np.random.Generator) -> Places:
    """Draw free places of a layer, several for each entry to be grown."""
    n_free = free.count(layer)
    ranks = graphops.draw_distinct(n_free, min(CANDIDATES * count, n_free), rng=rng)
    rows = np.empty(len(ranks), np.int32)
    of_targets = np.empty(len(layer.targets), np.int64)
    free.find(layer, ranks, rows, of_targets)
    return rows.astype(np.intp), np.repeat(layer.targets, of_targets)
