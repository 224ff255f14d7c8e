"""The winners of searches, also those that a newer run took over from an older one."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from evo.storage.run_reader import CONFIG, file_of_run, run_names
from experiments.analysis.beginnings import first_individuals, older_run
from experiments.analysis.frames.joins import INDIVIDUAL


def with_first(
    individuals: pd.DataFrame, needed: pd.DataFrame, paths: Sequence[Path]
) -> pd.DataFrame:
    """Return individuals, and those of an older run with which a newer one began, if some of them are needed.

    Parameters
    ----------
    individuals : DataFrame
        The table of that name.
    needed : DataFrame
        With the columns `run`, `seed` and `individual`.
    paths : sequence of Path
        The run folders.

    Raises
    ------
    ResultsError
        If a file with the individuals is missing or damaged.
    """
    known = set(individuals[INDIVIDUAL].itertuples(index=False, name=None))
    rows = needed[INDIVIDUAL].dropna().itertuples(index=False, name=None)
    lost = {row[0] for row in rows if row not in known}
    first = [
        row
        for path, name in run_names(paths).items()
        if name in lost and older_run(path) is not None
        for row in first_individuals(path, name)
    ]
    if not first:
        return individuals
    found = pd.DataFrame(first).reindex(columns=individuals.columns).astype(individuals.dtypes)
    return pd.concat([individuals, found], ignore_index=True)


def fitness_of_runs(runs: pd.DataFrame, paths: Sequence[Path]) -> Iterator[tuple[Any, ...]]:
    """Yield the fitness of each run in which networks evolved: the name, and the hash of an own function."""
    names = run_names(paths)
    hashes = {names[path]: _fitness_hash(path) for path in paths}
    evolved = runs[runs["best_individual"].notna()]
    fitness = "evolution.fitness"
    for _, row in evolved.iterrows():  # a run of an older version has no column of the fitness
        name = row[fitness] if fitness in runs and isinstance(row[fitness], str) else None
        yield name, hashes[row["run"]]


def _fitness_hash(run: Path) -> str | None:
    """Return the hash of a run's own fitness; None if the fitness is of the package, or not known."""
    path = file_of_run(run, CONFIG)
    try:
        fitness = json.loads(path.read_text("utf-8"))["used"]["fitness"]
        return None if fitness is None else fitness["source_hash"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
