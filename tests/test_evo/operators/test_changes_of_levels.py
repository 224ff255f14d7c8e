"""Operators that search the shape of a network: L W T J on levels, G K P on kernels and map sizes.

Each is tried on a small network whose levels are known, so that what it does can be written down.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from evo import OPERATORS, Genome, GenomeEditor, Phenotype, replay
from evo.genome.activations import activation_code
from evo.operators.elementary import Kernels
from evo.operators.layers import levels_of
from evo.operators.operation import OperatorSettings, ProposalContext
from evo.operators.registry import apply_operation

LAYERS = np.split(np.arange(12), [3, 6, 10])
"""Nodes of the levels: 3 inputs, 3 and 4 hidden nodes, 2 outputs."""

SIZES = np.repeat([8, 8, 4, 1], [3, 3, 4, 2]).astype(np.int32)
"""Map sizes of the nodes of :func:`maps`."""

X = np.random.default_rng(99).normal(size=(5, 3))


def layered(activation="tanh", **changes):
    """Return a network in which every node hears all nodes of the level before."""
    matrix = np.zeros((12, 12))
    rng = np.random.default_rng(0)
    for sources, targets in itertools.pairwise(LAYERS):
        matrix[np.ix_(sources, targets)] = rng.normal(size=(len(sources), len(targets)))
    bias = np.where(np.arange(12) < 3, 0, rng.normal(size=12))
    genome = Genome.from_matrix(matrix, n_inputs=3, n_outputs=2, activation=activation, bias=bias)
    return replace(genome, **changes)


def maps(taps=(12, 7), **changes):
    """Return such a network of maps; each kernel has some taps of a window of 5 × 5, of which 12 is the middle.

    Kernels 8 → 4 have a window of 5 and no margin; kernels 4 → 1 have a window of 4.
    """
    genome = layered()
    rng, n_taps = np.random.default_rng(1), len(taps)
    return replace(
        genome,
        indptr=genome.indptr * n_taps,
        indices=np.repeat(genome.indices, n_taps),
        values=rng.normal(size=n_taps * genome.n_stored),
        taps=np.tile(np.sort(taps), genome.n_stored).astype(np.uint16),
        map_sizes=SIZES,
        kernel=5,
        **changes,
    )


def propose(code, genome, seed, dormant_learn=False, **settings):
    editor = GenomeEditor(genome)
    bounds = OperatorSettings(**({"max_density": 1.0} | settings))
    context = ProposalContext(np.random.default_rng(seed), bounds, dormant_learn=dormant_learn)
    return editor, OPERATORS[code].propose(editor, context)


def proposals(code, genome, n=12, **options):
    """Return the different parameters that some seeds propose, and the child of each."""
    found = []
    for seed in range(n):
        editor, parameters = propose(code, genome, seed, **options)
        if parameters is not None and parameters not in [one for one, _ in found]:
            apply_operation(editor, code, parameters)
            assert replay([(code, parameters)], genome).equals(editor.freeze())
            found.append((parameters, editor.freeze()))
    return found


def output(genome):
    inputs = X if not genome.has_maps else np.random.default_rng(9).normal(size=(5, 3 * 64))
    return Phenotype(genome, "squared_error").output(inputs)


def assert_same_function(child, genome):
    np.testing.assert_allclose(output(child), output(genome), rtol=1e-9, atol=1e-11)


# -- levels ------------------------------------------------------------------------------------------------------------


def test_levels_are_the_longest_paths_from_the_inputs():
    genome = layered()
    assert levels_of(GenomeEditor(genome)).tolist() == [0] * 3 + [1] * 3 + [2] * 4 + [3] * 2
    editor = GenomeEditor(genome)
    editor.assign(
        [0, 5], [11, 3], [1.0, 1.0]
    )  # over levels, and to a node of the same level: delayed
    assert levels_of(editor).tolist() == levels_of(GenomeEditor(genome)).tolist()
    editor.set_threshold(1e9)  # without active edges there is one level
    assert levels_of(editor).max() == 0


# -- L -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [layered, maps])
def test_a_new_level_passes_on_what_it_hears(make):
    genome = make()
    found = proposals("L", genome)
    inserted = [parameters["nodes"] for parameters, _ in found]
    assert [3, 4, 5] in inserted  # a whole level
    assert [6, 7, 8, 9] in inserted
    assert min(map(len, inserted)) == 1  # and single nodes
    for parameters, child in found:
        assert child.n_nodes == genome.n_nodes + len(parameters["nodes"])
        assert child.n_stored == genome.n_stored + len(parameters["nodes"])
        np.testing.assert_array_equal(output(child), output(genome))
        assert levels_of(GenomeEditor(child)).max() == 4


def test_a_new_level_keeps_the_optimizer_state_of_the_out_edges_that_it_takes_over():
    genome = layered()
    editor, parameters = propose("L", genome, 0)
    apply_operation(editor, "L", parameters)
    moments = np.concatenate([genome.values, genome.bias])[None]
    carried, child = editor.carry(moments)[0], editor.freeze()
    assert np.count_nonzero(carried) == np.count_nonzero(moments)
    kept = carried[: child.n_stored] != 0
    np.testing.assert_array_equal(carried[: child.n_stored][kept], child.values[kept])
    assert (child.values[~kept] == 1).all()


@pytest.mark.parametrize(
    ("activation", "new"),
    [("relu", "relu"), ("sigmoid", "relu"), ("gaussian", "relu"), ("tanh", "identity"),
     ("leaky_relu", "identity"), ("gelu", "identity")],
)  # fmt: skip
def test_a_new_level_is_rectified_where_nothing_is_negative(activation, new):
    genome = layered(activation)
    for parameters, child in proposals("L", genome, 5):
        assert set(parameters["activations"]) == {activation_code(new)}
        np.testing.assert_array_equal(output(child), output(genome))


@pytest.mark.parametrize(("threshold", "possible"), [(0.9, True), (1.0, False)])
def test_an_edge_of_weight_1_must_be_active_for_a_new_level(threshold, possible):
    found = proposals("L", layered(threshold=threshold))
    assert bool(found) == possible
    for _, child in found:
        assert_same_function(child, layered(threshold=threshold))


# -- W -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [layered, maps])
@pytest.mark.parametrize("threshold", [None, 0.001])
def test_a_wider_level_computes_the_same(make, threshold):
    genome = make(threshold=threshold)
    found = proposals("W", genome)
    assert {len(parameters["nodes"]) for parameters, _ in found} >= {2, 3, 4}
    for parameters, child in found:
        nodes, shares = parameters["nodes"], parameters["shares"]
        assert set(nodes) <= {3, 4, 5} or set(nodes) <= {6, 7, 8, 9}
        assert len(set(shares)) == len(nodes)
        assert all(0.25 <= share <= 0.75 for share in shares)
        assert child.n_nodes == genome.n_nodes + len(nodes)
        found_twice = [np.count_nonzero(child.bias == genome.bias[node]) == 2 for node in nodes]
        assert all(found_twice)
        assert (np.bincount(levels_of(GenomeEditor(child))) >= [3, 3, 4, 2]).all()
        assert_same_function(child, genome)


def test_nodes_that_hear_each_other_are_widened_together():
    genome = layered(ticks=3)
    editor = GenomeEditor(genome)
    editor.assign([6, 7, 8], [6, 6, 7], [0.5, 0.6, 0.7])  # a self-loop and delayed edges
    genome = editor.freeze()
    parameters = {"nodes": [6, 7, 8], "shares": [0.3, 0.5, 0.6]}
    child = replay([("W", parameters)], genome)
    assert_same_function(child, genome)
    density = child.n_stored / genome.n_nodes**2
    editor, proposed = propose("W", genome, 0, max_density=density)
    assert (
        proposed is None or apply_operation(editor, "W", proposed).n_stored_after <= child.n_stored
    )


# -- T -----------------------------------------------------------------------------------------------------------------


def test_activations_change_among_those_that_the_settings_allow():
    genome, allowed = layered(), ("sigmoid", "tanh", "sine")
    found = proposals("T", genome, activations=allowed)
    nodes = [parameters["nodes"] for parameters, _ in found]
    assert [3, 4, 5] in nodes
    assert [6, 7, 8, 9] in nodes
    assert min(map(len, nodes)) == 1
    codes = {activation_code("sigmoid"), activation_code("sine")}
    assert {parameters["activation"] for parameters, _ in found} == codes
    for parameters, child in found:
        changed = np.flatnonzero(child.activations != genome.activations).tolist()
        assert changed == parameters["nodes"]
        assert np.array_equal(child.values, genome.values)
        assert not np.allclose(output(child), output(genome))


def test_an_activation_without_another_one_stays():
    assert not proposals("T", layered(), activations=("tanh",))
    mixed = layered(["identity"] * 3 + ["tanh", "relu", "tanh", *["relu"] * 4] + ["identity"] * 2)
    found = proposals("T", mixed, activations=("tanh",))
    assert {tuple(parameters["nodes"]) for parameters, _ in found} >= {(4,), (6, 7, 8, 9)}
    assert all(3 not in parameters["nodes"] for parameters, _ in found)


# -- J -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [layered, maps])
def test_a_skip_joins_levels_at_weight_0_and_learns(make):
    genome = make()
    found = proposals("J", genome, 10)
    assert len(found) > 5
    for parameters, child in found:
        levels = levels_of(GenomeEditor(genome))
        over = levels[parameters["targets"]] - levels[parameters["sources"]]
        assert over.min() >= 2
        assert set(parameters["values"]) == {0.0}
        assert child.active_mask().all()
        assert_same_function(child, genome)
    network = Phenotype(child, "squared_error")
    inputs = np.random.default_rng(3).normal(size=(4, network.genome.n_features))
    gradient = network.loss_and_gradients(inputs, np.ones((4, 2)))[1]
    new = np.isin(network.parameters, 0.0)
    assert new.sum() >= len(parameters["values"])
    assert (gradient[new] != 0).any()


@pytest.mark.parametrize(
    ("changes", "possible"),
    [
        ({"threshold": 0.01}, False),
        ({"threshold": -0.01, "threshold_mode": "signed"}, True),
        ({"threshold": 0.01, "threshold_mode": "signed"}, False),
    ],
)
@pytest.mark.parametrize(("code", "make"), [("J", layered), ("J", maps), ("G", maps)])
def test_weight_0_must_learn(code, make, changes, possible):
    genome = make(**changes)
    assert bool(proposals(code, genome, 4)) == possible
    found = proposals(code, genome, 4, dormant_learn=True)  # dormant = "straight_through"
    assert found
    for _, child in found:
        assert_same_function(child, genome)


# -- G, K --------------------------------------------------------------------------------------------------------------


def sides(genome, target):
    return Kernels.of(GenomeEditor(genome), target).largest.tolist()


@pytest.mark.parametrize(
    ("taps", "target", "before", "after"),
    [((12,), 3, 1, 3), ((12,), 6, 1, 3), ((7, 12), 3, 3, 5), ((5, 6), 10, 2, 4)],
)
def test_kernels_grow_by_a_ring(taps, target, before, after):
    genome = maps(taps)
    assert set(sides(genome, target)) == {before}
    single = [
        (parameters, child)
        for parameters, child in proposals("G", genome, 40)
        if parameters["targets"] == [target]
    ]
    assert single
    for parameters, child in single:
        changed = Kernels.of(GenomeEditor(child), target)
        assert changed.largest[changed.sources == parameters["sources"][0]] == [after]
        assert child.n_stored == genome.n_stored + after**2 - before**2
        assert (child.values == 0).sum() == after**2 - before**2
        assert_same_function(child, genome)


def test_all_kernels_of_a_level_grow_and_a_full_window_does_not():
    genome = maps((12,))
    children = [
        child for parameters, child in proposals("G", genome) if len(parameters["targets"]) == 9
    ]
    assert children
    assert sides(children[0], 4) == [3, 3, 3]
    assert not proposals(
        "G", maps((0, 12))
    )  # both windows are full: 0 is a corner of 5 × 5 and of 4 × 4


def test_a_cropped_kernel_loses_its_outer_ring():
    genome = maps((0, 6, 12))  # rings 5, 3 and 1
    found = proposals("K", genome, 12)
    assert {len(parameters["targets"]) for parameters, _ in found} >= {1, 12}
    for parameters, child in found:
        assert child.n_stored < genome.n_stored
        for source, target in zip(parameters["sources"], parameters["targets"], strict=True):
            kernels = Kernels.of(GenomeEditor(child), target)
            assert kernels.largest[kernels.sources == source] < 5
        assert not np.allclose(output(child), output(genome))
    assert not proposals("K", maps((12,)))  # a kernel of one tap


def test_growing_and_cropping_are_each_others_undoing():
    genome = maps((7, 12))
    editor, parameters = propose("G", genome, 4)
    apply_operation(editor, "G", parameters)
    apply_operation(editor, "K", parameters)
    assert editor.freeze().equals(genome)


# -- P -----------------------------------------------------------------------------------------------------------------


def test_the_downsampling_moves_with_the_map_size_of_a_level():
    genome = maps((2, 12))  # tap 2 reads the margin of smaller maps
    found = proposals("P", genome)
    assert [3, 4, 5] in [parameters["nodes"] for parameters, _ in found]
    for parameters, child in found:
        alone = GenomeEditor(genome)
        for node in parameters["nodes"]:
            apply_operation(alone, "M", {"node": node, "map_size": parameters["map_size"]})
        assert child.equals(alone.freeze())
        assert set(child.map_sizes[parameters["nodes"]]) == {parameters["map_size"]}
        assert not np.allclose(output(child), output(genome))
    different = np.array([8, 8, 8, 8, 4, 2, 8, 4, 3, 2, 1, 1], np.int32)
    assert not proposals("P", replace(maps((0,)), map_sizes=different))


# -- limits and records ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", "LWJGP")
def test_nothing_grows_beyond_the_size_limit(code):
    genome = maps((12,), threshold=None)
    network = Phenotype(genome, "squared_error")
    bound = {"max_parameters": network.parameter_count + 12, "max_macs": network.macs + 700}
    n_proposed = 0
    for _, child in proposals(code, genome, 8, **bound):
        n_proposed += 1
        after = Phenotype(child, "squared_error")
        assert after.parameter_count <= bound["max_parameters"]
        assert after.macs <= bound["max_macs"]
    assert n_proposed > 0
    assert not proposals(code, genome, 3, max_parameters=1, max_macs=1) or code == "P"


@pytest.mark.parametrize(
    ("code", "parameters", "message"),
    [
        ("L", {"nodes": [2, 3], "activations": [0, 0]}, "nodes must be hidden nodes in ascending"),
        ("L", {"nodes": [4, 3], "activations": [0, 0]}, "nodes must be hidden nodes in ascending"),
        ("L", {"nodes": [3, 4], "activations": [0]}, "activations must be 2, one for each node"),
        ("W", {"nodes": [3, 3], "shares": [0.5, 0.5]}, "nodes must be hidden nodes in ascending"),
        ("W", {"nodes": [3], "shares": [0.5, 0.5]}, "shares must be 1, one for each node; got 2"),
        ("T", {"nodes": [11], "activation": 1}, "node must be hidden; got node 11"),
        ("T", {"nodes": [3], "activation": 15}, "activations must be codes below 9"),
        ("G", {"sources": [0], "targets": [6]}, "sources and targets must be ends of kernels"),
        ("G", {"sources": [0], "targets": [3, 4]}, "targets must be 1, one for each source; got 2"),
        ("G", {"sources": [0, 0], "targets": [3, 3]}, "must name a kernel once"),
        ("K", {"sources": [0], "targets": [3]}, "kernels must have taps on two rings or more"),
        ("P", {"nodes": [0], "map_size": 4}, "node must be hidden; got node 0"),
        ("P", {"nodes": [3], "map_size": 9}, "map_size must be from 1 to 8"),
    ],
)  # fmt: skip
def test_a_record_that_does_not_fit_is_refused_in_one_line(code, parameters, message):
    with pytest.raises(ValueError, match=f"^record\\[0\\] \\(operator {code}\\): .*{message}"):
        replay([(code, parameters)], maps((12,)))


def test_a_kernel_as_wide_as_its_window_does_not_grow():
    with pytest.raises(
        ValueError, match="kernels must have room in their window of 5; got side 5 from 0 to 3"
    ):
        replay([("G", {"sources": [0], "targets": [3]})], maps((0, 12)))
