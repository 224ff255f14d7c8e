"""Benchmarks: ours beside a peer, in turns within one run; a new one is one function and one entry in `BENCHMARKS`.

The command line imports this package; whatever needs a peer runs in processes of its own.
"""

from experiments.benchmarks.harness.errors import BenchmarkError
from experiments.benchmarks.harness.result import BenchResult
from experiments.benchmarks.harness.settings import BenchOptions
from experiments.benchmarks.registry import BENCHMARKS, Benchmark, run_benchmark

__all__ = [
    "BENCHMARKS",
    "BenchOptions",
    "BenchResult",
    "Benchmark",
    "BenchmarkError",
    "run_benchmark",
]
