"""Taps of networks of maps: which the threshold keeps, where new ones grow, how records name them, what they cost."""

import json
from dataclasses import replace

import numpy as np
import pytest
from effort import first_now

from evo import OPERATORS, GenomeEditor, Phenotype, Role, replay
from evo.genome.feature_maps import map_transform
from evo.genome.possible_taps import PossibleTaps
from evo.operators.growth import gradient_edges, random_edges
from evo.operators.operation import OperatorSettings, ProposalContext
from evo.operators.records import LISTED, read_edges, write_edges
from evo.operators.registry import apply_operation
from evo.operators.screening import size_of


def propose(code, genome, seed, **settings):
    editor = GenomeEditor(genome)
    context = ProposalContext(np.random.default_rng(seed), OperatorSettings(**settings))
    return editor, OPERATORS[code].propose(editor, context)


def samples(genome, n=3):
    return np.random.default_rng(1).normal(size=(n, genome.n_features))


# -- thresholds --------------------------------------------------------------------------------------------------------


def test_a_threshold_keeps_as_many_as_it_says(parents):
    for seed in range(12):
        parent = parents(seed, n=8)
        for count in (0, 1, 17, parent.n_stored, parent.n_stored + 5):
            editor = GenomeEditor(parent)
            apply_operation(editor, "A", {"threshold": {"keep": count}, "drop": True})
            assert editor.n_active == editor.n_stored == min(count, parent.n_stored)
            best = np.sort(
                parent.values if parent.threshold_mode == "signed" else np.abs(parent.values)
            )
            kept = editor.freeze().values
            kept = np.sort(kept if parent.threshold_mode == "signed" else np.abs(kept))
            np.testing.assert_array_equal(kept, best[len(best) - len(kept) :])


@pytest.mark.parametrize(
    ("groups", "members"),
    [
        ({"map_sizes": [4, 1]}, lambda g: [g.map_sizes == 4, g.map_sizes == 1]),
        ({"roles": ["output"]}, lambda g: [g.roles == Role.OUTPUT]),
        ({"layers": [3, 4, 1]}, lambda g: [np.isin(np.arange(8), range(3, 7)), np.arange(8) == 7]),
    ],
)
def test_a_threshold_keeps_as_many_of_each_group(groups, members, parents):
    for seed in range(6):
        parent = parents(seed, n=8, ticks=2)
        masks = members(parent)
        keep = [3, 4][: len(masks)]
        parameters = {"threshold": groups | {"keep": keep}, "drop": False}
        editor = GenomeEditor(parent)
        apply_operation(editor, "A", parameters)
        active, stored = editor.active_degree(), np.diff(parent.indptr)
        for mask, count in zip(masks, keep, strict=True):
            assert active[mask].sum() == min(count, stored[mask].sum())
        assert replay([("A", json.loads(json.dumps(parameters)))], parent).equals(editor.freeze())


@pytest.mark.parametrize(
    ("threshold", "rule"),
    [
        ({"keep": -1}, "keep must be at least 0; (got|received) -1"),
        ({"map_sizes": [4, 1], "keep": [3]}, "keep must be 2 numbers; got 1"),
        ({"map_sizes": [0], "keep": [3]}, "map_sizes must be at least 1; (got|received) 0"),
        ({"keep": [3], "groups": [1]}, "roles must be of input, hidden, output"),
    ],
)
def test_a_threshold_that_cannot_keep_is_refused(threshold, rule, parents):
    with pytest.raises(ValueError, match=rule):
        apply_operation(GenomeEditor(parents(0)), "A", {"threshold": threshold, "drop": False})


# -- places and growth -------------------------------------------------------------------------------------------------


def test_taps_are_drawn_evenly_from_all_that_there_may_be():
    map_sizes = np.array([3, 1, 6, 3])
    places = PossibleTaps(map_sizes, 3)
    windows = [[map_transform(int(s), int(t), 3).window ** 2 for t in map_sizes] for s in map_sizes]
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
def test_new_taps_are_free_active_and_recorded(count, random_map_genome):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        parent = random_map_genome(rng, n=24, ticks=2, threshold=0.4, density=0.15)
        editor = GenomeEditor(parent)
        parameters = random_edges(
            editor, count, ProposalContext(rng, OperatorSettings(max_density=1.0))
        )
        assert ("places" in parameters) == (count > LISTED)
        apply_operation(editor, "N", parameters)
        child = editor.freeze()
        assert child.n_stored == parent.n_stored + count
        assert child.active_mask().sum() == parent.active_mask().sum() + count
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

        editor = GenomeEditor(parent)
        context = ProposalContext(rng, OperatorSettings(max_density=1.0), gradients_at)
        parameters = gradient_edges(editor, 6, context)
        sources, taps, targets, gradients = looked_at[0]
        best = np.argsort(-np.abs(gradients), kind="stable")[:6]
        rows = sources * parent.rows_per_node + taps
        wanted_places = set(zip(rows[best], targets[best], strict=True))
        rows, targets, _ = read_edges(parameters, parent.n_nodes, float, parent.rows_per_node)
        assert set(zip(rows, targets, strict=True)) == wanted_places
        apply_operation(editor, "N", parameters)
        before, after = (
            Phenotype(one, "squared_error").loss(inputs, wanted)
            for one in (parent, editor.freeze())
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
        ({"taps": [0, 9, 0]}, "taps must be below 9 from node 1 to node 2; got 9"),
        ({"taps": [0, 25, 0]}, "taps must be whole numbers from 0 to 24"),
        ({"taps": [0, -1, 0]}, "taps must be whole numbers from 0 to 24"),
        ({"taps": [0, 0.5, 0]}, "taps must be whole numbers from 0 to 24"),
        ({"taps": [0, 1]}, "taps must be whole numbers"),
        ({"sources": [0, 1, 2**62]}, "sources must be whole numbers from 0 to 9"),
        ({"sources": [0, 1, -1]}, "sources must be whole numbers from 0 to 9"),
    ],
)
def test_taps_that_are_none_are_refused(changes, rule, random_map_genome):
    editor = GenomeEditor(random_map_genome(np.random.default_rng(0)))
    record = {
        "sources": [0, 1, 9],
        "taps": [0, 0, 0],
        "targets": [1, 2, 3],
        "values": [1.0, 2.0, 3.0],
    }
    apply_operation(editor, "N", record)
    assert editor.bias[3] == 3.0
    with pytest.raises(ValueError, match=rule):
        apply_operation(editor, "N", record | changes)


def test_a_record_goes_on_after_the_largest_maps_are_gone(random_map_genome):
    """K is that of the parent as long as a session lasts; a trial begins with a smaller one."""
    rng = np.random.default_rng(0)
    parent = random_map_genome(rng, n=8, n_inputs=1, map_sizes=(3,))
    large = int(np.flatnonzero(parent.roles == Role.HIDDEN)[0])
    editor = GenomeEditor(parent)
    editor.change_map_size(large, 1)
    genome = editor.freeze()
    map_sizes = genome.map_sizes.copy()
    map_sizes[genome.roles == Role.INPUT] = 20
    kept = genome.indices == large  # whose kernels are single taps, whatever the side of inputs
    indptr = np.append(0, np.cumsum(kept))[genome.indptr].astype(np.int64)
    parts = {name: getattr(genome, name)[kept] for name in ("indices", "values", "taps")}
    genome = replace(genome, indptr=indptr, map_sizes=map_sizes, **parts)
    editor, record = GenomeEditor(genome), []
    for code in "NINAUSBCFDM" * 2:
        parameters = OPERATORS[code].propose(editor, ProposalContext(rng, OperatorSettings()))
        if parameters is not None:
            apply_operation(editor, code, parameters)
            record.append((code, parameters))
    assert len(record) > 8
    assert replay(json.loads(json.dumps(record)), genome).equals(editor.freeze())


# -- budget ------------------------------------------------------------------------------------------------------------


def test_cost_is_what_the_reference_says(parents, reference):
    for seed in range(12):
        parent = parents(seed)
        editor = GenomeEditor(parent)
        assert size_of(editor) == reference.cost(parent)
        editor.swap_rows(*np.flatnonzero(editor.map_sizes == 1)[:2].tolist())
        editor.remove_entries(parent.rows[:5], parent.targets[:5])
        assert size_of(editor) == reference.cost(editor.freeze())


@pytest.mark.parametrize("slack", first_now([6, -5, 0]))
@pytest.mark.parametrize("code", OPERATORS)
def test_nothing_is_proposed_beyond_the_budget(code, slack, parents):
    n_proposed = 0
    for seed in range(10):
        parent = parents(seed)
        before = size_of(GenomeEditor(parent))
        thresholds = {"max_parameters": before[0] + slack, "max_macs": before[1] + 9 * slack}
        editor, parameters = propose(code, parent, seed, max_density=1.0, **thresholds)
        if parameters is None:
            continue
        n_proposed += 1
        apply_operation(editor, code, parameters)
        after = size_of(editor)
        assert after[0] <= max(before[0], thresholds["max_parameters"])
        assert after[1] <= max(before[1], thresholds["max_macs"])
    if code in "ABDFHR" or (slack > 0 and code == "N"):
        assert n_proposed > 3


def test_growth_stops_where_the_budget_ends(random_map_genome):
    rng = np.random.default_rng(0)
    parent = random_map_genome(rng, n=12)
    before = size_of(GenomeEditor(parent))
    by_parameters = OperatorSettings(max_density=1.0, max_parameters=before[0] + 7)
    by_macs = OperatorSettings(max_density=1.0, max_macs=before[1] + 100)
    for settings in (by_parameters, by_macs):
        editor = GenomeEditor(parent)
        apply_operation(editor, "N", random_edges(editor, 200, ProposalContext(rng, settings)))
        after = size_of(editor)
        if settings is by_parameters:
            assert after[0] == before[0] + 7
        else:
            assert before[1] + 100 - 64 <= after[1] <= before[1] + 100
        assert (
            random_edges(editor, 200, ProposalContext(rng, settings)) is None or settings is by_macs
        )
