"""Pictures of networks: as a graph in the order of evaluation, and as a matrix.

Both are readable from three nodes to thousands. With many edges the graph shows the strongest; with many nodes the
matrix shows blocks of places. The captions say so.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.patheffects
import numpy as np
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from evo.genome.genome import Genome, Role
from experiments.figures.edges import Edges, effective_edges
from experiments.figures.layout import Layout, lay_out
from experiments.figures.matrices import node_names
from experiments.figures.style.colours import (
    DELAYED_MIXED,
    DELAYED_NEGATIVE,
    DELAYED_POSITIVE,
    MIXED,
    NEGATIVE,
    NEUTRAL,
    POSITIVE,
    ROLE_COLOURS,
    colours_of,
)
from experiments.figures.style.labels import longest_in
from experiments.figures.style.sizes import WIDTHS, is_wide, new_figure, points_of, wrapped

MOST_EDGES = 300
"""Default number of edges in the picture of a graph: the strongest."""

USUAL_SIDE = 6.5
"""Side in inches of a network that is drawn with the largest dots and widest lines."""

_CURVE = np.linspace(0, 1, 20)


def draw_networks(
    genomes: Mapping[str, Genome],
    *,
    most_edges: int = MOST_EDGES,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    width: float = WIDTHS["page"],
    about: str = "",
) -> Figure:
    """Draw networks side by side: signals run from left to right, delayed edges are arcs with colours of their own.

    Inputs are on the left and outputs on the right, from top to bottom in the order of features and scores. Between
    them are hidden nodes by evaluation layer, each near its neighbours. Only effective edges are drawn, and only hidden
    nodes that have one.

    Maps are tiles; in each column, maps of one size are together. A kernel is one edge. Its width follows the sum of
    the magnitudes of its taps, its colour the sum of its taps: grey if they cancel out.

    Parameters
    ----------
    genomes : mapping
        Genomes by title.
    most_edges : int
        Largest number of edges shown of each network, at least 1: the strongest by magnitude. Between maps they are the
        strongest for each pair of map sizes, because a kernel of many taps is not stronger than a weight.
    inputs, outputs : sequence of str
        Names of inputs and outputs, written beside their nodes; see :func:`experiments.figures.matrices.node_names`.
    width : float
        Inches. In a column of a journal, networks stand one below the other.
    about : str
        Title of the whole picture.

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
    edges = [effective_edges(genome) for genome in genomes.values()]
    layouts = [lay_out(*pair) for pair in zip(genomes.values(), edges, strict=True)]
    ratios = [layout.relative_width for layout in layouts]
    n_rows = 1 if is_wide(width) else len(genomes)
    n_columns = len(genomes) // n_rows
    side = width / (sum(ratios) if n_rows == 1 else max(ratios))
    figure = new_figure(width, n_rows * (side + 0.3) + 0.5, about)
    panels = figure.subplots(
        n_rows, n_columns, squeeze=False, width_ratios=ratios if n_rows == 1 else None
    ).ravel()
    scale = min(1.0, side / USUAL_SIDE)
    any_delayed = False
    for axes, (title, genome), own, layout in zip(
        panels, genomes.items(), edges, layouts, strict=True
    ):
        shown = own.strongest(most_edges)
        any_delayed = any_delayed or bool(shown.delayed.any())
        _draw_edges(axes, shown, layout.place, scale, some_hidden=len(shown) < len(own))
        _draw_nodes(axes, genome, layout, scale)
        _write_names(
            axes, genome, layout, node_names(genome, inputs, outputs, longest_in(side)), side
        )
        axes.set_title(
            wrapped(f"{title}: {_caption(own, len(shown), layout)}", 0.95 * width / n_columns)
        )
        axes.set_axis_off()
    any_maps = any(genome.has_maps for genome in genomes.values())
    figure.legend(
        handles=_legend(any_delayed, any_maps),
        loc="outside lower center",
        ncols=4 if is_wide(width) else 2,
    )
    return figure


def _caption(edges: Edges, n_shown: int, layout: Layout) -> str:
    remarks, n_unused = [], layout.n_unused
    several_kinds = edges.kinds.max(initial=0) > 0
    if n_shown < len(edges):
        remarks.append(
            f"{n_shown:,} are shown, of each kind the strongest"
            if several_kinds
            else f"the {n_shown:,} strongest are shown"
        )
    if n_unused:
        remarks.append(f"{n_unused:,} idle hidden node{'s'[: n_unused > 1]} left out")
    taps = "" if edges.n_taps == len(edges) else f" of {edges.n_taps:,} taps"
    return f"{len(edges):,} edges{taps} act on an output\n{'; '.join(remarks or ['all are shown'])}"


# -- edges and nodes ---------------------------------------------------------------------------------------------------


def _draw_edges(
    axes: Any, edges: Edges, place: NDArray[np.float64], scale: float, *, some_hidden: bool
) -> None:
    strength = edges.strengths(some_hidden=some_hidden)
    n_nodes = np.count_nonzero(np.isfinite(place[:, 0]))
    opacity = min(1.0, (120 / max(len(edges), 1)) ** 0.35)
    width = opacity * min(1.0, (150 / n_nodes) ** 0.25)
    for delayed, positive, negative, mixed in (
        (False, POSITIVE, NEGATIVE, MIXED),
        (True, DELAYED_POSITIVE, DELAYED_NEGATIVE, DELAYED_MIXED),
    ):
        chosen = edges.delayed == delayed
        start, end = place[edges.sources[chosen]], place[edges.targets[chosen]]
        colours = colours_of(
            edges.balance[chosen], positive=positive, negative=negative, mixed=mixed
        )
        colours[:, 3] = opacity * (0.35 + 0.6 * strength[chosen])
        axes.add_collection(
            LineCollection(
                list(arcs(start, end) if delayed else waves(start, end)),
                colors=colours,
                linewidths=scale**0.5 * (0.45 + 2.0 * width * strength[chosen]),
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


def waves(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return curves that leave and arrive level; between nodes above each other they bulge to the right."""
    along, rise = (end - start).T
    reach = np.column_stack([0.4 * along, np.zeros(len(start))])
    bulge = np.column_stack([np.where(np.abs(along) < 0.01, 0.1 * np.abs(rise), 0), reach[:, 1]])
    return _bezier(start, start + reach + bulge, end - reach + bulge, end)


def arcs(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return arcs that leave and arrive from above; a loop stands over its node."""
    along = np.abs(end[:, 0] - start[:, 0])
    lift = np.column_stack([np.zeros(len(start)), 0.05 + 0.25 * along])
    aside = np.column_stack([np.where(along < 0.01, 0.015, 0), lift[:, 0]])
    return _bezier(start, start + lift + aside, end + lift - aside, end)


def _draw_nodes(axes: Any, genome: Genome, layout: Layout, scale: float) -> None:
    place = layout.place
    n_shown = np.count_nonzero(np.isfinite(place[:, 0]))
    size = float(np.clip(4000 / n_shown, 6, 70)) * scale
    for role, colour in ROLE_COLOURS.items():
        of_role = (genome.roles == role) & np.isfinite(place[:, 0])
        x, y = place[of_role & (layout.tiles == 0)].T
        axes.scatter(x, y, s=size, color=colour, edgecolors="white", linewidths=0.3, zorder=3)
        if layout.aspect is not None:
            _draw_tiles(axes, np.flatnonzero(of_role & (layout.tiles > 0)), layout, colour)
    axes.margins(0.03)
    if layout.aspect is not None:
        axes.update_datalim([(0, 0), (1, 1)])
        axes.set_aspect(layout.aspect, adjustable="datalim")
    halo = [mpl.patheffects.withStroke(linewidth=2.5, foreground="white")]
    for x, y, text in layout.labels:
        label = axes.text(x, y, text, ha="center", va="bottom", color=NEUTRAL, zorder=4)
        label.set(linespacing=1.1, path_effects=halo)


def _write_names(
    axes: Any, genome: Genome, layout: Layout, names: dict[int, str], side: float
) -> None:
    """Write names on the outer side of inputs and outputs, and make room for them."""
    inputs = [name for node, name in names.items() if genome.roles[node] == Role.INPUT]
    outputs = [name for node, name in names.items() if genome.roles[node] == Role.OUTPUT]
    left, right = (
        max((points_of(name) + 10 for name in some), default=0) / (side * 72)
        for some in (inputs, outputs)
    )
    free = 1 - left - right
    axes.set_xlim(-0.03 - left / free, 1.03 + right / free)
    for node, name in names.items():
        left = genome.roles[node] == Role.INPUT
        axes.annotate(
            name,
            layout.place[node],
            xytext=(-7 if left else 7, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            annotation_clip=False,
            in_layout=False,
        )


def _draw_tiles(axes: Any, nodes: NDArray[np.intp], layout: Layout, colour: str) -> None:
    assert layout.aspect is not None
    patches = []
    for node in nodes.tolist():
        width = layout.tiles[node]
        height = width / layout.aspect
        corner = layout.place[node] - (width / 2, height / 2)
        patches.append(mpl.patches.Rectangle(corner, width, height))
    tint = 0.82 + 0.18 * np.array(mpl.colors.to_rgb(colour))
    axes.add_collection(
        PatchCollection(patches, facecolor=tint, edgecolor=colour, linewidth=0.8, zorder=3)
    )


def _legend(any_delayed: bool, any_maps: bool) -> list[Any]:
    line = mpl.lines.Line2D
    handles: list[Any] = [
        line([], [], marker="o", linestyle="", color=colour, label=role.name.lower())
        for role, colour in ROLE_COLOURS.items()
    ]
    handles += [
        line([], [], color=POSITIVE, label="positive weight"),
        line([], [], color=NEGATIVE, label="negative weight"),
    ]
    if any_maps:
        handles.append(line([], [], color=MIXED, label="kernel of mixed signs"))
    if any_delayed:
        handles += [
            line([], [], color=DELAYED_POSITIVE, label="positive, a tick later"),
            line([], [], color=DELAYED_NEGATIVE, label="negative, a tick later"),
        ]
    return [*handles, line([], [], linewidth=0, label="wider: larger weight")]
