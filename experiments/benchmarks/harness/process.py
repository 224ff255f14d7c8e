"""Measurements in processes of their own; a process reports lines of JSON."""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from evo.errors import EvoMatrixError
from experiments.benchmarks.harness.errors import BenchmarkError

Message = dict[str, Any]
"""One line of a report."""

Tables = defaultdict[str, list[dict[str, Any]]]
"""The rows of each table."""


def emit(message: Mapping[str, Any]) -> None:
    """Report a message to the parent process."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def emit_all(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """Report rows of tables as they come; an error is one line and exit code 2."""
    try:
        for table, row in rows:
            emit({"table": table, "row": row})
    except EvoMatrixError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


def collect(
    rows: Tables,
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    say: Callable[[str], None],
) -> None:
    """Run a module of measurements in a process of its own; add its rows to their tables, and say its notes."""
    for message in reports(["-P", "-m", module, *arguments], environment):
        if message["table"] == "note":
            say(message["row"]["note"])
        else:
            rows[message["table"]].append(message["row"])


def reports(arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[Message]:
    """Start a Python process and yield its messages as they come.

    Parameters
    ----------
    arguments
        Arguments of ``python`` on the command line.
    environment
        All environment variables of the process.

    Yields
    ------
    Message
        Each line of its standard output that is a JSON object; other lines are skipped.

    Raises
    ------
    BenchmarkError
        If it fails: with the last line of its standard error.
    """
    with (
        tempfile.TemporaryFile() as errors,  # a pipe that is not read could fill up
        subprocess.Popen(  # noqa: S603 - this interpreter, with our own modules
            [sys.executable, *arguments],
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("{"):
                    yield json.loads(line)
        except BaseException:
            process.kill()
            raise
        if process.wait() != 0:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()
            reason = said[-1] if said else "it gave no reason"
            if process.returncode != 2:  # 2: the line is meant for the user as it stands
                reason = f"a measurement ended with code {process.returncode}: {reason}"
            raise BenchmarkError(reason)
