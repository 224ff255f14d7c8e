"""Operator N: where new edges grow, at random or by the loss gradient, and with which weights."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import graphops
from evo.draft import Draft
from evo.genome import FloatArray, Role
from evo.operation import LARGEST_CHECKED, TRIES, Parameters, Proposing, live_weights
from evo.records import write_edges

ActsAt = Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.bool_]]
"""Tells of places, given by sources and targets, whether an edge there acts."""


def propose_random_edges(draft: Draft, proposing: Proposing) -> Parameters | None:
    """Choose a few new edges at random places where they act."""
    share = float(proposing.rng.uniform(0, proposing.settings.max_new_share))
    return random_edges(draft, max(1, round(share * draft.n_stored)), proposing)


def random_edges(draft: Draft, n_new: int, proposing: Proposing) -> Parameters | None:
    """Return the parameters of N for new edges at random free places, weighted as a fresh start would be (Glorot)."""
    places = _free_places(draft, n_new, proposing)
    if places is None:
        return None
    sources, targets = places
    fan_in = np.maximum(draft.in_degree(targets), 1)
    drawn = proposing.rng.standard_normal(len(sources)) / np.sqrt(fan_in)
    return place_edges(draft, sources, targets, drawn)


def gradient_edges(draft: Draft, n_new: int, proposing: Proposing) -> Parameters | None:
    """Return the parameters of N for new edges where the loss gradient is largest among random free places (RigL).

    Ten candidates are looked at for every edge wanted. An edge starts just above the threshold, on the side that
    lowers the loss.
    """
    if proposing.gradients_at is None:
        raise ValueError("gradients_at is required to grow edges by gradient")
    places = _free_places(draft, 10 * n_new, proposing)
    if places is None:
        return None
    sources, targets = places
    gradients = proposing.gradients_at(draft.freeze(), sources, targets)
    best = np.argsort(-np.abs(gradients), kind="stable")[:n_new]
    best = np.sort(best[gradients[best] != 0])
    if len(best) == 0:
        return None
    return place_edges(draft, sources[best], targets[best], -1e-3 * np.sign(gradients[best]))


def _free_places(
    draft: Draft, n_wanted: int, proposing: Proposing
) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Draw distinct places without a stored entry, where an edge acts; fewer than wanted if they are rare.

    Up to :data:`evo.operation.LARGEST_CHECKED` stored entries an edge acts if it reaches an output in time; in larger
    networks no more is asked than that it acts on its target.
    """
    n, rng = draft.n_nodes, proposing.rng
    n_wanted = min(n_wanted, int(proposing.settings.max_density * n**2) - draft.n_stored)
    if n_wanted < 1:
        return None
    acts_at = _acting(draft)
    free = np.empty(0, dtype=np.int64)
    for _ in range(TRIES):
        sources, targets = rng.integers(n, size=(2, 4 * n_wanted + 16))
        acts = acts_at(sources, targets)
        sources, targets = sources[acts], targets[acts]
        new = ~draft.holds(sources, targets)
        keys = np.concatenate([free, targets[new] * n + sources[new]])
        _, first = np.unique(keys, return_index=True)
        free = keys[np.sort(first)]
        if len(free) >= n_wanted:
            break
    if len(free) == 0:
        return None
    chosen = np.sort(free[:n_wanted])
    return chosen % n, chosen // n


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
    sources: NDArray[np.intp],
    targets: NDArray[np.intp],
    values: FloatArray,
) -> Parameters:
    """Lift values over the threshold, so that a new edge lives, and make them a record."""
    rounded = lifted(draft, values, targets).astype(draft.dtype)
    return write_edges(draft.n_nodes, sources, targets, rounded)
