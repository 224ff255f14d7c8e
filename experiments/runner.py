"""One experiment from settings to results: split, evolve, train the baselines, read the test part once, compare."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import chain, count
from pathlib import Path

import numpy as np

from cnn.compilation import kernels_are_cached
from cnn.samples import Samples
from cnn.training import evaluate, train
from evo.errors import EvoMatrixError, SettingsError
from evo.executors import Executor, SerialExecutor
from evo.fitness import FITNESSES, Fitness
from evo.individual import Task
from evo.phenotype import Phenotype
from evo.seeding import Purpose, seed_sequence
from evo.store import RunStore
from experiments.arms import build_arm, check_arms
from experiments.config import Experiment
from experiments.datasets import Dataset, DataSplit, load_dataset
from experiments.environment import environment
from experiments.progress import Reporter
from experiments.report import save_figures
from experiments.results import Results, load_results
from experiments.search import Search, expected_per_seed

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
    name = run_name or free_name(Path(results), experiment.name)
    store = RunStore.create(
        Path(results) / name,
        config=experiment.model_dump_json(indent=2) + "\n",
        environment=environment(),
    )
    tasks = {seed: _task(experiment, split, seed, fitness) for seed, split in splits.items()}
    per_seed = expected_per_seed(experiment.evolution)
    searches = [
        Search(experiment, dataset, task, store, reporter, k * per_seed, len(splits[seed].test))
        for k, (seed, task) in enumerate(tasks.items())
    ]
    with reporter:
        reporter.starting(experiment.name, workers, experiment.seeds * per_seed)
        _warm_up(searches[0], reporter)
        with _started(workers, address, reporter, store) as executor:
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


def _evolve_unless_interrupted(search: Search, executor: Executor, reporter: Reporter) -> None:
    try:
        search.evolve(executor)
    except KeyboardInterrupt:
        reporter.note(f"Interrupted: the generations finished so far are in {search.store.path}")
        raise


def free_name(folder: Path, name: str) -> str:
    """Return a name and the time, with a number where that is taken in the folder."""
    timed = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    names = chain([timed], (f"{timed}-{number}" for number in count(2)))
    return next(free for free in names if not (folder / free).exists())


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


def _warm_up(search: Search, reporter: Reporter) -> None:
    """Compile the kernels before workers start, with the very types of the run; the networks are thrown away."""
    cold = not kernels_are_cached()
    if cold:
        reporter.note("Compiling kernels: some seconds, the first time only; they are kept on disk")
    started = time.perf_counter()
    task, founder, baseline = search.task, search.founders[0], search.experiment.baseline
    arms = dict.fromkeys(("static", *baseline.arms))
    networks = [build_arm(arm, search.dataset, baseline, founder, task) for arm in arms]
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
