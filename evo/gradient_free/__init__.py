"""Whole populations of small networks that evolve without gradients, compiled.

The loop that trains is in :mod:`evo.evolution`.
"""

from evo.gradient_free.neuroevolution import Birth, Neuroevolution, neuroevolve
from evo.gradient_free.settings import NeuroevolutionSettings

__all__ = [
    "Birth",
    "Neuroevolution",
    "NeuroevolutionSettings",
    "neuroevolve",
]
