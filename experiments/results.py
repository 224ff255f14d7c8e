"""Reading results: tables over one or many runs, the winner, figures."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from evo.errors import ResultsError
from evo.predictor import Predictor, load_network
from evo.store import is_run, load_tables
from experiments.comparison import summarize, verdict


@dataclass(frozen=True, eq=False)
class Results:
    """The tables of one or many runs; ``docs/tables.md`` says what is in them.

    Attributes
    ----------
    paths : tuple of Path
        The run folders.
    runs, generations, individuals, operations, training, baseline, comparison : DataFrame
        Rows in the order of their keys; integer columns are nullable.
    """

    paths: tuple[Path, ...]
    runs: pd.DataFrame
    generations: pd.DataFrame
    individuals: pd.DataFrame
    operations: pd.DataFrame
    training: pd.DataFrame
    baseline: pd.DataFrame
    comparison: pd.DataFrame

    @property
    def path(self) -> Path:
        """The run folder; an error where there are several."""
        if len(self.paths) != 1:
            raise ValueError(f"path needs one run; these results have {len(self.paths)}")
        return self.paths[0]

    def summary(self) -> pd.DataFrame:
        """Return one row per arm: means over seeds, and the interval of the test metric."""
        return summarize(self.comparison)

    def verdicts(self) -> list[str]:
        """Return one line per baseline: which is better, or that no difference is shown."""
        others = sorted(set(self.comparison["arm"]) - {"evolved"})
        return [verdict(self.comparison, "evolved", other) for other in others]

    def best(self, seed: int | None = None) -> Predictor:
        """Return the winner, ready to predict.

        Of all winners, or of those of one seed, the one with the best fitness - on validation data: the test part
        chooses nothing.

        Parameters
        ----------
        seed : int, optional
            Look at this seed only.

        Raises
        ------
        ResultsError
            If no finished search is there.
        """
        winners = self.runs.merge(
            self.individuals,
            left_on=["run", "seed", "best_individual"],
            right_on=["run", "seed", "individual"],
        )
        if seed is not None:
            winners = winners[winners["seed"] == seed]
        if winners.empty:
            raise ResultsError(f"{self.paths[0]}: holds no finished search" + (
                "" if seed is None else f" with seed {seed}"
            ))
        winner = winners.loc[winners["fitness"].astype(float).idxmax()]
        folder = next(path for path in self.paths if path.name == winner["run"])
        return load_network(folder / "networks" / f"seed-{winner['seed']}.npz")


def load_results(path: str | Path) -> Results:
    """Load the results of one run, or of all runs in a folder.

    Raises
    ------
    ResultsError
        If there is no run.
    """
    path = Path(path)
    if is_run(path):
        runs = (path,)
    elif path.is_dir():
        runs = tuple(sorted(folder for folder in path.iterdir() if is_run(folder)))
    else:
        raise ResultsError(f"{path}: no such folder")
    if not runs:
        raise ResultsError(f"{path}: neither a run's folder nor a folder of runs")
    return Results(runs, **load_tables(runs))
