"""The mutation benchmark measures what it says, and its peers do the same work."""

import json

import numpy as np
import pytest

from evo import GenomeEditor
from evo.errors import SettingsError
from experiments.benchmarks.harness.settings import BenchOptions
from experiments.benchmarks.mutation import (
    BATCHES,
    LETTERS,
    bench_mutation,
    check_mutation,
    parent,
    session,
)
from experiments.benchmarks.peers import mutation

try:
    import neat
except ImportError:
    neat = None
needs_neat = pytest.mark.skipif(neat is None, reason='needs pip install -e ".[bench]"')


def test_parents_have_the_stated_sizes():
    dense, sparse = parent(100, dense=True), parent(1_000, dense=False)
    assert 0.45 < dense.n_stored / 100**2 < 0.55
    assert (np.diff(sparse.indptr) == 20).all()
    assert parent(1_000, dense=False).equals(sparse)


def test_a_session_applies_every_letter():
    genome = parent(100, dense=True)
    assert session(genome, LETTERS, 0).equals(session(genome, LETTERS, 0))
    assert not session(genome, ("C",), 0).equals(genome)


def test_networkx_makes_the_children_that_we_make():
    genome, a, b = parent(30, dense=True), 15, 16
    children = mutation.networkx_children(genome, a, b)
    for name, change in (
        ("swap columns", lambda draft: draft.swap_columns(a, b)),
        ("add row", lambda draft: draft.add_row(a, b, 1e-3)),
    ):
        draft = GenomeEditor(genome)
        change(draft)
        graph = children[name]()
        theirs = np.zeros((30, 30))
        for source, target, weight in graph.edges(data="weight"):
            theirs[source, target] = weight
        np.testing.assert_allclose(draft.weights.toarray(), theirs, rtol=1e-6)


def test_scipy_makes_the_child_that_we_make():
    genome = parent(30, dense=True)
    draft = GenomeEditor(genome)
    draft.add_row(0, 1, 0.5)
    draft.add_column(0, 1, 0.5)
    theirs = mutation.scipy_product(genome)().toarray()
    np.testing.assert_allclose(draft.weights.toarray(), theirs, rtol=1e-5, atol=1e-6)


@needs_neat
def test_neat_python_starts_from_the_same_nodes_and_edges_but_for_those_into_inputs():
    genome = parent(100, dense=True)
    n_edges = genome.n_stored - np.diff(genome.indptr)[genome.inputs].sum()
    assert n_edges < genome.n_stored
    make = mutation.neat_child(genome)
    for _ in range(20):  # some of which split an edge
        child = make()
        assert abs(len(child.connections) - n_edges) <= 110  # a node more or less, and its edges
        assert abs(len(child.nodes) + len(genome.inputs) - genome.n_nodes) <= 1


@pytest.mark.slow
@needs_neat
def test_the_bench_ends_in_one_line():
    result = bench_mutation(BenchOptions(quick=True, repeats=1), lambda _: None)
    line = json.loads(json.dumps(result.line))
    assert line["name"] == "mutation"
    assert line["ratio"] == pytest.approx(line["ours"] / line["peer"], rel=0.1)
    sessions = result.tables["sessions"]
    assert sorted(set(sessions["operations"])) == sorted(BATCHES)
    assert (sessions["memory_ratio"] > 1).all()
    assert set(result.tables["letters"]["operator"]) == set(LETTERS)
    assert set(result.tables["peers"]["peer"]) == {"SciPy", "networkx", "neat-python"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (BenchOptions(batches=(1,)), "batch: must not be given to bench mutation"),
        (BenchOptions(repeats=0), "repeats: must be at least 1; got 0"),
    ],
)
def test_a_wrong_option_is_named(options, message):
    with pytest.raises(SettingsError, match=message):
        check_mutation(options)
