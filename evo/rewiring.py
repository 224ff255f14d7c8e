"""SET, RigL and random topologies, made of the letters A and N: what others published, as controls.

Each step drops the weakest weights (A, then A once more to lift the threshold) and grows as many edges (N). Between
two steps every stored entry is an edge, a weight of 0 too, so the number of edges stays what it was. A matrix has no
layers; what stands for one is the group of columns whose targets play one role, hidden or output, and with one hidden
layer that is what the authors call a layer.
"""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

import graphops
from evo.draft import Draft
from evo.genome import FloatArray, Role
from evo.operators import Operation, Proposing, apply_operation

Within = Literal["layer", "network"]
"""What drops and regrows its own share: the columns of each role, or all columns together."""

EVERY_PLACE = 1 << 20
"""Up to so many places of a layer all are looked at; beyond, a random sample of them."""

CANDIDATES = 10
"""Places sampled for every edge to be grown, where a layer has more than `EVERY_PLACE`."""

_ROUNDS = 16
"""How often a sample is drawn again, until it holds enough free places."""

Places = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Sources and targets."""


def set_step(
    draft: Draft, proposing: Proposing, share: float, within: Within = "layer"
) -> list[Operation]:
    """Drop the weakest weights and grow as many edges at random: SET (Mocanu et al. 2018).

    As published: the share ζ (theirs is 0.3) of each layer, the same throughout the run; new edges anywhere in the
    layer but where one was kept, with random weights. Not as published: the weakest are those of the smallest
    magnitude, as in the comparisons of RigL's authors, where SET takes the share ζ of the positive and that of the
    negative weights; the variance of new weights is 1/in-degree, where SET's code has a constant; and a step is
    taken once per train phase, where SET takes one per epoch.
    """
    operations, dropped = _drop_weakest(draft, share, within)
    places = [_draw_places(draft, targets, n, proposing.rng) for targets, n in dropped]
    return operations + _grow_with_fresh_weights(draft, places, proposing.rng)


def rigl_step(
    draft: Draft, proposing: Proposing, share: float, within: Within = "layer"
) -> list[Operation]:
    """Drop the weakest weights and grow as many edges where the gradient is largest: RigL (Evci et al. 2020).

    As published: the share α/2·(1 + cos(π·t/T_end)) of each layer (their α is 0.3; T_end is the last generation that
    modifies, by default after three quarters of the run as theirs); dropped by magnitude; grown where |∂E/∂W| on
    training data is largest, taken *before* the drop, anywhere in the layer but where an edge was kept; a new edge
    starts at weight 0 and without momentum, so that it changes no output. Not as published: the gradient is that of
    the batches that come next, where theirs is of one; a place with gradient 0 is not grown; in a layer of more than
    2²⁰ places ten random ones are looked at per edge; an edge dropped and grown again starts at 0, where their code
    lets it keep its weight; and a step is taken once per train phase, where theirs is every 100 gradient steps.

    Raises
    ------
    ValueError
        If `proposing` has no ``gradients_at``.
    """
    if proposing.gradients_at is None:
        raise ValueError("gradients_at is required to grow edges by gradient")
    before = draft.freeze()
    operations, dropped = _drop_weakest(draft, share * fading(proposing.progress), within)
    places = []
    for targets, n_new in dropped:
        sources, listeners = _free_places(draft, targets, CANDIDATES * n_new, proposing.rng)
        gradients = np.abs(proposing.gradients_at(before, sources, listeners))
        best = np.argsort(-gradients, kind="stable")[:n_new]
        best = np.sort(best[gradients[best] > 0])
        places.append((sources[best], listeners[best]))
    sources, listeners = _together(places)
    return operations + _grow(draft, sources, listeners, np.zeros(len(sources)))


def redraw(draft: Draft, proposing: Proposing) -> list[Operation]:
    """Drop every edge and draw as many anew, anywhere and with fresh weights: a random topology.

    Biases, node table and order stay.
    """
    operations, dropped = _drop_weakest(draft, 1.0, "network")
    places = [_draw_places(draft, targets, n, proposing.rng) for targets, n in dropped]
    return operations + _grow_with_fresh_weights(draft, places, proposing.rng)


def fading(progress: float) -> float:
    """Return what is left of a share after a part `progress` of the run: half a cosine, from 1 down to 0."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def forget_dormant(draft: Draft) -> list[Operation]:
    """Drop what sleeps and let every remaining entry through; nothing where there is no threshold."""
    if draft.limit is None:
        return []
    limit = draft.limit.tolist() if isinstance(draft.limit, np.ndarray) else draft.limit
    return _drop_below(draft, limit)


# -- dropping ----------------------------------------------------------------------------------------------------------


def _drop_weakest(
    draft: Draft, share: float, within: Within
) -> tuple[list[Operation], list[tuple[NDArray[np.intp], int]]]:
    """Drop the weakest share of each layer; return what was done, and each layer's targets with how many it lost."""
    operations = forget_dormant(draft)
    roles = ((Role.HIDDEN,), (Role.OUTPUT,)) if within == "layer" else (tuple(Role),)
    layers = [targets for targets in (draft.positions(*role) for role in roles) if len(targets)]
    sizes = draft.column_sizes()
    before = [int(sizes[targets].sum()) for targets in layers]
    if not any(round(share * size) for size in before):
        return operations, []
    mode = draft.threshold_mode
    weights = draft.weights  # written out: once
    limits = np.full(draft.n_nodes, draft.quantile_limit(0.0), dtype=draft.dtype)
    for targets in layers:
        limits[targets] = graphops.quantile_limit(weights[:, targets], share, mode)
    one_for_all = bool((limits == limits[0]).all())
    operations += _drop_below(draft, limits[0].item() if one_for_all else limits.tolist())
    sizes = draft.column_sizes()
    after = [int(sizes[targets].sum()) for targets in layers]
    return operations, [(t, b - a) for t, b, a in zip(layers, before, after, strict=True) if b > a]


def _drop_below(draft: Draft, limit: float | list[float]) -> list[Operation]:
    return [
        apply_operation(draft, "A", {"limit": limit, "drop": True}),
        apply_operation(draft, "A", {"limit": None, "drop": False}),
    ]


# -- growing -----------------------------------------------------------------------------------------------------------


def _free_places(
    draft: Draft, targets: NDArray[np.intp], n_sampled: int, rng: np.random.Generator
) -> Places:
    """Return the places without an entry where an edge to one of the targets acts, by target and source.

    All of them where a layer has at most `EVERY_PLACE` places; else about `n_sampled` random ones.
    """
    n = draft.n_nodes
    spoken = (Role.INPUT, Role.HIDDEN) if draft.ticks == 1 else tuple(Role)
    speakers = draft.positions(*spoken)
    if len(speakers) * len(targets) <= EVERY_PLACE:
        keys = _acting_keys(
            draft, np.tile(speakers, len(targets)), np.repeat(targets, len(speakers))
        )
        return keys % n, keys // n
    keys = np.empty(0, dtype=np.int64)
    for _ in range(_ROUNDS):
        n_drawn = 2 * n_sampled
        drawn = _acting_keys(draft, rng.choice(speakers, n_drawn), rng.choice(targets, n_drawn))
        keys = np.union1d(keys, drawn)
        if len(keys) >= n_sampled:
            keys = np.sort(rng.choice(keys, n_sampled, replace=False))
            break
    return keys % n, keys // n


def _acting_keys(
    draft: Draft, sources: NDArray[np.intp], targets: NDArray[np.intp]
) -> NDArray[np.int64]:
    """Return ``target · n + source`` of those places that are free and where an edge acts, in the order given."""
    n = draft.n_nodes
    acts = (sources < targets) | (draft.role(sources) == Role.INPUT) | (draft.ticks > 1)
    acts &= draft.role(targets) != Role.INPUT
    sources, targets = sources[acts], targets[acts]
    keys: NDArray[np.int64] = targets.astype(np.int64) * n + sources
    return keys[~draft.holds(sources, targets)]


def _draw_places(
    draft: Draft, targets: NDArray[np.intp], n_new: int, rng: np.random.Generator
) -> Places:
    """Draw distinct free places of a layer; fewer than wanted if there are no more."""
    sources, listeners = _free_places(draft, targets, n_new, rng)
    chosen = np.sort(rng.choice(len(sources), min(n_new, len(sources)), replace=False))
    return sources[chosen], listeners[chosen]


def _together(places: list[Places]) -> Places:
    nothing = np.empty(0, dtype=np.intp)
    sources, targets = zip((nothing, nothing), *places, strict=True)
    return np.concatenate(sources), np.concatenate(targets)


def _grow_with_fresh_weights(
    draft: Draft, places: list[Places], rng: np.random.Generator
) -> list[Operation]:
    """Grow edges with weights of variance 1/in-degree, as it will be (Glorot)."""
    sources, targets = _together(places)
    fan_in = draft.column_sizes() + np.bincount(targets, minlength=draft.n_nodes)
    drawn = rng.standard_normal(len(sources)) / np.sqrt(fan_in[targets])
    return _grow(draft, sources, targets, drawn)


def _grow(
    draft: Draft, sources: NDArray[np.intp], targets: NDArray[np.intp], values: FloatArray
) -> list[Operation]:
    if len(sources) == 0:
        return []
    parameters = {
        "sources": sources.tolist(),
        "targets": targets.tolist(),
        "values": values.astype(draft.dtype).tolist(),
    }
    return [apply_operation(draft, "N", parameters)]
