"""The command line: ``evomatrix``, or ``python -m experiments``."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from evo.errors import EvoMatrixError, ResultsError
from evo.tables import data_dictionary
from experiments.config import Experiment, merged, preset_names, preset_text, read_settings
from experiments.progress import Reporter, TerminalReporter
from experiments.results import load_results
from experiments.runner import run as run_experiment
from experiments.terminal import show_results

app = typer.Typer(
    help="Evolve neural networks whose topology is a matrix, and compare them with a fixed CNN.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def run(
    experiment: Annotated[
        str, typer.Argument(help="A preset's name (see 'presets') or your own TOML file.")
    ],
    seeds: Annotated[int | None, typer.Option(help="How many seeds to repeat it with.")] = None,
    seed: Annotated[int | None, typer.Option(help="The first seed; the others follow it.")] = None,
    generations: Annotated[
        int | None, typer.Option(help="Rounds of modify and train after the founders'.")
    ] = None,
    population: Annotated[int | None, typer.Option(help="Networks in the population.")] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training part for each baseline.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder with the four IDX files of the MNIST family.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Ray workers; 0 runs in this process without Ray. [default: every core]"),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            help="An existing Ray cluster, 'auto' or 'host:6379', seen from one of its machines."
        ),
    ] = None,
    results: Annotated[Path, typer.Option(help="Folder in which the run's folder is made.")] = Path(
        "results"
    ),
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the run's folder.")] = False,
) -> None:
    """Evolve, train the baselines (or these alone), compare on the test part, and store tables and figures.

    Options replace what the preset says. The same settings and seed give the same tables, columns of time aside,
    with any number of workers.
    """
    changes = {
        "seeds": seeds,
        "seed": seed,
        "evolution.generations": generations,
        "evolution.population": population,
        "baseline.epochs": epochs,
        "dataset.options.data_dir": None if data_dir is None else str(data_dir),
    }
    settings = Experiment.parse(merged(read_settings(experiment), changes), experiment)
    console = Console(quiet=quiet)
    outcome = run_experiment(
        settings,
        workers=workers,
        address=address,
        results=results,
        reporter=Reporter() if quiet else TerminalReporter(console),
    )
    if quiet:
        typer.echo(outcome.path)
    else:
        show_results(outcome, console)


@app.command()
def show(
    path: Annotated[Path, typer.Argument(help="A run's folder, or a folder of runs.")],
) -> None:
    """Print the comparison of a run, or of each run in a folder, again."""
    loaded = load_results(path)
    console = Console()
    if len(loaded.paths) == 1:
        show_results(loaded, console)
        return
    for run_folder in loaded.paths:
        try:
            show_results(load_results(run_folder), console)
        except ResultsError as error:
            console.print(str(error), highlight=False, soft_wrap=True)
        console.print()


@app.command()
def presets(
    name: Annotated[str | None, typer.Argument(help="Print this preset's TOML file.")] = None,
) -> None:
    """List the presets, or print one: a start for a file of your own."""
    if name is not None:
        read_settings(name)
        typer.echo(preset_text(name) if name in preset_names() else Path(name).read_text("utf-8"))
        return
    table = Table(box=None, show_header=False)
    for preset in preset_names():
        about = preset_text(preset).splitlines()[0].removeprefix("#").strip()
        table.add_row(f"[bold]{preset}[/bold]", about)
    Console().print(table)


@app.command()
def tables() -> None:
    """Print the data dictionary of the result tables (docs/tables.md)."""
    typer.echo(data_dictionary(), nl=False)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; what the user can put right ends as one line and exit code 2."""
    try:
        app(arguments, prog_name="evomatrix")
    except EvoMatrixError as error:
        typer.echo(f"evomatrix: {error}", err=True)
        sys.exit(2)
