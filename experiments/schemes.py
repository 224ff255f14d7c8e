"""Selections beside each other at equal evaluations: in a maze that deceives, and on a pole on a cart."""

import argparse
import math
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple

import numpy as np

import evo
from evo import Actor
from experiments import Experiment, Results, study

MAZE = """\
###########
#G        #
#         #
########  #
#         #
#S        #
###########"""
"""The maze from above: walls, start and goal. Under the upper wall the goal is near, and the way leads away from it."""


@evo.REWARDS.register("maze")
class Maze:
    """A robot looks for its way through a maze that deceives: the way that comes near the goal first is a dead end.

    It sees the free distance in four directions and where the goal is, and sets its speed. Its fitness is minus the
    distance to the goal in the end. Such a maze is the example of Lehman and Stanley 2011.
    """

    n_inputs, n_outputs = 6, 2
    measures: ClassVar = {"x": "cells", "y": "cells", "reached": "fraction"}

    def __init__(self, steps: int = 50, speed: float = 0.5) -> None:
        self.steps, self.speed, self.rows = steps, speed, MAZE.splitlines()
        self.size = float(max(len(self.rows), len(self.rows[0])))
        self.start, self.goal = self._middle_of("S"), self._middle_of("G")

    def evaluate(
        self, network: Actor, *, rng: np.random.Generator
    ) -> tuple[float, dict[str, float]]:
        """Let the robot move until it is at the goal, or the steps are over."""
        (x, y), (goal_x, goal_y) = self.start, self.goal
        distance = math.hypot(goal_x - x, goal_y - y)
        for _ in range(self.steps):
            free = [self._free(x, y, *one) for one in ((1, 0), (-1, 0), (0, 1), (0, -1))]
            seen = [one / self.size for one in (*free, goal_x - x, goal_y - y)]
            across, down = (self.speed * math.tanh(5.0 * one) for one in network.act(seen).tolist())
            x = x if self._is_wall(x + across, y) else x + across  # it slides along a wall
            y = y if self._is_wall(x, y + down) else y + down
            distance = math.hypot(goal_x - x, goal_y - y)
            if distance < 1.0:
                break
        return -distance, {"x": x, "y": y, "reached": float(distance < 1.0)}

    def _middle_of(self, mark: str) -> tuple[float, float]:
        row = next(number for number, row in enumerate(self.rows) if mark in row)
        return self.rows[row].index(mark) + 0.5, row + 0.5

    def _is_wall(self, x: float, y: float) -> bool:
        return self.rows[int(y)][int(x)] == "#"

    def _free(self, x: float, y: float, dx: int, dy: int) -> int:
        """Return the number of free cells in a direction."""
        n = 0
        while not self._is_wall(x + (n + 1) * dx, y + (n + 1) * dy):
            n += 1
        return n


def scheme(population: int, generations: int, **selection: Any) -> dict[str, Any]:
    """Return the settings of an arm."""
    return {
        "evolution": {
            "population": population,
            "generations": generations,
            "train_only_fraction": 0.0,
            "statistics": "sizes",
            "selection": selection,
        }
    }


def schemes(descriptors: dict[str, tuple[float, float]], n: int) -> dict[str, dict[str, Any]]:
    """Return the arms: selections and controls, with generations that make 16 + 96 n evaluations."""
    described: dict[str, Any] = {"descriptors": [*descriptors], "bounds": descriptors}
    return {
        "mu_plus_lambda": scheme(16, 3 * n, name="mu_plus_lambda"),
        "nsga2": scheme(16, 3 * n, name="nsga2", objectives=["fitness", "parameters"]),
        "ageing": scheme(16, 6 * n, name="ageing", children=8),
        "speciation": scheme(16, 6 * n, name="speciation"),
        "map_elites": scheme(16, 3 * n, name="map_elites", **described),
        "novelty": scheme(16, 4 * n, name="novelty", archive=4, children=12, **described),
        "no_selection": scheme(16, 6 * n, name="random_search"),
        "random_search": scheme(16 + 96 * n, 0),
        "train_only": {
            "evolution": {
                "population": 16,
                "generations": 6 * n,
                "train_only_fraction": 1.0,
                "statistics": "sizes",
            },
            "policy": {"name": "none"},
        },
    }


def problem(name: str, **settings: Any) -> Experiment:
    """Return the settings that all arms of a problem share."""
    return Experiment(
        name=name,
        founders={"hidden": 4, "density": 0.5},
        policy={
            "name": "weighted",
            "operator_weights": {"N": 6, "C": 1, "F": 1, "B": 0.5, "D": 0.5, "I": 0.5, "R": 0.5},
            "operators": {"mutation_std": 1.0},
        },
        **settings,
    )


def maze() -> Experiment:
    """Return the maze as a problem: each episode is the same."""
    task = {"name": "maze", "episodes": 1, "test_episodes": 1, "same_episodes": "run"}
    return problem("maze", task=task)


def cart_pole() -> Experiment:
    """Return the pole on a cart as a problem: each generation has an episode of its own."""
    return problem("pole", task={"id": "CartPole-v1", "episodes": 1, "test_episodes": 10})


class Problem(NamedTuple):
    """A problem, the descriptors in it with their bounds, and how many evaluations it gets."""

    make: Callable[[], Experiment]
    descriptors: dict[str, tuple[float, float]]
    n: int


PROBLEMS = {
    "maze": Problem(maze, {"x": (1.0, 10.0), "y": (1.0, 6.0)}, 6),
    "cart-pole": Problem(cart_pole, {"density": (0.0, 0.4), "parameters": (5.0, 40.0)}, 1),
}

SEEDS = range(100, 110)
"""The seeds of the published tables; settings were chosen on others."""


def compare(name: str, folder: str, seeds: Iterable[int] = SEEDS) -> Results:
    """Run all arms of a problem."""
    chosen = PROBLEMS[name]
    arms = schemes(chosen.descriptors, chosen.n)
    return study(chosen.make(), arms=arms, seeds=seeds, folder=folder, workers=0, figures=False)


def main() -> None:
    """Copy this and change what you like."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problem", choices=PROBLEMS)
    parser.add_argument("--folder", default="results/schemes")
    given = parser.parse_args()
    results = compare(given.problem, f"{given.folder}/{given.problem}")
    print(results.summary().filter(like="test_").round(3))
    print(*results.verdicts("mu_plus_lambda"), sep="\n")


if __name__ == "__main__":
    main()
