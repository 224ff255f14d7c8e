"""The benchmark of networks of feature maps beside layers and masked PyTorch.

What it shares with the other benchmarks is in the harness, and the peers have a room of their own.
"""

from experiments.benchmarks.maps.bench import bench_maps, plan

__all__ = ["bench_maps", "plan"]
