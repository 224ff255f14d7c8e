"""One seed's search: evolve a population, keep the winner."""

import time

from evo.evolution.evolution import Evolution, EvolutionSettings
from evo.evolution.individual import Individual
from evo.executors import Executor
from evo.genome.genome import Genome
from evo.initial.founders import create_founders
from evo.phenotype.phenotype import Phenotype
from evo.storage.predictor import Predictor
from evo.storage.rows import generation_rows
from experiments.studies.seed_run import Part, TrainedModel


def expected_in_generation(settings: EvolutionSettings, number: int) -> int:
    """Return how many individuals a generation will raise; a frozen one a few fewer, where twins are left out."""
    modified = 1 <= number <= settings.last_modified
    each = 2 if modified and settings.selection.name == "local_search" else 1
    return settings.population * each


def expected_per_seed(settings: EvolutionSettings) -> int:
    """Return how many individuals the search with one seed will raise, or a little fewer."""
    return sum(expected_in_generation(settings, k) for k in range(settings.generations + 1))


class Search:
    """One seed's search.

    Parameters
    ----------
    part : Part
    raised_before : int
        Individuals that the searches before this one should have raised.
    """

    def __init__(self, part: Part, raised_before: int) -> None:
        self.part = part
        self.raised = raised_before
        inputs = part.experiment.founders.input_layer(part.dataset.input_shape)
        self.founders = create_founders(
            part.experiment.founders,
            inputs.n_nodes,
            part.dataset.n_outputs,
            map_size=inputs.map_size,
            n_founders=part.experiment.evolution.population,
            seed=part.seed,
        )
        self.winner: Individual

    def evolve(self, executor: Executor) -> None:
        """Evolve a population, commit every generation as it is complete, and keep the winner for raw data."""
        part, task = self.part, self.part.task
        settings, store, reporter = part.experiment.evolution, part.store, part.reporter
        store.save_genomes(f"seed-{part.seed}-founders", dict(enumerate(self.founders)))
        evolution = Evolution(settings, task, self.founders)
        totals = {"individuals": 0, "failures": 0, "search_steps": 0, "search_macs": 0}
        seconds = 0.0
        while not evolution.done:
            started = time.perf_counter()
            jobs = evolution.ask()
            offspring = []
            for individual in executor.evaluate_all(task, jobs):
                offspring.append(individual)
                reporter.raised()
            generation = evolution.tell(offspring)
            elapsed = time.perf_counter() - started
            seconds += elapsed
            self.raised += expected_in_generation(settings, generation.number)
            for one in generation.offspring:
                totals["individuals"] += 1
                totals["failures"] += one.status != "ok"
                totals["search_steps"] += one.steps
                macs = one.statistics.macs if one.statistics else 0
                totals["search_macs"] += one.steps * task.recipe.batch_size * macs
            name = f"seed-{part.seed}-generation-{generation.number:04d}"
            store.save_genomes(
                name, {one.job.individual: one.genome for one in generation.population}
            )
            store.commit(name, generation_rows(generation, elapsed, part.key))
            reporter.generation(part.seed, generation, settings.generations, self.raised)
            self.winner = generation.best
        cost = totals | {
            "best_individual": self.winner.job.individual,
            "search_samples": totals["search_steps"] * task.recipe.batch_size,
            "search_seconds": seconds,
        }
        Predictor(self.winner.genome, loss=task.loss, **part.raw_inputs).save(part.network_path(""))
        store.commit(f"seed-{part.seed}", {"runs": [part.run_row(cost)]})

    @property
    def founder_of_winner(self) -> Genome:
        """The winner's founder as it was drawn."""
        return self.founders[self.winner.job.founder]

    def contender(self) -> TrainedModel:
        """Return the winner as the test part shall judge it."""
        return TrainedModel(
            self.part.experiment.arm,
            Phenotype(self.winner.genome, self.part.task.loss),
            self.winner.ancestry_steps,
            self.winner.ancestry_seconds,
        )
