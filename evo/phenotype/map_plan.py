"""Where maps and what is read of them lie in a block of rows, and which row each tap reads.

A part of :mod:`evo.phenotype.plan`.

Consecutive nodes of one side form a group: first come the rows of their maps, map after map, then those of their views,
kind after kind. So the maps that a layer of neurons hears, each by a kernel as wide as the map, lie one after another,
and this layer is the matrix product that it would be without maps.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.genome.feature_maps import MapTransform, map_transforms
from evo.genome.genome import Genome, Role
from evo.phenotype.arrays import read_only
from evo.phenotype.convolutions import Convolution, Taps, find_convolutions
from evo.phenotype.kernels.map_kernels import Maps
from evo.phenotype.kernels.view_kernels import VIEW_COLUMNS

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Places:
    """Where everything lies in a tick's block of rows.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_nodes,)
        The first row of each node, −1 where it has none.
    first_row, block : int
        Rows of inputs, which come first; of all.
    begin : ndarray of int64, shape (n_stored,)
        From the first row of the source of each entry to that of what the tap reads: the map itself or a view of it.
    offset : ndarray of int64, shape (n_stored,)
        From there to the row that the tap reads for the target's first pixel.
    pitch, margin : ndarray of int64, shape (n_stored,)
        Of what is read: from one line of the target to the next, so many rows further.
    views : ndarray of int64, shape (n_views, VIEW_COLUMNS)
        Those of inputs first, then those of each computed node, in order.
    view_indptr : ndarray of int64, shape (n_computed + 1,)
        Where the views of each computed node begin.
    mean : bool
        Whether maps are halved by means.
    """

    rows: Ints
    first_row: int
    block: int
    begin: Ints
    offset: Ints
    pitch: Ints
    margin: Ints
    views: Ints
    view_indptr: Ints
    mean: bool


def place_maps(genome: Genome, kept: NDArray[np.bool_], read: NDArray[np.bool_]) -> Places:
    """Place the nodes that are `kept`, and the views that entries of a mask `read`, shape (n_stored,)."""
    is_input = genome.roles == Role.INPUT
    map_sizes = genome.map_sizes.astype(np.int64)
    order = np.concatenate([np.flatnonzero(kept & is_input), np.flatnonzero(kept & ~is_input)])
    n_inputs = int((kept & is_input).sum())
    found, which = map_transforms(
        map_sizes[genome.indices], map_sizes[genome.targets], genome.kernel
    )
    kinds_of = _kinds_of(genome, which, read, found)

    rows = np.full(genome.n_nodes, -1, np.int64)
    view_rows: dict[tuple[int, MapTransform], int] = {}
    end, first_row = 0, 0
    for group in _groups(order, n_inputs, map_sizes):
        map_size = int(map_sizes[group[0]])
        rows[group] = end + np.arange(len(group)) * map_size**2
        end += len(group) * map_size**2
        for kind in sorted({kind for node in group for kind in kinds_of.get(node, ())}):
            for node in group:
                if kind in kinds_of.get(node, ()):
                    view_rows[node, kind] = end
                    end += kind.pitch**2
        if is_input[group[0]]:
            first_row = end

    views, counts = [], []
    views_of: dict[int, list[tuple[MapTransform, int]]] = {}
    for (node, kind), row in view_rows.items():
        views_of.setdefault(node, []).append((kind, row))
    for node in order.tolist():
        own = views_of.get(node, [])
        counts.append(len(own))
        for kind, row in own:
            views.append(
                [rows[node], map_sizes[node], row, kind.map_size, kind.margin, kind.downsamplings]
            )
    n_of_inputs = sum(counts[:n_inputs])
    begin, offset, pitch, margin = _reads(genome, found, which, rows, view_rows)
    return Places(
        rows=rows,
        first_row=first_row,
        block=end,
        begin=begin,
        offset=offset,
        pitch=pitch,
        margin=margin,
        views=np.array(views, np.int64).reshape(-1, VIEW_COLUMNS),
        view_indptr=np.cumsum([n_of_inputs, *counts[n_inputs:]], dtype=np.int64),
        mean=genome.downsampling == "mean",
    )


def stretches_of(
    targets: Ints, pitch: Ints, alone: NDArray[np.bool_], n_nodes: int
) -> tuple[Ints, Ints]:
    """Cut edges into stretches of one target and pitch.

    Parameters
    ----------
    targets, pitch : ndarray of int64, shape (n_edges,)
        The computed node of each edge; rows from one line that it reads to the next.
    alone : ndarray of bool, shape (n_edges,)
        Which edges shall be in a stretch.
    n_nodes : int

    Returns
    -------
    indptr : ndarray, shape (n_nodes + 1,)
        Where the stretches of each node begin.
    stretches : ndarray, shape (n_stretches, 3)
        First edge, last (exclusively), pitch.
    """
    edges = np.flatnonzero(alone)
    before, here = edges[:-1], edges[1:]
    begins = np.ones(len(edges), np.bool_)
    begins[1:] = targets[here] != targets[before]
    begins[1:] |= (pitch[here] != pitch[before]) | (here != before + 1)
    ends = np.ones(len(edges), np.bool_)
    ends[:-1] = begins[1:]
    first, last = edges[begins], edges[ends] + 1
    counts = np.bincount(targets[first], minlength=n_nodes)
    return np.cumsum([0, *counts], dtype=np.int64), np.stack([first, last, pitch[first]], axis=1)


def _kinds_of(
    genome: Genome, which: NDArray[np.intp], read: NDArray[np.bool_], found: list[MapTransform]
) -> dict[int, set[MapTransform]]:
    """Return which views each node needs: none where the map is read as it is."""
    kinds: dict[int, set[MapTransform]] = {}
    occurs = np.zeros((genome.n_nodes, len(found)), np.bool_)
    occurs[genome.indices[read], which[read]] = True
    for node, way in np.argwhere(occurs).tolist():
        kind = _kind(found[way])
        if (kind.downsamplings, kind.map_size, kind.margin) != (0, int(genome.map_sizes[node]), 0):
            kinds.setdefault(node, set()).add(kind)
    return kinds


def _kind(way: MapTransform) -> MapTransform:
    """Return a passage without its window: what tells one view from another."""
    return way._replace(window=0)


def _groups(order: NDArray[np.intp], n_inputs: int, map_sizes: Ints) -> list[list[int]]:
    """Cut nodes into groups of one side; inputs and computed nodes are not in one group."""
    if not len(order):
        return []
    cuts = np.flatnonzero(np.diff(map_sizes[order])) + 1
    return [
        group.tolist()
        for group in np.split(order, np.union1d(cuts, [n_inputs]).astype(np.intp))
        if len(group)
    ]


def _reads(
    genome: Genome,
    found: list[MapTransform],
    which: NDArray[np.intp],
    rows: Ints,
    view_rows: dict[tuple[int, MapTransform], int],
) -> tuple[Ints, Ints, Ints, Ints]:
    """Return `begin`, `offset`, `pitch` and `margin` of :class:`Places`."""
    assert genome.taps is not None
    begin, offset, pitch, margin = np.zeros((4, genome.n_stored), np.int64)
    taps = genome.taps.astype(np.int64)
    for number, way in enumerate(found):
        chosen = np.flatnonzero(which == number)
        begins = np.zeros(genome.n_nodes, np.int64)
        for (node, kind), row in view_rows.items():
            if kind == _kind(way):
                begins[node] = row - rows[node]
        line, column = np.divmod(taps[chosen], way.window)
        begin[chosen] = begins[genome.indices[chosen]]
        offset[chosen] = line * way.pitch + column
        pitch[chosen], margin[chosen] = way.pitch, way.margin
    return begin, offset, pitch, margin


def lay_out_maps(
    places: Places,
    positions: Ints,
    map_sizes: Ints,
    indptr: NDArray[np.integer[Any]],
    entries: Ints,
    sources: NDArray[np.int32],
) -> tuple[NDArray[np.int32], Maps, tuple[Convolution, ...]]:
    """Return the row that each edge reads for its target's first pixel, and what there is to know of maps.

    Parameters
    ----------
    places : Places
    positions, map_sizes : ndarray of int64, shape (n_computed,)
    indptr : ndarray, shape (n_computed + 1,)
    entries : ndarray of int64, shape (n_edges,)
        Which stored entry each edge is.
    sources : ndarray of int32, shape (n_edges,)
        First rows of their sources; those of the tick before are less by a block, and negative.
    """
    rows = places.rows[positions]
    taps = Taps(
        targets=np.repeat(np.arange(len(positions)), np.diff(indptr)),
        row=sources + places.begin[entries],
        pitch=places.pitch[entries],
        margin=places.margin[entries],
        offset=places.offset[entries],
    )
    convolutions, held = find_convolutions(taps, indptr, rows, map_sizes, places.first_row)
    alone = (map_sizes[taps.targets] > 1) & ~held
    stretch_indptr, stretches = stretches_of(taps.targets, taps.pitch, alone, len(positions))
    convolved = np.zeros(len(positions), np.bool_)
    for one in convolutions:
        convolved[one.first : one.last] = True
    maps = Maps(
        rows=read_only(rows),
        map_sizes=read_only(map_sizes),
        stretch_indptr=read_only(stretch_indptr),
        stretches=read_only(stretches),
        view_indptr=read_only(places.view_indptr),
        views=read_only(places.views),
        mean=places.mean,
        convolved=read_only(convolved),
    )
    return (taps.row + taps.offset).astype(np.int32), maps, convolutions
