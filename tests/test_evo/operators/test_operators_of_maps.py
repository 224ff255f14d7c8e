"""What the operators do to networks of maps: what they compute (by kernel_reference), what they cost and record."""

from dataclasses import replace

import numpy as np
import pytest

from evo import OPERATORS, Genome, GenomeEditor, Phenotype, Role, canonical_hash, same_network
from evo.canonical.hashing import output_hashes
from evo.exchange.layered_networks import from_cnn
from evo.genome.activations import activation_code
from evo.operators.operation import OperatorSettings, ProposalContext
from evo.operators.preserving import duplicate_node, remove_ineffective, reorder_freely
from evo.operators.registry import apply_operation

PRESERVING = [code for code, one in OPERATORS.items() if one.preserves]
CHANGING = [code for code, one in OPERATORS.items() if not one.preserves and code not in "VY"]


def propose(code, genome, seed, **settings):
    editor = GenomeEditor(genome)
    context = ProposalContext(np.random.default_rng(seed), OperatorSettings(**settings))
    return editor, OPERATORS[code].propose(editor, context)


def samples(genome, n=3):
    return np.random.default_rng(1).normal(size=(n, genome.n_features))


@pytest.mark.parametrize("code", [code for code in PRESERVING if code not in "JG"])
def test_what_keeps_the_function_keeps_it(code, parents, reference):
    n_proposed = 0
    for seed in range(24):
        dense = code in "ULW"  # the others need idle nodes, strangers and free places
        parent = parents(seed, n=10, density=0.5 if dense else 0.03)
        editor, parameters = propose(code, parent, seed)
        if parameters is None:
            continue
        n_proposed += 1
        apply_operation(editor, code, parameters)
        child = editor.freeze()
        assert not child.equals(parent)
        before, after = (reference.output(one, samples(parent)) for one in (parent, child))
        np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-11)
    assert n_proposed > (3 if code == "W" else 8)


@pytest.mark.parametrize("code", CHANGING)
def test_nothing_is_proposed_in_vain(code, parents, reference):
    n_proposed = 0
    for seed in range(16):
        parent = parents(seed, density=0.15)
        editor, parameters = propose(code, parent, seed)
        if parameters is None:
            continue
        n_proposed += 1
        apply_operation(editor, code, parameters)
        child = editor.freeze()
        before, after = (reference.output(one, samples(parent)) for one in (parent, child))
        fewer = child.n_nodes, Phenotype(child, "squared_error").n_edges
        assert not np.allclose(before, after, rtol=1e-12, atol=1e-13) or fewer != (
            parent.n_nodes,
            Phenotype(parent, "squared_error").n_edges,
        )
    assert n_proposed > (0 if code == "P" else 3)  # P needs two maps of one size in a level


def test_equal_terms_are_equal_outputs(parents, reference):
    """Change at random, in vain or not: one letter at a time, without the check of what acts."""
    n_equal = n_different = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        parent = parents(seed, density=0.1)
        editor = GenomeEditor(parent)
        hidden = editor.positions(Role.HIDDEN)
        node = int(rng.choice(hidden))
        if seed % 3 == 0:
            editor.remove_node(node)
        elif seed % 3 == 1:
            editor.change_map_size(
                node, int(rng.choice(np.setdiff1d(parent.map_sizes, parent.map_sizes[node])))
            )
        else:
            entry = int(rng.integers(parent.n_stored))
            editor.remove_entries(parent.rows[entry], parent.targets[entry])
        child = editor.freeze()
        before, after = (reference.output(one, samples(parent)) for one in (parent, child))
        if np.array_equal(output_hashes(parent), output_hashes(child)):
            n_equal += 1
            np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-11)
        elif seed % 3 != 1:  # maps that are the same everywhere may say the same with another side
            n_different += 1
            assert not np.allclose(before, after, rtol=1e-12, atol=1e-13)
    assert min(n_equal, n_different) > 8


@pytest.mark.parametrize("part", ["tap", "map_size", "kernel", "downsampling"])
def test_terms_tell_what_maps_do(part):
    matrix = np.zeros((4, 4))
    matrix[0, 1], matrix[1, 2], matrix[2, 3] = 0.5, 0.7, 0.9
    genome = replace(
        Genome.from_matrix(matrix, n_inputs=1, n_outputs=1),
        map_sizes=np.array([8, 4, 2, 1], np.int32),
        taps=np.array([4, 0, 1], np.uint16),
        kernel=3,
    )
    changes = {
        "tap": {"taps": np.array([5, 0, 1], np.uint16)},
        "map_size": {"map_sizes": np.array([8, 4, 3, 1], np.int32)},
        "kernel": {"kernel": 5},
        "downsampling": {"downsampling": "mean"},
    }
    other = replace(genome, **changes[part])
    assert output_hashes(other) != output_hashes(genome)
    assert canonical_hash(other) != canonical_hash(genome)
    assert not same_network(other, genome)


def test_maps_without_effect_change_no_hash(parents):
    for seed in range(8):
        genome = parents(seed)
        editor = GenomeEditor(genome)
        editor.add_node(2, activation=2, map_size=6)
        editor.assign([2 * editor.rows_per_node], [2], [0.5])
        beside = editor.freeze()
        np.testing.assert_array_equal(output_hashes(beside), output_hashes(genome))
        moved = reorder_freely(beside, np.random.default_rng(seed))
        assert canonical_hash(genome) == canonical_hash(beside) == canonical_hash(moved)
        assert same_network(genome, moved)


def test_what_has_no_effect_is_removed_from_networks_of_maps_too(parents, reference):
    n_removed = 0
    for seed in range(12):
        genome = parents(seed, density=0.05)
        small = remove_ineffective(genome)
        assert small.effective_mask().all()
        n_removed += genome.n_nodes - small.n_nodes
        outputs = [reference.output(one, samples(genome)) for one in (genome, small)]
        np.testing.assert_array_equal(*outputs)
    assert n_removed > 0


def test_a_duplicated_map_says_the_same(parents, reference):
    for seed in (0, 3, 6):
        parent = parents(seed, threshold=None)
        node = int(np.flatnonzero(parent.roles == Role.HIDDEN)[0])
        child = duplicate_node(parent, node, share=0.4)
        assert child.map_sizes[node + 1] == parent.map_sizes[node]
        outputs = [reference.output(one, samples(parent)) for one in (parent, child)]
        np.testing.assert_allclose(*outputs, rtol=1e-9, atol=1e-11)


def test_a_map_put_into_a_kernel_passes_on_what_it_hears(parents, reference):
    n_kernels = 0
    for seed in range(0, 24, 2):  # one tick
        parent = parents(seed)
        editor, parameters = propose("S", parent, seed, max_density=1.0)
        if parameters is None:
            continue
        n_kernels += len(parameters["taps"][1]) > 1
        apply_operation(editor, "S", parameters)
        child = editor.freeze()
        assert child.n_stored == parent.n_stored + 1
        outputs = [reference.output(one, samples(parent), np.sin) for one in (parent, child)]
        assert not np.allclose(*outputs)
        outputs = [
            reference.output(one, samples(parent), lambda net: net) for one in (parent, child)
        ]
        np.testing.assert_allclose(*outputs, rtol=1e-9, atol=1e-11)
    assert n_kernels > 3


def test_a_new_map_has_a_side_that_others_have_and_a_few_taps(parents):
    map_sizes = set()
    for seed in range(30):
        parent = parents(seed)
        _, parameters = propose("I", parent, seed, max_density=1.0)
        if parameters is None:
            continue
        hidden = parent.map_sizes[parent.roles == Role.HIDDEN]
        assert parameters["map_size"] in hidden
        assert all(1 <= len(taps) <= parent.kernel for taps in parameters["taps"])
        map_sizes.add(parameters["map_size"])
    assert len(map_sizes) > 2


# -- the reference itself ----------------------------------------------------------------------------------------------


def test_the_reference_is_the_cnn(reference):
    from cnn import ConvolutionLayer, HiddenLayer, Network, PoolingLayer, RasterizationLayer

    layers = [
        ConvolutionLayer(2, 3, "tanh", padding=1),
        PoolingLayer("mean"),
        ConvolutionLayer(3, 3, "sigmoid"),
        RasterizationLayer(),
        HiddenLayer(4, "tanh"),
        HiddenLayer(2, "identity"),
    ]
    rng = np.random.default_rng(0)
    network = Network(layers, (3, 10, 10), "squared_error", rng=rng, dtype=np.float64)
    network.parameters[:] = rng.normal(size=len(network.parameters))
    images = rng.normal(size=(4, 3, 10, 10))
    outputs = reference.output(from_cnn(network), images.reshape(4, -1))
    np.testing.assert_allclose(outputs, network.output(images), rtol=1e-10)


def test_the_reference_is_the_compiled_network(parents, reference):
    for seed in range(8):
        genome = parents(seed)
        genome = replace(
            genome, activations=np.full(genome.n_nodes, activation_code("tanh"), np.uint8)
        )
        compiled = Phenotype(genome, "squared_error").output(samples(genome))
        np.testing.assert_allclose(reference.output(genome, samples(genome)), compiled, rtol=1e-8)
