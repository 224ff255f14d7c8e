"""The film of the matrix: from the founder to the winner, operation by operation.

Nothing is trained again. A run keeps the founders and the trained genomes of the survivors of every generation, among
them the ancestors of the winner. The stored operations are replayed on each of them:

    founder → trained → operation → … → operation → trained → … → trained: the winner

The edges that the operations lead to are compared with those of the stored genome.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.errors import ResultsError
from evo.genome.codec import load_genomes
from evo.genome.genome import Genome
from evo.operators import OPERATORS, replay
from evo.storage.individuals import load_individuals
from evo.storage.run_reader import file_of_run, run_names
from experiments.analysis.beginnings import older_run
from experiments.analysis.results import Results, load_results
from experiments.figures.matrices import almost_largest, matrix_picture
from experiments.report.blocks.facts import where
from experiments.report.blocks.html import figure, shown
from experiments.report.blocks.plots import packed
from experiments.report.sections.winner import MOST_PLACES, names_of

MOST_FRAMES = 300
"""Largest number of pictures of a film."""

MOST_POINTS = 2_000_000
"""Largest number of points of all pictures together; there are fewer points in each picture of a long film."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Frame:
    """One picture of the film: a genome, and in words how it came about."""

    genome: Genome
    caption: str


def film(results: Results) -> str:
    """Return the film of the winner's lineage as a figure with a slider."""
    winner = results.winner()
    frames = list(frames_of(results, winner))
    step = -(-len(frames) // MOST_FRAMES)
    chosen = [*frames[:-1:step], frames[-1]]
    side = min(MOST_PLACES, math.isqrt(MOST_POINTS // len(chosen)))
    pictures = [_points(frame.genome, side) for frame in chosen]
    largest = max(almost_largest(points) for points, _ in pictures)
    best = results.best()
    names: dict[str, str] = {}
    for frame in chosen:
        named = zip(frame.genome.ids.tolist(), names_of(frame.genome, best), strict=True)
        names |= {str(identity): name for identity, name in named}
    specification = {
        "kind": "film",
        "frames": [
            {
                "n": len(points),
                "block": block,
                "ids": frame.genome.ids.tolist() if block == 1 else [],
                "caption": frame.caption,
            }
            for frame, (points, block) in zip(chosen, pictures, strict=True)
        ],
        "names": names if max(block for _, block in pictures) == 1 else {},
        "largest": float(f"{largest:.6g}"),
        "data": packed(np.concatenate([_levels(points, largest) for points, _ in pictures])),
    }
    remark = "A row is a source, a column a target. "
    remark += f"{len(frames):,} steps in all" + (
        f", every {step}th is shown. " if step > 1 else ". "
    )
    remark += "Weights are rounded to 127 levels on a square-root scale."
    return figure(
        f"The matrix from the founder to individual {winner['individual']} of {winner['run']}: "
        f"{where(results, 'training part', winner['seed'])}",
        specification,
        remark,
        "square",
    )


def _points(genome: Genome, side: int) -> tuple[NDArray[np.float64], int]:
    """Return the signed values of a matrix's picture, and how many rows a point stands for."""
    picture = matrix_picture(genome, side)
    return np.where(picture.mean < 0, -1, 1) * picture.magnitude, picture.block


def _levels(points: NDArray[np.float64], largest: float) -> NDArray[np.int8]:
    """Return values as whole numbers from −127 to 127 on a square-root scale; only 0 becomes 0."""
    share = np.sqrt(np.minimum(np.abs(points) / largest, 1))
    levels = np.where(points == 0, 0, np.maximum(1, np.round(127 * share)))
    return (np.sign(points) * levels).astype(np.int8).reshape(-1)


# -- the lineage -------------------------------------------------------------------------------------------------------


def frames_of(results: Results, winner: Row) -> Iterator[Frame]:
    """Yield the founder, each operation and each training on the way to an individual.

    Raises
    ------
    ResultsError
        If the genome of an ancestor was not kept, or the operations do not lead to it.
    """
    own = _of_run(results, winner["run"])
    rows, first = _ancestry(own, winner)
    seed = int(winner["seed"])
    frame: Frame | None = None
    for frame in _beginning(own, seed, rows, first):
        yield frame
    assert frame is not None
    genome = frame.genome
    operations = own.operations[own.operations["seed"] == seed]
    for row in rows:
        number = int(row["individual"])
        made = operations[operations["individual"] == number].sort_values("position")
        for _, one in made.iterrows():
            parameters = json.loads(one["parameters"])
            try:
                genome = replay([(one["operator"], parameters)], genome)
            except ValueError as error:
                raise ResultsError(
                    f"{own.path}: operations, individual {number}: {error}"
                ) from error
            yield Frame(genome, f"Individual {number}: {_in_words(one['operator'], parameters)}")
        trained = _kept(own, seed, row)
        if not _same_edges(genome, trained):
            raise ResultsError(
                f"{own.path}: the operations of individual {number} must lead to its stored genome; they lead to "
                "another one"
            )
        genome = trained
        yield Frame(genome, f"Individual {number}, generation {row['generation']}: trained")


def _beginning(own: Results, seed: int, rows: Sequence[Row], first: int | None) -> Iterator[Frame]:
    """Yield what comes before the individuals of a run: the founder, or the frames of the run that it continues."""
    if first is None:
        founders = load_genomes(file_of_run(own.path, f"genomes/seed-{seed}-founders.npz"))
        number = int(rows[0]["founder"])
        yield Frame(founders[number], f"Founder {number}, as it was drawn")
        return
    older = older_run(own.path)
    if older is not None and older.found is not None:
        before = {"run": older.name, "seed": seed, "individual": first}
        for frame in frames_of(load_results(older.found), before):
            yield Frame(frame.genome, f"{older.name}: {frame.caption}")
        return
    start = load_individuals(file_of_run(own.path, f"states/seed-{seed}-start.npz"))[0]
    yield Frame(start[first].genome, f"Individual {first} of a run whose folder is not found")


def _of_run(results: Results, run: str) -> Results:
    """Return the results of one run of several."""
    if len(results.paths) == 1:
        return results
    return load_results(
        next(path for path, name in run_names(results.paths).items() if name == run)
    )


def _ancestry(results: Results, winner: Row) -> tuple[list[Row], int | None]:
    """Return the rows of an individual and its ancestors, the oldest first, and who of an older run comes before."""
    of_seed = results.individuals[results.individuals["seed"] == winner["seed"]]
    known = {int(row["individual"]): row for row in of_seed.to_dict("records")}
    found: list[Row] = []
    number: int | None = int(winner["individual"])
    while number is not None and number in known:
        found.append(known[number])
        parents = known[number]["parents"]
        older = int(parents[0]) if len(parents) else None
        if older is not None and older >= number:
            raise ResultsError(
                f"{results.path}: individuals, individual {number}: parents must be older; got {older}"
            )
        number = older
    return found[::-1], number


def _kept(results: Results, seed: int, row: Row) -> Genome:
    """Return the trained genome of an ancestor."""
    path = file_of_run(
        results.path, f"genomes/seed-{seed}-generation-{int(row['generation']):04d}.npz"
    )
    genomes = load_genomes(path)
    number = int(row["individual"])
    if number not in genomes:
        raise ResultsError(
            f"the genome of individual {number}, an ancestor of the winner, was not kept, for it did not survive its "
            "generation"
        )
    return genomes[number]


def _same_edges(one: Genome, other: Genome) -> bool:
    """Return whether two genomes have the same nodes in the same order, and the same stored entries."""
    return all(
        np.array_equal(getattr(one, part), getattr(other, part))
        for part in ("ids", "roles", "indptr", "indices", "map_sizes")
    )


def _in_words(code: str, parameters: Mapping[str, Any]) -> str:
    """Return an operation as text: letter, name, and the parameters that are single values."""
    name = f" ({OPERATORS[code].name})" if code in OPERATORS else ""
    told = [
        f"{key} {shown(value)}"
        for key, value in parameters.items()
        if isinstance(value, int | float | str)
    ]
    told += [
        f"{len(value):,} {key}" for key, value in parameters.items() if isinstance(value, list)
    ]
    return f"{code}{name}{': ' if told else ''}{', '.join(told)}"
