"""``bench dispatch``: what it costs to have individuals evaluated elsewhere, and a simulation of large clusters.

The simulation drives the scheduler and the storage of a run with a clock of its own. Its workers are not processes.
"""

from experiments.benchmarks.dispatch.bench import bench_dispatch, check_dispatch

__all__ = ["bench_dispatch", "check_dispatch"]
