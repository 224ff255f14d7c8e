"""The benchmark of evolved graphs beside PyTorch, SciPy and neat-python.

Parts shared with other benchmarks are in the harness; the other sides are in the peers' room.
"""

from experiments.benchmarks.graph.bench import bench_graph, check_graph

__all__ = ["bench_graph", "check_graph"]
