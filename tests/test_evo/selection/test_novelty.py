"""Novelty search: the distances, who survives, and the archive."""

import numpy as np
import pytest
from effort import trials
from hypothesis import given, settings
from hypothesis import strategies as st
from schemes import individual, numbers, population, propose, select
from scipy.spatial import cKDTree

from evo import EvolutionSettings, SelectionSettings
from evo.selection import ranked
from evo.selection.novelty import mean_distances, n_less_fit, novelty_of

FAR = {"descriptors": ["x"], "elites": 0, "neighbors": 1}


def at(number, x, fitness=0.0, **others):
    return individual(number, fitness, metrics={"x": x}, **others)


coordinates = st.floats(-5, 5).map(lambda x: round(x, 2))


@settings(max_examples=trials(50, 500), deadline=None)
@given(st.lists(st.tuples(coordinates, coordinates), min_size=2, max_size=20), st.integers(1, 25))
def test_novelty_is_the_mean_distance_to_the_nearest_others(given_points, neighbors):
    points = np.array(given_points)
    n_nearest = min(neighbors, len(points) - 1)
    distances, _ = cKDTree(points).query(points, n_nearest + 1)
    assert mean_distances(points, neighbors) == pytest.approx(
        distances[:, 1:].mean(axis=1), abs=1e-12
    )


def test_bounds_scale_a_descriptor_and_the_archive_counts():
    chosen = SelectionSettings(
        name="novelty", descriptors=["x", "macs"], bounds={"macs": [0, 1000]}, neighbors=1
    )
    few = [individual(1, 0.0, metrics={"x": 0.0}, macs=0)]
    few.append(individual(2, 0.0, metrics={"x": 0.0}, macs=500))
    assert novelty_of(few, [], chosen).tolist() == [0.5, 0.5]
    archive = [individual(3, 0.0, metrics={"x": 0.1}, macs=0), few[1], at(4, 0.0, None)]
    assert novelty_of(few, archive, chosen) == pytest.approx([0.1, 0.5])


def test_the_most_novel_survive_and_the_most_novel_child_replaces_the_oldest_of_the_archive():
    members = [at(k, 0.0) for k in range(4)]
    offspring = [
        at(10, 9.0, origin="continued"),
        at(11, 3.0),
        at(12, 3.1),
        at(13, -2.0),
        at(14, 50.0, fitness=None),
    ]
    kept = select("novelty", members, offspring, archive=2, **FAR)
    assert numbers(kept) == [10, 13, 3, 13]


@settings(max_examples=trials(30, 300), deadline=None)
@given(st.integers(0, 5), st.integers(1, 4), st.integers(0, 3), st.data())
def test_elites_survive_slots_are_filled_and_the_archive_is_a_queue(size, archived, elites, data):
    members = [at(k, data.draw(coordinates)) for k in range(6)]
    kinds = st.tuples(coordinates, st.one_of(st.none(), st.integers(0, 9)), st.booleans())
    offspring = [
        at(10 + k, x, fitness, origin="child" if child else "continued")
        for k, (x, fitness, child) in enumerate(data.draw(st.lists(kinds, max_size=12)))
    ]
    chosen = {"descriptors": ["x"], "elites": elites, "archive": size, "archived": archived}
    kept = numbers(select("novelty", members, offspring, **chosen))
    assert len(kept) == 6
    scored = [one for one in offspring if one.fitness is not None]
    best = sorted(scored, key=lambda one: (-one.fitness, one.job.individual))
    survivors, archive = kept[: 6 - size], kept[6 - size :]
    assert {*numbers(best[:elites])[: 6 - size]} <= {*survivors}
    new = [number for number in archive if number >= 10]
    children = [one for one in scored if one.job.origin == "child"]
    assert len(new) == min(archived, size, len(children))
    assert archive == [*range(6 - size, 6)][len(new) :] + new


def test_without_weight_the_fittest_survive():
    offspring = [at(10 + k, float(k % 3), fitness) for k, fitness in enumerate([1, 9, 3, 7])]
    kept = select("novelty", population(0, 0), offspring, novelty_weight=0.0, archive=0, **FAR)
    assert numbers(kept) == [11, 13]


def test_the_archive_has_no_children_by_parents_or_by_mates_and_is_not_trained_on():
    members = [at(k, float(k)) for k in range(8)]
    requests = propose("novelty", members, descriptors=["x"], archive=3)
    assert {one.parent for one in requests} <= set(range(5))
    assert [one.parent for one in requests if not one.modified] == [0, 1, 2, 3, 4]
    assert {one.mates for one in requests if one.modified} == {(0, 1, 2, 3, 4)}
    evolution = EvolutionSettings(
        population=8, selection={"name": "novelty", "descriptors": ["x"], "archive": 3}
    )
    assert len(requests) == evolution.expected_offspring(1) == 13


def test_the_novel_have_more_children():
    members = [at(k, float(k >= 9) * 5 + 0.01 * k) for k in range(10)]
    requests = propose("novelty", members, descriptors=["x"], archive=0, neighbors=3, children=500)
    parents = [one.parent for one in requests if one.modified]
    assert parents.count(9) > 100


# -- local competition -------------------------------------------------------------------------------------------------

LOCAL = {"local_competition": True, "archive": 0, **FAR}


@settings(max_examples=trials(50, 500), deadline=None)
@given(
    st.lists(st.tuples(coordinates, st.integers(0, 5)), min_size=1, max_size=12),
    st.integers(0, 11),
    st.integers(1, 15),
)
def test_local_competition_counts_the_nearest_who_are_less_fit(kinds, n_archived, neighbors):
    everybody = [at(k, x, fitness) for k, (x, fitness) in enumerate(kinds)]
    n = max(1, len(everybody) - n_archived)
    chosen = SelectionSettings(name="novelty", descriptors=["x"], neighbors=neighbors)
    found = n_less_fit(everybody[:n], everybody[n:], chosen)
    beside = [*everybody[:n], *ranked(everybody[n:])]
    for k, one in enumerate(beside[:n]):
        others = [j for j in range(len(beside)) if j != k]
        x = one.metrics["x"]
        near = sorted(others, key=lambda j: abs(beside[j].metrics["x"] - x))[:neighbors]
        assert found[k] == sum(beside[j].fitness < one.fitness for j in near)


def test_a_fit_individual_of_each_kind_survives():
    """By novelty alone two of the first kind survive, and nobody of the last."""
    kinds = {0.0: (5, 6, 9), 128.0: (0, 7, 8), 16.0: (1, 2, 3)}
    places = [(x + k / 8, fitness) for x, of in kinds.items() for k, fitness in enumerate(of)]
    offspring = [at(number, x, fitness) for number, (x, fitness) in enumerate(places)]
    survivors = {}
    for local in (False, True):
        options = LOCAL | {"neighbors": 2, "local_competition": local}
        kept = select("novelty", population(0, 0, 0), offspring, **options)
        survivors[local] = sorted(numbers(kept))
    assert survivors == {False: [0, 2, 5], True: [2, 5, 8]}


def test_nobody_survives_whom_another_beats_in_novelty_and_locally():
    offspring = [at(1, 0.0, 1), at(2, 0.1, 2), at(3, 4.0, 5), at(4, 4.2, 4), at(5, 9.0, 3)]
    chosen = SelectionSettings(name="novelty", **LOCAL)
    objectives = np.column_stack([f(offspring, [], chosen) for f in (novelty_of, n_less_fit)])
    for n in (1, 2, 3):
        kept = select("novelty", population(*[0] * n), offspring, **LOCAL)
        left = [k for k, one in enumerate(offspring) if one not in kept]
        for one in kept:
            mine = objectives[offspring.index(one)]
            beaten = [
                k for k in left if (objectives[k] >= mine).all() and (objectives[k] > mine).any()
            ]
            assert beaten == []


def test_parents_compete_locally_too():
    members = [at(k, float(k >= 9) * 5 + 0.01 * k, fitness=k == 4) for k in range(10)]
    options = {"descriptors": ["x"], "archive": 0, "neighbors": 3, "children": 500}
    counts = []
    for local in (False, True):
        requests = propose("novelty", members, **options, local_competition=local)
        counts.append([one.parent for one in requests if one.modified].count(4))
    assert counts[1] > 2 * counts[0]


def test_the_weight_of_the_fitness_is_refused_beside_local_competition():
    section = {"name": "novelty", "descriptors": ["x"], "novelty_weight": 0.5}
    with pytest.raises(ValueError, match=r"novelty_weight must be 1 beside .*; got 0.5"):
        EvolutionSettings(selection={**section, "local_competition": True})
