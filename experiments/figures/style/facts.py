"""What results are about: experiments, data sets, seeds and arms, also of runs that are not finished."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evo.errors import ResultsError
from evo.storage.run_reader import CONFIG, file_of_run, run_names
from experiments.analysis.results import Results

SEARCH = "evolved"
"""The name of a search that is not finished, whose arm is not known yet."""


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
            config = file_of_run(path, CONFIG)
            try:
                values = json.loads(config.read_text("utf-8"))
                experiments.add(str(values["name"]))
                datasets.add(str(values["dataset"]["name"]))
                seeds |= {int(values["seed"])}
            except (OSError, ValueError, KeyError, TypeError) as error:
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
    return f"data set {', '.join(facts.datasets)}, {of_arm}{part}, seed{many} {listed}"


def arms_of(results: Results) -> list[str]:
    """Return the names of all arms, those of searches first."""
    names = sorted(set(results.runs["arm"].dropna().astype(str)))
    if not names and len(results.individuals):
        names = [SEARCH]
    of_arms = results.training.loc[results.training["individual"].isna(), "arm"].dropna().unique()
    others = {*map(str, of_arms), *results.baseline["arm"].astype(str)}
    others |= {*results.comparison["arm"].astype(str)}
    return names + sorted(others - set(names))


def arm_of(results: Results, row: Mapping[str, Any]) -> str:
    """Return the name of the arm of an individual, given its row of ``individuals``."""
    runs = results.runs
    found = runs[(runs["run"] == row["run"]) & (runs["seed"] == row["seed"])]["arm"].dropna()
    return str(found.iloc[0]) if len(found) else SEARCH
