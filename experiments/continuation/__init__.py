"""A new run that goes on from another one: with more generations, other settings, or one of its individuals.

This room makes the state with which such a run begins; :mod:`experiments.studies` runs it like any other.
"""

from experiments.continuation.continuation import continue_run

__all__ = ["continue_run"]
