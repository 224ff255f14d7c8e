"""Arms: the networks that do not evolve, built from settings, to be compared with evolved networks.

A new arm is one function and one entry in :data:`ARMS`. Training is not here.
"""

from experiments.arms.arms import ModelSpec, Sized, build_arm, check_arms, loss_of
from experiments.arms.settings import ARMS, BaselineSettings

__all__ = [
    "ARMS",
    "BaselineSettings",
    "ModelSpec",
    "Sized",
    "build_arm",
    "check_arms",
    "loss_of",
]
