"""SET, RigL and random topologies, made of the letters A and N: what others published, as controls.

Each step drops the weakest weights (A, then A once more to lift the threshold) and grows as many edges (N). Between
two steps every stored entry is an edge, a weight of 0 too, so the number of edges stays what it was. On a layered
founder each layer drops and regrows its own, between it and the layer before: see :mod:`evo.operators.layers`. Other
matrices have no layers; what stands for one is the group of columns whose targets play one role, hidden or output.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import graphops
from evo.editing.editor import GenomeEditor
from evo.genome.genome import FloatArray, Genome, Role
from evo.operators.elementary import Operation, Proposing, apply_operation
from evo.operators.layers import FreePlaces, check_layered, layers_of
from evo.operators.records import Places, write_edges, write_floats

Within = Literal["layer", "network"]
"""What drops and regrows its own share: each layer, or without layers the columns of each role; or all together."""

EVERY_PLACE = 1 << 20
"""Up to so many places of a layer all are looked at; beyond, a random sample of them."""

CANDIDATES = 10
"""Places sampled for every edge to be grown, where a layer has more than `EVERY_PLACE`."""

_ROUNDS = 16
"""How often a sample is drawn again, until it holds enough free places."""


def set_step(
    editor: GenomeEditor,
    proposing: Proposing,
    share: float,
    within: Within = "layer",
    scale: float = 1.0,
) -> list[Operation]:
    """Drop the weakest weights and grow as many edges at random: SET (Mocanu et al. 2018).

    As published: the share ζ (theirs is 0.3) of each layer, the same throughout the run; new edges anywhere in the
    layer but where one was kept, with random weights. Not as published: the weakest are those of the smallest
    magnitude, as in the comparisons of RigL's authors, where SET takes the share ζ of the positive and that of the
    negative weights; the standard deviation of new weights is `scale` over the root of the in-degree, where SET's code
    for sparse matrices has a constant, 0.1, and its code for masked dense ones 0; and a step is taken once per train
    phase, where SET takes one per epoch.
    """
    groups = _groups(editor, proposing, within)
    operations, dropped = _drop_weakest(editor, share, groups)
    if groups.layers:
        return operations + _grow_from_a_seed(editor, groups.layers, dropped, scale, proposing.rng)
    places = [
        _draw_places(editor, targets, n, proposing.rng)
        for targets, n in zip(groups.targets, dropped, strict=True)
    ]
    return operations + _grow_with_fresh_weights(editor, places, scale, proposing.rng)


def rigl_step(
    editor: GenomeEditor, proposing: Proposing, share: float, within: Within = "layer"
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
    groups = _groups(editor, proposing, within)
    before = editor.freeze()
    operations, dropped = _drop_weakest(editor, share * fading(proposing.progress), groups)
    if not any(dropped):
        return operations
    candidates = _candidates(editor, groups, dropped, proposing.rng)
    measured = np.abs(gradients_of(before, editor, proposing, *_together(candidates)))
    bounds = np.cumsum([len(rows) for rows, _ in candidates])[:-1]
    places = []
    for (rows, listeners), gradients, n_new in zip(
        candidates, np.split(measured, bounds), dropped, strict=True
    ):
        best = np.argsort(-gradients, kind="stable")[:n_new]
        best = np.sort(best[gradients[best] > 0])
        places.append((rows[best], listeners[best]))
    rows, listeners = _together(places)
    return operations + grow_at(editor, rows, listeners, np.zeros(len(rows)))


def redraw(editor: GenomeEditor, proposing: Proposing) -> list[Operation]:
    """Drop every edge and draw as many anew, with fresh weights: a random topology.

    They are drawn anywhere; between maps, where places differ in what they cost, each level's anywhere in the level.
    Biases, node table and order stay.
    """
    groups = _groups(editor, proposing, "network" if editor.rows_per_node == 1 else "layer")
    operations, dropped = _drop_weakest(editor, 1.0, groups)
    if groups.layers:
        return operations + _grow_from_a_seed(editor, groups.layers, dropped, 1.0, proposing.rng)
    (n_dropped,) = dropped
    places = _draw_places(editor, groups.targets[0], n_dropped, proposing.rng)
    return operations + _grow_with_fresh_weights(editor, [places], 1.0, proposing.rng)


def fading(progress: float) -> float:
    """Return what is left of a share after a part `progress` of the run: half a cosine, from 1 down to 0."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def drop_dormant_entries(editor: GenomeEditor) -> list[Operation]:
    """Drop what sleeps and let every remaining entry through; nothing where there is no threshold."""
    if editor.threshold is None:
        return []
    threshold = (
        write_floats(editor.threshold)
        if isinstance(editor.threshold, np.ndarray)
        else editor.threshold
    )
    return _drop_below(editor, threshold)


# -- groups ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Groups:
    """What drops and regrows its own share each.

    `names` is how a record calls them: the sizes of layers, or roles; nothing where all columns are one group.
    """

    targets: list[NDArray[np.intp]]
    names: dict[str, list[Any]] | None
    layers: tuple[int, ...] = ()


def _groups(editor: GenomeEditor, proposing: Proposing, within: Within) -> _Groups:
    """Return the layers of a layered founder; of others, what stands for layers."""
    if editor.rows_per_node > 1 and (within == "network" or not proposing.layers):
        raise ValueError('maps are rewired level by level, of founders with graph = "maps"')
    if within == "network":
        return _Groups([editor.positions(*Role)], None)
    sizes = proposing.layers
    if sizes:
        check_layered(editor, sizes)
        targets = [layer.targets for layer in layers_of(editor, sizes)]
        return _Groups(targets, {"layers": [*sizes]}, sizes)
    found = {role: editor.positions(role) for role in (Role.HIDDEN, Role.OUTPUT)}
    found = {role: targets for role, targets in found.items() if len(targets)}
    return _Groups([*found.values()], {"roles": [role.name.lower() for role in found]})


# -- dropping ----------------------------------------------------------------------------------------------------------


def _drop_weakest(
    editor: GenomeEditor, share: float, groups: _Groups
) -> tuple[list[Operation], list[int]]:
    """Drop the weakest share of each group; return what was done, and how many each has lost."""
    operations = drop_dormant_entries(editor)
    before = [int(editor.in_degree(targets).sum()) for targets in groups.targets]
    if not any(round(share * size) for size in before):
        return operations, [0] * len(before)
    thresholds = [editor.quantile_threshold(share, targets) for targets in groups.targets]
    named = thresholds[0] if groups.names is None else groups.names | {"thresholds": thresholds}
    operations += _drop_below(editor, named)
    after = [int(editor.in_degree(targets).sum()) for targets in groups.targets]
    return operations, [b - a for b, a in zip(before, after, strict=True)]


def _drop_below(editor: GenomeEditor, threshold: Any) -> list[Operation]:
    return [
        apply_operation(editor, "A", {"threshold": threshold, "drop": True}),
        apply_operation(editor, "A", {"threshold": None, "drop": False}),
    ]


# -- growing -----------------------------------------------------------------------------------------------------------


def _candidates(
    editor: GenomeEditor, groups: _Groups, n_new: list[int], rng: np.random.Generator
) -> list[Places]:
    """Return free places of each group: all of them or, where they are many, ten random ones per edge to be grown."""
    if not groups.layers:
        return [
            _free_places(editor, targets, CANDIDATES * n, rng)
            for targets, n in zip(groups.targets, n_new, strict=True)
        ]
    free, places = FreePlaces(editor), []
    for layer, n in zip(layers_of(editor, groups.layers), n_new, strict=True):
        n_free = free.count(layer)
        if layer.n_places <= EVERY_PLACE:
            ranks = np.arange(n_free)
        else:
            ranks = graphops.draw_distinct(n_free, min(CANDIDATES * n, n_free), rng=rng)
        rows = np.empty(len(ranks), np.int32)
        counts = np.empty(len(layer.targets), np.int64)
        free.find(layer, ranks, rows, counts)
        places.append((rows.astype(np.intp), np.repeat(layer.targets, counts)))
    return places


def gradients_of(
    genome: Genome,
    editor: GenomeEditor,
    proposing: Proposing,
    rows: NDArray[np.intp],
    targets: NDArray[np.intp],
) -> FloatArray:
    """Return the loss gradient of a genome at places, whose rows are those of an editor of it."""
    if proposing.gradients_at is None:
        raise ValueError("gradients_at is required to grow edges by gradient")
    sources, taps = editor.split(rows)
    of_maps = (taps,) if genome.has_maps else ()
    return proposing.gradients_at(genome, sources, targets, *of_maps)


def _free_places(
    editor: GenomeEditor, targets: NDArray[np.intp], n_sampled: int, rng: np.random.Generator
) -> Places:
    """Return the places without an entry where an edge to one of the targets acts, by target and source.

    All of them where a layer has at most `EVERY_PLACE` places; else about `n_sampled` random ones.
    """
    n = editor.n_nodes
    spoken = (Role.INPUT, Role.HIDDEN) if editor.ticks == 1 else tuple(Role)
    speakers = editor.positions(*spoken)
    if len(speakers) * len(targets) <= EVERY_PLACE:
        keys = _effective_keys(
            editor, np.tile(speakers, len(targets)), np.repeat(targets, len(speakers))
        )
        return keys % n, keys // n
    keys = np.empty(0, dtype=np.int64)
    for _ in range(_ROUNDS):
        n_drawn = 2 * n_sampled
        drawn = _effective_keys(editor, rng.choice(speakers, n_drawn), rng.choice(targets, n_drawn))
        keys = np.union1d(keys, drawn)
        if len(keys) >= n_sampled:
            keys = np.sort(rng.choice(keys, n_sampled, replace=False))
            break
    return keys % n, keys // n


def _effective_keys(
    editor: GenomeEditor, sources: NDArray[np.intp], targets: NDArray[np.intp]
) -> NDArray[np.int64]:
    """Return ``target · n + source`` of those places that are free and where an edge acts, in the order given."""
    n = editor.n_nodes
    acts = (sources < targets) | (editor.role(sources) == Role.INPUT) | (editor.ticks > 1)
    acts &= editor.role(targets) != Role.INPUT
    sources, targets = sources[acts], targets[acts]
    keys: NDArray[np.int64] = targets.astype(np.int64) * n + sources
    return keys[~editor.holds(sources, targets)]


def _draw_places(
    editor: GenomeEditor, targets: NDArray[np.intp], n_new: int, rng: np.random.Generator
) -> Places:
    """Draw distinct free places of a layer; fewer than wanted if there are no more."""
    sources, listeners = _free_places(editor, targets, n_new, rng)
    chosen = np.sort(rng.choice(len(sources), min(n_new, len(sources)), replace=False))
    return sources[chosen], listeners[chosen]


def _together(places: list[Places]) -> Places:
    nothing = np.empty(0, dtype=np.intp)
    sources, targets = zip((nothing, nothing), *places, strict=True)
    return np.concatenate(sources), np.concatenate(targets)


def _grow_from_a_seed(
    editor: GenomeEditor,
    sizes: tuple[int, ...],
    counts: list[int],
    scale: float,
    rng: np.random.Generator,
) -> list[Operation]:
    """Grow edges at random places of each layer, all of which follows from a seed that is recorded."""
    if not any(counts):
        return []
    seed = int(rng.integers(1 << 62))
    parameters = {"layers": [*sizes], "counts": counts, "scale": scale, "seed": seed}
    return [apply_operation(editor, "N", parameters)]


def _grow_with_fresh_weights(
    editor: GenomeEditor, places: list[Places], scale: float, rng: np.random.Generator
) -> list[Operation]:
    """Grow edges with random weights, of standard deviation `scale` over the root of the in-degree, as it will be."""
    sources, targets = _together(places)
    fan_in = editor.in_degree(slice(None)) + np.bincount(targets, minlength=editor.n_nodes)
    drawn = scale * rng.standard_normal(len(sources)) / np.sqrt(fan_in[targets])
    return grow_at(editor, sources, targets, drawn)


def grow_at(
    editor: GenomeEditor, rows: NDArray[np.intp], targets: NDArray[np.intp], values: FloatArray
) -> list[Operation]:
    """Create entries at places of an editor (row, target), none of them stored, by the letter N."""
    if len(rows) == 0:
        return []
    rounded = values.astype(editor.dtype)
    parameters = write_edges(editor.n_nodes, rows, targets, rounded, editor.rows_per_node)
    return [apply_operation(editor, "N", parameters)]
