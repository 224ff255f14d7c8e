"""The loop: ask, evaluate, tell.

    evolution = Evolution(task, founders)
    state = EvolutionState()
    while not evolution.done(state):
        jobs = evolution.ask(state)
        state, generation = evolution.tell(state, evaluate_all(executor, task, jobs))

`ask` returns the jobs of the next generation. An executor evaluates them in any order and on any machine. `tell`
credits the operators and selects. Both are pure functions: they change nothing, and the same state and results give the
same answer. All randomness follows from the seed of the task. :mod:`evo.evolution.asynchronous` has the loop without a
barrier between generations.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evo.errors import EvoMatrixError
from evo.evolution.credit import CreditTotals, OperatorCredit, credit_operators
from evo.evolution.individual import Individual, reuse_result
from evo.evolution.job import Job, Modification, Origin, Task
from evo.genome.genome import Genome
from evo.recombination import Mate, choose_mates
from evo.seeding import Purpose, generator
from evo.selection import (
    SELECTIONS,
    OffspringRequest,
    best_of_each_slot,
    continue_all,
    ranked,
)


class EvolutionError(EvoMatrixError):
    """A run that cannot continue: no individual has a fitness, or a selection breaks its contract.

    Attributes
    ----------
    generation : Generation or None
        The generation with its failed offspring; no slot of its population is held. None if a selection is at fault.
    """

    def __init__(self, message: str, generation: "Generation | None" = None) -> None:
        super().__init__(message)
        self.generation = generation


@dataclass(frozen=True, eq=False)
class EvolutionState:
    """The state of an evolution between two generations; the default is the state before the founders.

    Attributes
    ----------
    generation : int
        Number of the next generation.
    population : tuple of Individual
        The individual in each slot.
    credits : CreditTotals
        The credits of the finished generations.
    n_individuals : int
        Number of individuals evaluated so far, which is the number of the next individual.
    """

    generation: int = 0
    population: tuple[Individual, ...] = ()
    credits: CreditTotals = field(default_factory=CreditTotals)
    n_individuals: int = 0


@dataclass(frozen=True, eq=False)
class Generation:
    """One finished generation.

    Attributes
    ----------
    number : int
        0 is the generation of the founders.
    offspring : tuple of Individual
        All individuals evaluated in it, by number, failures included.
    population : tuple of Individual
        The individual in each slot after selection.
    credits : tuple of OperatorCredit
        The credit of each operator; empty if the generation modified no individual.
    """

    number: int
    offspring: tuple[Individual, ...]
    population: tuple[Individual, ...]
    credits: tuple[OperatorCredit, ...]

    @property
    def best(self) -> Individual:
        """The individual with the best fitness of the population."""
        return ranked(self.population)[0]


@dataclass(frozen=True, eq=False)
class Evolution:
    """A population under selection.

    Parameters
    ----------
    task : Task
    founders : sequence of Genome
        One for each slot of the population. A task that continues a run needs none.
    """

    task: Task
    founders: Sequence[Genome]

    def __post_init__(self) -> None:
        """Check the number of founders."""
        check_number_of_founders(self.task, self.founders)

    def done(self, state: EvolutionState) -> bool:
        """Return whether the last generation is finished."""
        return state.generation > self.task.evolution.generations

    def ask(self, state: EvolutionState) -> list[Job]:
        """Return the jobs of the next generation, ordered by number."""
        if state.generation == 0:
            return [founder_job(self.task, *one) for one in enumerate(self.founders)]
        parents = self._parents(state)
        requests = dict(enumerate(self._requests(state, parents), state.n_individuals))
        continued = {
            parents[request.parent].job.individual: number
            for number, request in requests.items()
            if not request.modified
        }
        probabilities = state.credits.probabilities(self.task.policy)
        jobs = []
        for number, request in requests.items():
            parent = parents[request.parent]
            in_parallel = continued.get(parent.job.individual) if request.modified else None
            jobs.append(
                offspring_job(
                    self.task,
                    state.generation,
                    number,
                    request,
                    parent,
                    in_parallel,
                    probabilities,
                    _possible_mates(request, state.population),
                )
            )
        return jobs

    def tell(
        self, state: EvolutionState, offspring: Iterable[Individual]
    ) -> tuple[EvolutionState, Generation]:
        """Return the state after a generation, and the generation.

        Parameters
        ----------
        state : EvolutionState
            The state for which :meth:`ask` returned the jobs.
        offspring : iterable of Individual
            The results of all these jobs, in any order. A child whose training would have duplicated its parent's
            reuses the parent's result.

        Raises
        ------
        EvolutionError
            If no individual has a fitness; the message gives the first reason.
        """
        settings, number = self.task.evolution, state.generation
        ordered = with_reused_results({one.job.individual: one for one in offspring})
        parents = self._parents(state)
        if number == 0:
            population = list(ordered)
        elif number > settings.last_modified:
            population = best_of_each_slot(parents, ordered)
        else:
            selection = SELECTIONS[settings.selection.name]
            population = selection.select(parents, ordered, settings.selection, number)
            self._check_selected(population, parents, ordered)
        probabilities = state.credits.probabilities(self.task.policy)
        return finish(
            self.task, state, Generation(number, ordered, tuple(population), ()), probabilities
        )

    def _parents(self, state: EvolutionState) -> tuple[Individual, ...]:
        """Return the population; where networks are only trained, each individual once, for twins would train alike."""
        if state.generation <= self.task.evolution.last_modified:
            return state.population
        return distinct(state.population)

    def _requests(
        self, state: EvolutionState, parents: tuple[Individual, ...]
    ) -> list[OffspringRequest]:
        if state.generation > self.task.evolution.last_modified:
            return continue_all(parents)
        rng = generator(self.task.seed, Purpose.SELECTION, state.generation)
        settings = self.task.evolution.selection
        requests = SELECTIONS[settings.name].propose(parents, settings, rng)
        self._check_requests(requests, len(parents))
        return list(requests)

    def _check_requests(self, requests: Any, n_slots: int) -> None:
        """Raise EvolutionError unless a selection requests offspring of the population for its slots."""
        usable = isinstance(requests, list | tuple) and all(
            isinstance(one, OffspringRequest)
            and 0 <= one.parent < n_slots
            and 0 <= one.slot < n_slots
            and all(0 <= mate < n_slots for mate in one.mates or ())
            for one in requests
        )
        if not usable or not requests:
            name = self.task.evolution.selection.name
            raise EvolutionError(
                f"propose of selection {name!r} must return a list of OffspringRequest, parent, slot and mates below "
                f"{n_slots}; got {requests!r}"
            )

    def _check_selected(
        self, population: Any, parents: Sequence[Individual], offspring: Sequence[Individual]
    ) -> None:
        """Raise EvolutionError unless a selection fills every slot with an individual of its arguments."""
        numbers, n_slots = {one.job.individual for one in (*parents, *offspring)}, len(parents)
        usable = isinstance(population, list | tuple) and all(
            isinstance(one, Individual) and one.job.individual in numbers for one in population
        )
        if not usable or len(population) != n_slots:
            name = self.task.evolution.selection.name
            got = f"{len(population)} items" if isinstance(population, list | tuple) else population
            raise EvolutionError(
                f"select of selection {name!r} must return {n_slots} of the given individuals; got {got!r}"
            )


def _possible_mates(
    request: OffspringRequest, population: Sequence[Individual]
) -> Sequence[Individual]:
    """Return those of a population who may be mates of an offspring."""
    return population if request.mates is None else [population[slot] for slot in request.mates]


def check_number_of_founders(task: Task, founders: Sequence[Genome]) -> None:
    """Raise ValueError unless there is a founder for each slot; a task that continues a run needs none."""
    population = task.evolution.population
    if task.first_generation == 0 and len(founders) != population:
        raise ValueError(
            f"founders must be as many as the population ({population}); got {len(founders)}"
        )


def founder_job(task: Task, slot: int, genome: Genome) -> Job:
    """Return the job of a founder."""
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
        operator_probabilities=(),
        progress=0.0,
        first_step=0,
        ancestry_seconds=0.0,
        genes=task.genes_of(slot, 0, "founder", None),
    )


def offspring_job(
    task: Task,
    generation: int,
    number: int,
    request: OffspringRequest,
    parent: Individual,
    continued_parent: int | None,
    probabilities: Mapping[str, float],
    population: Iterable[Individual],
) -> Job:
    """Return the job of one offspring.

    `continued_parent` is the number of the individual in the same generation that is its parent trained further, if
    any. Its mates are in `population`, the individuals of the generation before that are known.
    """
    last_modified = task.evolution.last_modified
    modification: Modification = "policy" if request.modified else "none"
    mates: tuple[Mate, ...] = ()
    if modification == "policy" and task.evolution.recombination.probability > 0:
        rng = generator(task.seed, Purpose.MATES, generation, number)
        mates = choose_mates(parent, population, task.evolution.recombination, rng)
    if generation > last_modified:
        modification = "drop_dormant"  # without effect where no entry is dormant
    origin: Origin = "child" if request.modified else "continued"
    inherited = None if parent.fitness is None else parent.job.genes
    genes = task.genes_of(number, generation, origin, inherited)
    if genes and genes != inherited:
        continued_parent = None  # with another recipe, training cannot duplicate that of the parent
    return Job(
        individual=number,
        generation=generation,
        slot=request.slot,
        origin=origin,
        parents=(parent.job.individual, *(mate.individual for mate in mates)),
        founder=parent.job.founder,
        genome=parent.genome,
        optimizer_state=parent.optimizer_state,
        modification=modification,
        operator_probabilities=tuple(probabilities.items()) if modification == "policy" else (),
        progress=(generation - 1) / max(last_modified, 1),
        first_step=parent.ancestry_steps,
        ancestry_seconds=parent.ancestry_seconds,
        continued_parent=continued_parent,
        ancestry_macs=parent.ancestry_macs,
        ancestry_cpu_seconds=parent.ancestry_cpu_seconds,
        genes=genes,
        mates=mates,
    )


def distinct(population: Iterable[Individual]) -> tuple[Individual, ...]:
    """Return each individual once."""
    return tuple({one.job.individual: one for one in population}.values())


def with_reused_results(evaluated: Mapping[int, Individual]) -> tuple[Individual, ...]:
    """Return individuals ordered by number, each duplicate with the result of its parent.

    Parameters
    ----------
    evaluated : mapping
        By number; the parents whose results duplicates reuse must be among them.
    """
    return tuple(
        reuse_result(one, evaluated[one.job.continued_parent])
        if one.status == "duplicate" and one.job.continued_parent is not None
        else one
        for _, one in sorted(evaluated.items())
    )


def finish(
    task: Task, state: EvolutionState, selected: Generation, probabilities: Mapping[str, float]
) -> tuple[EvolutionState, Generation]:
    """Credit the operators of a generation; return the state after it, and the generation.

    Parameters
    ----------
    task : Task
    state : EvolutionState
        The state before the generation.
    selected : Generation
        With its offspring and its population after selection, and without credits.
    probabilities : mapping
        The probability with which the policy drew each operator.

    Raises
    ------
    EvolutionError
        If no individual has a fitness; the message gives the first reason.
    """
    number, offspring, population = selected.number, selected.offspring, selected.population
    if not ranked(population):
        first = offspring[0]
        raise EvolutionError(
            f"generation {number}: no individual has a fitness; "
            f"individual {first.job.individual} {first.status}: {' '.join(first.reason.split())}",
            replace(selected, population=()),
        )
    credited: tuple[OperatorCredit, ...] = ()
    if 1 <= number <= task.evolution.last_modified:
        credited = credit_operators(offspring, state.population, probabilities)
    after = EvolutionState(
        number + 1,
        tuple(one.released() for one in population),
        state.credits.after(task.policy, credited),
        state.n_individuals + len(offspring),
    )
    return after, replace(selected, credits=credited)
