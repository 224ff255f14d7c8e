"""Running studies: every cell of a study with every seed, in one folder.

Each cell runs with each seed as a run of its own, in a folder called ``<cell>-seed-<seed>``. A finished run has read
its test part once and is not repeated. Several processes may share one folder: each takes runs that no process has
begun.
``study.json`` in the folder has the settings of all runs that are planned there, so :func:`resume` can do the rest.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock

from evo.errors import EvoMatrixError, ExistingRunError, ResultsError, SettingsError
from evo.files import free_name, write_text
from evo.storage.run_lock import RunLockedError
from evo.storage.run_reader import how_to_go_on, is_complete, is_run
from evo.time_account import counting_time
from experiments.analysis.results import Results, load_results
from experiments.arms import check_arms
from experiments.datasets import DATASETS, Dataset, load_dataset
from experiments.settings.experiment import Experiment, read_settings
from experiments.settings.study import Study, load_study, parse_study, study_of
from experiments.settings.used import first_difference
from experiments.studies.arguments import check_limits, check_types, check_workers, limits_of
from experiments.studies.founders import check_founders
from experiments.studies.judgement import check_judgement
from experiments.studies.progress import Reporter
from experiments.studies.provenance import change_in_words, used_by, with_used
from experiments.studies.runner import plan_run, resume_run, run_anew, workers_for

__all__ = ["Study", "load_study", "parse_study", "resume", "run_study", "study"]

Data = str | Mapping[str, Any] | Dataset
"""A data set: its name, a table with name and options, or your own."""


def study(
    base: str | Path | Experiment,
    arms: Mapping[str, Mapping[str, Any]] | None = None,
    grid: Mapping[str, Iterable[Any]] | None = None,
    *,
    seeds: int | Iterable[int] | None = None,
    dataset: Data | Sequence[Data] | None = None,
    fitness: Callable[..., float] | None = None,
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
    seeds : int or iterable of int, optional
        The number of seeds, or seeds that follow each other, such as ``range(8)``; by default those of `base`.
    dataset : str, mapping, Dataset or a sequence of them, optional
        Another data set, or several; all cells run on each.
    fitness : callable, optional
        Your own fitness, as for :func:`experiments.run`.
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
    made = study_of(base, arms=arms, grid=grid, seeds=seeds, datasets=names)
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
    reporter: Callable[[], Reporter] = Reporter,
    figures: bool = True,
) -> Results:
    """Run every cell with every seed, seed by seed, and return the results of all runs in the folder.

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
        As for :func:`experiments.run`, for arms with a population above 1.
    results : str or Path
        Folder in which a new folder is made.
    reporter : callable
        Makes the reporter of one run.
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
    data = _DataSets(datasets)
    _check_data([*chosen.values()], data)
    for name, experiment in planned.items():
        _check_begun(folder / name, experiment, data, fitness)
    _note_planned(folder, planned)
    runs = _Runs(folder, data, fitness, workers, address, reporter, figures)
    for name, experiment in planned.items():
        if not (folder / name).exists():
            runs.begin(name, experiment)
        elif not is_complete(folder / name):
            runs.teller.note(f"{name}: is not finished; {how_to_go_on(folder / name)}")
    return runs.results()


def resume(
    path: str | Path,
    *,
    dataset: Dataset | Sequence[Dataset] | None = None,
    fitness: Callable[..., float] | None = None,
    workers: int | None = None,
    address: str | None = None,
    reporter: Callable[[], Reporter] = Reporter,
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
    workers, address, figures, force : optional
        As for one run.
    reporter : callable
        Makes the reporter of one run.

    Raises
    ------
    EvoMatrixError
        As for one run. Of a study, if every run that is left fails.
    TypeError
        If an argument has another type.
    """
    check_types(path=path)
    path = Path(path)
    options: dict[str, Any] = {"workers": workers, "address": address, "figures": figures}
    if not (path / PLAN).is_file():
        if not is_run(path):
            raise ResultsError(f"{path}: must be the folder of a run or of a study")
        check_types(dataset=dataset)
        given: Any = {"dataset": dataset, "fitness": fitness, "force": force}
        return resume_run(path, reporter=reporter(), **given, **options)
    own = [] if dataset is None else _as_list(dataset)
    for one in own:
        check_types(dataset=one)
    check_types(fitness=fitness)
    planned = _read_planned(path)
    check_workers(workers, address)
    for experiment in planned.values():
        check_limits(experiment, workers)
    data = _DataSets(own)  # type: ignore[arg-type]
    _check_data([*planned.values()], data)
    runs = _Runs(path, data, fitness, reporter=reporter, **options)
    for name, experiment in planned.items():
        if not (path / name).exists():
            runs.begin(name, experiment)
        elif not is_complete(path / name):
            runs.go_on(name, experiment, force=force)
    return runs.results()


PLAN = "study.json"
"""The file with the settings of all runs that are planned in a folder."""


def _note_planned(folder: Path, planned: Mapping[str, Experiment]) -> None:
    """Add runs to those that are planned in a folder; other processes may do so at the same time."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultsError(f"{folder}: cannot be made ({error.strerror})") from error
    with FileLock(folder / ".study.lock"):
        before = _read_planned(folder) if (folder / PLAN).exists() else {}
        after = {**before, **planned}
        if after != before:
            runs = {
                name: one.model_dump(mode="json", exclude={"used"}) for name, one in after.items()
            }
            write_text(folder / PLAN, json.dumps({"runs": runs}, indent=1) + "\n")


def _read_planned(folder: Path) -> dict[str, Experiment]:
    """Return the experiment of each run that is planned in a folder."""
    path = folder / PLAN
    values = read_settings(path)
    runs = values.get("runs")
    if not isinstance(runs, dict) or not runs:
        raise SettingsError(f"{path}: runs must be a table of settings; got {runs!r}")
    return {name: Experiment.parse(one, f"{path}: runs.{name}") for name, one in runs.items()}


def _check_address(address: str | None, experiments: Iterable[Experiment]) -> None:
    if address is not None and not any(map(_in_parallel, experiments)):
        raise SettingsError(
            f"address must not be given where no arm has a population above 1; got {address!r}"
        )


class _DataSets:
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

    def is_own(self, experiment: Experiment) -> bool:
        """Return whether an experiment has data of the user's own."""
        return experiment.dataset.name in self._own

    def of(self, experiment: Experiment) -> Dataset:
        """Return the data of an experiment."""
        settings = experiment.dataset
        if settings.name in self._own:
            return self._own[settings.name]
        if settings.name not in DATASETS and not settings.options and self._own:
            raise SettingsError(f"dataset must have the data set {settings.name!r} of the study")
        key = settings.model_dump_json(include={"name", "options"})
        if key not in self._loaded:
            self._loaded[key] = load_dataset(settings.name, **settings.options)
        return self._loaded[key]


def _check_data(experiments: Iterable[Experiment], data: _DataSets) -> None:
    """Load the data of experiments, and check that all of them suit it."""
    splits = {}
    for experiment in experiments:
        dataset, settings = data.of(experiment), experiment.dataset.model_dump_json()
        if settings not in splits:
            splits[settings] = experiment.dataset.split(dataset, experiment.seed)
        check_arms(experiment.baseline, dataset, splits[settings].input_shape)
        check_judgement(experiment, dataset)
        if experiment.evolve:
            check_founders(experiment, splits[settings])


@dataclass
class _Runs:
    """The runs of a study that this process does, one after the other; one that fails does not stop the others."""

    folder: Path
    data: _DataSets
    fitness: Callable[..., float] | None
    workers: int | None
    address: str | None
    reporter: Callable[[], Reporter]
    figures: bool
    failed: list[EvoMatrixError] = field(default_factory=list)

    @cached_property
    def teller(self) -> Reporter:
        """Tells what happens to runs as a whole."""
        return self.reporter()

    def begin(self, name: str, experiment: Experiment) -> None:
        """Do a run from its beginning."""
        fitness = self.fitness if experiment.evolve else None
        own = {"own_data": self.data.is_own(experiment), "own_fitness": fitness is not None}
        with self._telling_errors(name), counting_time():
            plan, used = plan_run(experiment, self.data.of(experiment), fitness)
            options = self._options(experiment)
            options["workers"] = workers_for(plan, used, options["workers"], options["address"])
            run_anew(plan, used, own, results=self.folder, run_name=name, **options)

    def go_on(self, name: str, experiment: Experiment, *, force: bool) -> None:
        """Resume a run."""
        with self._telling_errors(name):
            resume_run(
                self.folder / name,
                dataset=self.data.of(experiment),
                fitness=self.fitness if experiment.evolve else None,
                force=force,
                **self._options(experiment),
            )

    def _options(self, experiment: Experiment) -> dict[str, Any]:
        parallel = _in_parallel(experiment)
        return {
            "workers": self.workers if parallel else 0,
            "address": self.address if parallel else None,
            "reporter": self.reporter(),
            "figures": self.figures,
        }

    @contextmanager
    def _telling_errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except ExistingRunError:  # another process has begun the run in the meantime
            self.teller.note(f"{name}: another process has begun it")
        except RunLockedError as error:
            self.teller.note(str(error))
        except EvoMatrixError as error:  # the other runs are still done
            self.failed.append(error)
            self.teller.note(f"{name}: {error}")

    def results(self) -> Results:
        """Return the results of all runs in the folder; raise the first error if none is finished."""
        if self.failed and not any(is_complete(one) for one in self.folder.iterdir()):
            raise self.failed[0]
        return load_results(self.folder)


def _in_parallel(experiment: Experiment) -> bool:
    """Return whether a generation trains more than one network, or an individual needs a worker."""
    several = experiment.evolve and experiment.evolution.population > 1
    return several or bool(limits_of(experiment))


def _check_begun(
    run_folder: Path,
    experiment: Experiment,
    data: _DataSets,
    fitness: Callable[..., float] | None,
) -> None:
    """Raise SettingsError if a run has begun with other settings, other data or other parts of the user's own."""
    try:
        begun = json.loads((run_folder / "config.json").read_text("utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise SettingsError(f"{run_folder / 'config.json'}: cannot be read ({error})") from error
    used = used_by(experiment, data.of(experiment), fitness if experiment.evolve else None)
    wanted = json.loads(with_used(experiment, used).model_dump_json())
    if isinstance(begun, dict) and "used" not in begun:  # a run of an older version does not say it
        del wanted["used"]
    other = first_difference(begun, wanted)
    if other is not None and other.startswith("used."):
        other = change_in_words(begun["used"], wanted["used"])
    if other is not None:
        raise SettingsError(
            f"folder: {run_folder} was begun with something else ({other}); take another folder, or delete it"
        )


def _one_by_one(cells: Mapping[str, Experiment]) -> Iterator[tuple[str, Experiment]]:
    """Yield the name and experiment of each run: all cells with the first seed, then with the next seed."""
    first = next(iter(cells.values()))
    for seed in range(first.seed, first.seed + first.seeds):
        for cell, experiment in cells.items():
            yield f"{cell}-seed-{seed}", experiment.model_copy(update={"seed": seed, "seeds": 1})
