"""Every draw is keyed by what it is for."""

import numpy as np

from evo import FounderSettings, create_founders
from evo.seeding import Purpose, generator


def test_streams_differ_by_purpose_generation_individual_and_seed():
    keys = [
        (0, Purpose.MODIFY, 0, 0), (1, Purpose.MODIFY, 0, 0), (0, Purpose.SELECTION, 0, 0),
        (0, Purpose.MODIFY, 1, 0), (0, Purpose.MODIFY, 0, 1),
    ]  # fmt: skip
    draws = {generator(*key).random() for key in keys}
    assert len(draws) == len(keys)
    assert generator(*keys[0]).random() in draws


def test_a_founder_does_not_depend_on_how_many_there_are():
    settings = FounderSettings(hidden=6, density=0.3, activation="relu", ticks=2)
    few, many = (create_founders(settings, 4, 2, n_founders=n, seed=5) for n in (2, 5))
    assert all(a.equals(b) for a, b in zip(few, many, strict=False))
    assert not many[0].equals(many[1])
    assert many[0].ticks == 2


def test_a_layered_founder_has_edges_between_neighbouring_layers_only():
    settings = FounderSettings(graph="layered", hidden=6, density=1.0)
    matrix = create_founders(settings, 4, 2, n_founders=1, seed=0)[0].to_dense()
    expected = np.zeros((12, 12), bool)
    expected[:4, 4:10] = expected[4:10, 10:] = True
    assert np.array_equal(matrix != 0, expected)
