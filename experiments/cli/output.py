"""What is written loses nothing: on output that is not UTF-8, into a pipe that is closed, on a narrow terminal."""

import codecs
import io
import os
import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

ASCII = {"−": "-", "±": "+/-", "×": "x", "→": "->", "≥": ">=", "≤": "<=", "²": "^2", "…": "..."}
"""Signs of ours for output that has them not; all other characters are written as ``\\u2026``."""

_NO_LIMIT = 10_000
"""A width in columns that no table needs."""


class _Output(io.TextIOWrapper):
    """An output that may end before the program: a closed pipe or terminal, a full disk.

    Then the program goes on, and the rest of the output is dropped.
    """

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        if self is sys.stdout and not isinstance(error, BrokenPipeError):  # `| head` is no mishap
            sys.stderr.write(
                f"evomatrix: output cannot be written ({error.strerror}); the program goes on\n"
            )


def prepare_output() -> None:
    """Make the standard streams of this process write any character, and survive a closed pipe.

    Streams that were replaced, as tests replace them, stay.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            stream.flush()
            output = _Output(
                stream.buffer, stream.encoding, "evomatrix", line_buffering=stream.line_buffering
            )
            setattr(sys, name, output)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Return ASCII for the characters that an encoding does not have, as an error handler of :mod:`codecs`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    written = (
        ASCII.get(one) or one.encode("ascii", "backslashreplace").decode() for one in characters
    )
    return "".join(written), error.end


codecs.register_error("evomatrix", _in_ascii)


def print_line(console: Console, line: str) -> None:
    """Print a line as it is; brackets in it, which a path may have, are no markup."""
    console.print(Text(line), soft_wrap=True)


def print_table(console: Console, table: Table) -> None:
    """Print a table whole: as a list on a terminal that is too narrow, or where ``COLUMNS`` says so, else wider."""
    options = console.options.update(width=_NO_LIMIT)
    needed = console.measure(table, options=options).maximum
    if needed <= console.width:
        console.print(table)
    elif not console.is_terminal and "COLUMNS" not in os.environ:  # a file has no margin
        width, console.width = console.width, needed
        console.print(table)
        console.width = width
    else:
        console.print(_as_list(table), soft_wrap=True)


def _as_list(table: Table) -> Text:
    """Return a table as lines: each row is its first cell, and below it the other cells with their headings."""
    lines: list[Any] = [] if table.title is None else [Text.assemble((str(table.title), "italic"))]
    headings = [str(column.header) for column in table.columns]
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        lines.append(Text.assemble((str(cells[0]), "bold")))
        lines += [
            Text(f"  {heading}: {cell}")
            for heading, cell in zip(headings[1:], cells[1:], strict=True)
            if str(cell)
        ]
    return Text("\n").join(lines)
