"""The execution of one run: evolve, train the baselines, read the test part once, compare.

It begins a run, or goes on with one: what an earlier process committed is not done again.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from cnn.compile.compilation import kernels_are_cached
from cnn.training.recipe_genes import with_genes
from cnn.training.samples import Samples
from cnn.training.trainer import EVALUATION_BATCH, evaluate, train
from evo.environment import time_now
from evo.errors import EvoMatrixError
from evo.evolution.evolution import EvolutionError, founder_job
from evo.evolution.job import Judge, Task
from evo.evolution.tasks import EpisodeTask, SampleTask
from evo.executors import Executor, SerialExecutor
from evo.executors.compiled import CompiledExecutor, evaluate_together
from evo.executors.side_by_side import run_side_by_side
from evo.genome.genome import Genome
from evo.interruption import interruptible
from evo.phenotype.phenotype import Phenotype
from evo.rewards import EpisodeSplit, TaskSettings
from evo.storage.individuals import StoredIndividuals
from evo.storage.run_reader import how_to_resume, is_complete, load_tables
from evo.storage.run_store import RunStore
from evo.storage.tables import Row
from evo.time_account import OTHER, spending, time_spent
from experiments.analysis.results import Results, load_results
from experiments.arms import Evolved, build_arm, loss_of
from experiments.arms.settings import OF_WINNER
from experiments.progress import Reporter, RunBegun, RunFinished, StopRun
from experiments.progress.callbacks import Callbacks
from experiments.settings.experiment import Experiment
from experiments.studies.baselines import Baselines
from experiments.studies.episodes import EpisodeBaselines
from experiments.studies.founders import GivenFounders, layers_of_founders
from experiments.studies.judgement import Source, Split, metrics_of
from experiments.studies.search import Search, Tally, search_of
from experiments.studies.seed_run import SeedRun, read_test

SECONDS_WORTH_PICTURES = 10.0
"""Estimated seconds of training from which on a run draws pictures by itself, which takes about a second."""

NO_SEARCH = {
    "n_individuals": 0,
    "n_failures": 0,
    "best_individual": None,
    "search_steps": 0,
    "search_samples": 0,
    "search_macs": 0,
    "search_training_macs": 0,
    "search_cpu_seconds": 0.0,
    "search_seconds": 0.0,
}
"""The columns of `runs` about the search, in a run without a search."""


class TrainingError(EvoMatrixError):
    """A run without evolution in which every baseline diverged."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A run whose settings and data are checked.

    Attributes
    ----------
    experiment : Experiment
    dataset : Dataset or EpisodeSource
    splits : sequence of DataSplit or EpisodeSplit
        One for each seed.
    fitness : Fitness or Reward
    given : GivenFounders or None
        The founders, unless they are drawn.
    founders : mapping
        The founders of each seed; empty if nothing evolves.
    starts : mapping
        The state with which each seed begins, if the run continues another one; otherwise empty.
    """

    experiment: Experiment
    dataset: Source
    splits: Sequence[Split]
    fitness: Judge
    given: GivenFounders | None
    founders: Mapping[int, Sequence[Genome]]
    starts: Mapping[int, StoredIndividuals] = field(default_factory=dict)


SECONDS_WORTH_WORKERS = 15.0
"""Estimated seconds of a search in one process from which on workers are worth the start of Ray."""

SECONDS_PER_EPISODE = 0.005
"""What an episode takes, for the estimate: about 300 steps of a small environment."""

SECONDS_EACH, MACS_PER_SECOND = 0.003, 1.2e10
"""What an individual takes beside its training, and the speed of training, on a usual core, for the estimate."""


def is_brief(plan: Plan) -> bool:
    """Return whether the search of a plan takes some seconds only, as far as its settings and founders tell."""
    return expected_seconds(plan) < SECONDS_WORTH_WORKERS


def expected_seconds(plan: Plan) -> float:
    """Return about how many seconds the search of a plan takes in one process.

    An estimate, not a timing: the same plan gives the same answer on every machine.
    """
    experiment, continues = plan.experiment, plan.experiment.continues
    n_individuals = sum(
        experiment.evolution.expected_individuals(
            first=continues.first_generation[seed] if continues else 0
        )
        for seed in seeds_of(experiment)
    )
    founder = max(plan.founders[experiment.seed], key=lambda one: one.n_stored)
    pixels = founder.map_sizes[founder.targets].astype(np.int64) ** 2
    if experiment.task is not None:
        return n_individuals * _expected_episodes(experiment, experiment.task) * SECONDS_PER_EPISODE
    n_passes = 3 * experiment.evolution.steps_per_generation * experiment.training.batch_size
    macs = int(pixels.sum()) * founder.ticks * n_passes
    return n_individuals * (SECONDS_EACH + macs / MACS_PER_SECOND)


def _expected_episodes(experiment: Experiment, task: TaskSettings) -> int:
    """Return the number of episodes that an individual plays."""
    strategy, steps = task.strategy, experiment.evolution.steps_per_generation
    trained = steps * strategy.population * strategy.episodes if task.trains else 0
    return task.episodes + trained


def _draws(results: Results) -> bool:
    """Return whether a run draws pictures by itself: not if it trains so shortly that they would take a tenth of it.

    Its multiply-accumulates are counted, not its seconds, so the same run draws the same pictures on every machine.
    """
    macs = results.runs["search_training_macs"].sum() + results.baseline["training_macs"].sum()
    seconds = len(results.individuals) * SECONDS_EACH + 3 * int(macs) / MACS_PER_SECOND
    return seconds >= SECONDS_WORTH_PICTURES


def seeds_of(experiment: Experiment) -> range:
    """Return the seeds of an experiment."""
    return range(experiment.seed, experiment.seed + experiment.seeds)


def execute(
    plan: Plan,
    store: RunStore,
    *,
    workers: int | None,
    address: str | None,
    reporter: Reporter,
    callbacks: Callbacks,
    figures: bool,
    until: int | None = None,
    orders: Mapping[int, Sequence[int]] = MappingProxyType({}),
) -> Results:
    """Do what is left of a run: what its tables say is done is not done again.

    With `until` the searches stop after that generation, and the run is left unfinished. In the asynchronous mode
    `orders` has the order of arrival of each seed, as numbers of individuals, if it shall be that of another run. If a
    callback stops the run, the results are those so far.

    Raises
    ------
    EvoMatrixError
        If no individual has a fitness, or nothing evolves and every baseline diverges.
    """
    seed_runs = _seed_runs(plan, store, reporter, callbacks)
    try:
        with reporter, interruptible(), noting_the_end(store):
            callbacks.begun(begun_event(plan, store))
            _note_unseen_categories(seed_runs, plan.splits)
            searches: list[Search] = []
            if plan.experiment.evolve:
                searches = _evolve(plan, seed_runs, workers, address, until, orders)
            if until is not None:
                return load_results(store.path)
            loaded = _finish(plan, seed_runs, searches, figures)
            event = RunFinished(store.name, store.path, loaded)
            reporter.finished(event)
    except StopRun as stop:
        callbacks.stop(store.name, str(stop))
        reporter.note(told_of_stop(stop, store.path))
        return load_results(store.path)
    callbacks.finished(event)
    return loaded


def _finish(
    plan: Plan, seed_runs: Sequence[SeedRun], searches: Sequence[Search], figures: bool
) -> Results:
    """Do what comes after the searches: baselines, comparison and pictures."""
    store = seed_runs[0].store
    with spending("baselines"):
        baselines = _train_baselines(seed_runs, searches)
    if not any(one.committed("comparison") for one in seed_runs):
        with spending("test"):
            _compare(plan, seed_runs, searches, baselines)
    with spending("load"):
        loaded = load_results(store.path)
    if figures and _draws(loaded):
        with spending("draw"):
            from experiments.figures.pictures import save_figures  # noqa: PLC0415 - imports matplotlib

            save_figures(loaded, store)
    store.commit({"times": _time_rows(store, "main", time_spent())})
    store.complete()
    return loaded


def begun_event(plan: Plan, store: RunStore) -> RunBegun:
    """Return the event that a run begins."""
    settings = {name: value.as_py() for name, value in store.settings.items()}
    return RunBegun(store.name, store.path, plan.experiment, settings)


def told_of_stop(stop: StopRun, run: Path) -> str:
    """Return that a callback stopped a run, and how the run goes on."""
    return f"Stopped by {stop}. What is finished is kept; {how_to_resume(run)}"


def _seed_runs(
    plan: Plan, store: RunStore, reporter: Reporter, callbacks: Callbacks
) -> list[SeedRun]:
    """Return what the parts of a run share, for each seed."""
    tables = ["runs", "baseline", "candidates", "comparison"]
    earlier = load_tables([store.path], tables) if store.journal.has_rows else {}
    return [
        SeedRun(
            plan.experiment,
            plan.dataset,
            task_of(plan, split, seed),
            split.n_test if isinstance(split, EpisodeSplit) else len(split.rows["test"]),
            split.preparation,
            split.target_scaling,
            store,
            reporter,
            callbacks,
            plan.given,
            earlier,
        )
        for seed, split in zip(seeds_of(plan.experiment), plan.splits, strict=True)
    ]


def _time_rows(store: RunStore, process: str, spent: Mapping[str, float]) -> list[Row]:
    """Return the rows of the table ``times`` for one process."""
    return [
        {"run": store.name, "process": process, "activity": activity, "seconds": seconds}
        for activity, seconds in spent.items()
    ]


def _compare(
    plan: Plan,
    seed_runs: Sequence[SeedRun],
    searches: Sequence[Search],
    baselines: Sequence[Baselines],
) -> None:
    """Read the test part, and commit what all trained networks make of it."""
    winners = [[search.trained_model()] for search in searches] or [[] for _ in seed_runs]
    rows, tables = [], []
    for seed_run, split, winner, own in zip(
        seed_runs, plan.splits, winners, baselines, strict=True
    ):
        compared, predicted = read_test(seed_run, [*winner, *own.models], split)
        rows += compared
        tables += predicted
    predictions = {"predictions": pa.concat_tables(tables)} if tables else {}
    seed_runs[0].store.commit({"comparison": rows, **predictions})


def _note_unseen_categories(seed_runs: Sequence[SeedRun], splits: Sequence[Split]) -> None:
    """Tell how many values of the other parts are categories that a training part does not have."""
    for seed_run, split in zip(seed_runs, splits, strict=True):
        if isinstance(split, EpisodeSplit):
            continue
        for part, unseen in split.unseen.items():
            for column, count in unseen.items():
                seed_run.reporter.note(
                    f"Seed {seed_run.seed}: {count} values of column {column!r} in the {part} part are categories "
                    "that the training part does not have; they count as none"
                )


def searches_of(
    plan: Plan, store: RunStore, reporter: Reporter, callbacks: Callbacks
) -> list[Search]:
    """Return the search of every seed of a run, for somebody else to run."""
    return _searches(plan, _seed_runs(plan, store, reporter, callbacks), {})


def _searches(
    plan: Plan, seed_runs: Sequence[SeedRun], orders: Mapping[int, Sequence[int]]
) -> list[Search]:
    tally = Tally()
    return [
        search_of(one, tally, plan.founders[one.seed], orders.get(one.seed)) for one in seed_runs
    ]


def _evolve(
    plan: Plan,
    seed_runs: Sequence[SeedRun],
    workers: int | None,
    address: str | None,
    until: int | None,
    orders: Mapping[int, Sequence[int]],
) -> list[Search]:
    """Run the search of every seed."""
    experiment, reporter, store = plan.experiment, seed_runs[0].reporter, seed_runs[0].store
    searches = _searches(plan, seed_runs, orders)
    if all(search.is_over for search in searches):
        return searches
    expected = sum(
        experiment.evolution.expected_individuals(until, seed_run.task.first_generation)
        for seed_run in seed_runs
    )
    reporter.starting(experiment.title, workers, expected)
    with executor_for(searches[0], workers, address) as executor:
        most = experiment.evolution.most_in_flight
        if experiment.evolution.mode == "asynchronous" and executor.n_workers > most:
            reporter.note(
                f"{executor.n_workers - most} of {executor.n_workers} workers are idle: evolution.in_flight = {most}"
            )
        run_side_by_side(
            executor,
            ((search.seed_run.task, search.evolve(until)) for search in searches),
            one_by_one=experiment.evolution.mode == "asynchronous",
        )
        rows = [
            row
            for number, spent in enumerate(executor.time_of_workers(), 1)
            for row in _time_rows(store, f"worker {number}", spent)
        ]
    if rows:
        store.commit({"times": rows})
    return searches


def _train_baselines(seed_runs: Sequence[SeedRun], searches: Sequence[Search]) -> list[Baselines]:
    """Train the baselines of every seed."""
    experiment, reporter = seed_runs[0].experiment, seed_runs[0].reporter
    arms, epochs = experiment.baseline.arms, experiment.baseline.epochs or 0
    if epochs:
        reporter.training(experiment.title, len(seed_runs) * len(arms), epochs)
    baselines: list[Baselines] = [
        EpisodeBaselines(seed_run, 0)
        if isinstance(seed_run.task, EpisodeTask)
        else Baselines(seed_run, k * len(arms) * epochs)
        for k, seed_run in enumerate(seed_runs)
    ]
    if searches:
        for search, own in zip(searches, baselines, strict=True):
            own.train(search.evolved, search.winner.ancestry_steps)
        return baselines
    _warm_up(seed_runs[0], None)
    for seed_run, own in zip(seed_runs, baselines, strict=True):
        if seed_run.committed("runs") is None:
            seed_run.store.commit({"runs": [seed_run.run_row(NO_SEARCH)]})
        own.train(steps=experiment.baseline.total_steps or 0)
    if not any(own.models for own in baselines):
        raise TrainingError(f"every baseline diverged: {baselines[0].reasons[0]}")
    return baselines


def task_of(plan: Plan, split: Split, seed: int) -> Task:
    """Return what the individuals of one seed share."""
    experiment, dataset, continues = plan.experiment, plan.dataset, plan.experiment.continues
    shared: dict[str, Any] = {
        "recipe": experiment.training.recipe,
        "policy": experiment.policy,
        "evolution": experiment.evolution,
        "fitness": plan.fitness,
        "seed": seed,
        "metrics": metrics_of(experiment, dataset),
        "layers": layers_of_founders(experiment, dataset, split.input_shape, plan.given),
        "first_generation": continues.first_generation[seed] if continues else 0,
        "steps_before": continues.steps_before[seed] if continues else 0,
    }
    if isinstance(split, EpisodeSplit):  # outputs act as they are, without softmax
        return EpisodeTask(loss="squared_error", episodes=split.dataset.settings, **shared)
    loss = loss_of(split.dataset)
    return SampleTask(train=split.train, validation=split.validation, loss=loss, **shared)


@contextmanager
def noting_the_end(store: RunStore) -> Iterator[None]:
    """Write the time of the end into environment.json, and who or what ended the run if it is not complete."""
    try:
        yield
    except StopRun as stop:
        store.note_environment(ended=time_now(), error="", stopped_by=str(stop))
        raise
    except BaseException as error:
        if store.path.exists():  # a run that cannot begin leaves no folder
            told = f"{type(error).__name__}: {error}".rstrip(": ")
            told = "interrupted" if isinstance(error, GeneratorExit) else told
            store.note_environment(ended=time_now(), error=told, stopped_by="")
            if isinstance(error, EvolutionError | TrainingError):
                store.fail(told)
        raise
    store.note_environment(ended=time_now(), error="", stopped_by="")


@contextmanager
def reporting_an_interruption(reporter: Reporter, store: RunStore) -> Iterator[None]:
    """Tell how a run goes on that is interrupted."""
    try:
        yield
    except (EvolutionError, TrainingError):  # it would end so again
        raise
    except BaseException as error:
        what = "Interrupted" if isinstance(error, KeyboardInterrupt) else "Stopped by an error"
        if store.path.exists() and not is_complete(store.path):
            reporter.note(f"{what}. What is finished is kept; {how_to_resume(store.path)}")
        raise


@contextmanager
def executor_for(search: Search, workers: int | None, address: str | None) -> Iterator[Executor]:
    """Start an executor for a search, and for others like it; compile what they need while Ray starts."""
    seed_run = search.seed_run
    warm_up = partial(_warm_up, seed_run, search.founders[0])
    compiled = warm_up if workers == 0 else _in_background(warm_up)
    experiment, reporter, store = seed_run.experiment, seed_run.reporter, seed_run.store
    with _started(experiment, workers, address, reporter, store) as executor:
        with spending("compile"):
            compiled()
        yield executor


@contextmanager
def _started(
    experiment: Experiment,
    workers: int | None,
    address: str | None,
    reporter: Reporter,
    store: RunStore,
) -> Iterator[Executor]:
    """Start an executor; if it cannot start, remove the folder of a run that has not begun."""
    try:
        with spending("cluster"):
            executor = _executor(experiment, workers, address, reporter).__enter__()
    except Exception:
        if not store.journal.has_rows:
            store.discard()
        raise
    with spending("cluster"), ExitStack() as stack:
        stack.push(executor)
        with spending(OTHER):
            yield executor


def _executor(
    experiment: Experiment, workers: int | None, address: str | None, reporter: Reporter
) -> Executor:
    if experiment.evolution.engine == "compiled":
        return CompiledExecutor()
    if workers == 0:
        return SerialExecutor()
    known = {None: "Starting Ray (some seconds)", "existing": "Using the Ray of this process"}
    reporter.note(known.get(address, f"Connecting to Ray at {address} (some seconds)"))
    from evo.executors.ray import RayExecutor  # noqa: PLC0415 - a serial run shall not wait for Ray's import

    limits = experiment.evaluation
    return RayExecutor(workers, address, timeout=limits.timeout, memory=limits.memory)


def _first(samples: Samples) -> Samples:
    """Return the first samples, of weights that are not 0: for one or two samples other kernels are compiled."""
    part, readings, positions = slice(EVALUATION_BATCH), samples.readings, slice(EVALUATION_BATCH)
    if readings is not None:  # in ascending order
        positions = slice(int(np.searchsorted(readings[0], EVALUATION_BATCH)))
        readings = readings[:, positions]
    of_weights = positions if samples.weighs_readings else part
    weights = None if samples.weights is None else np.ones_like(samples.weights[of_weights])
    return Samples(samples.inputs[part], samples.targets[positions], weights, readings)


def _in_background(work: Callable[[], None]) -> Callable[[], None]:
    """Do some work in a thread of its own; return a function that waits for its end and raises what it raised.

    The thread does not keep the process alive: after Ctrl-C nobody waits for it.
    """
    done: Future[None] = Future()

    def do() -> None:
        try:
            work()
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    Thread(target=do, daemon=True, name="compile").start()
    return done.result


@spending("compile")
def _warm_up(seed_run: SeedRun, founder: Genome | None) -> None:
    """Compile the kernels with the types of the run before workers start; the networks are thrown away."""
    engine = seed_run.task.evolution.engine
    with telling_of_kernels(seed_run.reporter):
        if founder is not None and engine == "compiled":
            evaluate_together(seed_run.task, [founder_job(seed_run.task, 0, founder)])
        if not isinstance(seed_run.task, EpisodeTask):
            _warm_up_training(seed_run, founder)
        elif founder is not None and engine == "general":
            seed_run.task.without_own_code().judge(Phenotype(founder, seed_run.task.loss), 0)


@contextmanager
def telling_of_kernels(reporter: Reporter) -> Iterator[None]:
    """Tell that kernels are compiled, and how long it took, if none are on disk."""
    cold, started = not kernels_are_cached(), time.perf_counter()
    if cold:
        reporter.note("Compiling kernels: some seconds, the first time only; they are kept on disk")
    yield
    if cold:
        reporter.note(f"Compiled in {time.perf_counter() - started:.0f} s")


def _warm_up_training(seed_run: SeedRun, founder: Genome | None) -> None:
    """Compile the kernels that training needs."""
    task, baseline = seed_run.samples, seed_run.experiment.baseline
    # Graphs compile penalties and smoothed labels only where they are used, and genes may use them.
    largest = with_genes(task.recipe, task.evolution.recipe_genes.largest)
    arms = dict.fromkeys(arm for arm in baseline.arms if arm not in OF_WINNER)
    evolved = None
    if founder is not None:
        evolved, arms = Evolved(founder, founder), arms | {"static": None}
    for arm in arms:
        network = build_arm(arm, seed_run.data, baseline, evolved, task)
        train(
            network,
            task.train,
            largest if arm == "static" else task.recipe,
            first_step=0,
            steps=1,
            total_steps=1,
            order_seed=task.order_seed,
        )
        evaluate(network, _first(task.validation))
    if founder is not None:
        place = np.zeros(1, dtype=np.intp)
        some = _first(task.train)
        Phenotype(founder, task.loss).gradients_at(
            *(place, place + founder.n_nodes - 1, some.inputs, some.targets),
            weights=some.weights,
            readings=some.readings,
        )
