"""One experiment from settings to results: split, evolve, train the baselines, read the test part once, compare."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from cnn.checks import brief, is_whole
from cnn.compile.compilation import kernels_are_cached
from cnn.training.samples import Samples
from cnn.training.trainer import evaluate, train
from evo.environment import environment, time_now
from evo.errors import EvoMatrixError, SettingsError
from evo.evolution.fitness import FITNESSES, Fitness, adapt_fitness
from evo.evolution.job import Task
from evo.executors import Executor, SerialExecutor
from evo.files import free_name
from evo.genome.genome import Genome
from evo.phenotype.phenotype import Phenotype
from evo.storage.run_store import RunStore
from experiments.analysis.results import Results, load_results
from experiments.arms import build_arm, check_arms, loss_of
from experiments.datasets import Dataset, DataSplit, load_dataset
from experiments.figures.report import save_figures
from experiments.settings.columns import setting_columns
from experiments.settings.experiment import Experiment
from experiments.studies.baselines import Baselines
from experiments.studies.founders import (
    GivenFounders,
    check_founders,
    layers_of_founders,
    with_given_founders,
)
from experiments.studies.judgement import (
    check_defined,
    check_judgement,
    metrics_of,
    own_columns,
    weighted,
)
from experiments.studies.progress import Reporter
from experiments.studies.provenance import used_by, with_used
from experiments.studies.search import Search, expected_per_seed
from experiments.studies.seed_run import SeedRun, read_test

NO_SEARCH = {
    "n_individuals": 0,
    "n_failures": 0,
    "best_individual": None,
    "search_steps": 0,
    "search_samples": 0,
    "search_macs": 0,
    "search_seconds": 0.0,
}
"""The columns of `runs` about the search, in a run without a search."""


class TrainingError(EvoMatrixError):
    """A run without evolution in which every baseline diverged."""


def run(
    experiment: Experiment,
    *,
    dataset: Dataset | None = None,
    fitness: Callable[..., float] | None = None,
    founders: Sequence[Any] | None = None,
    workers: int | None = None,
    address: str | None = None,
    results: str | Path = "results",
    run_name: str | None = None,
    reporter: Reporter | None = None,
    figures: bool = True,
) -> Results:
    """Run an experiment and return its results.

    Parameters
    ----------
    experiment : Experiment
        The settings. With `dataset` and `fitness` they decide the results.
    dataset : Dataset, optional
        Your own data, instead of the data set named in the settings.
    fitness : callable, optional
        Your own function of (network, validation): the trained network and the validation samples. Larger is better. A
        function with a further parameter named ``evaluation`` also gets the loss and accuracy on these samples.
    founders : list, optional
        Your own founders, instead of drawn ones: ``docs/founders.md``. Each is a genome, a `cnn.Network`, a loaded
        predictor, a networkx graph, a square matrix (ndarray, SciPy sparse array or list of lists; its first nodes are
        the inputs, its last nodes the outputs), or the path of a file. They take turns over the slots of the
        population: of three founders and a population of 8, slots 0, 3 and 6 begin with the first.
    workers : int, optional
        Number of Ray workers; 0 evaluates in this process; by default one per core. Baselines need no worker.
    address : str, optional
        An existing Ray cluster instead of this machine.
    results : str or Path
        Folder in which the run's folder is made.
    run_name : str, optional
        Name of the run's folder; by default the name of the experiment and the time.
    reporter : Reporter, optional
        Reports progress; by default nothing is reported.
    figures : bool, default True
        Whether the pictures of the run are drawn.

    Returns
    -------
    Results

    Raises
    ------
    EvoMatrixError
        Before any work, if settings, data or the results folder are not usable. Later, if no individual has a fitness,
        or if nothing evolves and every baseline diverges.
    TypeError
        If an argument has another type, `fitness` is not a function of these parameters, or `founders` is not a list.
    """
    check_types(experiment=experiment, dataset=dataset, fitness=fitness, reporter=reporter)
    check_types(results=results, run_name=run_name)
    _check_arguments(experiment, workers, address, fitness, founders)
    experiment = with_given_founders(experiment, founders)
    own_data, own_fitness = dataset is not None, fitness is not None
    checked_fitness = adapt_fitness(fitness or FITNESSES[experiment.evolution.fitness])
    reporter = Reporter() if reporter is None else reporter
    if dataset is None:
        dataset = load_dataset(experiment.dataset.name, **experiment.dataset.options)
    check_judgement(experiment, dataset)
    splits = [_split(experiment, dataset, seed) for seed in _seeds(experiment)]
    given = None
    different = {(split.input_shape, split.preparation.input_names): split for split in splits}
    for split in different.values():
        check_arms(experiment.baseline, dataset, split.input_shape)
        if experiment.evolve:
            given = check_founders(experiment, split, founders)
    if experiment.evolve:
        _check_travel(checked_fitness, workers)
    name = run_name or free_name(Path(results), experiment.name)
    used = used_by(experiment, dataset, fitness)
    store = RunStore.create(
        Path(results) / name,
        config=with_used(experiment, used).model_dump_json(indent=2) + "\n",
        environment=environment(),
        settings=setting_columns(experiment, used, own_data=own_data, own_fitness=own_fitness),
        own_columns=own_columns(experiment, dataset),
    )
    seed_runs = [
        SeedRun(
            experiment,
            dataset,
            _task(experiment, dataset, split, seed, checked_fitness, given),
            len(split.rows["test"]),
            split.preparation,
            store,
            reporter,
            given,
        )
        for seed, split in zip(_seeds(experiment), splits, strict=True)
    ]
    with reporter, _noting_the_end(store), _reporting_an_interruption(reporter, store):
        _note_unseen_categories(seed_runs, splits)
        searches = _evolve(seed_runs, workers, address) if experiment.evolve else []
        baselines = _train_baselines(seed_runs, searches)
        winners = [[search.trained_model()] for search in searches] or [[] for _ in seed_runs]
        rows, tables = [], []
        for seed_run, split, winner, own in zip(seed_runs, splits, winners, baselines, strict=True):
            compared, predicted = read_test(seed_run, [*winner, *own.trained_models()], split)
            rows += compared
            tables += predicted
        predictions = {"predictions": pa.concat_tables(tables)} if tables else {}
        store.commit("test", {"comparison": rows, **predictions}, complete=True)
        loaded = load_results(store.path)
        if figures:
            save_figures(loaded, store)
    return loaded


def _note_unseen_categories(seed_runs: Sequence[SeedRun], splits: Sequence[DataSplit]) -> None:
    """Tell how many values of the other parts are categories that a training part does not have."""
    for seed_run, split in zip(seed_runs, splits, strict=True):
        for part, unseen in split.unseen.items():
            for column, count in unseen.items():
                seed_run.reporter.note(
                    f"Seed {seed_run.seed}: {count} values of column {column!r} in the {part} part are categories "
                    "that the training part does not have; they count as none"
                )


RULES: dict[str, tuple[Any, str]] = {
    "experiment": (
        Experiment,
        'settings, such as load_experiment("xor"), load_experiment("my.toml") or Experiment(seeds=1)',
    ),
    "dataset": (
        Dataset | None,
        "a Dataset, such as Dataset.from_frame(frame, target=…), Dataset.from_arrays(X, y) or "
        "Dataset.from_csv(path, target=…)",
    ),
    "reporter": (Reporter | None, "a Reporter, such as TerminalReporter()"),
    "results": (str | PathLike, "the path of a folder"),
    "run_name": (str | None, "a text"),
    "folder": (str | PathLike | None, "the path of a folder"),
    "address": (str | None, 'a text, such as "auto" or "host:6379"'),
}
"""The type of an argument of :func:`run`, and the type in words."""


def check_types(*, fitness: object = None, **arguments: object) -> None:
    """Raise TypeError for an argument of another type, with one line that says what is right."""
    for name, value in arguments.items():
        wanted, rule = RULES[name]
        if not isinstance(value, wanted):
            got = "the class " + value.__name__ if isinstance(value, type) else _in_brief(value)
            raise TypeError(f"{name} must be {rule}; got {got}")
    if isinstance(fitness, str):
        raise TypeError(
            "fitness must be a function of (network, validation) or (network, validation, evaluation); the name of a "
            f"fitness stands in the settings, as evolution.fitness; got {fitness!r}"
        )


def _in_brief(value: object) -> str:
    """Return text, numbers and paths as they are, in one line; of other values the type."""
    known = isinstance(value, str | int | float | PathLike) or value is None
    return " ".join(brief(value).split()) if known else f"a {type(value).__name__}"


def check_workers(workers: int | None, address: str | None) -> None:
    """Raise SettingsError unless workers is a whole number from 0, and for 0 workers with an address."""
    if workers is not None and not (is_whole(workers) and workers >= 0):
        raise SettingsError(
            f"workers must be a whole number of at least 0; got {_in_brief(workers)}"
        )
    check_types(address=address)
    if workers == 0 and address is not None:
        raise SettingsError("workers must not be 0 with an address, since 0 means no Ray")


def _check_arguments(
    experiment: Experiment,
    workers: int | None,
    address: str | None,
    fitness: object,
    founders: object,
) -> None:
    """Raise SettingsError for arguments that contradict each other or the settings."""
    check_workers(workers, address)
    if experiment.evolve:
        return
    given = {"workers": workers, "address": address, "fitness": fitness, "founders": founders}
    for name, value in given.items():
        if value:
            raise SettingsError(
                f"{name} must not be given where evolve = false, for baselines train in this "
                f"process and are not selected; got {value!r}"
            )


def _check_travel(fitness: Fitness, workers: int | None) -> None:
    """Raise TravelError if own parts cannot be sent to workers."""
    if workers != 0:
        from evo.executors.travel import pack  # noqa: PLC0415 - a serial run shall not wait for Ray's import

        pack(fitness)


def _evolve(seed_runs: Sequence[SeedRun], workers: int | None, address: str | None) -> list[Search]:
    """Run the search of every seed, one after the other."""
    experiment, reporter, store = seed_runs[0].experiment, seed_runs[0].reporter, seed_runs[0].store
    per_seed = expected_per_seed(experiment.evolution)
    searches = [Search(seed_run, k * per_seed) for k, seed_run in enumerate(seed_runs)]
    reporter.starting(experiment.title, workers, len(seed_runs) * per_seed)
    _warm_up(seed_runs[0], searches[0].founders[0])
    with _started(workers, address, reporter, store) as executor:
        for search in searches:
            search.evolve(executor)
    return searches


def _train_baselines(seed_runs: Sequence[SeedRun], searches: Sequence[Search]) -> list[Baselines]:
    """Train the baselines of every seed."""
    experiment, reporter = seed_runs[0].experiment, seed_runs[0].reporter
    arms, epochs = experiment.baseline.arms, experiment.baseline.epochs or 0
    if epochs:
        reporter.training(experiment.title, len(seed_runs) * len(arms), epochs)
    baselines = [
        Baselines(seed_run, k * len(arms) * epochs) for k, seed_run in enumerate(seed_runs)
    ]
    if searches:
        for search, own in zip(searches, baselines, strict=True):
            own.train(search.founder_of_winner, search.winner.ancestry_steps)
        return baselines
    _warm_up(seed_runs[0], None)
    for seed_run, own in zip(seed_runs, baselines, strict=True):
        seed_run.store.commit(f"seed-{seed_run.seed}", {"runs": [seed_run.run_row(NO_SEARCH)]})
        own.train(steps=experiment.baseline.total_steps or 0)
    if not any(own.trained_models() for own in baselines):
        raise TrainingError(f"every baseline diverged: {baselines[0].trained[0].reason}")
    return baselines


@contextmanager
def _noting_the_end(store: RunStore) -> Iterator[None]:
    """Write the time of the end into environment.json, and the error that ended the run if there was one."""
    try:
        yield
    except BaseException as error:
        if store.path.exists():  # a run that cannot begin leaves no folder
            store.note_environment(
                ended=time_now(), error=f"{type(error).__name__}: {error}".rstrip(": ")
            )
        raise
    store.note_environment(ended=time_now())


@contextmanager
def _reporting_an_interruption(reporter: Reporter, store: RunStore) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        reporter.note(f"Interrupted: what was finished so far is in {store.path}")
        raise


def _seeds(experiment: Experiment) -> range:
    return range(experiment.seed, experiment.seed + experiment.seeds)


def _split(experiment: Experiment, dataset: Dataset, seed: int) -> DataSplit:
    """Return the parts with their weights."""
    split = experiment.dataset.split(dataset, seed)
    check_defined(experiment, dataset, split)
    return weighted(experiment, dataset, split)


def _task(
    experiment: Experiment,
    dataset: Dataset,
    split: DataSplit,
    seed: int,
    fitness: Fitness,
    given: GivenFounders | None,
) -> Task:
    return Task(
        train=split.train,
        validation=split.validation,
        loss=loss_of(dataset),
        recipe=experiment.training,
        policy=experiment.policy,
        evolution=experiment.evolution,
        fitness=fitness,
        seed=seed,
        metrics=metrics_of(experiment),
        layers=layers_of_founders(experiment, dataset, split.input_shape, given),
    )


@contextmanager
def _started(
    workers: int | None, address: str | None, reporter: Reporter, store: RunStore
) -> Iterator[Executor]:
    """Start an executor; remove the run folder if the executor cannot start."""
    with ExitStack() as stack:
        try:
            executor = stack.enter_context(_executor(workers, address, reporter))
        except Exception:
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


def _first(samples: Samples) -> Samples:
    """Return the first sample, of a weight that is not 0."""
    weights = None if samples.weights is None else np.ones_like(samples.weights[:1])
    return Samples(samples.inputs[:1], samples.targets[:1], weights)


def _warm_up(seed_run: SeedRun, founder: Genome | None) -> None:
    """Compile the kernels with the types of the run before workers start; the networks are thrown away."""
    cold = not kernels_are_cached()
    if cold:
        seed_run.reporter.note(
            "Compiling kernels: some seconds, the first time only; they are kept on disk"
        )
    started = time.perf_counter()
    task, baseline = seed_run.task, seed_run.experiment.baseline
    arms = baseline.arms if founder is None else dict.fromkeys(("static", *baseline.arms))
    for arm in arms:
        network = build_arm(arm, seed_run.dataset, baseline, founder, task)
        train(
            network,
            task.train,
            task.recipe,
            first_step=0,
            steps=1,
            total_steps=1,
            order_seed=task.order_seed,
        )
        evaluate(network, _first(task.validation))
    if founder is not None:
        place = np.zeros(1, dtype=np.intp)
        one = _first(task.train)
        Phenotype(founder, task.loss).gradients_at(
            place, place + founder.n_nodes - 1, one.inputs, one.targets, weights=one.weights
        )
    if cold:
        seed_run.reporter.note(f"Compiled in {time.perf_counter() - started:.0f} s")
