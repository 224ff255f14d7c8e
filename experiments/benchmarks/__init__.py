"""Benchmarks: our side and a peer take turns within one run.

A new benchmark is one function and one entry in `BENCHMARKS`. The peers are imported in processes of their own only.
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
