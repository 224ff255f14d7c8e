"""One experiment from settings to results: split, evolve, train the baselines, read the test part once, compare."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from cnn.compile.compilation import kernels_are_cached
from cnn.training.samples import Samples
from cnn.training.trainer import evaluate, train
from evo.environment import environment
from evo.errors import EvoMatrixError, SettingsError
from evo.evolution.fitness import FITNESSES, Fitness
from evo.evolution.job import Task
from evo.executors import Executor, SerialExecutor
from evo.files import free_name
from evo.genome.genome import Genome
from evo.phenotype.phenotype import Phenotype
from evo.seeding import Purpose, seed_sequence
from evo.storage.run_store import RunStore
from experiments.analysis.results import Results, load_results
from experiments.datasets import Dataset, DataSplit, load_dataset
from experiments.figures.report import save_figures
from experiments.settings.experiment import Experiment
from experiments.studies.arms import build_arm, check_arms, check_founders, loss_of
from experiments.studies.baselines import Baselines
from experiments.studies.progress import Reporter
from experiments.studies.search import Search, expected_per_seed
from experiments.studies.seed_run import Part, read_test

CURVE_POINTS = 4
"""Points of the learning curve that each train phase records."""

NO_SEARCH = {
    "individuals": 0,
    "failures": 0,
    "best_individual": None,
    "search_steps": 0,
    "search_samples": 0,
    "search_macs": 0,
    "search_seconds": 0.0,
}
"""What a search came to that there was not."""


class TrainingError(EvoMatrixError):
    """A run without evolution that came to nothing, because every baseline diverged."""


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
        Ray workers; 0 works in this process; by default one per core. Without evolution there are none.
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
        If settings, data or the results folder are not usable; before any work is done. After it, if no individual,
        or without evolution no baseline, came to anything.
    """
    _check_arguments(experiment, workers, address, fitness)
    reporter = reporter or Reporter()
    dataset = dataset or load_dataset(experiment.dataset.name, **experiment.dataset.options)
    check_arms(experiment.baseline, dataset)
    if experiment.evolve:
        check_founders(experiment.founders, dataset)
    splits = [_split(experiment, dataset, seed) for seed in _seeds(experiment)]
    name = run_name or free_name(Path(results), experiment.name)
    store = RunStore.create(
        Path(results) / name,
        config=experiment.model_dump_json(indent=2) + "\n",
        environment=environment(),
    )
    parts = [
        Part(
            experiment,
            dataset,
            _task(experiment, dataset, split, seed, fitness),
            len(split.test),
            split.normalization,
            store,
            reporter,
        )
        for seed, split in zip(_seeds(experiment), splits, strict=True)
    ]
    with reporter, _telling_of_an_interruption(reporter, store):
        searches = _evolve(parts, workers, address) if experiment.evolve else []
        baselines = _train_baselines(parts, searches)
        winners = [[search.contender()] for search in searches] or [[] for _ in parts]
        rows = []
        for part, split, winner, own in zip(parts, splits, winners, baselines, strict=True):
            rows += read_test(part, [*winner, *own.contenders()], split.test)
    store.commit("test", {"comparison": rows}, complete=True)
    loaded = load_results(store.path)
    save_figures(loaded, store)
    return loaded


def check_workers(workers: int | None, address: str | None) -> None:
    """Raise SettingsError for a number of workers that cannot be, or not at an address."""
    if workers is not None and workers < 0:
        raise SettingsError(f"workers: must be at least 0; got {workers}")
    if workers == 0 and address is not None:
        raise SettingsError("workers: must not be 0 with an address, since 0 means no Ray")


def _check_arguments(
    experiment: Experiment, workers: int | None, address: str | None, fitness: Fitness | None
) -> None:
    """Raise SettingsError for arguments that contradict each other or the settings."""
    check_workers(workers, address)
    if experiment.evolve:
        return
    for name, value in (("workers", workers), ("address", address), ("fitness", fitness)):
        if value:
            raise SettingsError(
                f"{name}: must not be given where evolve = false, for baselines train in this "
                f"process and are not selected; got {value!r}"
            )


def _evolve(parts: Sequence[Part], workers: int | None, address: str | None) -> list[Search]:
    """Search with every seed, one after the other."""
    experiment, reporter, store = parts[0].experiment, parts[0].reporter, parts[0].store
    per_seed = expected_per_seed(experiment.evolution)
    searches = [Search(part, k * per_seed) for k, part in enumerate(parts)]
    reporter.starting(experiment.title, workers, len(parts) * per_seed)
    _warm_up(parts[0], searches[0].founders[0])
    with _started(workers, address, reporter, store) as executor:
        for search in searches:
            search.evolve(executor)
    return searches


def _train_baselines(parts: Sequence[Part], searches: Sequence[Search]) -> list[Baselines]:
    """Train the baselines of every seed: beside its winner, or where nothing evolved alone."""
    experiment, reporter = parts[0].experiment, parts[0].reporter
    arms, epochs = experiment.baseline.arms, experiment.baseline.epochs or 0
    if epochs:
        reporter.training(experiment.title, len(parts) * len(arms), epochs)
    baselines = [Baselines(part, k * len(arms) * epochs) for k, part in enumerate(parts)]
    if searches:
        for search, own in zip(searches, baselines, strict=True):
            own.train(search.founder_of_winner, search.winner.ancestry_steps)
        return baselines
    _warm_up(parts[0], None)
    for part, own in zip(parts, baselines, strict=True):
        part.store.commit(f"seed-{part.seed}", {"runs": [part.run_row(NO_SEARCH)]})
        own.train(steps=experiment.baseline.total_steps or 0)
    if not any(own.contenders() for own in baselines):
        raise TrainingError(f"every baseline diverged: {baselines[0].trained[0].reason}")
    return baselines


@contextmanager
def _telling_of_an_interruption(reporter: Reporter, store: RunStore) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        reporter.note(f"Interrupted: what was finished so far is in {store.path}")
        raise


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


def _task(
    experiment: Experiment, dataset: Dataset, split: DataSplit, seed: int, fitness: Fitness | None
) -> Task:
    evolution = experiment.evolution
    return Task(
        train=split.train,
        validation=split.validation,
        loss=loss_of(dataset),
        recipe=experiment.training,
        policy=experiment.policy,
        fitness=fitness or FITNESSES[evolution.fitness],
        seed=seed,
        steps=evolution.steps_per_generation,
        total_steps=evolution.total_steps,
        record_every=max(1, evolution.steps_per_generation // CURVE_POINTS),
        budget=evolution.budget,
        dormant=evolution.dormant,
        active_edges=evolution.active_edges,
        layers=experiment.founders.layer_sizes(
            experiment.founders.input_layer(dataset.input_shape).n_nodes, dataset.n_outputs
        ),
    )


@contextmanager
def _started(
    workers: int | None, address: str | None, reporter: Reporter, store: RunStore
) -> Iterator[Executor]:
    """Start an executor; if it cannot start, nothing of the run is left behind."""
    with ExitStack() as stack:
        try:
            executor = stack.enter_context(_executor(workers, address, reporter))
        except EvoMatrixError:
            store.discard()
            raise
        yield executor


def _executor(workers: int | None, address: str | None, reporter: Reporter) -> Executor:
    if workers == 0:
        return SerialExecutor()
    where = "Starting Ray" if address is None else f"Connecting to Ray at {address}"
    reporter.note(f"{where} (some seconds)")
    from evo.executors.ray import RayExecutor  # noqa: PLC0415 - a serial run shall not wait for Ray's import

    return RayExecutor(workers, address)


def _warm_up(part: Part, founder: Genome | None) -> None:
    """Compile the kernels before workers start, with the very types of the run; the networks are thrown away."""
    cold = not kernels_are_cached()
    if cold:
        part.reporter.note(
            "Compiling kernels: some seconds, the first time only; they are kept on disk"
        )
    started = time.perf_counter()
    task, baseline = part.task, part.experiment.baseline
    arms = baseline.arms if founder is None else dict.fromkeys(("static", *baseline.arms))
    for arm in arms:
        network = build_arm(arm, part.dataset, baseline, founder, task)
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
    if founder is not None:
        place = np.zeros(1, dtype=np.intp)
        Phenotype(founder, task.loss).gradients_at(
            place, place + founder.n_nodes - 1, task.train.inputs[:1], task.train.targets[:1]
        )
    if cold:
        part.reporter.note(f"Compiled in {time.perf_counter() - started:.0f} s")
