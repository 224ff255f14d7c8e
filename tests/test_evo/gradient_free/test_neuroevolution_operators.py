"""The compiled operators on small dense networks are the framework's operators: each one is replayed."""

import json

import numpy as np
import pytest
from effort import trials

import graphops
from cnn.training.samples import Samples
from evo import NeuroevolutionSettings, Role, replay
from evo.gradient_free import dense_kernels as dense
from evo.gradient_free.compiled_run import prepare_run
from evo.gradient_free.dense_kernels import OPERATOR_CODES, Network
from evo.gradient_free.dense_population import empty_log, empty_networks, genome_at, record_from_log
from evo.gradient_free.selection import Parentage

SAMPLES = Samples(np.zeros((1, 3)), np.zeros((1, 2)))
SIZE = trials(100, 250)


def problem_of(*, ticks=1, seed=0, **settings):
    defaults = {"population": SIZE, "hidden": 5, "elites": 0, "max_operations": 4, "ticks": ticks}
    return prepare_run(SAMPLES, NeuroevolutionSettings(**defaults | settings), seed)


def bred(problem, parents, generation, *, logged):
    """Return children of each, and their records if they are logged."""
    children = empty_networks(problem.size, problem.n_nodes)
    records = []
    everyone = Parentage(np.arange(problem.size, dtype=np.int32), None, 0)
    if not logged:
        nothing = empty_log(0, problem.n_nodes)
        problem.breed(parents, everyone, generation, 0, problem.size, children, nothing)
        return children, records
    for p in range(problem.size):
        log = empty_log(4, problem.n_nodes)
        problem.breed(parents, everyone, generation, p, p + 1, children, log)
        records.append(record_from_log(log))
    return children, records


def ancestors(ticks):
    """Return networks after some generations of all operators: reordered, grown, with dormant entries."""
    problem = problem_of(ticks=ticks, operator_weights=dict.fromkeys(OPERATOR_CODES, 1.0))
    networks = empty_networks(problem.size, problem.n_nodes)
    problem.create_founders(networks, 0, problem.size)
    for generation in range(1, 6):
        networks, _ = bred(problem, networks, generation, logged=False)
    stored = networks.stored & (
        np.abs(networks.columns[:, :, :-1]) <= networks.threshold[:, None, None]
    )
    assert stored.any(), "no entry is dormant"
    assert (np.diff(networks.ids, axis=1) < 0).any(), "no node moved"
    return networks


at_ticks = pytest.mark.parametrize("ticks", [1, 2])
every_operator = pytest.mark.parametrize("codes", [*OPERATOR_CODES, OPERATOR_CODES])


@at_ticks
@every_operator
def test_replaying_the_record_gives_the_same_child_bit_for_bit(codes, ticks):
    problem = problem_of(ticks=ticks, operator_weights=dict.fromkeys(codes, 1.0), seed=5)
    parents = ancestors(ticks)
    before = [part.copy() for part in parents]
    children, records = bred(problem, parents, 9, logged=True)
    assert all(np.array_equal(*pair) for pair in zip(parents, before, strict=True))
    n_changed = 0
    for p, record in enumerate(records):
        assert {code for code, _ in record} <= set(codes)
        assert len(record) <= 4
        assert json.loads(json.dumps(record)) == [list(step) for step in record]
        parent, child = (genome_at(some, p, problem.rules) for some in (parents, children))
        assert replay(record, parent).equals(child)
        n_changed += not child.equals(parent)
    assert n_changed > 0.9 * SIZE


@at_ticks
@every_operator
def test_logging_and_cutting_into_chunks_change_nothing(codes, ticks):
    problem = problem_of(ticks=ticks, operator_weights=dict.fromkeys(codes, 1.0))
    parents = ancestors(ticks)
    together, _ = bred(problem, parents, 3, logged=False)
    one_by_one, _ = bred(problem, parents, 3, logged=True)
    assert all(np.array_equal(*pair) for pair in zip(together, one_by_one, strict=True))
    others, _ = bred(problem, parents, 4, logged=False)
    assert not np.array_equal(others.columns, together.columns)


@at_ticks
@every_operator
def test_children_stay_within_the_bounds(codes, ticks):
    bounds = {"max_density": 0.4, "max_factor": 0.2}
    problem = problem_of(
        ticks=ticks, operator_weights=dict.fromkeys(codes, 1.0), operators=bounds, max_weight=2.0
    )
    parents = ancestors(ticks)
    children, records = bred(problem, parents, 3, logged=True)
    n = problem.n_nodes
    before, after = (some.stored.sum(axis=(1, 2)) for some in (parents, children))
    assert (after <= np.maximum(before, int(0.4 * n * n))).all()
    assert (children.columns[:, :, :-1][~children.stored].view(np.uint32) == 0).all()
    assert not children.stored[:, :3].any()
    for record in records:
        for code, parameters in record:
            if code in "CF":
                assert 0 < abs(parameters["factor"]) <= np.float32(0.2)
            if code == "N":
                assert np.abs(parameters["values"]).max() <= 2.0


@at_ticks
def test_new_edges_are_active_and_can_have_an_effect(ticks):
    problem = problem_of(
        ticks=ticks, operator_weights={"N": 1.0}, growth_fraction=1.0, max_operations=1
    )
    parents = ancestors(ticks)
    children, records = bred(problem, parents, 3, logged=True)
    n_grown = 0
    for p, record in enumerate(records):
        for _, parameters in record:
            n_grown += 1
            roles = genome_at(parents, p, problem.rules).roles
            for i, j in zip(parameters["sources"], parameters["targets"], strict=True):
                assert roles[j] != Role.INPUT
                assert ticks > 1 or (i < j and roles[i] != Role.OUTPUT)
                assert not parents.stored[p, j, i]
                assert abs(children.columns[p, j, i]) > children.threshold[p]
    assert n_grown > 0.9 * SIZE


def full_rank(rng, n=6):
    """Return a network whose every entry is stored, in float32."""
    return Network(
        rng.normal(size=(n, n + 1)).astype(np.float32),
        np.ones((n, n), np.bool_),
        np.arange(n),
        np.zeros(n, np.uint8),
        np.zeros(1, np.float32),
    )


def determinant(network):
    return graphops.slogdet(network.columns[:, :-1].T.astype(float))


@pytest.mark.parametrize("swap", [dense.swap_columns, dense.swap_rows])
def test_a_swap_turns_the_determinants_sign_and_undoes_itself(swap):
    rng = np.random.default_rng(0)
    for _ in range(50):
        network = full_rank(rng)
        before, sign = network.columns.copy(), determinant(network)
        a, b = (int(node) for node in rng.choice(6, 2, replace=False))
        swap(network, a, b)
        assert determinant(network).sign == -sign.sign
        assert determinant(network).log_abs == pytest.approx(sign.log_abs)
        swap(network, a, b)
        assert np.array_equal(network.columns, before)


def test_biases_go_with_columns_and_not_with_rows():
    network = full_rank(np.random.default_rng(1))
    bias = network.columns[:, -1].copy()
    dense.swap_rows(network, 1, 4)
    assert np.array_equal(network.columns[:, -1], bias)
    dense.swap_columns(network, 1, 4)
    assert network.columns[[1, 4], -1].tolist() == bias[[4, 1]].tolist()


@pytest.mark.parametrize("add", [dense.add_column, dense.add_row])
def test_an_addition_leaves_the_determinant_and_its_opposite_undoes_it(add):
    rng = np.random.default_rng(2)
    for _ in range(50):
        network = full_rank(rng)
        before, old = network.columns.copy(), determinant(network)
        a, b = (int(node) for node in rng.choice(6, 2, replace=False))
        factor = np.float32(rng.uniform(-1, 1))
        assert add(network, a, b, factor, np.float32(1))
        new = determinant(network)
        assert new.sign == old.sign
        assert new.log_abs == pytest.approx(old.log_abs, abs=1e-3)
        assert add(network, a, b, -factor, np.float32(1))
        np.testing.assert_allclose(network.columns, before, atol=1e-5)


@pytest.mark.parametrize("add", [dense.add_column, dense.add_row])
def test_an_addition_that_leaves_the_finite_changes_nothing(add):
    network = full_rank(np.random.default_rng(3))
    network.columns[:] = 1e38
    before = network.columns.copy()
    assert not add(network, 1, 2, np.float32(9), np.float32(1))
    assert np.array_equal(network.columns, before)


def test_a_move_there_and_back_is_no_move_and_keeps_the_spectrum():
    rng = np.random.default_rng(4)
    network = full_rank(rng)
    before = network.columns.copy()
    dense.move_node(network, 1, 4)
    assert network.ids.tolist() == [0, 2, 3, 4, 1, 5]
    spectra = [
        np.sort_complex(np.linalg.eigvals(matrix[:, :-1].astype(float)))
        for matrix in (before, network.columns)
    ]
    np.testing.assert_allclose(*spectra, atol=1e-6)
    dense.move_node(network, 4, 1)
    assert np.array_equal(network.columns, before)
    assert network.ids.tolist() == list(range(6))
