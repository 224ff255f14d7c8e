"""Mates: the relatives that an individual may be recombined with, and who they are.

The driver chooses them in the population before, when it makes a job, so the choice does not depend on the order in
which individuals finish. The job carries their genomes to the worker.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cnn.training.trainer import OptimizerState
from evo.editing.editor import GenomeEditor
from evo.genome.genome import Genome
from evo.recombination.alignment import broken_rule
from evo.recombination.settings import RecombinationSettings


@dataclass(frozen=True, eq=False)
class Mate:
    """A relative of an individual.

    Attributes
    ----------
    individual : int
        Its number in the run.
    genome : Genome
    optimizer_state : OptimizerState or None
        It belongs to the genome as in a job, with which both travel to a worker.
    is_fitter : bool
        Whether its fitness is above that of the parent.
    """

    individual: int
    genome: Genome
    optimizer_state: OptimizerState | None = None
    is_fitter: bool = False


class Bounds(Protocol):
    """What a proposal reads of the settings of operators."""

    @property
    def max_density(self) -> float:
        """The density above which no entries are added."""
        ...


class Context(Protocol):
    """What a proposal reads of its context (:class:`evo.operators.operation.ProposalContext`)."""

    @property
    def rng(self) -> np.random.Generator:
        """The source of random numbers."""
        ...

    @property
    def settings(self) -> Bounds:
        """The settings of operators."""
        ...

    @property
    def mates(self) -> Sequence[Mate]:
        """The mates, the fittest first."""
        ...

    @property
    def validation_loss(self) -> Callable[[Genome], float] | None:
        """The loss of a network on the validation part."""
        ...


class Place(Protocol):
    """Where an individual stands in a run."""

    @property
    def individual(self) -> int:
        """Its number in the run."""
        ...

    @property
    def founder(self) -> int:
        """The number of its founder."""
        ...


class Relative(Protocol):
    """What the choice reads of an individual (:class:`evo.evolution.individual.Individual`)."""

    @property
    def job(self) -> Place:
        """Where it stands."""
        ...

    @property
    def genome(self) -> Genome:
        """Its trained genome."""
        ...

    @property
    def optimizer_state(self) -> OptimizerState | None:
        """The state of its optimizer."""
        ...

    @property
    def fitness(self) -> float | None:
        """Its fitness; None if it failed."""
        ...


def choose_mates(
    parent: Relative,
    population: Iterable[Relative],
    settings: RecombinationSettings,
    rng: np.random.Generator,
) -> tuple[Mate, ...]:
    """Choose the mates of a child.

    Parameters
    ----------
    parent : Relative
        The parent whose weights, slot and ancestry the child has.
    population : iterable of Relative
        The population before. An individual may be in it several times.
    settings : RecombinationSettings
    rng : numpy.random.Generator

    Returns
    -------
    tuple of Mate
        The fittest first. Empty if the child has no mates.
    """
    if rng.random() >= settings.probability:
        return ()
    others = {one.job.individual: one for one in population if one.fitness is not None}
    others.pop(parent.job.individual, None)
    relatives = [
        one
        for _, one in sorted(others.items())
        if settings.relatives == "population" or one.job.founder == parent.job.founder
    ]
    if settings.mode != "soup" and len(relatives) > settings.mates:
        drawn = rng.choice(len(relatives), settings.mates, replace=False)
        relatives = [relatives[k] for k in sorted(drawn.tolist())]
    ranked = sorted(relatives, key=lambda one: -(one.fitness or 0.0))
    return mates_of(parent, ranked[: settings.mates])


def mates_of(parent: Relative, relatives: Iterable[Relative]) -> tuple[Mate, ...]:
    """Return some relatives as the mates of a child."""
    fitness = -np.inf if parent.fitness is None else parent.fitness
    return tuple(
        Mate(
            one.job.individual,
            one.genome,
            one.optimizer_state,
            one.fitness is not None and one.fitness > fitness,
        )
        for one in relatives
    )


def fitting_mates(editor: GenomeEditor, context: Context) -> list[Mate]:
    """Return the mates in a context that the genome of an editor can be recombined with, in their order."""
    genome = editor.freeze()
    return [
        one
        for one in context.mates
        if one.individual in editor.mates and not broken_rule(genome, one.genome)
    ]


def genomes_of(editor: GenomeEditor, numbers: Sequence[int]) -> list[Genome]:
    """Return the genomes of recorded mates.

    Raises
    ------
    ValueError
        If an editor does not have one of them, or its genome cannot be recombined with it.
    """
    genome = editor.freeze()
    for number in numbers:
        if number not in editor.mates:
            raise ValueError(f"mates must be of {list(editor.mates)}, those given; got {number}")
        rule = broken_rule(genome, editor.mates[number])
        if rule:
            raise ValueError(f"mates must have {rule} for mate {number}")
    return [editor.mates[number] for number in numbers]
