"""One seed's search: evolve a population, keep the winner."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evo.errors import ResultsError
from evo.evolution.asynchronous import AsynchronousEvolution, AsynchronousState
from evo.evolution.credit import CreditTotals
from evo.evolution.evolution import Evolution, EvolutionError, EvolutionState, Generation
from evo.evolution.individual import Individual
from evo.evolution.job import Job
from evo.evolution.tasks import EpisodeTask
from evo.executors.side_by_side import Steps, in_order
from evo.genome.genome import Genome
from evo.phenotype.phenotype import Phenotype
from evo.selection import ranked
from evo.storage.in_flight import FinishedIndividuals
from evo.storage.individuals import (
    individuals_of_state,
    load_individuals,
    save_individuals,
    state_from_values,
    values_of_state,
)
from evo.storage.predictor import Predictor
from evo.storage.rows import generation_rows
from evo.storage.tables import Row
from evo.time_account import spending
from experiments.analysis.comparison import TRAIN_ONLY
from experiments.analysis.lineage import COSTS_OF_MATES, cost_of_mates
from experiments.arms import Evolved
from experiments.progress.describing import fitness_title
from experiments.progress.events import GenerationDone
from experiments.studies.seed_run import Cost, SeedRun, TrainedModel

TOTALS = (
    *("n_individuals", "n_failures", "search_steps", "search_samples", "search_macs"),
    *("search_training_macs", "search_cpu_seconds"),
)
"""The columns of `runs` that are sums over all individuals."""

PLAYED_TOTALS = ("search_played_episodes", "search_played_steps")
"""The same of a run that a reward judges."""


def state_path(seed: int) -> str:
    """Return the path, in the run folder, of the state after the last committed generation."""
    return f"states/seed-{seed}.npz"


def start_path(seed: int) -> str:
    """Return the path, in the folder of a run that continues an older one, of the state with which it began."""
    return f"states/seed-{seed}-start.npz"


@dataclass
class Tally:
    """The expected number of individuals in the generations that are complete, over all searches of a run."""

    n_expected: int = 0


class Search:
    """One seed's search. It goes on where an earlier process stopped, if one did.

    Parameters
    ----------
    seed_run : SeedRun
    tally : Tally
        Counts the individuals of all searches of the run.
    founders : sequence of Genome
    """

    def __init__(self, seed_run: SeedRun, tally: Tally, founders: Sequence[Genome]) -> None:
        self.seed_run = seed_run
        self.tally = tally
        self.founders = founders
        self.state = EvolutionState()
        plays = isinstance(seed_run.task, EpisodeTask)
        self._names = TOTALS + (PLAYED_TOTALS if plays else ())
        self.totals: dict[str, Any] = dict.fromkeys(self._names, 0)
        self.children = {True: 0, False: 0}  # that succeeded, and that did not
        self.seconds = 0.0
        self._n_in_flight = 0
        self._state_path = state_path(seed_run.seed)
        self._restore()

    def evolve(self, until: int | None = None) -> Steps:
        """Evolve a population, commit every generation when it is complete, and save the winner as a predictor.

        A coroutine of :mod:`evo.executors.side_by_side`. With `until` the search stops after that generation, and has
        no winner.
        """
        seed_run, task = self.seed_run, self.seed_run.task
        last = task.evolution.generations
        try:
            yield from self._evolve(last if until is None else min(until, last))
        finally:  # it may end before individuals that are in flight
            seed_run.reporter.given_up(self._n_in_flight)
            self._n_in_flight = 0
        if self.state.generation > last and not self.is_over:
            with spending("store"):
                Predictor(self.winner.genome, loss=task.loss, **seed_run.raw_inputs).save(
                    seed_run.stage_network("")
                )
                seed_run.store.commit({"runs": [self._run_row(self.winner)]})

    def _evolve(self, last: int) -> Steps:
        """Evolve until a generation is committed."""
        evolution = Evolution(self.seed_run.task, self.founders)
        while self.state.generation <= last:
            started = time.perf_counter()
            with spending("select"):
                jobs = evolution.ask(self.state)
            finished = FinishedIndividuals(
                self.seed_run.store.path, self._part(self.state.generation)
            )
            offspring = finished.load(jobs)
            known = {one.job.individual for one in offspring}
            new: Sequence[Job] = [job for job in jobs if job.individual not in known]
            while len(offspring) < len(jobs):
                self._asked(new)
                individual = yield new
                new = ()
                offspring.append(individual)
                with spending("store"):
                    finished.add(individual)
                self._evaluated(individual)
            with self._noting_failure(started), spending("select"):
                self.state, generation = evolution.tell(self.state, offspring)
            self._commit(generation, started)
            finished.remove()
            self._report(generation)

    def stop(self, rung: int, reason: str) -> None:
        """End the run after the last committed generation: it gets no winner, no baselines and no test values."""
        seed_run, settings = self.seed_run, self.seed_run.task.evolution
        if not self.is_over:
            done = settings.expected_individuals(self.state.generation - 1)
            left = settings.expected_individuals() - done
            row = seed_run.run_row(self._cost(None)) | {
                "stopped_rung": rung,
                "stopped_reason": reason,
                "saved_steps": round(self.totals["search_steps"] * left / done),
            }
            seed_run.store.commit({"runs": [row]})
        seed_run.store.stop(reason)

    @property
    def is_over(self) -> bool:
        """Whether an earlier process finished or stopped the search."""
        return self.seed_run.committed("runs") is not None

    @property
    def winner(self) -> Individual:
        """The individual with the best fitness of the last population."""
        return ranked(self.state.population)[0]

    # -- what is told --------------------------------------------------------------------------------------------------

    def _asked(self, jobs: Sequence[Job]) -> None:
        """Tell that jobs are in flight."""
        if jobs:
            self._n_in_flight += len(jobs)
            self.seed_run.reporter.asked(len(jobs))

    def _evaluated(self, individual: Individual) -> None:
        """Tell that an individual is evaluated."""
        self._n_in_flight -= 1
        self.seed_run.reporter.evaluated(individual)

    def _report(self, generation: Generation) -> None:
        """Tell that a generation is committed; a callback may stop the run then."""
        seed_run = self.seed_run
        event = GenerationDone(
            seed_run.store.name,
            seed_run.seed,
            generation,
            seed_run.task.evolution.generations,
            fitness_title(seed_run.experiment, seed_run.task.fitness),
            seed_run.metric,
        )
        seed_run.reporter.generation(event, self.tally.n_expected)
        seed_run.callbacks.generation(event)

    # -- commits and states --------------------------------------------------------------------------------------------

    def _part(self, generation: int) -> str:
        """Return the name of the files of a generation."""
        return f"seed-{self.seed_run.seed}-generation-{generation:04d}"

    def _rows(self, generation: Generation, seconds: float) -> dict[str, list[Row]]:
        """Add a generation to the totals; return its rows."""
        seed_run = self.seed_run
        batch_size = seed_run.task.samples_per_step
        for one in generation.offspring:
            macs = one.statistics.macs if one.statistics else 0
            amounts = {
                "n_individuals": 1,
                "n_failures": one.status != "ok",
                "search_steps": one.steps,
                "search_samples": one.steps * batch_size,
                "search_macs": one.steps * batch_size * macs,
                "search_training_macs": one.training_macs,
                "search_cpu_seconds": one.cpu_seconds,
                "search_played_episodes": one.episodes or 0,
                "search_played_steps": one.environment_steps or 0,
            }
            for name in self.totals:
                self.totals[name] += amounts[name]
            self.children[one.status == "ok"] += one.job.origin == "child"
        self.seconds += seconds
        sources = seed_run.given.sources if seed_run.given else ()
        return generation_rows(generation, seconds, seed_run.key, sources)

    @contextmanager
    def _noting_failure(self, started: float) -> Iterator[None]:
        """Commit the rows of a generation after which the search cannot go on: they say why."""
        try:
            yield
        except EvolutionError as error:
            rows = {}
            if error.generation is not None:
                rows = self._rows(error.generation, time.perf_counter() - started)
            self.seed_run.store.commit({**rows, "runs": [self._run_row(None)]})
            raise

    @spending("store")
    def _commit(self, generation: Generation, started: float) -> None:
        """Commit the rows of a generation, the genomes of its population, and the state after it."""
        seed_run = self.seed_run
        rows = self._rows(generation, time.perf_counter() - started)
        seed_run.store.stage_genomes(
            self._part(generation.number),
            {one.job.individual: one.genome for one in generation.population},
        )
        individuals, more = self._values()
        path = seed_run.store.stage(self._state_path)
        save_individuals(path, individuals.values(), more, staged=True)
        seed_run.store.commit(rows)
        settings = seed_run.experiment.evolution
        number = generation.number
        self.tally.n_expected += settings.expected_individuals(until=number, first=number)

    def _values(self) -> tuple[dict[int, Individual], dict[str, Any]]:
        """Return the individuals and the further values that :meth:`_restore` needs."""
        state = self.state
        return {one.job.individual: one for one in state.population}, {
            "generation": state.generation,
            "slots": [one.job.individual for one in state.population],
            "n_individuals": state.n_individuals,
            "uses": dict(state.credits.uses),
            "credit": dict(state.credits.credit),
            "totals": self.totals,
            "children": [self.children[True], self.children[False]],
            "seconds": self.seconds,
        }

    def _restore(self) -> None:
        """Take up the state that an earlier process committed, or that of an older run, if the run continues one."""
        path = self.seed_run.store.path / self._state_path
        first = self.seed_run.task.first_generation
        if not path.exists():
            if not first:
                return
            path = self.seed_run.store.path / start_path(self.seed_run.seed)
        population, more = load_individuals(path)
        with _as_results_error(path):
            self.state = EvolutionState(
                generation=more["generation"],
                population=tuple(population[number] for number in more["slots"]),
                credits=CreditTotals(more["uses"], more["credit"]),
                n_individuals=more["n_individuals"],
            )
            # An older version counted less, and what it did not count stays unknown.
            totals = more["totals"]
            self.totals = {name: totals[name] for name in self._names if name in totals}
            self.children = dict(zip((True, False), more["children"], strict=True))
            self.seconds = more["seconds"]
        settings = self.seed_run.experiment.evolution
        self.tally.n_expected += settings.expected_individuals(self.state.generation - 1, first)

    def _run_row(self, winner: Individual | None) -> Row:
        """Return the row of ``runs``."""
        return self.seed_run.run_row(self._cost(winner)) | {"arm": self.arm}

    def _cost(self, winner: Individual | None) -> Row:
        """Return the columns of ``runs`` about the search."""
        best = winner and winner.job.individual
        return (
            dict.fromkeys(self._names)
            | self.totals
            | {"best_individual": best, "search_seconds": self.seconds}
        )

    @property
    def arm(self) -> str:
        """The name of the winner in ``comparison``: another one if every child failed, for then nothing evolved."""
        experiment, failed = self.seed_run.experiment, self.children[False]
        name = experiment.arm
        if failed and not self.children[True]:
            name = TRAIN_ONLY if name == "evolved" else f"{name}-{TRAIN_ONLY}"
        return experiment.label(name)

    @property
    def evolved(self) -> Evolved:
        """What the arms beside the search get from it."""
        winner, totals = self.winner, self.totals
        founder = self.founders[winner.job.founder]
        return Evolved(founder, winner.genome, totals.get("search_training_macs"))

    def trained_model(self) -> TrainedModel:
        """Return the winner, for the evaluation on the test part."""
        winner, totals = self.winner, self.totals
        is_counted = "search_training_macs" in totals
        steps = winner.ancestry_steps
        evolution, mates = self.seed_run.task.evolution, dict[str, Any].fromkeys(COSTS_OF_MATES, 0)
        if evolution.inheritance == "baldwinian":  # what mates had learnt is lost
            steps = winner.optimizer_state.step if winner.optimizer_state else 0
        elif evolution.recombination.probability > 0:
            path, seed = self.seed_run.store.path, self.seed_run.seed
            mates = cost_of_mates(path, seed, winner.job.individual)
        return TrainedModel(
            self.arm,
            Phenotype(winner.genome, self.seed_run.task.loss),
            Cost(
                steps,
                winner.ancestry_macs + mates["training_macs"] if is_counted else None,
                winner.ancestry_cpu_seconds + mates["cpu_seconds"] if is_counted else None,
                winner.ancestry_seconds + mates["train_seconds"],
            ),
            Cost(
                int(totals["search_steps"]),
                totals.get("search_training_macs"),
                totals.get("search_cpu_seconds"),
                self.seconds,
                int(totals["n_individuals"]),
                *(totals.get(name) for name in PLAYED_TOTALS),
            ),
        )


class AsynchronousSearch(Search):
    """One seed's search without a barrier between generations.

    Parameters
    ----------
    seed_run, tally, founders
        As for :class:`Search`.
    order : iterable of int, optional
        The order of arrival, as numbers of individuals, if it shall be that of an earlier search.
    """

    _ongoing: AsynchronousState | None = None

    def __init__(
        self,
        seed_run: SeedRun,
        tally: Tally,
        founders: Sequence[Genome],
        order: Iterable[int] | None = None,
    ) -> None:
        super().__init__(seed_run, tally, founders)
        self._order = order
        self._started = time.perf_counter()

    def _evolve(self, last: int) -> Steps:
        search = self._advancing(last)
        return search if self._order is None else in_order(search, self._order)

    def _advancing(self, last: int) -> Steps:
        """Evolve until a generation is committed, with individuals in the order in which they are sent."""
        seed_run, task = self.seed_run, self.seed_run.task
        evolution = AsynchronousEvolution(task, self.founders)
        finished = FinishedIndividuals(seed_run.store.path, f"seed-{seed_run.seed}-arrivals")
        self._started = time.perf_counter()
        state, _ = self._advance(evolution, self._ongoing or evolution.begin(self.state), finished)
        for individual in finished.load_arrivals(state.n_arrived):
            state, _ = self._advance(evolution, evolution.tell(state, individual), finished)
        jobs: Sequence[Job] = tuple(state.in_flight.values())
        while state.in_flight:
            self._asked(jobs)
            individual = yield jobs
            job = individual.job
            with spending("select"):
                state = evolution.tell(state, individual)
            with spending("store"):
                finished.add(state.open[job.generation].arrived[job.individual])
            self._evaluated(individual)
            state, jobs = self._advance(evolution, state, finished)
            if self.state.generation > last and state.in_flight:  # there are later generations
                return

    def _advance(
        self,
        evolution: AsynchronousEvolution,
        state: AsynchronousState,
        finished: FinishedIndividuals,
    ) -> tuple[AsynchronousState, tuple[Job, ...]]:
        """Commit the generations that are complete; return the next jobs, and the state in which they are in flight."""
        while True:
            with self._noting_failure(self._started), spending("select"):
                settled = evolution.settle(state)
                if settled is None:
                    return evolution.ask(state)
            state, generation = settled
            self.state, self._ongoing = state.settled, state
            self._commit(generation, self._started)
            finished.remove()
            self._started = time.perf_counter()
            self._report(generation)

    def _values(self) -> tuple[dict[int, Individual], dict[str, Any]]:
        individuals, more = super()._values()
        if self._ongoing is not None:
            individuals |= individuals_of_state(self._ongoing)
            more["ongoing"] = values_of_state(self._ongoing)
        return individuals, more

    def _restore(self) -> None:
        super()._restore()
        path = self.seed_run.store.path / self._state_path
        if path.exists():
            individuals, more = load_individuals(path)
            with _as_results_error(path):
                self._ongoing = state_from_values(self.state, individuals, more["ongoing"])


def search_of(
    seed_run: SeedRun,
    tally: Tally,
    founders: Sequence[Genome],
    order: Iterable[int] | None = None,
) -> Search:
    """Return the search of one seed in the mode of its settings; `order` is for the asynchronous mode."""
    if seed_run.task.evolution.mode == "asynchronous":
        return AsynchronousSearch(seed_run, tally, founders, order)
    return Search(seed_run, tally, founders)


@contextmanager
def _as_results_error(path: Path) -> Iterator[None]:
    """Turn an error in the values of a state into one line."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{path}: must be the state of a search; got {error!r}") from error
