"""The benchmark of convolutional networks beside PyTorch.

What it shares with the other benchmarks is in the harness, and the peers have a room of their own.
"""

from experiments.benchmarks.cnn.bench import bench_cnn, plan

__all__ = ["bench_cnn", "plan"]
