"""Methods of sparse training: their removals, percolation, regrowth and schedules, put together in one step."""

from dataclasses import replace

import numpy as np
import pytest

from evo import (
    FounderSettings,
    Genome,
    GenomeEditor,
    Phenotype,
    PolicySettings,
    SettingsError,
    create_founders,
    replay,
)
from evo.operators.operation import OperatorSettings, ProposalContext
from evo.policies.link_prediction import ch2_l3n, ch3_l3p, link_scores
from evo.policies.method import Method, rewire
from evo.policies.policies import POLICIES
from evo.policies.prune_and_regrow import groups_of
from evo.policies.removal import drop_edges_of_idle_neurons
from evo.policies.rewiring import METHODS
from evo.policies.schedules import SCHEDULES, density_after

SIZES = (6, 12, 10, 3)
N_PLACES = 6 * 12 + 12 * 10 + 10 * 3


def founder(seed=0, density=0.5, **settings):
    of_layers = FounderSettings(graph="layered", hidden=[12, 10], density=density, **settings)
    return create_founders(of_layers, 6, 3, n_founders=1, seed=seed)[0]


def context_of(seed=0, progress=0.0, after=1.0, layers=SIZES):
    data = np.random.default_rng(7)
    inputs, labels = data.normal(size=(24, 6)).astype(np.float32), data.integers(3, size=24)

    def gradients_at(genome, sources, targets):
        return Phenotype(genome).gradients_at(sources, targets, inputs, labels)

    rng = np.random.default_rng(seed)
    return ProposalContext(rng, OperatorSettings(), gradients_at, progress, layers, after)


def step(method, genome, **where):
    """Take one step; return the child, and the operations, whose record gives the same child."""
    editor = GenomeEditor(genome)
    operations = rewire(editor, context_of(**where), method)
    child = editor.freeze()
    assert replay(operations, genome).equals(child)
    return child, operations


def matrices(genome, sizes=SIZES):
    """Return the weights of the edges of each layer, and where there are edges."""
    dense = np.zeros((genome.n_nodes, genome.n_nodes))
    edges, active = np.zeros(dense.shape, bool), genome.active_mask()
    places = genome.indices[active], genome.targets[active]
    dense[places] = genome.values[active]
    edges[places] = True
    bounds = np.cumsum((0, *sizes))
    parts = [
        (slice(a, b), slice(b, c)) for a, b, c in zip(bounds, bounds[1:], bounds[2:], strict=False)
    ]
    assert edges.sum() == sum(edges[part].sum() for part in parts)
    return [dense[part] for part in parts], [edges[part] for part in parts]


@pytest.mark.parametrize("name", [name for name in METHODS if name != "gmp"])
def test_every_method_repeats_replays_and_gives_layers_their_edges(name):
    genome = founder()
    method = replace(METHODS[name], rewired_fraction=0.3, density_schedule="constant")
    child, operations = step(method, genome)
    again, _ = step(method, genome)
    assert again.equals(child)
    assert not child.equals(genome)
    assert {one.operator for one in operations} <= {"A", "N"}
    assert child.threshold is None
    before, after = matrices(genome)[1], matrices(child)[1]
    for old, new in zip(before, after, strict=True):
        assert new.sum() == old.sum()
        assert (old != new).any()


# -- removal -----------------------------------------------------------------------------------------------------------


def pruned(removal, genome, fraction):
    """Let a removal take a fraction of the entries of each layer."""
    final = genome.n_stored / N_PLACES * (1 - fraction)
    method = Method("", removal, "none", density_schedule="cubic", final_density=final)
    return step(method, genome)


def shares(weights):
    """Return |w| as a share of its column plus |w| as a share of its row."""
    strengths = np.abs(weights)
    rows = np.maximum(strengths.sum(axis=1, keepdims=True), 1e-30)
    return strengths / np.maximum(strengths.sum(axis=0), 1e-30) + strengths / rows


@pytest.mark.parametrize(
    ("removal", "strength"), [("magnitude", np.abs), ("relative_importance", shares)]
)
def test_a_removal_keeps_the_strongest_of_each_layer(removal, strength):
    genome = founder(2)
    child, _ = pruned(removal, genome, 0.4)
    weights, before = matrices(genome)
    for of_layer, old, new in zip(weights, before, matrices(child)[1], strict=True):
        score, n_kept = strength(of_layer), round(0.6 * old.sum())
        assert new.sum() == n_kept
        np.testing.assert_array_equal(np.sort(score[new]), np.sort(score[old])[-n_kept:])


def test_the_removal_of_mest_counts_the_gradient_too():
    genome = founder(3)
    alike = np.sign(genome.values) * (0.3 + 1e-4 * np.abs(genome.values))
    genome = genome.with_values(alike.astype(np.float32), genome.bias)
    child, _ = pruned("magnitude_and_gradient", genome, 0.5)
    gradients = context_of().gradients_at(genome, genome.indices, genome.targets)
    importance = np.abs(genome.values) + 0.01 * np.abs(gradients)
    scores, _ = matrices(genome.with_values(importance.astype(np.float32), genome.bias))
    by_weight, _ = pruned("magnitude", genome, 0.5)
    for score, old, new, other in zip(
        scores, *(matrices(one)[1] for one in (genome, child, by_weight)), strict=True
    ):
        assert score[new].min() >= score[old & ~new].max()
        assert (new != other).any()


@pytest.mark.parametrize("progress", [0.0, 1.0])
def test_a_soft_removal_keeps_entries_in_proportion_to_a_power_of_their_weights(progress):
    values = np.array([1.0, 2.0, 3.0, 4.0])
    matrix = np.zeros((5, 5))
    matrix[:4, 4] = values
    genome = Genome.from_matrix(matrix, n_inputs=4, n_outputs=1)
    method = Method("", "soft_magnitude", "none", density_schedule="two_steps", final_density=0.25)
    kept, n = np.zeros(4), 150
    for seed in range(n):
        editor = GenomeEditor(genome)
        rewire(editor, context_of(seed, progress, layers=(4, 1)), method)
        (source,), _ = editor.column(4)
        kept[source] += 1
    expected = values ** (1 + 2 * progress)
    np.testing.assert_allclose(kept / n, expected / expected.sum(), atol=0.12)


def test_dormant_entries_stay_come_back_and_leave_the_scheduled_number_of_edges():
    genome = founder(4, density=0.8)
    method = Method("", "dormancy", "none", density_schedule="cubic", final_density=0.2)
    half, operations = step(method, genome, after=0.5)
    assert [one.operator for one in operations] == ["A"]
    assert half.n_stored == genome.n_stored
    active = half.active_mask()
    assert active.sum() == pytest.approx(N_PLACES * (0.2 + 0.6 / 8), abs=2)
    assert np.abs(half.values[active]).mean() > np.abs(half.values[~active]).mean()
    weakened = np.where(active, 0.01 * half.values, half.values).astype(np.float32)
    last, _ = step(method, half.with_values(weakened, half.bias), progress=0.5)
    assert (last.active_mask() & ~active).any()
    assert last.active_mask().sum() == pytest.approx(N_PLACES * 0.2, abs=2)


# -- percolation -------------------------------------------------------------------------------------------------------


def percolated(layers):
    """Return the places left, by removing rows and columns of nodes without edges on one side, until none is left."""
    left = [part.copy() for part in layers]
    while True:
        before = [part.copy() for part in left]
        for k in range(len(left) - 1):
            idle = ~(left[k].any(axis=0) & left[k + 1].any(axis=1))
            left[k][:, idle] = False
            left[k + 1][idle] = False
        if all(np.array_equal(*pair) for pair in zip(before, left, strict=True)):
            return left


@pytest.mark.parametrize("seed", range(5))
def test_percolation_leaves_no_hidden_node_with_edges_on_one_side(seed):
    sizes = (4, 7, 7, 7, 2)
    rng = np.random.default_rng(seed)
    bounds = np.cumsum((0, *sizes))
    matrix = np.zeros((27, 27))
    for a, b, c in zip(bounds, bounds[1:], bounds[2:], strict=False):
        matrix[a:b, b:c] = (rng.random((b - a, c - b)) < 0.2) * rng.normal(size=(b - a, c - b))
    genome = Genome.from_matrix(matrix, n_inputs=4, n_outputs=2)
    editor, context = GenomeEditor(genome), context_of(layers=sizes)
    drop_edges_of_idle_neurons(editor, groups_of(editor, context, "layer"))
    child = editor.freeze()
    expected = percolated(matrices(genome, sizes)[1])
    assert sum(part.sum() for part in expected) < genome.n_stored
    for new, wanted in zip(matrices(child, sizes)[1], expected, strict=True):
        np.testing.assert_array_equal(new, wanted)


# -- regrowth ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("regrowth", "rule"), [("ch2_l3n", ch2_l3n), ("ch3_l3p", ch3_l3p)])
def test_edges_grow_where_link_prediction_on_what_is_left_is_highest(regrowth, rule):
    genome = founder(5)
    child, operations = step(Method("", regrowth=regrowth), genome)
    assert not any(operations[-1].parameters["values"])
    before_growth = matrices(replay(operations[:-1], genome))[1]
    for left, new in zip(before_growth, matrices(child)[1], strict=True):
        scores = link_scores(left, rule)
        grown = new & ~left
        assert scores[grown].min() >= scores[~new].max()


def test_what_is_dropped_and_grown_again_keeps_weight_and_state_or_begins_anew():
    genome = founder(6, density=0.9)  # few places are free, so most grow again
    moments = np.arange(1.0, 1 + genome.n_stored + genome.n_nodes, dtype=np.float32)[None]

    def after(revived):
        editor = GenomeEditor(genome)
        method = Method("", regrowth="soft_ch2_l3n", rewired_fraction=0.3, revived_weights=revived)
        operations = rewire(editor, context_of(), method)
        child = editor.freeze()
        assert replay(operations, genome).equals(child)
        return child, editor.carry(moments)[0, : child.n_stored]

    (kept, kept_moments), (anew, anew_moments) = after("kept"), after("new")
    np.testing.assert_array_equal(kept.indices, anew.indices)
    assert (anew.values == 0).sum() > (kept.values == 0).sum()
    old = dict(
        zip(
            zip(genome.indices.tolist(), genome.targets.tolist(), strict=True),
            zip(genome.values.tolist(), moments[0].tolist(), strict=False),
            strict=False,
        )
    )
    places = zip(kept.indices.tolist(), kept.targets.tolist(), strict=True)
    for place, value, moment in zip(places, kept.values, kept_moments, strict=True):
        assert (value, moment) == old.get(place, (0.0, 0.0))
    grown = anew.values == 0
    assert (anew_moments[grown] == 0).all()
    np.testing.assert_array_equal(anew.values[~grown], kept.values[~grown])


def test_link_prediction_needs_layers_of_neurons():
    genome = founder()
    with pytest.raises(ValueError, match=r"link prediction must be in layers of neurons"):
        rewire(GenomeEditor(genome), context_of(layers=()), METHODS["cht"])


# -- layers and density ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_fixed_layers_are_left_alone(name):
    genome = founder(7)
    values = genome.values.copy()
    values[-1] = 0.0  # an edge of weight 0 stays as well
    genome = genome.with_values(values, genome.bias)
    method = replace(METHODS[name], rewired_fraction=0.5, fixed_layers=(2, -1), final_density=0.1)
    child, _ = step(method, genome, after=0.5)
    (old, _, *_), (new, _, *_) = matrices(genome)[1], matrices(child)[1]
    assert (old != new).any()
    for k in (1, 2):
        for before, after in zip(matrices(genome), matrices(child), strict=True):
            np.testing.assert_array_equal(before[k], after[k])


@pytest.mark.parametrize("number", [0, 4, -4])
def test_a_layer_that_is_none_is_refused(number):
    method = replace(METHODS["set"], fixed_layers=(number,))
    with pytest.raises(ValueError, match=rf"fixed_layers must be from 1 to 3 .*; got {number}"):
        rewire(GenomeEditor(founder()), context_of(), method)


@pytest.mark.parametrize("schedule", ["cubic", "sigmoid", "cosine", "two_steps"])
def test_the_density_falls_as_its_schedule_says(schedule):
    method = replace(
        METHODS["set"], density_schedule=schedule, final_density=0.1, rewired_fraction=0.2
    )
    genome = founder(density=0.8)
    first, counts = genome.n_stored / N_PLACES, [genome.n_stored]
    n_steps = 5
    for k in range(n_steps):
        genome, _ = step(method, genome, seed=k, progress=k / n_steps, after=(k + 1) / n_steps)
        expected = 0.1 + (first - 0.1) * SCHEDULES[schedule]((k + 1) / n_steps)
        assert genome.n_stored == pytest.approx(expected * N_PLACES, abs=3)
        counts.append(genome.n_stored)
    assert counts == sorted(counts, reverse=True)
    assert genome.n_stored == pytest.approx(0.1 * N_PLACES, abs=2)


def test_schedules_begin_at_one_and_the_falling_ones_end_at_zero():
    for name, schedule in SCHEDULES.items():
        values = [schedule(k / 20) for k in range(21)]
        assert values[0] == pytest.approx(1)
        assert values == sorted(values, reverse=True)
        assert values[-1] == pytest.approx(1 if name == "constant" else 0, abs=1e-12)
    assert SCHEDULES["cubic"](0.5) == 0.125
    assert [SCHEDULES["two_steps"](p) for p in (0.6, 0.61, 0.99)] == [1.0, 0.5, 0.5]
    logistic = [1 / (1 + np.exp(-6 * (2 * p - 1))) for p in (0.0, 0.3, 1.0)]
    expected = 1 - (logistic[1] - logistic[0]) / (logistic[2] - logistic[0])
    assert SCHEDULES["sigmoid"](0.3) == pytest.approx(expected)


def test_a_density_below_the_final_one_stays():
    assert density_after(0.05, 0.1, SCHEDULES["cubic"], 0.0, 0.5) == 0.05
    assert density_after(0.5, 0.1, SCHEDULES["cubic"], 1.0, 1.0) == 0.1


# -- settings ----------------------------------------------------------------------------------------------------------


def test_settings_exchange_the_parts_of_a_method():
    settings = PolicySettings(
        name="rigl", removal="soft_magnitude", regrowth="ch2_l3n", revived_weights="kept"
    )
    method = settings.method
    assert (method.removal, method.regrowth, method.fraction_schedule) == (
        "soft_magnitude",
        "ch2_l3n",
        "cosine",
    )
    genome = founder()
    editor = GenomeEditor(genome)
    operations = POLICIES["rigl"](editor, context_of(), settings)
    assert replay(operations, genome).equals(step(method, genome)[0])
    assert PolicySettings(name="mixed").method is None


def test_a_method_of_ones_own_is_a_policy():
    own = Method("Prune alone.", regrowth="none", density_schedule="cosine")
    editor = GenomeEditor(founder())
    own(editor, context_of(), PolicySettings(name="gmp", final_density=0.25))
    assert editor.n_stored == pytest.approx(N_PLACES / 4, abs=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"removal": "weakness"}, "removal must be one of magnitude"),
        ({"regrowth": "ch2"}, "regrowth must be one of random"),
        ({"density_schedule": "cubed"}, "density_schedule must be one of constant"),
        ({"removal_exponents": (1, -1)}, "removal_exponents must be two finite numbers"),
        ({"name": "set", "removal": "dormancy"}, 'regrowth must be "none" where removal is'),
        ({"fixed_layers": (0,)}, "fixed_layers must be numbers of layers from 1"),
        ({"fixed_layers": (1, 1)}, "fixed_layers must be numbers of layers from 1"),
        (
            {"name": "cht", "rewiring_scope": "network"},
            'rewiring_scope must be "layer" where regrowth is',
        ),
        (
            {"name": "set", "rewiring_scope": "network", "fixed_layers": (1,)},
            "fixed_layers must be empty",
        ),
    ],
)
def test_settings_that_fit_no_method_are_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        PolicySettings(**settings)
