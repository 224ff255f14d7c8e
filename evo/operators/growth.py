"""Operators N and J, which assign weights.

N does so at places drawn at random, where the loss gradient is largest, in layers, or where weights are already. J
begins edges over levels at weight 0, so that the function stays the same.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import graphops
from evo.editing.editor import GenomeEditor
from evo.genome.genome import FloatArray, Role
from evo.operators.free_places import CANDIDATES_PER_EDGE, PlacesInMatrix, places_in_layers
from evo.operators.layers import layers_of, levels_of
from evo.operators.operation import Parameters, ProposalContext, zero_learns
from evo.operators.records import Places, check_layers, read_edges, write_edges
from evo.operators.screening import room_within
from graphops.validation import check_integer, check_number

# -- proposing ---------------------------------------------------------------------------------------------------------


def propose_assignment(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
    """Choose new values for weights that are there, or a few new edges."""
    chance = context.settings.mutation_probability
    if chance > 0 and context.rng.random() < chance:
        return moved_weights(editor, context)
    return propose_random_edges(editor, context)


def moved_weights(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
    """Return the parameters of N that add normal numbers to some weights and biases, a random share of them all."""
    genome, per_node = editor.freeze(), editor.rows_per_node
    nodes = np.flatnonzero(genome.roles != Role.INPUT)
    sources = np.concatenate([genome.indices, np.full(len(nodes), genome.n_nodes)])
    targets = np.concatenate([genome.targets, nodes])
    values = np.concatenate([genome.values, genome.bias[nodes]])
    total = len(values)
    count = int(np.ceil((1.0 - context.rng.random()) * total))
    chosen = np.sort(context.rng.choice(total, count, replace=False))
    std = context.settings.mutation_std / np.sqrt(np.maximum(editor.in_degree(targets[chosen]), 1))
    moved = values[chosen] + std * context.rng.standard_normal(count)
    taps: dict[str, list[int]] = {}
    if genome.taps is not None and per_node > 1:
        of_entries = np.concatenate([genome.taps, np.zeros(len(nodes), genome.taps.dtype)])
        taps = {"taps": of_entries[chosen].tolist()}
    named = {"sources": sources[chosen].tolist(), **taps, "targets": targets[chosen].tolist()}
    return named | {"values": moved.astype(editor.dtype).tolist()}


def propose_random_edges(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
    """Choose a few new edges at random places where they are effective."""
    fraction = float(context.rng.uniform(0, context.settings.max_new_fraction))
    return random_edges(editor, max(1, round(fraction * editor.n_stored)), context)


def random_edges(editor: GenomeEditor, n_new: int, context: ProposalContext) -> Parameters | None:
    """Return the parameters of N for new edges at random free places.

    The standard deviation of their weights is 1/√in-degree (Glorot).
    """
    drawn = _draw_places(editor, n_new, context)
    if drawn is None:
        return None
    fits = _fits(editor, drawn[1], context)
    rows, targets = _ordered(editor, drawn[0][fits], drawn[1][fits])
    if len(rows) == 0:
        return None
    fan_in = np.maximum(editor.in_degree(targets), 1)
    values = context.rng.standard_normal(len(rows)) / np.sqrt(fan_in)
    return _new_edges(editor, rows, targets, values)


def gradient_edges(editor: GenomeEditor, n_new: int, context: ProposalContext) -> Parameters | None:
    """Return the parameters of N for new edges where the loss gradient is largest among random free places (RigL).

    Ten places are measured for every new edge. A weight starts just above the threshold, with the sign that lowers the
    loss.
    """
    context.require_gradients()
    drawn = _draw_places(editor, CANDIDATES_PER_EDGE * n_new, context)
    if drawn is None:
        return None
    rows, targets = _ordered(editor, *drawn)
    gradients = context.gradients(editor.freeze(), editor, rows, targets)
    best = highest(np.abs(gradients), n_new)
    best = best[_fits(editor, targets[best], context)]
    best = np.sort(best[gradients[best] != 0])
    if len(best) == 0:
        return None
    return _new_edges(editor, rows[best], targets[best], -1e-3 * np.sign(gradients[best]))


def propose_skips(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
    """Choose a few free places that join nodes two or more levels apart, for edges of weight 0 that learn.

    There is no edge, active or dormant, between the two nodes yet. Between maps a new edge has one tap. This looks at
    the whole network.
    """
    fraction = float(context.rng.uniform(0, context.settings.max_new_fraction))
    n_new = max(1, round(fraction * editor.n_stored))
    drawn = _draw_places(editor, CANDIDATES_PER_EDGE * n_new, context)
    if drawn is None:
        return None
    (rows, targets), levels = drawn, levels_of(editor)
    sources, _ = editor.split(rows)
    undelayed = (sources < targets) | (editor.role(sources) == Role.INPUT)
    fits = undelayed & (levels[targets] - levels[sources] > 1)
    fits &= zero_learns(editor, context, targets)
    pairs = sources.astype(np.int64) * editor.n_nodes + targets
    fits &= ~np.isin(pairs, _pairs_joined(editor))
    first = np.zeros(len(pairs), np.bool_)
    first[np.unique(pairs, return_index=True)[1]] = True
    chosen = np.flatnonzero(fits & first)[:n_new]
    chosen = chosen[_fits(editor, targets[chosen], context)]
    if len(chosen) == 0:
        return None
    rows, targets = _ordered(editor, rows[chosen], targets[chosen])
    return entries_at(editor, rows, targets, np.zeros(len(rows)))


def _pairs_joined(editor: GenomeEditor) -> NDArray[np.int64]:
    """Return n · source + target of each stored edge; empty without maps, where no free place has an edge."""
    if editor.rows_per_node == 1:
        return np.empty(0, np.int64)
    genome = editor.freeze()
    return genome.indices.astype(np.int64) * genome.n_nodes + genome.targets


def highest(scores: FloatArray, count: int) -> NDArray[np.intp]:
    """Return the indices of the highest scores, the highest first; of equal scores the first ones.

    As the first `count` of a stable sort, without sorting them all. NaN is the lowest score.
    """
    if count >= len(scores):
        return np.argsort(-scores, kind="stable")
    negated = -scores
    bound = np.partition(negated, count - 1)[count - 1] if count > 0 else np.nan
    if np.isnan(bound):
        return np.argsort(negated, kind="stable")[:count]
    chosen = np.flatnonzero(negated < bound)
    equal = np.flatnonzero(negated == bound)[: count - len(chosen)]
    chosen = np.sort(np.concatenate([chosen, equal]))
    return chosen[np.argsort(negated[chosen], kind="stable")]


def _draw_places(editor: GenomeEditor, count: int, context: ProposalContext) -> Places | None:
    """Draw free places for no more entries than the density allows; None if there are none."""
    room = int(context.settings.max_density * editor.n_places) - editor.n_stored
    if min(count, room) < 1:
        return None
    places = PlacesInMatrix(editor).draw(min(count, room), context.rng)
    return places if len(places[0]) else None


def _ordered(editor: GenomeEditor, rows: NDArray[np.intp], targets: NDArray[np.intp]) -> Places:
    """Return distinct places ordered by target and row."""
    n_rows = editor.n_nodes * editor.rows_per_node
    keys = np.sort(targets * n_rows + rows)
    targets = keys // n_rows
    return keys - targets * n_rows, targets


def _fits(
    editor: GenomeEditor, targets: NDArray[np.intp], context: ProposalContext
) -> NDArray[np.bool_]:
    """Tell which new edges, given by their targets, fit the size limit: as many as possible from the first on."""
    parameters, macs = room_within(editor, context.settings)
    if parameters == macs == np.inf:
        return np.ones(len(targets), np.bool_)
    costs = np.cumsum(editor.map_sizes[targets].astype(np.int64) ** 2)
    fits: NDArray[np.bool_] = (costs <= macs) & (np.arange(1, len(targets) + 1) <= parameters)
    return fits


def _new_edges(
    editor: GenomeEditor, rows: NDArray[np.intp], targets: NDArray[np.intp], values: FloatArray
) -> Parameters:
    """Return the parameters of N for new entries, whose values are lifted above the threshold."""
    return entries_at(editor, rows, targets, above_threshold(editor, values, targets))


def above_threshold(
    editor: GenomeEditor, values: FloatArray, targets: NDArray[np.intp]
) -> FloatArray:
    """Return weights into some targets, lifted above the threshold where they would be dormant; in float64."""
    threshold = np.asarray(-np.inf if editor.threshold is None else editor.threshold, dtype=float)
    threshold = np.broadcast_to(threshold, editor.n_nodes)[targets]
    smallest = np.maximum(1.05 * threshold, 0.0)
    lifted: FloatArray = np.where(values < 0, -1.0, 1.0) * np.maximum(np.abs(values), smallest)
    if editor.threshold_mode == "signed":
        lifted = np.where(lifted > threshold, lifted, np.abs(lifted))
    return lifted


def entries_at(
    editor: GenomeEditor, rows: NDArray[np.intp], targets: NDArray[np.intp], values: FloatArray
) -> Parameters:
    """Return the parameters of N for entries at places (row of W, target), each named once."""
    rounded = values.astype(editor.dtype)
    return write_edges(editor.n_nodes, rows, targets, rounded, editor.rows_per_node)


# -- applying ----------------------------------------------------------------------------------------------------------


def apply_assign(editor: GenomeEditor, parameters: Parameters) -> None:
    """Give places of the matrix the recorded values or, by layers, values that follow from a seed.

    Source n, one after the last node, is the constant node: its entries are biases.
    """
    if "layers" in parameters:
        grow_in_layers(editor, parameters)
        return
    per_node = editor.rows_per_node
    rows, targets, values = read_edges(parameters, editor.n_nodes, editor.dtype, per_node)
    of_bias = np.equal(rows, editor.n_nodes * per_node)
    if not of_bias.any():
        editor.assign(rows, targets, values)
        return
    editor.set_bias(np.compress(of_bias, targets), np.compress(of_bias, values))
    if not of_bias.all():
        editor.assign(*(np.compress(~of_bias, part) for part in (rows, targets, values)))


def grow_in_layers(editor: GenomeEditor, parameters: Mapping[str, Any]) -> None:
    """Grow edges at random places of each layer, with random weights; all draws follow from a recorded seed.

    Parameters
    ----------
    editor : GenomeEditor
    parameters : dict
        ``layers``: nodes of each layer, inputs first. ``counts``: new edges of each layer but the inputs. ``scale``:
        standard deviation of the weights in units of 1/√in-degree, counting the new edges. ``seed``.

    Raises
    ------
    ValueError
        If the parameters do not fit each other or the editor.

    Notes
    -----
    Where only weights above the threshold count (``signed``), a new weight that would be dormant is lifted above it.
    O(stored entries + new·log new).
    """
    sizes = check_layers(parameters["layers"], editor.n_nodes)
    seed = check_integer("seed", parameters["seed"], at_least=0)
    layers = layers_of(editor, sizes)
    scale = check_number("scale", parameters["scale"])
    counts = [check_integer("counts", count, at_least=0) for count in parameters["counts"]]
    if len(counts) != len(layers):
        raise ValueError(f"counts must be {len(layers)}, one per layer; got {len(counts)}")
    places = places_in_layers(editor, layers)
    n_free = [free.n_free for free in places]
    if any(count > most for count, most in zip(counts, n_free, strict=True)):
        raise ValueError(f"counts must be at most the free places {n_free}; got {counts}")
    fan_ins = editor.in_degree(slice(None))
    new = np.zeros(editor.n_nodes, np.int64)
    rows = np.empty(sum(counts), np.int32)
    values: FloatArray = np.empty(sum(counts), editor.dtype)
    end = 0
    for k, (free, count) in enumerate(zip(places, counts, strict=True)):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k,)))
        of_layer, targets = slice(end, end + count), slice(free.layer.first_target, free.layer.end)
        end += count
        ranks = graphops.draw_distinct(free.n_free, count, rng=rng)
        free.find(ranks, rows[of_layer], new[targets])
        fan_in = np.maximum(fan_ins[targets] + new[targets], 1)
        values[of_layer] = rng.standard_normal(count, dtype=editor.dtype)
        values[of_layer] *= np.repeat((scale / np.sqrt(fan_in)).astype(editor.dtype), new[targets])
    if (
        editor.threshold_mode == "signed"
    ):  # otherwise a new edge is as likely dormant as its sign is negative
        of_nodes = np.repeat(np.arange(editor.n_nodes), new)
        values = above_threshold(editor, values, of_nodes).astype(editor.dtype)
    editor.insert(new, rows, values)
