"""``bench graph``: evolved graphs beside PyTorch, SciPy, neat-python and published figures.

Each part runs in a process of its own, in which ours and its peers take turns on one thread.
"""

from collections import defaultdict
from collections.abc import Callable

import pandas as pd

from experiments.benchmarks import graph_tables
from experiments.benchmarks.graph_parts import PARTS
from experiments.benchmarks.graph_rows import Row
from experiments.benchmarks.machine import thread_environment
from experiments.benchmarks.process import reports
from experiments.benchmarks.result import BenchResult
from experiments.benchmarks.settings import BenchOptions, check_repeats_only


def check_graph(options: BenchOptions) -> None:
    """Raise SettingsError at an option that this bench does not have, or that is out of range."""
    check_repeats_only("graph", options)


def bench_graph(options: BenchOptions, say: Callable[[str], None]) -> BenchResult:
    """Measure; see `experiments.benchmarks.registry.Benchmark`.

    Raises
    ------
    BenchmarkError
        If sides do not compute the same, our training does not repeat, or a process fails.
    """
    found: dict[str, list[Row]] = defaultdict(list)
    for part in PARTS:
        say(part)
        settings = [part, str(options.repeats or 0), str(options.quick)]
        arguments = ["-P", "-m", "experiments.benchmarks.graph_process", *settings]
        for message in reports(arguments, thread_environment(1)):
            table, row = message["table"], message["row"]
            if table == "note":
                say(row["note"])
            else:
                found[table].append(row)
    tables = {name: pd.DataFrame(rows) for name, rows in found.items()}
    return BenchResult(tables, graph_tables.line(tables), graph_tables.shown(tables))
