"""The benchmark of convolutional networks beside PyTorch.

Parts shared with other benchmarks are in the harness; PyTorch's side is in the peers' room.
"""

from experiments.benchmarks.cnn.bench import bench_cnn, plan

__all__ = ["bench_cnn", "plan"]
