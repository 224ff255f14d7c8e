"""Descriptors: their names, what they read, and what is refused."""

from dataclasses import fields

import numpy as np
import pytest
from schemes import individual, numbers, population, propose, select

from evo import (
    DESCRIPTORS,
    Descriptor,
    EvolutionSettings,
    FounderSettings,
    Phenotype,
    SelectionSettings,
    SettingsError,
    create_founders,
)
from evo.evolution.statistics import GenomeStatistics, describe, describe_sizes
from evo.selection.contract.descriptors import check_names, points_of


@pytest.fixture
def cycles():
    DESCRIPTORS.register("cycles", lambda individual: individual.statistics.n_cyclic > 0)
    yield "cycles"
    DESCRIPTORS.install({})


def test_each_reads_the_statistic_of_its_name_and_says_which_the_sizes_leave_empty():
    (genome,) = create_founders(FounderSettings(hidden=5), 3, 2, n_founders=1, seed=0)
    network = Phenotype(genome, "squared_error")
    every, sizes = describe(genome, network), describe_sizes(genome, network)
    assert {*DESCRIPTORS} <= {one.name for one in fields(GenomeStatistics)}
    described = individual(0, 1.0)
    described.statistics = every
    for name, descriptor in DESCRIPTORS.items():
        assert descriptor.function(described) == getattr(every, name)
        assert descriptor.of_graph == (getattr(sizes, name) is None)


def test_points_are_descriptors_and_measures_in_the_order_of_their_names(cycles):
    few = [individual(0, 1.0, parameters=3, n_cyclic=2, metrics={"x": 0.5})]
    few.append(individual(1, 1.0, parameters=4, n_cyclic=0, metrics={"x": -1.0}))
    found = points_of(few, ["x", "parameters", cycles])
    assert np.array_equal(found, [[0.5, 3.0, 1.0], [-1.0, 4.0, 0.0]])


@pytest.mark.parametrize("value", ["far", [1.0, 2.0]])
def test_a_descriptor_that_is_no_number_is_told(value):
    told = (
        r"^evolution\.selection: x must be a number for each individual; got .* for individual 7$"
    )
    with pytest.raises(SettingsError, match=told):
        points_of([individual(7, 1.0, metrics={"x": value})], ["x"])


WITHOUT = pytest.mark.parametrize("value", [None, float("nan"), float("inf"), -float("inf")])


def two_with_and_one_without(value, fitness=9.0):
    """Return individuals of which the fittest has no finite measure."""
    found = [individual(10 + k, float(k), k, metrics={"x": 0.8 * k}) for k in range(2)]
    return [individual(12, fitness, 2, metrics={"x": value}), *found]


@WITHOUT
def test_an_individual_without_a_value_is_in_no_cell_and_has_no_children(value):
    grid = {"descriptors": ["x"], "bounds": {"x": [0, 1]}, "bins": [2]}
    members = two_with_and_one_without(value)
    assert numbers(select("map_elites", population(0, 0, 0), members, **grid)) == [10, 11, 10]
    assert {one.parent for one in propose("map_elites", members, **grid)} == {1, 2}
    alone = [members[0]] * 2
    assert numbers(select("map_elites", population(0, 0), alone, **grid)) == [0, 1]
    assert {one.parent for one in propose("map_elites", alone, **grid)} == {1}


@WITHOUT
def test_an_individual_without_a_value_is_ranked_last_in_novelty_search_and_not_archived(value):
    chosen = {"descriptors": ["x"], "neighbors": 1, "elites": 0, "archive": 1, "archived": 3}
    members = two_with_and_one_without(value)
    kept = numbers(select("novelty", population(0, 0, 0, 0), members, **chosen))
    assert kept[:3] == [11, 10, 12]
    assert kept[3] in {10, 11}
    assert numbers(select("novelty", population(0, 0, 0), members, **chosen))[:2] == [11, 10]
    archive = [*members[1:], members[0]]
    requests = propose("novelty", archive, **chosen)
    assert {one.parent for one in requests} <= {0, 1}
    requests = propose("novelty", members, tournament_size=50, **{**chosen, "archive": 0})
    assert 0 not in {one.parent for one in requests if one.modified}


@WITHOUT
@pytest.mark.parametrize("objective", ["x", "-x"])
def test_an_individual_without_a_value_is_ranked_last_by_nsga2(value, objective):
    chosen = {"objectives": ["fitness", objective]}
    members = two_with_and_one_without(value)
    assert {*numbers(select("nsga2", population(0, 0), members, **chosen))} == {10, 11}
    assert numbers(select("nsga2", population(0, 0, 0), members, **chosen))[2] == 12


def test_names_are_those_of_descriptors_and_measures():
    chosen = SelectionSettings(name="novelty", descriptors=["depth", "place"])
    check_names(chosen, ["place", "return"])
    with pytest.raises(
        ValueError, match=r"^selection\.descriptors must be one of n_nodes, .*got 'place'"
    ):
        check_names(chosen, ["return"])
    with pytest.raises(ValueError, match=r"did you mean 'places'\?"):
        check_names(chosen, ["places"])
    with pytest.raises(ValueError, match="must name one thing; got 'depth', which is a descriptor"):
        check_names(chosen, ["depth", "place"])


@pytest.mark.parametrize(
    ("selection", "others", "told"),
    [
        ({"name": "map_elites"}, {}, r"selection\.descriptors must name at least one descriptor"),
        ({"name": "novelty"}, {}, r"selection\.descriptors must name at least one descriptor"),
        (
            {"name": "map_elites", "descriptors": ["depth"]},
            {},
            r"selection\.bounds must have each descriptor .*; got none for 'depth'",
        ),
        (
            {
                "name": "map_elites",
                "descriptors": ["depth"],
                "bounds": {"depth": [0, 4]},
                "bins": [4, 4],
            },
            {},
            r"selection\.bins must have a number for each descriptor \(depth\); got \[4, 4\]",
        ),
        (
            {
                "name": "map_elites",
                "descriptors": ["depth"],
                "bounds": {"depth": [0, 4]},
                "bins": [5],
            },
            {"population": 4},
            r"selection\.bins must make at most as many cells as there are slots \(population = 4\); "
            r"got \[5\], which make 5",
        ),
        (
            {"name": "novelty", "descriptors": ["macs"], "archive": 4},
            {"population": 4},
            r"selection\.archive must be less than the population \(4\); got 4",
        ),
        ({"name": "speciation"}, {"population": 1}, "population must be at least 2 where"),
        (
            {"name": "speciation", "species": 4},
            {"population": 4},
            r"selection\.species must be less than the population \(4\)",
        ),
        (
            {"name": "novelty", "descriptors": ["macs", "depth"]},
            {"statistics": "sizes"},
            r'statistics must be "all" where selection\.descriptors has depth, which is empty otherwise',
        ),
        (
            {"name": "novelty", "descriptors": ["macs", "macs"]},
            {},
            r"selection\.descriptors must name each descriptor at most once",
        ),
        (
            {"name": "novelty", "descriptors": ["macs"], "bounds": {"macs": [2, 2]}},
            {},
            r"selection\.bounds must have a finite value and a larger one .*; got \[2.0, 2.0\]",
        ),
        (
            {"name": "novelty", "descriptors": ["depth"], "bounds": {"dept": [1, 2]}},
            {},
            r"selection\.bounds must be one of depth; got 'dept' \(did you mean 'depth'\?\)",
        ),
        ({"name": "map_elites", "bins": [0]}, {}, r"selection\.bins\.0 must be greater than"),
    ],
)
def test_what_does_not_suit_is_refused_in_one_line(selection, others, told):
    with pytest.raises(SettingsError, match=f"^{told}") as caught:
        EvolutionSettings(selection=selection, **others)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["map_elites", "novelty", "speciation", "ageing", "nsga2"])
def test_what_needs_a_whole_generation_is_refused_in_the_asynchronous_mode(name):
    needed = {"descriptors": ["macs"], "bounds": {"macs": [0, 9]}}
    chosen = {"name": name, **(needed if name in ("map_elites", "novelty") else {})}
    with pytest.raises(SettingsError, match=r'^selection\.name must be .* where mode = "async'):
        EvolutionSettings(mode="asynchronous", selection=chosen)


def test_a_descriptor_is_a_function_of_an_individual():
    with pytest.raises(TypeError, match="descriptor 'f' must be a function of"):
        DESCRIPTORS.register("f", Descriptor(lambda: 1))
    assert "f" not in DESCRIPTORS
