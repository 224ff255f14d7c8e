"""The command line: ``evomatrix``, or ``python -m experiments``.

Each command imports what it needs when it is called, so that ``--help`` answers at once.
"""

import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from evo.errors import ChangedError, EvoMatrixError, ResultsError, SettingsError
from evo.interruption import Interruption, interruptible
from experiments.cli.output import prepare_output, print_line, print_table

if TYPE_CHECKING:
    from experiments.analysis.results import Results
    from experiments.audit.verification import Verification
    from experiments.progress import Callback
    from experiments.settings.experiment import Experiment
    from experiments.settings.study import Study

app = typer.Typer(
    help="Evolve neural networks whose topology is a matrix, and compare them with a fixed CNN.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

OwnParts = Annotated[
    list[str] | None,
    typer.Option(
        "--parts",
        help="Python file or module with your own parts, such as metrics that the settings name. It is imported, so "
        "its code runs. Give the option once for each.",
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Another value for a setting, such as training.learning_rate=0.01, or a list of values for a key of the "
        "grid, such as grid.training.learning_rate=[0.01,0.1]. The value is as in a TOML file, or a text, or "
        "nothing for none. Give the option once for each.",
    ),
]
"""Every command that takes settings has it; `evomatrix describe` shows the keys."""

Workers = Annotated[
    int | None,
    typer.Option(
        help="Number of Ray workers; 0 runs in this process without Ray. It changes no result.",
        show_default="every core; 0 if the search takes some seconds only",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="Address of a running Ray cluster: 'auto' or 'host:6379'. Start the command on one of its machines."
    ),
]

Figures = Annotated[
    bool, typer.Option(" /--no-figures", help="Draw no pictures.", show_default=False)
]
TensorBoardFolder = Annotated[
    Path | None,
    typer.Option(
        "--tensorboard",
        metavar="FOLDER",
        help="Write curves for TensorBoard too, each run into a folder of its own in this one.",
    ),
]
MLflowStore = Annotated[
    str | None,
    typer.Option(
        "--mlflow",
        metavar="URI",
        help="Write each run into a store of MLflow too, such as sqlite:///mlflow.db.",
    ),
]


@app.command()
def run(
    experiment: Annotated[
        str, typer.Argument(help="A preset's name (see 'presets') or your own TOML file.")
    ],
    seeds: Annotated[int | None, typer.Option(help="Number of seeds.")] = None,
    seed: Annotated[int | None, typer.Option(help="First seed; the others follow it.")] = None,
    generations: Annotated[
        int | None, typer.Option(help="Number of generations after the founders.")
    ] = None,
    population: Annotated[
        int | None, typer.Option(help="Number of networks in the population.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training part, if evolve = false.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder with the four IDX files of the MNIST family.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Your own data instead of the preset's: a .csv, .tsv, .parquet or .npz file, or a folder with a "
            "folder of images for each class."
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="With --data: name of the target column.")
    ] = None,
    workers: Workers = None,
    address: Address = None,
    arms: Annotated[
        str | None,
        typer.Option(
            help="Only for a study: the arms to run, such as evolved,lenet5. Default: all."
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Only for a study: the folder that holds its runs. Runs that have begun in it are not repeated. "
            "Several processes may share the folder. Default: a new folder."
        ),
    ] = None,
    changes: Changes = None,
    parts: OwnParts = None,
    results: Annotated[Path, typer.Option(help="Folder in which the run's folder is made.")] = Path(
        "results"
    ),
    figures: Figures = True,
    tensorboard: TensorBoardFolder = None,
    mlflow: MLflowStore = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the run's folder.")] = False,
) -> None:
    """Evolve, train the baselines, compare on the test part, and store tables and figures.

    Options replace settings of the preset or file. A file with arms or a grid is a study: each cell and seed is a run.
    The same settings and seed give the same tables with any number of workers; exceptions are columns of time, and
    budgets in seconds.
    """
    from experiments.settings.data_file import with_data
    from experiments.settings.experiment import (
        Experiment,
        read_settings,
        with_values,
        without_empty,
    )

    options = {
        "seeds": seeds,
        "seed": seed,
        "evolution.generations": generations,
        "evolution.population": population,
        "baseline.epochs": epochs,
        "dataset.options.data_dir": None if data_dir is None else str(data_dir),
    }
    values = read_settings(experiment)
    _load(parts)
    if data is not None:
        values = with_data(values, data, target)
    elif target is not None:
        raise SettingsError(f"target must be given with data only; got {target!r}")
    with _naming_own_parts(parts), _naming_file(experiment):
        changed = {name: value for name, value in options.items() if value is not None}
        changed |= _changed(changes)
        together = without_empty(with_values(values, changed))
        for name, number in (
            ("generations", generations),
            ("population", population),
            ("epochs", epochs),
        ):
            if number is not None and "arms" in together:
                raise SettingsError(
                    f"{name}: must not be given, for each arm of {experiment} has its own; got {number}"
                )
        read = _parsed(values, changed, experiment)
        for name, value in (("arms", arms), ("folder", folder)):
            if value is not None and isinstance(read, Experiment):
                raise SettingsError(
                    f"{name}: must not be given for {experiment}, which has no arms; got {str(value)!r}"
                )

        # A refusal shall not wait for the imports of what a run needs.
        from experiments.cli.terminal import show_arms
        from experiments.progress import TerminalReporter
        from experiments.studies.runner import run as run_experiment
        from experiments.studies.study import run_study

        console = Console(quiet=quiet)
        told: dict[str, Any] = {
            "workers": workers,
            "address": address,
            "results": results,
            "quiet": quiet,
            "callbacks": _trackers(tensorboard, mlflow),
            "figures": figures,
        }
        if isinstance(read, Experiment):
            reporter = None if quiet else TerminalReporter(console)
            outcome = run_experiment(read, reporter=reporter, **told)
        else:
            outcome = run_study(
                read,
                arms=None if arms is None else [one.strip() for one in arms.split(",")],
                folder=folder,
                reporter=None if quiet else partial(TerminalReporter, console),
                **told,
            )
    if isinstance(read, Experiment):
        _tell(outcome, console)
    elif quiet:
        typer.echo(outcome.paths[0].parent)
        _warn_of_failures(outcome.failure_lines())
    else:
        show_arms(outcome, None, console)
        print_line(console, f"Results: {outcome.paths[0].parent}")


def _parsed(values: dict[str, Any], changes: dict[str, Any], source: str) -> "Study | Experiment":
    """Return the experiment, or the study, of settings of which some are changed."""
    from experiments.settings.experiment import changed_experiment, with_values
    from experiments.settings.study import is_study, parse_study

    together = with_values(values, changes)
    if is_study(together):
        return parse_study(together, source)
    return changed_experiment(values, changes, source)


@contextmanager
def _naming_file(source: str) -> Iterator[None]:
    """Let an error of settings begin with the file or preset that they come from."""
    try:
        yield
    except SettingsError as error:
        from experiments.settings.experiment import OF_STUDIES, Experiment

        first = re.match(r"data set |\w*", str(error))
        keys = {"data set ", "halving", *OF_STUDIES, *Experiment.model_fields}
        if first and first[0] in keys and not str(error).startswith(f"{source}: "):
            raise type(error)(f"{source}: {error}") from None
        raise


@app.command()
def resume(
    path: Annotated[Path, typer.Argument(help="Folder of a run or of a study that stopped.")],
    workers: Workers = None,
    address: Address = None,
    parts: OwnParts = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Go on even if data, own parts, code, versions or arithmetic are not those of the beginning; the "
            "journal notes what differs.",
        ),
    ] = False,
    figures: Figures = True,
    tensorboard: TensorBoardFolder = None,
    mlflow: MLflowStore = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the run's folder.")] = False,
) -> None:
    """Go on with a run or a study that stopped, however it stopped.

    The tables are those of the run that had not stopped, except for columns of time.
    """
    from experiments.cli.terminal import show_arms, show_results
    from experiments.progress import TerminalReporter
    from experiments.studies.study import resume as go_on

    _load(parts)
    console = Console(quiet=quiet)
    with _naming_own_parts(parts), _naming_force():
        finished = go_on(
            path,
            workers=workers,
            address=address,
            reporter=None if quiet else partial(TerminalReporter, console),
            quiet=quiet,
            callbacks=_trackers(tensorboard, mlflow),
            figures=figures,
            force=force,
        )
    if quiet:
        typer.echo(path)
        _warn_of_failures(finished.failure_lines())
    elif len(finished.paths) == 1:
        show_results(finished, console)
    else:
        show_arms(finished, None, console)
        print_line(console, f"Results: {path}")


@app.command("continue")
def continue_(
    path: Annotated[
        Path, typer.Argument(help="Folder of the run to continue; nothing in it is changed.")
    ],
    generations: Annotated[
        str | None,
        typer.Option(
            metavar="N|+N",
            help="Last generation of the newer run; +10 means 10 more than the settings of the older run.",
            show_default="that of the older run",
        ),
    ] = None,
    changes: Changes = None,
    individual: Annotated[
        int | None,
        typer.Option(
            help="Begin with this individual in every slot.", show_default="the whole population"
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Continue this seed only.", show_default="all seeds")
    ] = None,
    workers: Workers = None,
    address: Address = None,
    parts: OwnParts = None,
    results: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which the newer run's folder is made.",
            show_default="beside the older run, or beside its study",
        ),
    ] = None,
    figures: Figures = True,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print only the newer run's folder.")
    ] = False,
) -> None:
    """Make a new run that goes on from the last committed generation of a run, with other settings if you like.

    The newer run begins with the population and the optimizer states of the older run. It is complete in itself.
    """
    from experiments.continuation.continuation import continue_run
    from experiments.progress import TerminalReporter

    _load(parts)
    console = Console(quiet=quiet)
    with _naming_own_parts(parts):
        outcome = continue_run(
            path,
            generations=generations,
            settings=_changed(changes),
            individual=individual,
            seed=seed,
            workers=workers,
            address=address,
            results=results,
            reporter=None if quiet else TerminalReporter(console),
            quiet=quiet,
            figures=figures,
        )
    _tell(outcome, console)


def _trackers(tensorboard: Path | None, mlflow: str | None) -> "list[Callback]":
    """Return the callbacks that options ask for."""
    from experiments.progress import MLflow, TensorBoard

    trackers: list[Callback] = []
    if tensorboard is not None:
        trackers.append(TensorBoard(tensorboard))
    if mlflow is not None:
        trackers.append(MLflow(mlflow))
    return trackers


def _changed(changes: list[str] | None) -> dict[str, Any]:
    """Return the settings that ``--set`` changes, by dotted names."""
    return dict(map(_changed_setting, changes or ()))


def _changed_setting(text: str) -> tuple[str, Any]:
    """Return the name and the value of a changed setting: no value is none, and what TOML cannot read is a text."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise SettingsError(
            f"--set must be KEY=VALUE, such as training.learning_rate=0.01; got {text!r}"
        )
    if not value:
        return name, None
    try:
        read = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return name, value
    return name, read["value"] if [*read] == ["value"] else value


@app.command()
def verify(
    path: Annotated[
        Path, typer.Argument(help="Folder of a run, or of a study; nothing in it is changed.")
    ],
    seed: Annotated[
        int | None, typer.Option(help="Compute this seed only.", show_default="all seeds")
    ] = None,
    generations: Annotated[
        str | None,
        typer.Option(
            metavar="A..B",
            help="Compare generations A to B only. The search is computed from its founders to B, because it can only "
            "be computed from its beginning; later generations, baselines and test part are not.",
            show_default="the whole run",
        ),
    ] = None,
    workers: Workers = None,
    address: Address = None,
    parts: OwnParts = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the outcome.")] = False,
) -> None:
    """Compute a run again in a temporary folder, and name the first difference: table, row and column.

    All tables are compared bit for bit, columns of time aside, and genomes and networks too. Exit code 0: the same; 1:
    something is different; 2: the run cannot be computed again. Of a folder with several runs, each has a line, and the
    last line counts them; --seed chooses the runs with this seed.
    """
    from evo.storage.run_reader import runs_at
    from experiments.audit.verification import runs_with_seed
    from experiments.audit.verification import verify as compute_again
    from experiments.progress import TerminalReporter

    _load(parts)
    console = Console(quiet=quiet)
    chosen = None
    if generations is not None:
        first, _, last = generations.partition("..")
        if not (first.isdecimal() and last.isdecimal()):
            raise SettingsError(f"generations must be A..B, such as 0..5; got {generations!r}")
        chosen = int(first), int(last)

    def outcome_of(run: Path) -> "Verification":
        with _naming_own_parts(parts):
            return compute_again(
                run,
                seed=seed,
                generations=chosen,
                workers=workers,
                address=address,
                reporter=None if quiet else TerminalReporter(console),
                quiet=quiet,
            )

    runs = runs_at(path)
    if runs == (path,):
        outcome = outcome_of(path)
        for change in outcome.changes:
            typer.echo(f"evomatrix: {change}", err=True)
        print_line(Console(), str(outcome))
        if outcome.difference is not None:
            raise typer.Exit(1)
        return
    if seed is not None:
        runs = runs_with_seed(runs, seed)
    if code := _verify_each(runs, outcome_of):
        raise typer.Exit(code)


def _verify_each(runs: "tuple[Path, ...]", outcome_of: "Callable[[Path], Verification]") -> int:
    """Compute runs again, one after the other; print a line for each and their sum, and return the exit code."""
    different = refused = 0
    told: set[str] = set()
    for run in runs:
        try:
            outcome = outcome_of(run)
        except EvoMatrixError as error:
            refused += 1
            print_line(Console(), f"{run.name}: {str(error).removeprefix(f'{run}: ')}")
            continue
        for change in outcome.changes:
            if change not in told:
                typer.echo(f"evomatrix: {change}", err=True)
        told |= {*outcome.changes}
        different += outcome.difference is not None
        print_line(Console(), f"{run.name}: {outcome}")
    parts = [f"{len(runs) - different - refused} of {len(runs)} runs are the same"]
    parts += [f"{different} different"] if different else []
    parts += [f"{refused} cannot be computed again"] if refused else []
    print_line(Console(), ", ".join(parts))
    return 1 if different else 2 * (refused > 0)


@contextmanager
def _naming_force() -> Iterator[None]:
    """Say how a run goes on that did not begin so."""
    try:
        yield
    except ChangedError as error:
        raise SettingsError(f"{error}; to go on all the same: --force") from None


def _load(parts: list[str] | None) -> None:
    """Import the files of own parts."""
    if parts:
        from experiments.settings.own_parts import load_parts

        for source in parts:
            load_parts(source)


@contextmanager
def _naming_own_parts(parts: list[str] | None) -> Iterator[None]:
    """Say how own parts are loaded, where settings name a part that is not known and no file of parts was given."""
    try:
        yield
    except SettingsError as error:
        from experiments.settings.own_parts import REGISTRIES

        rules = [
            f"must be one of {', '.join(registry)}; got" for registry, _ in REGISTRIES.values()
        ]
        if parts or not any(rule in str(error) for rule in [*rules, "unknown data set "]):
            raise
        raise SettingsError(f"{error} (own parts: --parts FILE)") from None


def _tell(finished: "Results", console: Console) -> None:
    """Print the results of a run; its folder only, if the console is quiet."""
    from experiments.cli.terminal import show_results

    if console.quiet:
        typer.echo(finished.path)
        _warn_of_failures(finished.failure_lines())
    else:
        show_results(finished, console)


def _warn_of_failures(lines: list[str]) -> None:
    """Say what failed on the error stream, where a script that reads the folder does not read it."""
    for line in lines:
        typer.echo(f"evomatrix: {line}", err=True)


@app.command()
def show(
    path: Annotated[Path, typer.Argument(help="Folder of a run, or folder of runs.")],
    parts: OwnParts = None,
) -> None:
    """Print the comparison of a run, or of each run in a folder; of a study, its arms and verdicts too."""
    from evo.storage.run_reader import planned_study
    from experiments.analysis.results import load_results
    from experiments.cli.terminal import show_arms, show_results

    _load(parts)
    loaded = load_results(path)
    console = Console()
    if len(loaded.paths) == 1:
        show_results(loaded, console)
        return
    for run_folder in loaded.paths:
        try:
            show_results(load_results(run_folder), console)
        except ResultsError as error:
            print_line(console, str(error))
        console.print()
    if planned_study(path):
        show_arms(loaded, None, console)
        print_line(console, f"Results: {path}")


@app.command()
def compare(
    paths: Annotated[
        list[Path], typer.Argument(help="Folders of runs; all their runs are compared together.")
    ],
    against: Annotated[
        str | None,
        typer.Option(help="Arm that the others are compared with, paired by seed."),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            help="Difference of the metric, in its unit, below which two arms are equivalent."
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="File for the comparisons with all their statistics; it is replaced."),
    ] = None,
    latex: Annotated[
        Path | None,
        typer.Option(help="File for the comparisons as a table of LaTeX; it is replaced."),
    ] = None,
    parts: OwnParts = None,
) -> None:
    """Compare the arms of several runs: one row per arm, differences paired by seed; over data sets, if several."""
    from experiments.analysis.results import load_results
    from experiments.cli.terminal import compared_with, save_compared, show_arms

    _load(parts)
    loaded = load_results(*paths)
    show_arms(loaded, against, Console(), margin)
    save_compared(compared_with(loaded, against, margin), csv, latex)


@app.command()
def figures(
    path: Annotated[
        Path, typer.Argument(help="Folder of a run, or of several runs with the same data.")
    ],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Pictures, such as pareto; docs/pictures.md lists them.",
            show_default="all that the runs have data for",
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help="png, pdf or svg; gif or webp for the film.", show_default="png; gif"
        ),
    ] = None,
    width: Annotated[
        str,
        typer.Option(help="column (3.35 inches), page (6.9 inches), or a number of inches."),
    ] = "column",
    seed: Annotated[
        int | None, typer.Option(help="Draw this seed only.", show_default="all seeds")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for the files.", show_default="figures in the folder of the run"),
    ] = None,
    parts: OwnParts = None,
) -> None:
    """Draw pictures of a run, or of several runs, for papers: vector formats, and letters of 8 points at the width."""
    from experiments.analysis.results import load_results
    from experiments.figures.pictures import save_pictures

    _load(parts)
    console = Console()
    folder = path / "figures" if output is None else output
    save_pictures(
        load_results(path),
        names or (),
        folder,
        form=form,
        width=width,
        seed=seed,
        tell=partial(print_line, console),
    )


@app.command()
def report(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Folders of runs or of studies; one report has all of them."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            help="The HTML file to write.",
            show_default="report.html in the folder of the run or study",
        ),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(
            help="Write a summary for a paper's appendix too, as Markdown with the tables as LaTeX."
        ),
    ] = None,
    watching: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Write the report again whenever a run commits, until all runs are finished; the page loads itself "
            "again. Ctrl-C ends it.",
        ),
    ] = False,
    parts: OwnParts = None,
) -> None:
    """Write one HTML file about runs or studies, which opens without a network: verdict, curves, winner, settings."""
    from experiments.report import watch, write_report, write_summary

    _load(parts)
    console = Console()
    if watching:
        watch(paths, output, tell=partial(print_line, console))
    else:
        print_line(console, f"Report: {write_report(paths, output)}")
    if markdown is not None:
        print_line(console, f"Summary: {write_summary(paths, markdown)}")


@app.command()
def presets(
    name: Annotated[str | None, typer.Argument(help="Preset whose TOML file is printed.")] = None,
) -> None:
    """List the presets, or print one as a start for a file of your own."""
    from experiments.settings.experiment import preset_names, preset_text, read_settings

    if name is not None:
        read_settings(name)
        typer.echo(preset_text(name) if name in preset_names() else Path(name).read_text("utf-8"))
        return
    table = Table(box=None, show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for preset in preset_names():
        about = preset_text(preset).splitlines()[0].removeprefix("#").strip()
        table.add_row(f"[bold]{preset}[/bold]", about)
    Console().print(table)


@app.command()
def describe(
    experiment: Annotated[
        str,
        typer.Argument(help="A preset's name, your own TOML file, or the config.json of a run."),
    ],
    changes: Changes = None,
    parts: OwnParts = None,
) -> None:
    """Print all settings of a preset or file as a TOML file, with their meanings; defaults are marked.

    Of a study, the settings of its first cell that evolves are printed, and for each cell those that differ.
    """
    from experiments.settings.experiment import Experiment, read_settings
    from experiments.settings.reference import described
    from experiments.settings.study import differences, shown_cell

    _load(parts)
    with _naming_own_parts(parts), _naming_file(experiment):
        study = _parsed(read_settings(experiment), _changed(changes), experiment)
    if isinstance(study, Experiment):
        typer.echo(described(study), nl=False)
        _echo_too_few_seeds(study)
        return
    shown = shown_cell(study)
    typer.echo(described(shown))
    if study.halving is not None:
        typer.echo(described(study.halving, "halving"))
    for cell, settings in differences(study).items():
        told = ", ".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())
        typer.echo(f"# {cell}: {told}")
    _echo_too_few_seeds(shown)


def _echo_too_few_seeds(experiment: "Experiment") -> None:
    """Print a comment if a declared comparison has too few seeds; a stored run may be one of a study, with one seed."""
    if experiment.evaluation.primary is not None and experiment.used is None:
        from experiments.analysis.verdicts import too_few_seeds

        too_few = too_few_seeds(experiment.evaluation.primary, experiment.seeds)
        if too_few:
            typer.echo(f"# {too_few}")


@app.command()
def parts(
    parts: OwnParts = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """List the parts that settings can name: operators, policies, data sets and so on, and your own with --parts."""
    from experiments.cli.terminal import show_parts
    from experiments.settings.own_parts import list_parts

    _load(parts)
    rows = list_parts()
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
    else:
        show_parts(rows, Console())


@app.command()
def tables() -> None:
    """Print the data dictionary of the result tables (docs/tables.md)."""
    from evo.storage.tables import data_dictionary

    typer.echo(data_dictionary(), nl=False)


@app.command()
def settings() -> None:
    """Print the reference of all settings (docs/settings.md)."""
    from experiments.settings.reference import settings_reference

    typer.echo(settings_reference(), nl=False)


@app.command()
def warm(
    parts: Annotated[
        list[str] | None,
        typer.Argument(
            help="What to compile: graphs, maps, operators, cnn, compiled or link-prediction.",
            show_default="all",
        ),
    ] = None,
    here: Annotated[
        bool, typer.Option("--here", help="Compile in this process, one part after another.")
    ] = False,
) -> None:
    """Compile the kernels before they are needed, on every core; they are kept on disk."""
    from cnn.compile import kernel_cache_directory
    from experiments.cli import warming

    names = tuple(parts or warming.PARTS)
    warming.check_parts(names)
    if here:
        for name in names:
            warming.compile_part(name)
        return
    console = Console()
    with console.status("") as status:
        warming.warm(
            names,
            partial(print_line, console),
            lambda titles: status.update(f"Compiling {titles}"),
        )
    print_line(console, f"Kernels are compiled and kept in {kernel_cache_directory()}")


@app.command()
def selftest(
    workers: Annotated[
        int,
        typer.Option(min=0, help="Number of Ray workers of one of the checks; 0 leaves Ray out."),
    ] = 2,
) -> None:
    """Check this installation in about a minute: packages, kernels, bits, a run that stops and goes on, Ray, a report.

    Nothing is kept but the compiled kernels. Exit code 0: all is well; 1: a check failed.
    """
    from tempfile import TemporaryDirectory

    from experiments.cli.requirements import unmet_requirements

    if unmet := unmet_requirements():  # what follows could not be imported
        typer.echo(f"evomatrix: packages: {'; '.join(unmet)}", err=True)
        raise typer.Exit(1)

    from experiments.cli.selftest import selftest as check_all

    console = Console()
    with TemporaryDirectory() as folder, console.status("") as status:
        outcomes = check_all(
            Path(folder),
            workers=workers,
            begin=status.update,
            say=lambda one: print_line(
                console, f"{one.status:8}{one.name:18} {one.seconds:4.0f} s  {one.text}"
            ),
        )
    failed = [one.name for one in outcomes if one.status == "failed"]
    print_line(console, f"failed: {', '.join(failed)}" if failed else "This installation works.")
    if failed:
        raise typer.Exit(1)


@app.command()
def bench(
    name: Annotated[
        str,
        typer.Argument(
            help="Benchmark: cnn, control, dispatch, graph, loop, maps, mutation or sequences."
        ),
    ],
    batch: Annotated[
        str | None, typer.Option(help="Batch sizes, such as 32,64.", show_default="32,64,128")
    ] = None,
    threads: Annotated[
        str | None,
        typer.Option(
            help="Thread counts, such as 1,2; at most the number of cores.", show_default="1,2"
        ),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(help="Number of turns of each side.", show_default="5")
    ] = None,
    networks: Annotated[
        str | None, typer.Option(help="Networks to measure.", show_default="lenet5,small_cnn")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only test that it works: one batch size, short turns.")
    ] = False,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder with the four IDX files of the MNIST family; else images are noise."
        ),
    ] = None,
    results: Annotated[
        Path, typer.Option(help="Folder in which benchmarks/<name>-<time> is made.")
    ] = Path("results"),
    publish: Annotated[
        Path | None,
        typer.Option(
            help="A new folder for the tables too, such as results/reference/bench-cnn, without paths of this machine."
        ),
    ] = None,
) -> None:
    r"""Measure speed beside other programs, in turns; pip install -e ".\[bench]" installs them.

    The last line is one JSON object; its ratio is our speed over the other program's, in the worst case of the table.
    """
    from experiments.benchmarks import BenchOptions, run_benchmark

    options = BenchOptions(
        batches=_numbers("batch", batch),
        threads=_numbers("threads", threads),
        repeats=repeats,
        networks=None if networks is None else tuple(networks.split(",")),
        quick=quick,
        data_dir=data_dir,
    )
    with Console(stderr=True).status("") as status:
        result, folder = run_benchmark(name, options, results, status.update, publish)
    console = Console()
    for part in result.shown:
        if isinstance(part, Table):
            print_table(console, part)
        else:
            print_line(console, str(part))
    print_line(console, f"Tables: {folder}")
    if publish is not None:
        print_line(console, f"Published: {publish}")
    typer.echo(json.dumps(result.line))


def _numbers(option: str, text: str | None) -> tuple[int, ...] | None:
    """Return the numbers between commas."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise SettingsError(
            f"{option}: must be whole numbers between commas; got {text!r}"
        ) from None


def _interruption_behind(error: BaseException) -> Interruption | None:
    """Return the interruption that led to an error, if one did."""
    behind: BaseException | None = error
    while behind is not None and not isinstance(behind, Interruption):
        behind = behind.__cause__ or behind.__context__
    return behind


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line.

    An error that the user can correct ends as one line and exit code 2. An interruption ends with 128 plus the number
    of the signal, as in shells: 130 for Ctrl-C, 143 for SIGTERM.
    """
    prepare_output()
    try:
        with interruptible():
            app(arguments, prog_name="evomatrix")
    except SystemExit as leaving:
        interrupted = _interruption_behind(leaving)
        if interrupted is None:
            raise
        sys.exit(128 + interrupted.number)
    except EvoMatrixError as error:
        typer.echo(f"evomatrix: {error}", err=True)
        sys.exit(2)
