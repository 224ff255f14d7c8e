"""Where the time of a thread goes: each moment counts for the activity that was begun last.

An account is opened for a run, or in a worker for a chunk of individuals:

    with counting_time():
        with spending("train"):
            ...
        time_spent()  # {"train": 1.9, "other": 0.1}
"""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core import event as compiler

OTHER = "other"
"""The activity of all moments that no other activity names."""


class _Account(threading.local):
    """The account of a thread; `open` is empty while nothing is counted."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.open: list[str] = []
        self.since = 0.0

    def count(self) -> None:
        """Count the time since the last change for the activity that was begun last."""
        now = time.perf_counter()
        if self.open:
            self.seconds[self.open[-1]] += now - self.since
        self.since = now

    def begin(self, activity: str) -> None:
        """Count for another activity from now on."""
        self.count()
        self.open.append(activity)

    def end(self) -> None:
        """Count for the activity before again."""
        self.count()
        self.open.pop()


_account = _Account()


class _Compilation(compiler.Listener):
    """Counts the time in which Numba compiles for the activity ``compile``."""

    def on_start(self, _: Any) -> None:
        if _account.open:
            _account.begin("compile")

    def on_end(self, _: Any) -> None:
        if _account.open[1:]:
            _account.end()


compiler.register("numba:compile", _Compilation())


@contextmanager
def counting_time() -> Iterator[None]:
    """Open an account for the time of a block in this thread.

    In a block within such a block the time counts in the inner account; afterwards all of it counts in the outer one,
    for the activity in which the inner block was.
    """
    before = _account.seconds, _account.open, _account.since
    _account.seconds, _account.open = defaultdict(float), [OTHER]
    _account.since = time.perf_counter()
    try:
        yield
    finally:
        _account.seconds, _account.open, _account.since = before


@contextmanager
def spending(activity: str) -> Iterator[None]:
    """Count the time of a block for an activity, up to further activities within it.

    Outside :func:`counting_time` this does nothing. A generator must not yield within the block.
    """
    if not _account.open:
        yield
        return
    _account.begin(activity)
    try:
        yield
    finally:
        _account.end()


def time_spent() -> dict[str, float]:
    """Return the seconds of each activity since the account was opened; their sum is the time of the block so far."""
    _account.count()
    return dict(_account.seconds)
