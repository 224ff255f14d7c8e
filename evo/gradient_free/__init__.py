"""Neuroevolution without gradients: populations of small networks in compiled code.

:mod:`evo.evolution` has the loop that trains networks.
"""

from evo.gradient_free.neuroevolution import Ancestor, Neuroevolution, neuroevolve
from evo.gradient_free.settings import NeuroevolutionSettings

__all__ = ["Ancestor", "Neuroevolution", "NeuroevolutionSettings", "neuroevolve"]
