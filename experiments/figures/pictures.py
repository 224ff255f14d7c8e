"""All pictures by name, and how they get into files. A new picture is a function and one entry of :data:`PICTURES`."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from evo.errors import ResultsError, SettingsError
from evo.files import write_atomically
from evo.genome.codec import load_genomes
from evo.genome.genome import Genome
from evo.registry import Registry, check_signature
from evo.storage.run_reader import file_of_run, run_names
from evo.storage.run_store import RunStore
from experiments.analysis.results import Results
from experiments.figures import film
from experiments.figures.bundles import draw_bundles
from experiments.figures.confusion import draw_confusion
from experiments.figures.curves import draw_anytime, draw_generations, draw_learning
from experiments.figures.edges import effective_edges
from experiments.figures.images import draw_images
from experiments.figures.matrices import draw_matrices
from experiments.figures.networks import MOST_EDGES, draw_networks
from experiments.figures.searches import (
    draw_elites,
    draw_levels,
    draw_lineage,
    draw_operators,
    draw_pareto,
    draw_selection_front,
)
from experiments.figures.style import sizes
from experiments.figures.style.facts import arm_of, where
from experiments.figures.style.labels import one_warning_of_missing_characters

Picture = Callable[[Results, float], Figure | film.Film]
"""``draw(results, width)`` returns a figure of matplotlib, or a film. The width is in inches.

A ResultsError says in a sentence why the results have nothing to draw.
"""

OF_A_RUN = ("generations", "graph", "matrix", "learning", "confusion")
"""Pictures that a run draws by itself at its end, where it has what they show."""


def _winner(results: Results) -> tuple[dict[str, Genome], str, dict[str, Any]]:
    """Return the best winner's founder and the winner itself by title, what they are, and the names of their nodes."""
    row, best = results.winner(), results.best()
    before = _founder(results, row)
    genomes = {"Founder, untrained": before, "The winner": best.genome}
    about = (
        f"Founder {row['founder']} and winner {row['individual']}: "
        f"{where(results, 'chosen on the validation part', row['seed'], arm_of(results, row))}"
    )
    names = {
        "inputs": best.preparation.input_names or (),
        "outputs": best.output_names or (),
    }
    return genomes, about, names


def _founder(results: Results, row: dict[str, Any]) -> Genome:
    """Return the founder of an individual as it was before its training."""
    names = run_names(results.paths)
    folder = next(path for path, name in names.items() if name == row["run"])
    founders = load_genomes(file_of_run(folder, f"genomes/seed-{row['seed']}-founders.npz"))
    return founders[int(row["founder"])]


def graph(results: Results, width: float) -> Figure:
    """Draw the winner and its founder as graphs: edge by edge, or in bundles if there are more than 300 edges."""
    genomes, about, names = _winner(results)
    return _graphs(genomes, width, about, names)


def _graphs(
    genomes: Mapping[str, Genome], width: float, about: str, names: Mapping[str, Any]
) -> Figure:
    """Draw genomes edge by edge, or in bundles if one has more than 300 edges."""
    if max(len(effective_edges(genome)) for genome in genomes.values()) > MOST_EDGES:
        return draw_bundles(genomes, width, about)
    return draw_networks(genomes, width=width, about=about, **names)


def matrix(results: Results, width: float) -> Figure:
    """Draw the matrices of the winner and its founder."""
    genomes, about, names = _winner(results)
    return draw_matrices(genomes, width=width, about=about, **names)


def levels(results: Results, width: float) -> Figure:
    """Draw where the parameters and MACs of the winner and its founder are, level by level."""
    genomes, about, _ = _winner(results)
    return draw_levels(genomes, about, width)


def images(results: Results, width: float) -> Figure:
    """Draw what the nodes of the winner read from images: the weights of each node as an image."""
    row, best = results.winner(), results.best()
    about = f"Winner {row['individual']}: {where(results, 'training part', row['seed'], arm_of(results, row))}"
    shape, outputs = best.preparation.sample_shape, best.output_names or ()
    return draw_images(best.genome, shape, outputs=outputs, width=width, about=about)


def confusion(results: Results, width: float) -> Figure:
    """Draw which classes each arm takes for which on the test part, all seeds together."""
    if not (results.runs["task"] == "classification").all():
        raise ResultsError("there are no classes to confuse, for values are predicted")
    if not results.tested:
        raise ResultsError("the run has no test part")
    if results.comparison.empty:
        raise ResultsError("no run is finished and tested")
    of_seeds = results.predictions["seed"].isin(results.runs["seed"])
    about = where(results, "test part")
    return draw_confusion(results.predictions[of_seeds], width, about)


def _checked(name: str, given: Any) -> Picture:
    check_signature("picture", name, given, "results", "width")
    picture: Picture = given
    return picture


PICTURES: Registry[Picture] = Registry("picture", convert=_checked)
"""Pictures by name."""

PICTURES.fill(
    {
        "anytime": draw_anytime,
        "confusion": confusion,
        "elites": draw_elites,
        "film": film.draw_film,
        "generations": draw_generations,
        "graph": graph,
        "images": images,
        "learning": draw_learning,
        "levels": levels,
        "lineage": draw_lineage,
        "matrix": matrix,
        "operators": draw_operators,
        "pareto": draw_pareto,
        "selection_front": draw_selection_front,
    }
)


def figure(
    results: Results,
    name: str,
    path: str | Path | None = None,
    *,
    width: str | float = "column",
    seed: int | None = None,
) -> Figure | film.Film:
    """Draw a picture of results, and write it into a file.

    Parameters
    ----------
    results : Results
        Of one or many runs with one data set.
    name : str
        A name in :data:`PICTURES`: ``docs/pictures.md`` lists them.
    path : str or Path, optional
        File to write; it is replaced. The ending says the format: png, pdf or svg, and gif or webp for the film. By
        default nothing is written.
    width : {"column", "page"} or float
        Width on paper: 3.35 inches, 6.9 inches, or a number of inches. All letters have 8 points at this width.
    seed : int, optional
        Draw this seed only; by default all seeds, or the best winner of all.

    Returns
    -------
    Figure or Film

    Raises
    ------
    ResultsError
        If the results do not have what the picture shows, have several data sets, or the file cannot be written.
    SettingsError
        If there is no such picture or width, or the format does not fit the picture.

    Notes
    -----
    The same results give the same file, bit for bit, with the same versions of matplotlib and of the fonts.
    """
    if name not in PICTURES:
        try:
            PICTURES.check(name)
        except ValueError as error:
            raise SettingsError(f"name of the picture {error}") from None
    inches = sizes.inches(width)
    form = "" if path is None else _form(name, Path(path))
    if results.runs["data_hash"].nunique() > 1:
        data = ", ".join(sorted(results.runs["dataset"].unique()))
        raise ResultsError(f"{results.paths[0].parent}: a picture needs one data set; got {data}")
    chosen = results if seed is None else _of_seed(results, seed)
    with sizes.on_paper(), one_warning_of_missing_characters():
        drawn = PICTURES[name](chosen, inches)
        if path is not None:
            content = _rendered(drawn, form)
            write_atomically(path, lambda file: file.write(content))
    return drawn


def draw_network(
    genome: Genome,
    path: str | Path | None = None,
    *,
    title: str = "Network",
    width: str | float = "column",
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
) -> Figure:
    """Draw one network as the picture ``graph`` draws winners, and write it into a file.

    Parameters
    ----------
    genome : Genome
        Such as ``results.best().genome``. Its effective edges are drawn.
    path : str or Path, optional
        File to write; it is replaced. The ending says the format: png, pdf or svg. By default nothing is written.
    title : str
        What stands before the number of edges.
    width : {"column", "page"} or float
        Width on paper, as for :func:`figure`.
    inputs, outputs : sequence of str
        Names that are written beside the nodes, where they have room.

    Returns
    -------
    Figure

    Raises
    ------
    ResultsError
        If the file cannot be written.
    SettingsError
        If there is no such width or format.
    """
    inches = sizes.inches(width)
    form = "" if path is None else _form("graph", Path(path))
    with sizes.on_paper(), one_warning_of_missing_characters():
        drawn = _graphs({title: genome}, inches, "", {"inputs": inputs, "outputs": outputs})
        if path is not None:
            content = _rendered(drawn, form)
            write_atomically(path, lambda file: file.write(content))
    return drawn


def save_pictures(
    results: Results,
    names: Sequence[str],
    folder: Path,
    *,
    form: str | None = None,
    width: str | float = "column",
    seed: int | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Draw pictures into a folder, and say in a line which file each of them has.

    Parameters
    ----------
    results, width, seed : optional
        As for :func:`figure`.
    names : sequence of str
        Without names, all pictures of the format are drawn for which the results have data; a line says which are left
        out, and why.
    folder : Path
        It is made if it does not exist.
    form : str, optional
        By default png, and gif for the film.
    tell : callable
        Called with each line.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ResultsError, SettingsError
        As :func:`figure`, if a picture is named. Also if no picture has this format, or can be drawn.
    """
    forms = {name: form or forms_of(name)[0] for name in names or PICTURES}
    if not names:
        forms = {name: own for name, own in forms.items() if own in forms_of(name)}
        if not forms:
            known = ", ".join([*sizes.FORMATS, *film.FORMATS])
            raise SettingsError(f"format must be one of {known}; got {form!r}")
    written = []
    for name, own in forms.items():
        try:
            path = folder / f"{name}.{own}"
            _make(folder)
            figure(results, name, path, width=width, seed=seed)
        except ResultsError as error:
            if names:
                raise
            tell(f"{name}: left out, {error}")
            continue
        written.append(path)
        tell(f"{name}: {path}")
    if not written:
        raise ResultsError(f"{results.paths[0]}: no picture can be drawn of it")
    return written


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultsError(f"{folder}: cannot be made ({error.strerror})") from error


def forms_of(name: str) -> tuple[str, ...]:
    """Return the formats of a picture, the usual one first."""
    return film.FORMATS if name == "film" else sizes.FORMATS


def save_figures(results: Results, store: RunStore) -> None:
    """Draw and store the pictures that a run draws by itself: those of :data:`OF_A_RUN` that it has data for.

    Parameters
    ----------
    results : Results
    store : RunStore
    """
    left_out = {"learning"} if results.evolved else {"generations", "graph", "matrix"}
    if not results.tested or not (results.runs["task"] == "classification").all():
        left_out.add("confusion")
    with sizes.on_paper(), one_warning_of_missing_characters():
        for name in OF_A_RUN:
            if name not in left_out:
                drawn = PICTURES[name](results, sizes.WIDTHS["page"])
                store.save_figure(f"{name}.png", _rendered(drawn, "png"))


def _rendered(drawn: Figure | film.Film, form: str) -> bytes:
    return drawn.rendered(form) if isinstance(drawn, film.Film) else sizes.rendered(drawn, form)


def _form(name: str, path: Path) -> str:
    """Return the format that the ending of a path names."""
    form, forms = path.suffix.removeprefix(".").lower(), forms_of(name)
    if form not in forms:
        raise SettingsError(
            f"path must end with .{', .'.join(forms)} for the picture {name}; got {str(path)!r}"
        )
    return form


def _of_seed(results: Results, seed: int) -> Results:
    """Return the tables of one seed."""
    known = sorted({*results.runs["seed"].tolist()})
    if seed not in known:
        raise ResultsError(f"{results.paths[0]}: seed must be one of {known}; got {seed!r}")
    tables = {
        part.name: frame[frame["seed"] == seed]
        for part in dataclasses.fields(results)
        if part.name != "paths" and "seed" in (frame := getattr(results, part.name))
    }
    return dataclasses.replace(results, **tables)
