"""Arms: the networks that do not evolve, built from settings and trained, to be compared with evolved networks.

A new arm is one function and one entry in :data:`ARMS`. Which arms a run trains, and its rows, are not here.
"""

from experiments.arms.arms import (
    Evolved,
    ModelSpec,
    NoNetworkError,
    Sized,
    build_arm,
    check_arms,
    loss_of,
)
from experiments.arms.settings import ARMS, BaselineSettings

__all__ = [
    "ARMS",
    "BaselineSettings",
    "Evolved",
    "ModelSpec",
    "NoNetworkError",
    "Sized",
    "build_arm",
    "check_arms",
    "loss_of",
]
