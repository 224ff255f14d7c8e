"""Running studies: every cell of a study with every seed, in one folder.

Each cell runs with each seed as a run of its own, in a folder called ``<cell>-seed-<seed>``. A finished run has read
its test part once and is not repeated. Several processes may share one folder: each takes runs that no process has
begun.
``study.json`` in the folder has the settings of all runs that are planned there, so :func:`resume` can do the rest
(:mod:`experiments.studies.planned`). With halving one process owns the folder, and goes on with what has begun.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evo.errors import ChangedError, ResultsError, SettingsError
from evo.files import free_name
from evo.storage.journal import is_journal, read_journal
from evo.storage.run_reader import STUDY, how_to_go_on, is_complete, is_over, is_run
from experiments.analysis.results import Results
from experiments.analysis.verdicts import too_few_seeds
from experiments.datasets import Dataset
from experiments.progress import Callback, Reporter
from experiments.progress.callbacks import Callbacks
from experiments.progress.choice import chosen_maker
from experiments.settings.experiment import Experiment
from experiments.settings.grid import Grid
from experiments.settings.halving import HalvingSettings
from experiments.settings.study import Study, load_study, parse_study, study_of
from experiments.settings.used import first_difference
from experiments.studies.arguments import check_limits, check_types, check_workers
from experiments.studies.cells import DataSets, Runs, check_data, in_parallel
from experiments.studies.planned import StudyPlan, owned, read_plan, with_planned
from experiments.studies.provenance import change_in_use, changes_of_code, code_used_by, used_by
from experiments.studies.runner import resume_run, stored_experiment

__all__ = ["Study", "load_study", "parse_study", "resume", "run_study", "study"]

Data = str | Mapping[str, Any] | Dataset
"""A data set: its name, a table with name and options, or your own."""


def study(
    base: str | Path | Experiment,
    arms: Mapping[str, Mapping[str, Any]] | None = None,
    grid: Mapping[str, Iterable[Any]] | None = None,
    *,
    controls: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    seeds: int | Iterable[int] | None = None,
    dataset: Data | Sequence[Data] | None = None,
    fitness: Callable[..., float] | None = None,
    halving: Mapping[str, Any] | None = None,
    **options: Any,
) -> Results:
    """Run variants of an experiment with every seed: all arms at all points of a grid.

    Parameters
    ----------
    base : str, Path or Experiment
        A preset by name, a TOML file by path, or settings. If it has arms or a grid, those given here are added.
    arms : mapping, optional
        What is different in each arm, by the arm's name: settings by dotted names, or sections. An arm that evolves has
        no baselines unless it names them; without arms the experiment keeps its own.
    grid : mapping, optional
        Values of settings by dotted names. Each combination of values is a point; each arm at each point is a cell.
    controls : sequence of str, or mapping, optional
        Names of controls at the same cost, such as ``["train_only", "random_search"]``: ``docs/controls.md``. A list
        is for the only arm that evolves; several arms have a mapping from the arm's name to such a list.
    seeds : int or iterable of int, optional
        The number of seeds, or seeds that follow each other, such as ``range(8)``; by default those of `base`.
    dataset : str, mapping, Dataset or a sequence of them, optional
        Another data set, or several; all cells run on each.
    fitness : callable, optional
        Your own fitness, as for :func:`experiments.run`.
    halving : mapping, optional
        Stop the worst cells early; the keys are those of ``[halving]`` in ``docs/settings.md``, such as
        ``{"factor": 2}``.
    **options
        As for :func:`run_study`.

    Returns
    -------
    Results
        All runs in the folder. The name of an arm in its tables is that of the cell, such as
        ``evolved-learning_rate-0.1``.

    Raises
    ------
    EvoMatrixError
        As for :func:`run_study`.
    TypeError
        If an argument has another type.
    """
    given = [] if dataset is None else _as_list(dataset)
    own = [one for one in given if isinstance(one, Dataset)]
    names = [one.name if isinstance(one, Dataset) else one for one in given]
    made = study_of(
        base,
        arms=arms,
        grid=grid,
        controls=controls,
        seeds=seeds,
        datasets=names,
        halving=halving,
    )
    return run_study(made, datasets=own, fitness=fitness, **options)


def _as_list(dataset: Data | Sequence[Data]) -> list[Data]:
    return [dataset] if isinstance(dataset, str | Mapping | Dataset) else [*dataset]


def run_study(
    study: Study,
    *,
    arms: Sequence[str] | None = None,
    datasets: Sequence[Dataset] = (),
    fitness: Callable[..., float] | None = None,
    folder: str | Path | None = None,
    workers: int | None = None,
    address: str | None = None,
    results: str | Path = "results",
    reporter: Callable[[], Reporter] | None = None,
    quiet: bool = False,
    callbacks: Sequence[Callback] = (),
    figures: bool = True,
) -> Results:
    """Run every cell with every seed, and return the results of all runs in the folder.

    With workers, searches run side by side (:mod:`experiments.studies.cells`); otherwise one run follows the other,
    seed by seed.

    Parameters
    ----------
    study : Study
    arms : sequence of str, optional
        Names of the arms to run; by default all.
    datasets : sequence of Dataset
        Your own data sets; the settings of the study have their names.
    fitness : callable, optional
        Your own fitness, as for :func:`experiments.run`.
    folder : str or Path, optional
        Folder of the runs; by default a new folder in `results`. Runs that have begun there are not run again.
    workers, address
        As for :func:`experiments.run`, for all searches together.
    results : str or Path
        Folder in which a new folder is made.
    reporter : callable, optional
        Makes the reporter of one run; by default as for :func:`experiments.run`.
    quiet : bool, default False
        Report no progress.
    callbacks : list of Callback
        Your own objects, or trackers; the same ones hear all runs, and may stop single ones: ``docs/progress.md``.
    figures : bool, default True
        Whether the pictures of each run are drawn.

    Raises
    ------
    EvoMatrixError
        Before any work, if settings, data or the folder are not usable. Later, if every run fails.
    TypeError
        If an argument has another type.
    """
    if not isinstance(study, Study):
        raise TypeError(
            f'study must be a study, such as load_study("my.toml"); got a {type(study).__name__}'
        )
    check_types(folder=folder, results=results, fitness=fitness)
    maker, told = chosen_maker(reporter, quiet=quiet), Callbacks(callbacks)
    chosen = study.chosen(arms)
    check_workers(workers, address)
    _check_address(address, chosen.values())
    for experiment in chosen.values():
        check_limits(experiment, workers)
    folder = (
        Path(results) / free_name(Path(results), study.name) if folder is None else Path(folder)
    )
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"folder must be a folder; got {folder}")
    planned = dict(_one_by_one(chosen))
    data = DataSets(datasets)
    check_data([*chosen.values()], data)
    for name, experiment in planned.items():
        _check_settings(folder / name, experiment)
    before = read_plan(folder).runs if (folder / STUDY).is_file() else {}
    begun = _begun_in(folder, {**before, **planned})
    _check_seeds_alike(folder, begun, planned)
    _check_alike(folder, begun, data, fitness)
    change = _change_of_code(folder, begun) if planned.keys() - begun.keys() else ""
    if change and study.halving is not None:  # it compares all cells
        raise _changed(folder, change)
    runs = Runs(folder, data, fitness, workers, address, maker, told, figures)
    runs.check_rewards(chosen.values())
    _make_folder(folder)
    with told:
        if change:
            runs.teller.warn(f"{folder}: {change}")
        if study.halving is not None:
            _warn_of_seeds(planned, runs)
            _do_halved(runs, planned, study.halving, study.grid)
            return runs.results()
        plan = with_planned(folder, planned, None, study.grid)
        _warn_of_seeds(plan.runs, runs)
        for name in planned:
            if (folder / name).exists() and not is_complete(folder / name):
                runs.teller.note(f"{name}: is not finished; {how_to_go_on(folder / name)}")
        runs.do({name: one for name, one in planned.items() if not (folder / name).exists()})
        return runs.results()


def _warn_of_seeds(planned: Mapping[str, Experiment], runs: Runs) -> None:
    """Warn if all planned runs together have too few seeds to decide the declared comparison."""
    seeds = {one.seed for one in planned.values()}
    for primary in {one.evaluation.primary for one in planned.values()}:
        too_few = too_few_seeds(primary, len(seeds))
        if too_few:
            runs.teller.warn(too_few)


def _do_halved(
    runs: Runs,
    planned: Mapping[str, Experiment],
    halving: HalvingSettings,
    grid: Grid,
    *,
    force: bool = False,
) -> None:
    """Do a study with halving, or what is left of it; one process owns it."""
    with owned(runs.folder):
        plan = runs.halve(with_planned(runs.folder, planned, halving, grid), force=force)
        runs.do(_left(plan, runs.folder), force=force)


def _left(plan: StudyPlan, folder: Path) -> dict[str, Experiment]:
    """Return the planned runs that have to be done, or finished."""
    return {name: one for name, one in plan.going_on().items() if not is_over(folder / name)}


def resume(
    path: str | Path,
    *,
    dataset: Dataset | Sequence[Dataset] | None = None,
    fitness: Callable[..., float] | None = None,
    workers: int | None = None,
    address: str | None = None,
    reporter: Callable[[], Reporter] | None = None,
    quiet: bool = False,
    callbacks: Sequence[Callback] = (),
    figures: bool = True,
    force: bool = False,
) -> Results:
    """Go on with a run or a study that stopped, however it stopped, and return its results.

    See :func:`experiments.studies.runner.resume_run` for one run. Of a study, every planned run that is not finished is
    resumed or begun, unless another process works on it.

    Parameters
    ----------
    path : str or Path
        The folder of the run or of the study.
    dataset, fitness : optional
        What was passed at the beginning has to be passed again; of a study, all its own data sets.
    workers, address, quiet, callbacks, figures, force : optional
        As for one run.
    reporter : callable, optional
        Makes the reporter of one run; by default as for :func:`experiments.run`.

    Raises
    ------
    EvoMatrixError
        As for one run. Of a study, if every run that is left fails.
    TypeError
        If an argument has another type.
    """
    check_types(path=path)
    path = Path(path)
    maker, told = chosen_maker(reporter, quiet=quiet), Callbacks(callbacks)
    options: dict[str, Any] = {"workers": workers, "address": address, "figures": figures}
    if not (path / STUDY).is_file():
        if not is_run(path):
            raise ResultsError(f"{path}: must be the folder of a run or of a study")
        check_types(dataset=dataset)
        _check_decided(path)
        given: Any = {"dataset": dataset, "fitness": fitness, "force": force}
        return resume_run(path, reporter=maker(), callbacks=callbacks, **given, **options)
    own = [] if dataset is None else _as_list(dataset)
    for one in own:
        check_types(dataset=one)
    check_types(fitness=fitness)
    plan = read_plan(path)
    check_workers(workers, address)
    for experiment in plan.runs.values():
        check_limits(experiment, workers)
    data = DataSets(own)  # type: ignore[arg-type]
    for experiment in plan.runs.values():
        if data.is_missing(experiment):
            name = experiment.dataset.name
            raise ResultsError(
                f"{path}: its data set {name!r} was passed by a script, and must be passed again: "
                f"resume({str(path)!r}, dataset=...)"
            )
    check_data([*plan.runs.values()], data)
    begun = _begun_in(path, plan.runs)
    if not force and _left(plan, path).keys() - begun.keys():
        _check_alike(path, begun, data, fitness)
        if change := _change_of_code(path, begun):
            raise _changed(path, change)
    runs = Runs(path, data, fitness, reporter=maker, callbacks=told, **options)
    with told:
        if plan.halving is None:
            runs.do(_left(plan, path), force=force)
        else:
            _do_halved(runs, plan.runs, plan.halving, plan.grid, force=force)
        return runs.results()


def _begun_in(folder: Path, runs: Mapping[str, Experiment]) -> dict[str, Experiment]:
    """Return the runs that have begun in the folder of a study."""
    return {name: one for name, one in runs.items() if is_run(folder / name)}


def _check_alike(
    folder: Path,
    begun: Mapping[str, Experiment],
    data: DataSets,
    fitness: Callable[..., float] | None,
) -> None:
    """Raise ChangedError if runs of a study have begun with other data, fitness or own parts than those that are given.

    A data set that is not loaded, because only other runs use it, is not compared.
    """
    for name, experiment in begun.items():
        before = stored_experiment(folder / name).used
        if before is None:  # a run of an older version does not say it
            continue
        own = fitness if experiment.evolve else None
        if data.is_loaded(experiment):
            now = used_by(experiment, data.of(experiment), own)
        else:
            now = before.model_copy(update=code_used_by(experiment, own))
        change = change_in_use(experiment, before, now)
        if change is not None:
            raise _changed(folder, _of_begun(name, change))


def _change_of_code(folder: Path, begun: Iterable[str]) -> str:
    """Return in words what of code, versions and arithmetic differs from the runs of a study; empty if nothing does."""
    kinds: dict[
        str, tuple[str, Mapping[str, Any]]
    ] = {}  # one run of each, for to ask takes a while
    for name in begun:
        path = folder / name
        first = read_journal(path).entries[0] if is_journal(path) else {}
        kinds.setdefault(json.dumps([first.get("code"), first.get("machine")]), (name, first))
    for name, first in kinds.values():
        changes = changes_of_code(first)
        if changes:
            return _of_begun(name, changes[0])
    return ""


def _of_begun(name: str, change: str) -> str:
    return f"{name} is a run of it already: {change}"


def _changed(folder: Path, change: str) -> ChangedError:
    return ChangedError(f"{folder}: cannot go on as it began, for {change}")


def _check_decided(run: Path) -> None:
    """Raise ResultsError if the study of a run has not decided yet whether the run goes on."""
    study = run.resolve().parent
    if not (study / STUDY).is_file():
        return
    plan = read_plan(study)
    if run.resolve().name in plan.compared() and not plan.is_decided:
        raise ResultsError(
            f"{run}: must be resumed with its study, whose halving may stop it; to go on: evomatrix resume {study}"
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultsError(f"{folder}: cannot be made ({error.strerror})") from error


def _check_address(address: str | None, experiments: Collection[Experiment]) -> None:
    n_searches = sum(one.seeds for one in experiments if one.evolve)
    if address is not None and n_searches < 2 and not any(map(in_parallel, experiments)):
        raise SettingsError(
            "address must not be given where one search after the other trains one network at a time; "
            f"got {address!r}"
        )


def _check_settings(run_folder: Path, experiment: Experiment) -> None:
    """Raise SettingsError if a run has begun with other settings; what it used :func:`_check_alike` compares."""
    if is_run(run_folder):
        begun = _settings_of(stored_experiment(run_folder))
        _check_same(run_folder, begun, _settings_of(experiment))


def _check_seeds_alike(
    folder: Path, begun: Mapping[str, Experiment], planned: Mapping[str, Experiment]
) -> None:
    """Raise SettingsError if a cell has begun with other settings and another seed: its seeds are counted as alike."""
    first: dict[str, str] = {}  # of each cell, the run whose settings its other seeds must have
    for name in begun:
        first.setdefault(_cell_of(name), name)
    known = {cell: _settings_of(begun[name], "seed", "seeds") for cell, name in first.items()}
    for name, experiment in planned.items():
        cell = _cell_of(name)
        if cell in first:
            wanted = _settings_of(experiment, "seed", "seeds")
            _check_same(folder / first[cell], known[cell], wanted, f" than {name}")


def _check_same(run_folder: Path, begun: Any, wanted: Any, than: str = "") -> None:
    """Raise SettingsError if a run has begun with other settings than wanted."""
    other = first_difference(begun, wanted)
    if other is not None:
        raise SettingsError(
            f"folder: {run_folder} was begun with something else{than} ({other}); take another folder, or delete it"
        )


def _cell_of(run: str) -> str:
    return run.rpartition("-seed-")[0]


def _settings_of(experiment: Experiment, *but: str) -> Any:
    """Return the settings of a run as JSON values, without some of them and what it used."""
    return json.loads(experiment.model_dump_json(exclude={"used", *but}))


def _one_by_one(cells: Mapping[str, Experiment]) -> Iterator[tuple[str, Experiment]]:
    """Yield the name and experiment of each run: all cells with the first seed, then with the next seed."""
    first = next(iter(cells.values()))
    for seed in range(first.seed, first.seed + first.seeds):
        for cell, experiment in cells.items():
            yield f"{cell}-seed-{seed}", experiment.model_copy(update={"seed": seed, "seeds": 1})
