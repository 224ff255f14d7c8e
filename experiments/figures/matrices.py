"""Pictures of adjacency matrices: small matrices by places, large matrices by blocks of places."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from evo.genome.genome import Genome, Role
from experiments.figures.style.colours import (
    MIXED,
    NEGATIVE,
    NEUTRAL,
    POSITIVE,
    ROLE_COLOURS,
    WEIGHTS,
    colours_of,
)
from experiments.figures.style.labels import longest_in, short_names
from experiments.figures.style.sizes import FONT_SIZE, WIDTHS, is_wide, new_figure, wrapped
from experiments.figures.style.sizes import points_of as width_of

MOST_PLACES = 400
"""Largest number of rows and columns of a picture; in larger matrices a point is the mean of a block."""

MOST_NAMES = 20
"""Largest number of inputs, and of outputs, whose names are written."""


@dataclass(frozen=True)
class MatrixPicture:
    """The points of a picture, shape (blocks, blocks): means over all places of each block.

    Attributes
    ----------
    mean, magnitude : ndarray
        Mean weights, and mean magnitudes; between neurons the latter are the magnitudes of `mean`.
    block : int
        Rows and columns of a block.
    caption : str
        Number of edges.
    has_maps : bool
        Whether points may be kernels.
    """

    mean: NDArray[np.float64]
    magnitude: NDArray[np.float64]
    block: int
    caption: str
    has_maps: bool


def draw_matrices(
    genomes: Mapping[str, Genome],
    *,
    most_places: int = MOST_PLACES,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    width: float = WIDTHS["page"],
    about: str = "",
) -> Figure:
    """Draw adjacency matrices side by side: a row is a source, a column a target, the colour a weight.

    Only effective entries are drawn. Coloured margins show the roles of rows and columns. Edges on and below the
    diagonal end in an earlier node or in the node itself.

    A kernel between maps is one point. It is as dark as the mean magnitude over all its possible taps, so that kernels
    and weights can be compared, and as coloured as the sum of its taps: grey if they cancel out. Lines separate nodes
    of different map sizes.

    Parameters
    ----------
    genomes : mapping
        Genomes by title.
    most_places : int
        Largest number of rows and columns of the picture, at least 1. In a larger matrix each point is the mean over a
        square block of places; places without an edge count as 0.
    inputs, outputs : sequence of str
        Names of inputs and outputs, written at the rows of inputs and the columns of outputs; see :func:`node_names`.
    width : float
        Inches. In a column of a journal, matrices stand one below the other.
    about : str
        Title of the whole picture.

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
    n_columns = len(genomes) if is_wide(width) else 1
    n_rows = -(-len(genomes) // n_columns)
    side = width / n_columns
    named = {
        title: _names_that_fit(genome, inputs, outputs, side) for title, genome in genomes.items()
    }
    left, below = (
        max(width_of(name) for names in named.values() for name in ["000", *names[k].values()]) / 72
        for k in (0, 1)
    )
    figure = new_figure(width, n_rows * (side - left + below) + 1.0, about)
    panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    pictures = {title: matrix_picture(genome, most_places) for title, genome in genomes.items()}
    largest = max(almost_largest(picture.magnitude) for picture in pictures.values())
    for axes, (title, genome) in zip(panels, genomes.items(), strict=True):
        picture = pictures[title]
        _draw_matrix(axes, genome, picture, largest)
        block = picture.block
        blocks = f"; a point is the mean of {block}×{block} places" if block > 1 else ""
        axes.set_title(wrapped(f"{title}: {picture.caption}{blocks}", side - left - 0.6))
        if block == 1:
            _write_names(axes, *named[title])
    _add_legend(figure, largest, width, any_maps=any(one.has_maps for one in genomes.values()))
    return figure


def _draw_matrix(axes: Any, genome: Genome, picture: MatrixPicture, largest: float) -> None:
    """Draw the points, the diagonal, the roles of rows and columns, and the borders between map sizes."""
    n, drawn = genome.n_nodes, picture.block * len(picture.mean)
    axes.imshow(
        points_of(picture, largest),
        cmap=WEIGHTS,
        vmin=-1,
        vmax=1,
        interpolation="nearest",
        extent=(0, drawn, drawn, 0),
    )
    axes.plot([0, n], [0, n], color=NEUTRAL, linewidth=0.5, alpha=0.6)
    _draw_roles(axes, genome)
    _draw_map_sizes(axes, genome)
    axes.set(xlabel="target node", ylabel="source node")


def _add_legend(figure: Figure, largest: float, width: float, *, any_maps: bool) -> None:
    """Add the scale of the weights and the colours of the roles."""
    scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(-1, 1), WEIGHTS)
    bar = figure.colorbar(
        scale, ax=figure.axes, location="bottom", aspect=40, shrink=0.7, pad=0.02, ticks=[-1, 0, 1]
    )
    bar.ax.set_xticklabels([f"≤ {-largest:.2g}", "0", f"≥ {largest:.2g}"])
    what = "weight, or mean magnitude of a kernel's taps" if any_maps else "weight"
    bar.set_label(wrapped(f"{what} (square-root scale)", 0.7 * width))
    patch = mpl.patches.Patch
    handles: list[Any] = [
        patch(color=colour, label=role.name.lower()) for role, colour in ROLE_COLOURS.items()
    ]
    if any_maps:
        handles.append(patch(color=MIXED, label="kernel of mixed signs"))
    handles.append(mpl.lines.Line2D([], [], color=NEUTRAL, linewidth=0.5, label="diagonal"))
    figure.legend(handles=handles, loc="outside lower center", ncols=5 if is_wide(width) else 3)


def _names_that_fit(
    genome: Genome, inputs: Sequence[str], outputs: Sequence[str], side: float
) -> tuple[dict[int, str], dict[int, str]]:
    """Return the names of rows and of columns, if they do not lie on each other in a picture of a side in inches."""
    longest = longest_in(side)
    names = node_names(genome, inputs, (), longest), node_names(genome, (), outputs, longest)
    left = max((width_of(name) for name in names[0].values()), default=0)
    fits = genome.n_nodes * FONT_SIZE < (side - 0.6) * 72 - left
    return names if fits else ({}, {})


def node_names(
    genome: Genome, inputs: Sequence[str], outputs: Sequence[str], longest: int
) -> dict[int, str]:
    """Return the names of input and output nodes by their index, if there is one for each node and few enough."""
    names: dict[int, str] = {}
    for nodes, given in ((genome.inputs, inputs), (genome.outputs, outputs)):
        if len(nodes) == len(given) <= MOST_NAMES:
            names |= dict(zip(nodes.tolist(), short_names(given, longest), strict=True))
    return names


def _write_names(axes: Any, sources: dict[int, str], targets: dict[int, str]) -> None:
    """Write the names of rows and columns instead of their numbers."""
    if sources:
        axes.set_yticks([node + 0.5 for node in sources], [*sources.values()])
    if targets:
        middles = [node + 0.5 for node in targets]
        axes.set_xticks(middles, [*targets.values()], rotation=90)


def matrix_picture(genome: Genome, most_places: int = MOST_PLACES) -> MatrixPicture:
    """Return the points of the picture of a genome's effective entries, with at most so many rows and columns."""
    effective = genome.effective_mask()
    weights = genome.values[effective].astype(np.float64)
    n_taps = len(weights)
    if not genome.has_maps:
        mean, block = _blocks(genome, effective, weights, most_places)
        return MatrixPicture(mean, np.abs(mean), block, f"{n_taps:,} edges", False)
    weights /= genome.windows[effective] ** 2
    mean, block = _blocks(genome, effective, weights, most_places)
    magnitude, _ = _blocks(genome, effective, np.abs(weights), most_places)
    n_edges = genome.strengths(effective).nnz
    caption = f"{n_edges:,} edges of {n_taps:,} taps"
    return MatrixPicture(mean, magnitude, block, caption, True)


def points_of(picture: MatrixPicture, largest: float) -> NDArray[np.float64]:
    """Return what is drawn of a picture, given the magnitude of the darkest points.

    Returns
    -------
    ndarray
        Numbers from −1 to 1, shape (blocks, blocks); of kernels with taps of both signs the colours, shape (…, 3).
    """
    if picture.has_maps:
        return _coloured(picture, largest)
    return _scaled(picture.mean, largest)


def _scaled(picture: NDArray[np.float64], largest: float) -> NDArray[np.float64]:
    """Return points from −1 to 1; a power below 1 keeps small weights visible."""
    scaled: NDArray[np.float64] = np.sign(picture) * np.abs(picture / largest) ** 0.5
    return scaled


def _coloured(picture: MatrixPicture, largest: float) -> NDArray[np.float64]:
    """Return points as colours, shape (blocks, blocks, 3)."""
    balance = picture.mean / np.maximum(picture.magnitude, np.finfo(np.float64).tiny)
    colours = colours_of(balance.reshape(-1), positive=POSITIVE, negative=NEGATIVE, mixed=MIXED)
    depth = np.minimum(1, _scaled(picture.magnitude, largest))[:, :, None]
    coloured: NDArray[np.float64] = 1 - depth * (1 - colours[:, :3].reshape(*balance.shape, 3))
    return coloured


def _blocks(
    genome: Genome, chosen: NDArray[np.bool_], weights: NDArray[np.float64], most_places: int
) -> tuple[NDArray[np.float64], int]:
    """Return the mean weight of each block of places, and the number of rows of a block."""
    n = genome.n_nodes
    block = -(-n // most_places)
    n_blocks = -(-n // block)
    rows, columns = genome.indices[chosen] // block, genome.targets[chosen] // block
    number = rows.astype(np.intp) * n_blocks + columns
    total = np.bincount(number, weights, n_blocks**2).reshape(n_blocks, n_blocks)
    real = np.minimum(block, n - block * np.arange(n_blocks))  # rows of each block
    return total / np.outer(real, real), block


def almost_largest(picture: NDArray[np.float64]) -> float:
    """Return the magnitude that 1 % of the points exceed, so that a few large weights do not make all others pale."""
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


def _draw_map_sizes(axes: Any, genome: Genome) -> None:
    """Separate nodes of different map sizes by lines, and write the sizes at the right margin if there is room."""
    n, map_sizes = genome.n_nodes, genome.map_sizes
    ends = [*np.flatnonzero(np.diff(map_sizes)) + 1, n]
    if len(ends) == 1:
        return
    begin = 0
    for end in map(int, ends):
        if end < n:
            axes.plot([0, n], [end, end], color=NEUTRAL, linewidth=0.5, linestyle=":")
            axes.plot([end, end], [0, n], color=NEUTRAL, linewidth=0.5, linestyle=":")
        if end - begin >= 0.025 * n:
            map_size = map_sizes[begin]
            text = f"{map_size}×{map_size}" if map_size > 1 else "neurons"
            axes.text(1.01 * n, (begin + end) / 2, text, va="center", color=NEUTRAL)
        begin = end
