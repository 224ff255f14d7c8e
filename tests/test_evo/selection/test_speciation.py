"""Speciation: distances, species, shares, and who breeds with whom."""

import math

import numpy as np
import pytest
from effort import trials
from hypothesis import given, settings
from hypothesis import strategies as st
from schemes import individual, propose

from evo import FounderSettings, Genome, create_founders
from evo.selection import SelectionSettings
from evo.selection.speciation import (
    _species,
    compatibility_distance,
    divide,
    share,
    species_of,
)


def entries_of(genome):
    """Return the value of each stored entry by the ids of its nodes."""
    sources, targets = genome.ids[genome.indices], genome.ids[genome.targets]
    return {
        (int(a), int(b)): float(value)
        for a, b, value in zip(sources, targets, genome.values, strict=True)
    }


def matrix(seed):
    """Return a random feed-forward matrix of one input, three hidden nodes and an output, all with edges."""
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.normal(size=(5, 5)) * (rng.random((5, 5)) < 0.5), 1)
    weights[0, 1:4] = rng.normal(size=3)  # every node has an entry that all genomes have
    weights[3, 4] = 1.0
    return weights


@settings(max_examples=trials(30, 300), deadline=None)
@given(st.integers(0, 2**20), st.integers(0, 2**20), st.floats(0, 3), st.floats(0, 3))
def test_the_distance_counts_entries_of_one_alone_and_differences_of_both(a, b, structure, weight):
    rng = np.random.default_rng([a, b])
    one, other = (
        Genome.from_matrix(matrix(seed), n_inputs=1, n_outputs=1, bias=rng.normal(size=5))
        for seed in (a, b)
    )
    first, second = entries_of(one), entries_of(other)
    common = first.keys() & second.keys()
    alone = len(first.keys() ^ second.keys()) / max(len(first), len(second))
    differences = [abs(first[key] - second[key]) for key in common]
    differences += np.abs(one.bias - other.bias).tolist()
    expected = structure * alone + weight * np.mean(differences)
    found = compatibility_distance(one, other, structure, weight)
    assert found == pytest.approx(expected, rel=1e-5)
    assert found == pytest.approx(compatibility_distance(other, one, structure, weight), rel=1e-6)
    assert compatibility_distance(one, one, structure, weight) == 0


lines = st.lists(st.integers(0, 30), min_size=1, max_size=12)


@settings(max_examples=trials(50, 500), deadline=None)
@given(lines, st.integers(1, 6))
def test_there_are_at_most_as_many_species_as_wanted_and_members_are_near_their_first(xs, wanted):
    distances = np.abs(np.subtract.outer(xs, xs)).astype(float)
    species = divide(distances, wanted)
    assert sorted(k for members in species for k in members) == [*range(len(xs))]
    assert len(species) <= wanted
    assert all(members == sorted(members) for members in species)
    assert [one[0] for one in species] == sorted(one[0] for one in species)
    thresholds = np.unique(distances)
    counts = [len(_species(distances, one)) for one in thresholds]
    assert any(
        _species(distances, thresholds[k]) == species and (k == 0 or counts[k - 1] > wanted)
        for k in range(len(thresholds))
    )


@settings(max_examples=trials(50, 500), deadline=None)
@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=12), st.integers(1, 5), st.integers(0, 9)
)
def test_slots_are_shared_out_by_mean_fitness(fitness, n_species, more):
    fitness = np.sort(fitness)[::-1]
    species = [
        one for one in ([*range(k, len(fitness), n_species)] for k in range(n_species)) if one
    ]
    n = len(fitness) + more
    slots = share(fitness, species, n)
    assert sum(slots) == n
    assert min(slots) >= 0
    assert slots[0] >= 1
    means = np.array([fitness[one].mean() for one in species]) - fitness.min()
    if means.sum() > 0:
        exact = means / means.sum() * n
        assert (np.abs(slots - exact) <= 1 + 1e-9).all() or slots[0] == 1


def family(seed, count, sizes):
    """Return genomes of several founders, far apart in weights, and small changes of each."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(sizes):
        base = matrix(rng.integers(2**20)) * 10
        for _ in range(count):
            changed = base + (base != 0) * rng.normal(size=base.shape) * 0.01
            found.append(Genome.from_matrix(changed, n_inputs=1, n_outputs=1))
    return found


def test_species_are_families_whose_best_is_trained_on_and_whose_members_breed_among_themselves():
    genomes = family(3, 4, 3)
    fitness = [9.0, 1.0, 8.0, 7.0, 5.0, 5.0, 5.0, 5.0, 4.0, 0.0, 1.0, 2.0]
    members = [individual(20 + k, fitness[k], k, genome=genome) for k, genome in enumerate(genomes)]
    requests = propose("speciation", members, species=3, parent_fraction=0.5)
    families = [{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9, 10, 11}]
    best = [{0, 2}, {4, 5}, {8, 11}]
    means = np.array([sum(fitness[k] for k in one) / 4 for one in families])
    n_slots = [[one.parent in family for one in requests].count(True) for family in families]
    assert n_slots == pytest.approx(means / means.sum() * 12, abs=1)
    assert [one.parent for one in requests if not one.modified] == [0, 4, 8]
    for one in requests:
        if one.modified:
            number = next(k for k, family in enumerate(families) if one.parent in family)
            assert one.parent in best[number]
            assert {*one.mates} == families[number]
    assert [one.slot for one in requests] == [*range(12)]


def test_failures_are_in_no_species():
    genomes = family(3, 2, 2)
    members = [
        individual(k, fitness, k, genome=genome)
        for k, (fitness, genome) in enumerate(zip([1.0, None, 2.0, None], genomes, strict=True))
    ]
    requests = propose("speciation", members, species=2)
    assert {one.parent for one in requests} <= {0, 2}


def test_networks_of_founders_with_other_nodes_have_a_distance():
    few = [
        create_founders(FounderSettings(hidden=n), 3, 2, n_founders=1, seed=n)[0] for n in (2, 5)
    ]
    distance = compatibility_distance(*few, 1.0, 0.0)
    assert 0 < distance <= 2
    settings = SelectionSettings(name="speciation", species=1)
    members = [individual(k, 1.0, k, genome=one) for k, one in enumerate(few)]
    assert species_of(members, settings, 4) == [[0, 1]]
    assert math.isfinite(distance)
