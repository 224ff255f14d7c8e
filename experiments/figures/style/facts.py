"""What results are about: experiments, data sets, seeds and arms, also of runs that are not finished."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from evo.errors import ResultsError
from evo.storage.run_reader import CONFIG, run_names
from experiments.analysis.failures import arm_of_settings
from experiments.analysis.results import Results

SEARCH = "evolved"
"""The name of a search whose arm is not known."""


@dataclass(frozen=True)
class Facts:
    """What results are about, each sorted.

    Attributes
    ----------
    experiments, datasets : tuple of str
        Names.
    seeds : tuple of int
    """

    experiments: tuple[str, ...]
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]


def facts_of(results: Results) -> Facts:
    """Return what results are about. The table ``runs`` says it; of a run that has no row yet, its settings do.

    Raises
    ------
    ResultsError
        If the settings of a run cannot be read.
    """
    runs = results.runs
    experiments = {*runs["experiment"].dropna().astype(str)}
    datasets = {*runs["dataset"].dropna().astype(str)}
    seeds = {*map(int, runs["seed"]), *map(int, results.individuals["seed"].unique())}
    known = set(runs["run"])
    for path, name in run_names(results.paths).items():
        if name not in known:
            try:
                values = results.configs[name]
                experiments.add(str(values["name"]))
                source = values.get("task") or values["dataset"]
                datasets.add(str(source.get("id") or source["name"]))
                seeds |= {int(values["seed"])}
            except (ValueError, KeyError, TypeError) as error:
                config = path / CONFIG
                raise ResultsError(f"{config}: must be the settings of a run ({error})") from error
    return Facts(tuple(sorted(experiments)), tuple(sorted(datasets)), tuple(sorted(seeds)))


def where(results: Results, part: str, seed: int | None = None, arm: str | None = None) -> str:
    """Return the end of a title: data set, arm if one is given, part, and seeds; all seeds unless one is given."""
    facts = facts_of(results)
    seeds = list(facts.seeds) if seed is None else [int(seed)]
    listed = ", ".join(map(str, seeds))
    if len(seeds) > 2 and seeds == [*range(seeds[0], seeds[-1] + 1)]:
        listed = f"{seeds[0]} to {seeds[-1]}"
    many = "s" if len(seeds) > 1 else ""
    of_arm = "" if arm is None else f"{arm}, "
    what = "data set"
    if is_of_rewards(results):
        what, part = "reward", part.replace(" part", " episodes")
    return f"{what} {', '.join(facts.datasets)}, {of_arm}{part}, seed{many} {listed}"


def is_of_rewards(results: Results) -> bool:
    """Return whether a reward judges in all runs."""
    return len(results.runs) > 0 and bool((results.runs["task"] == "reward").all())


def arms_of(results: Results) -> dict[str, str]:
    """Return the names of all arms in the tables, those of searches first, each with its arm.

    The two differ in a study with a grid: ``evolved-hidden-4`` is a cell of the arm ``evolved``.
    """
    searches = results.individuals[["run", "seed"]].drop_duplicates()
    names = {*results.runs["arm"].dropna().astype(str), *arms_of_searches(results, searches)}
    of_arms = results.training.loc[results.training["individual"].isna(), "arm"].dropna().unique()
    others = {*map(str, of_arms), *results.baseline["arm"].astype(str)}
    others |= {*results.comparison["arm"].astype(str)}
    cells = {f"-{one['cell']}" for one in results.configs.values() if one.get("cell")}
    longest_first = sorted(cells, key=len, reverse=True)

    def arm(name: str) -> str:
        return name.removesuffix(next((one for one in longest_first if name.endswith(one)), ""))

    return {name: arm(name) for name in (*sorted(names), *sorted(others - names))}


def arms_of_searches(results: Results, rows: pd.DataFrame) -> "pd.Series[str]":
    """Return the name of the arm of the search to which each row belongs; that of its settings if it goes on.

    Parameters
    ----------
    results : Results
    rows : DataFrame
        With the columns `run` and `seed`.
    """
    going_on = {run: arm_of_settings(config) for run, config in results.configs.items()}
    arms = results.runs.set_index(["run", "seed"])["arm"]
    found = rows[["run", "seed"]].join(arms, on=["run", "seed"])["arm"]
    return found.fillna(rows["run"].map(going_on)).fillna(SEARCH).astype(str)


def names_by_seed(results: Results, rows: pd.DataFrame) -> tuple["pd.Series[str]", dict[str, str]]:
    """Return a name for each row of searches, the arm and its seed, and the arms of all such names in their order.

    With one seed a name is that of the arm.
    """
    arms, known = arms_of_searches(results, rows), arms_of(results)
    seeds = sorted(rows["seed"].unique())
    if len(seeds) < 2:
        return arms, known
    names = {f"{name}, seed {seed}": arm for name, arm in known.items() for seed in seeds}
    return arms + ", seed " + rows["seed"].astype(str), names


def arm_of(results: Results, row: Mapping[str, Any]) -> str:
    """Return the name of the arm of an individual, given its row of ``individuals``."""
    rows = pd.DataFrame([{"run": row["run"], "seed": row["seed"]}])
    return str(arms_of_searches(results, rows).iloc[0])
