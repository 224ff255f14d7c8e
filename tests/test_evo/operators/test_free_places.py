"""Free places: what is listed and drawn, against a plain look at every place."""

import itertools

import numpy as np
import pytest

from evo import FounderSettings, GenomeEditor, Role, create_founders
from evo.operators import free_places
from evo.operators.free_places import PlacesInColumns, PlacesInMatrix, list_or_draw


def editor(ticks=1, seed=0):
    settings = FounderSettings(hidden=10, density=0.5, ticks=ticks)
    return GenomeEditor(create_founders(settings, 4, 2, n_founders=1, seed=seed)[0])


def expected(some, targets):
    """Return free places of some targets where an edge has an effect on its target, by target and source."""
    genome = some.parent
    stored = set(zip(genome.indices.tolist(), genome.targets.tolist(), strict=True))
    is_input = genome.roles == Role.INPUT
    return [
        (source, target)
        for target, source in itertools.product(targets, range(genome.n_nodes))
        if (source, target) not in stored
        and not is_input[target]
        and (
            genome.ticks > 1
            or ((source < target or is_input[source]) and genome.roles[source] != Role.OUTPUT)
        )
    ]


def pairs(places):
    return [tuple(map(int, place)) for place in zip(*places, strict=True)]


@pytest.mark.parametrize("ticks", [1, 2])
def test_free_places_of_columns_are_listed_and_drawn(ticks):
    for seed in range(5):
        some = editor(ticks, seed)
        targets = some.positions(Role.HIDDEN)
        places = PlacesInColumns(some, targets)
        every = expected(some, targets.tolist())
        assert pairs(places.all()) == every
        assert places.n_places == len(targets) * (14 if ticks == 1 else 16)
        drawn = pairs(places.draw(5, np.random.default_rng(seed)))
        assert len(set(drawn)) == 5
        assert drawn == [place for place in every if place in drawn]
        assert pairs(places.draw(10**4, np.random.default_rng(seed))) == every


@pytest.mark.parametrize("ticks", [1, 2])
def test_free_places_of_the_matrix_are_distinct_and_effective(ticks):
    for seed in range(5):
        some = editor(ticks, seed)
        every = expected(some, range(some.n_nodes))
        drawn = pairs(PlacesInMatrix(some).draw(6, np.random.default_rng(seed)))
        assert len(set(drawn)) == 6
        assert set(drawn) <= set(every)


def test_many_places_are_drawn_and_few_are_listed(monkeypatch):
    some = editor()
    places = PlacesInColumns(some, some.positions(Role.HIDDEN))
    assert pairs(list_or_draw(places, 3, np.random.default_rng(0))) == pairs(places.all())
    monkeypatch.setattr(free_places, "LARGEST_LISTED", places.n_places - 1)
    assert len(pairs(list_or_draw(places, 3, np.random.default_rng(0)))) == 3


def test_each_drawn_key_counts_once_in_the_order_of_its_first_occurrence():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        keys = rng.integers(0, int(rng.choice([3, 50, 10**15])), int(rng.integers(0, 200)))
        _, first = np.unique(keys, return_index=True)
        np.testing.assert_array_equal(free_places._distinct(keys), keys[np.sort(first)])
