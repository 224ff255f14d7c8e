"""One contract for every operator of the registry, and what is special to each."""

import json
from dataclasses import replace

import numpy as np
import pytest
from effort import first_now, trials

from cnn.training.trainer import train
from evo import OPERATORS, FounderSettings, Genome, GenomeEditor, Phenotype, create_founders, replay
from evo.genome.genome import Role
from evo.operators.growth import gradient_edges, highest, random_edges
from evo.operators.operation import OperatorSettings, ProposalContext
from evo.operators.registry import apply_operation
from graphops import slogdet

CODES = list(OPERATORS)
OF_MAPS = "MPGK"
"""Operators that change nothing where all nodes are neurons."""


def founder(seed, ticks=1, density=0.4):
    settings = FounderSettings(hidden=8, density=density, ticks=ticks)
    return create_founders(settings, 4, 2, n_founders=1, seed=seed)[0]


def propose(code, genome, seed, **settings):
    editor = GenomeEditor(genome)
    context = ProposalContext(np.random.default_rng(seed), OperatorSettings(**settings))
    return editor, OPERATORS[code].propose(editor, context)


def test_the_letters_are_those_of_the_seed_document():
    assert [*CODES[:7]] == ["A", "B", "C", "D", "F", "H", "N"]


@pytest.mark.parametrize(
    ("code", "ticks"),
    # Without a cycle a network has settled after two ticks: no order of one node changes that.
    [
        pytest.param(code, ticks, marks=[pytest.mark.slow] * (ticks == 2))
        for code in CODES
        for ticks in (1, 2)
        if (code, ticks) != ("H", 2) and code not in (*OF_MAPS, *"VY")
    ],
)
def test_an_operator_keeps_its_contract(code, ticks, task):
    some, proposed, changed, n_trials = task(), 0, 0, trials(20, 40)
    preserves = OPERATORS[code].preserves
    for seed in range(n_trials):
        parent = founder(seed, ticks, density=0.1 if preserves else 0.4)
        before = parent.fingerprint()
        editor, parameters = propose(code, parent, seed)
        if parameters is None:
            assert preserves  # not every network has an idle node, or two strangers
            continue
        proposed += 1
        assert propose(code, parent, seed)[1] == parameters  # same rng, same proposal
        operation = apply_operation(editor, code, parameters)
        child = editor.freeze()
        assert parent.fingerprint() == before
        assert (operation.n_stored_before, operation.n_stored_after) == (
            parent.n_stored,
            child.n_stored,
        )
        assert operation.n_active_before == parent.active_mask().sum()
        assert operation.n_active_after == child.active_mask().sum()
        record = [(code, json.loads(json.dumps(parameters)))]
        assert replay(record, parent).equals(child)
        inputs = np.isin(np.repeat(child.ids, np.diff(child.indptr)), parent.ids[parent.inputs])
        assert not inputs.any()  # nothing listens at an input
        X = some.validation.inputs
        old, new = Phenotype(parent).output(X), Phenotype(child).output(X)
        if preserves:
            np.testing.assert_allclose(new, old, atol=2e-6)
        changed += not np.array_equal(old, new)
    if preserves:
        assert proposed >= n_trials / 4
    else:
        assert changed == n_trials
    report = train(
        Phenotype(child), some.train, some.recipe,
        first_step=0, steps=2, total_steps=2, order_seed=some.order_seed,
    )  # fmt: skip
    assert report.status == "ok"


@pytest.mark.parametrize("threshold", [None, 0.2])
@pytest.mark.parametrize("ticks", first_now([2, 1, 3]))
@pytest.mark.parametrize(
    "code", [code for code in CODES if OPERATORS[code].preserves and code not in OF_MAPS]
)
def test_what_preserves_the_function_does_so_in_any_network(code, ticks, threshold, random_genome):
    rng = np.random.default_rng(5)
    applied = 0
    for seed in range(trials(30, 60)):
        genome = replace(random_genome(rng, n_inputs=3), ticks=ticks, threshold=threshold)
        editor, parameters = propose(code, genome, seed, max_density=1.0)
        if parameters is None:
            continue
        applied += 1
        apply_operation(editor, code, parameters)
        X = rng.standard_normal((5, 3))
        before, after = Phenotype(genome).output(X), Phenotype(editor.freeze()).output(X)
        np.testing.assert_allclose(after, before, rtol=1e-12, atol=1e-12)
    if code == "J" and threshold:  # weight 0 is dormant
        assert applied == 0
    else:  # W needs two nodes of a level whose out-weights can be shared
        assert applied >= (1 if code == "W" else 5)


def full_rank_genome(rng, n=9):
    matrix = rng.normal(size=(n, n)) + 0.1 * np.eye(n)
    return Genome.from_matrix(matrix, n_inputs=2, n_outputs=2, ticks=2)


@pytest.mark.parametrize("code", ["B", "C", "D", "F", "H"])
def test_the_determinant_changes_as_the_algebra_says(code):
    rng = np.random.default_rng(1)
    for seed in range(50):
        genome = full_rank_genome(rng)
        editor, parameters = propose(code, genome, seed, max_density=1.0)
        assert parameters is not None
        apply_operation(editor, code, parameters)
        before, after = slogdet(genome.weights), slogdet(editor.freeze().weights)
        scale = parameters.get("scale", 1.0)
        assert after.sign == before.sign * (-1 if code in "BD" else 1)
        assert after.log_abs == pytest.approx(before.log_abs + np.log(scale), abs=1e-9)


def test_only_reordering_and_operators_on_nodes_change_the_node_table():
    genome = founder(0, density=0.2)
    for code in CODES:
        editor, parameters = propose(code, genome, 3)
        if parameters is not None:
            apply_operation(editor, code, parameters)
            assert np.array_equal(editor.freeze().ids, genome.ids) == (code in "ABCDFNTJ")


def test_columns_carry_the_bias_along_and_rows_do_not():
    genome = founder(0)
    genome = genome.with_values(genome.values, np.arange(genome.n_nodes, dtype=np.float32))
    editor = GenomeEditor(genome)
    editor.swap_columns(5, 7)
    assert editor.bias[[5, 7]].tolist() == [7, 5]
    editor.add_column(5, 6, 0.5)
    assert editor.bias[6] == 6 + 0.5 * 7
    editor.swap_rows(0, 5)
    assert editor.bias[[0, 5]].tolist() == [0, 7]
    editor.add_row(5, 6, 0.5)
    assert editor.bias[6] == 6 + 0.5 * 7


def test_momentum_follows_an_edge_as_long_as_it_is_the_same_edge():
    genome = founder(4)
    # Memory that names each entry by its weight, each bias by its node: after moves it must still match.
    moments = np.concatenate([genome.values, genome.ids.astype(np.float32)])[None]
    editor = GenomeEditor(genome)
    editor.swap_columns(5, 8)
    editor.swap_rows(1, 6)
    editor.reorder(np.r_[0:4, 6, 4, 5, 7:14])
    moved = editor.carry(moments)[0]
    child = editor.freeze()
    assert np.array_equal(moved[: child.n_stored], child.values)
    editor.add_column(4, 9, 0.5)
    child, carried = editor.freeze(), editor.carry(moments)[0]
    columns = np.repeat(np.arange(child.n_nodes), np.diff(child.indptr))
    assert not carried[: child.n_stored][columns == 9].any()
    assert carried[child.n_stored + 9] == 0
    kept = columns != 9
    assert np.array_equal(carried[: child.n_stored][kept], child.values[kept])
    editor.add_row(4, 5, 0.25)
    child, carried = editor.freeze(), editor.carry(moments)[0]
    assert not carried[: child.n_stored][child.indices == 5].any()
    target = 10
    free = next(i for i in range(target) if not child.to_dense()[i, target])
    editor.assign(np.array([free]), np.array([target]), np.array([0.75], np.float32))
    child, carried = editor.freeze(), editor.carry(moments)[0]
    new = child.values == 0.75
    assert new.sum() == 1
    assert carried[: child.n_stored][new] == 0


def test_forgotten_entries_take_their_momentum_with_them():
    genome = founder(4)
    editor = GenomeEditor(genome)
    editor.set_threshold(float(np.median(np.abs(genome.values))))
    editor.drop_dormant()
    child = editor.freeze()
    assert 0 < child.n_stored < genome.n_stored
    moments = np.concatenate([genome.values, genome.bias])[None]
    assert np.array_equal(editor.carry(moments)[0, : child.n_stored], child.values)


@pytest.mark.parametrize("max_quantile", [0.1, 0.4])
def test_a_threshold_puts_at_most_its_share_of_the_entries_to_sleep(max_quantile):
    for seed in range(20):
        genome = founder(seed)
        editor, parameters = propose("A", genome, seed, max_quantile=max_quantile)
        apply_operation(editor, "A", parameters)
        assert editor.n_active >= (1 - max_quantile) * genome.n_stored - 1


@pytest.mark.parametrize("code", ["C", "F"])
def test_a_line_that_gets_a_sum_keeps_its_length(code):
    longer = 0
    for seed in range(20):
        genome = founder(seed, ticks=2)
        editor, parameters = propose(code, genome, seed, max_density=1.0)
        apply_operation(editor, code, parameters)
        lines = [
            one if code == "F" else one.T for one in (genome.to_dense(), editor.freeze().to_dense())
        ]
        before, after = (np.linalg.norm(one[parameters["target"]]) for one in lines)
        assert after == pytest.approx(before, rel=1e-5) or before == 0
        longer += before > 0
    assert longer > 10


@pytest.mark.parametrize("code", ["I", "R", "S"])
def test_nodes_come_and_go_with_their_rows_and_columns(code):
    for seed in range(20):
        genome = founder(seed, ticks=2)
        child, operation = OPERATORS[code](genome, rng=np.random.default_rng(seed))
        parameters, matrix = operation.parameters, genome.to_dense()
        if code == "R":
            matrix = np.delete(matrix, parameters["node"], axis=0)
            matrix = np.delete(matrix, parameters["node"], axis=1)
        else:
            source, target, new = (parameters[name] for name in ("source", "target", "position"))
            if code == "S":
                assert parameters["weights"] == [1.0, matrix[source, target]]
                matrix[source, target] = 0
            matrix = np.insert(np.insert(matrix, new, 0, axis=0), new, 0, axis=1)
            matrix[source + (source >= new), new] = parameters["weights"][0]
            matrix[new, target + (target >= new)] = parameters["weights"][1]
        np.testing.assert_array_equal(child.to_dense(), matrix)


@pytest.mark.parametrize("code", ["C", "F", "N"])
def test_nothing_grows_beyond_the_maximum_density(code):
    genome = founder(1)
    full = genome.n_stored / genome.n_nodes**2
    assert propose(code, genome, 0, max_density=full * 0.9)[1] is None


@pytest.mark.parametrize("mode", ["magnitude", "signed"])
def test_new_edges_start_above_the_threshold(mode):
    genome = replace(founder(2), threshold=0.4, threshold_mode=mode)
    editor = GenomeEditor(genome)
    context = ProposalContext(np.random.default_rng(0), OperatorSettings(max_density=1.0))
    operation = apply_operation(editor, "N", random_edges(editor, 6, context))
    assert operation.n_active_after == operation.n_active_before + 6


def test_growth_by_gradient_takes_the_largest_and_goes_downhill(task):
    some, genome = task(), founder(3)
    network = Phenotype(genome)

    def gradients_at(asked, sources, targets):
        assert asked.equals(genome)
        return network.gradients_at(sources, targets, some.train.inputs, some.train.targets)

    context = ProposalContext(
        np.random.default_rng(0), OperatorSettings(max_density=1.0), gradients_at
    )
    editor = GenomeEditor(genome)
    parameters = gradient_edges(editor, 3, context)
    before = network.loss(some.train.inputs, some.train.targets)
    apply_operation(editor, "N", parameters)
    assert Phenotype(editor.freeze()).loss(some.train.inputs, some.train.targets) < before
    sources, targets = np.array(parameters["sources"]), np.array(parameters["targets"])
    chosen = np.abs(gradients_at(genome, sources, targets)).min()
    free = [
        (i, j) for i in range(14) for j in range(4, 14)
        if i < j and genome.roles[i] != Role.OUTPUT and not genome.to_dense()[i, j]
    ]  # fmt: skip
    everywhere = np.abs(gradients_at(genome, *(np.array(part) for part in zip(*free, strict=True))))
    assert (everywhere > chosen * (1 + 1e-6)).sum() <= 0.2 * len(free)


def test_the_highest_scores_are_the_first_of_a_stable_sort():
    for seed in range(200):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(1, 40))
        scores = rng.integers(0, int(rng.choice([2, 5, 1000])), n).astype(np.float32)
        scores[rng.random(n) < rng.choice([0, 0.2, 1])] = np.nan
        for count in (0, 1, n // 2, n - 1, n, n + 3):
            expected = np.argsort(-scores, kind="stable")[:count]
            np.testing.assert_array_equal(highest(scores, count), expected)


def test_an_unknown_letter_is_named():
    with pytest.raises(
        ValueError,
        match="operator must be one of A, B, C, D, F, H, N, I, R, S, U, E, O, M, L, W, T, J, G, K, P, V, Y; got 'Z'",
    ):
        replay([("Z", {})], founder(0))


def test_an_operation_replays_as_it_is():
    rng = np.random.default_rng(5)
    matrix = np.triu(rng.normal(size=(12, 12)), 1) * (rng.random((12, 12)) < 0.5)
    genome = Genome.from_matrix(matrix, n_inputs=3, n_outputs=2)
    child, operation = OPERATORS["B"](genome, rng=rng)
    assert not child.equals(genome)
    assert replay([operation], genome).equals(child)
    assert replay([(operation.operator, operation.parameters)], genome).equals(child)
