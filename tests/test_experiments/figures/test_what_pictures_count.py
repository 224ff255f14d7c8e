"""The numbers in pictures are those of the tables and genomes: edges, levels, weights on pixels, bands of curves."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from cnn import lenet5
from evo import Genome, Role, load_genomes
from evo.errors import ResultsError
from evo.exchange.layered_networks import from_cnn
from experiments import figure
from experiments.figures.bundles import bundles_of, draw_bundles
from experiments.figures.curves import band
from experiments.figures.edges import effective_edges
from experiments.figures.images import draw_images, weights_on_images
from experiments.figures.matrices import matrix_picture
from experiments.figures.networks import MOST_EDGES
from experiments.figures.searches import spent_by_level


@pytest.fixture(scope="module")
def lenet():
    return from_cnn(lenet5(rng=np.random.default_rng(0)))


def recurrent(n=40, ticks=3):
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.3)
    return Genome.from_matrix(matrix, n_inputs=5, n_outputs=3, ticks=ticks)


def test_every_effective_edge_is_in_one_bundle(lenet):
    for genome in (lenet, recurrent()):
        edges = effective_edges(genome)
        bundles = bundles_of(genome, edges, 4)
        assert bundles.counts.sum() == len(edges)
        assert bundles.counts[bundles.delayed].sum() == edges.delayed.sum()
        assert (np.diff(bundles.counts) >= 0).all()
        assert (np.abs(bundles.balance) <= 1).all()
        assert len(bundles.columns) <= 6
    assert bundles.delayed.any()
    title = draw_bundles({"one": genome}).axes[0].get_title()
    assert f"all {len(edges):,} edges" in title


def test_bundles_of_layers_have_the_edges_between_these_layers(lenet):
    bundles = bundles_of(lenet, effective_edges(lenet), 5)
    assert bundles.labels == ["1\n28×28", "6\n28×28", "16\n10×10", "120", "84", "10"]
    between = {
        (int(s), int(t)): int(n)
        for s, t, n in zip(bundles.sources, bundles.targets, bundles.counts, strict=True)
    }
    assert between == {(0, 1): 6, (1, 2): 96, (2, 3): 1920, (3, 4): 10_080, (4, 5): 840}


def test_the_sums_over_levels_are_the_parameters_and_macs_of_the_tables(finished, lenet):
    seed = int(finished.runs["seed"].iloc[0])
    founders = load_genomes(finished.path / "genomes" / f"seed-{seed}-founders.npz")
    rows = finished.individuals.query("seed == @seed and generation == 0").set_index("individual")
    for number, genome in founders.items():
        parameters, macs = spent_by_level(genome)
        assert parameters.sum() == rows.loc[number, "parameters"]
        assert macs.sum() == rows.loc[number, "macs"]
    parameters, macs = spent_by_level(lenet)
    assert (parameters.sum(), macs.sum()) == (61_706, 416_520)


def test_a_matrix_shows_effective_entries_only():
    matrix = np.zeros((4, 4))
    matrix[0, 1] = matrix[1, 3] = 1.0
    matrix[0, 2] = 5.0  # node 2 acts on no output
    picture = matrix_picture(Genome.from_matrix(matrix, n_inputs=1, n_outputs=1))
    assert picture.caption == "2 edges"
    assert np.argwhere(picture.mean).tolist() == [[0, 1], [1, 3]]


def test_weights_stand_at_their_pixels():
    matrix = np.zeros((8, 8))  # an image of 2 × 3 pixels, a hidden node, an output
    matrix[0, 6], matrix[5, 6], matrix[4, 7], matrix[6, 7] = 1.0, -2.0, 4.0, 1.0
    genome = Genome.from_matrix(matrix, n_inputs=6, n_outputs=1)
    found = weights_on_images(genome, (2, 3))
    none = np.nan
    np.testing.assert_array_equal(found[6], [[1, none, none], [none, none, -2]])
    np.testing.assert_array_equal(found[7], [[none, none, none], [none, 4, none]])
    assert found.keys() == {6, 7}
    drawn = draw_images(genome, (2, 3), outputs=["yes"])
    assert [axes.get_title() for axes in drawn.axes[:2]] == ["output yes", "node 6"]
    assert "the strongest 2 of 2 nodes" in drawn.get_suptitle()
    colours = weights_on_images(genome, (2, 1, 3))  # two channels stand side by side
    np.testing.assert_array_equal(colours[6], [[1, none, none, none, none, -2]])
    with pytest.raises(ResultsError, match="one pixel for each of 6 inputs"):
        weights_on_images(genome, (3, 3))


def test_kernels_of_maps_are_images(lenet):
    found = weights_on_images(lenet, (1, 28, 28))
    assert [image.shape for image in found.values()] == [(5, 5)] * 6
    node = next(iter(found))
    own = (lenet.targets == node) & (lenet.roles[lenet.indices] == Role.INPUT)
    assert found[node][1, 3] == lenet.values[own][lenet.taps[own] == 1 * 5 + 3]


def test_a_band_has_the_lowest_the_median_and_the_highest_seed():
    def curve(steps, best):
        return pd.DataFrame({"steps": np.array(steps, float), "best": np.array(best, float)})

    curves = [
        curve([1, 2, 4, 6], [np.nan, 0.2, 0.2, 0.6]),
        curve([1, 3, 6], [0.1, 0.5, 0.5]),
        curve([2, 5], [0.3, 0.4]),
    ]
    costs, low, middle, high = band(curves, "steps")
    assert costs.tolist() == [2, 3, 5]  # from the first cost of all seeds to the last one of all
    assert low.tolist() == [0.1, 0.2, 0.2]
    assert middle.tolist() == [0.2, 0.3, 0.4]
    assert high.tolist() == [0.3, 0.5, 0.5]


@pytest.mark.slow
def test_a_graph_of_many_edges_shows_bundles(finished):
    assert len(effective_edges(finished.best().genome)) > MOST_EDGES
    assert "bundles" in figure(finished, "graph").axes[0].get_title()


def test_results_of_an_unfinished_run_are_drawn_as_far_as_they_go(finished):
    unfinished = dataclasses.replace(
        finished,
        runs=finished.runs.iloc[:0],
        comparison=finished.comparison.iloc[:0],
        baseline=finished.baseline.iloc[:0],
    )
    for name in ("generations", "learning", "operators", "pareto"):
        assert "data set digits" in figure(unfinished, name).get_suptitle()
    for name in ("anytime", "confusion", "film", "graph", "lineage"):
        with pytest.raises(ResultsError):
            figure(unfinished, name)
