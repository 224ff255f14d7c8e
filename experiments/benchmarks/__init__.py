"""Benchmarks: ours beside a peer, in turns within one run; a new one is one function and one entry in `BENCHMARKS`.

The command line imports this package; whatever needs a peer runs in processes of its own.
"""

from experiments.benchmarks.errors import BenchmarkError
from experiments.benchmarks.registry import BENCHMARKS, Benchmark, run_benchmark
from experiments.benchmarks.result import BenchResult
from experiments.benchmarks.settings import BenchOptions

__all__ = [
    "BENCHMARKS",
    "BenchOptions",
    "BenchResult",
    "Benchmark",
    "BenchmarkError",
    "run_benchmark",
]
