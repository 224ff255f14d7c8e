"""The benchmark of networks of feature maps beside layers and masked PyTorch.

Parts shared with other benchmarks are in the harness; PyTorch's side is in the peers' room.
"""

from experiments.benchmarks.maps.bench import bench_maps, plan

__all__ = ["bench_maps", "plan"]
