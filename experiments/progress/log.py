"""Progress as lines of a log, for programs without a terminal and for machines that read logs."""

import logging

from evo.evolution.individual import Individual
from experiments.progress.counts import Counts
from experiments.progress.describing import (
    baseline_in_words,
    generation_in_words,
    size_in_words,
    training_in_words,
)
from experiments.progress.events import BaselineTrained, GenerationDone, RunFinished
from experiments.progress.reporter import Reporter

logger = logging.getLogger("experiments.progress")


class LogReporter(Reporter):
    """A line at the level INFO of the logger ``experiments.progress`` for each generation and each trained baseline."""

    def __init__(self) -> None:
        self.counts = Counts()

    def starting(self, name: str, workers: int | None, expected: int) -> None:
        """Log name and size of the search."""
        self.counts.begin(expected)
        logger.info("%s", size_in_words(name, workers, expected))

    def note(self, text: str) -> None:
        """Log the text."""
        logger.info("%s", text)

    def warn(self, text: str) -> None:
        """Log the text at the level WARNING."""
        logger.warning("%s", text)

    def asked(self, count: int) -> None:
        """Count individuals in flight."""
        self.counts.ask(count)

    def evaluated(self, individual: Individual) -> None:
        """Count an individual, and whether it failed."""
        self.counts.evaluate(individual)

    def given_up(self, count: int) -> None:
        """Count individuals that are no longer in flight."""
        self.counts.ask(-count)

    def generation(self, event: GenerationDone, expected: int | None) -> None:
        """Log where the search stands."""
        counts = self.counts
        if expected is not None:
            counts.done = expected
        left = counts.seconds_left
        logger.info(
            "%s: %s, %d in flight, %d failed%s",
            event.run,
            generation_in_words(event),
            counts.in_flight,
            counts.failed,
            "" if left is None else f", {left:.0f} s left",
        )

    def training(self, name: str, networks: int, epochs: int) -> None:
        """Log the number of networks and epochs."""
        logger.info("%s", training_in_words(name, networks, epochs))

    def trained(self, event: BaselineTrained, expected: int) -> None:
        """Log the result of a baseline."""
        logger.info("%s: %s", event.run, baseline_in_words(event))

    def finished(self, event: RunFinished) -> None:
        """Log where the results are."""
        logger.info("%s: finished; results: %s", event.run, event.path)
