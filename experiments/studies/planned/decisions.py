"""Which cells a rung of successive halving stops: a function of validation values in the tables of runs alone."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from evo.storage.run_reader import error_of, is_run, load_tables
from experiments.settings.halving import HalvingSettings


class Decision(BaseModel, frozen=True, extra="forbid"):
    """What a rung decided.

    Attributes
    ----------
    rung : int
        Number of the rung, from 1.
    generation : int
        Last generation of the searches that were compared.
    fitness : dict
        Best validation fitness so far by cell and seed; None where the search failed.
    stopped : dict
        Why each cell that does not go on was stopped.
    """

    rung: int
    generation: int
    fitness: dict[str, dict[int, float | None]]
    stopped: dict[str, str]


def fitness_at(run: Path, generation: int) -> float | None:
    """Return the best validation fitness of a search up to a generation.

    Parameters
    ----------
    run : Path
        The run folder; it need not exist.
    generation : int

    Returns
    -------
    float or None
        −∞ if the search has failed, so that it has no fitness. None if it has not committed the generation yet.

    Raises
    ------
    ResultsError
        If a file of the run is missing or damaged.
    """
    if not is_run(run):
        return None
    if error_of(run):
        return -math.inf
    tables = load_tables([run], ["generations", "individuals"])
    if not (tables["generations"]["generation"] == generation).any():
        return None
    individuals = tables["individuals"]
    return float(individuals.loc[individuals["generation"] <= generation, "fitness"].max())


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def decide(
    halving: HalvingSettings,
    rung: int,
    generation: int,
    fitness: Mapping[str, Mapping[int, float]],
) -> Decision:
    """Return which cells a rung stops. Of equal cells the earlier one in the study goes on.

    Parameters
    ----------
    halving : HalvingSettings
    rung, generation : int
        Number of the rung, and the generation that all searches have reached.
    fitness : mapping
        By cell and seed, as :func:`fitness_at` returns it; all cells have the same seeds.

    Examples
    --------
    >>> found = decide(HalvingSettings(), 1, 3, {"a": {0: 0.5}, "b": {0: 0.7}, "c": {0: 0.6}})
    >>> list(found.stopped)
    ['c', 'a']
    """
    over_seeds = _mean if halving.statistic == "mean" else np.median
    scores = {cell: float(over_seeds([*of_seeds.values()])) for cell, of_seeds in fitness.items()}
    ranked = sorted(scores, key=lambda cell: -scores[cell])
    n_kept = max(halving.keep, math.floor(len(ranked) / halving.factor))
    return Decision(
        rung=rung,
        generation=generation,
        fitness={
            cell: {seed: one if math.isfinite(one) else None for seed, one in of_seeds.items()}
            for cell, of_seeds in fitness.items()
        },
        stopped={
            cell: f"at rung {rung}, after generation {generation}: the {halving.statistic} of the best validation "
            f"fitness over seeds, {scores[cell]:.6g}, has rank {rank} of {len(ranked)}, of which {n_kept} went on"
            for rank, cell in enumerate(ranked, 1)
            if rank > n_kept
        },
    )
