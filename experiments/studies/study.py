"""Experiments with arms: several experiments in one file that share data, recipe and budget, and differ in one setting.

A file with a table ``[arms]`` begins with the settings that all arms share, like any experiment. Each arm then has its
own settings: ``[arms.wide]`` and ``founders.hidden = 64``. An arm with ``evolve = false`` trains fixed networks, for as
many gradient steps as the evolved networks get.

Each arm runs with each seed as a run of its own, in a folder called ``<arm>-seed-<seed>``. A finished run has read its
test part once and is not repeated. Several processes may share one folder: each takes runs that no process has begun.
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

from cnn.checks import brief
from cnn.files import one_line
from evo.errors import EvoMatrixError, ExistingRunError, ResultsError, SettingsError
from evo.evolution.settings import EvolutionSettings
from evo.files import free_name, write_text
from evo.storage.run_lock import RunLockedError
from evo.storage.run_reader import how_to_go_on, is_complete, is_run
from experiments.analysis.results import Results, load_results
from experiments.arms import check_arms
from experiments.datasets import Dataset, load_dataset
from experiments.settings.experiment import OF_EVOLUTION, Experiment, read_settings
from experiments.settings.used import first_difference
from experiments.studies.arguments import check_limits, check_types, check_workers, limits_of
from experiments.studies.founders import check_founders
from experiments.studies.judgement import check_judgement, check_primary
from experiments.studies.progress import Reporter
from experiments.studies.provenance import change_in_words, used_by, with_used
from experiments.studies.runner import resume_run, run

SHARED = ("name", "arm", "seed", "seeds", "dataset", "evaluation")
"""The settings that all arms share."""


@dataclass(frozen=True)
class Study:
    """Experiments that are compared.

    Attributes
    ----------
    name : str
    arms : mapping
        The experiment of each arm, for all seeds.
    """

    name: str
    arms: Mapping[str, Experiment]

    def chosen(self, names: Sequence[str] | None) -> dict[str, Experiment]:
        """Return the named arms, by default all arms, in their order.

        Raises
        ------
        SettingsError
            If there is no arm of that name.
        """
        unknown = [name for name in names or () if name not in self.arms]
        if unknown:
            raise SettingsError(
                f"arms must be among {', '.join(self.arms)}; got {', '.join(unknown)}"
            )
        return {name: one for name, one in self.arms.items() if names is None or name in names}


def load_study(preset: str | Path) -> Study:
    """Load a preset with arms by name, or a TOML file with arms by path.

    Raises
    ------
    SettingsError
        If there is no such preset or file, or at the first setting that breaks a rule.
    """
    return parse_study(read_settings(preset), str(preset))


def parse_study(values: Mapping[str, Any], source: str) -> Study:
    """Check the settings of an experiment with arms.

    Parameters
    ----------
    values : mapping
        As read from a TOML file.
    source : str
        Where they come from, for messages.

    Raises
    ------
    SettingsError
        At the first setting that breaks a rule.
    """
    arms = values.get("arms")
    if not isinstance(arms, Mapping) or not arms:
        raise SettingsError(f"{source}: arms must be one table or more, [arms.<name>]")
    shared = {name: value for name, value in values.items() if name != "arms"}
    found = {}
    for name, own in arms.items():
        where = f"{source}: arms.{one_line(name)}"
        if not isinstance(own, Mapping):
            raise SettingsError(f"{where} must be a table; got {brief(own)}")
        for setting in SHARED:
            if setting in own:
                raise SettingsError(f"{where}.{setting} must be the same for all arms")
        found[name] = Experiment.parse(_settings_of(name, shared, own), where)
    _check_labels(found, source)
    return Study(next(iter(found.values())).name, found)


def _check_labels(arms: Mapping[str, Experiment], source: str) -> None:
    """Raise SettingsError if two arms have the same name in the table, where a fixed network has its own name.

    The same if the declared comparison, which all arms share, names another arm.
    """
    known: dict[str, str] = {}
    for name, experiment in arms.items():
        for label in experiment.arm_names:
            if label in known:
                raise SettingsError(
                    f"{source}: arms.{one_line(name)} must have a name of its own in the table; "
                    f"got {brief(label)}, which is also that of arms.{one_line(known[label])}"
                )
            known[label] = name
    try:
        check_primary(next(iter(arms.values())), known)
    except SettingsError as error:
        raise SettingsError(f"{source}: {error}") from None


def _settings_of(name: str, shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of one arm: the shared settings, overlaid by its own."""
    if own.get("evolve", shared.get("evolve", True)):
        # A fixed network is an arm of its own, so an evolving arm has no baselines by default.
        return _overlaid({**shared, "baseline": {"arms": []}}, {"arm": name, **own})
    base = {section: value for section, value in shared.items() if section not in OF_EVOLUTION}
    settings = _overlaid(base, own)
    baseline = settings.get("baseline", {})
    if isinstance(baseline, dict) and not {"epochs", "total_steps"} & set(baseline):
        steps = _total_steps(shared.get("evolution", {}))
        settings["baseline"] = baseline | ({} if steps is None else {"total_steps": steps})
    return settings


def _total_steps(evolution: Any) -> int | None:
    """Return the gradient steps of an evolved network; None if the settings are wrong, which its arms report."""
    try:
        return EvolutionSettings.model_validate(evolution).total_steps
    except ValueError:
        return None


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings in which the values of `above` replace those of `below`, table by table."""
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = _overlaid(result[key], value) if both else value
    return result


# -- running -----------------------------------------------------------------------------------------------------------


def run_study(
    study: Study,
    *,
    arms: Sequence[str] | None = None,
    folder: str | Path | None = None,
    workers: int | None = None,
    address: str | None = None,
    results: str | Path = "results",
    reporter: Callable[[], Reporter] = Reporter,
    figures: bool = True,
) -> Results:
    """Run every arm with every seed, seed by seed, and return the results of all runs in the folder.

    Parameters
    ----------
    study : Study
    arms : sequence of str, optional
        Names of the arms to run; by default all.
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
    check_types(folder=folder, results=results)
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
    dataset = _checked_data([*chosen.values()])
    for name, experiment in planned.items():
        _check_begun(folder / name, experiment, dataset)
    _note_planned(folder, planned)
    runs = _Runs(folder, dataset, workers, address, reporter, figures)
    for name, experiment in planned.items():
        if not (folder / name).exists():
            runs.begin(name, experiment)
        elif not is_complete(folder / name):
            runs.teller.note(f"{name}: is not finished; {how_to_go_on(folder / name)}")
    return runs.results()


def resume(
    path: str | Path,
    *,
    dataset: Dataset | None = None,
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
    dataset, fitness, workers, address, figures, force : optional
        As for one run; `dataset` and `fitness` cannot be given for a study.
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
    options: dict[str, Any] = {
        "workers": workers,
        "address": address,
        "figures": figures,
        "force": force,
    }
    if not (path / PLAN).is_file():
        if not is_run(path):
            raise ResultsError(f"{path}: must be the folder of a run or of a study")
        return resume_run(path, dataset=dataset, fitness=fitness, reporter=reporter(), **options)
    for name, given in (("dataset", dataset), ("fitness", fitness)):
        if given is not None:
            raise SettingsError(f"{name} must not be given for a study, whose settings name it")
    planned = _read_planned(path)
    check_workers(workers, address)
    for experiment in planned.values():
        check_limits(experiment, workers)
    dataset = _checked_data([*planned.values()])
    runs = _Runs(path, dataset, workers, address, reporter, figures)
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


def _checked_data(experiments: Sequence[Experiment]) -> Dataset:
    """Load the data that experiments share, and check that all of them suit it."""
    first = experiments[0]
    dataset = load_dataset(first.dataset.name, **first.dataset.options)
    split = first.dataset.split(dataset, first.seed)
    for experiment in experiments:
        check_arms(experiment.baseline, dataset, split.input_shape)
        check_judgement(experiment, dataset)
        if experiment.evolve:
            check_founders(experiment, split)
    return dataset


@dataclass
class _Runs:
    """The runs of a study that this process does, one after the other; one that fails does not stop the others."""

    folder: Path
    dataset: Dataset
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
        with self._telling_errors(name):
            run(
                experiment,
                dataset=self.dataset,
                results=self.folder,
                run_name=name,
                arms=(experiment.evaluation.primary or "").split(" - "),  # the study has checked it
                **self._options(experiment),
            )

    def go_on(self, name: str, experiment: Experiment, *, force: bool) -> None:
        """Resume a run."""
        with self._telling_errors(name):
            resume_run(
                self.folder / name,
                dataset=self.dataset,
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


def _check_begun(run_folder: Path, experiment: Experiment, dataset: Dataset) -> None:
    """Raise SettingsError if a run has begun with other settings, other data or other parts of the user's own."""
    try:
        begun = json.loads((run_folder / "config.json").read_text("utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise SettingsError(f"{run_folder / 'config.json'}: cannot be read ({error})") from error
    wanted = json.loads(with_used(experiment, used_by(experiment, dataset)).model_dump_json())
    if isinstance(begun, dict) and "used" not in begun:  # a run of an older version does not say it
        del wanted["used"]
    other = first_difference(begun, wanted)
    if other is not None and other.startswith("used."):
        other = change_in_words(begun["used"], wanted["used"])
    if other is not None:
        raise SettingsError(
            f"folder: {run_folder} was begun with something else ({other}); take another folder, or delete it"
        )


def _one_by_one(arms: Mapping[str, Experiment]) -> Iterator[tuple[str, Experiment]]:
    """Yield the name and experiment of each run: all arms with the first seed, then with the next seed."""
    first = next(iter(arms.values()))
    for seed in range(first.seed, first.seed + first.seeds):
        for arm, experiment in arms.items():
            yield f"{arm}-seed-{seed}", experiment.model_copy(update={"seed": seed, "seeds": 1})
