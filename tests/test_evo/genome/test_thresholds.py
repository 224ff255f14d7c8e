"""Every kind of threshold - none, one number, one per target, by magnitude or by sign - works with every operator."""

import json
from dataclasses import replace

import numpy as np
import pytest
from effort import trials
from scipy import sparse

from evo import OPERATORS, FounderSettings, GenomeEditor, Phenotype, create_founders, replay
from evo.operators.growth import gradient_edges, random_edges
from evo.operators.operation import OperatorSettings, ProposalContext
from evo.operators.registry import apply_operation
from evo.policies.policies import freeze_topology

LIMITS = {
    "none": (None, "magnitude"),
    "magnitude": (0.2, "magnitude"),
    "magnitude zero": (0.0, "magnitude"),
    "signed": (0.2, "signed"),
    "signed zero": (0.0, "signed"),
    "signed negative": (-0.5, "signed"),
    "per target": (np.linspace(0, 0.4, 14, dtype=np.float32), "magnitude"),
    "signed per target": (np.linspace(-0.4, 0.4, 14, dtype=np.float32), "signed"),
}


@pytest.fixture(params=LIMITS)
def genome(request):
    threshold, mode = LIMITS[request.param]
    founder = create_founders(FounderSettings(hidden=8, density=0.4), 4, 2, n_founders=1, seed=1)[0]
    return replace(founder, threshold=threshold, threshold_mode=mode, ticks=2)


def context(seed, gradients_at=None):
    return ProposalContext(
        np.random.default_rng(seed), OperatorSettings(max_density=1.0), gradients_at
    )


@pytest.mark.parametrize("code", [code for code in OPERATORS if code not in "MKPVY"])
def test_an_operator_replays_whatever_the_threshold(genome, code):
    if code == "H":  # after two ticks a founder has settled, whatever the order
        genome = replace(genome, ticks=1)
    for seed in range(trials(3, 8)):
        editor = GenomeEditor(genome)
        parameters = OPERATORS[code].propose(editor, context(seed))
        if parameters is None:
            assert OPERATORS[code].preserves
            continue
        operation = apply_operation(editor, code, parameters)
        child = editor.freeze()
        assert replay([(code, json.loads(json.dumps(parameters)))], genome).equals(child)
        assert operation.n_active_before == genome.active_mask().sum()
        assert operation.n_active_after == child.active_mask().sum()
        assert np.isfinite(Phenotype(child).output(np.ones((2, 4), np.float32))).all()


def test_the_threshold_of_a_target_moves_along_when_nodes_are_reordered():
    thresholds = np.linspace(0, 0.4, 14)
    founder = create_founders(FounderSettings(hidden=8, density=0.4), 4, 2, n_founders=1, seed=1)[0]
    editor = GenomeEditor(replace(founder, threshold=thresholds))
    order = np.random.default_rng(0).permutation(14)
    editor.reorder(order)
    child = editor.freeze()
    np.testing.assert_array_equal(child.threshold, thresholds[order])
    assert child.active_mask().sum() == replace(founder, threshold=thresholds).active_mask().sum()


def test_random_new_edges_are_active_and_not_zero(genome):
    for seed in range(8):
        editor = GenomeEditor(genome)
        parameters = random_edges(editor, 12, context(seed))
        operation = apply_operation(editor, "N", parameters)
        assert len(parameters["values"]) == 12
        assert operation.n_active_after == operation.n_active_before + 12
        assert np.all(np.array(parameters["values"]) != 0)


def test_new_edges_by_gradient_are_active_and_downhill_where_the_threshold_allows(genome):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 4)).astype(np.float32), rng.integers(2, size=30)

    def gradients_at(asked, sources, targets):
        return Phenotype(asked).gradients_at(sources, targets, X, y)

    editor = GenomeEditor(genome)
    parameters = gradient_edges(editor, 5, context(0, gradients_at))
    operation = apply_operation(editor, "N", parameters)
    assert operation.n_active_after == operation.n_active_before + len(parameters["values"]) > 0
    if genome.threshold_mode == "magnitude":
        places = np.array(parameters["sources"]), np.array(parameters["targets"])
        downhill = -np.sign(gradients_at(genome, *places))
        np.testing.assert_array_equal(np.sign(parameters["values"]), downhill)


def test_growing_by_gradient_needs_gradients(genome):
    with pytest.raises(
        ValueError, match=r"^gradients_at must be given to grow edges by gradient; got None$"
    ):
        gradient_edges(GenomeEditor(genome), 3, context(0))


def test_freezing_keeps_what_is_computed(genome):
    editor = GenomeEditor(genome)
    operations = freeze_topology(editor)
    frozen = editor.freeze()
    X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_array_equal(Phenotype(frozen).output(X), Phenotype(genome).output(X))
    assert frozen.threshold is None
    assert frozen.n_stored == genome.active_mask().sum()
    record = [(one.operator, json.loads(json.dumps(one.parameters))) for one in operations]
    assert replay(record, genome).equals(frozen)


def test_dormant_edges_wake_when_the_threshold_falls(genome):
    editor = GenomeEditor(genome)
    editor.set_threshold(None)
    assert editor.freeze().active_mask().all()
    np.testing.assert_array_equal(editor.freeze().values, genome.values)


def test_the_matrix_of_a_genome_is_one_that_scipy_can_work_with(genome):
    W, dense = genome.weights, genome.to_dense()
    assert isinstance(W, sparse.csc_array)
    np.testing.assert_array_equal(W.tocoo().toarray(), dense)
    np.testing.assert_array_equal(W.tocsr().toarray(), dense)
    np.testing.assert_array_equal(W.T.toarray(), dense.T)
    np.testing.assert_array_equal(np.array(W.nonzero()), np.array(dense.nonzero()))
    np.testing.assert_allclose((W @ W).toarray(), dense @ dense, rtol=1e-5, atol=1e-6)
    assert np.shares_memory(W.data, genome.values)
    assert np.shares_memory(W.indices, genome.indices)
    assert "(0, " in str(W)
