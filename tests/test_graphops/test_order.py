"""Evaluation order, against an unrolled graph and against a slow forward pass."""

import re

import networkx as nx
import numpy as np
import pytest
from scipy import sparse

import graphops


def random_networks(count, seed, largest=7):
    """Yield (csc_array, inputs, outputs, ticks) with cycles, self-loops and roles in any place."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        n = int(rng.integers(1, largest + 1))
        edges = rng.random((n, n)) < rng.choice([0.1, 0.3, 0.6])
        weights = np.where(edges, rng.uniform(0.5, 1.5, (n, n)) * rng.choice([-1, 1], (n, n)), 0)
        roles = rng.choice(["input", "hidden", "output"], n)
        inputs = rng.permutation(np.flatnonzero(roles == "input"))
        outputs = rng.permutation(np.flatnonzero(roles == "output"))
        yield sparse.csc_array(weights), inputs, outputs, int(rng.integers(1, 5))


def edges_of(matrix):
    """Return the stored entries as (source, target) in CSC order."""
    targets = np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr))
    return list(zip(matrix.indices.tolist(), targets.tolist(), strict=True))


def unrolled(matrix, inputs, ticks):
    """Return the graph of states (node, tick); every arc names the edge that it stands for."""
    graph = nx.DiGraph()
    graph.add_nodes_from((node, t) for node in range(matrix.shape[0]) for t in range(ticks))
    for source, target in edges_of(matrix):
        if target in inputs:
            continue
        for t in range(ticks):
            if source in inputs or source < target:
                graph.add_edge((source, t), (target, t), edge=(source, target))
            elif t >= 1:
                graph.add_edge((source, t - 1), (target, t), edge=(source, target))
    return graph


def needed_states(graph, outputs, ticks):
    last = {(node, ticks - 1) for node in outputs}
    return last.union(*(nx.ancestors(graph, state) for state in last))


def test_useful_edges_are_those_on_a_path_in_the_unrolled_network():
    n_useful = n_edges = 0
    for matrix, inputs, outputs, ticks in random_networks(1000, seed=1):
        graph = unrolled(matrix, set(inputs.tolist()), ticks)
        needed = needed_states(graph, outputs.tolist(), ticks)
        on_path = {arc["edge"] for _, state, arc in graph.edges(data=True) if state in needed}
        expected = [edge in on_path for edge in edges_of(matrix)]
        useful = graphops.useful_edges(matrix, inputs, outputs, ticks)
        assert useful.tolist() == expected
        n_useful, n_edges = n_useful + sum(expected), n_edges + len(expected)
    assert 0.2 < n_useful / n_edges < 0.8  # both kinds were met


def test_needed_nodes_are_those_with_a_needed_state():
    for matrix, inputs, outputs, ticks in random_networks(300, seed=2):
        graph = unrolled(matrix, set(inputs.tolist()), ticks)
        nodes = {node for node, _ in needed_states(graph, outputs.tolist(), ticks)}
        expected = [node in nodes for node in range(matrix.shape[0])]
        assert graphops.needed_nodes(matrix, inputs, outputs, ticks).tolist() == expected


def forward(weights, bias, clamped, outputs, ticks):
    """Evaluate a network by its definition; `clamped` gives the inputs' values by node."""
    before = [clamped.get(node, 0.0) for node in range(len(weights))]
    for _ in range(ticks):
        state = before.copy()
        for j in range(len(weights)):
            if j in clamped:
                continue
            total = bias[j]
            for i in range(len(weights)):
                if weights[i, j] != 0:
                    total += weights[i, j] * (state[i] if i < j else before[i])
            state[j] = np.tanh(total)
        before = state
    return [before[node] for node in outputs]


def test_changing_an_edge_changes_an_output_exactly_if_the_edge_is_useful():
    rng = np.random.default_rng(3)
    for matrix, inputs, outputs, ticks in random_networks(150, seed=4, largest=5):
        weights, bias = matrix.toarray(), rng.uniform(0.2, 1, matrix.shape[0])
        clamped = dict(zip(inputs.tolist(), rng.uniform(0.5, 1, len(inputs)), strict=True))
        reference = forward(weights, bias, clamped, outputs, ticks)
        useful = graphops.useful_edges(matrix, inputs, outputs, ticks)
        for edge, is_useful in zip(edges_of(matrix), useful, strict=True):
            changed = weights.copy()
            changed[edge] *= 1.25
            assert (forward(changed, bias, clamped, outputs, ticks) != reference) == is_useful


def test_a_value_plays_no_part_and_a_stored_zero_is_an_edge():
    for matrix, inputs, outputs, ticks in random_networks(100, seed=5):
        zeros = sparse.csc_array(
            (np.zeros(matrix.nnz, np.float32), matrix.indices, matrix.indptr), shape=matrix.shape
        )
        np.testing.assert_array_equal(
            graphops.useful_edges(zeros, inputs, outputs, ticks),
            graphops.useful_edges(matrix, inputs, outputs, ticks),
        )
        np.testing.assert_array_equal(
            graphops.strongly_connected(zeros), graphops.strongly_connected(matrix)
        )
        np.testing.assert_array_equal(
            graphops.evaluation_layers(zeros, inputs), graphops.evaluation_layers(matrix, inputs)
        )


def test_dense_and_sparse_agree():
    for matrix, inputs, outputs, ticks in random_networks(100, seed=6):
        dense, places = matrix.toarray(), np.array(edges_of(matrix), dtype=int).reshape(-1, 2).T
        expected = np.zeros(dense.shape, dtype=bool)
        expected[*places] = graphops.useful_edges(matrix, inputs, outputs, ticks)
        found = graphops.useful_edges(dense, inputs, outputs, ticks)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(
            graphops.needed_nodes(dense, inputs, outputs, ticks),
            graphops.needed_nodes(matrix, inputs, outputs, ticks),
        )
        for function in (graphops.evaluation_layers, graphops.strongly_connected):
            np.testing.assert_array_equal(function(dense), function(matrix))


def test_a_delay_line_is_needed_as_far_back_as_there_are_ticks():
    n = 1500  # every node speaks to the one before it, so that each edge costs a tick
    backwards = sparse.csc_array(
        (np.ones(n - 1), (np.arange(1, n), np.arange(n - 1))), shape=(n, n)
    )
    needed = graphops.needed_nodes(backwards, [], [0], 1000)
    np.testing.assert_array_equal(needed, np.arange(n) < 1000)
    useful = graphops.useful_edges(backwards, [], [0], 1000)
    np.testing.assert_array_equal(useful, np.arange(1, n) < 1000)
    fed = graphops.useful_edges(backwards, [999, 1001], [0], 1000)
    np.testing.assert_array_equal(fed, np.arange(1, n) <= 999)


def test_more_ticks_than_nodes_need_no_more_edges():
    for matrix, inputs, outputs, _ in random_networks(50, seed=7):
        np.testing.assert_array_equal(
            graphops.useful_edges(matrix, inputs, outputs, 10**9),
            graphops.useful_edges(matrix, inputs, outputs, matrix.shape[0] + 1),
        )


def test_without_outputs_nothing_is_needed():
    assert not graphops.needed_nodes(np.ones((3, 3)), [0], [], 5).any()
    assert not graphops.useful_edges(np.ones((3, 3)), [0], [], 5).any()


def test_an_edge_from_an_input_to_an_earlier_node_acts_at_once():
    matrix = np.array([[0.0, 0.0], [1.0, 0.0]])
    assert graphops.useful_edges(matrix, [1], [0], 1)[1, 0]
    assert not graphops.useful_edges(matrix, [], [0], 1)[1, 0]


def test_the_depth_is_the_longest_path_within_a_tick():
    for matrix, inputs, _, _ in random_networks(200, seed=8):
        fixed = set(inputs.tolist())
        graph = nx.DiGraph()
        graph.add_nodes_from(range(matrix.shape[0]))
        graph.add_edges_from(
            (source, target)
            for source, target in edges_of(matrix)
            if target not in fixed and (source < target or source in fixed)
        )
        expected = [
            nx.dag_longest_path_length(graph.subgraph(nx.ancestors(graph, node) | {node}))
            for node in graph
        ]
        assert graphops.evaluation_layers(matrix, inputs).tolist() == expected


def test_components_are_those_of_networkx_numbered_by_their_first_node():
    for matrix, *_ in random_networks(200, seed=9, largest=12):
        graph = nx.DiGraph(edges_of(matrix))
        graph.add_nodes_from(range(matrix.shape[0]))
        numbers = graphops.strongly_connected(matrix)
        expected = sorted(nx.strongly_connected_components(graph), key=min)
        found = [set(np.flatnonzero(numbers == k).tolist()) for k in range(len(expected))]
        assert found == expected


def test_a_network_without_nodes_has_nothing_to_compute():
    nothing = graphops.empty(0)
    assert graphops.useful_edges(nothing, [], [], 1).shape == (0,)
    assert graphops.evaluation_layers(nothing).shape == (0,)
    assert graphops.strongly_connected(nothing).shape == (0,)


def test_read_only_arrays_are_enough():
    matrix = sparse.csc_array(np.ones((3, 3), dtype=np.float32))
    for array in (matrix.data, matrix.indices, matrix.indptr):
        array.flags.writeable = False
    assert graphops.useful_edges(matrix, [0], [2], 3).any()
    assert graphops.strongly_connected(matrix).max() == 0
    assert graphops.evaluation_layers(matrix).tolist() == [0, 1, 2]


W = np.eye(3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: graphops.useful_edges(W, [0], [2], 0),
            ValueError,
            "ticks must be at least 1; got 0",
        ),
        (
            lambda: graphops.useful_edges(W, [0], [2], 1.0),
            TypeError,
            "ticks must be an integer; got 1.0",
        ),
        (
            lambda: graphops.useful_edges(W, [0], [3], 1),
            IndexError,
            "outputs must be from 0 to 2; got 3",
        ),
        (
            lambda: graphops.needed_nodes(W, [0, 0], [2], 1),
            ValueError,
            "inputs must name a node once; got 0 repeatedly",
        ),
        (
            lambda: graphops.needed_nodes(W, [True, False, False], [2], 1),
            TypeError,
            "inputs must hold integers; got bool",
        ),
        (
            lambda: graphops.needed_nodes(W, 0, [2], 1),
            ValueError,
            "inputs must be one-dimensional; got shape ()",
        ),
        (
            lambda: graphops.evaluation_layers(W[:2]),
            ValueError,
            "W must be square; got shape (2, 3)",
        ),
    ],
)
def test_bad_arguments_are_named_with_rule_and_value(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()
