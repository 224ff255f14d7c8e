"""The operators A B C D F of the seed document (S20) and M P G K of maps, which leave the nodes where they are.

Operator N is in :mod:`evo.operators.growth`. Operator H, which reorders nodes, is in
:mod:`evo.operators.node_operators`. All are listed in :mod:`evo.operators.registry`.

B swaps columns as D swaps rows, and C adds columns as F adds rows. Each pair has one function, over :class:`Lines`. M
changes the size of a map, and with it the kernels of the node; P does so for a level, which moves the downsampling. G
makes kernels larger by a ring of taps of weight 0; K drops the outer ring.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import graphops
from cnn.compile.vector_kernels import norm_of
from evo.editing.editor import GenomeEditor
from evo.genome.feature_maps import first_taps, windows
from evo.genome.genome import FloatArray, Role
from evo.operators.layers import level_around
from evo.operators.operation import (
    LARGEST_CHECKED,
    TRIES,
    Accept,
    Parameters,
    ProposalContext,
    active_entries,
    draw_node,
    source_roles,
    target_roles,
    zero_learns,
)
from evo.operators.records import read_groups, read_threshold

# -- A: threshold ------------------------------------------------------------------------------------------------------


def propose_threshold(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
    """Make a small random fraction of the entries dormant; half the time, drop them."""
    if editor.n_stored == 0:
        return None
    quantile = float(context.rng.uniform(0, context.settings.max_quantile))
    drop = bool(context.rng.integers(2))
    if editor.rows_per_node > 1 and context.rng.integers(2):
        return _threshold_by_map_size(editor, quantile, drop=drop)
    return threshold_at_quantile(editor, quantile, drop=drop)


def _threshold_by_map_size(editor: GenomeEditor, quantile: float, *, drop: bool) -> Parameters:
    """Return the parameters of A that act on the lowest fraction of the taps into maps of each size."""
    map_sizes, stored = editor.map_sizes, editor.in_degree(slice(None))
    found = np.unique(map_sizes).tolist()
    kept = [round((1 - quantile) * int(stored[map_sizes == map_size].sum())) for map_size in found]
    return {"threshold": {"map_sizes": found, "keep": kept}, "drop": drop}


def threshold_at_quantile(
    editor: GenomeEditor, quantile: float, *, drop: bool
) -> Parameters | None:
    """Return the parameters of A that make the lowest fraction `quantile` dormant; None if nothing would change."""
    threshold = editor.quantile_threshold(quantile)
    same = not isinstance(editor.threshold, np.ndarray) and threshold == editor.threshold
    if same and not (drop and editor.n_active < editor.n_stored):
        return None
    return {"threshold": threshold, "drop": drop}


def apply_threshold(editor: GenomeEditor, parameters: Parameters) -> None:
    """Set the threshold A; optionally drop the entries that are then dormant.

    The parameter is a threshold, or the number of entries that stay active. ``{"keep": 5000}`` keeps the 5,000 highest
    entries of the network active. ``{"map_sizes": [10, 1], "keep": [300, 900]}`` keeps 300 taps into maps of size 10
    and 900 into neurons; groups may be roles and layers as well (:func:`evo.operators.records.read_threshold`). Fewer
    entries stay active if several are equal to the threshold.
    """
    threshold = parameters["threshold"]
    if isinstance(threshold, dict) and "keep" in threshold:
        threshold = _threshold_that_keeps(editor, threshold)
    elif isinstance(threshold, list | dict):
        threshold = read_threshold(threshold, editor.roles, editor.dtype, editor.map_sizes)
    editor.set_threshold(threshold)
    if parameters["drop"]:
        editor.drop_dormant()


def _threshold_that_keeps(editor: GenomeEditor, given: Parameters) -> float | FloatArray:
    """Return the threshold, one number or one per node, that keeps the given numbers of entries active."""
    if set(given) == {"keep"}:
        return editor.keeping_threshold(given["keep"])
    groups = read_groups(given, editor.roles, editor.map_sizes)
    if len(given["keep"]) != len(groups):
        raise ValueError(f"keep must be {len(groups)} numbers; got {len(given['keep'])}")
    return thresholds_that_keep(editor, groups, given["keep"])


def thresholds_that_keep(
    editor: GenomeEditor, groups: Sequence[NDArray[np.intp]], counts: Sequence[int]
) -> FloatArray:
    """Return thresholds, one per node, that keep a number of the highest entries into each group of nodes active."""
    thresholds: FloatArray = np.zeros(editor.n_nodes, editor.dtype)
    for group, count in zip(groups, counts, strict=True):
        thresholds[group] = editor.keeping_threshold(count, group)
    return thresholds


# -- rows and columns --------------------------------------------------------------------------------------------------

Line = tuple[NDArray[np.integer[Any]], FloatArray]
"""Places and values of a row or column."""


@dataclass(frozen=True)
class Lines:
    """The columns of a matrix, which hold in-edges, or its rows, which hold out-edges.

    Attributes
    ----------
    roles : callable
        Roles of the nodes whose line has an effect.
    degree, read : callable
        ``degree(editor, node)`` counts the stored entries of a node's line, ``read(editor, node)`` returns them.
    """

    roles: Callable[[GenomeEditor], tuple[Role, ...]]
    degree: Callable[[GenomeEditor, int], Any]
    read: Callable[[GenomeEditor, int], Line]

    def draw_two(self, editor: GenomeEditor, context: ProposalContext) -> tuple[int, int] | None:
        """Draw two nodes of one map size, the first of which has entries; None if there are none."""
        single, roles = self._single_map_sizes(editor), self.roles(editor)

        def first_fits(node: int) -> bool:
            return self.degree(editor, node) > 0 and int(editor.map_size(node)) not in single

        first = draw_node(editor, context.rng, roles, first_fits)
        if first is None:
            return None
        map_size = editor.map_size(first)

        def second_fits(node: int) -> bool:
            return node != first and bool(editor.map_size(node) == map_size)

        second = draw_node(editor, context.rng, roles, second_fits)
        return None if second is None else (first, second)

    def _single_map_sizes(self, editor: GenomeEditor) -> set[int]:
        """Return the map sizes that only one of the nodes has; not looked for where all nodes are neurons."""
        if editor.rows_per_node == 1:
            return set()
        nodes = editor.positions(*self.roles(editor))
        map_sizes, counts = np.unique(editor.map_sizes[nodes], return_counts=True)
        return set(map_sizes[counts == 1].tolist())


COLUMNS = Lines(target_roles, GenomeEditor.in_degree, GenomeEditor.column)
ROWS = Lines(source_roles, GenomeEditor.out_degree, GenomeEditor.row)


# -- B, D: swaps -------------------------------------------------------------------------------------------------------


def _propose_swap(
    lines: Lines, editor: GenomeEditor, context: ProposalContext
) -> Parameters | None:
    """Choose two nodes of one map size whose lines are exchanged; at least one line has entries."""
    two = lines.draw_two(editor, context)
    return None if two is None else {"a": min(two), "b": max(two)}


propose_column_swap = partial(_propose_swap, COLUMNS)
propose_row_swap = partial(_propose_swap, ROWS)


def apply_swap_columns(editor: GenomeEditor, parameters: Parameters) -> None:
    """Exchange the in-edges of two nodes."""
    editor.swap_columns(parameters["a"], parameters["b"])


def apply_swap_rows(editor: GenomeEditor, parameters: Parameters) -> None:
    """Exchange the out-edges of two nodes."""
    editor.swap_rows(parameters["a"], parameters["b"])


# -- C, F: additions ---------------------------------------------------------------------------------------------------


def _propose_addition(
    lines: Lines, editor: GenomeEditor, context: ProposalContext
) -> Parameters | None:
    """Choose a node with entries, another of its map size to whose line they are added, and a bounded factor.

    The target's line is scaled back to its old length, if that is not 0, so that repeated additions do not make weights
    grow without bound.
    """
    rng, settings = context.rng, context.settings
    room = int(settings.max_density * editor.n_places) - editor.n_stored
    for _ in range(TRIES):
        two = lines.draw_two(editor, context)
        if two is None:
            return None
        source, target = (lines.read(editor, node) for node in two)
        if len(source[0]) > room and len(np.setdiff1d(source[0], target[0])) > room:
            continue
        magnitude = settings.max_factor * (1.0 - float(rng.random()))
        factor = magnitude if rng.integers(2) else -magnitude
        scale = 1.0
        before = norm_of(target[1].astype(float))
        if before > 0:
            after = _length_of_sum(target, source, factor)
            scale = before / after if after > 0 else 1.0
        return {"source": two[0], "target": two[1], "factor": factor, "scale": scale}
    return None


propose_column_addition = partial(_propose_addition, COLUMNS)
propose_row_addition = partial(_propose_addition, ROWS)


def _length_of_sum(target: Line, source: Line, factor: float) -> float:
    """Return the Euclidean length of target + factor · source."""
    places, at = np.unique(np.concatenate([target[0], source[0]]), return_inverse=True)
    values = np.concatenate([target[1].astype(float), factor * source[1].astype(float)])
    return norm_of(np.asarray(np.bincount(at, values, len(places)), np.float64))


def apply_add_column(editor: GenomeEditor, parameters: Parameters) -> None:
    """Add `factor` × column `source` to column `target`, then multiply the latter by `scale`."""
    editor.add_column(**parameters)


def apply_add_row(editor: GenomeEditor, parameters: Parameters) -> None:
    """Add `factor` × row `source` to row `target`, then multiply the latter by `scale`."""
    editor.add_row(**parameters)


# -- M: map size -------------------------------------------------------------------------------------------------------


def propose_map_size(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
    """Choose a hidden node with in-edges from a map, and another map size that occurs in the network.

    If all predecessors of a node are neurons, its pixels are all equal, and another size would not change them. In a
    small network there must even be a path of maps from an input map to the node.
    """
    if editor.rows_per_node == 1:
        return None
    small = editor.n_stored <= LARGEST_CHECKED
    accept = _is_reached_by_image(editor) if small else _has_map_predecessor(editor)
    node = draw_node(editor, context.rng, (Role.HIDDEN,), accept)
    if node is None:
        return None
    others = np.setdiff1d(editor.map_sizes, editor.map_size(node))
    return {"node": node, "map_size": int(context.rng.choice(others))} if len(others) else None


def _has_map_predecessor(editor: GenomeEditor) -> Accept:
    """Return a test of whether a node has an active in-edge from a map."""

    def accept(node: int) -> bool:
        rows, weights = editor.column(node)
        active = active_entries(editor, weights[None], np.full(len(rows), node))[0]
        return bool((editor.map_size(editor.split(rows)[0][active]) > 1).any())

    return accept


def _is_reached_by_image(editor: GenomeEditor) -> Accept:
    """Return a test of whether an input that is a map reaches a node in time, by way of maps."""
    genome = editor.freeze()
    inputs = genome.inputs
    images = inputs[genome.map_sizes[inputs] > 1]
    from_maps = genome.strengths(genome.active_mask() & (genome.map_sizes[genome.indices] > 1))

    def accept(node: int) -> bool:
        needed = graphops.needed_nodes(from_maps, inputs, [node], genome.ticks)
        return bool(needed[images].any())

    return accept


def apply_map_size(editor: GenomeEditor, parameters: Parameters) -> None:
    """Make the map larger or smaller; kernels stay about their centre."""
    editor.change_map_size(parameters["node"], parameters["map_size"])


# -- P: map size of a level --------------------------------------------------------------------------------------------


def propose_level_map_size(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
    """Choose all maps of one size in a level, two or more, and another map size that occurs in the network.

    The maps are chosen as in M. This looks at the whole network.
    """
    first = propose_map_size(editor, context)
    if first is None:
        return None
    size = editor.map_size(first["node"])
    nodes = level_around(
        editor, first["node"], (Role.HIDDEN,), lambda node: bool(editor.map_size(node) == size)
    )
    return {"nodes": nodes, "map_size": first["map_size"]} if len(nodes) > 1 else None


def apply_level_map_size(editor: GenomeEditor, parameters: Parameters) -> None:
    """Make the maps larger or smaller; kernels stay about their centre.

    If the maps become smaller, edges to them halve their source, and edges from them no longer do.
    """
    for node in parameters["nodes"]:
        editor.change_map_size(node, parameters["map_size"])


# -- G, K: sides of kernels --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kernels:
    """The kernels of a node's in-edges.

    A tap lies on a *ring* about the middle of the window. Ring r are the taps at the border of the square of side r.
    The side of a kernel is its largest ring. Rings are odd in an odd window and even in an even window.

    Attributes
    ----------
    sources, windows : ndarray of int, shape (kernels,)
        Source of each kernel, ascending, and the side of its window.
    smallest, largest : ndarray of int, shape (kernels,)
        The smallest and the largest ring that has a stored tap.
    """

    sources: NDArray[np.integer[Any]]
    windows: NDArray[np.int64]
    smallest: NDArray[np.int64]
    largest: NDArray[np.int64]

    @classmethod
    def of(cls, editor: GenomeEditor, target: int) -> "Kernels":
        """Return the kernels into a node of a network with maps."""
        sources, taps = editor.split(editor.column(target)[0])
        first = first_taps(sources, np.broadcast_to(target, sources.shape))
        window = windows(
            editor.map_size(sources), np.full(len(sources), editor.map_size(target)), editor.kernel
        )
        rings = ring_of(taps, window)
        smallest, largest = (
            of.reduceat(rings, first) if len(first) else rings for of in (np.minimum, np.maximum)
        )
        return cls(sources[first], window[first], smallest, largest)


def ring_of(taps: NDArray[np.integer[Any]], window: Any) -> NDArray[np.int64]:
    """Return the ring of each tap, given the side of its window.

    Examples
    --------
    >>> ring_of(np.arange(9), 3).tolist(), ring_of(np.arange(4), 2).tolist()
    ([3, 3, 3, 3, 1, 3, 3, 3, 3], [2, 2, 2, 2])
    """
    rows, columns = np.divmod(taps, window)
    rings: NDArray[np.int64] = np.maximum(*(abs(2 * at - window + 1) for at in (rows, columns))) + 1
    return rings


Changeable = Callable[[Kernels, int], NDArray[np.bool_]]
"""Tells which of the kernels into a node may be changed."""


def _propose_kernels(
    changeable: Changeable, editor: GenomeEditor, context: ProposalContext
) -> Parameters | None:
    """Choose one kernel that may be changed or, half the time, all such kernels into the nodes of a level."""
    if editor.rows_per_node == 1:
        return None

    def sources_of(target: int) -> list[int]:
        kernels = Kernels.of(editor, target)
        return [int(source) for source in kernels.sources[changeable(kernels, target)]]

    def accept(node: int) -> bool:
        return len(sources_of(node)) > 0

    target = draw_node(editor, context.rng, target_roles(editor), accept)
    if target is None:
        return None
    if context.rng.integers(2):
        return {"sources": [int(context.rng.choice(sources_of(target)))], "targets": [target]}
    targets = level_around(editor, target, target_roles(editor), accept)
    edges = [(source, node) for node in targets for source in sources_of(node)]
    return {"sources": [source for source, _ in edges], "targets": [node for _, node in edges]}


def propose_kernel_growth(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
    """Choose kernels whose window has room for one more ring of taps; a tap of weight 0 must learn.

    For a level this looks at the whole network.
    """

    def may_grow(kernels: Kernels, target: int) -> NDArray[np.bool_]:
        fits = kernels.largest + 2 <= kernels.windows
        return np.logical_and(fits, zero_learns(editor, context, np.array([target])))

    parameters = _propose_kernels(may_grow, editor, context)
    if parameters is None:
        return None
    n_new = len(_rings(next_ring, editor, parameters)[0])
    room = int(context.settings.max_density * editor.n_places) - editor.n_stored
    return parameters if n_new <= room else None


def next_ring(editor: GenomeEditor, source: int, target: int) -> NDArray[np.intp]:
    """Return the taps of the ring around a kernel."""
    kernels, at = _kernel(editor, source, target)
    ring, window = int(kernels.largest[at]) + 2, int(kernels.windows[at])
    if ring > window:
        raise ValueError(
            f"kernels must have room in their window of {window}; got side {ring - 2} from {source} to {target}"
        )
    return np.flatnonzero(ring_of(np.arange(window**2), window) == ring)


def outer_ring(editor: GenomeEditor, source: int, target: int) -> NDArray[np.intp]:
    """Return the taps of a kernel's outer ring, stored or not; the kernel must have others."""
    kernels, at = _kernel(editor, source, target)
    ring, window = int(kernels.largest[at]), int(kernels.windows[at])
    if ring == kernels.smallest[at]:
        raise ValueError(
            f"kernels must have taps on two rings or more; got one ring from {source} to {target}"
        )
    return np.flatnonzero(ring_of(np.arange(window**2), window) == ring)


def _kernel(editor: GenomeEditor, source: int, target: int) -> tuple[Kernels, int]:
    """Return the kernels into a node, and which of them comes from a source."""
    kernels = Kernels.of(editor, target)
    found = np.flatnonzero(kernels.sources == source)
    if len(found) == 0:
        raise ValueError(
            f"sources and targets must be ends of kernels; got no kernel from {source} to {target}"
        )
    return kernels, int(found[0])


def _rings(
    taps_of: Callable[[GenomeEditor, int, int], NDArray[np.intp]],
    editor: GenomeEditor,
    parameters: Parameters,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and targets of a ring of each of the recorded kernels."""
    sources, targets = parameters["sources"], parameters["targets"]
    if len(sources) != len(targets):
        raise ValueError(f"targets must be {len(sources)}, one for each source; got {len(targets)}")
    edges = [*zip(sources, targets, strict=True)]
    if len(set(edges)) < len(edges):
        raise ValueError("sources and targets must name a kernel once; got one repeatedly")
    taps = [taps_of(editor, source, target) for source, target in edges]
    sizes = [len(ring) for ring in taps]
    rows = editor.join(np.repeat(sources, sizes), np.concatenate(taps))
    return rows, np.repeat(targets, sizes)


def apply_kernel_growth(editor: GenomeEditor, parameters: Parameters) -> None:
    """Add the next ring of taps to each kernel, with weight 0."""
    rows, targets = _rings(next_ring, editor, parameters)
    editor.assign(rows, targets, np.zeros(len(rows)))


def propose_kernel_crop(editor: GenomeEditor, context: ProposalContext) -> Parameters | None:
    """Choose kernels with stored taps on two rings or more.

    For a level this looks at the whole network.
    """
    return _propose_kernels(lambda kernels, _: kernels.smallest < kernels.largest, editor, context)


def apply_kernel_crop(editor: GenomeEditor, parameters: Parameters) -> None:
    """Drop the outer ring of each kernel."""
    editor.remove_entries(*_rings(outer_ring, editor, parameters))
