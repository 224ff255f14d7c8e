"""One part of the graph benchmark in a process of its own.

``python -m experiments.benchmarks.graph.process NAME ROUNDS QUICK`` reports one row per line; ROUNDS = 0 takes the
default.
"""

import sys
from collections.abc import Sequence

from experiments.benchmarks.graph.parts import rows
from experiments.benchmarks.harness.process import emit_all
from experiments.benchmarks.harness.rows import Turns


def main(arguments: Sequence[str]) -> None:
    """Report every row."""
    name, rounds, quick = arguments[0], int(arguments[1]), arguments[2] == "True"
    emit_all(rows(name, Turns.of(rounds or None, quick=quick), quick=quick))


if __name__ == "__main__":
    main(sys.argv[1:])
