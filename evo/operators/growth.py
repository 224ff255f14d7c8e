"""Operator N: where new edges grow, at random or by the loss gradient, and with which weights."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import graphops
from evo.editing.editor import Draft
from evo.genome.genome import FloatArray, Role
from evo.genome.places import PossibleTaps
from evo.operators.operation import LARGEST_CHECKED, TRIES, Parameters, Proposing, live_weights
from evo.operators.records import write_edges
from evo.operators.size_limit import room_in

Free = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Places: rows of W, which are sources where there are no maps, and targets."""

ActsAt = Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.bool_]]
"""Tells of places, given by sources and targets, whether an edge there acts."""


def propose_random_edges(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Choose a few new edges at random places where they act."""
    share = float(proposing.rng.uniform(0, proposing.settings.max_new_share))
    return random_edges(draft, max(1, round(share * draft.n_stored)), proposing)


def random_edges(draft: Draft, n_new: int, proposing: Proposing) -> Parameters | None:
    """Return the parameters of N for new edges at random free places, weighted as a fresh start would be (Glorot)."""
    places = _free_places(draft, n_new, proposing, affordable=True)
    if places is None:
        return None
    rows, targets = places
    fan_in = np.maximum(draft.in_degree(targets), 1)
    drawn = proposing.rng.standard_normal(len(rows)) / np.sqrt(fan_in)
    return place_edges(draft, rows, targets, drawn)


def gradient_edges(draft: Draft, n_new: int, proposing: Proposing) -> Parameters | None:
    """Return the parameters of N for new edges where the loss gradient is largest among random free places (RigL).

    Ten candidates are looked at for every edge wanted. An edge starts just above the threshold, on the side that
    lowers the loss.
    """
    if proposing.gradients_at is None:
        raise ValueError("gradients_at is required to grow edges by gradient")
    places = _free_places(draft, 10 * n_new, proposing, affordable=False)
    if places is None:
        return None
    rows, targets = places
    genome = draft.freeze()
    sources, taps = draft.split(rows)
    of_maps = (taps,) if genome.has_maps else ()
    gradients = proposing.gradients_at(genome, sources, targets, *of_maps)
    best = np.argsort(-np.abs(gradients), kind="stable")[:n_new]
    best = best[_affordable(draft, targets[best], proposing)]
    best = np.sort(best[gradients[best] != 0])
    if len(best) == 0:
        return None
    return place_edges(draft, rows[best], targets[best], -1e-3 * np.sign(gradients[best]))


def _free_places(
    draft: Draft, n_wanted: int, proposing: Proposing, *, affordable: bool
) -> Free | None:
    """Draw distinct places without a stored entry, where an edge acts; fewer than wanted if they are rare.

    Up to :data:`evo.operators.operation.LARGEST_CHECKED` stored entries an edge acts if it reaches an output in time;
    in larger networks no more is asked than that it acts on its target.
    """
    rng, n_rows = proposing.rng, draft.n_nodes * draft.rows_per_node
    n_wanted = min(n_wanted, int(proposing.settings.max_density * draft.n_places) - draft.n_stored)
    if n_wanted < 1:
        return None
    acts_at = _acting(draft)
    free = np.empty(0, dtype=np.int64)
    for _ in range(TRIES):
        rows, targets = _draw_places(draft, 4 * n_wanted + 16, rng)
        acts = acts_at(draft.split(rows)[0], targets)
        rows, targets = rows[acts], targets[acts]
        new = ~draft.holds(rows, targets)
        keys = np.concatenate([free, targets[new] * n_rows + rows[new]])
        _, first = np.unique(keys, return_index=True)
        free = keys[np.sort(first)]
        if len(free) >= n_wanted:
            break
    if len(free) == 0:
        return None
    chosen = free[:n_wanted]
    if affordable:
        chosen = chosen[_affordable(draft, chosen // n_rows, proposing)]
    chosen = np.sort(chosen)
    return (chosen % n_rows, chosen // n_rows) if len(chosen) else None


def _draw_places(draft: Draft, count: int, rng: np.random.Generator) -> Free:
    """Draw places evenly, with repetition: of all pairs of nodes, or between maps of all taps in their windows."""
    if draft.rows_per_node == 1:
        sources, targets = rng.integers(draft.n_nodes, size=(2, count))
        return sources, targets
    sources, taps, targets = PossibleTaps(draft.sides, draft.kernel).draw(count, rng)
    return draft.join(sources, taps), targets


def _affordable(draft: Draft, targets: NDArray[np.intp], proposing: Proposing) -> NDArray[np.bool_]:
    """Tell which of some new edges, told by their targets, fit into the budget: from the first on, as many as may."""
    parameters, macs = room_in(draft, proposing.settings)
    if parameters == macs == np.inf:
        return np.ones(len(targets), np.bool_)
    costs = np.cumsum(draft.sides[targets].astype(np.int64) ** 2)
    fits: NDArray[np.bool_] = (costs <= macs) & (np.arange(1, len(targets) + 1) <= parameters)
    return fits


def _acting(draft: Draft) -> ActsAt:
    """Return what tells of places whether an edge there acts: on an output, or in a large network on its target."""
    recurrent = draft.ticks > 1
    needed = _needed(draft) if draft.n_stored <= LARGEST_CHECKED else None

    def acts_at(sources: NDArray[np.intp], targets: NDArray[np.intp]) -> NDArray[np.bool_]:
        roles = draft.role(sources)
        at_once = (sources < targets) | (roles == Role.INPUT)
        acts: NDArray[np.bool_] = (at_once & (roles != Role.OUTPUT)) | recurrent
        acts &= draft.role(targets) != Role.INPUT
        if needed is not None:
            acts &= needed[(~at_once).astype(np.intp), targets]
        return acts

    return acts_at


def _needed(draft: Draft) -> NDArray[np.bool_]:
    """Tell which nodes are needed, and which a tick later: where an immediate and a delayed edge act; shape (2, n)."""
    inputs, outputs = draft.positions(Role.INPUT), draft.positions(Role.OUTPUT)
    edges = live_weights(draft)
    needed = np.zeros((2, draft.n_nodes), dtype=np.bool_)
    for delay in range(min(draft.ticks, 2)):
        needed[delay] = graphops.needed_nodes(edges, inputs, outputs, draft.ticks - delay)
    return needed


def lifted(draft: Draft, values: FloatArray, targets: NDArray[np.intp]) -> FloatArray:
    """Lift weights into some targets over the threshold, so that these edges live; in float64."""
    limit = np.asarray(-np.inf if draft.limit is None else draft.limit, dtype=float)
    limit = np.broadcast_to(limit, draft.n_nodes)[targets]
    floor = np.maximum(1.05 * limit, 0.0)
    raised: FloatArray = np.where(values < 0, -1.0, 1.0) * np.maximum(np.abs(values), floor)
    if draft.threshold_mode == "signed":
        raised = np.where(raised > limit, raised, np.abs(raised))
    return raised


def place_edges(
    draft: Draft,
    rows: NDArray[np.intp],
    targets: NDArray[np.intp],
    values: FloatArray,
) -> Parameters:
    """Lift values over the threshold, so that a new edge lives, and make them a record."""
    rounded = lifted(draft, values, targets).astype(draft.dtype)
    return write_edges(draft.n_nodes, rows, targets, rounded, draft.rows_per_node)
