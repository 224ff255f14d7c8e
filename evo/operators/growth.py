"""Operator N: where new edges grow, at random or by the loss gradient, and with which weights."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import graphops
from evo.editing.editor import GenomeEditor
from evo.genome.genome import FloatArray, Role
from evo.genome.possible_taps import PossibleTaps
from evo.operators.operation import LARGEST_CHECKED, TRIES, Parameters, Proposing, active_weights
from evo.operators.records import write_edges
from evo.operators.size_limit import room_within

Free = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Places: rows of W, which are sources where there are no maps, and targets."""

ActsAt = Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.bool_]]
"""Tells of places, given by sources and targets, whether an edge there acts."""


def propose_random_edges(editor: GenomeEditor, proposing: Proposing) -> Parameters | None:
    """Choose a few new edges at random places where they act."""
    share = float(proposing.rng.uniform(0, proposing.settings.max_new_fraction))
    return random_edges(editor, max(1, round(share * editor.n_stored)), proposing)


def random_edges(editor: GenomeEditor, n_new: int, proposing: Proposing) -> Parameters | None:
    """Return the parameters of N for new edges at random free places, weighted as a fresh start would be (Glorot)."""
    places = _free_places(editor, n_new, proposing, affordable=True)
    if places is None:
        return None
    rows, targets = places
    fan_in = np.maximum(editor.in_degree(targets), 1)
    drawn = proposing.rng.standard_normal(len(rows)) / np.sqrt(fan_in)
    return place_edges(editor, rows, targets, drawn)


def gradient_edges(editor: GenomeEditor, n_new: int, proposing: Proposing) -> Parameters | None:
    """Return the parameters of N for new edges where the loss gradient is largest among random free places (RigL).

    Ten candidates are looked at for every edge wanted. An edge starts just above the threshold, on the side that
    lowers the loss.
    """
    if proposing.gradients_at is None:
        raise ValueError("gradients_at is required to grow edges by gradient")
    places = _free_places(editor, 10 * n_new, proposing, affordable=False)
    if places is None:
        return None
    rows, targets = places
    genome = editor.freeze()
    sources, taps = editor.split(rows)
    of_maps = (taps,) if genome.has_maps else ()
    gradients = proposing.gradients_at(genome, sources, targets, *of_maps)
    best = np.argsort(-np.abs(gradients), kind="stable")[:n_new]
    best = best[_affordable(editor, targets[best], proposing)]
    best = np.sort(best[gradients[best] != 0])
    if len(best) == 0:
        return None
    return place_edges(editor, rows[best], targets[best], -1e-3 * np.sign(gradients[best]))


def _free_places(
    editor: GenomeEditor, n_wanted: int, proposing: Proposing, *, affordable: bool
) -> Free | None:
    """Draw distinct places without a stored entry, where an edge acts; fewer than wanted if they are rare.

    Up to :data:`evo.operators.operation.LARGEST_CHECKED` stored entries an edge acts if it reaches an output in time;
    in larger networks no more is asked than that it acts on its target.
    """
    rng, n_rows = proposing.rng, editor.n_nodes * editor.rows_per_node
    n_wanted = min(
        n_wanted, int(proposing.settings.max_density * editor.n_places) - editor.n_stored
    )
    if n_wanted < 1:
        return None
    acts_at = _acting(editor)
    free = np.empty(0, dtype=np.int64)
    for _ in range(TRIES):
        rows, targets = _draw_places(editor, 4 * n_wanted + 16, rng)
        acts = acts_at(editor.split(rows)[0], targets)
        rows, targets = rows[acts], targets[acts]
        new = ~editor.holds(rows, targets)
        keys = np.concatenate([free, targets[new] * n_rows + rows[new]])
        _, first = np.unique(keys, return_index=True)
        free = keys[np.sort(first)]
        if len(free) >= n_wanted:
            break
    if len(free) == 0:
        return None
    chosen = free[:n_wanted]
    if affordable:
        chosen = chosen[_affordable(editor, chosen // n_rows, proposing)]
    chosen = np.sort(chosen)
    return (chosen % n_rows, chosen // n_rows) if len(chosen) else None


def _draw_places(editor: GenomeEditor, count: int, rng: np.random.Generator) -> Free:
    """Draw places evenly, with repetition: of all pairs of nodes, or between maps of all taps in their windows."""
    if editor.rows_per_node == 1:
        sources, targets = rng.integers(editor.n_nodes, size=(2, count))
        return sources, targets
    sources, taps, targets = PossibleTaps(editor.map_sizes, editor.kernel).draw(count, rng)
    return editor.join(sources, taps), targets


def _affordable(
    editor: GenomeEditor, targets: NDArray[np.intp], proposing: Proposing
) -> NDArray[np.bool_]:
    """Tell which of some new edges, told by their targets, fit into the budget: from the first on, as many as may."""
    parameters, macs = room_within(editor, proposing.settings)
    if parameters == macs == np.inf:
        return np.ones(len(targets), np.bool_)
    costs = np.cumsum(editor.map_sizes[targets].astype(np.int64) ** 2)
    fits: NDArray[np.bool_] = (costs <= macs) & (np.arange(1, len(targets) + 1) <= parameters)
    return fits


def _acting(editor: GenomeEditor) -> ActsAt:
    """Return what tells of places whether an edge there acts: on an output, or in a large network on its target."""
    recurrent = editor.ticks > 1
    needed = _needed(editor) if editor.n_stored <= LARGEST_CHECKED else None

    def acts_at(sources: NDArray[np.intp], targets: NDArray[np.intp]) -> NDArray[np.bool_]:
        roles = editor.role(sources)
        at_once = (sources < targets) | (roles == Role.INPUT)
        acts: NDArray[np.bool_] = (at_once & (roles != Role.OUTPUT)) | recurrent
        acts &= editor.role(targets) != Role.INPUT
        if needed is not None:
            acts &= needed[(~at_once).astype(np.intp), targets]
        return acts

    return acts_at


def _needed(editor: GenomeEditor) -> NDArray[np.bool_]:
    """Tell which nodes are needed, and which a tick later: where an immediate and a delayed edge act; shape (2, n)."""
    inputs, outputs = editor.positions(Role.INPUT), editor.positions(Role.OUTPUT)
    edges = active_weights(editor)
    needed = np.zeros((2, editor.n_nodes), dtype=np.bool_)
    for delay in range(min(editor.ticks, 2)):
        needed[delay] = graphops.needed_nodes(edges, inputs, outputs, editor.ticks - delay)
    return needed


def lifted(editor: GenomeEditor, values: FloatArray, targets: NDArray[np.intp]) -> FloatArray:
    """Lift weights into some targets over the threshold, so that these edges live; in float64."""
    threshold = np.asarray(-np.inf if editor.threshold is None else editor.threshold, dtype=float)
    threshold = np.broadcast_to(threshold, editor.n_nodes)[targets]
    floor = np.maximum(1.05 * threshold, 0.0)
    raised: FloatArray = np.where(values < 0, -1.0, 1.0) * np.maximum(np.abs(values), floor)
    if editor.threshold_mode == "signed":
        raised = np.where(raised > threshold, raised, np.abs(raised))
    return raised


def place_edges(
    editor: GenomeEditor,
    rows: NDArray[np.intp],
    targets: NDArray[np.intp],
    values: FloatArray,
) -> Parameters:
    """Lift values over the threshold, so that a new edge lives, and make them a record."""
    rounded = lifted(editor, values, targets).astype(editor.dtype)
    return write_edges(editor.n_nodes, rows, targets, rounded, editor.rows_per_node)
