"""What people see while an experiment runs; the runner itself prints nothing."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from evo.evolution import Generation


class Reporter:
    """The contract, and a reporter that stays silent. Used as a context manager around a run."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End."""

    def starting(self, name: str, workers: int | None, expected: int) -> None:
        """Begin a run in which about `expected` individuals will be raised."""

    def note(self, text: str) -> None:
        """Tell something worth a line."""

    def raised(self) -> None:
        """Count one more individual."""

    def generation(self, seed: int, generation: Generation, last: int, count: int) -> None:
        """Tell that a generation is complete, and how many individuals should be done by now."""


class TerminalReporter(Reporter):
    """A live line on a terminal, and a plain line per event elsewhere."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TextColumn("{task.completed}/{task.total}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """Begin the live line."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the live line."""
        self._progress.stop()

    def starting(self, name: str, workers: int | None, expected: int) -> None:
        """Show name and size of the run."""
        where = "in this process" if workers == 0 else "on every core through Ray"
        if workers:
            where = f"on {workers} Ray worker{'s' if workers > 1 else ''}"
        self.console.print(f"[bold]{name}[/bold]: about {expected} networks to train, {where}")
        self._task = self._progress.add_task(name, total=expected)

    def note(self, text: str) -> None:
        """Print a line above the live one."""
        self.console.print(text, highlight=False)

    def raised(self) -> None:
        """Advance the live line."""
        if self._task is not None:
            self._progress.advance(self._task)

    def generation(self, seed: int, generation: Generation, last: int, count: int) -> None:
        """Show where the run stands."""
        best = generation.best
        quality = (
            f"validation loss {best.validation_loss:.4g}"
            if best.validation_accuracy is None
            else f"validation accuracy {best.validation_accuracy:.1%}"
        )
        short = quality.removeprefix("validation ")
        text = f"seed {seed}, round {generation.number}/{last}: {short}"
        if self._task is not None:
            self._progress.update(self._task, description=text, completed=count)
        if generation.number == last:
            sizes = best.statistics
            edges = f", {sizes.effective_edges} edges" if sizes else ""
            self.console.print(f"seed {seed}: evolved, best {quality}{edges}", highlight=False)
