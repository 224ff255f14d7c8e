"""One episode before a run begins, so that a reward that cannot judge is told of before any work."""

import math
from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike

from evo.genome.genome import FloatArray
from evo.phenotype.actor import Actor
from evo.phenotype.phenotype import Phenotype
from evo.rewards.reward import Reward, returned_by

MOST_STEPS = 10_000
"""Steps after which a trial episode is broken off: a network that has not learned anything may act for ever."""


class _EnoughStepsError(BaseException):
    """Leaves an episode; no Exception, so that a reward which catches those does not catch it."""


class _TrialActor(Actor):
    """A network that acts `MOST_STEPS` times at most."""

    def act(self, observation: ArrayLike) -> FloatArray:
        if self.steps == MOST_STEPS:
            raise _EnoughStepsError
        return super().act(observation)


def try_episode(
    reward: Reward, network: Phenotype, rng: np.random.Generator, finite: Collection[str] = ()
) -> None:
    """Let a network play one episode, up to `MOST_STEPS` steps.

    Parameters
    ----------
    reward : Reward
    network : Phenotype
    rng : numpy.random.Generator
        The random numbers of the episode.
    finite : collection of str, optional
        The measures that must be finite, because a selection tells individuals apart by them.

    Raises
    ------
    TypeError, ValueError
        If `evaluate` returns something else than a finite fitness and the measures that the reward declares.
    BaseException
        Whatever `evaluate` raises.
    """
    try:
        fitness, measures = returned_by(reward, reward.evaluate(_TrialActor(network), rng=rng))
    except _EnoughStepsError:
        return
    if not math.isfinite(fitness):
        raise ValueError(f"fitness must be finite; got {fitness}")
    for name, value in measures.items():
        if name in finite and not math.isfinite(value):
            raise ValueError(f"{name} must be finite, for the selection reads it; got {value}")
