"""The steps from a founder to one of its descendants: each operation and each training of its lineage.

Nothing is trained again. A run keeps the founders and the trained genomes of the survivors of every generation, among
them the ancestors of the winner. The stored operations are replayed on each of them:

    founder → trained → operation → … → operation → trained → … → trained: the winner

The edges that the operations lead to are compared with those of the stored genome.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evo.errors import ResultsError
from evo.genome.codec import load_genomes
from evo.genome.genome import Genome
from evo.operators import OPERATORS, replay
from evo.storage.individuals import load_individuals
from evo.storage.run_reader import file_of_run, run_names
from experiments.analysis.beginnings import older_run
from experiments.analysis.results import Results, load_results

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One step of a lineage.

    Attributes
    ----------
    caption : str
        What it does.
    make : callable
        Returns the genome after the step, given that before it; None before the first one.
    """

    caption: str
    make: Callable[[Genome | None], Genome]


def genomes_of(steps: Sequence[Step]) -> Iterator[Genome]:
    """Yield the genome after each step.

    Raises
    ------
    ResultsError
        If the genome of an ancestor was not kept, or the operations do not lead to it.
    """
    genome: Genome | None = None
    for step in steps:
        genome = step.make(genome)
        yield genome


def steps_of(results: Results, winner: Row) -> list[Step]:
    """Return the steps to an individual: its founder, then each operation and each training of its lineage."""
    own = _of_run(results, winner["run"])
    rows, first = _ancestry(own, winner)
    seed = int(winner["seed"])
    operations = own.operations[own.operations["seed"] == seed]
    steps = _beginning(own, seed, rows, first)
    for row in rows:
        number = int(row["individual"])
        made = operations[operations["individual"] == number].sort_values("position")
        for code, text in zip(made["operator"], made["parameters"], strict=True):
            parameters = json.loads(text)
            steps.append(
                Step(
                    f"Individual {number}: {_in_words(code, parameters)}",
                    partial(_operated, own.path, number, code, parameters),
                )
            )
        steps.append(
            Step(
                f"Individual {number}, generation {row['generation']}: trained",
                partial(_trained, own.path, seed, row),
            )
        )
    return steps


def _beginning(own: Results, seed: int, rows: Sequence[Row], first: int | None) -> list[Step]:
    """Return what comes before the individuals of a run: the founder, or the steps of the run that it continues."""
    if first is None:
        number = int(rows[0]["founder"])
        path = f"genomes/seed-{seed}-founders.npz"
        founder = Step(
            f"Founder {number}, as it was drawn", partial(_stored, own.path, path, number)
        )
        return [founder]
    older = older_run(own.path)
    if older is not None and older.found is not None:
        before = {"run": older.name, "seed": seed, "individual": first}
        steps = steps_of(load_results(older.found), before)
        return [Step(f"{older.name}: {one.caption}", one.make) for one in steps]
    caption = f"Individual {first} of a run whose folder is not found"
    return [Step(caption, partial(_started, own.path, seed, first))]


def _stored(run: Path, name: str, number: int, _: Genome | None) -> Genome:
    """Return a genome of a file of genomes."""
    genomes = load_genomes(file_of_run(run, name))
    if number not in genomes:
        raise ResultsError(
            f"{run}: {name} must have the genome of {number}, an ancestor of the winner; it was not kept"
        )
    return genomes[number]


def _started(run: Path, seed: int, number: int, _: Genome | None) -> Genome:
    """Return the genome of an individual with which a run began that continues another one."""
    return load_individuals(file_of_run(run, f"states/seed-{seed}-start.npz"))[0][number].genome


def _operated(run: Path, number: int, code: str, parameters: Row, before: Genome | None) -> Genome:
    """Return a genome after an operation."""
    assert before is not None
    try:
        return replay([(code, dict(parameters))], before)
    except ValueError as error:
        raise ResultsError(f"{run}: operations, individual {number}: {error}") from error


def _trained(run: Path, seed: int, row: Row, before: Genome | None) -> Genome:
    """Return the stored genome of an individual, whose edges must be those before its training."""
    number, generation = int(row["individual"]), int(row["generation"])
    trained = _stored(run, f"genomes/seed-{seed}-generation-{generation:04d}.npz", number, None)
    if before is None or not _same_edges(before, trained):
        raise ResultsError(
            f"{run}: the operations of individual {number} must lead to its stored genome; they lead to another one"
        )
    return trained


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
        f"{key} {_shown(value)}"
        for key, value in parameters.items()
        if isinstance(value, int | float | str)
    ]
    told += [
        f"{len(value):,} {key}" for key, value in parameters.items() if isinstance(value, list)
    ]
    return f"{code}{name}{': ' if told else ''}{', '.join(told)}"


def _shown(value: float | str) -> str:
    """Return a parameter as people read it: a number has at most four digits after its first ones."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
