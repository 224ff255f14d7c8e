"""Which operators a modify phase applies: weighted and adaptive draws, SET, RigL, layerwise rewiring.

What an operator does is in :mod:`evo.operators`. A new policy is one function and one entry of
:data:`evo.policies.policies.POLICIES`.
"""

from evo.policies.layerwise import keep_n_active
from evo.policies.policies import POLICIES, PolicySettings, freeze_topology
from evo.policies.prune_and_regrow import prune_and_regrow
from evo.policies.rewiring import rigl_step, set_step

__all__ = [
    "POLICIES",
    "PolicySettings",
    "freeze_topology",
    "keep_n_active",
    "prune_and_regrow",
    "rigl_step",
    "set_step",
]
