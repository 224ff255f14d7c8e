"""DOT: a parser of others finds every node and edge with what the genome says of them."""

import shutil
import subprocess

import numpy as np
import pydot
import pytest

import evo
from evo.genome.activations import activation_name

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning:pydot")


def parsed(genome):
    (graph,) = pydot.graph_from_dot_data(evo.to_dot(genome))
    assert graph.get_type() == "digraph"
    return graph


def entries_of(genome):
    """Return index pairs with their weights, and whether one of them is above the threshold, one by one."""
    found = {}
    for j in range(genome.n_nodes):
        for e in range(genome.indptr[j], genome.indptr[j + 1]):
            weight = float(genome.values[e])
            threshold = genome.threshold
            if isinstance(threshold, np.ndarray):
                threshold = float(threshold[j])
            score = weight if genome.threshold_mode == "signed" else abs(weight)
            active = threshold is None or score > np.float32(threshold)
            sums, was_active = found.get((int(genome.indices[e]), j), (0.0, False))
            found[int(genome.indices[e]), j] = sums + weight, was_active or active
    return found


@pytest.mark.parametrize(
    "seed", [0, 7, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(12, 24))]
)
def test_every_node_and_entry_is_drawn_as_it_is(seed, any_network):
    genome, *_ = any_network(seed)
    graph = parsed(genome)
    nodes = {one.get_name(): one for one in graph.get_nodes()}
    for k, number in enumerate(genome.ids.tolist()):
        node = nodes[str(number)]
        assert node.get("role") == evo.Role(genome.roles[k]).name.lower()
        assert node.get("activation").strip('"') == activation_name(genome.activations[k])
        assert float(node.get("bias")) == genome.bias[k]
        assert (node.get("shape") == "box") == (genome.map_sizes[k] > 1)
    ids, inputs = genome.ids.tolist(), set(genome.inputs.tolist())
    edges = {(one.get_source(), one.get_destination()): one for one in graph.get_edges()}
    entries = entries_of(genome)
    assert len(edges) == len(entries)
    for (i, j), (value, active) in entries.items():
        edge = edges[str(ids[i]), str(ids[j])]
        delayed = i >= j and not (genome.ticks == 1 and i in inputs)
        assert float(edge.get("value")) == pytest.approx(value, rel=1e-12)
        assert edge.get("style") == ("dotted" if not active else "dashed" if delayed else "solid")
        assert (edge.get("constraint") == "false") == delayed
        assert edge.get("color").strip('"') == ("#005a9c" if value >= 0 else "#b5321c")


def test_the_widest_edge_is_the_largest_weight():
    matrix = np.zeros((4, 4), np.float32)
    matrix[0, 2], matrix[1, 2], matrix[2, 3] = 0.5, -2.0, 0.0
    genome = evo.Genome.from_matrix(matrix, n_inputs=2, n_outputs=1)
    widths = {one.get_source(): float(one.get("penwidth")) for one in parsed(genome).get_edges()}
    assert widths["1"] == 3.0
    assert widths["0"] == pytest.approx(0.3 + 2.7 / 4, abs=0.006)


def test_a_network_without_entries_is_drawn_too():
    genome = evo.Genome.from_matrix(np.zeros((3, 3)), n_inputs=2, n_outputs=1)
    assert parsed(genome).get_edges() == []


def test_dot_files_are_written_and_not_read(tmp_path):
    genome = evo.Genome.from_matrix([[0, 0.5], [0, 0]], n_inputs=1, n_outputs=1)
    evo.save_graph(genome, tmp_path / "net.dot")
    assert (tmp_path / "net.dot").read_text("utf-8") == evo.to_dot(genome)
    with pytest.raises(evo.ResultsError, match=r"suffix must be one of \.graphml, \.json; got"):
        evo.load_graph(tmp_path / "net.dot")


@pytest.mark.slow
def test_graphviz_draws_it(any_network, tmp_path):
    program = shutil.which("dot")
    if program is None:
        pytest.skip("Graphviz is not installed")
    for seed in range(6):
        text = evo.to_dot(any_network(seed)[0])
        drawn = subprocess.run(
            [program, "-Tsvg"], input=text.encode(), capture_output=True, check=True
        )
        assert drawn.stderr == b""
        assert drawn.stdout.count(b'class="edge"') == text.count(" -> ")
