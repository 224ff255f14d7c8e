"""The canonical hash and the exact comparison against networkx, on random, symmetric and hard graphs."""

from dataclasses import replace
from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from effort import first_now, trials
from scipy import sparse

from evo import Genome, Phenotype, Role, canonical_hash, same_network, unique_networks
from evo.canonical import canonical as module
from evo.canonical.canonical import TooSymmetricError, match_nodes
from evo.operators.preserving import duplicate_node, remove_ineffective, reorder_freely


@pytest.fixture
def rng():
    return np.random.default_rng(20_262)


def as_networkx(genome):
    """Write down the labelled graph that a genome computes, entry by entry."""
    graph = nx.DiGraph(
        dtype=str(genome.values.dtype),
        ticks=genome.ticks,
        sizes=(len(genome.inputs), len(genome.outputs)),
    )

    def add(node):
        name = ("hidden",)
        for role, positions in (("input", genome.inputs), ("output", genome.outputs)):
            if node in positions:
                name = (role, positions.tolist().index(node))
        how = () if name[0] == "input" else (genome.activations[node], genome.bias[node])
        graph.add_node(node, label=name + how)

    for node in genome.outputs.tolist():
        add(node)
    effective = genome.effective_mask()
    for j in range(genome.n_nodes):
        for e in range(genome.indptr[j], genome.indptr[j + 1]):
            i = int(genome.indices[e])
            if effective[e]:
                add(i)
                add(j)
                at_once = i < j or (genome.ticks == 1 and genome.roles[i] == Role.INPUT)
                graph.add_edge(i, j, label=(genome.values[e], at_once))
    return graph


def same_label(one, other):
    return one["label"] == other["label"]


def isomorphic(first, second):
    return first.graph == second.graph and nx.is_isomorphic(first, second, same_label, same_label)


def relabelled(genome, rng):
    """Give hidden nodes new ids and free places, and inputs another bias and activation."""
    hidden = genome.roles == Role.HIDDEN
    ids = genome.ids * 5 + 40
    ids[hidden] = (
        rng.permutation(1000)[: hidden.sum()] * 5 + 1
    )  # between those of inputs and outputs
    is_input = genome.roles == Role.INPUT
    bias = np.where(is_input, rng.normal(size=genome.n_nodes), genome.bias)
    codes = np.where(is_input, 3, genome.activations).astype(np.uint8)
    return reorder_freely(
        replace(genome, ids=ids, bias=bias.astype(genome.bias.dtype), activations=codes), rng
    )


def few_valued(rng, *, hidden=5, ticks=1, density=0.5, weights=(1.0,)):
    """Draw a genome with hardly any labels, so that nodes look alike."""
    n = hidden + 2
    matrix = rng.choice(weights, size=(n, n)) * (rng.random((n, n)) < density)
    return Genome.from_matrix(matrix, n_inputs=1, n_outputs=1, ticks=ticks)


def hidden_part(edges, n, *, ticks=1, into=None, out_of=None):
    """Put a graph with equal weights between an input and an output; edges in evaluation order are immediate."""
    matrix = np.zeros((n + 2, n + 2))
    for i, j in edges:
        matrix[i + 1, j + 1] = 1
    matrix[0, 1 : n + 1 if into is None else into + 1] = 1
    matrix[1 if out_of is None else out_of + 1 : n + 1, n + 1] = 1
    return Genome.from_matrix(matrix, n_inputs=1, n_outputs=1, ticks=ticks)


def incidence(graph):
    """Return a network with a second layer of one node per edge of an undirected graph, with in-edges from its ends."""
    n = graph.number_of_nodes()
    edges = [(end, n + k) for k, ends in enumerate(graph.edges) for end in ends]
    total = n + graph.number_of_edges()
    return hidden_part(edges, total, into=n, out_of=n)


# -- what does not count -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ticks", [1, 2, 3])
def test_names_and_free_places_do_not_count(random_genome, ticks):
    for seed in range(trials(30, 100)):
        rng = np.random.default_rng((seed, ticks))
        genome = random_genome(rng, n=int(rng.integers(6, 30)), ticks=ticks)
        other = relabelled(genome, rng)
        assert canonical_hash(other) == canonical_hash(genome)
        assert same_network(genome, other)


@pytest.mark.parametrize("ticks", [1, 3])
def test_dormant_and_useless_entries_do_not_count(random_genome, ticks):
    for seed in range(trials(30, 100)):
        rng = np.random.default_rng((seed, ticks))
        genome = random_genome(rng, ticks=ticks)
        lean = remove_ineffective(genome)
        assert lean.n_stored < genome.n_stored
        assert canonical_hash(lean) == canonical_hash(genome)
        assert same_network(lean, genome)
        assert same_network(replace(lean, threshold=None), genome)


def test_the_sign_of_zero_does_not_count():
    matrix = sparse.csc_array(([0.0], ([0], [1])), shape=(2, 2))
    positive = Genome.from_matrix(matrix, n_inputs=1, n_outputs=1)
    negative = positive.with_values(-positive.values, -positive.bias)
    assert np.signbit(negative.values).all()
    assert canonical_hash(positive) == canonical_hash(negative)
    assert same_network(positive, negative)


# -- what counts -------------------------------------------------------------------------------------------------------


def test_everything_in_the_formula_counts(random_genome, rng):
    genome = random_genome(rng, n=12, ticks=2, threshold=None)
    effective = np.flatnonzero(genome.effective_mask())
    node = next(j for j in np.unique(genome.indices[effective]) if genome.roles[j] == Role.HIDDEN)
    values, bias, codes = genome.values.copy(), genome.bias.copy(), genome.activations.copy()
    values[effective[3]] = np.nextafter(values[effective[3]], np.inf)
    bias[node] = np.nextafter(bias[node], np.inf)
    codes[node] = (codes[node] + 1) % 5
    ids = genome.ids.copy()
    ids[genome.outputs] = ids[genome.outputs[::-1]]
    swapped = genome.ids.copy()
    swapped[genome.inputs] = swapped[np.roll(genome.inputs, 1)]
    changed = [
        genome,
        genome.with_values(values, genome.bias),
        genome.with_values(genome.values, bias),
        replace(genome, activations=codes),
        replace(genome, ids=ids),
        replace(genome, ids=swapped),
        replace(genome, ticks=3),
        replace(
            genome,
            values=genome.values.astype(np.float32),
            bias=genome.bias.astype(np.float32),
        ),
    ]
    assert len({canonical_hash(one) for one in changed}) == len(changed)
    assert unique_networks(changed).tolist() == list(range(len(changed)))


def test_an_input_more_is_another_network():
    matrix = np.zeros((3, 3))
    matrix[1, 2] = 1.0
    wide = Genome.from_matrix(matrix, n_inputs=2, n_outputs=1)
    narrow = replace(wide, roles=np.array([1, 0, 2], dtype=np.uint8))
    assert canonical_hash(wide) != canonical_hash(narrow)
    assert not same_network(wide, narrow)


def test_an_edge_that_acts_later_is_another_edge():
    # The loop 1 → 2 → 1 with its delay at one end or at the other; node 1 has an edge to the output.
    matrix = np.zeros((4, 4))
    matrix[0, 1] = matrix[1, 2] = matrix[2, 1] = matrix[1, 3] = 1.0
    early = Genome.from_matrix(matrix, n_inputs=1, n_outputs=1, ticks=3, activation="identity")
    order = np.array([0, 2, 1, 3])
    late = Genome.from_matrix(
        matrix[np.ix_(order, order)], n_inputs=1, n_outputs=1, ticks=3, activation="identity"
    )
    assert canonical_hash(early) == canonical_hash(early)
    assert canonical_hash(early) != canonical_hash(late)
    assert not same_network(early, late)


# -- against networkx --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ticks", first_now([2, 1, 3]))
@pytest.mark.parametrize("weights", [(1.0,), (1.0, 2.0), (-1.0, 0.5, 1.0)])
def test_a_thousand_pairs_of_small_graphs_agree_with_networkx(ticks, weights):
    same = different = 0
    for seed in range(trials(10, 20)):
        rng = np.random.default_rng((seed, ticks, len(weights)))
        hidden, density = int(rng.integers(1, 5)), float(rng.uniform(0.2, 0.7))
        genomes = [
            few_valued(rng, hidden=hidden, ticks=ticks, density=density, weights=weights)
            for _ in range(7)
        ]
        genomes += [relabelled(genome, rng) for genome in genomes[:2]]
        hashes = [canonical_hash(genome) for genome in genomes]
        graphs = [as_networkx(genome) for genome in genomes]
        for i, j in combinations(range(len(genomes)), 2):
            expected = isomorphic(graphs[i], graphs[j])
            assert same_network(genomes[i], genomes[j]) == expected
            assert (hashes[i] == hashes[j]) == expected
            same, different = same + expected, different + (not expected)
    assert same > trials(20, 40)
    assert different > trials(150, 300)


# -- where colour refinement alone sees nothing ------------------------------------------------------------------------


def two_triangles_and_a_hexagon():
    """Loops of two immediate edges and a delayed one; closed after three steps, or after six."""
    triangles = [(0, 2), (2, 4), (4, 0), (1, 3), (3, 5), (5, 1)]
    hexagon = [(0, 2), (2, 4), (4, 1), (1, 3), (3, 5), (5, 0)]
    return [hidden_part(edges, 6, ticks=4) for edges in (triangles, hexagon)]


def layered_triangles_and_hexagon():
    triangles = nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(3))
    return [incidence(graph) for graph in (triangles, nx.cycle_graph(6))]


@pytest.mark.parametrize("pair", [two_triangles_and_a_hexagon, layered_triangles_and_hexagon])
def test_two_triangles_are_no_hexagon(pair, monkeypatch):
    a, b = pair()
    assert a.effective_mask().all()
    assert not isomorphic(as_networkx(a), as_networkx(b))
    assert not same_network(a, b)
    assert canonical_hash(a) != canonical_hash(b)
    monkeypatch.setattr(module, "MAX_SYMMETRIC_WORK", 0)
    assert canonical_hash(a) == canonical_hash(b)  # refinement alone does not see it


@pytest.mark.parametrize("pair", [two_triangles_and_a_hexagon, layered_triangles_and_hexagon])
def test_a_symmetric_network_is_recognised_in_any_order(pair):
    for seed in range(20):
        for genome in pair():
            other = relabelled(genome, np.random.default_rng(seed))
            assert canonical_hash(other) == canonical_hash(genome)
            assert isomorphic(as_networkx(genome), as_networkx(other))
            assert same_network(genome, other)


def strongly_regular():
    """The rook's graph of a 4 × 4 board and Shrikhande's: both srg(16, 6, 2, 2), and different."""
    rook = nx.line_graph(nx.complete_bipartite_graph(4, 4))
    steps = [(0, 1), (1, 0), (1, 1)]
    shrikhande = nx.Graph(
        ((x, y), ((x + dx) % 4, (y + dy) % 4))
        for x in range(4)
        for y in range(4)
        for dx, dy in steps
    )
    return [two_layers(nx.to_numpy_array(graph)) for graph in (rook, shrikhande)]


def two_layers(adjacency):
    """Connect each node with its neighbours in a second layer by weight 1, and with itself there by weight 2."""
    n = len(adjacency)
    matrix = np.zeros((2 * n + 2, 2 * n + 2))
    matrix[0, 1 : n + 1] = 1
    matrix[1 : n + 1, n + 1 : -1] = adjacency + 2 * np.eye(n)
    matrix[n + 1 : -1, -1] = 1
    return Genome.from_matrix(matrix, n_inputs=1, n_outputs=1)


def test_strongly_regular_graphs_share_a_hash_and_are_told_apart_exactly():
    rook, shrikhande = strongly_regular()
    assert canonical_hash(rook) == canonical_hash(shrikhande)  # the known limit
    assert not same_network(rook, shrikhande)
    assert unique_networks([rook, shrikhande, rook]).tolist() == [0, 1, 0]
    for genome in (rook, shrikhande):
        assert same_network(genome, relabelled(genome, np.random.default_rng(0)))


def test_regular_graphs_agree_with_networkx():
    for seed in range(25):
        pair = [nx.random_regular_graph(3, 8, seed=2 * seed + k) for k in range(2)]
        a, b = (incidence(graph) for graph in pair)
        expected = nx.is_isomorphic(*pair)
        assert same_network(a, b) == expected
        assert (canonical_hash(a) == canonical_hash(b)) == expected


def test_twins_need_no_search(random_genome, rng):
    genome = random_genome(rng, n=10, threshold=None)
    for _ in range(20):
        hidden = np.flatnonzero(genome.roles == Role.HIDDEN)
        genome = duplicate_node(genome, int(rng.choice(hidden)))
    other = relabelled(genome, rng)
    assert canonical_hash(other) == canonical_hash(genome)
    assert same_network(genome, other)


def test_a_comparison_that_would_take_too_long_says_so():
    rook, shrikhande = strongly_regular()
    with pytest.raises(
        TooSymmetricError,
        match="by 5 refinements; got networks of 34 nodes, of which 32 share a colour",
    ):
        match_nodes(rook, shrikhande, max_refinements=5)


# -- what it promises --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ticks", [1, 2, 3])
def test_equal_networks_give_equal_outputs(random_genome, ticks):
    for seed in range(30):
        rng = np.random.default_rng((seed, ticks))
        genome = random_genome(rng, n=15, ticks=ticks)
        other = relabelled(remove_ineffective(genome), rng)
        assert same_network(genome, other)
        samples = rng.normal(size=(5, 3))
        outputs = [Phenotype(one, "squared_error").output(samples) for one in (genome, other)]
        np.testing.assert_allclose(*outputs, rtol=1e-12, atol=1e-12)


def test_a_match_names_the_node_that_plays_each_part(random_genome, rng):
    genome = random_genome(rng, n=20, ticks=2, threshold=None)
    renamed = relabelled(genome, rng)
    matched = match_nodes(genome, renamed)
    found = matched >= 0
    needed = genome.roles == Role.OUTPUT
    needed[genome.indices[genome.effective_mask()]] = True
    assert np.array_equal(found, needed)
    at = matched[found]
    hidden = found & (genome.roles == Role.HIDDEN)
    assert np.array_equal(renamed.ids[matched[genome.inputs]], genome.ids[genome.inputs] * 5 + 40)
    assert np.array_equal(renamed.activations[matched[hidden]], genome.activations[hidden])
    assert np.array_equal(renamed.bias[matched[hidden]], genome.bias[hidden])
    weights, other = genome.to_dense(), renamed.to_dense()
    assert np.array_equal(other[np.ix_(at, at)], weights[np.ix_(found, found)])
    assert match_nodes(genome, replace(renamed, ticks=1)) is None


def test_the_hash_is_the_same_everywhere():
    matrix = [[0, 0.5, 0, 0], [0, 0, -1, 2], [0, 0.25, 1, 1], [0, 0, 0, 0]]
    genome = Genome.from_matrix(
        np.array(matrix), n_inputs=1, n_outputs=1, ticks=2, bias=[9, 1, 2, 3]
    )
    assert canonical_hash(genome) == "00be5f146d2294cbd5219e1dbba193c4"
    twins = hidden_part([], 2)
    assert canonical_hash(twins) == "68fce7d859c39e289e8e7758ba64ff57"
