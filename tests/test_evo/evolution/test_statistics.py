"""What the tables say about a genome's graph, against networkx and NumPy on random networks of every kind."""

from dataclasses import asdict, replace

import networkx as nx
import numpy as np
import pytest

import evo.evolution.statistics
import graphops
from cnn import lenet5
from evo import (
    FounderSettings,
    Genome,
    Phenotype,
    Role,
    canonical_hash,
    create_founders,
    reorder_freely,
)
from evo.evolution.statistics import describe
from evo.exchange.layered_networks import from_cnn
from evo.genome.feature_maps import map_transform
from evo.storage.tables import STATISTICS

GRAPH = [column.name for column in STATISTICS][-10:]


@pytest.fixture
def genomes(random_genome):
    def make(ticks):
        for seed in range(25):
            rng = np.random.default_rng([seed, ticks])
            yield random_genome(rng, n=int(rng.integers(6, 14)), ticks=ticks)

    return make


def graph_of(genome):
    """Return the graph of the effective edges, from the compiled network."""
    plan = Phenotype(genome, "squared_error").plan
    targets = np.repeat(np.arange(genome.n_nodes), np.diff(genome.indptr))
    graph = nx.DiGraph()
    graph.add_nodes_from(range(genome.n_nodes))
    for entry in plan.entries.tolist():
        source, target = int(genome.indices[entry]), int(targets[entry])
        late = source >= target and (genome.ticks > 1 or genome.roles[source] != Role.INPUT)
        graph.add_edge(source, target, weight=float(genome.values[entry]), late=late)
    return graph


def described(genome):
    return describe(genome, Phenotype(genome, "squared_error"))


@pytest.mark.parametrize("ticks", [1, 2, 3])
def test_the_graph_that_acts_is_described_as_networkx_describes_it(genomes, ticks):
    seen = {"cyclic": 0, "late": 0, "unreached": 0}
    for genome in genomes(ticks):
        graph, found_out = graph_of(genome), described(genome)
        edges = graph.number_of_edges()
        assert found_out.n_effective == edges
        assert found_out.mean_degree == pytest.approx(edges / genome.n_nodes)
        assert found_out.max_in_degree == max(dict(graph.in_degree).values())
        assert found_out.max_out_degree == max(dict(graph.out_degree).values())
        late = [pair for pair in graph.edges if graph.edges[pair]["late"]]
        assert found_out.n_delayed == len(late)

        components = list(nx.strongly_connected_components(graph))
        assert found_out.n_components == len(components)
        loops = set(nx.nodes_with_selfloops(graph))
        on_cycle = [c for c in components if len(c) > 1 or c & loops]
        assert found_out.n_cyclic == sum(map(len, on_cycle))
        eigenvalues = np.linalg.eigvals(nx.to_numpy_array(graph))
        assert found_out.spectral_radius == pytest.approx(np.abs(eigenvalues).max(), abs=1e-6)
        if not on_cycle:
            assert found_out.spectral_radius == 0.0

        at_once = graph.copy()
        at_once.remove_edges_from(late)
        assert found_out.depth == nx.dag_longest_path_length(at_once, weight=None)
        hops = nx.multi_source_dijkstra_path_length(
            graph, set(genome.inputs.tolist()), weight=lambda *_: 1
        )
        reached = [hops[node] for node in genome.outputs.tolist() if node in hops]
        if reached:
            assert found_out.mean_hops == pytest.approx(np.mean(reached))
        else:
            assert found_out.mean_hops is None
        seen["cyclic"] += bool(on_cycle)
        seen["late"] += bool(late)
        seen["unreached"] += not reached
    assert seen["unreached"] < 25
    assert seen["cyclic"] > 5 if ticks > 1 else seen["cyclic"] == seen["late"] == 0


def test_network_is_equal_for_the_same_network_and_else_differs(genomes):
    for genome in genomes(2):
        found_out = described(genome)
        assert found_out.network_hash == canonical_hash(genome)
        other = reorder_freely(genome, np.random.default_rng(0))
        assert described(other).network_hash == found_out.network_hash
        heavier = genome.with_values(genome.values * 2, genome.bias)
        assert (described(heavier).network_hash != found_out.network_hash) == (
            found_out.n_effective > 0
        )


def test_a_network_without_a_cycle_has_the_determinants_that_elimination_finds():
    genome = create_founders(FounderSettings(hidden=6, density=0.5), 3, 2, n_founders=1, seed=0)[0]
    found_out, weights = described(genome), genome.weights
    stored, minus = graphops.slogdet(weights), graphops.slogdet(graphops.identity_minus(weights))
    assert (stored.sign, stored.log_abs) == (found_out.determinant_sign, -np.inf) == (0, -np.inf)
    assert found_out.log_abs_determinant is None
    assert minus == (found_out.identity_minus_sign, found_out.log_abs_identity_minus)


def test_a_large_graph_is_not_looked_at(monkeypatch):
    genome = create_founders(FounderSettings(hidden=6, density=0.5), 3, 2, n_founders=1, seed=0)[0]
    monkeypatch.setattr(evo.evolution.statistics, "LARGEST_GRAPH", genome.n_stored - 1)
    found_out = asdict(described(genome))
    assert [name for name, value in found_out.items() if value is None and name in GRAPH] == GRAPH
    assert found_out["n_active"] == genome.n_stored


def test_the_radius_of_a_large_component_is_not_computed(monkeypatch):
    ring = np.roll(np.eye(5), 1, axis=1)
    genome = Genome.from_matrix(ring, n_inputs=0, n_outputs=1, ticks=9)
    assert described(genome).spectral_radius == pytest.approx(1.0)
    monkeypatch.setattr(evo.evolution.statistics, "LARGEST_COMPONENT", 4)
    assert described(genome).spectral_radius is None
    assert described(replace(genome, ticks=1)).spectral_radius == 0.0


def test_the_dictionary_gives_the_bounds_that_apply():
    texts = {column.name: column.description for column in STATISTICS}
    assert f"more than {evo.evolution.statistics.LARGEST_GRAPH:,} edges" in texts["mean_degree"]
    assert (
        f"more than {evo.evolution.statistics.LARGEST_COMPONENT} nodes" in texts["spectral_radius"]
    )


# -- networks of maps --------------------------------------------------------------------------------------------------


def effective_kernels(genome):
    """Return the effective taps of each edge by hand, as {(source, target): weights}, and the window of each."""
    effective, found, window = genome.effective_mask(), {}, {}
    for target in range(genome.n_nodes):
        for entry in range(genome.indptr[target], genome.indptr[target + 1]):
            if effective[entry]:
                source = int(genome.indices[entry])
                found.setdefault((source, target), []).append(float(genome.values[entry]))
                way = map_transform(
                    int(genome.map_sizes[source]), int(genome.map_sizes[target]), genome.kernel
                )
                window[source, target] = way.window
    return found, window


@pytest.mark.parametrize("ticks", [1, 3])
def test_a_network_of_maps_is_described_by_its_taps_and_its_edges(any_map_genome, ticks):
    seen = {"kernels": 0, "partial": 0, "cyclic": 0}
    for seed in range(15):
        genome = any_map_genome(np.random.default_rng([seed, ticks]), ticks=ticks, density=0.2)
        found_out, (edges, window) = described(genome), effective_kernels(genome)
        assert found_out.n_maps == sum(map_size > 1 for map_size in genome.map_sizes.tolist())
        assert found_out.n_stored == genome.n_stored
        assert found_out.n_active == genome.active_mask().sum()
        assert found_out.n_effective == sum(map(len, edges.values()))
        kernels = [taps for edge, taps in edges.items() if window[edge] > 1]
        assert found_out.n_kernels == len(kernels)
        if kernels:
            mean = sum(map(len, kernels)) / len(kernels)
            assert found_out.taps_per_kernel == pytest.approx(mean)
        else:
            assert found_out.taps_per_kernel is None
        computed = {node for edge in edges for node in edge} | set(genome.outputs.tolist())
        computed -= set(genome.inputs.tolist())
        assert found_out.parameters == found_out.n_effective + len(computed)
        pixels = sum(
            len(taps) * int(genome.map_sizes[edge[1]]) ** 2 for edge, taps in edges.items()
        )
        assert found_out.macs == pixels * ticks

        graph = nx.DiGraph()
        graph.add_nodes_from(range(genome.n_nodes))
        for edge, taps in edges.items():
            weight = sum(map(abs, taps)) if window[edge] > 1 else taps[0]
            graph.add_edge(*edge, weight=weight)
        assert found_out.mean_degree == pytest.approx(len(edges) / genome.n_nodes)
        assert found_out.max_in_degree == max(dict(graph.in_degree).values())
        assert found_out.max_out_degree == max(dict(graph.out_degree).values())
        eigenvalues = np.linalg.eigvals(nx.to_numpy_array(graph))
        assert found_out.spectral_radius == pytest.approx(np.abs(eigenvalues).max(), abs=1e-6)
        assert found_out.n_components == nx.number_strongly_connected_components(graph)
        seen["kernels"] += len(kernels)
        seen["partial"] += any(len(taps) < window[e] ** 2 for e, taps in edges.items())
        seen["cyclic"] += found_out.n_cyclic > 0
    assert seen["kernels"] > 30
    assert seen["partial"] > 10
    assert seen["cyclic"] > 3 if ticks > 1 else seen["cyclic"] == 0


def test_the_determinant_of_a_network_of_maps_is_of_its_l1_norms(any_map_genome):
    singular = 0
    for seed in range(10):
        genome = any_map_genome(np.random.default_rng(seed), density=0.7)
        found_out, dense = described(genome), genome.strengths().toarray()
        assert found_out.matrix_entries == "l1 norms"
        sign, log_abs = np.linalg.slogdet(np.eye(genome.n_nodes) - dense)
        assert found_out.identity_minus_sign == sign
        assert found_out.log_abs_identity_minus == pytest.approx(log_abs)
        sign, log_abs = np.linalg.slogdet(dense)
        if found_out.determinant_sign:
            assert found_out.determinant_sign == sign
            assert found_out.log_abs_determinant == pytest.approx(log_abs)
        singular += not found_out.determinant_sign
    assert singular < 8


def test_the_density_is_the_share_of_places_taken(random_genome, any_map_genome):
    scalar = random_genome(np.random.default_rng(0))
    found_out = described(scalar)
    assert found_out.density == found_out.n_active / scalar.n_nodes**2
    assert (found_out.matrix_entries, found_out.n_maps, found_out.n_kernels) == ("weights", 0, 0)
    assert found_out.taps_per_kernel is None
    genome = any_map_genome(np.random.default_rng(0))
    map_sizes = genome.map_sizes.tolist()
    places = sum(
        map_transform(s, t, genome.kernel).window ** 2 for s in map_sizes for t in map_sizes
    )
    assert described(genome).density == genome.active_mask().sum() / places


def test_lenet_5_is_described_as_everybody_knows_it():
    found_out = described(from_cnn(lenet5(rng=np.random.default_rng(0))))
    assert (found_out.n_nodes, found_out.n_maps, found_out.n_computed) == (237, 23, 236)
    assert (found_out.parameters, found_out.macs) == (61_706, 416_520)
    assert (found_out.n_kernels, found_out.taps_per_kernel) == (6 + 96 + 1920, 25.0)
    assert (found_out.depth, found_out.mean_hops, found_out.n_delayed) == (5, 5, 0)
    assert (found_out.determinant_sign, found_out.log_abs_identity_minus) == (0, 0.0)
