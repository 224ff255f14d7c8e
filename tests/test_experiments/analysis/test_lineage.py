"""The individuals of runs as a graph."""

import networkx as nx
import pytest

from experiments import lineage, load_results, run


@pytest.fixture(scope="module")
def results(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lineage")
    return run(tiny(baseline={"arms": []}), workers=0, results=folder, run_name="a", figures=False)


def test_every_individual_is_a_node_with_the_columns_of_the_table(results):
    graph = lineage(results)
    assert len(graph) == len(results.individuals)
    for _, row in results.individuals.iterrows():
        node = graph.nodes["a", row["seed"], row["individual"]]
        assert node.keys() == set(results.individuals)
        assert node["genome_hash"] == row["genome_hash"]
        assert node["fitness"] == row["fitness"]


def test_every_edge_leads_from_a_parent_to_its_child_with_the_operations(results):
    graph = lineage(results)
    assert nx.is_directed_acyclic_graph(graph)
    n_operations = 0
    for parent, child, of_edge in graph.edges(data=True):
        assert parent[:2] == child[:2]
        assert graph.nodes[child]["parents"].tolist() == [parent[2]]
        operations = of_edge["operations"]
        assert "".join(one["operator"] for one in operations) == graph.nodes[child]["operators"]
        assert [one["position"] for one in operations] == list(range(len(operations)))
        n_operations += len(operations)
    assert n_operations == len(results.operations) > 0
    founders = {node for node, degree in graph.in_degree() if not degree}
    assert {graph.nodes[node]["origin"] for node in founders} == {"founder"}


def test_runs_stand_beside_each_other(results, tiny, tmp_path):
    run(
        tiny(seeds=1, baseline={"arms": []}),
        workers=0,
        results=tmp_path,
        run_name="b",
        figures=False,
    )
    both = load_results(results.path, tmp_path / "b")
    graph = lineage(both)
    assert len(graph) == len(both.individuals)
    assert {node[0] for node in graph} == {"a", "b"}
