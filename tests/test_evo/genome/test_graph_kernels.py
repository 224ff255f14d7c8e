"""The compiled searches in a genome's graph find what graphops finds, on random graphs with cycles and self-loops."""

import numpy as np
import pytest
from effort import trials
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import graphops
from evo import Genome, Role
from evo.genome import graph_kernels


def random_genome(seed, ticks):
    """Return a genome of any density, with any order of roles and any threshold."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 12))
    n_inputs = int(rng.integers(0, n))
    matrix = rng.normal(size=(n, n)) * (rng.random((n, n)) < rng.random())
    order = rng.permutation(n)
    genome = Genome.from_matrix(
        matrix,
        n_inputs=n_inputs,
        n_outputs=int(rng.integers(1, n - n_inputs + 1)),
        threshold=(None, 0.5, rng.random(n))[rng.integers(3)],
        threshold_mode=("magnitude", "signed")[rng.integers(2)],
        ticks=ticks,
    )
    parts = {"roles": genome.roles[order], "ids": genome.ids[order]}
    return Genome(**(vars(genome) | parts))


seeds = st.integers(0, 2**32)
some_ticks = st.sampled_from([1, 2, 3, 5, 1000, 2**62])


@settings(max_examples=trials(50, 300), deadline=None)
@given(seeds, some_ticks)
def test_masks_and_delays_are_those_of_graphops(seed, ticks):
    genome = random_genome(seed, ticks)
    active = np.ones(genome.n_stored, np.bool_)
    if genome.threshold is not None:
        active = graphops.threshold_mask(genome.weights, genome.threshold, genome.threshold_mode)
    np.testing.assert_array_equal(genome.active_mask(), active)
    edges, ends = genome.weights_of(active), (genome.inputs, genome.outputs)
    effective = active.copy()
    effective[active] = graphops.useful_edges(edges, *ends, ticks)
    np.testing.assert_array_equal(genome.effective_mask(), effective)
    delays = genome.delays_to_output(active)
    np.testing.assert_array_equal(delays < ticks, graphops.needed_nodes(edges, *ends, ticks))
    if ticks > 1:
        needed = graphops.needed_nodes(edges, *ends, ticks - 1)
        np.testing.assert_array_equal(delays < ticks - 1, needed)


@settings(max_examples=trials(50, 300), deadline=None)
@given(seeds, st.sampled_from([1, 3]))
def test_cycles_depth_and_hops_are_those_of_graphops(seed, ticks):
    genome = random_genome(seed, ticks)
    mask = genome.effective_mask()
    W, is_input = genome.weights_of(mask), genome.roles == Role.INPUT
    indptr, sources = W.indptr.astype(np.int64), W.indices
    cycles = graphops.cycle_statistics(W)
    found = graph_kernels.count_components(indptr, sources)
    assert found == (cycles.components, cycles.cyclic_nodes, cycles.largest_component)
    whole = graphops.cycle_statistics(genome.weights)
    found = graph_kernels.count_components(genome.indptr, genome.indices)
    assert found == (whole.components, whole.cyclic_nodes, whole.largest_component)
    depth = graphops.evaluation_layers(W, genome.inputs).max()
    assert graph_kernels.longest_path(indptr, sources, is_input, True) == depth
    depth = graphops.evaluation_layers(W).max()
    assert graph_kernels.longest_path(indptr, sources, is_input, False) == depth
    hops = np.empty(genome.n_nodes, np.int64)
    graph_kernels.count_hops(indptr, sources, is_input, hops)
    paths = graphops.path_statistics(W, genome.inputs, genome.outputs)
    reached = hops[genome.outputs][hops[genome.outputs] >= 0]
    assert len(reached) == paths.reached_outputs
    if len(reached):
        assert (reached.mean(), reached.max()) == (paths.mean_hops, paths.hops_max)


@pytest.mark.parametrize("n", [2, 3, 300])
def test_a_long_ring_is_one_component_and_a_long_chain_is_none(n):
    ring = sparse.csc_array(np.roll(np.eye(n), 1, axis=1))
    arrays = ring.indptr.astype(np.int64), ring.indices
    assert graph_kernels.count_components(*arrays) == (1, n, n)
    chain = sparse.csc_array(np.eye(n, k=-1))
    arrays = chain.indptr.astype(np.int64), chain.indices
    assert graph_kernels.count_components(*arrays) == (n, 0, 1)
    hops, is_input = np.empty(n, np.int64), np.arange(n) == n - 1
    graph_kernels.count_hops(*arrays, is_input, hops)
    assert hops.tolist() == list(range(n - 1, -1, -1))
