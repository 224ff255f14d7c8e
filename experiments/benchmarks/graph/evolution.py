"""Evolution alone, without training: whole runs on XOR beside neat-python's own example."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnn.training.samples import Samples
from evo.gradient_free.neuroevolution import neuroevolve
from evo.gradient_free.settings import NeuroevolutionSettings
from experiments.benchmarks.harness.timing import Spread, seconds_of
from experiments.benchmarks.peers.neat import (
    SQUARE,
    WANTED,
    XOR_EXAMPLE,
    evolve_xor,
    neat_config,
)

GENERATIONS = 300
"""At most so many in each run: the limit of neat-python's example."""

RUNS_A_TURN = 20
"""Ours in one turn, beside one of neat-python's: a run takes milliseconds."""

Run = Callable[[int], tuple[int, bool]]
"""From a seed to networks evaluated, and whether the problem was solved."""


@dataclass(frozen=True)
class Turn:
    """Some whole runs of one side, setup included: networks evaluated by each, how many solved it, seconds of all."""

    evaluations: list[int]
    n_solved: int
    seconds: float

    @property
    def rate(self) -> float:
        """Evaluations a second."""
        return sum(self.evaluations) / self.seconds


def xor_settings() -> NeuroevolutionSettings:
    """Return our side of the task: population and fitness threshold of neat-python's example, by our own defaults."""
    example = XOR_EXAMPLE["NEAT"]
    # Theirs is 4 − Σ (o − t)², ours minus the mean of half of it over four samples.
    target = (example["fitness_threshold"] - len(WANTED)) / 2 / len(WANTED)
    return NeuroevolutionSettings(
        population=example["pop_size"],
        generations=GENERATIONS,
        target_fitness=target,
        output_activation="sigmoid",
    )


def evolution_rows(rounds: int, quick: bool) -> list[dict[str, Any]]:
    """Let ours and neat-python solve XOR in turns, in this process, each run from a seed of its own.

    A run begins with settings and data at hand and ends with a winner: the population is founded, and on our side the
    table of generations made, on the clock. Not on it are compilation, which an earlier run has done, the reading of
    neat-python's settings, and our winner's lineage, which neat-python does not keep.

    Parameters
    ----------
    rounds : int
        Turns of each side.
    quick : bool
        Stop neat-python after some generations: a test that everything works.

    Returns
    -------
    list of dict
        One row. Rates are medians and quartiles over turns, evaluations those that runs needed to solve the problem, as
        medians, solved shares those of all runs.
    """
    xor = Samples(np.array(SQUARE), np.array(WANTED)[:, None])
    settings, config = xor_settings(), neat_config()
    limit = 5 if quick else GENERATIONS

    def ours(seed: int) -> tuple[int, bool]:
        run = neuroevolve(xor, settings, seed=seed)
        return run.evaluations, run.solved

    def theirs(seed: int) -> tuple[int, bool]:
        return evolve_xor(config, seed=seed, generations=limit)

    ours(0)
    theirs(0)
    mine, peers = [], []
    for k in range(rounds):
        mine.append(_take_turn(ours, range(1 + k * RUNS_A_TURN, 1 + (k + 1) * RUNS_A_TURN)))
        peers.append(_take_turn(theirs, range(1 + k, 2 + k)))
    row: dict[str, Any] = {
        "what": "evolution alone, XOR, population 150",
        "peer": "neat-python",
        "unit": "evaluations/s",
    }
    for side, turns in (("ours", mine), ("peer", peers)):
        rate = Spread.of([turn.rate for turn in turns])
        value = "ours" if side == "ours" else "peer_value"
        row |= {value: rate.median, f"{side}_low": rate.low, f"{side}_high": rate.high}
        row |= _cost(side, turns)
    row["ratio"] = row["ours"] / row["peer_value"]
    return [row]


def _take_turn(run: Run, seeds: Sequence[int]) -> Turn:
    """Time one run after another, from these seeds."""
    results: list[tuple[int, bool]] = []
    seconds = seconds_of(lambda: results.extend([run(seed) for seed in seeds]))
    evaluations = [count for count, _ in results]
    return Turn(evaluations, sum(solved for _, solved in results), seconds)


def _cost(side: str, turns: Sequence[Turn]) -> dict[str, Any]:
    """Return what solving the problem took."""
    counts = [count for turn in turns for count in turn.evaluations]
    return {
        f"{side}_runs": len(counts),
        f"{side}_solved_share": sum(turn.n_solved for turn in turns) / len(counts),
        f"{side}_evaluations_a_run": float(np.median(counts)),
        f"{side}_seconds_a_run": float(
            np.median([turn.seconds / len(turn.evaluations) for turn in turns])
        ),
    }
