"""Pictures of large networks: nodes of one level stand together, and all edges between two levels are one bundle."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from evo.genome.genome import Genome, Role
from experiments.figures.edges import Edges, effective_edges
from experiments.figures.layout import bands_of
from experiments.figures.networks import arcs, waves
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
from experiments.figures.style.sizes import WIDTHS, is_wide, new_figure, wrapped

MOST_LEVELS = {True: 7, False: 5}
"""Largest number of columns of hidden nodes in a picture as wide as a page, and in a narrow one."""

WIDEST = 7.0
"""Width of the bundle with most edges, in points."""


@dataclass(frozen=True)
class Bundles:
    """Groups of nodes, and the bundles of edges between them.

    Attributes
    ----------
    place : ndarray, shape (n_groups, 2)
        Coordinates from 0 to 1.
    labels : list of str
        What each group is: number of nodes, and the size of maps.
    roles : list of Role
    columns : list of str
        The levels of each column.
    sources, targets : ndarray of int, shape (n,)
        Groups at the ends of each bundle, in ascending order of `counts`.
    delayed : ndarray of bool, shape (n,)
    counts : ndarray of int, shape (n,)
        Number of edges.
    balance : ndarray, shape (n,)
        Sum of the weights over the sum of their magnitudes, from −1 to 1.
    """

    place: NDArray[np.float64]
    labels: list[str]
    roles: list[Role]
    columns: list[str]
    sources: NDArray[np.intp]
    targets: NDArray[np.intp]
    delayed: NDArray[np.bool_]
    counts: NDArray[np.int64]
    balance: NDArray[np.float64]


def bundles_of(genome: Genome, edges: Edges, most_levels: int) -> Bundles:
    """Return the bundles of a network: every effective edge is in one of them."""
    is_used = np.zeros(genome.n_nodes, np.bool_)
    is_used[edges.sources] = is_used[edges.targets] = True
    hidden = np.flatnonzero((genome.roles == Role.HIDDEN) & is_used)
    bands = bands_of(edges.depth, hidden, most_levels)
    group = np.zeros(genome.n_nodes, np.intp)
    labels, roles, place = list[str](), list[Role](), list[tuple[float, float]]()
    columns = [genome.inputs, *bands, genome.outputs]
    for column, nodes in enumerate(columns):
        sizes = np.unique(genome.map_sizes[nodes])[::-1]
        for row, size in enumerate(sizes.tolist()):
            own = nodes[genome.map_sizes[nodes] == size]
            group[own] = len(labels)
            labels.append(f"{len(own):,}" if size == 1 else f"{len(own):,}\n{size}×{size}")
            roles.append(Role(genome.roles[own[0]]))
            place.append((column / (len(columns) - 1), 1 - (row + 0.5) / len(sizes)))
    ends = np.stack([group[edges.sources], group[edges.targets], edges.delayed])
    (sources, targets, delayed), number = np.unique(ends, axis=1, return_inverse=True)
    magnitude = np.abs(edges.weights).astype(np.float64)
    counts = np.bincount(number, minlength=len(sources))
    total = np.bincount(number, magnitude, len(sources))
    signed = np.bincount(number, magnitude * edges.balance, len(sources))
    order = np.argsort(counts, kind="stable")
    return Bundles(
        np.array(place),
        labels,
        roles,
        ["inputs", *(_levels(edges.depth[band]) for band in bands), "outputs"],
        sources[order],
        targets[order],
        delayed[order].astype(np.bool_),
        counts[order],
        (signed / np.maximum(total, np.finfo(float).tiny))[order],
    )


def _levels(depth: NDArray[np.intp]) -> str:
    first, last = int(depth.min()), int(depth.max())
    return str(first) if first == last else f"{first}–{last}"


def draw_bundles(
    genomes: Mapping[str, Genome], width: float = WIDTHS["page"], about: str = ""
) -> Figure:
    """Draw networks with all their edges in bundles: signals run from left to right.

    A box is all nodes of a level, or of some levels, with one map size; the number in it is that of its nodes. A line
    is all edges between two boxes: the more edges, the wider; the more their weights have one sign, the more coloured.

    Parameters
    ----------
    genomes : mapping
        Genomes by title; one stands below the other.
    width : float
        Inches.
    about : str
        Title of the whole picture.
    """
    figure = new_figure(width, len(genomes) * max(2.0, 0.42 * width) + 0.4, about)
    panels = figure.subplots(len(genomes), 1, squeeze=False)[:, 0]
    any_delayed = False
    for axes, (title, genome) in zip(panels, genomes.items(), strict=True):
        edges = effective_edges(genome)
        bundles = bundles_of(genome, edges, MOST_LEVELS[is_wide(width)])
        any_delayed = any_delayed or bool(bundles.delayed.any())
        _draw(axes, bundles)
        taps = "" if edges.n_taps == len(edges) else f" of {edges.n_taps:,} taps"
        largest = f"; the widest has {bundles.counts[-1]:,}" if len(bundles.counts) else ""
        text = (
            f"{title}: all {len(edges):,} edges{taps} in {len(bundles.counts):,} bundles{largest}"
        )
        axes.set_title(wrapped(text, 0.95 * width))
    figure.legend(
        handles=_legend(any_delayed), loc="outside lower center", ncols=4 if is_wide(width) else 2
    )
    return figure


def _draw(axes: Any, bundles: Bundles) -> None:
    largest, reach = max(bundles.counts.max(initial=1), 1), 0.3
    for delayed, positive, negative, mixed in (
        (False, POSITIVE, NEGATIVE, MIXED),
        (True, DELAYED_POSITIVE, DELAYED_NEGATIVE, DELAYED_MIXED),
    ):
        own = bundles.delayed == delayed
        start, end = bundles.place[bundles.sources[own]], bundles.place[bundles.targets[own]]
        colours = colours_of(
            bundles.balance[own], positive=positive, negative=negative, mixed=mixed
        )
        colours[:, 3] = 0.6
        curves = arcs(start, end) if delayed else _bows(start, end, 1 / (len(bundles.columns) - 1))
        curves = _with_loops(curves, start, end, 1.0 if delayed else -1.0)
        reach = np.abs(curves[:, :, 1] - 0.5).max(initial=reach)
        widths = 0.4 + WIDEST * (bundles.counts[own] / largest) ** 0.5
        axes.add_collection(LineCollection(list(curves), colors=colours, linewidths=widths))
    for place, label, role in zip(bundles.place, bundles.labels, bundles.roles, strict=True):
        axes.text(
            *(*place, label),
            ha="center",
            va="center",
            color="white",
            zorder=3,
            linespacing=1.1,
            bbox={
                "boxstyle": "round,pad=0.25",
                "facecolor": ROLE_COLOURS[role],
                "edgecolor": "white",
            },
        )
    x = np.unique(bundles.place[:, 0])
    axes.set_xticks(
        x,
        [
            name if k % 2 == 0 or len(x) < 9 else f"\n{name}"
            for k, name in enumerate(bundles.columns)
        ],
    )
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.set_xlabel("level")
    axes.spines[:].set_visible(False)
    axes.set_xlim(-0.06, 1.06)
    axes.set_ylim(0.45 - reach, 0.55 + reach)


def _bows(start: NDArray[np.float64], end: NDArray[np.float64], gap: float) -> NDArray[np.float64]:
    """Return curves that pass by the columns between their ends: the farther, the higher or lower."""
    curves = waves(start, end)
    n_between = np.round(np.abs(end[:, 0] - start[:, 0]) / gap) - 1
    side = np.where(n_between % 2 == 1, 1.0, -1.0)
    bow = np.sin(np.linspace(0, np.pi, curves.shape[1]))
    lift = side * np.where(n_between > 0, 0.16 + 0.06 * n_between, 0.0)
    curves[:, :, 1] += lift[:, None] * bow
    return curves


def _with_loops(
    curves: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64], up: float
) -> NDArray[np.float64]:
    """Return curves in which those that end where they begin are loops above their box, or below it if `up` is −1."""
    turn = np.linspace(0, 2 * np.pi, curves.shape[1])
    loop = np.column_stack([0.018 * np.sin(turn), up * 0.11 * (1 - np.cos(turn))])
    is_loop = (start == end).all(axis=1)
    curves[is_loop] = start[is_loop][:, None, :] + loop
    return curves


def _legend(any_delayed: bool) -> list[Any]:
    line, patch = mpl.lines.Line2D, mpl.patches.Patch
    handles: list[Any] = [
        patch(color=colour, label=f"{role.name.lower()} nodes")
        for role, colour in ROLE_COLOURS.items()
    ]
    named = [(POSITIVE, "mostly positive"), (NEGATIVE, "mostly negative"), (MIXED, "of both signs")]
    if any_delayed:
        named += [
            (DELAYED_POSITIVE, "positive, a tick later"),
            (DELAYED_NEGATIVE, "negative, a tick later"),
        ]
    handles += [line([], [], color=colour, linewidth=3, label=label) for colour, label in named]
    return [*handles, line([], [], color=NEUTRAL, linewidth=0, label="wider: more edges")]
