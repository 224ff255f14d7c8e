"""What MAP-Elites has found: the best network of each cell of its grid, and how much that is in one number."""

import json
import math
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from evo.errors import ResultsError
from evo.selection import SelectionSettings
from evo.selection.map_elites import bins_of, grid_indices
from experiments.analysis.frames.joins import join_tables
from experiments.analysis.frames.searches import column_of, described

SECTION = "evolution.selection."


class Grid(NamedTuple):
    """The grid of runs.

    Attributes
    ----------
    runs : tuple of str
        Their names.
    settings : SelectionSettings
        With the descriptors and their bounds.
    n_slots : int
        The population.
    """

    runs: tuple[str, ...]
    settings: SelectionSettings
    n_slots: int

    @property
    def bins(self) -> tuple[int, ...]:
        """The number of bins of each descriptor."""
        return bins_of(self.settings, self.n_slots)

    @property
    def n_cells(self) -> int:
        """The number of cells."""
        return math.prod(self.bins)


def grids_of(runs: pd.DataFrame) -> tuple[Grid, ...]:
    """Return the different grids of the runs with ``selection = "map_elites"``; none if no run has this selection."""
    name = f"{SECTION}name"
    chosen = runs[runs[name] == "map_elites"] if name in runs else runs.iloc[:0]
    names: dict[str, dict[str, None]] = {}
    for row in chosen.to_dict("records"):
        names.setdefault(_values_of(row), {})[row["run"]] = None
    read = ((json.loads(values), tuple(of_grid)) for values, of_grid in sorted(names.items()))
    return tuple(Grid(of_grid, SelectionSettings(**one), slots) for (slots, one), of_grid in read)


def grid_of(runs: pd.DataFrame) -> Grid:
    """Return the grid of the runs with ``selection = "map_elites"``.

    Raises
    ------
    ResultsError
        If no run has this selection, or two have different grids.
    """
    grids = _some_grids_of(runs)
    if len(grids) > 1:
        told = "; ".join(
            f"{', '.join(one.settings.descriptors)} in {one.bins} bins within {one.settings.bounds}"
            for one in grids
        )
        raise ResultsError(f"runs with selection map_elites must have the same grid; got {told}")
    return grids[0]


def _some_grids_of(runs: pd.DataFrame) -> tuple[Grid, ...]:
    grids = grids_of(runs)
    if not grids:
        raise ResultsError("no run here has the selection map_elites, which has a grid")
    return grids


def _values_of(row: Mapping[Hashable, Any]) -> str:
    """Return the population and the grid of a run as JSON."""
    names = json.loads(row[f"{SECTION}descriptors"])
    bounds = {name: json.loads(row[f"{SECTION}bounds.{name}"]) for name in names}
    grid = {"descriptors": names, "bounds": bounds, "bins": json.loads(row[f"{SECTION}bins"])}
    return json.dumps([int(row["evolution.population"]), {"name": "map_elites", **grid}])


def elites(population: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return the best network of each cell of the grid that a run with ``selection = "map_elites"`` has filled.

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
        `n_cells` of the grid; `fitness`; then each descriptor, and its bin, from 0, as ``<descriptor>_bin``. The rows
        of each run and seed are in the order of the cells. Networks without a finite number for a descriptor are in
        no cell.

    Raises
    ------
    ResultsError
        As :func:`grid_of`, or if a descriptor is one that no table has.
    """
    found, columns, bins = _in_cells(population, grid_of(runs))
    found["generation"] = found["individuals_generation"]
    cell = ["run", "seed", *bins]
    ascending = [*(True for _ in cell), False, True]
    found = found.sort_values([*cell, "fitness", "slot"], ascending=ascending)
    shown = ["run", "seed", "slot", "individual", "parent", "generation", "n_cells", "fitness"]
    shown += [one for pair in zip(columns, bins, strict=True) for one in pair]
    return found.drop_duplicates(cell)[shown].reset_index(drop=True)


def _in_cells(population: pd.DataFrame, grid: Grid) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Return the members of a population that are in a cell, with its bins; the columns of descriptors and of bins."""
    members = population[population["run"].isin(grid.runs) & (population["status"] == "ok")]
    columns = [column_of([*members], one) for one in grid.settings.descriptors]
    members = described(members, columns)
    indices = grid_indices(members[columns].to_numpy(float), grid.settings, grid.n_slots)
    bins = [f"{column}_bin" for column in columns]
    placed = dict(zip(bins, indices.T, strict=True))
    return members.assign(n_cells=grid.n_cells, **placed), columns, bins


def quality_diversity(
    population: pd.DataFrame,
    individuals: pd.DataFrame,
    runs: pd.DataFrame,
    offset: float | None = None,
) -> pd.DataFrame:
    """Return how much of its grid each run with ``selection = "map_elites"`` has filled after each generation.

    Parameters
    ----------
    population, individuals, runs : DataFrame
        The tables of these names. Runs with another selection are left out.
    offset : float, optional
        The fitness from which the QD score counts. By default 0; if an elite has a fitness below it, the lowest fitness
        of all elites of all generations of these runs.

    Returns
    -------
    DataFrame
        Columns `run`, `seed`, `generation`; `n_elites`, the cells with an elite, and `n_cells`; `coverage`, their
        quotient; `qd_score`, the sum over the elites of fitness − `offset`; and `offset`.

    Raises
    ------
    ResultsError
        If no run has this selection, a descriptor is one that no table has, or an elite is worse than `offset`.

    Notes
    -----
    Coverage is that of Mouret and Clune 2015 (arXiv:1504.04909): the filled cells of all cells. The QD score is that of
    Pugh, Soros and Stanley 2016 (Frontiers in Robotics and AI 3:40): the sum of the fitnesses in all filled cells. A
    further elite must not lower it, so it needs fitnesses of 0 and above: where they are negative, such as minus a
    loss, they are counted from the worst elite.
    """
    key, best, every = ["run", "seed", "generation"], [], []
    for grid in _some_grids_of(runs):
        held = population[population["run"].isin(grid.runs)]
        members = join_tables({"population": held, "individuals": individuals})
        found, _, bins = _in_cells(members, grid)
        best.append(found.groupby([*key, *bins])["fitness"].max().reset_index()[[*key, "fitness"]])
        every.append(held[key].drop_duplicates().assign(n_cells=grid.n_cells))
    elites, table = pd.concat(best), pd.concat(every).set_index(key)
    lowest = float(elites["fitness"].min()) if len(elites) else 0.0
    if offset is None:
        offset = min(0.0, lowest)
    elif lowest < offset:
        raise ResultsError(
            f"offset must be at most the lowest fitness of an elite, which is {lowest:.6g}; got {offset:.6g}"
        )
    above = (elites["fitness"] - offset).groupby([elites[name] for name in key])
    table["n_elites"] = above.size().reindex(table.index, fill_value=0)
    table["coverage"] = table["n_elites"] / table["n_cells"]
    table["qd_score"] = above.sum().reindex(table.index, fill_value=0.0)
    table["offset"] = offset
    columns = [*key, "n_elites", "n_cells", "coverage", "qd_score", "offset"]
    return table.sort_index().reset_index()[columns]
