"""The winner as a graph and as a matrix, which point at each other in the page."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.genome.activations import activation_name
from evo.genome.genome import Genome, Role
from evo.storage.predictor import Predictor
from experiments.analysis.results import Results
from experiments.figures.edges import Edges, effective_edges
from experiments.figures.layout import Layout, lay_out
from experiments.figures.matrices import almost_largest, matrix_picture
from experiments.figures.networks import MOST_EDGES, arcs, waves
from experiments.figures.style.colours import (
    DELAYED_NEGATIVE,
    DELAYED_POSITIVE,
    NEGATIVE,
    POSITIVE,
    ROLE_COLOURS,
)
from experiments.figures.style.facts import where
from experiments.report.blocks.html import figure
from experiments.report.blocks.plots import Trace, numbers, packed, plot_text

MOST_PLACES = 500
"""Largest number of rows and columns of a matrix; a larger one is shown by blocks of places."""

MOST_NODES = 4_000
"""Largest number of nodes that are drawn and named; of larger networks only the nodes of shown edges are drawn."""

WIDTHS = 4
"""Number of widths that lines have."""

KINDS = (
    ("positive", False, 1, POSITIVE),
    ("negative", False, -1, NEGATIVE),
    ("positive, a tick later", True, 1, DELAYED_POSITIVE),
    ("negative, a tick later", True, -1, DELAYED_NEGATIVE),
)
MARKERS = {
    Role.INPUT: ("square", ROLE_COLOURS[Role.INPUT]),
    Role.HIDDEN: ("circle", "#6b7a90"),  # the black of printed pictures is not seen on dark pages
    Role.OUTPUT: ("diamond", ROLE_COLOURS[Role.OUTPUT]),
}


def winner(results: Results) -> str:
    """Return the linked figures of the winner's graph and matrix."""
    row, best = results.winner(), results.best()
    genome = best.genome
    names = names_of(genome, best)
    edges = effective_edges(genome)
    shown = edges.strongest(MOST_EDGES)
    layout = lay_out(genome, edges)
    drawn = matrix(genome, names)
    specification = {
        "kind": "network",
        "graph": graph(genome, shown, layout, names, some_hidden=len(shown) < len(edges)),
        "matrix": drawn,
        "maps": genome.has_maps,
        "names": names[:MOST_NODES],
        "places": [numbers(layout.place[:MOST_NODES, axis]) for axis in (0, 1)],
        "edges": [shown.sources.tolist(), shown.targets.tolist(), numbers(shown.weights)],
    }
    return figure(
        f"The winner, individual {row['individual']} of {row['run']}, chosen on the validation part: "
        f"{where(results, 'training part', row['seed'])}",
        specification,
        _remark(genome, len(edges), len(shown), layout.n_unused, drawn["block"]),
        "pair",
    )


def _remark(genome: Genome, n_edges: int, n_shown: int, n_unused: int, block: int) -> str:
    """Return in words what the figures show and what they leave out."""
    sentence = f"{n_edges:,} edges act on an output"
    all_shown = n_shown == n_edges
    sentence += f"; the graph shows {'them' if all_shown else f'the {n_shown:,} strongest'}"
    if n_unused:
        nodes = "node" if n_unused == 1 else "nodes"
        sentence += f"; it leaves out {n_unused:,} hidden {nodes} without such an edge"
    shown = (
        "Colour and width show the weight. In the matrix a row is a source and a column a target."
    )
    if genome.has_maps:
        shown = (
            "Width shows the sum of the magnitudes of a kernel's taps, colour the sign of their sum. In the matrix a "
            "row is a source, a column a target, and a place the mean magnitude of a kernel's taps with that sign."
        )
    points = f" A point of it is the mean of {block} × {block} places." if block > 1 else ""
    return (
        f"{sentence}. {shown}{points} "
        "Point at an edge or at a place of the matrix to see it in both; choose a node to see all its shown edges."
    )


def names_of(genome: Genome, best: Predictor | None) -> list[str]:
    """Return the name of each node for Plotly: of inputs and outputs those of the data, if they have names."""
    names = [f"hidden {identity}" for identity in genome.ids.tolist()]
    inputs = best.preparation.input_names if best is not None else None
    outputs = best.output_names if best is not None else None
    for nodes, given, role in (
        (genome.inputs, inputs, "input"),
        (genome.outputs, outputs, "output"),
    ):
        fits = given is not None and len(given) == len(nodes)
        for number, node in enumerate(nodes.tolist()):
            names[node] = f"{role} {given[number] if fits and given is not None else number + 1}"
    return [plot_text(name) for name in names]


# -- the graph ---------------------------------------------------------------------------------------------------------


def graph(
    genome: Genome, edges: Edges, layout: Layout, names: Sequence[str], *, some_hidden: bool
) -> dict[str, Any]:
    """Return the graph of some edges as a figure of Plotly: lines, points to hover on them, nodes."""
    curves = np.zeros((len(edges), 20, 2))
    for delayed, bend in ((False, waves), (True, arcs)):
        chosen = edges.delayed == delayed
        start, end = layout.place[edges.sources[chosen]], layout.place[edges.targets[chosen]]
        curves[chosen] = bend(start, end)
    strengths = edges.strengths(some_hidden=some_hidden)
    hidden_axis = {"visible": False, "showgrid": False, "zeroline": False}
    return {
        "data": [
            *_lines(edges, curves, strengths),
            _hover_points(genome, edges, curves, names),
            *_nodes(genome, edges, layout, names),
        ],
        "layout": {
            "xaxis": dict(hidden_axis),
            "yaxis": dict(hidden_axis),
            "hovermode": "closest",
            "dragmode": "pan",
        },
    }


def _lines(
    edges: Edges, curves: NDArray[np.float64], strengths: NDArray[np.float64]
) -> list[Trace]:
    """Return one trace for each kind and width of edges."""
    traces = []
    widths = np.minimum((strengths * WIDTHS).astype(int), WIDTHS - 1)
    signs = np.where(edges.balance > 0, 1, -1)
    for name, delayed, sign, colour in KINDS:
        of_kind = (edges.delayed == delayed) & (signs == sign)
        for width in np.unique(widths[of_kind]):
            own = curves[of_kind & (widths == width)]
            gap = np.full((len(own), 1, 2), np.nan)
            x, y = np.concatenate([own, gap], axis=1).reshape(-1, 2).T
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": [None if np.isnan(one) else round(float(one), 4) for one in x],
                    "y": [None if np.isnan(one) else round(float(one), 4) for one in y],
                    "name": name,
                    "legendgroup": name,
                    "showlegend": bool(width == widths[of_kind].max()),
                    "hoverinfo": "skip",
                    "opacity": float(0.4 + 0.6 * (width + 1) / WIDTHS),
                    "line": {"color": colour, "width": float(0.6 + 0.8 * width)},
                }
            )
    return traces


def _hover_points(
    genome: Genome, edges: Edges, curves: NDArray[np.float64], names: Sequence[str]
) -> Trace:
    """Return three points on each edge that show it when the pointer is near."""
    points = curves[:, [5, 10, 14]].reshape(-1, 2)
    ends = np.repeat(np.column_stack([edges.sources, edges.targets]), 3, axis=0)
    what = "kernel" if genome.has_maps else "weight"
    texts = [
        f"{names[s]} → {names[t]}<br>{what} {w:.4g}<br>order {s} → {t}{', a tick later' if late else ''}"
        for s, t, w, late in zip(
            edges.sources, edges.targets, edges.weights, edges.delayed, strict=True
        )
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": numbers(points[:, 0]),
        "y": numbers(points[:, 1]),
        "customdata": ends.tolist(),
        "text": [text for text in texts for _ in range(3)],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"size": 9, "opacity": 0.0, "color": POSITIVE},
        "showlegend": False,
        "name": "edges",
    }


def _nodes(genome: Genome, edges: Edges, layout: Layout, names: Sequence[str]) -> list[Trace]:
    """Return one trace of nodes for each role; of very many nodes, only those that the edges have."""
    is_shown = np.isfinite(layout.place[:, 0])
    if np.count_nonzero(is_shown) > MOST_NODES:
        is_shown = np.isin(np.arange(genome.n_nodes), [edges.sources, edges.targets])
    effective = genome.strengths(genome.effective_mask())
    in_degree = np.diff(effective.indptr)
    out_degree = np.bincount(effective.indices, minlength=genome.n_nodes)
    traces = []
    for role, (symbol, colour) in MARKERS.items():
        nodes = np.flatnonzero((genome.roles == role) & is_shown)
        texts = [
            f"{_about(genome, node, names[node])}<br>{in_degree[node]} edges in, {out_degree[node]} out"
            for node in nodes.tolist()
        ]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": numbers(layout.place[nodes, 0]),
                "y": numbers(layout.place[nodes, 1]),
                "customdata": nodes.tolist(),
                "text": texts,
                "hovertemplate": "%{text}<extra></extra>",
                "name": role.name.lower(),
                "marker": {
                    "symbol": symbol,
                    "color": colour,
                    "size": float(np.clip(400 / max(len(nodes), 1), 6, 14)),
                    "line": {"color": "#ffffff", "width": 0.5},
                },
            }
        )
    return traces


def _about(genome: Genome, node: int, name: str) -> str:
    """Return name, order, activation, bias and map size of a node, for Plotly."""
    lines = [name, f"order {node}"]
    if genome.roles[node] != Role.INPUT:
        activation = plot_text(activation_name(genome.activations[node]))
        lines.append(f"{activation}, bias {genome.bias[node]:.4g}")
    map_size = genome.map_sizes[node]
    if map_size > 1:
        lines.append(f"map {map_size}×{map_size}")
    return "<br>".join(lines)


# -- the matrix --------------------------------------------------------------------------------------------------------


def matrix(genome: Genome, names: Sequence[str], most_places: int = MOST_PLACES) -> dict[str, Any]:
    """Return the matrix for the page: number of rows, rows that a point stands for, values row by row, labels.

    The value of a kernel between maps is the mean magnitude of its possible taps, with the sign of their sum.
    """
    picture = matrix_picture(genome, most_places)
    values = np.where(picture.mean < 0, -1, 1) * picture.magnitude
    return {
        "n": len(values),
        "block": picture.block,
        "largest": float(f"{almost_largest(values):.6g}"),
        "values": packed(values.astype(np.float32).reshape(-1)),
        "labels": labels_of_places(genome, names, picture.block),
    }


def labels_of_places(genome: Genome, names: Sequence[str], block: int) -> list[str]:
    """Return the name of each row and column: a node's name and order, or the first and last order of a block."""
    if block == 1:
        return [f"{name} (order {k})" for k, name in enumerate(names)]
    starts = range(0, genome.n_nodes, block)
    return [f"orders {k} to {min(k + block, genome.n_nodes) - 1}" for k in starts]
