"""Individuals in files: what a run needs to go on exactly where it stopped.

A file has the genome, the optimizer state and the learning curve of each individual as arrays, and all else as JSON.
JSON writes each number so that it is read back with the same bits.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.files import one_line
from cnn.training.trainer import OptimizerState
from evo.errors import ResultsError
from evo.evolution.asynchronous import AsynchronousState, OpenGeneration
from evo.evolution.evolution import EvolutionState
from evo.evolution.individual import Individual
from evo.evolution.job import Job
from evo.evolution.statistics import GenomeStatistics
from evo.files import read_arrays, write_arrays
from evo.genome.codec import genome_from_arrays, genome_to_arrays
from evo.genome.genome import Genome
from evo.operators.operation import Operation
from evo.recombination import mates_of
from evo.storage.training_state import curve_from_arrays, curve_to_arrays

FORMAT = "evomatrix-individuals-1"

StoredIndividuals = tuple[Mapping[int, Individual], Mapping[str, Any]]
"""Individuals by number, and the further values that are stored with them."""

_AS_ARRAYS = ("genome", "optimizer_state", "curve")
_OF_OTHERS = ("job", "operations", "statistics", "reused_from")
_PLAIN = tuple(one.name for one in fields(Individual) if one.name not in (*_AS_ARRAYS, *_OF_OTHERS))
_PLAIN_OF_JOB = tuple(
    one.name for one in fields(Job) if one.name not in ("genome", "optimizer_state", "mates")
)


def save_individuals(
    path: Path,
    individuals: Iterable[Individual],
    more: Mapping[str, Any] | None = None,
    *,
    staged: bool = False,
) -> None:
    """Write individuals to a file, and more values that JSON can write.

    Parameters
    ----------
    path : Path
    individuals : iterable of Individual
        With distinct numbers. Genomes of their own parents and mates, and whose results they reused, are left out.
    more : mapping, optional
    staged : bool, default False
        Whether the file is written as :func:`evo.files.write_staged` does.

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
    write_arrays(path, arrays, description, packed=True, staged=staged)


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
        "job": _values_of_job(one.job),
        "operations": [vars(operation) for operation in one.operations],
        "statistics": one.statistics and vars(one.statistics),
    }
    if one.optimizer_state is not None:
        arrays[f"{prefix}moments"] = one.optimizer_state.moments
        described["optimizer_step"] = one.optimizer_state.step
        if one.optimizer_state.last_weights is not None:
            arrays[f"{prefix}last_weights"] = one.optimizer_state.last_weights
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
        moments, last = arrays[f"{prefix}moments"], arrays.get(f"{prefix}last_weights")
        state = OptimizerState(moments, described["optimizer_step"], last)
        shape = (genome.n_stored + genome.n_nodes,)
        if moments.shape[1:] != shape:
            raise ValueError(f"{prefix}moments of shape {np.shape(moments)}")
        if last is not None and last.shape != shape:
            raise ValueError(f"{prefix}last_weights of shape {np.shape(last)}")
    if "curve_layers" in described:
        curve = curve_from_arrays(arrays, f"{prefix}curve/", described["curve_layers"])
    told = described["job"]
    job = _job_from_values(told, genome, state) if jobs is None else jobs[told["individual"]]
    statistics = described["statistics"]
    return Individual(
        **{name: described[name] for name in _PLAIN if name in described},  # of older runs, a few
        job=job,
        genome=genome,
        optimizer_state=state,
        curve=curve,
        operations=tuple(Operation(**operation) for operation in described["operations"]),
        statistics=None if statistics is None else GenomeStatistics(**statistics),
    )


def _values_of_job(job: Job) -> dict[str, Any]:
    """Return a job without the parameters of the parent, as values that JSON can write."""
    return {name: getattr(job, name) for name in _PLAIN_OF_JOB}


def _job_from_values(
    told: Mapping[str, Any], genome: Genome, optimizer_state: OptimizerState | None
) -> Job:
    """Return the job of :func:`_values_of_job` with the parameters of a parent."""
    probabilities = tuple((code, share) for code, share in told["operator_probabilities"])
    parts = {name: told[name] for name in _PLAIN_OF_JOB if name in told}  # of older runs, a few
    parts |= {"parents": tuple(told["parents"]), "operator_probabilities": probabilities}
    return Job(**parts, genome=genome, optimizer_state=optimizer_state)


# -- the state of an asynchronous search -------------------------------------------------------------------------------


def individuals_of_state(state: AsynchronousState) -> dict[int, Individual]:
    """Return the individuals, by number, that :func:`state_from_values` needs."""
    individuals = {one.job.individual: one for one in state.settled.population}
    for of in state.open.values():
        individuals |= of.arrived
    return individuals


def values_of_state(state: AsynchronousState) -> dict[str, Any]:
    """Return what of a state is not settled, as values that JSON can write; individuals are their numbers."""
    return {
        "n_arrived": state.n_arrived,
        "ready": state.ready,
        "in_flight": [_values_of_job(job) for job in state.in_flight.values()],
        "open": [
            {
                "generation": generation,
                "arrived": list(of.arrived),
                "holders": [[slot, one.job.individual] for slot, one in of.holders.items()],
                "continued": list(of.continued.items()),
                "probabilities": None if of.probabilities is None else dict(of.probabilities),
            }
            for generation, of in state.open.items()
        ],
    }


def state_from_values(
    settled: EvolutionState, individuals: Mapping[int, Individual], values: Mapping[str, Any]
) -> AsynchronousState:
    """Return the state of which :func:`values_of_state` returned the values.

    Parameters
    ----------
    settled : EvolutionState
    individuals : mapping
        The individuals of :func:`individuals_of_state`, as :func:`load_individuals` returns them.
    values : mapping
    """

    def job_of(told: Mapping[str, Any]) -> Job:
        parent, *mates = (individuals[number] for number in told["parents"])
        job = _job_from_values(told, parent.genome, parent.optimizer_state)
        return replace(job, mates=mates_of(parent, mates))

    opened = {}
    for of in values["open"]:
        arrived = {number: individuals[number] for number in of["arrived"]}
        opened[of["generation"]] = OpenGeneration(
            {key: replace(one, job=job_of(vars(one.job))) for key, one in arrived.items()},
            # No duplicate is among them: the individual that it duplicates is as good, and has a smaller number.
            {slot: individuals[number] for slot, number in of["holders"]},
            dict(of["continued"]),
            of["probabilities"],
        )
    in_flight = {told["individual"]: job_of(told) for told in values["in_flight"]}
    ready = tuple((generation, slot, index) for generation, slot, index in values["ready"])
    return AsynchronousState(settled, opened, in_flight, ready, values["n_arrived"])
