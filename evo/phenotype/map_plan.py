"""The rows of maps and views, and the row that each tap reads: the part of :mod:`evo.phenotype.plan` for maps.

Consecutive nodes of one map size form a group. The rows of a group are those of its maps, map after map, then those of
its views, one map transform after another. So maps that all neurons of a layer read, each by a kernel as wide as the
map, lie in consecutive rows, and the layer is computed as one matrix product.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.genome.feature_maps import MapTransform, map_transforms
from evo.genome.genome import Genome, Role, read_only
from evo.phenotype.convolutions import Convolution, Taps, find_convolutions
from evo.phenotype.kernels.map_kernels import Maps
from evo.phenotype.kernels.view_kernels import VIEW_COLUMNS

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RowLayout:
    """The rows of maps and views within a tick.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_nodes,)
        First row of each node of the genome, −1 where the node is not computed.
    n_input_rows, rows_per_tick : int
        Rows of inputs, which come first; rows of a tick.
    view_offset : ndarray of int64, shape (n_stored,)
        Rows from the source's map to the map or view that each stored entry reads.
    tap_offset : ndarray of int64, shape (n_stored,)
        Rows from there to the row that the entry reads for the target's first pixel.
    padded_size, margin : ndarray of int64, shape (n_stored,)
        Size of the map or view that each entry reads, with its margin; width of the margin.
    views : ndarray of int64, shape (n_views, VIEW_COLUMNS)
        See :mod:`evo.phenotype.kernels.view_kernels`; the views of inputs come first.
    view_indptr : ndarray of int64, shape (n_computed + 1,)
        The views of computed node p are ``view_indptr[p]`` to ``view_indptr[p + 1]`` (exclusive).
    mean : bool
        Whether downsampling takes means.
    """

    rows: Ints
    n_input_rows: int
    rows_per_tick: int
    view_offset: Ints
    tap_offset: Ints
    padded_size: Ints
    margin: Ints
    views: Ints
    view_indptr: Ints
    mean: bool


def lay_out_rows(genome: Genome, kept: NDArray[np.bool_], read: NDArray[np.bool_]) -> RowLayout:
    """Lay out the nodes of mask `kept`, and the views read by the entries of mask `read`, shape (n_stored,)."""
    is_input = genome.roles == Role.INPUT
    map_sizes = genome.map_sizes.astype(np.int64)
    order = np.concatenate([np.flatnonzero(kept & is_input), np.flatnonzero(kept & ~is_input)])
    n_inputs = int((kept & is_input).sum())
    transforms, which = map_transforms(
        map_sizes[genome.indices], map_sizes[genome.targets], genome.kernel
    )
    views_needed = _views_needed(genome, which, read, transforms)

    rows = np.full(genome.n_nodes, -1, np.int64)
    view_rows: dict[tuple[int, MapTransform], int] = {}
    end, n_input_rows = 0, 0
    for group in _groups(order, n_inputs, map_sizes):
        map_size = int(map_sizes[group[0]])
        rows[group] = end + np.arange(len(group)) * map_size**2
        end += len(group) * map_size**2
        for view in sorted({view for node in group for view in views_needed.get(node, ())}):
            for node in group:
                if view in views_needed.get(node, ()):
                    view_rows[node, view] = end
                    end += view.pitch**2
        if is_input[group[0]]:
            n_input_rows = end

    view_table, counts = [], []
    views_of: dict[int, list[tuple[MapTransform, int]]] = {}
    for (node, view), row in view_rows.items():
        views_of.setdefault(node, []).append((view, row))
    for node in order.tolist():
        own_views = views_of.get(node, [])
        counts.append(len(own_views))
        for view, row in own_views:
            view_table.append(
                [rows[node], map_sizes[node], row, view.map_size, view.margin, view.downsamplings]
            )
    n_of_inputs = sum(counts[:n_inputs])
    reads = _reads_of_entries(genome, transforms, which, rows, view_rows)
    view_offset, tap_offset, padded_size, margin = reads
    return RowLayout(
        rows=rows,
        n_input_rows=n_input_rows,
        rows_per_tick=end,
        view_offset=view_offset,
        tap_offset=tap_offset,
        padded_size=padded_size,
        margin=margin,
        views=np.array(view_table, np.int64).reshape(-1, VIEW_COLUMNS),
        view_indptr=np.cumsum([n_of_inputs, *counts[n_inputs:]], dtype=np.int64),
        mean=genome.downsampling == "mean",
    )


def edge_ranges_of(
    targets: Ints, padded_size: Ints, by_taps: NDArray[np.bool_], n_nodes: int
) -> tuple[Ints, Ints]:
    """Find edge ranges: consecutive edges of one target that read maps or views of one padded size.

    Parameters
    ----------
    targets, padded_size : ndarray of int64, shape (n_edges,)
        Computed node of each edge; padded size of the map or view that it reads.
    by_taps : ndarray of bool, shape (n_edges,)
        Mask of the edges to put into ranges.
    n_nodes : int
        Number of computed nodes.

    Returns
    -------
    indptr : ndarray, shape (n_nodes + 1,)
        The ranges of each computed node.
    edge_ranges : ndarray, shape (n_ranges, 3)
        First edge, last edge (exclusive), padded size.
    """
    edges = np.flatnonzero(by_taps)
    previous, present = edges[:-1], edges[1:]
    starts = np.ones(len(edges), np.bool_)
    starts[1:] = targets[present] != targets[previous]
    starts[1:] |= (padded_size[present] != padded_size[previous]) | (present != previous + 1)
    ends = np.ones(len(edges), np.bool_)
    ends[:-1] = starts[1:]
    first, last = edges[starts], edges[ends] + 1
    counts = np.bincount(targets[first], minlength=n_nodes)
    edge_ranges = np.stack([first, last, padded_size[first]], axis=1)
    return np.cumsum([0, *counts], dtype=np.int64), edge_ranges


def _views_needed(
    genome: Genome, which: NDArray[np.intp], read: NDArray[np.bool_], transforms: list[MapTransform]
) -> dict[int, set[MapTransform]]:
    """Return the views that each node needs: map transforms other than the identity."""
    views: dict[int, set[MapTransform]] = {}
    needed = np.zeros((genome.n_nodes, len(transforms)), np.bool_)
    needed[genome.indices[read], which[read]] = True
    for node, k in np.argwhere(needed).tolist():
        view = _without_window(transforms[k])
        if (view.downsamplings, view.map_size, view.margin) != (0, int(genome.map_sizes[node]), 0):
            views.setdefault(node, set()).add(view)
    return views


def _without_window(transform: MapTransform) -> MapTransform:
    """Return a map transform without its window; two edges with the same one read the same view."""
    return transform._replace(window=0)


def _groups(order: NDArray[np.intp], n_inputs: int, map_sizes: Ints) -> list[list[int]]:
    """Cut nodes into groups of one map size; a group holds either inputs or computed nodes."""
    if not len(order):
        return []
    cuts = np.flatnonzero(np.diff(map_sizes[order])) + 1
    return [
        group.tolist()
        for group in np.split(order, np.union1d(cuts, [n_inputs]).astype(np.intp))
        if len(group)
    ]


def _reads_of_entries(
    genome: Genome,
    transforms: list[MapTransform],
    which: NDArray[np.intp],
    rows: Ints,
    view_rows: dict[tuple[int, MapTransform], int],
) -> tuple[Ints, Ints, Ints, Ints]:
    """Return `view_offset`, `tap_offset`, `padded_size` and `margin` of :class:`RowLayout`."""
    assert genome.taps is not None
    view_offset, tap_offset, padded_size, margin = np.zeros((4, genome.n_stored), np.int64)
    taps = genome.taps.astype(np.int64)
    for k, transform in enumerate(transforms):
        chosen = np.flatnonzero(which == k)
        offsets = np.zeros(genome.n_nodes, np.int64)
        for (node, view), row in view_rows.items():
            if view == _without_window(transform):
                offsets[node] = row - rows[node]
        line, column = np.divmod(taps[chosen], transform.window)
        view_offset[chosen] = offsets[genome.indices[chosen]]
        tap_offset[chosen] = line * transform.pitch + column
        padded_size[chosen], margin[chosen] = transform.pitch, transform.margin
    return view_offset, tap_offset, padded_size, margin


def lay_out_maps(
    row_layout: RowLayout,
    nodes: Ints,
    map_sizes: Ints,
    indptr: NDArray[np.integer[Any]],
    entries: Ints,
    sources: NDArray[np.int32],
) -> tuple[NDArray[np.int32], Maps, tuple[Convolution, ...]]:
    """Return the source row of each edge (for the target's first pixel), the maps, and the convolutions.

    Parameters
    ----------
    row_layout : RowLayout
        The rows of maps and views.
    nodes, map_sizes : ndarray of int64, shape (n_computed,)
        Node index and map size of each computed node.
    indptr : ndarray of int, shape (n_computed + 1,)
        The in-edges of each computed node.
    entries : ndarray of int64, shape (n_edges,)
        Stored entry of each edge.
    sources : ndarray of int32, shape (n_edges,)
        First row of the source of each edge; negative for a delayed edge.
    """
    rows = row_layout.rows[nodes]
    taps = Taps(
        targets=np.repeat(np.arange(len(nodes)), np.diff(indptr)),
        row=sources + row_layout.view_offset[entries],
        padded_size=row_layout.padded_size[entries],
        margin=row_layout.margin[entries],
        offset=row_layout.tap_offset[entries],
    )
    convolutions, covered = find_convolutions(
        taps, indptr, rows, map_sizes, row_layout.n_input_rows
    )
    by_taps = (map_sizes[taps.targets] > 1) & ~covered
    edge_range_indptr, edge_ranges = edge_ranges_of(
        taps.targets, taps.padded_size, by_taps, len(nodes)
    )
    convolved = np.zeros(len(nodes), np.bool_)
    for convolution in convolutions:
        convolved[convolution.first : convolution.last] = True
    maps = Maps(
        rows=read_only(rows),
        map_sizes=read_only(map_sizes),
        edge_range_indptr=read_only(edge_range_indptr),
        edge_ranges=read_only(edge_ranges),
        view_indptr=read_only(row_layout.view_indptr),
        views=read_only(row_layout.views),
        mean=row_layout.mean,
        convolved=read_only(convolved),
    )
    return (taps.row + taps.offset).astype(np.int32), maps, convolutions
