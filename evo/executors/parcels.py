"""What travels between the driver and a worker: jobs without the parents they share, answers without their jobs.

A job is mostly the genome and optimizer state of its parent, which its siblings have too. So a parent travels once with
a chunk, or once to a machine (:class:`evo.executors.ray.RayExecutor`). An answer holds nothing that the driver has: no
job, and of the genome only what differs from the genome of the job. Training changes weights and biases alone.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from cnn.training.trainer import OptimizerState
from evo.evolution.individual import Individual
from evo.evolution.job import Job
from evo.genome.genome import Genome

Values = dict[str, Any]
_TRAINED = ("values", "bias")


class Parent(NamedTuple):
    """The genome and optimizer state with which jobs begin."""

    genome: Genome
    optimizer_state: OptimizerState | None

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        parts = [getattr(self.genome, part.name) for part in fields(Genome)]
        arrays = [part for part in parts if hasattr(part, "nbytes")]
        if self.optimizer_state is not None:
            state = self.optimizer_state
            arrays += [one for one in (state.moments, state.last_weights) if one is not None]
        return sum(array.nbytes for array in arrays)


def parent_of(job: Job) -> Parent:
    """Return the parent of a job; of a founder its own genome."""
    return Parent(job.genome, job.optimizer_state)


def without_parents(chunk: Sequence[Job], parents: Sequence[Parent]) -> list[Values]:
    """Return jobs as values; a job has the number of its parent in place of the parent."""
    numbers = {(id(one.genome), id(one.optimizer_state)): k for k, one in enumerate(parents)}
    found = []
    for job in chunk:
        values = vars(job) | {"parent": numbers[id(job.genome), id(job.optimizer_state)]}
        del values["genome"], values["optimizer_state"]
        found.append(values)
    return found


def with_parents(values: Sequence[Values], parents: Sequence[Parent]) -> list[Job]:
    """Return the jobs of which :func:`without_parents` made values."""
    return [
        Job(
            **{name: value for name, value in one.items() if name != "parent"},
            **parents[one["parent"]]._asdict(),
        )
        for one in values
    ]


def without_job(individual: Individual) -> Values:
    """Return what an individual has beyond its job."""
    job = individual.job
    values = {name: value for name, value in vars(individual).items() if name != "job"}
    if individual.optimizer_state is job.optimizer_state:
        del values["optimizer_state"]
    if individual.genome is job.genome:
        del values["genome"]
    elif _is_trained(individual.genome, job.genome):
        values["genome"] = individual.genome.values, individual.genome.bias
    return values


def with_job(values: Values, job: Job) -> Individual:
    """Return the individual of which :func:`without_job` made values."""
    genome = values.get("genome", job.genome)
    if not isinstance(genome, Genome):
        genome = job.genome.with_values(*genome)
    state = values.get("optimizer_state", job.optimizer_state)
    return Individual(**(values | {"job": job, "genome": genome, "optimizer_state": state}))


def _is_trained(genome: Genome, before: Genome) -> bool:
    """Return whether two genomes have all in common but weights and biases."""
    others = [part.name for part in fields(Genome) if part.name not in _TRAINED]
    return all(getattr(genome, name) is getattr(before, name) for name in others)
