"""The tasks of this room by name, and what their episodes are."""

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np
from numpy.typing import NDArray

from evo.gradient_free.control.cart_pole_kernels import evaluate_cart_pole
from evo.gradient_free.control.pole_kernels import (
    evaluate_poles,
    evaluate_poles_without_velocities,
)
from evo.gradient_free.task import CompiledTask, Episodes, PlayEpisodes

LONG = 100_000
"""Steps for which a solution keeps the poles up: more than half an hour."""

SHORT = 1_000
"""Steps of an episode without velocities, and of each episode of the test of generalisation."""

FIRST_ANGLE = 0.07
"""Angle of the longer pole at the start, in radians: about four degrees."""

ENOUGH = 200
"""Episodes of the test of generalisation that a solution without velocities must pass, of 625."""

GRID = (0.05, 0.25, 0.5, 0.75, 0.95)
RANGES = (2.16, 1.35, 0.06283152, 0.15009752)
"""Largest |x|, |ẋ|, |θ₁| and |θ̇₁| of the test of generalisation, of which the grid takes shares."""


def single_pole() -> CompiledTask:
    """Balance one pole on a cart, continuous force, position and velocities given; solved by a fitness of 100,000.

    Inputs are x, ẋ, θ and θ̇, scaled. The force is 10 N times the output, within ±10 N.
    """
    return CompiledTask(4, 1, evaluate_poles, _always([LONG, 0, 0, FIRST_ANGLE, 0]), ("steps",))


def double_pole() -> CompiledTask:
    """Balance two poles of 1 m and 0.1 m on a cart, velocities given; solved by a fitness of 100,000.

    Inputs are x, ẋ, θ₁, θ̇₁, θ₂ and θ̇₂, scaled. The fitness is the number of steps without a fall. Equations, numbers
    and fitness are those of Wieland (1991) and of Stanley and Miikkulainen, "Evolving neural networks through
    augmenting topologies" (2002).
    """
    return CompiledTask(
        6, 1, evaluate_poles, _always([LONG, 0, 0, FIRST_ANGLE, 0, 0, 0]), ("steps",)
    )


def double_pole_without_velocities() -> CompiledTask:
    """Balance two poles on a cart, velocities not given; solved by a test of long balance and of generalisation.

    Inputs are x, θ₁ and θ₂, scaled, so that a network needs a memory. The fitness is that of Gruau, Whitley and Pyeatt
    (1996) over 1,000 steps, which punishes swings. The best network of a generation has solved the task if it balances
    for 100,000 steps, and for 1,000 steps from at least 200 of the 625 starts of :func:`generalisation_episodes`.
    """
    return CompiledTask(
        3,
        1,
        evaluate_poles_without_velocities,
        _always([SHORT, 0, 0, FIRST_ANGLE, 0, 0, 0]),
        ("steps",),
        _balances_and_generalises,
    )


def cart_pole(episodes: int = 10) -> CompiledTask:
    """Play Gymnasium's CartPole-v1, to the bit; the fitness is the mean return of some episodes, 500 at most.

    Inputs are the four numbers of an observation. The action is that of the larger of two outputs.

    Parameters
    ----------
    episodes : int
        Number of episodes that each network plays, at least 1. Their seeds are drawn from the seed of the run.
    """
    if episodes < 1:
        raise ValueError(f"episodes must be at least 1; got {episodes}")

    def draw(rng: np.random.Generator) -> Episodes:
        return cart_pole_episodes(rng.integers(2**31, size=episodes))

    return CompiledTask(4, 2, evaluate_cart_pole, draw, ("steps",))


def cart_pole_episodes(seeds: NDArray[np.integer] | list[int]) -> Episodes:
    """Return the episodes of CartPole-v1 that ``reset(seed=…)`` of Gymnasium begins, shape (n_seeds, 5)."""
    starts = [np.random.default_rng(int(seed)).uniform(-0.05, 0.05, 4) for seed in seeds]
    return np.column_stack([np.full(len(starts), 500.0), np.array(starts).reshape(-1, 4)])


def generalisation_episodes() -> Episodes:
    """Return the 625 episodes of 1,000 steps from a grid of starts, shape (625, 7) (Gruau et al. 1996)."""
    starts = [
        [
            SHORT,
            *((2 * share - 1) * bound for share, bound in zip(shares, RANGES, strict=True)),
            0,
            0,
        ]
        for shares in product(GRID, repeat=4)
    ]
    return np.array(starts, np.float64)


def count_generalisation(play: PlayEpisodes) -> int:
    """Return from how many of the 625 starts a network on two poles balances for 1,000 steps."""
    return int((play(generalisation_episodes())[:, 1] == SHORT).sum())


def _balances_and_generalises(play: PlayEpisodes) -> bool:
    long_episode = np.array([[LONG, 0, 0, FIRST_ANGLE, 0, 0, 0]], np.float64)
    return bool(play(long_episode)[0, 1] == LONG) and count_generalisation(play) >= ENOUGH


def _always(episode: list[float]) -> Callable[[np.random.Generator], Episodes]:
    """Return a function that draws one episode, which is always the same."""
    return lambda rng: np.array([episode], np.float64)


COMPILED_TASKS: Mapping[str, Callable[[], CompiledTask]] = {
    "cart_pole": cart_pole,
    "double_pole": double_pole,
    "double_pole_without_velocities": double_pole_without_velocities,
    "single_pole": single_pole,
}
"""The tasks by name."""
