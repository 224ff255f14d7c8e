"""What is told of an error in an individual: texts that can be stored and printed, whatever was raised."""

import traceback
from collections.abc import Callable

from evo.interruption import is_interruption
from evo.origin import is_installed

LONGEST_REASON = 300
LONGEST_TRACEBACK = 20_000
"""Most characters that are kept."""


def one_line(text: str) -> str:
    r"""Return a text as one line of at most `LONGEST_REASON` characters.

    Examples
    --------
    >>> one_line("fitness must be\n  finite")
    'fitness must be finite'
    """
    line = _encodable(" ".join(text.split()))
    return line if len(line) <= LONGEST_REASON else f"{line[: LONGEST_REASON - 1]}…"


def kind_and_text(error: BaseException) -> str:
    """Return the type of an error and its text, in one line."""
    kind = type(error).__name__
    text = _safely(lambda: str(error), "its text cannot be printed")
    return one_line(f"{kind}: {text}" if text else kind)


def traceback_of(error: BaseException) -> str:
    """Return the traceback of an error; of a very long one the end."""
    told = _safely(lambda: "".join(traceback.format_exception(error)), kind_and_text(error))
    return _encodable(told[-LONGEST_TRACEBACK:])


def own_calls(error: BaseException) -> list[traceback.FrameSummary]:
    """Return the calls of the user's code in the traceback of an error, the last one last."""
    calls = traceback.extract_tb(error.__traceback__)
    return [one for one in calls if not is_installed(one.filename)]


def place_of(error: BaseException) -> str:
    """Return file, line and function of the user's code that raised an error; else those of the last call."""
    at = (own_calls(error) or traceback.extract_tb(error.__traceback__))[-1]
    return _encodable(f"{at.filename}:{at.lineno} in {at.name}")


def _safely(tell: Callable[[], str], otherwise: str) -> str:
    """Return a text that code of the user's makes, such as the text of an exception of his own."""
    try:
        return tell()
    except BaseException as error:  # the text of an exception may raise whatever its author chose
        if is_interruption(error):
            raise
        return otherwise


def _encodable(text: str) -> str:
    """Return a text without halves of surrogate pairs, which no table and no file can hold."""
    return text.encode("utf-8", "backslashreplace").decode()
