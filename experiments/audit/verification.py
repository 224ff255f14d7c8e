"""A run that is computed again, from its beginning, and compared with what was stored."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from evo.errors import ChangedError, EvoMatrixError, ResultsError, SettingsError
from evo.storage.individuals import load_individuals
from evo.storage.run_reader import committed_file, how_to_go_on, is_complete, is_run
from evo.storage.tables import TABLES
from experiments.analysis.results import Results, load_results
from experiments.audit.difference import ORDER, Difference, file_difference, table_difference
from experiments.datasets import Dataset
from experiments.progress import Reporter
from experiments.progress.callbacks import Callbacks
from experiments.progress.choice import chosen_reporter
from experiments.settings.experiment import Experiment
from experiments.studies.arguments import check_types, check_workers
from experiments.studies.execution import execute, seeds_of
from experiments.studies.runner import begun_run, new_store, stored_experiment, workers_for
from experiments.studies.search import state_path

OF_GENERATIONS = tuple(
    table for table in ORDER if any(one.name == "generation" for one in TABLES[table])
)
"""The tables whose rows belong to generations."""


@dataclass(frozen=True)
class Verification:
    """What came out when a run was computed again.

    Attributes
    ----------
    difference : Difference or None
        The first difference; None if all is the same.
    n_rows, n_tables, n_files : int
        How many rows of how many tables, and how many files of genomes and networks the run has in what was compared.
    changes : tuple of str
        What of code, versions and arithmetic has changed since the run, in words.
    """

    difference: Difference | None
    n_rows: int
    n_tables: int
    n_files: int
    changes: tuple[str, ...]

    def __str__(self) -> str:
        """Return the outcome as one line."""
        if self.difference is not None:
            return str(self.difference)
        return (
            f"the same: {self.n_rows:,} rows in {self.n_tables} tables, and {self.n_files} files of genomes "
            "and networks"
        )


def verify(
    path: str | Path,
    *,
    seed: int | None = None,
    generations: tuple[int, int] | None = None,
    dataset: Dataset | None = None,
    fitness: Callable[..., float] | None = None,
    workers: int | None = None,
    address: str | None = None,
    reporter: Reporter | None = None,
    quiet: bool = False,
) -> Verification:
    """Compute a run again in a temporary folder and compare all tables, columns of time aside, genomes and networks.

    Parameters
    ----------
    path : str or Path
        The run folder. Nothing in it is changed. A run that continues another one is computed from the state with which
        it began, which is stored in its folder.
    seed : int, optional
        Compute this seed only; by default all seeds.
    generations : (int, int), optional
        First and last generation to compare, both included. The search is then computed from its beginning to the last
        of these generations, and neither the generations after it nor baselines and test part are. The run need not be
        finished.
    dataset, fitness : optional
        What was passed to :func:`experiments.run` has to be passed again.
    workers, address, reporter, quiet : optional
        As for :func:`experiments.run`. The number of workers changes no result.

    Returns
    -------
    Verification

    Raises
    ------
    EvoMatrixError
        If the run is not finished, cannot be repeated because it has a budget in seconds, or used other data, another
        fitness or other own parts; if `seed` or `generations` are not in the run; or if the new run ends with an error.
    TypeError
        If an argument has another type.

    Notes
    -----
    If code, versions or arithmetic have changed since the run, the run is computed all the same, and ``changes`` of the
    result says what has changed.

    In the asynchronous mode results depend on the order in which individuals arrived. The run is computed again in the
    order that its table ``individuals`` has, in whatever order they arrive now.
    """
    check_types(path=path, dataset=dataset, fitness=fitness)
    reporter = chosen_reporter(reporter, quiet=quiet)
    check_workers(workers, address)
    path = Path(path)
    if not is_run(path):
        raise ResultsError(f"{path}: must be the folder of a run")
    begun = begun_run(path, dataset, fitness, seed=seed, draw_founders=True)
    if begun.changed_use is not None:
        raise ChangedError(f"{path}: cannot be computed again: {begun.changed_use}")
    stored, experiment = load_results(path), begun.plan.experiment
    _check_repeatable(path, experiment)
    _check_generations(stored, experiment, generations)
    workers = workers_for(begun.plan, begun.used, workers, address)
    with TemporaryDirectory() as folder:
        name = path.resolve().name
        store = new_store(begun.plan, begun.used, begun.own, folder, name)
        with closing(store):
            again = execute(
                begun.plan,
                store,
                workers=workers,
                address=address,
                reporter=reporter,
                callbacks=Callbacks(),
                figures=False,
                until=None if generations is None else generations[1],
                orders=_orders(stored, experiment),
            )
        return _compared(stored, again, experiment, generations, tuple(begun.changed_code))


def runs_with_seed(runs: Sequence[Path], seed: int) -> tuple[Path, ...]:
    """Return the runs with a seed, and those whose settings cannot be read: :func:`verify` says why.

    Parameters
    ----------
    runs : sequence of Path
        The runs in a folder.
    seed : int

    Raises
    ------
    SettingsError
        If no run has the seed.
    """
    seeds: dict[Path, Sequence[int]] = {}
    for run in runs:
        try:
            seeds[run] = seeds_of(stored_experiment(run))
        except EvoMatrixError:
            seeds[run] = (seed,)
    chosen = tuple(run for run in runs if seed in seeds[run])
    if not chosen:
        known = ", ".join(map(str, sorted({one for of_run in seeds.values() for one in of_run})))
        raise SettingsError(f"{runs[0].parent}: seed must be one of {known}; got {seed}")
    return chosen


def _check_repeatable(path: Path, experiment: Experiment) -> None:
    """Raise SettingsError if no two runs with these settings are alike."""
    seconds = experiment.evolution.budget.seconds
    if experiment.evolve and seconds is not None:
        raise SettingsError(
            f"{path}: evolution.budget.seconds must be None, for with a budget in seconds no two runs are alike; "
            f"got {seconds}"
        )


def _orders(stored: Results, experiment: Experiment) -> dict[int, list[int]]:
    """Return the order of arrival of each seed of a run in the asynchronous mode, as numbers of individuals."""
    if experiment.evolution.mode != "asynchronous":
        return {}
    orders = {}
    for seed in seeds_of(experiment):
        rows = stored.individuals[stored.individuals["seed"] == seed]
        arrived = dict(zip(rows["arrival"].tolist(), rows["individual"].tolist(), strict=True))
        state = committed_file(stored.path, state_path(seed))
        if state is not None:  # it also has the individuals of generations that are not complete
            individuals, more = load_individuals(state)
            left = [number for of in more["ongoing"]["open"] for number in of["arrived"]]
            arrived |= {individuals[number].arrival: number for number in left}
        orders[seed] = [arrived[arrival] for arrival in sorted(arrived)]
    return orders


def _check_generations(
    stored: Results, experiment: Experiment, generations: tuple[int, int] | None
) -> None:
    """Raise an error unless the run has all that is to be compared."""
    path = stored.path
    done = stored.generations[stored.generations["seed"].isin(seeds_of(experiment))]
    last = -1 if done.empty else int(done.groupby("seed")["generation"].max().min())
    if set(done["seed"]) != set(seeds_of(experiment)):
        last = -1  # of some seeds there is none
    first = 0 if done.empty else int(done.groupby("seed")["generation"].min().max())
    if generations is None:
        if not is_complete(path):
            raise ResultsError(
                f"{path}: is not finished, so only its generations can be compared; {how_to_go_on(path)}"
            )
    elif not first <= generations[0] <= generations[1] <= last:
        known = f"within {first}..{last}" if last >= 0 else "left out, for there is none"
        raise SettingsError(
            f"{path}: generations must be {known}; got {generations[0]}..{generations[1]}"
        )


def _compared(
    stored: Results,
    again: Results,
    experiment: Experiment,
    generations: tuple[int, int] | None,
    changes: tuple[str, ...],
) -> Verification:
    """Compare the tables, from causes to consequences, and then the files."""
    seeds = seeds_of(experiment)
    tables = ORDER if generations is None else OF_GENERATIONS
    files = list(_files(again.path, seeds, generations))
    difference, n_rows = None, 0
    for table in tables:
        before, now = (
            _chosen(getattr(results, table), seeds, generations) for results in (stored, again)
        )
        n_rows += len(before)
        difference = difference or table_difference(table, before, now)
    for name in files:
        difference = difference or file_difference(name, stored.path, again.path)
    return Verification(difference, n_rows, len(tables), len(files), changes)


def _chosen(frame: pd.DataFrame, seeds: range, generations: tuple[int, int] | None) -> pd.DataFrame:
    """Return the rows of these seeds and generations."""
    chosen = frame["seed"].isin(seeds)
    if generations is not None:
        chosen &= frame["generation"].between(*generations).fillna(False).astype(bool)
    return frame[chosen].reset_index(drop=True)


def _files(folder: Path, seeds: range, generations: tuple[int, int] | None) -> Iterator[str]:
    """Yield the names of the files of genomes and networks, in the order of their names."""
    if generations is not None:
        for seed in seeds:
            for number in range(generations[0], generations[1] + 1):
                yield f"genomes/seed-{seed}-generation-{number:04d}.npz"
        return
    for kind in ("genomes", "networks"):
        for path in sorted((folder / kind).glob("*.npz")):
            yield f"{kind}/{path.name}"
