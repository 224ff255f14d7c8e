"""Conversions: there and back bit for bit, and what is refused on the way back."""

import re

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from scipy import sparse

import graphops


@st.composite
def matrices(draw):
    """Draw sparse matrices of any finite weights, stored zeros and subnormal numbers among them."""
    dtype, width = draw(st.sampled_from([(np.float32, 32), (np.float64, 64)]))
    n = draw(st.integers(0, 6))
    values = st.floats(allow_nan=False, allow_infinity=False, width=width)
    places = draw(st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)))) if n else set()
    weights = draw(st.lists(values, min_size=len(places), max_size=len(places)))
    sources, targets = np.array(sorted(places), dtype=int).reshape(-1, 2).T
    parts = (np.array(weights, dtype), (sources, targets))
    return sparse.csc_array(parts, shape=(n, n), dtype=dtype)


def assert_same(found, expected):
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    assert found.data.tobytes() == expected.data.tobytes()  # the sign of zero, too
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.indptr, expected.indptr)


@given(matrices())
def test_networkx_gives_back_every_bit(matrix):
    graph = graphops.to_networkx(matrix)
    assert list(graph) == list(range(matrix.shape[0]))
    assert {type(weight) for *_, weight in graph.edges(data="weight")} <= {float}
    assert_same(graphops.from_networkx(graph, dtype=matrix.dtype), matrix)


@given(matrices())
def test_a_table_of_edges_has_every_bit(matrix):
    table = graphops.to_edge_list(matrix)
    assert list(table) == ["source", "target", "weight"]
    parts = (table["weight"].to_numpy(), (table["source"], table["target"]))
    assert_same(sparse.csc_array(parts, shape=matrix.shape), matrix)


@given(matrices())
def test_dense_matrices_give_their_non_zero_entries(matrix):
    dense = matrix.toarray()
    back = graphops.from_networkx(graphops.to_networkx(dense), dtype=dense.dtype)
    np.testing.assert_array_equal(back.toarray(), dense)


def test_the_graph_is_that_of_networkx_itself():
    matrix = np.random.default_rng(0).normal(size=(6, 6)) * (np.arange(36).reshape(6, 6) % 3 == 0)
    expected = nx.from_numpy_array(matrix, create_using=nx.DiGraph)
    assert nx.utils.graphs_equal(graphops.to_networkx(matrix), expected)
    found = graphops.from_networkx(expected).toarray()
    np.testing.assert_array_equal(found, nx.to_numpy_array(expected))


def test_nodes_of_any_name_are_numbered_as_the_graph_lists_them():
    graph = nx.DiGraph()
    graph.add_nodes_from(["z", ("a", 1)])
    graph.add_edge(("a", 1), "z", strength=3)
    graph.add_edge("z", "z")
    found = graphops.from_networkx(graph, weight="strength")
    assert found.toarray().tolist() == [[1, 0], [3, 0]]


def graph_with(value):
    graph = nx.DiGraph()
    graph.add_edge("a", "b", weight=value)
    return graph


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: graphops.from_networkx({}),
            TypeError,
            "graph must be a networkx.DiGraph; got dict",
        ),
        (
            lambda: graphops.from_networkx(nx.path_graph(3)),
            ValueError,
            "graph must be directed, with at most one edge from a node to another; got a Graph",
        ),
        (
            lambda: graphops.from_networkx(nx.MultiDiGraph()),
            ValueError,
            "graph must be directed, with at most one edge from a node to another; "
            "got a MultiDiGraph",
        ),
        (
            lambda: graphops.from_networkx(graph_with("0.5")),
            TypeError,
            "weight of edge ('a', 'b') must be a real number; got '0.5'",
        ),
        (
            lambda: graphops.from_networkx(graph_with(np.inf)),
            ValueError,
            "weight of edge ('a', 'b') must be finite; got inf",
        ),
        (
            lambda: graphops.from_networkx(graph_with(1e300), dtype=np.float32),
            ValueError,
            "weight must fit into float32; got 1e+300 at (0, 1)",
        ),
        (
            lambda: graphops.from_networkx(graph_with(1.0), dtype=np.float16),
            TypeError,
            "dtype must be float32 or float64; got float16",
        ),
    ],
)
def test_bad_arguments_are_named_with_rule_and_value(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()


def test_an_integer_beyond_all_floats_is_too_large():
    with pytest.raises(ValueError, match=r"^weight of edge \('a', 'b'\) must be finite; got"):
        graphops.from_networkx(graph_with(10**400))
