"""The benchmark of evolution without gradients on published problems, beside neat-python and ablations of ours.

Problems and arms are in one module, a run of one arm with one seed in another; the peers' room has neat-python.
"""

from experiments.benchmarks.control.bench import bench_control, check_control

__all__ = ["bench_control", "check_control"]
