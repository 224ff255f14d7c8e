"""Neuroevolution without gradients: populations of small networks in compiled code, on samples and on compiled tasks.

:mod:`evo.evolution` has the loop that trains networks.
"""

from evo.gradient_free.agent_kernels import Agent, act
from evo.gradient_free.neuroevolution import Ancestor, Neuroevolution, neuroevolve
from evo.gradient_free.settings import NeuroevolutionSettings
from evo.gradient_free.task import CompiledTask, compiled_task

__all__ = [
    "Agent",
    "Ancestor",
    "CompiledTask",
    "Neuroevolution",
    "NeuroevolutionSettings",
    "act",
    "compiled_task",
    "neuroevolve",
]
