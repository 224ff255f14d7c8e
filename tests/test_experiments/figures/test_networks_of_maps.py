"""Pictures of networks of maps: tiles by side, kernels by their strength and balance, matrices edge by edge."""

from io import BytesIO
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PatchCollection

from cnn import (
    ConvolutionLayer,
    HiddenLayer,
    Network,
    RasterizationLayer,
    SoftmaxLayer,
    lenet5,
)
from evo import Genome, Role
from evo.exchange.layered_networks import from_cnn
from experiments.figures.edges import effective_edges
from experiments.figures.layout import lay_out
from experiments.figures.matrices import draw_matrices
from experiments.figures.networks import draw_networks
from experiments.figures.style.colours import MIXED, NEGATIVE, POSITIVE


@pytest.fixture(scope="module")
def lenet():
    return from_cnn(lenet5(rng=np.random.default_rng(0)))


@pytest.fixture
def small():
    """Return an input of side 4, two maps that hear it by kernels of few taps, a neuron, and an output."""
    return Genome(
        indptr=np.array([0, 0, 2, 5, 6, 10]),
        indices=np.array([0, 0, 0, 0, 0, 0, 1, 1, 2, 3], np.int32),
        values=np.array([1.0, 3.0, 1, -1, 2, 0.5, -1, -3, 1, -2]),
        bias=np.zeros(5),
        ids=np.arange(5),
        roles=np.array([Role.INPUT, *[Role.HIDDEN] * 3, Role.OUTPUT], np.uint8),
        activations=np.zeros(5, np.uint8),
        map_sizes=np.array([4, 2, 2, 1, 1], np.int32),
        taps=np.array([0, 8, 1, 2, 3, 0, 0, 3, 1, 0], np.uint16),
        kernel=3,
    )


@pytest.fixture
def cnns():
    """Return networks of many levels, and of many maps to a level."""

    def network(*counts):
        layers = [ConvolutionLayer(count, 3, padding=1) for count in counts]
        end = [ConvolutionLayer(3, 3), RasterizationLayer(), HiddenLayer(5), SoftmaxLayer(2)]
        return Network([*layers, *end], (2, 5, 5), rng=np.random.default_rng(0))

    counts = (1,), (4, 70), (3, 3, 3, 3, 3, 3), (200,)
    return [from_cnn(network(*one)) for one in counts]


def as_png(figure):
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def tiles_of(axes):
    """Return the corners of tiles, shape (tiles, 2 corners, 2), in data and then in pixels."""
    boxes = [
        path.get_extents()
        for one in axes.collections
        if isinstance(one, PatchCollection)
        for path in one.get_paths()
    ]
    corners = np.array([[[box.x0, box.y0], [box.x1, box.y1]] for box in boxes])
    return corners, axes.transData.transform(corners.reshape(-1, 2)).reshape(corners.shape)


def test_the_edges_of_a_picture_are_kernels_with_strength_and_balance(small):
    edges = effective_edges(small)
    found = {
        (source, target): (weight, balance)
        for source, target, weight, balance in zip(
            *(part.tolist() for part in (edges.sources, edges.targets)),
            *(part.tolist() for part in (edges.weights, edges.balance)),
            strict=True,
        )
    }
    assert found == {
        (0, 1): (4.0, 1.0),
        (0, 2): (4.0, 0.5),
        (0, 3): (0.5, 1.0),
        (1, 4): (4.0, -1.0),
        (2, 4): (1.0, 1.0),
        (3, 4): (-2.0, -1.0),
    }
    assert (len(edges), edges.n_taps) == (6, 10)


def test_each_kind_of_edge_has_its_share_of_those_shown(lenet):
    edges = effective_edges(lenet)
    shown = edges.strongest(300)
    assert len(shown) == 300
    everywhere, counts = np.unique(edges.kinds, return_counts=True)
    few = np.bincount(shown.kinds, minlength=len(everywhere))
    assert sorted(counts.tolist()) == [6, 96, 840, 1920, 10_080]
    assert (few > 0).all()
    assert (few[np.argsort(counts)] == np.sort(few)).all()
    for kind in everywhere:
        own = np.abs(edges.weights[edges.kinds == kind])
        least = np.abs(shown.weights[shown.kinds == kind]).min()
        assert (own > least).sum() < few[kind]
    assert len(edges.strongest(len(edges))) == len(edges)
    assert len(edges.strongest(1)) == 1
    strengths = shown.strengths(some_hidden=True)
    assert all(strengths[shown.kinds == kind].max() == 1 for kind in everywhere)


def test_maps_are_square_tiles_by_depth_that_grow_with_their_side(lenet):
    figure = draw_networks({"LeNet-5": lenet})
    (axes,) = figure.axes
    as_png(figure)
    corners, pixels = tiles_of(axes)
    assert len(corners) == 23
    extent = pixels[:, 1] - pixels[:, 0]
    np.testing.assert_allclose(extent[:, 0], extent[:, 1], rtol=1e-6)
    assert len(np.unique(extent[:, 0].round(3))) == 2
    assert sorted(np.bincount((extent[:, 0] > extent.mean()).astype(int)).tolist()) == [7, 16]
    for one in range(23):  # no tile lies on another
        apart = (corners[:, 0] >= corners[one, 1]) | (corners[:, 1] <= corners[one, 0])
        assert apart.any(axis=1).sum() == 22
    labels = [text.get_text() for text in axes.texts]
    assert labels == ["1 map\n28×28", "6 maps\n28×28", "16 maps\n10×10"]
    assert axes.get_title() == (
        "LeNet-5: 12,942 edges of 61,470 taps act on an output\n"
        "300 are shown, of each kind the strongest"
    )
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "kernel of mixed signs" in named
    x = lay_out(lenet, effective_edges(lenet)).place[:, 0]
    levels = np.split(x, [1, 7, 23, 143, 227])
    assert all(one.max() < other.min() for one, other in pairwise(levels))


def test_in_a_column_the_largest_maps_stand_on_top(small):
    place = lay_out(small, effective_edges(small)).place
    assert place[1, 0] == place[2, 0] == place[3, 0]
    assert place[[1, 2], 1].min() > place[3, 1]


def test_tiles_and_dots_have_places_of_their_own(cnns):
    for genome in cnns:
        layout = lay_out(genome, effective_edges(genome))
        used = np.isfinite(layout.place[:, 0])
        assert ((layout.place[used] >= 0) & (layout.place[used] <= 1)).all()
        assert np.array_equal(layout.tiles[used] > 0, genome.map_sizes[used] > 1)
        order = np.argsort(genome.map_sizes[used])
        assert (np.diff(layout.tiles[used][order]) >= 0).all()
        # Tiles and dots do not lie on each other.
        places = layout.place[used] * [1, layout.aspect]
        sizes = np.maximum(layout.tiles[used], 1e-3)
        gaps = np.abs(places[:, None] - places[None]).max(axis=2)
        touching = gaps < (sizes[:, None] + sizes[None]) / 2 - 1e-9
        assert np.array_equal(touching, np.eye(used.sum(), dtype=bool))
        n_shown = sum(int(label.split()[0]) for *_, label in layout.labels)
        assert n_shown == (genome.map_sizes[used] > 1).sum()


def test_a_scalar_network_and_one_of_maps_stand_side_by_side(lenet, small):
    scalar = Genome.from_matrix([[0, 0.5, 1], [0, 0, -1.0], [0, 0, 0]], n_inputs=1, n_outputs=1)
    figure = draw_networks({"scalar": scalar, "maps": small})
    assert as_png(figure).startswith(b"\x89PNG")
    left, right = figure.axes
    assert not any(isinstance(one, PatchCollection) for one in left.collections)
    assert left.get_title() == "scalar: 3 edges act on an output\nall are shown"
    assert right.get_title() == "maps: 6 edges of 10 taps act on an output\nall are shown"
    assert as_png(draw_matrices({"scalar": scalar, "maps": small})).startswith(b"\x89PNG")


def test_the_colour_of_a_kernel_is_that_of_its_balance(small):
    (axes,) = draw_networks({"one": small}).axes
    lines = next(one for one in axes.collections if isinstance(one, LineCollection))
    colours = lines.get_colors()[:, :3]
    edges = effective_edges(small).strongest(300)
    for colour, balance in zip(colours, edges.balance, strict=True):
        sign = POSITIVE if balance > 0 else NEGATIVE
        share = abs(balance) ** 0.5
        expected = share * np.array(mpl.colors.to_rgb(sign))
        expected += (1 - share) * np.array(mpl.colors.to_rgb(MIXED))
        np.testing.assert_allclose(colour, expected)


def test_in_a_matrix_a_kernel_is_one_point_of_its_mean_magnitude(small):
    figure = draw_matrices({"one": small})
    axes = figure.axes[0]
    assert axes.get_title() == "one: 6 edges of 10 taps"
    picture = next(one for one in axes.get_images() if one.get_array().shape[:2] == (5, 5))
    shown = np.asarray(picture.get_array())
    # Window² by which the magnitudes of taps are divided: 9 from side 4 to 2, 4 from 4 (halved) and 2 to a neuron.
    depth = np.zeros((5, 5))
    depth[0, 1:4] = 4 / 9, 4 / 9, 0.5 / 4
    depth[1:4, 4] = 4 / 4, 1 / 4, 2
    largest = np.quantile(depth[depth > 0], 0.99)
    whiteness = 1 - np.minimum(1, depth / largest) ** 0.5
    assert np.array_equal(shown.min(axis=2) < 1, depth > 0)
    for place in np.argwhere(depth > 0).tolist():
        colour = (shown[tuple(place)] - whiteness[tuple(place)]) / (1 - whiteness[tuple(place)])
        balance = {(0, 2): 0.5}.get(tuple(place), 1)
        sign = NEGATIVE if tuple(place) in {(1, 4), (3, 4)} else POSITIVE
        share = balance**0.5
        expected = share * np.array(mpl.colors.to_rgb(sign))
        expected += (1 - share) * np.array(mpl.colors.to_rgb(MIXED))
        np.testing.assert_allclose(colour, expected, atol=1e-9)
    names = [text.get_text() for text in axes.texts]
    assert names == ["4×4", "2×2", "neurons"]
    lines = sorted(line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":")
    assert lines == [0, 0, 1, 3]


def test_blocks_of_a_large_matrix_are_means_over_edges(lenet):
    figure = draw_matrices({"LeNet-5": lenet}, most_places=30)
    assert figure.axes[0].get_title().endswith("taps; a point is the mean of 8×8 places")
    assert as_png(figure).startswith(b"\x89PNG")
