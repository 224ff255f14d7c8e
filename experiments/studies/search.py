"""One seed's search: evolve a population, keep the winner."""

import time

from evo.evolution.evolution import Evolution, EvolutionError, EvolutionState, Generation
from evo.evolution.individual import Individual
from evo.evolution.settings import SELECTIONS, EvolutionSettings
from evo.executors import Executor
from evo.genome.genome import Genome
from evo.phenotype.phenotype import Phenotype
from evo.storage.predictor import Predictor
from evo.storage.rows import generation_rows
from evo.storage.tables import Row
from experiments.analysis.comparison import TRAIN_ONLY
from experiments.studies.founders import founders_of_seed
from experiments.studies.seed_run import SeedRun, TrainedModel

TOTALS = ("n_individuals", "n_failures", "search_steps", "search_samples", "search_macs")
"""The columns of `runs` that are sums over all individuals."""


def expected_in_generation(settings: EvolutionSettings, number: int) -> int:
    """Return the expected number of individuals in a generation; without twins there are a few fewer."""
    modified = 1 <= number <= settings.last_modified
    each = SELECTIONS[settings.selection.name].offspring_per_slot if modified else 1
    return settings.population * each


def expected_per_seed(settings: EvolutionSettings) -> int:
    """Return the expected number of individuals in the search with one seed."""
    return sum(expected_in_generation(settings, k) for k in range(settings.generations + 1))


class Search:
    """One seed's search.

    Parameters
    ----------
    seed_run : SeedRun
    n_before : int
        Expected number of individuals in the searches before this one.
    """

    def __init__(self, seed_run: SeedRun, n_before: int) -> None:
        self.seed_run = seed_run
        self.n_expected = n_before
        self.founders = founders_of_seed(
            seed_run.experiment,
            seed_run.dataset,
            seed_run.input_shape,
            seed_run.given,
            seed_run.seed,
        )
        self.totals = dict.fromkeys(TOTALS, 0)
        self.children = {True: 0, False: 0}  # that succeeded, and that did not
        self.seconds = 0.0
        self.winner: Individual

    def evolve(self, executor: Executor) -> None:
        """Evolve a population, commit every generation when it is complete, and save the winner as a predictor."""
        seed_run, task = self.seed_run, self.seed_run.task
        settings, store, reporter = seed_run.experiment.evolution, seed_run.store, seed_run.reporter
        store.save_genomes(f"seed-{seed_run.seed}-founders", dict(enumerate(self.founders)))
        evolution, state = Evolution(task, self.founders), EvolutionState()
        while not evolution.done(state):
            started = time.perf_counter()
            jobs = evolution.ask(state)
            offspring = []
            for individual in executor.evaluate_all(task, jobs):
                offspring.append(individual)
                reporter.evaluated()
            try:
                state, generation = evolution.tell(state, offspring)
            except EvolutionError as error:  # its rows say why
                if error.generation is not None:
                    self._commit(error.generation, time.perf_counter() - started)
                store.commit(f"seed-{seed_run.seed}", {"runs": [self._run_row(None)]})
                raise
            self.n_expected += expected_in_generation(settings, generation.number)
            name = self._commit(generation, time.perf_counter() - started)
            store.save_genomes(
                name, {one.job.individual: one.genome for one in generation.population}
            )
            reporter.generation(seed_run.seed, generation, settings.generations, self.n_expected)
            self.winner = generation.best
        Predictor(self.winner.genome, loss=task.loss, **seed_run.raw_inputs).save(
            seed_run.network_path("")
        )
        store.commit(f"seed-{seed_run.seed}", {"runs": [self._run_row(self.winner)]})

    def _commit(self, generation: Generation, seconds: float) -> str:
        """Add a generation to the tables and to the totals; return the name of its part."""
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
        name = f"seed-{seed_run.seed}-generation-{generation.number:04d}"
        sources = seed_run.given.sources if seed_run.given else ()
        seed_run.store.commit(name, generation_rows(generation, seconds, seed_run.key, sources))
        return name

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
