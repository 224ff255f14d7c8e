"""One seed's search: evolve a population, keep the winner."""

import time
from collections.abc import Sequence

from evo.errors import ResultsError
from evo.evolution.credit import CreditTotals
from evo.evolution.evolution import Evolution, EvolutionError, EvolutionState, Generation
from evo.evolution.individual import Individual
from evo.evolution.selection import ranked
from evo.evolution.settings import SELECTIONS, EvolutionSettings
from evo.executors import Executor
from evo.genome.genome import Genome
from evo.phenotype.phenotype import Phenotype
from evo.storage.in_flight import FinishedIndividuals
from evo.storage.individuals import load_individuals, save_individuals
from evo.storage.predictor import Predictor
from evo.storage.rows import generation_rows
from evo.storage.tables import Row
from experiments.analysis.comparison import TRAIN_ONLY
from experiments.studies.seed_run import SeedRun, TrainedModel

TOTALS = ("n_individuals", "n_failures", "search_steps", "search_samples", "search_macs")
"""The columns of `runs` that are sums over all individuals."""


def expected_in_generation(settings: EvolutionSettings, number: int) -> int:
    """Return the expected number of individuals in a generation; without twins there are a few fewer."""
    modified = 1 <= number <= settings.last_modified
    each = SELECTIONS[settings.selection.name].offspring_per_slot if modified else 1
    return settings.population * each


def expected_per_seed(settings: EvolutionSettings, until: int | None = None, first: int = 0) -> int:
    """Return the expected number of individuals in the search with one seed, from one generation up to another one."""
    last = settings.generations if until is None else min(until, settings.generations)
    return sum(expected_in_generation(settings, k) for k in range(first, last + 1))


def state_path(seed: int) -> str:
    """Return the path, in the run folder, of the state after the last committed generation."""
    return f"states/seed-{seed}.npz"


def start_path(seed: int) -> str:
    """Return the path, in the folder of a continued run, of the state with which it began."""
    return f"states/seed-{seed}-start.npz"


class Search:
    """One seed's search. It goes on where an earlier process stopped, if one did.

    Parameters
    ----------
    seed_run : SeedRun
    n_before : int
        Expected number of individuals in the searches before this one.
    founders : sequence of Genome
    """

    def __init__(self, seed_run: SeedRun, n_before: int, founders: Sequence[Genome]) -> None:
        self.seed_run = seed_run
        self.n_expected = n_before
        self.founders = founders
        self.state = EvolutionState()
        self.totals = dict.fromkeys(TOTALS, 0)
        self.children = {True: 0, False: 0}  # that succeeded, and that did not
        self.seconds = 0.0
        self._state_path = state_path(seed_run.seed)
        self._restore()

    def evolve(self, executor: Executor, until: int | None = None) -> None:
        """Evolve a population, commit every generation when it is complete, and save the winner as a predictor.

        With `until` the search stops after that generation, and has no winner.
        """
        seed_run, task = self.seed_run, self.seed_run.task
        evolution = Evolution(task, self.founders)
        while not evolution.done(self.state):
            if until is not None and self.state.generation > until:
                return
            self._next_generation(evolution, executor)
        if not self.is_over:
            Predictor(self.winner.genome, loss=task.loss, **seed_run.raw_inputs).save(
                seed_run.stage_network("")
            )
            seed_run.store.commit({"runs": [self._run_row(self.winner)]})

    def _next_generation(self, evolution: Evolution, executor: Executor) -> None:
        seed_run = self.seed_run
        settings, reporter = seed_run.experiment.evolution, seed_run.reporter
        number = self.state.generation
        started = time.perf_counter()
        jobs = evolution.ask(self.state)
        finished = FinishedIndividuals(seed_run.store.path, self._part(number))
        offspring = finished.load(jobs)
        known = {one.job.individual for one in offspring}
        for individual in executor.evaluate_all(
            seed_run.task, [job for job in jobs if job.individual not in known]
        ):
            offspring.append(individual)
            finished.add(individual)
            reporter.evaluated()
        try:
            self.state, generation = evolution.tell(self.state, offspring)
        except EvolutionError as error:  # its rows say why
            rows = {}
            if error.generation is not None:
                rows = self._rows(error.generation, time.perf_counter() - started)
            seed_run.store.commit({**rows, "runs": [self._run_row(None)]})
            raise
        rows = self._rows(generation, time.perf_counter() - started)
        self._commit(generation, rows)
        finished.remove()
        self.n_expected += expected_in_generation(settings, number)
        reporter.generation(seed_run.seed, generation, settings.generations, self.n_expected)

    @property
    def is_over(self) -> bool:
        """Whether an earlier process finished the search."""
        return self.seed_run.committed("runs") is not None

    @property
    def winner(self) -> Individual:
        """The individual with the best fitness of the last population."""
        return ranked(self.state.population)[0]

    # -- commits and states --------------------------------------------------------------------------------------------

    def _part(self, generation: int) -> str:
        """Return the name of the files of a generation."""
        return f"seed-{self.seed_run.seed}-generation-{generation:04d}"

    def _rows(self, generation: Generation, seconds: float) -> dict[str, list[Row]]:
        """Add a generation to the totals; return its rows."""
        seed_run = self.seed_run
        batch_size = seed_run.task.recipe.batch_size
        for one in generation.offspring:
            macs = one.statistics.macs if one.statistics else 0
            self.totals["n_individuals"] += 1
            self.totals["n_failures"] += one.status != "ok"
            self.totals["search_steps"] += one.steps
            self.totals["search_samples"] += one.steps * batch_size
            self.totals["search_macs"] += one.steps * batch_size * macs
            self.children[one.status == "ok"] += one.job.origin == "child"
        self.seconds += seconds
        sources = seed_run.given.sources if seed_run.given else ()
        return generation_rows(generation, seconds, seed_run.key, sources)

    def _commit(self, generation: Generation, rows: dict[str, list[Row]]) -> None:
        """Commit the rows of a generation, the genomes of its population, and the state after it."""
        store, state = self.seed_run.store, self.state
        store.stage_genomes(
            self._part(generation.number),
            {one.job.individual: one.genome for one in generation.population},
        )
        population = {one.job.individual: one for one in state.population}
        more = {
            "generation": state.generation,
            "slots": [one.job.individual for one in state.population],
            "n_individuals": state.n_individuals,
            "uses": dict(state.credits.uses),
            "credit": dict(state.credits.credit),
            "totals": self.totals,
            "children": [self.children[True], self.children[False]],
            "seconds": self.seconds,
        }
        save_individuals(store.stage(self._state_path), population.values(), more, flush=False)
        store.commit(rows)

    def _restore(self) -> None:
        """Take up the state that an earlier process committed, or the state with which a continued run begins."""
        path = self.seed_run.store.path / self._state_path
        first = self.seed_run.task.first_generation
        if not path.exists():
            if not first:
                return
            path = self.seed_run.store.path / start_path(self.seed_run.seed)
        population, more = load_individuals(path)
        try:
            self.state = EvolutionState(
                generation=more["generation"],
                population=tuple(population[number] for number in more["slots"]),
                credits=CreditTotals(more["uses"], more["credit"]),
                n_individuals=more["n_individuals"],
            )
            self.totals = {name: more["totals"][name] for name in TOTALS}
            self.children = dict(zip((True, False), more["children"], strict=True))
            self.seconds = more["seconds"]
        except (KeyError, TypeError, ValueError) as error:
            raise ResultsError(f"{path}: must be the state of a search; got {error!r}") from error
        settings = self.seed_run.experiment.evolution
        self.n_expected += sum(
            expected_in_generation(settings, number)
            for number in range(first, self.state.generation)
        )

    def _run_row(self, winner: Individual | None) -> Row:
        """Return the row of ``runs``."""
        best = winner and winner.job.individual
        cost = self.totals | {"best_individual": best, "search_seconds": self.seconds}
        return self.seed_run.run_row(cost) | {"arm": self.arm}

    @property
    def arm(self) -> str:
        """The name of the winner in ``comparison``: another one if every child failed, for then nothing evolved."""
        name, failed = self.seed_run.experiment.arm, self.children[False]
        if not failed or self.children[True]:
            return name
        return TRAIN_ONLY if name == "evolved" else f"{name}-{TRAIN_ONLY}"

    @property
    def founder_of_winner(self) -> Genome:
        """The founder of the winner, before any training."""
        return self.founders[self.winner.job.founder]

    def trained_model(self) -> TrainedModel:
        """Return the winner, for the evaluation on the test seed_run."""
        return TrainedModel(
            self.arm,
            Phenotype(self.winner.genome, self.seed_run.task.loss),
            self.winner.ancestry_steps,
            self.winner.ancestry_seconds,
        )
