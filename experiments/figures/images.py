"""Pictures of what nodes read from an image: the weights of each node, drawn where their pixels are."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from evo.errors import ResultsError
from evo.genome.genome import Genome, Role
from experiments.figures.matrices import almost_largest
from experiments.figures.style.colours import WEIGHTS
from experiments.figures.style.labels import short_name
from experiments.figures.style.sizes import WIDTHS, is_wide, letters_in, new_figure

MOST_NODES = {True: 40, False: 16}
"""Largest number of nodes in a picture as wide as a page, and in a narrow one."""

NO_EDGE = "#e4e4e4"

Shape = tuple[int, ...]


def draw_images(
    genome: Genome,
    shape: Shape,
    *,
    outputs: Sequence[str] = (),
    width: float = WIDTHS["page"],
    about: str = "",
) -> Figure:
    """Draw the weights of effective edges from an image to single nodes, each weight at its pixel.

    The nodes with the largest sum of magnitudes are drawn. Channels stand side by side. Grey is a pixel without an
    edge. Of a feature map the kernel is drawn: its weights are the same everywhere in the map.

    Parameters
    ----------
    genome : Genome
    shape : tuple of int
        Shape of a prepared sample: (rows, columns), or with channels first.
    outputs : sequence of str
        Names of the outputs.
    width : float
        Inches.
    about : str
        Title of the whole picture.

    Raises
    ------
    ResultsError
        If the samples are not images, or no node reads them.
    """
    if len(shape) not in {2, 3}:
        raise ResultsError("samples must be images for a picture of what nodes read from them")
    found = weights_on_images(genome, shape)
    if not found:
        raise ResultsError("no node reads the image by an effective edge")
    strongest = sorted(found, key=lambda node: -float(np.nansum(np.abs(found[node]))))
    shown = strongest[: MOST_NODES[is_wide(width)]]
    n_columns = min(len(shown), 8 if is_wide(width) else 4)
    n_rows = -(-len(shown) // n_columns)
    ratio = max(len(image) / image.shape[1] for image in (found[node] for node in shown))
    what = "Kernels" if genome.map_sizes[genome.inputs].max() > 1 else "Weights"
    remark = f"{what} on the image: the strongest {len(shown):,} of {len(found):,} nodes that read it; grey: no edge"
    figure = new_figure(
        width,
        n_rows * (0.85 * width / n_columns * min(ratio, 1.5) + 0.22) + 0.5,
        f"{remark}\n{about}",
    )
    panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    largest = almost_largest(np.nan_to_num(np.concatenate([found[one].ravel() for one in shown])))
    given = outputs if len(outputs) == len(genome.outputs) else map(str, range(len(genome.outputs)))
    room = letters_in(width / n_columns) - 2
    names = {
        node: short_name(f"output {name}", room)
        for node, name in zip(genome.outputs.tolist(), given, strict=True)
    }
    colours = WEIGHTS.with_extremes(bad=NO_EDGE)
    image: Any = None
    for axes, node in zip(panels, shown, strict=False):
        image = axes.imshow(
            np.sign(found[node]) * np.sqrt(np.minimum(np.abs(found[node]) / largest, 1)),
            cmap=colours,
            vmin=-1,
            vmax=1,
            interpolation="nearest",
        )
        axes.set_title(names.get(node, f"node {genome.ids[node]}"), pad=2)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    bar = figure.colorbar(
        image,
        ax=list(panels),
        orientation="horizontal",
        aspect=40,
        shrink=0.8,
        ticks=[-1, 0, 1],
        pad=0.02,
    )
    bar.ax.set_xticklabels([f"≤ {-largest:.2g}", "0", f"≥ {largest:.2g}"])
    bar.set_label("weight (square-root scale)")
    return figure


def weights_on_images(genome: Genome, shape: Shape) -> dict[int, NDArray[np.float64]]:
    """Return the weights of each node that reads the image, at their pixels; NaN where there is no edge.

    Returns
    -------
    dict
        By node index: shape (rows, channels · columns) for an image of single pixels; (window, channels · window) for
        kernels, of the largest window that the node reads by.
    """
    is_from_image = genome.effective_mask() & (genome.roles[genome.indices] == Role.INPUT)
    values = genome.values[is_from_image].astype(np.float64)
    sources, targets = genome.indices[is_from_image], genome.targets[is_from_image]
    number = np.full(genome.n_nodes, -1, np.intp)  # of an input among the inputs
    number[genome.inputs] = np.arange(len(genome.inputs))
    of_source = number[sources]
    if not genome.has_maps or (genome.map_sizes[genome.inputs] == 1).all():
        if math.prod(shape) != len(genome.inputs):
            raise ResultsError(
                f"samples must have one pixel for each of {len(genome.inputs)} inputs; got shape {shape}"
            )
        n_rows, n_pixels = shape[-2], shape[-2] * shape[-1]
        channel, pixel = np.divmod(of_source, n_pixels)
        row, column = np.divmod(pixel, shape[-1])
        side = shape[-1]
        sizes = {int(node): (n_rows, side) for node in np.unique(targets)}
    else:
        assert genome.taps is not None
        window = genome.windows[is_from_image]
        channel = of_source
        row, column = np.divmod(genome.taps[is_from_image].astype(np.int64), window)
        sizes = {
            int(node): (int(window[targets == node].max()),) * 2 for node in np.unique(targets)
        }
    n_channels = 1 + int(channel.max(initial=0))
    found = {}
    for node, (n_rows, n_pixels) in sizes.items():
        own = targets == node
        image = np.full((n_rows, n_channels * n_pixels), np.nan)
        image[row[own], channel[own] * n_pixels + column[own]] = values[own]
        found[node] = image
    return found
