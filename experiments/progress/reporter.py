"""The contract of reporters, which show progress to people; the runner itself prints nothing."""

from typing import Self

from evo.evolution.individual import Individual
from experiments.progress.describing import quality_of_best
from experiments.progress.events import BaselineTrained, EpochDone, GenerationDone, RunFinished


class Reporter:
    """The contract of a reporter, and a reporter that reports nothing. A run uses it as a context manager."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End."""

    def starting(self, name: str, workers: int | None, expected: int) -> None:
        """Begin a search, or several, in which about `expected` individuals will be evaluated."""

    def note(self, text: str) -> None:
        """Report one line of text."""

    def warn(self, text: str) -> None:
        """Report one line of text about what should not be overlooked."""
        self.note(text)

    def asked(self, count: int) -> None:
        """Count `count` more individuals as in flight: they are being evaluated, or will be as soon as possible."""

    def evaluated(self, individual: Individual) -> None:
        """Count one individual fewer as in flight: it is evaluated, or has failed."""

    def given_up(self, count: int) -> None:
        """Count `count` individuals fewer as in flight: their search ended before them."""

    def generation(self, event: GenerationDone, expected: int | None) -> None:
        """Report that a generation is complete.

        Parameters
        ----------
        event : GenerationDone
        expected : int or None
            Number of individuals that were expected so far, in all searches of the run; None if the run is one of
            several whose searches go on side by side.
        """

    def training(self, name: str, networks: int, epochs: int) -> None:
        """Begin to train `networks` baselines for `epochs` epochs each."""

    def epoch(self, event: EpochDone) -> None:
        """Report that an epoch of a baseline is over."""

    def trained(self, event: BaselineTrained, expected: int) -> None:
        """Report that a baseline is trained, or the reason why not; `expected` epochs were expected so far."""

    def finished(self, event: RunFinished) -> None:
        """Report that a run is complete."""


class RunReporter(Reporter):
    """The reporter of one of several runs whose searches go on side by side: it reports to that of all.

    Parameters
    ----------
    name : str
        The name of the run, which stands before its notes.
    of_all : Reporter
    """

    def __init__(self, name: str, of_all: Reporter) -> None:
        self.name = name
        self.of_all = of_all

    def note(self, text: str) -> None:
        """Report one line of text."""
        self.of_all.note(f"{self.name}: {text}")

    def asked(self, count: int) -> None:
        """Count `count` more individuals as in flight."""
        self.of_all.asked(count)

    def evaluated(self, individual: Individual) -> None:
        """Count one individual fewer as in flight."""
        self.of_all.evaluated(individual)

    def given_up(self, count: int) -> None:
        """Count `count` individuals fewer as in flight."""
        self.of_all.given_up(count)

    def generation(self, event: GenerationDone, expected: int | None) -> None:
        """Report where the run stands, and the best individual after the last generation."""
        self.of_all.generation(event, None)
        if event.generation.number == event.last:
            self.note(f"best {quality_of_best(event)}")
