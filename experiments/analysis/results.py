"""Results: the tables and networks of one or many runs."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import networkx as nx
import pandas as pd

from cnn.checks import did_you_mean
from evo.display import line_of, table_of
from evo.errors import ResultsError
from evo.storage.predictor import BaselinePredictor, Predictor, load_network
from evo.storage.run_reader import (
    CONFIG,
    error_of,
    file_of_run,
    how_to_go_on,
    is_complete,
    is_over,
    load_tables,
    planned_study,
    run_names,
    runs_at,
)
from evo.storage.tables import TABLES
from experiments.analysis import frames
from experiments.analysis.comparison import (
    OF_REWARDS,
    PRIMARY,
    compare,
    pairs_of,
    pooled,
    summarize,
    with_diverged,
)
from experiments.analysis.deciding import direction_of, metric_of
from experiments.analysis.failures import (
    copy_lines,
    divergence_lines,
    failure_lines,
    lost_runs,
    stopped_lines,
)
from experiments.analysis.lineage import learning_curve, lineage
from experiments.analysis.showing import facts_of, summary_as_html
from experiments.analysis.verdicts import verdict
from experiments.analysis.winners import fitness_of_runs, with_first


@dataclass(frozen=True, eq=False)
class Results:
    """The tables of one or many runs; ``docs/tables.md`` describes them.

    Attributes
    ----------
    paths : tuple of Path
        The run folders.
    runs, generations, population, individuals, operations, credits, training : DataFrame
    baseline, candidates, comparison : DataFrame
        Rows in the order of their keys; integer columns are nullable.
    """

    paths: tuple[Path, ...]
    runs: pd.DataFrame
    generations: pd.DataFrame
    population: pd.DataFrame
    individuals: pd.DataFrame
    operations: pd.DataFrame
    credits: pd.DataFrame
    training: pd.DataFrame
    baseline: pd.DataFrame
    candidates: pd.DataFrame
    comparison: pd.DataFrame

    def _facts(self) -> dict[str, object]:
        return facts_of(self.runs, self.individuals, self.comparison)

    def __repr__(self) -> str:
        """Return one line."""
        return line_of(self, self._facts())

    def _repr_html_(self) -> str:
        """Return a small table for notebooks, and the summary of one run that was tested."""
        return table_of(self, self._facts()) + summary_as_html(self.comparison)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """The table ``predictions``; it is the largest one, so it is read when it is first asked for."""
        return load_tables(self.paths, ["predictions"])["predictions"]

    @cached_property
    def times(self) -> pd.DataFrame:
        """The table ``times``; a run writes it last, so it is read when it is first asked for."""
        return load_tables(self.paths, ["times"])["times"]

    @cached_property
    def configs(self) -> dict[str, Mapping[str, Any]]:
        """The settings of each run as they stand in its folder, by its name; of those that can be read."""
        found: dict[str, Mapping[str, Any]] = {}
        for path, name in run_names(self.paths).items():
            try:
                values = json.loads(file_of_run(path, CONFIG).read_text("utf-8"))
            except (OSError, ValueError, ResultsError):
                continue
            if isinstance(values, dict):
                found[name] = values
        return found

    @cached_property
    def studies(self) -> dict[str, Mapping[str, Any]]:
        """The file ``study.json`` of the study to which each run belongs, by the run's name; of runs that have one."""
        folders = {path: path.resolve().parent for path in self.paths}
        read = {folder: planned_study(folder) for folder in dict.fromkeys(folders.values())}
        return {
            name: read[folders[path]]
            for path, name in run_names(self.paths).items()
            if path.resolve().name in read[folders[path]].get("runs", ())
        }

    @property
    def path(self) -> Path:
        """The run folder; ValueError if there are several."""
        if len(self.paths) != 1:
            raise ValueError(f"path needs one run; these results have {len(self.paths)}")
        return self.paths[0]

    @property
    def evolved(self) -> bool:
        """Whether networks evolved in at least one of the runs."""
        return bool((self.runs["n_individuals"] > 0).any())

    @property
    def tested(self) -> bool:
        """Whether at least one of the runs has, or will have, a test part."""
        return self.runs.empty or not bool((self.runs["n_test"] == 0).fillna(False).all())

    @property
    def unfinished(self) -> list[str]:
        """Names of the unfinished runs; one that its study stopped is over, and not among them."""
        return [name for path, name in run_names(self.paths).items() if not is_over(path)]

    def summary(self) -> pd.DataFrame:
        """Return one row per arm: means over seeds, and interval and standard deviation of the test metric.

        Raises
        ------
        ResultsError
            If the run is not finished, or there are several runs that :meth:`pooled` refuses.
        """
        return summarize(self._of_all_runs())

    def compare(self, *arms: str, margin: float | None = None) -> pd.DataFrame:
        """Return one row for each comparison of two arms, with all its statistics: ``docs/statistics.md``.

        Parameters
        ----------
        *arms : str
            Two arms: the row of the first minus the second. One arm: a row for each other arm minus this one. None: the
            winner, or else the first arm by name, is compared with each of the others. Unless two arms are given, those
            that `evaluation.primary` names are compared too.
        margin : float, optional
            Difference of the metric, in its unit, below which two arms count as equivalent; by default that of
            `evaluation.equivalence_margin`, if it is given.

        Raises
        ------
        ResultsError
            If the run is not finished, there are several runs that :meth:`pooled` refuses, or no arm of this name.
        """
        compared = self._of_all_runs()
        declared = self._declared("primary")
        pairs = pairs_of(arms, summarize(compared), declared)
        if margin is None:
            margin = self._declared("equivalence_margin")
        equal = json.loads(self._declared("equal") or "[]")
        if not equal and (self.runs["task"] == "reward").all():
            equal = OF_REWARDS
        return compare(compared, pairs, declared=declared, margin=margin, equal=equal)

    @property
    def declared_arms(self) -> tuple[str, ...]:
        """The two arms of the comparison that was declared before the run; empty if none was."""
        declared = self._declared("primary")
        return () if declared is None else tuple(declared.split(PRIMARY))

    def _declared(self, setting: str) -> Any:
        """Return what all runs declared in this setting of the section evaluation; None if they differ."""
        column = f"evaluation.{setting}"
        if column not in self.runs:  # of an older version
            return None
        values = self.runs[column].unique()
        return values[0] if len(values) == 1 and pd.notna(values[0]) else None

    def verdicts(self, *arms: str, margin: float | None = None) -> list[str]:
        """Return one line per comparison: the better arm, or that no difference is shown. Then those of failures.

        Arms that halving stopped have no line each, unless two arms are given: :meth:`stopped_lines` counts them.
        Parameters and errors are those of :meth:`compare`.
        """
        compared = self.compare(*arms, margin=margin)
        lines = [
            verdict(row)
            for _, row in compared.iterrows()
            if row["seeds"] or len(arms) == 2 or not (row["stopped"] or row["other_stopped"])
        ]
        declared = self._declared("primary")
        is_compared = len(compared) and compared["declared"].any()
        if declared is not None and len(arms) < 2 and not is_compared:
            lines.insert(0, f"no result of {declared}, which was declared before the run")
        return [*lines, *self.stopped_lines(), *self.failure_lines()]

    def stopped_lines(self) -> list[str]:
        """Return a line for each rung of halving with the cells that it stopped, and one on the steps that it saved."""
        return stopped_lines(self.runs)

    def failure_lines(self) -> list[str]:
        """Return a line on all individuals without a fitness, and lines on searches without success or change.

        One line is on each search in which no child succeeded, and one on each in which all children of a generation
        are copies of their parents.
        """
        stopped = set(self.runs.loc[self.runs["stopped_rung"].notna(), "run"])
        still = {
            run for run, one in self.configs.items() if one.get("policy", {}).get("name") == "none"
        }
        several = len(self.paths) > 1
        return [
            *failure_lines(self.individuals, several_runs=several, stopped=stopped),
            *copy_lines(self.individuals, several_runs=several, still=still),
        ]

    def divergences(self) -> list[str]:
        """Return one line per baseline that diverged, and one per arm that failed in the test: seeds and reason."""
        return divergence_lines(self.baseline, self.comparison)

    def pooled(self) -> pd.DataFrame:
        """Return the comparison of all runs as one table, see :func:`experiments.analysis.comparison.pooled`.

        Raises
        ------
        ResultsError
            If no run is finished, or as :func:`~experiments.analysis.comparison.pooled`.
        """
        if self.comparison.empty:
            raise ResultsError(f"{self.paths[0].parent}: holds no finished run with a test part")
        return pooled(self._with_diverged(), self.runs, self.baseline)

    def _of_all_runs(self) -> pd.DataFrame:
        """Return the comparison of the run, or of all runs as one table."""
        return self._compared() if len(self.paths) == 1 else self.pooled()

    def _compared(self) -> pd.DataFrame:
        if self.comparison.empty:
            diverged = self.divergences()
            if diverged and not self.evolved and (self.baseline["status"] != "ok").all():
                raise ResultsError(
                    f"{self.path}: has no comparison, because every baseline diverged: {'; '.join(diverged)}"
                )
            if is_over(self.path) and not is_complete(self.path):
                raise ResultsError(f"{self.path}: has no comparison; {how_to_go_on(self.path)}")
            error = error_of(self.path)
            if error:
                raise ResultsError(
                    f"{self.path}: has no comparison, for the run ended with {error}"
                )
            if not self.tested:
                raise ResultsError(f"{self.path}: has no comparison, for the run has no test part")
            raise ResultsError(
                f"{self.path}: is not finished, so there is no comparison yet; {how_to_go_on(self.path)}"
            )
        return self._with_diverged()

    def _with_diverged(self) -> pd.DataFrame:
        return with_diverged(self.comparison, self.runs, self.baseline)

    def winner(self, seed: int | None = None, arm: str | None = None) -> dict[str, Any]:
        """Return the row of ``individuals`` of the best winner.

        The best winner is the one with the best fitness, of all seeds or of one seed. Fitness is measured on validation
        data: the test part chooses nothing.

        Parameters
        ----------
        seed : int, optional
        arm : str, optional
            An arm that evolved, by its name in ``comparison``. By default the first arm of the comparison that was
            declared, if it evolved; otherwise all arms.

        Raises
        ------
        ResultsError
            If there is no finished search, or the runs have different data or fitness, so that their fitnesses cannot
            be compared.
        """
        self._check_one("data", self.runs["data_hash"].unique())
        self._check_one("fitness", fitness_of_runs(self.runs, self.paths))
        runs = self.runs
        arm = arm or next((one for one in self.declared_arms if one in set(runs["arm"])), None)
        if arm is not None:
            runs = runs[runs["arm"] == arm]
        finished = runs[["run", "seed", "best_individual"]].rename(
            columns={"best_individual": "individual"}
        )
        known = with_first(self.individuals, finished, self.paths)
        winners = finished.merge(known, on=["run", "seed", "individual"])
        if seed is not None:
            winners = winners[winners["seed"] == seed]
        if winners.empty:
            where = "" if arm is None else f" of the arm {arm}"
            where += "" if seed is None else f" with seed {seed}"
            arms = sorted({*self.runs["arm"].dropna().astype(str)})
            guess = "" if arm in arms else did_you_mean(arm, arms)
            raise ResultsError(f"{self.paths[0]}: holds no finished search{where}{guess}")
        row = winners.iloc[int(winners["fitness"].argmax())]
        return {str(column): value for column, value in row.items()}

    def best(self, seed: int | None = None) -> Predictor:
        """Return the best winner (see :meth:`winner`), ready to predict from raw data.

        Raises
        ------
        ResultsError
            If there is no finished search, or the runs have different data or fitness, so that their fitnesses cannot
            be compared.
        """
        path = self._network_path(self.winner(seed), "")
        best = load_network(path)
        if not isinstance(best, Predictor):
            raise ResultsError(f"{path} must be an evolved network; got a baseline")
        return best

    def network(self, arm: str, seed: int | None = None) -> Predictor | BaselinePredictor:
        """Return a trained baseline, ready to predict from raw data.

        The baseline has the lowest validation loss of all seeds, unless `seed` is given; where a reward judges, the
        largest return. The test part chooses nothing.

        Parameters
        ----------
        arm : str
            The baseline's name; ``"evolved"`` is :meth:`best`.
        seed : int, optional

        Raises
        ------
        ResultsError
            If there is no such network, or the runs have different data.
        """
        if arm == "evolved":
            return self.best(seed)
        self._check_one("data", self.runs["data_hash"].unique())
        trained = self.baseline.query("arm == @arm and status == 'ok'")
        if seed is not None:
            trained = trained[trained["seed"] == seed]
        if trained.empty:
            where = "" if seed is None else f" with seed {seed}"
            known = [*map(str, self.baseline["arm"].unique())]
            raise ResultsError(
                f"{self.paths[0]}: holds no trained {arm}{where}; its baselines: "
                f"{', '.join(known) or 'none'}{'' if arm in known else did_you_mean(arm, known)}"
            )
        row = trained.iloc[_best_of(trained)]
        return load_network(self._network_path(row, f"-{arm}"))

    # -- questions -----------------------------------------------------------------------------------------------------

    def join(self, *tables: str) -> pd.DataFrame:
        """Return tables joined on their keys, see :func:`experiments.analysis.frames.join_tables`.

        Parameters
        ----------
        *tables : str
            Names in ``docs/tables.md``, such as ``"operations", "individuals", "runs"``.
        """
        return frames.join_tables({name: getattr(self, name, pd.DataFrame()) for name in tables})

    def lineage(self) -> nx.DiGraph:
        """Return the individuals as a graph from parents to children, see :func:`experiments.lineage`."""
        return lineage(self)

    def learning_curve(self, individual: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Return the training of an individual and its ancestors, see :mod:`experiments.analysis.lineage`.

        Parameters
        ----------
        individual : mapping, optional
            A row of ``individuals``; by default :meth:`winner`.
        """
        return learning_curve(self, self.winner() if individual is None else individual)

    def population_at(self, generation: int | None = None) -> pd.DataFrame:
        """Return who held the slots after a generation, see :func:`experiments.analysis.frames.population_at`."""
        individuals = with_first(self.individuals, self.population, self.paths)
        return frames.population_at(self.population, individuals, generation)

    def operator_uses(self) -> pd.DataFrame:
        """Return a row per child and operator, see :func:`experiments.analysis.frames.operator_uses`."""
        parents = frames.with_parent(self.individuals).drop(columns="individual")
        needed = parents.rename(columns={"parent": "individual"})
        individuals = with_first(self.individuals, needed, self.paths)
        return frames.operator_uses(individuals, self.operations)

    def operator_effects(self) -> pd.DataFrame:
        """Return a row per operator with intervals, see :func:`experiments.analysis.frames.operator_effects`."""
        return frames.operator_effects(self.operator_uses())

    def pareto(self, metric: str | None = None) -> pd.DataFrame:
        """Return the networks that no other beats in a validation metric, parameters and MACs at once.

        Parameters
        ----------
        metric : str, optional
            Such as ``"loss"``; by default that of verdicts, and the loss if the runs have no test part.

        See :func:`experiments.analysis.frames.pareto`.
        """
        deciding, direction = metric_of(self.comparison)
        deciding = deciding.removeprefix("test_")
        if metric not in {None, deciding}:
            deciding, direction = str(metric), direction_of(str(metric))
        return frames.pareto(
            self.individuals, self.baseline, deciding, larger_is_better=direction > 0
        )

    @property
    def objectives(self) -> dict[str, tuple[str, ...]]:
        """The objectives of each run with the selection nsga2."""
        return frames.objectives(self.runs)

    def selection_front(self) -> pd.DataFrame:
        """Return the Pareto fronts that nsga2 kept, see :func:`experiments.analysis.frames.selection_front`."""
        return frames.selection_front(self.population_at(), self.runs)

    @property
    def grid(self) -> frames.Grid:
        """The grid of the runs with the selection map_elites."""
        return frames.grid_of(self.runs)

    def elites(self) -> pd.DataFrame:
        """Return what MAP-Elites has found, cell by cell, see :func:`experiments.analysis.frames.elites`."""
        return frames.elites(self.population_at(), self.runs)

    @property
    def grids(self) -> tuple[frames.Grid, ...]:
        """The different grids of the runs with the selection map_elites; none if no run has it."""
        return frames.grids_of(self.runs)

    def quality_diversity(self, offset: float | None = None) -> pd.DataFrame:
        """Return coverage and QD score of MAP-Elites after each generation.

        Parameters
        ----------
        offset : float, optional
            The fitness from which the QD score counts.

        See :func:`experiments.analysis.frames.quality_diversity`.
        """
        individuals = with_first(self.individuals, self.population, self.paths)
        return frames.quality_diversity(self.population, individuals, self.runs, offset)

    def settings(self) -> pd.DataFrame:
        """Return the settings that are not the defaults, see :func:`experiments.analysis.frames.changed_settings`.

        Those of the grid and of halving, which a run has from its study, come last.
        """
        from experiments.settings.columns import default_settings  # noqa: PLC0415 - slow to import

        changed = frames.changed_settings(self.runs, default_settings())
        of_studies = frames.settings_of_studies(self.studies)
        return pd.concat([changed, of_studies], ignore_index=True)

    def failures(self) -> pd.DataFrame:
        """Return a row per network without a result, and per seed of a run without one, with the reason.

        A network that was trained, and with which a reward raised an error in the episodes of the test, is one of them.

        Runs have none that halving stopped, that ended with an error, or that are not finished. The runs of a study
        that have not begun stand here too, if all its other runs are loaded. A run that halving stopped has not failed,
        so it does not count as `diverged` in :meth:`summary` but as `stopped`; its row stands here so that the reason
        for each missing seed is in one table. See :func:`experiments.analysis.frames.lost_networks`.
        """
        runs = lost_runs(self.paths, self.runs, self.configs, self.studies)
        return frames.lost_networks(self.individuals, self.baseline, runs, self.comparison)

    def _check_one(self, what: str, of_runs: Iterable[Any]) -> None:
        """Raise ResultsError if runs differ in what their networks were chosen by, so that none of them is the best."""
        if len(set(of_runs)) > 1:
            raise ResultsError(
                f"{self.paths[0].parent}: holds {len(self.paths)} runs of different {what}; choose a network within one"
            )

    def _network_path(self, row: Any, name: str) -> Path:
        """Return the path of the network with the run and seed of a row; ResultsError if the file was altered."""
        names = run_names(self.paths)
        folder = next(path for path in self.paths if names[path] == row["run"])
        return file_of_run(folder, f"networks/seed-{row['seed']}{name}.npz")


def _best_of(baselines: pd.DataFrame) -> int:
    """Return which baseline has the lowest validation loss; or, where a reward judges, the largest return."""
    losses = baselines["validation_loss"]
    if losses.isna().all():
        return int(baselines["validation_return"].argmax())
    return int(losses.argmin())


def load_results(*paths: str | Path, repair: bool = False) -> Results:
    """Load the results of one or many runs, given by their folders or by folders of runs.

    A run may be going on in another process: then all tables are read as of the same commit.

    Parameters
    ----------
    *paths : str or Path
    repair : bool, default False
        Leave out what is damaged, and say so in a :class:`evo.storage.RepairWarning`.

    Raises
    ------
    ResultsError
        If there is no run; or if a part of a table is missing, altered, or was never committed: one line that names it.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        for run in runs_at(Path(path)):
            found.setdefault(run.resolve(), run)  # each run once, however it is named
    runs = tuple(found.values())
    eager = [table for table in TABLES if table not in {"predictions", "times"}]
    return Results(runs, **load_tables(runs, eager, repair=repair))
