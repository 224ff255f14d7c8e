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
"""Largest number of generations of a run, as in neat-python's example."""

RUNS_A_TURN = 20
"""Number of our runs in one turn, beside one run of neat-python: ours take milliseconds."""

Run = Callable[[int], tuple[int, bool]]
"""Function from a seed to the number of networks evaluated and whether the problem was solved."""


@dataclass(frozen=True)
class Turn:
    """Whole runs of one side: networks evaluated by each run, number of solved runs, seconds of all runs."""

    evaluations: list[int]
    n_solved: int
    seconds: float

    @property
    def rate(self) -> float:
        """Evaluations a second."""
        return sum(self.evaluations) / self.seconds


def xor_settings() -> NeuroevolutionSettings:
    """Return our settings: population and fitness threshold of neat-python's example, else our defaults."""
    example = XOR_EXAMPLE["NEAT"]
    # Their fitness is 4 − Σ (o − t)². Ours is minus the mean of (o − t)² / 2 over the four samples.
    target = (example["fitness_threshold"] - len(WANTED)) / 2 / len(WANTED)
    return NeuroevolutionSettings(
        population=example["pop_size"],
        generations=GENERATIONS,
        target_fitness=target,
        output_activation="sigmoid",
    )


def evolution_rows(rounds: int, quick: bool) -> list[dict[str, Any]]:
    """Let our side and neat-python solve XOR in turns, in this process; each run has a seed of its own.

    The clock runs from given settings and data to a winner. It includes drawing the first population and, on our side,
    the table of generations. It excludes compilation, which an earlier run does, reading neat-python's settings, and
    the lineage of our winner, which neat-python does not keep.

    Parameters
    ----------
    rounds : int
        Number of turns of each side.
    quick : bool
        Whether neat-python stops after a few generations: a test that everything works.

    Returns
    -------
    list of dict
        One row: medians and quartiles of rates over turns, the median number of evaluations of a run, and the fraction
        of runs that solved the problem.
    """
    xor = Samples(np.array(SQUARE), np.array(WANTED)[:, None])
    settings, config = xor_settings(), neat_config()
    limit = 5 if quick else GENERATIONS

    def ours(seed: int) -> tuple[int, bool]:
        run = neuroevolve(xor, settings, seed=seed)
        return run.evaluations, run.solved

    def theirs(seed: int) -> tuple[int, bool]:
        evaluations, solved, _ = evolve_xor(config, seed=seed, generations=limit)
        return evaluations, solved

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
    """Time runs from these seeds, one after the other."""
    results: list[tuple[int, bool]] = []
    seconds = seconds_of(lambda: results.extend([run(seed) for seed in seeds]))
    evaluations = [count for count, _ in results]
    return Turn(evaluations, sum(solved for _, solved in results), seconds)


def _cost(side: str, turns: Sequence[Turn]) -> dict[str, Any]:
    """Return the cost of solving the problem."""
    counts = [count for turn in turns for count in turn.evaluations]
    return {
        f"{side}_runs": len(counts),
        f"{side}_solved_share": sum(turn.n_solved for turn in turns) / len(counts),
        f"{side}_evaluations_a_run": float(np.median(counts)),
        f"{side}_seconds_a_run": float(
            np.median([turn.seconds / len(turn.evaluations) for turn in turns])
        ),
    }
