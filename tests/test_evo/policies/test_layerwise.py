"""Levels of maps, rewired and reshaped: SET, RigL and random taps in each level, moves within a budget."""

import itertools
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from evo import (
    OPERATORS,
    FounderSettings,
    Genome,
    GenomeEditor,
    Phenotype,
    Role,
    create_founders,
    replay,
)
from evo.genome.feature_maps import map_transform
from evo.operators.free_places import places_in_layers
from evo.operators.layers import current_layer_sizes, layer_of_nodes, layers_of
from evo.operators.operation import OperatorSettings, ProposalContext
from evo.operators.registry import apply_operation
from evo.policies.layerwise import (
    CHANGES_WITHIN_LAYERS,
    LAYER_CHANGES,
    keep_n_active,
    layer_sizes_of,
    move_edges_between_layers,
    rewire_layers,
)
from evo.policies.policies import POLICIES, PolicySettings, freeze_topology
from evo.policies.rewiring import redraw, rigl_step, set_step

SHAPE = ((8, 4), (6, 5), (1, 7), (1, 6))
SIZES = (2, 4, 5, 7, 6, 3)
SIDES = (8, 8, 6, 1, 1, 1)
MACS = np.array([64, 36, 1, 1, 1])
PLACES = np.array([2 * 4 * 9, 4 * 5 * 9, 5 * 7 * 9, 7 * 6, 6 * 3])


def founder(seed=0, candidates=1.0, share=0.4):
    founders = FounderSettings(
        graph="maps", layers=SHAPE, kernel=3, densities=[share] * 5, stored_per_edge=candidates
    )
    assert founders.layer_sizes(2, 3) == SIZES
    return create_founders(founders, 2, 3, n_founders=1, seed=seed, map_size=8)[0]


def made_up(genome, sources, targets, taps):
    """Return gradients that are all different, and none of them 0."""
    return ((sources * 7919 + targets * 104729 + taps * 1299709) % 9973 + 1).astype(np.float32)


def context(seed=0, gradients_at=made_up, progress=0.0, **bounds):
    rng = np.random.default_rng(seed)
    return ProposalContext(rng, OperatorSettings(**bounds), gradients_at, progress, SIZES)


def entries(genome, mask=None):
    """Return stored entries, or those of a mask, as {(source, target, tap): value}."""
    chosen = np.ones(genome.n_stored, bool) if mask is None else mask
    keys = zip(genome.indices, genome.targets, genome.taps, strict=True)
    return {
        tuple(map(int, key)): value
        for key, value, take in zip(keys, genome.values, chosen, strict=True)
        if take
    }


def by_level(genome, mask=None, sizes=SIZES):
    """Return the entries into each level but the inputs'; fail if one comes from any but the level before."""
    level = np.repeat(np.arange(len(sizes)), sizes)
    of_levels = [{} for _ in sizes[1:]]
    for (i, j, tap), value in entries(genome, mask).items():
        assert level[j] == level[i] + 1
        of_levels[level[i]][i, j, tap] = value
    return of_levels


def counts(genome, mask=None, sizes=SIZES):
    return [len(level) for level in by_level(genome, mask, sizes)]


def cost(genome):
    """Return parameters and multiply-accumulates of what the threshold lets through, whether or not it acts."""
    live, computed = genome.active_mask(), int((genome.roles != Role.INPUT).sum())
    pixels = genome.map_sizes[genome.targets].astype(int) ** 2
    return int(live.sum()) + computed, int(pixels[live].sum())


def apply(step, genome, given, *arguments, **keywords):
    """Carry out a step and check that its record replays it."""
    editor = GenomeEditor(genome)
    operations = step(editor, given, *arguments, **keywords)
    child = editor.freeze()
    assert replay([(one.operator, one.parameters) for one in operations], genome).equals(child)
    return child, operations


# -- places ------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 99), st.floats(0.05, 1))
def test_free_places_are_the_taps_that_a_level_does_not_store(seed, share):
    editor = GenomeEditor(founder(seed, share=share))
    stored = set(entries(editor.parent))
    bounds = np.cumsum([0, *SIZES])
    for k, free in enumerate(places_in_layers(editor, layers_of(editor, SIZES))):
        taps = map_transform(SIDES[k], SIDES[k + 1], 3).window ** 2
        every = itertools.product(
            range(bounds[k + 1], bounds[k + 2]), range(bounds[k], bounds[k + 1]), range(taps)
        )
        expected = [(i, j, tap) for j, i, tap in every if (i, j, tap) not in stored]
        assert free.n_free == len(expected)
        rows, targets = free.all()
        sources, of_rows = editor.split(rows)
        listed = zip(sources, targets, of_rows, strict=True)
        assert [tuple(map(int, place)) for place in listed] == expected
        chosen = np.arange(0, len(expected), 2)
        some, counts = np.empty(len(chosen), np.int32), np.empty(len(free.layer.targets), np.int64)
        free.find(chosen, some, counts)
        np.testing.assert_array_equal(some, rows[::2])
        np.testing.assert_array_equal(np.repeat(free.layer.targets, counts), targets[::2])
        drawn = free.draw(5, np.random.default_rng(seed))
        assert set(zip(*drawn, strict=True)) <= set(zip(rows, targets, strict=True))
        assert len(set(zip(*drawn, strict=True))) == min(5, len(expected))


def test_levels_must_be_of_one_side_and_hear_the_level_before():
    genome = founder()
    with pytest.raises(ValueError, match=r"one map size each; got .*for nodes 5 to 9"):
        layers_of(GenomeEditor(genome), (2, 3, 5, 8, 6, 3))
    editor = GenomeEditor(genome)
    editor.assign([editor.join(0, 3)], [6], [1.0])
    with pytest.raises(ValueError, match="must come from the layer before"):
        places_in_layers(editor, layers_of(editor, SIZES)[1:2])
    with pytest.raises(ValueError, match="maps must be rewired layer by layer"):
        set_step(GenomeEditor(genome), replace(context(), layers=()), 0.3)
    with pytest.raises(ValueError, match="maps must be rewired layer by layer"):
        set_step(GenomeEditor(genome), context(), 0.3, "network")


def test_levels_are_found_again_after_copies_and_removals():
    editor = GenomeEditor(founder())
    assert current_layer_sizes(editor, SIZES) == SIZES
    editor.remove_node(5)
    apply_operation(editor, "U", {"node": 8, "share": 0.5})
    apply_operation(editor, "U", {"node": 22, "share": 0.5})
    assert current_layer_sizes(editor, SIZES) == (2, 3, 6, 7, 7, 3)
    editor.move(3, 12)
    with pytest.raises(ValueError, match="nodes must be in the order of a layered founder"):
        current_layer_sizes(editor, SIZES)


# -- SET, RigL, random -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [set_step, rigl_step])
@pytest.mark.parametrize("seed", range(4))
def test_each_level_keeps_its_strongest_taps_and_its_number_of_them(method, seed):
    genome = founder(seed)
    child, operations = apply(method, genome, context(seed), 0.3)
    assert [one.operator for one in operations] == ["A", "A", "N"]
    for before, after in zip(by_level(genome), by_level(child), strict=True):
        assert len(after) == len(before)
        by_strength = sorted(before, key=lambda place: abs(before[place]))
        kept = by_strength[round(0.3 * len(before)) :]
        assert all(after[place] == before[place] for place in kept)
        grown = set(after) - set(kept)
        assert all(after[place] != before.get(place) for place in grown)
    assert cost(child) == cost(genome)


def test_rigl_grows_where_the_gradient_is_largest_among_all_free_taps(task):
    genome = founder(1)
    child, _ = apply(rigl_step, genome, context(), 0.3)
    editor = GenomeEditor(genome)
    bounds = np.cumsum([0, *SIZES])
    for k, (before, after) in enumerate(zip(by_level(genome), by_level(child), strict=True)):
        kept = {place for place in after if after[place] == before.get(place)}
        grown = set(after) - kept
        assert all(after[place] == 0 for place in grown)
        layer = layers_of(editor, SIZES)[k]
        every = itertools.product(
            range(bounds[k], bounds[k + 1]), layer.targets.tolist(), range(layer.taps)
        )
        scores = {
            place: float(made_up(genome, *map(np.array, place)))
            for place in every
            if place not in kept
        }
        weakest = min((scores[place] for place in grown), default=np.inf)
        assert weakest >= max((scores[place] for place in scores if place not in grown), default=0)


def test_rigl_on_maps_asks_the_engine_for_the_gradient_of_taps():
    genome = founder(2)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(16, 2, 8, 8)).astype(np.float32), np.arange(16) % 3

    def gradients_at(of, sources, targets, taps):
        return Phenotype(of).gradients_at(sources, targets, X, y, taps)

    child, operations = apply(rigl_step, genome, context(gradients_at=gradients_at), 0.3)
    pruned = replay([(one.operator, one.parameters) for one in operations[:2]], genome)
    np.testing.assert_allclose(
        Phenotype(child).output(X), Phenotype(pruned).output(X), rtol=1e-4, atol=1e-6
    )
    taught = Phenotype(child)
    _, gradient = taught.loss_and_gradients(X, y)
    assert np.abs(taught.spread(gradient[None])[0][: child.n_stored][child.values == 0]).max() > 0


def test_random_taps_are_drawn_anew_in_each_level():
    genome = founder(3)
    child, operations = apply(redraw, genome, context())
    assert [one.operator for one in operations] == ["A", "A", "N"]
    assert counts(child) == counts(genome)
    assert not np.isin(child.values, genome.values).any()
    assert child.threshold is None


# -- moves -------------------------------------------------------------------------------------------------------------

STEP = {"rewired_fraction": 0.2, "gradient_fraction": 0.7, "max_moved_fraction": 0.3}
candidates = st.sampled_from([1.0, 2.0])
moves = st.sampled_from(
    [
        *({}, dict.fromkeys((*LAYER_CHANGES, *CHANGES_WITHIN_LAYERS), 1.0)),
        *({move: 1.0} for move in (*LAYER_CHANGES, *CHANGES_WITHIN_LAYERS)),
    ]
)


@given(candidates, moves, st.integers(0, 999), st.floats(0, 1), st.floats(0, 1))
def test_no_step_is_dearer_than_the_network_was_and_each_replays(
    of_edges, made, seed, share, gradient_fraction
):
    genome = founder(seed % 7, of_edges)
    keywords = STEP | {"rewired_fraction": share, "gradient_fraction": gradient_fraction}
    keywords |= {"change_weights": made}
    child, operations = apply(rewire_layers, genome, context(seed), **keywords)
    assert all(a <= b for a, b in zip(cost(child), cost(genome), strict=True))
    assert (child.threshold is None) == (genome.threshold is None)
    sizes = current_layer_sizes(GenomeEditor(child), SIZES)
    by_level(child, sizes=sizes)
    assert sum(one.operator in "RU" for one in operations) <= 1
    if not made:
        assert counts(child, child.active_mask()) == counts(genome, genome.active_mask())
        assert counts(child) == counts(genome)


@pytest.mark.parametrize("code", CHANGES_WITHIN_LAYERS)
def test_what_changes_a_layer_is_made_to_fit_the_size_limit(code):
    genome = founder(1)
    parameters, macs = cost(genome)
    chosen = PolicySettings(
        name="layerwise", rewiring_probability=0.0, operator_weights={code: 1.0}
    )
    assert chosen.drawn_weights == {code: 1.0}
    n_applied = 0
    for seed in range(6):
        given = context(seed, max_parameters=parameters, max_macs=macs)
        child, operations = apply(POLICIES["layerwise"], genome, given, chosen)
        n_applied += operations[0].operator == code
        assert all(a <= b for a, b in zip(cost(child), (parameters, macs), strict=True))
        sizes = current_layer_sizes(GenomeEditor(child), SIZES)
        assert (sizes != SIZES) == (code == "W" and operations[0].operator == "W")
        assert sum(sizes) == child.n_nodes
        by_level(child, sizes=sizes)
    assert n_applied > 3


def test_without_moves_the_strongest_of_each_level_stay_and_the_rest_is_new():
    genome = founder(4)
    child, operations = apply(rewire_layers, genome, context(), change_weights={}, **STEP)
    assert [one.operator for one in operations] == ["A", "A", "N"]
    for before, after in zip(by_level(genome), by_level(child), strict=True):
        by_strength = sorted(before, key=lambda place: abs(before[place]))
        kept = by_strength[round(0.2 * len(before)) :]
        assert all(after[place] == before[place] for place in kept)
        assert [after[place] for place in set(after) - set(kept)] == [0] * round(0.2 * len(before))


def test_candidates_are_renewed_and_edges_stay():
    genome = founder(5, candidates=2.0)
    child, operations = apply(rewire_layers, genome, context(), change_weights={}, **STEP)
    assert [one.operator for one in operations] == ["A", "N", "A"]
    assert entries(child, child.active_mask()) == entries(genome, genome.active_mask())
    assert set(entries(child)) != set(entries(genome))
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5, 2, 8, 8)).astype(np.float32)
    assert np.array_equal(Phenotype(child).output(X), Phenotype(genome).output(X))


@pytest.mark.parametrize("of_edges", [1.0, 2.0])
def test_moved_edges_go_from_one_level_to_another_within_both_bounds(of_edges):
    genome = founder(6, of_edges)
    seen = set()
    for seed in range(40):
        child, _ = apply(rewire_layers, genome, context(seed), change_weights={"A": 1.0}, **STEP)
        before = np.array(counts(genome, genome.active_mask()))
        after = np.array(counts(child, child.active_mask()))
        (giver,) = np.flatnonzero(after < before)
        taken = before[giver] - after[giver]
        assert taken <= np.ceil(0.3 * before[giver])
        takers = np.flatnonzero(after > before)
        assert len(takers) <= 1
        seen.update((int(giver), int(taker)) for taker in takers)
        assert (after - before).sum() <= 0
        assert ((after - before) * MACS).sum() <= 0
        expected = np.minimum(np.ceil(np.array(counts(genome)) / before * after), PLACES)
        assert counts(child) == expected.tolist()
    assert len(seen) > 8


def test_a_budget_with_room_lets_levels_grow_and_a_smaller_one_is_reached():
    genome = founder(7)
    parameters, macs = cost(genome)
    wide = {"max_parameters": 2 * parameters, "max_macs": 2 * macs}
    editor = GenomeEditor(genome)
    shape = layer_sizes_of(editor, context(**wide))
    moved = move_edges_between_layers(editor, shape, 0.2, np.random.default_rng(0))
    assert moved.n_active.sum() > shape.n_active.sum()
    narrow = {"max_parameters": parameters - 50, "max_macs": macs - 900}
    child, _ = apply(rewire_layers, genome, context(**narrow), change_weights={}, **STEP)
    assert cost(child)[0] <= parameters - 50
    assert cost(child)[1] <= macs - 900


def test_a_removed_node_leaves_its_taps_to_its_levels_and_a_copy_pays_for_its_bias():
    genome = founder(8)
    for move, change in (("R", -1), ("U", 1)):
        child, operations = apply(
            rewire_layers, genome, context(1), change_weights={move: 1.0}, **STEP
        )
        assert operations[0].operator == move
        assert child.n_nodes == genome.n_nodes + change
        sizes = current_layer_sizes(GenomeEditor(child), SIZES)
        before, after = counts(genome), counts(child, sizes=sizes)
        lost = np.array(before) - after
        assert (lost.sum(), np.count_nonzero(lost)) == ((1, 1) if move == "U" else (0, 0))
    lonely = FounderSettings(graph="maps", layers=[(8, 1)], kernel=3)
    only = create_founders(lonely, 1, 3, n_founders=1, seed=0, map_size=8)[0]
    given = replace(context(), layers=(1, 1, 3))
    child, _ = apply(rewire_layers, only, given, change_weights={"R": 1.0}, **STEP)
    assert child.n_nodes == only.n_nodes


def test_levels_are_needed():
    with pytest.raises(ValueError, match="founders must have graph"):
        rewire_layers(
            GenomeEditor(founder()), replace(context(), layers=()), change_weights={}, **STEP
        )


def test_neurons_in_layers_are_levels_as_well():
    founders = FounderSettings(graph="layered", hidden=[9, 7], density=0.4)
    genome = create_founders(founders, 4, 3, n_founders=1, seed=0)[0]

    def of_neurons(of, sources, targets):
        return made_up(of, sources, targets, 0)

    for seed in range(10):
        given = replace(context(seed, of_neurons), layers=(4, 9, 7, 3))
        child, _ = apply(
            rewire_layers, genome, given, change_weights=dict.fromkeys(LAYER_CHANGES, 1.0), **STEP
        )
        assert all(a <= b for a, b in zip(cost(child), cost(genome), strict=True))


# -- the policy, and what training leaves ------------------------------------------------------------------------------


def test_the_policy_draws_moves_by_their_weights_and_rewires_less_and_less():
    genome = founder(9)

    def record(progress=0.0, **changes):
        chosen = PolicySettings(name="layerwise", **changes)
        step = POLICIES["layerwise"]
        return [
            apply(step, genome, context(seed, progress=progress), chosen)[1] for seed in range(20)
        ]

    assert PolicySettings(name="layerwise").drawn_weights == {"A": 1.0, "R": 0.25, "U": 0.25}
    moved = record(rewiring_probability=0.0, operator_weights={"R": 1.0, "N": 5.0})
    assert all(operations[0].operator == "R" for operations in moved)
    only_rewired = record(rewiring_probability=1.0)
    assert all("".join(one.operator for one in operations) == "AAN" for operations in only_rewired)
    assert record(1.0, rewiring_probability=1.0) == [[]] * 20
    half = record(rewiring_probability=0.5, operator_weights={"U": 1.0})
    assert 3 < sum(operations[0].operator == "U" for operations in half) < 17


@pytest.mark.parametrize("layers", [SIZES, ()])
def test_after_training_as_many_edges_are_kept_as_before(layers):
    genome = founder(10, candidates=2.0)
    rng = np.random.default_rng(0)
    trained = genome.with_values(rng.normal(size=genome.n_stored).astype(np.float32), genome.bias)
    assert counts(trained, trained.active_mask()) != counts(genome, genome.active_mask())
    kept = keep_n_active(trained, genome, layers)
    live = kept.active_mask()
    assert live.sum() == genome.active_mask().sum()
    if layers:
        assert counts(kept, live) == counts(genome, genome.active_mask())
        for level in range(len(SIZES) - 1):
            everything, edges = by_level(kept)[level], by_level(kept, live)[level]
            weakest = min(map(abs, edges.values()))
            assert all(abs(w) < weakest for place, w in everything.items() if place not in edges)
    assert np.array_equal(kept.values, trained.values)


@pytest.mark.parametrize("code", ["H", "R", "I"])
def test_edges_of_a_layer_are_kept_wherever_its_nodes_are(code):
    before = founder(10, candidates=2.0)
    rng = np.random.default_rng(0)
    for _ in range(12):
        before, _ = OPERATORS[code](before, rng=rng)
    layer_of = layer_of_nodes(GenomeEditor(before), SIZES)
    assert code != "H" or (np.diff(layer_of) < 0).any()
    trained = before.with_values(rng.normal(size=before.n_stored).astype(np.float32), before.bias)
    kept = keep_n_active(trained, before, SIZES)

    def of_layers(genome):
        targets = np.repeat(np.arange(genome.n_nodes), np.diff(genome.indptr))
        return np.bincount(layer_of[targets[genome.active_mask()]], minlength=len(SIZES)).tolist()

    assert of_layers(kept) == of_layers(before) != of_layers(trained)


def test_freezing_forgets_the_candidates():
    genome = founder(11, candidates=2.0)
    editor = GenomeEditor(genome)
    freeze_topology(editor)
    frozen = editor.freeze()
    assert isinstance(frozen, Genome)
    assert frozen.threshold is None
    assert entries(frozen) == entries(genome, genome.active_mask())
