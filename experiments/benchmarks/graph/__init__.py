"""The benchmark of evolved graphs beside PyTorch, SciPy and neat-python.

What it shares with the other benchmarks is in the harness, and the peers have a room of their own.
"""

from experiments.benchmarks.graph.bench import bench_graph, check_graph

__all__ = ["bench_graph", "check_graph"]
