"""The loop: ask, raise, tell.

    evolution = Evolution(settings, task, founders)
    while not evolution.done:
        jobs = evolution.ask()
        generation = evolution.tell(executor.evaluate_all(task, jobs))

`ask` decides who shall come to be, an executor lets them modify, train and be evaluated in any order and anywhere,
and `tell` selects and credits operators. All are pure functions of the seed and of the results so far.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

from cnn.training.budget import TrainingBudget
from evo.errors import EvoMatrixError
from evo.evolution.credit import OperatorCredit, credit_operators, operator_probabilities
from evo.evolution.individual import Individual, reuse_result
from evo.evolution.job import Job, Modification, Origin, Task
from evo.evolution.selection import (
    SELECTIONS,
    Request,
    SelectionSettings,
    best_of_each_slot,
    continue_all,
    ranked,
)
from evo.genome.genome import Genome
from evo.phenotype.phenotype import Dormant
from evo.seeding import Purpose, generator


class EvolutionError(EvoMatrixError):
    """A run that cannot go on, because not a single individual has a fitness."""


class EvolutionSettings(BaseModel, frozen=True, extra="forbid"):
    """How a population evolves."""

    population: int = Field(16, ge=1, description="slots of the population")
    generations: int = Field(8, ge=0, description="modify-and-train rounds after the founders'")
    steps_per_generation: int = Field(100, ge=1, description="gradient steps of one train phase")
    train_only_fraction: float = Field(
        0.25, ge=0, le=1, description="last share of the rounds, in which topologies only train"
    )
    budget: TrainingBudget = Field(
        TrainingBudget(),
        description="further bounds of one train phase; the learning rate goes by steps made, so a phase cut short "
        "leaves the end of the schedule unreached; macs count all entries that learn, dormant ones too where "
        "they do, while tables charge the network that comes of it",
    )
    dormant: Dormant = Field(
        "frozen",
        description="what entries below the threshold do in training: frozen, they keep their "
        "values; straight_through: they learn as if they were edges, and wake up once they are above it",
    )
    active_edges: Literal["free", "kept"] = Field(
        "free",
        description="straight_through: how many entries of a layer are edges when a train phase ends: free, those that "
        "training has taken above the threshold; kept, as many as before, by a threshold set anew",
    )
    fitness: str = Field("negative_loss", description="name of a fitness")
    selection: SelectionSettings = SelectionSettings()

    @property
    def total_steps(self) -> int:
        """Gradient steps along one line of ancestors from founder to winner."""
        return (self.generations + 1) * self.steps_per_generation

    @property
    def last_modified(self) -> int:
        """The last generation in which topologies change; those after it only train."""
        return self.generations - round(self.train_only_fraction * self.generations)


@dataclass(frozen=True, eq=False)
class Generation:
    """One round, complete.

    Attributes
    ----------
    number : int
        0 is the founders'.
    offspring : tuple of Individual
        All that came to be in it, by number, failures included.
    population : tuple of Individual
        Who holds each slot after selection.
    credits : tuple of OperatorCredit
        What each letter did in it; empty where nobody was modified.
    """

    number: int
    offspring: tuple[Individual, ...]
    population: tuple[Individual, ...]
    credits: tuple[OperatorCredit, ...]

    @property
    def best(self) -> Individual:
        """The fittest of the population."""
        return ranked(self.population)[0]


class Evolution:
    """A population under selection.

    Parameters
    ----------
    settings : EvolutionSettings
    task : Task
        Its seed is the run's.
    founders : sequence of Genome
        As many as the population has slots.
    """

    def __init__(self, settings: EvolutionSettings, task: Task, founders: Sequence[Genome]) -> None:
        if len(founders) != settings.population:
            raise ValueError(
                f"founders must be as many as the population ({settings.population}); got {len(founders)}"
            )
        self.settings = settings
        self.task = task
        self.founders = tuple(founders)
        self.generation = 0
        self.population: tuple[Individual, ...] = ()
        self.credits: list[tuple[OperatorCredit, ...]] = []
        self._next_individual = 0

    @property
    def done(self) -> bool:
        """Whether the last generation is complete."""
        return self.generation > self.settings.generations

    def ask(self) -> list[Job]:
        """Return the jobs of the next generation, in order of their numbers."""
        if self.generation == 0:
            jobs = [self._founder(slot, genome) for slot, genome in enumerate(self.founders)]
        else:
            if self.generation == self.settings.last_modified + 1:
                # Twins would train to the same bits from here on: one of each suffices.
                distinct = {one.job.individual: one for one in self.population}
                self.population = tuple(distinct.values())
            requests = dict(enumerate(self._requests(), self._next_individual))
            continued = {
                self.population[request.parent].job.individual: number
                for number, request in requests.items()
                if not request.modified
            }
            letters = tuple(operator_probabilities(self.task.policy, self.credits).items())
            jobs = [self._offspring(*numbered, continued, letters) for numbered in requests.items()]
        self._next_individual += len(jobs)
        return jobs

    def tell(self, offspring: Iterable[Individual]) -> Generation:
        """Take the results of the jobs asked for, in any order, credit what modified them, and select.

        A child whose training would have repeated its parent's takes that over.

        Raises
        ------
        EvolutionError
            If nobody has a fitness; the message gives the first reason.
        """
        raised = {one.job.individual: one for one in offspring}
        ordered = tuple(
            reuse_result(one, raised[one.job.continued_as])
            if one.status == "repeated" and one.job.continued_as is not None
            else one
            for _, one in sorted(raised.items())
        )
        if self.generation == 0:
            population = list(ordered)
        elif self.generation > self.settings.last_modified:
            population = best_of_each_slot(self.population, ordered)
        else:
            selection = SELECTIONS[self.settings.selection.name]
            population = selection.select(
                self.population, ordered, self.settings.selection, self.generation
            )
        if not ranked(population):
            first = ordered[0]
            raise EvolutionError(
                f"generation {self.generation}: no individual has a fitness; "
                f"individual {first.job.individual} {first.status}: {first.reason}"
            )
        credited: tuple[OperatorCredit, ...] = ()
        if 1 <= self.generation <= self.settings.last_modified:
            shares = operator_probabilities(self.task.policy, self.credits)
            credited = credit_operators(ordered, self.population, shares)
        self.credits.append(credited)
        self.population = tuple(population)
        finished = Generation(self.generation, ordered, self.population, credited)
        self.generation += 1
        return finished

    def _requests(self) -> list[Request]:
        if self.generation > self.settings.last_modified:
            return continue_all(self.population)
        rng = generator(self.task.seed, Purpose.SELECTION, self.generation)
        selection = self.settings.selection
        return SELECTIONS[selection.name].propose(self.population, selection, rng)

    def _founder(self, slot: int, genome: Genome) -> Job:
        return Job(
            individual=slot,
            generation=0,
            slot=slot,
            origin="founder",
            parents=(),
            founder=slot,
            genome=genome,
            optimizer_state=None,
            modification="none",
            letters=(),
            progress=0.0,
            first_step=0,
            ancestry_seconds=0.0,
        )

    def _offspring(
        self,
        number: int,
        request: Request,
        continued: Mapping[int, int],
        letters: tuple[tuple[str, float], ...],
    ) -> Job:
        parent = self.population[request.parent]
        modification: Modification = "policy" if request.modified else "none"
        if self.generation > self.settings.last_modified:
            modification = "freeze"  # without effect on one that is frozen already
        origin: Origin = "child" if request.modified else "continued"
        return Job(
            individual=number,
            generation=self.generation,
            slot=request.slot,
            origin=origin,
            parents=(parent.job.individual,),
            founder=parent.job.founder,
            genome=parent.genome,
            optimizer_state=parent.optimizer_state,
            modification=modification,
            letters=letters if modification == "policy" else (),
            progress=(self.generation - 1) / max(self.settings.last_modified, 1),
            first_step=parent.ancestry_steps,
            ancestry_seconds=parent.ancestry_seconds,
            continued_as=continued.get(parent.job.individual) if request.modified else None,
        )
