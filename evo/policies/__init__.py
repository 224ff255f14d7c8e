"""Which operators a modify phase applies: weighted and adaptive draws, methods of sparse training, layerwise rewiring.

What an operator does is in :mod:`evo.operators`. A new policy is one function, or one declaration of a
:class:`evo.policies.method.Method`, and one entry of :data:`evo.policies.policies.POLICIES`. The parts of methods have
registries of their own: removals, regrowths and schedules.
"""

from evo.policies.layerwise import keep_n_active
from evo.policies.link_prediction import link_scores
from evo.policies.method import Method, rewire
from evo.policies.policies import POLICIES, PolicySettings, freeze_topology
from evo.policies.prune_and_regrow import prune_and_regrow
from evo.policies.regrowth import REGROWTHS
from evo.policies.removal import REMOVALS
from evo.policies.rewiring import METHODS, rigl_step, set_step
from evo.policies.schedules import SCHEDULES

__all__ = [
    "METHODS",
    "POLICIES",
    "REGROWTHS",
    "REMOVALS",
    "SCHEDULES",
    "Method",
    "PolicySettings",
    "freeze_topology",
    "keep_n_active",
    "link_scores",
    "prune_and_regrow",
    "rewire",
    "rigl_step",
    "set_step",
]
