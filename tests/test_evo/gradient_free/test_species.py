"""Species and crossover: distances and children beside plain programs on genomes, and the lineage of two parents."""

import numpy as np
import pytest
from small_networks import bred_population

from cnn import Samples
from evo import NeuroevolutionSettings, neuroevolve, replay
from evo.gradient_free.compiled_run import prepare_run
from evo.gradient_free.dense_population import empty_log, empty_networks, genome_at, record_from_log
from evo.gradient_free.neuroevolution_kernels import network_at
from evo.gradient_free.selection import (
    NO_MATE,
    PARENT_SELECTIONS,
    Parentage,
    Ranked,
    SpeciesSelection,
    fitter_first,
)
from evo.gradient_free.species_kernels import distance

XOR = Samples([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [[0.0], [1.0], [1.0], [0.0]])
SETTINGS = NeuroevolutionSettings(
    population=60, elites=0, crossover_probability=1.0, ticks=2, hidden=5
)


@pytest.fixture(scope="module")
def run():
    return prepare_run(XOR, SETTINGS, 0)


@pytest.fixture(scope="module")
def networks(run):
    networks = bred_population(run, 5)
    assert (np.diff(networks.ids, axis=1) < 0).any(), "no node moved"
    return networks


def by_ids(genome):
    """Return the weights by the ids of both ends, and the biases by id."""
    ids = genome.ids.tolist()
    ends = zip(genome.indices.tolist(), genome.targets.tolist(), strict=True)
    weights = {(ids[i], ids[j]): w for (i, j), w in zip(ends, genome.values.tolist(), strict=True)}
    return weights, dict(zip(ids, genome.bias.tolist(), strict=True))


# -- distance ----------------------------------------------------------------------------------------------------------


def test_the_distance_is_that_of_a_plain_program_on_genomes(run, networks):
    rng, seen = np.random.default_rng(0), set()
    for a, b in rng.integers(run.size, size=(60, 2)).tolist():
        (mine, my_biases), (theirs, their_biases) = (
            by_ids(genome_at(networks, p, run.rules)) for p in (a, b)
        )
        common = mine.keys() & theirs.keys()
        alone = len(mine.keys() ^ theirs.keys()) / max(len(mine), len(theirs))
        differences = [abs(mine[edge] - theirs[edge]) for edge in common]
        differences += [abs(my_biases[node] - their_biases[node]) for node in my_biases]
        expected = 1.5 * alone + 0.4 * np.mean(differences)
        place_in_b = np.argsort(networks.ids[b])
        first, second = network_at(networks, a), network_at(networks, b)
        assert distance(first, second, place_in_b, 1.5, 0.4) == pytest.approx(expected, rel=1e-6)
        seen.add(round(expected, 6))
        assert distance(first, first, np.argsort(networks.ids[a]), 1.5, 0.4) == 0
    assert len(seen) > 30


# -- crossover ---------------------------------------------------------------------------------------------------------


def test_a_child_has_its_parents_wiring_and_homologous_weights_of_either():
    only_crossed = SETTINGS.model_copy(update={"operator_weights": {"H": 1.0}})
    run = prepare_run(XOR, only_crossed, 0)  # H moves nodes and changes no weight
    parents, children = (
        bred_population(prepare_run(XOR, SETTINGS, 0), 5),
        empty_networks(run.size, run.n_nodes),
    )
    mate_of = np.roll(np.arange(run.size, dtype=np.int32), 7)
    mate_of[:5] = NO_MATE
    parentage = Parentage(np.arange(run.size, dtype=np.int32), mate_of, 0)
    run.breed(parents, parentage, 3, 0, run.size, children, empty_log(0, run.n_nodes))
    n_theirs, n_homologous = 0, 0
    for p in range(run.size):
        child, child_biases = by_ids(genome_at(children, p, run.rules))
        parent, parent_biases = by_ids(genome_at(parents, p, run.rules))
        assert child.keys() == parent.keys()
        if p < 5:
            assert (child, child_biases) == (parent, parent_biases)
            continue
        mate, mate_biases = by_ids(genome_at(parents, int(mate_of[p]), run.rules))
        for mine, own, other in (
            (child, parent, mate),
            (child_biases, parent_biases, mate_biases),
        ):
            for key, value in mine.items():
                if key not in other:
                    assert value == own[key]
                elif own[key] != other[key]:
                    assert value in (own[key], other[key])
                    n_theirs += value == other[key]
                    n_homologous += 1
    assert n_theirs / n_homologous == pytest.approx(0.5, abs=0.05)


def test_the_record_of_a_crossed_child_replays_on_its_parent_and_chunks_change_nothing(
    run, networks
):
    mate_of = np.roll(np.arange(run.size, dtype=np.int32), 11)
    parentage = Parentage(np.arange(run.size, dtype=np.int32), mate_of, 0)
    together, alone = (empty_networks(run.size, run.n_nodes) for _ in range(2))
    run.breed(networks, parentage, 4, 0, run.size, together, empty_log(0, run.n_nodes))
    for p in range(run.size):
        log = empty_log(SETTINGS.max_operations + 1, run.n_nodes)
        run.breed(networks, parentage, 4, p, p + 1, alone, log)
        parent, child = (genome_at(some, p, run.rules) for some in (networks, alone))
        record = record_from_log(log)
        assert record[0][0] == "N"
        assert replay(record, parent).equals(child)
    assert all(np.array_equal(*pair) for pair in zip(together, alone, strict=True))


def test_the_fitter_one_of_two_is_the_parent():
    ranking = np.array([3, 1, 0, 2])
    parent_of, mate_of = np.array([[0, 3, 1, 2], [1, 0, 1, 3]], np.int32)
    has_mate = np.array([True, True, True, False])
    parents, mates = fitter_first(parent_of, mate_of, ranking, has_mate)
    assert parents.tolist() == [1, 3, 1, 2]
    assert mates.tolist() == [0, 0, NO_MATE, NO_MATE]


@pytest.mark.parametrize("selection", PARENT_SELECTIONS)
def test_the_lineage_of_a_child_of_two_replays_bit_for_bit(selection):
    settings = NeuroevolutionSettings(
        output_activation="sigmoid", crossover_probability=0.75, selection=selection, generations=12
    )
    for seed in range(3):
        result = neuroevolve(XOR, settings, seed=seed)
        again = neuroevolve(XOR, settings, seed=seed)
        assert result.winner.equals(again.winner)
        genome, ancestors = result.lineage()
        assert any(ancestor.mate is not None for ancestor in ancestors)
        for ancestor in ancestors:
            genome = replay(ancestor.record, genome)
        assert genome.equals(result.winner)


# -- species -----------------------------------------------------------------------------------------------------------


def species_of(selection, population, fitness, generation=1):
    ranking = np.argsort(-fitness, kind="stable")
    return selection._divide(Ranked(population, fitness, ranking), generation), ranking


def speciating(**given):
    settings = NeuroevolutionSettings(population=60, selection="speciation", elites=1, **given)
    return SpeciesSelection(settings, 0)


def test_members_are_near_their_representative_and_no_earlier_species_is(run, networks):
    selection, fitness = (
        speciating(compatibility_threshold=1.9, species=20),
        np.random.default_rng(0).normal(size=60),
    )
    groups, ranking = species_of(selection, networks, fitness)
    assert 2 < len(groups) < 40
    assert sorted(np.concatenate(groups)) == list(range(60))
    best = [int(group[0]) for group in groups]
    rank = np.argsort(ranking)
    for s, group in enumerate(groups):
        assert (np.diff(rank[group]) > 0).all(), "members stand from best to worst"
        for p in group.tolist():
            place, network = np.argsort(networks.ids[p]), network_at(networks, p)
            near = [
                distance(network_at(networks, other), network, place, 1.0, 0.5) < 1.9
                for other in best
                if rank[other] <= rank[p]
            ]
            assert near.index(True) == s if p != best[s] else not any(near[:s])


def test_the_threshold_follows_the_number_of_species(run, networks):
    fitness = np.random.default_rng(0).normal(size=60)
    few, many = speciating(compatibility_threshold=1e9), speciating(compatibility_threshold=1e-9)
    species_of(few, networks, fitness)
    species_of(many, networks, fitness)
    assert (few.n_species, many.n_species) == (1, 40)
    assert few.threshold < 1e9
    assert many.threshold > 1e-9


def test_children_are_shared_by_mean_fitness_and_not_by_the_number_of_members():
    selection = speciating(stagnation=5)
    fitness = np.array([10.0, 4.0, 4.0, 4.0, 0.0, 0.0, 6.0, np.nan])
    ranking = np.argsort(-fitness, kind="stable")
    last = Ranked(None, fitness, ranking)
    members = [np.array([0]), np.array([6, 1, 2, 3]), np.array([4, 5, 7])]
    selection._risen = np.array([1, 1, 1])
    assert selection._share(members, last, 2).tolist() == [6, 2, 0]
    selection._risen = np.array([1, 20, 20])
    shares = selection._share(members, last, 20)
    assert shares.tolist() == [6, 2, 0], "the species of the best individual stays"
    selection._risen = np.array([20, 1, 20])
    assert selection._share(members, last, 20).tolist() == [8, 0, 0]
    assert selection._share(members, Ranked(None, np.zeros(8), ranking), 20).tolist() == [4, 0, 4]


def test_parents_and_mates_are_of_one_species_and_its_best_ones_stay(run, networks):
    settings = NeuroevolutionSettings(
        population=60,
        selection="speciation",
        crossover_probability=0.5,
        parent_fraction=0.5,
        compatibility_threshold=1.9,
    )
    selection = SpeciesSelection(settings, 0)
    fitness = np.random.default_rng(1).normal(size=60)
    chosen = selection.choose(Ranked(networks, fitness, np.argsort(-fitness)), 1)
    groups, _ = species_of(SpeciesSelection(settings, 0), networks, fitness)
    home = {p: s for s, group in enumerate(groups) for p in group.tolist()}
    large = [group for group in groups if len(group) >= 5]
    assert len(groups) > 2
    assert chosen.n_elites <= 2 * len(large)
    assert set(chosen.parent_of[: chosen.n_elites].tolist()) <= {
        p for group in large for p in group[:2].tolist()
    }
    assert ranking_best(fitness) in chosen.parent_of.tolist()
    mated = np.flatnonzero(chosen.mate_of != NO_MATE)
    assert 5 < len(mated) < 45
    assert not set(mated.tolist()) & set(range(chosen.n_elites))
    for parent, mate in zip(chosen.parent_of[mated], chosen.mate_of[mated], strict=True):
        assert home[int(parent)] == home[int(mate)]
        assert fitness[parent] > fitness[mate]
    for p in set(chosen.parent_of.tolist()):
        group = groups[home[p]]
        assert p in group[: max(2, round(len(group) / 2))]


def ranking_best(fitness):
    return int(np.argmax(fitness))
