"""Rewards: what judges a network by what it does in episodes, instead of by samples.

A reward plays one episode at a time. Environments of Gymnasium are a reward by name; an own reward is a class with a
method `evaluate`, registered in :data:`REWARDS`. Strategies move weights by the reward alone.
"""

from evo.rewards.interface import Actions, Interface, Observations
from evo.rewards.reward import (
    MEASURES,
    REWARDS,
    EpisodeError,
    Played,
    Reward,
    make_reward,
    play,
)
from evo.rewards.settings import StrategySettings, TaskSettings
from evo.rewards.source import EpisodeSource, EpisodeSplit
from evo.rewards.trial import try_episode

__all__ = [
    "MEASURES",
    "REWARDS",
    "Actions",
    "EpisodeError",
    "EpisodeSource",
    "EpisodeSplit",
    "Interface",
    "Observations",
    "Played",
    "Reward",
    "StrategySettings",
    "TaskSettings",
    "make_reward",
    "play",
    "try_episode",
]
