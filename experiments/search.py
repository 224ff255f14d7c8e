"""One seed's part of an experiment: evolve, train the baselines, read the test part, keep the winner."""

import time
from collections.abc import Mapping

from cnn.compilation import single_threaded_blas
from cnn.samples import Samples
from cnn.training import evaluate
from evo.evolution import Evolution, EvolutionSettings
from evo.executors import Executor
from evo.founders import found
from evo.individual import Individual, Task
from evo.phenotype import Phenotype
from evo.predictor import Predictor
from evo.store import RunStore
from evo.tables import Row, generation_rows, training_rows
from experiments.arms import Sized, TrainedArm, build_arm, train_arm
from experiments.config import Experiment
from experiments.datasets import Dataset, DataSplit
from experiments.progress import Reporter


def expected_in_generation(settings: EvolutionSettings, number: int) -> int:
    """Return how many individuals a generation will raise; a frozen one a few fewer, where twins are left out."""
    modified = 1 <= number <= settings.last_modified
    each = 2 if modified and settings.selection.name == "local_search" else 1
    return settings.population * each


def expected_per_seed(settings: EvolutionSettings) -> int:
    """Return how many individuals the search with one seed will raise, or a little fewer."""
    return sum(expected_in_generation(settings, k) for k in range(settings.generations + 1))


class Search:
    """One seed's part of an experiment."""

    def __init__(
        self,
        experiment: Experiment,
        dataset: Dataset,
        task: Task,
        store: RunStore,
        reporter: Reporter,
        raised_before: int,
        n_test: int,
    ) -> None:
        self.experiment, self.dataset, self.task = experiment, dataset, task
        self.store, self.reporter = store, reporter
        self.raised = raised_before
        self.n_test = n_test
        self.key: Row = {"run": store.name, "seed": task.seed}
        self.founders = found(
            experiment.founders,
            dataset.n_features,
            dataset.n_outputs,
            n_founders=experiment.evolution.population,
            seed=task.seed,
        )
        self.winner: Individual
        self.baselines: list[TrainedArm] = []

    def evolve(self, executor: Executor) -> None:
        """Evolve a population and commit every generation as it is complete."""
        settings, seed = self.experiment.evolution, self.task.seed
        self.store.save_genomes(f"seed-{seed}-founders", dict(enumerate(self.founders)))
        evolution = Evolution(settings, self.task, self.founders)
        totals = {"individuals": 0, "failures": 0, "search_steps": 0, "search_macs": 0}
        seconds = 0.0
        while not evolution.done:
            started = time.perf_counter()
            jobs = evolution.ask()
            offspring = []
            for individual in executor.raise_all(self.task, jobs):
                offspring.append(individual)
                self.reporter.raised()
            generation = evolution.tell(offspring)
            elapsed = time.perf_counter() - started
            seconds += elapsed
            self.raised += expected_in_generation(settings, generation.number)
            for one in generation.offspring:
                totals["individuals"] += 1
                totals["failures"] += one.status != "ok"
                totals["search_steps"] += one.steps
                macs = one.statistics.macs if one.statistics else 0
                totals["search_macs"] += one.steps * self.task.recipe.batch_size * macs
            part = f"seed-{seed}-generation-{generation.number:04d}"
            self.store.save_genomes(
                part, {one.job.individual: one.genome for one in generation.population}
            )
            self.store.commit(part, generation_rows(generation, elapsed, self.key))
            self.reporter.generation(seed, generation, settings.generations, self.raised)
            self.winner = generation.best
        self.store.commit(f"seed-{seed}", {"runs": [self._run_row(totals, seconds)]})

    def train_baselines(self) -> None:
        """Train every baseline for as many steps as the winner had along its ancestry."""
        settings, steps = self.experiment.baseline, self.winner.ancestry_steps
        founder = self.founders[self.winner.job.founder]
        rows: dict[str, list[Row]] = {"baseline": [], "training": []}
        for arm in settings.arms:
            network = build_arm(arm, self.dataset, settings, founder, self.task)
            trained = train_arm(arm, network, settings, self.task, steps=steps)
            self.baselines.append(trained)
            rows["baseline"].append(self._baseline_row(trained))
            who = {"arm": arm, "generation": None, "individual": None}
            rows["training"] += training_rows(trained.report.curve, self.key | who)
        self.store.commit(f"seed-{self.task.seed}-baseline", rows)

    def read_test(self, test: Samples) -> list[Row]:
        """Evaluate the winner and the baselines on the test part: the one place where it is read."""
        with single_threaded_blas():
            rows = [
                self._comparison_row(
                    "evolved",
                    Phenotype(self.winner.genome, self.task.loss),
                    test,
                    self.winner.ancestry_steps,
                    self.winner.ancestry_seconds,
                )
            ]
            rows += [
                self._comparison_row(
                    one.arm, one.network, test, one.report.steps, one.report.seconds
                )
                for one in self.baselines
                if one.report.status == "ok"
            ]
        return rows

    def save_winner(self, split: DataSplit) -> None:
        """Store the winner as a network that takes raw data."""
        folder = self.store.path / "networks"
        folder.mkdir(exist_ok=True)
        Predictor(
            self.winner.genome,
            loss=self.task.loss,
            offset=split.normalization.offset,
            scale=split.normalization.scale,
            classes=self.dataset.classes,
        ).save(folder / f"seed-{self.task.seed}.npz")

    def _run_row(self, totals: Mapping[str, int], seconds: float) -> Row:
        task = self.task
        return (
            self.key
            | {
                "experiment": self.experiment.name,
                "dataset": self.dataset.name,
                "data_hash": self.dataset.data_hash,
                "task": self.dataset.task,
                "train_samples": len(task.train),
                "validation_samples": len(task.validation),
                "test_samples": self.n_test,
                "features": self.dataset.n_features,
                "outputs": self.dataset.n_outputs,
                "best_individual": self.winner.job.individual,
                "search_samples": totals["search_steps"] * self.task.recipe.batch_size,
                "search_seconds": seconds,
            }
            | dict(totals)
        )

    def _baseline_row(self, trained: TrainedArm) -> Row:
        return self.key | {
            "arm": trained.arm,
            "status": trained.report.status,
            "reason": trained.report.reason,
            "parameters": trained.network.parameter_count,
            "macs": trained.network.macs,
            "steps": trained.report.steps,
            "train_loss": trained.report.train_loss,
            "validation_loss": trained.validation.loss,
            "validation_accuracy": trained.validation.accuracy,
            "train_seconds": trained.report.seconds,
        }

    def _comparison_row(
        self, arm: str, network: Sized, test: Samples, steps: int, seconds: float
    ) -> Row:
        on_test, on_validation = evaluate(network, test), evaluate(network, self.task.validation)
        return self.key | {
            "arm": arm,
            "test_loss": on_test.loss,
            "test_accuracy": on_test.accuracy,
            "validation_loss": on_validation.loss,
            "validation_accuracy": on_validation.accuracy,
            "parameters": network.parameter_count,
            "macs": network.macs,
            "steps": steps,
            "train_seconds": seconds,
        }
