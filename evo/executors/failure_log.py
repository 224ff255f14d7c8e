"""The log of individuals that fail: each error with its traceback once, then the number of the others."""

import logging
from collections import Counter

from evo.evolution.individual import Individual

logger = logging.getLogger(__name__)


class FailureLog:
    """Logs the errors of one run, in the process of the driver.

    Errors are the same if they have the same type and came up in the same line of the user's code.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], int] = {}
        self._more: Counter[tuple[str, str]] = Counter()

    def note(self, individual: Individual) -> None:
        """Log the traceback of an individual, unless the same error was logged before."""
        if not individual.traceback:
            return
        error = individual.reason.partition(":")[0], individual.error_at
        number = individual.job.individual
        if error in self._first:
            self._more[error] += 1
            return
        self._first[error] = number
        logger.warning("individual %d failed\n%s", number, individual.traceback)

    def tell_counts(self) -> None:
        """Log how many individuals failed like an earlier one since the last call."""
        for (kind, place), count in self._more.items():
            like = self._first[kind, place]
            logger.warning("%d more failed like individual %d: %s, %s", count, like, kind, place)
        self._more.clear()
