"""A new run that goes on from the population of another one.

    population and optimizer states of the older run → (other settings) → the next generations, in a folder of their own

The newer run is complete in itself: it holds the founders and the state with which it began, and never reads the older
folder again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evo.errors import ChangedError, ResultsError, SettingsError
from evo.evolution.individual import Individual
from evo.storage.individuals import StoredIndividuals
from evo.storage.journal import is_journal, read_journal
from evo.storage.run_reader import is_run, study_folder
from evo.time_account import counting_time
from experiments.analysis.results import Results, load_results
from experiments.audit.replay import replay_lineage
from experiments.continuation.changes import changed_experiment
from experiments.continuation.start import load_last_state, steps_until, suited, with_individual
from experiments.datasets import Dataset
from experiments.progress import Callback, Reporter
from experiments.progress.callbacks import Callbacks
from experiments.progress.choice import chosen_reporter
from experiments.settings.experiment import Experiment
from experiments.settings.used import Continues, Used
from experiments.studies.arguments import check_limits, check_types, check_workers
from experiments.studies.execution import seeds_of, task_of
from experiments.studies.founders import check_compiled_form, check_policy
from experiments.studies.judgement import metrics_of
from experiments.studies.provenance import change_in_use
from experiments.studies.runner import (
    BegunRun,
    begun_run,
    run_anew,
    stored_experiment,
    workers_for,
)


@counting_time()
def continue_run(
    path: str | Path,
    *,
    generations: int | str | None = None,
    settings: Mapping[str, Any] | None = None,
    individual: int | None = None,
    seed: int | None = None,
    dataset: Dataset | None = None,
    fitness: Callable[..., float] | None = None,
    workers: int | None = None,
    address: str | None = None,
    results: str | Path | None = None,
    run_name: str | None = None,
    reporter: Reporter | None = None,
    quiet: bool = False,
    callbacks: Sequence[Callback] = (),
    figures: bool = True,
) -> Results:
    """Make a new run that goes on from the last committed generation of another one, and return its results.

    The newer run begins with the population, the optimizer states, the credits and the totals of the older run. Numbers
    of generations and individuals go on. The older run is only read; it may be finished, unfinished, or failed, and
    another process may be working on it.

    Parameters
    ----------
    path : str or Path
        The folder of the run to continue.
    generations : int or str, optional
        The last generation of the newer run; ``"+10"`` means 10 more than `evolution.generations` of the older run. By
        default it is that of the older run, which must then not have reached it.
    settings : mapping, optional
        Other values for settings of evolution, policy, training, evaluation and baseline, by dotted name, such as
        ``{"training.learning_rate": 0.01}``; also ``name`` and ``arm``, and some of ``task``.
    individual : int, optional
        Number of an individual with which all slots begin, instead of the whole population. The generation after its
        own is then the first of the newer run. If it holds no slot any more, it is rebuilt from its founder.
    seed : int, optional
        Continue only this seed; by default all seeds of the run.
    dataset, fitness : optional
        What was passed to :func:`experiments.run` has to be passed again; the fitness may be another function.
    workers, address, run_name, reporter, quiet, callbacks, figures : optional
        As for :func:`experiments.run`.
    results : str or Path, optional
        The folder in which the newer run gets its own; by default the one that holds the older run, or the study to
        which the older run belongs.

    Returns
    -------
    Results
        Of the newer run.

    Raises
    ------
    EvoMatrixError
        Before any work, if a setting must not change or does not suit the population, the data are not those of the
        older run, or the older run has nothing to continue: one line that says what. Later as :func:`experiments.run`.
    TypeError
        If an argument has another type.
    """
    check_types(path=path, dataset=dataset, fitness=fitness)
    check_types(run_name=run_name, **({} if results is None else {"results": results}))
    check_workers(workers, address)
    path, told = Path(path), Callbacks(callbacks)
    reporter = chosen_reporter(reporter, quiet=quiet)
    older = _OlderRun(path, _evolving_experiment(path), dataset, fitness, reporter)
    results = _beside(path) if results is None else results
    experiment = changed_experiment(older.experiment, settings or {}, generations, seed)
    check_limits(experiment, workers)
    states = {one: load_last_state(path, one) for one in seeds_of(experiment)}
    if individual is not None:
        states = {experiment.seed: older.with_individual(states, individual)}
    experiment = experiment.model_copy(update={"continues": older.continued(states, individual)})
    _check_generations(experiment)
    _note_training_alone(experiment, reporter)
    begun = begun_run(path, dataset, fitness, changed=experiment)
    other_fitness = fitness is not None or "evolution.fitness" in (settings or {})
    begun = older.suited(begun, states, told_fitness=other_fitness)
    workers = workers_for(begun.plan, begun.used, workers, address)
    with told:
        return run_anew(
            begun.plan,
            begun.used,
            {"own_data": dataset is not None, "own_fitness": fitness is not None},
            results=results,
            run_name=run_name,
            workers=workers,
            address=address,
            reporter=reporter,
            callbacks=told,
            figures=figures,
        )


def _beside(path: Path) -> Path:
    """Return the folder beside whose runs a newer run stands; in that of a study each arm and seed has one run only."""
    return (study_folder(path) or path.resolve()).parent


def _evolving_experiment(path: Path) -> Experiment:
    """Return the settings of a run that can be continued."""
    if not is_run(path):
        raise ResultsError(f"{path}: must be the folder of a run")
    if not is_journal(path):
        raise ResultsError(f"{path}: a run of an older version cannot be continued")
    experiment = stored_experiment(path)
    if not experiment.evolve:
        raise SettingsError(f"{path}: must be a run in which networks evolved; got evolve = false")
    return experiment


def _check_generations(experiment: Experiment) -> None:
    """Raise SettingsError unless every seed has a generation to do."""
    assert experiment.continues is not None
    for seed, first in experiment.continues.first_generation.items():
        if experiment.evolution.generations < first:
            raise SettingsError(
                f"generations must be at least {first}, for seed {seed} goes on after generation {first - 1}; "
                f'got {experiment.evolution.generations}; "+10" means 10 more'
            )


def _note_training_alone(experiment: Experiment, reporter: Reporter) -> None:
    """Tell if no generation of the newer run modifies a network."""
    assert experiment.continues is not None
    settings = experiment.evolution
    if settings.last_modified < min(experiment.continues.first_generation.values()):
        reporter.note(
            f"No generation of this run modifies networks, all only train them: "
            f"evolution.train_only_fraction = {settings.train_only_fraction:g} of {settings.generations} generations"
        )


@dataclass(frozen=True, eq=False)
class _OlderRun:
    """The older run, which goes on as a newer one.

    Attributes
    ----------
    path : Path
    experiment : Experiment
        Its settings.
    dataset, fitness : optional
        The arguments of :func:`continue_run`.
    reporter : Reporter
        Is told what begins anew.
    """

    path: Path
    experiment: Experiment
    dataset: Dataset | None
    fitness: Callable[..., float] | None
    reporter: Reporter

    def with_individual(
        self, states: Mapping[int, StoredIndividuals], individual: int
    ) -> StoredIndividuals:
        """Return the state of a seed in which one individual holds every slot."""
        if len(states) != 1:
            raise SettingsError(
                f"seed must be given with individual, for the run has the seeds {[*states]}; got None"
            )
        ((seed, state),) = states.items()
        one = state[0].get(individual)
        if one is None:
            one = self._rebuilt(individual, seed)
        if one.fitness is None:
            raise SettingsError(f"individual must have a fitness; {individual} has none")
        continues = self.experiment.continues
        first = continues.first_generation[seed] if continues else 0
        return with_individual(state, one, first)

    def _rebuilt(self, individual: int, seed: int) -> Individual:
        """Return an individual that no longer holds a slot, rebuilt with its optimizer state."""
        self.reporter.note(
            f"Individual {individual} holds no slot any more: it is rebuilt from its founder, with its optimizer state"
        )
        own = read_journal(self.path).entries[0].get("own_fitness")
        lineage = replay_lineage(
            load_results(self.path),
            individual,
            seed=seed,
            dataset=self.dataset,
            fitness=self.fitness if own else None,
        )
        return lineage[-1].released()

    def continued(
        self, states: Mapping[int, StoredIndividuals], individual: int | None
    ) -> Continues:
        """Return what config.json of the newer run says about this run."""
        first = {seed: int(more["generation"]) for seed, (_, more) in states.items()}
        return Continues(
            run=self.path.resolve().name,
            path=str(self.path.resolve()),
            journal=read_journal(self.path).entries[0]["sum"],
            individual=individual,
            first_generation=first,
            steps_before={
                seed: steps_until(self.experiment, seed, generation)
                for seed, generation in first.items()
            },
        )

    def suited(
        self, begun: BegunRun, states: Mapping[int, StoredIndividuals], *, told_fitness: bool
    ) -> BegunRun:
        """Return the beginning of the newer run, with states that suit its settings."""
        before, plan = self.experiment, begun.plan
        now = plan.experiment
        self._check_use(begun.used, told_fitness=told_fitness)
        if plan.given is not None:
            check_policy(now, plan.given.genomes)
        for seed, (individuals, _) in states.items():
            for number, one in individuals.items():
                check_compiled_form(now, one.genome, f"seed {seed}: individual {number}")
        keep_moments = now.training.optimizer == before.training.optimizer
        if not keep_moments:
            self.reporter.note(
                f"The state of the optimizer begins anew, for training.optimizer was {before.training.optimizer} and "
                f"is {now.training.optimizer}"
            )
        judge = (
            self._used.fitness != begun.used.fitness
            or now.training.class_weight != before.training.class_weight
            or metrics_of(now, plan.dataset) != metrics_of(before, plan.dataset)
        )
        starts = {
            seed: suited(
                states[seed], task_of(plan, split, seed), keep_moments=keep_moments, judge=judge
            )
            for seed, split in zip(seeds_of(now), plan.splits, strict=True)
        }
        return replace(begun, plan=replace(plan, starts=starts))

    @property
    def _used(self) -> Used:
        if self.experiment.used is None:
            raise ResultsError(f"{self.path}: config.json must say which data the run used")
        return self.experiment.used

    def _check_use(self, now: Used, *, told_fitness: bool) -> None:
        """Raise ChangedError if the data are other ones, or the fitness is and nobody asked for that."""
        before = self._used
        free = {"parts": now.parts} | ({"fitness": now.fitness} if told_fitness else {})
        change = change_in_use(self.experiment, before.model_copy(update=free), now)
        if change is not None:
            raise ChangedError(f"{self.path}: cannot be continued: {change}")
        for name, part in before.parts.items():
            if now.parts.get(name, part) != part:
                self.reporter.note(f"The own part {name} has changed since that run")
