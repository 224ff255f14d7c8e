"""What MAP-Elites has found: the best network of each cell of its grid."""

import json
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from evo.errors import ResultsError
from evo.selection import SelectionSettings
from evo.selection.map_elites import bins_of, grid_indices
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


def grid_of(runs: pd.DataFrame) -> Grid:
    """Return the grid of the runs with ``selection = "map_elites"``.

    Raises
    ------
    ResultsError
        If no run has this selection, or two have different grids.
    """
    name = f"{SECTION}name"
    chosen = runs[runs[name] == "map_elites"] if name in runs else runs.iloc[:0]
    grids = {_values_of(row) for row in chosen.to_dict("records")}
    if not grids:
        raise ResultsError("no run here has the selection map_elites, which has a grid")
    if len(grids) > 1:
        raise ResultsError(
            f"runs with selection map_elites must have the same grid; got {'; '.join(sorted(grids))}"
        )
    n_slots, values = json.loads(grids.pop())
    return Grid(tuple(chosen["run"].unique()), SelectionSettings(**values), n_slots)


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
    grid = grid_of(runs)
    members = population[population["run"].isin(grid.runs) & (population["status"] == "ok")]
    columns = [column_of([*members], one) for one in grid.settings.descriptors]
    members = described(members, columns)
    indices = grid_indices(members[columns].to_numpy(float), grid.settings, grid.n_slots)
    bins = [f"{column}_bin" for column in columns]
    found = members.assign(
        generation=members["individuals_generation"],
        n_cells=pd.Series(grid.bins).prod(),
        **dict(zip(bins, indices.T, strict=True)),
    )
    cell = ["run", "seed", *bins]
    ascending = [*(True for _ in cell), False, True]
    found = found.sort_values([*cell, "fitness", "slot"], ascending=ascending)
    shown = ["run", "seed", "slot", "individual", "parent", "generation", "n_cells", "fitness"]
    shown += [one for pair in zip(columns, bins, strict=True) for one in pair]
    return found.drop_duplicates(cell)[shown].reset_index(drop=True)
