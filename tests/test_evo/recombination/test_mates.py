"""Who the mates of a child are, how they travel, and what recombination leaves as it is in the loop."""

import json
import pickle
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from generations import generations_after

from evo import (
    Evolution,
    EvolutionSettings,
    EvolutionState,
    FounderSettings,
    PolicySettings,
    create_founders,
    replay,
)
from evo.errors import SettingsError
from evo.executors.parcels import parents_of, with_parents, without_parents
from evo.recombination import RecombinationSettings, choose_mates

MODES = ("average", "soup", "crossover", "policy")


def evolve(task, *, shuffle=None, selection="tournament", generations=3, **recombination):
    """Return the generations of a search whose children have mates."""
    always = {"replacement_interval": 1} if selection == "local_search" else {}
    settings = EvolutionSettings(
        population=6,
        generations=generations,
        steps_per_generation=10,
        selection={"name": selection, **always},
        recombination={"probability": 1.0, "relatives": "population"} | recombination,
    )
    founders = create_founders(FounderSettings(hidden=6, density=0.5), 4, 2, n_founders=6, seed=0)
    evolution = Evolution(replace(task, evolution=settings), founders)
    return generations_after(evolution, EvolutionState(), shuffle)


def trace(rounds):
    return [
        (one.job.individual, one.job.parents, one.operations, one.fitness, one.genome.fingerprint())
        for generation in rounds
        for one in generation.offspring
    ]


def recombined(rounds):
    """Return the individuals that were made with mates, each with the population before."""
    return [
        (one, before.population)
        for before, generation in pairwise(rounds)
        for one in generation.offspring
        if any(operation.operator in "VY" for operation in one.operations)
    ]


@pytest.mark.parametrize("mode", MODES)
def test_a_child_is_replayed_from_its_parent_and_mates_of_the_population_before(mode, task):
    policy = PolicySettings(name="weighted", operator_weights={"V": 1.0, "Y": 1.0, "N": 1.0})
    made = recombined(evolve(task(policy=policy), mode=mode, mates=2))
    assert len(made) >= 3
    for one, population in made:
        known = {other.job.individual: other.genome for other in population}
        assert set(one.job.parents) <= known.keys()
        assert len(set(one.job.parents)) == len(one.job.parents) <= 3
        named = {n for each in one.operations for n in each.parameters.get("mates", [])}
        assert named <= set(one.job.parents[1:])
        record = json.loads(json.dumps([(o.operator, o.parameters) for o in one.operations]))
        child = replay(record, known[one.job.parents[0]], known)
        assert np.array_equal(child.indices, one.genome.indices)
        if mode != "policy":
            assert len(one.operations) == 1


def test_a_soup_says_which_mates_it_tried(task):
    found = [one for one, _ in recombined(evolve(task(), mode="soup", mates=5))]
    assert found
    for one in found:
        parameters = one.operations[0].parameters
        assert set(parameters["mates"]) <= set(parameters["tried"]) <= set(one.job.parents[1:])


@pytest.mark.parametrize("selection", ["local_search", "tournament", "ageing"])
def test_the_order_of_finishing_changes_nothing(selection, task):
    straight = evolve(task(), selection=selection)
    assert recombined(straight)
    assert trace(straight) == trace(
        evolve(task(), selection=selection, shuffle=np.random.default_rng(0))
    )


def test_mates_of_one_lineage_have_the_founder_of_the_parent(task):
    rounds = evolve(task(), relatives="lineage", generations=4)
    made = recombined(rounds)
    assert made
    for one, population in made:
        founder = {other.job.individual: other.job.founder for other in population}
        assert {founder[number] for number in one.job.parents} == {one.job.founder}


def test_a_child_without_relatives_is_made_by_the_policy(task):
    first = evolve(task(), relatives="lineage", generations=1)[1]
    children = [one for one in first.offspring if one.job.origin == "child"]
    assert children
    assert all(len(one.job.parents) == 1 for one in children)
    assert any(one.operations for one in children)


def test_a_survivor_keeps_no_genome_of_its_mates(task):
    for generation in evolve(task(), generations=2):
        assert all(not one.released().job.mates for one in generation.population)


# -- the choice --------------------------------------------------------------------------------------------------------


class Made:
    """An individual that is made up."""

    def __init__(self, individual, fitness, founder=0):
        self.job, self.fitness = self, fitness
        self.individual, self.founder = individual, founder
        self.genome = self.optimizer_state = None


def chosen(parent, population, *, seed=0, **settings):
    settings = RecombinationSettings(**{"probability": 1.0, "relatives": "population"} | settings)
    return choose_mates(parent, population, settings, np.random.default_rng(seed))


def test_mates_are_drawn_among_those_with_a_fitness_and_ordered_by_it():
    parent = Made(3, 0.5)
    population = [Made(1, 0.1), Made(2, 0.9), parent, Made(4, None), Made(5, 0.7), Made(2, 0.9)]
    drawn = Counter(
        tuple(one.individual for one in chosen(parent, population, seed=seed, mates=2))
        for seed in range(60)
    )
    assert drawn.keys() == {(2, 5), (2, 1), (5, 1)}
    assert min(drawn.values()) > 5
    every = chosen(parent, population, mates=9)
    assert [(one.individual, one.is_fitter) for one in every] == [(2, True), (5, True), (1, False)]


def test_a_soup_takes_the_fittest():
    parent, population = Made(3, 0.5), [Made(1, 0.1), Made(2, 0.9), Made(5, 0.7)]
    for seed in range(5):
        found = chosen(parent, population, seed=seed, mates=2, mode="soup")
        assert [one.individual for one in found] == [2, 5]


def test_a_child_has_mates_with_the_probability_of_the_settings():
    parent, population = Made(3, 0.5), [Made(1, 0.1)]
    shares = [bool(chosen(parent, population, seed=s, probability=0.3)) for s in range(400)]
    assert 0.2 < np.mean(shares) < 0.4


def test_a_mean_of_weights_that_are_drawn_anew_is_refused():
    with pytest.raises(SettingsError, match=r'recombination\.mode must be "crossover" or "policy"'):
        EvolutionSettings(inheritance="baldwinian", recombination={"probability": 0.5})


# -- travelling --------------------------------------------------------------------------------------------------------


def test_mates_travel_once_however_many_jobs_have_them(task):
    jobs = [one.job for one in evolve(task(), mates=3)[2].offspring]
    assert any(job.mates for job in jobs)
    parents = parents_of(jobs)
    used = {id(one.genome) for job in jobs for one in (job, *job.mates)}
    assert len(parents) == len(used)
    message = pickle.dumps((without_parents(jobs, parents), parents), protocol=5)
    values, travelled = pickle.loads(message)
    for job, arrived in zip(jobs, with_parents(values, travelled), strict=True):
        assert arrived.parents == job.parents
        assert len(arrived.mates) == len(job.mates)
        assert arrived.genome.equals(job.genome)
        for mate, other in zip(job.mates, arrived.mates, strict=True):
            assert (mate.individual, mate.is_fitter) == (other.individual, other.is_fitter)
            assert mate.genome.equals(other.genome)
            assert any(other.genome is one.genome for one in travelled)
