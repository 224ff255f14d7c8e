"""Operator V: the mean of relatives, and the greedy soup."""

import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from wirings import graph, weights_of

from evo import OPERATORS, GenomeEditor, greedy_soup, replay
from evo.operators.operation import OperatorSettings, ProposalContext
from evo.operators.registry import RECOMBINATIONS, apply_operation
from evo.recombination import Mate


def mean_of(parent, *mates, weights=None):
    weights = weights or [1.0] * (len(mates) + 1)
    record = [("V", {"mates": list(range(len(mates))), "weights": weights})]
    return replay(record, parent, dict(enumerate(mates)))


@pytest.mark.parametrize("n_mates", [1, 2, 6])
def test_a_network_averaged_with_itself_is_itself_to_the_bit(
    n_mates, random_genome, random_map_genome
):
    for make in (random_genome, random_map_genome):
        for seed in range(3):
            genome = make(np.random.default_rng(seed))
            shares = np.random.default_rng(seed).uniform(0.1, 9, n_mates + 1).tolist()
            assert mean_of(genome, *[genome] * n_mates, weights=shares).equals(genome)


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [0.25, 3.0, 1.5], [1e-300, 2e-300, 5e-300]])
def test_the_mean_of_equal_topologies_is_exact(weights, random_map_genome):
    rng = np.random.default_rng(0)
    parent = random_map_genome(rng)
    others = [
        parent.with_values(rng.normal(size=parent.n_stored), rng.normal(size=parent.n_nodes))
        for _ in range(2)
    ]
    child = mean_of(parent, *others, weights=weights)
    shares = [Fraction(weight) / sum(map(Fraction, weights)) for weight in weights]
    for name in ("values", "bias"):
        columns = zip(*(getattr(one, name).tolist() for one in (parent, *others)), strict=True)
        exact = [
            float(sum(share * Fraction(one) for share, one in zip(shares, column, strict=True)))
            for column in columns
        ]
        np.testing.assert_allclose(getattr(child, name), exact, rtol=1e-14, atol=1e-16)
    assert np.array_equal(child.indptr, parent.indptr)
    assert np.array_equal(child.taps, parent.taps)


def test_entries_of_one_alone_count_as_zero_and_each_node_keeps_its_number_of_entries():
    parent = graph({(0, 2): 4.0, (1, 2): 1.0, (2, 4): 2.0})
    mate = graph({(0, 2): 2.0, (0, 4): 8.0, (2, 4): 4.0})
    child = mean_of(parent, mate)
    # Node 2: 3.0 and 0.5. Node 4: 3.0 from node 2 and 4.0 from node 0, of which one stays.
    assert weights_of(child) == {(0, 2): 3.0, (1, 2): 0.5, (0, 4): 4.0}
    assert weights_of(mean_of(parent, mate, weights=[3.0, 1.0])) == {
        (0, 2): 3.5,
        (1, 2): 0.75,
        (2, 4): 2.5,
    }


def test_the_column_of_a_node_is_averaged_over_those_that_have_the_node():
    parent = graph({(0, 2): 4.0, (0, 3): 6.0, (2, 4): 2.0, (3, 4): 5.0})
    record = [("R", {"node": 3}), ("N", {"sources": [0], "targets": [2], "values": [8.0]})]
    mate = replay(record, parent)
    assert weights_of(mean_of(parent, mate)) == {(0, 2): 6.0, (0, 3): 6.0, (2, 4): 2.0, (3, 4): 2.5}
    # A node that only the mate has is not taken along.
    assert weights_of(mean_of(mate, parent)) == {(0, 2): 6.0, (2, 4): 2.0}


def test_nodes_are_told_by_their_ids_whatever_their_order():
    parent = graph({(0, 2): 4.0, (0, 3): 6.0, (2, 3): 1.0, (3, 4): 5.0})
    mate = replay(
        [("H", {"node": 3, "destination": 0}), ("H", {"node": 4, "destination": 1})], parent
    )
    assert not np.array_equal(mate.ids, parent.ids)
    assert mean_of(parent, mate).equals(parent)


def test_siblings_that_each_added_a_node_do_not_take_one_for_the_other():
    parent = graph({(0, 2): 4.0, (1, 3): 6.0, (2, 4): 1.0, (3, 4): 5.0})
    split = {"position": 3, "activation": 1, "weights": [9.0, 9.0]}
    one = replay([("S", split | {"source": 0, "target": 2, "position": 2})], parent)
    other = replay([("S", split | {"source": 3, "target": 4, "position": 4})], parent)
    assert one.ids.max() == other.ids.max() == 5
    child = weights_of(mean_of(one, other))
    assert (child[0, 5], child[5, 2]) == (9.0, 4.5)


def test_dormant_entries_are_averaged_and_thresholds_stay():
    thresholds = np.array([0, 0, 0.5, 0.5, 1.0], np.float32)
    parent = graph({(0, 2): 0.4, (2, 4): 2.0}, threshold=thresholds)
    mate = graph({(0, 2): 0.8, (2, 4): -1.0}, threshold=0.1)
    child = mean_of(parent, mate)
    assert np.array_equal(child.threshold, thresholds)
    assert child.active_mask().tolist() == [True, False]  # 0.6 awakes, 0.5 falls asleep


def test_the_optimizer_state_of_what_changed_is_zero_and_the_rest_stays():
    parent = graph({(0, 2): 4.0, (1, 2): 1.0, (2, 4): 2.0})
    mate = graph({(0, 2): 4.0, (1, 2): 3.0, (2, 4): 2.0})
    editor = GenomeEditor(parent, mates={7: mate})
    apply_operation(editor, "V", {"mates": [7], "weights": [1.0, 1.0]})
    moments = np.arange(1.0, parent.n_stored + parent.n_nodes + 1)[None]
    assert editor.carry(moments)[0].tolist() == [1, 0, *range(3, 9)]


# -- soups -------------------------------------------------------------------------------------------------------------


def soup(parent, mates, loss):
    """Return the parameters of the soup of a parent and mates, given the loss as a function of the one weight."""
    editor = GenomeEditor(parent, mates=mates)
    relatives = tuple(Mate(number, mate) for number, mate in mates.items())
    context = ProposalContext(
        np.random.default_rng(0),
        OperatorSettings(),
        mates=relatives,
        validation_loss=lambda genome: loss(float(genome.values[0])),
    )
    return RECOMBINATIONS["soup"].propose(editor, context)


def test_a_soup_keeps_each_mate_that_does_not_raise_the_loss_of_the_mean():
    parent = graph({(0, 4): 4.0})
    mates = {5: graph({(0, 4): 8.0}), 3: graph({(0, 4): 2.0}), 9: graph({(0, 4): 3.0})}
    found = soup(parent, mates, loss=lambda weight: abs(weight - 2.9))
    # (4 + 8)/2 is worse than 4, (4 + 2)/2 = 3 is better, (4 + 2 + 3)/3 = 3 is no worse.
    assert found == {"mates": [3, 9], "weights": [1.0, 1.0, 1.0], "tried": [5, 3, 9]}
    assert weights_of(replay([("V", found)], parent, mates)) == {(0, 4): 3.0}


def test_there_is_no_soup_of_the_parent_alone():
    parent, mates = graph({(0, 4): 4.0}), {5: graph({(0, 4): 8.0})}
    assert soup(parent, mates, loss=lambda weight: weight) is None
    assert soup(parent, {}, loss=lambda weight: weight) is None


def test_a_soup_of_given_networks_begins_with_the_best_and_has_the_lowest_loss_found():
    genomes = [graph({(0, 4): weight}) for weight in (8.0, 4.0, 2.0, 3.5)]
    seen = []

    def loss(genome):
        seen.append(abs(float(genome.values[0]) - 3.2))
        return seen[-1]

    soup, members = greedy_soup(genomes, loss)
    # 3.5 is the best; 3.75 with 4 is worse, 2.75 with 2 is worse, and so is 5.75 with 8.
    assert (weights_of(soup), members) == ({(0, 4): 3.5}, [3])
    assert len(seen) == 7
    soup, members = greedy_soup([graph({(0, 4): 2.0}), genomes[3], genomes[1]], loss)
    assert members == [1]
    soup, members = greedy_soup([graph({(0, 4): 2.8}), genomes[3]], loss)
    assert (weights_of(soup)[0, 4], members) == (pytest.approx(3.15), [1, 0])
    assert greedy_soup(genomes[:1], loss) == (genomes[0], [0])


def test_a_soup_of_no_networks_or_of_strangers_is_refused():
    with pytest.raises(ValueError, match="genomes must be one or more; got none"):
        greedy_soup([], float)
    genome = graph({(0, 4): 1.0})
    with pytest.raises(ValueError, match="mates must have the same inputs"):
        greedy_soup([genome, of_other_input(genome)], lambda genome: 0.0)


def test_a_soup_needs_the_validation_loss():
    parent = graph({(0, 4): 4.0})
    context = ProposalContext(np.random.default_rng(0), OperatorSettings())
    with pytest.raises(ValueError, match="validation_loss must be given"):
        RECOMBINATIONS["soup"].propose(GenomeEditor(parent), context)


# -- refusals ----------------------------------------------------------------------------------------------------------


def of_other_input(genome):
    return replace(genome, ids=np.where(genome.ids == 0, 17, genome.ids))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"mates": [4], "weights": [1.0, 1.0]}, "mates must be of [1, 2], those given; got 4"),
        ({"mates": [2], "weights": [1.0, 1.0]}, "mates must have the same inputs"),
        ({"mates": [1], "weights": [1.0]}, "weights must be 2 numbers above 0"),
        ({"mates": [1], "weights": [1.0, 0.0]}, "weights must be 2 numbers above 0"),
        ({"mates": [1], "weights": [1e-300, 1e300]}, "weights must be 2 numbers above 0"),
        ({"mates": [1]}, "weights must be given"),
        ({"mates": [], "weights": [1.0]}, "mates must be a list of one or more"),
    ],
)
def test_a_record_that_cannot_be_replayed_is_refused_in_one_line(parameters, message):
    genome = graph({(0, 2): 4.0, (2, 4): 2.0})
    genome = genome.with_values(genome.values.astype(float), genome.bias.astype(float))
    mates = {1: genome, 2: of_other_input(genome)}
    with pytest.raises(ValueError, match=re.escape(f"record[0] (operator V): {message}")):
        replay([("V", parameters)], genome, mates)


def test_a_mate_that_does_not_fit_is_left_out_and_without_mates_nothing_is_proposed():
    genome = graph({(0, 2): 4.0, (2, 4): 2.0})
    rng = np.random.default_rng(0)
    for code in "VY":
        others = [of_other_input(genome), replace(genome, ticks=2)]
        unfit = dict(enumerate(others))
        assert OPERATORS[code](genome, rng=rng, mates=unfit) == (genome, None)
        assert OPERATORS[code](genome, rng=rng) == (genome, None)
    unfit[2] = genome.with_values(genome.values * 2, genome.bias)
    assert OPERATORS["V"](genome, rng=rng, mates=unfit)[1].parameters["mates"] == [2]
