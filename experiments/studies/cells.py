"""The runs of a study: the searches of all cells share workers, then each run is finished in its order.

A search depends on its own individuals alone, so the results are those of one run after the other. A run whose search
is over is an unfinished run like any other: it is resumed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from evo.errors import EvoMatrixError, ExistingRunError, ResultsError, SettingsError
from evo.evolution.job import Judge
from evo.executors.side_by_side import Steps, run_side_by_side
from evo.interruption import interruptible
from evo.rewards import EpisodeSource, EpisodeSplit
from evo.storage.run_lock import RunLockedError
from evo.storage.run_reader import error_of, how_to_go_on, is_complete, is_over
from evo.storage.run_store import RunStore
from evo.time_account import counting_time
from experiments.analysis.results import Results, load_results
from experiments.arms import check_arms
from experiments.datasets import DATASETS, Dataset, load_dataset
from experiments.progress import Reporter, StopRun
from experiments.progress.callbacks import Callbacks
from experiments.progress.reporter import RunReporter
from experiments.settings.experiment import Experiment
from experiments.studies.arguments import limits_of
from experiments.studies.episodes import check_reward_judges, measures_read
from experiments.studies.execution import (
    SECONDS_WORTH_WORKERS,
    Plan,
    begun_event,
    executor_for,
    expected_seconds,
    noting_the_end,
    searches_of,
    telling_of_kernels,
    told_of_stop,
)
from experiments.studies.founders import check_founders, founders_of_seed
from experiments.studies.judgement import Source, check_judgement, check_measures
from experiments.studies.planned import Decision, StudyPlan, cell_of, decide, fitness_at
from experiments.studies.runner import (
    go_on,
    new_store,
    plan_run,
    run_anew,
    take_up,
    workers_for,
)
from experiments.studies.search import Search


class DataSets:
    """The data sets of a study by their settings; each is loaded once.

    Parameters
    ----------
    own : sequence of Dataset
        Your own, which settings have by name.
    """

    def __init__(self, own: Sequence[Dataset]) -> None:
        self._own = {one.name: one for one in own}
        if len(self._own) < len(own):
            names = ", ".join(one.name for one in own)
            raise SettingsError(f"dataset must have a name of its own each; got {names}")
        self._loaded: dict[str, Dataset] = {}
        self._made: dict[str, EpisodeSource] = {}

    def is_own(self, experiment: Experiment) -> bool:
        """Return whether an experiment has data of the user's own."""
        return experiment.task is None and experiment.dataset.name in self._own

    def is_missing(self, experiment: Experiment) -> bool:
        """Return whether an experiment has data that only a script can pass, and that are not among the own ones."""
        settings = experiment.dataset
        return experiment.task is None and (
            not self.is_own(experiment) and settings.name not in DATASETS and not settings.options
        )

    def is_loaded(self, experiment: Experiment) -> bool:
        """Return whether the data of an experiment are here, so that nothing has to be read."""
        own = experiment.task is not None or self.is_own(experiment)
        return own or _key(experiment) in self._loaded

    def of(self, experiment: Experiment) -> Source:
        """Return the data of an experiment, or its reward."""
        if experiment.task is not None:
            known = experiment.task.model_dump_json()
            if known not in self._made:
                self._made[known] = EpisodeSource.of(experiment.task)
            return self._made[known]
        settings = experiment.dataset
        if settings.name in self._own:
            return self._own[settings.name]
        if self._own and self.is_missing(experiment):
            raise SettingsError(f"dataset must have the data set {settings.name!r} of the study")
        key = _key(experiment)
        if key not in self._loaded:
            self._loaded[key] = load_dataset(settings.name, **settings.options)
        return self._loaded[key]


def _key(experiment: Experiment) -> str:
    """Return the settings that decide which data set is loaded."""
    return experiment.dataset.model_dump_json(include={"name", "options"})


def check_data(experiments: Iterable[Experiment], data: DataSets) -> None:
    """Load the data of experiments, and check that all of them suit it."""
    splits = {}
    for experiment in experiments:
        dataset, settings = data.of(experiment), experiment.dataset.model_dump_json()
        if isinstance(dataset, EpisodeSource):
            check_measures(experiment, dataset)
            check_founders(experiment, EpisodeSplit(dataset))
            continue
        if settings not in splits:
            splits[settings] = experiment.dataset.split(dataset, experiment.seed)
        shape, genes = splits[settings].input_shape, experiment.evolution.recipe_genes
        check_arms(experiment.baseline, experiment.training, genes, dataset, shape)
        check_judgement(experiment, dataset)
        if experiment.evolve:
            check_founders(experiment, splits[settings])


@dataclass
class Runs:
    """The runs of a study that this process does; one that fails does not stop the others."""

    folder: Path
    data: DataSets
    fitness: Callable[..., float] | None
    workers: int | None
    address: str | None
    reporter: Callable[[], Reporter]
    callbacks: Callbacks
    figures: bool
    failed: dict[str, EvoMatrixError] = field(default_factory=dict)
    left_to_others: set[str] = field(default_factory=set)
    stopped: dict[str, StopRun] = field(default_factory=dict)
    stores: dict[str, RunStore] = field(default_factory=dict)

    @cached_property
    def teller(self) -> Reporter:
        """Tells what happens to runs as a whole."""
        return self.reporter()

    def check_rewards(self, experiments: Iterable[Experiment]) -> None:
        """Let founders play a trial episode of each reward of experiments.

        Raises
        ------
        SettingsError
            If a reward fails with every founder that tries it.
        """
        tried: set[tuple[EpisodeSource, frozenset[str]]] = set()
        for experiment in experiments:
            source, read = self.data.of(experiment), measures_read(experiment)
            if (
                not isinstance(source, EpisodeSource)
                or limits_of(experiment)
                or (source, read) in tried
            ):
                continue
            tried.add((source, read))
            split = EpisodeSplit(source)
            given = check_founders(experiment, split)
            with telling_of_kernels(self.teller):
                founders = founders_of_seed(experiment, split, given, experiment.seed)
                check_reward_judges(source, founders, experiment)

    def halve(self, plan: StudyPlan, *, force: bool = False) -> StudyPlan:
        """Run searches from rung to rung, and stop the cells that each rung decides on; return the plan with decisions.

        A decision is in the file of the plan before a run is stopped. What an earlier process did is not done again.

        Raises
        ------
        EvoMatrixError
            If a search does not reach a rung, so that nothing can be decided.
        """
        assert plan.halving is not None
        for rung, generation in enumerate(plan.rungs, 1):
            if rung > len(plan.decisions):
                since = 0 if rung == 1 else plan.rungs[rung - 2] + 1
                fitness = self._fitness_at(plan.compared(), since, generation, force=force)
                plan = plan.with_decision(
                    decide(plan.halving, rung, generation, fitness), self.folder
                )
            decision = plan.decisions[rung - 1]
            self._stop(plan.runs_of(decision.stopped), decision, force=force)
            self.teller.note(
                f"rung {rung}, after generation {decision.generation}: {len(decision.stopped)} of "
                f"{len(decision.fitness)} cells are stopped"
            )
        return plan

    def _fitness_at(
        self, compared: Mapping[str, Experiment], since: int, generation: int, *, force: bool
    ) -> dict[str, dict[int, float]]:
        """Run searches from one generation to another; return the best validation fitness by cell and seed."""
        found = {name: fitness_at(self.folder / name, generation) for name in compared}
        behind = {name: one for name, one in compared.items() if found[name] is None}
        if behind:
            workers = 0 if self._are_brief(behind) else self.workers
            self._search(behind, workers, since=since, until=generation, force=force)
        fitness: dict[str, dict[int, float]] = {}
        for name, one in compared.items():
            reached = fitness_at(self.folder / name, generation) if name in behind else found[name]
            if reached is None:
                known = self.failed.get(name) or self.stopped.get(name)
                reason = known or how_to_go_on(self.folder / name)
                raise ResultsError(
                    f"{self.folder}: halving needs all searches after generation {generation}; {name} is not there: "
                    f"{reason}"
                )
            fitness.setdefault(cell_of(name, one), {})[one.seed] = reached
        return fitness

    def _stop(self, runs: Mapping[str, Experiment], decision: Decision, *, force: bool) -> None:
        """Stop runs, unless they are over or have failed."""
        left = {
            name: one
            for name, one in runs.items()
            if not is_over(self.folder / name) and not error_of(self.folder / name)
        }
        for name, _, search in self._opened(left, force=force):
            with closing(self.stores.pop(name)), self._telling_errors(name):
                reason = decision.stopped[cell_of(name, left[name])]
                search.stop(decision.rung, reason)
                self.callbacks.stop(name, reason)

    def do(self, left: Mapping[str, Experiment], *, force: bool = False) -> None:
        """Do runs, or what is left of them: searches side by side if workers are worth it, then all else in order."""
        for group in self._groups(left):
            self._search(group, self.workers, force=force)
        for name, experiment in left.items():
            if name in self.failed or name in self.left_to_others or name in self.stopped:
                continue
            if (self.folder / name).exists():
                self._go_on(name, experiment, force=force)
            else:
                self._begin(name, experiment)

    # -- searches side by side -----------------------------------------------------------------------------------------

    def _groups(self, left: Mapping[str, Experiment]) -> list[dict[str, Experiment]]:
        """Return runs whose searches can share workers, group by group; nothing if each is better done for itself."""
        evolving = {
            name: one
            for name, one in left.items()
            if one.evolve and one.evolution.engine == "general"
        }
        if len(evolving) < 2 or self._are_brief(evolving):
            return []
        groups: dict[Any, dict[str, Experiment]] = {}
        for name, one in evolving.items():
            limits = one.evaluation.timeout, one.evaluation.memory
            judged_by = self.fitness or one.evolution.fitness
            if one.task is not None:
                judged_by = one.task.model_dump_json()
            key = one.evolution.mode, limits, judged_by
            groups.setdefault(key, {})[name] = one
        return list(groups.values())

    def _are_brief(self, evolving: Mapping[str, Experiment]) -> bool:
        """Return whether all searches together take some seconds only, and nobody asked for workers."""
        if self.workers is not None or self.address is not None:
            return self.workers == 0
        seconds = 0.0
        for experiment in evolving.values():
            plan, used = plan_run(experiment, self.data.of(experiment), self.fitness)
            seconds += expected_seconds(plan)
            if seconds >= SECONDS_WORTH_WORKERS or workers_for(plan, used, None, None) != 0:
                return False
        return True

    def _search(
        self,
        group: Mapping[str, Experiment],
        workers: int | None,
        *,
        since: int = 0,
        until: int | None = None,
        force: bool,
    ) -> None:
        """Run the searches of a group on the same workers. Baselines and test parts are left for later.

        With `until` the searches stop after that generation, and their runs are unfinished. The generations before
        `since` are known to be done.
        """
        opened = self._opened(group, force=force)
        first = next(opened, None)
        if first is None:
            return
        one = next(iter(group.values()))
        expected = sum(each.evolution.expected_individuals(until, since) for each in group.values())
        try:
            with self.teller as teller, interruptible():
                teller.starting(f"{one.name}: {len(group)} searches", workers, expected)
                with executor_for(first[2], workers, self.address) as executor:
                    run_side_by_side(
                        executor,
                        (
                            (search.seed_run.task, self._evolve(name, plan, search, until))
                            for name, plan, search in chain([first], opened)
                        ),
                        one_by_one=one.evolution.mode == "asynchronous",
                    )
        except KeyboardInterrupt:
            self.teller.note(
                f"Interrupted. What is finished is kept; to go on: evomatrix resume {self.folder}"
            )
            raise
        finally:
            for name in [*self.stores]:
                self.stores.pop(name).close()

    def _opened(
        self, group: Mapping[str, Experiment], *, force: bool
    ) -> Iterator[tuple[str, Plan, Search]]:
        """Yield the plans and searches of runs, which begin or go on; one that cannot is told."""
        fitness: Judge | None = None
        for name, experiment in group.items():
            search: Search | None = None
            with self._telling_errors(name):
                plan, store = self._open(name, experiment, force=force)
                self.stores[name] = store
                fitness = plan.fitness if fitness is None else fitness  # workers have one
                plan = replace(plan, fitness=fitness)
                reporter = RunReporter(name, self.teller)
                (search,) = searches_of(plan, store, reporter, self.callbacks)
            if search is not None:
                yield name, plan, search

    def _open(self, name: str, experiment: Experiment, *, force: bool) -> tuple[Plan, RunStore]:
        """Make the folder of a run, or take up the run in it."""
        dataset, path = self.data.of(experiment), self.folder / name
        if not path.exists():
            plan, used = plan_run(experiment, dataset, self.fitness)
            return plan, new_store(plan, used, self._own(experiment), self.folder, name)
        store = RunStore.open(path)
        try:
            warn = self.teller.warn
            return take_up(store, dataset, self.fitness, force=force, warn=warn).plan, store
        except BaseException:
            store.close()
            raise

    def _evolve(self, name: str, plan: Plan, search: Search, until: int | None) -> Steps:
        """Run a search; an error, or a callback that stops it, ends this run only."""
        store = search.seed_run.store
        try:
            with self._telling_errors(name), noting_the_end(store):
                self.callbacks.begun(begun_event(plan, store))
                yield from search.evolve(until)
        finally:
            self.stores.pop(name).close()

    # -- one run after the other ---------------------------------------------------------------------------------------

    def _begin(self, name: str, experiment: Experiment) -> None:
        """Do a run from its beginning."""
        fitness = self.fitness if experiment.evolve else None
        with self._telling_errors(name), counting_time():
            plan, used = plan_run(experiment, self.data.of(experiment), fitness)
            options = self._options(experiment)
            options["workers"] = workers_for(plan, used, options["workers"], options["address"])
            own = self._own(experiment)
            run_anew(plan, used, own, results=self.folder, run_name=name, **options)

    def _go_on(self, name: str, experiment: Experiment, *, force: bool) -> None:
        """Resume a run."""
        with self._telling_errors(name), counting_time():
            go_on(
                self.folder / name,
                dataset=self.data.of(experiment),
                fitness=self.fitness if experiment.evolve else None,
                force=force,
                **self._options(experiment),
            )

    def _own(self, experiment: Experiment) -> dict[str, bool]:
        """Return what a run has of the user's own."""
        own_fitness = self.fitness is not None and experiment.evolve
        return {"own_data": self.data.is_own(experiment), "own_fitness": own_fitness}

    def _options(self, experiment: Experiment) -> dict[str, Any]:
        parallel = in_parallel(experiment)
        return {
            "workers": self.workers if parallel else 0,
            "address": self.address if parallel else None,
            "reporter": self.reporter(),
            "callbacks": self.callbacks,
            "figures": self.figures,
        }

    @contextmanager
    def _telling_errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except ExistingRunError:  # another process has begun the run in the meantime
            self.left_to_others.add(name)
            self.teller.note(f"{name}: another process has begun it")
        except RunLockedError as error:
            self.left_to_others.add(name)
            self.teller.note(str(error))
        except StopRun as stop:  # of a search beside others
            self.stopped[name] = stop
            self.teller.note(f"{name}: {told_of_stop(stop, self.folder / name)}")
            self.callbacks.stop(name, str(stop))
        except EvoMatrixError as error:  # the other runs are still done
            self.failed[name] = error
            self.teller.note(f"{name}: {error}")
            self.callbacks.stop(name, str(error))

    def results(self) -> Results:
        """Return the results of all runs in the folder; raise the first error if none is finished."""
        if self.failed and not any(is_complete(one) for one in self.folder.iterdir()):
            raise next(iter(self.failed.values()))
        return load_results(self.folder)


def in_parallel(experiment: Experiment) -> bool:
    """Return whether a generation trains more than one network, or an individual needs a worker."""
    several = experiment.evolve and experiment.evolution.population > 1
    return several or bool(limits_of(experiment))
