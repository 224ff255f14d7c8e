"""Progress for people: a live line on a terminal and in a notebook."""

import time
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from evo.evolution.individual import Individual
from experiments.progress.counts import Counts
from experiments.progress.describing import (
    baseline_in_words,
    epoch_in_words,
    generation_in_words,
    quality_of_best,
    size_in_words,
    training_in_words,
)
from experiments.progress.events import BaselineTrained, EpochDone, GenerationDone
from experiments.progress.reporter import Reporter

SECONDS_BETWEEN_DISPLAYS = 0.2
"""Seconds, at least, between two states of the live line in a notebook."""


class TerminalReporter(Reporter):
    """A live line on a terminal or in a notebook, and a plain line for some events; elsewhere the plain lines only.

    Parameters
    ----------
    console : Console
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=False), markup=False),
            BarColumn(bar_width=10),
            TextColumn("{task.completed}/{task.total}"),
            TimeRemainingColumn(compact=True),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._notebook = _NotebookDisplay(self._progress) if console.is_jupyter else None
        self._counts = Counts()
        self._stands = ""
        self._task: TaskID | None = None
        self._training: TaskID | None = None

    def __enter__(self) -> Self:
        """Begin the live line."""
        if self._notebook is None:
            self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove the live line."""
        self._progress.stop()
        if self._notebook is not None:
            self._notebook.clear()

    def starting(self, name: str, workers: int | None, expected: int) -> None:
        """Show name and size of the search."""
        self._counts.begin(expected)
        self._print(size_in_words(name, workers, expected), bold=name)
        self._stands = name
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(name, total=expected)

    def note(self, text: str) -> None:
        """Print a line above the live one."""
        self._print(text)

    def asked(self, count: int) -> None:
        """Count individuals in flight."""
        self._counts.ask(count)
        self._show()

    def evaluated(self, individual: Individual) -> None:
        """Advance the live line."""
        self._counts.evaluate(individual)
        self._show(advance=1)

    def given_up(self, count: int) -> None:
        """Count individuals that are no longer in flight."""
        self._counts.ask(-count)
        self._show()

    def generation(self, event: GenerationDone, expected: int | None) -> None:
        """Show where the search stands."""
        if expected is None:
            self._stands = f"{event.run}, {generation_in_words(event)}"
            self._show()
            return
        self._stands = generation_in_words(event)
        self._show(completed=expected)
        if event.generation.number == event.last:
            sizes = event.best.statistics
            edges = f", {sizes.n_effective} edges" if sizes else ""
            self._print(f"seed {event.seed}: best {quality_of_best(event)}{edges}")

    def training(self, name: str, networks: int, epochs: int) -> None:
        """Show the number of networks and epochs."""
        self._print(training_in_words(name, networks, epochs), bold=name)
        self._training = self._progress.add_task(name, total=networks * epochs)

    def epoch(self, event: EpochDone) -> None:
        """Advance the live line."""
        self._update(self._training, description=epoch_in_words(event), advance=1)

    def trained(self, event: BaselineTrained, expected: int) -> None:
        """Show the result of a baseline that trained for epochs; others take moments."""
        if self._training is not None:
            self._update(self._training, completed=expected)
            self._print(baseline_in_words(event))

    def _show(self, **changes: Any) -> None:
        """Show where the search stands, and the counts."""
        counts = [
            f", {count} {what}"
            for count, what in (
                (self._counts.in_flight, "in flight"),
                (self._counts.failed, "failed"),
            )
            if count
        ]
        self._update(self._task, description="".join([self._stands, *counts]), **changes)

    def _update(self, task: TaskID | None, **changes: Any) -> None:
        if task is None:
            return
        self._progress.update(task, **changes)
        if self._notebook is not None:
            self._notebook.show()

    def _print(self, line: str, *, bold: str = "") -> None:
        """Print a line as it is; brackets in it, which a path or address may have, are no markup."""
        text = Text(line)
        text.stylize("bold", 0, len(bold))
        self.console.print(text, soft_wrap=True)


class _NotebookDisplay:
    """A display of a notebook that is written anew whenever progress is made.

    Parameters
    ----------
    progress : Progress
        It is not started, since rich's own live display in a notebook needs a further package.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._handle: Any = None
        self._shown = float("-inf")

    def show(self) -> None:
        """Show the progress, unless it was shown just now."""
        if time.monotonic() - self._shown < SECONDS_BETWEEN_DISPLAYS:
            return
        from IPython.display import display  # noqa: PLC0415 - a notebook has it

        self._shown = time.monotonic()
        table = self._progress.make_tasks_table(self._progress.tasks)
        if self._handle is None:
            self._handle = display(table, display_id=True)
        else:
            self._handle.update(table)

    def clear(self) -> None:
        """Leave an empty display."""
        if self._handle is not None:
            self._handle.update({"text/plain": ""}, raw=True)
            self._handle = None
