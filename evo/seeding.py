"""Where every random number comes from.

A draw is keyed by what it is for, not by when it happens: ``SeedSequence(run seed, spawn_key=(purpose, generation,
individual))``. No generator state is stored and none is shared, so results do not depend on the number of workers,
on the order in which they finish, or on an interruption.
"""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream of random numbers is for; the values are part of every recorded result."""

    SPLIT = 0
    FOUNDERS = 1
    BATCHES = 2
    SELECTION = 3
    MODIFY = 4
    BASELINE = 5


def seed_sequence(
    seed: int, purpose: Purpose, generation: int = 0, individual: int = 0
) -> np.random.SeedSequence:
    """Return the seed sequence of one purpose in one run.

    Parameters
    ----------
    seed : int
        The run's seed, not negative.
    purpose : Purpose
        What the numbers are for.
    generation, individual : int
        The coordinates inside the run, 0 where they do not apply.

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
