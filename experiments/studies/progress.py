"""Progress reports of a running experiment; the runner itself prints nothing."""

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from cnn.training.fitting import EpochRecord
from cnn.training.trainer import Evaluation
from evo.evolution.evolution import Generation


class Reporter:
    """The contract of a reporter, and a reporter that reports nothing. A run uses it as a context manager."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End."""

    def starting(self, name: str, workers: int | None, expected: int) -> None:
        """Begin a run in which about `expected` individuals will be evaluated."""

    def note(self, text: str) -> None:
        """Report one line of text."""

    def evaluated(self) -> None:
        """Count one more individual."""

    def generation(self, seed: int, generation: Generation, last: int, count: int) -> None:
        """Report that a generation is complete; `count` individuals were expected so far."""

    def training(self, name: str, networks: int, epochs: int) -> None:
        """Begin to train `networks` baselines for `epochs` epochs each."""

    def epoch(self, seed: int, arm: str, epoch: EpochRecord, epochs: int, rate: float) -> None:
        """Report that one of a baseline's `epochs` is over, at `rate` samples per second."""

    def trained(self, seed: int, arm: str, validation: Evaluation, reason: str, count: int) -> None:
        """Report that a baseline is trained, or the reason why not; `count` epochs were expected so far."""


class RunReporter(Reporter):
    """The reporter of one of several runs that go on side by side: it reports to that of all, with the run's name.

    Parameters
    ----------
    name : str
        The name of the run.
    of_all : Reporter
    """

    def __init__(self, name: str, of_all: Reporter) -> None:
        self.name = name
        self.of_all = of_all

    def note(self, text: str) -> None:
        """Report one line of text."""
        self.of_all.note(f"{self.name}: {text}")

    def evaluated(self) -> None:
        """Count one more individual."""
        self.of_all.evaluated()

    def generation(self, seed: int, generation: Generation, last: int, count: int) -> None:
        """Report the best individual after the last generation."""
        if generation.number == last:
            best = generation.best
            self.note(f"best {_quality(best.validation_loss, best.validation_accuracy)}")


class TerminalReporter(Reporter):
    """A live line on a terminal, and a plain line per event elsewhere."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=10),
            TextColumn("{task.completed}/{task.total}"),
            TimeRemainingColumn(compact=True),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task: TaskID | None = None
        self._training: TaskID | None = None

    def __enter__(self) -> Self:
        """Begin the live line."""
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
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
        # A path or address in it may have brackets, which are no markup.
        self.console.print(Text(text), soft_wrap=True)

    def evaluated(self) -> None:
        """Advance the live line."""
        if self._task is not None:
            self._progress.advance(self._task)

    def generation(self, seed: int, generation: Generation, last: int, count: int) -> None:
        """Show where the run stands."""
        best = generation.best
        quality = _quality(best.validation_loss, best.validation_accuracy)
        short = quality.removeprefix("validation ")
        text = f"seed {seed}, round {generation.number}/{last}: {short}"
        if self._task is not None:
            self._progress.update(self._task, description=text, completed=count)
        if generation.number == last:
            sizes = best.statistics
            edges = f", {sizes.n_effective} edges" if sizes else ""
            self.console.print(f"seed {seed}: best {quality}{edges}", highlight=False)

    def training(self, name: str, networks: int, epochs: int) -> None:
        """Show the number of networks and epochs."""
        fixed = f"{networks} network{'s' if networks > 1 else ''}"
        each = f"{epochs} epoch{'s' if epochs > 1 else ''}{' each' if networks > 1 else ''}"
        self.console.print(
            f"[bold]{name}[/bold]: {fixed} to train for {each}, in this process", highlight=False
        )
        self._training = self._progress.add_task(name, total=networks * epochs)

    def epoch(self, seed: int, arm: str, epoch: EpochRecord, epochs: int, rate: float) -> None:
        """Advance the live line."""
        if self._training is None:
            return
        quality = _quality(epoch.validation_loss, epoch.validation_accuracy)
        text = (
            f"seed {seed}, {arm} {epoch.epoch}/{epochs}: loss {epoch.train_loss:.2g}, "
            f"{quality.removeprefix('validation ')}, {rate:,.0f}/s"
        )
        self._progress.update(self._training, description=text, advance=1)

    def trained(self, seed: int, arm: str, validation: Evaluation, reason: str, count: int) -> None:
        """Show the result of a baseline."""
        if self._training is not None:
            self._progress.update(self._training, completed=count)
        outcome = (
            f"diverged, {reason}"
            if reason
            else f"trained, {_quality(validation.loss, validation.accuracy)}"
        )
        self.console.print(Text(f"seed {seed}: {arm} {outcome}"))


def _quality(loss: float | None, accuracy: float | None) -> str:
    """Return validation accuracy, or in regression validation loss, as people read it."""
    if accuracy is None:
        return f"validation loss {loss:.4g}"
    return f"validation accuracy {accuracy:.1%}"
