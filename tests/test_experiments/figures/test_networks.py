"""Pictures of networks: what is shown, where, in which colour, and how long it takes."""

from io import BytesIO

import hypothesis.strategies as st
import matplotlib as mpl
import numpy as np
import pytest
from effort import trials
from hypothesis import given, settings
from matplotlib.collections import LineCollection
from matplotlib.image import AxesImage

import graphops
from evo import FounderSettings, Genome, create_founders
from experiments.figures import networks
from experiments.figures.layout import MOST_ROWS
from experiments.figures.matrices import draw_matrices
from experiments.figures.networks import draw_networks
from experiments.figures.style.colours import (
    DELAYED_NEGATIVE,
    DELAYED_POSITIVE,
    NEGATIVE,
    POSITIVE,
    ROLE_COLOURS,
)


def founder(n_inputs=5, n_outputs=3, **given):
    return create_founders(FounderSettings(**given), n_inputs, n_outputs, n_founders=1, seed=0)[0]


def as_png(figure):
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def lines_of(axes):
    """Return the immediate edges and the delayed ones."""
    immediate, delayed = (one for one in axes.collections if isinstance(one, LineCollection))
    return immediate, delayed


def curves(axes, *, delayed):
    """Return curves, shape (edges, points, 2), colours and widths."""
    lines = lines_of(axes)[delayed]
    return np.array(lines.get_segments()), lines.get_colors(), lines.get_linewidths()


def dots(axes):
    return [
        one.get_offsets().data for one in axes.collections if not isinstance(one, LineCollection)
    ]


def is_coloured(colours, name):
    return np.isclose(colours[:, :3], mpl.colors.to_rgb(name)).all(axis=1)


def test_signals_run_from_left_to_right_and_colours_tell_signs():
    genome = founder(hidden=12, density=0.3)
    (axes,) = draw_networks({"one": genome}).axes
    segments, colours, widths = curves(axes, delayed=False)
    assert len(segments) == genome.effective_mask().sum()
    assert (segments[:, 0, 0] <= segments[:, -1, 0]).all()
    weights = genome.values[genome.effective_mask()]
    assert is_coloured(colours, POSITIVE).sum() == (weights > 0).sum()
    assert is_coloured(colours, NEGATIVE).sum() == (weights < 0).sum()
    assert (np.diff(widths) >= 0).all()  # the strongest are drawn last, and widest
    assert (np.diff(colours[:, 3]) >= 0).all()
    immediate, delayed = lines_of(axes)
    assert (len(immediate.get_segments()), len(delayed.get_segments())) == (len(segments), 0)


def test_inputs_and_outputs_stand_at_the_sides_in_their_order():
    genome = founder(n_inputs=7, n_outputs=4, hidden=12, density=0.3)
    (axes,) = draw_networks({"one": genome}).axes
    inputs, hidden, outputs = dots(axes)
    assert inputs[:, 0].tolist() == [0] * 7
    assert outputs[:, 0].tolist() == [1] * 4
    assert ((hidden[:, 0] > 0) & (hidden[:, 0] < 1)).all()
    for column in (inputs, outputs):
        assert (np.diff(column[:, 1]) < 0).all()
    assert len(np.unique(np.concatenate([inputs, hidden, outputs]), axis=0)) == 7 + 12 + 4


def test_delayed_edges_are_arcs_of_their_own_colours_and_named_in_the_legend():
    matrix = np.zeros((5, 5))
    matrix[0, 2] = matrix[2, 3] = matrix[3, 4] = 1.0
    matrix[1, 2] = -1.0
    matrix[3, 2], matrix[3, 3] = 2.0, -2.0
    genome = Genome.from_matrix(matrix, n_inputs=2, n_outputs=1, ticks=3)
    figure = draw_networks({"one": genome})
    segments, colours, _ = curves(figure.axes[0], delayed=True)
    assert len(segments) == 2
    assert is_coloured(colours, DELAYED_POSITIVE).sum() == 1
    assert is_coloured(colours, DELAYED_NEGATIVE).sum() == 1
    ends = np.maximum(segments[:, 0, 1], segments[:, -1, 1])
    assert (segments[:, :, 1].max(axis=1) > ends).all()
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "positive, a tick later" in named
    acyclic = draw_networks({"one": founder(hidden=3)})
    assert not any("tick" in text.get_text() for text in acyclic.legends[0].get_texts())


def test_of_many_edges_the_strongest_are_drawn_and_the_title_says_so():
    genome = founder(hidden=40, density=0.5)
    (axes,) = draw_networks({"one": genome}, most_edges=50).axes
    weights = np.sort(np.abs(genome.values[genome.effective_mask()]))
    assert axes.get_title() == (
        f"one: {len(weights):,} edges act on an output\nthe 50 strongest are shown"
    )
    segments, colours, _ = curves(axes, delayed=False)
    assert len(segments) == 50
    strong = genome.values[genome.effective_mask() & (np.abs(genome.values) >= weights[-50])]
    assert is_coloured(colours, POSITIVE).sum() == (strong > 0).sum()


def test_a_thousand_nodes_stay_readable():
    genome = founder(n_inputs=200, n_outputs=20, hidden=780, density=0.05)
    (axes,) = draw_networks({"one": genome}).axes
    assert genome.n_nodes == 1_000
    assert "strongest are shown" in axes.get_title()
    assert sum(len(line.get_segments()) for line in lines_of(axes)) == networks.MOST_EDGES
    places = np.concatenate(dots(axes))
    assert len(np.unique(places.round(6), axis=0)) == len(places)
    assert ((places >= 0) & (places <= 1)).all()


@pytest.mark.parametrize(
    ("n_idle", "words"), [(1, "1 idle hidden node left out"), (2, "2 idle hidden nodes left out")]
)
def test_idle_hidden_nodes_are_left_out_and_counted(n_idle, words):
    matrix = np.zeros((3 + n_idle, 3 + n_idle))
    matrix[0, 1:-1] = 1.0  # the input speaks to all hidden nodes,
    matrix[1, -1] = 1.0  # but only one of them to the output
    genome = Genome.from_matrix(matrix, n_inputs=1, n_outputs=1)
    (axes,) = draw_networks({"one": genome}).axes
    assert [len(places) for places in dots(axes)] == [1, 1, 1]
    assert axes.get_title() == f"one: 2 edges act on an output\n{words}"


def test_a_large_column_is_folded_into_a_block():
    genome = founder(n_inputs=200, hidden=3, density=0.1)
    (axes,) = draw_networks({"one": genome}).axes
    inputs = dots(axes)[0]
    assert len(np.unique(inputs[:, 1])) <= MOST_ROWS
    assert len(np.unique(inputs, axis=0)) == 200
    assert inputs[:, 0].max() < 0.5


def test_layers_of_a_layered_network_are_columns():
    matrix = graphops.layered([4, 6, 5, 2], 1.0, rng=np.random.default_rng(0))
    genome = Genome.from_matrix(matrix, n_inputs=4, n_outputs=2)
    (axes,) = draw_networks({"one": genome}).axes
    x, counts = np.unique(dots(axes)[1][:, 0].round(9), return_counts=True)
    assert counts.tolist() == [6, 5]
    np.testing.assert_allclose(x, [1 / 3, 2 / 3])


@pytest.mark.slow
@settings(max_examples=trials(5, 10))
@given(
    n=st.integers(1, 9),
    density=st.floats(0, 1),
    ticks=st.integers(1, 3),
    seed=st.integers(0, 2**32),
)
def test_any_network_has_both_pictures(n, density, ticks, seed):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n, n)) * (rng.random((n, n)) < density)
    n_inputs = int(rng.integers(n))
    genome = Genome.from_matrix(matrix, n_inputs=n_inputs, n_outputs=1, ticks=ticks, threshold=0.2)
    assert as_png(draw_networks({"one": genome})).startswith(b"\x89PNG")
    assert as_png(draw_matrices({"one": genome}, most_places=4)).startswith(b"\x89PNG")


def picture(figure):
    """Return the weights of the first panel as drawn: the sign and the square root of the magnitude."""
    images = [one for one in figure.axes[0].get_images() if one.get_array().ndim == 2]
    (image,) = images
    assert isinstance(image, AxesImage)
    assert image.get_clim() == (-1, 1)  # white is 0
    return np.asarray(image.get_array())


def test_a_small_matrix_is_shown_place_by_place_without_dormant_entries():
    matrix = np.array([[0, 0.5, -2], [0, 0.1, 1], [0, 0, 0.0]])
    genome = Genome.from_matrix(matrix, n_inputs=1, n_outputs=1, threshold=0.2)
    shown = picture(draw_matrices({"one": genome}))
    np.testing.assert_array_equal(np.sign(shown), np.sign(matrix * (np.abs(matrix) > 0.2)))
    assert shown[1, 2] / shown[0, 1] == pytest.approx(2**0.5)


def test_of_a_large_matrix_blocks_are_shown_by_their_mean():
    matrix = np.zeros((5, 5))
    matrix[:2, 2:4] = [[1, 2], [3, -2]]
    matrix[4, 4] = -1.0
    genome = Genome.from_matrix(matrix, n_inputs=2, n_outputs=3, ticks=2)
    figure = draw_matrices({"one": genome}, most_places=3)
    means = np.array([[0, 1.0, 0], [0, 0, 0], [0, 0, -1.0]])  # the last block is one place
    np.testing.assert_allclose(picture(figure), means)
    assert figure.axes[0].get_title() == "one: 5 edges; a point is the mean of 2×2 places"


def test_margins_show_the_roles_of_rows_and_columns():
    genome = founder(n_inputs=4, n_outputs=2, hidden=3)
    axes = draw_matrices({"one": genome}).axes[0]
    strips = [np.asarray(one.get_array()) for one in axes.get_images() if one.get_array().ndim == 3]
    expected = [ROLE_COLOURS[role] for role in genome.roles]
    assert [strip.shape for strip in strips] == [(9, 1, 3), (1, 9, 3)]
    for strip in strips:
        np.testing.assert_allclose(
            strip.reshape(9, 3), [mpl.colors.to_rgb(colour) for colour in expected]
        )


def test_numbers_below_one_are_refused():
    with pytest.raises(ValueError, match=r"^most_edges must be at least 1; got 0$"):
        draw_networks({"one": founder()}, most_edges=0)
    with pytest.raises(ValueError, match=r"^most_places must be at least 1; got 0$"):
        draw_matrices({"one": founder()}, most_places=0)


@pytest.mark.parametrize("draw", [draw_networks, draw_matrices])
def test_few_inputs_and_outputs_have_their_names(draw):
    genome = founder(n_inputs=3, n_outputs=2, hidden=4, density=0.5)
    names = ["age", "city = Rome", "city = Oslo"]
    figure = draw({"one": genome}, inputs=names, outputs=["no", "yes"])
    figure.draw_without_rendering()
    axes = figure.axes[0]
    texts = [
        one.get_text() for one in (*axes.texts, *axes.get_yticklabels(), *axes.get_xticklabels())
    ]
    assert [text for text in texts if text in {*names, "no", "yes"}] == [*names, "no", "yes"]
    for wrong in ({"inputs": names[:2]}, {"inputs": names * 10}):
        figure = draw({"one": genome}, **wrong)
        figure.draw_without_rendering()
        texts = [
            one.get_text() for one in (*figure.axes[0].texts, *figure.axes[0].get_yticklabels())
        ]
        assert "age" not in texts
