"""A run from settings to results, from its beginning or from where it stopped."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from evo.environment import environment, time_now
from evo.errors import ChangedError, ResultsError, SettingsError
from evo.evolution.fitness import FITNESSES, adapt_fitness
from evo.evolution.job import Judge
from evo.genome.codec import load_genomes
from evo.genome.genome import Genome
from evo.operators.registry import OF_MAPS, OF_MATES, OPERATORS
from evo.rewards import EpisodeSource, EpisodeSplit, TaskSettings
from evo.storage.individuals import StoredIndividuals, load_individuals
from evo.storage.journal import read_journal
from evo.storage.run_reader import (
    CONFIG,
    committed_file,
    file_of_run,
    how_to_go_on,
    stopped_reason,
)
from evo.storage.run_store import RunStore
from evo.time_account import counting_time, spending
from experiments.analysis.results import Results, load_results
from experiments.analysis.verdicts import too_few_seeds
from experiments.arms import check_arms
from experiments.datasets import Dataset, DataSplit, load_dataset
from experiments.progress import Callback, Reporter
from experiments.progress.callbacks import Callbacks
from experiments.progress.choice import chosen_reporter
from experiments.settings.budgets import check_equal_budgets
from experiments.settings.columns import setting_columns
from experiments.settings.experiment import Experiment, load_experiment
from experiments.settings.own_parts import files_of_own_parts
from experiments.settings.study import check_primary
from experiments.settings.used import Used
from experiments.studies.arguments import check_limits, check_types, check_workers, limits_of
from experiments.studies.episodes import check_reward_judges
from experiments.studies.execution import (
    Plan,
    execute,
    is_brief,
    reporting_an_interruption,
    seeds_of,
    telling_of_kernels,
)
from experiments.studies.founders import (
    GivenFounders,
    check_compiled_form,
    check_founders,
    founders_of_seed,
    with_given_founders,
    with_ticks_of,
)
from experiments.studies.judgement import (
    Source,
    Split,
    check_defined,
    check_engine,
    check_judgement,
    check_measures,
    own_columns,
    weighted,
)
from experiments.studies.provenance import (
    begun_with,
    change_in_use,
    changes_of_code,
    other_files,
    used_by,
    with_used,
)
from experiments.studies.search import start_path


@counting_time()
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
    quiet: bool = False,
    callbacks: Sequence[Callback] = (),
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
        Number of Ray workers; 0 evaluates in this process. By default one per core, or 0 if the settings say that the
        search takes some seconds only. Baselines need no worker.
    address : str, optional
        An existing Ray cluster instead of this machine; ``"existing"`` is the Ray that runs in this process.
    results : str or Path
        Folder in which the run's folder is made.
    run_name : str, optional
        Name of the run's folder; by default the name of the experiment and the time.
    reporter : Reporter, optional
        Reports progress; by default a live line on standard error if that is a terminal, or in a notebook; elsewhere
        lines of the logger ``experiments.progress``.
    quiet : bool, default False
        Report no progress.
    callbacks : list of Callback
        Your own objects, or trackers, that hear what happens and may stop the run: ``docs/progress.md``.
    figures : bool, default True
        Whether the pictures of the run are drawn.

    Returns
    -------
    Results
        If a callback stops the run, its results so far.

    Raises
    ------
    EvoMatrixError
        Before any work, if settings, data or the results folder are not usable. Later, if no individual has a fitness,
        or if nothing evolves and every baseline diverges.
    TypeError
        If an argument has another type, `fitness` is not a function of these parameters, or `founders` is not a list.
    """
    check_types(experiment=experiment, dataset=dataset, fitness=fitness)
    reporter, told = chosen_reporter(reporter, quiet=quiet), Callbacks(callbacks)
    check_types(results=results, run_name=run_name)
    _check_arguments(experiment, workers, address, fitness, founders)
    too_few = ""
    if experiment.used is None:  # of a stored run of a study the other arm is in other runs
        check_primary(experiment, experiment.arm_names)
        too_few = too_few_seeds(experiment.evaluation.primary, experiment.seeds)
    check_equal_budgets([experiment])
    plan, used = plan_run(experiment, dataset, fitness, founders)
    if isinstance(plan.dataset, EpisodeSource):
        with telling_of_kernels(reporter):
            check_reward_judges(plan.dataset, plan.founders[experiment.seed], experiment)
    workers = workers_for(plan, used, workers, address)
    if too_few:
        reporter.warn(too_few)
    with told:
        return run_anew(
            plan,
            used,
            {"own_data": dataset is not None, "own_fitness": fitness is not None},
            results=results,
            run_name=run_name,
            workers=workers,
            address=address,
            reporter=reporter,
            callbacks=told,
            figures=figures,
        )


def plan_run(
    experiment: Experiment,
    dataset: Source | None,
    fitness: Callable[..., float] | None,
    founders: Sequence[Any] | None = None,
) -> tuple[Plan, Used]:
    """Check settings and data of a new run; return what it will do, and what it uses."""
    experiment = with_given_founders(experiment, founders)
    plan = _plan(experiment, dataset, fitness, partial(_new_founders, founders))
    return plan, used_by(experiment, plan.dataset, fitness)


def run_anew(
    plan: Plan,
    used: Used,
    own: Mapping[str, bool],
    *,
    results: str | Path,
    run_name: str | None,
    reporter: Reporter,
    **options: Any,
) -> Results:
    """Make the folder of a new run and execute it.

    Parameters
    ----------
    plan, used, own
        As in :class:`BegunRun`.
    results, run_name, reporter
        As for :func:`run`.
    **options
        The other options of :func:`experiments.studies.execution.execute`.
    """
    store = new_store(plan, used, own, results, run_name)
    idle = idle_operators(plan)
    if idle:
        reporter.warn(idle)
    with closing(store), reporting_an_interruption(reporter, store):
        return execute(plan, store, reporter=reporter, **options)


def idle_operators(plan: Plan) -> str:
    """Return a warning if the policy draws operators that can change no network of the run; empty if it draws none."""
    evolution, policy = plan.experiment.evolution, plan.experiment.policy
    if not plan.experiment.evolve or evolution.last_modified == 0:
        return ""
    founders = [genome for of_seed in plan.founders.values() for genome in of_seed]
    has_maps = not founders or any(genome.has_maps for genome in founders)
    recombination = evolution.recombination
    has_mates = recombination.probability > 0 and recombination.mode == "policy"
    drawn = policy.drawn_weights.keys() - OPERATORS.own.keys()
    of_maps, of_mates = (
        set() if has_maps else OF_MAPS & drawn,
        set() if has_mates else OF_MATES & drawn,
    )
    if not of_maps | of_mates:
        return ""
    reasons = []
    if of_maps:
        reasons.append(f"{', '.join(sorted(of_maps))} without feature maps")
    if of_mates:
        reasons.append(
            f'{", ".join(sorted(of_mates))} without evolution.recombination.mode = "policy"'
        )
    told = f"policy.operator_weights: these operators can change nothing: {'; '.join(reasons)}"
    rewires = policy.name == "layerwise" or (
        policy.name == "mixed" and policy.rewiring_probability > 0
    )
    recombines = recombination.probability > 0 and not has_mates
    if rewires or recombines or policy.drawn_weights.keys() - of_maps - of_mates:
        return told
    return f"{told}. No other operator is drawn, so every child is a copy of its parent"


@counting_time()
def resume_run(
    path: str | Path,
    *,
    dataset: Dataset | None = None,
    fitness: Callable[..., float] | None = None,
    workers: int | None = None,
    address: str | None = None,
    reporter: Reporter | None = None,
    quiet: bool = False,
    callbacks: Sequence[Callback] = (),
    figures: bool = True,
    force: bool = False,
) -> Results:
    """Go on with a run that stopped, however it stopped, and return its results.

    The tables, genomes and networks are those of the run that had not stopped, except for columns of time. What was
    committed is not done again; of a generation in hand, the individuals that were finished are used. In the
    asynchronous mode on several workers, individuals arrive in another order from then on, as in any two runs.

    Parameters
    ----------
    path : str or Path
        The run folder.
    dataset, fitness : optional
        What was passed to :func:`run` has to be passed again.
    workers, address, reporter, quiet, callbacks, figures : optional
        As for :func:`run`. The number of workers changes no result.
    force : bool, default False
        Go on even if data, own parts, code, versions or arithmetic are not those with which the run began. What differs
        is noted in the journal, and the results may be those of no single run.

    Returns
    -------
    Results
        Of a finished run, its results as they are.

    Raises
    ------
    EvoMatrixError
        If another process works on the run, a file is damaged, the run ended with an error that it would meet again, or
        something differs from its beginning: one line that says what. Later as :func:`run`.
    TypeError
        If an argument has another type.
    """
    check_types(path=path, dataset=dataset, fitness=fitness)
    reporter = chosen_reporter(reporter, quiet=quiet)
    with Callbacks(callbacks) as told:
        return go_on(
            Path(path),
            dataset=dataset,
            fitness=fitness,
            force=force,
            workers=workers,
            address=address,
            reporter=reporter,
            callbacks=told,
            figures=figures,
        )


def go_on(
    path: Path,
    *,
    dataset: Source | None,
    fitness: Callable[..., float] | None,
    force: bool,
    workers: int | None,
    address: str | None,
    reporter: Reporter,
    callbacks: Callbacks,
    figures: bool,
) -> Results:
    """Do what is left of a run, as :func:`resume_run`, with the callbacks of a run or a study."""
    check_workers(workers, address)
    check_limits(stored_experiment(path), workers)
    if stopped_reason(path):
        raise ResultsError(f"{path}: cannot go on, for {how_to_go_on(path)}")
    with closing(RunStore.open(path)) as store, reporting_an_interruption(reporter, store):
        if store.journal.is_complete:
            return load_results(path)
        begun = take_up(store, dataset, fitness, force=force, warn=reporter.warn)
        return execute(
            begun.plan,
            store,
            workers=workers_for(begun.plan, begun.used, workers, address),
            address=address,
            reporter=reporter,
            callbacks=callbacks,
            figures=figures,
        )


def take_up(
    store: RunStore,
    dataset: Source | None,
    fitness: Callable[..., float] | None,
    *,
    force: bool,
    warn: Callable[[str], None],
) -> "BegunRun":
    """Read the beginning of an unfinished run, and note that this process goes on with it.

    If other files of own parts are loaded, of which the run uses nothing that has changed, `warn` is called.

    Raises
    ------
    EvoMatrixError
        As for :func:`resume_run`.
    """
    path = store.path
    if store.journal.error:
        raise ResultsError(
            f"{path}: ended with {store.journal.error}; the same settings would end so again"
        )
    begun = begun_run(path, dataset, fitness)
    if begun.differences and not force:
        raise ChangedError(f"{path}: cannot go on as it began: {begun.differences[0]}")
    if begun.other_files and begun.changed_use is None:
        warn(f"{path}: {begun.other_files}")
    store.take_columns(**_columns(begun.plan, begun.used, begun.own))
    store.note_resumed(at=time_now(), differences=begun.differences)
    return begun


@dataclass(frozen=True, eq=False)
class BegunRun:
    """A run that began earlier, as this process would go on with it or repeat it.

    Attributes
    ----------
    plan : Plan
    used : Used
        What it uses now.
    own : mapping
        Whether data (``own_data``) and fitness (``own_fitness``) were passed to :func:`run`.
    changed_use : str or None
        Which of data, fitness and own parts is another one now, in words.
    changed_code : list of str
        What of code, versions and arithmetic is different now, in words.
    other_files : str
        Which files of own parts are other ones now, in words; empty if none is.
    """

    plan: Plan
    used: Used
    own: Mapping[str, bool]
    changed_use: str | None
    changed_code: list[str]
    other_files: str

    @property
    def differences(self) -> list[str]:
        """All that is different now."""
        return [*([] if self.changed_use is None else [self.changed_use]), *self.changed_code]


@spending("prepare")
def begun_run(
    path: Path,
    dataset: Source | None,
    fitness: Callable[..., float] | None,
    *,
    seed: int | None = None,
    draw_founders: bool = False,
    changed: Experiment | None = None,
) -> BegunRun:
    """Read the beginning of a run; check settings and data.

    Parameters
    ----------
    path : Path
        The run folder.
    dataset, fitness : optional
        As for :func:`run`.
    seed : int, optional
        Only this seed; by default all seeds of the run.
    draw_founders : bool, default False
        Whether founders that are drawn are drawn again. Otherwise they are read, as given ones always are, and those of
        a run that continues another one.
    changed : Experiment, optional
        Other settings than those of the run, for a run that continues it; the plan then has no starts.

    Raises
    ------
    EvoMatrixError
        If the folder, settings or data are not usable.
    """
    experiment = stored_experiment(path)
    seeds = seeds_of(experiment)
    if seed is not None and seed not in seeds:
        raise SettingsError(f"seed must be from {seeds[0]} to {seeds[-1]}; got {seed}")
    only = {} if seed is None else {"seed": int(seed), "seeds": 1}  # of a table, it is of NumPy
    anew = (changed or experiment).model_copy(update={"used": None, **only})
    first = read_journal(path).entries[0]
    sources = first.get("sources", ())
    begin = partial(_stored_founders, path, sources)
    if draw_founders and not sources and experiment.continues is None:
        begin = partial(_new_founders, None)
    plan = _plan(anew, dataset, fitness, begin)
    if experiment.continues is not None and changed is None:
        starts = {one: load_start(path, one) for one in seeds_of(anew)}
        plan = replace(plan, starts=starts)
    used = used_by(anew, plan.dataset, fitness)
    return BegunRun(
        plan,
        used,
        {name: bool(first.get(name)) for name in ("own_data", "own_fitness")},
        change_in_use(experiment, experiment.used, used),
        changes_of_code(first),
        other_files(first.get("parts", {}), files_of_own_parts()),
    )


@spending("store")
def new_store(
    plan: Plan,
    used: Used,
    own: Mapping[str, bool],
    results: str | Path,
    run_name: str | None,
) -> RunStore:
    """Make the folder of a new run."""
    experiment, known = plan.experiment, environment()
    source = plan.dataset
    of_reward = {"reward": source.version} if isinstance(source, EpisodeSource) else {}
    parts: dict[str, Any] = {
        "config": with_used(experiment, used).model_dump_json(indent=2) + "\n",
        "environment": known | of_reward,
        "begun_with": begun_with(known)
        | dict(own)
        | {"parts": files_of_own_parts(), "sources": plan.given.sources if plan.given else ()},
        "genomes": {
            _founders_name(seed): dict(enumerate(of)) for seed, of in plan.founders.items()
        },
        "states": {start_path(seed): start for seed, start in plan.starts.items()},
        **_columns(plan, used, own),
    }
    if run_name is None:
        return RunStore.create_free(results, experiment.name, **parts)
    return RunStore.create(Path(results) / run_name, **parts)


def stored_experiment(path: Path) -> Experiment:
    """Read the settings of a run.

    Raises
    ------
    ResultsError
        If they are not as they were committed.
    SettingsError
        If they break a rule.
    """
    return load_experiment(file_of_run(path, CONFIG))


def load_start(path: Path, seed: int) -> StoredIndividuals:
    """Read the state with which a seed began of a run that continues an older one.

    Raises
    ------
    ResultsError
        If it is missing, or not as it was committed.
    """
    found = committed_file(path, start_path(seed))
    if found is None:
        raise ResultsError(f"{path}: must have the file {start_path(seed)}; it was never committed")
    return load_individuals(found)


Beginning = tuple[GivenFounders | None, Mapping[int, Sequence[Genome]]]
"""The founders that are given, if they are, and the founders of each seed."""


@spending("prepare")
def _plan(
    experiment: Experiment,
    dataset: Source | None,
    fitness: Callable[..., float] | None,
    begin: Callable[[Experiment, Sequence[Split]], Beginning],
) -> Plan:
    """Check settings and data; `begin` returns the founders."""
    if experiment.task is not None:
        return _plan_of_episodes(experiment, experiment.task, dataset, fitness, begin)
    if isinstance(dataset, EpisodeSource):
        raise TypeError("dataset must be a Dataset without [task]; got an EpisodeSource")
    checked_fitness = adapt_fitness(fitness or FITNESSES[experiment.evolution.fitness])
    if dataset is None:
        dataset = load_dataset(experiment.dataset.name, **experiment.dataset.options)
    check_judgement(experiment, dataset)
    experiment = with_ticks_of(experiment, dataset)
    splits = [_split(experiment, dataset, seed) for seed in seeds_of(experiment)]
    genes = experiment.evolution.recipe_genes
    for one in _different(splits):
        check_arms(experiment.baseline, experiment.training, genes, dataset, one.input_shape)
    return _with_founders(experiment, dataset, splits, checked_fitness, begin)


def _plan_of_episodes(
    experiment: Experiment,
    task: TaskSettings,
    source: Source | None,
    fitness: Callable[..., float] | None,
    begin: Callable[[Experiment, Sequence[Split]], Beginning],
) -> Plan:
    """Make the reward and check what is beside it; `begin` returns the founders."""
    for name, passed in (("dataset", source), ("fitness", fitness)):
        if passed is not None and not isinstance(passed, EpisodeSource):
            raise SettingsError(
                f"{name} must not be given where the settings have a task, whose reward judges networks"
            )
    own = source if isinstance(source, EpisodeSource) else EpisodeSource.of(task)
    check_measures(experiment, own)
    splits = [EpisodeSplit(own) for _ in seeds_of(experiment)]
    return _with_founders(experiment, own, splits, own.reward, begin)


def _with_founders(
    experiment: Experiment,
    source: Source,
    splits: Sequence[Split],
    judge: Judge,
    begin: Callable[[Experiment, Sequence[Split]], Beginning],
) -> Plan:
    """Check what compiled code asks for, and return the plan with founders, if anything evolves."""
    check_engine(experiment, source, judge)
    given, founders = begin(experiment, splits) if experiment.evolve else (None, {})
    for genome in itertools.chain.from_iterable(founders.values()):
        check_compiled_form(experiment, genome, "founders")
    return Plan(experiment, source, splits, judge, given, founders)


def _different(splits: Sequence[Split]) -> Iterable[Split]:
    """Return one split for each kind of prepared samples."""
    return {(split.input_shape, split.preparation.input_names): split for split in splits}.values()


def _new_founders(
    founders: Sequence[Any] | None, experiment: Experiment, splits: Sequence[Split]
) -> Beginning:
    """Check and draw the founders of a new run."""
    given = None
    for split in _different(splits):
        given = check_founders(experiment, split, founders)
    return given, {
        seed: founders_of_seed(experiment, split, given, seed)
        for seed, split in zip(seeds_of(experiment), splits, strict=True)
    }


def _stored_founders(
    path: Path, sources: Sequence[str], experiment: Experiment, splits: Sequence[Split]
) -> Beginning:
    """Read the founders with which a run began."""
    founders = {}
    for seed in seeds_of(experiment):
        name = f"genomes/{_founders_name(seed)}.npz"
        of_slots = load_genomes(file_of_run(path, name))
        founders[seed] = [genome for _, genome in sorted(of_slots.items())]
    if not sources:
        return None, founders
    first = founders[experiment.seed]
    return GivenFounders(tuple(first[: len(sources)]), tuple(sources)), founders


def _founders_name(seed: int) -> str:
    return f"seed-{seed}-founders"


def _columns(plan: Plan, used: Used, own: Mapping[str, bool]) -> dict[str, Any]:
    """Return the columns that the tables of a run have beside those of every run."""
    return {
        "settings": setting_columns(plan.experiment, used, **own),
        "own_columns": own_columns(plan.experiment, plan.dataset),
    }


def _check_arguments(
    experiment: Experiment,
    workers: int | None,
    address: str | None,
    fitness: object,
    founders: object,
) -> None:
    """Raise SettingsError for arguments that contradict each other or the settings."""
    check_workers(workers, address)
    check_limits(experiment, workers)
    if experiment.continues is not None:
        raise SettingsError(
            "continues must not be given to a run that begins with founders; `evomatrix continue` continues "
            f"{experiment.continues.path}"
        )
    if experiment.evolve:
        return
    given = {"workers": workers, "address": address, "fitness": fitness, "founders": founders}
    for name, value in given.items():
        if value:
            raise SettingsError(
                f"{name} must not be given where evolve = false, for baselines train in this "
                f"process and are not selected; got {value!r}"
            )


def workers_for(plan: Plan, used: Used, workers: int | None, address: str | None) -> int | None:
    """Return the number of workers of a run: as given, or 0 if none is given and the run is brief.

    A brief run would take longer with workers, because Ray has to start. With limits or code of the user's own it has
    workers all the same: they survive what an individual may do. Workers cannot share a generation of the compiled
    engine, so it has none, whatever is given.

    Raises
    ------
    SettingsError
        If Ray is needed and missing.
    TravelError
        If own parts cannot be sent to workers.
    """
    if not plan.experiment.evolve or workers == 0:
        return workers
    if plan.experiment.evolution.engine == "compiled":
        return 0
    own_judge = plan.experiment.task is None and not FITNESSES.is_built_in(plan.fitness)
    may_fail = used.parts or limits_of(plan.experiment) or own_judge
    if workers is None and address is None and not may_fail and is_brief(plan):
        return 0
    try:
        from evo.executors.travel import pack  # noqa: PLC0415 - a serial run shall not wait for Ray's import
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "ray":
            raise
        raise SettingsError(
            f"workers must be 0 where Ray is not installed (pip install ray); got {workers}"
        ) from error
    pack(plan.fitness)
    return workers


def _split(experiment: Experiment, dataset: Dataset, seed: int) -> DataSplit:
    """Return the parts with their weights."""
    split = experiment.dataset.split(dataset, seed)
    check_defined(experiment, dataset, split)
    return weighted(experiment, dataset, split)
