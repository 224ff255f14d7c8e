"""Genomes as graphs: networkx, GraphML, JSON and files, there and back bit for bit; and graphs of others."""

import json
import re
from contextlib import suppress
from dataclasses import replace

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays
from scipy import sparse

import evo
from evo import Genome, Phenotype, ResultsError, Role
from evo.exchange import graph_files
from evo.genome.activations import ACTIVATIONS, activation_name

ROUND_TRIPS = {
    "networkx": lambda genome: evo.from_networkx(evo.to_networkx(genome)),
    "graphml": lambda genome: evo.from_graphml(evo.to_graphml(genome)),
    "json": lambda genome: evo.from_json(evo.to_json(genome)),
}


@st.composite
def genomes(draw):
    """Draw genomes of any finite numbers: stored zeros, subnormal weights, cycles, any order of roles."""
    dtype, width = draw(st.sampled_from([(np.float32, 32), (np.float64, 64)]))
    n = draw(st.integers(1, 6))
    values = st.floats(allow_nan=False, allow_infinity=False, width=width)
    stored = draw(arrays.arrays(bool, (n, n)))
    sources = np.nonzero(stored.T)[1]
    weights = draw(arrays.arrays(dtype, len(sources), elements=values))
    roles = draw(st.lists(st.sampled_from(list(Role)), min_size=n, max_size=n))
    roles[draw(st.integers(0, n - 1))] = Role.OUTPUT
    codes = st.integers(0, len(ACTIVATIONS) - 1)
    ids = draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=n, max_size=n, unique=True))
    each = st.sampled_from([np.float32, np.float64]).flatmap(
        lambda kind: arrays.arrays(kind, n, elements=st.floats(-9, 9, width=32))
    )
    return Genome(
        indptr=np.concatenate([[0], stored.sum(axis=0).cumsum()]).astype(np.int64),
        indices=sources.astype(np.int32),
        values=weights,
        bias=draw(arrays.arrays(dtype, n, elements=values)),
        ids=np.array(ids, np.int64),
        roles=np.array(roles, np.uint8),
        activations=draw(arrays.arrays(np.uint8, n, elements=codes)),
        threshold=draw(st.none() | st.integers(0, 3) | st.floats(-9, 9) | each),
        threshold_mode=draw(st.sampled_from(["magnitude", "signed"])),
        ticks=draw(st.integers(1, 9)),
    )


@pytest.mark.parametrize("there_and_back", ROUND_TRIPS.values(), ids=ROUND_TRIPS)
@given(genome=genomes())
def test_every_bit_survives(there_and_back, genome):
    assert there_and_back(genome).equals(genome)


@pytest.mark.parametrize("ending", [".json", ".graphml"])
def test_files_give_back_every_bit(random_genome, tmp_path, ending):
    genome = random_genome(np.random.default_rng(0), ticks=3)
    path = tmp_path / f"network{ending}"
    evo.save_graph(genome, path)
    assert evo.load_graph(path).equals(genome)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_attributes_say_what_a_genome_holds(random_genome):
    genome = random_genome(np.random.default_rng(1), ticks=2, threshold=0.25, mode="signed")
    graph = evo.to_networkx(genome)
    assert graph.graph == {
        "dtype": "float64",
        "ticks": 2,
        "threshold_mode": "signed",
        "threshold": 0.25,
    }
    for position, node in enumerate(genome.ids.tolist()):
        assert graph.nodes[node] == {
            "position": position,
            "role": Role(genome.roles[position]).name.lower(),
            "activation": activation_name(genome.activations[position]),
            "bias": genome.bias[position],
        }
    matrix = nx.to_numpy_array(graph, nodelist=genome.ids.tolist())
    np.testing.assert_array_equal(matrix, genome.to_dense())


def test_networkx_itself_reads_the_texts(random_genome):
    genome = random_genome(np.random.default_rng(2))
    graph = evo.to_networkx(genome)
    read = nx.parse_graphml(evo.to_graphml(genome), node_type=int)
    assert (dict(read.nodes), list(read.edges(data=True))) == (
        dict(graph.nodes),
        list(graph.edges(data=True)),
    )
    data = json.loads(evo.to_json(genome))
    assert nx.utils.graphs_equal(nx.node_link_graph(data, edges="edges"), graph)


# -- graphs of others --------------------------------------------------------------------------------------------------


def test_any_directed_graph_makes_a_network_with_roles_by_degree_and_no_needless_delay():
    graph = nx.DiGraph([("sum", "score"), ("b", "sum"), ("a", "sum"), ("a", "score")])
    graph.add_node("alone")
    genome = evo.from_networkx(graph)
    by_name = dict(zip(graph, range(5), strict=True))  # ids: inputs, outputs, then the others
    assert by_name == {"sum": 0, "score": 1, "b": 2, "a": 3, "alone": 4}
    assert genome.ids[genome.inputs].tolist() == [0, 1]
    assert genome.ids[genome.outputs].tolist() == [2]
    assert not np.tril(genome.to_dense()).any()
    assert genome.values.tolist() == [1, 1, 1, 1]
    output = Phenotype(replace(genome, activations=np.zeros(5, np.uint8)), "squared_error")
    np.testing.assert_array_equal(output.output(np.array([[10, 1]], np.float32)), [[12]])


def test_inputs_and_outputs_are_read_in_the_order_given():
    graph = nx.DiGraph()
    graph.add_weighted_edges_from([(7, 1, 0.5), (3, 1, 2.0), (1, 7, 9.0)])
    genome = evo.from_networkx(graph, inputs=[7, 3], outputs=[1], activation="relu")
    assert genome.n_stored == 3
    network = Phenotype(genome, "squared_error")
    np.testing.assert_array_equal(network.output(np.array([[2, 10]], np.float32)), [[21]])
    graph = nx.DiGraph([(3, 1, {"weight": 2.0}), (3, 7, {"weight": 5.0})])
    network = Phenotype(evo.from_networkx(graph, inputs=[3], outputs=[7, 1]), "squared_error")
    np.testing.assert_array_equal(network.output(np.ones((1, 1), np.float32)), [[5, 2]])


def test_only_edges_on_cycles_are_delayed():
    rng = np.random.default_rng(0)
    graph = nx.gnp_random_graph(30, 0.05, directed=True, seed=4)
    shuffled = nx.DiGraph()
    shuffled.add_nodes_from(rng.permutation(30).tolist())
    shuffled.add_edges_from(graph.edges)
    genome = evo.from_networkx(shuffled)
    name = genome.ids
    on_cycles = {
        frozenset(edge)
        for part in nx.strongly_connected_components(graph)
        for edge in graph.subgraph(part).edges
    }
    targets = np.repeat(np.arange(30), np.diff(genome.indptr))
    delayed = targets <= genome.indices
    assert delayed.any()
    assert {
        frozenset((int(name[i]), int(name[j])))
        for i, j in zip(genome.indices[delayed], targets[delayed], strict=True)
    } <= on_cycles


def test_d3_calls_edges_links_and_names_nodes_by_texts():
    text = json.dumps(
        {"nodes": [{"id": "x"}, {"id": "y"}], "links": [{"source": "x", "target": "y"}]}
    )
    assert evo.from_json(text).to_dense().tolist() == [[0, 1], [0, 0]]


def test_graphml_of_others_may_name_nodes_as_it_likes():
    graph = nx.DiGraph([("n0", "n1"), ("n1", "n2")])
    text = "\n".join(nx.generate_graphml(graph))
    assert evo.from_graphml(text).n_nodes == 3


def test_the_seeds_example_comes_from_its_edges():
    import graphops

    graph = graphops.to_networkx(graphops.EXAMPLE_MATRIX)
    genome = evo.from_networkx(graph, inputs=[0], outputs=[3])
    assert genome.n_stored == 6
    assert sparse.csc_array(genome.weights).nnz == 6


# -- what is refused ---------------------------------------------------------------------------------------------------


def graph_of(nodes=None, edges=None, **attributes):
    graph = nx.DiGraph(**attributes)
    graph.add_nodes_from(nodes or [(0, {}), (1, {})])
    graph.add_edges_from(edges or [(0, 1, {})])
    return graph


@pytest.mark.parametrize(
    ("graph", "given", "message"),
    [
        (nx.path_graph(3), {}, "graph must be directed"),
        (graph_of(edges=[(0, 1, {"weight": "1"})]), {}, "weight of edge (0, 1) must be a real"),
        (graph_of(edges=[(0, 1, {"weight": np.nan})]), {}, "weight of edge (0, 1) must be finite"),
        (graph_of(edges=[(0, 1, {"weight": 1e99})]), {}, "weight must fit into float32; got 1e+99"),
        (
            graph_of([(0, {"bias": 1.0}), (1, {})]),
            {},
            "bias must be given for all nodes or for none; got none for node 1",
        ),
        (graph_of([(0, {"bias": "1"}), (1, {"bias": 0})]), {}, "bias of node 0 must be a finite"),
        (graph_of([(0, {"bias": 1e99}), (1, {"bias": 0})]), {}, "bias must fit into float32"),
        (
            graph_of([(0, {"role": "input"}), (1, {"role": "boss"})]),
            {},
            "role of node 1 must be one of input, hidden, output; got 'boss'",
        ),
        (
            graph_of([(0, {"role": "input"}), (1, {"role": "hidden"})]),
            {},
            "roles must hold at least one output",
        ),
        (
            graph_of([(0, {"position": 0}), (1, {"position": 2})]),
            {},
            "position must be each number from 0 to 1 once; got 2 instead of 1",
        ),
        (
            graph_of([(0, {"position": 0}), (1, {"position": 10**30})]),
            {},
            "position must be each number from 0 to 1",
        ),
        (
            graph_of([(0, {"position": 0}), (1, {"position": 1.0})]),
            {},
            "position of node 1 must be an integer; got 1.0",
        ),
        (
            graph_of([(0, {"activation": "tanh"}), (1, {"activation": "swish"})]),
            {},
            "node 1: activation must be one of identity, sigmoid",
        ),
        (graph_of([(0, {}), (2**64, {})], [(0, 2**64)]), {}, "node must be an integer of at most"),
        (graph_of(ticks=0), {}, "ticks must be at least 1"),
        (graph_of(ticks="2"), {}, "ticks must be an integer; got '2'"),
        (graph_of(dtype="float16"), {}, "dtype must be one of float32, float64; got 'float16'"),
        (graph_of(dtype=["float32"]), {}, "dtype must be one of float32, float64"),
        (graph_of(threshold_mode="loud"), {}, "threshold_mode must be one of magnitude, signed"),
        (graph_of(threshold="0.5"), {}, "threshold must be a finite number; got '0.5'"),
        (graph_of(threshold=10**400), {}, "threshold must be a finite number; got 1000"),
        (
            graph_of([(0, {"threshold": 1}), (1, {"threshold": 2})], threshold=3),
            {},
            "threshold must be given for the graph or for its nodes",
        ),
        (graph_of(), {"outputs": [5]}, "outputs must name nodes of the graph; got 5"),
        (graph_of(), {"inputs": [0, 0]}, "inputs and outputs must be distinct; got 0 twice"),
        (
            graph_of(),
            {"inputs": [1], "outputs": [1]},
            "inputs and outputs must be distinct; got 1 twice",
        ),
        (
            graph_of(edges=[(0, 1), (1, 0)]),
            {},
            "outputs must be given if no node has in-edges only; got none",
        ),
        (nx.DiGraph(), {}, "outputs must be given"),
    ],
)
def test_an_attribute_that_breaks_a_rule_is_named(graph, given, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        evo.from_networkx(graph, **given)


def test_what_is_no_graph_is_a_type_error():
    with pytest.raises(TypeError, match=r"^graph must be a networkx\.DiGraph; got list$"):
        evo.from_networkx([(0, 1)])


TWO = {"nodes": [{"id": 0}, {"id": 1}], "edges": [{"source": 0, "target": 1}]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "text must be JSON (Expecting property name"),
        ("[" * 100_000, "text must be JSON (maximum recursion depth"),
        ("[]", "text must be a JSON object; got a list"),
        ("{}", "nodes must be a list of objects; got None"),
        (json.dumps({"nodes": [1], "edges": []}), "nodes must be a list of objects"),
        (json.dumps({"nodes": [{}], "edges": []}), "id of a node must be an integer or a text"),
        (json.dumps({"nodes": [{"id": [1]}], "edges": []}), "id of a node must be an integer"),
        (
            json.dumps(TWO | {"nodes": [{"id": 0}, {"id": 0}]}),
            "id must be distinct for each node; got 0",
        ),
        (
            json.dumps(TWO | {"edges": [{"source": 0}]}),
            "target of an edge must be the id of a node",
        ),
        (json.dumps(TWO | {"edges": TWO["edges"] * 2}), "edges must be distinct; got (0, 1) twice"),
        (json.dumps(TWO | {"directed": False}), "directed must be true; got False"),
        (json.dumps(TWO | {"multigraph": True}), "multigraph must be false; got True"),
        (json.dumps(TWO | {"graph": []}), "graph must be an object; got []"),
        (
            '{"nodes": [{"id": 0, "bias": NaN}], "edges": []}',
            "text must be JSON (numbers must be finite; got NaN)",
        ),
        (
            '{"nodes": [{"id": 0}, {"id": 1}], "edges": [{"source": 0, "target": 1, "weight": 1e999}]}',
            "weight of edge (0, 1) must be finite; got inf",
        ),
    ],
)
def test_json_that_is_something_else_is_refused_with_a_reason(text, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        evo.from_json(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "text must be GraphML with one graph (no element found"),
        ("<a", "text must be GraphML with one graph (unclosed token"),
        ("<graphml/>", "text must be GraphML with one graph (file not successfully read"),
        (
            '<!DOCTYPE a [<!ENTITY b "bbbb">]><graphml>&b;</graphml>',
            "text must be GraphML without a document type; got a declaration",
        ),
    ],
)
def test_graphml_that_is_something_else_is_refused_with_a_reason(text, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        evo.from_graphml(text)


@pytest.mark.filterwarnings("ignore:No key type:UserWarning")
@pytest.mark.parametrize("form", ["graphml", "json"])
@given(data=st.data())
def test_a_damaged_text_is_a_network_or_a_value_error(form, data):
    """Cut out, repeat and overwrite pieces of a good text: no other error may come of it."""
    genome = Genome.from_matrix(np.triu(np.ones((3, 3)), 1), n_inputs=1, n_outputs=1, threshold=0.5)
    text = {"graphml": evo.to_graphml, "json": evo.to_json}[form](genome)
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    put = data.draw(st.sampled_from(["", text[start:end] * 2, "0", "[]", "null", '"', "9" * 30]))
    read = {"graphml": evo.from_graphml, "json": evo.from_json}[form]
    found = None
    with suppress(ValueError):
        found = read(text[:start] + put + text[end:])
    assert found is None or isinstance(found, Genome)


def refusal(call, path):
    with pytest.raises(ResultsError) as caught:
        call()
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_a_file_that_cannot_be_used_is_refused_in_one_line(random_genome, tmp_path, monkeypatch):
    genome = random_genome(np.random.default_rng(0))
    path = tmp_path / "network.txt"
    assert "suffix must be one of .graphml, .json, .dot; got '.txt'" in refusal(
        lambda: evo.save_graph(genome, path), path
    )
    assert not path.exists()
    refusal(lambda: evo.load_graph(path), path)
    path = tmp_path / "network.json"
    assert "No such file" in refusal(lambda: evo.load_graph(path), path)
    path.write_bytes(b"\xff\xfe{}")
    assert "must be text in UTF-8" in refusal(lambda: evo.load_graph(path), path)
    path.write_text("{\n\n}")
    assert "nodes must be a list of objects" in refusal(lambda: evo.load_graph(path), path)
    evo.save_graph(genome, path)
    monkeypatch.setattr(graph_files, "LARGEST_FILE", 100)
    assert "must have at most 100 bytes; got" in refusal(lambda: evo.load_graph(path), path)
