"""What the operators do to networks of maps: what they compute (by kernel_reference), what they cost and record."""

import json
from dataclasses import replace

import numpy as np
import pytest

from evo import OPERATORS, Draft, Genome, Phenotype, Role, canonical_hash, replay, same_network
from evo.activations import activation_code
from evo.budget import cost_of
from evo.convolutional import from_cnn
from evo.hashing import output_terms
from evo.maps import passage
from evo.operators import (
    OperatorSettings,
    Proposing,
    apply_operation,
    gradient_edges,
    random_edges,
)
from evo.places import PossibleTaps
from evo.preserving import duplicate_node, remove_ineffective, reorder_freely
from evo.records import LISTED, read_edges, write_edges

PRESERVING = [code for code, one in OPERATORS.items() if one.preserves]
CHANGING = [code for code, one in OPERATORS.items() if not one.preserves]


@pytest.fixture
def parents(random_map_genome):
    """Return a maker of genomes with every kind of threshold, by number."""

    def make(seed, **changes):
        rng = np.random.default_rng(seed)
        n = changes.pop("n", int(rng.integers(6, 10)))
        parts = {
            "n": n,
            "sides": (6, 4, 3, 1),
            "ticks": 1 + seed % 2,
            "limit": (None, 0.4, rng.uniform(0, 0.8, n))[seed % 3],
            "threshold_mode": ("magnitude", "signed")[seed // 3 % 2],
            "downsampling": ("max", "mean")[seed // 2 % 2],
        }
        return random_map_genome(rng, **(parts | changes))

    return make


def propose(code, genome, seed, **settings):
    draft = Draft(genome)
    proposing = Proposing(np.random.default_rng(seed), OperatorSettings(**settings))
    return draft, OPERATORS[code].propose(draft, proposing)


def samples(genome, n=3):
    return np.random.default_rng(1).normal(size=(n, genome.n_features))


@pytest.mark.parametrize("code", PRESERVING)
def test_what_keeps_the_function_keeps_it(code, parents, reference):
    n_proposed = 0
    for seed in range(24):
        # Sparse enough for idle nodes and strangers.
        parent = parents(seed)
        if code != "U":
            kept = np.random.default_rng(seed).random(parent.n_stored) < 0.05
            parent = thinned(parent, kept)
        draft, parameters = propose(code, parent, seed)
        if parameters is None:
            continue
        n_proposed += 1
        apply_operation(draft, code, parameters)
        child = draft.freeze()
        assert not child.equals(parent)
        before, after = (reference.output(one, samples(parent)) for one in (parent, child))
        np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-11)
    assert n_proposed > 8


def thinned(genome, kept):
    """Return a genome with some of the entries of another."""
    indptr = np.append(0, np.cumsum(kept))[genome.indptr].astype(np.int64)
    parts = {name: getattr(genome, name)[kept] for name in ("indices", "values", "taps")}
    return replace(genome, indptr=indptr, **parts)


@pytest.mark.parametrize("code", CHANGING)
def test_nothing_is_proposed_in_vain(code, parents, reference):
    n_proposed = 0
    for seed in range(16):
        kept = np.random.default_rng(seed).random(10**4) < 0.3
        parent = parents(seed)
        parent = thinned(parent, kept[: parent.n_stored])
        draft, parameters = propose(code, parent, seed)
        if parameters is None:
            continue
        n_proposed += 1
        apply_operation(draft, code, parameters)
        child = draft.freeze()
        before, after = (reference.output(one, samples(parent)) for one in (parent, child))
        fewer = child.n_nodes, Phenotype(child, "squared_error").n_edges
        assert not np.allclose(before, after, rtol=1e-12, atol=1e-13) or fewer != (
            parent.n_nodes,
            Phenotype(parent, "squared_error").n_edges,
        )
    assert n_proposed > 3


def test_equal_terms_are_equal_outputs(parents, reference):
    """Change at random, in vain or not: one letter at a time, without the check of what acts."""
    n_equal = n_different = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        parent = parents(seed)
        parent = thinned(parent, rng.random(parent.n_stored) < 0.2)
        draft = Draft(parent)
        hidden = draft.positions(Role.HIDDEN)
        node = int(rng.choice(hidden))
        if seed % 3 == 0:
            draft.remove_node(node)
        elif seed % 3 == 1:
            draft.change_side(node, int(rng.choice(np.setdiff1d(parent.sides, parent.sides[node]))))
        else:
            entry = int(rng.integers(parent.n_stored))
            draft.forget(parent.rows[entry], parent.targets[entry])
        child = draft.freeze()
        before, after = (reference.output(one, samples(parent)) for one in (parent, child))
        if np.array_equal(output_terms(parent), output_terms(child)):
            n_equal += 1
            np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-11)
        elif seed % 3 != 1:  # maps that are the same everywhere may say the same with another side
            n_different += 1
            assert not np.allclose(before, after, rtol=1e-12, atol=1e-13)
    assert min(n_equal, n_different) > 8


@pytest.mark.parametrize("part", ["tap", "side", "kernel", "downsampling"])
def test_terms_tell_what_maps_do(part):
    matrix = np.zeros((4, 4))
    matrix[0, 1], matrix[1, 2], matrix[2, 3] = 0.5, 0.7, 0.9
    genome = replace(
        Genome.from_matrix(matrix, n_inputs=1, n_outputs=1),
        sides=np.array([8, 4, 2, 1], np.int32),
        taps=np.array([4, 0, 1], np.uint16),
        kernel=3,
    )
    changes = {
        "tap": {"taps": np.array([5, 0, 1], np.uint16)},
        "side": {"sides": np.array([8, 4, 3, 1], np.int32)},
        "kernel": {"kernel": 5},
        "downsampling": {"downsampling": "mean"},
    }
    other = replace(genome, **changes[part])
    assert output_terms(other) != output_terms(genome)
    assert canonical_hash(other) != canonical_hash(genome)
    assert not same_network(other, genome)


def test_maps_without_effect_change_no_hash(parents):
    for seed in range(8):
        genome = parents(seed)
        draft = Draft(genome)
        draft.add_node(2, activation=2, side=6)
        draft.assign([2 * draft.rows_per_node], [2], [0.5])
        beside = draft.freeze()
        np.testing.assert_array_equal(output_terms(beside), output_terms(genome))
        moved = reorder_freely(beside, np.random.default_rng(seed))
        assert canonical_hash(genome) == canonical_hash(beside) == canonical_hash(moved)
        assert same_network(genome, moved)


def test_what_has_no_effect_is_removed_from_networks_of_maps_too(parents, reference):
    n_removed = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        genome = parents(seed)
        genome = thinned(genome, rng.random(genome.n_stored) < 0.1)
        small = remove_ineffective(genome)
        assert small.effective_mask().all()
        n_removed += genome.n_nodes - small.n_nodes
        outputs = [reference.output(one, samples(genome)) for one in (genome, small)]
        np.testing.assert_array_equal(*outputs)
    assert n_removed > 0


def test_a_duplicated_map_says_the_same(parents, reference):
    for seed in (0, 3, 6):
        parent = parents(seed, limit=None)
        node = int(np.flatnonzero(parent.roles == Role.HIDDEN)[0])
        child = duplicate_node(parent, node, share=0.4)
        assert child.sides[node + 1] == parent.sides[node]
        outputs = [reference.output(one, samples(parent)) for one in (parent, child)]
        np.testing.assert_allclose(*outputs, rtol=1e-9, atol=1e-11)


def test_a_map_put_into_a_kernel_passes_on_what_it_hears(parents, reference):
    n_kernels = 0
    for seed in range(0, 24, 2):  # one tick
        parent = parents(seed)
        draft, parameters = propose("S", parent, seed, max_density=1.0)
        if parameters is None:
            continue
        n_kernels += len(parameters["taps"][1]) > 1
        apply_operation(draft, "S", parameters)
        child = draft.freeze()
        assert child.n_stored == parent.n_stored + 1
        outputs = [reference.output(one, samples(parent), np.sin) for one in (parent, child)]
        assert not np.allclose(*outputs)
        outputs = [
            reference.output(one, samples(parent), lambda net: net) for one in (parent, child)
        ]
        np.testing.assert_allclose(*outputs, rtol=1e-9, atol=1e-11)
    assert n_kernels > 3


def test_a_new_map_has_a_side_that_others_have_and_a_few_taps(parents):
    sides = set()
    for seed in range(30):
        parent = parents(seed)
        _, parameters = propose("I", parent, seed, max_density=1.0)
        if parameters is None:
            continue
        hidden = parent.sides[parent.roles == Role.HIDDEN]
        assert parameters["side"] in hidden
        assert all(1 <= len(taps) <= parent.kernel for taps in parameters["taps"])
        sides.add(parameters["side"])
    assert len(sides) > 2


# -- thresholds --------------------------------------------------------------------------------------------------------


def test_a_threshold_keeps_as_many_as_it_says(parents):
    for seed in range(12):
        parent = parents(seed, n=8)
        for count in (0, 1, 17, parent.n_stored, parent.n_stored + 5):
            draft = Draft(parent)
            apply_operation(draft, "A", {"limit": {"keep": count}, "drop": True})
            assert draft.n_live == draft.n_stored == min(count, parent.n_stored)
            best = np.sort(
                parent.values if parent.threshold_mode == "signed" else np.abs(parent.values)
            )
            kept = draft.freeze().values
            kept = np.sort(kept if parent.threshold_mode == "signed" else np.abs(kept))
            np.testing.assert_array_equal(kept, best[len(best) - len(kept) :])


@pytest.mark.parametrize(
    ("groups", "members"),
    [
        ({"sides": [4, 1]}, lambda g: [g.sides == 4, g.sides == 1]),
        ({"roles": ["output"]}, lambda g: [g.roles == Role.OUTPUT]),
        ({"layers": [3, 4, 1]}, lambda g: [np.isin(np.arange(8), range(3, 7)), np.arange(8) == 7]),
    ],
)
def test_a_threshold_keeps_as_many_of_each_group(groups, members, parents):
    for seed in range(6):
        parent = parents(seed, n=8, ticks=2)
        masks = members(parent)
        keep = [3, 4][: len(masks)]
        parameters = {"limit": groups | {"keep": keep}, "drop": False}
        draft = Draft(parent)
        apply_operation(draft, "A", parameters)
        live, stored = draft.live_degree(), np.diff(parent.indptr)
        for mask, count in zip(masks, keep, strict=True):
            assert live[mask].sum() == min(count, stored[mask].sum())
        assert replay([("A", json.loads(json.dumps(parameters)))], parent).equals(draft.freeze())


@pytest.mark.parametrize(
    ("limit", "rule"),
    [
        ({"keep": -1}, "keep must be at least 0; received -1"),
        ({"sides": [4, 1], "keep": [3]}, "keep must be 2 numbers; received 1"),
        ({"sides": [0], "keep": [3]}, "sides must be at least 1; received 0"),
        ({"keep": [3], "groups": [1]}, "roles must be of input, hidden, output"),
    ],
)
def test_a_threshold_that_cannot_keep_is_refused(limit, rule, parents):
    with pytest.raises(ValueError, match=rule):
        apply_operation(Draft(parents(0)), "A", {"limit": limit, "drop": False})


# -- places and growth -------------------------------------------------------------------------------------------------


def test_taps_are_drawn_evenly_from_all_that_there_may_be():
    sides = np.array([3, 1, 6, 3])
    places = PossibleTaps(sides, 3)
    windows = [[passage(int(s), int(t), 3).window ** 2 for t in sides] for s in sides]
    assert places.count == np.sum(windows)
    sources, taps, targets = places.draw(200_000, np.random.default_rng(0))
    assert (taps < np.array(windows)[sources, targets]).all()
    found, counts = np.unique([sources, taps, targets], axis=1, return_counts=True)
    assert found.shape[1] == places.count
    expected = 200_000 / places.count
    assert ((counts - expected) ** 2 / expected).sum() < places.count + 4 * np.sqrt(
        2 * places.count
    )


@pytest.mark.parametrize("count", [5, LISTED + 100])
def test_new_taps_are_free_live_and_recorded(count, random_map_genome):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        parent = random_map_genome(rng, n=24, ticks=2, limit=0.4)
        parent = thinned(parent, rng.random(parent.n_stored) < 0.3)
        draft = Draft(parent)
        parameters = random_edges(draft, count, Proposing(rng, OperatorSettings(max_density=1.0)))
        assert ("places" in parameters) == (count > LISTED)
        apply_operation(draft, "N", parameters)
        child = draft.freeze()
        assert child.n_stored == parent.n_stored + count
        assert child.live_mask().sum() == parent.live_mask().sum() + count
        assert replay([("N", json.loads(json.dumps(parameters)))], parent).equals(child)


def test_taps_grow_where_the_gradient_is_largest(random_map_genome):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        parent = random_map_genome(rng, ticks=1 + seed % 2)
        inputs, wanted = samples(parent, 6), rng.normal(size=(6, 2))
        looked_at = []

        def gradients_at(
            genome, sources, targets, taps, inputs=inputs, wanted=wanted, seen=looked_at
        ):
            network = Phenotype(genome, "squared_error")
            found = network.gradients_at(sources, targets, inputs, wanted, taps)
            seen.append((sources, taps, targets, found))
            return found

        draft = Draft(parent)
        proposing = Proposing(rng, OperatorSettings(max_density=1.0), gradients_at)
        parameters = gradient_edges(draft, 6, proposing)
        sources, taps, targets, gradients = looked_at[0]
        best = np.argsort(-np.abs(gradients), kind="stable")[:6]
        rows = sources * parent.rows_per_node + taps
        wanted_places = set(zip(rows[best], targets[best], strict=True))
        rows, targets, _ = read_edges(parameters, parent.n_nodes, float, parent.rows_per_node)
        assert set(zip(rows, targets, strict=True)) == wanted_places
        apply_operation(draft, "N", parameters)
        before, after = (
            Phenotype(one, "squared_error").loss(inputs, wanted) for one in (parent, draft.freeze())
        )
        assert after < before


@pytest.mark.parametrize("count", [10, LISTED + 100])
def test_a_record_is_read_whatever_k_it_was_written_with(count):
    n, k, other = 40, 9, 25
    rng = np.random.default_rng(0)
    keys = np.sort(rng.choice(n * n * k, count, replace=False))
    targets, rows = np.divmod(keys, n * k)
    values = rng.normal(size=count)
    record = json.loads(json.dumps(write_edges(n, rows, targets, values, k)))
    for reader in (k, other):
        found, at, read = read_edges(record, n, np.dtype(float), reader)
        sources, taps = np.divmod(rows, k)
        np.testing.assert_array_equal(found, sources * reader + taps)
        np.testing.assert_array_equal(at, targets)
        np.testing.assert_array_equal(read, values)
    with pytest.raises(ValueError, match="taps must be whole numbers from 0 to 3"):
        read_edges(record, n, np.dtype(float), 4)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"taps": [0, 9, 0]}, "taps must be below 9 from node 1 to node 2; received 9"),
        ({"taps": [0, 25, 0]}, "taps must be whole numbers from 0 to 24"),
        ({"taps": [0, -1, 0]}, "taps must be whole numbers from 0 to 24"),
        ({"taps": [0, 0.5, 0]}, "taps must be whole numbers from 0 to 24"),
        ({"taps": [0, 1]}, "taps must be whole numbers"),
        ({"sources": [0, 1, 2**62]}, "sources must be whole numbers from 0 to 9"),
        ({"sources": [0, 1, -1]}, "sources must be whole numbers from 0 to 9"),
    ],
)
def test_taps_that_are_none_are_refused(changes, rule, random_map_genome):
    draft = Draft(random_map_genome(np.random.default_rng(0)))
    record = {
        "sources": [0, 1, 9],
        "taps": [0, 0, 0],
        "targets": [1, 2, 3],
        "values": [1.0, 2.0, 3.0],
    }
    apply_operation(draft, "N", record)
    assert draft.bias[3] == 3.0
    with pytest.raises(ValueError, match=rule):
        apply_operation(draft, "N", record | changes)


def test_a_record_goes_on_after_the_largest_maps_are_gone(random_map_genome):
    """K is that of the parent as long as a session lasts; a trial begins with a smaller one."""
    rng = np.random.default_rng(0)
    parent = random_map_genome(rng, n=8, n_inputs=1, sides=(3,))
    large = int(np.flatnonzero(parent.roles == Role.HIDDEN)[0])
    draft = Draft(parent)
    draft.change_side(large, 1)
    genome = draft.freeze()
    sides = genome.sides.copy()
    sides[genome.roles == Role.INPUT] = 20
    genome = replace(thinned(genome, genome.indices == large), sides=sides)
    draft, record = Draft(genome), []
    for code in "NINAUSBCFDM" * 2:
        parameters = OPERATORS[code].propose(draft, Proposing(rng, OperatorSettings()))
        if parameters is not None:
            apply_operation(draft, code, parameters)
            record.append((code, parameters))
    assert len(record) > 8
    assert replay(json.loads(json.dumps(record)), genome).equals(draft.freeze())


# -- budget ------------------------------------------------------------------------------------------------------------


def test_cost_is_what_the_reference_says(parents, reference):
    for seed in range(12):
        parent = parents(seed)
        draft = Draft(parent)
        assert cost_of(draft) == reference.cost(parent)
        draft.swap_rows(*np.flatnonzero(draft.sides == 1)[:2].tolist())
        draft.forget(parent.rows[:5], parent.targets[:5])
        assert cost_of(draft) == reference.cost(draft.freeze())


@pytest.mark.parametrize("slack", [-5, 0, 6])
@pytest.mark.parametrize("code", OPERATORS)
def test_nothing_is_proposed_beyond_the_budget(code, slack, parents):
    n_proposed = 0
    for seed in range(10):
        parent = parents(seed)
        before = cost_of(Draft(parent))
        limits = {"max_parameters": before[0] + slack, "max_macs": before[1] + 9 * slack}
        draft, parameters = propose(code, parent, seed, max_density=1.0, **limits)
        if parameters is None:
            continue
        n_proposed += 1
        apply_operation(draft, code, parameters)
        after = cost_of(draft)
        assert after[0] <= max(before[0], limits["max_parameters"])
        assert after[1] <= max(before[1], limits["max_macs"])
    if code in "ABDFHR" or (slack > 0 and code == "N"):
        assert n_proposed > 3


def test_growth_stops_where_the_budget_ends(random_map_genome):
    rng = np.random.default_rng(0)
    parent = random_map_genome(rng, n=12)
    before = cost_of(Draft(parent))
    by_parameters = OperatorSettings(max_density=1.0, max_parameters=before[0] + 7)
    by_macs = OperatorSettings(max_density=1.0, max_macs=before[1] + 100)
    for settings in (by_parameters, by_macs):
        draft = Draft(parent)
        apply_operation(draft, "N", random_edges(draft, 200, Proposing(rng, settings)))
        after = cost_of(draft)
        if settings is by_parameters:
            assert after[0] == before[0] + 7
        else:
            assert before[1] + 100 - 64 <= after[1] <= before[1] + 100
        assert random_edges(draft, 200, Proposing(rng, settings)) is None or settings is by_macs


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
