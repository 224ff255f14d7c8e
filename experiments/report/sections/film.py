"""The film of the matrix: from the founder to the winner, operation by operation.

Nothing is trained again. A run keeps the founders and the trained genomes of the survivors of every generation, among
them the ancestors of the winner. The stored operations are replayed on each of them:

    founder → trained → operation → … → operation → trained → … → trained: the winner

The edges that the operations lead to are compared with those of the stored genome.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.genome.genome import Genome
from experiments.analysis.results import Results
from experiments.figures.matrices import almost_largest, matrix_picture
from experiments.figures.steps import genomes_of, steps_of
from experiments.figures.style.facts import where
from experiments.report.blocks.html import figure
from experiments.report.blocks.plots import packed
from experiments.report.sections.winner import MOST_PLACES, names_of

MOST_FRAMES = 300
"""Largest number of pictures of a film."""

MOST_WEIGHTS = 2_500_000
"""Largest number of weights of all pictures together, about; there are fewer points in each picture beyond that."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class _Picture:
    """One picture: the signed values of its points, how many rows a point stands for, ids of nodes, and a caption."""

    points: NDArray[np.float64]
    block: int
    ids: list[int]
    caption: str


def film(results: Results) -> str:
    """Return the film of the winner's lineage as a figure with a slider."""
    winner, best = results.winner(), results.best()
    steps = steps_of(results, winner)
    every = -(-len(steps) // MOST_FRAMES)
    chosen = {*range(0, len(steps), every), len(steps) - 1}
    side = MOST_PLACES
    if best.genome.n_stored * len(chosen) > MOST_WEIGHTS:
        side = min(side, math.isqrt(MOST_WEIGHTS // len(chosen)))
    names: dict[str, str] = {}
    pictures = []
    for number, (step, genome) in enumerate(zip(steps, genomes_of(steps), strict=True)):
        if number in chosen:
            pictures.append(_picture(genome, side, step.caption))
            if pictures[-1].block == 1:
                ids = map(str, genome.ids.tolist())
                names |= dict(zip(ids, names_of(genome, best), strict=True))
    remark = "A row is a source, a column a target. "
    shown = f", of which one in {every} is shown" if every > 1 else ""
    remark += f"{len(steps):,} steps in all{shown}. "
    remark += "Weights are rounded to 127 levels on a square-root scale."
    return figure(
        f"The matrix from the founder to individual {winner['individual']} of {winner['run']}: "
        f"{where(results, 'training part', winner['seed'])}",
        _specification(pictures, names),
        remark,
        "square",
    )


def _specification(pictures: Sequence[_Picture], names: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page needs: the pictures, the names of nodes by their id, and the levels of all points."""
    largest = max(almost_largest(one.points) for one in pictures)
    return {
        "kind": "film",
        "frames": [
            {"n": len(one.points), "block": one.block, "ids": one.ids, "caption": one.caption}
            for one in pictures
        ],
        "names": names,
        "largest": float(f"{largest:.6g}"),
        "data": packed(np.concatenate([_levels(one.points, largest) for one in pictures])),
    }


def _picture(genome: Genome, side: int, caption: str) -> _Picture:
    picture = matrix_picture(genome, side)
    points = np.where(picture.mean < 0, -1, 1) * picture.magnitude
    ids = genome.ids.tolist() if picture.block == 1 else []
    return _Picture(points.astype(np.float32), picture.block, ids, caption)


def _levels(points: NDArray[np.float64], largest: float) -> NDArray[np.int8]:
    """Return values as whole numbers from −127 to 127 on a square-root scale; only 0 becomes 0."""
    share = np.sqrt(np.minimum(np.abs(points) / largest, 1))
    levels = np.where(points == 0, 0, np.maximum(1, np.round(127 * share)))
    return (np.sign(points) * levels).astype(np.int8).reshape(-1)
