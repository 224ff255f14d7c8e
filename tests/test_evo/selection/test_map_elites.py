"""MAP-Elites: the grid, its elites, and their children."""

from collections import Counter

import numpy as np
from effort import trials
from hypothesis import given, settings
from hypothesis import strategies as st
from schemes import individual, numbers, population, propose, select

from evo import EvolutionSettings, SelectionSettings
from evo.selection.map_elites import bins_of, cells_of

GRID = {
    "descriptors": ["parameters", "place"],
    "bounds": {"parameters": [0, 40], "place": [-1.0, 1.0]},
    "bins": [2, 3],
}


def place(number, fitness, parameters=0, x=0.0, **others):
    return individual(number, fitness, parameters=parameters, metrics={"place": x}, **others)


points = st.tuples(st.integers(-10, 50), st.floats(-2, 2), st.one_of(st.none(), st.integers(0, 3)))


@settings(max_examples=trials(50, 500), deadline=None)
@given(st.lists(points, min_size=1, max_size=20))
def test_the_best_of_each_cell_survives_and_nobody_else(given_points):
    offspring = [place(10 + k, fitness, *at) for k, (*at, fitness) in enumerate(given_points)]
    members = population(*range(6))
    kept = select("map_elites", members, offspring, **GRID)
    best = {}
    for one in offspring:  # an own grid: the edges of the bins
        if one.fitness is None:
            continue
        row = np.digitize(one.statistics.parameters, [20])
        column = np.digitize(one.metrics["place"], [-1 / 3, 1 / 3])
        champion = best.setdefault((int(row), int(column)), one)
        if one.fitness > champion.fitness:
            best[int(row), int(column)] = one
    elites = [best[cell].job.individual for cell in sorted(best)]
    assert numbers(kept) == ([elites[k % len(elites)] for k in range(6)] if elites else [*range(6)])


def test_elites_are_trained_on_and_the_parents_of_children_are_drawn_evenly_among_them():
    members = [place(k, float(k), parameters=10 * k) for k in (0, 1, 2, 3)]  # two in each cell
    members += [members[3], members[1]]
    requests = propose("map_elites", members, children=3994, **GRID)
    continued = [one for one in requests if not one.modified]
    assert [members[one.parent].job.individual for one in continued] == [1, 3]
    assert [one.parent for one in continued] == [one.slot for one in continued]
    parents = Counter(members[one.parent].job.individual for one in requests if one.modified)
    assert sum(parents.values()) == 3994 + 6 - 2
    assert parents.keys() == {1, 3}
    assert abs(parents[1] - parents[3]) < 300


def test_a_generation_has_as_many_individuals_whatever_the_elites_are():
    evolution = EvolutionSettings(
        population=6, selection={"name": "map_elites", "children": 4, **GRID}
    )
    for members in ([place(k, 1.0, 10 * k) for k in range(6)], [place(0, 1.0)] * 6):
        requests = propose("map_elites", members, children=4, **GRID)
        assert len(requests) == evolution.expected_offspring(1) == 10


def test_by_default_there_are_as_many_bins_as_there_are_slots_for():
    names = ("depth", "macs", "density")
    for n_slots in range(1, 130):
        for n in (1, 2, 3):
            chosen = SelectionSettings(name="map_elites", descriptors=names[:n])
            (n_bins,) = {*bins_of(chosen, n_slots)}
            assert n_bins**n <= n_slots < (n_bins + 1) ** n


def test_a_value_at_or_beyond_a_bound_belongs_to_the_nearest_bin():
    chosen = SelectionSettings(name="map_elites", **GRID)
    at = [(-5, -9.0), (0, -1.0), (19, 0.0), (20, 0.0), (40, 1.0), (99, 9.0)]
    found = cells_of([place(k, 1.0, *one) for k, one in enumerate(at)], chosen, 6)
    assert found.tolist() == [0, 0, 1, 4, 5, 5]
