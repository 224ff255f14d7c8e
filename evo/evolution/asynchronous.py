"""The loop without a barrier: whenever an individual arrives, the next one is made.

    evolution = AsynchronousEvolution(task, founders)
    state, jobs = evolution.ask(evolution.begin())
    work = deque(Work(task, job) for job in jobs)
    for _, individual in executor.evaluate(work, one_by_one=True):
        state = evolution.tell(state, individual)
        while (settled := evolution.settle(state)) is not None:
            state, generation = settled
        state, jobs = evolution.ask(state)
        work.extend(Work(task, job) for job in jobs)

An asynchronous evolutionary algorithm in a steady state: `evolution.in_flight` individuals are being evaluated at any
time. An individual that arrives takes its slot at once and can be a parent at once. So no worker waits for a slow
individual. All functions are pure: the state after k arrivals follows from the seed and the order of these arrivals.

Individuals inherit trained weights, so one that was trained for more steps is nearly always better. Therefore
individuals compete at equal training only, as on the rungs of ASHA (Li et al. 2020). The generation of an individual
is the number of train phases of its ancestry. Every slot gets as many offspring in every generation as in the
generational mode, so budgets, schedules and numbers of individuals are those of that mode. But generations overlap: a
parent is chosen among the individuals of the generation before that have arrived *so far*. Where a selection needs only
the holder of the same slot, each slot goes its own way.

A fast individual arrives earlier and has more children (evaluation-time bias: Scott and De Jong 2015). The fewer are in
flight, the smaller is this bias: when the last job of a generation is made, all but `in_flight` of the generation
before are known.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evo.evolution.evolution import (
    EvolutionError,
    EvolutionState,
    Generation,
    check_number_of_founders,
    distinct,
    finish,
    founder_job,
    offspring_job,
    with_reused_results,
)
from evo.evolution.individual import Individual
from evo.evolution.job import Job, Task
from evo.genome.genome import Genome
from evo.seeding import Purpose, generator
from evo.selection import SELECTIONS, OffspringRequest, SingleSelection, Vacancy, ranked

Place = tuple[int, int, int]
"""Where an individual belongs: its generation, its slot, and its index among the offspring of the slot."""


@dataclass(frozen=True, eq=False)
class OpenGeneration:
    """A generation of which some individuals have not arrived.

    Attributes
    ----------
    arrived : mapping
        The individuals that have arrived, by number.
    holders : mapping
        The individuals that hold a slot for good, by slot: all offspring of the slot have arrived.
    continued : mapping
        The number of the individual that trains a parent further, by number of the parent.
    probabilities : mapping or None
        The probability with which the policy draws each operator; None before the first job.
    """

    arrived: Mapping[int, Individual] = field(default_factory=dict)
    holders: Mapping[int, Individual] = field(default_factory=dict)
    continued: Mapping[int, int] = field(default_factory=dict)
    probabilities: Mapping[str, float] | None = None


@dataclass(frozen=True, eq=False)
class AsynchronousState:
    """The state of an asynchronous evolution between two arrivals.

    Attributes
    ----------
    settled : EvolutionState
        The state after the generations that are complete.
    open : mapping
        The generations that have begun and are not complete, by number.
    in_flight : mapping
        The jobs that are being evaluated, by number, in the order in which they were made.
    ready : tuple of Place
        The individuals that can be made, in order.
    n_arrived : int
        Number of arrivals so far.
    """

    settled: EvolutionState
    open: Mapping[int, OpenGeneration]
    in_flight: Mapping[int, Job]
    ready: tuple[Place, ...]
    n_arrived: int


@dataclass(frozen=True, eq=False)
class AsynchronousEvolution:
    """A population under selection, without a barrier between generations.

    Parameters
    ----------
    task : Task
        With the mode ``"asynchronous"``.
    founders : sequence of Genome
        One for each slot of the population. A task that continues a run needs none.
    """

    task: Task
    founders: Sequence[Genome]

    def begin(self, settled: EvolutionState | None = None) -> AsynchronousState:
        """Return the state after some complete generations, by default before the founders.

        Raises
        ------
        ValueError
            If there is not a founder for each slot.
        """
        check_number_of_founders(self.task, self.founders)
        settled = EvolutionState() if settled is None else settled
        if settled.generation > self.task.evolution.last_modified:  # twins would train alike
            settled = replace(settled, population=distinct(settled.population))
        state = AsynchronousState(settled, {}, {}, (), 0)
        return self._with_ready(state, settled.generation, range(self._n_slots(state)))

    def done(self, state: AsynchronousState) -> bool:
        """Return whether the last generation is complete."""
        return state.settled.generation > self.task.evolution.generations

    def ask(self, state: AsynchronousState) -> tuple[AsynchronousState, tuple[Job, ...]]:
        """Return the jobs that can be made, and the state in which they are in flight."""
        jobs: list[Job] = []
        room = self.task.evolution.most_in_flight - len(state.in_flight)
        made, left = state.ready[: max(0, room)], state.ready[max(0, room) :]
        open_generations = dict(state.open)
        for place in made:
            current = open_generations[place[0]]
            if current.probabilities is None:
                probabilities = state.settled.credits.probabilities(self.task.policy)
                current = replace(current, probabilities=probabilities)
            job = self._job(state, place, current)
            if job.origin == "continued":
                continued = {**current.continued, job.parents[0]: job.individual}
                current = replace(current, continued=continued)
            open_generations[place[0]] = current
            jobs.append(job)
        in_flight = {**state.in_flight, **{job.individual: job for job in jobs}}
        after = replace(state, open=open_generations, in_flight=in_flight, ready=left)
        return after, tuple(jobs)

    def tell(self, state: AsynchronousState, individual: Individual) -> AsynchronousState:
        """Return the state after the arrival of one individual.

        Raises
        ------
        ValueError
            If the individual is not in flight.
        """
        number = individual.job.individual
        if number not in state.in_flight:
            flying = ", ".join(map(str, state.in_flight))
            raise ValueError(f"individual must be one of those in flight ({flying}); got {number}")
        job = state.in_flight[number]
        individual = replace(individual, job=job, arrival=state.n_arrived)
        current = state.open[job.generation]
        current = replace(current, arrived={**current.arrived, number: individual})
        state = replace(
            state,
            open={**state.open, job.generation: current},
            in_flight={key: one for key, one in state.in_flight.items() if key != number},
            n_arrived=state.n_arrived + 1,
        )
        return self._with_holders(state, job.generation, job.slot)

    def settle(self, state: AsynchronousState) -> tuple[AsynchronousState, Generation] | None:
        """Return the state after the next generation, and the generation; None if it is not complete.

        Raises
        ------
        EvolutionError
            If no individual of the generation has a fitness; the message gives the first reason.
        """
        settled, n_slots = state.settled, self._n_slots(state)
        number = settled.generation
        current = state.open.get(number)
        if current is None or len(current.arrived) < n_slots * self._per_slot(number):
            return None
        population = tuple(current.holders[slot] for slot in range(n_slots))
        offspring = with_reused_results(current.arrived)
        selected = Generation(number, offspring, population, ())
        settled, generation = finish(self.task, settled, selected, current.probabilities or {})
        left = {key: one for key, one in state.open.items() if key != number}
        return replace(state, settled=settled, open=left), generation

    # -- places --------------------------------------------------------------------------------------------------------

    def _n_slots(self, state: AsynchronousState) -> int:
        return len(state.settled.population) or self.task.evolution.population

    def _per_slot(self, generation: int) -> int:
        return self.task.evolution.offspring_per_slot(generation)

    def _numbers(self, state: AsynchronousState, generation: int, slot: int) -> range:
        """Return the numbers of the offspring of a slot, which do not depend on the order of arrival."""
        n_slots, settled = self._n_slots(state), state.settled
        between = range(settled.generation, generation)
        first = settled.n_individuals + n_slots * sum(map(self._per_slot, between))
        per_slot = self._per_slot(generation)
        return range(first + slot * per_slot, first + (slot + 1) * per_slot)

    def _known(self, state: AsynchronousState, generation: int) -> Mapping[int, Individual]:
        """Return the individuals that hold the slots of a generation so far, by slot."""
        if generation < state.settled.generation:
            return dict(enumerate(state.settled.population))
        return state.open[generation].holders if generation in state.open else {}

    def _single(self, generation: int) -> SingleSelection | None:
        """Return the selection of a generation; None if it has only founders, or networks are only trained."""
        if not 1 <= generation <= self.task.evolution.last_modified:
            return None
        return SELECTIONS[self.task.evolution.selection.name].single

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def _job(self, state: AsynchronousState, place: Place, current: OpenGeneration) -> Job:
        """Return the job of a place that is ready."""
        generation, slot, index = place
        if generation == 0:
            return founder_job(self.task, slot, self.founders[slot])
        numbers = self._numbers(state, generation, slot)
        number, known = numbers[index], self._known(state, generation - 1)
        request = OffspringRequest(slot, slot, modified=False)
        single = self._single(generation)
        if single is not None:
            vacancy = Vacancy(slot, index, self._n_slots(state), known, current.continued)
            rng = generator(self.task.seed, Purpose.SELECTION, generation, number)
            request = single.propose(vacancy, self.task.evolution.selection, rng)
            self._check(request, vacancy)
        parent = known[request.parent]
        # A duplicate waits for its parent. Both compete for one slot, so that no other slot waits too.
        trained_further = current.continued.get(parent.job.individual)
        in_parallel = trained_further if request.modified and trained_further in numbers else None
        probabilities = current.probabilities or {}
        others = known.values()
        return offspring_job(
            self.task, generation, number, request, parent, in_parallel, probabilities, others
        )

    def _check(self, request: Any, vacancy: Vacancy) -> None:
        """Raise EvolutionError unless a selection requests an offspring of a known individual for the right slot."""
        usable = isinstance(request, OffspringRequest) and request.parent in vacancy.known
        if not usable or request.slot != vacancy.slot:
            name = self.task.evolution.selection.name
            raise EvolutionError(
                f"single.propose of selection {name!r} must return an OffspringRequest for slot {vacancy.slot} with a "
                f"parent of known {sorted(vacancy.known)}; got {request!r}"
            )

    def _with_ready(
        self, state: AsynchronousState, generation: int, slots: Iterable[int]
    ) -> AsynchronousState:
        """Return the state in which the offspring of some slots can be made."""
        if generation > self.task.evolution.generations:
            return state
        indices = range(self._per_slot(generation))
        places = [(generation, slot, index) for slot in slots for index in indices]
        opened = {generation: OpenGeneration(), **state.open}
        return replace(state, open=opened, ready=tuple(sorted((*state.ready, *places))))

    # -- slots ---------------------------------------------------------------------------------------------------------

    def _with_holders(
        self, state: AsynchronousState, generation: int, slot: int
    ) -> AsynchronousState:
        """Return the state in which a slot is held, if that is decided now: in a generation, and then in later ones."""
        while (holder := self._holder(state, generation, slot)) is not None:
            current = state.open[generation]
            known = {**current.holders, slot: holder}
            single, settings = self._single(generation), self.task.evolution
            # The last population that is modified has no twins, for the generations after it would train them alike.
            if single and single.replace and generation < settings.last_modified:
                known[slot] = self._replaced(single.replace, slot, known, generation)
            opened = {**state.open, generation: replace(current, holders=known)}
            state = self._after_holder(replace(state, open=opened), generation, slot, known[slot])
            generation += 1
        return state

    def _replaced(
        self,
        replacing: Callable[..., Any],
        slot: int,
        known: Mapping[int, Individual],
        generation: int,
    ) -> Individual:
        """Return the individual that takes a slot; raise EvolutionError unless it is a known one."""
        settings = self.task.evolution.selection
        found: Any = replacing(slot, known, settings, generation)
        if not any(found is one for one in known.values()):
            raise EvolutionError(
                f"single.replace of selection {settings.name!r} must return one of the known individuals; got {found!r}"
            )
        individual: Individual = found
        return individual

    def _holder(self, state: AsynchronousState, generation: int, slot: int) -> Individual | None:
        """Return the best offspring of a slot, or if all failed the holder before them; None if it is not known yet."""
        current = state.open.get(generation)
        if current is None or slot in current.holders:
            return None
        numbers = self._numbers(state, generation, slot)
        if not all(number in current.arrived for number in numbers):
            return None
        offspring = with_reused_results({number: current.arrived[number] for number in numbers})
        best = next(iter(ranked(offspring)), None)
        if best is None and generation == 0:
            return offspring[0]
        return best or self._known(state, generation - 1).get(slot)

    def _after_holder(
        self, state: AsynchronousState, generation: int, slot: int, holder: Individual
    ) -> AsynchronousState:
        """Return the state in which the offspring that waited for the holder of a slot can be made."""
        following = generation + 1
        single = self._single(following)
        if single is None or single.own_slot:
            return self._with_ready(state, following, [slot])
        if following in state.open or holder.fitness is None:
            return state
        return self._with_ready(state, following, range(self._n_slots(state)))
