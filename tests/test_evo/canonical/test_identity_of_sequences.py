"""Identity where inputs are sequences: the engine judges what the comparison calls the same."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo import OPERATORS, Genome, Phenotype, Role, canonical_hash, same_network
from evo.canonical.canonical import match_nodes
from evo.editing.editor import GenomeEditor
from evo.evolution.duplicates import duplicates_training
from evo.evolution.statistics import describe
from evo.operators.preserving import duplicate_node, remove_ineffective, reorder_freely


def draw(seed, ticks, *, weights=(-1.0, 0.5, 1.0), n=6):
    """Draw a genome of few different weights, so that nodes look alike, with its roles anywhere in the order."""
    rng = np.random.default_rng([seed, ticks])
    matrix = rng.choice(weights, size=(n, n)) * (rng.random((n, n)) < 0.4)
    genome = Genome.from_matrix(matrix, n_inputs=2, n_outputs=1, ticks=ticks, activation="tanh")
    return replace(genome, roles=rng.permutation(genome.roles)), rng


def reordered(genome, order):
    editor = GenomeEditor(genome, origins=False)
    editor.reorder(order)
    return editor.freeze()


def agree(a, b, rng):
    """Tell whether two genomes give the same outputs for constant inputs, and for sequences."""
    inputs = (rng.normal(size=(4, 2)), rng.normal(size=(4, a.ticks, 2)))
    return [
        np.allclose(*(Phenotype(one, "squared_error").output(x) for one in (a, b)), atol=1e-12)
        for x in inputs
    ]


seeds = st.integers(0, 2**32 - 1)


@given(seed=seeds, ticks=st.integers(1, 4))
def test_networks_that_are_called_the_same_answer_the_same(seed, ticks):
    genome, rng = draw(seed, ticks)
    for _ in range(8):
        other = reordered(genome, rng.permutation(genome.n_nodes))
        same = same_network(genome, other)
        assert same == (canonical_hash(genome) == canonical_hash(other))
        assert not same or all(agree(genome, other, rng))


@given(seed=seeds, ticks=st.integers(1, 4))
def test_a_network_under_other_names_is_the_same_and_answers_the_same(seed, ticks):
    genome, rng = draw(seed, ticks)
    free = reorder_freely(genome, rng)
    names = rng.permutation(100)[: genome.n_nodes]
    for role in (Role.INPUT, Role.OUTPUT):  # the order of inputs and outputs is that of their names
        nodes = np.flatnonzero(free.roles == role)
        by_name = nodes[np.argsort(free.ids[nodes])]
        names[by_name] = np.sort(names[by_name])
    other = replace(free, ids=names)
    assert same_network(genome, other)
    assert match_nodes(genome, other) is not None
    assert canonical_hash(genome) == canonical_hash(other)
    assert all(agree(genome, other, rng))


@given(seed=seeds, ticks=st.integers(1, 4))
def test_what_preserves_the_function_preserves_it_for_sequences(seed, ticks):
    genome, rng = draw(seed, ticks, n=8)
    children = [remove_ineffective(genome), reorder_freely(genome, rng)]
    children += [
        duplicate_node(genome, int(k)) for k in np.flatnonzero(genome.roles == Role.HIDDEN)
    ]
    children += [OPERATORS[code](genome, rng=rng)[0] for code in "EOU"]
    for child in children:
        assert all(agree(genome, child, rng))


@pytest.mark.parametrize("ticks", [2, 3])
def test_the_engine_finds_both_kinds_of_pairs(ticks):
    # Pairs that differ for sequences alone occur, and pairs that are the same: the properties above are not empty.
    found = set()
    for seed in range(60):
        genome, rng = draw(seed, ticks)
        other = reordered(genome, rng.permutation(genome.n_nodes))
        found.add((same_network(genome, other), *agree(genome, other, rng)))
    assert {(True, True, True), (False, True, False), (False, False, False)} <= found


def two_orders():
    matrix = [[0, 1.0, 0], [0, 0, 1.0], [0, 0, 0]]
    genome = Genome.from_matrix(matrix, n_inputs=1, n_outputs=1, ticks=2, activation="identity")
    return genome, reordered(genome, [1, 0, 2])


def test_an_input_behind_its_target_is_heard_one_step_later():
    early, late = two_orders()
    sequence = np.array([[[1.0], [10.0]]])
    answers = [Phenotype(one, "squared_error").output(sequence).item() for one in (early, late)]
    assert answers == [10.0, 1.0]
    assert not same_network(early, late)
    assert canonical_hash(early) != canonical_hash(late)
    assert not duplicates_training(Phenotype(late), None, early, None)


def test_with_one_tick_the_place_of_an_input_does_not_matter():
    early, late = (replace(one, ticks=1) for one in two_orders())
    assert same_network(early, late)
    assert canonical_hash(early) == canonical_hash(late)
    assert duplicates_training(Phenotype(late), None, early, None)


def test_the_hash_of_a_network_whose_inputs_come_first_is_as_it_was():
    early, _ = two_orders()
    assert canonical_hash(early) == "baf48ff2e4417fa226709c53ea96c969"


def test_the_edges_of_late_inputs_are_delayed_in_the_statistics():
    early, late = two_orders()
    found = [describe(one, Phenotype(one, "squared_error")) for one in (early, late)]
    assert [one.n_delayed for one in found] == [0, 1]
    assert [one.depth for one in found] == [2, 1]
