"""Pictures of adjacency matrices: small ones place by place, large ones block by block."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from evo.genome.genome import Genome, Role
from experiments.figures.colours import (
    MIXED,
    NEGATIVE,
    NEUTRAL,
    POSITIVE,
    ROLE_COLOURS,
    WEIGHTS,
    colours_of,
)

MOST_PLACES = 400
"""Rows and columns of a picture of a matrix; of larger matrices a point is the mean of a block."""


def draw_matrices(genomes: Mapping[str, Genome], *, most_places: int = MOST_PLACES) -> Figure:
    """Draw adjacency matrices side by side: row = speaker, column = listener, colour = weight.

    Only edges are drawn: entries that the threshold lets through. Coloured margins show the roles of rows and columns;
    edges on and below the diagonal lead back, to an earlier node or to the node itself.

    Where there are maps a kernel is one point: as dark as the mean magnitude over all taps that it could have, so that
    kernels and weights compare, and as coloured as the sum of its taps: grey where they cancel out. Lines part nodes of
    different sides.

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
    panels = figure.subplots(1, len(genomes), squeeze=False)[0]
    pictures = {title: _picture(genome, most_places) for title, genome in genomes.items()}
    largest = max(_almost_largest(picture.magnitude) for picture in pictures.values())
    for axes, (title, genome) in zip(panels, genomes.items(), strict=True):
        picture = pictures[title]
        n, map_size = genome.n_nodes, picture.block
        drawn = map_size * len(picture.mean)
        image = axes.imshow(
            _coloured(picture, largest) if genome.has_maps else _scaled(picture.mean, largest),
            cmap=WEIGHTS,
            vmin=-1,
            vmax=1,
            interpolation="nearest",
            extent=(0, drawn, drawn, 0),
        )
        axes.plot([0, n], [0, n], color=NEUTRAL, linewidth=0.5, alpha=0.6)
        _draw_roles(axes, genome)
        _draw_sides(axes, genome)
        blocks = f"; a point is the mean of {map_size}×{map_size} places" if map_size > 1 else ""
        axes.set_title(f"{title}: {picture.caption}{blocks}", fontsize="medium")
        axes.set(xlabel="listening node", ylabel="speaking node")
    any_maps = any(genome.has_maps for genome in genomes.values())
    bar = figure.colorbar(image, ax=figure.axes, shrink=0.8, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels([f"≤ {-largest:.2g}", "0", f"≥ {largest:.2g}"])
    what = "weight, or mean magnitude of a kernel's taps" if any_maps else "weight"
    bar.set_label(f"{what} (square-root scale)")
    patch = mpl.patches.Patch
    handles: list[Any] = [
        patch(color=colour, label=role.name.lower()) for role, colour in ROLE_COLOURS.items()
    ]
    if any_maps:
        handles.append(patch(color=MIXED, label="kernel of mixed signs"))
    handles.append(
        mpl.lines.Line2D(
            [], [], color=NEUTRAL, linewidth=0.5, label="on and below: to itself or an earlier node"
        )
    )
    n_columns = 3 if any_maps and len(genomes) == 1 else 4
    figure.legend(handles=handles, loc="outside lower center", ncols=n_columns, frameon=False)
    return figure


@dataclass(frozen=True)
class _Picture:
    """The points of a picture, shape (blocks, blocks): means over all places of each block.

    Attributes
    ----------
    mean, magnitude : ndarray
        Of the weights; and of magnitudes, which for neurons are those of `mean`.
    block : int
        Rows and columns of a block.
    caption : str
        How many edges there are.
    """

    mean: NDArray[np.float64]
    magnitude: NDArray[np.float64]
    block: int
    caption: str


def _picture(genome: Genome, most_places: int) -> _Picture:
    live = genome.active_mask()
    weights = genome.values[live].astype(np.float64)
    n_taps = len(weights)
    if not genome.has_maps:
        mean, block = _blocks(genome, live, weights, most_places)
        return _Picture(mean, np.abs(mean), block, f"{n_taps:,} edges")
    weights /= genome.windows[live] ** 2
    mean, block = _blocks(genome, live, weights, most_places)
    magnitude, _ = _blocks(genome, live, np.abs(weights), most_places)
    n_edges = genome.strengths(live).nnz
    return _Picture(mean, magnitude, block, f"{n_edges:,} edges of {n_taps:,} taps")


def _scaled(picture: NDArray[np.float64], largest: float) -> NDArray[np.float64]:
    """Return points from −1 to 1; a power below 1 keeps small weights visible."""
    scaled: NDArray[np.float64] = np.sign(picture) * np.abs(picture / largest) ** 0.5
    return scaled


def _coloured(picture: _Picture, largest: float) -> NDArray[np.float64]:
    """Return points as colours, shape (blocks, blocks, 3)."""
    balance = picture.mean / np.maximum(picture.magnitude, np.finfo(np.float64).tiny)
    colours = colours_of(balance.reshape(-1), positive=POSITIVE, negative=NEGATIVE, mixed=MIXED)
    depth = np.minimum(1, _scaled(picture.magnitude, largest))[:, :, None]
    coloured: NDArray[np.float64] = 1 - depth * (1 - colours[:, :3].reshape(*balance.shape, 3))
    return coloured


def _blocks(
    genome: Genome, live: NDArray[np.bool_], weights: NDArray[np.float64], most_places: int
) -> tuple[NDArray[np.float64], int]:
    """Return the mean weight of each block of places, and the side of a block."""
    n = genome.n_nodes
    map_size = -(-n // most_places)
    n_blocks = -(-n // map_size)
    number = (genome.indices[live] // map_size).astype(np.intp) * n_blocks + genome.targets[
        live
    ] // map_size
    total = np.bincount(number, weights, n_blocks**2).reshape(n_blocks, n_blocks)
    real = np.minimum(map_size, n - map_size * np.arange(n_blocks))  # places on a block's side
    return total / np.outer(real, real), map_size


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


def _draw_sides(axes: Any, genome: Genome) -> None:
    """Part nodes of different sides by lines, and name the sides at the right margin where there is room."""
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
            axes.text(1.01 * n, (begin + end) / 2, text, va="center", fontsize=7, color=NEUTRAL)
        begin = end
