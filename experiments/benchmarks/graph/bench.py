"""``bench graph``: evolved graphs beside PyTorch, SciPy, neat-python and published figures.

Each part runs in a process of its own, in which our side and its peers take turns on one thread.
"""

from collections.abc import Callable

import pandas as pd

from experiments.benchmarks.graph.parts import PARTS
from experiments.benchmarks.harness.machine import thread_environment
from experiments.benchmarks.harness.process import Tables, collect
from experiments.benchmarks.harness.result import BenchResult
from experiments.benchmarks.harness.settings import BenchOptions, check_repeats_only
from experiments.benchmarks.harness.tables import line, shown


def check_graph(options: BenchOptions) -> None:
    """Raise SettingsError if an option is out of range or is not one of this benchmark."""
    check_repeats_only("graph", options)


def bench_graph(options: BenchOptions, say: Callable[[str], None]) -> BenchResult:
    """Run the benchmark; see `experiments.benchmarks.registry.Benchmark`.

    Raises
    ------
    BenchmarkError
        If sides do not compute the same, two trainings differ, or a process fails.
    """
    found = Tables(list)
    for part in PARTS:
        say(part)
        arguments = [part, str(options.repeats or 0), str(options.quick)]
        collect(
            found, "experiments.benchmarks.graph.process", arguments, thread_environment(1), say
        )
    tables = {name: pd.DataFrame(rows) for name, rows in found.items()}
    return BenchResult(tables, line(tables), shown(tables))
