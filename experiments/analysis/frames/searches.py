"""What a search came to: its population at a generation, and the networks that no other one beats."""

import json
from collections.abc import Collection, Iterable

import numpy as np
import pandas as pd

from evo.errors import ResultsError
from evo.registry import must_be_one_of
from evo.selection import DESCRIPTORS, OBJECTIVES
from experiments.analysis.frames.joins import INDIVIDUAL, join_tables, with_parent
from experiments.statistics import pareto_front

COSTS = ("parameters", "macs")
"""Objectives of which less is better."""


def population_at(
    population: pd.DataFrame, individuals: pd.DataFrame, generation: int | None = None
) -> pd.DataFrame:
    """Return who held the slots after a generation.

    Parameters
    ----------
    population, individuals : DataFrame
        The tables of these names.
    generation : int, optional
        By default the last one of each run and seed.

    Returns
    -------
    DataFrame
        One row per run, seed and slot: the columns of ``population``, then those of ``individuals`` with `parent` in
        the place of `parents`. `individuals_generation` is the generation in which the individual was evaluated,
        `individuals_slot` the slot for which it competed.

    Raises
    ------
    ResultsError
        If no run has this generation.
    """
    last = population.groupby(["run", "seed"])["generation"].transform("max")
    chosen = population[population["generation"] == (last if generation is None else generation)]
    if generation is not None and chosen.empty:
        known = population["generation"]
        those = "none" if known.empty else f"{known.min()} to {known.max()}"
        raise ResultsError(f"generation must be one of the runs': {those}; got {generation!r}")
    chosen = chosen.reset_index(drop=True)
    return join_tables({"population": chosen, "individuals": individuals})


def pareto(
    individuals: pd.DataFrame,
    baseline: pd.DataFrame,
    metric: str,
    *,
    larger_is_better: bool,
) -> pd.DataFrame:
    """Return the networks of each run and seed that none of its others beats in metric, parameters and MACs at once.

    Parameters
    ----------
    individuals, baseline : DataFrame
        The tables of these names.
    metric : str
        Name of a metric on the validation part, such as ``"accuracy"``.
    larger_is_better : bool

    Returns
    -------
    DataFrame
        Columns `run`, `seed`; `arm`, the name of a baseline, empty for an individual; `individual`, `parent`,
        `generation` and `survived`, empty for a baseline; ``validation_<metric>``, `parameters` and `macs`. The best
        by the metric comes first in each run and seed. Equal networks are all in it.

    Raises
    ------
    ResultsError
        If the tables do not have the metric.
    """
    column = f"validation_{metric}"
    if column not in individuals or column not in baseline:
        names = individuals.columns.intersection(baseline.columns)
        known = [
            name.removeprefix("validation_") for name in names if name.startswith("validation_")
        ]
        raise ResultsError(f"metric {must_be_one_of(tuple(known), metric)}")
    goals = {
        "larger": [column] if larger_is_better else [],
        "smaller": [*COSTS] if larger_is_better else [column, *COSTS],
    }
    columns = [
        *("run", "seed", "arm", "individual", "parent", "generation", "survived"),
        *(column, *COSTS),
    ]
    evolved = with_parent(individuals[individuals["status"] == "ok"])
    fixed = baseline[baseline["status"] == "ok"]
    kinds = {**fixed.dtypes, **evolved.dtypes, "survived": pd.BooleanDtype()}
    networks = pd.concat(
        [one.reindex(columns=columns).astype(object) for one in (evolved, fixed)], ignore_index=True
    ).astype({name: kinds[name] for name in columns})
    fronts = [pareto_front(of_seed, **goals) for _, of_seed in networks.groupby(["run", "seed"])]
    found = pd.concat(fronts) if fronts else networks
    order = ["run", "seed", column, *COSTS, *INDIVIDUAL[2:]]
    ascending = [name != column or not larger_is_better for name in order]
    return found.sort_values(order, ascending=ascending, kind="stable", ignore_index=True)


def selection_front(population: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return the networks of each population that no other of it beats in the objectives of ``selection = "nsga2"``.

    Parameters
    ----------
    population : DataFrame
        As of :func:`population_at`.
    runs : DataFrame
        The table of this name. Runs with another selection are left out.

    Returns
    -------
    DataFrame
        Columns `run`, `seed`, `slot`, `individual`, `parent` and `generation`, in which the individual was evaluated;
        then the objectives. Networks without a finite number for a descriptor are left out. The best by the first
        objective comes first in each run and seed.

    Raises
    ------
    ResultsError
        If no run has this selection, two have different objectives, or one is a descriptor that no table has.
    """
    of_runs = objectives(runs)
    members = population[population["run"].isin(of_runs) & (population["status"] == "ok")]
    every = {*of_runs.values()}
    if not every:
        raise ResultsError("no run here has the selection nsga2, which has a front")
    if len(every) > 1:
        told = "; ".join(sorted(", ".join(one) for one in every))
        raise ResultsError(f"runs with selection nsga2 must have the same objectives; got {told}")
    goals = _goals([*members], every.pop())
    names = [*goals]
    members = described(members, [name for name in names if name not in OBJECTIVES])
    larger = [name for name, is_larger_better in goals.items() if is_larger_better]
    smaller = [name for name in names if name not in larger]
    fronts = [
        _front(of_seed, larger=larger, smaller=smaller)
        for _, of_seed in members.groupby(["run", "seed"])
    ]
    found = pd.concat(fronts) if fronts else members
    found = found.assign(generation=found["individuals_generation"])
    order = ["run", "seed", *names, "individual"]
    ascending = [name not in larger for name in order]
    columns = ["run", "seed", "slot", "individual", "parent", "generation", *names]
    return found.sort_values(order, ascending=ascending, kind="stable", ignore_index=True)[columns]


def _goals(columns: Collection[str], names: Iterable[str]) -> dict[str, bool]:
    """Return the column of each objective, and whether larger is better."""
    return {
        column_of(columns, name.removeprefix("-")): name == "fitness" or name.startswith("-")
        for name in names
    }


def column_of(columns: Collection[str], name: str) -> str:
    """Return the column of an objective, descriptor or measure; raise ResultsError if there is none.

    A measure may have the name of another column, such as `steps`.
    """
    is_bare = name in OBJECTIVES or name in DESCRIPTORS.built_in
    column = name if is_bare else f"validation_{name}"
    if column not in columns:
        raise ResultsError(f"no table has the descriptor or measure {name!r}")
    return column


def described(members: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Return the rows with a finite number in each of the columns; a selection leaves out or ranks last the others."""
    values = members[columns].to_numpy(float, na_value=np.nan)
    found: pd.DataFrame = members[np.isfinite(values).all(axis=1)]
    return found


def objectives(runs: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Return the objectives of each run with the selection nsga2; a table of an older version does not name them."""
    columns = ["evolution.selection.name", "evolution.selection.objectives"]
    if not {*columns} <= {*runs}:
        return {}
    chosen = runs[runs[columns[0]] == "nsga2"]
    return {
        run: tuple(json.loads(names))
        for run, names in zip(chosen["run"], chosen[columns[1]], strict=True)
    }


def _front(table: pd.DataFrame, *, larger: list[str], smaller: list[str]) -> pd.DataFrame:
    """Return the Pareto front, which for one objective is the best rows."""
    if len(larger) + len(smaller) > 1:
        return pareto_front(table, larger=larger, smaller=smaller)
    values = table[smaller[0]] if smaller else -table[larger[0]]
    best: pd.DataFrame = table[values == values.min()]
    return best
