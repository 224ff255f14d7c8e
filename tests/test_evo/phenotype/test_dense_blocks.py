"""Dense blocks, computed as matrix products, against the same networks added up edge by edge."""

from dataclasses import replace

import numpy as np
import pytest

from evo import Genome, Phenotype
from evo.phenotype.kernels.forward_kernels import FULL
from evo.phenotype.plan import DENSE_FROM, compile_plan, layout_for


def layered(rng, sizes, share, dtype=np.float64, **options):
    """Draw a layered network with a share of its places filled."""
    ends = np.cumsum([0, *sizes])
    matrix = np.zeros((ends[-1], ends[-1]), dtype)
    for k in range(len(sizes) - 1):
        place = np.s_[ends[k] : ends[k + 1], ends[k + 1] : ends[k + 2]]
        drawn = rng.normal(size=(sizes[k], sizes[k + 1])) / np.sqrt(sizes[k])
        matrix[place] = np.where(rng.random(drawn.shape) < share, drawn, 0)
    return Genome.from_matrix(
        matrix, n_inputs=sizes[0], n_outputs=sizes[-1], bias=rng.normal(size=ends[-1]), **options
    )


def triangular(rng, n_inputs, n, n_outputs, **options):
    """Draw a network with edges from each node to all later nodes, and to most earlier nodes."""
    matrix = rng.normal(size=(n, n)) / n
    matrix[rng.random((n, n)) < 0.1] = 0
    return Genome.from_matrix(matrix, n_inputs=n_inputs, n_outputs=n_outputs, **options)


def by_edges(genome, loss):
    """Compile a network without dense blocks."""
    plan = compile_plan(genome)
    layout = plan.layout._replace(dense_blocks=plan.layout.dense_blocks[:0])
    return Phenotype(genome, loss, replace(plan, layout=layout))


def genomes(rng):
    yield "full", layered(rng, (40, 50, 12), 1.0)
    yield "mostly filled", layered(rng, (64, 70, 40, 9), 0.85, activation="gelu")
    yield "from inputs in front and behind", triangular(rng, 35, 110, 10)
    yield "recurrent", triangular(rng, 35, 110, 10, ticks=3)
    yield "full and recurrent", layered(rng, (40, 50, 12), 1.0, ticks=2)


@pytest.mark.parametrize("n_batch", [32, 64, 130])
def test_matrix_products_give_what_edges_give(n_batch):
    rng = np.random.default_rng(n_batch)
    kinds = set()
    for name, genome in genomes(rng):
        blocks = layout_for(compile_plan(genome).layout, n_batch).dense_blocks
        assert len(blocks), name
        kinds.update(blocks[:, 5] == FULL)
        X = rng.normal(size=(n_batch, len(genome.inputs)))
        Y = rng.normal(size=(n_batch, len(genome.outputs)))
        one, other = Phenotype(genome, "squared_error"), by_edges(genome, "squared_error")
        np.testing.assert_allclose(one.output(X), other.output(X), rtol=1e-10, atol=1e-12)
        value, gradient = one.loss_and_gradients(X, Y)
        expected_value, expected = other.loss_and_gradients(X, Y)
        assert value == pytest.approx(expected_value, rel=1e-12)
        np.testing.assert_allclose(gradient, expected, rtol=1e-8, atol=1e-11, err_msg=name)
    assert kinds == {True, False}


def test_other_weights_are_seen():
    rng = np.random.default_rng(0)
    for _, genome in genomes(rng):
        network, X = (
            Phenotype(genome, "squared_error"),
            rng.normal(size=(64, len(genome.inputs))),
        )
        before = network.output(X)
        network.parameters *= 1.1
        other = Phenotype(network.to_genome(), "squared_error")
        assert not np.allclose(network.output(X), before)
        np.testing.assert_array_equal(network.output(X), other.output(X))


def test_the_cost_table_decides():
    genome = layered(np.random.default_rng(1), (64, 64, 64), 0.8)
    layout = compile_plan(genome).layout
    shares = layout.dense_blocks[:, 5] / FULL
    assert 0.6 < shares.min() < shares.max() < 1
    for n_batch in (1, 8, 32, 64, 128, 1000):
        min_fill = next((share for batch, share in DENSE_FROM if n_batch >= batch), 2.0)
        assert len(layout_for(layout, n_batch).dense_blocks) == (shares >= min_fill).sum()
    assert len(layout_for(layout, 8).dense_blocks) == 0 < len(layout_for(layout, 64).dense_blocks)


def test_sparse_networks_have_no_dense_blocks():
    genome = layered(np.random.default_rng(2), (64, 64, 64), 0.3)
    assert len(compile_plan(genome).layout.dense_blocks) == 0
