"""Which reporter a run has: the one that is given, or the one that suits where the program runs."""

from collections.abc import Callable

from rich.console import Console

from experiments.progress.log import LogReporter
from experiments.progress.reporter import Reporter
from experiments.progress.terminal import TerminalReporter


def default_reporter() -> Reporter:
    """Return a live line on standard error if that is a terminal, or in a notebook; elsewhere lines of a log."""
    console = Console(stderr=True)
    if console.is_terminal or console.is_jupyter:
        return TerminalReporter(console)
    return LogReporter()


def chosen_reporter(reporter: Reporter | None, *, quiet: bool) -> Reporter:
    """Return the reporter of one run.

    Raises
    ------
    TypeError
        If an argument has another type, or a reporter is given although `quiet` is true.
    """
    if reporter is not None and not isinstance(reporter, Reporter):
        raise TypeError(
            f"reporter must be a Reporter, such as TerminalReporter(Console()); got {_named(reporter)}"
        )
    _check_quiet(reporter, quiet)
    if reporter is not None:
        return reporter
    return Reporter() if quiet else default_reporter()


def chosen_maker(reporter: Callable[[], Reporter] | None, *, quiet: bool) -> Callable[[], Reporter]:
    """Return the function that makes the reporter of each run of a study.

    Raises
    ------
    TypeError
        If an argument has another type, or a reporter is given although `quiet` is true.
    """
    if reporter is not None and (isinstance(reporter, Reporter) or not callable(reporter)):
        raise TypeError(
            "reporter must be a function that makes the reporter of one run, such as the class LogReporter; "
            f"got {_named(reporter)}"
        )
    _check_quiet(reporter, quiet)
    if reporter is not None:
        return reporter
    return Reporter if quiet else default_reporter


def _check_quiet(reporter: object, quiet: bool) -> None:
    if not isinstance(quiet, bool):
        raise TypeError(f"quiet must be True or False; got {quiet!r}")
    if quiet and reporter is not None:
        raise TypeError(f"quiet must be False where a reporter is given; got {quiet!r}")


def _named(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"
