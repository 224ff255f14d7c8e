"""One seed's search: evolve a population, keep the winner."""

import time

from evo.evolution.evolution import Evolution, EvolutionState
from evo.evolution.individual import Individual
from evo.evolution.selection import SELECTIONS
from evo.evolution.settings import EvolutionSettings
from evo.executors import Executor
from evo.genome.genome import Genome
from evo.initial.founders import create_founders
from evo.phenotype.phenotype import Phenotype
from evo.storage.predictor import Predictor
from evo.storage.rows import generation_rows
from experiments.studies.seed_run import SeedRun, TrainedModel


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
        inputs = seed_run.experiment.founders.input_layer(seed_run.input_shape)
        self.founders = create_founders(
            seed_run.experiment.founders,
            inputs.n_nodes,
            seed_run.dataset.n_outputs,
            map_size=inputs.map_size,
            n_founders=seed_run.experiment.evolution.population,
            seed=seed_run.seed,
        )
        self.winner: Individual

    def evolve(self, executor: Executor) -> None:
        """Evolve a population, commit every generation when it is complete, and save the winner as a predictor."""
        seed_run, task = self.seed_run, self.seed_run.task
        settings, store, reporter = seed_run.experiment.evolution, seed_run.store, seed_run.reporter
        store.save_genomes(f"seed-{seed_run.seed}-founders", dict(enumerate(self.founders)))
        evolution, state = Evolution(task, self.founders), EvolutionState()
        totals = {"n_individuals": 0, "n_failures": 0, "search_steps": 0, "search_macs": 0}
        seconds = 0.0
        while not evolution.done(state):
            started = time.perf_counter()
            jobs = evolution.ask(state)
            offspring = []
            for individual in executor.evaluate_all(task, jobs):
                offspring.append(individual)
                reporter.evaluated()
            state, generation = evolution.tell(state, offspring)
            elapsed = time.perf_counter() - started
            seconds += elapsed
            self.n_expected += expected_in_generation(settings, generation.number)
            for one in generation.offspring:
                totals["n_individuals"] += 1
                totals["n_failures"] += one.status != "ok"
                totals["search_steps"] += one.steps
                macs = one.statistics.macs if one.statistics else 0
                totals["search_macs"] += one.steps * task.recipe.batch_size * macs
            name = f"seed-{seed_run.seed}-generation-{generation.number:04d}"
            store.save_genomes(
                name, {one.job.individual: one.genome for one in generation.population}
            )
            store.commit(name, generation_rows(generation, elapsed, seed_run.key))
            reporter.generation(seed_run.seed, generation, settings.generations, self.n_expected)
            self.winner = generation.best
        cost = totals | {
            "best_individual": self.winner.job.individual,
            "search_samples": totals["search_steps"] * task.recipe.batch_size,
            "search_seconds": seconds,
        }
        Predictor(self.winner.genome, loss=task.loss, **seed_run.raw_inputs).save(
            seed_run.network_path("")
        )
        store.commit(f"seed-{seed_run.seed}", {"runs": [seed_run.run_row(cost)]})

    @property
    def founder_of_winner(self) -> Genome:
        """The founder of the winner, before any training."""
        return self.founders[self.winner.job.founder]

    def trained_model(self) -> TrainedModel:
        """Return the winner, for the evaluation on the test seed_run."""
        return TrainedModel(
            self.seed_run.experiment.arm,
            Phenotype(self.winner.genome, self.seed_run.task.loss),
            self.winner.ancestry_steps,
            self.winner.ancestry_seconds,
        )
