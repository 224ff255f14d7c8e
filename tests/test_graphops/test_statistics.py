"""Degree, cycle and path statistics: against networkx on random graphs."""

import re

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from scipy import sparse

import graphops


@st.composite
def graphs(draw):
    """Draw a graph with some of its nodes as inputs and some as outputs, matrix and networkx."""
    n = draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    matrix = np.where(rng.random((n, n)) < draw(st.floats(0, 0.6)), rng.normal(size=(n, n)), 0)
    order = rng.permutation(n).tolist()
    n_inputs, n_outputs = draw(st.integers(0, n)), draw(st.integers(0, n))
    inputs, outputs = order[:n_inputs], order[n - n_outputs :]
    return matrix, nx.from_numpy_array(matrix, create_using=nx.DiGraph), inputs, outputs


@given(graphs())
def test_degrees_are_those_of_networkx(drawn):
    matrix, graph, *_ = drawn
    found = graphops.degree_statistics(matrix)
    assert graphops.degree_statistics(sparse.csr_array(matrix)) == found
    heard = [degree for _, degree in graph.in_degree()]
    spoken_to = [degree for _, degree in graph.out_degree()]
    assert found.nodes == len(graph)
    assert found.edges == graph.number_of_edges()
    assert found.immediate_edges == sum(source < target for source, target in graph.edges)
    assert found.delayed_edges == found.edges - found.immediate_edges
    assert found.self_loops == nx.number_of_selfloops(graph)
    assert found.mean_degree == pytest.approx(np.mean(heard))
    assert (found.max_in_degree, found.max_out_degree) == (max(heard), max(spoken_to))
    assert found.in_degree_deviation == pytest.approx(np.std(heard))
    assert found.out_degree_deviation == pytest.approx(np.std(spoken_to))
    assert (found.sources, found.sinks) == (heard.count(0), spoken_to.count(0))
    assert found.isolated_nodes == nx.number_of_isolates(graph)


@given(graphs())
def test_components_and_cycles_are_those_of_networkx(drawn):
    matrix, graph, *_ = drawn
    components = list(nx.strongly_connected_components(graph))
    on_cycles = set().union(*nx.simple_cycles(graph))
    assert graphops.cycle_statistics(matrix) == (
        len(components),
        sum(bool(component & on_cycles) for component in components),
        max(map(len, components)),
        len(on_cycles),
    )


@given(graphs())
def test_paths_are_those_of_networkx_without_edges_into_inputs(drawn):
    matrix, graph, inputs, outputs = drawn
    graph.remove_edges_from(list(graph.in_edges(inputs)))
    lengths = dict(nx.all_pairs_shortest_path_length(graph))
    between = [[lengths[i].get(o, np.inf) for o in outputs] for i in inputs]
    found = graphops.path_statistics(matrix, inputs, outputs)
    nearest = [min(column) for column in zip(*between, strict=True)]
    reached = [length for length in nearest if length < np.inf]
    assert found.reached_outputs == len(reached)
    if reached:
        assert (found.hops_min, found.hops_max) == (min(reached), max(reached))
        assert found.mean_hops == pytest.approx(np.mean(reached))
    else:
        assert found[2:5] == (None, None, None)
    connecting = [
        node
        for node in graph
        if any(node in lengths[i] for i in inputs) and any(o in lengths[node] for o in outputs)
    ]
    assert found.connecting_nodes == len(connecting)
    acting = [(i, j) for i, j in graph.edges if i < j or i in inputs]
    depths = nx.DiGraph(acting)
    assert found.depth == (nx.dag_longest_path_length(depths) if acting else 0)


def test_a_stored_zero_is_an_edge():
    matrix = sparse.csc_array(([0.0, 0.0], ([0, 1], [1, 2])), shape=(3, 3))
    assert graphops.degree_statistics(matrix).edges == 2
    assert graphops.path_statistics(matrix, [0], [2]).hops_min == 2


def test_a_graph_without_nodes_has_statistics():
    nothing = graphops.empty(0)
    assert graphops.degree_statistics(nothing) == (0,) * 13
    assert graphops.cycle_statistics(nothing) == (0, 0, 0, 0)
    assert graphops.path_statistics(nothing, [], []) == (0, 0, None, None, None, 0)


def test_values_fit_tables_as_they_are():
    matrix = graphops.feedforward(3, 4, 2, 0.5, rng=np.random.default_rng(0))
    row = (
        graphops.degree_statistics(matrix)._asdict()
        | graphops.cycle_statistics(matrix)._asdict()
        | graphops.path_statistics(matrix, range(3), [7, 8])._asdict()
    )
    assert len(row) == 13 + 4 + 6
    assert {type(value) for value in row.values()} == {int, float}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: graphops.degree_statistics(np.zeros((2, 3))),
            ValueError,
            "W must be square; got shape (2, 3)",
        ),
        (
            lambda: graphops.path_statistics(np.zeros((2, 2)), [2], [0]),
            IndexError,
            "inputs must be from 0 to 1; got 2",
        ),
        (
            lambda: graphops.path_statistics(np.zeros((2, 2)), [0], [1, 1]),
            ValueError,
            "outputs must name a node once; got 1 repeatedly",
        ),
    ],
)
def test_bad_arguments_are_named_with_rule_and_value(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()
