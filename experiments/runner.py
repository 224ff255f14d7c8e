"""One experiment from settings to results: split, evolve, train the baselines, read the test part once, compare."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np

from cnn.compilation import kernels_are_cached, single_threaded_blas
from cnn.samples import Samples
from cnn.training import evaluate, train
from evo.errors import EvoMatrixError, SettingsError
from evo.evolution import Evolution
from evo.executors import Executor, SerialExecutor
from evo.fitness import FITNESSES, Fitness
from evo.founders import found
from evo.genome import Genome
from evo.individual import Individual, Task
from evo.phenotype import Phenotype
from evo.predictor import Predictor
from evo.seeding import Purpose, seed_sequence
from evo.store import RunStore
from evo.tables import Row, generation_rows, training_rows
from experiments.arms import Sized, TrainedArm, build_arm, check_arms, train_arm
from experiments.config import Experiment
from experiments.datasets import Dataset, DataSplit, load_dataset
from experiments.environment import environment
from experiments.progress import Reporter
from experiments.report import save_figures
from experiments.results import Results, load_results

CURVE_POINTS = 4
"""Points of the learning curve that each train phase records."""


def run(
    experiment: Experiment,
    *,
    dataset: Dataset | None = None,
    fitness: Fitness | None = None,
    workers: int | None = None,
    address: str | None = None,
    results: str | Path = "results",
    run_name: str | None = None,
    reporter: Reporter | None = None,
) -> Results:
    """Run an experiment and return its results.

    Parameters
    ----------
    experiment : Experiment
        What to do; it alone, with `dataset` and `fitness`, decides the results.
    dataset : Dataset, optional
        Your own data, instead of those that the settings name.
    fitness : callable, optional
        Your own function of (trained network, validation samples), larger is better.
    workers : int, optional
        Ray workers; 0 works in this process; by default one per core.
    address : str, optional
        An existing Ray cluster instead of this machine.
    results : str or Path
        Folder in which the run's folder is made.
    run_name : str, optional
        Name of the run's folder; by default the experiment's name and the time.
    reporter : Reporter, optional
        Who tells people about progress; by default nobody.

    Returns
    -------
    Results

    Raises
    ------
    EvoMatrixError
        If settings, data or the results folder are not usable; before any work is done.
    """
    if workers is not None and workers < 0:
        raise SettingsError(f"workers: must be at least 0; got {workers}")
    if workers == 0 and address is not None:
        raise SettingsError("workers: must not be 0 with an address, since 0 means no Ray")
    reporter = reporter or Reporter()
    dataset = dataset or load_dataset(experiment.dataset.name, **experiment.dataset.options)
    check_arms(experiment.baseline, dataset)
    splits = {seed: _split(experiment, dataset, seed) for seed in _seeds(experiment)}
    name = run_name or _free_name(Path(results), experiment.name)
    store = RunStore.create(
        Path(results) / name,
        config=experiment.model_dump_json(indent=2) + "\n",
        environment=environment(),
    )
    tasks = {seed: _task(experiment, split, seed, fitness) for seed, split in splits.items()}
    with reporter:
        reporter.starting(experiment.name, workers, expected_individuals(experiment))
        _warm_up(experiment, dataset, next(iter(tasks.values())), reporter)
        with _started(workers, address, reporter, store) as executor:
            searches = [
                _Search(experiment, dataset, task, store, reporter, k * _per_seed(experiment))
                for k, task in enumerate(tasks.values())
            ]
            for search in searches:
                _evolve_unless_interrupted(search, executor, reporter)
        for search in searches:
            search.train_baselines()
        rows = [
            row for search in searches for row in search.read_test(splits[search.task.seed].test)
        ]
        for search in searches:
            search.save_winner(splits[search.task.seed])
    store.commit("test", {"comparison": rows}, complete=True)
    loaded = load_results(store.path)
    save_figures(loaded, store)
    return loaded


def _evolve_unless_interrupted(search: "_Search", executor: Executor, reporter: Reporter) -> None:
    try:
        search.evolve(executor)
    except KeyboardInterrupt:
        reporter.note(f"Interrupted: the generations finished so far are in {search.store.path}")
        raise


def _free_name(folder: Path, experiment: str) -> str:
    """Return experiment and time, with a number where runs began in the same second."""
    name = f"{experiment}-{datetime.now():%Y%m%d-%H%M%S}"
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(free for free in names if not (folder / free).exists())


def expected_individuals(experiment: Experiment) -> int:
    """Return how many individuals a run will raise, or a little fewer."""
    return experiment.seeds * _per_seed(experiment)


def _per_seed(experiment: Experiment) -> int:
    evolution = experiment.evolution
    each = 2 if evolution.selection.name == "local_search" else 1
    rounds = 1 + each * evolution.last_modified + evolution.generations - evolution.last_modified
    return evolution.population * rounds


def _seeds(experiment: Experiment) -> range:
    return range(experiment.seed, experiment.seed + experiment.seeds)


def _split(experiment: Experiment, dataset: Dataset, seed: int) -> DataSplit:
    settings = experiment.dataset
    try:
        return dataset.split(
            seed=seed_sequence(seed, Purpose.SPLIT),
            validation=settings.validation,
            test=settings.test,
            normalization=settings.normalization,
        )
    except ValueError as error:
        raise SettingsError(f"dataset: {error}") from error


def _task(experiment: Experiment, split: DataSplit, seed: int, fitness: Fitness | None) -> Task:
    evolution = experiment.evolution
    return Task(
        train=split.train,
        validation=split.validation,
        loss="cross_entropy" if split.train.has_classes else "squared_error",
        recipe=experiment.training,
        policy=experiment.policy,
        fitness=fitness or FITNESSES[evolution.fitness],
        seed=seed,
        steps=evolution.steps,
        total_steps=evolution.total_steps,
        record_every=max(1, evolution.steps // CURVE_POINTS),
    )


def _founders(experiment: Experiment, dataset: Dataset, seed: int) -> list[Genome]:
    return found(
        experiment.founders,
        dataset.n_features,
        dataset.n_outputs,
        n_founders=experiment.evolution.population,
        seed=seed,
    )


@contextmanager
def _started(
    workers: int | None, address: str | None, reporter: Reporter, store: RunStore
) -> Iterator[Executor]:
    """Start an executor; if it cannot start, nothing of the run is left behind."""
    executor = _executor(workers, address, reporter)
    try:
        executor.__enter__()
    except EvoMatrixError:
        store.discard()
        raise
    with ExitStack() as stack:
        stack.push(executor)
        yield executor


def _executor(workers: int | None, address: str | None, reporter: Reporter) -> Executor:
    if workers == 0:
        return SerialExecutor()
    where = "Starting Ray" if address is None else f"Connecting to Ray at {address}"
    reporter.note(f"{where} (some seconds)")
    from evo.executors.ray import RayExecutor  # noqa: PLC0415 - a serial run shall not wait for Ray's import

    return RayExecutor(workers, address)


def _warm_up(experiment: Experiment, dataset: Dataset, task: Task, reporter: Reporter) -> None:
    """Compile the kernels before workers start, with the very types of the run; the networks are thrown away."""
    cold = not kernels_are_cached()
    if cold:
        reporter.note(
            "Compiling kernels: half a minute, the first time only; they are kept on disk"
        )
    started = time.perf_counter()
    founder = _founders(experiment, dataset, task.seed)[0]
    arms = dict.fromkeys(("static", *experiment.baseline.arms))
    networks = [build_arm(arm, dataset, experiment.baseline, founder, task) for arm in arms]
    for network in networks:
        train(
            network,
            task.train,
            task.recipe,
            first_step=0,
            steps=1,
            total_steps=1,
            order_seed=task.order_seed,
        )
        evaluate(network, Samples(task.validation.inputs[:1], task.validation.targets[:1]))
    place = np.zeros(1, dtype=np.intp)
    Phenotype(founder, task.loss).gradients_at(
        place, place + founder.n_nodes - 1, task.train.inputs[:1], task.train.targets[:1]
    )
    if cold:
        reporter.note(f"Compiled in {time.perf_counter() - started:.0f} s")


class _Search:
    """One seed's part of an experiment."""

    def __init__(
        self,
        experiment: Experiment,
        dataset: Dataset,
        task: Task,
        store: RunStore,
        reporter: Reporter,
        count: int,
    ) -> None:
        self.experiment, self.dataset, self.task = experiment, dataset, task
        self.store, self.reporter = store, reporter
        self.count = count
        self.key: Row = {"run": store.name, "seed": task.seed}
        self.founders = _founders(experiment, dataset, task.seed)
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
            self.count += self.experiment.evolution.population * (
                2 if len(jobs) > settings.population else 1
            )
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
            self.reporter.generation(seed, generation, settings.generations, self.count)
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
        split: Any = self.task
        return (
            self.key
            | {
                "experiment": self.experiment.name,
                "dataset": self.dataset.name,
                "data_hash": self.dataset.data_hash,
                "task": self.dataset.task,
                "train_samples": len(split.train),
                "validation_samples": len(split.validation),
                "test_samples": self._test_samples(),
                "features": self.dataset.n_features,
                "outputs": self.dataset.n_outputs,
                "best_individual": self.winner.job.individual,
                "search_samples": totals["search_steps"] * self.task.recipe.batch_size,
                "search_seconds": seconds,
            }
            | dict(totals)
        )

    def _test_samples(self) -> int:
        if self.dataset.test is not None:
            return len(self.dataset.test[0])
        return len(self.dataset) - len(self.task.train) - len(self.task.validation)

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
