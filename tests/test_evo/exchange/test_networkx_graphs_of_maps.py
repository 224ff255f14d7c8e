"""Networks of maps as graphs: kernels are edges with lists of taps, there and back bit for bit; and what is refused."""

import copy
import json
import re
from contextlib import suppress
from dataclasses import replace

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
from effort import first_now
from hypothesis import given

import evo
from cnn import lenet5
from evo import Genome, Role
from evo.exchange.layered_networks import from_cnn

FORMS = {
    "networkx": (evo.to_networkx, evo.from_networkx),
    "graphml": (evo.to_graphml, evo.from_graphml),
    "json": (evo.to_json, evo.from_json),
}
BOTH_WAYS = pytest.mark.parametrize(("there", "back"), FORMS.values(), ids=FORMS)


@BOTH_WAYS
def test_every_bit_survives(any_map_genome, there, back):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        genome = any_map_genome(rng, ticks=2, kernel=int(rng.choice([1, 3, 5])))
        assert back(there(genome)).equals(genome)
        narrow = replace(
            genome,
            values=genome.values.astype(np.float32),
            bias=genome.bias.astype(np.float32),
            threshold=rng.random(genome.n_nodes),
            threshold_mode="signed",
        )
        assert back(there(narrow)).equals(narrow)


@BOTH_WAYS
def test_extreme_numbers_survive(any_map_genome, there, back):
    genome = any_map_genome(np.random.default_rng(1))
    extremes = np.array([5e-324, -0.0, 1.7976931348623157e308, -1e308, 1 / 3])
    genome = genome.with_values(np.resize(extremes, genome.n_stored), genome.bias)
    assert back(there(genome)).equals(genome)


@pytest.mark.parametrize("ending", first_now([".json", ".graphml"]))
def test_lenet_5_survives_a_file(tmp_path, ending):
    genome = from_cnn(lenet5(rng=np.random.default_rng(0)))
    path = tmp_path / f"network{ending}"
    evo.save_graph(genome, path)
    assert evo.load_graph(path).equals(genome)


@pytest.fixture
def small():
    """Return an input of side 4, a map with two taps from it, an output with three taps, and a neuron."""
    return Genome(
        indptr=np.array([0, 0, 2, 2, 6]),
        indices=np.array([0, 0, 1, 1, 1, 2], np.int32),
        values=np.array([0.5, -2.0, 1.0, -0.25, 4.0, -3.0]),
        bias=np.zeros(4),
        ids=np.array([10, 11, 12, 13]),
        roles=np.array([Role.INPUT, Role.HIDDEN, Role.HIDDEN, Role.OUTPUT], np.uint8),
        activations=np.zeros(4, np.uint8),
        map_sizes=np.array([4, 2, 1, 1], np.int32),
        taps=np.array([0, 8, 0, 1, 3, 0], np.uint16),
        kernel=3,
        downsampling="mean",
    )


def test_attributes_say_what_maps_and_kernels_are(small):
    graph = evo.to_networkx(small)
    assert (graph.graph["kernel"], graph.graph["downsampling"]) == (3, "mean")
    assert dict(graph.nodes(data="map_size")) == {10: 4, 11: 2, 12: 1, 13: 1}
    assert list(graph.edges(data=True)) == [
        (10, 11, {"weight": 2.5, "taps": [0, 8], "weights": [0.5, -2.0]}),
        (11, 13, {"weight": 5.25, "taps": [0, 1, 3], "weights": [1.0, -0.25, 4.0]}),
        (12, 13, {"weight": -3.0}),
    ]
    matrix = nx.to_numpy_array(graph, nodelist=small.ids.tolist())
    assert np.array_equal(matrix, small.strengths().toarray())
    read = nx.parse_graphml(evo.to_graphml(small), node_type=int)
    assert read.edges[11, 13] == {"weight": 5.25, "taps": "0 1 3", "weights": "1.0 -0.25 4.0"}


def test_a_scalar_network_says_nothing_of_maps(random_genome):
    graph = evo.to_networkx(random_genome(np.random.default_rng(0)))
    assert not {"kernel", "downsampling"} & graph.graph.keys()
    assert not any("map_size" in node for _, node in graph.nodes(data=True))
    assert all(set(edge) == {"weight"} for _, _, edge in graph.edges(data=True))


def test_taps_may_come_in_any_order_and_sides_of_1_make_a_scalar_network(small):
    graph = evo.to_networkx(small)
    graph.edges[11, 13].update(taps=[3, 0, 1], weights=[4.0, 1.0, -0.25])
    assert evo.from_networkx(graph).equals(small)
    assert evo.from_networkx(graph, inputs=[10], outputs=[13]).taps.tolist() == [0, 8, 0, 1, 3, 0]
    for node in graph:
        graph.nodes[node]["map_size"] = 1
    scalar = evo.from_networkx(graph)
    assert not scalar.has_maps
    assert scalar.values.tolist() == [2.5, 5.25, -3.0]


def test_graphs_of_others_may_call_other_things_taps_and_weights():
    graph = nx.DiGraph(kernel="linear", downsampling=4)
    graph.add_edge(0, 1, taps="none", weights=[])
    assert evo.from_networkx(graph).to_dense().tolist() == [[0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"taps": None},
            "taps of edge (10, 11) must be a list of numbers, since maps are connected by kernels; got",
        ),
        (
            {"taps": 3},
            "taps of edge (10, 11) must be a list of numbers, since maps are connected by kernels; got 3",
        ),
        ({"taps": "0; 8"}, "taps of edge (10, 11) must be a list of numbers"),
        ({"taps": "0 8.0"}, "taps of edge (10, 11) must be a list of numbers"),
        ({"taps": []}, "taps of edge (10, 11) must be one or more distinct numbers; got []"),
        (
            {"taps": [8, 8]},
            "taps of edge (10, 11) must be one or more distinct numbers; got [8, 8]",
        ),
        ({"taps": [0, 9]}, "taps of edge (10, 11) must be from 0 to 8; got 9"),
        ({"taps": [0, -1]}, "taps of edge (10, 11) must be from 0 to 8; got -1"),
        ({"taps": [0, 1.0]}, "taps of edge (10, 11) must be an integer; got 1.0"),
        ({"taps": [0, True]}, "taps of edge (10, 11) must be an integer; got True"),
        ({"taps": [0, "1"]}, "taps of edge (10, 11) must be an integer; got '1'"),
        ({"taps": [[0], 1]}, "taps of edge (10, 11) must be an integer; got [0]"),
        ({"weights": None}, "weights of edge (10, 11) must be a list of numbers"),
        ({"weights": {}}, "weights of edge (10, 11) must be a list of numbers"),
        ({"weights": [1.0]}, "weights of edge (10, 11) must be 2 numbers, one per tap; got 1"),
        ({"weights": [1.0, "2"]}, "weights of edge (10, 11) must be finite numbers; got '2'"),
        ({"weights": [1.0, np.inf]}, "weights of edge (10, 11) must be finite numbers; got inf"),
        ({"weights": "1.0 nan"}, "weights of edge (10, 11) must be finite numbers; got nan"),
        ({"weights": "1 2,5"}, "weights of edge (10, 11) must be a list of numbers"),
        ({"weights": [1.0, 10**400]}, "weights of edge (10, 11) must be finite numbers; got 1000"),
    ],
)
def test_a_kernel_that_breaks_a_rule_is_named(small, change, message):
    graph = evo.to_networkx(small)
    graph.edges[10, 11].update(change)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        evo.from_networkx(graph)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"kernel": 4},
            'kernel must be an odd integer of at least 1, or a text such as "1:13 26:3"; got 4',
        ),
        (
            {"kernel": -(10**30) - 1},
            'kernel must be an odd integer of at least 1, or a text such as "1:13 26:3"; got -1',
        ),
        (
            {"kernel": "3"},
            "kernel must be an odd integer of at least 1, or a text such as \"1:13 26:3\"; got '3'",
        ),
        (
            {"kernel": "3:1 2:1"},
            "kernel must be an odd integer of at least 1, or a text such as \"1:13 26:3\"; got '3:1 2:1'",
        ),
        ({"downsampling": "min"}, "downsampling must be one of max, mean; got 'min'"),
        ({"dtype": "float32"}, "weights of edge (10, 11) must fit into float32; got 1e+99"),
    ],
)
def test_what_the_graph_says_of_maps_is_checked(small, change, message):
    graph = evo.to_networkx(small)
    graph.edges[10, 11]["weights"] = [1.0, 1e99]
    graph.graph.update(change)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        evo.from_networkx(graph)


@pytest.mark.parametrize(
    ("map_size", "message"),
    [
        (0, "map_size of node 11 must be from 1 to 2147483647; got 0"),
        (2**31, "map_size of node 11 must be from 1 to 2147483647; got 2147483648"),
        (2.0, "map_size of node 11 must be an integer; got 2.0"),
        (None, "map_size must be given for all nodes or for none; got none for node 11"),
        (2**31 - 1, "map_sizes and kernel must leave the matrix less than 2³¹ rows"),
    ],
)
def test_a_side_that_breaks_a_rule_is_named(small, map_size, message):
    graph = evo.to_networkx(small)
    graph.nodes[11]["map_size"] = map_size
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        evo.from_networkx(graph)


def test_an_edge_with_one_tap_needs_no_list_and_its_weight_must_fit(small):
    graph = evo.to_networkx(small)
    graph.edges[12, 13].update(taps=[7], weights=None)
    assert evo.from_networkx(graph).equals(small)
    graph.graph["dtype"] = "float32"
    graph.edges[12, 13]["weight"] = 1e99
    with pytest.raises(ValueError, match=r"^weight must fit into float32; got 1e\+99$"):
        evo.from_networkx(graph)


@pytest.mark.filterwarnings("ignore:No key type:UserWarning")
@pytest.mark.parametrize("form", ["graphml", "json"])
@given(data=st.data())
def test_a_damaged_text_of_maps_is_a_network_or_a_value_error(form, data):
    """Cut out, repeat and overwrite pieces of a good text: no other error may come of it."""
    text = TEXTS[form]
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    put = data.draw(st.sampled_from(["", text[start:end] * 2, "0", "[]", "null", '"', "9" * 30]))
    found = None
    with suppress(ValueError):
        found = FORMS[form][1](text[:start] + put + text[end:])
    assert found is None or isinstance(found, Genome)


def _texts():
    graph = nx.DiGraph(kernel=3, downsampling="max", ticks=2)
    for node, map_size in enumerate([3, 3, 2, 1, 1]):
        graph.add_node(node, map_size=map_size)
    for source, target in ((0, 1), (0, 2), (1, 3), (2, 3), (3, 4)):
        graph.add_edge(source, target, taps=[0, 1], weights=[0.5, -1.5], weight=2.0)
    genome = evo.from_networkx(copy.deepcopy(graph))
    return {"graphml": evo.to_graphml(genome), "json": evo.to_json(genome)}


TEXTS = _texts()


def test_the_texts_are_of_maps():
    assert json.loads(TEXTS["json"])["graph"]["kernel"] == 3
    assert evo.from_json(TEXTS["json"]).equals(evo.from_graphml(TEXTS["graphml"]))
