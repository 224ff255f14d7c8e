"""Pictures of networks: as a graph laid out by the order of evaluation, and as a matrix.

Both stay readable, and quick, from three nodes to thousands: of many edges the graph shows the strongest, and says so;
of many nodes the matrix shows blocks of places, and says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import sparse

from evo.genome import Genome, Role
from graphops import evaluation_layers

POSITIVE, NEGATIVE, NEUTRAL = "#1f6fb4", "#c8432b", "#555555"
DELAYED_POSITIVE, DELAYED_NEGATIVE = "#6a3d9a", "#d98a00"
ROLE_COLOURS = {Role.INPUT: "#8c8c8c", Role.HIDDEN: "#333333", Role.OUTPUT: "#3a923a"}
WEIGHTS = mpl.colors.LinearSegmentedColormap.from_list("weights", [NEGATIVE, "#ffffff", POSITIVE])

MOST_EDGES = 300
"""Edges that a picture of a graph shows unless told otherwise: the strongest."""
MOST_ROWS = 48
"""Nodes that stand above each other; a larger column is folded into a block."""
MOST_PLACES = 400
"""Rows and columns of a picture of a matrix; of larger matrices a point is the mean of a block."""

_BANDS = 12  # columns of hidden nodes at most; deeper networks have several layers to a column
_SWEEPS = 6
_GOLDEN = (5**0.5 - 1) / 2
_CURVE = np.linspace(0, 1, 20)


@dataclass(frozen=True)
class _Edges:
    """Effective edges of a genome, by ascending strength."""

    sources: NDArray[np.intp]
    targets: NDArray[np.intp]
    weights: NDArray[np.floating[Any]]
    delayed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.weights)

    def strongest(self, count: int) -> "_Edges":
        last = slice(max(0, len(self) - count), None)
        return _Edges(
            self.sources[last], self.targets[last], self.weights[last], self.delayed[last]
        )


def draw_networks(genomes: Mapping[str, Genome], *, most_edges: int = MOST_EDGES) -> Figure:
    """Draw networks side by side: signals run from left to right, delayed edges in arcs of their own colours.

    Inputs stand left and outputs right, each from top to bottom in the order of features and scores; in between are
    hidden nodes by evaluation layer, each near the nodes it is connected to. Only edges that act on an output are
    drawn, and only hidden nodes that have one.

    Parameters
    ----------
    genomes : mapping
        Genomes by title.
    most_edges : int
        Edges shown of each: the strongest, by magnitude; at least 1.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If `most_edges` is below 1.
    """
    if most_edges < 1:
        raise ValueError(f"most_edges must be at least 1; got {most_edges}")
    figure = Figure(figsize=(max(7.0, 6.5 * len(genomes)), 6.5), layout="constrained")
    any_delayed = False
    for axes, (title, genome) in zip(_panels(figure, len(genomes)), genomes.items(), strict=True):
        edges = _effective_edges(genome)
        shown = edges.strongest(most_edges)
        any_delayed = any_delayed or bool(shown.delayed.any())
        place, unused = _layout(genome, edges)
        _draw_edges(axes, shown, place, some_hidden=len(shown) < len(edges))
        _draw_nodes(axes, genome, place)
        axes.set_title(f"{title}: {_caption(len(edges), len(shown), unused)}", fontsize="medium")
        axes.set_axis_off()
    figure.legend(handles=_legend(any_delayed), loc="outside lower center", ncols=4, frameon=False)
    return figure


def _panels(figure: Figure, count: int) -> list[Any]:
    return list(figure.subplots(1, count, squeeze=False)[0])


def _caption(n_edges: int, n_shown: int, n_unused: int) -> str:
    remarks = []
    if n_shown < n_edges:
        remarks.append(f"the {n_shown:,} strongest are shown")
    if n_unused:
        remarks.append(f"{n_unused:,} idle hidden node{'s'[: n_unused > 1]} left out")
    return f"{n_edges:,} edges act on an output\n{'; '.join(remarks)}"


def _effective_edges(genome: Genome) -> _Edges:
    mask = genome.effective_mask()
    sources = genome.indices[mask].astype(np.intp)
    targets = np.repeat(np.arange(genome.n_nodes), np.diff(genome.indptr))[mask]
    weights = genome.values[mask]
    order = np.argsort(np.abs(weights), kind="stable")
    delayed = (sources >= targets) & (genome.roles[sources] != Role.INPUT)
    return _Edges(sources[order], targets[order], weights[order], delayed[order])


# -- where nodes stand -------------------------------------------------------------------------------------------------


def _layout(genome: Genome, edges: _Edges) -> tuple[NDArray[np.float64], int]:
    """Return a place (x, y) for each node, NaN for idle hidden ones, and how many of these there are."""
    n = genome.n_nodes
    used = np.zeros(n, dtype=np.bool_)
    used[edges.sources] = used[edges.targets] = True
    hidden = np.flatnonzero((genome.roles == Role.HIDDEN) & used)
    parts = (np.ones(len(edges)), (edges.sources, edges.targets))
    depth = evaluation_layers(sparse.csc_array(parts, shape=(n, n)), genome.inputs)

    bands = _bands(depth, hidden)
    place = np.full((n, 2), np.nan)
    _place_by_neighbours(place, genome, edges, bands)
    step = 0.03 * (len(bands) + 1)  # between the columns of a block
    x = -1.0
    for nodes in (genome.inputs, *bands, genome.outputs):
        levels, rank = np.unique(depth[nodes], return_inverse=True)
        n_columns = _n_columns(len(nodes))
        column = np.arange(len(nodes)) % n_columns  # those of one height differ in it
        place[nodes, 0] = x + 1 + step * column
        if len(levels) > 1 and genome.roles[nodes[0]] == Role.HIDDEN:
            between = max(0.6, step * n_columns) / (len(levels) - 1)
            place[nodes, 0] = x + 1 + between * (rank + column / n_columns)
        x = float(place[nodes, 0].max(initial=x))
    place[:, 0] /= max(x, 1.0)
    return place, int(np.count_nonzero(genome.roles == Role.HIDDEN)) - len(hidden)


def _n_columns(count: int) -> int:
    return max(1, -(-count // MOST_ROWS))


def _spread(count: int, shift: float = 0.0) -> NDArray[np.float64]:
    """Return heights from 1 down to 0 for nodes in rows as wide as the block is, all shifted by part of a row."""
    rows = np.arange(count) // _n_columns(count)
    n_rows = int(rows.max(initial=-1)) + 1
    heights: NDArray[np.float64] = 1 - (rows + 0.5 + shift) / max(n_rows, 1)
    return heights


def _bands(depth: NDArray[np.intp], hidden: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Part hidden nodes into columns by depth: a layer each, or of many layers runs of about as many nodes."""
    by_depth = hidden[np.argsort(depth[hidden], kind="stable")]
    levels, counts = np.unique(depth[hidden], return_counts=True)
    n_bands = min(len(levels), _BANDS, max(1, round(1.5 * len(hidden) ** 0.5)))
    if len(levels) > n_bands:
        middle = np.cumsum(counts) - counts / 2
        number = np.minimum((middle / len(hidden) * n_bands).astype(int), n_bands - 1)
    else:
        number = np.arange(len(levels))
    of_node = np.repeat(number, counts)
    return [by_depth[of_node == k] for k in range(n_bands) if (of_node == k).any()]


def _place_by_neighbours(
    place: NDArray[np.float64], genome: Genome, edges: _Edges, bands: list[NDArray[np.intp]]
) -> None:
    """Give all nodes heights, hidden ones near the weighted mean of their neighbours', and sort the bands accordingly.

    Rows of neighbouring bands are shifted against each other, so that an edge past a node does not run through it.
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
            bands[k] = band[np.argsort(-wish, kind="stable")]
            y[bands[k]] = _spread(len(band), 0.7 * (k * _GOLDEN % 1 - 0.5))
    for nodes in (genome.inputs, *bands, genome.outputs):
        place[nodes, 1] = y[nodes]


# -- what is drawn -----------------------------------------------------------------------------------------------------


def _draw_edges(axes: Any, edges: _Edges, place: NDArray[np.float64], *, some_hidden: bool) -> None:
    magnitude = np.abs(edges.weights).astype(np.float64)
    weakest = float(magnitude[0]) if some_hidden else 0.0
    span = float(magnitude.max(initial=weakest)) - weakest
    strength = (magnitude - weakest) / span if span else np.ones(len(edges))
    n_nodes = np.count_nonzero(np.isfinite(place[:, 0]))
    opacity = min(1.0, (120 / max(len(edges), 1)) ** 0.35)
    width = opacity * min(1.0, (150 / n_nodes) ** 0.25)
    for delayed, positive, negative in (
        (False, POSITIVE, NEGATIVE),
        (True, DELAYED_POSITIVE, DELAYED_NEGATIVE),
    ):
        chosen = edges.delayed == delayed
        start, end = place[edges.sources[chosen]], place[edges.targets[chosen]]
        colours = np.where(
            (edges.weights[chosen] > 0)[:, None],
            mpl.colors.to_rgba(positive),
            mpl.colors.to_rgba(negative),
        )
        colours[:, 3] = opacity * (0.35 + 0.6 * strength[chosen])
        axes.add_collection(
            LineCollection(
                list(_arcs(start, end) if delayed else _waves(start, end)),
                colors=colours,
                linewidths=0.45 + 2.0 * width * strength[chosen],
                capstyle="round",
            )
        )


def _bezier(*points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return cubic curves through four control points each, shape (n, points on a curve, 2)."""
    t = _CURVE[:, None]
    shares = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    curves = np.zeros((len(points[0]), len(t), 2))
    for share, point in zip(shares, points, strict=True):
        curves += share * point[:, None, :]
    return curves


def _waves(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return curves that leave and arrive level; between nodes above each other they bulge to the right."""
    along, rise = (end - start).T
    reach = np.column_stack([0.4 * along, np.zeros(len(start))])
    bulge = np.column_stack([np.where(np.abs(along) < 0.01, 0.1 * np.abs(rise), 0), reach[:, 1]])
    return _bezier(start, start + reach + bulge, end - reach + bulge, end)


def _arcs(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return arcs that leave and arrive from above; a loop stands over its node."""
    along = np.abs(end[:, 0] - start[:, 0])
    lift = np.column_stack([np.zeros(len(start)), 0.05 + 0.25 * along])
    aside = np.column_stack([np.where(along < 0.01, 0.015, 0), lift[:, 0]])
    return _bezier(start, start + lift + aside, end + lift - aside, end)


def _draw_nodes(axes: Any, genome: Genome, place: NDArray[np.float64]) -> None:
    n_shown = np.count_nonzero(np.isfinite(place[:, 0]))
    size = float(np.clip(4000 / n_shown, 6, 70))
    for role, colour in ROLE_COLOURS.items():
        x, y = place[(genome.roles == role) & np.isfinite(place[:, 0])].T
        axes.scatter(x, y, s=size, color=colour, edgecolors="white", linewidths=0.3, zorder=3)
    axes.margins(0.03)


def _legend(any_delayed: bool) -> list[Any]:
    line = mpl.lines.Line2D
    handles: list[Any] = [
        line([], [], marker="o", linestyle="", color=colour, label=role.name.lower())
        for role, colour in ROLE_COLOURS.items()
    ]
    handles += [
        line([], [], color=POSITIVE, label="positive weight"),
        line([], [], color=NEGATIVE, label="negative weight"),
    ]
    if any_delayed:
        handles += [
            line([], [], color=DELAYED_POSITIVE, label="positive, a tick later"),
            line([], [], color=DELAYED_NEGATIVE, label="negative, a tick later"),
        ]
    return [*handles, line([], [], linewidth=0, label="wider: larger weight")]


# -- the matrix --------------------------------------------------------------------------------------------------------


def draw_matrices(genomes: Mapping[str, Genome], *, most_places: int = MOST_PLACES) -> Figure:
    """Draw adjacency matrices side by side: row = speaker, column = listener, colour = weight.

    Only edges are drawn: entries that the threshold lets through. Coloured margins show the roles of rows and columns;
    edges on and below the diagonal lead back, to an earlier node or to the node itself.

    Parameters
    ----------
    genomes : mapping
        Genomes by title.
    most_places : int
        Rows and columns of the picture. Of a larger matrix each point is the mean over a square block of places,
        those without an edge counting as 0. At least 1.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If `most_places` is below 1.
    """
    if most_places < 1:
        raise ValueError(f"most_places must be at least 1; got {most_places}")
    figure = Figure(figsize=(max(7.0, 6.2 * len(genomes)), 6.4), layout="constrained")
    pictures = {title: _blocks(genome, most_places) for title, genome in genomes.items()}
    largest = max(_almost_largest(picture) for picture, _ in pictures.values())
    for axes, (title, genome) in zip(_panels(figure, len(genomes)), genomes.items(), strict=True):
        picture, side = pictures[title]
        n, drawn = genome.n_nodes, side * len(picture)
        # A power below 1 keeps small weights visible.
        image = axes.imshow(
            np.sign(picture) * np.abs(picture / largest) ** 0.5,
            cmap=WEIGHTS,
            vmin=-1,
            vmax=1,
            interpolation="nearest",
            extent=(0, drawn, drawn, 0),
        )
        axes.plot([0, n], [0, n], color=NEUTRAL, linewidth=0.5, alpha=0.6)
        _draw_roles(axes, genome)
        blocks = f"; a point is the mean of {side}×{side} places" if side > 1 else ""
        axes.set_title(
            f"{title}: {int(genome.live_mask().sum()):,} edges{blocks}", fontsize="medium"
        )
        axes.set(xlabel="listening node", ylabel="speaking node")
    bar = figure.colorbar(image, ax=figure.axes, shrink=0.8, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels([f"≤ {-largest:.2g}", "0", f"≥ {largest:.2g}"])
    bar.set_label("weight (square-root scale)")
    patch = mpl.patches.Patch
    handles: list[Any] = [
        patch(color=colour, label=role.name.lower()) for role, colour in ROLE_COLOURS.items()
    ]
    handles.append(
        mpl.lines.Line2D(
            [], [], color=NEUTRAL, linewidth=0.5, label="on and below: to itself or an earlier node"
        )
    )
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _blocks(genome: Genome, most_places: int) -> tuple[NDArray[np.float64], int]:
    """Return the mean weight of each block of places, and the side of a block."""
    n = genome.n_nodes
    side = -(-n // most_places)
    n_blocks = -(-n // side)
    live = genome.live_mask()
    targets = np.repeat(np.arange(n), np.diff(genome.indptr))[live]
    number = (genome.indices[live] // side).astype(np.intp) * n_blocks + targets // side
    total = np.bincount(number, genome.values[live], n_blocks**2).reshape(n_blocks, n_blocks)
    real = np.minimum(side, n - side * np.arange(n_blocks))  # places on a block's side
    return total / np.outer(real, real), side


def _almost_largest(picture: NDArray[np.float64]) -> float:
    """Return a magnitude that 1 % of the points exceed: a few large weights should not make all others pale."""
    magnitudes = np.abs(picture[picture != 0])
    return float(np.quantile(magnitudes, 0.99)) if magnitudes.size else 1.0


def _draw_roles(axes: Any, genome: Genome) -> None:
    """Mark the roles of rows and columns in strips along the left and upper margin."""
    n = genome.n_nodes
    colours = np.array([mpl.colors.to_rgb(ROLE_COLOURS[role]) for role in Role])[genome.roles]
    near, far = -0.012 * n, -0.04 * n
    axes.imshow(colours[:, None], extent=(far, near, n, 0), interpolation="nearest")
    axes.imshow(colours[None, :], extent=(0, n, near, far), interpolation="nearest")
    axes.set_xlim(far, n)
    axes.set_ylim(n, far)
    axes.spines[:].set_visible(False)
