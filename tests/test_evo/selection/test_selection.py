"""Selection by itself: whom it asks for and who survives, on individuals that are nothing but numbers."""

import numpy as np
import pytest
from schemes import individual, numbers, population, propose, scheme, select

from evo.evolution.settings import EvolutionSettings
from evo.selection import (
    SELECTIONS,
    OffspringRequest,
    best_of_each_slot,
    ranked,
)
from evo.selection.nsga2 import crowded_order, crowding_distances


def test_the_fittest_come_first_equals_by_number_and_failures_not_at_all():
    assert numbers(ranked(population(0.5, None, 2.0, 0.5, -1.0))) == [2, 0, 3, 4]


@pytest.mark.parametrize("name", SELECTIONS)
def test_every_slot_is_asked_for(name):
    requests = propose(name, population(1.0, None, 3.0, 2.0))
    assert {one.slot for one in requests} == {0, 1, 2, 3}
    settings = EvolutionSettings(population=4, selection=scheme(name))
    assert len(requests) == settings.expected_offspring(1)
    assert all(0 <= one.parent < 4 for one in requests)
    assert requests == propose(name, population(1.0, None, 3.0, 2.0))


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_population_of_failures_still_asks_for_offspring(name):
    assert {one.slot for one in propose(name, population(None, None, None))} == {0, 1, 2}


BY_SLOT = ["local_search", "tournament", "random_search", "ageing", "speciation"]
"""The selections in which the offspring of a slot compete for that slot alone."""


@pytest.mark.parametrize("name", SELECTIONS)
def test_if_all_offspring_failed_the_holders_stay(name):
    offspring = [individual(10, None, 0), individual(11, None, 1)]
    assert numbers(select(name, population(1.0, 2.0), offspring)) == [0, 1]


@pytest.mark.parametrize("name", BY_SLOT)
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


# -- parents and children in one ranking ------------------------------------------------------------------------------


def test_of_mu_parents_and_lambda_children_the_best_mu_survive():
    members = population(1.0, 2.0)
    requests = propose("mu_plus_lambda", members, children=5)
    assert [one.modified for one in requests] == [False] * 2 + [True] * 5
    assert {one.slot for one in requests} == {0, 1}
    offspring = [individual(10 + k, fitness, 0) for k, fitness in enumerate([3.0, 1.0, 9.0, None])]
    assert numbers(select("mu_plus_lambda", members, offspring, children=5)) == [12, 10]
    assert numbers(select("mu_plus_lambda", members, offspring[1:2])) == [11, 1]


def test_parents_of_mu_plus_lambda_are_drawn_evenly():
    chosen = [
        one.parent
        for one in propose("mu_plus_lambda", population(*range(4)), children=4000)
        if one.modified
    ]
    assert np.bincount(chosen) == pytest.approx([1000] * 4, rel=0.1)


# -- ageing -----------------------------------------------------------------------------------------------------------


def test_every_topology_is_replaced_in_its_turn_however_good_it_is():
    """Each generation replaces the two oldest of five; of all that were trained on, none becomes older than three."""
    members, born = population(*[9.0, 1.0, 1.0, 1.0, 1.0]), [0] * 5
    ages = []
    for generation in range(1, 12):
        requests = propose("ageing", members, generation, children=2)
        assert [one.slot for one in requests] == list(range(5))
        replaced = [one.slot for one in requests if one.modified]
        oldest = sorted(born)[:2]
        assert sorted(born[slot] for slot in replaced) == oldest
        for slot in replaced:
            born[slot] = generation
        ages.append(generation - min(born))
        members = [
            individual(100 * generation + slot, 9.0 if slot == 0 else 1.0, slot, generation)
            for slot in range(5)
        ]
    assert max(ages) == 2


def test_the_parents_of_ageing_win_tournaments():
    members = population(*range(20))
    chosen = [
        one.parent
        for seed in range(40)
        for one in propose("ageing", members, seed, tournament_size=8)
        if one.modified
    ]
    assert len(chosen) == 40 * 5
    assert np.mean(chosen) > 15


# -- NSGA-II ----------------------------------------------------------------------------------------------------------


def dominates(one, other):
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other


def ranks_by_hand(points):
    """Return the rank of each point: 0 for what no other dominates, 1 for what only those dominate, and so on."""
    ranks, left = {}, set(range(len(points)))
    while left:
        front = {k for k in left if not any(dominates(points[other], points[k]) for other in left)}
        ranks |= dict.fromkeys(front, len(set(ranks.values())))
        left -= front
    return [ranks[k] for k in range(len(points))]


def test_networks_of_a_better_rank_come_first_and_within_a_rank_the_isolated():
    rng = np.random.default_rng(3)
    rows = rng.integers(0, 6, size=(40, 3))
    found = [
        individual(k, -float(loss), k, parameters=int(size), macs=int(macs))
        for k, (loss, size, macs) in enumerate(rows)
    ]
    ranks = ranks_by_hand([tuple(row) for row in rows])
    order = numbers(crowded_order(found, ("fitness", "parameters", "macs")))
    assert [ranks[k] for k in order] == sorted(ranks)
    first = [k for k in order if ranks[k] == 0]
    distances = dict(
        zip(sorted(first), crowding_distances(rows[sorted(first)].astype(float)), strict=True)
    )
    assert first == sorted(first, key=lambda k: (-distances[k], k))


def test_of_equal_rank_the_one_between_near_neighbours_goes():
    losses, sizes = [1.0, 0.0, 1.2, 10.0], [90, 100, 88, 0]
    offspring = [
        individual(10 + k, -loss, k, parameters=size)
        for k, (loss, size) in enumerate(zip(losses, sizes, strict=True))
    ]
    objectives = ("fitness", "parameters")
    selected = select("nsga2", population(0.0, 0.0, 0.0), offspring, objectives=objectives)
    assert sorted(numbers(selected)) == [11, 12, 13]


def test_a_smaller_network_that_is_worse_survives_and_one_that_is_larger_does_not():
    offspring = [
        individual(10, 0.9, 0, parameters=100),
        individual(11, 0.5, 0, parameters=10),
        individual(12, 0.8, 0, parameters=120),
        individual(13, None, 0, parameters=1),
    ]
    selected = select(
        "nsga2", population(0.0, 0.0), offspring, objectives=("fitness", "parameters")
    )
    assert sorted(numbers(selected)) == [10, 11]


# -- successive halving -----------------------------------------------------------------------------------------------


def test_the_better_half_goes_on_until_one_is_left_which_gets_children():
    members, evaluated, expected = population(*range(5)), [], []
    settings = EvolutionSettings(
        population=5, generations=9, train_only_fraction=0, selection={"name": "successive_halving"}
    )
    for generation in range(1, 9):
        requests = propose("successive_halving", members)
        left = {one.job.individual for one in members}
        assert {members[one.parent].job.individual for one in requests} == left
        assert sum(one.modified for one in requests) == (4 if len(left) == 1 else 0)
        offspring = [
            individual(100 * generation + k, float(k % 3), one.slot)
            for k, one in enumerate(requests)
        ]
        members = select("successive_halving", members, offspring)
        kept = numbers(ranked(offspring))[: (len(offspring) + 1) // 2]
        assert set(numbers(members)) == set(kept)
        evaluated.append(len(offspring))
        expected.append(settings.expected_offspring(generation))
    assert evaluated == expected == [5, 3, 2, 5, 3, 2, 5, 3]


def test_successive_halving_needs_two_slots():
    with pytest.raises(ValueError, match=r"population must be at least 2 where selection\.name"):
        EvolutionSettings(population=1, selection={"name": "successive_halving"})


def test_objectives_may_be_descriptors_and_measures_and_a_minus_asks_for_large_values():
    offspring = [
        individual(10 + k, 1.0, depth=depth, metrics={"success": success})
        for k, (depth, success) in enumerate([(3, 0.9), (2, 0.5), (4, 0.9), (2, 0.4)])
    ]
    objectives = ("depth", "-success")
    selected = select("nsga2", population(0.0, 0.0), offspring, objectives=objectives)
    assert sorted(numbers(selected)) == [10, 11]
