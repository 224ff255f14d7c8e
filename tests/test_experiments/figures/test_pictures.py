"""Every picture by its name: sizes, letters, titles, colours, files, and what it refuses."""

import dataclasses
import itertools
import json
import subprocess
import sys
import warnings
from types import SimpleNamespace
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from evo import Genome
from evo.errors import ResultsError, SettingsError
from experiments import (
    PICTURES,
    Dataset,
    Experiment,
    draw_network,
    figure,
    load_results,
    run,
    study,
)
from experiments.cli.app import main
from experiments.figures import pictures
from experiments.figures.film import Film, draw_film
from experiments.figures.pictures import forms_of
from experiments.figures.style import sizes
from experiments.figures.style.colours import (
    DELAYED_NEGATIVE,
    DELAYED_POSITIVE,
    MIXED,
    NEGATIVE,
    PALETTE,
    POSITIVE,
    ROLE_COLOURS,
    style_of,
)
from experiments.figures.style.labels import arm_labels

HOSTILE = [
    "a$_x^2$",
    "a long name $of$ a feature that has no end",
    "naïve_Größe",
    "b\\alpha{",
    "c%&#~",
]
STILL = [name for name in PICTURES if name not in {"film", "selection_front", "elites"}]


@pytest.fixture(scope="module")
def values(tiny, tmp_path_factory):
    """Results of a regression on features with names that are no names, drawn by nobody yet."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 5)), columns=HOSTILE)
    frame["y_$1"] = frame.sum(axis=1)
    experiment = tiny(
        seeds=2,
        founders={"hidden": 4, "density": 0.5},
        evolution={"population": 3, "generations": 2, "steps_per_generation": 5},
        baseline={"arms": ["mlp"]},
    )
    data = Dataset.from_frame(frame, "y_$1", name="my_$data$")
    folder = tmp_path_factory.mktemp("values")
    return run(experiment, dataset=data, workers=0, results=folder, run_name="v", figures=False)


def texts_of(drawn):
    """Return the texts that are seen in a figure, after its layout."""
    texts = [one for one in drawn.findobj(Text) if one.get_visible() and one.get_text().strip()]
    hidden = {text for axes in drawn.axes if not axes.get_visible() for text in axes.findobj(Text)}
    ticks = set()
    for axes in drawn.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not low - 1e-9 <= tick.get_loc() <= high + 1e-9 or not axes.axison:
                    ticks |= {tick.label1, tick.label2}
    return [text for text in texts if text not in hidden | ticks]


def check(results, name, width):
    """Draw a picture, and check what holds for all of them."""
    with sizes.on_paper():
        drawn = figure(results, name, width=width)
        drawn.draw_without_rendering()
        assert drawn.get_figwidth() == sizes.inches(width)
        assert drawn.get_figheight() <= 10.5
        title = drawn.get_suptitle()
        for told in ("data set", "part", "seed"):
            assert told in title
        box = drawn.bbox
        for text in texts_of(drawn):
            told = text.get_text()
            assert text.get_fontsize() >= 8, told
            extent = text.get_window_extent()
            inside = extent.x0 >= -1 and extent.x1 <= box.x1 + 1
            inside &= extent.y0 >= -1 and extent.y1 <= box.y1 + 1
            assert inside, f"{told!r} is cut off"
            assert not mpl.cbook.is_math_text(told) or "mathdefault" in told, told
    return drawn


def pictures_of(results):
    """Return the names of the pictures that results have data for, without the film."""
    lacking = set()
    if not (results.runs["task"] == "classification").all():
        lacking |= {"confusion"}
    return [name for name in STILL if name not in lacking | {"images"}]


@pytest.mark.parametrize("name", STILL)
def test_a_picture_fits_a_column_with_letters_of_8_points_and_says_what_it_shows(finished, name):
    drawn = check(finished, name, "column")
    assert "digits" in drawn.get_suptitle()


@pytest.mark.slow
@pytest.mark.parametrize("name", STILL)
def test_a_picture_fits_a_page(finished, name):
    check(finished, name, "page")


@pytest.mark.parametrize(("width", "n_objectives"), [("column", 3), ("page", 4)])
def test_the_front_of_nsga2_has_a_panel_for_each_further_objective(finished, width, n_objectives):
    objectives = ["validation_loss", "macs", "parameters", "fitness"][:n_objectives]
    settings = {
        "evolution.selection.name": "nsga2",
        "evolution.selection.objectives": json.dumps(objectives),
    }
    kept = dataclasses.replace(finished, runs=finished.runs.assign(**settings))
    drawn = check(kept, "selection_front", width)
    assert drawn.axes[0].get_ylabel() == "validation loss"
    shown = [axes.get_xlabel() for axes in drawn.axes]
    assert shown == ["MACs per sample", "parameters", "fitness"][: n_objectives - 1]
    points = sum(len(line.get_xdata()) for line in drawn.axes[0].lines)
    assert points == len(kept.population_at()) + len(kept.selection_front())
    seeds = kept.selection_front()["seed"].unique()
    fronts = drawn.axes[0].lines[1:]
    assert [one.get_label() for one in fronts] == [f"front: evolved, seed {one}" for one in seeds]
    assert len({one.get_marker() for one in fronts}) == len(seeds) > 1


@pytest.mark.parametrize(("width", "n_descriptors"), [("column", 2), ("page", 1), ("page", 3)])
def test_elites_are_a_grid_with_a_mean_over_seeds_in_each_cell(finished, width, n_descriptors):
    names = ["density", "loss", "parameters"][:n_descriptors]
    bounds = {"density": "[0.0, 1.0]", "loss": "[0.0, 3.0]", "parameters": "[0, 500]"}
    settings = {
        "evolution.selection.name": "map_elites",
        "evolution.selection.descriptors": json.dumps(names),
        "evolution.selection.bins": json.dumps([3, 1, 1][:n_descriptors]),
        **{f"evolution.selection.bounds.{name}": bounds[name] for name in names},
    }
    kept = dataclasses.replace(finished, runs=finished.runs.assign(**settings))
    drawn = check(kept, "elites", width)
    assert drawn.axes[0].get_xlabel() == "density"
    (image,) = drawn.axes[0].images
    best = kept.elites().groupby(["seed", "density_bin"])["fitness"].max()
    means = best.groupby("density_bin").mean()
    assert image.get_array()[0][means.index].tolist() == pytest.approx(means.tolist())
    assert image.get_array().count() == len(means)


def test_a_front_needs_two_objectives_and_the_selection(finished):
    with pytest.raises(ResultsError, match="no run here has the selection nsga2"):
        figure(finished, "selection_front")
    settings = {"evolution.selection.name": "nsga2", "evolution.selection.objectives": '["macs"]'}
    kept = dataclasses.replace(finished, runs=finished.runs.assign(**settings))
    with pytest.raises(ResultsError, match="has one objective"):
        figure(kept, "selection_front")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["graph", "matrix"])
def test_names_of_features_are_no_formulas_and_fit(values, name):
    drawn = check(values, name, "column")
    assert r"my_\$data\$" in drawn.get_suptitle().replace("\n", "")
    told = [text.get_text() for text in texts_of(drawn)]
    assert {r"a\$_x^2\$", "naïve_Größe"} <= {*told}


@pytest.mark.slow
def test_all_pictures_of_values_fit(values):
    for name, width in itertools.product(pictures_of(values), ("column", "page")):
        check(values, name, width)


@pytest.mark.slow
def test_pictures_of_a_study_with_stopped_searches(tmp_path):
    base = Experiment(
        name="small",
        seeds=2,
        dataset={"name": "xor", "options": {"n_samples": 80}},
        founders={"hidden": 4},
        evolution={"population": 2, "generations": 2, "steps_per_generation": 4},
    )
    results = study(
        base,
        folder=tmp_path / "runs",
        arms={"e": {}, "mlp": {"evolve": False, "baseline.arms": ["mlp"]}},
        grid={"founders.hidden": [2, 4, 8]},
        halving={"rungs": [0]},
        workers=0,
        figures=False,
    )
    n_stopped = int(results.runs["stopped_rung"].notna().sum())
    assert n_stopped == 4
    for name in pictures_of(results):
        check(results, name, "column")
    assert f"{n_stopped} stopped searches" in " ".join(
        figure(results, "anytime").get_suptitle().split()
    )
    legend = [text.get_text() for text in figure(results, "generations").legends[0].get_texts()]
    assert "stopped by the study" in legend
    stopped = load_results(results.paths[list(results.runs["stopped_rung"].notna()).index(True)])
    check(stopped, "generations", "column")
    with pytest.raises(ResultsError, match="holds no finished search"):
        figure(stopped, "graph")
    with pytest.raises(ResultsError, match="anytime curves need a finished run"):
        figure(stopped, "anytime")


@pytest.mark.slow
def test_pictures_of_a_network_of_maps(tiny, tmp_path):
    experiment = tiny(
        seeds=1,
        founders={"graph": "maps", "layers": [[6, 4], [1, 8]], "kernel": 3, "downsampling": "max"},
        policy={"name": "layerwise"},
        evolution={"population": 2, "generations": 1, "steps_per_generation": 3},
        baseline={"arms": ["cnn"]},
    )
    results = run(experiment, workers=0, results=tmp_path, figures=False)
    for name, width in itertools.product(STILL, ("column", "page")):
        check(results, name, width)
    assert "Kernels on the image" in figure(results, "images").get_suptitle()


# -- colours -----------------------------------------------------------------------------------------------------------

DEUTERANOPIA = np.array(
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
)
"""What a reader without green cones sees, in linear RGB (Machado, Oliveira and Fernandes 2009, severity 1)."""

XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
) / np.array([[0.9505], [1.0], [1.089]])


def seen(colour, cones):
    """Return a colour in CIELAB, as a reader with some cones sees it."""
    rgb = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(np.maximum(XYZ @ np.clip(cones @ linear, 0, 1), 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("cones", [np.eye(3), DEUTERANOPIA], ids=["all cones", "deuteranopia"])
@pytest.mark.parametrize(
    "colours",
    [
        PALETTE,
        (POSITIVE, NEGATIVE, DELAYED_POSITIVE, DELAYED_NEGATIVE, MIXED),
        tuple(ROLE_COLOURS.values()),
    ],
    ids=["arms", "edges", "roles"],
)
def test_colours_are_told_apart(colours, cones):
    distances = {
        pair: float(np.linalg.norm(seen(pair[0], cones) - seen(pair[1], cones)))
        for pair in itertools.combinations(colours, 2)
    }
    assert min(distances.values()) > 15, min(distances, key=distances.get)


def test_many_arms_have_styles_of_their_own():
    styles = style_of({f"arm {k}": f"arm {k}" for k in range(210)})
    assert len({tuple(map(str, one.values())) for one in styles.values()}) == 210


def test_cells_have_the_colour_of_their_arm_and_lines_of_their_own():
    arms = {f"{arm}-hidden-{k}": arm for arm in ("evolved", "mlp") for k in range(12)}
    styles = style_of(arms)
    colours = {
        arm: {styles[name]["color"] for name in arms if arms[name] == arm}
        for arm in ("evolved", "mlp")
    }
    assert [len(one) for one in colours.values()] == [1, 1]
    assert colours["evolved"] != colours["mlp"]
    assert len({tuple(map(str, one.values())) for one in styles.values()}) == 24
    alone = style_of({f"evolved-hidden-{k}": "evolved" for k in range(6)})
    assert len({one["color"] for one in alone.values()}) == 6


CELLS = [f"evolved-learning_rate-{rate}-population-{n}" for rate in (0.03, 0.1) for n in (2, 4)]


@pytest.mark.parametrize("width", sizes.WIDTHS.values())
def test_arms_with_long_names_are_told_apart_in_a_legend_that_has_room(width):
    labels = arm_labels(CELLS, width)
    assert len({*labels.values()}) == len(CELLS)
    assert [*labels.values()] == CELLS or width < 5
    with sizes.on_paper():
        drawn = sizes.new_figure(width, 3, "")
        axes = drawn.add_subplot()
        for label in labels.values():
            axes.plot([0, 1], label=f"{label}, mean of 8 seeds")
        sizes.legend_below(drawn, axes, width)
        drawn.draw_without_rendering()
        (legend,) = drawn.legends
        assert legend.get_window_extent().x1 <= drawn.bbox.x1
        assert legend.get_window_extent().y1 <= axes.xaxis.get_tightbbox().y0


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_run_gives_the_same_files_with_fonts_and_text(finished, tmp_path):
    again = load_results(finished.path)
    for form in sizes.FORMATS:
        paths = [tmp_path / f"generations-{k}.{form}" for k in (0, 1)]
        for path, results in zip(paths, (finished, again), strict=True):
            figure(results, "generations", path)
        one, other = (path.read_bytes() for path in paths)
        assert one == other
        assert len(one) > 3_000
    pdf = (tmp_path / "generations-0.pdf").read_bytes()
    assert b"/FontFile2" in pdf  # TrueType, embedded
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf
    svg = (tmp_path / "generations-0.svg").read_text("utf-8")
    assert ">Best of the population</" in svg
    assert "<dc:date>" not in svg


@pytest.mark.slow
def test_settings_of_the_user_change_nothing_but_the_font(values, tmp_path):
    figure(values, "generations", tmp_path / "one.svg")
    with mpl.rc_context({"axes.grid": True, "font.size": 20, "lines.linewidth": 9}):
        figure(values, "generations", tmp_path / "two.svg")
        assert mpl.rcParams["font.size"] == 20
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_a_run_draws_few_pictures_by_itself(finished, monkeypatch):
    monkeypatch.setattr(pictures, "_rendered", lambda drawn, form: (drawn, form))
    drawn = {}
    pictures.save_figures(finished, SimpleNamespace(save_figure=drawn.__setitem__))
    names = {"confusion", "generations", "graph", "matrix"}
    assert drawn.keys() == {f"{name}.png" for name in names}
    assert all(isinstance(one, Figure) and form == "png" for one, form in drawn.values())


@pytest.mark.slow
def test_one_seed_can_be_drawn(values):
    first = int(values.runs["seed"].iloc[0])
    drawn = figure(values, "generations", seed=first)
    assert drawn.get_suptitle().endswith(f"seed {first}")
    assert f"seed {first + 1}" in " ".join(
        figure(values, "graph", seed=first + 1).get_suptitle().split()
    )
    with pytest.raises(ResultsError, match=r"seed must be one of \[3, 4\]; got 9"):
        figure(values, "graph", seed=9)


def test_what_cannot_be_drawn_is_refused_in_one_line(values, tmp_path):
    for given, error, rule in (
        ({"name": "grph"}, SettingsError, "name of the picture must be one of .* mean 'graph'"),
        (
            {"name": "graph", "width": "wide"},
            SettingsError,
            "width must be column, page, or a number",
        ),
        ({"name": "graph", "width": 0.5}, SettingsError, "width must be .*; got 0.5"),
        (
            {"name": "graph", "path": tmp_path / "a.jpg"},
            SettingsError,
            "path must end with .png, .pdf, .svg for the picture graph",
        ),
        (
            {"name": "film", "path": tmp_path / "a.png"},
            SettingsError,
            "path must end with .gif, .webp for the picture film",
        ),
        ({"name": "graph", "path": tmp_path / "no" / "a.png"}, ResultsError, "cannot be written"),
        ({"name": "confusion"}, ResultsError, "there are no classes to confuse"),
        ({"name": "images"}, ResultsError, "samples must be images"),
    ):
        with pytest.raises(error, match=rule):
            figure(values, **given)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_needs_one_data_set(values, finished):
    with pytest.raises(ResultsError, match="a picture needs one data set; got digits, my_"):
        figure(load_results(values.path, finished.path), "generations")


def test_an_own_picture_is_drawn_by_its_name(values, tmp_path):
    def losses(results, width):
        """Draw the losses of all individuals."""
        drawn = sizes.new_figure(width, 2.0, "Losses")
        drawn.add_subplot().plot(results.individuals["validation_loss"])
        return drawn

    own = PICTURES.own
    try:
        PICTURES.register("losses", losses)
        figure(values, "losses", tmp_path / "losses.pdf")
        with pytest.raises(TypeError, match="picture 'wrong' must be a function of"):
            PICTURES.register("wrong", lambda results: None)
    finally:
        PICTURES.install(own)
    assert (tmp_path / "losses.pdf").read_bytes().startswith(b"%PDF")


def test_the_command_draws_what_is_named_or_all_that_there_is(values, tmp_path, capsys):
    run_folder, folder = str(values.path), tmp_path / "out"
    arguments = ["figures", run_folder, "--output", str(folder), "--format", "svg"]
    with pytest.raises(SystemExit, match="0"):
        main([*arguments, "operators", "lineage", "--width", "page", "--seed", "3"])
    assert sorted(path.name for path in folder.iterdir()) == ["lineage.svg", "operators.svg"]
    assert "operators.svg" in capsys.readouterr().out
    for wrong, told in (
        (["confusion"], "no classes"),
        (["graph", "--format", "gif"], "must end with"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(["figures", run_folder, "--output", str(folder), *wrong])
        assert told in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_draws_all_pictures_of_a_format_and_says_what_it_leaves_out(values, capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["figures", str(values.path)])
    drawn = {path.name for path in (values.path / "figures").iterdir()}
    assert drawn == {f"{name}.{forms_of(name)[0]}" for name in [*pictures_of(values), "film"]}
    assert "confusion: left out, there are no classes" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(SystemExit, match="2"):
        main(["figures", str(values.path), "--format", "bmp"])
    assert "format must be one of png, pdf, svg, gif, webp; got 'bmp'" in capsys.readouterr().err


# -- the film ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_film_has_a_picture_for_each_operation_and_each_training(values, tmp_path):
    film = figure(values, "film", tmp_path / "film.gif")
    assert isinstance(film, Film)
    winner = values.winner()
    ancestors = [
        row for row in values.individuals.to_dict("records") if row["seed"] == winner["seed"]
    ]
    by_number = {row["individual"]: row for row in ancestors}
    row, n_steps = by_number[winner["individual"]], 1
    while row is not None:
        n_steps += 1 + len(row["operators"] or "")
        row = by_number[row["parents"][0]] if len(row["parents"]) else None
    assert len(film.frames) == film.n_steps == n_steps
    with Image.open(tmp_path / "film.gif") as image:
        assert image.format == "GIF"
        assert image.size == film.frames[0].shape[1::-1]
    figure(values, "film", tmp_path / "again.gif")
    assert (tmp_path / "film.gif").read_bytes() == (tmp_path / "again.gif").read_bytes()
    assert film.rendered("webp").startswith(b"RIFF")


@pytest.mark.slow
def test_a_film_of_many_steps_shows_some_of_them(values):
    with sizes.on_paper(), warnings.catch_warnings():
        whole = draw_film(values)
        short = draw_film(values, most_frames=2)
    assert (len(short.frames), short.n_steps) == (2, whole.n_steps)
    assert whole.n_steps > 2


@pytest.mark.slow
def test_a_run_without_figures_imports_no_matplotlib():
    code = "import sys, experiments.studies.execution; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# -- one network -------------------------------------------------------------------------------------------------------


def test_a_network_is_drawn_as_svg_with_its_names_and_its_size(tmp_path):
    matrix = np.zeros((4, 4), np.float32)
    matrix[0, 2], matrix[1, 2], matrix[2, 3] = 0.5, -2.0, 1.0
    genome = Genome.from_matrix(matrix, n_inputs=2, n_outputs=1)
    for name in ("one.svg", "two.svg"):
        draw_network(
            genome, tmp_path / name, title="Mine", inputs=["left", "right"], outputs=["both"]
        )
    text = (tmp_path / "one.svg").read_text("utf-8")
    assert (tmp_path / "two.svg").read_text("utf-8") == text
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg")
    shown = " ".join("".join(one.itertext()) for one in root.iter() if one.tag.endswith("text"))
    for words in ("left", "right", "both", "Mine: 3 edges act on an output"):
        assert words in shown
    with pytest.raises(SettingsError, match=r"path must end with \.png, \.pdf, \.svg"):
        draw_network(genome, tmp_path / "one.txt")
