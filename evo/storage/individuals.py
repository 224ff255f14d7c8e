"""Individuals in files: what a run needs to go on exactly where it stopped.

A file has the genome, the optimizer state and the learning curve of each individual as arrays, and all else as JSON.
JSON writes each number so that it is read back with the same bits.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.files import one_line
from cnn.training.trainer import OptimizerState
from evo.errors import ResultsError
from evo.evolution.individual import Individual
from evo.evolution.job import Job
from evo.evolution.statistics import GenomeStatistics
from evo.files import read_arrays, write_arrays
from evo.genome.codec import genome_from_arrays, genome_to_arrays
from evo.operators.operation import Operation
from evo.storage.training_state import curve_from_arrays, curve_to_arrays

FORMAT = "evomatrix-individuals-1"

StoredIndividuals = tuple[Mapping[int, Individual], Mapping[str, Any]]
"""Individuals by number, and the further values that are stored with them."""

_AS_ARRAYS = ("genome", "optimizer_state", "curve")
_OF_OTHERS = ("job", "operations", "statistics", "reused_from")
_PLAIN = tuple(one.name for one in fields(Individual) if one.name not in (*_AS_ARRAYS, *_OF_OTHERS))
_PLAIN_OF_JOB = tuple(
    one.name for one in fields(Job) if one.name not in ("genome", "optimizer_state")
)


def save_individuals(
    path: Path,
    individuals: Iterable[Individual],
    more: Mapping[str, Any] | None = None,
    *,
    flush: bool = True,
) -> None:
    """Write individuals to a file, and more values that JSON can write.

    Parameters
    ----------
    path : Path
    individuals : iterable of Individual
        With distinct numbers. Their own parents' genomes and the individuals whose results they reused are left out.
    more : mapping, optional
    flush : bool, default True
        As for :func:`evo.files.write_atomically`.

    Raises
    ------
    ResultsError
        If the file cannot be written.
    """
    arrays: dict[str, NDArray[Any]] = {}
    described = {}
    for one in individuals:
        number = str(one.job.individual)
        own, described[number] = _to_arrays(one, f"{number}/")
        arrays |= own
    description = {"format": FORMAT, "individuals": described, "more": dict(more or {})}
    write_arrays(path, arrays, description, flush=flush)


def load_individuals(
    path: Path, jobs: Mapping[int, Job] | None = None
) -> tuple[dict[int, Individual], dict[str, Any]]:
    """Read what :func:`save_individuals` wrote.

    Parameters
    ----------
    path : Path
    jobs : mapping, optional
        The jobs of the individuals, by number. By default an individual is a parent, as
        :meth:`evo.evolution.individual.Individual.released` returns it.

    Raises
    ------
    ResultsError
        If the file is missing or is not such a file: one line with the file and the rule.
    """
    arrays, description = read_arrays(path)
    try:
        if description["format"] != FORMAT:
            raise ValueError(f"format must be {FORMAT}; got {description['format']!r}")
        found = {
            int(number): _from_arrays(arrays, of, f"{number}/", jobs)
            for number, of in description["individuals"].items()
        }
        return found, dict(description["more"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ResultsError(
            f"{path}: must be a file of individuals; got {one_line(error)}"
        ) from error


def _to_arrays(one: Individual, prefix: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    arrays, genome = genome_to_arrays(one.genome, f"{prefix}genome/")
    described = {name: getattr(one, name) for name in _PLAIN} | {
        "metrics": dict(one.metrics),
        "genome": genome,
        "job": {name: getattr(one.job, name) for name in _PLAIN_OF_JOB},
        "operations": [vars(operation) for operation in one.operations],
        "statistics": one.statistics and asdict(one.statistics),
    }
    if one.optimizer_state is not None:
        arrays[f"{prefix}moments"] = one.optimizer_state.moments
        described["optimizer_step"] = one.optimizer_state.step
    if one.curve is not None:
        arrays |= curve_to_arrays(one.curve, f"{prefix}curve/")
        described["curve_layers"] = list(one.curve.layers)
    return arrays, described


def _from_arrays(
    arrays: Mapping[str, NDArray[Any]],
    described: Mapping[str, Any],
    prefix: str,
    jobs: Mapping[int, Job] | None,
) -> Individual:
    genome = genome_from_arrays(arrays, described["genome"], f"{prefix}genome/")
    state, curve = None, None
    if "optimizer_step" in described:
        state = OptimizerState(arrays[f"{prefix}moments"], described["optimizer_step"])
        if state.moments.shape[1:] != (genome.n_stored + genome.n_nodes,):
            raise ValueError(f"{prefix}moments of shape {np.shape(state.moments)}")
    if "curve_layers" in described:
        curve = curve_from_arrays(arrays, f"{prefix}curve/", described["curve_layers"])
    told = described["job"]
    if jobs is None:
        probabilities = tuple((code, share) for code, share in told["operator_probabilities"])
        parts = {name: told[name] for name in _PLAIN_OF_JOB}
        parts |= {"parents": tuple(told["parents"]), "operator_probabilities": probabilities}
        job = Job(**parts, genome=genome, optimizer_state=state)
    else:
        job = jobs[told["individual"]]
    statistics = described["statistics"]
    return Individual(
        **{name: described[name] for name in _PLAIN},
        job=job,
        genome=genome,
        optimizer_state=state,
        curve=curve,
        operations=tuple(Operation(**operation) for operation in described["operations"]),
        statistics=None if statistics is None else GenomeStatistics(**statistics),
    )
