"""The film of a matrix: from the founder to the winner, one picture for each operation and each train phase."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray
from PIL import Image

from evo.genome.genome import Genome
from experiments.analysis.results import Results
from experiments.figures.matrices import MatrixPicture, almost_largest, matrix_picture, points_of
from experiments.figures.steps import Step, genomes_of, steps_of
from experiments.figures.style.colours import NEUTRAL, WEIGHTS
from experiments.figures.style.facts import arm_of, where
from experiments.figures.style.sizes import LINE, WIDTHS, new_figure, wrapped

MOST_FRAMES = 120
"""Largest number of pictures of a film; of more steps, pictures at equal distances are shown."""

MOST_PLACES = 200
"""Largest number of rows and columns of a picture; in larger matrices a point is the mean of a block."""

DOTS_PER_INCH = 120

MILLISECONDS, LAST_MILLISECONDS = 400, 3000
"""How long each picture is shown, and the last one."""

FORMATS = ("gif", "webp")


@dataclass(frozen=True)
class Film:
    """A film.

    Attributes
    ----------
    frames : list of ndarray, shape (height, width, 3)
        Red, green and blue, from 0 to 255.
    n_steps : int
        Number of steps of the lineage, of which the frames show all or some.
    """

    frames: list[NDArray[np.uint8]]
    n_steps: int

    def rendered(self, form: str) -> bytes:
        """Return the film as the bytes of a file, ``"gif"`` or ``"webp"``; the same film gives the same bytes."""
        images = [Image.fromarray(frame) for frame in self.frames]
        if form == "gif":
            images = [one.quantize(256, method=Image.Quantize.FASTOCTREE) for one in images]
        buffer = BytesIO()
        images[0].save(
            buffer,
            format=form,
            save_all=True,
            append_images=images[1:],
            duration=[MILLISECONDS] * (len(images) - 1) + [LAST_MILLISECONDS],
            loop=0,
            lossless=True,
        )
        return buffer.getvalue()


def draw_film(
    results: Results, width: float = WIDTHS["column"], most_frames: int = MOST_FRAMES
) -> Film:
    """Draw the matrix from the founder to the winner: a row is a source, a column a target, the colour a weight.

    Parameters
    ----------
    results : Results
    width : float
        Inches.
    most_frames : int
        Largest number of pictures, at least 2.

    Raises
    ------
    ResultsError
        If there is no finished search, or the stored operations do not lead to the stored genomes.
    """
    winner = results.winner()
    steps = steps_of(results, winner)
    n_frames = min(len(steps), most_frames)
    chosen = np.unique(np.linspace(0, len(steps) - 1, n_frames).round().astype(int))
    seed = int(winner["seed"])
    title = (
        f"From founder {winner['founder']} to individual {winner['individual']}, the winner\n"
        f"{where(results, 'training part', seed, arm_of(results, winner))}\n"
        "blue: positive weight; red: negative weight"
    )
    if n_frames < len(steps):
        title += f"; {n_frames} of {len(steps):,} steps are shown"
    return Film([*_frames(steps, set(chosen.tolist()), width, title)], len(steps))


def _frames(
    steps: Sequence[Step], chosen: set[int], width: float, title: str
) -> Iterator[NDArray[np.uint8]]:
    """Yield the chosen pictures; all have the same size and the same colours for the same weights."""
    pictures = [
        (number, _points(genome))
        for number, genome in enumerate(genomes_of(steps))
        if number in chosen
    ]
    largest = max(almost_largest(picture.magnitude) for _, (picture, _) in pictures)
    figure = new_figure(width, width + 4 * LINE, title)
    figure.set_dpi(DOTS_PER_INCH)
    canvas: Any = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(np.zeros((1, 1)), cmap=WEIGHTS, vmin=-1, vmax=1, interpolation="nearest")
    (diagonal,) = axes.plot([], [], color=NEUTRAL, linewidth=0.5, alpha=0.6)
    axes.set(xlabel="target node", ylabel="source node")
    axes.spines[:].set_color(NEUTRAL)
    head = axes.set_title("\n\n", loc="left")
    for number, (picture, n_nodes) in pictures:
        drawn = picture.block * len(picture.mean)
        image.set_data(points_of(picture, largest))
        image.set_extent((0, drawn, drawn, 0))
        axes.set(xlim=(0, n_nodes), ylim=(n_nodes, 0))
        diagonal.set_data([0, n_nodes], [0, n_nodes])
        step = f"{number + 1} of {len(steps)}: {steps[number].caption}"
        lines = [*wrapped(step, 0.9 * width).splitlines()[:2], ""][:2]
        head.set_text("\n".join([*lines, f"{n_nodes:,} nodes, {picture.caption}"]))
        canvas.draw()
        figure.set_layout_engine("none")  # places stay those of the first picture
        yield np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def _points(genome: Genome) -> tuple[MatrixPicture, int]:
    return matrix_picture(genome, MOST_PLACES), genome.n_nodes
