"""Operator N moves weights and biases that are there, if its settings say so."""

import numpy as np
import pytest

from evo import OPERATORS, FounderSettings, Genome, create_founders, replay
from evo.operators.operation import OperatorSettings

ALWAYS = OperatorSettings(mutation_probability=1.0, mutation_std=0.3)


def genome(seed=0):
    rng = np.random.default_rng(seed)
    matrix = np.triu(rng.normal(size=(9, 9)), 1) * (rng.random((9, 9)) < 0.6)
    return Genome.from_matrix(
        matrix.astype(np.float32), n_inputs=2, n_outputs=2, bias=rng.normal(size=9)
    )


def test_places_stay_and_some_numbers_move_by_normal_draws():
    parent, moves, shares = genome(), [], []
    degree = np.maximum(np.diff(parent.indptr), 1)
    for seed in range(300):
        child, operation = OPERATORS["N"](parent, rng=np.random.default_rng(seed), settings=ALWAYS)
        assert operation.n_stored_after == operation.n_stored_before
        np.testing.assert_array_equal(child.indices, parent.indices)
        moved = child.values != parent.values
        moves += ((child.values - parent.values) * np.sqrt(degree[parent.targets]))[moved].tolist()
        biases = (child.bias != parent.bias) & (np.arange(9) >= 2)
        assert not (child.bias != parent.bias)[:2].any()
        shares.append((moved.sum() + biases.sum()) / (len(moved) + 7))
    assert np.std(moves) == pytest.approx(0.3, rel=0.05)
    assert np.mean(moves) == pytest.approx(0.0, abs=0.02)
    assert np.mean(shares) == pytest.approx(0.5, abs=0.06)


def test_a_record_gives_the_child_bit_for_bit():
    parent = genome()
    for seed in range(20):
        child, operation = OPERATORS["N"](parent, rng=np.random.default_rng(seed), settings=ALWAYS)
        assert replay([operation], parent).equals(child)


def test_kernels_of_maps_move_too():
    settings = FounderSettings(graph="maps", layers=[[6, 3], [1, 4]], kernel=3)
    (parent,) = create_founders(settings, 1, 2, n_founders=1, seed=0, map_size=6)
    child, operation = OPERATORS["N"](parent, rng=np.random.default_rng(1), settings=ALWAYS)
    assert (child.values != parent.values).any()
    np.testing.assert_array_equal(child.taps, parent.taps)
    assert replay([operation], parent).equals(child)


def test_by_default_nothing_is_drawn_for_it():
    parent = genome()
    children = [
        OPERATORS["N"](parent, rng=np.random.default_rng(3), settings=settings)[0]
        for settings in (None, OperatorSettings(mutation_std=2.0))
    ]
    assert children[0].equals(children[1])
    assert children[0].n_stored > parent.n_stored
