"""The individuals of the searches that go on: in flight, evaluated and failed; the time that is left."""

import time
from dataclasses import dataclass

from evo.evolution.individual import Individual


@dataclass
class Counts:
    """Counts of individuals since a search, or several side by side, began in this process.

    Attributes
    ----------
    expected : int
        Number of individuals in the whole search; about, since duplicates are left out.
    done : int
        Number of individuals that need no evaluation any more, those of an earlier process included.
    evaluated, failed : int
        Number of individuals that this process evaluated, and of those among them that failed or diverged.
    in_flight : int
    started : float
        Time of the beginning, in seconds from any start.
    """

    expected: int = 0
    done: int = 0
    evaluated: int = 0
    failed: int = 0
    in_flight: int = 0
    started: float = 0.0

    def begin(self, expected: int) -> None:
        """Begin a search."""
        self.expected, self.done, self.evaluated, self.failed = expected, 0, 0, 0
        self.started = time.monotonic()

    def ask(self, count: int) -> None:
        """Count individuals as in flight; `count` is negative if they are given up."""
        self.in_flight += count

    def evaluate(self, individual: Individual) -> None:
        """Count an evaluated individual."""
        self.in_flight -= 1
        self.done += 1
        self.evaluated += 1
        self.failed += individual.status in {"failed", "diverged"}

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest of the search takes at the speed so far; None before the first individual."""
        if not self.evaluated:
            return None
        each = (time.monotonic() - self.started) / self.evaluated
        return max(0, self.expected - self.done) * each
