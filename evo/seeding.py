"""The source of every random number.

A draw follows from its purpose, not from its time: ``SeedSequence(run seed, spawn_key=(purpose, generation,
individual))``. No generator state is stored or shared, so what is drawn does not depend on the number of workers, on
the order in which they finish, or on an interruption.
"""

from enum import IntEnum, unique

import numpy as np


@unique
class Purpose(IntEnum):
    """The purpose of a stream of random numbers; changing a value changes every recorded result."""

    SPLIT = 0
    FOUNDERS = 1
    BATCHES = 2
    SELECTION = 3
    MODIFY = 4
    BASELINE = 5
    WEIGHTS = 6
    GENES = 7
    PBT = 8
    MATES = 9
    EPISODES = 10
    VALIDATION_EPISODES = 11
    TRAIN_EPISODES = 12
    TEST_EPISODES = 13
    STRATEGY = 14
    TRIAL_EPISODE = 15


def seed_sequence(
    seed: int, purpose: Purpose, generation: int = 0, individual: int = 0
) -> np.random.SeedSequence:
    """Return the seed sequence of one purpose in one run.

    Parameters
    ----------
    seed : int
        The seed of the run, not negative.
    purpose : Purpose
        The purpose of the numbers.
    generation, individual : int
        The coordinates inside the run; 0 if they do not apply.

    Examples
    --------
    >>> seed_sequence(7, Purpose.MODIFY, 3, 41).spawn_key
    (4, 3, 41)
    """
    return np.random.SeedSequence(seed, spawn_key=(int(purpose), generation, individual))


def generator(
    seed: int, purpose: Purpose, generation: int = 0, individual: int = 0
) -> np.random.Generator:
    """Return a fresh generator for one purpose; see :func:`seed_sequence`."""
    return np.random.default_rng(seed_sequence(seed, purpose, generation, individual))
