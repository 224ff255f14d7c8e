"""Interruptions from outside: Ctrl-C, a request to end, a closed terminal. A commit in hand is finished first."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Interruption(KeyboardInterrupt):
    """A signal that asks the process to end.

    Attributes
    ----------
    number : int
        The signal. By convention a process that it ends exits with 128 plus this number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def is_interruption(error: BaseException) -> bool:
    """Return whether an exception asks the process to end; any other is an error of the code that raised it.

    A plain ``KeyboardInterrupt`` does so only where Python's own handler of Ctrl-C is in use, which raises it in the
    main thread. Elsewhere the code itself has raised it.
    """
    if isinstance(error, KeyboardInterrupt) and not isinstance(error, Interruption):
        in_main_thread = threading.current_thread() is threading.main_thread()
        return in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return isinstance(error, Interruption)


class _Shield:
    """Whether interruptions are put off, and one that was."""

    depth = 0
    waiting: int | None = None


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise :class:`Interruption` in the main thread at a signal that asks the process to end.

    A signal that the program ignores stays ignored. Outside the main thread this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {}
    for number in SIGNALS:
        handler = signal.getsignal(number)
        if handler not in (signal.SIG_IGN, None):
            before[number] = handler
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def kept_handlers() -> Iterator[None]:
    """Undo what other code does to the handlers of these signals: ``ray.init`` lets SIGTERM end with exit code 15."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in SIGNALS if in_main_thread}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # not set by Python
                signal.signal(number, handler)


@contextmanager
def shielded() -> Iterator[None]:
    """Put off interruptions until the block is over."""
    _Shield.depth += 1
    try:
        yield
    finally:
        _Shield.depth -= 1
    if not _Shield.depth and _Shield.waiting is not None:
        number, _Shield.waiting = _Shield.waiting, None
        raise Interruption(number)


def _interrupt(number: int, frame: FrameType | None) -> None:
    if _Shield.depth:
        _Shield.waiting = number
    else:
        raise Interruption(number)
