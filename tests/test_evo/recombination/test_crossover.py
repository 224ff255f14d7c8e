"""Operator Y: weights of either, and the wiring of the fitter one."""

from dataclasses import replace

import numpy as np
import pytest
from wirings import graph, weights_of

from evo import GenomeEditor, Role, replay
from evo.genome.validity import check_genome
from evo.operators.operation import OperatorSettings, ProposalContext
from evo.operators.registry import OPERATORS, apply_operation
from evo.recombination import Mate


def cross(parent, mate, wiring, seed=0):
    record = [("Y", {"mates": [4], "wiring": wiring, "seed": seed})]
    return replay(record, parent, {4: mate})


def mutant(genome, seed, letters="NISNRH"):
    """Return a relative: other nodes, other edges, other weights."""
    rng = np.random.default_rng(seed)
    editor = GenomeEditor(genome)
    for letter in letters:
        context = ProposalContext(rng, OperatorSettings(max_density=1.0))
        parameters = OPERATORS[letter].propose(editor, context)
        if parameters is not None:
            apply_operation(editor, letter, parameters)
    found = editor.freeze()
    return found.with_values(
        rng.normal(size=found.n_stored).astype(found.values.dtype),
        rng.normal(size=found.n_nodes).astype(found.values.dtype),
    )


def test_homologous_weights_are_of_either_and_the_others_of_the_fitter_one():
    parent = graph({(0, 2): 1.0, (1, 2): 2.0, (2, 4): 3.0})
    mate = graph({(0, 2): -1.0, (0, 4): -4.0, (2, 4): -3.0})
    seen = set()
    for seed in range(32):
        of_parent = weights_of(cross(parent, mate, "parent", seed))
        assert of_parent.keys() == weights_of(parent).keys()
        assert of_parent[1, 2] == 2.0
        of_mate = weights_of(cross(parent, mate, "mate", seed))
        assert of_mate.keys() == weights_of(mate).keys()
        assert of_mate[0, 4] == -4.0
        assert {place: of_mate[place] for place in ((0, 2), (2, 4))} == {
            place: of_parent[place] for place in ((0, 2), (2, 4))
        }
        seen.add((of_mate[0, 2], of_mate[2, 4]))
    assert seen == {(1.0, 3.0), (1.0, -3.0), (-1.0, 3.0), (-1.0, -3.0)}


@pytest.mark.parametrize("threshold", [None, 0.3, "per node"])
@pytest.mark.parametrize("ticks", [1, 3])
@pytest.mark.parametrize("maps", [False, True])
def test_with_the_wiring_of_the_mate_the_child_has_its_nodes_and_edges(
    threshold, ticks, maps, random_genome, random_map_genome
):
    make, n_new = (random_map_genome if maps else random_genome), 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        parent = make(rng, ticks=ticks)
        own = rng.uniform(0, 0.5, parent.n_nodes) if threshold == "per node" else threshold
        parent = replace(parent, threshold=own)
        one, mate = mutant(parent, seed), mutant(parent, seed + 100)
        child = cross(one, mate, "mate", seed)
        check_genome(child)
        assert set(child.ids.tolist()) == set(mate.ids.tolist())
        assert weights_of(child).keys() == weights_of(mate).keys()
        at = {node: k for k, node in enumerate(child.ids.tolist())}
        here = [at[node] for node in mate.ids.tolist()]
        for name in ("roles", "map_sizes", "activations"):
            assert np.array_equal(getattr(child, name)[here], getattr(mate, name))
        new = ~np.isin(mate.ids, one.ids)
        n_new += int(new.sum())
        if threshold == "per node":
            assert np.array_equal(child.threshold[here][new], mate.threshold[new])
        assert np.array_equal(child.bias[here][new], mate.bias[new])
        assert child.n_features == parent.n_features
    assert n_new > 0


def test_a_new_node_comes_right_behind_the_node_that_it_follows_in_the_mate():
    parent = graph({(0, 2): 4.0, (1, 3): 6.0, (2, 4): 1.0, (3, 4): 5.0})
    mate = replay([("U", {"node": 2, "share": 0.5}), ("U", {"node": 2, "share": 0.5})], parent)
    mate = replay([("H", {"node": 5, "destination": 0})], mate)
    child = cross(parent, mate, "mate")
    assert mate.ids.tolist() == [3, 0, 1, 2, 6, 5, 4]
    assert child.ids.tolist() == [0, 1, 2, 6, 5, 3, 4]
    assert (child.roles[child.ids >= 5] == Role.HIDDEN).all()


def test_a_node_of_the_same_name_that_has_nothing_in_common_is_another_node():
    parent = graph({(0, 2): 4.0, (1, 3): 6.0, (2, 4): 1.0, (3, 4): 5.0})
    split = {"activation": 1, "weights": [9.0, 8.0]}
    one = replay([("S", split | {"source": 0, "target": 2, "position": 2})], parent)
    other = replay([("S", split | {"source": 3, "target": 4, "position": 4})], parent)
    assert one.ids.max() == other.ids.max() == 5
    for seed in range(8):
        child = weights_of(cross(one, other, "mate", seed))
        assert child.keys() == weights_of(other).keys()
        assert (child[3, 5], child[5, 4]) == (9.0, 8.0)


def proposed(parent, mate, *, is_fitter, max_density=1.0):
    editor = GenomeEditor(parent, mates={4: mate})
    relatives = (Mate(4, mate, is_fitter=is_fitter),)
    bounds = OperatorSettings(max_density=max_density)
    context = ProposalContext(np.random.default_rng(0), bounds, mates=relatives)
    return OPERATORS["Y"].propose(editor, context)


def test_the_wiring_is_that_of_the_fitter_one_unless_it_is_too_dense():
    parent = graph({(0, 2): 1.0, (2, 4): 3.0})
    mate = graph({(0, 2): 2.0, (1, 2): 2.0, (2, 4): -3.0})
    assert proposed(parent, mate, is_fitter=False)["wiring"] == "parent"
    assert proposed(parent, mate, is_fitter=True)["wiring"] == "mate"
    assert proposed(parent, mate, is_fitter=True, max_density=0.1)["wiring"] == "parent"


def test_a_crossover_that_changes_nothing_is_not_proposed():
    parent = graph({(0, 2): 1.0, (2, 4): 3.0})
    assert proposed(parent, parent, is_fitter=True) is None


def test_a_proposal_stays_within_the_size_limit():
    parent = graph({(0, 2): 1.0, (2, 4): 3.0})
    mate = graph({(0, 2): 1.0, (1, 2): 2.0, (2, 4): 3.0})
    limits = OperatorSettings(max_density=1.0, max_parameters=5)  # with three biases
    editor = GenomeEditor(parent, mates={4: mate})
    relatives = (Mate(4, mate, is_fitter=True),)
    context = ProposalContext(np.random.default_rng(0), limits, mates=relatives)
    assert OPERATORS["Y"].propose(editor, context) is None


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"mates": [4, 4], "wiring": "mate", "seed": 0}, "mates must be one; got 2"),
        ({"mates": [4], "wiring": "both", "seed": 0}, "wiring must be of parent, mate; got 'both'"),
        ({"mates": [4], "wiring": "mate", "seed": -1}, "seed must be an integer from 0"),
    ],
)
def test_a_record_that_cannot_be_replayed_is_refused_in_one_line(parameters, message):
    genome = graph({(0, 2): 4.0, (2, 4): 2.0})
    with pytest.raises(ValueError, match=message):
        replay([("Y", parameters)], genome, {4: genome})
