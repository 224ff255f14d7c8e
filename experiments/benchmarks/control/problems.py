"""The problems of ``bench control``, and the arms that solve them: ours, ours with one thing changed, controls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cnn.training.samples import Samples
from evo.gradient_free.control import double_pole, double_pole_without_velocities
from evo.gradient_free.dense_kernels import OPERATOR_CODES
from evo.gradient_free.settings import NeuroevolutionSettings
from evo.gradient_free.task import CompiledTask
from experiments.benchmarks.graph.evolution import xor_settings
from experiments.benchmarks.peers.neat import (
    SQUARE,
    WANTED,
    Sections,
    evolve_xor,
    neat_config,
    sharpneat,
)
from experiments.benchmarks.peers.neat_poles import OF_NEAT, evolve_poles, poles_config

OURS, PEER, SHARPNEAT = "ours", "neat-python", "neat-python as SharpNEAT"

Changes = Mapping[str, Any]
PeerRun = Callable[[int, int], tuple[int, bool, int]]
"""Function from seed and largest number of evaluations to evaluations, whether solved, and number of edges."""


@dataclass(frozen=True)
class Peer:
    """neat-python on one problem, with some settings.

    Attributes
    ----------
    run : callable
        Runs it.
    max_evaluations : int
        Where a run ends unsolved.
    seeds : int
        Most seeds: its runs take minutes where episodes are long.
    """

    run: PeerRun
    max_evaluations: int
    seeds: int = 50


@dataclass(frozen=True)
class Problem:
    """One problem.

    Attributes
    ----------
    name : str
    task : callable
        Makes what networks are judged by.
    settings : NeuroevolutionSettings
        Ours; chosen on seeds from 1,000.
    max_evaluations : int
        Where a run ends unsolved.
    peers : mapping
        neat-python by the name of the arm: with the settings of its example or of the paper, and with those of
        SharpNEAT as far as it has them.
    published : float or None
        Median or mean of evaluations in Stanley and Miikkulainen (2002), in their words an average.
    arms : mapping
        The changes to our settings of each further arm.
    arm_seeds : int
        Most seeds of these arms.
    """

    name: str
    task: Callable[[], Samples | CompiledTask]
    settings: NeuroevolutionSettings
    max_evaluations: int
    peers: Mapping[str, Peer]
    published: float | None
    arms: Mapping[str, Changes] = field(default_factory=dict)
    arm_seeds: int = 50

    @property
    def all_arms(self) -> tuple[str, ...]:
        """The names of all arms, in the order of the tables."""
        return (OURS, *self.peers, *self.arms)

    def settings_of(self, arm: str) -> NeuroevolutionSettings:
        """Return the settings of one of our arms, whose generations end at the largest number of evaluations."""
        settings = self.settings.model_copy(update={} if arm == OURS else self.arms[arm])
        generations = max(1, self.max_evaluations // settings.population)
        return settings.model_copy(update={"generations": generations})


def without(letter: str) -> Changes:
    """Return the changes that leave out one operator."""
    weights = NeuroevolutionSettings().operator_weights
    return {"operator_weights": {code: w for code, w in weights.items() if code != letter}}


LETTERS: Mapping[str, Changes] = {
    f"without {letter}": without(letter) for letter in OPERATOR_CODES if letter != "N"
}
ABLATIONS: Mapping[str, Changes] = {
    "N alone": {"operator_weights": {"N": 1.0}},
    "weights alone": {"operator_weights": {"N": 1.0}, "growth_fraction": 0.0},
    "truncation": {"selection": "truncation"},
    "speciation": {"selection": "speciation"},
    "crossover": {"crossover_probability": 0.75},
    "speciation, crossover": {"selection": "speciation", "crossover_probability": 0.75},
}
"""Arms with one thing changed. Weights alone is the control without topology: the founder's wiring stays."""


def xor() -> Samples:
    """Return the four corners of XOR."""
    return Samples(np.array(SQUARE), np.array(WANTED)[:, None])


def peer_on_xor(settings: Sections) -> PeerRun:
    """Return a function that runs neat-python's own example, with changes of its settings."""

    def run(seed: int, max_evaluations: int) -> tuple[int, bool, int]:
        config = neat_config(settings)
        return evolve_xor(config, seed=seed, generations=max(1, max_evaluations // config.pop_size))

    return run


def peer_on_poles(n_inputs: int, threshold: float, settings: Sections) -> PeerRun:
    """Return a function that runs neat-python on two poles."""
    sees_velocities = n_inputs == 6
    task = double_pole() if sees_velocities else double_pole_without_velocities()
    episode = task.draw_episodes(np.random.default_rng(0))[0]  # always the same

    def run(seed: int, max_evaluations: int) -> tuple[int, bool, int]:
        config = poles_config(
            n_inputs, recurrent=not sees_velocities, threshold=threshold, settings=settings
        )
        return evolve_poles(
            config, episode, seed=seed, max_evaluations=max_evaluations, sees_velocities=sees_velocities
        )  # fmt: skip

    return run


VELOCITIES = NeuroevolutionSettings(
    output_activation="tanh", hidden=1, population=100, target_fitness=100_000.0
)
MEMORY = NeuroevolutionSettings(
    output_activation="tanh", hidden=3, init_std=4.0, mutation_std=2.0, memory=True
)
"""Ours, as chosen on seeds from 1,000: without velocities weights must be large, because they weigh differences."""

PROBLEMS = (
    Problem(
        "XOR",
        xor,
        xor_settings(),
        max_evaluations=45_000,
        peers={
            PEER: Peer(peer_on_xor({}), 45_000),
            SHARPNEAT: Peer(peer_on_xor(sharpneat(2)), 45_000),
        },
        published=4_755,
        arms={**LETTERS, **ABLATIONS, "random": {"population": 45_000}},
    ),
    Problem(
        "double pole",
        double_pole,
        VELOCITIES,
        max_evaluations=20_000,
        peers={
            PEER: Peer(peer_on_poles(6, 100_000.0, OF_NEAT), 20_000, seeds=5),
            SHARPNEAT: Peer(peer_on_poles(6, 100_000.0, sharpneat(6)), 20_000, seeds=5),
        },
        published=3_600,
        arms={**LETTERS, **ABLATIONS, "memory": {"memory": True}, "random": {"population": 20_000}},
        arm_seeds=20,
    ),
    Problem(
        "double pole without velocities",
        double_pole_without_velocities,
        MEMORY,
        max_evaluations=50_000,
        peers={
            PEER: Peer(peer_on_poles(3, float("inf"), OF_NEAT), 600, seeds=2),
            SHARPNEAT: Peer(peer_on_poles(3, float("inf"), sharpneat(3)), 600, seeds=2),
        },
        published=33_184,
        arms={
            "no memory": {"memory": False},
            "no memory, 3 ticks": {"memory": False, "ticks": 3},
            "2 ticks": {"ticks": 2},
            "N alone": ABLATIONS["N alone"],
            "weights alone": ABLATIONS["weights alone"],
            "speciation, crossover": ABLATIONS["speciation, crossover"],
        },
        arm_seeds=10,
    ),
)
"""The problems, in the order of the tables."""
