"""The places of nodes in the picture of a network: columns by depth, signals run from left to right."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evo.genome.genome import Genome, Role
from experiments.figures.edges import Edges

MOST_ROWS = 48
"""Largest number of nodes in one column; a larger column is folded into a block."""

_BANDS = 12  # columns of hidden nodes at most; deeper networks have several layers to a column
_SWEEPS = 6
_GOLDEN = (5**0.5 - 1) / 2

_HEIGHT, _WIDTH = 360.0, 440.0  # of a picture of maps, in points; a wide one is wider
_TILE, _DOT = 40.0, 6.0  # side of the largest map, place of a neuron
_AIR, _FREE = 1.25, 40.0  # pitch over size in a column, and largest addition to the pitch
_LABEL = 24.0  # height of the label above a group


@dataclass(frozen=True)
class Layout:
    """The places of nodes.

    Attributes
    ----------
    place : ndarray, shape (n, 2)
        Coordinates from 0 to 1; NaN for hidden nodes without effective edges.
    n_unused : int
        Number of hidden nodes without effective edges.
    tiles : ndarray, shape (n,)
        Width of the tile of each node; 0 for neurons.
    aspect : float or None
        Height over width of the picture if tiles must be square.
    labels : list of (float, float, str)
        Labels above groups of maps.
    """

    place: NDArray[np.float64]
    n_unused: int
    tiles: NDArray[np.float64]
    aspect: float | None
    labels: list[tuple[float, float, str]]

    @property
    def relative_width(self) -> float:
        """Width of the picture over the usual width."""
        return 1.0 if self.aspect is None else max(1.0, _HEIGHT / _WIDTH / self.aspect)


def lay_out(genome: Genome, edges: Edges) -> Layout:
    """Return the places of all nodes with effective edges."""
    n = genome.n_nodes
    used = np.zeros(n, dtype=np.bool_)
    used[edges.sources] = used[edges.targets] = True
    hidden = np.flatnonzero((genome.roles == Role.HIDDEN) & used)
    depth = edges.depth
    bands = bands_of(depth, hidden)
    place = np.full((n, 2), np.nan)
    _place_by_neighbours(place, genome, edges, bands)
    n_unused = int(np.count_nonzero(genome.roles == Role.HIDDEN)) - len(hidden)
    columns = [genome.inputs, *bands, genome.outputs]
    if genome.has_maps:
        return _with_tiles(place, genome, columns, n_unused)
    step = 0.03 * (len(bands) + 1)  # between the columns of a block
    x = -1.0
    for nodes in columns:
        levels, rank = np.unique(depth[nodes], return_inverse=True)
        n_columns = _n_columns(len(nodes))
        column = np.arange(len(nodes)) % n_columns  # nodes at one height are in different columns
        place[nodes, 0] = x + 1 + step * column
        if len(levels) > 1 and genome.roles[nodes[0]] == Role.HIDDEN:
            between = max(0.6, step * n_columns) / (len(levels) - 1)
            place[nodes, 0] = x + 1 + between * (rank + column / n_columns)
        x = float(place[nodes, 0].max(initial=x))
    place[:, 0] /= max(x, 1.0)
    return Layout(place, n_unused, np.zeros(n), None, [])


def _n_columns(count: int) -> int:
    return max(1, -(-count // MOST_ROWS))


def _spread(count: int, shift: float = 0.0) -> NDArray[np.float64]:
    """Return heights from 1 down to 0 for nodes in the rows of a block, shifted by a fraction of a row."""
    rows = np.arange(count) // _n_columns(count)
    n_rows = int(rows.max(initial=-1)) + 1
    heights: NDArray[np.float64] = 1 - (rows + 0.5 + shift) / max(n_rows, 1)
    return heights


def bands_of(
    depth: NDArray[np.intp], hidden: NDArray[np.intp], most: int = _BANDS
) -> list[NDArray[np.intp]]:
    """Divide hidden nodes into columns by depth: one per layer, or several layers with about as many nodes each."""
    by_depth = hidden[np.argsort(depth[hidden], kind="stable")]
    levels, counts = np.unique(depth[hidden], return_counts=True)
    n_bands = min(len(levels), most, max(1, round(1.5 * len(hidden) ** 0.5)))
    if len(levels) > n_bands:
        middle = np.cumsum(counts) - counts / 2
        number = np.minimum((middle / len(hidden) * n_bands).astype(int), n_bands - 1)
    else:
        number = np.arange(len(levels))
    of_node = np.repeat(number, counts)
    return [by_depth[of_node == k] for k in range(n_bands) if (of_node == k).any()]


def _place_by_neighbours(
    place: NDArray[np.float64], genome: Genome, edges: Edges, bands: list[NDArray[np.intp]]
) -> None:
    """Set the heights of nodes, hidden ones near the weighted mean of their neighbours, and sort the bands by height.

    Rows of neighbouring bands are shifted, so that an edge does not run through a node that it does not end in.
    """
    n = genome.n_nodes
    y = np.full(n, 0.5)
    for nodes in (genome.inputs, genome.outputs):
        y[nodes] = _spread(len(nodes))
    strength = np.abs(edges.weights).astype(np.float64)
    total = np.bincount(edges.targets, strength, n) + np.bincount(edges.sources, strength, n)
    for _ in range(_SWEEPS):
        for k, band in enumerate(bands):
            pull = np.bincount(edges.targets, strength * y[edges.sources], n)
            pull += np.bincount(edges.sources, strength * y[edges.targets], n)
            wish = pull[band] / np.maximum(total[band], np.finfo(float).tiny)
            bands[k] = band[np.lexsort((-wish, -genome.map_sizes[band]))]
            y[bands[k]] = _spread(len(band), 0.7 * (k * _GOLDEN % 1 - 0.5))
    for nodes in (genome.inputs, *bands, genome.outputs):
        place[nodes, 1] = y[nodes]


# -- tiles -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Group:
    """Nodes of one map size in one column of a picture, in the order of their heights; lengths in points."""

    nodes: NDArray[np.intp]
    map_size: int
    size: float
    n_columns: int
    pitch: float

    @property
    def width(self) -> float:
        return self.n_columns * self.size * _AIR

    @property
    def height(self) -> float:
        label = 0.0 if self.map_size == 1 else _LABEL
        return label + -(-len(self.nodes) // self.n_columns) * self.pitch


def _with_tiles(
    place: NDArray[np.float64],
    genome: Genome,
    columns: list[NDArray[np.intp]],
    n_unused: int,
) -> Layout:
    """Place maps as tiles above each other; in each column, maps of one size are together and have a label."""
    scale, groups = 1.0, _groups(genome, columns, 1.0)
    n_gaps = max(len(groups) - 1, 1)
    between = max(36.0, 320 / n_gaps)
    while scale > 0.2 and _width(groups) + between * n_gaps > 1.6 * _WIDTH:
        scale *= 0.9
        groups = _groups(genome, columns, scale)
    between = max(between, (_WIDTH - _width(groups)) / n_gaps)
    width = _width(groups) + between * n_gaps
    tiles, labels, x = np.zeros(genome.n_nodes), [], 0.0
    for column in groups:
        column_width = max((group.width for group in column), default=0.0)
        free = _HEIGHT - sum(group.height for group in column)
        y = free / 2
        for group in column:
            middle = x + column_width / 2
            top = y + group.height - -(-len(group.nodes) // group.n_columns) * group.pitch
            if group.map_size > 1:
                above = top + (group.pitch - group.size) / 2 - 4
                text = f"{len(group.nodes)} map{'s'[: len(group.nodes) > 1]}\n{group.map_size}×{group.map_size}"
                labels.append((middle / width, 1 - above / _HEIGHT, text))
                tiles[group.nodes] = group.size / width
            row, number = np.divmod(np.arange(len(group.nodes)), group.n_columns)
            in_row = np.minimum(group.n_columns, len(group.nodes) - row * group.n_columns)
            shift = (number - (in_row - 1) / 2) * group.size * _AIR
            place[group.nodes, 0] = (middle + shift) / width
            place[group.nodes, 1] = 1 - (top + (row + 0.5) * group.pitch) / _HEIGHT
            y += group.height
        x += column_width + between
    return Layout(place, n_unused, tiles, _HEIGHT / width, labels)


def _width(groups: list[list[_Group]]) -> float:
    return sum(max((group.width for group in column), default=0.0) for column in groups)


def _groups(genome: Genome, columns: list[NDArray[np.intp]], scale: float) -> list[list[_Group]]:
    """Divide each column into groups of one map size, the largest first, and fold groups that are too high."""
    largest = float(genome.map_sizes.max())
    parted = []
    for nodes in columns:
        map_sizes = genome.map_sizes[nodes]
        of_size = {
            int(map_size): nodes[map_sizes == map_size] for map_size in np.unique(map_sizes)[::-1]
        }
        sizes = {
            map_size: _DOT
            if map_size == 1
            else max(_DOT, scale * _TILE * (map_size / largest) ** 0.75)
            for map_size in of_size
        }
        labels = _LABEL * sum(map_size > 1 for map_size in of_size)
        # Heights are proportional to area; a group that is too high for its share gets several columns.
        area = {map_size: len(own) * sizes[map_size] ** 2 for map_size, own in of_size.items()}
        column = []
        for map_size, own in of_size.items():
            high = max(
                _AIR * sizes[map_size], (_HEIGHT - labels) * area[map_size] / sum(area.values())
            )
            n_rows = min(len(own), int(high / (_AIR * sizes[map_size])))
            n_columns = -(-len(own) // n_rows)
            n_rows = -(-len(own) // n_columns)
            pitch = min(high / n_rows, _AIR * sizes[map_size] + _FREE)
            column.append(_Group(own, map_size, sizes[map_size], n_columns, pitch))
        parted.append(column)
    return parted
