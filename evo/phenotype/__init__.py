"""The phenotype: a genome compiled to a network that runs and trains; its plan, its forward and backward passes.

The compiled loops are in :mod:`evo.phenotype.kernels`; the trainer is :func:`cnn.train`.
"""

from evo.phenotype.phenotype import Dormant, Phenotype, compile_plan
from evo.phenotype.plan import Plan

__all__ = ["Dormant", "Phenotype", "Plan", "compile_plan"]
