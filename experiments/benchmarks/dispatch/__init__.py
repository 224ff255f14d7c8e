"""``bench dispatch``: what it costs to have individuals evaluated elsewhere, and a simulation of large clusters.

The simulation drives the scheduler and the storage of a run with a clock of its own. Its workers are not processes.
"""

__all__ = ["simulated_workers", "simulation"]
