"""One run of one arm with one seed, and what the runs of an arm come to."""

import math
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

import graphops
from evo.evolution.statistics import GenomeStatistics, describe
from evo.genome.genome import Genome
from evo.gradient_free.control import count_generalisation
from evo.gradient_free.neuroevolution import neuroevolve
from evo.phenotype.phenotype import Phenotype
from experiments.benchmarks.control.problems import Problem

Row = dict[str, Any]


def run_row(problem: Problem, arm: str, seed: int, max_evaluations: int | None = None) -> Row:
    """Run one of our arms, or neat-python, with one seed.

    Parameters
    ----------
    problem : Problem
    arm : str
        A name in ``problem.all_arms``.
    seed : int
    max_evaluations : int, optional
        Where the run ends unsolved; by default the number of the problem.

    Returns
    -------
    dict
        A row of the table ``runs``. Seconds are those of the whole run; the compiled test of a solution is included.
    """
    row: Row = {"problem": problem.name, "arm": arm, "seed": seed}
    started = perf_counter()
    if arm in problem.peers:
        peer = problem.peers[arm]
        evaluations, solved, n_edges = peer.run(seed, max_evaluations or peer.max_evaluations)
        found: Row = {"n_effective": n_edges}
        seconds = perf_counter() - started
    else:
        if max_evaluations is not None:
            problem = replace(problem, max_evaluations=max_evaluations)
        settings = problem.settings_of(arm)
        result = neuroevolve(problem.task(), settings, seed=seed)
        seconds = perf_counter() - started
        evaluations, solved = result.evaluations, result.solved
        found = _size(result.winner, memory=settings.memory)
        if solved and len(result.winner.inputs) == 3:
            found["generalisation"] = count_generalisation(result.play)
    return {**row, "evaluations": evaluations, "solved": solved, "seconds": seconds, **found}


def _size(genome: Genome, *, memory: bool) -> Row:
    """Return what a winner consists of; with memory all cycles count, as in a long sequence.

    By Mason's formula det(I − W) of the effective edges is 1 without cycles; its logarithm is then 0.
    """
    if memory:
        genome = replace(genome, ticks=max(genome.ticks, genome.n_nodes + 1))
    facts: GenomeStatistics = describe(genome, Phenotype(genome, "squared_error"))
    return {
        "n_effective": facts.n_effective,
        "n_computed": facts.n_computed,
        "n_delayed": facts.n_delayed,
        "n_cyclic": facts.n_cyclic,
        "log_abs_identity_minus": float(
            graphops.slogdet(
                graphops.identity_minus(genome.weights_of(genome.effective_mask()))
            ).log_abs
        ),
    }


def mark_row(rows: Sequence[Row], published: float | None) -> Row:
    """Summarise the runs of one arm on one problem.

    The median of evaluations is over all runs; unsolved runs count as more than any other, so that the median is
    infinite if half of them are unsolved. Sizes are medians over solved runs, the speed is one over all runs.
    """
    needed = [row["evaluations"] if row["solved"] else math.inf for row in rows]
    solved = [row for row in rows if row["solved"]]
    ordered = sorted(needed)
    n = len(ordered)

    def median(name: str) -> float | None:
        values = [row[name] for row in solved if row.get(name) is not None]
        return float(np.median(values)) if values else None

    return {
        "problem": rows[0]["problem"],
        "arm": rows[0]["arm"],
        "runs": n,
        "solved_share": len(solved) / n,
        "median_evaluations": (ordered[(n - 1) // 2] + ordered[n // 2]) / 2,
        "published_evaluations": published,
        "n_effective": median("n_effective"),
        "n_cyclic": median("n_cyclic"),
        "with_cycles": float(np.mean([bool(row["n_cyclic"]) for row in solved]))
        if solved and "n_cyclic" in solved[0]
        else None,
        "generalisation": median("generalisation"),
        "evaluations_per_second": float(
            np.median([row["evaluations"] / row["seconds"] for row in rows])
        ),
    }
