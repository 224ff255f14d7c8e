"""Shuffled wiring: all degrees stay, edges keep their groups and directions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphops
from graphops import shuffle_sources


@st.composite
def edges(draw):
    """Draw a random directed graph, self-loops among its edges, and a group for each edge."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 12))
    sources, targets = np.nonzero(rng.random((n, n)) < draw(st.floats(0.05, 0.9)))
    return n, sources, targets, rng.integers(2, size=len(sources)), rng


@given(edges())
def test_degrees_directions_and_groups_stay_and_no_edge_is_twice(graph):
    n, sources, targets, groups, rng = graph
    found = shuffle_sources(sources, targets, rng=rng, groups=groups)
    assert len(set(zip(found, targets, strict=True))) == len(sources)
    assert np.array_equal(np.sign(targets - found), np.sign(targets - sources))
    for group in (0, 1):
        own = groups == group
        for ends in (sources, found):
            counts = np.bincount(ends[own], minlength=n)
            assert np.array_equal(counts, np.bincount(sources[own], minlength=n))


def test_every_wiring_with_these_degrees_is_drawn_about_equally_often():
    # Three sources with one out-edge, three targets with one in-edge: 3! wirings.
    counts = {}
    for seed in range(600):
        found = shuffle_sources([0, 1, 2], [3, 4, 5], rng=np.random.default_rng(seed))
        counts[tuple(found)] = counts.get(tuple(found), 0) + 1
    assert len(counts) == 6
    assert min(counts.values()) > 60  # of 100 expected


def test_a_large_network_forgets_its_wiring_and_stays_acyclic():
    W = graphops.feedforward(30, 40, 10, 0.3, rng=np.random.default_rng(0))
    targets = np.repeat(np.arange(80), np.diff(W.indptr))
    found = shuffle_sources(W.indices, targets, rng=np.random.default_rng(1))
    before = set(zip(W.indices, targets, strict=True))
    shared = len(before & set(zip(found, targets, strict=True))) / len(before)
    assert shared < 0.6  # 0.3 of the places are edges, and early nodes have few places
    assert (found < targets).all()


def test_a_full_network_has_no_other_wiring():
    sources, targets = np.nonzero(np.ones((4, 4)))
    assert np.array_equal(shuffle_sources(sources, targets, rng=np.random.default_rng(0)), sources)


def test_positions_decide_which_edges_are_turned_around():
    # As a source, node 3 comes before all others, so its edges and those of node 0 are alike.
    positions = [0, 1, 2, -1]
    seen = {
        tuple(shuffle_sources([0, 3], [1, 2], rng=np.random.default_rng(k), positions=positions))
        for k in range(20)
    }
    assert seen == {(0, 3), (3, 0)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 0], [1, 1]), "must have each edge once"),
        (([0, 1], [1]), "must have one number for each edge"),
    ],
)
def test_wrong_edges_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        shuffle_sources(*arguments, rng=np.random.default_rng(0))
