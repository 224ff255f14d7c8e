"""Selection by itself: whom it asks for and who survives, on individuals that are nothing but numbers."""

from types import SimpleNamespace

import numpy as np
import pytest

from evo.evolution.selection import (
    SELECTIONS,
    OffspringRequest,
    best_of_each_slot,
    ranked,
)
from evo.evolution.settings import SelectionSettings


def individual(number, fitness, slot=0):
    return SimpleNamespace(job=SimpleNamespace(individual=number, slot=slot), fitness=fitness)


def population(*fitnesses):
    return [individual(k, fitness, k) for k, fitness in enumerate(fitnesses)]


def numbers(individuals):
    return [one.job.individual for one in individuals]


def propose(name, members, seed=0, **settings):
    return SELECTIONS[name].propose(
        members, SelectionSettings(name=name, **settings), np.random.default_rng(seed)
    )


def select(name, members, offspring, generation=1, **settings):
    return SELECTIONS[name].select(
        members, offspring, SelectionSettings(name=name, **settings), generation
    )


def test_the_fittest_come_first_equals_by_number_and_failures_not_at_all():
    assert numbers(ranked(population(0.5, None, 2.0, 0.5, -1.0))) == [2, 0, 3, 4]


@pytest.mark.parametrize("name", SELECTIONS)
def test_every_slot_is_asked_for(name):
    requests = propose(name, population(1.0, None, 3.0, 2.0))
    assert {one.slot for one in requests} == {0, 1, 2, 3}
    assert len(requests) == 4 * SELECTIONS[name].offspring_per_slot
    assert all(0 <= one.parent < 4 for one in requests)
    assert requests == propose(name, population(1.0, None, 3.0, 2.0))


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_population_of_failures_still_asks_for_offspring(name):
    assert {one.slot for one in propose(name, population(None, None, None))} == {0, 1, 2}


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_slot_whose_offspring_all_failed_keeps_its_holder(name):
    offspring = [individual(10, 5.0, 0), individual(11, None, 1), individual(12, None, 1)]
    assert numbers(select(name, population(1.0, 2.0), offspring)) == [10, 1]


def test_the_better_of_parent_and_child_keeps_the_slot_even_if_worse_than_before():
    offspring = [
        individual(10, 0.1, 0),
        individual(11, 0.3, 0),
        individual(12, 0.2, 1),
        individual(13, None, 1),
    ]
    assert numbers(best_of_each_slot(population(9.0, 9.0), offspring)) == [11, 12]


def test_local_search_trains_everyone_on_and_gives_each_a_child():
    assert propose("local_search", population(1.0, 2.0)) == [
        OffspringRequest(0, 0, modified=False),
        OffspringRequest(0, 0, modified=True),
        OffspringRequest(1, 1, modified=False),
        OffspringRequest(1, 1, modified=True),
    ]


def test_the_second_of_two_twins_gets_two_children_instead():
    twin = individual(7, 1.0, 0)
    requests = propose("local_search", [twin, individual(8, 2.0, 1), twin])
    assert [one.modified for one in requests] == [False, True, False, True, True, True]


@pytest.mark.parametrize(
    ("generation", "survivors"),
    [(1, [10, 11, 12, 13, 14]), (2, [10, 13, 12, 13, 10]), (4, [10, 13, 12, 13, 10])],
)
def test_now_and_then_the_better_half_replaces_the_worse(generation, survivors):
    # Ranks: 13, 10, 12 are the better half (the middle one stays); 11 and 14 go.
    fitnesses = [4.0, 1.0, 3.0, 5.0, 2.0]
    offspring = [individual(10 + k, fitness, k) for k, fitness in enumerate(fitnesses)]
    selected = select(
        "local_search", population(0, 0, 0, 0, 0), offspring, generation, replacement_interval=2
    )
    assert set(numbers(selected)) <= set(survivors)
    assert len(selected) == 5
    if generation == 1:
        assert numbers(selected) == survivors
    else:
        assert numbers(selected)[::2][:2] == [10, 12]
        assert sorted(numbers(selected)) == [10, 10, 12, 13, 13]


def test_a_population_of_one_is_never_replaced():
    offspring = [individual(5, 1.0, 0)]
    assert numbers(select("local_search", population(0.0), offspring, 3)) == [5]


def test_elites_are_trained_on_and_the_others_are_children_of_winners():
    members = population(1.0, 4.0, 2.0, 3.0)
    requests = propose("tournament", members, elites=2, tournament_size=3)
    assert requests[:2] == [
        OffspringRequest(1, 0, modified=False),
        OffspringRequest(3, 1, modified=False),
    ]
    assert all(one.modified for one in requests[2:])


def test_larger_tournaments_choose_fitter_parents():
    members = population(*range(20))

    def mean_parent(size):
        chosen = [
            request.parent
            for seed in range(50)
            for request in propose("tournament", members, seed, elites=0, tournament_size=size)
        ]
        return np.mean(chosen)

    assert mean_parent(1) == pytest.approx(9.5, abs=1)
    assert mean_parent(1) + 3 < mean_parent(3) < mean_parent(8) - 1


def test_a_failure_is_never_a_parent_where_someone_has_a_fitness():
    for seed in range(20):
        requests = propose("tournament", population(None, 1.0, None, 0.5), seed)
        assert {one.parent for one in requests} <= {1, 3}


def test_random_search_ignores_fitness():
    assert propose("random_search", population(1.0, None)) == [
        OffspringRequest(0, 0, modified=True),
        OffspringRequest(1, 1, modified=True),
    ]
