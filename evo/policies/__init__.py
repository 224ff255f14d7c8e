"""Who chooses the operators of a modify phase: weighted and adaptive draws, SET, RigL, layerwise rewiring.

What an operator does is in :mod:`evo.operators`.
"""

from evo.policies.layerwise import keep_n_active
from evo.policies.policies import POLICIES, PolicySettings, freeze_topology
from evo.policies.rewiring import set_step

__all__ = [
    "POLICIES",
    "PolicySettings",
    "freeze_topology",
    "keep_n_active",
    "set_step",
]
