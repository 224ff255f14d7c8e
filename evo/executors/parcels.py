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
from evo.recombination import Mate

Values = dict[str, Any]
_TRAINED = ("values", "bias")


class Parent(NamedTuple):
    """The genome and optimizer state with which jobs begin, or those of a mate."""

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


def parent_of(job: Job | Mate) -> Parent:
    """Return the parent of a job, of a founder its own genome; or what a mate consists of."""
    return Parent(job.genome, job.optimizer_state)


def parents_of(chunk: Sequence[Job]) -> list[Parent]:
    """Return the parents and the mates of some jobs, each once."""
    found = [*map(parent_of, chunk), *(parent_of(mate) for job in chunk for mate in job.mates)]
    return list({_key(one): one for one in found}.values())


def _key(one: Job | Mate | Parent) -> tuple[int, int]:
    return id(one.genome), id(one.optimizer_state)


def without_parents(chunk: Sequence[Job], parents: Sequence[Parent]) -> list[Values]:
    """Return jobs as values; a job has the numbers of its parent and its mates in place of these."""
    numbers = {_key(one): k for k, one in enumerate(parents)}

    def values_of(one: Job | Mate) -> Values:
        values = vars(one) | {"parent": numbers[_key(one)]}
        del values["genome"], values["optimizer_state"]
        return values

    return [values_of(job) | {"mates": [values_of(mate) for mate in job.mates]} for job in chunk]


def with_parents(values: Sequence[Values], parents: Sequence[Parent]) -> list[Job]:
    """Return the jobs of which :func:`without_parents` made values."""

    def parts_of(one: Values) -> Values:
        own = {name: value for name, value in one.items() if name != "parent"}
        return own | parents[one["parent"]]._asdict()

    return [
        Job(**(parts_of(one) | {"mates": tuple(Mate(**parts_of(mate)) for mate in one["mates"])}))
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
