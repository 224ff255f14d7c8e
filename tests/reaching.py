"""A small reward for tests, experiments that it judges, and how two of their runs are compared."""

import numpy as np
import pandas as pd

from evo.storage.tables import TABLES, TIMING_COLUMNS, TIMING_TABLES
from experiments import Experiment


class Reach:
    """Move a point to a target, which a draw hides in every episode anew."""

    n_inputs, n_outputs = 2, 1
    measures = {"distance": "m"}  # noqa: RUF012 - as a user writes it

    def __init__(self, steps: int = 6):
        self.steps = steps

    def evaluate(self, network, *, rng):
        place, target = rng.uniform(-1, 1, 2)
        for _ in range(self.steps):
            (force,) = network.act([place, target])
            place += 0.3 * float(np.clip(force, -1, 1))
        return -abs(place - target), {"distance": abs(place - target)}


TASK = {"name": "reach", "episodes": 3, "test_episodes": 10}
STRATEGY = {"name": "openai_es", "population": 4}


def little(**changes):
    return Experiment.parse(
        {
            "name": "little",
            "seeds": 2,
            "task": TASK,
            "founders": {"hidden": 3, "density": 0.5},
            "evolution": {"population": 3, "generations": 3},
            "policy": {"name": "adaptive"},
            "baseline": {"arms": ["static"]},
            **changes,
        },
        "little",
    )


def trained(**changes):
    evolution = {"population": 2, "generations": 2, "steps_per_generation": 2}
    task = {**TASK, "strategy": STRATEGY}
    training = {"optimizer": "adam", "learning_rate": 0.05}
    return little(task=task, evolution=evolution, training=training, **changes)


def assert_same(one, other):
    for table in sorted(TABLES.keys() - TIMING_TABLES):
        frames = [
            getattr(results, table).drop(columns=TIMING_COLUMNS & set(getattr(results, table)))
            for results in (one, other)
        ]
        pd.testing.assert_frame_equal(*frames, check_exact=True, obj=table)
