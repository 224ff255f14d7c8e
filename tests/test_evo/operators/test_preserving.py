"""What preserves the function does so: outputs before and after, over random genomes of every kind."""

from dataclasses import replace

import numpy as np
import pytest
from effort import first_now, trials

import graphops
from evo import Genome, Phenotype, Role, canonical_hash, duplicate_node, replay
from evo.operators.preserving import remove_ineffective, reorder_freely, splittable_nodes

THRESHOLDS = ("none", "magnitude", "signed", "below zero", "per target")


@pytest.fixture
def genomes(random_genome):
    """Return a maker of random genomes, each with a generator of its own and five samples."""

    def make(ticks, threshold):
        for seed in range(trials(12, 30)):
            rng = np.random.default_rng((seed, ticks, THRESHOLDS.index(threshold)))
            n = int(rng.integers(6, 16))
            thresholds = {
                "none": None,
                "magnitude": 0.4,
                "signed": 0.2,
                "below zero": -0.4,
                "per target": rng.uniform(0, 0.6, n),
            }
            mode = "signed" if threshold in ("signed", "below zero") else "magnitude"
            genome = random_genome(
                rng, n=n, ticks=ticks, threshold=thresholds[threshold], mode=mode
            )
            yield rng, genome, rng.normal(size=(5, 3))

    return make


def outputs(genome, samples):
    return Phenotype(genome, "squared_error").output(samples)


def delays(genome):
    """Tell by ids which stored entry between nodes that are no inputs is delayed."""
    columns = np.repeat(np.arange(genome.n_nodes), np.diff(genome.indptr))
    return {
        (int(genome.ids[i]), int(genome.ids[j])): bool(i >= j)
        for i, j in zip(genome.indices, columns, strict=True)
        if Role.INPUT not in genome.roles[[i, j]]
    }


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("ticks", first_now([2, 1, 3]))
def test_removing_what_has_no_effect_changes_no_bit_of_the_outputs(genomes, ticks, threshold):
    removed = 0
    for _, genome, samples in genomes(ticks, threshold):
        lean = remove_ineffective(genome)
        assert np.array_equal(outputs(lean, samples), outputs(genome, samples))
        assert canonical_hash(lean) == canonical_hash(genome)
        assert lean.effective_mask().all()
        assert np.array_equal(lean.ids[lean.inputs], genome.ids[genome.inputs])
        assert remove_ineffective(lean).equals(lean)
        removed += genome.n_stored - lean.n_stored
    assert removed > 100


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("ticks", first_now([2, 1, 3]))
def test_a_free_reordering_keeps_outputs_and_every_delay(genomes, ticks, threshold):
    moved = 0
    for rng, genome, samples in genomes(ticks, threshold):
        other = reorder_freely(genome, rng)
        np.testing.assert_allclose(
            outputs(other, samples), outputs(genome, samples), rtol=1e-12, atol=1e-12
        )
        assert canonical_hash(other) == canonical_hash(genome)
        assert delays(other) == delays(genome)
        assert sorted(other.ids) == sorted(genome.ids)
        moved += not np.array_equal(other.ids, genome.ids)
    assert moved > trials(9, 25)


@pytest.mark.parametrize("ticks", [1, 2])
def test_a_network_of_maps_in_another_order_is_the_same_network(any_map_genome, ticks):
    moved = 0
    for seed in range(10):
        rng = np.random.default_rng([seed, ticks])
        genome = any_map_genome(rng, ticks=ticks, density=0.2)
        other = reorder_freely(genome, rng)
        samples = rng.normal(size=(3, genome.n_features))
        np.testing.assert_allclose(
            outputs(other, samples), outputs(genome, samples), rtol=1e-12, atol=1e-12
        )
        assert canonical_hash(other) == canonical_hash(genome)
        assert sorted(other.ids) == sorted(genome.ids)
        moved += not np.array_equal(other.ids, genome.ids)
    assert moved == 10


def test_every_order_within_the_freedom_comes_out():
    # Node 1 must come before node 2; node 3 is free, and so is the input.
    matrix = np.zeros((5, 5))
    matrix[0, 1] = matrix[1, 2] = matrix[0, 3] = matrix[2, 4] = matrix[3, 4] = 1.0
    genome = Genome.from_matrix(matrix, n_inputs=1, n_outputs=1)
    rng = np.random.default_rng(0)
    orders = {tuple(reorder_freely(genome, rng).ids) for _ in range(300)}
    # 1 before 2, both and 3 before 4: three orders, with the input at any of five places.
    assert len(orders) == 15


def test_the_same_generator_gives_the_same_order(random_genome):
    genome = random_genome(np.random.default_rng(0))
    first, second = (reorder_freely(genome, np.random.default_rng(5)) for _ in range(2))
    assert first.equals(second)


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("ticks", first_now([2, 1, 3]))
def test_a_twin_changes_no_output(genomes, ticks, threshold):
    with_loop = 0
    for rng, genome, samples in genomes(ticks, threshold):
        share = float(rng.uniform(0.3, 0.7))
        for node in splittable_nodes(genome, share):
            grown = duplicate_node(genome, node, share)
            np.testing.assert_allclose(
                outputs(grown, samples), outputs(genome, samples), rtol=1e-12, atol=1e-12
            )
            assert grown.ids[node + 1] == genome.ids.max() + 1
            assert grown.roles[node + 1] == Role.HIDDEN
            assert np.array_equal(np.delete(grown.ids, node + 1), genome.ids)
            with_loop += genome.to_dense()[node, node] != 0
    assert with_loop > trials(1, 5)


def test_genome_draft_and_matrix_grow_the_same_twin(random_genome):
    rng = np.random.default_rng(4)
    for _ in range(20):
        genome = random_genome(rng, n=10, ticks=2, threshold=None)
        node, share = int(rng.choice(splittable_nodes(genome))), float(rng.uniform(0.2, 0.8))
        grown = duplicate_node(genome, node, share)
        assert replay([("U", {"node": node, "share": share})], genome).equals(grown)
        matrix = graphops.duplicate_node(genome.weights, node, share)
        assert np.array_equal(grown.to_dense(), matrix.toarray())
        assert np.array_equal(grown.bias, np.insert(genome.bias, node + 1, genome.bias[node]))


def test_a_node_may_have_many_twins(random_genome):
    rng = np.random.default_rng(3)
    genome = random_genome(rng, n=12, ticks=3, threshold=None)
    samples = rng.normal(size=(5, 3))
    grown = genome
    for _ in range(10):
        grown = duplicate_node(grown, int(rng.choice(splittable_nodes(grown))))
    assert grown.n_nodes == 22
    np.testing.assert_allclose(
        outputs(grown, samples), outputs(genome, samples), rtol=1e-11, atol=1e-11
    )


def test_a_self_loop_is_copied_and_not_split():
    matrix = [[0, 1, 0], [0, 0.5, 4], [0, 0, 0.0]]
    genome = Genome.from_matrix(matrix, n_inputs=1, n_outputs=1, ticks=3)
    expected = [[0, 1, 1, 0], [0, 0.5, 0, 1], [0, 0, 0.5, 3], [0, 0, 0, 0]]
    assert np.array_equal(duplicate_node(genome, 1, share=0.25).to_dense(), expected)


def test_a_dormant_edge_stays_with_its_node_and_wakes_as_it_was(random_genome):
    matrix = np.array([[0, 1, 0, 0], [0, 0, 0.1, 4], [0, 0, 0, 2], [0, 0, 0, 0]])
    genome = Genome.from_matrix(matrix, n_inputs=1, n_outputs=1, threshold=0.5)
    grown = duplicate_node(genome, 1)
    assert grown.to_dense()[1:3, 3].tolist() == [0.1, 0.0]
    samples = np.linspace(-1, 1, 5)[:, None]
    active = [replace(one, threshold=0.01) for one in (genome, grown)]
    assert not np.allclose(outputs(genome, samples), outputs(active[0], samples))
    np.testing.assert_allclose(*(outputs(one, samples) for one in active), rtol=1e-12)


def test_no_part_of_an_edge_may_fall_asleep():
    matrix = np.array([[0, 1, 1, 0], [0, 0, 0, 0.8], [0, 0, 0, -1.2], [0, 0, 0, 0]])
    genome = Genome.from_matrix(matrix, n_inputs=1, n_outputs=1, threshold=0.5)
    assert splittable_nodes(genome).tolist() == [2]
    assert splittable_nodes(genome, 0.3).tolist() == []
    assert splittable_nodes(replace(genome, threshold=None)).tolist() == [1, 2]
    assert splittable_nodes(replace(genome, threshold=np.array([9, 9, 9, 0.1]))).tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"every edge above the threshold; got 0\.5 for node 1"):
        duplicate_node(genome, 1)


def test_no_part_of_a_tap_may_fall_asleep(any_map_genome):
    seen = 0
    for seed in range(10):
        genome = any_map_genome(np.random.default_rng(seed), threshold=0.2)
        live, targets = genome.active_mask(), genome.targets
        small = live & (np.abs(genome.values) * 0.3 <= 0.2) & (genome.indices != targets)
        hidden = set(np.flatnonzero(genome.roles == Role.HIDDEN).tolist())
        expected = hidden - set(genome.indices[small].tolist())
        assert set(splittable_nodes(genome, 0.3).tolist()) == expected
        seen += len(expected) > 0
    assert seen > 0


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, 2.0, float("nan")])
def test_a_share_lies_between_0_and_1(random_genome, share):
    genome = random_genome(np.random.default_rng(0))
    node = int(np.flatnonzero(genome.roles == Role.HIDDEN)[0])
    with pytest.raises(ValueError, match="share must be between 0 and 1; got"):
        duplicate_node(genome, node, share)


def test_only_hidden_nodes_have_twins(random_genome):
    genome = random_genome(np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"node must be hidden; got node \d, which is input"):
        duplicate_node(genome, int(genome.inputs[0]))
    with pytest.raises(ValueError, match=r"node must be hidden; got node \d, which is output"):
        duplicate_node(genome, int(genome.outputs[0]))
    for node in (-1, genome.n_nodes):
        with pytest.raises(IndexError, match=f"node must be from 0 to 8; got {node}"):
            duplicate_node(genome, node)


def test_the_genome_given_stays_as_it_was(random_genome):
    genome = random_genome(np.random.default_rng(0), threshold=None)
    before = genome.fingerprint()
    remove_ineffective(genome)
    reorder_freely(genome, np.random.default_rng(0))
    duplicate_node(genome, int(splittable_nodes(genome)[0]))
    assert genome.fingerprint() == before
