"""Prune and regrow: drop some entries of each group of columns, then grow as many new ones.

The published methods of sparse training, random topologies and the policies ``mixed`` and ``layerwise`` are this one
step. They differ in the groups (the whole network, roles or layers), in the pruning (which entries go,
:mod:`evo.policies.removal`), and in the regrowth (where new entries grow, and which weights they get,
:mod:`evo.policies.regrowth`). Pruning is operator A, regrowth is operator N.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evo.editing.editor import GenomeEditor
from evo.genome.genome import FloatArray, Role
from evo.layer_numbers import indices_of_layers
from evo.operators.free_places import FreePlaces, PlacesInColumns, list_or_draw, places_in_layers
from evo.operators.growth import entries_at, highest
from evo.operators.layers import Layer, check_layered, layers_of
from evo.operators.operation import Operation, ProposalContext
from evo.operators.records import Places, write_floats
from evo.operators.registry import apply_operation

Scope = Literal["layer", "network"]
"""Whether each layer loses its own fraction, or the network as a whole; without layers a role stands for a layer."""

Counts = NDArray[np.int64]
Choose = Callable[[FloatArray, int], NDArray[np.intp]]
"""Chooses among candidates: of their scores and the number wanted, the indices of the chosen ones, ascending."""


class Entries(NamedTuple):
    """Stored entries: rows of W, targets and weights."""

    rows: NDArray[np.intp]
    targets: NDArray[np.intp]
    values: FloatArray

    def where(self, chosen: NDArray[Any]) -> "Entries":
        """Return some of the entries."""
        return Entries(*(part[chosen] for part in self))


@dataclass(frozen=True)
class Groups:
    """Groups of columns, each of which is pruned and regrown by itself.

    Attributes
    ----------
    targets : list of ndarray of int
        Nodes whose columns make a group.
    names : dict or None
        How a record names the groups: sizes of layers, or roles. None for one group of all columns.
    layers : list of Layer
        Empty where groups are not layers.
    fixed : frozenset of int
        Indices of the groups that are left alone.
    """

    targets: list[NDArray[np.intp]]
    names: dict[str, list[Any]] | None = None
    layers: list[Layer] = field(default_factory=list)
    fixed: frozenset[int] = frozenset()

    def n_stored(self, editor: GenomeEditor) -> Counts:
        """Return the number of stored entries of each group."""
        return np.array([editor.in_degree(targets).sum() for targets in self.targets], np.int64)

    def n_active(self, editor: GenomeEditor) -> Counts:
        """Return the number of active entries of each group."""
        degrees = editor.active_degree()
        return np.array([degrees[targets].sum() for targets in self.targets], np.int64)

    def entries(self, editor: GenomeEditor) -> list[Entries]:
        """Return the stored entries of each group, ordered by target and row."""
        weights = editor.weights
        sizes = np.diff(weights.indptr)
        all_entries = Entries(
            weights.indices.astype(np.intp), np.repeat(np.arange(len(sizes)), sizes), weights.data
        )
        group = np.full(len(sizes), -1)
        for k, targets in enumerate(self.targets):
            group[targets] = k
        of_entries = group[all_entries.targets]
        return [all_entries.where(of_entries == k) for k in range(len(self.targets))]

    def n_places(self, editor: GenomeEditor) -> Counts:
        """Return the number of places of each group, free or not."""
        return np.array([places.n_places for places in self.free_places(editor)], np.int64)

    def free_places(self, editor: GenomeEditor) -> Sequence[FreePlaces]:
        """Return the free places of each group."""
        if self.layers:
            return places_in_layers(editor, self.layers)
        return [PlacesInColumns(editor, targets) for targets in self.targets]


def whole_network(editor: GenomeEditor) -> Groups:
    """Return one group of all columns."""
    return Groups([np.arange(editor.n_nodes)])


def layers_as_groups(editor: GenomeEditor, sizes: Sequence[int]) -> Groups:
    """Return the layers, given the number of nodes of each, as groups."""
    layers = layers_of(editor, sizes)
    return Groups([layer.targets for layer in layers], {"layers": [*sizes]}, layers)


def groups_of(
    editor: GenomeEditor,
    context: ProposalContext,
    scope: Scope,
    fixed_layers: Sequence[int] = (),
) -> Groups:
    """Return the groups that a method rewires.

    They are the network, the layers of a layered founder, or hidden and output nodes. `fixed_layers` are the numbers of
    layers that are left alone, from 1, the layer after the inputs, or from −1, the outputs.
    """
    if fixed_layers and (scope == "network" or not context.layers):
        raise ValueError(
            "fixed_layers must be empty unless each layer of a layered founder is rewired by itself; "
            f"got {[*fixed_layers]}, scope {scope!r} and layers {[*context.layers]}"
        )
    if editor.rows_per_node > 1 and (scope == "network" or not context.layers):
        raise ValueError(
            'maps must be rewired layer by layer, with a founder whose graph is "maps"; '
            f"got scope {scope!r} and layers {[*context.layers]}"
        )
    if scope == "network":
        return whole_network(editor)
    if context.layers:
        check_layered(editor, context.layers)
        fixed = indices_of_layers("fixed_layers", fixed_layers, len(context.layers) - 1)
        return replace(layers_as_groups(editor, context.layers), fixed=fixed)
    found = {role: editor.positions(role) for role in (Role.HIDDEN, Role.OUTPUT)}
    found = {role: targets for role, targets in found.items() if len(targets)}
    return Groups([*found.values()], {"roles": [role.name.lower() for role in found]})


def prune_and_regrow(
    editor: GenomeEditor,
    groups: Groups,
    *,
    prune: Callable[[], list[Operation]],
    regrow: Callable[[Counts], list[Operation]],
    n_stored: Counts | None = None,
) -> list[Operation]:
    """Drop entries, and grow what each group then lacks.

    Parameters
    ----------
    editor : GenomeEditor
    groups : Groups
    prune : callable
        Drops entries of the editor.
    regrow : callable
        Grows a number of entries in each group.
    n_stored : ndarray of int64, optional
        Stored entries that each group shall have afterwards; as many as before by default.

    Returns
    -------
    list of Operation
        As applied.
    """
    wanted = groups.n_stored(editor) if n_stored is None else n_stored
    operations = prune()
    missing: Counts = np.maximum(wanted - groups.n_stored(editor), 0)
    return operations + regrow(missing) if missing.any() else operations


# -- pruning -----------------------------------------------------------------------------------------------------------


def drop_dormant_entries(editor: GenomeEditor) -> list[Operation]:
    """Drop the dormant entries and remove the threshold; nothing where there is no threshold."""
    threshold = editor.threshold
    if threshold is None:
        return []
    return _drop_below(
        editor, write_floats(threshold) if isinstance(threshold, np.ndarray) else threshold
    )


def drop_weakest(editor: GenomeEditor, groups: Groups, kept: Counts) -> list[Operation]:
    """Drop the weakest entries of each group until `kept` are left; without a threshold before and after.

    Fewer are left where several are equal to the strongest that goes.
    """
    if not (kept < groups.n_stored(editor)).any():
        return []
    thresholds = [
        editor.keeping_threshold(count, targets)
        for count, targets in zip(kept.tolist(), groups.targets, strict=True)
    ]
    return _drop_below(editor, named_thresholds(groups, thresholds))


def drop_entries(editor: GenomeEditor, groups: Groups, gone: Sequence[Entries]) -> list[Operation]:
    """Drop some entries of each group, by the operators N, which makes them 0, and A.

    In a group that loses entries, all other entries of weight 0 are dropped as well.

    Raises
    ------
    ValueError
        If only weights above the threshold are active (``signed``): then A would drop negative weights.
    """
    if not any(len(entries.rows) for entries in gone):
        return []
    if editor.threshold_mode != "magnitude":
        raise ValueError(
            f'threshold_mode must be "magnitude" to drop entries one by one; got {editor.threshold_mode!r}'
        )
    rows, targets = concatenate([(entries.rows, entries.targets) for entries in gone])
    thresholds = [0.0 if len(entries.rows) else -1.0 for entries in gone]
    zeros = apply_operation(editor, "N", entries_at(editor, rows, targets, np.zeros(len(rows))))
    return [zeros, *_drop_below(editor, named_thresholds(groups, thresholds))]


def named_thresholds(groups: Groups, thresholds: list[float]) -> Any:
    """Return the threshold of operator A that gives each group its own."""
    return thresholds[0] if groups.names is None else groups.names | {"thresholds": thresholds}


def _drop_below(editor: GenomeEditor, threshold: Any) -> list[Operation]:
    return [
        apply_operation(editor, "A", {"threshold": threshold, "drop": True}),
        apply_operation(editor, "A", {"threshold": None, "drop": False}),
    ]


# -- regrowing ---------------------------------------------------------------------------------------------------------


def regrow_randomly(
    editor: GenomeEditor, groups: Groups, counts: Counts, scale: float, rng: np.random.Generator
) -> list[Operation]:
    """Grow edges at random free places, with random weights of standard deviation `scale` / √in-degree.

    The in-degree counts the new edges. In layers all draws follow from one seed, which is recorded.
    """
    if groups.layers and groups.names is not None:
        seed = int(rng.integers(1 << 62))
        parameters = groups.names | {"counts": counts.tolist(), "scale": scale, "seed": seed}
        return [apply_operation(editor, "N", parameters)]
    chosen = []
    for places, count in zip(groups.free_places(editor), counts.tolist(), strict=True):
        rows, targets = list_or_draw(places, count, rng)
        some = np.sort(rng.choice(len(rows), min(count, len(rows)), replace=False))
        chosen.append((rows[some], targets[some]))
    rows, targets = concatenate(chosen)
    fan_in = editor.in_degree(slice(None)) + np.bincount(targets, minlength=editor.n_nodes)
    values = scale * rng.standard_normal(len(rows)) / np.sqrt(fan_in[targets])
    return grow_at(editor, rows, targets, values)


def regrow_by_score(
    editor: GenomeEditor,
    candidates: Sequence[Places],
    counts: Counts,
    score: Callable[[NDArray[np.intp], NDArray[np.intp]], FloatArray],
    choose: Choose,
) -> list[Operation]:
    """Grow entries of weight 0 in each group, chosen among its candidates by their score.

    `counts` are the wanted entries of each group. `score` gets the rows and targets of all candidates at once.
    """
    rows, targets = concatenate(candidates)
    ends = np.cumsum([len(of_group) for of_group, _ in candidates])
    scores = np.split(score(rows, targets), ends[:-1])
    begins = [0, *ends[:-1]]
    chosen = np.concatenate(
        [
            begin + choose(some, count)
            for begin, some, count in zip(begins, scores, counts.tolist(), strict=True)
        ]
    )
    return grow_at(editor, rows[chosen], targets[chosen], np.zeros(len(chosen)))


def largest(scores: FloatArray, count: int) -> NDArray[np.intp]:
    """Choose the largest scores, but none that is 0."""
    best = np.sort(highest(scores, count))
    return best[scores[best] > 0]


def mostly_largest(
    scores: FloatArray, count: int, fraction: float, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Choose a fraction of `count` by the largest scores, and the others at random."""
    n_best = round(fraction * count)
    order = np.argsort(-scores, kind="stable")  # the draw depends on the order of the others
    best, rest = order[:n_best], order[n_best:]
    others = rng.choice(rest, max(min(count - len(best), len(rest)), 0), replace=False)
    return np.sort(np.concatenate([best, others]))


def concatenate(places: Sequence[Places]) -> Places:
    """Return the places of several groups as one."""
    rows, targets = (np.concatenate(part) for part in zip(*places, strict=True))
    return rows, targets


def grow_at(
    editor: GenomeEditor, rows: NDArray[np.intp], targets: NDArray[np.intp], values: FloatArray
) -> list[Operation]:
    """Create entries at free places (row of W, target) by operator N."""
    if len(rows) == 0:
        return []
    return [apply_operation(editor, "N", entries_at(editor, rows, targets, values))]
