"""The genome that runs and trains: the plan of what to compute, passes forward and backward.

The compiled code is in :mod:`evo.phenotype.kernels`; the trainer is :func:`cnn.train`.
"""

from evo.phenotype.phenotype import Dormant, Phenotype, compile_plan
from evo.phenotype.plan import Plan

__all__ = [
    "Dormant",
    "Phenotype",
    "Plan",
    "compile_plan",
]
